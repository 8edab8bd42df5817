"""Roots of the local Bernstein–Sato polynomial of isolated quasi-homogeneous germs."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from sympy.polys.rings import PolyElement

from zeeman.singularities.local_algebra import is_quasihomogeneous
from zeeman.singularities.spectrum import spectrum


def bernstein_roots(f: PolyElement) -> dict[Fraction, int] | None:
    """Give the roots of b_f(s) at the origin with their multiplicities, from the largest to the smallest.

    For an isolated critical point that is quasi-homogeneous in some coordinates, b_f(s) = (s + 1) Π (s + α) over the
    different spectral numbers α (Kashiwara, Malgrange); whether it is so is decided by τ = μ, in any coordinates.

    Returns
    -------
    dict or None
        {-1: 1} if the origin is not critical; None if μ is infinite, τ < μ, or the spectrum is not known.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> {str(root): times for root, times in bernstein_roots(x**4 + y**2).items()}
    {'-3/4': 1, '-1': 2, '-5/4': 1}
    """
    numbers = spectrum(f) if is_quasihomogeneous(f) else None
    if numbers is None:
        return None
    roots = Counter([Fraction(-1), *(-alpha for alpha in set(numbers))])
    return {root: roots[root] for root in sorted(roots, reverse=True)}
