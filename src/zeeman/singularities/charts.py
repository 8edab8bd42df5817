"""Blow-ups along coordinate subspaces, until an ideal is monomial on every chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, product

from sympy import QQ
from sympy.polys.rings import PolyElement

from zeeman.singularities.forms import keep_variables, substitute, variables_of
from zeeman.singularities.newton import newton_rlct
from zeeman.singularities.real_roots import Dense, RealField, count_real_roots, root_of_linear

MOST_CHARTS = 120
MOST_VARIABLES = 12
MOST_TERMS = 120
MOST_TO_FACTOR = 40
DEEPEST = 6
CENTERS_TRIED = 2


@dataclass(frozen=True)
class Leaf:
    """A chart on which the ideal is monomial: λ and m of its worst point, and whether that lies over the origin."""

    value: Fraction
    multiplicity: int
    over_origin: bool


@dataclass(frozen=True)
class _Chart:
    """Affine space with an ideal Π x_i^{orders_i} · (generators) and the density Π |x_i|^{shifts_i}.

    ``small`` are coordinates that are zero wherever the chart lies over the origin; ``images`` are the original
    coordinates as functions of these.
    """

    generators: tuple[PolyElement, ...]
    orders: tuple[int, ...]
    shifts: tuple[int, ...]
    small: frozenset[int]
    images: tuple[PolyElement, ...]


class _Exhausted(Exception):
    """The budget of charts is spent."""


def blow_up(generators: Sequence[PolyElement]) -> list[Leaf] | None:
    """Blow up coordinate subspaces, with polynomial changes of coordinates between, until all charts are monomial.

    On a chart, the worst point of a monomial ideal is where all coordinates are zero. So the least λ of all leaves
    bounds λ from below, and the least λ of those leaves whose point lies over the origin bounds it from above.

    Parameters
    ----------
    generators
        Polynomials that are zero at the origin.

    Returns
    -------
    list of Leaf or None
        The charts at the end; None where no way to their end was found.

    Examples
    --------
    >>> from sympy import ring
    >>> _, a, b, c, d = ring("a, b, c, d", QQ)
    >>> leaves = blow_up([a * b + c * d, a * b**3 + c * d**3])
    >>> str(min(leaf.value for leaf in leaves)), all(leaf.over_origin for leaf in leaves)
    ('4/3', True)
    """
    ring = generators[0].ring
    if ring.ngens > MOST_VARIABLES:
        return None
    none = (0,) * ring.ngens
    chart = _Chart(tuple(generators), none, none, frozenset(range(ring.ngens)), ring.gens)
    try:
        return _resolved(chart, DEEPEST, [MOST_CHARTS])
    except _Exhausted:
        return None


def _resolved(chart: _Chart, depth: int, budget: list[int]) -> list[Leaf] | None:
    budget[0] -= 1
    if budget[0] < 0:
        raise _Exhausted
    if sum(map(len, chart.generators)) > MOST_TERMS:
        return None
    chart = _simplified(chart)
    if not chart.generators:
        return _leaves(chart, [])
    parts = [_monomial_parts(chart, g) for g in chart.generators]
    if all(part is not None for part in parts):
        return _leaves(chart, [part for part in parts if part is not None])
    if depth == 0:
        return None
    for center in _centers(chart)[:CENTERS_TRIED]:
        found: list[Leaf] = []
        for above in _blown_up(chart, center):
            leaves = _resolved(above, depth - 1, budget)
            if leaves is None:
                break
            found += leaves
        else:
            return found
    return None


def _simplified(chart: _Chart) -> _Chart:
    """Take out common monomials, and use generators that are coordinates, as far as it goes."""
    while True:
        chart = _without_common_monomial(chart)
        if any(_is_unit(g) for g in chart.generators):
            return replace(chart, generators=())
        found = _coordinate(chart)
        turned = _straightened(chart, *found) if found else _factor_coordinate(chart)
        if turned is None:
            return chart
        chart = turned


def _without_common_monomial(chart: _Chart) -> _Chart:
    generators = [g for g in dict.fromkeys(chart.generators) if g]
    common = tuple(min(a[i] for g in generators for a in g) for i in range(len(chart.orders)))
    if any(common):
        monomial = generators[0].ring.from_dict({common: QQ(1)})
        generators = [g.quo(monomial) for g in generators]
    return replace(
        chart, generators=tuple(generators), orders=tuple(n + c for n, c in zip(chart.orders, common, strict=True))
    )


def _is_unit(g: PolyElement) -> bool:
    """Whether g is zero nowhere on the chart: a constant, and even terms of the same sign."""
    constant = g.coeff(1)
    return bool(constant) and all((c > 0) == (constant > 0) and not any(e % 2 for e in a) for a, c in g.terms())


def _coordinate(chart: _Chart) -> tuple[int, int] | None:
    """A generator c v + (terms without v), and the number of v, which carries no divisor; the shortest such one."""
    straight = [(len(g), n, v) for n, g in enumerate(chart.generators) if len(g) > 1 for v in _straight(chart, g)]
    if straight:
        return min(straight)[1:]
    lone = [(n, g) for n, g in enumerate(chart.generators) if len(g) == 1 and sum(next(iter(g))) == 1]
    for number, g in lone:
        v = next(iter(g)).index(1)
        others = [other for n, other in enumerate(chart.generators) if n != number]
        if any(v in variables_of(other) for other in others):
            return number, v
    return None


def _straightened(chart: _Chart, number: int, v: int) -> _Chart:
    """Take a generator as the coordinate v, and leave v out of the other generators."""
    g = chart.generators[number]
    ring = g.ring
    x = ring.gens[v]
    at_zero = list(ring.gens)
    at_zero[v] = (x * g.coeff(x) - g).quo_ground(g.coeff(x))
    others = [substitute(other, at_zero) for n, other in enumerate(chart.generators) if n != number]
    return replace(_turned(chart, g, v), generators=(x, *others))


def _turned(chart: _Chart, form: PolyElement, v: int) -> _Chart:
    """Take c v + (terms without v) as the coordinate v."""
    x = form.ring.gens[v]
    slope = form.coeff(x)
    images = list(form.ring.gens)
    images[v] = (x + x * slope - form).quo_ground(slope)
    stays = v in chart.small and all(any(a[i] for i in chart.small) for a in form)
    return replace(
        chart,
        generators=tuple(substitute(g, images) for g in chart.generators),
        small=chart.small if stays else chart.small - {v},
        images=tuple(substitute(image, images) for image in chart.images),
    )


def _factor_coordinate(chart: _Chart) -> _Chart | None:
    """Take a factor of a generator, c v + (terms without v), as the coordinate v where that shortens the generators."""
    length = sum(map(len, chart.generators))
    for g in chart.generators:
        for form, _ in g.factor_list()[1] if 1 < len(g) <= MOST_TO_FACTOR else []:
            for v in _straight(chart, form) if len(form) > 1 else []:
                turned = _turned(chart, form, v)
                if sum(map(len, turned.generators)) < length:
                    return turned
    return None


def _straight(chart: _Chart, form: PolyElement) -> list[int]:
    """Coordinates without a divisor in which a form is c v + (terms without v)."""
    units = [a.index(1) for a in form if sum(a) == 1]
    free = [v for v in units if not chart.orders[v] and not chart.shifts[v]]
    return [v for v in free if sum(bool(a[v]) for a in form) == 1]


Parts = tuple[tuple[int, ...], dict[tuple[int, tuple[object, ...]], int]]


def _monomial_parts(chart: _Chart, g: PolyElement) -> Parts | None:
    """Exponents of g, and powers of polynomials in one free coordinate each with real roots; None for anything else."""
    least = tuple(min(a[i] for a in g) for i in range(len(chart.orders)))
    rest = g.quo(g.ring.from_dict({least: QQ(1)}))
    powers: dict[tuple[int, tuple[object, ...]], int] = {}
    if len(rest) > MOST_TO_FACTOR:
        return None
    for factor, power in [] if len(rest) == 1 else rest.factor_list()[1]:
        used = variables_of(factor)
        if _is_unit(factor) or (used <= chart.small and factor.coeff(1)):
            continue
        if len(used) > 1:
            return None
        (v,) = used
        (reduced,) = keep_variables([factor], [v])
        dense = [reduced.get((e,), QQ(0)) for e in range(reduced.degree(), -1, -1)]
        if count_real_roots(dense, RealField()):
            powers[v, tuple(dense)] = power
    return least, powers


def _leaves(chart: _Chart, parts: Sequence[Parts]) -> list[Leaf]:
    """λ and m where all coordinates are zero, and where free coordinates are at roots of the generators instead."""
    special: dict[int, set[tuple[object, ...]]] = {}
    for _, powers in parts:
        for v, dense in powers:
            special.setdefault(v, set()).add(dense)
    choices = [[(v, dense) for dense in (None, *roots)] for v, roots in special.items()]
    found = []
    for chosen in product(*choices):
        roots = {v: dense for v, dense in chosen if dense is not None}
        leaf = _leaf(chart, parts, roots)
        if leaf:
            found.append(leaf)
    return found


def _leaf(chart: _Chart, parts: Sequence[Parts], roots: dict[int, tuple[object, ...]]) -> Leaf | None:
    orders = [0 if v in roots else n for v, n in enumerate(chart.orders)]
    shifts = [0 if v in roots else h for v, h in enumerate(chart.shifts)]
    exponents = []
    for least, powers in parts or [((0,) * len(orders), {})]:
        extra = [powers.get((v, roots[v]), 0) if v in roots else e for v, e in enumerate(least)]
        exponents.append([n + e for n, e in zip(orders, extra, strict=True)])
    if not all(any(a) for a in exponents):
        return None
    found = newton_rlct(exponents, shifts)
    return Leaf(found.value, found.multiplicity, _is_over_origin(chart, roots))


def _is_over_origin(chart: _Chart, roots: dict[int, tuple[object, ...]]) -> bool:
    ring = chart.images[0].ring
    point = [ring.zero] * ring.ngens
    for v, dense in roots.items():
        values: Dense = list(dense)
        point[v] = ring.ground_new(root_of_linear(values)) if len(values) == 2 else ring.gens[v]
    return not any(substitute(image, point) for image in chart.images)


def _centers(chart: _Chart) -> list[tuple[int, ...]]:
    """Coordinate subspaces on which all generators vanish, those with generators linear across them first."""
    generators = chart.generators
    used = sorted(set().union(*map(variables_of, generators)))
    found: list[tuple[int, ...]] = []
    for size in range(2, len(used) + 1):
        for center in combinations(used, size):
            smaller = any(set(other) <= set(center) for other in found)
            if not smaller and all(any(a[i] for i in center) for g in generators for a in g):
                found.append(center)
    return sorted(found, key=lambda center: (*_unevenness(generators, center), len(center)))


def _unevenness(generators: Sequence[PolyElement], center: tuple[int, ...]) -> tuple[int, int]:
    """Number of generators that are not homogeneous, and not linear, in the center's coordinates."""
    degrees = [{sum(a[i] for i in center) for a in g} for g in generators]
    return sum(len(d) > 1 for d in degrees), sum(d != {1} for d in degrees)


def _blown_up(chart: _Chart, center: tuple[int, ...]) -> Iterator[_Chart]:
    ring = chart.generators[0].ring
    for i in center:
        images = [ring.gens[i] * x if j in center and j != i else x for j, x in enumerate(ring.gens)]
        orders, shifts = list(chart.orders), list(chart.shifts)
        orders[i] = sum(chart.orders[j] for j in center)
        shifts[i] = sum(chart.shifts[j] + 1 for j in center) - 1
        yield _Chart(
            tuple(substitute(g, images) for g in chart.generators),
            tuple(orders),
            tuple(shifts),
            chart.small - (set(center) - {i}),
            tuple(substitute(image, images) for image in chart.images),
        )
