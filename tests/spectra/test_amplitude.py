"""Log amplitudes: the closed form of a quadratic loss, their error, and what is refused."""

import numpy as np
import pytest

from zeeman.errors import ZeemanError
from zeeman.spectra import log_amplitude


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
