"""Which readings moved with a transition: planted ones are found, unrelated ones as often as was allowed."""

from __future__ import annotations

import numpy as np
import pytest

from zeeman.errors import ZeemanError
from zeeman.phases import match_windows

STEPS = np.unique(np.geomspace(1, 10_000, 80).round())
ERROR = 0.02


def ramp(date: float, rng: np.random.Generator, width: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A loss that falls by one around a date, over a drift along all of the training, with noise."""
    x = np.log1p(STEPS)
    values = -1 / (1 + np.exp(-(x - np.log1p(date)) / width)) - 0.05 * x + ERROR * rng.standard_normal(len(x))
    return STEPS, values, np.full(len(x), ERROR)


def test_unrelated_readings_match_no_more_often_than_p_says() -> None:
    rng = np.random.default_rng(0)
    p = []
    for _ in range(150):
        curves = {str(i): ramp(np.expm1(rng.uniform(1, 8)), rng) for i in range(4)}
        start = rng.uniform(1, 8)
        (found,) = match_windows([(np.expm1(start), np.expm1(start + 0.4))], curves)
        p += [match.p_value for match in found.values()]
    for level in (0.05, 0.1, 0.3):
        share = float(np.mean(np.array(p) <= level))
        assert share <= level + 3 * np.sqrt(level / len(p))


def test_planted_readings_are_found_and_false_discoveries_stay_rare() -> None:
    rng = np.random.default_rng(1)
    true = false = missed = 0
    for _ in range(40):
        date = np.expm1(rng.uniform(3, 7))
        window = tuple(np.expm1(np.log1p(date) + np.array([-0.15, 0.15])))
        planted = {f"planted {i}": ramp(date, rng) for i in range(5)}
        others = {f"other {i}": ramp(np.expm1(rng.uniform(1, 8)), rng) for i in range(10)}
        (found,) = match_windows([window], planted | others)
        hits = [name for name, match in found.items() if match.q_value <= 0.2]
        true += sum(name.startswith("planted") for name in hits)
        false += sum(name.startswith("other") for name in hits)
        missed += 5 - sum(name.startswith("planted") for name in hits)
    assert false <= 0.2 * (true + false) + 3 * np.sqrt(0.2 * (true + false))
    assert true > 5 * missed


def test_change_and_error_are_those_of_the_ends() -> None:
    rng = np.random.default_rng(2)
    curve = ramp(300.0, rng)
    (found,) = match_windows([(STEPS[10], STEPS[60])], {"a": curve})
    assert found["a"].change == pytest.approx(curve[1][60] - curve[1][10])
    assert found["a"].standard_error == pytest.approx(ERROR * np.sqrt(2))
    assert found["a"].z == pytest.approx(found["a"].change / found["a"].standard_error)


def test_a_window_of_the_whole_training_says_nothing() -> None:
    (found,) = match_windows([(STEPS[0], STEPS[-1])], {"a": ramp(300.0, np.random.default_rng(3))})
    assert found["a"].p_value == pytest.approx(0.5)  # its own noise alone


def test_curves_that_are_none_are_refused() -> None:
    one = np.array([1.0])
    with pytest.raises(ZeemanError, match="two or more"):
        match_windows([(1, 2)], {"a": (one, one, one)})
    assert match_windows([], {"a": ramp(300.0, np.random.default_rng(4))}) == []
