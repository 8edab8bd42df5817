"""Indecomposable matrix factorizations of ADE germs, and how they are joined: the Auslander–Reiten quiver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from sympy.polys.domains import QQ
from sympy.polys.matrices import DomainMatrix
from sympy.polys.polytools import Poly
from sympy.polys.rings import PolyElement

from zeeman.errors import ZeemanError
from zeeman.singularities.graded import (
    Factorization,
    Map,
    Matrix,
    block,
    grading,
    maps,
    negative,
    residue_field,
    stable_maps,
    syzygy,
    times,
)

Node = tuple[int, int]


@dataclass(frozen=True)
class Quiver:
    """Stable Auslander–Reiten quiver of the matrix factorizations of a germ, up to shifts of degree.

    Parameters
    ----------
    factorizations : tuple of Factorization
        The indecomposables, without the trivial ones (1, f) and (f, 1).
    syzygies : tuple of int
        The position of ΩM for each M.
    arrows : dict of (int, int) to int
        {(i, j): k}: factorization i is k times a summand of the middle of the almost split sequence that ends in j.
    variables : int
        Number of variables of f.
    """

    factorizations: tuple[Factorization, ...]
    syzygies: tuple[int, ...]
    arrows: dict[tuple[int, int], int]
    variables: int

    def diagram(self) -> set[tuple[Node, Node]]:
        """Edges of the diagram of f, with one more square where the number of variables is even.

        By Knörrer's periodicity the square makes one factorization of M and ΩM, and two of an M isomorphic to ΩM. With
        it, or with an odd number of variables, nodes and edges are those of the Dynkin diagram.
        """
        edges = set()
        for i, j in self.arrows:
            for a in self._nodes_of(i):
                for b in self._nodes_of(j):
                    # A loop of M ≅ ΩM joins its two halves; other edges join halves of one sign.
                    if a != b and (i == j or a[1] * b[1] >= 0):
                        edges.add((min(a, b), max(a, b)))
        return edges

    def nodes(self) -> list[Node]:
        """Nodes of the diagram; their number is the rank, which is the Milnor number."""
        return sorted({node for i in range(len(self.factorizations)) for node in self._nodes_of(i)})

    def _nodes_of(self, i: int) -> list[Node]:
        """The nodes that a factorization gives: its number with 0, or with +1 and −1 where it splits."""
        if self.variables % 2:
            return [(i, 0)]
        return [(min(i, self.syzygies[i]), 0)] if self.syzygies[i] != i else [(i, 1), (i, -1)]


def auslander_reiten(f: PolyElement) -> Quiver:
    """All indecomposable matrix factorizations of an ADE germ over the rational numbers, by knitting.

    From the summands of the Koszul factorization of the residue field, almost split sequences 0 → τM → E → M → 0 are
    made as cones of the socle of the stable maps ΩM → τM, which has degree ⌊n/2⌋ deg f − Σw; the summands of E are new
    indecomposables or known ones, until none is new.

    Parameters
    ----------
    f : PolyElement
        Quasi-homogeneous over QQ with ĉ < 1, in n variables. For all of the diagram its branches must be rational:
        x² − y⁴ and not x² + y⁴.

    Returns
    -------
    Quiver

    Raises
    ------
    ZeemanError
        When f is not a quasi-homogeneous germ with ĉ < 1: others have infinitely many indecomposables.

    Notes
    -----
    Yoshino 1990, chapters 3, 9 and 12; Knörrer 1987; Kajiura, Saito and Takahashi 2007 for the grading.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> quiver = auslander_reiten(x**3 + y**4)
    >>> [m.size for m in quiver.factorizations], len(quiver.nodes()), len(quiver.diagram())
    ([2, 2, 3, 3, 4, 2], 6, 5)
    """
    w, degree = grading(f)
    n = len(w)
    if n * degree - 2 * sum(w) >= degree:
        raise ZeemanError(f"expected an ADE germ, got {f} with ĉ ≥ 1; it has infinitely many indecomposables.")
    known: list[Factorization] = []
    arrows: dict[tuple[int, int], int] = {}
    for m in decompose(residue_field(f), f):
        _position(known, m, w)
    done = 0
    while done < len(known):
        m = known[done]
        _position(known, syzygy(m, degree), w)
        for i, k in Counter(_position(known, part, w) for part in decompose(almost_split(m, f), f)).items():
            arrows[i, done] = k
        done += 1
    return Quiver(tuple(known), tuple(_position(known, syzygy(m, degree), w) for m in known), arrows, n)


def almost_split(m: Factorization, f: PolyElement) -> Factorization:
    """Middle of the almost split sequence that ends in an indecomposable M.

    Raises
    ------
    ZeemanError
        When the socle of the stable maps is not one-dimensional, as for a decomposable M.
    """
    w, degree = grading(f)
    omega = syzygy(m, degree)
    tau = m if len(w) % 2 else omega
    e = len(w) // 2 * degree - sum(w)
    found = stable_maps(omega, tau, (w, degree), e)
    if len(found) != 1:
        raise ZeemanError(f"expected an indecomposable factorization, got one with {len(found)} socles; decompose it.")
    return _cone(m, tau, found[0], e)


def _cone(m: Factorization, n: Factorization, g: Map, e: int) -> Factorization:
    """The extension of M by N of a map (α, β): ΩM → N of degree e."""
    zero = m.phi[0][0].ring.zero
    empty = [[zero] * n.size for _ in range(m.size)]
    return Factorization(
        block(n.phi, g[0], empty, m.phi),
        block(n.psi, negative(g[1]), empty, m.psi),
        (*n.rows, *(a + e for a in m.rows)),
        (*n.columns, *(b + e for b in m.columns)),
    )


def is_factorization(m: Factorization, f: PolyElement) -> bool:
    """Whether φψ = ψφ = f·1 exactly.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> is_factorization(residue_field(x**3 + y**4), x**3 + y**4)
    True
    """
    identity = tuple(tuple(f if i == j else f.ring.zero for j in range(m.size)) for i in range(m.size))
    return times(m.phi, m.psi) == identity == times(m.psi, m.phi)


def is_isomorphic(m: Factorization, n: Factorization, w: tuple[int, ...]) -> bool:
    """Whether indecomposables M and N are isomorphic up to a shift of degree.

    The maps that are no isomorphisms form a subspace, so that a basis tells.
    """
    shift = min(n.rows) - min(m.rows)
    if sorted(a + shift for a in m.rows) != sorted(n.rows) or sorted(b + shift for b in m.columns) != sorted(n.columns):
        return False
    return any(all(_constant(side).rank() == m.size for side in g) for g in maps(m, n, w, shift))


def _position(known: list[Factorization], m: Factorization, w: tuple[int, ...]) -> int:
    """Where M stands among the known ones; it is added when new."""
    for i, n in enumerate(known):
        if is_isomorphic(m, n, w):
            return i
    known.append(m)
    return len(known) - 1


def decompose(m: Factorization, f: PolyElement) -> list[Factorization]:
    """Indecomposable summands over the rational numbers, without the trivial (1, f) and (f, 1).

    An endomorphism of degree 0 has a characteristic polynomial with constant coefficients; coprime factors of it give
    idempotents. The summand is indecomposable when the trace form on the endomorphisms has rank one: then they are a
    local ring with residue field QQ. (A larger field, of conjugate branches, is left whole too.)

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> f = x**2 - y**4
    >>> [part.phi for part in decompose(almost_split(residue_field(f), f), f)]
    [((x + y**2,),), ((x - y**2,),)]
    """
    if m.size == 1 and (m.phi[0][0].is_ground or m.psi[0][0].is_ground):
        return []
    endomorphisms = maps(m, m, grading(f)[0], 0)
    if m.size == 1 or _trace_rank([_constant(g[0]) for g in endomorphisms]) == 1:
        return [m]
    for g in _candidates(endomorphisms):
        factors = Poly(_constant(g[0]).charpoly(), f.ring.symbols[0], domain=QQ).factor_list()[1]
        if len(factors) > 1:
            first = factors[0][0] ** factors[0][1]
            rest = Poly(1, f.ring.symbols[0], domain=QQ)
            for factor, k in factors[1:]:
                rest *= factor**k
            cofactor, _, _ = rest.gcdex(first)
            idempotent = (cofactor * rest).rem(first * rest).rep.to_list()
            return [part for half in _split(m, g, idempotent) for part in decompose(half, f)]
    return [m]


def _candidates(endomorphisms: Sequence[Map]) -> Iterator[Map]:
    """Endomorphisms to split by: a general one, and then pairs."""
    general = endomorphisms[0]
    for i, g in enumerate(endomorphisms[1:]):
        general = _add(general, g, i * i + 2)
    yield general
    yield from endomorphisms
    for g, h in combinations(endomorphisms, 2):
        yield _add(g, h, 2)


def _add(g: Map, h: Map, c: int) -> Map:
    """The map g + c h."""
    first, second = (
        tuple(tuple(p + q * c for p, q in zip(r, s, strict=True)) for r, s in zip(a, b, strict=True))
        for a, b in zip(g, h, strict=True)
    )
    return first, second


def _constant(a: Matrix) -> DomainMatrix:
    """Constant terms of a matrix."""
    rows = [[entry.coeff(1) for entry in row] for row in a]
    return DomainMatrix(rows, (len(rows), len(rows[0])), QQ)


def _trace_rank(matrices: Sequence[DomainMatrix]) -> int:
    """Rank of the form tr(ab) on a span of matrices: the dimension of its algebra modulo the radical."""
    products = [[(p * q).to_list() for q in matrices] for p in matrices]
    form = [[sum((a[i][i] for i in range(len(a))), QQ(0)) for a in row] for row in products]
    return int(DomainMatrix(form, (len(form), len(form)), QQ).rank())


def _split(m: Factorization, g: Map, idempotent: Sequence[PolyElement]) -> list[Factorization]:
    """The two summands on which a polynomial in an endomorphism is 1 and 0."""
    bases = []
    for side, degrees in zip(g, (m.rows, m.columns), strict=True):
        projector = _evaluate(idempotent, side)
        other = tuple(
            tuple((1 if i == j else 0) - entry for j, entry in enumerate(row)) for i, row in enumerate(projector)
        )
        chosen = [_constant(p).rref()[1] for p in (projector, other)]
        columns = [[row[j] for row in p] for p, js in zip((projector, other), chosen, strict=True) for j in js]
        basis: Matrix = tuple(zip(*columns, strict=True))
        bases.append((basis, _inverse(basis), [degrees[j] for js in chosen for j in js], len(chosen[0])))
    (rows, rows_inverse, a, cut), (columns_, columns_inverse, b, _) = bases
    phi, psi = times(times(rows_inverse, m.phi), columns_), times(times(columns_inverse, m.psi), rows)
    halves = (slice(0, cut), slice(cut, None))
    return [
        Factorization(tuple(row[h] for row in phi[h]), tuple(row[h] for row in psi[h]), tuple(a[h]), tuple(b[h]))
        for h in halves
    ]


def _evaluate(coefficients: Sequence[PolyElement], a: Matrix) -> Matrix:
    """Polynomial in a square matrix, by Horner's rule."""
    ring = a[0][0].ring
    result: Matrix = tuple(tuple(ring.zero for _ in row) for row in a)
    for c in coefficients:
        result = tuple(
            tuple(entry + c if i == j else entry for j, entry in enumerate(row))
            for i, row in enumerate(times(result, a))
        )
    return result


def _inverse(a: Matrix) -> Matrix:
    """Inverse of a homogeneous matrix with invertible constant terms: A = A₀(1 + N) with a nilpotent N."""
    ring = a[0][0].ring
    constant = _constant(a).inv().to_list()
    first: Matrix = tuple(tuple(ring.ground_new(c) for c in row) for row in constant)
    one = tuple(tuple(ring.one if i == j else ring.zero for j in range(len(a))) for i in range(len(a)))
    minus_n = tuple(tuple(p - q for p, q in zip(r, s, strict=True)) for r, s in zip(one, times(first, a), strict=True))
    total, power = one, minus_n
    while any(map(any, power)):
        total = tuple(tuple(p + q for p, q in zip(r, s, strict=True)) for r, s in zip(total, power, strict=True))
        power = times(power, minus_n)
    return times(total, first)
