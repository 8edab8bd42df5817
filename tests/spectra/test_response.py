"""The response token by token: streaming is exact, errors cover, nulls are null, and sums are the data's response."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal, stats

from zeeman.errors import ZeemanError
from zeeman.spectra import ResponseSums, Susceptibility, jackknife, join_tiles, respond, susceptibility

Array = NDArray[np.float64]
FIGURES = ("covariance", "shift", "total", "rho", "null")


def autoregressive(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> Array:
    white = rng.normal(size=(*shape[:-1], shape[-1] + 100))
    return signal.lfilter([math.sqrt(1 - memory**2)], [1, -memory], white, axis=-1)[..., 100:]


def chains_of(
    rng: np.random.Generator, rho: Array, chains: int = 4, draws: int = 60, memory: float = 0.0
) -> tuple[Array, Array]:
    """φ of variance 1 about 2, and losses ℓ_xy with −Corr(φ, ℓ_xy − φ) = rho and Var(ℓ_xy − φ) = 1."""
    phi = autoregressive(rng, (chains, draws), memory)
    r = rho[:, None, None]
    rest = -r * phi + np.sqrt(1 - r**2) * autoregressive(rng, (len(rho), chains, draws), memory)
    return 2 + phi, 2 + phi + rest


def assert_same(one: Susceptibility, other: Susceptibility, rtol: float = 1e-9) -> None:
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(getattr(other, name), value, rtol=rtol, atol=1e-12, err_msg=name)


def test_every_figure_is_that_of_a_plain_jackknife() -> None:
    rng = np.random.default_rng(0)
    phi, losses = chains_of(rng, rng.uniform(-0.9, 0.9, size=6), chains=3, draws=23)
    phi_full, losses_full = chains_of(rng, np.zeros(6), chains=2, draws=31)
    chi = respond(phi, losses, phi_full, losses_full, tile=4)
    drawn = np.concatenate([phi[None], losses - phi])
    full, full_se = jackknife(losses_full - phi_full, lambda x: x.mean(axis=-1))

    def covariance(x: Array) -> Array:
        return np.array([-np.cov(x[0], row)[0, 1] for row in x[1:]])

    def rho(x: Array) -> Array:
        return np.array([-np.corrcoef(x[0], row)[0, 1] for row in x[1:]])

    def shift(x: Array) -> Array:
        return -x[0].mean() * (x[1:].mean(axis=-1) - full)

    crossed = np.concatenate([drawn[:1], np.roll(drawn[1:], 1, axis=1)])
    extra = abs(phi.mean()) * full_se
    for name, (value, error) in {
        "covariance": jackknife(drawn, covariance),
        "rho": jackknife(drawn, rho),
        "null": jackknife(crossed, rho),
        "shift": jackknife(drawn, shift),
        "total": jackknife(drawn, lambda x: covariance(x) + shift(x)),
    }.items():
        error = np.hypot(error, extra) if name in ("shift", "total") else error
        np.testing.assert_allclose(getattr(chi, name), value, rtol=1e-10, atol=1e-13, err_msg=name)
        np.testing.assert_allclose(getattr(chi, f"{name}_se"), error, rtol=1e-9, err_msg=name)


def test_susceptibility_and_response_are_one() -> None:
    rng = np.random.default_rng(1)
    phi, losses = chains_of(rng, np.linspace(-0.8, 0.8, 5))
    phi_full, losses_full = chains_of(rng, np.zeros(5))
    assert_same(susceptibility(phi, losses - phi, losses_full - phi_full), respond(phi, losses, phi_full, losses_full))


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(3, 40), st.integers(1, 9), st.integers(1, 50))
def test_streaming_equals_at_once(seed: int, chains: int, draws: int, tile: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    phi, losses = chains_of(rng, rng.uniform(-1, 1, size=7), chains, draws)
    once = ResponseSums(7, phi)
    once.add(losses)
    parts = []
    for low in range(0, 7, tile):
        sums = ResponseSums(min(tile, 7 - low), phi)
        blocks = [(c, d) for c in range(chains) for d in range(0, draws, block)]
        for c, d in rng.permutation(blocks):
            sums.add(losses[low : low + tile, c : c + 1, d : d + block], chain=c, draw=d)
        parts.append(sums.respond(sums))
    assert_same(once.respond(once), join_tiles(parts), rtol=1e-7)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_symmetries(seed: int, scale: float, offset: float) -> None:
    rng = np.random.default_rng(seed)
    phi, losses = chains_of(rng, rng.uniform(-1, 1, size=5))
    chi = respond(phi, losses, phi, losses)
    order = rng.permutation(5)
    shuffled = respond(phi, losses[order], phi, losses[order])
    for name in FIGURES:
        np.testing.assert_allclose(getattr(shuffled, name), getattr(chi, name)[order], rtol=1e-9, atol=1e-12)
    # The unit of loss: covariances scale with its square, correlations do not; nor does the reference ℓ(w*) matter.
    other = respond(scale * phi, scale * (losses + offset), scale * phi, scale * (losses + offset))
    np.testing.assert_allclose(other.covariance, scale**2 * chi.covariance, rtol=1e-6, atol=1e-9 * scale**2)
    np.testing.assert_allclose(other.covariance_se, scale**2 * chi.covariance_se, rtol=1e-6, atol=1e-9 * scale**2)
    np.testing.assert_allclose(other.rho, chi.rho, atol=1e-8)
    np.testing.assert_allclose(other.rho_se, chi.rho_se, atol=1e-8)


def test_half_precision_on_disk_costs_less_than_the_error_bars() -> None:
    rng = np.random.default_rng(2)
    phi, losses = chains_of(rng, rng.uniform(-0.9, 0.9, size=50))
    exact, rounded = respond(phi, losses), respond(phi, losses.astype(np.float16))
    assert (abs(exact.rho - rounded.rho) < 0.02 * exact.rho_se + 1e-4).all()


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_error_bars_cover_68_and_95_percent(memory: float) -> None:
    rng = np.random.default_rng(3)
    rho = np.array([-0.6, 0.0, 0.4])
    scores: dict[str, list[Array]] = {"covariance": [], "rho": [], "null": [], "shift": [], "total": []}
    truth = {"covariance": rho, "rho": rho, "null": 0.0, "shift": 0.0, "total": rho}
    for _ in range(250):
        phi, losses = chains_of(rng, rho, draws=200, memory=memory)
        chi = respond(phi, losses, *chains_of(rng, rho, draws=200, memory=memory))
        for name, found in scores.items():
            found.append((getattr(chi, name) - truth[name]) / getattr(chi, f"{name}_se"))
    for name, found in scores.items():
        z = abs(np.concatenate(found))
        for level in (1.0, 1.96):
            # Twenty stretches give Student's t with 19 degrees of freedom: 67 and 93.5 %.
            expected = 1 - 2 * stats.t.sf(level, 19)
            # Tokens of one replica share φ, so the 750 scores count as no more than 250.
            tolerance = 3 * math.sqrt(expected * (1 - expected) / 250)
            assert float((z < level).mean()) == pytest.approx(expected, abs=tolerance), (name, level)


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.8])
def test_the_floor_is_the_spread_of_rho_without_correlation(memory: float) -> None:
    rng = np.random.default_rng(4)
    found = [respond(*chains_of(rng, np.zeros(50), draws=300, memory=memory)) for _ in range(20)]
    floor = float(np.mean([chi.floor for chi in found]))
    assert np.concatenate([chi.rho for chi in found]).std() == pytest.approx(floor, rel=0.12)
    assert np.concatenate([chi.null for chi in found]).std() == pytest.approx(floor, rel=0.15)


def test_constant_and_broken_tokens_are_set_apart() -> None:
    rng = np.random.default_rng(5)
    phi, losses = chains_of(rng, np.full(4, 0.5))
    losses[1] = 0.3
    losses[2] = phi + 7
    losses[3, 1, 4] = np.inf
    chi = respond(phi, losses)
    np.testing.assert_array_equal(chi.constant, [False, True, True, False])
    np.testing.assert_array_equal(chi.rho[1:3], 0)
    np.testing.assert_array_equal(chi.rho_se[1:3], 0)
    assert np.isnan(chi.rho[3])
    alone = respond(phi, losses[:1])
    assert chi.rho[0] == pytest.approx(alone.rho[0])


def test_a_component_that_is_not_felt_has_constant_tokens_only() -> None:
    _, losses = chains_of(np.random.default_rng(6), np.zeros(3))
    assert respond(np.zeros((4, 60)), losses).constant.all()


def test_draws_must_come_once_and_all() -> None:
    phi, losses = chains_of(np.random.default_rng(7), np.zeros(3))
    sums = ResponseSums(3, phi)
    sums.add(losses[:, :2])
    with pytest.raises(ZeemanError, match="expected 240 draws, got 120; add the missing ones"):
        sums.respond()
    with pytest.raises(ZeemanError, match="came twice; add each once"):
        sums.add(losses)
    with pytest.raises(ZeemanError, match="bring them into this shape"):
        sums.add(losses[:2, 2:], chain=2)
    with pytest.raises(ZeemanError, match="at least three draws"):
        ResponseSums(3, phi[0])
    with pytest.raises(ZeemanError, match="chains that diverged"):
        ResponseSums(3, phi * np.nan)
    with pytest.raises(ZeemanError, match="at least one tile"):
        join_tiles([])
