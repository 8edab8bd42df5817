"""Milnor and Tjurina numbers, determinacy, and the splitting lemma, all at the origin and exact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement

from sympy import QQ
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.errors import ZeemanError
from zeeman.singularities.series import homogeneous_part, substitute, truncate
from zeeman.singularities.standard_basis import (
    Exponent,
    LocalAlgebra,
    Undecided,
    contains_power,
    local_algebra,
    multiplicity_bound,
    quotient_dimension,
)

LARGEST_KERNEL_ORDER = {1: 160, 2: 40}
QUICK_WORK = 200_000


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


@lru_cache(maxsize=256)
def milnor_algebra(f: PolyElement) -> LocalAlgebra | None:
    """Give O/(∂f/∂x_1, …, ∂f/∂x_n), the Jacobian algebra at the origin; None if the critical point is not isolated.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> milnor_algebra(x**3 + y**2).monomials
    ((0, 0), (1, 0))
    """
    slopes = gradient(germ(f))
    if any(g.coeff(1) for g in slopes) or corank(f) == f.ring.ngens:
        return local_algebra(slopes)
    try:
        return local_algebra(slopes, most_work=QUICK_WORK)
    except Undecided:
        return local_algebra(slopes) if _kernel_is_isolated(germ(f)) else None


def _kernel_is_isolated(f: PolyElement) -> bool:
    """Whether the degenerate part g of f has an isolated critical point, decided in as many variables as the corank.

    dim O/(∂g, m^k) grows without end exactly if it passes Bézout's bound on μ, taken from f.
    """
    bound, order, size = multiplicity_bound(gradient(f), f.ring.ngens), 8, corank(f)
    while order <= LARGEST_KERNEL_ORDER.get(size, 12):
        g = split(f, order).germ
        if g is None or contains_power(gradient(g), order - 1) is not None:
            return True
        if quotient_dimension(gradient(g), order) > bound:
            return False
        order += order // 2
    raise Undecided(
        f"whether the critical point is isolated is not decided by the terms below degree {order} of its degenerate "
        f"part in {size} variables; give fewer variables, a lower degree or coordinates with fewer terms."
    )


def milnor_number(f: PolyElement) -> int | None:
    """Give μ = dim O/(∂f), the number of nondegenerate critical points into which the origin splits.

    None if the critical point is not isolated; 0 if the origin is not critical.

    Raises
    ------
    ZeemanError
        If it cannot be decided whether the critical point is isolated.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> milnor_number(x**3 + x * y**3), milnor_number(x**2 * y**2)
    (7, None)
    """
    algebra = milnor_algebra(f)
    return None if algebra is None else algebra.dimension


@lru_cache(maxsize=256)
def tjurina_algebra(f: PolyElement) -> LocalAlgebra | None:
    """Give O/(f, ∂f) at the origin, whose monomials deform the hypersurface f = f(0); None if not isolated."""
    algebra = milnor_algebra(f)
    return None if algebra is None else local_algebra([germ(f), *gradient(f)], order=algebra.order)


def tjurina_number(f: PolyElement) -> int | None:
    """Give τ = dim O/(f, ∂f); τ ≤ μ, with equality exactly for quasi-homogeneous germs (Saito).

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> tjurina_number(x**2 * y**2 + x**5 + y**5)
    10
    """
    algebra = tjurina_algebra(f)
    return None if algebra is None else algebra.dimension


def milnor_basis(f: PolyElement) -> tuple[Exponent, ...] | None:
    """Monomials that are a basis of the Jacobian algebra; None if the critical point is not isolated.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> milnor_basis(x**3 + y**3)
    ((0, 0), (0, 1), (1, 0), (1, 1))
    """
    algebra = milnor_algebra(f)
    return None if algebra is None else algebra.monomials


def is_quasihomogeneous(f: PolyElement) -> bool:
    """Whether some coordinates make f quasi-homogeneous: f lies in its Jacobian ideal (Saito 1971).

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> is_quasihomogeneous(x**3 + y**4 + x * y**3), is_quasihomogeneous(x**3 + y**7 + x * y**5)
    (True, False)
    """
    mu = milnor_number(f)
    return mu is not None and tjurina_number(f) == mu


@lru_cache(maxsize=256)
def determinacy(f: PolyElement) -> int | None:
    """Give a k such that f is right equivalent to every germ with its terms up to degree k.

    The least k with m^{k+1} ⊂ m² ∂f (Greuel–Lossen–Shustin, Theorem I.2.23); sharp up to one degree. None if the
    critical point is not isolated.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> determinacy(x**3 + y**5), determinacy(x**2 + y**2 + y**7)
    (5, 2)
    """
    mu = milnor_number(f)
    if mu is None:
        return None
    return max(2, residual(f).order) if mu else 1


def hessian(f: PolyElement) -> list[list[object]]:
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
    f = germ(f)
    if any(g.coeff(1) for g in gradient(f)):
        raise ZeemanError("expected a critical point at the origin, got a gradient that does not vanish there.")
    form = _diagonalized(f)
    positive = sum(d > 0 for d in form.diagonal.values())
    signature = (positive, len(form.diagonal) - positive)
    if not form.kernel:
        return Splitting(None, order, signature)
    small: PolyRing = f.ring.clone(symbols=[f.ring.symbols[i] for i in form.kernel])
    kernel = dict(zip(form.kernel, small.gens, strict=True))
    if not form.diagonal:
        return Splitting(truncate(small.from_dict(dict(f)), order), order, signature)
    linear = [sum((c * f.ring.gens[j] for j, c in enumerate(row)), f.ring.zero) for row in form.columns]
    turned = substitute(f, linear, order)
    slopes = {j: turned.diff(f.ring.gens[j]) for j in form.diagonal}
    point = dict.fromkeys(form.diagonal, small.zero)
    for degree in range(2, order // 2 + 1):
        images = [kernel[i] if i in kernel else point[i] for i in range(f.ring.ngens)]
        point = {j: point[j] - substitute(slopes[j], images, degree) / d for j, d in form.diagonal.items()}
    images = [kernel[i] if i in kernel else point[i] for i in range(f.ring.ngens)]
    return Splitting(substitute(turned, images, order), order, signature)


@lru_cache(maxsize=256)
def residual(f: PolyElement) -> Splitting:
    """Split an isolated critical point, with g up to a degree that determines it.

    Raises
    ------
    ZeemanError
        If the critical point is not isolated, or the origin is not critical.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y, z = ring("x,y,z", QQ)
    >>> residual(x**3 + y**4 + z**2 + x**7).germ
    x**3 + y**4
    """
    mu = milnor_number(f)
    if not mu:
        raise ZeemanError("expected an isolated critical point at the origin, got " + ("none." if mu == 0 else "more."))
    order = mu + 1 if corank(f) <= 1 else 4
    while True:
        found = split(f, order)
        if found.germ is None:
            return found
        if found.corank == 1:
            return Splitting(truncate(found.germ, order), order, found.signature)
        sharp = contains_power(_tangent_generators(found.germ), order + 1)
        if sharp is not None:
            return Splitting(truncate(found.germ, sharp - 1), sharp - 1, found.signature)
        order += max(1, order // 3)


def _tangent_generators(g: PolyElement) -> list[PolyElement]:
    """Generators of m² ∂g."""
    quadrics = [a * b for a, b in combinations_with_replacement(g.ring.gens, 2)]
    return [quadric * slope for slope in gradient(g) for quadric in quadrics]


@dataclass(frozen=True)
class _QuadraticForm:
    """x = columns · x' turns the quadratic part into ½ Σ diagonal_j x'_j²; kernel: the other indices."""

    columns: list[list[object]]
    diagonal: dict[int, object]
    kernel: list[int]


def _diagonalized(f: PolyElement) -> _QuadraticForm:
    """Diagonalize the Hessian by completing squares, keeping each variable as near to itself as can be."""
    size = f.ring.ngens
    matrix = hessian(homogeneous_part(f, 2))
    columns: list[list[object]] = [[QQ(int(i == j)) for j in range(size)] for i in range(size)]
    diagonal: dict[int, object] = {}
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


def _add_column(matrix: list[list[object]], columns: list[list[object]], to: int, source: int, factor: object) -> None:
    """Congruence: add factor times column (and row) ``source`` to ``to``."""
    for row in [*matrix, *columns]:
        row[to] = row[to] + factor * row[source]  # type: ignore[operator]
    matrix[to] = [a + factor * b for a, b in zip(matrix[to], matrix[source], strict=True)]  # type: ignore[operator]
