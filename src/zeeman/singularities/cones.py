"""Germs of three and more variables by one blow-up of the origin: their tangent cone, and its singular points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sympy import QQ
from sympy.polys.groebnertools import groebner
from sympy.polys.orderings import lex
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.singularities.forms import initial_form, keep_variables, substitute, variables_of
from zeeman.singularities.linear import change, suggested_columns
from zeeman.singularities.plane import NotDecided
from zeeman.singularities.real_roots import RealField, count_real_roots, factors, root_of_linear
from zeeman.singularities.series import order_of
from zeeman.singularities.threshold import RLCT, exact

LARGEST = 40
Point = tuple[Fraction, ...]
Local = Callable[[PolyElement, Sequence[int]], RLCT | None]


@dataclass(frozen=True)
class Cone:
    """The hypersurface f_d = 0 of real projective space, f_d being the initial form of a germ.

    Attributes
    ----------
    singular_points
        Its real singular points, all rational, the first coordinate that is not zero being 1.
    """

    form: PolyElement
    singular_points: tuple[Point, ...]


def tangent_cone(f: PolyElement) -> Cone:
    """Find the real singular points of the tangent cone.

    Raises
    ------
    NotDecided
        If they are infinitely many, or not all rational.

    Examples
    --------
    >>> from sympy import ring
    >>> _, x, y, z = ring("x, y, z", QQ)
    >>> [tuple(map(int, point)) for point in tangent_cone(x * y * z + x**4).singular_points]
    [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    """
    form = initial_form(f)
    if sum(sum(a) for a in form) > LARGEST * form.ring.ngens:
        raise NotDecided("the tangent cone has too many terms")
    slopes = [slope for slope in (form.diff(x) for x in form.ring.gens) if slope]
    points: list[Point] = []
    for first in range(form.ring.ngens):
        free = list(range(first + 1, form.ring.ngens))
        names = [str(form.ring.symbols[i]) for i in free] or ["none"]
        chart = PolyRing(names, QQ, lex)
        images = [chart.zero] * first + [chart.one] + list(chart.gens[: len(free)])
        equations = [substitute(slope, images) for slope in slopes]
        for rest in _solutions([e for e in equations if e], len(free)):
            points.append((*[Fraction(0)] * first, Fraction(1), *rest))
    return Cone(form, tuple(points))


def _solutions(equations: Sequence[PolyElement], size: int) -> Iterator[Point]:
    """Real solutions of equations in ``size`` variables."""
    if any(e.is_ground for e in equations):
        return
    if not size:
        yield ()
        return
    if not equations:
        raise NotDecided("the tangent cone is singular along a curve")
    basis = groebner(list(equations), equations[0].ring)
    if any(e.is_ground for e in basis):
        return
    last = size - 1
    alone = [e for e in basis if variables_of(e) == {last}]
    if not alone:
        raise NotDecided("the tangent cone is singular along a curve")
    (reduced,) = keep_variables(alone[:1], [last])
    dense = [reduced.get((e,), QQ(0)) for e in range(reduced.degree(), -1, -1)]
    for factor, _ in factors(dense, RealField()):
        if len(factor) > 2:
            if count_real_roots(factor, RealField()):
                raise NotDecided("the tangent cone may have irrational singular points")
            continue
        root = root_of_linear(factor)
        ring = basis[0].ring
        smaller = PolyRing([str(s) for s in ring.symbols[:last]] or ["none"], QQ, lex)
        images = [*smaller.gens[:last], smaller.ground_new(root)]
        kept = [e for e in (substitute(e, images) for e in basis) if e]
        for rest in _solutions(kept, last):
            yield (*rest, Fraction(int(root.numerator), int(root.denominator)))


def by_cone(f: PolyElement, form_sign: str | None, local: Local) -> RLCT | None:
    """λ and m from one blow-up of the origin; ``local`` gives them at a point for a density Π |x_i|^{h_i}.

    On the exceptional divisor N = d and A = n; where f_d = 0 is smooth, the strict transform crosses it normally.
    """
    n, d = f.ring.ngens, order_of(f)
    try:
        cone = tangent_cone(f)
    except NotDecided:
        return None
    found = [(Fraction(n, d), 1)]
    if form_sign == "±":
        found.append((Fraction(1), 2 if n == d else 1))
    elif form_sign not in ("+", "-") and n >= d:
        return None
    for point in cone.singular_points:
        at_point = _at_point(f, point, local)
        if at_point is None or at_point.value is None or at_point.multiplicity is None:
            return None
        found.append((at_point.value, at_point.multiplicity))
    value = min(v for v, _ in found)
    how = f"a blow-up of the origin, and Newton polyhedra at {len(cone.singular_points)} singular points of the cone"
    return exact(value, max(m for v, m in found if v == value), how)


def _at_point(f: PolyElement, point: Point, local: Local) -> RLCT | None:
    first = point.index(1)
    ring = f.ring
    t = ring.gens[first]
    shifted = [t * (x + QQ(p.numerator, p.denominator)) for x, p in zip(ring.gens, point, strict=True)]
    images = [t if i == first else image for i, image in enumerate(shifted)]
    total = substitute(f, images)
    shifts = [ring.ngens - 1 if i == first else 0 for i in range(ring.ngens)]
    strict = total.quo(t ** order_of(f))
    found = local(total, shifts)
    if found is not None:
        return found
    level = substitute(strict, [ring.zero if i == first else x for i, x in enumerate(ring.gens)])
    turn = _turn(level, first)
    return None if turn is None else local(change([total], turn)[0], shifts)


def _turn(level: PolyElement, first: int) -> list[list[Fraction]] | None:
    """Coordinates on the exceptional divisor in which linear factors of the form there are coordinates."""
    size = level.ring.ngens
    kept = [i for i in range(size) if i != first]
    (small,) = keep_variables([level], kept)
    columns = suggested_columns([small])
    if columns is None:
        return None
    wide = [[Fraction(0)] * size for _ in range(size)]
    wide[first][first] = Fraction(1)
    for j, column in zip(kept, columns, strict=True):
        for i, value in zip(kept, column, strict=True):
            wide[j][i] = value
    return wide
