"""Clusters that find their own number: sets of rows that a random walk from inside hardly leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from zeeman.bands.cuts import (
    MARGIN,
    MIN_SIZE,
    Floor,
    Scale,
    centrality,
    conductance,
    conductance_floor,
    degrees_of,
    edge,
    sweeps,
)
from zeeman.bands.neighbours import nearest_neighbours, neighbour_graph
from zeeman.bands.nulls import gaussian_twin
from zeeman.bands.preparation import prepare
from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_GAIN = 1e-3
"""Share of the nodes that a pass over seeds must add for another pass to follow."""
PATIENCE = 32
"""Seeds in a row that may find nothing before a pass ends."""
JOINED = 50_000
"""Rows that join at once."""
MOST_SEARCHED = 30_000
"""Rows among which clusters are looked for; the others join those of their neighbours."""


@dataclass(frozen=True)
class Clusters:
    """A partition of some of the nodes; the others belong nowhere.

    Parameters
    ----------
    labels : array of int, shape (nodes,)
        Number of the cluster, the largest being 0; −1 for none.
    sizes : array of int, shape (clusters,)
    conductance : array, shape (clusters,)
        Share of a cluster's edge ends that lead out of it.
    floor : array, shape (clusters,)
        The smallest conductance that noise shows at its size.
    """

    labels: Ints
    sizes: Ints
    conductance: Floats
    floor: Floats

    @property
    def coverage(self) -> float:
        """Share of the nodes that belong to a cluster."""
        return float((self.labels >= 0).mean())


def cluster_rows(
    matrix: NDArray[np.floating],
    k: int = 45,
    *,
    names: Sequence[str] | None = None,
    whiten: bool = False,
    scale: Scale = "fine",
    seed: int = 0,
) -> Clusters:
    """Find clusters of tokens in a response matrix, however many there are.

    The prepared rows are joined to their k nearest; clusters are sets of low conductance in that graph
    (:func:`find_clusters`), lower than in the graph of a Gaussian cloud with the same covariance.

    Parameters
    ----------
    matrix : array, shape (tokens, components)
    k : int
    names : sequence of str, optional
        Names of the columns, for messages.
    whiten : bool
        Whether to whiten principal axes first.
    scale : "fine" or "coarse"
        See :func:`find_clusters`.
    seed : int
        Of the Gaussian cloud, the only thing left to chance.

    Returns
    -------
    Clusters

    Raises
    ------
    ZeemanError
        For constant or broken rows or columns, or fewer than k + 1 rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> planted = np.repeat([0, 1, 2], 200)
    >>> matrix = 6 * rng.standard_normal((3, 8))[planted] + rng.standard_normal((600, 8))
    >>> cluster_rows(matrix).sizes.tolist()
    [200, 200, 200]
    """
    return cluster_places(prepare(matrix, names, whiten), k, scale=scale, seed=seed)


def cluster_places(
    places: Floats, k: int = 45, *, scale: Scale = "fine", seed: int = 0, most: int = MOST_SEARCHED
) -> Clusters:
    """Find clusters of rows that are comparable as they are; of many rows, among some.

    The search costs far more than the neighbours, and what it finds hangs on how many nodes a cluster has and hardly
    on how densely they lie. So beyond ``most`` rows it looks at as many, chosen at random, and each other row joins the
    cluster, or those without one, that most of its k nearest among those belong to. Clusters of fewer than
    20 · rows/``most`` rows are lost; what else it costs is in ``docs/cost.md``.

    Parameters
    ----------
    places : array, shape (rows, columns)
    k : int
    scale : "fine" or "coarse"
    seed : int
        Of the Gaussian cloud and of the choice of rows.
    most : int
        Rows that are searched.

    Returns
    -------
    Clusters
        Conductance and floor are those among the rows that were searched.

    Raises
    ------
    ZeemanError
        For fewer than k + 1 rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> planted = np.repeat([0, 1, 2], 2000)
    >>> places = 6 * rng.standard_normal((3, 8))[planted] + rng.standard_normal((6000, 8))
    >>> cluster_places(places, most=600).sizes.tolist()
    [2000, 2000, 2000]
    """
    if len(places) <= most:
        return find_clusters(neighbour_graph(places, k), neighbour_graph(gaussian_twin(places, seed), k), scale)
    searched = np.sort(np.random.default_rng([seed, 6]).permutation(len(places))[:most])
    found = cluster_places(places[searched], k, scale=scale, seed=seed, most=most)
    near = nearest_neighbours(places.astype(np.float32), k, searched)
    labels = np.concatenate(
        [
            _joined(found.labels, np.searchsorted(searched, block))
            for block in np.array_split(near, 1 + len(near) // JOINED)
        ]
    )
    labels[searched] = found.labels
    return _numbered(labels, found.conductance, found.floor)


def _joined(labels: Ints, neighbours: Ints) -> Ints:
    """Cluster that holds most of each row's neighbours, if more of them than none does; the lower of two as good."""
    ordered = np.sort(labels[neighbours], axis=1)
    at = np.arange(ordered.shape[1])
    begins = np.ones(ordered.shape, dtype=bool)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    run = at - np.maximum.accumulate(np.where(begins, at, 0), axis=1)
    joined: Ints = np.take_along_axis(ordered, run.argmax(axis=1)[:, None], axis=1)[:, 0]
    return joined


