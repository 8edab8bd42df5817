"""The loss kernel is the damped influence function on quadratic models, has errors that cover, and comes in tiles."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from zeeman.errors import ZeemanError
from zeeman.spectra import correlations, influence, influence_tiles, jackknife

Array = NDArray[np.float64]


class Quadratic:
    """Losses g·δ + ½ δᵀAδ, posterior ∝ exp(−nβ ½ δᵀHδ − ½γ|δ|²) with H the mean of A: N(0, Σ), Σ = (nβH + γ)⁻¹."""

    def __init__(self, seed: int, items: int = 9, d: int = 3, n_beta: float = 20.0, gamma: float = 3.0) -> None:
        rng = np.random.default_rng(seed)
        self.gradient = rng.normal(size=(items, d))
        self.gradient -= self.gradient.mean(axis=0)
        root = rng.normal(size=(items, d, d))
        self.curvature = root @ root.transpose(0, 2, 1)
        self.precision = n_beta * self.curvature.mean(axis=0) + gamma * np.eye(d)
        self.sigma = np.linalg.inv(self.precision)

    def losses(self, delta: Array) -> Array:
        bent = np.einsum("...i,tij,...j->t...", delta, self.curvature, delta, optimize=True)
        return np.tensordot(self.gradient, delta, (1, delta.ndim - 1)) + bent / 2

    def kernel(self) -> Array:
        damped = self.gradient @ self.sigma @ self.gradient.T
        whitened = self.curvature @ self.sigma
        answer: Array = damped + np.einsum("sij,tji->st", whitened, whitened) / 2
        return answer

    def cubature(self) -> Array:
        """Equally weighted points with all moments of N(0, Σ) up to the fifth: 0 four times, ±√3 once an axis."""
        nodes = np.array([0, 0, 0, 0, math.sqrt(3), -math.sqrt(3)])
        grid = np.array(list(itertools.product(nodes, repeat=len(self.sigma))))
        return grid @ np.linalg.cholesky(self.sigma).T


def test_influence_is_the_damped_influence_function_on_a_quadratic_model() -> None:
    model = Quadratic(0)
    delta = model.cubature().reshape(2, -1, 3)
    n = delta.shape[0] * delta.shape[1]
    found = influence(model.losses(delta))
    np.testing.assert_allclose(found.kernel * (n - 1) / n, model.kernel(), rtol=1e-11, atol=1e-13)
    # Linear losses: −gᵀ(nβH + γ)⁻¹g' alone.
    straight = influence(np.tensordot(model.gradient, delta, (1, 2)))
    damped = model.gradient @ np.linalg.solve(model.precision, model.gradient.T)
    np.testing.assert_allclose(straight.influence * (n - 1) / n, -damped, rtol=1e-11, atol=1e-13)


def test_influence_is_the_response_of_one_loss_to_the_weight_of_another() -> None:
    model = Quadratic(1)

    def mean_losses(item: int, h: float) -> Array:
        """⟨ℓ⟩ under exp(−…− h ℓ_item), again Gaussian."""
        sigma = np.linalg.inv(model.precision + h * model.curvature[item])
        centre = -h * sigma @ model.gradient[item]
        second = sigma + np.outer(centre, centre)
        return model.gradient @ centre + np.einsum("tij,ij->t", model.curvature, second) / 2

    h = 1e-4
    response = np.stack([(mean_losses(z, h) - mean_losses(z, -h)) / (2 * h) for z in range(9)], axis=1)
    n = 6**3
    found = influence(model.losses(model.cubature()[None]))
    np.testing.assert_allclose(found.influence * (n - 1) / n, response, rtol=1e-6, atol=1e-9)


def drawn(seed: int, items: int = 6, chains: int = 4, draws: int = 23) -> Array:
    rng = np.random.default_rng(seed)
    return np.tensordot(rng.normal(size=(items, 3)), rng.normal(size=(3, chains, draws)), 1) + rng.normal(
        size=(items, chains, draws)
    )


def test_kernel_and_errors_are_those_of_a_plain_jackknife() -> None:
    first, second = drawn(0), drawn(1, items=4)
    found = influence(first, second, tile=3)
    both = np.concatenate([first, second])
    for name, statistic in (("kernel", np.cov), ("correlation", np.corrcoef)):
        value, error = jackknife(both, statistic)
        np.testing.assert_allclose(getattr(found, name), value[:6, 6:], rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(getattr(found, f"{name}_se"), error[:6, 6:], rtol=1e-8)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.floats(1e-3, 1e3))
def test_tiles_order_and_units_do_not_matter(seed: int, tile: int, scale: float) -> None:
    losses = drawn(seed)
    whole = influence(losses)
    order = np.random.default_rng(seed).permutation(6)
    other = influence(scale * losses[order] + 5, tile=tile)
    np.testing.assert_allclose(whole.kernel, whole.kernel.T, rtol=1e-12, atol=1e-14)
    assert np.linalg.eigvalsh(whole.kernel).min() > -1e-12
    np.testing.assert_allclose(other.kernel, scale**2 * whole.kernel[order][:, order], rtol=1e-6, atol=1e-9 * scale**2)
    np.testing.assert_allclose(other.correlation_se, whole.correlation_se[order][:, order], atol=1e-8)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_of_a_set_with_itself_half_the_tiles_are_enough(seed: int, tile: int) -> None:
    losses = drawn(seed)
    losses[2], losses[4, 1, 3] = 0.25, math.inf
    half, whole = influence(losses, tile=tile), influence(losses, losses, tile=tile)
    for name in ("kernel", "kernel_se", "correlation", "correlation_se"):
        np.testing.assert_allclose(getattr(half, name), getattr(half, name).T, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(getattr(half, name), getattr(whole, name), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(half.constant_first, whole.constant_first)
    np.testing.assert_array_equal(half.constant_second, whole.constant_second)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_correlations_alone_are_those_that_come_with_errors(seed: int) -> None:
    first, second = drawn(seed), drawn(seed + 1, items=4)
    first[2], second[1], second[3, 0, 0] = 0.25, 1e-30 * second[1], math.nan
    for pair in ((first, None), (first, second), (first.reshape(3, 2, 4, 23), first)):
        whole = influence(*pair).correlation
        np.testing.assert_allclose(correlations(*pair), whole, atol=1e-12)
        halves = [None if each is None else each.astype(np.float16) for each in pair]
        np.testing.assert_allclose(
            correlations(halves[0], halves[1]), influence(halves[0], halves[1]).correlation, atol=1e-6
        )
    found = correlations(first)
    np.testing.assert_array_equal(found, found.T)


def test_a_sequence_is_the_sum_of_its_tokens() -> None:
    tokens = drawn(2, items=12)
    of_tokens = influence(tokens).kernel.reshape(4, 3, 4, 3).sum(axis=(1, 3))
    of_sequences = influence(tokens.reshape(4, 3, 4, 23))
    np.testing.assert_allclose(of_sequences.kernel, of_tokens, rtol=1e-10, atol=1e-12)
    mixed = influence(tokens.reshape(4, 3, 4, 23), tokens)
    np.testing.assert_allclose(mixed.kernel.reshape(4, 4, 3).sum(axis=2), of_tokens, rtol=1e-10, atol=1e-12)


def test_errors_cover() -> None:
    model = Quadratic(3)
    root = np.linalg.cholesky(model.sigma)
    rng = np.random.default_rng(4)
    truth = model.kernel()
    spread = np.sqrt(np.diag(truth))
    scores: dict[str, list[Array]] = {"kernel": [], "correlation": []}
    for _ in range(250):
        found = influence(model.losses(rng.normal(size=(4, 200, 3)) @ root.T))
        scores["kernel"].append((found.kernel - truth) / found.kernel_se)
        away = (found.correlation - truth / np.outer(spread, spread))[np.triu_indices(9, 1)]
        scores["correlation"].append(away / found.correlation_se[np.triu_indices(9, 1)])
    for name, values in scores.items():
        z = abs(np.stack(values))
        for level in (1.0, 1.96):
            expected = 1 - 2 * stats.t.sf(level, 19)
            assert float((z < level).mean()) == pytest.approx(
                expected, abs=3 * math.sqrt(expected * (1 - expected) / 250)
            ), (name, level)


def test_constant_and_broken_losses_are_set_apart() -> None:
    losses = drawn(5)
    alone = influence(losses[:1]).kernel
    losses[1], losses[2, 0, 0] = 0.1, np.inf
    found = influence(losses)
    np.testing.assert_array_equal(found.constant_first, [False, True, False, False, False, False])
    np.testing.assert_array_equal(found.correlation[1, [0, 1, 3]], 0)
    np.testing.assert_array_equal(found.correlation_se[1, [0, 1, 3]], 0)
    assert np.isnan(found.kernel[2]).all()
    np.testing.assert_allclose(found.kernel[0, 0], alone[0, 0])


def test_one_chain_shows_no_error() -> None:
    found = influence(drawn(6, chains=1))
    assert "at least two" in found.reason
    assert np.isfinite(found.kernel).all()
    assert np.isnan(found.kernel_se).all()
    assert np.isnan(found.correlation_se).all()


@pytest.mark.parametrize("second", [(5, 4, 22), (4, 23), (5, 2, 2, 4, 23)])
def test_other_draws_are_refused(second: tuple[int, ...]) -> None:
    with pytest.raises(ZeemanError, match="of the same draws"):
        influence(drawn(7), np.zeros(second))


def test_three_draws_at_least() -> None:
    with pytest.raises(ZeemanError, match="at least three draws"):
        next(influence_tiles(np.zeros((2, 2, 1)), np.zeros((2, 2, 1))))
