"""Who is near whom: the symmetric graph of nearest neighbours of many rows, the same at every run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXACT_ROWS = 20_000
"""Up to so many rows every pair is looked at."""
LEAF_ROWS = 250
NUM_LEAVES = 64
"""Leaves searched for each leaf of rows, itself among them."""
BLOCK_PAIRS = 4_000_000
"""Distances held at once: 16 or 32 MB."""


def nearest_neighbours(rows: NDArray[np.floating], k: int = 45, among: Ints | None = None) -> Ints:
    """Find the k nearest other rows of each row by Euclidean distance.

    Up to 20,000 rows this looks at every pair. Beyond, the rows are halved along their principal axis, and the halves
    again, down to leaves of about 250 rows, or of 2k that may be neighbours, and each leaf looks at the 64 leaves
    nearest to it: the cost grows like the number of rows, and a known share of neighbours is missed
    (``benchmarks/clustering_scale.json``).

    Parameters
    ----------
    rows : array, shape (rows, columns)
    k : int
    among : array of int, optional
        Numbers of the rows that may be neighbours, each once; all by default.

    Returns
    -------
    array of int, shape (rows, k)
        In no particular order within a row.

    Raises
    ------
    ZeemanError
        Unless 1 ≤ k < rows that may be neighbours, and all is finite.

    Examples
    --------
    >>> nearest_neighbours(np.array([[0.0], [1.0], [1.5], [9.0]]), k=1).ravel().tolist()
    [1, 2, 1, 2]
    """
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ZeemanError(f"expected a matrix of finite rows, got shape {rows.shape}; prepare the matrix first.")
    among = np.arange(len(rows)) if among is None else among
    if not 1 <= k < len(among):
        raise ZeemanError(f"expected 1 <= k < rows, got k = {k} for {len(among)} rows; lower k or give more rows.")
    found = np.empty((len(rows), k), dtype=np.int64)
    searches = _every_pair(rows, among) if len(rows) <= EXACT_ROWS else _leaf_pairs(rows, k, among)
    for asked, candidates in searches:
        found[asked] = _nearest_of(rows, asked, candidates, k)
    return found


def neighbour_graph(rows: NDArray[np.floating], k: int = 45) -> csr_array:
    """Join rows of which at least one is among the k nearest of the other; every edge weighs 1.

    Parameters
    ----------
    rows : array, shape (rows, columns)
    k : int

    Returns
    -------
    csr_array, shape (rows, rows)
        Symmetric, sorted, without loops.

    Examples
    --------
    >>> neighbour_graph(np.array([[0.0], [1.0], [1.5], [9.0]]), k=1).toarray().astype(int).tolist()
    [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    """
    found = nearest_neighbours(rows, k)
    count = len(found)
    starts, ends = np.arange(0, count * k + 1, k, dtype=np.int64), found.ravel()
    if 2 * count * k < np.iinfo(np.int32).max:  # half the memory, and products are faster
        starts, ends = starts.astype(np.int32), ends.astype(np.int32)
    graph = csr_array((np.ones(count * k, dtype=np.float32), ends, starts), shape=(count, count))
    graph = csr_array(graph.maximum(graph.T))
    graph.sort_indices()
    return graph


def _every_pair(rows: NDArray[np.floating], among: Ints) -> Iterator[tuple[Ints, Ints]]:
    everyone = np.arange(len(rows))
    block = max(1, BLOCK_PAIRS // len(among))
    for start in range(0, len(rows), block):
        yield everyone[start : start + block], among


def _leaf_pairs(rows: NDArray[np.floating], k: int, among: Ints) -> Iterator[tuple[Ints, Ints]]:
    leaves = _leaves(rows, max(LEAF_ROWS, 2 * k * len(rows) // len(among)))
    centers = np.stack([rows[leaf].mean(axis=0) for leaf in leaves])
    eligible = np.zeros(len(rows), dtype=bool)
    eligible[among] = True
    candidates = [leaf[eligible[leaf]] for leaf in leaves]
    counts = np.array([len(each) for each in candidates])
    for leaf, center in zip(leaves, centers, strict=True):
        near = np.argsort(((centers - center) ** 2).sum(axis=1), kind="stable")
        enough = int(np.searchsorted(np.cumsum(counts[near]), k + 1)) + 1
        searched = np.concatenate([candidates[other] for other in near[: max(NUM_LEAVES, enough)]])
        block = max(1, BLOCK_PAIRS // len(searched))
        for start in range(0, len(leaf), block):
            yield leaf[start : start + block], searched


def _leaves(rows: NDArray[np.floating], size: int) -> list[Ints]:
    """Halve the rows at the median along their principal axis until no part is larger than ``size``."""
    parts = [np.arange(len(rows))]
    while len(parts[0]) > size:
        parts = [half for part in parts for half in _halves(rows, part)]
    return parts


def _halves(rows: NDArray[np.floating], part: Ints) -> tuple[Ints, Ints]:
    values = rows[part].astype(np.float64)
    values -= values.mean(axis=0)
    axis = np.linalg.eigh(values.T @ values)[1][:, -1]
    order = np.argsort(values @ axis, kind="stable")
    middle = len(part) // 2
    return part[order[:middle]], part[order[middle:]]


def _nearest_of(rows: NDArray[np.floating], asked: Ints, candidates: Ints, k: int) -> Ints:
    """Pick the k candidates nearest to each asked row, itself left out."""
    center = rows[asked].mean(axis=0)
    from_rows, to_rows = rows[asked] - center, rows[candidates] - center
    distances = -2.0 * from_rows @ to_rows.T
    distances += (to_rows**2).sum(axis=1)
    # where each asked row stands among the candidates, if it does
    order = np.argsort(candidates, kind="stable")
    place = order[np.minimum(np.searchsorted(candidates, asked, sorter=order), len(order) - 1)]
    itself = candidates[place] == asked
    distances[np.flatnonzero(itself), place[itself]] = np.inf
    return candidates[np.argpartition(distances, k - 1, axis=1)[:, :k]]
