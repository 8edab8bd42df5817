"""Directions of a potential, held against its own λ and its own zero."""

import pytest
import torch

from zeeman.examination import examine_potential, exponent_sum
from zeeman.reading import Verdict
from zeeman.sampling import Ladder
from zeeman.subjects import Potential

QUICK = Ladder(num_walkers=16, num_draws=64, num_burnin_steps=200, n_beta=tuple(4.0**k for k in range(14)))


@pytest.mark.parametrize(("expression", "llc"), [("x**2 + y**4", 3 / 4), ("(y + x**2)**2 + x**6", 2 / 3)])
def test_exponents_sum_to_the_learning_coefficient(expression: str, llc: float) -> None:
    found = examine_potential(Potential.parse(expression), torch.zeros(2), domain=1.0, ladder=QUICK)
    total, error = exponent_sum(found.directions)
    assert abs(total - llc) < 5 * error + 0.02
    assert {one.verdict for one in found.directions} == {Verdict.OK}


def test_a_minimum_elsewhere_is_found_and_two_minima_have_no_weights() -> None:
    """The square of x − ½ has α = ½ about ½; draws about two zeros spread over both at any temperature."""
    (one,) = examine_potential(Potential.parse("(x - 0.5)**2"), torch.zeros(1), domain=1.0, ladder=QUICK).directions
    assert abs(float(one.value) - 0.5) < 5 * float(one.standard_error) + 0.01
    (two,) = examine_potential(Potential.parse("(x**2 - 0.25)**2"), torch.zeros(1), domain=1.0, ladder=QUICK).directions
    assert two.verdict is Verdict.NO_WEIGHT
