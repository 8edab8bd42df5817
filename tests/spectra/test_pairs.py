"""The strongest pairs are those of the whole kernel; few stand out where nothing moves together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import lfilter

from zeeman.errors import ZeemanError
from zeeman.spectra import influence, strongest_pairs

Array = NDArray[np.float64]


def noise(rng: np.random.Generator, items: int, kind: str = "", chains: int = 3, draws: int = 32) -> Array:
    found = rng.standard_normal((items, chains, draws + 30))
    if "slow" in kind:
        found = lfilter([1.0], [1.0, -0.6], found, axis=-1)
    found = found[..., 30:]
    return np.exp(0.8 * found / found.std()) if "heavy" in kind else found


def related(seed: int, items: int = 40) -> Array:
    rng = np.random.default_rng(seed)
    return np.tensordot(rng.normal(size=(items, 4)), noise(rng, 4), 1) + noise(rng, items)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.integers(1, 50))
def test_partners_are_the_extremes_of_the_kernel(seed: int, most: int, tile: int) -> None:
    losses = related(seed)
    first, second = losses[:15], losses[15:]
    found, whole = strongest_pairs(first, second, most=most, tile=tile), influence(first, second)
    rows = np.arange(15)[:, None]
    for sign, slots in ((1, slice(0, most)), (-1, slice(most, None))):
        order = np.argsort(-sign * whole.correlation, axis=1)[:, :most]
        expected = np.where(sign * whole.correlation[rows, order] > 0, order, -1)
        held = found.partners[:, slots]
        np.testing.assert_array_equal(held[:, : order.shape[1]], expected)
        assert (held[:, order.shape[1] :] == -1).all()
    for name in ("kernel", "kernel_se", "correlation", "correlation_se"):
        expected = np.where(found.partners >= 0, getattr(whole, name)[rows, found.partners], np.nan)
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-7, atol=1e-10)
    assert found.compared == 15 * 25


@pytest.mark.parametrize("tile", [7, 40, 512])
def test_a_set_with_itself_counts_each_pair_once_and_none_with_itself(tile: int) -> None:
    losses = related(1)
    found, rho = strongest_pairs(losses, most=40, tile=tile), influence(losses).correlation
    assert not (found.partners == np.arange(40)[:, None]).any()
    assert found.compared == 40 * 39 // 2
    reaching = abs(rho[np.triu_indices(40, 1)]) >= found.threshold
    falling_short = (abs(found.correlation) >= found.threshold) & ~found.stands_out
    assert found.count == reaching.sum() - falling_short.sum() / 2
    moved = influence(np.roll(losses, -1, axis=1), losses).correlation
    assert found.null[0] == (abs(moved[np.triu_indices(40, 1)]) >= found.threshold).sum()
    assert found.stands_out.sum() == 2 * found.count


def test_half_precision_is_enough() -> None:
    losses = related(2)
    half, double = (strongest_pairs(losses.astype(kind), most=5) for kind in (np.float16, np.float64))
    np.testing.assert_allclose(half.correlation, double.correlation, atol=1e-3)
    np.testing.assert_allclose(half.correlation_se, double.correlation_se, atol=1e-3)


@pytest.mark.parametrize("kind", ["", "slow", "heavy", "slow and heavy", "mode"])
def test_nothing_stands_out_where_losses_are_independent(kind: str) -> None:
    """In at most one of twenty sets of 6,400 pairs; ``mode``: each set moves with a mode of its own."""
    rng, sets = np.random.default_rng(3), 60
    found = 0
    for _ in range(sets):
        first, second = noise(rng, 80, kind), noise(rng, 80, kind)
        if kind == "mode":
            first, second = first + 2 * noise(rng, 1), second + 2 * noise(rng, 1)
        found += strongest_pairs(first, second).count > 0
    assert found <= 0.05 * sets + 3 * math.sqrt(0.05 * 0.95 * sets)


@pytest.mark.parametrize("kind", ["", "slow and heavy"])
def test_planted_pairs_are_found_and_few_others(kind: str) -> None:
    rng = np.random.default_rng(4)
    first, second = noise(rng, 100, kind), noise(rng, 100, kind)
    second[:30] = 0.9 * first[:30] - 0.4 * second[:30]
    found = strongest_pairs(first, second)
    told = {(int(i), int(found.partners[i, s])) for i, s in np.argwhere(found.stands_out)}
    planted = {(i, i) for i in range(30)}
    assert len(told) == found.count
    assert len(planted - told) <= 3
    assert len(told - planted) <= 3


def test_still_and_broken_losses_have_no_partners() -> None:
    losses = related(5)
    losses[3], losses[4, 1, 7], losses[5, 2, 2] = 0.1, np.nan, np.inf
    found = strongest_pairs(losses)
    good = np.delete(losses, [3, 4, 5], axis=0)
    assert (found.partners[3:6] == -1).all()
    assert not np.isin(found.partners, [3, 4, 5]).any()
    np.testing.assert_array_equal(
        np.delete(found.correlation, [3, 4, 5], axis=0), strongest_pairs(good, most=10).correlation
    )


def test_other_draws_and_single_chains_are_refused() -> None:
    losses = related(6)
    with pytest.raises(ZeemanError, match="of the same draws"):
        strongest_pairs(losses, losses[..., 1:])
    with pytest.raises(ZeemanError, match="at least two chains"):
        strongest_pairs(losses[:, :1])
