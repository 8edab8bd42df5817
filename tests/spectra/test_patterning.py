"""Patterned data moves the readings of an exactly solvable posterior as predicted, and more than other data does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.spectra import ResponseSums, pattern

Array = NDArray[np.float64]
N_BETA, GAMMA, D, PROBES = 30.0, 20.0, 6, 10


class Tilted:
    """Diagonal quadratics: probe k has loss ½ Σ_i a_ki δ_i² + g_k·δ, the data their mean; φ_i = ½ a_i δ_i²."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.curvature = self.rng.gamma(2, size=(PROBES, D))
        self.gradient = self.rng.normal(size=(PROBES, D)) / 3
        self.gradient -= self.gradient.mean(axis=0)
        self.data = self.curvature.mean(axis=0)

    def means(self, dh: Array) -> Array:
        """⟨φ⟩ under the tilted data, in closed form."""
        tilt = self.data + dh @ (self.curvature - self.data)
        sigma = 1 / (N_BETA * tilt + GAMMA)
        centre = -N_BETA * sigma * (dh @ self.gradient)
        answer: Array = self.data * (sigma + centre**2) / 2
        return answer

    def response(self, draws: int = 100, chains: int = 4) -> tuple[Array, Array]:
        """χ (observables, probes) with each stretch left out."""
        delta = self.rng.normal(size=(chains, draws, D)) / np.sqrt(N_BETA * self.data + GAMMA)
        losses = np.tensordot(self.curvature, delta**2, (1, 2)) / 2 + np.tensordot(self.gradient, delta, (1, 2))
        losses -= losses.mean(axis=0)
        chi, kept = [], []
        for i in range(D):
            phi = self.data[i] * delta[..., i] ** 2 / 2
            sums = ResponseSums(PROBES, phi)
            # Observables here are not the loss that the sums subtract.
            sums.add(losses + phi)
            chi.append(sums.respond().covariance)
            kept.append(sums.leave_one_out())
        return np.stack(chi), np.stack(kept, axis=1)


def test_predicted_changes_happen() -> None:
    scores, signs = [], []
    for seed in range(60):
        model = Tilted(seed)
        still = model.means(np.zeros(PROBES))
        target = 0.01 * still * model.rng.normal(size=D)
        found = pattern(*model.response(draws=400), target, N_BETA)
        assert found.rank >= 1
        step = 1e-3
        moved = (model.means(step * found.dh) - still) / step
        scores.append((found.predicted - moved) / found.predicted_se)
        signs.append(moved @ target > 0)
    z = np.concatenate(scores)
    assert np.mean(signs) >= 0.9
    assert float((abs(z) < 1.96).mean()) > 0.88
    # Unbiased although dh was chosen on the same draws.
    assert abs(np.mean([score.mean() for score in scores])) < 4 * np.std([s.mean() for s in scores]) / math.sqrt(60)


def test_patterned_data_moves_more_than_random_data_of_the_same_size() -> None:
    wins = []
    for seed in range(30):
        model = Tilted(seed)
        still = model.means(np.zeros(PROBES))
        target = np.eye(D)[seed % D] * still
        dh = pattern(*model.response(draws=400), target, N_BETA).dh
        others = model.rng.normal(size=(40, PROBES))
        others *= np.linalg.norm(dh) / np.linalg.norm(others, axis=1, keepdims=True)
        gain = [(model.means(1e-3 * h) - still) @ target for h in (dh, *others)]
        wins.append(gain[0] > np.quantile(gain[1:], 0.9))
    assert np.mean(wins) >= 0.9


def test_many_draws_reach_the_target() -> None:
    model = Tilted(0)
    target = 0.01 * model.means(np.zeros(PROBES))
    found = pattern(*model.response(draws=20_000), target, N_BETA)
    assert found.rank == D
    np.testing.assert_allclose(found.out_of_reach, 0, atol=1e-12)
    assert (abs(found.predicted - target) < 4 * found.predicted_se).all()


def test_the_threshold_is_the_norm_of_noise() -> None:
    rng = np.random.default_rng(1)
    sizes, thresholds = [], []
    for _ in range(40):
        parts = rng.normal(size=(200, 20, 30))
        chi = parts.mean(axis=0)
        kept = (parts.sum(axis=0) - parts) / 199
        found = pattern(chi, kept, np.ones(20))
        sizes.append(found.singular_values[0])
        thresholds.append(found.threshold)
    # Nearly all noise stays below, and no more than need be.
    assert np.mean(np.array(sizes) < thresholds) >= 0.9
    assert np.mean(sizes) == pytest.approx(np.mean(thresholds), rel=0.15)


def test_pure_noise_proposes_nothing_and_says_why() -> None:
    rng = np.random.default_rng(2)
    parts = rng.normal(size=(20, 4, 5))
    found = pattern(np.zeros((4, 5)), (parts.sum(axis=0) - parts) / 19 - parts.mean(axis=0), np.ones(4))
    assert found.rank == 0
    assert "add draws" in found.reason
    np.testing.assert_array_equal(found.dh, 0)
    np.testing.assert_array_equal(found.predicted, 0)
    np.testing.assert_array_equal(found.out_of_reach, 1)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.floats(1e-2, 1e2))
def test_the_mixture_is_the_smallest_that_reaches_the_target(seed: int, scale: float, n_beta: float) -> None:
    rng = np.random.default_rng(seed)
    chi = rng.normal(size=(3, 6))
    kept = chi + 1e-9 * rng.normal(size=(20, 3, 6))
    target = rng.normal(size=3)
    found = pattern(chi, kept, target, n_beta)
    np.testing.assert_allclose(n_beta * chi @ found.dh, target, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.dh, np.linalg.pinv(chi) @ target / n_beta, rtol=1e-6, atol=1e-9)
    twice = pattern(chi * scale, kept * scale, target, n_beta)
    np.testing.assert_allclose(twice.dh * scale, found.dh, rtol=1e-5, atol=1e-9)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ZeemanError, match="at least 2 stretches"):
        pattern(np.zeros((2, 3)), np.zeros((1, 2, 3)), np.zeros(2))
    with pytest.raises(ZeemanError, match="expected finite"):
        pattern(np.zeros((2, 3)), np.zeros((4, 2, 3)), np.array([0.0, np.nan]))
