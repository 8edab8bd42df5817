"""Ideals whose initial forms meet transversally on the torus: one toric resolution, and programs on its cones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations
from math import prod

from sympy.polys.rings import PolyElement

from zeeman.singularities.faces import Ray, compact_faces, facet_normals
from zeeman.singularities.forms import on_face
from zeeman.singularities.newton import Exponent, newton_rlct, rank
from zeeman.singularities.nondegeneracy import MOST_FACES, has_zero, may_meet, on_torus
from zeeman.singularities.threshold import RLCT, between, exact

MOST_VARIABLES = 4
MOST_GENERATORS = 3
MOST_SUMS = 400


def by_intersections(generators: Sequence[PolyElement]) -> RLCT | None:
    """λ and m from the fan of the Newton polyhedra of all generators f_i.

    On a cone of the fan f_i = y^{h_i(w)} u_i; where those of a set S vanish together on the torus, transversally, their
    u_i are coordinates. So the ideal is monomial there, and

        λ = min { Σ w + Σ_S s : h_i(w) + s_i ≥ 1 for i in S, h_i(w) ≥ 1 for the others, w in the cone, s ≥ 0 }

    over all cones and the sets S that are met over them. Without knowing whether a set is met, both cases bound λ.

    Returns
    -------
    RLCT or None
        None where some initial forms are not certified to meet transversally, or there are too many.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y, z = ring("x, y, z", QQ)
    >>> str(by_intersections([x * y - z**2, x**2]).value)
    '5/4'
    """
    ring = generators[0].ring
    if ring.ngens > MOST_VARIABLES or len(generators) > MOST_GENERATORS or prod(map(len, generators)) > MOST_SUMS:
        return None
    sums = _sums(generators)
    normals, faces = facet_normals(sums), compact_faces(sums)
    if len(faces) > MOST_FACES:
        return None
    sure: list[tuple[Fraction, int | None]] = []
    possible: list[tuple[Fraction, int | None]] = []
    for face in faces:
        rays = [w for w in normals if len({_degree(w, a) for a in face} | {_least(w, sums)}) == 1]
        forms = [_initial(g, rays, ring.ngens) for g in generators]
        for chosen, met in _meeting(forms):
            if met is None:
                return None
            found = _program(generators, rays, chosen)
            if found is not None:
                possible.append(found)
                sure += [found] if met else []
    return _joined(sure, possible, f"transversal initial forms on {len(faces)} cones")


def _joined(
    sure: Sequence[tuple[Fraction, int | None]], possible: Sequence[tuple[Fraction, int | None]], how: str
) -> RLCT | None:
    if not sure:
        return None
    value, lower = min(v for v, _ in sure), min(v for v, _ in possible)
    if lower < value:
        return between((lower, how), (value, how))
    known, open_ = ([m for v, m in one if v == value] for one in (sure, possible))
    orders = [m for m in open_ if m is not None]
    decided = len(orders) == len(open_) and max(orders) == max(m for m in known if m is not None)
    return exact(value, max(orders) if decided else None, how)


def _sums(generators: Sequence[PolyElement]) -> list[Exponent]:
    """Exponents of the product of the generators' Newton polyhedra."""
    total = {(0,) * generators[0].ring.ngens}
    for g in generators:
        total = {tuple(x + y for x, y in zip(a, b, strict=True)) for a in total for b in g}
    return sorted(total)


def _degree(w: Ray, a: Exponent) -> int:
    return sum(x * y for x, y in zip(w, a, strict=True))


def _least(w: Ray, exponents: Sequence[Exponent] | PolyElement) -> int:
    return min(_degree(w, a) for a in exponents)


def _initial(g: PolyElement, rays: Sequence[Ray], size: int) -> PolyElement:
    """Initial form of g for a weight inside the cone of some rays."""
    inside = tuple(sum(w[i] for w in rays) for i in range(size))
    return on_face(g, [a for a in g if _degree(inside, a) == _least(inside, g)])


def _meeting(forms: Sequence[PolyElement]) -> Iterator[tuple[tuple[int, ...], bool | None]]:
    """Sets of forms that may vanish together on the torus; whether they surely do, or None if not transversally."""
    yield (), True
    for size in range(1, len(forms) + 1):
        for chosen in combinations(range(len(forms)), size):
            picked = [forms[i] for i in chosen]
            if any(len(form) == 1 for form in picked):
                continue
            reduced = on_torus(picked)
            if not may_meet(reduced):
                continue
            if not _transversal(reduced):
                yield chosen, None
            else:
                yield chosen, size == 1 and bool(has_zero(reduced[0]))


def _transversal(forms: Sequence[PolyElement]) -> bool:
    """Whether the forms' gradients are independent wherever the forms vanish together on the torus."""
    gens = forms[0].ring.gens
    if len(forms) > len(gens):
        return False
    slopes = [[x * form.diff(x) for x in gens] for form in forms]
    columns = combinations(range(len(gens)), len(forms))
    minors = [_determinant([[row[j] for j in chosen] for row in slopes]) for chosen in columns]
    return not may_meet([*forms, *minors])


def _determinant(matrix: list[list[PolyElement]]) -> PolyElement:
    if len(matrix) == 1:
        return matrix[0][0]
    total = matrix[0][0].ring.zero
    for j, entry in enumerate(matrix[0]):
        minor = _determinant([row[:j] + row[j + 1 :] for row in matrix[1:]])
        total += entry * minor * (-1) ** j
    return total


def _program(
    generators: Sequence[PolyElement], rays: Sequence[Ray], chosen: Sequence[int]
) -> tuple[Fraction, int | None] | None:
    """Optimum over the cone, in coordinates Σ c_j ray_j and s; None where a generator outside S is a unit there."""
    rows = []
    for i, g in enumerate(generators):
        row = [_least(w, g) for w in rays] + [int(i == k) for k in chosen]
        if not any(row):
            return None
        rows.append(row)
    found = newton_rlct(rows, [sum(w) - 1 for w in rays] + [0] * len(chosen))
    simplicial = rank(rays) == len(rays)
    return found.value, found.multiplicity if simplicial else None
