"""Probes are sums of their tokens, halves agree as far as the signal goes, and nulls find nothing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.spectra import probe_losses, quality, respond, shuffled_means, shuffled_tokens

Array = NDArray[np.float64]


class Valley:
    """Tokens with losses ℓ = g·δ + ½ δᵀAδ and data loss L = their mean; draws δ ~ N(0, 1)."""

    def __init__(self, seed: int, tokens: int = 300, d: int = 6) -> None:
        self.rng = np.random.default_rng(seed)
        self.gradient = self.rng.normal(size=(tokens, d))
        self.gradient -= self.gradient.mean(axis=0)
        roots = self.rng.normal(size=(tokens, d, 2)) * self.rng.gamma(1, size=(tokens, 1, 1))
        self.curvature = roots @ roots.transpose(0, 2, 1)

    def losses(self, chains: int = 4, draws: int = 50) -> Array:
        delta = self.rng.normal(size=(chains, draws, self.gradient.shape[1]))
        bent = np.einsum("cni,tij,cnj->tcn", delta, self.curvature, delta, optimize=True)
        return np.einsum("ti,cni->tcn", self.gradient, delta) + bent / 2

    def covariance(self) -> Array:
        """−Cov(φ, ℓ_xy − L) = −½ tr(H A) + ½ tr(H²), as the mean gradient vanishes."""
        h = self.curvature.mean(axis=0)
        answer: Array = -np.einsum("ij,tji->t", h, self.curvature) / 2 + np.sum(h * h) / 2
        return answer


def probes(tokens: int) -> NDArray[np.bool_]:
    members = np.random.default_rng(9).random((24, tokens)) < 0.1
    members[0] = False
    members[0, ::2] = True
    return members


def test_the_response_of_tilted_data_is_delta_h_times_the_mean_over_the_probes_tokens() -> None:
    losses = Valley(0).losses()
    phi, members = losses.mean(axis=0), probes(300)
    chi = respond(phi, losses, phi, losses)
    of_probes = probe_losses(losses, members, tile=70)
    tilted = 0.9 * phi + 0.1 * of_probes
    response = respond(phi, tilted, phi, tilted)
    sums = np.stack([chi.covariance[m].mean() for m in members])
    np.testing.assert_allclose(sums, 10 * response.covariance, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(respond(phi, of_probes).covariance, sums, rtol=1e-9, atol=1e-12)
    # All tokens together are the data, which does not tilt itself.
    everything = respond(phi, probe_losses(losses, np.ones((1, 300), bool)))
    assert everything.covariance[0] == pytest.approx(0, abs=1e-12)
    assert everything.constant[0]


def test_independent_draws_give_the_slope_one_over_delta_h_within_its_error() -> None:
    valley, members = Valley(1), probes(300)
    # Probes of curved tokens, so that the responses differ by more than their noise.
    curved = np.argsort(valley.covariance())
    members = np.stack([np.isin(np.arange(300), curved[low : low + 30]) for low in range(0, 271, 10)])
    first, second = valley.losses(draws=400), valley.losses(draws=400)
    sums = np.stack([respond(first.mean(axis=0), first).covariance[m].mean() for m in members])
    phi = second.mean(axis=0)
    response = respond(phi, 0.9 * phi + 0.1 * probe_losses(second, members)).covariance
    slope = float(response @ sums / (response @ response))
    assert slope == pytest.approx(10, rel=0.1)
    assert np.corrcoef(sums, response)[0, 1] > 0.97


def test_the_error_of_a_probe_counts_that_its_tokens_share_the_draws() -> None:
    valley, members = Valley(2), probes(300)[:1]
    found = []
    for _ in range(60):
        losses = valley.losses()
        phi = losses.mean(axis=0)
        chi, each = respond(phi, probe_losses(losses, members)), respond(phi, losses)
        naive = np.sqrt((each.covariance_se[members[0]] ** 2).sum()) / members.sum()
        found.append((chi.covariance[0], chi.covariance_se[0], naive))
    values, errors, _ = np.array(found).T
    assert values.mean() == pytest.approx(valley.covariance()[members[0]].mean(), abs=4 * values.std() / math.sqrt(60))
    assert values.std() == pytest.approx(errors.mean(), rel=0.4)


def test_shuffled_means_are_those_of_all_deals() -> None:
    values = np.random.default_rng(3).normal(size=7)
    deals = np.array([values[list(deal)].mean() for deal in itertools.combinations(range(7), 3)])
    members = np.zeros((1, 7), bool)
    members[0, :3] = True
    expected, spread = shuffled_means(values, members)
    assert expected[0] == pytest.approx(deals.mean())
    assert spread[0] == pytest.approx(deals.std())


def test_shuffled_tokens_keep_each_component_and_nothing_between_them() -> None:
    shared = np.random.default_rng(4).normal(size=(4000, 1)) + np.zeros((1, 5))
    null = shuffled_tokens(shared, seed=1)
    np.testing.assert_array_equal(np.sort(null, axis=0), np.sort(shared, axis=0))
    away = np.corrcoef(null.T)[np.triu_indices(5, 1)]
    assert (abs(away) < 4 / math.sqrt(4000)).all()
    # A component's shuffle does not depend on which others stand beside it.
    np.testing.assert_array_equal(shuffled_tokens(shared[:, :2], seed=1), null[:, :2])


def test_halves_agree_as_the_signal_says() -> None:
    rng = np.random.default_rng(5)
    phi = rng.normal(size=(4, 100))
    coupling = rng.normal(size=2000)
    losses = coupling[:, None, None] * phi + phi + 4 * rng.normal(size=(2000, 4, 100))
    found = quality(respond(phi, losses))
    # Raw covariance of a half, 200 draws: signal of variance 1 about noise of variance 16/200 (and 2 a²/200).
    expected = 1 / (1 + (16 + 2) / 200)
    assert found.reliability_covariance == pytest.approx(expected, abs=4 * found.reliability_covariance_se + 0.02)
    noise = quality(respond(phi, phi + rng.normal(size=(2000, 4, 100))))
    assert abs(noise.reliability) < 4 * noise.reliability_se
    assert noise.resolved < 0.03
    assert found.resolved > 0.3
    assert found.resolved_null < 0.03


def test_one_chain_has_no_quality_and_says_why() -> None:
    phi = np.random.default_rng(6).normal(size=(1, 40))
    found = quality(respond(phi, phi * np.ones((5, 1, 1)) * 2))
    assert math.isnan(found.resolved)
    assert "at least two" in found.reason


@pytest.mark.parametrize("members", [np.zeros((2, 5), bool), np.ones((2, 4), bool), np.ones(5, bool)])
def test_probes_without_tokens_are_refused(members: NDArray[np.bool_]) -> None:
    with pytest.raises(ZeemanError, match="a token in every probe"):
        probe_losses(np.zeros((5, 2, 3)), members)
