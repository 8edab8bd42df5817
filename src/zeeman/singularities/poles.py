"""Poles of the zeta function ∫ |f|^z dx beyond the first, and the density of states that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import exp, factorial, prod

from sympy.polys.rings import PolyElement

from zeeman.errors import ZeemanError
from zeeman.singularities.bernstein import bernstein_roots
from zeeman.singularities.faces import facet_normals
from zeeman.singularities.linear import essential
from zeeman.singularities.nondegeneracy import germ_faces
from zeeman.singularities.plane import resolve
from zeeman.singularities.rlct import rlct


@dataclass(frozen=True)
class Pole:
    """A candidate pole at -value.

    Attributes
    ----------
    value
        The exponent: ρ(ε) has a term ε^{value - 1} L^{order - 1}/(order - 1)! with L = log 1/ε.
    order
        The most that its order can be; exact for the first pole.
    """

    value: Fraction
    order: int


def candidate_poles(f: PolyElement, limit: Fraction = Fraction(3)) -> list[Pole]:
    """Candidate poles of ∫ |f|^z φ dx, φ smooth, as far as -limit: all true poles are among them; the first is one.

    Each component of a resolution gives -(A + j)/N, j even only: odd powers of a coordinate across it integrate to
    zero. Where the roots of the b-function are known, a pole is a root minus a whole number.

    Parameters
    ----------
    f
        A germ in two linear coordinates at most, or one with a certified Newton polyhedron.
    limit
        The largest exponent asked for.

    Raises
    ------
    ZeemanError
        If f is of neither kind.

    Examples
    --------
    >>> from zeeman.singularities.polynomials import parse_germ
    >>> [str(pole.value) for pole in candidate_poles(parse_germ("x^3 + y^2").polynomial, Fraction(2))]
    ['5/6', '1', '7/6', '11/6']
    """
    (f,) = essential([f])
    report = germ_faces(f)
    sets = [_of_groups(_plane_groups(f), limit)] if f.ring.ngens == 2 else []
    if report.nondegenerate:
        sets.append(_of_groups([_facets(f, report.zeros != ())], limit))
    if not sets:
        raise ZeemanError(
            "expected a germ in two variables, or one whose Newton polyhedron is certified for its poles, "
            f"but {report.reason}; its first pole may be had from rlct."
        )
    roots = bernstein_roots(f)
    values = [v for v in sets[0] if all(v in one for one in sets) and (roots is None or _below_a_root(v, roots))]
    poles = [Pole(value, min(f.ring.ngens, *(one[value] for one in sets))) for value in sorted(values)]
    first = rlct(f)
    return [Pole(p.value, first.multiplicity or p.order) if p.value == first.value else p for p in poles]


Divisors = tuple[tuple[int, int], ...]


def _of_groups(groups: Sequence[Divisors], limit: Fraction) -> dict[Fraction, int]:
    """Candidates of divisors N, A, and how many of one group share them."""
    found: dict[Fraction, int] = {}
    for group in groups:
        for value in {value for one in group for value in _series(one, limit)}:
            order = sum((value * n - a) % 2 == 0 and value * n >= a for n, a in group)
            found[value] = max(found.get(value, 0), order)
    return found


def _plane_groups(f: PolyElement) -> list[Divisors]:
    found = resolve([f])
    groups = [tuple((one.order, one.jacobian) for one in crossing) for crossing in found.crossings]
    return groups + [((one.order, one.jacobian),) for one in found.divisors]


def _facets(f: PolyElement, strict: bool) -> Divisors:
    """The divisors of all facets, since any of them might meet, and the strict transform where it has real points."""
    divisors = []
    for w in facet_normals(sorted(f)):
        order = min(sum(x * e for x, e in zip(w, a, strict=True)) for a in f)
        if order:
            divisors.append((order, sum(w)))
    return (*divisors, *([(1, 1)] if strict else []))


def _series(divisor: tuple[int, int], limit: Fraction) -> Iterator[Fraction]:
    order, jacobian = divisor
    while Fraction(jacobian, order) <= limit:
        yield Fraction(jacobian, order)
        jacobian += 2


def _below_a_root(value: Fraction, roots: dict[Fraction, int]) -> bool:
    return any((value - abs(root)).denominator == 1 and value >= abs(root) for root in roots)


@dataclass(frozen=True)
class Term:
    """A term c ε^{exponent - 1} L^{order - 1}/(order - 1)! of a density of states, L = log 1/ε."""

    exponent: Fraction
    order: int
    coefficient: Fraction


def monomial_density(powers: Sequence[int], shifts: Sequence[int] | None = None) -> list[Term]:
    """The density of states ρ(ε) of K = Π x_i^{p_i} on the unit cube with the density Π x_i^{h_i}, exactly.

    ζ(z) = Π 1/(p_i z + h_i + 1) in partial fractions c/(z + λ)^r, each of which makes a term of ρ.

    Parameters
    ----------
    powers
        p, positive.
    shifts
        h, by default 0.

    Raises
    ------
    ZeemanError
        If a power is not positive or a shift is not above -1.

    Examples
    --------
    >>> [(str(t.exponent), t.order, str(t.coefficient)) for t in monomial_density([2, 2])]
    [('1/2', 2, '1/4')]
    """
    h = list(shifts) if shifts is not None else [0] * len(powers)
    if not powers or min(powers) < 1 or len(h) != len(powers) or min(h) <= -1:
        raise ZeemanError(f"expected positive powers and as many shifts above -1, got {list(powers)} and {h}.")
    exponents = [Fraction(one + 1, p) for one, p in zip(h, powers, strict=True)]
    scale = Fraction(1, prod(powers))
    terms = []
    for exponent in sorted(set(exponents)):
        order = exponents.count(exponent)
        series = _inverse_product([other - exponent for other in exponents if other != exponent], order)
        terms += [Term(exponent, order - k, scale * c) for k, c in enumerate(series) if c]
    return terms


def _inverse_product(gaps: Sequence[Fraction], length: int) -> list[Fraction]:
    """Taylor coefficients of Π 1/(gap + s) in s."""
    series = [Fraction(1)] + [Fraction(0)] * (length - 1)
    for gap in gaps:
        for k in range(length):
            series[k] = (series[k] - (series[k - 1] if k else 0)) / gap
    return series


def density_at(terms: Sequence[Term], log_inverse_eps: float) -> float:
    """ρ(ε) ε of a list of terms at L = log 1/ε.

    Examples
    --------
    >>> density_at(monomial_density([1]), 0.0)
    1.0
    """
    total = 0.0
    for term in terms:
        decay = exp(-float(term.exponent) * log_inverse_eps)
        total += float(term.coefficient) * decay * log_inverse_eps ** (term.order - 1) / factorial(term.order - 1)
    return total
