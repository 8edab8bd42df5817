"""Clusters of 10⁴, 10⁵ and 10⁶ planted tokens: time, memory, recall and truth; writes ``clustering_scale.json``.

Fifty Gaussian clusters of unequal size in 17 columns, their centers as many within-cluster standard deviations apart
as the file says. Each size runs in a process of its own, so that its peak memory is its own. Sizes as arguments run
those alone: ``python benchmarks/clustering_scale.py 10000 100000``.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from zeeman.bands import (
    adjusted_rand_index,
    cluster_rows,
    find_clusters,
    gaussian_twin,
    nearest_neighbours,
    neighbour_graph,
    prepare,
)

SIZES = (10_000, 100_000, 1_000_000)
CLUSTERS, COLUMNS, K, PROBES = 50, 17, 45, 300
WRITTEN = Path(__file__).with_suffix(".json")


def plant(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, float]:
    """Rows, their clusters, and the distance of the two nearest centers in within-cluster standard deviations."""
    rng = np.random.default_rng(seed)
    centers, shares = 1.5 * rng.standard_normal((CLUSTERS, COLUMNS)), rng.dirichlet(np.full(CLUSTERS, 5.0))
    labels = rng.choice(CLUSTERS, size=count, p=shares)
    apart = np.linalg.norm(centers[:, None] - centers, axis=2)
    rows = centers[labels] + rng.standard_normal((count, COLUMNS))
    return rows, labels, float(apart[apart > 0].min())


def recall(rows: np.ndarray, k: int) -> float:
    """Share of the true neighbours of some rows that the search found, against every distance."""
    found = nearest_neighbours(rows, k)
    probes = np.random.default_rng(1).choice(len(rows), PROBES, replace=False)
    shares = []
    for probe in probes:
        distances = ((rows - rows[probe]) ** 2).sum(axis=1)
        distances[probe] = np.inf
        shares.append(len(np.intersect1d(found[probe], np.argpartition(distances, k)[:k])) / k)
    return float(np.mean(shares))


def measure(count: int) -> dict[str, Any]:
    matrix, labels, apart = plant(count)
    clock, wall, seconds = time.process_time(), time.perf_counter(), {}

    def lap(name: str) -> None:
        nonlocal clock
        seconds[name], clock = round(time.process_time() - clock, 2), time.process_time()

    rows = prepare(matrix)
    graph = neighbour_graph(rows, K)
    lap("graph")
    null = neighbour_graph(gaussian_twin(rows), K)
    lap("graph of noise")
    found = find_clusters(graph, null)
    lap("clusters")
    row = {
        "tokens": count,
        "columns": COLUMNS,
        "planted": CLUSTERS,
        "nearest_centers_sd": round(apart, 2),
        "found": len(found.sizes),
        "coverage": round(found.coverage, 4),
        "ari": round(adjusted_rand_index(found.labels, labels), 4),
        "cpu_seconds": seconds,
        "wall_seconds": round(time.perf_counter() - wall, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "edges": int(graph.nnz // 2),
    }
    if count <= 100_000:
        row["recall"] = round(recall(rows, K), 4)
        noise = np.random.default_rng(2).standard_normal((count, COLUMNS))
        row["recall_in_noise"] = round(recall(noise, K), 4)
    if count <= 10_000:
        row["same_labels_again"] = bool((cluster_rows(matrix, K).labels == found.labels).all())
    return row


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
        return
    rows = {row["tokens"]: row for row in json.loads(WRITTEN.read_text())} if WRITTEN.exists() else {}
    for count in [int(size) for size in sys.argv[1:]] or SIZES:
        answer = subprocess.run(
            [sys.executable, __file__, "--one", str(count)], capture_output=True, text=True, check=True
        )
        rows[count] = json.loads(answer.stdout)
        print(rows[count])
        WRITTEN.write_text(json.dumps([rows[size] for size in sorted(rows)], indent=1) + "\n")


if __name__ == "__main__":
    main()
