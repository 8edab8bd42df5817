"""Neighbours, PageRank and conductance against brute force and a dense solve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from zeeman.bands import conductance, gaussian_twin, nearest_neighbours, neighbour_graph, neighbours, rewired
from zeeman.bands.cuts import degrees_of, sweep
from zeeman.bands.pagerank import TOLERANCE, personalized_pagerank
from zeeman.errors import ZeemanError


def blobs(count: int, clusters: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(clusters, size=count)
    return rng.standard_normal((clusters, 8))[labels] / spread + rng.standard_normal((count, 8)), labels


def test_neighbours_are_those_of_a_tree_search() -> None:
    rows, _ = blobs(700, 4, 0.5)
    expected = cKDTree(rows).query(rows, 11)[1][:, 1:]
    assert (np.sort(nearest_neighbours(rows, 10), axis=1) == np.sort(expected, axis=1)).all()


def test_leaves_miss_few_neighbours_and_never_the_row_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = blobs(6000, 20, 0.25)
    exact = nearest_neighbours(rows, 15)
    monkeypatch.setattr(neighbours, "EXACT_ROWS", 1000)
    monkeypatch.setattr(neighbours, "NUM_LEAVES", 8)
    found = nearest_neighbours(rows, 15)
    assert (found != np.arange(6000)[:, None]).all()
    assert all(len(set(row)) == 15 for row in found[::50].tolist())
    recall = np.mean([len(np.intersect1d(a, b)) / 15 for a, b in zip(found, exact, strict=True)])
    assert recall > 0.9


@pytest.mark.parametrize(("exact", "least"), [(10_000, 1.0), (1000, 0.9)])
def test_neighbours_among_some_rows_are_those_of_a_tree_of_them(
    exact: int, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, _ = blobs(6000, 20, 0.25)
    among = np.sort(np.random.default_rng(1).permutation(6000)[:900])
    expected = among[cKDTree(rows[among]).query(rows, 11)[1]]
    monkeypatch.setattr(neighbours, "EXACT_ROWS", exact)
    monkeypatch.setattr(neighbours, "NUM_LEAVES", 8)
    found = nearest_neighbours(rows, 10, among)
    assert np.isin(found, among).all()
    assert (found != np.arange(6000)[:, None]).all()
    assert all(len(set(row)) == 10 for row in found[::50].tolist())
    own = expected[:, 0] == np.arange(6000)
    expected = np.where(own[:, None], expected[:, 1:], expected[:, :-1])
    assert np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(found, expected, strict=True)]) >= least


def test_leaves_without_a_neighbour_look_further(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.linspace(0, 1, 4000)[:, None] * np.ones(2)
    monkeypatch.setattr(neighbours, "EXACT_ROWS", 1000)
    found = nearest_neighbours(rows, 3, np.arange(4))
    assert found[:4].sum(axis=1).tolist() == [6, 5, 4, 3]
    assert (found[-1] < 4).all()


def test_the_graph_is_symmetric_without_loops() -> None:
    graph = neighbour_graph(blobs(300, 2, 1.0)[0], 12)
    assert abs(graph - graph.T).max() == 0
    assert not graph.diagonal().any()
    assert (degrees_of(graph) >= 12).all()


@pytest.mark.parametrize("teleport", [0.1, 0.001])
@pytest.mark.parametrize("spread", [0.2, 1.0])
def test_pagerank_is_the_dense_solution_within_its_tolerance(teleport: float, spread: float) -> None:
    graph = neighbour_graph(blobs(400, 4, spread)[0], 10)
    degrees = degrees_of(graph)
    walk = 0.5 * (np.eye(400) + graph.toarray() / degrees)
    for seed in (0, 17, 399):
        for tolerance in (1e-4, TOLERANCE):
            local = personalized_pagerank(graph, degrees, seed, teleport, tolerance)
            found = np.zeros(400)
            found[local.nodes] = local.rank
            exact = np.linalg.solve(np.eye(400) - (1 - teleport) * walk, teleport * np.eye(400)[seed])
            assert (np.abs(found - exact) <= tolerance * degrees).all()


def test_pagerank_stays_near_its_seed() -> None:
    """On a long ring the support is where the tolerance reaches, whatever the length of the ring."""
    supports = []
    for count in (20_000, 40_000):
        nodes = np.arange(count)
        ring = csr_array((np.ones(count), (nodes, (nodes + 1) % count)), shape=(count, count))
        ring = csr_array(ring + ring.T)
        supports.append(len(personalized_pagerank(ring, degrees_of(ring), 5, teleport=0.1).nodes))
    assert supports[0] == supports[1] < 200


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_conductance_of_prefixes_is_that_of_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = neighbour_graph(rng.standard_normal((60, 3)), 5)
    degrees, dense = degrees_of(graph), graph.toarray()
    swept = sweep(graph, degrees, personalized_pagerank(graph, degrees, int(rng.integers(60))))
    for size in (1, 7, len(swept.nodes) // 2):
        inside = np.isin(np.arange(60), swept.nodes[:size])
        cut = dense[inside][:, ~inside].sum()
        expected = cut / min(dense[inside].sum(), dense[~inside].sum())
        assert swept.conductance[size - 1] == pytest.approx(expected)
        assert conductance(graph, degrees, np.flatnonzero(inside)) == pytest.approx(expected)


def test_nulls_keep_what_they_should() -> None:
    rows, _ = blobs(5000, 3, 0.3)
    twin = gaussian_twin(rows)
    assert np.allclose(np.cov(twin.T), np.cov(rows.T), atol=6 * np.cov(rows.T).max() / np.sqrt(5000))
    graph = neighbour_graph(rows[:1000], 10)
    loose = rewired(graph)
    assert abs(loose - loose.T).max() == 0
    assert not loose.diagonal().any()
    assert loose.nnz == pytest.approx(graph.nnz, rel=0.03)


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(ZeemanError, match="k = 5"):
        nearest_neighbours(np.eye(5), 5)
    with pytest.raises(ZeemanError, match="finite"):
        nearest_neighbours(np.full((5, 2), np.nan), 2)
    with pytest.raises(ZeemanError, match="symmetric"):
        degrees_of(csr_array(np.array([[0.0, 1, 1], [1, 0, 0], [0, 1, 0]])))
    with pytest.raises(ZeemanError, match="loops"):
        degrees_of(csr_array(np.eye(3)))
