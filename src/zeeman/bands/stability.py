"""Whether a partition comes out again: agreement of partitions, with an error, and which cluster is which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

from zeeman.errors import ZeemanError
from zeeman.reading import Reading, Verdict

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NUM_BOOTSTRAP = 200


def adjusted_rand_index(one: Ints, other: Ints) -> float:
    """Agreement of two partitions of the same rows: 1 for the same, 0 on average for unrelated ones.

    ARI = (Σ C(n_ij, 2) − E)/(½[Σ C(a_i, 2) + Σ C(b_j, 2)] − E), E = Σ C(a_i, 2) Σ C(b_j, 2)/C(n, 2) (Hubert and Arabie
    1985). A row with label −1 is a part of its own: two clusterings do not agree about what both leave out.

    Parameters
    ----------
    one, other : array of int, shape (rows,)

    Returns
    -------
    float

    Raises
    ------
    ZeemanError
        For labels of different rows.

    Examples
    --------
    >>> adjusted_rand_index(np.array([0, 0, 1, 1]), np.array([7, 7, 3, 3]))
    1.0
    >>> adjusted_rand_index(np.array([0, 0, 1, 1]), np.array([2, 2, 2, 2]))
    0.0
    """
    counts, rows, columns = _cells(one, other)
    return _ari(counts, rows, columns)


def agreement(one: Ints, other: Ints, num_bootstrap: int = NUM_BOOTSTRAP, seed: int = 0) -> Reading:
    """Adjusted Rand index of two partitions with its standard error over rows (bootstrap).

    The error says how far the figure would move with other rows of the same kind; it does not know the noise of the
    draws, for which partitions of different draws are compared: :func:`mean_agreement`.

    Parameters
    ----------
    one, other : array of int, shape (rows,)
    num_bootstrap : int
    seed : int

    Returns
    -------
    Reading
        ``adjusted_rand_index``.

    Examples
    --------
    >>> print(agreement(np.repeat([0, 1], 50), np.repeat([0, 1], 50)))
    adjusted_rand_index 1 ± 0 [ok]
    """
    counts, rows, columns = _cells(one, other)
    drawn = np.random.default_rng([seed, 4]).multinomial(len(one), counts / counts.sum(), size=num_bootstrap)
    copies = np.array([_ari(sample.astype(np.float64), rows, columns) for sample in drawn])
    return Reading("adjusted_rand_index", _ari(counts, rows, columns), float(copies.std(ddof=1)), Verdict.OK)


def mean_agreement(partitions: Sequence[Ints]) -> Reading:
    """Mean adjusted Rand index over pairs of partitions, such as of halves of the draws, seeds, or values of k.

    Its standard error is a jackknife over partitions; two partitions have none, and the verdict says so.

    Parameters
    ----------
    partitions : sequence of arrays of int, each of shape (rows,)

    Returns
    -------
    Reading
        ``mean_adjusted_rand_index``; TOO_FEW_DRAWS for two partitions.

    Raises
    ------
    ZeemanError
        For fewer than two.

    Examples
    --------
    >>> print(mean_agreement([np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]), np.array([0, 0, 2, 2])]))
    mean_adjusted_rand_index 1 ± 0 [ok]
    """
    count = len(partitions)
    if count < 2:
        raise ZeemanError(f"expected at least two partitions to compare, got {count}; cluster halves of the draws.")
    table = np.zeros((count, count))
    for i, j in combinations(range(count), 2):
        table[i, j] = table[j, i] = adjusted_rand_index(partitions[i], partitions[j])
    total = table.sum()
    value = total / (count * (count - 1))
    if count == 2:
        why = ("two partitions give one figure and no scatter",)
        return Reading("mean_adjusted_rand_index", value, float("nan"), Verdict.TOO_FEW_DRAWS, why)
    copies = (total - 2 * table.sum(axis=0)) / ((count - 1) * (count - 2))
    error = float(np.sqrt((count - 1) / count * ((copies - copies.mean()) ** 2).sum()))
    return Reading("mean_adjusted_rand_index", float(value), error, Verdict.OK)


def half_agreement(
    matrix: NDArray[np.floating],
    cluster: Callable[[NDArray[np.floating]], Ints],
    num_halves: int = 4,
    seed: int = 0,
) -> Reading:
    """Mean adjusted Rand index between the partition of all rows and those of random halves of them.

    Parameters
    ----------
    matrix : array, shape (rows, columns)
    cluster : callable
        Gives the labels of the rows of a matrix.
    num_halves : int
    seed : int

    Returns
    -------
    Reading
        ``half_adjusted_rand_index``, with the standard error over halves.

    Examples
    --------
    >>> rows = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]])
    >>> print(half_agreement(rows, lambda part: (part[:, 0] > 2).astype(int)))
    half_adjusted_rand_index 1 ± 0 [ok]
    """
    whole, rng, figures = cluster(matrix), np.random.default_rng([seed, 5]), []
    for _ in range(num_halves):
        half = np.sort(rng.permutation(len(matrix))[: len(matrix) // 2])
        figures.append(adjusted_rand_index(whole[half], cluster(matrix[half])))
    error = float(np.std(figures, ddof=1) / np.sqrt(num_halves)) if num_halves > 1 else float("nan")
    return Reading("half_adjusted_rand_index", float(np.mean(figures)), error, Verdict.OK)


def match_clusters(one: Ints, other: Ints) -> list[tuple[int, int, float]]:
    """Pair the clusters of two partitions so that the sum of their Jaccard overlaps |A∩B|/|A∪B| is largest.

    Parameters
    ----------
    one, other : array of int, shape (rows,)
        −1 belongs to no cluster.

    Returns
    -------
    list of (cluster of one, cluster of other, overlap)
        By the first; pairs without a common row are left out.

    Examples
    --------
    >>> match_clusters(np.array([0, 0, 0, 1, 1]), np.array([5, 5, 2, 2, 2]))
    [(0, 5, 0.6666666666666666), (1, 2, 0.6666666666666666)]
    """
    names, others = np.unique(one[one >= 0]), np.unique(other[other >= 0])
    shared = shared_rows(one, other)[np.ix_(names, others)]
    sizes = np.bincount(one[one >= 0])[names], np.bincount(other[other >= 0])[others]
    overlap = shared / (sizes[0][:, None] + sizes[1] - shared)
    pairs = zip(*linear_sum_assignment(-overlap), strict=True)
    return [(int(names[i]), int(others[j]), float(overlap[i, j])) for i, j in pairs if overlap[i, j] > 0]


def shared_rows(one: Ints, other: Ints) -> Floats:
    """Count the rows that each cluster of one partition shares with each of the other; −1 is no cluster."""
    _refuse_other_rows(one, other)
    both = (one >= 0) & (other >= 0)
    shape = (int(one.max(initial=-1)) + 1, int(other.max(initial=-1)) + 1)
    counts = np.zeros(shape)
    np.add.at(counts, (one[both], other[both]), 1.0)
    return counts


def _refuse_other_rows(one: Ints, other: Ints) -> None:
    if one.shape != other.shape or one.ndim != 1 or len(one) < 2:
        raise ZeemanError(
            f"expected two labels for each of the same rows, got shapes {one.shape} and {other.shape}; "
            "compare partitions of the same tokens."
        )


def _cells(one: Ints, other: Ints) -> tuple[Floats, Ints, Ints]:
    """Nonempty cells of the contingency table: their counts, rows and columns."""
    _refuse_other_rows(one, other)
    table = csr_array((np.ones(len(one)), (_parts(one), _parts(other)))).tocoo()
    table.sum_duplicates()
    return table.data, table.row.astype(np.int64), table.col.astype(np.int64)


def _parts(labels: Ints) -> Ints:
    alone = labels < 0
    apart = labels.copy()
    apart[alone] = labels.max() + 1 + np.arange(alone.sum())
    return np.unique(apart, return_inverse=True)[1].astype(np.int64)


def _ari(counts: Floats, rows: Ints, columns: Ints) -> float:
    together = _pairs(counts)
    in_one, in_other = _pairs(np.bincount(rows, weights=counts)), _pairs(np.bincount(columns, weights=counts))
    total = _pairs(np.array([counts.sum()]))
    expected = in_one * in_other / total
    most = (in_one + in_other) / 2
    # both trivial in the same way: all rows together or all apart
    return 1.0 if most == expected else (together - expected) / (most - expected)


def _pairs(counts: NDArray[np.number]) -> float:
    return float((counts * (counts - 1) / 2).sum())
