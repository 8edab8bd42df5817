"""Importance weights carry Gaussian draws to the posterior where k̂ allows, and say so where it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from zeeman.errors import ZeemanError
from zeeman.reading import Verdict
from zeeman.spectra import importance_weights, respond, reweighted_llc

Array = NDArray[np.float64]
GAMMA = 10.0
CURVATURE = np.array([8.0, 4.0, 2.0, 1.0, 0.5])


def unloaded(rng: np.random.Generator, chains: int = 4, draws: int = 500) -> tuple[Array, Array]:
    delta = rng.normal(size=(chains, draws, len(CURVATURE))) / math.sqrt(GAMMA)
    return delta, (delta**2) @ CURVATURE / 2


def exact_llc(n_beta: float) -> float:
    return float((n_beta * CURVATURE / (n_beta * CURVATURE + GAMMA)).sum() / 2)


@pytest.mark.parametrize("n_beta", [0.0, 0.3, 1.0, 3.0])
def test_the_learning_coefficient_is_that_of_the_gaussian_with_errors_that_cover(n_beta: float) -> None:
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(200):
        reading = reweighted_llc(unloaded(rng)[1], n_beta)
        assert reading.verdict is Verdict.OK
        scores.append((float(reading.value) - exact_llc(n_beta)) / max(float(reading.standard_error), 1e-300))
    if n_beta == 0:
        assert not np.any(scores)
        return
    for level in (1.0, 1.96):
        expected = 1 - 2 * stats.t.sf(level, 19)
        tolerance = 3 * math.sqrt(expected * (1 - expected) / 200)
        assert float((np.abs(scores) < level).mean()) == pytest.approx(expected, abs=tolerance)


def test_the_weighted_response_is_that_of_the_posterior() -> None:
    rng = np.random.default_rng(1)
    n_beta = 2.0
    sigma = 1 / (n_beta * CURVATURE + GAMMA)
    bent, gradient = rng.normal(size=(30, 5)) * 3, rng.normal(size=(30, 5)) / 3
    covariance = -((bent - CURVATURE) * CURVATURE * sigma**2).sum(axis=1) / 2
    spread = ((bent - CURVATURE) ** 2 * sigma**2).sum(1) / 2 + (gradient**2 * sigma).sum(1)
    truth = {"covariance": covariance, "rho": covariance / np.sqrt(spread * (CURVATURE**2 * sigma**2).sum() / 2)}
    truth["null"] = 0 * covariance
    scores: dict[str, list[Array]] = {name: [] for name in truth}
    for _ in range(120):
        delta, phi = unloaded(rng)
        losses = np.tensordot(gradient, delta, (1, 2)) + np.tensordot(bent, delta**2, (1, 2)) / 2
        weights = importance_weights(phi, n_beta)
        assert weights.verdict is Verdict.OK
        chi = respond(phi, losses, weights=weights.weights)
        for name, found in scores.items():
            found.append((getattr(chi, name) - truth[name]) / getattr(chi, f"{name}_se"))
    for name, found in scores.items():
        z = np.stack(found)
        expected = 1 - 2 * stats.t.sf(1.96, 19)
        # Tokens share their draws: 120 independent replicas.
        tolerance = 3 * math.sqrt(expected * (1 - expected) / 120)
        assert float((abs(z) < 1.96).mean()) == pytest.approx(expected, abs=tolerance), name


def test_equal_weights_are_no_weights() -> None:
    rng = np.random.default_rng(2)
    delta, phi = unloaded(rng, draws=40)
    losses = np.moveaxis(delta, -1, 0)
    plain, weighted = respond(phi, losses), respond(phi, losses, weights=importance_weights(phi, 0.0).weights)
    for name, value in vars(plain).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(getattr(weighted, name), value, rtol=1e-9, atol=1e-12)
    assert weighted.floor == pytest.approx(plain.floor)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0, 5), st.floats(-1e3, 1e3))
def test_weights_fall_with_energy_and_forget_its_zero(seed: int, n_beta: float, offset: float) -> None:
    _, energy = unloaded(np.random.default_rng(seed), draws=50)
    found = importance_weights(energy, n_beta)
    assert found.weights.sum() == pytest.approx(1)
    assert (found.weights > 0).all()
    order = np.argsort(energy.ravel())
    assert (np.diff(found.weights.ravel()[order]) <= 1e-12).all()
    moved = importance_weights(energy + offset, n_beta)
    np.testing.assert_allclose(moved.weights, found.weights, rtol=1e-6)
    # Outside the smoothed tail (the 42 largest of 200) the weights are exp(−nβΔL) itself.
    bulk = order[60:]
    ratio = np.log(found.weights.ravel()[bulk]) + n_beta * energy.ravel()[bulk]
    np.testing.assert_allclose(ratio, ratio[0], atol=1e-8)


@pytest.mark.parametrize("d", [2, 20, 200])
def test_what_passes_is_right_within_its_error_and_what_lies_too_far_is_told(d: int) -> None:
    rng = np.random.default_rng(3)
    scores, share = [], []
    for n_beta in np.geomspace(0.1, 1e5, 13):
        exact = d / 2 * n_beta / (n_beta + GAMMA)
        readings = [reweighted_llc(rng.chisquare(d, size=(4, 100)) / 2 / GAMMA, n_beta) for _ in range(20)]
        trusted = [r for r in readings if r.verdict is Verdict.OK]
        assert all(r.verdict is Verdict.REWEIGHTED_TOO_FAR for r in readings if r not in trusted)
        share.append(len(trusted) / 20)
        scores += [(float(r.value) - exact) / float(r.standard_error) for r in trusted]
    assert share[0] == 1
    assert share[-1] == 0
    expected = 1 - 2 * stats.t.sf(1.96, 19)
    tolerance = 3 * math.sqrt(expected * (1 - expected) / len(scores))
    assert float((np.abs(scores) < 1.96).mean()) == pytest.approx(expected, abs=tolerance)


def test_too_few_draws_and_one_chain_say_so() -> None:
    energy = np.random.default_rng(4).gamma(2, size=(2, 10))
    assert importance_weights(energy, 1.0).verdict is Verdict.TOO_FEW_DRAWS
    alone = reweighted_llc(np.random.default_rng(5).gamma(2, size=(1, 100)), 0.5)
    assert math.isnan(float(alone.standard_error))
    assert "at least two" in alone.reasons[-1]
    with pytest.raises(ZeemanError, match="n_beta ≥ 0"):
        importance_weights(energy, -1.0)
    with pytest.raises(ZeemanError, match="finite energies"):
        importance_weights(energy * np.nan, 1.0)
