"""The exact best partition of a noisy curve into straight lines, and how many lines it needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_SIZE = 2
_CELLS_AT_ONCE = 4_000_000  # of a cost matrix, so that a batch of curves stays within some hundred megabytes


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A curve y(x) cut into K straight lines that need not meet.

    Segment k holds the points ``boundaries[k]:boundaries[k + 1]`` and is the line ``intercept[k] + slope[k] * (x -
    centre[k])``. The centre is the weighted mean of its abscissae, which makes the errors of intercept and slope
    independent.

    Attributes
    ----------
    boundaries : array of int, shape (K + 1,)
        From 0 to the number of points.
    centre, intercept, slope : array, shape (K,)
    covariance : array, shape (K, 2, 2)
        Of (intercept, slope), given the standard errors that were passed in.
    cost : float
        Sum of squared residuals in units of the standard errors.

    Examples
    --------
    >>> fit = segment([0, 1, 2, 3, 4, 5], [0, 1, 2, 9, 9, 9], np.ones(6), 2)
    >>> fit.boundaries.tolist(), fit.slope.round(6).tolist(), round(fit.cost, 6)
    ([0, 3, 6], [1.0, 0.0], 0.0)
    """

    boundaries: Ints
    centre: Floats
    intercept: Floats
    slope: Floats
    covariance: Floats
    cost: float

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.slope)

    def fitted(self, x: ArrayLike) -> Floats:
        """Return the lines at the points that were fitted, shape (N,)."""
        owner = np.repeat(np.arange(len(self)), np.diff(self.boundaries))
        return _line(self.intercept, self.slope, self.centre, owner, np.asarray(x, dtype=np.float64))


def segment(x: ArrayLike, y: ArrayLike, se: ArrayLike, num_segments: int) -> Segmentation:
    """Cut y(x) into straight lines with the least weighted sum of squares, over all partitions.

    Dynamic programming over the last segment's first point (Bellman 1961; Bai & Perron 2003): exact, O(N² K) time and
    O(N²) memory. Every segment has at least two points.

    Parameters
    ----------
    x : array, shape (N,)
        Strictly increasing.
    y, se : array, shape (N,)
        Readings and their standard errors, which are positive.
    num_segments : int
        K, at most N // 2.

    Raises
    ------
    ZeemanError
        If shapes differ, x does not increase, a value is not finite, an error is not positive, or K does not fit.

    Examples
    --------
    >>> segment([0, 1, 2, 3], [5, 5, 0, 1], np.ones(4), 2).intercept.tolist()
    [5.0, 0.5]
    """
    x, y, se = check_curve(x, y, se)
    if not 1 <= num_segments <= len(x) // MIN_SIZE:
        raise ZeemanError(
            f"num_segments must lie between 1 and {len(x) // MIN_SIZE} for {len(x)} points, got {num_segments}."
        )
    return segment_many(x, y[None], se, num_segments)[0]


def segment_many(x: Floats, ys: Floats, se: Floats, num_segments: int) -> list[Segmentation]:
    """Cut each row of ``ys``, shape (B, N), which share x and se, as `segment` does."""
    starts = np.concatenate([partitions[-1] for partitions in _best_starts(x, ys, se, num_segments)])
    return _fit(x, ys, se, starts)


