"""Axes that come out again: found under louder noise, in units of the noise, blind to scales of columns."""

import numpy as np
import pytest
from scipy.stats import chi2

from zeeman.bands import reproducible_axes
from zeeman.errors import ZeemanError

ROWS, COLUMNS = 2000, 8


def halves_of(truth, noise, seed=0):
    """Readings by either half of the draws; the noise of a column is that of the mean of both."""
    rng = np.random.default_rng(seed)
    one, other = (truth + np.sqrt(2) * rng.standard_normal(truth.shape) * noise for _ in range(2))
    return (one + other) / 2, (one, other)


def two_kinds():
    """Two kinds that differ in two quiet columns, beside a mode that all others share but that never repeats."""
    kind = np.arange(ROWS) % 2
    truth = np.zeros((ROWS, COLUMNS))
    truth[:, 0], truth[:, 1] = kind, -kind
    return kind, truth, np.array([0.1, 0.1, *[3.0] * (COLUMNS - 2)])


def test_a_quiet_difference_is_found_beside_loud_noise():
    kind, truth, noise = two_kinds()
    places = reproducible_axes(*halves_of(truth, noise))
    assert abs(np.corrcoef(places[:, 0], kind)[0, 1]) > 0.95


def test_noise_is_one_along_every_axis():
    """The same rows read anew move by noise alone; all axes are turned by what the first reading found."""
    kind, truth, noise = two_kinds()
    whole, halves = halves_of(truth, noise)
    places = reproducible_axes(whole, halves)
    inside = np.concatenate([places[kind == one] - places[kind == one].mean(axis=0) for one in (0, 1)])
    low, high = chi2.ppf([0.0005, 0.9995], ROWS - 2) / (ROWS - 2)
    # Along the first axis rows of one kind differ by noise alone; axes are fitted to 2,000 rows, columns scaled twice.
    assert low < (inside[:, 0] ** 2).sum() / (ROWS - 2) < high


def test_scales_and_offsets_of_columns_do_not_matter():
    _, truth, noise = two_kinds()
    whole, halves = halves_of(truth, noise)
    scale, offset = np.geomspace(1e-3, 1e3, COLUMNS), np.arange(COLUMNS)
    moved = [each * scale + offset for each in (whole, *halves)]
    places, again = reproducible_axes(whole, halves), reproducible_axes(moved[0], (moved[1], moved[2]))
    np.testing.assert_allclose(np.abs(again), np.abs(places), rtol=1e-6, atol=1e-8)


def test_pure_noise_leaves_the_least_number_of_axes():
    assert reproducible_axes(*halves_of(np.zeros((ROWS, COLUMNS)), np.ones(COLUMNS))).shape == (ROWS, 2)


def test_halves_must_fit_and_differ():
    _, truth, noise = two_kinds()
    whole, (one, other) = halves_of(truth, noise)
    with pytest.raises(ZeemanError, match="halves of the matrix's shape"):
        reproducible_axes(whole, (one[:-1], other))
    with pytest.raises(ZeemanError, match="the same twice"):
        reproducible_axes(whole, (one, one))
