"""What a checkpoint can do: the mean score of a probe with its error, and means over any tokens."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def behaviour(scores: NDArray[np.floating], row: NDArray[np.integer]) -> tuple[float, float]:
    """Mean score over the scored tokens, with the standard error from the spread between rows.

    As `mean_between_rows`, for one reading.

    Parameters
    ----------
    scores : array, shape (tokens,)
        Loss in nats, or hits (0 or 1).
    row : array, shape (tokens,)
        Row of the probe that each token stands in.

    Returns
    -------
    mean, standard_error : float
        The error is NaN for a single row.

    Examples
    --------
    >>> behaviour(np.array([1.0, 1.0, 3.0, 3.0]), np.array([0, 0, 1, 1]))
    (2.0, 1.0)
    """
    mean, error = mean_between_rows(scores, row)
    return float(mean), float(error)


def mean_between_rows(values: NDArray[np.floating], rows: NDArray[np.integer]) -> tuple[Array, Array]:
    """Mean over tokens with its standard error between rows.

    With R rows of n_r tokens and residual sums e_r = Σ_{t∈r} (x_t − x̄), SE² = R/(R − 1) Σ e_r² / N²: tokens of a row
    may depend on each other in any way, rows are independent (ratio estimator; Cochran, Sampling Techniques, §6).

    Parameters
    ----------
    values : array, shape (..., tokens)
    rows : integer array, shape (tokens,)
        The row of each token.

    Returns
    -------
    mean, standard_error : array, shape (...)
        The error is NaN for a single row.

    Examples
    --------
    >>> mean, error = mean_between_rows(np.array([1.0, 1.0, 3.0, 3.0]), np.array([0, 0, 7, 7]))
    >>> float(mean), float(error)
    (2.0, 1.0)
    """
    data = np.asarray(values, np.float64)
    order = np.argsort(rows, kind="stable")
    starts = np.unique(np.asarray(rows)[order], return_index=True)[1]
    mean: Array = data.mean(axis=-1)
    if len(starts) < 2:
        return mean, np.full_like(mean, math.nan)
    residuals = np.add.reduceat((data - mean[..., None])[..., order], starts, axis=-1)
    error: Array = np.sqrt(len(starts) / (len(starts) - 1) * (residuals**2).sum(axis=-1)) / data.shape[-1]
    return mean, error
