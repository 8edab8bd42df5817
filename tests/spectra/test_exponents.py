"""Exponents of observables on a potential whose integrals are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zeeman.errors import ZeemanError
from zeeman.reading import Verdict
from zeeman.sampling import Ladder, run_ladder
from zeeman.spectra import observable_exponent
from zeeman.subjects import Potential


def test_lines_beyond_the_first_of_x2_y4() -> None:
    """λ = ¼ for K = x²y⁴; the densities y² and K have ½ (t^−½ where y is free) and 5/4."""
    K = Potential.parse("x**2*y**4")
    ladder = Ladder(num_walkers=64, num_draws=150, num_burnin_steps=800, n_beta=tuple(6.0 ** np.arange(-1, 15)))
    draws = run_ladder(
        K, torch.zeros(2), ladder, domain=1.0, observables={"y2": lambda w: w[:, 1] ** 2, "K": lambda w: K(w)}
    )
    for name, exponent in (("y2", 0.25), ("K", 1.0)):
        reading = observable_exponent(draws.observed[name], draws.n_beta)
        assert abs(float(reading.value) - exponent) < 4 * float(reading.standard_error) + 0.01, name


def test_a_bent_line_is_told() -> None:
    t = np.geomspace(1, 1e8, 24)
    phi = np.random.default_rng(0).gamma(4.0, size=(24, 32, 100)) * (t**-0.2 + 30 * t**-0.6)[:, None, None]
    assert observable_exponent(phi, t).verdict is Verdict.TOO_ANHARMONIC


@pytest.mark.parametrize("values", [np.ones((3, 4, 5)), np.ones((8, 1, 5)), -np.ones((8, 4, 5))])
def test_what_has_no_exponent_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ZeemanError):
        observable_exponent(values, np.geomspace(1, 10, len(values)))
