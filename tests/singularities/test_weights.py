from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from singularities.known import ENTRIES, germ, polynomials
from zeeman.singularities.weights import is_isolated, weights


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: str(e["id"]))
def test_weights_are_those_of_the_tables(entry):
    q = weights(germ(entry))
    assert (q and [str(w) for w in q]) == entry.get("weights")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(2, 7), min_size=1, max_size=4))
def test_brieskorn_germs_have_weight_one_over_the_exponent(exponents):
    names = ["x", "y", "z", "u"][: len(exponents)]
    f = polynomials(
        names, [" + ".join(f"{k + 1}*{x}**{a}" for k, (x, a) in enumerate(zip(names, exponents, strict=True)))]
    )
    assert weights(f[0]) == tuple(Fraction(1, a) for a in exponents)


def test_products_of_variables_have_weight_one_half_each():
    assert weights(polynomials(["x", "y", "z"], ["x*y + z**3"])[0]) == (Fraction(1, 2), Fraction(1, 2), Fraction(1, 3))


@pytest.mark.parametrize(
    "text", ["x", "x + y**2", "x**2*y**2", "x**2", "x**3 + y**4 + x*y**3", "0*x", "1 + x**2 + y**2", "(x*y)**2 + x**2"]
)
def test_smooth_nonisolated_and_inhomogeneous_germs_have_none(text):
    assert weights(polynomials(["x", "y"], [text])[0]) is None


def test_more_than_one_solution_of_the_equations_is_settled_by_the_bound():
    # q_x = 2/3, q_y = 1/3 is the only solution; it belongs to A1 in bent coordinates, and its sum is that of A1.
    q = weights(polynomials(["x", "y"], ["x*y + y**3"])[0])
    assert q is not None
    assert sum(q) == 1


def test_isolation_is_read_from_the_jacobian():
    f, g = polynomials(["x", "y"], ["x**3 + x*y**3", "x**2*y + x*y**2*0"])
    assert is_isolated(f)
    assert not is_isolated(g)
