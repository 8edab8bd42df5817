"""Tilts of quadratic posteriors, where means under the tilted data are known and can be sampled anew."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling import BAOAB, LocalPosterior, Schedule, run_chains
from zeeman.spectra import TiltedDraws, pattern, propose, tilted_change
from zeeman.spectra.tilts import FRACTIONS

Array = NDArray[np.float64]
N_BETA, GAMMA, D, PROBES = 30.0, 20.0, 4, 7


class Quadratic:
    """Probe k has loss ½ δᵀA_kδ + g_k·δ with full matrices, the data their mean, whose minimum is at δ = 0."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        roots = self.rng.normal(size=(PROBES, D, 2 * D)) / math.sqrt(2 * D)
        self.curvature = roots @ roots.swapaxes(1, 2)
        self.gradient = self.rng.normal(size=(PROBES, D)) / 3
        self.gradient -= self.gradient.mean(axis=0)

    def loss_of(self, dh: Array) -> tuple[Array, Array]:
        """Curvature and gradient of the loss of the tilted data."""
        weights = dh + (1 - dh.sum()) / PROBES
        return np.tensordot(weights, self.curvature, 1), weights @ self.gradient

    def posterior(self, dh: Array) -> tuple[Array, Array]:
        """Mean and covariance of δ."""
        curvature, gradient = self.loss_of(dh)
        covariance = np.linalg.inv(N_BETA * curvature + GAMMA * np.eye(D))
        return -N_BETA * covariance @ gradient, covariance

    def means(self, dh: Array) -> Array:
        """⟨ℓ_k⟩ under the tilted data, in closed form."""
        mean, covariance = self.posterior(dh)
        second = covariance + np.outer(mean, mean)
        answer: Array = np.einsum("kij,ij->k", self.curvature, second) / 2 + self.gradient @ mean
        return answer

    def chi(self) -> Array:
        """−Cov(ℓ_i, ℓ_k − L) of all probes, in closed form."""
        _, covariance = self.posterior(np.zeros(PROBES))
        left = np.einsum("iab,bc->iac", self.curvature, covariance)
        both = np.einsum("iab,kba->ik", left, left) / 2 + self.gradient @ covariance @ self.gradient.T
        answer: Array = -(both - both.mean(axis=1, keepdims=True))
        return answer

    def losses(self, delta: Array) -> Array:
        """ℓ_k at points (..., D), shape (probes, ...)."""
        quadratic = np.einsum("kij,...i,...j->k...", self.curvature, delta, delta) / 2
        answer: Array = quadratic + np.tensordot(self.gradient, delta, (1, -1))
        return answer

    def draws(self, dh: Array | None = None, chains: int = 4, draws: int = 200) -> list[TiltedDraws]:
        """The loss of each probe as an observable, from independent draws."""
        mean, covariance = self.posterior(np.zeros(PROBES) if dh is None else dh)
        losses = self.losses(self.rng.multivariate_normal(mean, covariance, size=(chains, draws)))
        tilts = losses - losses.mean(axis=0)
        return [TiltedDraws(each, tilts) for each in losses]


def test_responses_are_those_of_the_closed_form() -> None:
    model = Quadratic(0)
    chi, kept = zip(*(each.response() for each in model.draws(draws=5000)), strict=True)
    error = np.sqrt(19 * np.stack(kept).var(axis=1))
    assert (abs(np.stack(chi) - model.chi()) < 4.5 * error).all()
    # And that is the slope of the means under the tilted data.
    step = 1e-5
    slopes = [(model.means(step * h) - model.means(-step * h)) / (2 * step) for h in np.eye(PROBES)]
    np.testing.assert_allclose(np.stack(slopes, axis=1), N_BETA * model.chi(), atol=1e-7)


def test_sampling_the_tilted_data_moves_the_means_as_predicted() -> None:
    """Chains run anew on the data that was proposed: what they read is what was predicted from those before."""
    scores, signs = [], []
    for seed in range(2):
        model = Quadratic(seed)
        before = _sampled(model, np.zeros(PROBES), seed)
        observables = [TiltedDraws(each, before - before.mean(axis=0)) for each in before[:2]]
        target = 0.4 * before[:2].std(axis=(1, 2)) * model.rng.choice([-1, 1], 2)
        found = propose(observables, target, N_BETA)
        assert found.checked == 1.0
        after = _sampled(model, found.pattern.dh, 100 + seed)[:2]
        for change, old, new in zip(found.changes, before[:2], after, strict=True):
            error = np.sqrt(sum(x.mean(axis=1).var(ddof=1) / len(x) for x in (old, new)))
            moved = new.mean() - old.mean()
            scores.append((moved - change.reweighted) / math.hypot(error, change.reweighted_se))
        signs.append((after - before[:2]).mean(axis=(1, 2)) @ target > 0)
    assert all(signs)
    assert np.abs(scores).max() < 4
    assert np.sqrt(np.mean(np.square(scores))) < 2


