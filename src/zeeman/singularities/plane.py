"""Singularities in two variables, resolved by blowing up points: exact λ and m of any germ or ideal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

from sympy.polys.densetools import dup_monic
from sympy.polys.euclidtools import dup_gcd
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.singularities.forms import common_divisor, initial_form, substitute
from zeeman.singularities.real_roots import (
    Dense,
    RealField,
    count_real_roots,
    extensions,
    factors,
    fraction,
    number_field,
    root_of_linear,
)
from zeeman.singularities.series import order_of

MOST_POINTS = 1500


class NotDecided(Exception):
    """What was asked is beyond this method; the message says why."""


@dataclass(frozen=True)
class Divisor:
    """A component of the resolved zero set: f vanishes on it to order ``order``, the Jacobian to ``jacobian`` - 1.

    Attributes
    ----------
    order
        N.
    jacobian
        A; the candidate poles of the zeta function are -(A + j)/N.
    exceptional
        Whether it lies over the origin (else it is a branch of the zero set).
    """

    order: int
    jacobian: int
    exceptional: bool

    @property
    def ratio(self) -> Fraction:
        """A/N."""
        return Fraction(self.jacobian, self.order)


@dataclass(frozen=True)
class Resolution:
    """What a resolution over the origin of the plane shows.

    Attributes
    ----------
    divisors
        The components that are seen at real points.
    crossings
        Those of them that meet in one point.
    signs
        For a germ, the sign that it has around each crossing, 0 for both, None where it was not followed.
    """

    divisors: tuple[Divisor, ...]
    crossings: tuple[tuple[Divisor, ...], ...]
    signs: tuple[int | None, ...]

    @property
    def value(self) -> Fraction:
        """λ = min A/N."""
        return min(divisor.ratio for divisor in self.divisors)

    @property
    def multiplicity(self) -> int:
        """m: how many components with A/N = λ meet."""
        meeting = [sum(divisor.ratio == self.value for divisor in crossing) for crossing in self.crossings]
        return max(1, *meeting) if meeting else 1

    def signs_at_worst(self) -> set[int | None]:
        """Signs that a germ takes beside the strata where m components with A/N = λ meet.

        1 and -1, 0 for both beside one stratum, and None where it is not known.
        """
        return {
            sign
            for crossing, sign in zip(self.crossings, self.signs, strict=True)
            if sum(divisor.ratio == self.value for divisor in crossing) == self.multiplicity
        }

    @property
    def changes_sign(self) -> bool:
        """Whether a germ f takes both signs near the origin: some component has an odd order."""
        return any(divisor.order % 2 for divisor in self.divisors)


@dataclass(frozen=True)
class _Point:
    """A point of a blow-up, in coordinates (x, y) centred on it.

    ``branches`` are squarefree, coprime and zero here, each with its power; ``residual`` generates what is left of the
    ideal, of codimension two, or is empty for the unit ideal. ``axes`` are the exceptional divisors x = 0 and y = 0.
    ``sign`` is that of the factors that are not zero here.
    """

    branches: tuple[tuple[PolyElement, int], ...]
    residual: tuple[PolyElement, ...]
    axes: tuple[Divisor | None, Divisor | None]
    field: RealField
    sign: int


def resolve(generators: Sequence[PolyElement], real: bool = True) -> Resolution:
    """Resolve an ideal of polynomials in two variables, zero at the origin, over a neighbourhood of the origin.

    Points are blown up until the ideal is a product of powers of smooth curves that cross normally. Irrational points
    are followed in their number field. For the complex threshold (``real=False``) points that are not real count too.

    Parameters
    ----------
    generators
        One polynomial for a germ, several for an ideal; rational coefficients, two variables.
    real
        Whether components are counted at real points only.

    Raises
    ------
    NotDecided
        Where a second irrationality would be needed on top of a first, or too many points.

    Examples
    --------
    >>> from zeeman.singularities.polynomials import parse_germ
    >>> found = resolve([parse_germ("x^2 - y^3").polynomial])
    >>> str(found.value), found.multiplicity, found.changes_sign
    ('5/6', 1, True)
    """
    divisors: list[Divisor] = []
    crossings: list[tuple[tuple[Divisor, ...], int | None]] = []
    waiting, seen = [_first_point(generators)], 0
    while waiting:
        point, seen = waiting.pop(), seen + 1
        if seen > MOST_POINTS:
            raise NotDecided(f"the resolution needs more than {MOST_POINTS} blow-ups")
        if _crosses_normally(point):
            strict = [Divisor(power, 1, False) for _, power in point.branches]
            divisors += strict
            meeting = (*(axis for axis in point.axes if axis), *strict)
            crossings.append((meeting, 0 if any(one.order % 2 for one in meeting) else point.sign))
        else:
            exceptional = _exceptional(point)
            divisors.append(exceptional)
            for crossing, point_above in _above(point, exceptional, real):
                if crossing:
                    divisors += crossing[1:]
                    crossings.append((crossing, 0 if any(one.order % 2 for one in crossing) else None))
                if point_above:
                    waiting.append(point_above)
    return Resolution(tuple(divisors), tuple(c for c, _ in crossings), tuple(sign for _, sign in crossings))


def _first_point(generators: Sequence[PolyElement]) -> _Point:
    divisor = common_divisor(generators)
    rest = tuple(g.quo(divisor) for g in generators)
    constant, powers = divisor.factor_list()
    field = RealField()
    sign = field.sign(constant) * field.sign(rest[0].coeff(1)) * _sign_of_units(powers, field)
    branches = tuple((f, k) for f, k in powers if not f.coeff(1))
    return _Point(branches, () if any(g.coeff(1) for g in rest) else rest, (None, None), field, sign)


def _sign_of_units(powers: Sequence[tuple[PolyElement, int]], field: RealField) -> int:
    """Sign of the product of those factors that are not zero at the origin."""
    return prod(field.sign(f.coeff(1)) ** k for f, k in powers if f.coeff(1))


def _crosses_normally(point: _Point) -> bool:
    """Whether the branches are smooth, at most two with the axes, and no two of them are tangent."""
    if point.residual or any(order_of(f) > 1 for f, _ in point.branches):
        return False
    ring = point.branches[0][0].ring if point.branches else None
    if ring is None:
        return True
    lines = [gen for gen, axis in zip(ring.gens, point.axes, strict=True) if axis]
    lines += [initial_form(f) for f, _ in point.branches]
    if len(lines) == 2:
        (a, b), (c, d) = ([line.coeff(gen) for gen in ring.gens] for line in lines)
        return bool(a * d - b * c)
    return len(lines) < 2


def _exceptional(point: _Point) -> Divisor:
    axes = [axis for axis in point.axes if axis]
    depth = sum(axis.order for axis in axes) + sum(k * order_of(f) for f, k in point.branches)
    jacobian = 2 + sum(axis.jacobian - 1 for axis in axes)
    return Divisor(depth + min(map(order_of, point.residual), default=0), jacobian, True)


Above = tuple[tuple[Divisor, ...], _Point | None]


def _above(point: _Point, exceptional: Divisor, real: bool) -> Iterator[Above]:
    """The points of the exceptional line to look at: crossings that are normal at once, and points to go on from."""
    field, (axis_x, axis_y) = point.field, point.axes
    vertical = _transformed(point, exceptional, None)
    if axis_x or vertical.branches or vertical.residual:
        yield (), vertical
    tangents = [_on_line(initial_form(f), field) for f, _ in point.branches]
    depth = min(map(order_of, point.residual), default=0)
    leading = [_on_line(initial_form(g), field) for g in point.residual if order_of(g) == depth]
    fixed: Dense = []
    for form in leading:
        fixed = dup_gcd(fixed, form, field.domain)
    yield from _at_roots(point, exceptional, tangents, fixed, real)
    zero_met = any(not form[-1] for form in [*tangents, *([fixed] if point.residual else [])] if form)
    if axis_y and not zero_met:
        yield (), _transformed(point, exceptional, field.domain.zero)


def _at_roots(point: _Point, exceptional: Divisor, tangents: list[Dense], fixed: Dense, real: bool) -> Iterator[Above]:
    """Roots along the line of the branches' initial forms and of what the residual ideal has in common."""
    field = point.field
    powers: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for number, form in enumerate([*tangents, fixed]):
        for factor, power in factors(form, field) if len(form) > 1 else []:
            powers.setdefault(tuple(dup_monic(factor, field.domain)), []).append((number, power))
    for key, met in powers.items():
        factor = list(key)
        if len(factor) == 2:
            yield (), _transformed(point, exceptional, root_of_linear(factor))
        elif not real or count_real_roots(factor, field):
            simple = len(met) == 1 and met[0][1] == 1 and met[0][0] < len(tangents)
            if simple:
                yield (exceptional, Divisor(point.branches[met[0][0]][1], 1, False)), None
            else:
                yield from _irrational(point, exceptional, factor, real)


