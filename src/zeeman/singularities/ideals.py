"""The real log canonical threshold of ideals with several generators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod

from sympy.polys.rings import PolyElement

from zeeman.singularities.bounds import lower_bound, newton_bound
from zeeman.singularities.charts import Leaf, blow_up
from zeeman.singularities.forms import keep_variables, variables_of
from zeeman.singularities.intersections import by_intersections
from zeeman.singularities.linear import essential, suggested
from zeeman.singularities.newton import newton_rlct
from zeeman.singularities.nondegeneracy import ideal_faces
from zeeman.singularities.plane import NotDecided, resolve
from zeeman.singularities.series import order_of
from zeeman.singularities.threshold import RLCT, between, exact, summed, tighten

OfGerm = Callable[[PolyElement], RLCT]


def ideal_threshold(generators: Sequence[PolyElement], of_germ: OfGerm) -> RLCT:
    """Give λ and m of ∫ (Σ f_i²)^{z/2} dx near the origin; ``of_germ`` does it for one generator.

    Examples
    --------
    >>> from zeeman.singularities.polynomials import parse_ideal
    >>> found = ideal_threshold(parse_ideal("a*b + c*d, a*b^3 + c*d^3").generators, lambda f: NotImplemented)
    >>> str(found.value), found.multiplicity
    ('4/3', 1)
    """
    generators = essential(list(dict.fromkeys(generators)))
    if len(generators) == 1:
        return of_germ(generators[0])
    if generators[0].ring.ngens == 1:
        least = min(map(order_of, generators))
        return exact(Fraction(1, least), 1, f"one variable, order {least}")
    if generators[0].ring.ngens == 2:
        try:
            found = resolve(generators)
            return exact(found.value, found.multiplicity, f"real blow-ups of points, {len(found.divisors)} divisors")
        except NotDecided:
            pass
    smooth = _without_smooth(generators)
    if smooth is not None:
        line = exact(Fraction(1), 1, "a smooth generator")
        return summed([line, ideal_threshold(smooth, of_germ)], "a coordinate and the rest") if smooth else line
    groups = disjoint(generators)
    if len(groups) > 1:
        parts = [keep_variables(group, sorted(set().union(*map(variables_of, group)))) for group in groups]
        return summed([ideal_threshold(part, of_germ) for part in parts], "generators in variables of their own")
    return _connected(generators)


def _connected(generators: Sequence[PolyElement]) -> RLCT:
    known = between(lower_bound(generators), newton_bound(generators))
    for method in (_by_newton, by_intersections, _by_other_coordinates, by_charts):
        found = method(generators)
        known = known if found is None else tighten(known, found)
        if known.value is not None and known.multiplicity is not None:
            break
    return known


def _by_newton(generators: Sequence[PolyElement]) -> RLCT | None:
    report = ideal_faces(generators)
    if not report.nondegenerate:
        return None
    found = newton_rlct([a for g in generators for a in g])
    return exact(found.value, found.multiplicity, f"Newton polyhedron, {report.reason}")


def _by_other_coordinates(generators: Sequence[PolyElement]) -> RLCT | None:
    turned = suggested(generators)
    if turned is None:
        return None
    return _by_newton(turned) or by_charts(turned)


def by_charts(generators: Sequence[PolyElement]) -> RLCT | None:
    """What blow-ups along coordinate subspaces show; None where they do not come to an end."""
    leaves = blow_up(generators)
    if not leaves:
        return None
    how = f"blow-ups along coordinate subspaces to {len(leaves)} monomial charts"
    worst = min(leaf.value for leaf in leaves)
    over = [leaf for leaf in leaves if leaf.over_origin]
    if not over or min(leaf.value for leaf in over) > worst:
        far = Fraction(10**6) if not over else min(leaf.value for leaf in over)
        return between((worst, how), (far, how))
    return exact(worst, _multiplicity(leaves, worst), how)


def _multiplicity(leaves: Sequence[Leaf], worst: Fraction) -> int | None:
    """M of the leaves with the least λ; None where only one that may lie off the origin has it."""
    most = max(leaf.multiplicity for leaf in leaves if leaf.value == worst)
    sure = max(leaf.multiplicity for leaf in leaves if leaf.value == worst and leaf.over_origin)
    return most if most == sure else None


def disjoint(generators: Sequence[PolyElement]) -> list[list[PolyElement]]:
    """Group generators so that different groups share no variable.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y, z = ring("x, y, z", QQ)
    >>> disjoint([x * y, z, y**2])
    [[z], [x*y, y**2]]
    """
    groups: list[tuple[set[int], list[PolyElement]]] = []
    for g in generators:
        used, members = variables_of(g), [g]
        for group in [group for group in groups if group[0] & used]:
            groups.remove(group)
            used, members = used | group[0], [*group[1], *members]
        groups.append((used, members))
    return [members for _, members in groups]


def _without_smooth(generators: Sequence[PolyElement]) -> list[PolyElement] | None:
    """Solve a generator u v + g, u(0) ≠ 0, for v, and put v = -g/u into the others; None where there is none."""
    for number, f in sorted(enumerate(generators), key=lambda one: len(one[1])):
        for v in range(f.ring.ngens):
            x = f.ring.gens[v]
            if not f.coeff(x) or f.degree(x) > 1:
                continue
            slope = f.diff(x)
            rest = f - x * slope
            others = [_cleared(g, v, -rest, slope) for n, g in enumerate(generators) if n != number]
            kept = [i for i in range(f.ring.ngens) if i != v]
            return [g for g in keep_variables([*others, f.ring.zero], kept) if g]
    return None


def _cleared(g: PolyElement, v: int, above: PolyElement, below: PolyElement) -> PolyElement:
    """G with v = above/below, times the power of below that clears fractions."""
    x = g.ring.gens[v]
    top = g.degree(x)
    total = g.ring.zero
    for a, c in g.terms():
        rest = g.ring.from_dict({tuple(0 if i == v else e for i, e in enumerate(a)): c})
        total += prod([above] * a[v] + [below] * (top - a[v]), start=rest)
    return total
