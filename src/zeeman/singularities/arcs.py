"""Arc algebras: functions on the arcs of a scheme that start at the origin, counted by weight and order of contact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from sympy.polys.rings import PolyElement

from zeeman.errors import ZeemanError
from zeeman.singularities.jets import compose

Matrix = NDArray[np.float64]
Monomial = tuple[int, ...]

PRIMES = (999_983, 999_979)
"""Below 2²⁰, so that products of residues summed over a row of some thousands stay exact in float64."""


@dataclass(frozen=True)
class ArcSeries:
    """Hilbert series of an arc algebra, with x_i = Σ_j x_ij t^j and x_ij of weight j.

    Parameters
    ----------
    coefficients : tuple of int
        Dimensions in weight 0, 1, ….
    order : int
        Arcs with ord x_i ≥ order for all i.
    certificate : str
        How the dimensions were obtained.
    """

    coefficients: tuple[int, ...]
    order: int
    certificate: str


def arc_series(generators: Sequence[PolyElement], degree: int, order: int = 1) -> ArcSeries:
    """Hilbert series of QQ[x_ij, j ≥ order] / (coefficients of f(x(t)) for all generators f), up to a weight.

    Parameters
    ----------
    generators : sequence of PolyElement
        Polynomials over QQ that vanish at the origin; for a germ, its partial derivatives.
    degree : int
        Largest weight.
    order : int
        Least order of contact with the origin; the strata by contact order are the differences.

    Returns
    -------
    ArcSeries

    Raises
    ------
    ZeemanError
        When a generator does not vanish at the origin, order < 1 or degree < 0.

    Notes
    -----
    For x^k with order 1 the series is ∏ 1/(1 − q^n) over n ≢ 0, ±k mod 2k + 1, a character of the Virasoro minimal
    model (2, 2k + 1); with order 2 over n ≢ 0, ±1, its vacuum (Bruschek, Mourtada and Schepers 2013). Elsewhere no
    such theorem is claimed.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x = ring("x", QQ)
    >>> arc_series([x**2], 8).coefficients
    (1, 1, 1, 1, 2, 2, 3, 3, 4)
    >>> arc_series([x**2], 8, order=2).coefficients
    (1, 0, 1, 1, 1, 1, 2, 2, 3)
    """
    if order < 1 or degree < 0:
        raise ZeemanError(f"expected order ≥ 1 and degree ≥ 0, got {order} and {degree}; arcs start at the origin.")
    for f in generators:
        if f.coeff(1):
            raise ZeemanError(f"expected generators that vanish at the origin, got {f}; shift the coordinates.")
    equations = _equations(generators, degree, order)
    spaces = _monomials([j for j in range(order, degree + 1) for _ in generators[0].ring.gens], degree)
    first, second = (_dimensions(spaces, equations, order, generators[0].ring.ngens, p) for p in PRIMES)
    agreement = "agree" if first == second else "differ, and the smaller dimension is given"
    return ArcSeries(
        tuple(map(min, first, second)),
        order,
        f"ranks mod {PRIMES[0]} and mod {PRIMES[1]} {agreement}; over QQ no dimension is larger",
    )


def _equations(generators: Sequence[PolyElement], degree: int, order: int) -> list[list[dict[Monomial, PolyElement]]]:
    """For each weight, the coefficients of t^weight as {monomial: coefficient}; variable v is x_i,(order + v // n)."""
    n = generators[0].ring.ngens
    count = max(degree - order + 1, 1)
    ring = generators[0].ring.clone(symbols=[f"x_{i}_{j}" for j in range(count) for i in range(n)])
    zeros = [ring.zero] * order
    series = [[*zeros, *(ring.gens[j * n + i] for j in range(count))] for i in range(n)]
    columns = [compose(f.clear_denoms()[1], series, degree + 1) for f in generators]
    return [[{_word(a): c for a, c in column[w].terms()} for column in columns if column[w]] for w in range(degree + 1)]


def _word(exponents: Monomial) -> Monomial:
    """Exponents as the sorted tuple of variables with repetition."""
    return tuple(v for v, k in enumerate(exponents) for _ in range(k))


def _monomials(variable_weights: Sequence[int], degree: int) -> list[list[Monomial]]:
    """All monomials by weight."""
    spaces: list[list[Monomial]] = [[()], *([] for _ in range(degree))]
    for v, weight in enumerate(variable_weights):
        for w in range(weight, degree + 1):
            spaces[w] += [(*a, v) for a in spaces[w - weight]]
    return spaces


def _dimensions(
    spaces: list[list[Monomial]], equations: list[list[dict[Monomial, PolyElement]]], order: int, n: int, p: int
) -> list[int]:
    """Dimension of each weight of the quotient modulo p.

    The ideal in weight w is spanned by the variables times the ideal in lower weights, and the equations of weight w.
    """
    index = [{a: i for i, a in enumerate(space)} for space in spaces]
    ideals: list[Matrix] = []
    for w, space in enumerate(spaces):
        basis = _Echelon(len(space), p)
        for j, i in product(range(order, w + 1), range(n)):
            v = (j - order) * n + i
            lower = ideals[w - j]
            block = np.zeros((len(lower), len(space)))
            block[:, [index[w][tuple(sorted((*a, v)))] for a in spaces[w - j]]] = lower
            basis.extend(block)
        for equation in equations[w]:
            row = np.zeros((1, len(space)))
            for a, c in equation.items():
                row[0, index[w][a]] = int(c) % p
            basis.extend(row)
        ideals.append(basis.rows)
    return [len(space) - len(ideal) for space, ideal in zip(spaces, ideals, strict=True)]


class _Echelon:
    """A reduced row echelon basis modulo a prime, to which rows are added.

    Parameters
    ----------
    width, p : int
        Length of a row, prime.
    """

    def __init__(self, width: int, p: int) -> None:
        self.p = p
        self.rows: Matrix = np.zeros((0, width))
        self.pivots: list[int] = []

    def extend(self, block: Matrix) -> None:
        """Add the rows of the block to the span."""
        if len(self.pivots) == self.rows.shape[1]:
            return
        block = self._residues(block - block[:, self.pivots] @ self.rows)
        block = block[block.any(axis=1)]
        new: Matrix = np.zeros((0, block.shape[1]))
        pivots: list[int] = []
        while len(block):
            pivot = int(block[0].nonzero()[0][0])
            row = self._residues(block[0] * pow(int(block[0, pivot]), -1, self.p))
            new = np.vstack([self._residues(new - np.outer(new[:, pivot], row)), row])
            pivots.append(pivot)
            block = self._residues(block[1:] - np.outer(block[1:, pivot], row))
            block = block[block.any(axis=1)]
        self.rows = np.vstack([self._residues(self.rows - self.rows[:, pivots] @ new), new])
        self.pivots += pivots

    def _residues(self, block: Matrix) -> Matrix:
        """Entries modulo p, from 0 to p − 1; far faster than the remainder of floats."""
        block = block - self.p * np.floor(block / self.p)
        block[block >= self.p] -= self.p
        return block
