from collections import Counter
from fractions import Fraction
from math import prod

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from singularities.known import ENTRIES, germ, polynomials
from zeeman.errors import ZeemanError
from zeeman.singularities.landau_ginzburg import (
    central_charge,
    chiral_basis,
    landau_ginzburg,
    milnor_number_from_weights,
    poincare_polynomial,
)

# Coxeter numbers and degrees of the basic invariants of the Weyl groups (Bourbaki, Lie groups, plates I to IX).
DYNKIN = {
    "x**2 + y**6": (6, [2, 3, 4, 5, 6]),
    "x**2*y + y**3": (6, [2, 4, 4, 6]),
    "x**2*y + y**4": (8, [2, 4, 5, 6, 8]),
    "x**2*y + y**7": (14, [2, 4, 6, 8, 8, 10, 12, 14]),
    "x**3 + y**4": (12, [2, 5, 6, 8, 9, 12]),
    "x**3 + x*y**3": (18, [2, 6, 8, 10, 12, 14, 18]),
    "x**3 + y**5": (30, [2, 8, 12, 14, 18, 20, 24, 30]),
}
exponents = st.lists(st.integers(2, 6), min_size=1, max_size=3)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if "weights" in e], ids=lambda e: str(e["id"]))
def test_charges_are_those_of_the_tables(entry):
    model = landau_ginzburg(germ(entry))
    assert str(model.central_charge) == entry["central_charge"]
    assert str(model.c_hat) == entry["c_hat"]
    assert str(milnor_number_from_weights(model.weights)) == entry["mu_from_weights"]
    assert len(model.operators) == int(entry["mu_from_weights"])


@pytest.mark.parametrize("text", DYNKIN)
def test_dimensions_times_coxeter_number_are_the_weyl_degrees(text):
    h, degrees = DYNKIN[text]
    model = landau_ginzburg(polynomials(["x", "y"], [text])[0])
    assert model.coxeter_number == h
    assert model.central_charge == 3 - Fraction(6, h) == 3 * model.level / (model.level + 2)
    assert sorted(operator.dimension * h for operator in model.operators) == degrees
    assert len(model.relevant) == len(degrees)


@settings(max_examples=30, deadline=None)
@given(exponents, exponents)
def test_poincare_polynomial_is_palindromic_and_counts_the_chiral_ring(first, second):
    names = ["x", "y", "z"][: len(first)]
    terms = [f"{x}**{a}" for x, a in zip(names, first, strict=True)]
    # Chains x^a y + y^b … beside sums of powers.
    for i, a in enumerate(second[: len(first) - 1]):
        terms[i] = f"{names[i]}**{a}*{names[i + 1]}"
    f = polynomials(names, [" + ".join(terms)])[0]
    model = landau_ginzburg(f)
    assume(model is not None)
    poincare = model.poincare
    assert poincare == Counter(operator.charge for operator in model.operators)
    assert all(poincare[model.c_hat - charge] == count for charge, count in poincare.items())
    assert max(poincare) == model.c_hat
    assert sum(poincare.values()) == milnor_number_from_weights(model.weights)
    assert sum(operator.ramond_charge for operator in model.operators) == 0


@given(exponents)
def test_squares_change_neither_charge_nor_ring(powers):
    q = [Fraction(1, a) for a in powers]
    assert central_charge([*q, Fraction(1, 2)]) == central_charge(q)
    assert poincare_polynomial([*q, Fraction(1, 2)]) == poincare_polynomial(q)
    assert sum(poincare_polynomial(q).values()) == prod(a - 1 for a in powers)


def test_marginal_and_irrelevant_operators_are_told_apart():
    x9 = landau_ginzburg(polynomials(["x", "y"], ["x**4 + y**4"])[0])
    assert Counter(operator.kind for operator in x9.operators) == {"relevant": 8, "marginal": 1}
    assert x9.coxeter_number is None is x9.level
    w15 = landau_ginzburg(polynomials(["x", "y"], ["x**4 + y**6"])[0])
    assert [operator.exponents for operator in w15.operators if operator.kind == "irrelevant"] == [(2, 4)]
    assert w15.operators[-1].crossover_exponent is None


def test_crossover_exponent_is_that_of_the_deformation():
    # x⁴ + τx²: the exponent of learning crosses from ¼ to ½ at n ~ τ^(−2), as Z(n, τ) is a function of τ √n.
    a3 = landau_ginzburg(polynomials(["x"], ["x**4"])[0])
    assert [operator.crossover_exponent for operator in a3.operators] == [1, Fraction(4, 3), 2]


def test_what_has_no_such_data():
    assert landau_ginzburg(polynomials(["x", "y"], ["x**2*y**2 + x**5 + y**5"])[0]) is None
    with pytest.raises(ZeemanError, match="isolated"):
        chiral_basis(polynomials(["x", "y"], ["x**2*y**2"])[0])
    with pytest.raises(ZeemanError, match="no polynomial"):
        poincare_polynomial([Fraction(2, 5)])
    with pytest.raises(ZeemanError, match="between 0 and 1"):
        poincare_polynomial([Fraction(1)])
