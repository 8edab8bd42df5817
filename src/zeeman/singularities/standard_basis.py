"""Local algebras O/I of finite dimension at the origin: standard bases modulo powers of the maximal ideal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from heapq import heappop, heappush
from itertools import combinations
from math import gcd, prod

from sympy.polys.rings import PolyElement, PolyRing

from zeeman.errors import ZeemanError

Exponent = tuple[int, ...]
Packed = dict[int, int]  # packed monomial -> integer coefficient

MOST_WORK = 2_000_000
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


@dataclass(frozen=True)
class LocalAlgebra:
    """The quotient A = O/I, where O is the local ring at the origin and A has finite dimension.

    Attributes
    ----------
    ring
        Ring of the polynomials that were given.
    order
        k with m^k ⊂ I, where m is the maximal ideal.
    elements
        Reduced standard basis of I modulo m^k, by its leading monomials (of lowest degree).
    monomials
        Standard monomials, a basis of A, by degree.
    """

    ring: PolyRing
    order: int
    elements: dict[Exponent, PolyElement]
    monomials: tuple[Exponent, ...]

    @property
    def dimension(self) -> int:
        """Dimension of A over the rationals."""
        return len(self.monomials)

    def normal_form(self, g: PolyElement) -> PolyElement:
        """Give the combination of standard monomials that equals g in A.

        Examples
        --------
        >>> from sympy import QQ, ring
        >>> _, x, y = ring("x,y", QQ)
        >>> local_algebra([3 * x**2 + y**3, y**2 - x**2]).normal_form(x**2 + y)
        y
        """
        rest, result = dict(g), {}
        while rest:
            lead = min(rest, key=lambda e: (sum(e), e))
            coefficient = rest.pop(lead)
            if sum(lead) >= self.order:
                continue
            divisor = next((e for e in self.elements if all(a <= b for a, b in zip(e, lead, strict=True))), None)
            if divisor is None:
                result[lead] = coefficient
                continue
            shift = tuple(b - a for a, b in zip(divisor, lead, strict=True))
            for e, c in self.elements[divisor].items():
                target = tuple(a + b for a, b in zip(e, shift, strict=True))
                if e != divisor and sum(target) < self.order:
                    rest[target] = rest.get(target, 0) - coefficient * c
        return self.ring.from_dict({e: c for e, c in result.items() if c})

    def coordinates(self, g: PolyElement) -> list[Fraction]:
        """Coefficients of g in the basis of standard monomials."""
        reduced = self.normal_form(g)
        return [Fraction(str(reduced.get(e, 0))) for e in self.monomials]


def local_algebra(
    generators: Sequence[PolyElement], order: int | None = None, most_work: int = MOST_WORK
) -> LocalAlgebra | None:
    """Give O/I for the ideal I of some polynomials in the local ring at the origin; None if it is not finite.

    Buchberger's algorithm in Q[x]/m^k, where every local order is a well-order, with k raised until all monomials
    of some degree s < k lead elements of I: then m^s ⊂ I + m^{s+1}, hence m^s ⊂ I by Nakayama's lemma, and the answer
    is exact. That it is infinite is proved by a common factor, by a coordinate subspace on which too few generators
    are left (Krull), or by dim O/(I + m^k) above the product of the degrees (Bézout).

    Parameters
    ----------
    generators
        Elements of one polynomial ring over the rationals.
    order
        If known, k with m^k ⊂ I; saves the search.
    most_work
        Give up after so many products of coefficients.

    Raises
    ------
    Undecided
        If the answer needs more work.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> local_algebra([3 * x**2, 4 * y**3]).dimension
    6
    >>> local_algebra([x * y**2, x**2 * y]) is None
    True
    """
    ring = generators[0].ring
    kept = [g for g in generators if g]
    if any(g.coeff(1) for g in kept):
        return LocalAlgebra(ring, 0, {(0,) * ring.ngens: ring.one}, ())
    if order is None and _surely_infinite(kept, ring):
        return None
    bound = multiplicity_bound(kept, ring.ngens)
    k = order + 1 if order is not None else min(sum(e) for g in kept for e in g) + 4
    while True:
        basis = _basis_modulo(kept, k, most_work)
        standard = basis.standard_monomials()
        if basis.order < k or order is not None:
            return _unpacked(ring, basis, standard)
        if len(standard) > bound:
            return None
        k += max(3, k // 2)


def contains_power(generators: Sequence[PolyElement], power: int) -> int | None:
    """Give the least s ≤ ``power`` with m^s ⊂ I, or None if there is none.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> contains_power([x**2, y**3], 5), contains_power([x**2, y**3], 3)
    (4, None)
    """
    basis = _basis_modulo(generators, power + 1)
    return basis.order if basis.order <= power else None


def quotient_dimension(generators: Sequence[PolyElement], power: int) -> int:
    """Dimension of O/(I + m^power).

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> quotient_dimension([x * y], 4)
    7
    """
    return len(_basis_modulo(generators, power).standard_monomials())


def _basis_modulo(generators: Sequence[PolyElement], power: int, most_work: int = MOST_WORK) -> _Basis:
    packing = Packing(generators[0].ring.ngens)
    basis = _Basis(packing, power, most_work)
    basis.complete([_integral({packing.pack(e): c for e, c in g.items()}) for g in generators if g])
    return basis


def _surely_infinite(generators: Sequence[PolyElement], ring: PolyRing) -> bool:
    """Whether V(I) has positive dimension at the origin for a reason that is seen at once."""
    if len(generators) < ring.ngens:
        return True
    for size in range(1, ring.ngens + 1):
        for kept in combinations(range(ring.ngens), size):
            if _num_alive(generators, set(range(ring.ngens)) - set(kept)) < size:
                return True
    if ring.ngens == 1:
        return False
    common = generators[0]
    for g in generators[1:]:
        common = common.gcd(g)
        if common.is_ground:
            return False
    return not common.coeff(1)


def _num_alive(generators: Sequence[PolyElement], zeroed: set[int]) -> int:
    return sum(any(not any(e[i] for i in zeroed) for e in g) for g in generators)


def multiplicity_bound(generators: Sequence[PolyElement], num_variables: int) -> int:
    """Bézout's bound on the multiplicity of an isolated common zero."""
    degrees = sorted((max(sum(e) for e in g) for g in generators), reverse=True)
    if len(generators) == num_variables:
        return prod(degrees)
    return int(degrees[0] ** num_variables)


