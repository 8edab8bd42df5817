"""Splitting lemma: the degenerate part of a critical point, separated exactly from its squares."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import QQ
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.errors import ZeemanError
from zeeman.singularities.series import Coefficient, homogeneous_part, substitute


def germ(f: PolyElement) -> PolyElement:
    """Give f without its constant term: critical points are studied, at whatever level they lie.

    Raises
    ------
    ZeemanError
        If the coefficients are not rational, or there is no variable.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x = ring("x", QQ)
    >>> germ(x**2 + 1)
    x**2
    """
    if f.ring.domain != QQ or not f.ring.ngens:
        raise ZeemanError(
            f"expected a polynomial with rational coefficients in one variable or more, got one over {f.ring.domain} "
            f"in {f.ring.ngens}; replace floats by fractions."
        )
    return f - f.coeff(1)


def gradient(f: PolyElement) -> list[PolyElement]:
    """Partial derivatives, one a variable."""
    return [f.diff(x) for x in f.ring.gens]


def is_critical(f: PolyElement) -> bool:
    """Whether the gradient vanishes at the origin.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> is_critical(x**2 + y**3), is_critical(x + y**2)
    (True, False)
    """
    return not any(slope.coeff(1) for slope in gradient(f))


def hessian(f: PolyElement) -> list[list[Coefficient]]:
    """Matrix of second derivatives at the origin."""
    return [[f.diff(x).diff(y).coeff(1) for y in f.ring.gens] for x in f.ring.gens]


def corank(f: PolyElement) -> int:
    """Number of variables minus the rank of the Hessian at the origin.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> corank((x + y) ** 2 + y**3)
    1
    """
    return len(_diagonalized(f).kernel)


@dataclass(frozen=True)
class Splitting:
    """Right equivalence f ~ g(x_1, …, x_c) + Σ ± y_j² near a critical point.

    Attributes
    ----------
    germ
        g up to degree ``order``, of multiplicity 3 or more, in as many variables as the corank; None if that is 0.
    order
        Degree up to which g is given.
    signature
        Numbers of positive and of negative squares.
    """

    germ: PolyElement | None
    order: int
    signature: tuple[int, int]

    @property
    def corank(self) -> int:
        """Number of variables of g."""
        return 0 if self.germ is None else int(self.germ.ring.ngens)


def split(f: PolyElement, order: int) -> Splitting:
    """Separate the squares from the degenerate part of a germ, exactly up to a degree.

    The Hessian is diagonalized by a rational congruence; then ∂f/∂y (x, y(x)) = 0 is solved for the power series y(x),
    and g(x) = f(x, y(x)) (splitting lemma of Gromoll–Meyer). y is needed up to half the degree only, since f is
    stationary in it.

    Parameters
    ----------
    f
        A polynomial with a critical point at the origin.
    order
        Degree up to which g is wanted.

    Raises
    ------
    ZeemanError
        If the origin is not a critical point.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> found = split(y**2 + 2 * x**2 * y + x**5, 5)
    >>> found.germ, found.signature
    (x**5 - x**4, (1, 0))
    """
    found = critical_sheet(f, order)
    if found.small is None:
        return Splitting(None, order, found.signature)
    return Splitting(substitute(found.turned, found.images, order), order, found.signature)


@dataclass(frozen=True)
class Sheet:
    """The sheet y(x) on which a germ is critical in the directions of its squares, in diagonal coordinates.

    Attributes
    ----------
    turned
        The germ in coordinates (x, y) that diagonalize its Hessian, up to a degree.
    slopes
        ∂f/∂y, one for each square.
    images
        What each coordinate is on the sheet: itself, or y(x) up to half the degree.
    small
        Ring of x; None where the corank is 0.
    signature
        Numbers of positive and of negative squares.
    """

    turned: PolyElement
    slopes: list[PolyElement]
    images: list[PolyElement]
    small: PolyRing | None
    signature: tuple[int, int]


def critical_sheet(f: PolyElement, order: int) -> Sheet:
    """Find y(x) up to half the degree ``order``; see :func:`split`."""
    f = germ(f)
    if not is_critical(f):
        raise ZeemanError("expected a critical point at the origin, got a gradient that does not vanish there.")
    form = _diagonalized(f)
    positive = sum(d > 0 for d in form.diagonal.values())
    signature = (positive, len(form.diagonal) - positive)
    if not form.kernel:
        return Sheet(f, [], [], None, signature)
    small: PolyRing = f.ring.clone(symbols=[f.ring.symbols[i] for i in form.kernel])
    kernel = dict(zip(form.kernel, small.gens, strict=True))
    linear = [sum((c * f.ring.gens[j] for j, c in enumerate(row)), f.ring.zero) for row in form.columns]
    turned = substitute(f, linear, order)
    slopes = {j: turned.diff(f.ring.gens[j]) for j in form.diagonal}
    point = dict.fromkeys(form.diagonal, small.zero)

    def images() -> list[PolyElement]:
        return [kernel[i] if i in kernel else point[i] for i in range(f.ring.ngens)]

    for degree in range(2, order // 2 + 1):
        at = images()
        point = {j: point[j] - substitute(slopes[j], at, degree) / d for j, d in form.diagonal.items()}
    return Sheet(turned, list(slopes.values()), images(), small, signature)


@dataclass(frozen=True)
class _QuadraticForm:
    """x = columns · x' turns the quadratic part into ½ Σ diagonal_j x'_j²; kernel: the other indices."""

    columns: list[list[Coefficient]]
    diagonal: dict[int, Coefficient]
    kernel: list[int]


def _diagonalized(f: PolyElement) -> _QuadraticForm:
    """Diagonalize the Hessian by completing squares, keeping each variable as near to itself as can be."""
    size = f.ring.ngens
    matrix = hessian(homogeneous_part(f, 2))
    columns: list[list[Coefficient]] = [[QQ(int(i == j)) for j in range(size)] for i in range(size)]
    diagonal: dict[int, Coefficient] = {}
    left = list(range(size))
    while True:
        pivot = next((i for i in left if matrix[i][i]), None)
        if pivot is None:
            pair = next(((i, j) for i in left for j in left if matrix[i][j]), None)
            if pair is None:
                return _QuadraticForm(columns, diagonal, left)
            _add_column(matrix, columns, pair[0], pair[1], QQ(1))
            continue
        for j in left:
            if j != pivot and matrix[pivot][j]:
                _add_column(matrix, columns, j, pivot, -matrix[pivot][j] / matrix[pivot][pivot])
        diagonal[pivot] = matrix[pivot][pivot]
        left.remove(pivot)


def _add_column(
    matrix: list[list[Coefficient]], columns: list[list[Coefficient]], to: int, source: int, factor: Coefficient
) -> None:
    """Congruence: add factor times column (and row) ``source`` to ``to``."""
    for row in [*matrix, *columns]:
        row[to] = row[to] + factor * row[source]
    matrix[to] = [a + factor * b for a, b in zip(matrix[to], matrix[source], strict=True)]
