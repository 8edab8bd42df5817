"""What is read is the polynomial that was written, and what is none is told in one sentence."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeeman.errors import ZeemanError
from zeeman.singularities.polynomials import parse_germ, parse_ideal


def test_carets_quotients_and_decimals_are_exact():
    germ = parse_germ("x^2/3 - 0.1*x*y + -y**3 + 2*(y - y)")
    x, y = germ.polynomial.ring.gens
    assert germ.polynomial == x**2 / 3 - x * y / 10 - y**3
    assert germ.variables == ("x", "y")


terms = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(any),
    st.fractions(-3, 3, max_denominator=7).filter(bool),
    min_size=1,
    max_size=6,
)


@given(terms)
def test_what_is_printed_is_read_back(coefficients):
    text = " + ".join(f"({c})*x**{a}*y**{b}" for (a, b), c in coefficients.items())
    germ = parse_germ(text, ["x", "y"])
    read = {k: Fraction(v.numerator, v.denominator) for k, v in germ.polynomial.terms()}
    assert read == coefficients
    assert parse_germ(str(germ), ["x", "y"]).polynomial == germ.polynomial


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("sin(x)", "sin"),
        ("1/x", "divides by x"),
        ("x**0.5", "power 0.5"),
        ("x**-1", "power -1"),
        ("x**y", "power y"),
        ("3", "constant"),
        ("x + 1", "1 at the origin"),
        ("x - x", "is 0"),
        ("x +", "cannot be read"),
        ("", "cannot be read"),
        ("__import__('os').system('true')", "expected a polynomial"),
        ("x.real", "expected a polynomial"),
        ("x % y", "expected a polynomial"),
        ("x*'x'", "numbers and names"),
        ("1e999*x", "too large"),
        ("2j*x", "numbers and names"),
        ("(x+y)**100000", "degree at most"),
        ("x/0", "divides by 0"),
    ],
)
def test_no_polynomial_is_told_in_one_sentence(text, word):
    with pytest.raises(ZeemanError, match="expected") as error:
        parse_germ(text)
    assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_decimals_keep_every_digit():
    (coefficient,) = parse_germ("0.12345678901234567890123*x").polynomial.values()
    assert coefficient == Fraction(12345678901234567890123, 10**23)


def test_a_variable_that_was_not_named_is_refused():
    with pytest.raises(ZeemanError, match="has z"):
        parse_germ("x*z", ["x", "y"])


def test_ideals_are_split_at_commas_and_share_their_variables():
    ideal = parse_ideal("a*c, b*c, 0*a")
    a, b, c = ideal.generators[0].ring.gens
    assert ideal.generators == (a * c, b * c)
    assert ideal.variables == ("a", "b", "c")
    for bad in ("", "0*a", "a, 1"):
        with pytest.raises(ZeemanError, match="expected"):
            parse_ideal(bad)


def test_sums_of_even_powers_remember_their_roots():
    germ = parse_germ("(a*c + b*d)**2 + 3*a**4*c**2 + (a-b)^2/2")
    a, b, c, d = germ.polynomial.ring.gens
    assert germ.squares == (a * c + b * d, a**2 * c, a - b)
    for text in ("x**2 - y**2", "x**2 + y**3", "x**2*y", "x**2/-2 + y**2", "x*(y**2)"):
        assert parse_germ(text).squares is None
