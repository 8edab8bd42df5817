"""Clusters of tokens in the modes of their responses that stand above noise."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from zeeman.bands.clusters import cluster_places
from zeeman.bands.modes import significant_modes
from zeeman.bands.preparation import prepare
from zeeman.bands.reproducible import reproducible_projection

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

NEIGHBOURS = 45
"""Neighbours of a token in the graph that is cut into clusters."""
LEAST_AXES = 2
"""Axes in which clusters are looked for at least: along a single one any sample falls into pieces."""
REPEATED = 0.5
"""Share of the spread across the border of two bands that must come out again in the other half of the chains."""


def cluster_tokens(
    responses: Floats,
    usable: NDArray[np.bool_] | None = None,
    neighbours: int = NEIGHBOURS,
    count: int | None = None,
) -> tuple[Ints, Array]:
    """Cluster tokens in the significant modes of their responses.

    Parameters
    ----------
    responses : array, shape (components, tokens)
    usable : array of bool, shape (tokens,)
        Tokens that take part; all by default.
    neighbours : int
        Neighbours of a token in the graph.
    count : int or None
        Significant modes, where they are known; None tests against permuted columns.

    Returns
    -------
    labels : array of int, shape (tokens,)
        −1 for no cluster; all of them where no mode stands out.
    axes : array, shape (tokens, axes)
        Place of each token in these modes; NaN for those that take no part.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> planted = np.repeat([0, 1, 2], 200)
    >>> responses = rng.standard_normal((8, 3))[:, planted] + 0.3 * rng.standard_normal((8, 600))
    >>> np.bincount(cluster_tokens(responses)[0]).tolist()
    [200, 200, 200]
    """
    usable = np.ones(responses.shape[1], bool) if usable is None else usable
    if count is None:
        count = significant_modes(np.asarray(responses[:, usable].T, np.float64)).count
    axes = mode_places(responses, usable, count)
    return label_places(axes, usable, neighbours, count), axes


def mode_places(responses: Floats, usable: NDArray[np.bool_], count: int) -> Array:
    """Place tokens in the largest modes of their responses, two at least: shape (tokens, axes), NaN if not usable."""
    prepared = prepare(np.asarray(responses[:, usable].T, np.float64))
    right = np.linalg.svd(prepared, full_matrices=False)[2][: max(count, LEAST_AXES)]
    return _everywhere(prepared @ right.T, usable)


def reproducible_places(values: Floats, halves: Floats, usable: NDArray[np.bool_] | None = None) -> list[Array]:
    """Place tokens on the axes that either half of the draws shows, by all draws and by each half.

    Parameters
    ----------
    values : array, shape (components, tokens)
    halves : array, shape (2, components, tokens)
        The same by either half of the draws.
    usable : array of bool, shape (tokens,)
        Tokens that take part; all by default.

    Returns
    -------
    list of three arrays, shape (tokens, axes)
        By all draws and by either half, on the axes of :func:`~zeeman.bands.reproducible.reproducible_axes`; NaN for
        those that take no part.
    """
    usable = np.ones(values.shape[1], bool) if usable is None else usable
    every = [np.asarray(each[:, usable].T, np.float64) for each in (values, *halves)]
    projection = reproducible_projection(every[0], (every[1], every[2]))
    return [_everywhere(prepare(each) @ projection, usable) for each in every]


def label_places(
    places: Array, usable: NDArray[np.bool_], neighbours: int = NEIGHBOURS, count: int | None = None
) -> Ints:
    """Cluster the tokens that take part where they are; none where it is known that no mode stands out."""
    labels = np.full(len(usable), -1, dtype=np.int64)
    if count != 0:
        labels[usable] = cluster_places(places[usable], neighbours).labels
    return labels


def _everywhere(places: Array, usable: NDArray[np.bool_]) -> Array:
    axes = np.full((len(usable), places.shape[1]), np.nan)
    axes[usable] = places
    return axes


def unite(labels: Ints, halves: Floats) -> Ints:
    """Join bands whose border does not come out again in the other half of the chains.

    Noise, too, spreads tokens of one kind, and a cloud may be cut anywhere. Along the line d between the means of two
    bands, the correlation of d·ρ in either half of the chains, over the tokens of both, is the share of their spread
    that is no noise. The pair with the least is joined for as long as that is below a half.

    Parameters
    ----------
    labels : array of int, shape (tokens,)
    halves : array, shape (2, components, tokens)
        ρ from either half of the chains.

    Returns
    -------
    array of int, shape (tokens,)
        Numbered by falling size.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> kinds, cut = np.repeat([0, 0, 1], 50), np.repeat([0, 1, 2], 50)
    >>> halves = 3.0 * np.eye(2)[:, kinds] + rng.standard_normal((2, 2, 150))
    >>> np.bincount(unite(cut, halves)).tolist()
    [100, 50]
    """
    labels = labels.copy()
    while (count := int(labels.max(initial=-1)) + 1) > 1:
        shares = {pair: _repeated(*pair, labels, halves) for pair in combinations(range(count), 2)}
        one, other = min(shares, key=lambda pair: shares[pair])
        if shares[one, other] >= REPEATED:
            break
        labels[labels == other] = one
        labels[labels > other] -= 1
    sizes = np.bincount(labels[labels >= 0])
    ranks = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    ordered: Ints = np.append(ranks, -1)[labels]
    return ordered


def _repeated(one: int, other: int, labels: Ints, halves: Floats) -> float:
    """Correlation between halves of the chains of where the tokens of two bands lie on the line between them."""
    both = halves.mean(axis=0)
    line = both[:, labels == one].mean(axis=1) - both[:, labels == other].mean(axis=1)
    first, second = (line @ half[:, (labels == one) | (labels == other)] for half in halves)
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / scale if scale > 0 else 0.0
