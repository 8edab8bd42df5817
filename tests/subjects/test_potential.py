"""Polynomials from text: the value that exact arithmetic gives, and one sentence for anything else."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zeeman.errors import ZeemanError
from zeeman.subjects import Potential

VALUES = {"x": Fraction(3, 2), "y": Fraction(-1, 4), "z": Fraction(2)}


def expressions() -> st.SearchStrategy[str]:
    leaves = st.one_of(st.sampled_from(list(VALUES)), st.integers(0, 9).map(str))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
            st.tuples(inner, st.integers(0, 3)).map(lambda t: f"({t[0]})**{t[1]}"),
            inner.map(lambda t: f"(-{t})"),
            inner.map(lambda t: f"({t})/4"),
        ),
        max_leaves=8,
    )


@given(expressions())
def test_value_is_that_of_exact_arithmetic(expression: str) -> None:
    expression = f"{expression} + 0*x"
    exact = eval(expression, {"__builtins__": {}}, dict(VALUES))  # a string of this test's own making
    potential = Potential.parse(expression)
    point = torch.tensor([[float(VALUES[name]) for name in potential.variables]], dtype=torch.float64)
    assert float(potential(point)) == pytest.approx(float(exact), rel=1e-12, abs=1e-9)


def test_variables_are_the_axes_in_reading_order() -> None:
    assert Potential.parse("(b*a)^2 + c").variables == ("b", "a", "c")


def test_a_square_of_a_difference_keeps_its_relative_precision() -> None:
    y = torch.tensor(1.0, dtype=torch.float64)
    point = torch.stack([y + 1e-12, y])
    assert float(Potential.parse("(x - y)**2")(point)) == pytest.approx(1e-24, rel=1e-3)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("sin(x)", "sin(x)"),
        ("1/x", "number"),
        ("x**-2", "whole number"),
        ("x**2.5", "whole number"),
        ("x**y", "number"),
        ("x**1000", "64"),
        ("x/0", "zero"),
        ("x +", "can't be read"),
        ("3", "no variable"),
        ("", "can't be read"),
        ("x < y", "x < y"),
        ("__import__('os').getcwd()", "polynomial"),
        ("1e999*x", "polynomial"),
        ("True*x", "truth value"),
        ("x*" * 3000 + "x", "characters"),
    ],
)
def test_what_is_no_polynomial_is_refused_in_a_sentence(expression: str, words: str) -> None:
    with pytest.raises(ZeemanError, match="expected a polynomial") as caught:
        Potential.parse(expression)
    assert words in str(caught.value)
