"""Permuted draws keep what tokens share, and cut the tie between φ and the losses."""

from __future__ import annotations

import numpy as np
import pytest

from zeeman.bands import significant_modes
from zeeman.errors import ZeemanError
from zeeman.spectra import respond, shifted_nulls


def drawn(signal: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Six components; losses share two axes of noise; a quarter of the tokens follow φ of three, another the rest."""
    rng = np.random.default_rng(seed)
    phi = rng.normal(size=(6, 4, 30))
    noise = rng.normal(size=(6, 2, 4, 30))
    shared = np.einsum("ta,kacd->ktcd", rng.choice([-1.0, 1.0], (300, 2)), noise)
    follows = np.zeros((6, 300))
    follows[:3, :75] = follows[3:, 75:150] = signal
    losses = phi[:, None] - follows[..., None, None] * phi[:, None] + shared + rng.normal(size=(6, 300, 4, 30))
    return phi, losses


def modes(phi: np.ndarray, losses: np.ndarray) -> int:
    rho = np.column_stack([respond(p, each).rho for p, each in zip(phi, losses, strict=True)])
    nulls = np.stack([shifted_nulls(p, each) for p, each in zip(phi, losses, strict=True)], axis=-1)
    return significant_modes(rho, nulls=list(nulls)).count


def test_axes_that_noise_shares_are_no_modes_and_a_signal_is() -> None:
    assert sum(modes(*drawn(0.0, seed)) for seed in range(10)) <= 2
    assert [modes(*drawn(3.0, seed)) for seed in range(5)] == [1] * 5  # that of the two halves against each other


def test_a_pairing_is_a_plain_correlation() -> None:
    phi, losses = (part[0] for part in drawn(1.0))
    nulls = shifted_nulls(phi, losses, count=1)
    other = np.roll(phi, (1, 0), axis=(0, 1)).ravel()
    expected = [-np.corrcoef(other, (each - phi).ravel())[0, 1] for each in losses]
    np.testing.assert_allclose(nulls[0], expected, atol=1e-6)


def test_weights_are_those_of_both_draws() -> None:
    phi, losses = (part[0] for part in drawn(1.0))
    weights = np.random.default_rng(1).uniform(0.1, 1, phi.shape)
    both = weights * np.roll(weights, (1, 0), axis=(0, 1))
    cov = np.cov(np.roll(phi, (1, 0), axis=(0, 1)).ravel(), (losses[5] - phi).ravel(), aweights=both.ravel())
    expected = -cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])
    assert shifted_nulls(phi, losses, weights, count=1)[0, 5] == pytest.approx(expected, abs=1e-6)


def test_few_draws_give_each_pairing_once_and_one_chain_none() -> None:
    phi, losses = (part[0] for part in drawn(1.0))
    assert shifted_nulls(phi[:2, :4], losses[:, :2, :4]).shape == (4, 300)
    with pytest.raises(ZeemanError, match="two chains or more"):
        shifted_nulls(phi[:1], losses[:, :1])
