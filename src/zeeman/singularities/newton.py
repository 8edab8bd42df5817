"""Newton polyhedra: the real log canonical threshold of monomial ideals, with a certificate for both sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from operator import le

from zeeman.errors import ZeemanError
from zeeman.singularities.simplex import PackingTableau

Exponent = tuple[int, ...]


@dataclass(frozen=True)
class NewtonRLCT:
    """Optimum of the program λ = min {Σ (1 + h_i) w_i : ⟨a, w⟩ ≥ 1 for every exponent a, w ≥ 0}.

    Attributes
    ----------
    value
        λ.
    multiplicity
        m = 1 + dimension of the set of optimal weights.
    weights
        A vertex w of it, one weight a variable: along x_i = s^{w_i} every monomial is of order s^1 at least, and the
        volume shrinks as s^λ; this proves λ from above.
    packing
        Fractional packing y ≥ 0 of exponents, Σ_a y_a a ≤ 1 + h, with Σ y = λ; this proves λ from below.
    face
        The exponents with ⟨a, w⟩ = 1 for all optimal w: they span the face of the polyhedron that the diagonal meets.
    """

    value: Fraction
    multiplicity: int
    weights: tuple[Fraction, ...]
    packing: tuple[tuple[Exponent, Fraction], ...]
    face: frozenset[Exponent]


def newton_rlct(exponents: Iterable[Sequence[int]], shifts: Sequence[int | Fraction] | None = None) -> NewtonRLCT:
    """Give λ and m of the ideal of some monomials, for the density Π |x_i|^{h_i}.

    The zeta function ∫ max_a |x^a|^z Π |x_i|^{h_i} dx near 0 has its largest pole at -λ, of order m. The program and
    its dual, the packing of exponents, are solved in whole numbers for any number of variables; the dimension of the
    optimal face is exact, by strict complementarity.

    Parameters
    ----------
    exponents
        The exponents a of the generators, each of length d, not zero.
    shifts
        h, each above -1; by default 0.

    Raises
    ------
    ZeemanError
        Without exponents, with negative ones or one that is zero, or with shifts of -1 and below.

    Examples
    --------
    >>> found = newton_rlct([(2, 0), (0, 3)])
    >>> str(found.value), found.multiplicity
    ('5/6', 1)
    >>> newton_rlct([(1, 1)]).multiplicity
    2
    """
    support = minimal_exponents(exponents)
    num_variables = len(support[0])
    weight = [Fraction(1) + h for h in (shifts if shifts is not None else [0] * num_variables)]
    if len(weight) != num_variables or min(weight) <= 0:
        raise ZeemanError(f"expected {num_variables} shifts above -1, got {list(map(str, shifts or []))}.")
    tableau = PackingTableau(support, weight)
    packing = tuple((a, y) for a, y in zip(support, tableau.packing(), strict=True) if y)
    value, weights = tableau.value, tuple(tableau.prices())
    tight = tableau.positive_somewhere()
    multiplicity = 1 + num_variables - rank([_tight_row(j, support) for j in sorted(tight)])
    face = frozenset(support[j] for j in tight if j < len(support))
    return NewtonRLCT(value, multiplicity, weights, packing, face)


def minimal_exponents(exponents: Iterable[Sequence[int]]) -> list[Exponent]:
    """Keep the exponents that no other one divides, sorted.

    Raises
    ------
    ZeemanError
        If there are none, or they are of different lengths, negative or zero.

    Examples
    --------
    >>> minimal_exponents([(2, 0), (3, 1), (0, 1), (2, 0)])
    [(0, 1), (2, 0)]
    """
    support = sorted({tuple(int(e) for e in a) for a in exponents}, key=lambda a: (sum(a), a))
    if not support or len({len(a) for a in support}) != 1:
        raise ZeemanError(
            "expected at least one exponent, all of the same length; give the monomials of a nonzero ideal."
        )
    if any(min(a, default=0) < 0 or not any(a) for a in support):
        raise ZeemanError(
            "expected exponents that are not negative and not all zero; a monomial of degree 0 is a unit."
        )
    kept: list[Exponent] = []
    for a in support:
        if not any(all(map(le, other, a)) for other in kept):
            kept.append(a)
    return sorted(kept)


def _tight_row(variable: int, support: Sequence[Exponent]) -> list[int]:
    """Constraint of the covering program whose dual variable this is: an exponent, or w_i ≥ 0 for a slack."""
    if variable < len(support):
        return list(support[variable])
    return [int(variable - len(support) == i) for i in range(len(support[0]))]


def rank(rows: Sequence[Sequence[int | Fraction]]) -> int:
    """Rank of a matrix of integers or fractions, without rounding.

    Examples
    --------
    >>> rank([[1, 2], [2, 4], [0, 0]])
    1
    """
    pivots: dict[int, dict[int, int]] = {}  # rows of the echelon form, in whole numbers, by their first column
    for row in rows:
        scale = lcm(*(one.denominator for one in row))
        rest = {column: int(one * scale) for column, one in enumerate(row) if one}
        while rest and (first := min(rest)) in pivots:
            rest = _without(rest, pivots[first], first)
        if rest:
            pivots[first] = rest
    return len(pivots)


def _without(row: dict[int, int], pivot: dict[int, int], column: int) -> dict[int, int]:
    """A multiple of the row less one of the pivot's, 0 in the column, divided by what its entries share."""
    up, down = pivot[column], row[column]
    both = ((k, up * row.get(k, 0) - down * pivot.get(k, 0)) for k in row.keys() | pivot.keys())
    left = {k: x for k, x in both if x}
    shared = gcd(*left.values())
    return {k: x // shared for k, x in left.items()}
