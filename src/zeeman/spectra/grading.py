"""Grades of whole rows: exact answers, choices between answers, and perplexities."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sums_by_row(values: NDArray[np.floating], rows: NDArray[np.integer], count: int) -> Array:
    """Add up what belongs to each row, in double precision.

    Parameters
    ----------
    values : array, shape (tokens,)
    rows : integer array, shape (tokens,)
        The row of each token.
    count : int
        Number of rows.

    Returns
    -------
    array, shape (count,)

    Examples
    --------
    >>> sums_by_row(np.array([1.0, 2.0, 4.0]), np.array([0, 0, 2]), 3).tolist()
    [3.0, 0.0, 4.0]
    """
    sums: Array = np.bincount(rows, np.asarray(values, np.float64), count).astype(np.float64)
    return sums


def exact_rows(hits: NDArray[np.floating], rows: NDArray[np.integer], count: int) -> Array:
    """Tell for each row whether all of its tokens were hit: 1 or 0.

    Parameters
    ----------
    hits : array, shape (tokens,)
        1 where a token was the first choice, otherwise 0; NaN stays NaN.
    rows, count
        As for `sums_by_row`.

    Examples
    --------
    >>> exact_rows(np.array([1.0, 1.0, 1.0, 0.0]), np.array([0, 0, 1, 1]), 2).tolist()
    [1.0, 0.0]
    """
    missed = sums_by_row(1.0 - np.asarray(hits, np.float64), rows, count)
    return np.where(np.isnan(missed), missed, missed == 0)


def chosen_rows(right: Array, wrong: Array, against: NDArray[np.integer]) -> Array:
    """Tell for each right answer whether its loss is below that of every foil: 1 or 0; a tie is no choice.

    Parameters
    ----------
    right : array, shape (rows,)
        Loss of each right answer, over its size where answers have one.
    wrong : array, shape (foils,)
        The same of each foil.
    against : integer array, shape (foils,)
        The row that each foil stands against; each row has one or more.

    Returns
    -------
    array, shape (rows,)
        NaN where a loss in question is.

    Examples
    --------
    >>> chosen_rows(np.array([1.0, 2.0]), np.array([1.5, 3.0, 2.0]), np.array([0, 1, 1])).tolist()
    [1.0, 0.0]
    """
    best = np.full(len(right), math.inf)
    np.minimum.at(best, against, wrong)
    return np.where(np.isnan(right) | np.isnan(best), math.nan, right < best)


def loss_per_unit(losses: Array, sizes: Array) -> tuple[float, float]:
    """Loss for each unit of size, r = Σℓ_i / Σs_i, with its standard error between rows.

    SE² = R/(R − 1) Σ(ℓ_i − r s_i)² / (Σs_i)² (ratio estimator; Cochran, Sampling Techniques, §6).

    Parameters
    ----------
    losses : array, shape (rows,)
        Summed over the tokens of each row, in nats.
    sizes : array, shape (rows,)

    Returns
    -------
    mean, standard_error : float
        The error is NaN for a single row.

    Examples
    --------
    >>> loss_per_unit(np.array([2.0, 6.0]), np.array([1.0, 1.0]))
    (4.0, 2.0)
    """
    rows, total = len(losses), float(np.sum(sizes))
    ratio = float(np.sum(losses)) / total
    if rows < 2:
        return ratio, math.nan
    return ratio, math.sqrt(rows / (rows - 1) * float(np.sum((losses - ratio * sizes) ** 2))) / total


def perplexity(losses: Array, sizes: Array) -> tuple[float, float]:
    """Perplexity exp(Σℓ_i / Σs_i), with its standard error to first order.

    Parameters
    ----------
    losses, sizes
        As for `loss_per_unit`.

    Returns
    -------
    value, standard_error : float
        Infinite where the loss is beyond what an exponential can hold.

    Examples
    --------
    >>> value, error = perplexity(np.log([2.0, 8.0]), np.ones(2))
    >>> round(value, 12), round(error / value, 6) == round(math.log(2), 6)
    (4.0, True)
    """
    ratio, error = loss_per_unit(losses, sizes)
    with np.errstate(over="ignore"):
        value = float(np.exp(ratio))
    return value, value * error


def bits_per_unit(losses: Array, sizes: Array) -> tuple[float, float]:
    """Bits for each unit of size, Σℓ_i / (ln 2 Σs_i), with the standard error of `loss_per_unit`.

    Examples
    --------
    >>> bits_per_unit(np.log([2.0, 8.0]), np.ones(2))[0]
    2.0
    """
    ratio, error = loss_per_unit(losses, sizes)
    return ratio / math.log(2), error / math.log(2)
