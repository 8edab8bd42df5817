"""Milnor and Tjurina numbers, determinacy and the degenerate part of a germ, all at the origin and exact."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import combinations_with_replacement

from sympy.polys.rings import PolyElement

from zeeman.singularities.series import Exponent, order_of, truncate
from zeeman.singularities.splitting_lemma import Splitting, corank, germ, gradient, is_critical, split
from zeeman.singularities.standard_basis import (
    LocalAlgebra,
    contains_power,
    local_algebra,
    multiplicity_bound,
    quotient_dimension,
    surely_infinite,
)
from zeeman.singularities.truncated_basis import Undecided

LARGEST_ORDER = {1: 160}
LARGEST_ORDER_IN_MANY_VARIABLES = 60


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
    if is_critical(f) and corank(f) < f.ring.ngens and residual(f) is None:
        return None
    return local_algebra(slopes)


def milnor_number(f: PolyElement) -> int | None:
    """Give μ = dim O/(∂f), the number of nondegenerate critical points into which the origin splits.

    It is computed from the degenerate part of f, in as many variables as the corank. None if the critical point is not
    isolated; 0 if the origin is not critical.

    Raises
    ------
    Undecided
        If it cannot be decided whether the critical point is isolated.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> milnor_number(x**3 + x * y**3), milnor_number(x**2 * y**2)
    (7, None)
    """
    return _dimension(f, milnor_algebra)


@lru_cache(maxsize=256)
def tjurina_algebra(f: PolyElement) -> LocalAlgebra | None:
    """Give O/(f, ∂f) at the origin, whose monomials deform the hypersurface f = f(0); None if not isolated."""
    algebra = milnor_algebra(f)
    return None if algebra is None else local_algebra([germ(f), *gradient(f)], order=algebra.order)


def tjurina_number(f: PolyElement) -> int | None:
    """Give τ = dim O/(f, ∂f); τ ≤ μ, with equality exactly for quasi-homogeneous germs (Saito).

    Raises
    ------
    Undecided
        If it cannot be decided whether the critical point is isolated.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> tjurina_number(x**2 * y**2 + x**5 + y**5)
    10
    """
    return _dimension(f, tjurina_algebra)


def _dimension(f: PolyElement, algebra_of: Callable[[PolyElement], LocalAlgebra | None]) -> int | None:
    """Dimension of an algebra that squares in further variables do not change."""
    g = germ(f)
    if not is_critical(g):
        return 0
    if corank(g) < g.ring.ngens:
        found = residual(g)
        if found is None or found.germ is None:
            return None if found is None else 1
        g = found.germ
    algebra = algebra_of(g)
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
    if not is_critical(f):
        return 1
    found = residual(f)
    return None if found is None else found.order


@lru_cache(maxsize=256)
def residual(f: PolyElement) -> Splitting | None:
    """Split an isolated critical point, with its degenerate part g up to a degree that determines it.

    None if the critical point is not isolated. That is proved, where the Hessian does not vanish, by dim O/(∂g, m^k)
    above Bézout's bound on μ, taken from f.

    Raises
    ------
    ZeemanError
        If the origin is not critical.
    Undecided
        If it cannot be decided whether the critical point is isolated.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y, z = ring("x,y,z", QQ)
    >>> residual(x**3 + y**4 + z**2 + x**7).germ
    x**3 + y**4
    """
    f = germ(f)
    size, slopes = corank(f), gradient(f)
    if surely_infinite(slopes) or (size == f.ring.ngens and milnor_algebra(f) is None):
        return None
    bound, order = multiplicity_bound(slopes, f.ring.ngens), 4 if size else 2
    while order <= LARGEST_ORDER.get(size, LARGEST_ORDER_IN_MANY_VARIABLES):
        found = split(f, order)
        if found.germ is None:
            return found
        enough = _determining_order(found.germ, order)
        if enough is not None:
            return Splitting(truncate(found.germ, enough), enough, found.signature)
        if size < f.ring.ngens and quotient_dimension(gradient(found.germ), order) > bound:
            return None
        order += max(1, order // 3)
    raise Undecided(
        f"whether the critical point is isolated is not decided by the terms below degree {order} of its degenerate "
        f"part in {size} variables; give fewer variables, a lower degree or coordinates with fewer terms."
    )


def _determining_order(g: PolyElement, order: int) -> int | None:
    """Degree k ≤ order with m^{k+1} ⊂ m² ∂g, or None; g is known up to ``order``."""
    if g.ring.ngens == 1:
        return order_of(g) if g else None
    quadrics = [a * b for a, b in combinations_with_replacement(g.ring.gens, 2)]
    power = contains_power([quadric * slope for slope in gradient(g) for quadric in quadrics], order + 1) if g else None
    return None if power is None else power - 1