def _numbered(labels: Ints, values: Floats, floor: Floats) -> Clusters:
    """Number clusters anew by falling size."""
    sizes = np.bincount(labels[labels >= 0], minlength=len(values))
    order = np.argsort(-sizes, kind="stable")
    renamed = np.append(np.argsort(order, kind="stable"), -1)
    return Clusters(renamed[labels], sizes[order], values[order], floor[order])


def find_clusters(graph: csr_array, null: csr_array, scale: Scale = "fine") -> Clusters:
    """Cut a graph into sets of low conductance, from many seeds.

    From each seed, the best connected around that is in no cluster yet, personalized PageRank ranks the nodes, and a
    sweep over the ranking by rank per degree gives the conductance Φ(S) = cut(S, rest)/min(vol S, vol rest) of each
    prefix. The edge of it (:func:`~zeeman.bands.cuts.edge`) is a cluster, less what is taken
    already, if its Φ is below 0.8 of what ``null`` shows at that size. A pass ends when no seed is left or 32 in a row
    found nothing; the passes end when one adds less than 0.1 % of the nodes. Last, whoever has more than half of its
    edges in a cluster moves there, which lowers the cut.

    Parameters
    ----------
    graph : csr_array, shape (nodes, nodes)
        Symmetric, without loops.
    null : csr_array, shape (nodes, nodes)
        A graph like it without clusters: see :mod:`zeeman.bands.nulls`.
    scale : "fine" or "coarse"
        Whether a sweep stops at the first edge or at the deepest. The fine scale tells neighbouring clusters apart and
        cuts long thin ones to pieces; the coarse one keeps those whole and unites neighbours.

    Returns
    -------
    Clusters

    Raises
    ------
    ZeemanError
        For a graph that is not symmetric or has loops, or too few nodes to hold a cluster.
    """
    if graph.shape[0] < 2 * MIN_SIZE:
        raise ZeemanError(
            f"expected at least {2 * MIN_SIZE} rows to look for clusters, got {graph.shape[0]}; add rows."
        )
    graph = graph.astype(np.float64)  # or every product with a vector would convert it anew
    degrees, floor = degrees_of(graph), conductance_floor(null)
    labels = np.full(len(degrees), -1, dtype=np.int64)
    open_seeds = np.ones(len(degrees), dtype=bool)
    walks, gained = centrality(graph, degrees), len(degrees)
    while gained > MIN_GAIN * len(degrees):
        before = int((labels >= 0).sum())
        seeds = _peaks(graph, np.where(open_seeds & (labels < 0), walks, 0.0))
        _one_pass(graph, degrees, floor, labels, seeds, open_seeds, scale)
        gained = int((labels >= 0).sum()) - before
    _settle(graph, degrees, labels)
    return _described(graph, degrees, floor, labels)


