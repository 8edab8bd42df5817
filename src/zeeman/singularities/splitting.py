"""The splitting lemma: a germ is a sum of squares and a residual germ in the directions where its Hessian vanishes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sympy import QQ
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.singularities.forms import order, substitute, truncated
from zeeman.singularities.linear import change, diagonalized
from zeeman.singularities.newton import Exponent

DEGREES = (3, 5, 7, 9, 12)
MOST_DETERMINED = {2: 12, 3: 7, 4: 5}


@dataclass(frozen=True)
class Split:
    """f ~ Σ ± y_i² + g(x), after a change of coordinates.

    Attributes
    ----------
    plus, minus
        Numbers of squares of either sign.
    residual
        g, of order three at least, in the remaining variables; None where there are none.
    """

    plus: int
    minus: int
    residual: PolyElement | None


def split(f: PolyElement) -> Split | None:
    """Split off the squares; None where the residual germ is not settled by finitely many terms that were looked at.

    The equations ∂f/∂y = 0 are solved for y(x) as power series, and g(x) = f(y(x), x). A truncation of g stands for g
    where it is finitely determined (m^{k+1} ⊂ m² J(g)); elsewhere only where the series breaks off.

    Examples
    --------
    >>> from sympy import ring
    >>> _, x, y = ring("x, y", QQ)
    >>> split(x**2 + 2 * x * y + y**2 + x**3)
    Split(plus=1, minus=0, residual=-x1**3)
    """
    values, basis = diagonalized(f)
    nonzero = [d for d in values if d]
    plus, minus = sum(d > 0 for d in nonzero), sum(d < 0 for d in nonzero)
    corank = len(values) - len(nonzero)
    if not corank:
        return Split(plus, minus, None)
    if not nonzero:
        return Split(0, 0, f)
    (turned,) = change([f], basis)
    residual = _residual(turned, nonzero, corank)
    return None if residual is None else Split(plus, minus, residual)


def _residual(f: PolyElement, squares: list[Fraction], corank: int) -> PolyElement | None:
    ring = PolyRing([f"x{i + 1}" for i in range(corank)], QQ)
    slopes = [f.diff(y) for y in f.ring.gens[: len(squares)]]
    solution = [ring.zero for _ in squares]
    for degree in DEGREES:
        if corank > 2 and degree > MOST_DETERMINED.get(corank, 0):
            return None
        depth = (degree + 1) // 2
        solution = _solved(slopes, squares, solution, ring, depth)
        g = substitute(f, [*solution, *ring.gens], degree)
        if g and (corank == 1 or is_determined(g, degree)):
            return g
        if not any(substitute(slope, [*solution, *ring.gens]) for slope in slopes):
            return substitute(f, [*solution, *ring.gens]) or None
    return None


def _solved(
    slopes: list[PolyElement], squares: list[Fraction], start: list[PolyElement], ring: PolyRing, degree: int
) -> list[PolyElement]:
    """Solution of ∂f/∂y = 0 up to a degree, by Newton's iteration with the constant Hessian 2 d_i."""
    solution = start
    for _ in range(degree + 1):
        errors = [substitute(slope, [*solution, *ring.gens], degree) for slope in slopes]
        if not any(errors):
            break
        solution = [
            y - e * QQ(d.denominator, 2 * d.numerator) for y, e, d in zip(solution, errors, squares, strict=True)
        ]
    return solution


def is_determined(g: PolyElement, degree: int) -> bool:
    """Whether every germ with the same terms up to a degree is g in other coordinates: m^{k+1} ⊂ m² J(g) + m^{k+2}.

    Examples
    --------
    >>> from sympy import ring
    >>> _, x, y = ring("x, y", QQ)
    >>> is_determined(x**3 + y**4, 4), is_determined(x**3 + y**4, 3), is_determined((x**2 - y**3) ** 2, 9)
    (True, False, False)
    """
    if degree < order(g) or degree > MOST_DETERMINED.get(g.ring.ngens, 0):
        return False
    echelon: dict[Exponent, PolyElement] = {}
    slopes = [g.diff(x) for x in g.ring.gens]
    for a in _exponents(g.ring.ngens, degree + 1):
        if sum(a) >= 2:
            for slope in slopes:
                rest = _reduced(truncated(slope.mul_monom(a), degree + 1), echelon)
                if rest:
                    first = _lowest(rest)
                    echelon[first] = rest.quo_ground(rest[first])
    top = [a for a in _exponents(g.ring.ngens, degree + 1) if sum(a) == degree + 1]
    return all(not _reduced(g.ring.from_dict({a: QQ(1)}), echelon) for a in top)


def _reduced(f: PolyElement, echelon: dict[Exponent, PolyElement]) -> PolyElement:
    """Subtract multiples of rows in echelon form, lowest terms first, until the lowest is none of theirs."""
    left = f.copy()
    while left and (first := _lowest(left)) in echelon:
        factor = left[first]
        for a, c in echelon[first].terms():
            value = left.get(a, QQ(0)) - factor * c
            if value:
                left[a] = value
            else:
                left.pop(a, None)
    return left


def _lowest(f: PolyElement) -> Exponent:
    return min(f, key=lambda a: (sum(a), a))


def _exponents(size: int, degree: int) -> list[Exponent]:
    """All exponents up to a degree, lowest first."""
    if size == 1:
        return [(e,) for e in range(degree + 1)]
    found = [(e, *rest) for e in range(degree + 1) for rest in _exponents(size - 1, degree - e)]
    return sorted(found, key=lambda a: (sum(a), a))
