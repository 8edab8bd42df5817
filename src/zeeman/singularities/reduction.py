"""Coordinate changes that bring a germ to its leading form plus what its leading form cannot absorb."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from math import prod

from sympy import QQ, Poly, Symbol
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.singularities.series import Coefficient, homogeneous_part, order_of, substitute

Exponent = tuple[int, ...]


def straighten(g: PolyElement, forms: Sequence[PolyElement], order: int) -> PolyElement:
    """Rewrite g, up to a degree, in coordinates in which some independent linear forms are the variables.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> straighten((x + y) ** 2 * (x - y), [x + y, x - y], 3)
    x**2*y
    """
    gens, size = g.ring.gens, g.ring.ngens
    rows = [[form.coeff(x) for x in gens] for form in forms]
    inverse = DomainMatrix(rows, (size, size), QQ).inv().to_list()
    return substitute(g, [sum((c * x for c, x in zip(row, gens, strict=True)), g.ring.zero) for row in inverse], order)


def complete_to_basis(forms: Sequence[PolyElement]) -> list[PolyElement]:
    """Add variables to some independent linear forms until they are as many as the variables."""
    ring = forms[0].ring
    found = list(forms)
    for x in reversed(ring.gens):
        rows = [[form.coeff(v) for v in ring.gens] for form in [*found, x]]
        if len(found) < ring.ngens and DomainMatrix(rows, (len(rows), ring.ngens), QQ).rank() == len(rows):
            found.append(x)
    return found


def linear_kernel(forms: Sequence[PolyElement]) -> list[list[Coefficient]]:
    """Rational relations c with Σ c_i forms_i = 0, a basis of them."""
    monomials = sorted({e for form in forms for e in form})
    if not monomials:
        return [[QQ(int(i == j)) for j in range(len(forms))] for i in range(len(forms))]
    rows = [[form.get(e, QQ(0)) for form in forms] for e in monomials]
    kernel: list[list[Coefficient]] = DomainMatrix(rows, (len(rows), len(forms)), QQ).nullspace().to_list()
    return kernel


def absorb(g: PolyElement, order: int, priority: Sequence[int]) -> PolyElement:
    """Remove from g, degree by degree, what changes of coordinates x_i → x_i - ξ_i, ξ_i ∈ m², can remove.

    With the leading form c, the part of degree d is Σ ξ_i ∂_i c + rest with homogeneous ξ_i, where the rest consists of
    monomials that lead no element of (∂c) in the lexicographic order in which the variable ``priority[0]`` is largest.

    Parameters
    ----------
    g
        A germ of multiplicity 3 or more.
    order
        Degree up to which it is wanted.
    priority
        Indices of the variables, those first that should vanish first.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> absorb(x**2 * y + x * y**3 + y**5, 5, (0, 1))
    x**2*y + 3/4*y**5
    """
    least = order_of(g)
    slopes = [homogeneous_part(g, least).diff(x) for x in g.ring.gens]
    for degree in range(least + 1, order + 1):
        shifts = _absorbing_fields(homogeneous_part(g, degree), slopes, degree - least + 1, priority)
        if any(shifts):
            g = substitute(g, [x - shift for x, shift in zip(g.ring.gens, shifts, strict=True)], order)
    return g


def _absorbing_fields(
    part: PolyElement, slopes: Sequence[PolyElement], degree: int, priority: Sequence[int]
) -> list[PolyElement]:
    """Homogeneous ξ_i of a degree for which no monomial of part - Σ ξ_i slopes_i leads the ideal of the slopes."""
    echelon = Echelon(part.ring, len(slopes), priority)
    if not part:
        return echelon.nothing
    for i, slope in enumerate(slopes):
        for chosen in combinations_with_replacement(part.ring.gens, degree):
            echelon.add(prod(chosen, start=part.ring.one), i, slope)
    return echelon.divide(part)[1]


class Echelon:
    """Multiples of some polynomials, as rows in echelon form that remember how they were combined.

    Parameters
    ----------
    ring
        Ring of the polynomials.
    size
        Number of the polynomials.
    priority
        Indices of the variables, the lexicographically largest first.
    """

    def __init__(self, ring: PolyRing, size: int, priority: Sequence[int]) -> None:
        self.ring, self.size, self.priority = ring, size, priority
        self.rows: dict[Exponent, tuple[PolyElement, list[PolyElement]]] = {}

    @property
    def nothing(self) -> list[PolyElement]:
        """Give the empty combination."""
        return [self.ring.zero] * self.size

    def add(self, factor: PolyElement, index: int, polynomial: PolyElement) -> None:
        """Add ``factor`` times the polynomial of an index."""
        combination = self.nothing
        combination[index] = factor
        rest, used = self._strip(factor * polynomial, whole=False)
        if rest:
            lead = max(rest, key=self._rank)
            scale = 1 / rest[lead]
            left = [(c - u) * scale for c, u in zip(combination, used, strict=True)]
            self.rows[lead] = (rest * scale, left)

    def divide(self, p: PolyElement) -> tuple[PolyElement, list[PolyElement]]:
        """Give r and ξ with p = r + Σ ξ_i polynomial_i, where no monomial of r leads a row."""
        return self._strip(p, whole=True)

    def _rank(self, e: Exponent) -> Exponent:
        return tuple(e[i] for i in self.priority)

    def _strip(self, p: PolyElement, whole: bool) -> tuple[PolyElement, list[PolyElement]]:
        """Subtract rows from p, from the largest monomial down; unless ``whole``, up to one that leads no row."""
        used, done = self.nothing, self.ring.zero
        while p:
            lead = max(p, key=self._rank)
            factor = p[lead]
            if lead in self.rows:
                row, combination = self.rows[lead]
                p = p - row * factor
                used = [u + c * factor for u, c in zip(used, combination, strict=True)]
            elif whole:
                term = self.ring.from_dict({lead: factor})
                done, p = done + term, p - term
            else:
                break
        return done + p, used


def num_real_lines(form: PolyElement) -> int:
    """Number of real lines among the zeros of a binary form, without repetition.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> num_real_lines(x * (x**2 - 2 * y**2)), num_real_lines(x**4 + y**4)
    (3, 0)
    """
    at_infinity = not form.get((order_of(form), 0), 0)
    t = Symbol("t")
    affine = Poly({(a,): QQ.to_sympy(c) for (a, _), c in form.items()}, t, domain=QQ)
    return int(affine.sqf_part().count_roots()) + int(at_infinity)
