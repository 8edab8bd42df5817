"""Stretches of chains: what the jackknife leaves out, one at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]

BLOCKS_PER_CHAIN = 5
"""Stretches a chain is cut into; longer than the autocorrelation, so that they are nearly independent."""

ONE_CHAIN = "One chain shows no error bar: draw at least two."


def stretch_edges(length: int, blocks_per_chain: int = BLOCKS_PER_CHAIN) -> NDArray[np.int64]:
    """First draw of each stretch of a chain, and its end.

    Parameters
    ----------
    length : int
        Draws of the chain.
    blocks_per_chain : int

    Returns
    -------
    array, shape (stretches + 1,)

    Examples
    --------
    >>> stretch_edges(12).tolist(), stretch_edges(3).tolist()
    ([0, 3, 5, 8, 10, 12], [0, 1, 2, 3])
    """
    n = min(blocks_per_chain, length)
    return -(-np.arange(n + 1) * length // n)


def jackknife_error(kept: NDArray[np.floating]) -> Array:
    """Standard error from the values with each stretch left out, √((K − 1) Var_k θ₍ₖ₎).

    Parameters
    ----------
    kept : array, shape (stretches, ...)

    Returns
    -------
    array, shape (...)

    Examples
    --------
    >>> float(jackknife_error(np.array([1.0, 2.0, 3.0])).round(3))
    1.155
    """
    error: Array = np.sqrt((len(kept) - 1) * kept.var(axis=0))
    return error


def jackknife(draws: Array, statistic: Statistic, blocks_per_chain: int = BLOCKS_PER_CHAIN) -> tuple[Array, Array]:
    """Estimate a statistic of pooled draws with its standard error, leaving out one stretch of a chain at a time.

    Parameters
    ----------
    draws : array, shape (quantities, chains, draws)
    statistic : callable
        Maps (quantities, pooled draws) to an array.
    blocks_per_chain : int
        Stretches a chain is cut into; longer than the autocorrelation, so that they are nearly independent.

    Returns
    -------
    value, standard_error : array

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal(size=(1, 4, 1000))
    >>> mean, error = jackknife(draws, lambda x: x.mean(axis=-1))
    >>> bool(0.5 < error[0] * 4000**0.5 < 2)
    True
    """
    quantities, chains, length = draws.shape
    edges = stretch_edges(length, blocks_per_chain)
    label = np.searchsorted(edges, np.arange(length), side="right") + len(edges) * np.arange(chains)[:, None]
    pooled = draws.reshape(quantities, -1)
    kept = np.stack([statistic(pooled[:, label.ravel() != part]) for part in np.unique(label)])
    return statistic(pooled), jackknife_error(kept)
