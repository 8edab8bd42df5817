"""What a program can be run in: monomial ideals, costs, polynomials up to a degree, residues of a prime.

A program's probabilities are sums of products of table entries. The wrong entries are coordinates; the right entry of a
table is 1 minus its wrong ones, which near the code is comparable to 1. So one run serves them all, and each ring says
what an entry is, and how to add and multiply.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

T = TypeVar("T")
Monomial = int
PRIME = 2**61 - 1


class Ring(Protocol[T]):
    """Where a program's probabilities live."""

    zero: T
    one: T

    def wrong(self, coordinate: int) -> T:
        """Give the probability of a wrong entry."""
        ...

    def right(self, coordinates: Sequence[int]) -> T:
        """Give the probability of the right entry of the table whose wrong entries these are."""
        ...

    def add(self, terms: Iterable[T]) -> T:
        """Sum."""
        ...

    def multiply(self, first: T, second: T) -> T:
        """Product."""
        ...


@dataclass(frozen=True)
class Packing:
    """Monomials in ``size`` coordinates as whole numbers: a field of bits for each exponent, the degree on top.

    Products are sums of numbers, and a monomial divides another if no field borrows in their difference.

    Examples
    --------
    >>> packing = Packing(3, width=4)
    >>> x, y = packing.coordinate(0), packing.coordinate(1)
    >>> packing.exponents(x + x + y), packing.degree(x + y), packing.divides(x, x + y), packing.divides(x + x, x + y)
    ({0: 2, 1: 1}, 2, True, False)
    """

    size: int
    width: int

    def coordinate(self, number: int) -> Monomial:
        """The monomial of one coordinate."""
        return (1 << self.width * number) | (1 << self.width * self.size)

    @property
    def guards(self) -> int:
        """The top bit of each field, which no exponent reaches."""
        return sum(1 << (self.width * k + self.width - 1) for k in range(self.size + 1))

    def degree(self, monomial: Monomial) -> int:
        """Sum of the exponents."""
        return monomial >> (self.width * self.size)

    def exponents(self, monomial: Monomial) -> dict[int, int]:
        """Give the exponents that are not 0, by coordinate."""
        mask = (1 << self.width) - 1
        fields = ((k, (monomial >> self.width * k) & mask) for k in range(self.size))
        return {k: exponent for k, exponent in fields if exponent}

    def monomial(self, exponents: Iterable[tuple[int, int]]) -> Monomial:
        """The monomial of these coordinates and exponents."""
        return sum(self.coordinate(k) * exponent for k, exponent in exponents)

    def divides(self, first: Monomial, second: Monomial) -> bool:
        """Whether the first monomial divides the second."""
        guards = self.guards
        return ((second | guards) - first) & guards == guards


class TooMuch(Exception):
    """An ideal grew beyond its budget."""


Ideal = tuple[Monomial, ...]


class Ideals:
    """Monomial ideals by their minimal monomials, without those beyond a degree or in an ideal known beforehand.

    ``cut`` tells whether a monomial was left out for its degree alone; a careful ring does not count those that a
    smaller one divides, which takes longer. 0 is (), 1 is (0,); monomials stand by degree.

    Parameters
    ----------
    packing : Packing
    degree : int
    known : iterable of Monomial
        Minimal monomials; multiples of them are left out.
    budget : int
        Products of monomials, after which `TooMuch` is raised.
    careful : bool
    """

    zero: Ideal = ()
    one: Ideal = (0,)

    def __init__(
        self, packing: Packing, degree: int, known: Iterable[Monomial], budget: int, careful: bool = True
    ) -> None:
        self.packing, self.degree, self.budget, self.careful = packing, degree, budget, careful
        self.guards, self.shift = packing.guards, packing.width * packing.size
        self.cut = False
        self.field = (1 << packing.width) - 1
        self.singles = 0
        self.known: dict[int, list[Monomial]] = {}  # by their first coordinate
        self.verdicts: dict[Monomial, bool] = {}
        for monomial in known:
            first = next(iter(packing.exponents(monomial)))
            if packing.degree(monomial) == 1:
                self.singles |= self.field << packing.width * first
            else:
                self.known.setdefault(first, []).append(monomial)

    def wrong(self, coordinate: int) -> Ideal:
        """Give the probability of a wrong entry."""
        return self._left((self.packing.coordinate(coordinate),))

    def right(self, coordinates: Sequence[int]) -> Ideal:
        """Give the probability of the right entry."""
        return self.one

    def add(self, terms: Iterable[Ideal]) -> Ideal:
        """Sum."""
        distinct = set(terms)
        if len(distinct) == 1:
            return distinct.pop()
        return self._minimal({monomial for term in distinct for monomial in term})

    def multiply(self, first: Ideal, second: Ideal) -> Ideal:
        """Product."""
        if first == self.one or second == self.zero:
            return second
        if second == self.one or first == self.zero:
            return first
        products = self._products(first, second)
        self.budget -= len(products)
        if self.budget < 0:
            raise TooMuch
        return self._minimal(set(self._left(products)))

    def _products(self, first: Ideal, second: Ideal) -> list[Monomial]:
        if self.careful:
            return [a + b for a in first for b in second]
        products: list[Monomial] = []
        for a in first:
            beyond = (self.degree + 1 - (a >> self.shift)) << self.shift
            fit = bisect_left(second, beyond)
            self.cut |= fit < len(second)
            if not fit:
                break
            products += [a + b for b in second[:fit]]
        return products

    def _left(self, monomials: Iterable[Monomial]) -> Ideal:
        """Those that are no multiples of a known monomial."""
        return tuple(m for m in monomials if not m & self.singles and not self._divided(m))

    def _divided(self, monomial: Monomial) -> bool:
        if monomial not in self.verdicts:
            self.verdicts[monomial] = self._searched(monomial)
        return self.verdicts[monomial]

    def _searched(self, monomial: Monomial) -> bool:
        high, guards, width = monomial | self.guards, self.guards, self.packing.width
        rest = monomial & ((1 << self.shift) - 1)
        while rest:
            first = ((rest & -rest).bit_length() - 1) // width
            near = self.known.get(first, [])
            self.budget -= len(near) >> 3
            if any((high - g) & guards == guards for g in near):
                return True
            rest &= ~(self.field << first * width)
        return False

    def _minimal(self, monomials: set[Monomial]) -> Ideal:
        if len(monomials) < 2 or 0 in monomials:
            kept = [0] if 0 in monomials else list(monomials)
        else:
            kept = self._undivided(sorted(monomials))
        low = tuple(monomial for monomial in kept if monomial >> self.shift <= self.degree)
        self.cut |= len(low) < len(kept)
        return low

    def _undivided(self, ranked: list[Monomial]) -> list[Monomial]:
        """Those that none of lower degree divides; they come by degree."""
        kept: list[Monomial] = []
        smaller: list[Monomial] = []
        guards, shift = self.guards, self.shift
        degree = 0
        for monomial in ranked:
            if monomial >> shift > degree:
                smaller, degree = list(kept), monomial >> shift
            high = monomial | guards
            if not any((high - g) & guards == guards for g in smaller):
                kept.append(monomial)
            self.budget -= len(smaller) >> 3
        return kept


