"""Graded matrix factorizations: maps up to homotopy, cones and decomposition, by exact linear algebra."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import lcm

from sympy.polys.domains import QQ
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.errors import ZeemanError
from zeeman.singularities.weights import weights

Matrix = tuple[tuple[PolyElement, ...], ...]
Grading = tuple[tuple[int, ...], int]


@dataclass(frozen=True)
class Factorization:
    """Square matrices with φψ = ψφ = f·1, homogeneous for the weights of f.

    Parameters
    ----------
    phi, psi : tuple of tuples of PolyElement
        φ and ψ.
    rows, columns : tuple of int
        Degrees a_i and b_j of generators: φ_ij has degree b_j − a_i, ψ_ji has degree a_i + deg f − b_j.
    """

    phi: Matrix
    psi: Matrix
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.phi)


Map = tuple[Matrix, Matrix]
"""α on the rows and β on the columns of a factorization, with αφ = φ′β."""


def grading(f: PolyElement) -> Grading:
    """Integer weights of the variables, and the degree of f.

    Raises
    ------
    ZeemanError
        When f has no weights.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> grading(x**3 + y**4)
    ((4, 3), 12)
    """
    q = weights(f)
    if q is None:
        raise ZeemanError(
            f"expected a quasi-homogeneous germ with an isolated critical point, got {f}; change coordinates."
        )
    degree = lcm(*(w.denominator for w in q))
    return tuple(int(w * degree) for w in q), degree


def times(a: Matrix, b: Matrix) -> Matrix:
    """Matrix product.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x = ring("x", QQ)
    >>> times(((x, R(1)),), ((x,), (x**2,)))
    ((2*x**2,),)
    """
    zero = a[0][0].ring.zero
    columns = list(zip(*b, strict=True))
    return tuple(tuple(sum((p * q for p, q in zip(r, c, strict=True) if p and q), zero) for c in columns) for r in a)


def syzygy(m: Factorization, degree: int) -> Factorization:
    """ΩM, with φ and ψ exchanged.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x = ring("x", QQ)
    >>> syzygy(Factorization(((x,),), ((x**2,),), (0,), (1,)), 3)
    Factorization(phi=((x**2,),), psi=((x,),), rows=(1,), columns=(3,))
    """
    return Factorization(m.psi, m.phi, m.columns, tuple(a + degree for a in m.rows))


def residue_field(f: PolyElement) -> Factorization:
    """The Koszul factorization of f = Σ x_i f_i, which resolves the residue field; it may decompose.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> residue_field(x**3 + y**4).phi
    ((x, -y**3), (y, x**2))
    """
    w, degree = grading(f)
    ring = f.ring
    cofactors = [
        ring.from_dict({a: c for a, c in f.terms() if a[i] and not any(a[:i])}).exquo(x)
        for i, x in enumerate(ring.gens)
    ]
    phi: Matrix = ((ring.gens[0],),)
    psi: Matrix = ((cofactors[0],),)
    rows, columns = [0], [w[0]]
    for x, cofactor, step in zip(ring.gens[1:], cofactors[1:], w[1:], strict=True):
        over, under = _scalar(x, len(phi)), _scalar(cofactor, len(phi))
        phi, psi = block(phi, negative(under), over, psi), block(psi, under, negative(over), phi)
        rows, columns = [*rows, *(b - step for b in columns)], [*columns, *(a + degree - step for a in rows)]
    return Factorization(phi, psi, tuple(rows), tuple(columns))


def _scalar(entry: PolyElement, size: int) -> Matrix:
    """A multiple of the identity."""
    return tuple(tuple(entry if i == j else entry.ring.zero for j in range(size)) for i in range(size))


def negative(a: Sequence[Sequence[PolyElement]]) -> Matrix:
    """The matrix −A."""
    return tuple(tuple(-e for e in row) for row in a)


def block(
    a: Sequence[Sequence[PolyElement]],
    b: Sequence[Sequence[PolyElement]],
    c: Sequence[Sequence[PolyElement]],
    d: Sequence[Sequence[PolyElement]],
) -> Matrix:
    """The matrix ((a, b), (c, d))."""
    top = tuple((*p, *q) for p, q in zip(a, b, strict=True))
    return top + tuple((*p, *q) for p, q in zip(c, d, strict=True))


@lru_cache(maxsize=1024)
def monomials(ring: PolyRing, w: tuple[int, ...], degree: int) -> tuple[PolyElement, ...]:
    """Monomials of a weighted degree.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> monomials(R, (2, 1), 3)
    (y**3, x*y)
    """
    if degree < 0:
        return ()
    box = product(*(range(degree // k + 1) for k in w))
    return tuple(ring.from_dict({a: QQ(1)}) for a in box if sum(i * k for i, k in zip(a, w, strict=True)) == degree)


def maps(m: Factorization, n: Factorization, w: tuple[int, ...], e: int) -> list[Map]:
    """Basis of the maps M → N of degree e.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x = ring("x", QQ)
    >>> m = Factorization(((x,),), ((x**2,),), (0,), (1,))
    >>> [len(maps(m, m, (1,), e)) for e in (0, 1)]
    [1, 1]
    """
    ring = m.phi[0][0].ring
    unknowns = [
        (side, k, i, mono)
        for side, source, target in ((0, m.rows, n.rows), (1, m.columns, n.columns))
        for i, a in enumerate(source)
        for k, b in enumerate(target)
        for mono in monomials(ring, w, a + e - b)
    ]
    equations: dict[tuple[int, int, tuple[int, ...]], dict[int, PolyElement]] = {}
    for u, (side, k, i, mono) in enumerate(unknowns):
        right = [(k, j, m.phi[i][j]) for j in range(m.size)]
        left = [(j, i, -n.phi[j][k]) for j in range(n.size)]
        for row, column, entry in left if side else right:
            for a, c in (entry * mono).terms():
                equations.setdefault((row, column, a), {})[u] = c
    return [_assemble(ring, m, n, unknowns, vector) for vector in _nullspace(list(equations.values()), len(unknowns))]


def _assemble(
    ring: PolyRing,
    m: Factorization,
    n: Factorization,
    unknowns: Sequence[tuple[int, int, int, PolyElement]],
    vector: dict[int, PolyElement],
) -> Map:
    """The map with the given coefficients."""
    sides = [[[ring.zero] * m.size for _ in range(n.size)] for _ in range(2)]
    for u, c in vector.items():
        side, k, i, mono = unknowns[u]
        sides[side][k][i] += mono * c
    return tuple(map(tuple, sides[0])), tuple(map(tuple, sides[1]))


def _nullspace(rows: Sequence[dict[int, PolyElement]], width: int) -> list[dict[int, PolyElement]]:
    """Basis of the solutions of sparse linear equations."""
    if not rows or not width:
        return [{i: QQ(1)} for i in range(width)]
    matrix = DomainMatrix(dict(enumerate(rows)), (len(rows), width), QQ)
    return [dict(row) for row in matrix.nullspace().to_sparse().rep.to_sdm().values()]


def homotopies(m: Factorization, n: Factorization, f: Grading, e: int) -> Iterator[Map]:
    """Spanning set of the maps φ′s + tψ, sφ + ψ′t of degree e, which are zero in the stable category."""
    w, degree = f
    ring = m.phi[0][0].ring
    for i, k in product(range(m.size), range(n.size)):
        for mono in monomials(ring, w, m.rows[i] + e - n.columns[k]):
            s = _unit(ring, n.size, m.size, k, i, mono)
            yield times(n.phi, s), times(s, m.phi)
        for mono in monomials(ring, w, m.columns[i] + e - degree - n.rows[k]):
            t = _unit(ring, n.size, m.size, k, i, mono)
            yield times(t, m.psi), times(n.psi, t)


def _unit(ring: PolyRing, height: int, width: int, k: int, i: int, entry: PolyElement) -> Matrix:
    """A matrix with one entry."""
    return tuple(tuple(entry if (r, c) == (k, i) else ring.zero for c in range(width)) for r in range(height))


def stable_maps(m: Factorization, n: Factorization, f: Grading, e: int) -> list[Map]:
    """Maps of degree e that are a basis modulo homotopy.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x = ring("x", QQ)
    >>> m = Factorization(((x,),), ((x**2,),), (0,), (1,))
    >>> [len(stable_maps(m, m, ((1,), 3), e)) for e in (0, 1)]
    [1, 0]
    """
    candidates = maps(m, n, f[0], e)
    if not candidates:
        return []
    null = [_coordinates(h) for h in homotopies(m, n, f, e)]
    rows = [*null, *map(_coordinates, candidates)]
    keys = {key: j for j, key in enumerate(sorted({key for row in rows for key in row}))}
    columns: dict[int, dict[int, PolyElement]] = {i: {} for i in range(len(keys))}
    for i, row in enumerate(rows):
        for key, c in row.items():
            columns[keys[key]][i] = c
    matrix = DomainMatrix({i: row for i, row in columns.items() if row}, (len(keys), len(rows)), QQ)
    _, pivots = matrix.rref()
    return [candidates[i - len(null)] for i in pivots if i >= len(null)]


def _coordinates(g: Map) -> dict[tuple[int, int, int, tuple[int, ...]], PolyElement]:
    """Coefficients of a map by place and monomial."""
    return {
        (side, k, i, a): c
        for side, matrix in enumerate(g)
        for k, row in enumerate(matrix)
        for i, entry in enumerate(row)
        for a, c in entry.terms()
        if c
    }
