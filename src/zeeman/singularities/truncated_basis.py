"""Buchberger's algorithm with monomials as integers, in the polynomials modulo a power of the maximal ideal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from heapq import heappop, heappush
from math import gcd

from zeeman.errors import ZeemanError
from zeeman.singularities.series import Coefficient, Exponent

Packed = dict[int, int]  # packed monomial -> integer coefficient

MOST_WORK = 2_000_000  # products of coefficients in one basis, some seconds
_BITS = 16


class Undecided(ZeemanError):
    """Whether a critical point is isolated was not decided within the bound."""


@dataclass(frozen=True)
class Packing:
    """Monomials as integers: one field a variable and the total degree on top, so that products are sums.

    Comparing two integers compares degrees first: the smaller one leads, as it must in a local ring.
    """

    num_variables: int

    def pack(self, exponent: Sequence[int]) -> int:
        """Give the integer of a monomial."""
        packed = sum(exponent)
        for e in exponent:
            packed = (packed << _BITS) | e
        return packed

    def unpack(self, packed: int) -> Exponent:
        """Give the exponents of an integer."""
        fields = [(packed >> (_BITS * i)) & ((1 << _BITS) - 1) for i in range(self.num_variables)]
        return tuple(reversed(fields))

    def degree(self, packed: int) -> int:
        """Give the total degree."""
        return packed >> (_BITS * self.num_variables)

    @cached_property
    def guards(self) -> int:
        """Highest bit of every field."""
        return sum(1 << (_BITS * i + _BITS - 1) for i in range(self.num_variables + 1))

    def divides(self, low: int, high: int) -> bool:
        """Whether one monomial divides the other: no field borrows in the difference."""
        return ((high | self.guards) - low) & self.guards == self.guards

    def least_common_multiple(self, one: int, other: int) -> int:
        """Give the monomial with the larger exponent in every variable."""
        return self.pack([max(a, b) for a, b in zip(self.unpack(one), self.unpack(other), strict=True)])


def integral(coefficients: dict[int, Coefficient]) -> Packed:
    """Integer multiple without a common factor."""
    fractions = {m: Fraction(str(c)) for m, c in coefficients.items()}
    scale = 1
    for c in fractions.values():
        scale = scale * c.denominator // gcd(scale, c.denominator)
    return _primitive({m: int(c * scale) for m, c in fractions.items()})


def _primitive(p: Packed) -> Packed:
    content = gcd(*p.values())
    return {m: c // content for m, c in p.items()} if content > 1 else p


class TruncatedBasis:
    """A standard basis modulo m^order that is being completed."""

    def __init__(self, packing: Packing, order: int) -> None:
        self.packing, self.order, self.work_left = packing, order, MOST_WORK
        self.leads: list[int] = []
        self.elements: list[Packed] = []
        self.pairs: list[tuple[int, int, int]] = []
        self.done: set[tuple[int, int]] = set()

    @property
    def limit(self) -> int:
        """Smallest integer of a monomial that is dropped."""
        return self.order << (_BITS * self.packing.num_variables)

    def complete(self, generators: Sequence[Packed]) -> None:
        """Make the basis that of the ideal of the generators, reduced."""
        for g in sorted(generators, key=min):
            self._add(self._reduced(g))
        while self.pairs:
            multiple, i, j = heappop(self.pairs)
            self.done.add((i, j))
            if multiple < self.limit and not self._chained(multiple, i, j):
                self._add(self._reduced(self._s_polynomial(multiple, i, j)))
        self._interreduce()

    def _add(self, p: Packed) -> None:
        if not p:
            return
        lead, new = min(p), len(self.leads)
        for old, other in enumerate(self.leads):
            multiple = self.packing.least_common_multiple(lead, other)
            if multiple >= self.limit or multiple == lead + other:
                self.done.add((old, new))
            else:
                heappush(self.pairs, (multiple, old, new))
        self.leads.append(lead)
        self.elements.append(p)
        self._lower_order()

    def _chained(self, multiple: int, i: int, j: int) -> bool:
        """Buchberger's second criterion: a third element and both of its pairs take care of this one."""
        return any(
            h not in (i, j)
            and self.packing.divides(lead, multiple)
            and (min(h, i), max(h, i)) in self.done
            and (min(h, j), max(h, j)) in self.done
            for h, lead in enumerate(self.leads)
        )

    def _s_polynomial(self, multiple: int, i: int, j: int) -> Packed:
        one, other = self.elements[i], self.elements[j]
        a, b = one[self.leads[i]], other[self.leads[j]]
        common = gcd(a, b)
        result = {m + multiple - self.leads[i]: c * (b // common) for m, c in one.items()}
        return _subtract(result, other, multiple - self.leads[j], a // common)

    def _reduced(self, p: Packed, skip: int = -1) -> Packed:
        """Remainder of which no term is divisible by a lead, times a positive integer, without common factor."""
        rest = {m: c for m, c in p.items() if m < self.limit}
        queue = sorted(rest)
        result: Packed = {}
        while queue:
            m = heappop(queue)
            coefficient = rest.pop(m, 0)
            if not coefficient:
                continue
            i = self._divisor(m, skip)
            if i < 0:
                result[m] = coefficient
                continue
            element, lead = self.elements[i], self.leads[i]
            common = gcd(coefficient, element[lead])
            scale, factor = element[lead] // common, coefficient // common
            if scale < 0:
                scale, factor = -scale, -factor
            if scale != 1:
                rest = {t: c * scale for t, c in rest.items()}
                result = {t: c * scale for t, c in result.items()}
            self.work_left -= len(element)
            if self.work_left < 0:
                raise Undecided(
                    f"whether the singularity in {self.packing.num_variables} variables is isolated is not decided by "
                    f"its terms below degree {self.order}, and more are out of reach; give fewer variables, a lower "
                    "degree or coordinates with fewer terms."
                )
            shift, limit = m - lead, self.limit
            for t, c in element.items():
                target = t + shift
                if t != lead and target < limit:
                    if target not in rest:
                        heappush(queue, target)
                        rest[target] = 0
                    rest[target] -= factor * c
        return _primitive(result) if result else result

    def _divisor(self, m: int, skip: int) -> int:
        guards = self.packing.guards
        guarded = m | guards
        return next((i for i, lead in enumerate(self.leads) if (guarded - lead) & guards == guards and i != skip), -1)

    def _lower_order(self) -> None:
        """Where all monomials of a degree s lead elements of the ideal, m^s lies in it and need not be carried."""
        pure = [0] * self.packing.num_variables
        for lead in self.leads:
            exponent = self.packing.unpack(lead)
            if max(exponent) == sum(exponent):
                pure[exponent.index(max(exponent))] = 1
        if not all(pure):
            return
        corner = max((self.packing.degree(m) for m in self.standard_monomials()), default=-1) + 1
        if corner < self.order:
            self.order, limit = corner, corner << (_BITS * self.packing.num_variables)
            self.elements = [
                {m: c for m, c in p.items() if m < limit or m == lead}
                for lead, p in zip(self.leads, self.elements, strict=True)
            ]

    def _interreduce(self) -> None:
        minimal = [i for i, lead in enumerate(self.leads) if self._divisor_below(lead, i) < 0]
        self.leads, self.elements = [self.leads[i] for i in minimal], [self.elements[i] for i in minimal]
        for i, lead in enumerate(self.leads):
            if lead < self.limit:
                self.elements[i] = self._reduced(self.elements[i], skip=i)

    def _divisor_below(self, lead: int, index: int) -> int:
        """Another element whose lead divides this one (of equal leads, the first is kept)."""
        return next(
            (
                i
                for i, other in enumerate(self.leads)
                if i != index and self.packing.divides(other, lead) and (other != lead or i < index)
            ),
            -1,
        )

    def standard_monomials(self) -> list[int]:
        """Monomials below the order that no lead divides."""
        units = [
            self.packing.pack([int(i == j) for j in range(self.packing.num_variables)])
            for i in range(self.packing.num_variables)
        ]
        found, layer = [], [0] if self._divisor(0, -1) < 0 and self.order > 0 else []
        while layer:
            found += layer
            above = {m + unit for m in layer for unit in units}
            layer = sorted(m for m in above if m < self.limit and self._divisor(m, -1) < 0)
        return found


def _subtract(p: Packed, q: Packed, shift: int, factor: int) -> Packed:
    """Give p - factor · x^shift · q, without zeros."""
    for m, c in q.items():
        value = p.get(m + shift, 0) - factor * c
        if value:
            p[m + shift] = value
        else:
            p.pop(m + shift, None)
    return p
