"""Whether draws have more than one mode: Hartigan's dip with its null, and Binder's cumulant with its bound."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST = 20
"""Draws below which nothing is said of their modes."""
UNIMODAL_BINDER = 0.496
"""No law of one mode has a larger cumulant: kurtosis − skewness² ≥ 189/125 (Klaassen, Mokveld and van Es 2000)."""

# √n D of samples of the uniform law, which of all unimodal ones has the largest dips, by 10,000 samples of n = 200.
_SHARES = np.array([0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001])
_ROOT_N_DIP = np.array([0.279, 0.324, 0.362, 0.407, 0.436, 0.479, 0.518, 0.566, 0.597, 0.622, 0.667, 0.701])


def dip(draws: ArrayLike) -> float:
    """Hartigan's dip D: the least distance sup|F − G| of the empirical law F from a unimodal one G.

    The greatest convex minorant and the least concave majorant of F close in on the modal interval (Hartigan and
    Hartigan 1985).

    Parameters
    ----------
    draws : array, shape (n,)

    Returns
    -------
    float
        Between 1/(2n) and 1/4.

    Raises
    ------
    ZeemanError
        For no draws, or draws that are not finite.

    Examples
    --------
    >>> dip([0.0, 0.0, 1.0, 1.0]), dip([1.0, 2.0, 3.0])
    (0.25, 0.16666666666666666)
    """
    x, counts = np.unique(np.asarray(draws, np.float64), return_counts=True)
    if not counts.sum() or not np.isfinite(x).all():
        raise ZeemanError("expected finite draws, one or more, to look for their modes; leave out what diverged.")
    above = np.cumsum(counts) / counts.sum()
    below = above - counts / counts.sum()
    low, high, found = 0, len(x) - 1, 1 / float(counts.sum())
    while True:
        lower = low + _hull(x[low : high + 1], below[low : high + 1], 1.0)
        upper = low + _hull(x[low : high + 1], above[low : high + 1], -1.0)
        gap, left, right = _widest(x, below, above, lower, upper)
        if gap <= found:
            return found / 2
        # G may jump at its mode alone, so draws at the ends of the interval are no part of what lies outside.
        before, after = slice(low, left), slice(right + 1, high + 1)
        convex, concave = np.interp(x[before], x[lower], below[lower]), np.interp(x[after], x[upper], above[upper])
        found = float(max(found, *(above[before] - convex), *(concave - below[after])))
        if gap <= found or left == right or (left, right) == (low, high):
            return found / 2
        low, high = left, right


def _hull(x: Floats, y: Floats, sign: float) -> Ints:
    """Indices of the corners of the greatest convex minorant (sign 1) or least concave majorant (−1) of points."""
    corners: list[int] = []
    for i in range(len(x)):
        while len(corners) > 1:
            a, b = corners[-2], corners[-1]
            if sign * ((y[b] - y[a]) * (x[i] - x[a]) - (y[i] - y[a]) * (x[b] - x[a])) < 0:
                break
            corners.pop()
        corners.append(i)
    return np.array(corners)


def _widest(x: Floats, below: Floats, above: Floats, lower: Ints, upper: Ints) -> tuple[float, int, int]:
    """Largest distance between majorant and minorant, at a corner of either, and the corners of both around it."""
    at_lower = np.interp(x[lower], x[upper], above[upper]) - below[lower]
    at_upper = above[upper] - np.interp(x[upper], x[lower], below[lower])
    i, j = int(at_lower.argmax()), int(at_upper.argmax())
    if at_lower[i] >= at_upper[j]:
        return float(at_lower[i]), int(lower[i]), int(upper[np.searchsorted(upper, lower[i])])
    return float(at_upper[j]), int(lower[np.searchsorted(lower, upper[j], side="right") - 1]), int(upper[j])


def dip_p_value(value: float, count: int) -> float:
    """Chance that independent draws of a unimodal law have a dip as large, at most.

    That of the uniform law, whose dips are the largest: √n D hardly depends on n from 50 on. Interpolated, and beyond a
    thousandth extrapolated, in log p.

    Parameters
    ----------
    value : float
    count : int
        n.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> one, two = rng.normal(size=300), rng.normal(size=300) + np.repeat([-2.0, 2.0], 150)
    >>> dip_p_value(dip(one), 300) > 0.2, dip_p_value(dip(two), 300) < 0.001
    (True, True)
    """
    root, logs = math.sqrt(count) * value, np.log(_SHARES)
    if root > _ROOT_N_DIP[-1]:
        slope = (logs[-1] - logs[-3]) / (_ROOT_N_DIP[-1] - _ROOT_N_DIP[-3])
        return float(math.exp(logs[-1] + slope * (root - _ROOT_N_DIP[-1])))
    return float(math.exp(np.interp(root, np.append(0.0, _ROOT_N_DIP), np.append(0.0, logs))))


def binder(draws: ArrayLike, centre: float | None = None) -> float:
    """Binder's cumulant B = 1 − ⟨φ⁴⟩/(3⟨φ²⟩²).

    0 for a Gaussian and 2/3 for two equal narrow peaks. A peak of small weight p beside another gives about −1/(3p): at
    a first-order transition B dips far below 0 on either side.

    Parameters
    ----------
    draws : array
    centre : float or None
        Where φ = 0, known by symmetry; None for the mean.

    Examples
    --------
    >>> round(binder(np.repeat([-1.0, 1.0], 50)), 3), round(binder(np.repeat([0.0, 1.0], [1, 99])))
    (0.667, -32)
    """
    x = np.asarray(draws, np.float64)
    x = x - (x.mean() if centre is None else centre)
    square = float((x**2).mean())
    return 1 - float((x**4).mean()) / (3 * square**2) if square > 0 else math.nan
