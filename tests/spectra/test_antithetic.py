"""Pairs w* ± δ cancel the products of odd and even terms: the same ρ, with a smaller error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.spectra import Susceptibility, parity_parts, respond

Array = NDArray[np.float64]
D, TOKENS = 8, 40
world = np.random.default_rng(0)
CURVATURE = world.gamma(1, size=D)
LINEAR = world.normal(size=(TOKENS, D)) * 3
BENT = world.normal(size=(TOKENS, D)) + CURVATURE
CUBIC = world.normal(size=(TOKENS, D)) / 5


def figures(delta: Array, cubic: float) -> tuple[Array, Array]:
    """φ = ½ Σ h δ² + cubic Σ δ³, and ℓ_xy = g·δ + ½ Σ a δ² + Σ c δ³ beside it."""
    phi = (delta**2) @ CURVATURE / 2 + cubic * (delta**3).sum(axis=-1)
    terms = np.tensordot(LINEAR, delta, (1, 2)) + np.tensordot(BENT, delta**2, (1, 2)) / 2
    return phi, terms + np.tensordot(CUBIC, delta**3, (1, 2))


def truth(cubic: float) -> tuple[Array, Array]:
    """−Cov(φ, ℓ − φ), −ρ by the moments of N(0, 1): Var δ² = 2, ⟨δ·δ³⟩ = 3, ⟨δ⁶⟩ = 15."""
    even, odd, bent = CURVATURE / 2, np.full(D, cubic), BENT / 2 - CURVATURE / 2
    cube = CUBIC - cubic
    covariance = 2 * bent @ even + 3 * LINEAR @ odd + 15 * cube @ odd
    spread = 2 * (bent**2).sum(1) + (LINEAR**2 + 6 * LINEAR * cube + 15 * cube**2).sum(1)
    own = 2 * (even**2).sum() + 15 * (odd**2).sum()
    return -covariance, -covariance / np.sqrt(spread * own)


def read(seed: int, antithetic: bool, cubic: float) -> tuple[Susceptibility, Susceptibility]:
    rng = np.random.default_rng(seed)
    delta = rng.normal(size=(4, 60 if not antithetic else 30, D))
    if antithetic:
        delta = np.stack([delta, -delta], axis=2).reshape(4, 60, D)
    phi, losses = figures(delta, cubic)
    return respond(phi, losses), respond(parity_parts(phi)[0], parity_parts(losses)[0])


def expected_gain(cubic: float) -> Array:
    """Error of the covariance from single draws over that from as many draws in pairs, by its influence function."""
    delta = np.random.default_rng(9).normal(size=(1, 20_000, D))
    phi, losses = figures(np.stack([delta, -delta], axis=2).reshape(1, -1, D), cubic)
    rest = losses - phi
    product = (phi - phi.mean()) * (rest - rest.mean(axis=(1, 2), keepdims=True))
    gain: Array = np.sqrt(product.var(axis=(1, 2)) / (2 * parity_parts(product)[0].var(axis=(1, 2))))
    return gain


@pytest.mark.parametrize("cubic", [0.0, 0.1])
def test_pairs_leave_rho_as_it_is_and_shrink_its_error(cubic: float) -> None:
    spread, raw = {}, {}
    for antithetic in (False, True):
        found = [read(seed, antithetic, cubic)[0] for seed in range(150)]
        rho = np.stack([chi.rho for chi in found])
        spread[antithetic] = rho.std(axis=0)
        raw[antithetic] = np.std([chi.covariance for chi in found], axis=0)
        # A correlation of 240 draws is biased by a fraction of its error.
        assert (abs(rho.mean(axis=0) - truth(cubic)[1]) < (4 / math.sqrt(150) + 0.1) * rho.std(axis=0)).all()
        claimed = np.mean([chi.rho_se for chi in found], axis=0)
        assert claimed.mean() == pytest.approx(spread[antithetic].mean(), rel=0.12)
    # A spread of 150 replicas is known within 6 %.
    gain = raw[False] / raw[True]
    np.testing.assert_allclose(gain, expected_gain(cubic), rtol=0.4)
    assert np.median(gain / expected_gain(cubic)) == pytest.approx(1, abs=0.08)
    assert np.median(spread[False] / spread[True]) > (2.5 if cubic == 0 else 1.1)


def test_without_odd_terms_in_phi_pairs_cancel_the_gradient_exactly() -> None:
    rng = np.random.default_rng(1)
    delta = rng.normal(size=(3, 20, D))
    phi, losses = figures(np.stack([delta, -delta], axis=2).reshape(3, 40, D), cubic=0.0)
    even = parity_parts(losses)[0]
    bent = respond(phi, np.repeat(even, 2, axis=-1))
    np.testing.assert_allclose(respond(phi, losses).covariance, bent.covariance, rtol=1e-9, atol=1e-12)


def test_rho_of_the_even_parts_is_another_figure() -> None:
    bent = BENT / 2 - CURVATURE / 2
    expected = -(bent @ CURVATURE) / np.sqrt((bent**2).sum(1) * (CURVATURE**2).sum())
    for cubic in (0.0, 0.1):
        even = np.mean([read(seed, True, cubic)[1].rho for seed in range(100)], axis=0)
        np.testing.assert_allclose(even, expected, atol=0.06)
    # Where φ is even it has the same covariance without the gradient's spread.
    assert (abs(expected) > abs(truth(0.0)[1])).all()
    assert np.median(abs(expected) / abs(truth(0.0)[1])) > 3


def test_pairs_must_be_whole() -> None:
    with pytest.raises(ZeemanError, match="in pairs"):
        parity_parts(np.zeros(3))
