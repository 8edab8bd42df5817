"""Scores of a probe: the mean, and an error that is right when tokens of a row go together."""

from __future__ import annotations

import math

import numpy as np

from zeeman.spectra import behaviour


def test_equal_rows_give_the_standard_error_of_row_means() -> None:
    scores = np.random.default_rng(0).normal(size=(40, 7))
    mean, error = behaviour(scores.ravel(), np.repeat(np.arange(40), 7))
    assert math.isclose(mean, scores.mean())
    assert math.isclose(error, scores.mean(1).std(ddof=1) / 40**0.5)


def test_the_error_covers_the_truth_when_rows_differ_in_length_and_level() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        lengths = rng.integers(1, 12, size=60)
        row = np.repeat(np.arange(60), lengths)
        scores = 2.0 + rng.normal(size=60)[row] + 0.3 * rng.normal(size=len(row))
        mean, error = behaviour(scores, row)
        covered += abs(mean - 2.0) < 2 * error
    assert 0.91 < covered / 400 < 0.98


def test_one_row_has_no_error_bar() -> None:
    assert math.isnan(behaviour(np.ones(3), np.zeros(3, int))[1])
