"""Spectrum of a germ that is nondegenerate for its Newton polyhedron, by counting lattice points (M. Saito 1988)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations
from math import comb, lcm

from sympy import QQ
from sympy.polys.matrices import DomainMatrix

Exponent = tuple[int, ...]
MOST_FACET_TRIALS = 20_000


def newton_spectrum(support: Sequence[Exponent]) -> list[Fraction] | None:
    """Give the spectrum of a germ with these exponents and general coefficients.

    With the Newton degree ν(a) = min_F ⟨w_F, a⟩ over the compact facets F,
    Σ_α t^α = Σ_τ (-1)^{n-1-dim τ} (1 - t)^{k(τ)} Σ_{a in cone τ} t^{ν(a)},
    summed over the compact faces τ and the empty one, where k(τ) is the dimension of the smallest coordinate subspace
    with τ in it. By symmetry about n/2 only lattice points with ν(a) ≤ n/2 are visited. How many numbers there are is
    Kouchnirenko's Newton number; a germ with that μ deforms with constant μ into one with general coefficients, and so
    has this spectrum.

    Parameters
    ----------
    support
        Exponents of n variables, among them a power of every variable.

    Returns
    -------
    list of Fraction or None
        Sorted, with repetitions; None if the polyhedron has too many vertices.

    Examples
    --------
    >>> [str(a) for a in newton_spectrum([(3, 0), (0, 2)])]
    ['5/6', '7/6']
    """
    facets = facets_of(support)
    if facets is None:
        return None
    size = len(support[0])
    polyhedron = _Polyhedron(tuple(facets), frozenset(_minimal(support)), size)
    counts = polyhedron.half_of_series()
    low = [Fraction(d, polyhedron.scale) for d in sorted(counts) for _ in range(counts[d])]
    middle = Fraction(size, 2)
    below = [a for a in low if a < middle]
    return [*below, *(a for a in low if a == middle), *(size - a for a in reversed(below))]


def _minimal(support: Sequence[Exponent]) -> list[Exponent]:
    kept: list[Exponent] = []
    for a in sorted(set(support), key=sum):
        if not any(all(i <= j for i, j in zip(b, a, strict=True)) for b in kept):
            kept.append(a)
    return kept


def facets_of(support: Sequence[Exponent]) -> list[tuple[Fraction, ...]] | None:
    """Weights w > 0, one for each compact facet ⟨w, a⟩ = 1 of the Newton polyhedron."""
    points = _minimal(support)
    size = len(points[0])
    if comb(len(points), size) > MOST_FACET_TRIALS:
        return None
    found: set[tuple[Fraction, ...]] = set()
    for chosen in combinations(points, size):
        w = _solve_ones(chosen)
        if w is not None and min(w) > 0 and all(_pair(w, a) >= 1 for a in points):
            found.add(w)
    return sorted(found)


def _pair(w: Sequence[Fraction], a: Sequence[int]) -> Fraction:
    return sum((wi * ai for wi, ai in zip(w, a, strict=True)), Fraction(0))


def _solve_ones(rows: Sequence[Exponent]) -> tuple[Fraction, ...] | None:
    """Solve ⟨w, a⟩ = 1 for every row a; None if the rows are dependent."""
    size = len(rows)
    left = [[Fraction(e) for e in row] + [Fraction(1)] for row in rows]
    for column in range(size):
        pivot = next((i for i in range(column, size) if left[i][column]), None)
        if pivot is None:
            return None
        left[column], left[pivot] = left[pivot], left[column]
        lead = left[column]
        for i in range(size):
            if i != column and left[i][column]:
                factor = left[i][column] / lead[column]
                left[i] = [x - factor * y for x, y in zip(left[i], lead, strict=True)]
    return tuple(left[i][size] / left[i][i] for i in range(size))


@dataclass(frozen=True)
class _Polyhedron:
    """Newton polyhedron with all its compact facets."""

    facets: tuple[tuple[Fraction, ...], ...]
    points: frozenset[Exponent]
    size: int

    @property
    def scale(self) -> int:
        """Common denominator of all Newton degrees."""
        return lcm(*(w.denominator for facet in self.facets for w in facet))

    def half_of_series(self) -> Counter[int]:
        """Coefficients of the series up to t^{n/2}, by ν · scale."""
        scale, faces = self.scale, self._faces()
        rows = [[int(w * scale) for w in facet] for facet in self.facets]
        limit = self.size * scale // 2

        @cache
        def polynomial(active: tuple[int, ...], zero: tuple[int, ...]) -> tuple[int, ...]:
            carrier = frozenset(
                a
                for a in self.points
                if all(_pair(self.facets[i], a) == 1 for i in active) and not any(a[i] for i in zero)
            )
            return self._weight_of_faces([face for face in faces if face >= carrier])

        result: Counter[int] = Counter()
        origin = self._weight_of_faces([*faces, frozenset()])
        for point, degrees in self._lattice_points(rows, limit):
            degree = min(degrees)
            active = tuple(i for i, d in enumerate(degrees) if d == degree)
            zero = tuple(i for i, e in enumerate(point) if e == 0)
            for k, c in enumerate(polynomial(active, zero) if any(point) else origin):
                if degree + k * scale <= limit:
                    result[degree + k * scale] += c
        return +result

    def _lattice_points(self, rows: list[list[int]], limit: int) -> Iterator[tuple[Exponent, list[int]]]:
        """All points of Newton degree up to the limit, with their degrees for each facet."""
        stack: list[tuple[Exponent, list[int]]] = [((), [0] * len(rows))]
        while stack:
            point, degrees = stack.pop()
            if len(point) == self.size:
                yield point, degrees
                continue
            steps = [row[len(point)] for row in rows]
            e = 0
            while min(degrees) <= limit:
                stack.append(((*point, e), degrees))
                degrees = [d + s for d, s in zip(degrees, steps, strict=True)]
                e += 1

    def _faces(self) -> list[frozenset[Exponent]]:
        """Compact faces that are not empty, as sets of points."""
        facets = [frozenset(a for a in self.points if _pair(w, a) == 1) for w in self.facets]
        planes = [frozenset(a for a in self.points if a[i] == 0) for i in range(self.size)]
        found, fresh = set(facets), set(facets)
        while fresh:
            fresh = {face & other for face in fresh for other in [*facets, *planes]} - found - {frozenset()}
            found |= fresh
        return list(found)

    def _weight_of_faces(self, faces: Sequence[frozenset[Exponent]]) -> tuple[int, ...]:
        """Coefficients of Σ_τ (-1)^{n-1-dim τ} (1-t)^{k(τ)}."""
        result = [0] * (self.size + 1)
        for face in faces:
            sign, k = self._sign_and_support(face)
            for j in range(k + 1):
                result[j] += sign * (-1) ** j * comb(k, j)
        return tuple(result)

    def _sign_and_support(self, face: frozenset[Exponent]) -> tuple[int, int]:
        if not face:
            return (-1) ** self.size, 0
        rank = DomainMatrix([[QQ(e) for e in a] for a in face], (len(face), self.size), QQ).rank()
        return (-1) ** (self.size - rank), sum(any(a[i] for a in face) for i in range(self.size))
