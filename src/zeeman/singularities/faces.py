"""Compact faces of Newton polyhedra, by double description of their normal fans."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from zeeman.singularities.newton import Exponent, minimal_exponents

Ray = tuple[int, ...]


def facet_normals(exponents: Sequence[Exponent]) -> list[Ray]:
    """Primitive inner normals w ≥ 0 of the facets of the Newton polyhedron, conv ∪ (a + R≥0^n).

    They are the rays (w, t) of the cone t ≤ ⟨a, w⟩, w ≥ 0, apart from (0, -1).

    Examples
    --------
    >>> sorted(facet_normals([(2, 0), (0, 3)]))
    [(0, 1), (1, 0), (3, 2)]
    """
    support = minimal_exponents(exponents)
    n = len(support[0])
    unit = [tuple(int(i == k) for i in range(n)) for k in range(n)]
    rays = [(*e, support[0][k]) for k, e in enumerate(unit)] + [(*[0] * n, -1)]
    limits = [(*e, 0) for e in unit] + [(*support[0], -1)]
    for a in support[1:]:
        rays, limits = _cut(rays, limits, (*a, -1)), [*limits, (*a, -1)]
    return [ray[:n] for ray in rays if any(ray[:n])]


def _cut(rays: list[Ray], limits: list[Ray], limit: Ray) -> list[Ray]:
    """Rays of a cone after one more half-space."""
    value = {ray: _dot(limit, ray) for ray in rays}
    tight = {ray: frozenset(i for i, other in enumerate(limits) if not _dot(other, ray)) for ray in rays}
    kept = [ray for ray in rays if value[ray] >= 0]
    least = len(limit) - 2
    for above in (ray for ray in rays if value[ray] > 0):
        for below in (ray for ray in rays if value[ray] < 0):
            common = tight[above] & tight[below]
            if len(common) >= least and not any(
                common <= tight[ray] for ray in rays if ray is not above and ray is not below
            ):
                mixed = [value[above] * b - value[below] * a for a, b in zip(above, below, strict=True)]
                divisor = gcd(*mixed)
                kept.append(tuple(m // divisor for m in mixed))
    return kept


def _dot(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


def compact_faces(exponents: Sequence[Exponent]) -> list[frozenset[Exponent]]:
    """The exponents on each compact face of the Newton polyhedron, from vertices up.

    Examples
    --------
    >>> [sorted(face) for face in compact_faces([(2, 0), (1, 1), (0, 3), (5, 0)])]
    [[(0, 3)], [(1, 1)], [(2, 0)], [(0, 3), (1, 1)], [(1, 1), (2, 0)]]
    """
    facets = []
    for normal in facet_normals(exponents):
        least = min(_dot(normal, a) for a in exponents)
        points = frozenset(a for a in exponents if _dot(normal, a) == least)
        facets.append((points, frozenset(i for i, w in enumerate(normal) if not w)))
    found, waiting = set(facets), list(facets)
    while waiting:
        points, directions = waiting.pop()
        for other_points, other_directions in facets:
            face = (points & other_points, directions & other_directions)
            if face[0] and face not in found:
                found.add(face)
                waiting.append(face)
    return sorted((points for points, directions in found if not directions), key=lambda p: (len(p), sorted(p)))