def _one_pass(
    graph: csr_array,
    degrees: Floats,
    floor: Floor,
    labels: Ints,
    seeds: Ints,
    open_seeds: NDArray[np.bool_],
    scale: Scale,
) -> None:
    """Grow a set from each seed, then take them by size; write to ``labels`` and close the seeds."""
    grown: list[Ints] = []
    barren = 0
    for seed in seeds:
        if barren == PATIENCE:
            break
        open_seeds[seed] = False
        found = _cut_off_around(graph, degrees, floor, labels, int(seed), scale)
        barren = 0 if len(found) else barren + 1
        grown.append(found)
    for found in sorted(grown, key=len, reverse=scale == "coarse"):
        fresh = found[labels[found] < 0]
        if _stands(graph, degrees, floor, fresh):
            labels[fresh] = labels.max() + 1


def _cut_off_around(graph: csr_array, degrees: Floats, floor: Floor, labels: Ints, seed: int, scale: Scale) -> Ints:
    """Untaken nodes of the first set around the seed that is cut off from the rest; empty if there is none."""
    for swept in sweeps(graph, degrees, seed, scale):
        found = swept.nodes[: edge(swept, floor, scale)]
        fresh = found[labels[found] < 0]
        if _stands(graph, degrees, floor, fresh):
            return fresh
    return np.empty(0, dtype=np.int64)


def _stands(graph: csr_array, degrees: Floats, floor: Floor, nodes: Ints) -> bool:
    if len(nodes) < MIN_SIZE:
        return False
    return conductance(graph, degrees, nodes) < MARGIN * float(floor.at(np.array([float(len(nodes))]))[0])


def _peaks(graph: csr_array, height: Floats) -> Ints:
    """Nodes at least as high as all their neighbours, the highest first; nodes of height 0 are out."""
    around = np.maximum.reduceat(height[graph.indices], graph.indptr[:-1])
    peaks = np.flatnonzero((height > 0) & (height >= around))
    return peaks[np.argsort(-height[peaks], kind="stable")]


def _settle(graph: csr_array, degrees: Floats, labels: Ints) -> None:
    """Let each node join the cluster that holds more than half of its edges, for as long as fewer edges are cut."""
    cut = _cut(graph, labels)
    while labels.max() >= 0:
        members = np.flatnonzero(labels >= 0)
        belongs = csr_array(
            (np.ones(len(members)), (members, labels[members])), shape=(len(labels), int(labels.max()) + 1)
        )
        shared = (graph @ belongs).tocoo()
        joining = shared.data > degrees[shared.row] / 2
        moved = labels.copy()
        moved[shared.row[joining]] = shared.col[joining]
        after = _cut(graph, moved)
        if after >= cut:
            return
        labels[:], cut = moved, after


def _cut(graph: csr_array, labels: Ints) -> float:
    """Weight of the edge ends that lead out of a cluster or start in none."""
    here, there = np.repeat(labels, np.diff(graph.indptr)), labels[graph.indices]
    return float(graph.data[(here != there) | (here < 0)].sum())


def _described(graph: csr_array, degrees: Floats, floor: Floor, labels: Ints) -> Clusters:
    """Number the clusters that still have nodes by falling size and add their figures."""
    sizes = np.bincount(labels[labels >= 0])
    order = np.argsort(-sizes, kind="stable")
    renamed = np.append(np.argsort(order, kind="stable"), -1)
    labels, sizes = renamed[labels], sizes[order][: np.count_nonzero(sizes)]
    values = [conductance(graph, degrees, np.flatnonzero(labels == number)) for number in range(len(sizes))]
    return Clusters(labels, sizes, np.array(values), floor.at(sizes.astype(np.float64)))
