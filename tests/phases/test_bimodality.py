"""The dip against linear programs, its null against simulation, Binder's cumulant against exact moments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.special import gamma

from zeeman.errors import ZeemanError
from zeeman.phases import binder, dip, dip_p_value
from zeeman.phases.bimodality import UNIMODAL_BINDER


def least_distance(draws: np.ndarray) -> float:
    """sup|F − G| minimized over all G that are convex up to a draw and concave from there on, by a linear program."""
    x, counts = np.unique(draws, return_counts=True)
    above = np.cumsum(counts) / counts.sum()
    below, best = above - counts / counts.sum(), math.inf
    for mode in range(len(x)):
        # G at the draws before the mode, on its left, on its right, and after; then the distance.
        places = np.insert(x, mode, x[mode])
        last = len(places)
        rows, bounds = [], []

        def limit(coefficients: dict[int, float], bound: float, rows: list = rows, bounds: list = bounds) -> None:
            row = np.zeros(last + 1)  # noqa: B023
            for place, value in coefficients.items():
                row[place] += value
            rows.append(row)
            bounds.append(bound)

        for i in range(len(x)):
            left, right = (i, i) if i < mode else (i + 1, i + 1) if i > mode else (i, i + 1)
            limit({right: -1, last: -1}, -above[i])
            limit({left: 1, last: -1}, below[i])
        for i in range(last - 1):
            limit({i: 1, i + 1: -1}, 0.0)
        for i in range(last - 2):
            a, b = places[i + 1] - places[i], places[i + 2] - places[i + 1]
            sign = 1 if i + 2 <= mode else -1 if i >= mode + 1 else 0
            if sign:
                limit({i: -sign / a, i + 1: sign * (1 / a + 1 / b), i + 2: -sign / b}, 0.0)
        solved = linprog(np.eye(last + 1)[last], np.array(rows), bounds, bounds=[(0, 1)] * last + [(0, None)])
        best = min(best, solved.fun)
    return best


@pytest.mark.parametrize("seed", range(20))
def test_dip_is_the_least_distance_from_a_unimodal_law(seed: int) -> None:
    rng = np.random.default_rng(seed)
    draws = rng.normal(size=rng.integers(4, 14)) + rng.choice([0.0, 3.0])
    draws[: len(draws) // 2] -= rng.choice([0.0, 4.0])
    if seed % 3 == 0:
        draws = draws.round()
    assert dip(draws) == pytest.approx(least_distance(draws), abs=1e-9)


def test_dip_does_not_change_with_scale_place_or_order() -> None:
    draws = np.random.default_rng(1).gamma(0.5, size=150)
    for other in (draws[::-1], 7 * draws - 3, -draws):
        assert dip(other) == pytest.approx(dip(draws))


@pytest.mark.parametrize("count", [40, 300])
def test_p_values_of_the_uniform_law_are_uniform_and_others_larger(count: int) -> None:
    rng = np.random.default_rng(count)
    flat = np.array([dip_p_value(dip(rng.random(count)), count) for _ in range(300)])
    for level in (0.05, 0.2, 0.5):
        assert abs((flat < level).mean() - level) < 4 * math.sqrt(level * (1 - level) / 300)
    for law in (rng.standard_normal, lambda n: rng.gamma(0.125, size=n), lambda n: rng.gamma(3.0, size=n)):
        assert sum(dip_p_value(dip(law(count)), count) < 0.05 for _ in range(60)) <= 3


def test_beyond_the_table_p_falls_on() -> None:
    values = [dip_p_value(d, 400) for d in (0.02, 0.03, 0.04, 0.05, 0.06, 0.1)]
    assert values == sorted(values, reverse=True)
    assert 0 < values[-1] < 1e-6
    assert dip_p_value(0.0, 400) == 1.0


def test_binder_of_exact_laws() -> None:
    rng = np.random.default_rng(0)
    assert binder(rng.normal(size=10**6)) == pytest.approx(0, abs=0.01)
    assert binder(rng.random(10**6)) == pytest.approx(0.4, abs=0.01)
    assert binder(rng.gamma(4.0, size=10**6)) == pytest.approx(-2 / 4, abs=0.03)
    quartic = rng.choice([-1, 1], 10**6) * rng.gamma(0.25, size=10**6) ** 0.25  # density e^{−w⁴}
    ratio = gamma(5 / 4) * gamma(1 / 4) / gamma(3 / 4) ** 2
    assert ratio == pytest.approx(2.18844, abs=1e-5)
    assert binder(quartic, 0.0) == pytest.approx(1 - ratio / 3, abs=0.01)
    rare = rng.random(10**6) < 0.01
    assert binder(10 * rare + 0.1 * rng.normal(size=10**6)) == pytest.approx(-1 / 0.03, rel=0.1)


def test_no_law_of_one_mode_exceeds_the_bound() -> None:
    """Mixtures of uniform laws that begin at the mode are all there are (Khinchin): the extremes are tried."""
    rng = np.random.default_rng(3)
    ends = np.array([-1.0, 1.0, 0.3, 3.0, -0.2])
    moments = np.array([[e**k / (k + 1) for k in range(1, 5)] for e in ends])
    largest = -math.inf
    for weights in rng.dirichlet(np.full(5, 0.3), 20000):
        a, b, c, d = weights @ moments
        square = b - a**2
        largest = max(largest, 1 - (d - 4 * a * c + 6 * a**2 * b - 3 * a**4) / (3 * square**2))
    assert 0.4 < largest <= UNIMODAL_BINDER


def test_no_draws_are_refused() -> None:
    for draws in ([], [1.0, math.nan]):
        with pytest.raises(ZeemanError, match="finite draws"):
            dip(draws)