def _irrational(point: _Point, exceptional: Divisor, factor: Dense, real: bool) -> Iterator[Above]:
    if not point.field.is_rational:
        raise NotDecided("the resolution meets an irrational point over an irrational point")
    fields = extensions(factor) if real else [RealField(number_field(factor), tuple(map(fraction, factor)))]
    for field in fields:
        ring = PolyRing([str(s) for s in _ring(point).symbols], field.domain)
        moved = replace(
            point,
            branches=tuple((f.set_ring(ring), k) for f, k in point.branches),
            residual=tuple(g.set_ring(ring) for g in point.residual),
            field=field,
        )
        yield (), _transformed(moved, exceptional, field.domain.unit)


def _ring(point: _Point) -> PolyRing:
    first = point.branches[0][0] if point.branches else point.residual[0]
    return first.ring


def _on_line(form: PolyElement, field: RealField) -> Dense:
    """A form at (1, u), as a polynomial in u."""
    top = max(b for _, b in form)
    dense = [field.domain.zero] * (top + 1)
    for (_, b), c in form.terms():
        dense[top - b] += c
    return dense


def _transformed(point: _Point, exceptional: Divisor, root: Any) -> _Point:
    """The point above in the direction (1, root), or (0, 1) for None; the exceptional line is x = 0."""
    ring = _ring(point)
    x, y = ring.gens
    images = (x * y, x) if root is None else (x, x * (y + root))
    axes = (exceptional, point.axes[0]) if root is None else (exceptional, None if root else point.axes[1])

    def lifted(f: PolyElement, depth: int) -> PolyElement:
        return substitute(f, images).quo(x**depth)

    branches = tuple((lifted(f, order_of(f)), k) for f, k in point.branches)
    depth = min(map(order_of, point.residual), default=0)
    residual = tuple(lifted(g, depth) for g in point.residual)
    return _Point(
        tuple((f, k) for f, k in branches if not f.coeff(1)),
        () if any(g.coeff(1) for g in residual) else residual,
        axes,
        point.field,
        point.sign * _sign_of_units(branches, point.field),
    )
