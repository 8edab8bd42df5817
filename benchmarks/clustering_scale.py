"""Clusters of 10⁴, 10⁵ and 10⁶ planted tokens: time, memory, recall and truth; writes ``clustering_scale.json``.

Fifty Gaussian clusters of unequal size in 17 columns, their centers as many within-cluster standard deviations apart
as the file says. ``searched`` rows are looked at, as `cluster_rows` does, and the others join them. Each size runs in
a process of its own, so that its peak memory is its own. Sizes as arguments run those alone, with a colon to search
other numbers of rows: ``python benchmarks/clustering_scale.py 10000 100000:100000``.
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
    cluster_places,
    cluster_rows,
    nearest_neighbours,
    prepare,
)
from zeeman.bands.clusters import MOST_SEARCHED

SIZES = ("10000", "100000", "100000:100000", "1000000")
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
    """Share of the true neighbours of some rows that the search for a graph found, against every distance."""
    found = nearest_neighbours(rows, k)
    probes = np.random.default_rng(1).choice(len(rows), PROBES, replace=False)
    shares = []
    for probe in probes:
        distances = ((rows - rows[probe]) ** 2).sum(axis=1)
        distances[probe] = np.inf
        shares.append(len(np.intersect1d(found[probe], np.argpartition(distances, k)[:k])) / k)
    return float(np.mean(shares))


def measure(count: int, most: int) -> dict[str, Any]:
    matrix, labels, apart = plant(count)
    clock, wall = time.process_time(), time.perf_counter()
    rows = prepare(matrix)
    found = cluster_places(rows, K, most=most)
    sizes = np.bincount(labels)
    row = {
        "tokens": count,
        "searched": min(most, count),
        "columns": COLUMNS,
        "planted": CLUSTERS,
        "nearest_centers_sd": round(apart, 2),
        "smallest": int(sizes.min()),
        "found": len(found.sizes),
        "coverage": round(found.coverage, 4),
        "ari": round(adjusted_rand_index(found.labels, labels), 4),
        "cpu_seconds": round(time.process_time() - clock, 1),
        "wall_seconds": round(time.perf_counter() - wall, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    if most <= 100_000:
        row["recall"] = round(recall(rows[:most], K), 4)
        noise = np.random.default_rng(2).standard_normal((min(most, count), COLUMNS))
        row["recall_in_noise"] = round(recall(noise, K), 4)
    if count <= 10_000:
        row["same_labels_again"] = bool((cluster_rows(matrix, K).labels == found.labels).all())
    return row


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]), int(sys.argv[3]))))
        return
    rows = [] if not WRITTEN.exists() else json.loads(WRITTEN.read_text())
    kept = {(row["tokens"], row["searched"]): row for row in rows}
    for asked in sys.argv[1:] or SIZES:
        count, _, most = asked.partition(":")
        answer = subprocess.run(
            [sys.executable, __file__, "--one", count, most or str(MOST_SEARCHED)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        row = json.loads(answer.stdout)
        kept[row["tokens"], row["searched"]] = row
        print(row)
        WRITTEN.write_text(json.dumps([kept[key] for key in sorted(kept)], indent=1) + "\n")


if __name__ == "__main__":
    main()
