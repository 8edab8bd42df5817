"""What chains of numbers say about themselves: independent draws, agreement, trend, temperature."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def effective_draws(values: NDArray[np.floating]) -> float:
    """Effective sample size for the mean, all chains together.

    Parameters
    ----------
    values : array, shape (chains, draws)

    Returns
    -------
    float
        One a chain where chains are too short (under eight draws) to see their autocorrelation; 0 for a constant.

    Examples
    --------
    >>> 700 < effective_draws(np.random.default_rng(0).normal(size=(4, 250))) < 1300
    True
    """
    if values.shape[1] < 8:
        return float(len(values))
    if np.ptp(values) == 0:
        return 0.0
    import arviz_stats.base as stats

    return float(stats.array_stats.ess(np.asarray(values, np.float64), method="mean"))


def rhat(values: NDArray[np.floating]) -> float:
    """Rank-normalized split R-hat; NaN where there is nothing to compare.

    Parameters
    ----------
    values : array, shape (chains, draws)

    Returns
    -------
    float

    Examples
    --------
    >>> rhat(np.random.default_rng(0).normal(size=(4, 250))) < 1.05
    True
    """
    if len(values) < 2 or values.shape[1] < 8 or np.ptp(values) == 0:
        return math.nan
    import arviz_stats.base as stats

    return float(stats.array_stats.rhat(np.asarray(values, np.float64)))


def disagreement(values: NDArray[np.floating]) -> float:
    """Variance of the chains' means over what their own autocorrelation explains, an F ratio near 1 when mixed.

    Parameters
    ----------
    values : array, shape (chains, draws)

    Returns
    -------
    float
        0 for one chain and for fewer than eight draws a chain.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(4, 250))
    >>> bool(disagreement(noise) < 5), bool(disagreement(noise + [[0], [0], [0], [1]]) > 20)
    (True, True)
    """
    if len(values) < 2 or values.shape[1] < 8:
        return 0.0
    within = values - values.mean(axis=1, keepdims=True)
    expected = float(within.var()) / max(effective_draws(within) / len(values), 1.0)
    found = float(values.mean(axis=1).var(ddof=1))
    return found / expected if expected > 0 else (math.inf if found > 0 else 0.0)


def drift(values: NDArray[np.floating]) -> float:
    """Compare the first and the last third of chains, in standard errors.

    The error is that of the two means under the autocorrelation that is left about a straight line common to the
    chains and a level of each, so that a trend does not hide behind the spread that it makes itself.

    Parameters
    ----------
    values : array, shape (chains, draws)

    Returns
    -------
    float
        Difference of the means over its standard error; 0 for fewer than 24 draws a chain.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(3, 300))
    >>> bool(abs(drift(noise)) < 4), bool(drift(noise + np.arange(300) / 100) > 10)
    (True, True)
    """
    length = values.shape[1]
    if length // 3 < 8:
        return 0.0
    time = np.arange(length) - (length - 1) / 2
    level = values - values.mean(axis=1, keepdims=True)
    left = level - time * float((level @ time).mean()) / float(time @ time)
    spread = math.sqrt(float(left.var()) * 6 / max(effective_draws(left), 1.0))
    return rise(values) / spread if spread > 0 else 0.0


def rise(values: NDArray[np.floating]) -> float:
    """Mean of the last third of the draws minus that of the first; the unit is that of the values.

    Parameters
    ----------
    values : array, shape (chains, draws)

    Returns
    -------
    float
    """
    third = max(values.shape[1] // 3, 1)
    return float(values[:, -third:].mean() - values[:, :third].mean())


def excess_heat(virial: NDArray[np.floating], num_parameters: int) -> tuple[float, float]:
    """Excess of the virial over 1 in the later half of the times, with its standard error.

    E[(w − w*)·∇U] = d under exp(−U) for any U (integrate by parts), so an excess is heat and a lack of it is cold.
    In a quadratic well it has a variance of 2d, below which the error does not fall, however still the chains are.

    Parameters
    ----------
    virial : array, shape (chains, times)
        (w − w*)·∇U / d.
    num_parameters : int
        d.

    Returns
    -------
    excess, standard_error : float

    Examples
    --------
    >>> excess, error = excess_heat(np.full((4, 10), 1.2), num_parameters=50)
    >>> round(excess, 3), round(error, 3)
    (0.2, 0.1)
    """
    late = np.asarray(virial[:, virial.shape[1] // 2 :], np.float64)
    count = min(max(effective_draws(late), len(late)), late.size)
    spread = float(late.std(ddof=1)) if late.size > 1 else 0.0
    return float(late.mean()) - 1, max(spread, math.sqrt(2 / num_parameters)) / math.sqrt(count)
