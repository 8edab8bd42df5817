"""Versal unfoldings of isolated germs, with crossover exponents, and the discriminant of the quasi-homogeneous ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm

from sympy import QQ, ring
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.errors import ZeemanError
from zeeman.singularities.local_algebra import tjurina_algebra
from zeeman.singularities.reduction import Echelon
from zeeman.singularities.series import Exponent
from zeeman.singularities.splitting_lemma import germ, gradient
from zeeman.singularities.weights import crossover, kind_of, weights


@dataclass(frozen=True)
class Deformation:
    """One direction t x^a of the versal unfolding.

    Attributes
    ----------
    exponents
        a.
    dimension
        y = 1 - ⟨q, a⟩, the weight of t; None if the germ is not quasi-homogeneous in its coordinates.
    """

    exponents: Exponent
    dimension: Fraction | None

    @property
    def kind(self) -> str | None:
        """``relevant`` (y > 0), ``marginal`` (y = 0, a modulus) or ``irrelevant`` (y < 0)."""
        return None if self.dimension is None else kind_of(self.dimension)

    @property
    def crossover_exponent(self) -> Fraction | None:
        """Give 1/y: the germ gives way to a simpler one at n ~ |t|^{-1/y}; None unless relevant."""
        return None if self.dimension is None else crossover(self.dimension)


@dataclass(frozen=True)
class Unfolding:
    """The family F = f + Σ_j t_j x^{a_j}, from which every deformation of f is induced up to factors and coordinates.

    Attributes
    ----------
    germ
        f.
    deformations
        τ of them, the monomials x^{a_j} being a basis of the Tjurina algebra.
    """

    germ: PolyElement
    deformations: tuple[Deformation, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters: ``t`` with the exponents, as t_0_2 for y²."""
        return tuple("t_" + "_".join(map(str, d.exponents)) for d in self.deformations)

    @property
    def polynomial(self) -> PolyElement:
        """F, in the ring of the variables and then the parameters."""
        f = self.germ
        big: PolyRing = f.ring.clone(symbols=[*map(str, f.ring.symbols), *self.parameters])
        num_parameters = len(self.deformations)
        terms = {(*e, *(0,) * num_parameters): c for e, c in f.items()}
        for j, deformation in enumerate(self.deformations):
            terms[(*deformation.exponents, *(int(i == j) for i in range(num_parameters)))] = QQ(1)
        return big.from_dict(terms)


def versal_unfolding(f: PolyElement) -> Unfolding | None:
    """Give the miniversal deformation of the hypersurface f = f(0) at an isolated critical point; None if not isolated.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> unfolding = versal_unfolding(x**4 + y**2)
    >>> unfolding.polynomial
    x**4 + x**2*t_2_0 + x*t_1_0 + y**2 + t_0_0
    >>> [(str(d.dimension), d.kind, str(d.crossover_exponent)) for d in unfolding.deformations]
    [('1', 'relevant', '1'), ('3/4', 'relevant', '4/3'), ('1/2', 'relevant', '2')]
    """
    algebra = tjurina_algebra(f)
    if algebra is None:
        return None
    q = weights(germ(f))
    found = tuple(Deformation(a, None if q is None else 1 - _pair(q, a)) for a in algebra.monomials)
    return Unfolding(germ(f), found)


def _pair(q: Sequence[Fraction], a: Sequence[int]) -> Fraction:
    return sum((qi * ai for qi, ai in zip(q, a, strict=True)), Fraction(0))


def discriminant(f: PolyElement) -> PolyElement:
    """Give the equation of the parameters t for which F = f + Σ t_j x^{a_j} has a critical point at level 0.

    D(t) = det(F on Q[t][x]/(∂F)), the product of F over its μ critical points, for the parameters with y > 0. With the
    weights y it is homogeneous of degree μ. By Euler's relation F may be replaced by Σ y_j t_j x^{a_j}.

    Parameters
    ----------
    f
        Germ that is quasi-homogeneous in its coordinates, with an isolated critical point.

    Raises
    ------
    ZeemanError
        If f is not such a germ.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x = ring("x", QQ)
    >>> discriminant(x**3)
    t_0**2 + 4/27*t_1**3
    """
    f = germ(f)
    q = weights(f)
    unfolding = versal_unfolding(f)
    if q is None or unfolding is None:
        raise ZeemanError(
            "the discriminant needs a germ that is quasi-homogeneous in its coordinates and has an isolated critical "
            "point, got another; take the normal form of its class."
        )
    kept = [d for d in unfolding.deformations if d.dimension is not None and d.dimension > 0]
    names = [name for name, d in zip(unfolding.parameters, unfolding.deformations, strict=True) if d in kept]
    family = _RelativeAlgebra(f, q, [d.exponents for d in kept], ring(names, QQ)[0])
    matrix = family.multiplication(
        {d.exponents: t * QQ(d.dimension) for d, t in zip(kept, family.base.gens, strict=True)}
    )
    return DomainMatrix(matrix, (len(matrix), len(matrix)), family.base.to_domain()).charpoly()[-1] * (-1) ** len(
        matrix
    )


