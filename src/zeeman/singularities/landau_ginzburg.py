"""Landau–Ginzburg data of a quasi-homogeneous germ: a match of numbers between germ and N=2 minimal model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm, prod

from sympy.polys.rings import PolyElement

from zeeman.errors import ZeemanError
from zeeman.singularities.weights import crossover, kind_of, leading_monomials, weights

Weights = Sequence[Fraction]


@dataclass(frozen=True)
class Operator:
    """A monomial of the chiral ring, as an operator and as a deformation τ x^a of the germ.

    Parameters
    ----------
    exponents : tuple of int
        a.
    charge : Fraction
        U(1) charge Q = ⟨q, a⟩, from 0 to ĉ.
    ramond_charge : Fraction
        Q − ĉ/2, charge of the ground state of the Ramond sector that spectral flow makes of it.
    """

    exponents: tuple[int, ...]
    charge: Fraction
    ramond_charge: Fraction

    @property
    def conformal_weight(self) -> Fraction:
        """Weight h = Q/2, as for every chiral primary."""
        return self.charge / 2

    @property
    def dimension(self) -> Fraction:
        """Scaling dimension y = 1 − Q: the deformation enters the free energy as τ n^y."""
        return 1 - self.charge

    @property
    def kind(self) -> str:
        """`relevant` (y > 0: another germ at large n), `marginal` (y = 0: a modulus) or `irrelevant` (y < 0)."""
        return kind_of(self.dimension)

    @property
    def crossover_exponent(self) -> Fraction | None:
        """1/y of the crossover n ~ |τ|^(−1/y), for relevant operators."""
        return crossover(self.dimension)


@dataclass(frozen=True)
class LandauGinzburg:
    """The Landau–Ginzburg model with a germ as its superpotential.

    Parameters
    ----------
    weights : tuple of Fraction
        q, with f quasi-homogeneous of degree 1.
    operators : tuple of Operator
        Monomial basis of the chiral ring, which is the Jacobian ring, in order of charge.
    """

    weights: tuple[Fraction, ...]
    operators: tuple[Operator, ...]

    @property
    def c_hat(self) -> Fraction:
        """ĉ = Σ(1 − 2 q_i); below 1 for the simple germs alone."""
        return c_hat(self.weights)

    @property
    def central_charge(self) -> Fraction:
        """Central charge c = 3 ĉ."""
        return central_charge(self.weights)

    @property
    def coxeter_number(self) -> Fraction | None:
        """The h of c = 3 − 6/h, where c < 3: for ADE germs the Coxeter number of the Dynkin diagram."""
        return 6 / (3 - self.central_charge) if self.central_charge < 3 else None

    @property
    def level(self) -> Fraction | None:
        """Level k = h − 2 of the N=2 minimal model with c = 3k/(k + 2)."""
        return None if self.coxeter_number is None else self.coxeter_number - 2

    @property
    def poincare(self) -> dict[Fraction, int]:
        """Number of operators by charge."""
        return poincare_polynomial(self.weights)

    @property
    def relevant(self) -> tuple[Operator, ...]:
        """The operators that lead to another germ at large n."""
        return tuple(operator for operator in self.operators if operator.kind == "relevant")


def landau_ginzburg(f: PolyElement) -> LandauGinzburg | None:
    """Landau–Ginzburg data of f, or None where `weights` finds no weights.

    Parameters
    ----------
    f : PolyElement
        Polynomial over QQ.

    Returns
    -------
    LandauGinzburg or None

    Notes
    -----
    The scaling dimensions y = 1 − Q are those of the perturbed minimal model and also the crossover exponents of the
    free energy of the germ: one set of numbers, which says nothing by itself about a network. Vafa and Warner 1989;
    Martinec 1989.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> model = landau_ginzburg(x**3 + x * y**3)
    >>> str(model.central_charge), str(model.coxeter_number), len(model.operators)
    ('8/3', '18', 7)
    >>> [str(operator.dimension) for operator in model.operators]
    ['1', '7/9', '2/3', '5/9', '4/9', '1/3', '1/9']
    """
    q = weights(f)
    if q is None:
        return None
    top = c_hat(q)
    charged = sorted((sum((w * k for w, k in zip(q, a, strict=True)), Fraction(0)), a) for a in chiral_basis(f))
    return LandauGinzburg(q, tuple(Operator(a, charge, charge - top / 2) for charge, a in charged))


def chiral_basis(f: PolyElement) -> list[tuple[int, ...]]:
    """Exponents of the monomials that are no leading monomials of the Jacobian ideal: a basis of the Jacobian ring.

    Raises
    ------
    ZeemanError
        When the critical points of f are not isolated.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> chiral_basis(x**3 + y**3)
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    leading = leading_monomials([f.diff(x) for x in f.ring.gens])
    bounds = [min((a[i] for a in leading if sum(a) == a[i]), default=None) for i in range(f.ring.ngens)]
    if any(bound is None for bound in bounds):
        raise ZeemanError(
            f"expected a germ with isolated critical points, got {f}; the chiral ring of others is infinite."
        )
    box = product(*(range(bound) for bound in bounds if bound is not None))
    return [b for b in box if not any(all(i <= j for i, j in zip(a, b, strict=True)) for a in leading)]


