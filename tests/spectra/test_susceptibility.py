"""Susceptibilities: the fluctuation is the response, both terms add up, and error bars cover as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from zeeman.errors import ZeemanError
from zeeman.spectra import Susceptibility, jackknife, susceptibility

Array = NDArray[np.float64]


def autoregressive(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> Array:
    white = rng.normal(size=(*shape[:-1], shape[-1] + 200))
    return signal.lfilter([math.sqrt(1 - memory**2)], [1, -memory], white, axis=-1)[..., 200:]


def correlated(
    rng: np.random.Generator, rho: Array, chains: int = 4, draws: int = 120, memory: float = 0.0
) -> tuple[Array, Array, Array]:
    """φ and losses of unit variance with covariance rho, and losses of full chains; means 1, 2 and 0."""
    shape = (len(rho), chains, draws)
    phi = autoregressive(rng, shape[1:], memory)
    r = rho[:, None, None]
    losses = r * phi + np.sqrt(1 - r**2) * autoregressive(rng, shape, memory)
    return 1 + phi, 2 + losses, autoregressive(rng, shape, memory)


def test_the_covariance_term_is_minus_that_of_numpy() -> None:
    phi, losses, full = correlated(np.random.default_rng(0), np.linspace(-0.9, 0.9, 7))
    chi = susceptibility(phi, losses, full)
    for i, loss in enumerate(losses):
        assert chi.covariance[i] == pytest.approx(-np.cov(phi.ravel(), loss.ravel())[0, 1], rel=1e-12)
        assert chi.rho[i] == pytest.approx(-np.corrcoef(phi.ravel(), loss.ravel())[0, 1], rel=1e-12)


def test_both_terms_add_up_to_the_direct_formula() -> None:
    phi, losses, full = correlated(np.random.default_rng(1), np.linspace(-0.5, 0.5, 5), chains=3)
    chi = susceptibility(phi, losses, full)
    n = phi.size
    direct = -((phi * losses).mean(axis=(1, 2)) - phi.mean() * full.mean(axis=(1, 2)))
    # The covariance is the unbiased one; the direct formula divides by n.
    np.testing.assert_allclose(chi.covariance * (n - 1) / n + chi.shift, direct, rtol=1e-10)
    np.testing.assert_allclose(chi.total, chi.covariance + chi.shift)


@pytest.mark.parametrize("n_beta", [1.0, 20.0, 300.0])
def test_minus_the_covariance_is_the_response_to_a_tilt_of_the_data(n_beta: float) -> None:
    # Finitely many weights w_i with multiplicities c_i: p_i ∝ exp(−nβ L_i) exactly for L_i = −log(c_i)/nβ.
    rng = np.random.default_rng(2)
    counts = rng.integers(1, 30, size=12)
    data_loss = -np.log(counts) / n_beta
    phi = data_loss - data_loss.min()
    probes = rng.normal(size=(4, 12)) / n_beta

    def thermal(h: float, tilt: Array) -> float:
        """⟨φ⟩ under the loss (1 − h) L + h ℓ'."""
        weight = np.exp(-n_beta * ((1 - h) * data_loss + h * tilt))
        return float(phi @ weight / weight.sum())

    draws = rng.permutation(np.repeat(np.arange(12), counts))
    chains = draws[: len(draws) // 2 * 2].reshape(2, -1) if len(draws) % 2 == 0 else draws[None]
    losses = (probes - data_loss)[:, chains]
    chi = susceptibility(phi[chains], losses, losses)
    n = len(draws)
    for i, tilt in enumerate(probes):
        h = 1e-4
        response = (thermal(h, tilt) - thermal(-h, tilt)) / (2 * h) / n_beta
        assert chi.covariance[i] * (n - 1) / n == pytest.approx(response, rel=1e-6)
    np.testing.assert_allclose(chi.shift, 0, atol=1e-15)  # everything moves: no difference of the means


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(-5, 5))
def test_rho_is_a_correlation(seed: int, a: float, b: float, offset: float) -> None:
    rng = np.random.default_rng(seed)
    phi, losses, full = correlated(rng, rng.uniform(-1, 1, size=3), chains=3, draws=20)
    chi = susceptibility(phi, losses, full)
    scaled = susceptibility(a * phi + offset, b * losses - offset, b * full)
    assert (abs(chi.rho) <= 1).all()
    for name in ("rho", "rho_se", "null", "null_se"):
        np.testing.assert_allclose(getattr(scaled, name), getattr(chi, name), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(scaled.covariance, a * b * chi.covariance, rtol=1e-6, atol=1e-9 * a * b)
    flipped = susceptibility(phi, -losses, -full)
    np.testing.assert_allclose(flipped.rho, -chi.rho)
    np.testing.assert_allclose(flipped.total, -chi.total)


def test_a_probe_that_follows_phi_has_rho_minus_one_and_one_that_stands_still_zero() -> None:
    phi = np.random.default_rng(0).normal(size=(3, 40))
    # Losses relative to φ: −φ is that of a loss that does not move, 0 that of one that moves as the data's.
    chi = susceptibility(phi, np.stack([2 * phi, -2 * phi, -phi, 0 * phi]), np.zeros((4, 1, 10)))
    np.testing.assert_allclose(chi.rho, [-1, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(chi.rho_se, 0, atol=1e-12)
    np.testing.assert_array_equal(chi.constant, [False, False, True, True])
    assert chi.covariance[2] == pytest.approx(phi.var(ddof=1))


def coverage(memory: float, chains: int = 4, draws: int = 120, repeats: int = 150) -> dict[str, Array]:
    """Scores (estimate − truth)/SE of each term over independent replicas."""
    rng = np.random.default_rng(3)
    scores: dict[str, list[Array]] = {"covariance": [], "shift": [], "rho": [], "null": []}
    rho = np.array([-0.7, -0.3, 0.0, 0.3, 0.7])
    truth = {"covariance": -rho, "shift": -2.0, "rho": -rho, "null": 0.0}
    for _ in range(repeats):
        chi = susceptibility(*correlated(rng, rho, chains, draws, memory))
        for name, values in scores.items():
            values.append((getattr(chi, name) - truth[name]) / getattr(chi, f"{name}_se"))
    return {name: np.concatenate(values) for name, values in scores.items()}


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_error_bars_cover_as_they_say(memory: float) -> None:
    for name, scores in coverage(memory).items():
        covered = float((abs(scores) < 2).mean())
        assert 0.87 <= covered <= 0.985, (name, covered)


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_the_null_is_centred_and_blind_to_a_true_correlation(memory: float) -> None:
    rng = np.random.default_rng(4)
    strong = np.array([-0.9, 0.9])
    found = [susceptibility(*correlated(rng, strong, memory=memory)) for _ in range(120)]
    null = np.stack([chi.null for chi in found])
    assert (abs(null.mean(axis=0)) < 4 * null.std(axis=0) / math.sqrt(len(found)) + 0.005).all()
    assert 0.7 < null.std() / np.stack([chi.null_se for chi in found]).mean() < 1.4
    assert (abs(np.stack([chi.rho for chi in found]).mean(axis=0)) > 0.8).all()


def test_the_floor_of_rho_is_one_over_the_root_of_the_draws() -> None:
    chi = susceptibility(*correlated(np.random.default_rng(5), np.zeros(200)))
    assert chi.rho_se.mean() == pytest.approx(1 / math.sqrt(480), rel=0.15)
    assert chi.rho.std() == pytest.approx(1 / math.sqrt(480), rel=0.25)


def test_one_chain_has_a_null_too_but_no_error_bar() -> None:
    chi = susceptibility(*correlated(np.random.default_rng(6), np.array([0.9, -0.9]), chains=1, draws=500))
    assert "at least two" in chi.reason
    for name in ("covariance", "shift", "total", "rho", "null"):
        assert np.isfinite(getattr(chi, name)).all()
        assert np.isnan(getattr(chi, f"{name}_se")).all()
    assert (abs(chi.null) < 0.2).all()
    assert (abs(chi.rho) > 0.8).all()


def test_the_mean_shift_has_the_error_of_both_chain_sets() -> None:
    rng = np.random.default_rng(7)
    phi, losses, _ = correlated(rng, np.zeros(40), draws=2000)
    # χ_shift = −⟨φ⟩ (⟨ℓ⟩_C − ⟨ℓ⟩_F) with means 1, 2 and 0: variance (2² + 1²)/8000 and 1 over the draws of F.
    for draws in (10, 4000):
        chi = susceptibility(phi, losses, rng.normal(size=(40, 4, draws)))
        assert chi.shift_se.mean() == pytest.approx(math.sqrt(5 / 8000 + 1 / (4 * draws)), rel=0.25)


def test_the_jackknife_of_a_mean_of_single_draws_is_the_textbook_error() -> None:
    draws = np.random.default_rng(8).normal(size=(2, 3, 20))
    value, error = jackknife(draws, lambda x: x.mean(axis=-1), blocks_per_chain=20)
    np.testing.assert_allclose(value, draws.mean(axis=(1, 2)))
    np.testing.assert_allclose(error, draws.reshape(2, -1).std(axis=1, ddof=1) / math.sqrt(60))


def test_draws_may_be_single_precision() -> None:
    phi, losses, full = correlated(np.random.default_rng(9), np.array([0.5]))
    exact = susceptibility(phi, losses, full)
    rounded = susceptibility(*(x.astype(np.float32) for x in (phi, losses, full)))
    assert rounded.covariance.dtype == np.float64
    np.testing.assert_allclose(rounded.rho, exact.rho, atol=1e-5)


def test_every_figure_has_one_number_a_probe() -> None:
    chi = susceptibility(*correlated(np.random.default_rng(0), np.zeros(6), draws=11))
    assert isinstance(chi, Susceptibility)
    per_probe = {name: value for name, value in vars(chi).items() if name not in ("floor", "reason")}
    assert {np.shape(value)[-1:] for value in per_probe.values()} == {(6,)}
    assert chi.reason == ""


@pytest.mark.parametrize(
    ("phi", "losses", "full"),
    [((4, 10), (2, 4, 9), (2, 4, 10)), ((4, 10), (2, 4, 10), (3, 4, 10)), ((40,), (2, 40), (2, 40))],
)
def test_shapes_that_do_not_fit_are_refused(
    phi: tuple[int, ...], losses: tuple[int, ...], full: tuple[int, ...]
) -> None:
    with pytest.raises(ZeemanError, match=r"expected phi \(chains, draws\), losses .* bring them into these shapes"):
        susceptibility(np.zeros(phi), np.zeros(losses), np.zeros(full))