Element = dict[Exponent, PolyElement]  # monomial in x -> polynomial in t


class _RelativeAlgebra:
    """Q[t][x]/(∂F) for F = f + Σ t_j x^{a_j} with terms below a quasi-homogeneous f: free over Q[t], of rank μ."""

    def __init__(self, f: PolyElement, q: Sequence[Fraction], exponents: Sequence[Exponent], base: PolyRing) -> None:
        self.f, self.base = f, base
        self.scale = lcm(*(w.denominator for w in q))
        self.weights = [int(w * self.scale) for w in q]
        self.slopes = gradient(f)
        self.lower = [
            {_lowered(a, i): t * a[i] for a, t in zip(exponents, base.gens, strict=True) if a[i]}
            for i in range(f.ring.ngens)
        ]
        self.reduced: dict[Exponent, Element] = {}
        self.echelons: dict[int, Echelon] = {}
        top = sum(self.scale - 2 * w for w in self.weights)
        self.basis = [e for d in range(top + 1) for e in self._of_weight(d) if e not in self._echelon(d).rows]

    def multiplication(self, element: Element) -> list[list[PolyElement]]:
        """Matrix of an element on the basis; columns are images."""
        images = [self._normal_form({_sum(e, b): c for e, c in element.items()}) for b in self.basis]
        return [[image.get(b, self.base.zero) for image in images] for b in self.basis]

    def _normal_form(self, element: Element) -> Element:
        result: Element = {}
        for e, c in element.items():
            for b, d in self._reduce(e).items():
                result[b] = result.get(b, self.base.zero) + c * d
        return result

    def _reduce(self, e: Exponent) -> Element:
        """Monomial on the basis: what f_i divides is replaced by the terms of F_i below it."""
        if e not in self.reduced:
            weight = sum(w * i for w, i in zip(self.weights, e, strict=True))
            rest, fields = self._echelon(weight).divide(self.f.ring.from_dict({e: QQ(1)}))
            below: Element = {}
            for field, lower in zip(fields, self.lower, strict=True):
                for (a, c), (b, t) in product(field.items(), lower.items()):
                    below[_sum(a, b)] = below.get(_sum(a, b), self.base.zero) - t * c
            result = self._normal_form(below)
            for b, c in rest.items():
                result[b] = result.get(b, self.base.zero) + c
            self.reduced[e] = result
        return self.reduced[e]

    def _echelon(self, weight: int) -> Echelon:
        """Elements of weight ``weight`` of the ideal (∂f)."""
        if weight not in self.echelons:
            size = self.f.ring.ngens
            echelon = Echelon(self.f.ring, size, range(size))
            for i, slope in enumerate(self.slopes):
                for e in self._of_weight(weight - self.scale + self.weights[i]):
                    echelon.add(self.f.ring.from_dict({e: QQ(1)}), i, slope)
            self.echelons[weight] = echelon
        return self.echelons[weight]

    def _of_weight(self, weight: int, first: int = 0) -> Iterator[Exponent]:
        """Exponents of the variables from ``first`` on with this weight."""
        if first == len(self.weights):
            if weight == 0:
                yield ()
            return
        for e in range(max(weight, -1) // self.weights[first] + 1):
            for rest in self._of_weight(weight - e * self.weights[first], first + 1):
                yield (e, *rest)


def _sum(a: Exponent, b: Exponent) -> Exponent:
    return tuple(i + j for i, j in zip(a, b, strict=True))


def _lowered(a: Exponent, i: int) -> Exponent:
    return tuple(e - (i == j) for j, e in enumerate(a))
