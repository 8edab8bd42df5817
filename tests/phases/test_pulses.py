from __future__ import annotations

import time

import numpy as np
import pytest

from zeeman.errors import ZeemanError
from zeeman.phases import find_pulses


def log_steps(rng, num=25):
    """Return steps from 10 to 3000, unevenly spaced in their logarithm."""
    return np.round(np.exp(np.linspace(np.log(10), np.log(3000), num) + rng.uniform(-0.1, 0.1, num))).astype(int)


def along(steps):
    x = np.log1p(steps)
    return (x - x[0]) / (x[-1] - x[0])


def sigmoid(num, middle, width):
    """Return a rise from 0 to 1 that does its middle 80 % within ``width`` checkpoints."""
    return 1 / (1 + np.exp(-(np.arange(num) - middle) * 2 * np.log(9) / width))


SMOOTH = {
    "noise": lambda u, rng: 0 * u,
    "line": lambda u, rng: rng.uniform(5, 100) * u,
    "saturation": lambda u, rng: rng.uniform(5, 100) * (1 - np.exp(-u / rng.uniform(0.1, 0.6))),
    "logarithm": lambda u, rng: rng.uniform(5, 100) * np.log1p(rng.uniform(1, 50) * u),
    "bend": lambda u, rng: rng.uniform(5, 100) * np.minimum(u, rng.uniform(0.2, 0.8)),
}


@pytest.mark.parametrize("understated", [1.0, 2.0])
def test_smooth_growth_and_noise_rarely_give_pulses(understated):
    rng, alarms, trials = np.random.default_rng(1), 0, 0
    for shape in SMOOTH.values():
        for _ in range(5):
            steps = log_steps(rng)
            se = np.exp(rng.uniform(-0.5, 0.5, len(steps)))
            y = shape(along(steps), rng) + understated * se * rng.standard_normal(len(steps))
            alarms += bool(find_pulses(steps, y, se, num_bootstrap=0))
            trials += 1
    assert alarms <= 0.05 * trials


@pytest.mark.parametrize(("height", "least_found"), [(8.0, 0.7), (15.0, 0.95), (50.0, 0.95)])
def test_sigmoidal_jumps_are_found_and_intervals_cover_their_middle(height, least_found):
    rng, found, covered, trials = np.random.default_rng(2), 0, 0, 24
    for _ in range(trials):
        steps = log_steps(rng)
        middle, width = rng.uniform(7, len(steps) - 8), rng.uniform(1, 6)
        y = height * sigmoid(len(steps), middle, width) + rng.standard_normal(len(steps))
        date = np.expm1(np.interp(middle, np.arange(len(steps)), np.log1p(steps)))
        pulses = find_pulses(steps, y, np.ones(len(steps)), num_bootstrap=60)
        found += bool(pulses)
        covered += any(pulse.interval[0] <= date <= pulse.interval[1] for pulse in pulses)
    assert found >= least_found * trials
    assert covered >= 0.9 * found


def test_clean_jump_gives_the_gap_alone():
    steps = np.arange(100, 2600, 100)
    y = np.where(steps > 1000, 50.0, 0.0) + np.random.default_rng(0).normal(size=25)
    (pulse,) = find_pulses(steps, y, np.ones(25))
    assert (pulse.start, pulse.end) == pulse.interval == (1000, 1100)
    assert pulse.start < pulse.date < pulse.end
    assert pulse.change == pytest.approx(50, abs=4 * pulse.change_se)
    assert pulse.support > 0.95


def test_ramp_over_several_checkpoints_is_one_pulse():
    steps = np.round(np.geomspace(10, 3000, 30)).astype(int)
    y = np.interp(np.arange(30), [12, 18], [0.0, 60.0]) + np.random.default_rng(0).normal(size=30)
    (pulse,) = find_pulses(steps, y, np.ones(30))
    assert steps[11] <= pulse.start <= steps[13]
    assert steps[17] <= pulse.end <= steps[19]
    assert pulse.date == pytest.approx(steps[15], rel=0.1)
    assert pulse.change == pytest.approx(60, abs=8)


def test_two_jumps_with_a_plateau_between_are_two_pulses():
    steps = np.round(np.geomspace(10, 3000, 36)).astype(int)
    heights = np.repeat([0.0, 30.0, 60.0], 12)
    first, second = find_pulses(steps, heights + np.random.default_rng(0).normal(size=36), np.ones(36))
    assert (first.start, first.end) == (steps[11], steps[12])
    assert (second.start, second.end) == (steps[23], steps[24])


def test_direction_units_and_steady_growth_do_not_matter():
    rng = np.random.default_rng(5)
    steps = log_steps(rng)
    jump = 20 * sigmoid(25, 12.4, 3) + rng.normal(size=25)
    (up,) = find_pulses(steps, jump, np.ones(25))
    (down,) = find_pulses(steps, 7 - 1e-3 * jump, np.full(25, 1e-3))
    assert (up.start, up.end, up.date) == (down.start, down.end, pytest.approx(down.date))
    assert (up.z, up.support) == (pytest.approx(down.z), pytest.approx(down.support, abs=0.1))
    assert down.change == pytest.approx(-1e-3 * up.change)
    (growing,) = find_pulses(steps, jump + 10 * along(steps), np.ones(25))
    assert growing.start < up.date < growing.end


def test_same_seed_gives_same_pulses_and_global_state_is_untouched():
    steps = log_steps(np.random.default_rng(0))
    y = 20 * sigmoid(25, 12, 4) + np.random.default_rng(1).normal(size=25)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert find_pulses(steps, y, np.ones(25), seed=3) == find_pulses(steps, y, np.ones(25), seed=3)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_twenty_five_checkpoints_take_less_than_a_second():
    steps = log_steps(np.random.default_rng(0))
    y = 20 * sigmoid(25, 12, 4) + np.random.default_rng(1).normal(size=25)
    began = time.process_time()
    assert find_pulses(steps, y, np.ones(25), num_bootstrap=200)
    assert time.process_time() - began < 1


def test_too_few_readings_have_no_pulses_and_bad_ones_are_refused():
    assert find_pulses([0, 1, 2, 3, 4], [0, 0, 9, 9, 9], np.full(5, 0.1)) == []
    assert find_pulses([3], [9], [0.1]) == find_pulses([], [], []) == []
    with pytest.raises(ZeemanError, match="one shape"):
        find_pulses([3], [9, 9], [0.1])
    with pytest.raises(ZeemanError, match="negative"):
        find_pulses([-1, 0, 1, 2, 3, 4], np.zeros(6), np.ones(6))
    with pytest.raises(ZeemanError, match="increasing"):
        find_pulses([0, 2, 1, 3, 4, 5], np.zeros(6), np.ones(6))
