from __future__ import annotations

import time
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeeman.errors import ZeemanError
from zeeman.phases import choose_segments, extra_variance, segment


def line_cost(x, y, se):
    design = np.stack([np.ones_like(x), x - x.mean()], axis=1) / se[:, None]
    return ((y / se - design @ np.linalg.lstsq(design, y / se, rcond=None)[0]) ** 2).sum()


def brute_force(x, y, se, num_segments):
    """Return the least cost over all partitions into runs of two points or more."""
    costs = []
    for cuts in combinations(range(1, len(x)), num_segments - 1):
        edges = [0, *cuts, len(x)]
        runs = [slice(a, b) for a, b in pairwise(edges)]
        if all(run.stop - run.start >= 2 for run in runs):
            costs.append(sum(line_cost(x[run], y[run], se[run]) for run in runs))
    return min(costs)


@st.composite
def curves(draw):
    size = draw(st.integers(2, 10))
    values = st.floats(-100, 100, allow_nan=False, width=32)
    x = np.cumsum(draw(st.lists(st.floats(0.01, 2.0), min_size=size, max_size=size)))
    y = np.array(draw(st.lists(values, min_size=size, max_size=size)))
    se = np.array(draw(st.lists(st.floats(0.1, 5.0), min_size=size, max_size=size)))
    return x, y, se, draw(st.integers(1, min(4, size // 2)))


@settings(max_examples=150, deadline=None)
@given(curves())
def test_partition_is_the_best_of_all(curve):
    x, y, se, count = curve
    fit = segment(x, y, se, count)
    assert (np.diff(fit.boundaries) >= 2).all()
    assert fit.boundaries[0] == 0
    assert fit.boundaries[-1] == len(x)
    assert fit.cost == pytest.approx(brute_force(x, y, se, count), rel=1e-6, abs=1e-6)
    assert fit.cost == pytest.approx((((y - fit.fitted(x)) / se) ** 2).sum(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_planted_lines_are_recovered_exactly(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(4, 12, size=4)
    x = np.cumsum(rng.uniform(0.05, 1.0, sizes.sum()))
    slope, intercept = rng.normal(size=4), 10 * rng.normal(size=4)
    owner = np.repeat(np.arange(4), sizes)
    fit = segment(x, intercept[owner] + slope[owner] * x, rng.uniform(0.5, 2.0, len(x)), 4)
    assert np.diff(fit.boundaries).tolist() == sizes.tolist()
    np.testing.assert_allclose(fit.slope, slope, atol=1e-9)
    np.testing.assert_allclose(fit.intercept - fit.slope * fit.centre, intercept, atol=1e-8)
    assert fit.cost == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(("a", "b", "c", "d"), [(3.0, -40.0, 0.1, 5.0), (-2.0, 1e4, 20.0, -3.0), (1e-6, 0.0, 1e3, 1e3)])
def test_affine_maps_move_the_fit_along(a, b, c, d):
    rng = np.random.default_rng(3)
    x, y, se = np.sort(rng.uniform(0, 8, 40)), rng.normal(size=40).cumsum(), rng.uniform(0.5, 2, 40)
    fit, mapped = segment(x, y, se, 5), segment(c * x + d, a * y + b, abs(a) * se, 5)
    assert mapped.boundaries.tolist() == fit.boundaries.tolist()
    np.testing.assert_allclose(mapped.slope, a / c * fit.slope, rtol=1e-6)
    np.testing.assert_allclose(mapped.intercept, a * fit.intercept + b, rtol=1e-9)
    assert mapped.cost == pytest.approx(fit.cost, rel=1e-6)
    moved = choose_segments(c * x + d, a * y + b, abs(a) * se)
    assert moved == choose_segments(x, y, se)


def test_covariance_is_that_of_repeated_readings():
    rng = np.random.default_rng(0)
    x, se = np.sort(rng.uniform(0, 8, 20)), rng.uniform(0.5, 2, 20)
    truth = np.where(x < 4, 0.0, 1000.0)
    fits = [segment(x, truth + se * rng.normal(size=20), se, 2) for _ in range(2000)]
    for k in range(2):
        found = np.cov([fit.intercept[k] for fit in fits], [fit.slope[k] for fit in fits])
        expected = fits[0].covariance[k]
        np.testing.assert_allclose(np.diag(found), np.diag(expected), rtol=0.15)
        assert abs(found[0, 1]) < 0.1 * np.sqrt(found[0, 0] * found[1, 1])


def test_cost_never_rises_with_more_lines():
    rng = np.random.default_rng(1)
    x, y, se = np.arange(30.0), rng.normal(size=30), rng.uniform(0.5, 2, 30)
    costs = [segment(x, y, se, count).cost for count in range(1, 16)]
    assert (np.diff(costs) <= 1e-9).all()
    assert costs[-1] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("num_points", [25, 120])
@pytest.mark.parametrize("true_count", [1, 2, 3])
def test_cross_validation_finds_clear_lines(num_points, true_count):
    rng = np.random.default_rng(0)
    x = np.linspace(0, 8, num_points)
    levels = 30.0 * (np.floor(x / 8.001 * true_count) % 2)
    chosen = [choose_segments(x, levels + rng.normal(size=num_points), np.ones(num_points)) for _ in range(9)]
    assert np.median(chosen) == true_count


def test_readings_noisier_than_they_say_need_no_more_lines():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 8, 25)
    chosen = [choose_segments(x, 5 * rng.normal(size=25), np.ones(25)) for _ in range(20)]
    assert np.median(chosen) <= 2


def test_extra_variance_is_found_and_never_negative():
    rng = np.random.default_rng(0)
    x, se = np.arange(500.0), rng.uniform(0.5, 2, 500)
    for planted in (0.0, 4.0, 100.0):
        y = 3 * x + np.sqrt(se**2 + planted) * rng.normal(size=500)
        assert extra_variance(x, y, se, segment(x, y, se, 1)) == pytest.approx(planted, rel=0.2, abs=0.2)
    flat = np.zeros(500)
    assert extra_variance(x, flat, se, segment(x, flat, se, 1)) == 0


def test_a_thousand_checkpoints_take_seconds():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 8, 1000)
    began = time.process_time()
    fit = segment(x, np.where(x < 3, 0, 9) + rng.normal(size=1000), np.ones(1000), 7)
    assert time.process_time() - began < 5
    assert np.searchsorted(x, 3) in fit.boundaries


@pytest.mark.parametrize(
    ("x", "y", "se", "count", "word"),
    [
        ([0, 1, 2], [0, 1], [1, 1, 1], 1, "shape"),
        ([0, 1, 1, 2], [0, 1, 2, 3], [1, 1, 1, 1], 1, "increasing"),
        ([0, 1, 2, 3], [0, 1, np.nan, 3], [1, 1, 1, 1], 1, "finite"),
        ([0, 1, 2, 3], [0, 1, 2, 3], [1, 1, 0, 1], 1, "positive"),
        ([0, 1, 2, 3], [0, 1, 2, 3], [1, 1, 1, 1], 3, "num_segments"),
        ([0, 1, 2, 3], [0, 1, 2, 3], [1, 1, 1, 1], 0, "num_segments"),
    ],
)
def test_what_is_no_curve_is_refused(x, y, se, count, word):
    with pytest.raises(ZeemanError, match=word):
        segment(x, y, se, count)
