"""Agreement of two readings by their ranks."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]

_EXACT = 7
"""Values up to which all permutations are gone through."""
_PERMUTATIONS = 9999


@dataclass(frozen=True)
class RankAgreement:
    """Spearman's rank correlation of two readings, with the chance of so much or more among permutations.

    Parameters
    ----------
    value : float
        In [−1, 1]; NaN where a reading is constant.
    p : float
        Two-sided; at least 1/n! for n ≤ 7 and 10⁻⁴ beyond.
    """

    value: float
    p: float


def rank_agreement(one: NDArray[np.floating], other: NDArray[np.floating], *, seed: int = 0) -> RankAgreement:
    """Spearman's rank correlation, with a p-value by permutation: exact up to 7 values, else from 9,999 drawn ones.

    Parameters
    ----------
    one, other : array, shape (n,)
    seed : int

    Returns
    -------
    RankAgreement

    Examples
    --------
    Of the 24 orders of four values, two agree or disagree perfectly:

    >>> found = rank_agreement(np.array([0.1, 0.2, 0.3, 0.9]), np.array([1.0, 2.0, 3.0, 4.0]))
    >>> round(found.value, 12), round(found.p, 4)
    (1.0, 0.0833)
    """
    x, y = (unit_ranks(np.asarray(values, np.float64)[None])[0] for values in (one, other))
    value = float(x @ y)
    if math.isnan(value):
        return RankAgreement(math.nan, math.nan)
    if len(x) <= _EXACT:
        null = np.array([x[list(order)] @ y for order in itertools.permutations(range(len(x)))])
        return RankAgreement(value, float((abs(null) >= abs(value) - 1e-12).mean()))
    rng = np.random.Generator(np.random.Philox(key=[seed, 6]))
    null = np.array([rng.permutation(x) @ y for _ in range(_PERMUTATIONS)])
    return RankAgreement(value, float((1 + (abs(null) >= abs(value) - 1e-12).sum()) / (1 + _PERMUTATIONS)))


def unit_ranks(values: Array) -> Array:
    """Ranks along the last axis, centred and of length 1; NaN where all values are the same.

    Parameters
    ----------
    values : array, shape (..., n)

    Returns
    -------
    array, shape (..., n)

    Examples
    --------
    >>> unit_ranks(np.array([3.0, 9.0])).round(3).tolist(), unit_ranks(np.ones(2)).tolist()
    ([-0.707, 0.707], [nan, nan])
    """
    ranks = rankdata(values, axis=-1)
    ranks = ranks - ranks.mean(axis=-1, keepdims=True)
    length = np.sqrt((ranks**2).sum(axis=-1, keepdims=True))
    units: Array = np.divide(ranks, length, out=np.full_like(ranks, math.nan), where=length > 0)
    return units