def _sampled(model: Quadratic, dh: Array, seed: int) -> Array:
    """ℓ_k along chains of the posterior of the tilted data, shape (probes, chains, draws)."""
    curvature, gradient = (torch.tensor(x, dtype=torch.float32) for x in model.loss_of(dh))
    posterior = LocalPosterior.potential(
        lambda w: w @ curvature @ w / 2 + gradient @ w, torch.zeros(D), n_beta=N_BETA, localization=GAMMA
    )
    chains = run_chains(posterior, BAOAB(1e-2), Schedule(100, 40, 4), seed=seed, chains=range(16), block_steps=4)
    blocks = list(chains)  # one draw each, where it ends
    delta = np.array([[b.state.weights[0].numpy() for b in block] for block in blocks[10:]], np.float64)
    return model.losses(delta.swapaxes(0, 1))


def test_predictions_of_mixtures_that_the_same_draws_chose_are_unbiased() -> None:
    linear, reweighted = [], []
    for seed in range(60):
        model = Quadratic(seed)
        observables = model.draws(draws=25)[:2]
        still = model.means(np.zeros(PROBES))[:2]
        target = 0.2 * np.array([each.phi.std() for each in observables]) * model.rng.choice([-1, 1], 2)
        found = propose(observables, target, N_BETA)
        if found.pattern.rank == 0 or found.checked < 1:
            continue
        dh = found.pattern.dh
        slope = N_BETA * model.chi()[:2] @ dh
        linear.append((found.pattern.predicted - slope) @ target / (target @ target))
        moved = model.means(dh)[:2] - still
        reweighted.append(([c.reweighted for c in found.changes] - moved) @ target / (target @ target))
    assert len(linear) >= 45
    for excess in (linear, reweighted):
        assert abs(np.mean(excess)) < 3.5 * np.std(excess) / math.sqrt(len(excess))


def test_weights_see_where_the_linear_law_ends() -> None:
    model = Quadratic(1)
    observable = model.draws(draws=4000)[0]
    dh = np.zeros(PROBES)
    dh[0] = 0.3
    change = tilted_change(observable, np.tile(dh, (20, 1)), N_BETA)
    truth = (model.means(dh) - model.means(np.zeros(PROBES)))[0]
    slope = N_BETA * model.chi()[0] @ dh
    assert abs(slope - truth) > 4 * math.hypot(change.linear_se, change.reweighted_se)
    assert abs(change.reweighted - truth) < 3.5 * change.reweighted_se
    assert abs(change.linear - slope) < 3.5 * change.linear_se


def test_a_mixture_too_large_for_the_draws_is_checked_at_a_part_of_it() -> None:
    model = Quadratic(2)
    observable = model.draws()[0]
    small = propose([observable], np.array([0.1 * observable.phi.std()]), N_BETA)
    large = propose([observable], np.array([-30 * observable.phi.std()]), N_BETA)
    assert small.checked == 1.0
    assert 0 < large.checked < 0.1
    assert large.checked in FRACTIONS
    assert np.isfinite(large.khat)
    few = TiltedDraws(observable.phi[:2, :10], observable.tilts[:, :2, :10])
    unchecked = propose([few], np.array([0.1]), N_BETA)
    assert unchecked.checked == 0
    assert math.isnan(unchecked.changes[0].reweighted)


@settings(max_examples=8)
@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_units_of_observables_do_not_matter(first: float, second: float) -> None:
    model = Quadratic(3)
    observables = model.draws()[:2]
    target = np.array([0.02, -0.01])
    units = np.array([first, second])
    plain = propose(observables, target, N_BETA)
    other = propose([TiltedDraws(u * o.phi, o.tilts) for u, o in zip(units, observables, strict=True)],
                    units * target, N_BETA)  # fmt: skip
    assert other.pattern.rank == plain.pattern.rank
    np.testing.assert_allclose(other.pattern.dh, plain.pattern.dh, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(other.pattern.predicted, units * plain.pattern.predicted, rtol=1e-6, atol=1e-9)


def test_one_observable_is_a_pattern_of_its_own_response() -> None:
    observable = Quadratic(4).draws()[0]
    chi, kept = observable.response()
    plain = pattern(chi[None], kept[:, None], np.array([0.01]), N_BETA)
    found = propose([observable], np.array([0.01]), N_BETA).pattern
    np.testing.assert_allclose(found.dh, plain.dh)
    np.testing.assert_allclose(found.predicted, plain.predicted)
    # For one observable the linear change of the whole mixture is what the pattern predicts.
    change = tilted_change(observable, found.dh_kept, N_BETA)
    assert change.linear == pytest.approx(float(found.predicted[0]))
    assert change.linear_se == pytest.approx(float(found.predicted_se[0]))


def test_shuffled_chains_propose_nothing() -> None:
    ranks = []
    for seed in range(40):
        observable = Quadratic(seed).draws()[0]
        ranks.append(propose([observable.shuffled(1 + seed % 3)], np.array([0.01]), N_BETA).pattern.rank)
    # A few in a hundred pass two standard errors; of 40, more than 6 would be one in 300 at 5 %.
    assert sum(ranks) <= 6


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ZeemanError, match="at least 2 chains"):
        TiltedDraws(np.zeros((1, 5)), np.zeros((3, 1, 5)))
    with pytest.raises(ZeemanError, match="finite"):
        TiltedDraws(np.full((2, 5), np.nan), np.zeros((3, 2, 5)))
    with pytest.raises(ZeemanError, match="mixture for each stretch"):
        tilted_change(Quadratic(0).draws()[0], np.zeros((3, PROBES)), N_BETA)
