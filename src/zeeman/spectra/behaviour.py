"""What a checkpoint can do: the mean score of a probe with its error."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def behaviour(scores: NDArray[np.floating], row: NDArray[np.integer]) -> tuple[float, float]:
    """Mean score over the scored tokens, with the standard error from the spread between rows.

    Tokens of one row are not independent, rows are: the mean is a ratio of sums over rows, and its error that of a
    ratio estimator, sqrt(Σ_r (S_r − s̄ n_r)²) / N, times sqrt(R / (R − 1)).

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
    values = np.asarray(scores, np.float64)
    _, index, counts = np.unique(row, return_inverse=True, return_counts=True)
    mean = float(values.mean())
    if len(counts) < 2:
        return mean, math.nan
    gaps = np.bincount(index, weights=values - mean)
    return mean, float(math.sqrt((gaps**2).sum() * len(counts) / (len(counts) - 1)) / len(values))
