"""Free energies of rungs against closed forms and against pymbar."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeeman.errors import ZeemanError
from zeeman.spectra.tempering import free_energies, log_prior_weights, pool


def gamma_rungs(exponent: float, rungs: int, draws: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    t = np.geomspace(1, 4.0 ** (rungs - 1), rungs)
    return t, np.random.default_rng(seed).gamma(exponent, size=(rungs, draws)) / t[:, None]


def test_free_energies_are_those_of_pymbar() -> None:
    from pymbar import MBAR

    t, energy = gamma_rungs(1.5, 6, 400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymbar passes scipy options that it does not know
        theirs = MBAR(t[:, None] * energy.ravel()[None], np.full(6, 400)).compute_free_energy_differences()
    ours = free_energies(pool(energy), t, np.full(6, 400.0))
    assert np.allclose(ours, theirs["Delta_f"][0], atol=1e-6)


@given(st.floats(0.2, 4.0), st.integers(0, 5))
def test_a_power_law_of_volumes_gives_back_its_exponent(exponent: float, seed: int) -> None:
    """V ∝ ε^λ gives Z ∝ t^−λ."""
    t, energy = gamma_rungs(exponent, 5, 1500, seed)
    f = free_energies(pool(energy), t, np.full(5, 1500.0))
    assert f[-1] == pytest.approx(exponent * np.log(t[-1]), abs=0.4)


def test_pooling_many_draws_changes_nothing_that_counts() -> None:
    t, energy = gamma_rungs(0.7, 6, 8000)
    sizes = np.full(6, 8000.0)
    many = pool(energy)
    assert len(many.energy) < energy.size / 10
    assert np.exp(many.log_count).sum() == pytest.approx(energy.size)
    few = pool(energy[:, :3000])
    assert np.allclose(free_energies(many, t, sizes), free_energies(few, t, np.full(6, 3000.0)), atol=0.08)


def test_weights_of_the_prior_reproduce_the_mean_of_every_rung() -> None:
    t, energy = gamma_rungs(1.2, 6, 3000)
    pooled, sizes = pool(energy), np.full(6, 3000.0)
    weights = log_prior_weights(pooled, t, free_energies(pooled, t, sizes), sizes)
    for rung in range(6):
        tilted = np.exp(weights - t[rung] * pooled.energy)
        assert t[rung] * (tilted @ pooled.energy) / tilted.sum() == pytest.approx(1.2, abs=0.08)


def test_rungs_that_share_no_energies_are_refused() -> None:
    t = np.array([1.0, 1e12])
    energy = np.stack([np.linspace(1, 2, 50), np.linspace(1e-12, 2e-12, 50)])
    with pytest.raises(ZeemanError, match="overlap"):
        free_energies(pool(energy), t, np.full(2, 50.0))
