"""Whether curves of several sizes are one curve in a scaling variable, and with which exponent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]

EXPONENTS = (0.05, 1.5)
"""Between which exponents are tried."""
GRID = 59
REACH = 0.2
"""Distance from the best exponent within which the errors of curves may move it."""
LEAST_SHARED = 0.6
"""Share of the points that must lie between points of other sizes: else the fit pushes the sizes apart."""
NUM_BOOTSTRAP = 30


@dataclass(frozen=True)
class Collapse:
    """How well curves collapse.

    Parameters
    ----------
    exponent, exponent_se : float
        y in u = (t − t_c) n^y, and its error by a parametric bootstrap, times √S where S exceeds 1.
    quality : float
        S, the mean squared distance from the common curve in standard errors: about 1 where there is one.
    """

    exponent: float
    exponent_se: float
    quality: float


def collapse_quality(x: ArrayLike, y: ArrayLike, se: ArrayLike) -> float:
    """Mean squared distance S of each point from the line through its neighbours on the other curves.

    Each point is compared with the weighted line through those points of all other curves that bracket it, and S is the
    mean of (Y − Ŷ)²/(dY² + dŶ²) (Houdayer and Hartmann 2004). The errors of the bracketing points hold what the curve
    bends away from its chords, lest S of a coarse sweep be large.

    Parameters
    ----------
    x, y, se : array, shape (sizes, points)
        x rising along each row.

    Returns
    -------
    float
        Infinite where fewer than `LEAST_SHARED` of the points are bracketed.

    Examples
    --------
    >>> x = np.tile(np.linspace(0, 1, 9), (3, 1))
    >>> collapse_quality(x, 2 * x, 0 * x + 0.1) < 1e-9, collapse_quality(x, 2 * x + [[0], [1], [2]], 0 * x + 0.1) > 30
    (True, True)
    """
    x, y, se = (np.asarray(values, np.float64) for values in (x, y, se))
    residuals: list[Floats] = []
    for i in range(len(x)):
        sums = np.sum([_sums(x[k], y[k], se[k], x[i]) for k in range(len(x)) if k != i], axis=0)
        k, kx, ky, kxx, kxy = sums[:, sums[0] > 0]
        at, value, error = (each[i][sums[0] > 0] for each in (x, y, se))
        determinant = k * kxx - kx**2
        line = ((kxx * ky - kx * kxy) + at * (k * kxy - kx * ky)) / determinant
        variance = np.maximum(kxx - 2 * at * kx + at**2 * k, 0.0) / determinant
        residuals.append((value - line) ** 2 / (error**2 + variance))
    found = np.concatenate(residuals)
    return float(found.mean()) if len(found) >= LEAST_SHARED * x.size else math.inf


def _sums(x: Floats, y: Floats, se: Floats, places: Floats) -> Floats:
    """Sums of weight, x, y, x² and xy over the two points of a curve that bracket each place; 0 where none do."""
    left = np.clip(np.searchsorted(x, places, side="right") - 1, 0, len(x) - 2)
    both = np.stack([left, left + 1])
    inside = (x[0] <= places) & (places <= x[-1])
    weight, u, v = inside / (se[both] ** 2 + _bend(x, y)[left] ** 2), x[both], y[both]
    found: Floats = np.stack([(weight * values).sum(0) for values in (np.ones_like(u), u, v, u * u, u * v)])
    return found


def _bend(x: Floats, y: Floats) -> Floats:
    """How far a smooth curve may lie from its chord within each interval: h² |y″|/8, y″ from neighbouring intervals."""
    width, slope = np.diff(x), np.diff(y) / np.diff(x)
    curvature = np.abs(np.diff(slope)) / ((width[1:] + width[:-1]) / 2) if len(x) > 2 else np.zeros(1)
    found: Floats = width**2 / 8 * np.maximum(np.append(curvature[:1], curvature), np.append(curvature, curvature[-1:]))
    return found


def fit_collapse(
    control: ArrayLike, sizes: ArrayLike, mean: ArrayLike, se: ArrayLike, *, critical: float = 0.0, seed: int = 0
) -> Collapse:
    """Find the exponent y for which n^{−y}⟨X⟩ is one function of u = (t − t_c) n^y, X being conjugate to the control.

    With F_n = Φ(u), ⟨X⟩ = ∂F/∂t = n^y Φ′(u): one exponent scales both axes. A deformation of weight ⟨q, b⟩ has
    y = 1 − ⟨q, b⟩ < 1. A first-order transition collapses too, with y = 1: its weights depend on n (t − t_c) alone.

    Parameters
    ----------
    control, mean, se : array, shape (sizes, points)
        t rising along each row; ⟨X⟩ and its error.
    sizes : array, shape (sizes,)
        n, two different ones or more.
    critical : float
        t_c.
    seed : int
        Of the bootstrap.

    Raises
    ------
    ZeemanError
        For fewer than two sizes or three points.

    Examples
    --------
    >>> u, n = np.linspace(-3, 3, 15), np.array([[1e3], [1e4], [1e5]])
    >>> exact = np.sqrt(n) * np.tanh(u)
    >>> found = fit_collapse(u / np.sqrt(n), n[:, 0], exact, 0.01 * np.sqrt(n) + 0 * u)
    >>> round(found.exponent, 2), found.quality < 1
    (0.5, True)
    """
    t, n, x, error = (np.asarray(values, np.float64) for values in (control, sizes, mean, se))
    if t.ndim != 2 or t.shape[1] < 3 or len(set(n.tolist())) < 2:
        raise ZeemanError(
            f"a collapse needs two different sizes or more with three points each, got control of shape {t.shape} and "
            f"sizes {n.tolist()}; sweep the control at another size too."
        )

    def quality(y: float, x: Floats) -> float:
        scale = (n / n.max())[:, None] ** y
        return collapse_quality((t - critical) * scale, x / scale, error / scale)

    tried = np.linspace(*EXPONENTS, GRID)
    exponent, best = _refined(quality, x, float(tried[np.argmin([quality(y, x) for y in tried])]))
    rng = np.random.default_rng(seed)
    again = [_refined(quality, x + error * rng.standard_normal(x.shape), exponent)[0] for _ in range(NUM_BOOTSTRAP)]
    return Collapse(exponent, float(np.std(again, ddof=1)) * math.sqrt(max(best, 1.0)), best)


def _refined(quality: Callable[[float, Floats], float], x: Floats, start: float) -> tuple[float, float]:
    """The exponent of least S near one, and that S."""
    near = (max(start - REACH, EXPONENTS[0]), start + REACH)
    found = minimize_scalar(quality, args=(x,), bounds=near, method="bounded", options={"xatol": 1e-3})
    return float(found.x), float(found.fun)
