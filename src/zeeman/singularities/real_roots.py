"""Real roots of polynomials in one variable over the rationals or a real number field, counted without rounding."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from sympy import QQ, Poly, Symbol
from sympy.polys.densearith import dup_rem
from sympy.polys.densetools import dup_diff
from sympy.polys.factortools import dup_factor_list
from sympy.polys.rootisolation import dup_isolate_real_roots_sqf

Dense = list[Any]
"""Coefficients in the field, highest power first."""


@dataclass(frozen=True)
class RealField:
    """The rationals, or Q(α) for a real root α that an interval isolates.

    Attributes
    ----------
    domain
        The field, as sympy knows it.
    minimal
        Minimal polynomial of α, rational; empty for the rationals.
    interval
        Rational ends between which α is its only root.
    """

    domain: Any = QQ
    minimal: tuple[Fraction, ...] = ()
    interval: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))

    @property
    def is_rational(self) -> bool:
        """Whether this is the field of rationals."""
        return not self.minimal

    def sign(self, element: Any) -> int:
        """Sign of an element, by refining the interval of α until it shows."""
        if not element:
            return 0
        if self.is_rational:
            return 1 if element > 0 else -1
        coefficients = [fraction(c) for c in element.to_list()]
        low, high = self.interval
        while True:
            least, most = _range(coefficients, low, high)
            if least > 0 or most < 0:
                return 1 if least > 0 else -1
            low, high = self._halved(low, high)

    def _halved(self, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
        middle = (low + high) / 2
        at_low, at_middle = _value(self.minimal, low), _value(self.minimal, middle)
        return (low, middle) if (at_low > 0) != (at_middle > 0) else (middle, high)


def fraction(number: Any) -> Fraction:
    """A rational of sympy's domain as a Fraction."""
    return Fraction(int(number.numerator), int(number.denominator))


def _value(coefficients: tuple[Fraction, ...], x: Fraction) -> Fraction:
    total = Fraction(0)
    for c in coefficients:
        total = total * x + c
    return total


def _range(coefficients: list[Fraction], low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    """Interval that holds the values of a polynomial on an interval (Horner)."""
    least = most = Fraction(0)
    for c in coefficients:
        corners = (least * low, least * high, most * low, most * high)
        least, most = min(corners) + c, max(corners) + c
    return least, most


def count_real_roots(polynomial: Dense, field: RealField) -> int:
    """Number of distinct real roots, by Sturm's chain.

    Examples
    --------
    >>> count_real_roots([QQ(1), QQ(0), QQ(-2)], RealField())
    2
    >>> count_real_roots([QQ(1), QQ(0), QQ(2)], RealField())
    0
    """
    chain = [polynomial, dup_diff(polynomial, 1, field.domain)]
    while chain[-1]:
        chain.append([-c for c in dup_rem(chain[-2], chain[-1], field.domain)])
    at_plus = [field.sign(p[0]) for p in chain[:-1]]
    at_minus = [s * (-1) ** (len(p) - 1) for s, p in zip(at_plus, chain[:-1], strict=True)]
    return _changes(at_minus) - _changes(at_plus)


def _changes(signs: list[int]) -> int:
    return sum(a != b for a, b in pairwise(signs))


def factors(polynomial: Dense, field: RealField) -> list[tuple[Dense, int]]:
    """Irreducible factors over the field, with their powers."""
    return [(f, k) for f, k in dup_factor_list(polynomial, field.domain)[1] if len(f) > 1]


def root_of_linear(polynomial: Dense) -> Any:
    """The root of a x + b."""
    return -polynomial[1] / polynomial[0]


def extensions(irreducible: Dense) -> list[RealField]:
    """The fields Q(α) for the real roots α of an irreducible rational polynomial, of degree 2 at least.

    Examples
    --------
    >>> [field.sign(field.domain.unit) for field in extensions([QQ(1), QQ(0), QQ(-2)])]
    [-1, 1]
    """
    intervals = dup_isolate_real_roots_sqf(irreducible, QQ)
    if not intervals:
        return []
    domain = number_field(irreducible)
    minimal = tuple(fraction(c) for c in irreducible)
    return [RealField(domain, minimal, (fraction(a), fraction(b))) for a, b in intervals]


def number_field(irreducible: Dense) -> Any:
    """The field Q[u]/(p), as sympy knows it; its unit is the root."""
    return QQ.alg_field_from_poly(Poly.from_list([QQ.to_sympy(c) for c in irreducible], Symbol("u")))
