"""Σ_x z_x² on a full neighbourhood of the code, where wrong entries may be negative and terms may cancel."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from zeeman.programs.rings import PRIME, Monomial, Numbers, Packing, Polynomial, Polynomials
from zeeman.programs.runs import Program

Row = list[Fraction]


@dataclass(frozen=True)
class Squares:
    """What is known of Σ_x z_x² on an open neighbourhood.

    Parameters
    ----------
    hessian_rank : int
        Rank of ∂z/∂ε at the code, that of the Hessian.
    value : Fraction or None
        λ; None where it is not decided.
    multiplicity : int or None
    how : str
        Why, or why not.
    """

    hessian_rank: int
    value: Fraction | None
    multiplicity: int | None
    how: str


def open_squares(program: Program, packing: Packing) -> Squares:
    """Find λ of Σ_x z_x² on an open neighbourhood, where at most one combination of the z_x has no linear part.

    The z_x span a space of functions of dimension s (found from values at random points modulo a prime of 61 bits,
    wrong with probability below 10⁻¹⁵), and their linear parts one of dimension r.

    - s = r: they are coordinates, λ = r/2.
    - r entries stand in the linear parts, and every z_x vanishes with these: the z_x generate the ideal of the r
      entries (Nakayama), λ = r/2.
    - s = r + 1: one combination g begins with a quadratic form on the kernel of the linear parts. If it takes both
      signs, g = 0 is a hypersurface with rlct(g) = 1, and λ = r/2 + 1/2; m = 1 if the form has rank 3 or more, and
      m = 2 if it has rank 2 and g is a product of a coordinate with a function.
    - Otherwise nothing is claimed.

    Parameters
    ----------
    program : Program
    packing : Packing
    """
    linear = program.failures(Polynomials(packing, 1))
    slopes = [_slope(z, packing) for z in linear]
    rank = len(_echelon(slopes))
    values = _values(program, len(slopes) + 1) if rank < len(slopes) else []
    chosen = _independent(values) if values else range(len(slopes))
    if len(chosen) == rank:
        return Squares(rank, Fraction(rank, 2), 1, "the z_x that differ are independent coordinates")
    linear_in = {k for row in slopes for k, x in enumerate(row) if x}
    if len(linear_in) == rank and _vanish_with(program, linear_in):
        return Squares(rank, Fraction(rank, 2), 1, f"the z_x generate the ideal of the {rank} entries of order 1")
    if len(chosen) > rank + 1:
        more = len(chosen) - rank
        return Squares(rank, None, None, f"not decided: {more} combinations of the z_x begin at second order or later")
    return _last_one(program, packing, list(chosen), slopes)


def _slope(z: Polynomial, packing: Packing) -> Row:
    row = [Fraction(0)] * packing.size
    for monomial, coefficient in z.items():
        for k in packing.exponents(monomial):
            row[k] += coefficient
    return row


def _values(program: Program, points: int) -> list[list[int]]:
    """z_x, one row for each input, at random points modulo the prime."""
    draw = random.Random(0)
    columns = [[int(z) for z in _at(program, _point(program, draw))] for _ in range(points)]
    return [list(row) for row in zip(*columns, strict=True)]


def _point(program: Program, draw: random.Random) -> list[int]:
    return [draw.randrange(PRIME) for _ in program.coordinates]


def _at(program: Program, point: Sequence[float]) -> list[float]:
    return program.failures(Numbers(point, PRIME))


def _vanish_with(program: Program, coordinates: set[int]) -> bool:
    """Whether every z_x is 0 where these entries are, at a random point modulo the prime."""
    point = _point(program, random.Random(2))
    return not any(_at(program, [0 if k in coordinates else x for k, x in enumerate(point)]))


def _independent(rows: list[list[int]]) -> list[int]:
    """Numbers of the first rows that span all of them, modulo the prime."""
    kept: list[int] = []
    basis: list[tuple[int, list[int]]] = []
    for number, row in enumerate(rows):
        rest = list(row)
        for pivot, other in basis:
            rest = [(x - rest[pivot] * y) % PRIME for x, y in zip(rest, other, strict=True)]
        lead = next((k for k, x in enumerate(rest) if x), None)
        if lead is not None:
            inverse = pow(rest[lead], -1, PRIME)
            basis.append((lead, [x * inverse % PRIME for x in rest]))
            kept.append(number)
    return kept


def _last_one(program: Program, packing: Packing, chosen: list[int], slopes: list[Row]) -> Squares:
    """Decide where all but one of the chosen z_x are coordinates."""
    rank = len(chosen) - 1
    mixture = _kernel([[slopes[x][k] for x in chosen] for k in range(packing.size)], len(chosen))[0]
    quadratic = program.failures(Polynomials(packing, 2))
    form: dict[Monomial, Fraction] = {}
    for share, x in zip(mixture, chosen, strict=True):
        for monomial, coefficient in quadratic[x].items():
            if packing.degree(monomial) == 2:
                form[monomial] = form.get(monomial, Fraction(0)) + share * coefficient
    used = sorted({k for monomial, c in form.items() if c for k in packing.exponents(monomial)})
    tangent = _kernel([[slopes[x][k] for k in used] for x in chosen], len(used))
    matrix = _matrix(form, packing, used)
    rising, falling = _inertia([[_pair(u, matrix, v) for v in tangent] for u in tangent])
    if not rising or not falling:
        told = f"its quadratic form has signature ({rising}, {falling})"
        return Squares(rank, None, None, f"not decided: one combination of the z_x has no linear part, and {told}")
    how = f"one combination of the z_x begins with a quadratic form of signature ({rising}, {falling})"
    value = Fraction(rank + 1, 2)
    if rising + falling > 2:
        return Squares(rank, value, 1, how)
    factor = _coordinate_factor(program, chosen, mixture, used)
    if factor is None:
        return Squares(rank, value, None, how)
    return Squares(rank, value, 2, f"{how} and is a multiple of {program.coordinates[factor]}")


def _coordinate_factor(program: Program, chosen: list[int], mixture: Row, used: list[int]) -> int | None:
    """A coordinate that divides the mixture of the z_x: it vanishes with it."""
    draw = random.Random(1)
    scale = 1
    for share in mixture:
        scale *= share.denominator
    for k in used:
        point = _point(program, draw)
        point[k] = 0
        values = _at(program, point)
        if sum(int(share * scale) * int(values[x]) for share, x in zip(mixture, chosen, strict=True)) % PRIME == 0:
            return k
    return None


def _matrix(form: dict[Monomial, Fraction], packing: Packing, used: list[int]) -> list[Row]:
    """Twice the symmetric matrix of a quadratic form."""
    at = {k: number for number, k in enumerate(used)}
    matrix = [[Fraction(0)] * len(used) for _ in used]
    for monomial, coefficient in form.items():
        if coefficient:
            pair = [k for k, n in packing.exponents(monomial).items() for _ in range(n)]
            i, j = at[pair[0]], at[pair[1]]
            matrix[i][j] += coefficient
            matrix[j][i] += coefficient
    return matrix


def _pair(u: Row, matrix: list[Row], v: Row) -> Fraction:
    zero = Fraction(0)
    return sum((a * sum((m * b for m, b in zip(row, v, strict=True) if m and b), zero)
                for a, row in zip(u, matrix, strict=True) if a), zero)  # fmt: skip


def _echelon(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    """Give the rows that are not 0 of the reduced echelon form, with their leading columns."""
    found: list[tuple[int, Row]] = []
    for row in rows:
        rest = list(row)
        for pivot, other in found:
            if rest[pivot]:
                factor = rest[pivot]
                rest = [x - factor * y for x, y in zip(rest, other, strict=True)]
        lead = next((k for k, x in enumerate(rest) if x), None)
        if lead is not None:
            scale = rest[lead]
            rest = [x / scale for x in rest]
            found = [(p, [x - o[lead] * y for x, y in zip(o, rest, strict=True)] if o[lead] else o) for p, o in found]
            found.append((lead, rest))
    return sorted(found, key=lambda one: one[0])


def _kernel(rows: Sequence[Row], size: int) -> list[Row]:
    """Basis of the vectors that all rows send to 0."""
    echelon = _echelon(rows)
    leads = {lead for lead, _ in echelon}
    basis = []
    for free in (k for k in range(size) if k not in leads):
        vector = [Fraction(int(k == free)) for k in range(size)]
        for lead, row in echelon:
            vector[lead] = -row[free]
        basis.append(vector)
    return basis


def _inertia(matrix: list[Row]) -> tuple[int, int]:
    """Number of positive and negative squares of a symmetric matrix, by completing squares exactly."""
    rows = [list(row) for row in matrix]
    rising = falling = 0
    while True:
        size = len(rows)
        at = next((k for k in range(size) if rows[k][k]), None)
        if at is None:
            pair = next(((i, j) for i in range(size) for j in range(i) if rows[i][j]), None)
            if pair is None:
                return rising, falling
            i, j = pair  # x_i x_j is a square more and a square less: make it show on the diagonal
            rows[i] = [x + y for x, y in zip(rows[i], rows[j], strict=True)]
            for row in rows:
                row[i] += row[j]
            continue
        pivot = rows[at][at]
        rising, falling = rising + (pivot > 0), falling + (pivot < 0)
        left = [k for k in range(size) if k != at]
        rows = [[rows[i][j] - rows[i][at] * rows[at][j] / pivot for j in left] for i in left]
