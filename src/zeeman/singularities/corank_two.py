"""Germs of two variables whose 2-jet vanishes: D, E, J, X, T, Z and W."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sympy.polys.rings import PolyElement

from zeeman.singularities.normal_forms import Recognition, beyond, real_sign
from zeeman.singularities.reduction import absorb, complete_to_basis, num_real_lines, straighten
from zeeman.singularities.series import Coefficient, homogeneous_part, order_of

NEVER = 10**6


def recognize_binary(g: PolyElement, mu: int) -> Recognition:
    """Name the class of a germ in two variables, of multiplicity 3 or more and Milnor number μ.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> recognize_binary((x - y) ** 3 + (x + y) ** 4, 6).real_form
    'E6+'
    """
    order = order_of(g)
    if order > 4:
        return beyond(f"the {order - 1}-jet of the degenerate part vanishes, worse than W18")
    form = homogeneous_part(g, order)
    factors = [(factor, power) for factor, power in form.factor_list()[1]]
    pattern = sorted(((power, order_of(factor)) for factor, power in factors), reverse=True)
    repeated = [factor for factor, power in sorted(factors, key=lambda pair: -pair[1]) if power > 1]
    if not repeated:
        return _without_repeated_line(form, order)
    if order_of(repeated[0]) == 2:
        return _two_conjugate_double_lines(repeated[0], mu)
    lines = [factor for factor, power in sorted(factors, key=lambda pair: -pair[1])]
    to_order = max(sum(e) for e in g)
    if pattern[0][0] == 2 and order == 4 and len(repeated) == 1:
        return named("T", (2, 4, mu - 5), 1, "the 4-jet has one double line")
    basis = complete_to_basis([line for line in lines if order_of(line) == 1][:2])
    left = absorb(straighten(g, basis, to_order), to_order, (0, 1))
    match pattern[0][0], order:
        case 2, 3:
            return _d_series(left)
        case 2, 4:
            return _two_double_lines(left)
        case 3, 3:
            return _e_series(left, mu)
        case 3, 4:
            return _z_series(left, mu)
    return _w_series(left, mu)


def named(letter: str, indices: tuple[int, ...], modality: int, reason: str, sign: str = "") -> Recognition:
    """Put a name together from its letter and indices, and the real form from its sign."""
    name = f"{letter}{indices[0]}" if len(indices) == 1 else f"{letter}({','.join(map(str, indices))})"
    return Recognition(name, name + sign, modality, reason)


def _without_repeated_line(form: PolyElement, order: int) -> Recognition:
    lines = num_real_lines(form)
    if order == 3:
        return Recognition("D4", "D4-" if lines == 3 else "D4+", 0, f"the 3-jet has three lines, {lines} of them real")
    reason = f"the 4-jet has four lines, {lines} of them real"
    definite = "++" if sum(form.values()) > 0 else "--"
    sign = {0: definite, 2: "+-"}.get(lines, " with 4 real lines")
    return Recognition("X9", "X9" + sign, 1, reason)


def _two_conjugate_double_lines(quadric: PolyElement, mu: int) -> Recognition:
    p = (mu - 1) // 2
    real = "real" if num_real_lines(quadric) else "imaginary"
    return named("T", (2, p, p), 1, f"the 4-jet is the square of two conjugate {real} lines, alike by symmetry")


def first_power(g: PolyElement, variable: int, above: int) -> int:
    """Lowest pure power of a variable above a degree."""
    return min((sum(e) for e in g if e[variable] == sum(e) > above), default=NEVER)


def _d_series(g: PolyElement) -> Recognition:
    power = first_power(g, 1, 3)
    sign = real_sign([((2, 1), g[(2, 1)]), ((0, power), g[(0, power)])])
    return named("D", (power + 1,), 0, f"the 3-jet has a double line, across which the first power is {power}", sign)


def _two_double_lines(g: PolyElement) -> Recognition:
    p, q = first_power(g, 0, 4), first_power(g, 1, 4)
    terms = [((2, 2), g[(2, 2)]), ((p, 0), g[(p, 0)]), ((0, q), g[(0, q)])]
    low, high = sorted((p, q))
    return named(
        "T", (2, low, high), 1, f"the 4-jet has two double lines, with first powers {p} and {q}", real_sign(terms)
    )


@dataclass(frozen=True)
class CubicTail:
    """Newton diagram of s x³ + b(y) x + c(y): of kind E (first, second or third of its six) or J, with index k."""

    kind: int
    k: int
    degenerate: bool = False
    num_real_roots: int = 1

    @property
    def milnor_number(self) -> int:
        """μ of the plane curve x³ + b(y) x + c(y) that is not degenerate."""
        return 6 * self.k + (-2 if self.kind == 3 else self.kind)


def cubic_tail(
    s: Coefficient, b: Callable[[int], Coefficient], c: Callable[[int], Coefficient], bound: int
) -> CubicTail | None:
    """Read the diagram off the coefficients of x y^p and y^q, which vanish for p < 3 and q < 4."""
    p = next((j for j in range(1, bound) if b(j)), NEVER)
    q = next((j for j in range(1, bound) if c(j)), NEVER)
    if min(p, q) == NEVER:
        return None
    k = min(p // 2, q // 3)
    if p == 2 * k + 1 and q > 3 * k + 1:
        return CubicTail(1, k)
    if q > 3 * k and p > 2 * k:
        return CubicTail(0 if q == 3 * k + 1 else 2, k)
    beta, gamma = b(2 * k), c(3 * k)
    discriminant = -4 * s * beta**3 - 27 * s**2 * gamma**2
    return CubicTail(3, k, discriminant == 0, 3 if discriminant > 0 else 1)


def name_cubic_tail(letter: str, tail: CubicTail, mu: int, shift: int, sign: str, reason: str) -> Recognition:
    """Name a member of the series E/J, Z or Q, whose μ is by ``shift`` above that of the diagram."""
    modality = tail.k - (letter == "E")
    if tail.kind < 3:
        return named(letter, (tail.milnor_number + shift,), modality, reason, sign)
    first = tail.milnor_number + shift
    index = tail.k - (letter == "Z")
    name = "J" if letter == "E" else letter
    if name == "J" and tail.k == 2 and tail.degenerate:
        return named("T", (2, 3, mu - 4), modality, reason)
    real = "" if tail.degenerate else f" with {tail.num_real_roots} real branch{'es' * (tail.num_real_roots > 1)}"
    if name == "J" and tail.k == 2:
        return named("J", (10,), modality, reason, real)
    return named(name, (index, mu - first), modality, reason, real)


def _e_series(g: PolyElement, mu: int) -> Recognition:
    s, bound = g[(3, 0)], mu + 2
    tail = cubic_tail(s, lambda j: g.get((1, j), 0), lambda j: g.get((0, j), 0), bound)
    if tail is None:
        return beyond("the 3-jet is a cube")
    sign = _sign_of_tail(g, (3, 0), tail, 0)
    return name_cubic_tail("E", tail, mu, 0, sign, "the 3-jet is a cube")


def _sign_of_tail(g: PolyElement, lead: tuple[int, int], tail: CubicTail, more: int) -> str:
    if tail.kind == 3:
        return ""
    k = tail.k
    last = {0: (0, 3 * k + 1 + more), 1: (1, 2 * k + 1 + more), 2: (0, 3 * k + 2 + more)}[tail.kind]
    return real_sign([(lead, g[lead]), (last, g[last])])


def _z_series(g: PolyElement, mu: int) -> Recognition:
    s, bound = g[(3, 1)], mu + 2
    tail = cubic_tail(s, lambda j: g.get((1, j + 1), 0), lambda j: g.get((0, j + 1), 0), bound)
    if tail is None:
        return beyond("the 4-jet has a triple line")
    sign = _sign_of_tail(g, (3, 1), tail, 1)
    return name_cubic_tail("Z", tail, mu, 5, sign, "the 4-jet has a triple line")


def _w_series(g: PolyElement, mu: int) -> Recognition:
    def coefficient(i: int, j: int) -> Coefficient:
        return g.get((i, j), 0)

    found = quartic_tail(g[(4, 0)], coefficient)
    reason = "the 4-jet is a fourth power"
    if found is None:
        return beyond(reason + ", worse than W18")
    if isinstance(found, str):
        return named(found.replace("*", "W"), (1, mu - 15), 2, reason)
    index, last = found
    sign = real_sign([((4, 0), g[(4, 0)]), (last, g[last])])
    return named("W", (index,), 1 if index < 15 else 2, reason, sign)


def quartic_tail(
    s: Coefficient, coefficient: Callable[[int, int], Coefficient]
) -> str | tuple[int, tuple[int, int]] | None:
    """Read the diagram of s x⁴ + a(y) x² + b(y) x + c(y): W12, W13, W17, W18 with its last term, ``*`` or ``*#``."""
    if coefficient(0, 5):
        return 12, (0, 5)
    if coefficient(1, 4):
        return 13, (1, 4)
    a, c = coefficient(2, 3), coefficient(0, 6)
    if a or c:
        return "*#" if a**2 == 4 * s * c else "*"
    if coefficient(1, 5):
        return 17, (1, 5)
    return (18, (0, 7)) if coefficient(0, 7) else None
