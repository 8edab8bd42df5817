"""Volumes below a loss against closed forms, with errors that hold them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zeeman.errors import ZeemanError
from zeeman.sampling import Ladder, run_ladder
from zeeman.spectra import density_of_states
from zeeman.subjects import Potential


def test_volume_of_a_product_of_squares_with_its_logarithm() -> None:
    """Vol{x²y² < ε} on the square is s(1 − log s), s = √ε: the exponent is λ = ½ less what the logarithm takes."""
    ladder = Ladder(num_walkers=64, num_draws=150, num_burnin_steps=800, n_beta=tuple(4.0 ** np.arange(-1, 12)))
    draws = run_ladder(Potential.parse("x**2*y**2"), torch.zeros(2), ladder, domain=1.0)
    found = density_of_states(draws.energy, draws.n_beta)
    log_volume = lambda epsilon: 0.5 * np.log(epsilon) + np.log(1 - 0.5 * np.log(epsilon))  # noqa: E731
    assert found.epsilon.min() < 1e-5
    gap = (found.log_volume - log_volume(found.epsilon)) / found.log_volume_se
    assert np.abs(gap).max() < 4.5
    exponent = log_volume(found.epsilon * np.exp(0.5)) - log_volume(found.epsilon * np.exp(-0.5))
    inside = found.epsilon < 0.5
    assert np.all(np.abs(found.exponent - exponent)[inside] < 5 * found.exponent_se[inside] + 0.004)


def test_z_and_heat_capacity_of_a_power_law() -> None:
    t = np.geomspace(1, 1e4, 9)
    energy = np.random.default_rng(1).gamma(2.0, size=(9, 32, 300)) / t[:, None, None]
    found = density_of_states(energy, t)
    assert np.all(np.abs(found.energy - 2) < 4 * found.energy_se)
    assert np.all(np.abs(found.capacity - 2) < 4 * found.capacity_se)
    slope = np.diff(found.log_z) / np.diff(np.log(t))
    assert np.allclose(slope, -2, atol=0.2)
    assert np.all(np.linalg.eigvalsh(found.log_z_covariance) > -1e-12)


def test_errors_of_the_volume_hold_the_truth_as_often_as_they_say() -> None:
    t, inside, cases = np.geomspace(1, 1e3, 7), 0, 40
    for seed in range(cases):
        energy = np.random.default_rng(seed).gamma(1.5, size=(7, 12, 20)) / t[:, None, None]
        found = density_of_states(energy, t)
        low, high = 2, len(found.epsilon) - 3
        rise = found.log_volume[high] - found.log_volume[low]
        covariance = found.log_volume_covariance
        error = np.sqrt(covariance[high, high] + covariance[low, low] - 2 * covariance[high, low])
        truth = 1.5 * np.log(found.epsilon[high] / found.epsilon[low])
        inside += abs(rise - truth) < error
    assert 0.5 < inside / cases < 0.85


@pytest.mark.parametrize(
    ("energy", "words"),
    [
        (np.ones((3, 4, 5)), "2 rungs"),
        (np.ones((2, 1, 5)), "one walker"),
        (np.full((2, 4, 5), np.nan), "not finite"),
        (np.zeros((2, 4, 5)), "at or below a loss of 0"),
    ],
)
def test_what_has_no_density_is_refused(energy: np.ndarray, words: str) -> None:
    with pytest.raises(ZeemanError, match=words):
        density_of_states(energy, np.array([1.0, 2.0]))
