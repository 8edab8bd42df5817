"""Noise that shares everything with the data but its structure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]


def gaussian_twin(prepared: Floats, seed: int = 0) -> Floats:
    """Draw as many Gaussian rows with the covariance of the given ones: one cloud, as stretched as the data.

    Parameters
    ----------
    prepared : array, shape (rows, columns)
    seed : int

    Returns
    -------
    array, shape (rows, columns)

    Examples
    --------
    >>> data = np.random.default_rng(1).laplace(size=(4000, 2)) * [1.0, 3.0]
    >>> [round(float(spread)) for spread in gaussian_twin(data).std(axis=0)]
    [1, 4]
    """
    centered = prepared - prepared.mean(axis=0)
    variances, axes = np.linalg.eigh(centered.T @ centered / len(centered))
    noise = np.random.default_rng([seed, 1]).standard_normal(prepared.shape)
    twin: Floats = noise @ (axes * np.sqrt(np.maximum(variances, 0.0))).T
    return twin


def rewired(graph: csr_array, seed: int = 0) -> csr_array:
    """Tie the ends of a graph's edges together anew at random: the same degrees, nearly, and no structure.

    Loops and double edges that arise are dropped, which costs a share degree/nodes of the edges.

    Parameters
    ----------
    graph : csr_array, shape (nodes, nodes)
        Symmetric.
    seed : int

    Returns
    -------
    csr_array, shape (nodes, nodes)

    Examples
    --------
    >>> ring = csr_array(np.roll(np.eye(100), 1, axis=0) + np.roll(np.eye(100), -1, axis=0))
    >>> bool(abs(rewired(ring) - ring).sum() > 300)
    True
    """
    ends = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    ends = np.random.default_rng([seed, 2]).permutation(ends)
    one, other = ends[: len(ends) // 2], ends[len(ends) // 2 : 2 * (len(ends) // 2)]
    kept = one != other
    ties = csr_array((np.ones(kept.sum(), dtype=np.float32), (one[kept], other[kept])), shape=graph.shape)
    tied = csr_array(ties + ties.T)
    tied.data[:] = 1.0
    return tied