def _integral(coefficients: dict[int, object]) -> Packed:
    """Integer multiple without a common factor."""
    fractions = {m: Fraction(str(c)) for m, c in coefficients.items()}
    scale = 1
    for c in fractions.values():
        scale = scale * c.denominator // gcd(scale, c.denominator)
    return _primitive({m: int(c * scale) for m, c in fractions.items()})


def _primitive(p: Packed) -> Packed:
    content = gcd(*p.values())
    return {m: c // content for m, c in p.items()} if content > 1 else p


class _Basis:
    """A standard basis modulo m^order that is being completed."""

    def __init__(self, packing: Packing, order: int, most_work: int) -> None:
        self.packing, self.order, self.work_left = packing, order, most_work
        self.leads: list[int] = []
        self.elements: list[Packed] = []
        self.pairs: list[tuple[int, int, int]] = []
        self.done: set[tuple[int, int]] = set()

    @property
    def limit(self) -> int:
        return self.order << (_BITS * self.packing.num_variables)

    def complete(self, generators: Sequence[Packed]) -> None:
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


def _unpacked(ring: PolyRing, basis: _Basis, standard: list[int]) -> LocalAlgebra:
    elements = {}
    for lead, p in zip(basis.leads, basis.elements, strict=True):
        if lead < basis.limit:
            monic = {basis.packing.unpack(m): ring.domain(c, p[lead]) for m, c in p.items()}
            elements[basis.packing.unpack(lead)] = ring.from_dict(monic)
    return LocalAlgebra(ring, basis.order, elements, tuple(basis.packing.unpack(m) for m in standard))
