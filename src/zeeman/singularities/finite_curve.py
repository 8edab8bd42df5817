"""What t⟨K⟩ must read at finite t for a known potential, to compare measured ladders with."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sympy.polys.rings import PolyElement

from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]

STEP = {1: 0.05, 2: 0.1, 3: 0.2}
"""Steps of the trapezoidal rule in log x, by number of coupled variables."""
LOWEST = -36.0
"""Values of log x below which less than 10⁻¹⁵ of the mass lies."""


def finite_curve(K: PolyElement, t: ArrayLike, localization: float) -> Floats:
    """t⟨K⟩ under exp(−tK − (γ/2)|x|²), by quadrature in the logarithms of the coordinates.

    Parameters
    ----------
    K : PolyElement
        Sum of monomials with positive coefficients and even exponents, in any number of variables of which at most
        three are coupled: K = ΣK_b over blocks b without common variables gives a sum of curves.
    t : array_like
        nβ, positive.
    localization : float
        γ, positive.

    Returns
    -------
    array of the shape of t
        Tends to λ as λ − (m − 1)/(log t + c).

    Raises
    ------
    ZeemanError
        When K has negative or odd terms (its zeros then may lie where such a grid can't see them), when too many
        variables are coupled, or when t or γ is not positive.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> finite_curve(x**2 * y**2, [200.0], 1.0).round(3)
    array([0.367])
    """
    temperatures = np.asarray(t, dtype=np.float64)
    if not (np.all(temperatures > 0) and localization > 0):
        raise ZeemanError(
            f"expected positive t and localization, got {temperatures} and {localization}; raise both above 0."
        )
    if not all(c > 0 and any(a) and not any(k % 2 for k in a) for a, c in K.terms()):
        raise ZeemanError(
            f"expected positive coefficients and even exponents, got {K}; sample such a potential instead."
        )
    blocks = _blocks([(a, float(c)) for a, c in K.terms()])
    totals = [sum(_block_mean(block, float(s), localization) for block in blocks) for s in temperatures.ravel()]
    return np.array(totals, dtype=np.float64).reshape(temperatures.shape)


def asymptotic_curve(rlct: Fraction, multiplicity: int, t: float, offset: float = 0.0) -> float:
    """Value of λ − (m − 1)/(log t + c), which t⟨K⟩ approaches for large t.

    Examples
    --------
    >>> round(asymptotic_curve(Fraction(1, 2), 2, 1e8), 3)
    0.446
    """
    return float(rlct) - (multiplicity - 1) / (log(t) + offset)


Term = tuple[tuple[int, ...], float]


def _blocks(terms: Sequence[Term]) -> list[list[Term]]:
    """Terms in groups without common variables."""
    groups: list[tuple[set[int], list[Term]]] = []
    for a, c in terms:
        variables, members = {i for i, k in enumerate(a) if k}, [(a, c)]
        apart = []
        for other, theirs in groups:
            if other & variables:
                variables |= other
                members += theirs
            else:
                apart.append((other, theirs))
        groups = [*apart, (variables, members)]
    return [members for _, members in groups]


def _block_mean(terms: Sequence[Term], t: float, localization: float) -> float:
    """t⟨K⟩ of coupled variables: by symmetry over positive x = e^u, where the integrand is e^(Σu − tK − γx²/2)."""
    used = [i for i in range(len(terms[0][0])) if any(a[i] for a, _ in terms)]
    if len(used) > max(STEP):
        raise ZeemanError(f"expected at most {max(STEP)} coupled variables, got {len(used)}; sample instead.")
    u = np.arange(LOWEST, log(40 / localization) / 2 + 3, STEP[len(used)])
    axes = np.meshgrid(*([u] * len(used)), indexing="ij", sparse=True)
    log_weight = sum((v - localization / 2 * np.exp(2 * v) for v in axes), start=np.zeros(()))
    energy = sum(
        (c * np.exp(np.minimum(sum(a[i] * v for i, v in zip(used, axes, strict=True)), 300.0)) for a, c in terms),
        start=np.zeros(()),
    )
    log_weight = log_weight - t * energy
    weight = np.exp(log_weight - log_weight.max())
    return float(t * np.sum(weight * energy) / np.sum(weight))
