"""How well partitions of a matrix of responses find planted labels, and how well they find themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.planted.activations import k_means, readout
from benchmarks.planted.draws import Asked, Drawn, log_amplitudes, responses
from benchmarks.planted.grammar import KINDS, RULES, Floats, Integers
from numpy.typing import NDArray
from scipy.sparse import csr_array

from zeeman.bands import (
    adjusted_rand_index,
    cluster_tokens,
    find_clusters,
    gaussian_twin,
    half_agreement,
    label_places,
    neighbour_graph,
    reproducible_places,
    significant_modes,
    unite,
)
from zeeman.bands.cuts import MIN_SIZE, Floor, degrees_of, edge, sweep
from zeeman.bands.pagerank import personalized_pagerank
from zeeman.spectra import ResponseSums, Susceptibility, resolved, shifted_nulls

PATIENCE, MIN_GAIN = 20, 1e-3
FEWEST_NULLS = 19
"""For a level of .05."""
HALVES = 2
"""Halves of the tokens that are clustered again."""


def scored(places: Floats, asked: Asked) -> dict[str, Any]:
    """Adjusted Rand indices of k-means at the true number, and accuracies of linear readouts, by rule and by kind."""
    rng = np.random.default_rng(0)
    return {
        "k_means": {
            "rule": _ari(k_means(places, len(RULES), rng), asked.rule),
            "kind": _ari(k_means(places, len(KINDS), rng), asked.kind),
        },
        "linear_readout": {
            "rule": round(readout(places, asked.rule, asked.rows), 3),
            "kind": round(readout(places, asked.kind, asked.rows), 3),
        },
    }


def clustered(places: Floats, asked: Asked) -> dict[str, Any]:
    """Partitions that find their own number: ours, and the published one."""
    begun = time.process_time()
    labels = found(places)
    seconds = {"cpu_seconds": round(time.process_time() - begun, 1)}
    pushed = push_clusters(neighbour_graph(places), np.random.default_rng(0))
    return {"found": {**about(labels, asked), **seconds}, "published": about(pushed, asked)}


def found(places: Floats) -> Integers:
    """Partition rows as `cluster_rows` does, in places that are given."""
    return find_clusters(neighbour_graph(places), neighbour_graph(gaussian_twin(places))).labels


def bands(drawn: Drawn, chi: list[Susceptibility], count: int | None = None) -> Integers:
    """Partition tokens as `zeeman bands` does: in the modes that permuted draws do not reach, united where halves see
    no border. The modes may be counted already."""
    labels, _ = cluster_tokens(np.stack([each.rho for each in chi]), count=count or modes_of(drawn, chi))
    return unite(labels, np.stack([each.rho_halves for each in chi], axis=1))


def bands_by_spread(drawn: Drawn) -> Integers:
    """Partition tokens as `zeeman bands --statistic spread` does."""
    values = log_amplitudes(drawn)
    halves = np.stack([log_amplitudes(half) for half in drawn.halves])
    noise = [_sums(phi, losses).log_amplitude_noise() for phi, losses in zip(drawn.phi, drawn.differences, strict=True)]
    count = significant_modes(values.T, nulls=list(np.stack(noise, axis=-1))).count
    usable = np.ones(values.shape[1], bool)
    return unite(label_places(reproducible_places(values, halves)[0], usable, count=count), halves)


def _sums(phi: Floats, differences: NDArray[np.float16]) -> ResponseSums:
    sums = ResponseSums(differences.shape[-1], phi)
    sums.add(np.moveaxis(differences, 2, 0))
    return sums


def modes_of(drawn: Drawn, chi: list[Susceptibility]) -> int:
    """Count significant modes; where draws can't be permuted in 19 ways, permuted columns stand in for them."""
    nulls = list(permuted(drawn))
    rho = np.column_stack([each.rho for each in chi])
    return significant_modes(rho, nulls=nulls if len(nulls) >= FEWEST_NULLS else None).count


def permuted(drawn: Drawn) -> NDArray[np.float32]:
    """ρ from draws that do not belong together, shape (pairings, tokens, components)."""
    pairs = zip(drawn.phi, drawn.differences, strict=True)
    return np.stack([shifted_nulls(phi, np.moveaxis(losses, 2, 0)) for phi, losses in pairs], axis=-1)


def about(labels: Integers, asked: Asked) -> dict[str, Any]:
    """Figures of a partition; rows in no cluster count as alone, and are left out where it says covered."""
    inside = labels >= 0
    covered = {"rule": 0.0, "kind": 0.0}
    if inside.any():
        covered = {"rule": _ari(labels[inside], asked.rule[inside]), "kind": _ari(labels[inside], asked.kind[inside])}
    return {
        "clusters": int(labels.max()) + 1,
        "coverage": round(float(inside.mean()), 3),
        "rule": _ari(labels, asked.rule),
        "kind": _ari(labels, asked.kind),
        "covered": covered,
    }


