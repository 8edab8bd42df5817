"""Coordinate changes that bring a germ to its leading form plus what its leading form cannot absorb."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

from sympy import QQ, Poly, Symbol
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement

from zeeman.singularities.series import homogeneous_part, multiplicity, substitute

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


def linear_kernel(forms: Sequence[PolyElement]) -> list[list[object]]:
    """Rational relations c with Σ c_i forms_i = 0, a basis of them."""
    monomials = sorted({e for form in forms for e in form})
    if not monomials:
        return [[QQ(int(i == j)) for j in range(len(forms))] for i in range(len(forms))]
    rows = [[form.get(e, QQ(0)) for form in forms] for e in monomials]
    kernel: list[list[object]] = DomainMatrix(rows, (len(rows), len(forms)), QQ).nullspace().to_list()
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
    least = multiplicity(g)
    slopes = [homogeneous_part(g, least).diff(x) for x in g.ring.gens]
    for degree in range(least + 1, order + 1):
        shifts = _absorbing_fields(homogeneous_part(g, degree), slopes, degree - least + 1, priority)
        if any(shifts):
            g = substitute(g, [x - shift for x, shift in zip(g.ring.gens, shifts, strict=True)], order)
    return g


def _absorbing_fields(
    part: PolyElement, slopes: Sequence[PolyElement], degree: int, priority: Sequence[int]
) -> list[PolyElement]:
    """Homogeneous ξ_i of a degree such that part - Σ ξ_i slopes_i has no monomial that leads the ideal of the slopes."""
    ring = part.ring
    fields = [ring.zero for _ in slopes]
    if not part:
        return fields

    def rank(e: Exponent) -> Exponent:
        return tuple(e[i] for i in priority)

    rows: dict[Exponent, tuple[PolyElement, list[PolyElement]]] = {}
    for i, slope in enumerate(slopes):
        for chosen in combinations_with_replacement(ring.gens, degree):
            monomial = ring.one
            for x in chosen:
                monomial = monomial * x
            _eliminate(rows, monomial * slope, [monomial * int(i == j) for j in range(len(slopes))], rank)
    rest = part
    for lead in sorted(rows, key=rank, reverse=True):
        row, combination = rows[lead]
        factor = rest.get(lead, QQ(0))
        if factor:
            rest = rest - row * factor
            fields = [field + c * factor for field, c in zip(fields, combination, strict=True)]
    return fields


def _eliminate(rows: dict[Exponent, tuple[PolyElement, list[PolyElement]]], p: PolyElement, combination, rank) -> None:  # type: ignore[no-untyped-def]
    """Add one row, with its combination of slopes, to rows in echelon form with leading coefficient 1."""
    while p:
        lead = max(p, key=rank)
        if lead not in rows:
            factor = 1 / p[lead]
            rows[lead] = (p * factor, [c * factor for c in combination])
            return
        factor = p[lead]
        row, other = rows[lead]
        p = p - row * factor
        combination = [c - o * factor for c, o in zip(combination, other, strict=True)]


def num_real_lines(form: PolyElement) -> int:
    """Number of real lines among the zeros of a binary form, without repetition.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> num_real_lines(x * (x**2 - 2 * y**2)), num_real_lines(x**4 + y**4)
    (3, 0)
    """
    at_infinity = not form.get((multiplicity(form), 0), 0)
    t = Symbol("t")
    affine = Poly({(a,): QQ.to_sympy(c) for (a, _), c in form.items()}, t, domain=QQ)
    return int(affine.sqf_part().count_roots()) + int(at_infinity)