def check_curve(x: ArrayLike, y: ArrayLike, se: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return the three as float arrays, or raise ZeemanError when they are not one curve with error bars."""
    arrays = tuple(np.asarray(values, dtype=np.float64) for values in (x, y, se))
    if len({array.shape for array in arrays}) > 1 or arrays[0].ndim != 1 or len(arrays[0]) < MIN_SIZE:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ZeemanError(
            f"a curve needs x, y and se of one shape (N,) with N >= {MIN_SIZE}, got {shapes}; give one each."
        )
    if not all(np.isfinite(array).all() for array in arrays):
        raise ZeemanError("a curve needs finite x, y and se, got NaN or infinity; drop the readings that are not ok.")
    if not (np.diff(arrays[0]) > 0).all():
        raise ZeemanError("a curve needs strictly increasing x, got repeated or unsorted points; sort and merge them.")
    if not (arrays[2] > 0).all():
        raise ZeemanError(
            f"standard errors must be positive, got {arrays[2].min()}; estimate them before looking for changes."
        )
    return arrays[0], arrays[1], arrays[2]


def extra_variance(x: ArrayLike, y: ArrayLike, se: ArrayLike, fit: Segmentation) -> float:
    """Estimate the variance s² that readings have beyond their standard errors, by the method of moments.

    Solves Σ r_i² / (se_i² + s²) = N − 3K + 1 for s² ≥ 0 (Paule & Mandel 1982): two parameters are spent on each line
    and one on each place of a boundary. Misfit of the lines counts as noise too, so what is found stands out from
    both.

    Examples
    --------
    >>> x, rng = np.arange(400.0), np.random.default_rng(0)
    >>> y, se = rng.normal(0, 5, 400), np.full(400, 3.0)
    >>> bool(abs(extra_variance(x, y, se, segment(x, y, se, 1)) - 16) < 4)
    True
    """
    x, y, se = check_curve(x, y, se)
    squares, freedom = (y - fit.fitted(x)) ** 2, max(len(x) - 3 * len(fit) + 1, 1)
    if (squares / se**2).sum() <= freedom:
        return 0.0
    low, high = 0.0, float(squares.sum() / freedom)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (squares / (se**2 + middle)).sum() > freedom else (low, middle)
    return (low + high) / 2


def choose_segments(x: ArrayLike, y: ArrayLike, se: ArrayLike, max_segments: int = 7) -> int:
    """Choose the number of lines by cross-validation.

    Interior points are left out (one by one up to 60 points, else in ten interleaved folds), the rest is cut anew,
    and a left-out point is predicted by the line of its neighbours. Where they belong to two lines, it may belong to
    either: its predictive density is the mean of the two, so that a jump costs log 2 and not half its height. The
    score is the log predictive density with noise se² + s²; K is the smallest whose score is within one standard
    error (of the paired differences) of the best. s² is found from the K chosen with the noise before, twice.

    Parameters
    ----------
    x, y, se : array, shape (N,)
        As in `segment`.
    max_segments : int
        The largest K tried; never more than a third of the points.

    Raises
    ------
    ZeemanError
        As `segment`.

    Examples
    --------
    >>> x, rng = np.arange(30.0), np.random.default_rng(0)
    >>> choose_segments(x, np.where(x < 15, 0.0, 9.0) + rng.normal(size=30), np.ones(30))
    2
    """
    x, y, se = check_curve(x, y, se)
    most = max(1, min(max_segments, len(x) // 3))
    if most == 1:
        return 1
    noise, chosen = se, 1
    for _ in range(2):
        chosen = _one_standard_error_rule(_scores(x, y, noise, most))
        noise = np.sqrt(se**2 + extra_variance(x, y, se, segment(x, y, noise, chosen)))
    return chosen


def _one_standard_error_rule(scores: Floats) -> int:
    """Return the least K whose mean score is not worse than the best by more than one standard error."""
    lost = scores[scores.mean(axis=1).argmax()] - scores
    allowed = lost.std(axis=1, ddof=1) / math.sqrt(scores.shape[1])
    return int(np.argmax(lost.mean(axis=1) <= allowed)) + 1


def _scores(x: Floats, y: Floats, noise: Floats, most: int) -> Floats:
    """Return the log predictive density of each left-out point under K = 1 .. most, shape (most, points)."""
    columns = []
    for left_out in _folds(len(x)):
        kept = np.setdiff1d(np.arange(len(x)), left_out)
        (partitions,) = _best_starts(x[kept], y[None, kept], noise[kept], most)
        before = np.searchsorted(kept, left_out) - 1
        columns.append(
            [
                _log_density(fit, before, x[left_out], y[left_out], noise[left_out])
                for starts in partitions
                for fit in _fit(x[kept], y[None, kept], noise[kept], starts)
            ]
        )
    return np.concatenate(columns, axis=1)


def _folds(num_points: int) -> Iterator[Ints]:
    """Yield sets of interior points; no two of a set are neighbours."""
    interior = np.arange(1, num_points - 1)
    count = len(interior) if num_points <= 60 else 10
    for k in range(count):
        yield interior[k::count]


def _log_density(fit: Segmentation, before: Ints, x: Floats, y: Floats, noise: Floats) -> Floats:
    """Score points that lie between fitted points ``before`` and ``before + 1``."""
    owners = [np.searchsorted(fit.boundaries, before + side, side="right") - 1 for side in (0, 1)]
    lines = [_line(fit.intercept, fit.slope, fit.centre, owner, x) for owner in owners]
    left, right = (-((y - line) ** 2) / (2 * noise**2) for line in lines)
    return np.logaddexp(left, right) - math.log(2) - np.log(noise)


def _line(intercept: Floats, slope: Floats, centre: Floats, owner: Ints, x: Floats) -> Floats:
    return intercept[owner] + slope[owner] * (x - centre[owner])


def _best_starts(x: Floats, ys: Floats, se: Floats, most: int) -> Iterator[list[Ints]]:
    """Yield, for chunks of the rows of ys, the first points of the best K segments, K = 1 .. most: arrays (rows, K)."""
    rows = max(1, _CELLS_AT_ONCE // len(x) ** 2)
    for first in range(0, len(ys), rows):
        yield _partition(_costs(x, ys[first : first + rows], se), most)


def _costs(x: Floats, ys: Floats, se: Floats) -> Floats:
    """Return the residual sum of squares of the line through the points i..j of each row, shape (B, N, N).

    Running sums along j are taken relative to point i of their own row, so that large offsets do not cancel digits.
    Runs below the least size are infinite.
    """
    weight = np.triu(np.broadcast_to((se.mean() / se) ** 2, (len(x), len(x))))
    along, up = x - x[:, None], ys[:, None, :] - ys[:, :, None]
    total = np.maximum(np.cumsum(weight, axis=-1), np.finfo(float).tiny)
    sum_x, sum_xx = np.cumsum(weight * along, axis=-1), np.cumsum(weight * along**2, axis=-1)
    weighted = weight * up
    sum_y, sum_xy = np.cumsum(weighted, axis=-1), np.cumsum(weighted * along, axis=-1)
    sum_yy = np.cumsum(weighted * up, axis=-1)
    spread = sum_xx - sum_x**2 / total
    slanted = (sum_xy - sum_x * sum_y / total) ** 2 / np.where(spread > 0, spread, 1.0)
    costs: Floats = np.maximum(sum_yy - sum_y**2 / total - slanted, 0.0)
    size = np.arange(len(x)) - np.arange(len(x))[:, None] + 1
    costs[:, size == MIN_SIZE] = 0.0
    costs[:, size < MIN_SIZE] = np.inf
    return costs


def _partition(costs: Floats, most: int) -> list[Ints]:
    """Return the first points of the best 1 .. most segments, given the cost of each run of points."""
    rows, points = np.arange(len(costs)), costs.shape[-1]
    best, choices = costs[:, 0, :], []
    for _ in range(most - 1):
        before = np.concatenate([np.full((len(costs), 1), np.inf), best[:, :-1]], axis=1)
        reached = before[:, :, None] + costs
        choices.append(reached.argmin(axis=1))
        best = reached.min(axis=1)
    partitions = []
    for count in range(1, most + 1):
        starts = np.zeros((len(costs), count), dtype=np.int64)
        end = np.full(len(costs), points - 1)
        for k in range(count - 1, 0, -1):
            starts[:, k] = choices[k - 1][rows, end]
            end = starts[:, k] - 1
        partitions.append(starts)
    return partitions


def _fit(x: Floats, ys: Floats, se: Floats, starts: Ints) -> list[Segmentation]:
    """Fit the lines of each row of ys, whose segments begin at ``starts``, shape (B, K)."""
    curves, points = ys.shape
    cuts = (starts + points * np.arange(curves)[:, None]).ravel()
    sizes = np.diff(np.append(cuts, curves * points))

    def total(values: Floats) -> Floats:
        return np.add.reduceat(np.broadcast_to(values, ys.shape).ravel(), cuts)

    def spread(values: Floats) -> Floats:
        return np.repeat(values, sizes).reshape(ys.shape)

    weight = 1 / se**2
    mass = total(weight)
    centre, intercept = total(weight * x) / mass, total(weight * ys) / mass
    along, up = x - spread(centre), ys - spread(intercept)
    inertia = total(weight * along**2)
    slope = total(weight * along * up) / inertia
    cost = (weight * (up - spread(slope) * along) ** 2).sum(axis=1)
    covariance = np.zeros((len(cuts), 2, 2))
    covariance[:, 0, 0], covariance[:, 1, 1] = 1 / mass, 1 / inertia
    centre, intercept, slope = (values.reshape(starts.shape) for values in (centre, intercept, slope))
    covariance = covariance.reshape(*starts.shape, 2, 2)
    return [
        Segmentation(np.append(starts[b], points), centre[b], intercept[b], slope[b], covariance[b], float(cost[b]))
        for b in range(curves)
    ]