def confused(places: Floats, asked: Asked) -> list[list[int]]:
    """Tokens of each rule in each cluster that k-means finds at the true number of kinds."""
    labels, counts = k_means(places, len(KINDS), np.random.default_rng(0)), np.zeros((len(RULES), len(KINDS)), int)
    np.add.at(counts, (asked.rule, labels), 1)
    told: list[list[int]] = counts[:, np.argsort(counts.argmax(axis=0), kind="stable")].tolist()
    return told


def without(places: Floats, asked: Asked) -> dict[str, float]:
    """Index by kind of k-means at the true number when tokens of some kinds are left out: what confuses what."""
    told = {}
    for left_out in (("words",), ("brackets",), ("counting",), ("words", "brackets"), ("words", "counting")):
        here = ~np.isin(asked.kind, [KINDS.index(kind) for kind in left_out])
        labels = k_means(places[here], len(KINDS) - len(left_out), np.random.default_rng(0))
        told[" and ".join(left_out)] = _ari(labels, asked.kind[here])
    return told


def _ari(one: Integers, other: Integers) -> float:
    return round(adjusted_rand_index(one, other), 3)


def push_clusters(graph: csr_array, rng: np.random.Generator) -> Integers:
    """Cluster as published, so far as that is known: from random rows without a cluster, at teleport 10⁻³.

    A cluster is the prefix of least conductance before the conductance rises by a tenth, of 20 rows or more and at most
    .99 of the volume; the end is where 20 seeds in a row have added less than a thousandth of the rows each. No null is
    asked.

    Rows that are taken stay so, and only a cluster of 20 fresh rows or more starts the count of 20 seeds again: there
    are at most as many seeds as rows, and 20.
    """
    degrees, nothing = degrees_of(graph), Floor(np.ones(1), np.full(1, np.inf))
    labels = np.full(len(degrees), -1, dtype=np.int64)
    barren = 0
    while barren < PATIENCE and (labels < 0).any():
        seed = int(rng.choice(np.flatnonzero(labels < 0)))
        swept = sweep(graph, degrees, personalized_pagerank(graph, degrees, seed))
        found = swept.nodes[: edge(swept, nothing, "fine")]
        fresh = found[labels[found] < 0]
        taken = len(fresh) >= MIN_SIZE
        if taken:
            labels[fresh] = labels.max() + 1
        barren = 0 if taken and len(fresh) > MIN_GAIN * len(labels) else barren + 1
    return labels


def stability(drawn: Drawn, places: Callable[[Drawn], Floats]) -> dict[str, float]:
    """Agreement of partitions from either half of the chains, and of those of half of the tokens with that of all."""
    rng = np.random.default_rng(1)
    halves, whole = [places(half) for half in drawn.halves], places(drawn)

    def by_k_means(part: NDArray[np.floating]) -> Integers:
        return k_means(np.asarray(part, np.float64), len(KINDS), rng)

    def by_cuts(part: NDArray[np.floating]) -> Integers:
        return found(np.asarray(part, np.float64))

    told = {}
    for name, partition in (("k_means", by_k_means), ("found", by_cuts)):
        told[f"draws_{name}"] = _ari(*map(partition, halves))
        told[f"tokens_{name}"] = round(float(half_agreement(whole, partition, HALVES).value), 3)
    return told


def stability_of_bands(drawn: Drawn) -> float:
    """Agreement of bands from either half of the chains, in as many modes as all of them show."""
    count = modes_of(drawn, responses(drawn))
    return _ari(*(bands(half, responses(half), count) for half in drawn.halves))


def resolution(chi: list[Susceptibility], seconds: float) -> dict[str, float]:
    """Share of pairs of token and component with |ρ| > 3 SE, the null beside it, and how many a CPU second."""
    real = np.array([resolved(each.rho, each.rho_se).mean() for each in chi])
    null = np.array([resolved(each.null, each.null_se).mean() for each in chi])
    pairs = len(chi) * len(chi[0].rho)
    return {
        "resolved": round(float(real.mean()), 3),
        "resolved_null": round(float(null.mean()), 3),
        "resolved_per_cpu_second": round(float(real.mean()) * pairs / seconds),
        "correlation_of_halves": round(float(np.median([np.corrcoef(*each.rho_halves)[0, 1] for each in chi])), 3),
        "floor": round(float(np.median([each.floor for each in chi])), 3),
    }
