"""How well susceptibilities tell modes apart at one checkpoint: rules from shams, kinds, and shams from shams."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from benchmarks.planted.activations import k_means, readout
from benchmarks.planted.draws import Asked
from benchmarks.planted.grammar import KINDS, RULES, Floats, Integers, Mask

from zeeman.bands import adjusted_rand_index, prepare

ALIKE = ("bigrams_a", "bigrams_b", "agreement", "counting")
"""Rules whose settled tokens stand at the same places, so that nothing but their markers tells their shams apart."""


def told_apart(rho: Floats, bands: Integers, layers: dict[str, Floats], asked: Asked, rule: int) -> dict[str, Any]:
    """Accuracy on windows it was not fitted on of telling a rule from its sham, and index of two means.

    By linear readouts of ρ and of the activations of each layer, and by the band that a token is in.
    """
    here = asked.rule == rule
    labels, rows = asked.sham[here].astype(np.int64), asked.rows[here]
    prepared, rng = prepare(rho[here]), np.random.default_rng(0)
    by_layer = {name: readout(z_scored(array[here]), labels, rows) for name, array in layers.items()}
    tested = rows[rows % 2 == 1]
    return {
        "readout": round(readout(prepared, labels, rows), 3),
        "readout_error": round(float(np.sqrt(0.25 / len(np.unique(tested)))), 3),
        "tokens_tested": len(tested),
        "bands": round(by_band(bands[here], labels, rows), 3),
        "k_means": round(adjusted_rand_index(k_means(prepared, 2, rng), labels), 3),
        "readout_activations": {name: round(value, 3) for name, value in by_layer.items()},
    }


def by_amplitude(amplitudes: Floats, asked: Asked, rule: int) -> float:
    """Accuracy of telling a rule from its sham by a linear readout of log amplitudes."""
    here = asked.rule == rule
    return round(readout(amplitudes[here], asked.sham[here].astype(np.int64), asked.rows[here]), 3)


def by_band(bands: Integers, labels: Integers, rows: Integers) -> float:
    """Guess what most tokens of a band are in even windows; accuracy in odd ones. No band is a band, too."""
    counts = np.zeros((bands.max() + 2, labels.max() + 1))
    even = rows % 2 == 0
    np.add.at(counts, (bands[even], labels[even]), 1)
    return float((counts.argmax(axis=1)[bands[~even]] == labels[~even]).mean())


def kinds(places: Floats, bands: Integers | None, asked: Asked) -> dict[str, Any]:
    """Tell the kinds from each other, among the rules alone; by bands too, if there are any."""
    real = ~asked.sham
    found = k_means(places[real], len(KINDS), np.random.default_rng(0))
    told = {
        "k_means": round(adjusted_rand_index(found, asked.kind[real]), 3),
        "readout": round(readout(places[real], asked.kind[real], asked.rows[real]), 3),
    }
    return told if bands is None else told | {"bands": round(adjusted_rand_index(bands[real], asked.kind[real]), 3)}


def shams_apart(asked: Asked, accuracy: Callable[[Mask, Integers], float]) -> dict[str, float]:
    """The false alarm: accuracy of telling two shams apart, that have nothing to learn and differ by their markers.

    Parameters
    ----------
    asked : Asked
    accuracy : callable
        Of telling two classes apart, given which tokens take part and their classes.
    """
    found = {}
    for one, other in combinations(map(RULES.index, ALIKE), 2):
        here = asked.sham & ((asked.rule == one) | (asked.rule == other))
        labels = (asked.rule[here] == other).astype(np.int64)
        found[f"{RULES[one]} {RULES[other]}"] = round(accuracy(here, labels), 3)
    return found


def z_scored(x: Floats) -> Floats:
    """Columns of mean 0 and spread 1; constant ones stay constant."""
    scaled: Floats = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12)
    return scaled
