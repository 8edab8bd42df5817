"""Milnor and Tjurina numbers, determinacy and the degenerate part of a germ, all at the origin and exact."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations_with_replacement

from sympy.polys.rings import PolyElement

from zeeman.errors import ZeemanError
from zeeman.singularities.series import Exponent, truncate
from zeeman.singularities.splitting_lemma import Splitting, corank, germ, gradient, split
from zeeman.singularities.standard_basis import (
    LocalAlgebra,
    contains_power,
    local_algebra,
    multiplicity_bound,
    quotient_dimension,
)
from zeeman.singularities.truncated_basis import Undecided

LARGEST_KERNEL_ORDER = {1: 160, 2: 40}
QUICK_WORK = 200_000


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
