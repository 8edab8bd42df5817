"""Correlation between halves of the draws: what it is for a signal of known size, and what it leaves out."""

from __future__ import annotations

import numpy as np
import pytest

from zeeman.spectra import split_half


def test_halves_correlate_as_signal_and_noise_say_and_not_by_what_all_components_share() -> None:
    """With noise of variance v in either half of a signal of variance 1, r is 1/(1 + v)."""
    rng = np.random.default_rng(0)
    found, errors = [], []
    for _ in range(60):
        halves = rng.normal(size=(12, 9)) + rng.normal(size=(2, 12, 9)) + 50 * rng.normal(size=9)
        r, error = split_half(halves)
        found.append(r)
        errors.append(error)
    assert np.mean(found) == pytest.approx(0.5, abs=4 * np.std(found) / np.sqrt(60) + 0.02)
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.3)
    alone, _ = split_half(rng.normal(size=(2, 40, 40)))
    assert abs(alone) < 4 / 40


def test_halves_without_a_missing_figure_are_compared_alone() -> None:
    rng = np.random.default_rng(1)
    halves = rng.normal(size=(2, 6, 5))
    halves[:, 2], halves[1, 4, 3] = np.nan, np.nan
    kept = np.delete(np.delete(halves, 2, axis=1), 3, axis=2)
    assert split_half(halves) == split_half(kept)
    assert np.isnan(split_half(halves[:, :2])).all()
    assert np.isnan(split_half(np.full((2, 5, 5), np.nan))).all()
