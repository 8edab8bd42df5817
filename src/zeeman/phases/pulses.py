"""Pulses of rate: stretches of training in which a reading changes faster than both before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from zeeman.errors import ZeemanError
from zeeman.phases.segmentation import (
    Floats,
    Ints,
    Segmentation,
    check_curve,
    choose_segments,
    extra_variance,
    segment,
    segment_many,
)

FASTER = 2.0  # mean rate within over the larger rate beside
SIGNIFICANT = 4.0  # excess over its standard error
VISIBLE = 3.0  # change over the noise of a single reading
FURTHER = 3.0  # standard errors that a wider run must add to replace a narrower one
AGAINST = 4.0  # standard errors by which a piece of a run must go the other way to break it
FEWEST_POINTS = 6


@dataclass(frozen=True)
class Pulse:
    """One stretch in which a reading changes faster, per log step, than both before and after.

    Attributes
    ----------
    start, end : int
        Steps of the last checkpoint in the old phase and the first in the new one.
    interval : tuple of int
        5 % quantile of the bootstrap's starts and 95 % quantile of its ends; contains ``start`` and ``end``.
    date : float
        Step at which the fitted change is half done, interpolated in log step.
    change, change_se : float
        Fitted change from ``start`` to ``end``, in units of the reading, and its standard error.
    z : float
        Excess of the change over what the faster of the two neighbouring rates would have given, in standard errors.
    support : float
        Share of the bootstrap's curves with a pulse of the same sign between the middles of the lines on either side.
    """

    start: int
    end: int
    interval: tuple[int, int]
    date: float
    change: float
    change_se: float
    z: float
    support: float


@dataclass(frozen=True, eq=False)
class _Run:
    """What lies between segments ``left`` and ``right``: gaps, and the segments between the gaps."""

    left: int
    right: int
    first: int  # last point of the left segment
    last: int  # first point of the right segment
    change: float
    change_se: float
    expected: float  # change in its direction at the larger of the rates beside it, or 0
    excess: float
    functional: Floats  # the excess as a linear function of (intercepts, slopes), shape (2K,)
    z: float

    def holds(self, other: _Run) -> bool:
        return self.left <= other.left and other.right <= self.right

    def meets(self, other: _Run) -> bool:
        return self.first < other.last and other.first < self.last


def find_pulses(
    steps: ArrayLike, y: ArrayLike, se: ArrayLike, *, seed: int = 0, num_bootstrap: int = 200, max_segments: int = 7
) -> list[Pulse]:
    """Find the pulses of rate of one reading along a training run.

    With x = log(step + 1), y(x) is cut into straight lines (`choose_segments`, `segment`). A run is what lies between
    two of the lines. It is a pulse if it moves one way, at 2 or more times the rate of the faster of the two lines
    beside it that goes the same way, if its change exceeds what that line's rate would have given by 4 standard
    errors, and if the change is more than 3 times the noise √(se² + s²) of a reading. A wider run stands instead of
    the narrower one within it if it adds excess that is significant itself, unless it holds two pulses that stand
    apart.

    Short lines have uncertain rates, beside which little stands out. So fewer lines are tried too, as long as BIC does
    not reject them, each with the s² that it leaves: what they find elsewhere is added. Interval and support are from a
    parametric bootstrap with as many lines as found the pulse: readings plus noise √(se² + s²), cut anew.

    Parameters
    ----------
    steps : array of int, shape (N,)
        Strictly increasing, not negative. Fewer than 6 readings have no pulses.
    y, se : array, shape (N,)
        Readings and their standard errors, which are positive.
    seed : int
        Of the bootstrap.
    num_bootstrap, max_segments : int

    Returns
    -------
    list of Pulse
        In order of step.

    Raises
    ------
    ZeemanError
        If the three are not one curve, or a step is negative.

    Examples
    --------
    >>> steps = np.arange(100, 2500, 100)
    >>> noise = np.random.default_rng(0).normal(size=24)
    >>> (pulse,) = find_pulses(steps, np.where(steps > 1000, 20.0, 0.0) + noise, np.ones(24))
    >>> pulse.start, pulse.end, pulse.interval
    (1000, 1100, (1000, 1100))
    """
    raw = np.asarray(steps)
    if raw.size and np.min(raw) < 0:
        raise ZeemanError(f"steps must not be negative, got {np.min(raw)}; count training steps from 0.")
    if raw.size == np.size(y) == np.size(se) < 2:
        return []
    x, y, se = check_curve(np.log1p(np.asarray(raw, dtype=np.float64)), y, se)
    if len(x) < FEWEST_POINTS:
        return []
    scale = float(se.mean())
    y, se = y / scale, se / scale
    pulses: list[Pulse] = []
    taken: list[_Run] = []
    rng = np.random.default_rng(seed)
    most = max(choose_segments(x, y, se, max_segments), 2)
    _, best = _noise_and_fit(x, y, se, most)
    for count in range(most, 1, -1):
        noise, fit = _noise_and_fit(x, y, se, count)
        runs = [run for run in _select(_candidates(x, noise, fit)) if _confirmed(run, best.fitted(x))]
        runs = [run for run in runs if not any(run.meets(other) for other in taken)]
        if runs:
            replicas = _replicas(x, y, noise, count, rng, num_bootstrap)
            pulses += [_pulse(run, x, raw.astype(np.int64), fit, replicas, scale) for run in runs]
            taken += runs
    return sorted(pulses, key=lambda pulse: pulse.start)


def _confirmed(run: _Run, curve: Floats) -> bool:
    """Tell whether the curve of the chosen fit, too, is faster in the run and shows at least half of its excess.

    Few lines bend away from what they do not follow, and where two such lines end they leave a gap that is not there.
    """
    change = abs(run.change) / run.change * (curve[run.last] - curve[run.first])
    return bool(change >= FASTER * run.expected and change - run.expected >= run.excess / 2)


def _noise_and_fit(x: Floats, y: Floats, se: Floats, count: int) -> tuple[Floats, Segmentation]:
    """Fit ``count`` lines with the noise √(se² + s²) that they leave."""
    noise = se
    for _ in range(2):
        noise = np.sqrt(se**2 + extra_variance(x, y, se, segment(x, y, noise, count)))
    return noise, segment(x, y, noise, count)


def _replicas(
    x: Floats, y: Floats, noise: Floats, count: int, rng: np.random.Generator, number: int
) -> list[list[_Run]]:
    """Find the pulses of curves drawn around the readings.

    Around the readings and not around the fit: a fitted jump is sharper than the ramp it stands for, and curves drawn
    from it never doubt the place of a checkpoint half-way up.
    """
    if number == 0:
        return []
    curves = y + noise * rng.standard_normal((number, len(x)))
    return [_select(_candidates(x, noise, again)) for again in segment_many(x, curves, noise, count)]


def _candidates(x: Floats, noise: Floats, fit: Segmentation) -> list[_Run]:
    """Return all runs that pass the tests of a pulse by themselves."""
    count = len(fit)
    first, last = fit.boundaries[:-1], fit.boundaries[1:] - 1
    parameters = np.concatenate([fit.intercept, fit.slope])
    variances = np.concatenate([fit.covariance[:, 0, 0], fit.covariance[:, 1, 1]])
    level, slope = np.eye(2 * count)[:count], np.eye(2 * count)[count:]
    enters = level + (x[first] - fit.centre)[:, None] * slope
    leaves = level + (x[last] - fit.centre)[:, None] * slope
    gap_ways = _in_errors(enters[1:] - leaves[:-1], parameters, variances)
    line_ways = _in_errors(leaves - enters, parameters, variances)
    runs = []
    for left, right in combinations(range(count), 2):
        functional = enters[right] - leaves[left]
        change, width = float(functional @ parameters), float(x[first[right]] - x[last[left]])
        sign = 1.0 if change > 0 else -1.0
        ways = sign * np.concatenate([gap_ways[left:right], line_ways[left + 1 : right]])
        beside = sign * fit.slope[[left, right]]
        expected = width * max(*beside, 0.0)
        if (ways < -AGAINST).any() or sign * change < FASTER * expected:
            continue
        # The error of each neighbouring rate counts even where the rate itself is taken as zero.
        excesses = sign * change - width * np.maximum(beside, 0.0)
        over = functional - width * slope[[left, right]]
        z = excesses / np.sqrt(over**2 @ variances)
        worst = int(z.argmin())
        if z[worst] > SIGNIFICANT and sign * change > VISIBLE * max(noise[last[left]], noise[first[right]]):
            error = float(np.sqrt(functional**2 @ variances))
            excess, over_worst = float(excesses[worst]), sign * over[worst]
            ends = int(last[left]), int(first[right])
            runs.append(_Run(left, right, *ends, change, error, expected, excess, over_worst, float(z[worst])))
    return runs if not runs else _without_additions(runs, variances)


def _in_errors(functionals: Floats, parameters: Floats, variances: Floats) -> Floats:
    return (functionals @ parameters) / np.sqrt(functionals**2 @ variances)


def _without_additions(runs: Sequence[_Run], variances: Floats) -> list[_Run]:
    """Drop each run that holds a narrower one of the same sign and adds no significant excess to it."""

    def adds(wide: _Run, narrow: _Run) -> bool:
        error = np.sqrt((wide.functional - narrow.functional) ** 2 @ variances)
        return wide.excess - narrow.excess > FURTHER * float(error)

    return [
        wide for wide in runs if all(adds(wide, narrow) for narrow in runs if wide is not narrow and wide.holds(narrow))
    ]


def _select(runs: Sequence[_Run]) -> list[_Run]:
    """Return disjoint runs: from narrow to wide, each in place of the one it holds or of weaker ones it meets."""
    chosen: list[_Run] = []
    for run in sorted(runs, key=lambda run: (run.right - run.left, -run.z)):
        rivals = [other for other in chosen if run.meets(other)]
        inside = [other for other in rivals if run.holds(other)]
        if len(inside) < 2 and all(run.z > other.z for other in rivals if other not in inside):
            chosen = [other for other in chosen if other not in rivals] + [run]
    return sorted(chosen, key=lambda run: run.left)


def _pulse(
    run: _Run, x: Floats, steps: Ints, fit: Segmentation, replicas: Sequence[Sequence[_Run]], scale: float
) -> Pulse:
    """Describe a run, with its interval and support from the bootstrap."""
    early, late = fit.centre[run.left], fit.centre[run.right]
    found = []
    for replica in replicas:
        near = [other for other in replica if x[other.first] < late and early < x[other.last]]
        same = [other for other in near if other.change * run.change > 0]
        if same:
            found.append(max(same, key=lambda other: other.z))
    first, last = [run.first, *(other.first for other in found)], [run.last, *(other.last for other in found)]
    low = min(run.first, int(np.quantile(first, 0.05, method="lower")))
    high = max(run.last, int(np.quantile(last, 0.95, method="higher")))
    return Pulse(
        start=int(steps[run.first]),
        end=int(steps[run.last]),
        interval=(int(steps[low]), int(steps[high])),
        date=float(np.expm1(_half_way(run, x, fit))),
        change=run.change * scale,
        change_se=run.change_se * scale,
        z=run.z,
        support=len(found) / len(replicas) if replicas else 0.0,
    )


def _half_way(run: _Run, x: Floats, fit: Segmentation) -> float:
    """Return x where the fitted lines, joined across the gaps, first reach half the change of the run."""
    inside = slice(run.first, run.last + 1)
    done = (fit.fitted(x)[inside] - fit.fitted(x)[run.first]) / run.change
    after = int(np.argmax(done >= 0.5))
    share = (0.5 - done[after - 1]) / (done[after] - done[after - 1])
    here = x[inside]
    return float(here[after - 1] + share * (here[after] - here[after - 1]))