def c_hat(q: Weights) -> Fraction:
    """ĉ = Σ(1 − 2 q_i).

    Examples
    --------
    >>> str(c_hat([Fraction(1, 3), Fraction(1, 4)]))
    '5/6'
    """
    return sum((1 - 2 * w for w in q), Fraction(0))


def central_charge(q: Weights) -> Fraction:
    """Central charge c = 3 Σ(1 − 2 q_i).

    Parameters
    ----------
    q : sequence of Fraction
        Weights, as from `weights`.

    Examples
    --------
    >>> str(central_charge([Fraction(1, 5), Fraction(1, 2)]))
    '9/5'
    """
    return 3 * c_hat(q)


def milnor_number_from_weights(q: Weights) -> Fraction:
    """μ = ∏(1/q_i − 1), an integer when q are the weights of an isolated critical point (Milnor and Orlik 1970).

    Examples
    --------
    >>> str(milnor_number_from_weights([Fraction(1, 3), Fraction(2, 9)]))
    '7'
    """
    return prod((1 / w - 1 for w in q), start=Fraction(1))


def poincare_polynomial(q: Weights) -> dict[Fraction, int]:
    """Coefficients of ∏ (1 − T^(1−q_i)) / (1 − T^(q_i)) by exponent: how many operators have each charge.

    Parameters
    ----------
    q : sequence of Fraction
        Weights of an isolated critical point, 0 < q_i < 1.

    Returns
    -------
    dict of Fraction to int
        In order of exponent; palindromic about ĉ/2; the sum is μ.

    Raises
    ------
    ZeemanError
        When the quotient is no polynomial: then no germ with an isolated critical point has these weights.

    Examples
    --------
    >>> {str(charge): count for charge, count in poincare_polynomial([Fraction(1, 3), Fraction(1, 3)]).items()}
    {'0': 1, '1/3': 2, '2/3': 1}
    """
    if not all(0 < w < 1 for w in q):
        raise ZeemanError(f"expected weights between 0 and 1, got {', '.join(map(str, q))}; take those of `weights`.")
    scale = lcm(*(w.denominator for w in q))
    steps = [int(w * scale) for w in q]
    coefficients = [1]
    for step in steps:
        coefficients = _times_one_minus(coefficients, scale - step)
    for step in steps:
        quotient = _over_one_minus(coefficients, step)
        if quotient is None:
            raise ZeemanError(
                f"expected weights of an isolated critical point, got {', '.join(map(str, q))}, for which the "
                "Poincaré quotient is no polynomial; check the weights."
            )
        coefficients = quotient
    return {Fraction(k, scale): count for k, count in enumerate(coefficients) if count}


def _times_one_minus(coefficients: list[int], step: int) -> list[int]:
    """Multiply by 1 − T^step."""
    padded = [0] * step
    return [a - b for a, b in zip(coefficients + padded, padded + coefficients, strict=True)]


def _over_one_minus(coefficients: list[int], step: int) -> list[int] | None:
    """Divide by 1 − T^step, or None when something remains."""
    quotient: list[int] = []
    for k, a in enumerate(coefficients):
        quotient.append(a + (quotient[k - step] if k >= step else 0))
    return None if any(quotient[-step:]) else quotient[: len(coefficients) - step]
