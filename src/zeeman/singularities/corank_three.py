"""Germs of three variables whose 2-jet vanishes: P8, T, Q, S and U, by the plane cubic that their 3-jet is."""

from __future__ import annotations

from itertools import combinations_with_replacement

from sympy import QQ
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement

from zeeman.singularities.corank_two import (
    NEVER,
    CubicTail,
    cubic_tail,
    first_power,
    name_cubic_tail,
    named,
    quartic_tail,
)
from zeeman.singularities.local_algebra import milnor_number
from zeeman.singularities.normal_forms import Recognition, beyond, real_sign
from zeeman.singularities.reduction import absorb, complete_to_basis, linear_kernel, num_real_lines, straighten
from zeeman.singularities.series import Coefficient, Exponent, homogeneous_part, order_of


def recognize_ternary(g: PolyElement, mu: int) -> Recognition:
    """Name the class of a germ in three variables, of multiplicity 3 or more and Milnor number μ.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y, z = ring("x,y,z", QQ)
    >>> recognize_ternary((x + y) * y * z + (x + y) ** 4 + y**5 + z**6, 14).name
    'T(4,5,6)'
    """
    if order_of(g) > 3:
        return beyond("the 3-jet of the degenerate part vanishes in three variables")
    cubic = homogeneous_part(g, 3)
    kernel = linear_kernel([cubic.diff(x) for x in g.ring.gens])
    if len(kernel) == 2:
        return beyond("the 3-jet is a cube in three variables")
    if len(kernel) == 1:
        return _cone(g, kernel[0], mu)
    factors = [factor for factor, _ in cubic.factor_list()[1]]
    match num_singular(cubic):
        case 0:
            return Recognition("P8", "P8", 1, "the 3-jet is a smooth plane cubic")
        case 1:
            return named("T", (3, 3, mu - 5), 1, "the 3-jet is a cubic with one node")
        case 2 if len(factors) == 1:
            return _q_series(g, mu)
        case 2:
            return _conic_and_line(g, factors, mu)
    conic = next((factor for factor in factors if order_of(factor) == 2), None)
    if conic is not None and not linear_kernel([conic.diff(x) for x in g.ring.gens]):
        return _s_series(g, conic, next(factor for factor in factors if order_of(factor) == 1), mu)
    return _triangle(g, factors, mu)


def num_singular(cubic: PolyElement) -> int:
    """Total Tjurina number of the singular points of a reduced plane cubic: dim of Q[x,y,z]/(∂c) in degree 4.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y, z = ring("x,y,z", QQ)
    >>> num_singular(x**3 + y**3 + z**3), num_singular(x * y * z), num_singular(x**3 + y * z**2)
    (0, 3, 2)
    """
    gens = cubic.ring.gens
    products = [a * b * cubic.diff(x) for a, b in combinations_with_replacement(gens, 2) for x in gens]
    return 15 - (len(products) - len(linear_kernel(products)))


def _cone(g: PolyElement, direction: list[Coefficient], mu: int) -> Recognition:
    """3-jet of two variables: three lines through a point (U), or worse."""
    order, ring = max(sum(e) for e in g), g.ring
    across = DomainMatrix([direction], (1, 3), QQ).nullspace().to_list()
    forms = [sum((c * x for c, x in zip(row, ring.gens, strict=True)), ring.zero) for row in across]
    turned = straighten(g, complete_to_basis(forms), order)
    cubic = homogeneous_part(turned, 3)
    if any(power > 1 for _, power in cubic.factor_list()[1]):
        return beyond("the 3-jet contains a double plane")
    left = absorb(turned, order, (0, 1, 2))
    plane = ring.clone(symbols=ring.symbols[:2])
    lines = num_real_lines(plane.from_dict({e[:2]: c for e, c in cubic.items()}))
    reason = f"the 3-jet is three planes through a line, {lines} of them real"
    for power, index, modality in ((4, 12, 1), (5, 16, 2)):
        line = plane.from_dict({(1, 0): left.get((1, 0, 3), QQ(0)), (0, 1): left.get((0, 1, 3), QQ(0))})
        if power == 5 and line:
            return named("U", (1, mu - 14), 2, reason)
        if left.get((0, 0, power), 0):
            sign = real_sign([((0, 0, power), left[(0, 0, power)])])
            return named("U", (index,), modality, reason, f"{sign} with {lines} real planes")
    return beyond(reason + ", worse than U16")


def _q_series(g: PolyElement, mu: int) -> Recognition:
    """Cuspidal cubic x³ + y z²: its Hessian is x z², which gives the coordinates."""
    order, cubic = max(sum(e) for e in g), homogeneous_part(g, 3)
    factors = dict(_hessian_determinant(cubic).factor_list()[1])
    flex, tangent = (next(form for form, power in factors.items() if power == p) for p in (1, 2))
    third = complete_to_basis([flex, tangent])[2]
    turned = homogeneous_part(straighten(g, [flex, third, tangent], 3), 3)
    x, _, z = g.ring.gens
    back = [flex, third, tangent]
    rest = (turned - turned[(3, 0, 0)] * x**3).exquo(z**2)
    y_form = sum((rest.coeff(v) * form for v, form in zip(g.ring.gens, back, strict=True)), g.ring.zero)
    left = absorb(straighten(g, [flex, y_form, tangent], order), order, (2, 0, 1))
    tail = cubic_tail(left[(3, 0, 0)], lambda j: left.get((1, j, 0), 0), lambda j: left.get((0, j, 0), 0), order + 1)
    reason = "the 3-jet is a cubic with a cusp"
    if tail is None:
        return beyond(reason)
    return name_cubic_tail("Q", tail, mu, 4, _q_sign(left, tail), reason)


