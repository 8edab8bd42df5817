"""Linear coordinates: which a germ depends on, which diagonalize its quadratic part, which its factors suggest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from sympy import QQ
from sympy.polys.rings import PolyElement

from zeeman.singularities.forms import initial_form, keep_variables, substitute
from zeeman.singularities.newton import rank
from zeeman.singularities.real_roots import fraction
from zeeman.singularities.series import order_of

Vector = list[Fraction]
MOST_TO_FACTOR = 60


def kernel(rows: Sequence[Vector], size: int) -> list[tuple[int, Vector]]:
    """Basis of the vectors that rows annihilate; each with the free coordinate at which it alone is 1.

    Examples
    --------
    >>> [(p, list(map(int, v))) for p, v in kernel([[Fraction(1), Fraction(-1), Fraction(0)]], 3)]
    [(1, [1, 1, 0]), (2, [0, 0, 1])]
    """
    reduced: dict[int, Vector] = {}
    for row in rows:
        left = list(row)
        for pivot, other in reduced.items():
            if left[pivot]:
                left = [a - left[pivot] * b for a, b in zip(left, other, strict=True)]
        first = next((i for i, one in enumerate(left) if one), None)
        if first is None:
            continue
        left = [one / left[first] for one in left]
        for pivot, other in reduced.items():
            reduced[pivot] = [a - other[first] * b for a, b in zip(other, left, strict=True)]
        reduced[first] = left
    free = [i for i in range(size) if i not in reduced]
    basis = []
    for i in free:
        vector = [Fraction(int(k == i)) for k in range(size)]
        for pivot, row in reduced.items():
            vector[pivot] = -row[i]
        basis.append((i, vector))
    return basis


def essential(generators: Sequence[PolyElement]) -> list[PolyElement]:
    """Leave out the linear coordinates that no generator depends on.

    Examples
    --------
    >>> from sympy import ring
    >>> _, x, y, z = ring("x, y, z", QQ)
    >>> essential([(x + y) ** 2 - z**3])
    [x**2 - z**3]
    """
    size = generators[0].ring.ngens
    rows = []
    for g in generators:
        slopes = [g.diff(x) for x in g.ring.gens]
        for a in sorted({a for slope in slopes for a in slope}):
            rows.append([fraction(slope.get(a, QQ(0))) for slope in slopes])
    dropped = {i for i, _ in kernel(rows, size)}
    kept = [i for i in range(size) if i not in dropped]
    return keep_variables(generators, kept) if dropped else list(generators)


def change(generators: Sequence[PolyElement], columns: Sequence[Vector]) -> list[PolyElement]:
    """Write generators in linear coordinates c, the old ones being Σ_j c_j columns_j."""
    ring = generators[0].ring
    images = []
    for i in range(ring.ngens):
        image = ring.zero
        for gen, column in zip(ring.gens, columns, strict=True):
            image += gen * QQ(column[i].numerator, column[i].denominator)
        images.append(image)
    return [substitute(g, images) for g in generators]


def diagonalized(f: PolyElement) -> tuple[list[Fraction], list[Vector]]:
    """Orthogonal basis for the quadratic part of f: its values there, the zeros last, and the basis.

    Examples
    --------
    >>> from sympy import ring
    >>> _, x, y = ring("x, y", QQ)
    >>> [str(d) for d in diagonalized(x * y)[0]]
    ['1', '-1/4']
    """
    size = f.ring.ngens
    form = {a: fraction(c) for a, c in f.terms() if sum(a) == 2}
    matrix = [[_entry(form, i, j) for j in range(size)] for i in range(size)]
    left = [[Fraction(int(i == k)) for i in range(size)] for k in range(size)]
    values: list[Fraction] = []
    basis: list[Vector] = []
    while True:
        vector = next((v for v in _candidates(left) if _pair(matrix, v, v)), None)
        if vector is None:
            return values + [Fraction(0)] * len(left), basis + left
        norm = _pair(matrix, vector, vector)
        values.append(norm)
        basis.append(vector)
        used = max(i for i, v in enumerate(left) if _involves(vector, left, i))
        rest = [v for i, v in enumerate(left) if i != used]
        left = [[a - _pair(matrix, v, vector) / norm * b for a, b in zip(v, vector, strict=True)] for v in rest]


def _entry(form: dict[tuple[int, ...], Fraction], i: int, j: int) -> Fraction:
    size = len(next(iter(form))) if form else 0
    exponent = tuple((k == i) + (k == j) for k in range(size))
    return form.get(exponent, Fraction(0)) / (1 if i == j else 2)


def _pair(matrix: list[Vector], v: Vector, w: Vector) -> Fraction:
    return sum((v[i] * matrix[i][j] * w[j] for i in range(len(v)) if v[i] for j in range(len(w)) if w[j]), Fraction(0))


def _candidates(left: list[Vector]) -> Iterator[Vector]:
    yield from left
    for i, v in enumerate(left):
        for w in left[i + 1 :]:
            yield [a + b for a, b in zip(v, w, strict=True)]


def _involves(vector: Vector, left: list[Vector], i: int) -> bool:
    """Whether the i-th vector can be exchanged for ``vector``: the others do not span it."""
    others = [v for k, v in enumerate(left) if k != i]
    return rank([*others, vector]) > rank(others)


def suggested(generators: Sequence[PolyElement]) -> list[PolyElement] | None:
    """Take linear forms that divide initial forms as coordinates; None where there is nothing to gain.

    Examples
    --------
    >>> from sympy import ring
    >>> _, x, y, z = ring("x, y, z", QQ)
    >>> suggested([(x + y) * (y + z) * (x + z)])
    [x*y*z]
    """
    columns = suggested_columns(generators)
    return None if columns is None else change(generators, columns)


def suggested_columns(generators: Sequence[PolyElement]) -> list[Vector] | None:
    """The coordinates of :func:`suggested`, as columns for :func:`change`."""
    ring = generators[0].ring
    linear: list[Vector] = []
    for g in generators:
        form = initial_form(g)
        if len(form) > MOST_TO_FACTOR or (order_of(form) == 2 and sum(map(bool, diagonalized(form)[0])) > 2):
            continue
        for f, _ in form.factor_list()[1]:
            if order_of(f) == 1:
                linear.append([fraction(f.coeff(x)) for x in ring.gens])
    chosen: list[Vector] = []
    for form in sorted(linear, key=lambda v: sum(map(bool, v))):
        if rank([*chosen, form]) > len(chosen):
            chosen.append(form)
    if all(sum(map(bool, form)) == 1 for form in chosen):
        return None
    for i in range(ring.ngens):
        unit = [Fraction(int(k == i)) for k in range(ring.ngens)]
        if rank([*chosen, unit]) > len(chosen):
            chosen.append(unit)
    return _inverse_columns(chosen)


def _inverse_columns(forms: list[Vector]) -> list[Vector]:
    """Columns of the inverse of the matrix whose rows are independent linear forms."""
    size = len(forms)
    table = [row + [Fraction(int(i == k)) for k in range(size)] for i, row in enumerate(forms)]
    for k in range(size):
        pivot = next(i for i in range(k, size) if table[i][k])
        table[k], table[pivot] = table[pivot], table[k]
        table[k] = [x / table[k][k] for x in table[k]]
        for i in range(size):
            if i != k and table[i][k]:
                table[i] = [x - table[i][k] * y for x, y in zip(table[i], table[k], strict=True)]
    return [[table[i][size + j] for i in range(size)] for j in range(size)]
