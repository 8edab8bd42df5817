"""How far do clusters of activations find the planted modes? The baseline of every spectroscopy.

Usage: python -m benchmarks.planted.activations --seed 0 --run FOLDER

On the last checkpoint of a series that benchmarks.planted.training recorded: settled tokens, as many of every rule,
and their activations behind the embedding, behind each layer and behind the last normalization, once where the token is
predicted (the position before) and once where it is read. Columns are z-scored and clustered by k-means (the best of 10
starts) and by spectral clustering of the symmetric graph of 45 nearest neighbours. Given is the adjusted Rand index
against the planted labels, at the true number of clusters:

- ``rule`` and ``kind``: tokens of the seven rules by rule (7 clusters) and by kind (6);
- ``kind_and_sham``: tokens of the rules and of their shams by kind and by which of the two they are (12).

Beside each stands the accuracy of a linear readout (ridge) on the half of the windows it was not fitted on: what is
there, though clusters may not show it. Writes activations.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.planted.grammar import KINDS, RULES, Floats, Grammar, Integers, Windows
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh
from torch import nn

from zeeman.subjects import Series

WINDOWS, TOKENS, NEIGHBOURS, STARTS = 2400, 6000, 45, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.process_time()
    series = Series.from_folder(arguments.run)
    last = series.checkpoints[-1]
    found: dict[str, Any] = {"step": last.step, **examined(series.model(last), arguments.seed)}
    found["cpu_seconds"] = round(time.process_time() - begun)
    path = Path(__file__).with_suffix(".json")
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[str(arguments.seed)] = found
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n")
    print(json.dumps(found, indent=1))


def examined(model: nn.Module, seed: int) -> dict[str, Any]:
    """Cluster the activations of every layer by every labelling."""
    rng = np.random.default_rng([seed, *b"activations"])
    windows = Grammar.from_seed(seed).balanced_windows(rng, WINDOWS)
    layers = activations(model, windows.tokens)
    code = windows.kind + len(KINDS) * windows.sham
    labellings = {"rule": (windows.rule, False), "kind": (windows.kind, False), "kind_and_sham": (code, True)}
    # As many of every rule, so that a kind of two rules has twice as many.
    chosen = {shams: choose(windows, rng, shams) for shams in (False, True)}
    scores: dict[str, Any] = {}
    for place, behind in (("predicting", 1), ("reading", 0)):
        for layer, array in layers.items():
            for name, (labels, shams) in labellings.items():
                rows, columns = chosen[shams]
                score = scored(array[rows, columns - behind], labels[rows, columns], rows, rng)
                scores.setdefault(place, {}).setdefault(layer, {})[name] = score
    return {"tokens": {"real": len(chosen[False][0]), "real_and_sham": len(chosen[True][0])}, "ari": scores}


def choose(windows: Windows, rng: np.random.Generator, shams: bool) -> tuple[Integers, Integers]:
    """Choose settled tokens, as many of every rule (and of every sham); gives rows and columns."""
    code = windows.rule + len(RULES) * windows.sham
    wanted = 2 * len(RULES) if shams else len(RULES)
    places = [np.argwhere(windows.settled & (code == index)) for index in range(wanted)]
    number = min(TOKENS // wanted, *map(len, places))
    picked = np.concatenate([rng.permutation(place)[:number] for place in places])
    return picked[:, 0], picked[:, 1]


def activations(model: nn.Module, tokens: Integers) -> dict[str, NDArray[np.float32]]:
    """Give the stream behind the embedding, behind each layer, and behind the last normalization."""
    with torch.no_grad():
        states = model.gpt_neox(torch.from_numpy(tokens), output_hidden_states=True).hidden_states
    # The last state that transformers gives is already normalized.
    names = ["embedding", *(f"layer {index}" for index in range(len(states) - 2)), "last, normalized"]
    return {name: state.numpy() for name, state in zip(names, states, strict=True)}


def scored(
    features: NDArray[np.float32], labels: Integers, rows: Integers, rng: np.random.Generator
) -> dict[str, float]:
    """Cluster z-scored columns in both ways at the true number, and read the labels out linearly."""
    x = features.astype(np.float64)
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12)
    number = len(np.unique(labels))
    return {
        "k_means": round(adjusted_rand(k_means(x, number, rng), labels), 3),
        "knn_graph": round(adjusted_rand(spectral(x, number, rng), labels), 3),
        "linear_readout": round(readout(x, labels, rows), 3),
    }


def k_means(x: Floats, number: int, rng: np.random.Generator) -> Integers:
    """Label rows by k-means++, the best of several starts."""
    runs = [kmeans2(x, number, iter=50, minit="++", rng=rng) for _ in range(STARTS)]
    spreads = [float(((x - centers[labels]) ** 2).sum()) for centers, labels in runs]
    labels: Integers = runs[int(np.argmin(spreads))][1].astype(np.int64)
    return labels


def spectral(x: Floats, number: int, rng: np.random.Generator, neighbours: int = NEIGHBOURS) -> Integers:
    """Label rows by k-means on the leading eigenvectors of the normalized graph of nearest neighbours.

    The graph joins two rows when one is among the nearest of the other; its eigenvectors, of D^(-1/2) A D^(-1/2), are
    scaled to rows of length one (Ng, Jordan and Weiss 2001).
    """
    near = nearest(x, neighbours)
    count = len(x)
    one_way = csr_array((np.ones(near.size), near.ravel(), np.arange(count + 1) * neighbours), shape=(count, count))
    graph = one_way.maximum(one_way.T)
    scale = diags_array(1 / np.sqrt(graph.sum(axis=1)))
    _, vectors = eigsh(scale @ graph @ scale, k=number, which="LA", v0=rng.standard_normal(count))
    rows = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return k_means(rows, number, rng)


def nearest(x: Floats, neighbours: int) -> Integers:
    """Indices of the nearest other rows, by brute force in blocks."""
    squares, found = (x**2).sum(axis=1), []
    for first in range(0, len(x), 1024):
        block = x[first : first + 1024]
        distances = squares - 2 * block @ x.T
        distances[np.arange(len(block)), first + np.arange(len(block))] = np.inf
        found.append(np.argpartition(distances, neighbours, axis=1)[:, :neighbours])
    return np.concatenate(found)


def readout(x: Floats, labels: Integers, rows: Integers) -> float:
    """Fit one-hot labels by ridge on tokens of even windows; accuracy on those of odd ones."""
    train = rows % 2 == 0
    design = np.column_stack([x, np.ones(len(x))])
    targets = np.eye(labels.max() + 1)[labels]
    gram = design[train].T @ design[train] + np.eye(design.shape[1])
    weights = np.linalg.solve(gram, design[train].T @ targets[train])
    return float(((design[~train] @ weights).argmax(axis=1) == labels[~train]).mean())


def adjusted_rand(one: Integers, other: Integers) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985): 1 for equal partitions, 0 on average for independent ones."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)

    def pairs(counts: Floats) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, first, second = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    chance = first * second / pairs(np.array([len(one)]))
    return (both - chance) / ((first + second) / 2 - chance)


if __name__ == "__main__":
    main()
