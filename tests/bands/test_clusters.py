"""Clusters of planted truth come out at their own number, and noise has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2
from scipy.sparse import csr_array

from zeeman.bands import adjusted_rand_index, cluster_places, cluster_rows, find_clusters, neighbour_graph, rewired
from zeeman.bands.clusters import _described, _joined
from zeeman.bands.cuts import Floor, conductance, degrees_of
from zeeman.errors import ZeemanError


def mixture(count: int, clusters: int, apart: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian clusters in 12 columns whose centers are ``apart`` standard deviations from each other on average."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(clusters, size=count, p=rng.dirichlet(np.full(clusters, 8.0)))
    centers = rng.standard_normal((clusters, 12)) * apart / np.sqrt(24)
    return centers[labels] + rng.standard_normal((count, 12)), labels


def blocks(sizes: list[int], inside: float, outside: float, seed: int) -> tuple[csr_array, np.ndarray]:
    """A stochastic block model."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    chance = np.where(labels[:, None] == labels, inside, outside)
    upper = np.triu(rng.uniform(size=chance.shape) < chance, 1)
    return csr_array((upper | upper.T).astype(float)), labels


def moons(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    angle, labels = rng.uniform(0, np.pi, count), np.arange(count) % 2
    x = np.where(labels == 0, np.cos(angle), 1 - np.cos(angle))
    y = np.where(labels == 0, np.sin(angle), 0.5 - np.sin(angle))
    return np.stack([x, y], axis=1) + 0.06 * rng.standard_normal((count, 2)), labels


@pytest.mark.parametrize(("clusters", "seed"), [(3, 0), (8, 1), (15, 2)])
def test_well_separated_plants_come_out_at_their_number(clusters: int, seed: int) -> None:
    matrix, labels = mixture(1500, clusters, 14.0, seed)
    found = cluster_rows(matrix)
    assert len(found.sizes) == clusters
    assert adjusted_rand_index(found.labels, labels) >= 0.95
    assert (found.conductance < found.floor).all()


def test_blocks_of_a_random_graph_come_out() -> None:
    graph, labels = blocks([60, 100, 140, 200], 0.3, 0.02, seed=0)
    found = find_clusters(graph, rewired(graph))
    assert len(found.sizes) == 4
    assert adjusted_rand_index(found.labels, labels) >= 0.95
    degrees = degrees_of(graph)
    for number, value in enumerate(found.conductance):
        assert conductance(graph, degrees, np.flatnonzero(found.labels == number)) == pytest.approx(value)


def test_moons_come_apart_by_conductance_and_not_by_means() -> None:
    rows, labels = moons(800, seed=0)
    noise = np.random.default_rng(1).standard_normal(rows.shape) * rows.std(axis=0)
    found = find_clusters(neighbour_graph(rows, 15), neighbour_graph(noise, 15), scale="coarse")
    assert adjusted_rand_index(found.labels, labels) >= 0.95
    by_means = kmeans2(rows, 2, minit="++", rng=np.random.default_rng(0))[1]
    assert adjusted_rand_index(by_means.astype(np.int64), labels) < 0.7


def test_noise_has_no_clusters() -> None:
    """Round, stretched and heavy-tailed clouds: 0 of 60 others showed anything, 3 of 18 would mean a rate over 4 %."""
    alarms = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        round_cloud = rng.standard_normal((400, 10))
        stretched = rng.standard_normal((400, 10)) * np.geomspace(4, 0.5, 10) @ rng.standard_normal((10, 10))
        heavy = rng.standard_t(4, size=(400, 10))
        alarms += sum(len(cluster_rows(cloud, seed=seed).sizes) > 0 for cloud in (round_cloud, stretched, heavy))
    assert alarms <= 2


def test_rows_that_are_not_searched_join_the_clusters_of_their_neighbours() -> None:
    rows, labels = mixture(6000, 8, 14.0, seed=1)
    found = cluster_places(rows, most=1500)
    assert len(found.sizes) == 8
    assert adjusted_rand_index(found.labels, labels) >= 0.98
    assert (np.diff(found.sizes) <= 0).all()
    assert found.sizes.tolist() == np.bincount(found.labels[found.labels >= 0]).tolist()
    assert (cluster_places(rows, most=1500).labels == found.labels).all()


@given(st.integers(0, 10**6), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_a_row_joins_whoever_holds_most_of_its_neighbours(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    labels, near = rng.integers(-1, 3, size=30), rng.integers(30, size=(40, k))
    for row, joined in zip(labels[near].tolist(), _joined(labels, near).tolist(), strict=True):
        assert joined == min(row, key=lambda one: (-row.count(one), one))


def test_noise_has_no_clusters_when_some_rows_are_searched() -> None:
    clouds = [np.random.default_rng(seed).standard_normal((3000, 10)) for seed in range(6)]
    assert sum(len(cluster_places(cloud, most=400).sizes) > 0 for cloud in clouds) <= 1


def test_random_graphs_have_no_blocks() -> None:
    for seed in range(4):
        graph, _ = blocks([400], 0.08, 0.0, seed)
        assert len(find_clusters(graph, rewired(graph, seed)).sizes) == 0


@given(st.integers(0, 10**6))
@settings(max_examples=4, deadline=None)
def test_order_of_rows_and_scale_of_columns_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, _ = mixture(400, 3, 16.0, seed)
    first = cluster_rows(matrix).labels
    order = rng.permutation(400)
    again = cluster_rows((matrix * np.exp(rng.uniform(-3, 3, 12)))[order]).labels
    assert adjusted_rand_index(first[order], again) > 0.98


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ZeemanError, match="k = 45"):
        cluster_rows(np.random.default_rng(0).standard_normal((30, 4)))
    with pytest.raises(ZeemanError, match="at least 40 rows"):
        cluster_rows(np.random.default_rng(0).standard_normal((30, 4)), k=5)


def test_a_cluster_whose_nodes_all_join_another_is_none() -> None:
    """Nodes may leave a cluster as it settles; a number that nobody bears any more is no cluster of size 0."""
    graph = csr_array(np.kron(np.eye(2), np.ones((4, 4)) - np.eye(4)))
    floor = Floor(np.array([1.0, 8.0]), np.array([0.5, 0.5]))
    found = _described(graph, degrees_of(graph), floor, np.array([0] * 4 + [2] * 4))
    assert found.labels.tolist() == [0] * 4 + [1] * 4
    assert found.sizes.tolist() == [4, 4]
