"""Local algebras O/I of finite dimension at the origin: standard bases modulo powers of the maximal ideal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import prod

from sympy.polys.rings import PolyElement, PolyRing

from zeeman.singularities.series import Exponent
from zeeman.singularities.truncated_basis import Packing, TruncatedBasis, integral


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


def local_algebra(generators: Sequence[PolyElement], order: int | None = None) -> LocalAlgebra | None:
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
    if order is None and surely_infinite(kept or generators):
        return None
    bound = multiplicity_bound(kept, ring.ngens)
    k = order + 1 if order is not None else min(sum(e) for g in kept for e in g) + 4
    while True:
        basis = _basis_modulo(kept, k)
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


def _basis_modulo(generators: Sequence[PolyElement], power: int) -> TruncatedBasis:
    packing = Packing(generators[0].ring.ngens)
    basis = TruncatedBasis(packing, power)
    basis.complete([integral({packing.pack(e): c for e, c in g.items()}) for g in generators if g])
    return basis


def surely_infinite(generators: Sequence[PolyElement]) -> bool:
    """Whether V(I) has positive dimension at the origin for a reason that is seen at once.

    Too few generators, or too few on a coordinate subspace (Krull), or a common factor that vanishes at the origin.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> surely_infinite([x * y, x**2]), surely_infinite([x, y**2])
    (True, False)
    """
    ring = generators[0].ring
    generators = [g for g in generators if g]
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


def _unpacked(ring: PolyRing, basis: TruncatedBasis, standard: list[int]) -> LocalAlgebra:
    elements = {}
    for lead, p in zip(basis.leads, basis.elements, strict=True):
        if lead < basis.limit:
            monic = {basis.packing.unpack(m): ring.domain(c, p[lead]) for m, c in p.items()}
            elements[basis.packing.unpack(lead)] = ring.from_dict(monic)
    return LocalAlgebra(ring, basis.order, elements, tuple(basis.packing.unpack(m) for m in standard))
