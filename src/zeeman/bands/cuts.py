"""How well a set of nodes is cut off from the rest: sweeps over a ranking, and what noise shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from zeeman.bands.pagerank import Local, personalized_pagerank
from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Scale = Literal["fine", "coarse"]

MIN_SIZE = 20
"""Nodes of the smallest cluster."""
MAIN_BODY = 0.99
"""Share of the volume above which a set is the graph itself."""
PROMINENCE = 1.1
"""By what factor the conductance must rise behind a minimum for the minimum to be an edge of something."""
MARGIN = 0.8
"""A cluster's conductance stays below this share of the smallest that noise shows at its size."""
NULL_SEEDS = 16
TELEPORTS = (0.1, 0.01, 0.001)
"""From the nearest surroundings of a seed outwards; the last is the published one."""


@dataclass(frozen=True)
class Sweep:
    """The prefixes of a ranking, from the seed outwards.

    Parameters
    ----------
    nodes : array of int, shape (support,)
        By falling rank per degree.
    volume : array, shape (support,)
        Sum of degrees of each prefix, as a share of the graph's.
    conductance : array, shape (support,)
        cut(S, rest)/min(vol S, vol rest) of each prefix; infinite for the whole graph.
    """

    nodes: Ints
    volume: Floats
    conductance: Floats


@dataclass(frozen=True)
class Floor:
    """The smallest conductance that a graph without clusters shows at each size.

    Parameters
    ----------
    sizes : array, shape (points,)
        Numbers of nodes, rising.
    conductance : array, shape (points,)
    """

    sizes: Floats
    conductance: Floats

    def at(self, sizes: Floats) -> Floats:
        """Interpolate between the sizes, constant beyond."""
        floor: Floats = np.interp(np.log(sizes), np.log(self.sizes), self.conductance)
        return floor


def degrees_of(graph: csr_array) -> Floats:
    """Row sums of a symmetric graph without loops.

    Raises
    ------
    ZeemanError
        For a graph that is not symmetric, has loops or negative weights, or a node without an edge.
    """
    degrees: Floats = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    if graph.shape[0] != graph.shape[1] or graph.diagonal().any() or not (degrees > 0).all() or graph.data.min() < 0:
        raise ZeemanError(
            f"expected a square graph without loops, negative weights or lonely nodes, got shape {graph.shape}; "
            "build it with neighbour_graph."
        )
    if abs(graph - graph.T).max() > 0:
        raise ZeemanError("expected a symmetric graph, got one whose edges have a direction; add its transpose.")
    return degrees


def conductance(graph: csr_array, degrees: Floats, nodes: Ints) -> float:
    """Conductance Φ(S) = cut(S, rest)/min(vol S, vol rest) of one set of nodes.

    Examples
    --------
    >>> path = csr_array(np.array([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]))
    >>> conductance(path, degrees_of(path), np.array([0]))
    1.0
    """
    volume, total = float(degrees[nodes].sum()), float(degrees.sum())
    inside = np.zeros(len(degrees))
    inside[nodes] = 1.0
    return (volume - float((graph[nodes] @ inside).sum())) / max(min(volume, total - volume), np.finfo(float).tiny)


def sweep(graph: csr_array, degrees: Floats, local: Local) -> Sweep:
    """Conductance of every prefix of the nodes sorted by rank/degree, in one pass over their edges.

    Parameters
    ----------
    graph : csr_array, shape (nodes, nodes)
    degrees : array, shape (nodes,)
    local : Local
        From :func:`~zeeman.bands.pagerank.personalized_pagerank`.

    Returns
    -------
    Sweep

    Examples
    --------
    >>> path = csr_array(np.array([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]))
    >>> swept = sweep(path, degrees_of(path), Local(np.arange(3), np.array([0.6, 0.3, 0.1])))
    >>> swept.nodes.tolist(), swept.conductance.tolist()
    ([0, 1, 2], [1.0, 1.0, inf])
    """
    order = np.argsort(-local.rank / degrees[local.nodes], kind="stable")
    nodes, place = local.nodes[order], np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    everyone = len(order) == len(degrees)
    edges = (graph if everyone else graph[local.nodes][:, local.nodes]).tocoo()
    # an edge lies inside a prefix from its later end on
    later = np.maximum(place[edges.row], place[edges.col])
    inside = np.cumsum(np.bincount(later, weights=edges.data, minlength=len(nodes)))
    volume, total = np.cumsum(degrees[nodes]), float(degrees.sum())
    smaller = np.minimum(volume, total - volume)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(smaller > 0, np.maximum(volume - inside, 0.0) / smaller, np.inf)
    return Sweep(nodes, volume / total, ratio)


def sweeps(graph: csr_array, degrees: Floats, seed: int, scale: Scale) -> Iterator[Sweep]:
    """Sweep from one seed at teleports .1, .01 and .001, so from near to far; at the coarse scale at the last alone."""
    for teleport in TELEPORTS if scale == "fine" else TELEPORTS[-1:]:
        yield sweep(graph, degrees, personalized_pagerank(graph, degrees, seed, teleport))


def edge(swept: Sweep, floor: Floor, scale: Scale) -> int:
    """Size of the prefix that is cut off from the rest: 0 if there is none.

    Prefixes of at least 20 nodes, at most 0.99 of the volume, and a conductance below 0.8 of the floor are asked. At
    the coarse scale it is the one of least conductance; at the fine scale, of least conductance before the conductance
    rises by a tenth for the first time, for unions of clusters are often cut off better than each of them.
    """
    sizes = np.arange(1.0, len(swept.nodes) + 1)
    fit = (sizes >= MIN_SIZE) & (swept.volume <= MAIN_BODY) & (swept.conductance < MARGIN * floor.at(sizes))
    lowest = np.minimum.accumulate(np.where(fit, swept.conductance, np.inf))
    risen = np.flatnonzero((swept.conductance > PROMINENCE * lowest) & (scale == "fine"))
    last = lowest[risen[0] - 1 if len(risen) else -1]
    return int(np.flatnonzero(fit & (swept.conductance == last))[0]) + 1 if np.isfinite(last) else 0


def conductance_floor(null: csr_array) -> Floor:
    """Read from a graph of noise how small conductances come about by chance.

    The smallest over sweeps from 16 nodes, evenly spread from the best connected to the least.

    Parameters
    ----------
    null : csr_array, shape (nodes, nodes)
        For rows, the neighbour graph of their :func:`~zeeman.bands.nulls.gaussian_twin`; for a bare graph, it
        :func:`~zeeman.bands.nulls.rewired`.

    Returns
    -------
    Floor
    """
    null = null.astype(np.float64)
    degrees = degrees_of(null)
    count = len(degrees)
    ranking = np.argsort(-centrality(null, degrees), kind="stable")
    seeds = ranking[np.linspace(0, count - 1, NULL_SEEDS).astype(np.int64)]
    sizes = np.unique(np.geomspace(min(MIN_SIZE, count // 2), count // 2, 60).astype(np.int64))
    lowest = np.full(len(sizes), np.inf)
    for seed in seeds:
        for swept in sweeps(null, degrees, int(seed), "fine"):
            reached = sizes <= len(swept.nodes)
            lowest[reached] = np.minimum(lowest[reached], swept.conductance[sizes[reached] - 1])
    reached = np.isfinite(lowest)
    return Floor(sizes[reached].astype(np.float64), lowest[reached])


def centrality(graph: csr_array, degrees: Floats) -> Floats:
    """Number of walks of three steps from each node, A²d: high in the middle of dense parts."""
    walks: Floats = graph @ (graph @ degrees)
    return walks
