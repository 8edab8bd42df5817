"""Draws that go too far or stay too near: what is proposed is where a quadratic loss gives a tenth of a nat."""

from __future__ import annotations

import re

import numpy as np
import pytest

from zeeman.spectra import resolved, respond, token_spread
from zeeman.spectra import unresolved as told_of

GAMMA = 4.0


def unresolved(losses: np.ndarray, phi: np.ndarray, n_beta: float, localization: float) -> str:
    chi = respond(phi, losses)
    counts = [int(resolved(*each).sum()) for each in ((chi.rho, chi.rho_se), (chi.null, chi.null_se))]
    return told_of(*counts, float(phi.mean()), token_spread(chi, phi), n_beta=n_beta, localization=localization)


def drawn(scale: float) -> tuple[np.ndarray, np.ndarray]:
    """φ of a quadratic loss in four directions, and losses of tokens that each follow a direction of their own."""
    rng = np.random.default_rng(0)
    w = scale * rng.normal(size=(4, 60, 4))
    phi = 0.5 * (w**2).sum(axis=-1) + w[..., 0]
    losses = phi + np.moveaxis(w @ rng.normal(size=(4, 300)), -1, 0)
    return phi, losses


def test_what_resolves_is_left_alone() -> None:
    phi, losses = drawn(0.2)
    assert unresolved(losses, phi, n_beta=0.0, localization=GAMMA) == ""


@pytest.mark.parametrize("n_beta", [0.0, 50.0])
def test_draws_that_are_too_far_are_brought_to_a_tenth_of_a_nat(n_beta: float) -> None:
    """Losses that jump about without regard to φ, at 8 nats a token."""
    rng = np.random.default_rng(1)
    phi = 8 + rng.normal(size=(4, 60))
    told = unresolved(phi + 8 * rng.normal(size=(300, 4, 60)), phi, n_beta=n_beta, localization=GAMMA)
    assert "too far" in told
    name, proposed = re.findall(r"(n_beta|localization) of about (\S+) would", told)[0]
    assert name == ("n_beta" if n_beta else "localization")
    assert float(proposed) == pytest.approx((n_beta or GAMMA) * phi.mean() / 0.1, rel=0.3)


def test_draws_that_stay_within_rounding_are_sent_further() -> None:
    """Steps of 1e-7 nats between losses that move by as much: noise alone is left."""
    rng = np.random.default_rng(2)
    phi = 1e-7 * rng.integers(-1, 2, size=(4, 60))
    noise = phi + 1e-7 * rng.integers(-1, 2, size=(300, 4, 60))
    told = unresolved(noise, phi, n_beta=0.0, localization=1e14)
    (proposed,) = re.findall(r"localization of about (\S+) would", told)
    assert 1 < float(proposed) < 1e4


def test_weak_draws_of_many_tokens_ask_for_more() -> None:
    rng = np.random.default_rng(3)
    phi = 0.05 + 0.01 * rng.normal(size=(4, 30))
    told = unresolved(phi + rng.normal(size=(300, 4, 30)), phi, n_beta=0.0, localization=GAMMA)
    assert "raise num_draws" in told
