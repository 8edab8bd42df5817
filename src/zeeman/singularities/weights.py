"""Weights of a quasi-homogeneous germ."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from sympy.polys.domains import QQ
from sympy.polys.groebnertools import groebner
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement

HALF = Fraction(1, 2)


def weights(f: PolyElement) -> tuple[Fraction, ...] | None:
    """Weights q for which f is quasi-homogeneous of degree 1 and has an isolated critical point at the origin.

    Every monomial x^a of f has ⟨a, q⟩ = 1, with 0 < q_i < 1. Where the equations leave freedom, it comes from products
    x_i x_j, and the solution with all q_i ≤ ½ is taken, which is unique (K. Saito 1971).

    Parameters
    ----------
    f : PolyElement
        Polynomial over QQ with n variables.

    Returns
    -------
    tuple of n Fractions, or None
        None when f is not quasi-homogeneous in these coordinates, is not critical at 0, or is critical elsewhere too: a
        germ may still be quasi-homogeneous in other coordinates.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> [str(q) for q in weights(x**2 * y + y**4)]
    ['3/8', '1/4']
    >>> [str(q) for q in weights(x * y)]
    ['1/2', '1/2']
    >>> weights(x**2 + x * y**2 + y**5) is weights((x**2 - y**3) ** 2) is None
    True
    """
    exponents = f.monoms()
    q = _solve(exponents)
    if q is None:
        pairs = [
            tuple(2 * (k == i) for k in range(f.ring.ngens)) for a in exponents for i in range(len(a)) if _product(a, i)
        ]
        q = _solve([*exponents, *pairs])
        if q is None or max(q) > HALF:
            return None
    if not all(0 < qi < 1 for qi in q) or not is_isolated(f):
        return None
    return q


def kind_of(dimension: Fraction) -> str:
    """Name a deformation by its y: `relevant` (y > 0: another germ at large n), `marginal` (a modulus), `irrelevant`.

    Examples
    --------
    >>> kind_of(Fraction(1, 2)), kind_of(Fraction(0)), kind_of(Fraction(-1, 3))
    ('relevant', 'marginal', 'irrelevant')
    """
    return "relevant" if dimension > 0 else "irrelevant" if dimension < 0 else "marginal"


def crossover(dimension: Fraction) -> Fraction | None:
    """Give 1/y: a germ with a deformation t of weight y gives way at n ~ |t|^{−1/y}; None unless relevant.

    Examples
    --------
    >>> crossover(Fraction(1, 2))
    Fraction(2, 1)
    """
    return 1 / dimension if dimension > 0 else None


def is_isolated(f: PolyElement) -> bool:
    """Whether the critical points of f over the complex numbers are finitely many.

    For a quasi-homogeneous f with positive weights the origin is then the only one. Decided by a Gröbner basis of the
    partial derivatives: each variable must have a power among the leading monomials.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> is_isolated(x**3 + y**4), is_isolated(x**2 * y**2)
    (True, False)
    """
    n = f.ring.ngens
    # A monomial x_i^a x_j for every i is necessary (K. Saito 1971), and cheap to see.
    if not all(any(sum(a) - a[i] <= 1 for a in f.monoms()) for i in range(n)):
        return False
    return is_finite([f.diff(x) for x in f.ring.gens])


def is_finite(generators: Sequence[PolyElement]) -> bool:
    """Whether the generators have finitely many common zeros over the complex numbers.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> is_finite([x**2 - y, y**2]), is_finite([x * y, x**2])
    (True, False)
    """
    leading = leading_monomials(generators)
    return all(any(sum(a) == a[i] for a in leading) for i in range(generators[0].ring.ngens))


def leading_monomials(generators: Sequence[PolyElement]) -> list[tuple[int, ...]]:
    """Leading exponents of the reduced Gröbner basis, by degree and then reverse lexicographically.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> leading_monomials([x * y, x**2 + 3 * y**2])
    [(0, 3), (2, 0), (1, 1)]
    """
    ring = generators[0].ring.clone(order="grevlex")
    return [g.LM for g in groebner([f.set_ring(ring) for f in generators if f], ring)]


def _product(a: tuple[int, ...], i: int) -> bool:
    """Whether x^a is x_i x_j with j ≠ i."""
    return sum(a) == 2 and a[i] == 1


def _solve(exponents: Sequence[tuple[int, ...]]) -> tuple[Fraction, ...] | None:
    """The only q with ⟨a, q⟩ = 1 for every exponent a, or None."""
    if not exponents:
        return None
    n = len(exponents[0])
    rows = [[QQ(k) for k in (*a, 1)] for a in exponents]
    reduced, pivots = DomainMatrix(rows, (len(rows), n + 1), QQ).rref()
    if pivots != tuple(range(n)):
        return None
    entries = reduced.to_Matrix()[:n, n]
    return tuple(Fraction(int(q.p), int(q.q)) for q in entries)
