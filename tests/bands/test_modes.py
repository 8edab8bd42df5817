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


def test_bad_nulls_are_refused() -> None:
    matrix = spiked(100, 4, [4.0], 0)
    with pytest.raises(ZeemanError, match="at least 19 nulls"):
        significant_modes(matrix, num_permutations=5)
    with pytest.raises(ZeemanError, match="shape"):
        significant_modes(matrix, [matrix[:50]] * 19)