def _q_sign(g: PolyElement, tail: CubicTail) -> str:
    if tail.kind == 3:
        return ""
    k = tail.k
    last = {0: (0, 3 * k + 1, 0), 1: (1, 2 * k + 1, 0), 2: (0, 3 * k + 2, 0)}[tail.kind]
    return real_sign([(e, g[e]) for e in ((3, 0, 0), (0, 1, 2), last)])


def _hessian_determinant(cubic: PolyElement) -> PolyElement:
    a = [[cubic.diff(x).diff(y) for y in cubic.ring.gens] for x in cubic.ring.gens]
    return (
        a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1])
        - a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0])
        + a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0])
    )


def _s_series(g: PolyElement, conic: PolyElement, line: PolyElement, mu: int) -> Recognition:
    """Conic and tangent z (s x² + y z): on z = 0 the conic is s times the square of x."""
    order = max(sum(e) for e in g)
    forms = complete_to_basis([line])
    on_line = straighten(conic, [forms[1], forms[2], line], 2)
    flat = on_line.ring.from_dict({e: c for e, c in on_line.items() if e[2] == 0})
    square = next(factor for factor, _ in flat.factor_list()[1])
    x_form = square.compose(list(zip(g.ring.gens, [forms[1], forms[2], line], strict=True)))
    scale = QQ(flat[max(flat)]) / (square * square)[max(flat)]
    y_form = (conic - scale * x_form**2).exquo(line)
    left = absorb(straighten(g, [x_form, y_form, line], order), order, (2, 0, 1))
    s, t = left[(2, 0, 1)], left[(0, 1, 2)]
    found = quartic_tail(-(s**2) / (4 * t), lambda i, j: left.get((i, j - 1, 0), 0))
    reason = "the 3-jet is a conic and a tangent"
    if found is None:
        return beyond(reason + ", worse than S17")
    if isinstance(found, str):
        return named(found.replace("*", "S"), (1, mu - 14), 2, reason)
    index, (i, j) = found
    sign = real_sign([(e, left[e]) for e in ((2, 0, 1), (0, 1, 2), (i, j - 1, 0))])
    return named("S", (index - 1,), 1 if index < 15 else 2, reason, sign)


def _conic_and_line(g: PolyElement, factors: list[PolyElement], mu: int) -> Recognition:
    """T(3,q,r): the two nodes lie on the line and are rational or conjugate."""
    conic, line = sorted(factors, key=order_of, reverse=True)
    forms = complete_to_basis([line])
    on_line = straighten(conic, [forms[1], forms[2], line], 2)
    flat = on_line.ring.from_dict({e: c for e, c in on_line.items() if e[2] == 0})
    points = [factor for factor, _ in flat.factor_list()[1]]
    reason = "the 3-jet is a conic and a secant"
    if len(points) == 1:
        return _t_series((3, (mu - 2) // 2, (mu - 2) // 2), reason + " through conjugate points, alike by symmetry")
    through = points[0].compose(list(zip(g.ring.gens, [forms[1], forms[2], line], strict=True)))
    q = _power_at(g, [through, line])
    return _t_series((3, q, mu - 2 - q), reason)


def _triangle(g: PolyElement, factors: list[PolyElement], mu: int) -> Recognition:
    """T(p,q,r) with a 3-jet of three independent planes, rational or conjugate."""
    reason, order = "the 3-jet is three planes", max(sum(e) for e in g)
    if len(factors) == 1:
        p = (mu + 1) // 3
        return _t_series((p, p, p), reason + ", conjugate and alike by symmetry")
    if len(factors) == 3:
        left = absorb(straighten(g, factors, order), order, (0, 1, 2))
        powers = [first_power(left, i, 3) for i in range(3)]
        if max(powers) == NEVER:
            return beyond(reason)
        terms: list[tuple[Exponent, Coefficient]] = [((1, 1, 1), left[(1, 1, 1)])]
        terms += [(e, left[e]) for i, p in enumerate(powers) for e in [tuple(p * (i == j) for j in range(3))]]
        return _t_series(tuple(powers), reason, real_sign(terms))
    pair = max(factors, key=order_of)
    vertex = linear_kernel([pair.diff(x) for x in g.ring.gens])[0]
    across = DomainMatrix([vertex], (1, 3), QQ).nullspace().to_list()
    forms = [sum((c * x for c, x in zip(row, g.ring.gens, strict=True)), g.ring.zero) for row in across]
    p = _power_at(g, forms)
    return _t_series((p, (mu + 1 - p) // 2, (mu + 1 - p) // 2), reason + ", two of them conjugate")


def _t_series(indices: tuple[int, ...], reason: str, sign: str = "") -> Recognition:
    return named("T", tuple(sorted(indices)), 1, reason, sign)


def _power_at(g: PolyElement, forms: list[PolyElement]) -> int:
    """Index r of T(p,q,r) at the node where two forms vanish: the strict transform there is A_{r-4}."""
    turned = straighten(g, complete_to_basis(forms), max(sum(e) for e in g))
    strict = g.ring.from_dict({(a, b, a + b + c - 3): coefficient for (a, b, c), coefficient in turned.items()})
    return 4 + (milnor_number(strict) or 0)
