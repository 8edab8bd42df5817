"""What loading adds to unloaded draws: which responses change, and whether they tell modes apart better."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.planted.activations import readout
from benchmarks.planted.draws import COMPONENTS, Asked
from benchmarks.planted.grammar import RULES, Floats

from zeeman.bands import prepare
from zeeman.spectra import Susceptibility

GROUPS = {
    "heads of layer 0": slice(0, 4),
    "heads of layer 1": slice(4, 8),
    "heads of layer 2": slice(8, 12),
    "perceptrons": slice(12, 15),
    "embedding": slice(15, 16),
    "unembedding": slice(16, 17),
}
TIED = ("bigrams_a", "bigrams_b")


def compared(unloaded: list[Susceptibility], loaded: list[Susceptibility], asked: Asked) -> dict[str, Any]:
    """Agreement of two readings of the same tokens, and what either tells of the truth.

    Agreement is the correlation over tokens freed of noise, r_UL/√(R_U R_L), with the reliability R = 2r/(1 + r) that
    the correlation r of halves of the chains gives (Spearman and Brown). Near 1 both read the same thing; components of
    which halves show nothing in common are left out.
    """
    both = (unloaded, loaded)
    found = np.array([_freed_of_noise(*pair) for pair in zip(*both, strict=True)])
    told: dict[str, Any] = {
        "agreement": {name: _rounded(np.nanmedian(found[where])) for name, where in GROUPS.items()},
        "agreement_least": [COMPONENTS[int(np.nanargmin(found))], _rounded(np.nanmin(found))],
    }
    for name, chi in zip(("unloaded", "loaded"), both, strict=True):
        rho = np.column_stack([each.rho for each in chi])
        told[name] = {"rules": recalls(rho, asked), "tied": tied(rho, asked)}
    return told


def _freed_of_noise(one: Susceptibility, other: Susceptibility) -> float:
    halves = [float(np.corrcoef(*each.rho_halves)[0, 1]) for each in (one, other)]
    reliable = [2 * max(r, 0.0) / (1 + max(r, 0.0)) for r in halves]
    bare = float(np.corrcoef(one.rho, other.rho)[0, 1])
    return bare / np.sqrt(reliable[0] * reliable[1]) if min(reliable) > 0 else float("nan")


def recalls(rho: Floats, asked: Asked) -> dict[str, float]:
    """Accuracy on windows it was not fitted on of a linear readout of each rule against all others; classes even."""
    prepared, rng, found = prepare(rho), np.random.default_rng(0), {}
    for index, rule in enumerate(RULES):
        mine = np.flatnonzero(~asked.sham & (asked.rule == index))
        others = rng.permutation(np.flatnonzero(~asked.sham & (asked.rule != index)))[: len(mine)]
        here = np.concatenate([mine, others])
        labels = (asked.rule[here] == index).astype(np.int64)
        found[rule] = _rounded(readout(prepared[here], labels, asked.rows[here]))
    return found


def tied(rho: Floats, asked: Asked) -> float:
    """Accuracy of telling the two tables of bigrams apart, which are one kind of rule."""
    one, other = map(RULES.index, TIED)
    here = ~asked.sham & ((asked.rule == one) | (asked.rule == other))
    labels = (asked.rule[here] == other).astype(np.int64)
    return _rounded(readout(prepare(rho[here]), labels, asked.rows[here]))


def _rounded(value: float) -> float:
    return round(float(value), 3)
