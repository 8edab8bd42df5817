"""Personalized PageRank on a large graph, near its seed alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TELEPORT = 1e-3
TOLERANCE = 1e-7
MAX_ITERATIONS = 2000
MOST = 0.25
"""Share of the graph from which on all of it is solved for: cutting out ever more of it costs more than it spares."""


@dataclass(frozen=True)
class Local:
    """A personalized PageRank where it is not negligible.

    Parameters
    ----------
    nodes : array of int, shape (support,)
        Sorted; everywhere else the rank counts as 0.
    rank : array, shape (support,)
        p, which sums to 1 at most.
    """

    nodes: Ints
    rank: Floats


def personalized_pagerank(
    graph: csr_array, degrees: Floats, seed: int, teleport: float = TELEPORT, tolerance: float = TOLERANCE
) -> Local:
    """Solve p = α e_seed + (1 − α) W p for the lazy walk W = ½(1 + A D⁻¹), as near the seed as the tolerance allows.

    Andersen, Chung and Lang push probability from node to node until the residual r = e_seed − [1 − (1−α)W]p/α is
    below ε·degree everywhere, which bounds the error of p by ε·degree, since the degrees are stationary. Here the
    nodes above that bound are solved for together, by conjugate gradients in the symmetric variables D^{−½}p, with
    p = 0 outside; nodes outside whose residual then passes the bound join, until none does, and all nodes once a
    quarter of the graph has joined. The guarantee is the same
    (|p − exact| ≤ ε·degree), the cost grows with the support, not with the graph, and 1/α pushes become about
    1/√α steps.

    Parameters
    ----------
    graph : csr_array, shape (nodes, nodes)
        Symmetric, without loops.
    degrees : array, shape (nodes,)
        Its row sums, positive.
    seed : int
    teleport : float
        α.
    tolerance : float
        ε.

    Returns
    -------
    Local

    Examples
    --------
    >>> path = csr_array(np.array([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]))
    >>> local = personalized_pagerank(path, np.array([1.0, 2, 1]), seed=0, teleport=0.5)
    >>> [round(float(p), 4) for p in local.rank]
    [0.7083, 0.25, 0.0417]
    """
    nodes = np.union1d(graph.indices[graph.indptr[seed] : graph.indptr[seed + 1]], [seed]).astype(np.int64)
    solution = np.zeros(len(nodes))
    while True:
        everyone = len(nodes) == len(degrees)
        rows = graph if everyone else graph[nodes]
        inside = graph if everyone else csr_array(rows[:, nodes])
        solution = _solved(inside, degrees[nodes], nodes == seed, solution, teleport, tolerance)
        if everyone:
            return Local(nodes, solution * np.sqrt(degrees))
        spilled = (1 - teleport) / (2 * teleport) * (rows.T @ (solution / np.sqrt(degrees[nodes])))
        spilled[nodes] = 0.0
        joining = np.flatnonzero(spilled > tolerance * degrees)
        if not len(joining):
            return Local(nodes, solution * np.sqrt(degrees[nodes]))
        if len(nodes) + len(joining) > MOST * len(degrees):
            joining = np.setdiff1d(np.arange(len(degrees)), nodes, assume_unique=True)
        grown = np.concatenate([nodes, joining])
        order = np.argsort(grown, kind="stable")
        nodes, solution = grown[order], np.concatenate([solution, np.zeros(len(joining))])[order]


def _solved(
    inside: csr_array, degrees: Floats, at_seed: NDArray[np.bool_], start: Floats, teleport: float, tolerance: float
) -> Floats:
    """Conjugate gradients for x = D^{−½}p on the support, until the residual is below half the bound everywhere."""
    root = np.sqrt(degrees)
    keep = (1 - teleport) / 2
    bound = 0.5 * teleport * tolerance * root

    def applied(x: Floats) -> Floats:
        result: Floats = (1 - keep) * x - keep * (inside @ (x / root)) / root
        return result

    solution = start.copy()
    residual = teleport * at_seed / root - applied(solution)
    direction, size = residual.copy(), float(residual @ residual)
    for _ in range(MAX_ITERATIONS):
        if (np.abs(residual) <= bound).all():
            break
        image = applied(direction)
        step = size / float(direction @ image)
        solution += step * direction
        residual -= step * image
        size, last = float(residual @ residual), size
        direction = residual + (size / last) * direction
    return solution
