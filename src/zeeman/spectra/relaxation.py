r"""What Langevin walkers say of a direction: how fast it relaxes at each temperature, and when a ball is left.

In V = c|u|^p at temperature T, u = (T/c)^{1/p} v and t = (T/c)^{2/p}/T · s turn du = −V'dt + √(2T) dB into an equation
without T: thermal length ∝ T^α, every time ∝ T^{2α−1}, α = 1/p. So relaxation rates go as T^{1−2α}, and so does one
over the mean time to leave a ball of thermal size κT^α. At a fixed radius it is otherwise: τ = (r²/T) g(c r^p/T), from
r²/2T in small balls to exp(c r^p/T) in large ones, where T log τ has the order of the potential in r.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.reading import Reading, Verdict

Floats = NDArray[np.float64]

WINDOW = 5.0
"""Correlations are summed up to so many correlation times (Sokal)."""
LEAST_TIMES = 20.0
"""Shortest path in correlation times that gives one."""
LEAST_FRAMES = 2.0
"""A correlation time of fewer frames is not resolved."""
LEAST_LEFT = 0.99


def relaxation_exponent(u: Floats, n_beta: Floats, spacing: Floats | float = 1.0) -> Reading:
    """Read 1 − 2α: the exponent of the relaxation rate of a direction against T = 1/nβ.

    The rate is one over the integrated autocorrelation time of u. Its logarithm is fitted by a line in log T, with the
    weights of a jackknife over walkers.

    Parameters
    ----------
    u : array, shape (rungs, walkers, frames)
        Coordinate of Langevin walkers in equilibrium.
    n_beta : array, shape (rungs,)
    spacing : float or array, shape (rungs,)
        Time between frames.

    Returns
    -------
    Reading
        ``relaxation_exponent``; TOO_FEW_DRAWS where a path is shorter than 20 correlation times, or a correlation time
        than 2 frames.

    Raises
    ------
    ZeemanError
        For fewer than 3 rungs or 2 walkers.

    Examples
    --------
    >>> rng, rate = np.random.default_rng(0), np.array([0.2, 0.1, 0.05])
    >>> u = np.zeros((3, 64, 2000))
    >>> for k in range(1, 2000):
    ...     u[..., k] = u[..., k - 1] * np.exp(-rate[:, None]) + rng.normal(size=(3, 64))
    >>> read = relaxation_exponent(u, 1 / rate**2)
    >>> bool(abs(read.value - 0.5) < 4 * read.standard_error), read.verdict.name
    (True, 'OK')
    """
    if u.ndim != 3 or len(u) != len(n_beta) or len(u) < 3 or u.shape[1] < 2:
        raise ZeemanError(
            f"expected paths of shape (rungs, walkers, frames) with at least 3 rungs and 2 walkers, got {u.shape} "
            f"for {len(n_beta)} rungs; follow more walkers, at more temperatures."
        )
    correlation = np.stack([_autocovariance(one) for one in u])
    whole = np.array([_time(one.mean(axis=0)) for one in correlation])
    count = u.shape[1]
    rest = (correlation.sum(axis=1, keepdims=True) - correlation) / (count - 1)
    left_out = np.array([[_time(one) for one in of_rung] for of_rung in rest])
    log_rate, log_rates = -np.log(whole * spacing), -np.log((left_out.T * spacing).T)
    error = np.sqrt((count - 1) / count * ((log_rates - log_rates.mean(axis=1, keepdims=True)) ** 2).sum(axis=1))
    slope, slope_error = _line(-np.log(n_beta), log_rate, error)
    reasons = []
    if (whole * LEAST_TIMES > u.shape[2]).any():
        reasons.append(f"a path is only {u.shape[2] / whole.max():.0f} correlation times long")
    if (whole < LEAST_FRAMES).any():
        reasons.append(f"a correlation time is only {whole.min():.1f} frames")
    verdict = Verdict.TOO_FEW_DRAWS if reasons else Verdict.OK
    return Reading("relaxation_exponent", slope, slope_error, verdict, tuple(reasons))


def escape_exponent(times: Floats, n_beta: Floats) -> Reading:
    """Read 1 − 2α from the mean times to leave balls of thermal size: minus their exponent in T = 1/nβ.

    Parameters
    ----------
    times : array, shape (rungs, walkers)
        First-passage times out of balls of radius ∝ T^α, for example a multiple of what the walkers spread over.
    n_beta : array, shape (rungs,)

    Returns
    -------
    Reading
        ``escape_exponent``; TOO_FEW_DRAWS where over a hundredth of the walkers never left (NaN).

    Raises
    ------
    ZeemanError
        For fewer than 3 rungs or 2 walkers that left.

    Examples
    --------
    >>> t = np.geomspace(1, 1e4, 5)
    >>> times = np.random.default_rng(0).gamma(2.0, size=(5, 400)) * t[:, None] ** 0.5
    >>> read = escape_exponent(times, t)
    >>> bool(abs(read.value - 0.5) < 4 * read.standard_error)
    True
    """
    left = np.isfinite(times).sum(axis=-1) if times.ndim == 2 else np.zeros(1)
    if times.ndim != 2 or len(times) != len(n_beta) or len(times) < 3 or left.min() < 2:
        raise ZeemanError(
            f"expected times of shape (rungs, walkers) with at least 3 rungs and 2 walkers that left, got "
            f"{times.shape} for {len(n_beta)} rungs; give more steps."
        )
    mean = np.nanmean(times, axis=1)
    error = np.nanstd(times, axis=1, ddof=1) / np.sqrt(left) / mean
    slope, slope_error = _line(-np.log(n_beta), -np.log(mean), error)
    share = float(left.min() / times.shape[1])
    late = share < LEAST_LEFT
    reasons = (f"only {share:.0%} of the walkers left within the time at one temperature",) if late else ()
    return Reading("escape_exponent", slope, slope_error, Verdict.TOO_FEW_DRAWS if late else Verdict.OK, reasons)


def mean_exit_time(
    potential: Callable[[Floats], Floats], radius: float, temperature: float, points: int = 4001
) -> float:
    r"""Solve T τ'' − V' τ' = −1, τ(±r) = 0 for the mean time to leave (−r, r) from 0, for an even V of one variable.

    The backward equation by quadrature (trapezoids):

    .. math::
        \tau(0) = \frac1T \int_0^r dy\, e^{V(y)/T} \int_0^y dz\, e^{-V(z)/T}.

    Parameters
    ----------
    potential : callable
        V of an array.
    radius, temperature : float
    points : int
        Of the grid.

    Examples
    --------
    >>> round(mean_exit_time(lambda y: 0 * y, 1.0, 0.5), 6)
    1.0
    """
    y = np.linspace(0.0, radius, points)
    v = potential(y) / temperature
    below = _running(np.exp(-v), y)
    return float(_running(np.exp(v) * below, y)[-1] / temperature)


def _running(values: Floats, x: Floats) -> Floats:
    steps = 0.5 * (values[1:] + values[:-1]) * np.diff(x)
    out: Floats = np.concatenate([[0.0], np.cumsum(steps)])
    return out


def _autocovariance(paths: Floats) -> Floats:
    """Of each walker about 0, shape (walkers, frames): averaged over walkers before anything is divided by it."""
    frames = paths.shape[1]
    spectrum = np.fft.rfft(paths, 2 * frames, axis=1)
    found: Floats = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :frames] / np.arange(frames, 0, -1)
    return found


def _time(autocovariance: Floats) -> float:
    """Integrated autocorrelation time in frames, ½ + Σ ρ_k over a window of five times itself."""
    running = np.cumsum(autocovariance / autocovariance[0]) - 0.5
    closed = np.arange(len(running)) >= WINDOW * running
    return float(running[int(np.argmax(closed)) if closed.any() else -1])


def _line(x: Floats, y: Floats, error: Floats) -> tuple[float, float]:
    """Weighted slope with its standard error, widened where the line does not describe the points."""
    weight = 1 / error**2
    centered = x - (weight * x).sum() / weight.sum()
    total = float((weight * centered**2).sum())
    slope = float((weight * centered * y).sum()) / total
    rest = y - (weight * y).sum() / weight.sum() - slope * centered
    excess = max(1.0, float((weight * rest**2).sum()) / max(1, len(x) - 2))
    return slope, float(np.sqrt(excess / total))
