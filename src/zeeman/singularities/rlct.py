"""The real log canonical threshold λ, with m, of germs, potentials and ideals: exact, or an interval."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import gcd, prod

from sympy.polys.rings import PolyElement

from zeeman.errors import ZeemanError
from zeeman.singularities.bounds import lower_bound, newton_bound
from zeeman.singularities.cones import by_cone
from zeeman.singularities.coordinates import shear
from zeeman.singularities.forms import initial_form, keep_variables, variables_of
from zeeman.singularities.ideals import by_charts, disjoint, ideal_threshold
from zeeman.singularities.linear import essential, suggested
from zeeman.singularities.newton import newton_rlct
from zeeman.singularities.nondegeneracy import crosses_at_worst, degenerate_forms, germ_faces
from zeeman.singularities.plane import NotDecided, resolve
from zeeman.singularities.polynomials import Germ, Ideal
from zeeman.singularities.series import order_of
from zeeman.singularities.signs import sign_near_origin
from zeeman.singularities.splitting import Split, split
from zeeman.singularities.threshold import RLCT, between, exact, multiplied, scaled, summed, tighten

HALF = Fraction(1, 2)
MOST_TO_FACTOR = 60
MOST_SHEARS = 4


def rlct(target: Germ | Ideal | PolyElement | Sequence[PolyElement], potential: bool = False) -> RLCT:
    """Give λ and m near the origin: of ∫ |f|^z dx for a germ or a potential, of ∫ (Σ f_i²)^{z/2} dx for an ideal.

    A potential K = Σ f_i² has half the λ of the ideal of the f_i, and its m. Coordinates in which few variables occur,
    powers and products of disjoint factors come first; then two variables by blowing up points, squares by the
    splitting lemma, Newton polyhedra where they are certified to be non-degenerate over the reals, and charts of
    blow-ups along coordinate subspaces. What none of them settles is an interval.

    Parameters
    ----------
    target
        A germ, an ideal, or their polynomials with rational coefficients.
    potential
        Whether f ≥ 0 is known near the origin.

    Raises
    ------
    ZeemanError
        If the polynomial is zero or not zero at the origin, or a potential takes negative values near it.

    Examples
    --------
    >>> from zeeman.singularities.polynomials import parse_germ, parse_ideal
    >>> found = rlct(parse_germ("x^3 + y^3 + z^3"))
    >>> str(found.value), found.multiplicity
    ('1', 2)
    >>> str(rlct(parse_ideal("a*c, b*c")).value)
    '1'
    """
    if isinstance(target, Germ):
        generators, squares = [target.polynomial], target.squares
    else:
        squares = None
        listed = target.generators if isinstance(target, Ideal) else target
        generators = [target] if isinstance(target, PolyElement) else [g for g in listed if g]
    if not generators or any(not g or g.coeff(1) for g in generators):
        raise ZeemanError("expected polynomials that are zero at the origin, and not all of them zero everywhere.")
    if isinstance(target, Ideal) or len(generators) > 1:
        return _ideal(generators)
    return _potential_or_germ(generators[0], squares, potential)


def _potential_or_germ(f: PolyElement, squares: tuple[PolyElement, ...] | None, potential: bool) -> RLCT:
    if squares and len(squares) > 1 and len(variables_of(f)) > 2:
        found = scaled(_ideal(squares), HALF, "a sum of squares has half the λ of their ideal")
        if found.value is not None and found.multiplicity is not None:
            return found
        return tighten(_germ(f, True), found)
    if potential and sign_near_origin(f) in ("-", "±"):
        raise ZeemanError(f"expected a potential K ≥ 0, but {f.as_expr()} takes negative values near the origin.")
    return _germ(f, potential or bool(squares))


def _ideal(generators: Sequence[PolyElement]) -> RLCT:
    return ideal_threshold(generators, lambda f: _germ(f, False))


def _germ(f: PolyElement, positive: bool) -> RLCT:
    """Λ of a germ; ``positive`` where f ≥ 0 near the origin is known."""
    (f,) = essential([f])
    if f.ring.ngens == 1:
        return exact(Fraction(1, order_of(f)), 1, f"one variable, order {order_of(f)}")
    powers = _factors(f)
    common = gcd(*(k for _, k in powers))
    if common > 1:
        root = prod((g ** (k // common) for g, k in powers), start=f.ring.one)
        return scaled(_germ(root, False), Fraction(1, common), f"the power {common} of a germ, times a unit")
    if order_of(f) == 1:
        return exact(Fraction(1), 1, "a smooth zero set")
    if f.ring.ngens == 2:
        try:
            found = resolve([f])
            return exact(found.value, found.multiplicity, f"real blow-ups of points, {len(found.divisors)} divisors")
        except NotDecided:
            pass
    return _by_factors(powers) or _many_variables(f, positive)


@lru_cache(maxsize=64)
def _factors(f: PolyElement) -> tuple[tuple[PolyElement, int], ...]:
    """The factors that are zero at the origin, with their powers; f itself where it is too long to be factored."""
    if len(f) > MOST_TO_FACTOR and f.ring.ngens > 2:
        return ((f, 1),)
    return tuple((g, k) for g, k in f.factor_list()[1] if not g.coeff(1))


def _by_factors(powers: Sequence[tuple[PolyElement, int]]) -> RLCT | None:
    """The rule for products, where the factors fall into groups without common variables."""
    power = dict(powers)
    groups = disjoint(list(power))
    if len(groups) < 2:
        return None
    parts = [prod((g ** power[g] for g in group), start=powers[0][0].ring.one) for group in groups]
    return multiplied([_germ(part, False) for part in parts], "factors in variables of their own")


def _many_variables(f: PolyElement, positive: bool) -> RLCT:
    sign = "+" if positive else sign_near_origin(f)
    known = between(lower_bound([f]), min(newton_bound([f]), _sign_bound(sign)))
    for method in (
        _by_sums,
        _by_splitting,
        _by_newton,
        _by_other_coordinates,
        _by_sheared_coordinates,
        _by_cone,
        _by_charts,
    ):
        found = method(f, sign)
        known = known if found is None else tighten(known, found)
        if known.value is not None and known.multiplicity is not None:
            break
    return known


def _sign_bound(sign: str | None) -> tuple[Fraction, str]:
    if sign == "±":
        return Fraction(1), "f changes sign, so its zero set has codimension one"
    return Fraction(10**6), "nothing"


def _by_sums(f: PolyElement, sign: str | None) -> RLCT | None:
    """Sums of germs of one sign in variables of their own."""
    groups = disjoint([f.ring.from_dict({a: c}) for a, c in f.terms()])
    if len(groups) < 2 or sign not in ("+", "-"):
        return None
    parts = [sum((f.ring.from_dict({a: f[a]}) for g in group for a in g), f.ring.zero) for group in groups]
    small = [keep_variables([part], sorted(variables_of(part)))[0] for part in parts]
    return summed([_germ(part, sign == "+") for part in small], "a sum of germs of one sign in variables of their own")


def _by_splitting(f: PolyElement, sign: str | None) -> RLCT | None:
    """F ~ Σ ± y² + g: additive for one sign, and below 1; at most 1 where f changes sign."""
    if order_of(f) > 2:
        return None
    found = split(f)
    if found is None or (found.residual is not None and found.residual == f):
        return None
    if found.residual is None:
        return _morse(found)
    g = found.residual
    rest = _germ(g, False)
    squares = found.plus + found.minus
    why = f"{squares} squares split off, and a residual germ g in {g.ring.ngens} variables ({rest.how})"
    residual_sign = sign_near_origin(g)
    definite = not min(found.plus, found.minus) and residual_sign == ("+" if found.plus else "-")
    if rest.value is None or rest.multiplicity is None:
        return None
    if definite or (squares == 1 and rest.value < HALF):
        return exact(rest.value + Fraction(squares, 2), rest.multiplicity, why)
    if not min(found.plus, found.minus) and residual_sign is None:
        return None
    if squares == 1 and rest.value == HALF:
        return exact(Fraction(1), _marginal(found, rest.multiplicity, residual_sign), why)
    return exact(Fraction(1), 1, f"{why}; f changes sign, and ∫ |f|^z converges above -1")


def _morse(found: Split) -> RLCT:
    squares = found.plus + found.minus
    if not min(found.plus, found.minus):
        return exact(Fraction(squares, 2), 1, f"a definite quadratic form of rank {squares}")
    return exact(Fraction(1), 2 if squares == 2 else 1, f"an indefinite quadratic form of rank {squares}")


def _marginal(found: Split, multiplicity: int, residual_sign: str | None) -> int | None:
    """M of ± y² + g with λ(g) = 1/2: one more where g is against the square on its worst stratum."""
    g = found.residual
    square = 1 if found.plus else -1
    if residual_sign == ("-" if found.plus else "+"):
        return multiplicity + 1
    if g is None or g.ring.ngens != 2:
        return None
    try:
        signs = resolve([g]).signs_at_worst()
    except NotDecided:
        return None
    if signs & {0, -square}:
        return multiplicity + 1
    return multiplicity if signs == {square} else None


def _by_newton(f: PolyElement, sign: str | None, shifts: Sequence[int] | None = None) -> RLCT | None:
    """The Newton polyhedron, where it is certified; real zeros of faces are seen as branches of f, with λ ≤ 1."""
    if any(k > 1 for g, k in _factors(f) if len(g) > 1):
        return _by_newton_of_reduced(f, shifts)
    report, found = germ_faces(f), newton_rlct(list(f), shifts)
    if not report.nondegenerate:
        if found.value < 1 and crosses_at_worst(f):
            return exact(found.value, found.multiplicity, "Newton polyhedron, whose faces cross themselves at worst")
        return None
    how = f"Newton polyhedron, {report.reason}"
    zeros = () if sign in ("+", "-") else report.zeros
    if found.value < 1 or zeros == ():
        return exact(found.value, found.multiplicity, how)
    if zeros is None:
        return between((Fraction(1), f"{how}; f may have real zeros on the torus"), (found.value, how))
    if found.value > 1:
        return exact(Fraction(1), 1, f"{how}; f has real zeros on the torus")
    more = any(face <= found.face for face in zeros)
    return exact(found.value, found.multiplicity + more, f"{how}; real zeros are seen" if more else how)


def _by_newton_of_reduced(f: PolyElement, shifts: Sequence[int] | None) -> RLCT | None:
    """The same for a germ with multiple factors: the product of the factors is to be non-degenerate.

    A branch of power k that is seen at real points bounds λ by 1/k; which branches are seen is not looked into, unless
    all have one power.
    """
    powers = _factors(f)
    report = germ_faces(prod((g for g, _ in powers), start=f.ring.one))
    if not report.nondegenerate:
        return None
    found = newton_rlct(list(f), shifts)
    branches = {k for g, k in powers if len(g) > 1}
    cap = Fraction(1, max(branches))
    how = f"Newton polyhedron with multiple branches, {report.reason}"
    if found.value < cap or report.zeros == ():
        return exact(found.value, found.multiplicity, how)
    if found.value > cap and report.zeros and len(branches) == 1:
        return exact(cap, 1, f"{how}; f has real zeros of order {max(branches)} on the torus")
    return between((cap, f"{how}; f may have real zeros of order {max(branches)}"), (found.value, how))


def _by_other_coordinates(f: PolyElement, sign: str | None) -> RLCT | None:
    turned = suggested([f])
    return _by_newton(turned[0], sign) if turned else None


def _by_sheared_coordinates(f: PolyElement, sign: str | None) -> RLCT | None:
    """The Newton polyhedron after x_i → x_i + ψ, where a face that is degenerate has a factor x_i − ψ."""
    for _ in range(MOST_SHEARS):
        turned = shear([f], degenerate_forms(f))
        if turned is None:
            return None
        (f,) = turned
        found = _by_newton(f, sign)
        if found is not None:
            return found
    return None


def _by_cone(f: PolyElement, sign: str | None) -> RLCT | None:
    inside = sign if sign in ("+", "-") else None
    form_sign = sign_near_origin(initial_form(f))
    return by_cone(f, form_sign, lambda g, shifts: _by_newton(g, inside, shifts))


def _by_charts(f: PolyElement, sign: str | None) -> RLCT | None:
    return by_charts([f])
