"""Which readings moved in a stretch of training, beyond their noise and beyond what any such stretch would show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import false_discovery_control

from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]

PLACES = 1000
"""Places at which a window is tried along the training; p can't fall below one over this."""


@dataclass(frozen=True)
class Match:
    """What one reading did in one window.

    Parameters
    ----------
    change, standard_error : float
        y(end) − y(start) and its error from the errors of the points.
    p_value : float
        Share of all windows of the same length in log step in which the reading changes at least as much.
    q_value : float
        p after control of the false discovery rate over all readings and windows (Benjamini and Hochberg).
    """

    change: float
    standard_error: float
    p_value: float
    q_value: float

    @property
    def z(self) -> float:
        """The change in standard errors."""
        return self.change / self.standard_error if self.standard_error > 0 else float("nan")


def match_windows(
    windows: Sequence[tuple[float, float]], curves: Mapping[str, tuple[Floats, Floats, Floats]]
) -> list[dict[str, Match]]:
    """Ask of each reading and each window whether the reading moved there in particular.

    A loss that falls all along the training falls in every window. So the window is moved along the axis x = log(step
    + 1), its length kept, and p is the share of places at which the reading, interpolated linearly, changes as much in
    size as at the window itself, with the noise of the window's ends. Neighbouring places see the same change, so p
    can't be much less than the window's share of the axis: only narrow windows, or many readings that agree, are
    strong evidence.

    Parameters
    ----------
    windows : sequence of (float, float)
        First and last step of each.
    curves : mapping of str to (steps, values, errors)
        Arrays of one shape, steps rising.

    Returns
    -------
    list of dict of str to Match
        One a window.

    Raises
    ------
    ZeemanError
        For a curve of fewer than two points, or steps that do not rise.

    Examples
    --------
    >>> steps = np.arange(0, 1000, 10.0)
    >>> jump, drift = np.where(steps > 505, 0.0, 3.0), 3.0 - np.log1p(steps) / 3
    >>> error = np.full(100, 0.1)
    >>> (found,) = match_windows([(500, 510)], {"jump": (steps, jump, error), "drift": (steps, drift, error)})
    >>> found["jump"].change, found["jump"].p_value < 0.01, found["drift"].p_value > 0.5
    (-3.0, True, True)
    """
    for name, (steps, values, _) in curves.items():
        if len(steps) < 2 or not (np.diff(steps) > 0).all() or len(values) != len(steps):
            raise ZeemanError(
                f"expected rising steps with a value each, two or more, got {len(steps)} steps and {len(values)} "
                f"values of {name}; read more checkpoints."
            )
    found = [(*_change(curve, window), _share(curve, window)) for window in windows for curve in curves.values()]
    corrected = false_discovery_control(np.array([p for _, _, p in found])) if found else np.zeros(0)
    matches = [Match(*each, float(q)) for each, q in zip(found, corrected, strict=True)]
    count = len(curves)
    return [dict(zip(curves, matches[i * count : (i + 1) * count], strict=True)) for i in range(len(windows))]


def _change(curve: tuple[Floats, Floats, Floats], window: tuple[float, float]) -> tuple[float, float]:
    x, ends = np.log1p(curve[0]), np.log1p(np.asarray(window, np.float64))
    low, high = np.interp(ends, x, curve[1])
    return float(high - low), float(np.hypot(*np.interp(ends, x, curve[2])))


def _share(curve: tuple[Floats, Floats, Floats], window: tuple[float, float]) -> float:
    """Mean over places of the chance that the change there, with the noise of the window's own ends, is as large."""
    x, (start, end) = np.log1p(curve[0]), np.log1p(np.asarray(window, np.float64))
    places = np.linspace(x[0], max(x[-1] - (end - start), x[0]), PLACES)
    changes = np.interp(places + (end - start), x, curve[1]) - np.interp(places, x, curve[1])
    observed, error = _change(curve, window)
    # The curve between points, where most places end, is free of the noise that the points have.
    noise = max(error, 1e-9 * abs(observed), np.finfo(float).tiny)
    chance = ndtr((changes - abs(observed)) / noise) + ndtr((-abs(observed) - changes) / noise)
    return float(max(chance.mean(), 1 / PLACES))
