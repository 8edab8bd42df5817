"""Chains in log w against integrals in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from zeeman.errors import ZeemanError
from zeeman.sampling import run_corner_walk
from zeeman.spectra import observable_exponent

N_BETA = np.geomspace(1e2, 1e6, 8).tolist()


def near(values: np.ndarray, expected: np.ndarray) -> None:
    """Each mean over chains within four of its errors."""
    means = values.mean(axis=2)
    error = means.std(axis=1, ddof=1) / math.sqrt(means.shape[1])
    assert np.all(np.abs(means.mean(axis=1) - expected) < 4 * error)


def test_a_plain_error_has_an_exponential_law() -> None:
    """K = w on [0, ½] and a weight that K does not feel."""
    draws = run_corner_walk(lambda w: w[:, 0], 2, N_BETA, observables={"free": lambda w: w[:, 1]})
    t = np.array(N_BETA)
    near(draws.energy, 1 / t - 0.5 * np.exp(-0.5 * t) / (1 - np.exp(-0.5 * t)))
    near(draws.observed["free"], np.full(len(t), 0.25))
    assert draws.disagreement < 4


def test_a_product_has_its_logarithm() -> None:
    """K = xy on the unit square: Z(t) = ∫₀ᵗ (1 − e^−u)/u du / t, hence t⟨K⟩ = 1 − (1 − e^−t)/(t Z)."""
    t = np.array(N_BETA)
    draws = run_corner_walk(lambda w: w.prod(1), 2, N_BETA, domain=1.0)
    near(t[:, None, None] * draws.energy, 1 - 1 / (np.log(t) + np.euler_gamma))


def test_observables_fall_with_their_exponents() -> None:
    """K = x² + y³ has λ = 5/6, weights 1/2 and 1/3."""
    seen = {"x": lambda w: w[:, 0], "y": lambda w: w[:, 1]}
    draws = run_corner_walk(lambda w: w[:, 0] ** 2 + w[:, 1] ** 3, 2, N_BETA, domain=1.0, observables=seen)
    for name, exponent in {"x": 1 / 2, "y": 1 / 3}.items():
        reading = observable_exponent(draws.observed[name], draws.n_beta)
        assert abs(reading.value - exponent) < 4 * reading.standard_error


def test_the_seed_is_all_that_decides() -> None:
    runs = [
        run_corner_walk(lambda w: w.sum(1), 3, [10.0], num_draws=5, num_burnin_steps=5, seed=s).energy
        for s in (1, 1, 2)
    ]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_chains_that_did_not_meet_disagree() -> None:
    still = run_corner_walk(lambda w: w.sum(1), 3, [1e6], num_draws=2, num_burnin_steps=0, num_steps_bw_draws=1)
    assert still.disagreement > 4


@pytest.mark.parametrize(
    "given", [{"domain": 0.0}, {"num_chains": 2}, {"num_draws": 0}, {"n_beta": []}, {"n_beta": [-1.0]}]
)
def test_what_makes_no_sense_is_refused(given: dict) -> None:
    arguments = {"n_beta": [1.0]} | given
    with pytest.raises(ZeemanError):
        run_corner_walk(lambda w: w.sum(1), 2, **arguments)
    with pytest.raises(ZeemanError, match="finite"):
        run_corner_walk(lambda w: torch.full((len(w),), math.nan), 2, [1.0])