Cost = tuple[int, Monomial] | None


class Costs:
    """The cheapest monomial where each coordinate has a cost, if it costs less than a bound; sums are minima.

    Parameters
    ----------
    packing : Packing
    weights : sequence of Fraction
        Cost of each coordinate.
    bound : Fraction
    """

    zero: Cost = None
    one: Cost = (0, 0)

    def __init__(self, packing: Packing, weights: Sequence[Fraction], bound: Fraction = Fraction(1)) -> None:
        scale = bound.denominator
        for weight in weights:
            scale = scale * weight.denominator // _gcd(scale, weight.denominator)
        self.costs = [int(weight * scale) for weight in weights]
        self.bound = int(bound * scale)
        self.packing = packing

    def wrong(self, coordinate: int) -> Cost:
        """Give the probability of a wrong entry."""
        return self._left(self.costs[coordinate], self.packing.coordinate(coordinate))

    def right(self, coordinates: Sequence[int]) -> Cost:
        """Give the probability of the right entry."""
        return self.one

    def add(self, terms: Iterable[Cost]) -> Cost:
        """Sum."""
        return min((term for term in terms if term is not None), default=None)

    def multiply(self, first: Cost, second: Cost) -> Cost:
        """Product."""
        if first is None or second is None:
            return None
        return self._left(first[0] + second[0], first[1] + second[1])

    def _left(self, cost: int, monomial: Monomial) -> Cost:
        return (cost, monomial) if cost < self.bound else None


Polynomial = dict[Monomial, int]


class Polynomials:
    """Polynomials with whole coefficients up to a degree, in the coordinates of a packing.

    Parameters
    ----------
    packing : Packing
    degree : int
        Terms beyond it are left out.
    """

    def __init__(self, packing: Packing, degree: int) -> None:
        self.packing, self.degree = packing, degree
        self.zero: Polynomial = {}
        self.one: Polynomial = {0: 1}

    def wrong(self, coordinate: int) -> Polynomial:
        """Give the probability of a wrong entry."""
        return {self.packing.coordinate(coordinate): 1}

    def right(self, coordinates: Sequence[int]) -> Polynomial:
        """Give the probability of the right entry."""
        return {0: 1} | {self.packing.coordinate(k): -1 for k in coordinates}

    def add(self, terms: Iterable[Polynomial]) -> Polynomial:
        """Sum."""
        total: Polynomial = {}
        for term in terms:
            for monomial, coefficient in term.items():
                total[monomial] = total.get(monomial, 0) + coefficient
        return {monomial: coefficient for monomial, coefficient in total.items() if coefficient}

    def multiply(self, first: Polynomial, second: Polynomial) -> Polynomial:
        """Product."""
        if first == self.one:
            return second
        if second == self.one:
            return first
        shift, degree = self.packing.width * self.packing.size, self.degree
        total: Polynomial = {}
        for a, x in first.items():
            for b, y in second.items():
                if (a + b) >> shift <= degree:
                    total[a + b] = total.get(a + b, 0) + x * y
        return {monomial: coefficient for monomial, coefficient in total.items() if coefficient}


class Numbers:
    """Values at one point, where a coordinate may be any number: residues of a prime, or floats.

    Parameters
    ----------
    point : sequence of int or float
        The coordinates.
    prime : int or None
        Residues are taken of it.
    """

    zero: float = 0
    one: float = 1

    def __init__(self, point: Sequence[float], prime: int | None = None) -> None:
        self.point, self.prime = point, prime
        self._rest: Callable[[float], float] = (lambda value: value) if prime is None else (lambda value: value % prime)

    def wrong(self, coordinate: int) -> float:
        """Give the probability of a wrong entry."""
        return self.point[coordinate]

    def right(self, coordinates: Sequence[int]) -> float:
        """Give the probability of the right entry."""
        return self._rest(1 - sum(self.point[k] for k in coordinates))

    def add(self, terms: Iterable[float]) -> float:
        """Sum."""
        return self._rest(sum(terms))

    def multiply(self, first: float, second: float) -> float:
        """Product."""
        return self._rest(first * second)


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a
