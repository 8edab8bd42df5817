"""Log amplitudes: the closed form of a quadratic loss, their error, and what is refused."""

import numpy as np
import pytest

from zeeman.errors import ZeemanError
from zeeman.spectra import ResponseSums, log_amplitude


def test_quadratic_losses_have_the_amplitude_of_the_closed_form():
    """ℓ = ½ wᵀHw under N(0, γ⁻¹) has the variance ½ γ⁻² tr H²."""
    rng, gamma, draws = np.random.default_rng(0), 50.0, 20_000
    weights = rng.normal(size=(4, draws // 4, 6)) / np.sqrt(gamma)
    curvatures = rng.exponential(size=(5, 6)) * np.geomspace(1, 1e3, 5)[:, None]
    losses = 0.5 * np.einsum("ti,cdi->tcd", curvatures, weights**2)
    expected = 0.5 * np.log(0.5 * (curvatures**2).sum(axis=1) / gamma**2)
    # Var(s²)/σ⁴ = (κ − 1)/N with the kurtosis κ = 3 + 12 Σh⁴/(Σh²)² of a sum of squares; a has half that error.
    kurtosis = 3 + 12 * (curvatures**4).sum(axis=1) / (curvatures**2).sum(axis=1) ** 2
    assert (abs(log_amplitude(losses) - expected) < 4 * 0.5 * np.sqrt((kurtosis - 1) / draws)).all()


def test_the_error_is_that_of_gaussian_draws_whatever_the_token():
    draws, spreads = 60, np.repeat([0.05, 1.0, 20.0], 2000)
    losses = np.random.default_rng(1).normal(size=(6000, 4, draws // 4)) * spreads[:, None, None]
    for found, spread in zip(log_amplitude(losses).reshape(3, -1), (0.05, 1.0, 20.0), strict=True):
        # Bias −1/4N of a log, error 1/√(2N); the spread of 2,000 errors is known to 1/√4000.
        assert abs(found.mean() - np.log(spread)) < 1 / draws
        assert abs(found.std() * np.sqrt(2 * draws) - 1) < 5 / np.sqrt(4000)


def test_reference_losses_do_not_matter_and_halves_of_precision_suffice():
    losses = np.random.default_rng(2).normal(size=(50, 4, 15))
    np.testing.assert_allclose(log_amplitude(losses + 0.5), log_amplitude(losses), rtol=1e-9)
    np.testing.assert_allclose(log_amplitude(losses.astype(np.float16)), log_amplitude(losses), atol=1e-3)


def test_what_has_no_spread_is_refused():
    for losses in (np.zeros((5, 4)), np.zeros((5, 1, 1)), np.full((5, 2, 3), np.nan)):
        with pytest.raises(ZeemanError, match="finite losses"):
            log_amplitude(losses)


def sums_of(losses: np.ndarray, phi: np.ndarray) -> ResponseSums:
    sums = ResponseSums(len(losses), phi)
    for draw in range(0, phi.shape[1], 4):
        sums.add(losses[..., draw : draw + 4], draw=draw)
    return sums


def test_sums_of_a_susceptibility_give_the_same_by_halves_and_without_stretches():
    rng = np.random.default_rng(3)
    phi = rng.normal(size=(4, 15))
    losses = rng.normal(size=(20, 4, 15)) * np.geomspace(0.01, 10, 20)[:, None, None] + 2 * phi
    sums = sums_of(losses, phi)
    np.testing.assert_allclose(sums.log_amplitude(), log_amplitude(losses), rtol=1e-6)
    halves = [log_amplitude(losses[:, :2]), log_amplitude(losses[:, 2:])]
    np.testing.assert_allclose(sums.log_amplitude_halves(), halves, rtol=1e-6)
    # The first stretch is the first three of fifteen draws of the first chain.
    kept = losses.reshape(20, 1, -1)[..., 3:]
    np.testing.assert_allclose(sums.leave_one_out_log_amplitude()[0], log_amplitude(kept), rtol=1e-6)


def test_halves_differ_by_the_noise_of_the_whole_and_by_nothing_else():
    """Their difference spreads as the error of a does, and knows nothing of how far tokens move."""
    rng, tokens = np.random.default_rng(4), 4000
    phi, truth = rng.normal(size=(4, 15)), rng.normal(size=tokens)
    losses = np.exp(truth)[:, None, None] * rng.normal(size=(tokens, 4, 15))
    noise = sums_of(losses, phi).log_amplitude_noise(5)
    assert noise.shape == (5, tokens)
    assert abs(noise.std() * np.sqrt(2 * 60) - 1) < 0.05
    assert (np.abs([np.corrcoef(each, truth)[0, 1] for each in noise]) < 4 / np.sqrt(tokens)).all()
    assert (np.abs(np.corrcoef(noise)[np.triu_indices(5, 1)]) < 1).all()
