"""Modes against the theory of spiked covariances, and gaps against planted degeneracy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import hadamard

from zeeman.bands import significant_modes
from zeeman.errors import ZeemanError


def spiked(rows: int, columns: int, strengths: list[float], seed: int) -> np.ndarray:
    """Gaussian rows with covariance 1 + Σ θ v vᵀ, v from a Hadamard matrix: all columns have the same variance."""
    rng = np.random.default_rng(seed)
    axes = hadamard(columns)[:, 1 : 1 + len(strengths)] / np.sqrt(columns)
    noise = rng.standard_normal((rows, columns))
    return noise + (rng.standard_normal((rows, len(strengths))) * np.sqrt(strengths)) @ axes.T


def test_spikes_above_the_threshold_are_seen_where_theory_puts_them() -> None:
    """Baik, Ben Arous, Péché: above θ = √γ, γ = columns/rows, the eigenvalue is (1 + θ)(1 + γ/θ)."""
    rows, columns, strengths = 1500, 64, [8.0, 3.0, 1.2]
    modes = significant_modes(spiked(rows, columns, strengths, 0))
    assert modes.count == 3
    gamma = columns / rows
    for value, error, theta in zip(modes.values, modes.errors, strengths, strict=False):
        # columns are z-scored: each has variance 1 + Σθ/columns on average
        expected = (1 + theta) * (1 + gamma / theta) / (1 + sum(strengths) / columns)
        assert abs(value**2 / rows - expected) < 4 * 2 * value * error / rows + 0.02 * expected


def test_spikes_below_the_threshold_are_not_seen() -> None:
    threshold = np.sqrt(64 / 600)
    matrices = [spiked(600, 64, [0.3 * threshold], seed) for seed in range(12)]
    seen = [significant_modes(matrix, num_permutations=19).count for matrix in matrices]
    # at level .05, more than 3 of 12 have a chance of .2 %
    assert sum(count > 0 for count in seen) <= 3


def test_noise_raises_the_alarm_at_its_level() -> None:
    """Columns of unequal laws; at level .05, more than 7 alarms in 50 have a chance of .3 %."""
    alarms = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        heavy, skew = rng.standard_t(4, size=(150, 4)), rng.gamma(1, size=(150, 2))
        matrix = np.hstack([rng.standard_normal((150, 4)), heavy, skew])
        alarms += significant_modes(matrix, num_permutations=39, seed=seed).count > 0
    assert alarms <= 7


def test_a_degenerate_pair_is_one_band_and_a_gap_two() -> None:
    modes = significant_modes(spiked(2000, 16, [6.0, 6.0, 1.5], 1))
    assert modes.count == 3
    assert modes.bands == [range(2), range(2, 3)]


def test_gap_p_values_are_uniform_for_degenerate_pairs() -> None:
    """A gap where there is none is claimed at level .1 as often as said."""
    small = 0
    for seed in range(60):
        modes = significant_modes(spiked(400, 16, [5.0, 5.0], seed), num_permutations=19)
        assert modes.count >= 2
        small += modes.gap_p_values[0] < 0.1
    # mean 6, sd 2.3
    assert small <= 14


def test_given_nulls_stand_in_for_permutations() -> None:
    rng = np.random.default_rng(0)
    matrix = spiked(300, 8, [4.0], 0)
    modes = significant_modes(matrix, [rng.standard_normal((300, 8)) for _ in range(39)])
    assert modes.count == 1
    assert modes.scores.shape == (300, 1)
    assert modes.loadings.shape == (8, 1)


def responses(signals: np.ndarray, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Correlations of 200 tokens' losses with 8 observables over 100 draws, and the same with shifted observables.

    All losses follow four axes of noise; row i of ``signals`` says how strongly an observable moves pattern i.
    """
    patterns = np.random.default_rng(5).standard_normal((200, len(signals)))
    rng = np.random.default_rng([seed, 6])
    axes = rng.standard_normal((200, 4))
    matrix, nulls = np.empty((200, 8)), np.empty((39, 200, 8))
    for j in range(8):
        phi = rng.standard_normal(100)
        losses = axes @ rng.standard_normal((4, 100)) + 0.5 * rng.standard_normal((200, 100))
        losses += np.outer(patterns @ signals[:, j], phi)
        moved = np.stack([np.roll(phi, shift) for shift in (0, *range(5, 83, 2))])
        matrix[:, j], *nulls[:, :, j] = np.corrcoef(losses, moved)[:200, 200:].T
    return matrix, list(nulls)


@pytest.mark.parametrize("planted", [1, 2, 3])
def test_modes_of_equal_strength_are_seen_above_noise_that_tokens_share(planted: int) -> None:
    """Each holds a part of the energy only, no larger than that of an axis of the noise: their size tells."""
    signals = 0.8 * hadamard(8)[1 : 1 + planted]
    counts = [significant_modes(*responses(signals, seed)).count for seed in range(8)]
    # at level .05, more than 2 of 8 that see one more have a chance of .6 %
    assert min(counts) >= planted
    assert sum(count > planted for count in counts) <= 2


def test_noise_that_tokens_share_raises_the_alarm_at_its_level() -> None:
    """At level .05, more than 6 alarms in 40 have a chance of .3 %; permuted columns take its axes for modes."""
    found = [responses(np.zeros((0, 8)), seed) for seed in range(40)]
    assert sum(significant_modes(matrix, nulls).count > 0 for matrix, nulls in found) <= 6
    assert all(significant_modes(matrix, num_permutations=19).count > 0 for matrix, _ in found[:8])


def test_the_uniform_factor_of_a_column_does_not_matter_to_nulls() -> None:
    matrix, nulls = responses(0.8 * hadamard(8)[1:3], 0)
    scale = np.geomspace(1e-3, 1e3, 8)
    plain, scaled = significant_modes(matrix, nulls), significant_modes(matrix * scale, [n * scale for n in nulls])
    np.testing.assert_array_equal(plain.p_values, scaled.p_values)
    np.testing.assert_allclose(plain.values, scaled.values, rtol=1e-12)


def test_bad_nulls_are_refused() -> None:
    matrix = spiked(100, 4, [4.0], 0)
    with pytest.raises(ZeemanError, match="at least 19 nulls"):
        significant_modes(matrix, num_permutations=5)
    with pytest.raises(ZeemanError, match="shape"):
        significant_modes(matrix, [matrix[:50]] * 19)
    with pytest.raises(ZeemanError, match="finite nulls"):
        significant_modes(matrix, [np.full_like(matrix, np.nan)] * 19)
