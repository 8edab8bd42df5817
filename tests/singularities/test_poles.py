"""Candidate poles hold the known ones that parity leaves, and exact densities of states are those of integrals."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import product
from math import exp, log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeeman.errors import ZeemanError
from zeeman.singularities.poles import candidate_poles, density_at, monomial_density
from zeeman.singularities.polynomials import parse_germ
from zeeman.singularities.rlct import rlct

KNOWN = json.loads((Path(__file__).parent / "known_thresholds.json").read_text())
WITHOUT_ANSWER = {"RRR_1_2_1", "RRR_2_2_2"}


@pytest.mark.parametrize("case", [c for c in KNOWN if c["id"] not in WITHOUT_ANSWER], ids=lambda case: case["id"])
def test_the_first_candidate_is_the_threshold(case):
    f = parse_germ(case["polynomial"], case["vars"]).polynomial
    first = candidate_poles(f, Fraction(3, 2))[0]
    assert (str(first.value), first.order) == (case["rlct"], case["multiplicity"])


@pytest.mark.parametrize("name", ["A1", "A1_indef", "A5", "D4", "D4_plus", "D5", "D7", "E6", "E7", "P8", "X9", "E12"])
def test_candidates_are_those_of_resolution_parity_and_b_roots(name):
    (case,) = [case for case in KNOWN if case["id"] == name]
    known = [-Fraction(pole) for pole in case["poles"]]
    found = candidate_poles(parse_germ(case["polynomial"], case["vars"]).polynomial, max(known))
    assert [pole.value for pole in found] == known


def test_a_germ_beyond_the_method_is_told():
    with pytest.raises(ZeemanError, match="first pole may be had"):
        candidate_poles(parse_germ("(a*c + b*d)^2").polynomial)


def test_a_volume_has_no_term_that_candidates_lack():
    """V of x³ + y² in the half-plane fits terms ε^λ of the candidates, and does not without the third of them."""
    exponents = [float(p.value) for p in candidate_poles(parse_germ("x^3 + y^2").polynomial, Fraction(3, 2))]
    assert exponents == pytest.approx([5 / 6, 1, 7 / 6])
    eps = np.logspace(-6, -2, 40)
    y = (np.arange(200_000) + 0.5) / 200_000 * 2
    u = y**2
    volume = np.array([2 * np.sum(np.cbrt(e - u) - np.cbrt(-e - u)) * 1e-5 for e in eps])
    design = eps[:, None] ** np.array(exponents)
    solution, *_ = np.linalg.lstsq(design / volume[:, None], np.ones(len(eps)), rcond=None)
    assert np.max(np.abs(design @ solution / volume - 1)) < 2e-3


powers = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=4)


@settings(deadline=None, max_examples=30)
@given(powers, st.integers(1, 5))
def test_the_exact_density_has_the_zeta_function_of_the_monomial(factors, z):
    """∫ ε^z ρ dε over (0, 1) is Π 1/(p z + h + 1), term by term Σ c/(z + λ)^r."""
    terms = monomial_density([p for p, _ in factors], [h for _, h in factors])
    total = sum(term.coefficient / (z + term.exponent) ** term.order for term in terms)
    expected = Fraction(1)
    for p, h in factors:
        expected /= p * z + h + 1
    assert total == expected


def test_the_first_term_is_the_threshold_of_the_monomial():
    for exponents in product(range(1, 4), repeat=3):
        f = parse_germ("*".join(f"{x}^{e}" for x, e in zip("xyz", exponents, strict=True))).polynomial
        first, found = monomial_density(exponents)[0], rlct(f)
        assert (first.exponent, first.order) == (found.value, found.multiplicity)


def test_the_density_of_a_product_is_its_logarithm():
    """x y on the unit square: ρ(ε) = log 1/ε."""
    length = log(1e5)
    assert density_at(monomial_density([1, 1]), length) == pytest.approx(exp(-length) * length)


def test_powers_must_be_positive():
    for bad in ([], [0], [1, -1]):
        with pytest.raises(ZeemanError, match="positive powers"):
            monomial_density(bad)
    with pytest.raises(ZeemanError, match="shifts"):
        monomial_density([1], [-1])
