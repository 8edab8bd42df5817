"""Are planted modes found again by susceptibilities, and at what cost?

Usage: python -m benchmarks.planted.recover FOLDER --seed 0 [--sections energy final …]

FOLDER keeps the training of the seed and its draws; what is there is not made again. Sections:

- ``energy``: unloaded draws of several energies on few windows, 24 a component. The energy of all other sections, a
  tenth of a nat, was set before any was tried, and stays;
- ``activations``: at the last checkpoint, settled tokens of the rules (without shams): the activations of every layer;
- ``unloaded``: the same tokens by 12, 24 and 60 unloaded draws: ρ, raw covariance, draws of other chains (null) and log
  amplitudes, by k-means at the true number and by clusterings that find their own (`cluster_rows`, the bands of
  `zeeman bands`, the published one), how stable they are, tokens shuffled, and weights to colder nβ;
- ``antithetic``: the same by pairs ±δ, 20 and 60 draws;
- ``loaded``: the same by SGLD draws of the same energies: the raw covariance with published clusters is the published
  estimator;
- ``landscape``, ``middle``: where loaded and unloaded draws differ, at the last checkpoint (60 draws) and in the middle
  of the training (24);
- ``series``: along training, tokens of rules and shams, 24 unloaded draws: how well each rule is told from its sham.

Writes recover.json, which `python -m benchmarks.planted.page` turns into docs/planted.md. CPU seconds are those of the
process; the machine was shared.
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.planted.activations import activations, k_means, readout
from benchmarks.planted.apart import by_amplitude, by_band, kinds, shams_apart, told_apart, z_scored
from benchmarks.planted.draws import (
    CHAINS,
    DRAWS,
    PAIRED_CHAINS,
    PAIRED_DRAWS,
    Asked,
    Drawn,
    ask,
    correlations,
    loaded,
    responses,
    spreads,
    trust,
    unloaded,
)
from benchmarks.planted.draws import DATA as DATA_WINDOWS
from benchmarks.planted.grammar import KINDS, RULES, Floats, Grammar
from benchmarks.planted.landscape import compared
from benchmarks.planted.scores import (
    about,
    bands,
    bands_by_spread,
    clustered,
    confused,
    resolution,
    scored,
    stability,
    stability_of_bands,
    without,
)
from benchmarks.planted.training import outcome, train
from torch import nn

from zeeman.bands import adjusted_rand_index, prepare
from zeeman.spectra import shuffled_tokens
from zeeman.subjects import Series

ENERGY = 0.1
"""Nats a settled token, of every component."""
ENERGIES = (0.01, 0.03, 0.1, 0.3)
WINDOWS, ENERGY_WINDOWS, SERIES_WINDOWS = 430, 48, 160
FEWER = 6
"""Draws of a chain in readings of 24."""
CUTS = ((CHAINS, 3), (CHAINS, FEWER), (CHAINS, DRAWS))
PAIRED_CUTS = ((2, PAIRED_DRAWS), (PAIRED_CHAINS, PAIRED_DRAWS))
"""Chains and draws of each that are read."""
COLDER = (3.0, 10.0, 30.0)
STEPS = (26, 123, 306, 414, 559, 755, 1020, 1377, 1859)
"""Checkpoints looked at, beside the last."""
MIDDLE = 1020
"""The one that loaded draws are compared at, beside the last."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(arguments.folder, arguments.seed)
    path = Path(__file__).with_suffix(".json")
    for name in ["training", *arguments.sections]:
        found = bench.training() if name == "training" else SECTIONS[name](bench)
        kept = json.loads(path.read_text()) if path.exists() else {}
        kept.setdefault(str(arguments.seed), {})[name] = found
        kept["date"] = datetime.date.today().isoformat()
        path.write_text(json.dumps(kept, indent=1) + "\n")
        print(name, json.dumps(found, indent=1), flush=True)


class Bench:
    """One seed: its grammar, its model over training, its draws, all kept in a folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed, self.grammar = folder / f"draws-{seed}", seed, Grammar.from_seed(seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        run = folder / str(seed)
        if not run.exists():
            train(run, seed)
        self.series = Series.from_folder(run)

    def training(self) -> dict[str, Any]:
        return outcome(self.model(self.series.steps[-1]), self.series, self.grammar, self.seed)

    def model(self, step: int) -> nn.Module:
        return self.series.model(self.series.at(step)).eval()

    def unloaded(
        self,
        step: int,
        asked: Asked,
        name: str,
        energy: float = ENERGY,
        draws: int = DRAWS,
        start: Floats | None = None,
        antithetic: bool = False,
    ) -> Drawn:
        def make() -> Drawn:
            return unloaded(self.model(step), asked, energy, self.seed, draws, start, antithetic)

        return Drawn.cached(self.folder / f"{name}-{step}.npz", make)

    def loaded(self, step: int, asked: Asked, start: Floats, draws: int = DRAWS) -> Drawn:
        rng = np.random.default_rng([self.seed, *b"data"])
        data = torch.from_numpy(self.grammar.windows(rng, DATA_WINDOWS).tokens)

        def make() -> Drawn:
            return loaded(self.model(step), data, asked, ENERGY, self.seed, start, draws)

        return Drawn.cached(self.folder / f"loaded-{step}.npz", make)


def energy(bench: Bench) -> dict[str, Any]:
    """Resolution, and beside it the index, against the energy of the draws."""
    asked, last, found = ask(bench.grammar, bench.seed, ENERGY_WINDOWS, shams=False), bench.series.steps[-1], {}
    for nats in ENERGIES:
        drawn = bench.unloaded(last, asked, f"energy-{nats}", nats, FEWER)
        chi = responses(drawn)
        matrix = np.column_stack([each.rho for each in chi])
        found[str(nats)] = {
            "energy": _spread(drawn.phi.mean(axis=(1, 2))),
            "localization": _spread(drawn.localization),
            **resolution(chi, drawn.seconds),
            "k_means_kind": _by_k_means(matrix, asked),
        }
    return {"tokens": len(asked.rule), "by_energy": found}


def without_load(bench: Bench) -> dict[str, Any]:
    """Unloaded readings of the last checkpoint, their nulls, and weights to colder nβ."""
    asked, drawn = _at_the_end(bench)
    rows = _read(drawn, asked, CUTS)
    rho = np.column_stack([each.rho for each in responses(drawn)])
    last = f"{drawn.phi[0].size} draws"
    rows[f"rho, {last}"]["stability"] = stability(drawn, correlations) | {"draws_bands": stability_of_bands(drawn)}
    rows[f"amplitude, {last}"] |= {
        "stability": stability(drawn, spreads),
        "confusion": confused(spreads(drawn), asked),
        "without": without(spreads(drawn), asked),
    }
    rows["shuffled tokens"] = scored(prepare(shuffled_tokens(rho, 0)), asked)
    for n_beta in COLDER:
        chi = responses(drawn, n_beta)
        matrix = np.column_stack([each.rho for each in chi])
        rows[f"rho, reweighted to {n_beta:g}"] = {**trust(drawn, n_beta), **scored(prepare(matrix), asked)}
    return {"tokens": len(asked.rule), "tokens_by_rule": np.bincount(asked.rule).tolist(), "rows": rows}


def in_pairs(bench: Bench) -> dict[str, Any]:
    """Unloaded readings from antithetic pairs."""
    asked, last = ask(bench.grammar, bench.seed, WINDOWS, shams=False), bench.series.steps[-1]
    drawn = bench.unloaded(last, asked, "antithetic", antithetic=True)
    return {"rows": _read(drawn, asked, PAIRED_CUTS)}


def with_load(bench: Bench) -> dict[str, Any]:
    """Loaded readings of the same tokens at the same energies."""
    asked, drawn = _at_the_end(bench)
    return {"rows": _read(bench.loaded(bench.series.steps[-1], asked, drawn.localization), asked, CUTS)}


def landscape(bench: Bench) -> dict[str, Any]:
    """Where loaded draws read other than unloaded ones, at the last checkpoint."""
    asked, drawn = _at_the_end(bench)
    last = bench.series.steps[-1]
    return {"step": last, **_compared(drawn, bench.loaded(last, asked, drawn.localization), asked)}


def middle(bench: Bench) -> dict[str, Any]:
    """The same in the middle of the training, on tokens of rules and shams."""
    asked = ask(bench.grammar, bench.seed, SERIES_WINDOWS, shams=True)
    drawn = bench.unloaded(MIDDLE, asked, "series", draws=FEWER)
    return {"step": MIDDLE, **_compared(drawn, bench.loaded(MIDDLE, asked, drawn.localization, FEWER), asked)}


def _compared(unloaded: Drawn, loaded: Drawn, asked: Asked) -> dict[str, Any]:
    chi = responses(unloaded), responses(loaded)
    matrices = [np.column_stack([each.rho for each in side]) for side in chi]
    return {
        "draws": unloaded.phi[0].size,
        "energy": [_spread(side.phi.mean(axis=(1, 2))) for side in (unloaded, loaded)],
        "localization_loaded_over_unloaded": _spread(loaded.localization / unloaded.localization),
        "kinds": [
            kinds(prepare(rho), bands(drawn, side), asked)
            for rho, drawn, side in zip(matrices, (unloaded, loaded), chi, strict=True)
        ],
        "kinds_by_amplitude": [kinds(spreads(drawn), None, asked) for drawn in (unloaded, loaded)],
        **compared(*chi, asked),
    }


def layers(bench: Bench) -> dict[str, Any]:
    """Scores of the activations of every layer; clusters are looked for where k-means does best."""
    asked, _ = _at_the_end(bench)
    begun = time.process_time()
    arrays = activations(bench.model(bench.series.steps[-1]), asked.item.batch.numpy())
    seconds = {"cpu_seconds": round(time.process_time() - begun, 1)}
    matrices = {
        f"{layer}, {place}": array[asked.rows, asked.columns - behind].astype(np.float64)
        for place, behind in (("predicting", 1), ("reading", 0))
        for layer, array in arrays.items()
    }
    rows = {name: {**seconds, **scored(prepare(matrix), asked)} for name, matrix in matrices.items()}
    best = max(rows, key=lambda name: rows[name]["k_means"]["kind"])
    rows[best] |= clustered(prepare(matrices[best]), asked)
    return {"rows": rows}


def _at_the_end(bench: Bench) -> tuple[Asked, Drawn]:
    asked = ask(bench.grammar, bench.seed, WINDOWS, shams=False)
    return asked, bench.unloaded(bench.series.steps[-1], asked, "unloaded")


def _read(drawn: Drawn, asked: Asked, cuts: Sequence[tuple[int, int]]) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for chains, draws in cuts:
        part, number, whole = drawn.first(chains, draws), chains * draws, (chains, draws) == cuts[-1]
        begun = time.process_time()
        chi = responses(part)
        seconds = part.seconds + time.process_time() - begun
        costs = {
            "draws": number,
            "cpu_seconds": round(seconds, 1),
            "setting_up": round(part.setting_up, 1),
            "energy": _spread(part.phi.mean(axis=(1, 2))),
            "localization": _spread(part.localization),
        }
        for name in ("rho", "covariance", "null") if whole else ("rho", "covariance"):
            places = prepare(np.column_stack([getattr(each, name) for each in chi]))
            rows[f"{name}, {number} draws"] = {**costs, **scored(places, asked), **clustered(places, asked)}
        told = rows[f"rho, {number} draws"]
        told |= {**resolution(chi, seconds), "bands": about(bands(part, chi), asked)}
        places = spreads(part)
        rows[f"amplitude, {number} draws"] = {
            **costs, **scored(places, asked), **clustered(places, asked), "bands": about(bands_by_spread(part), asked)
        }  # fmt: skip
        print(number, json.dumps(rows), flush=True)
    return rows


def series(bench: Bench) -> dict[str, Any]:
    """Tell each rule from its sham, and the kinds from each other, along training."""
    asked = ask(bench.grammar, bench.seed, SERIES_WINDOWS, shams=True)
    signals = {row["step"]: row["signals"] for row in bench.series.record if row["signals"]}
    steps = [step for step in bench.series.steps if step in STEPS or step == bench.series.steps[-1]]
    found, start = {}, None
    # From the end on, so that a checkpoint whose energies can't be matched takes over those of a later one.
    for step in reversed(steps):
        drawn = bench.unloaded(step, asked, "series", draws=FEWER, start=start)
        start = drawn.localization
        losses = {mode: (signals[step][mode], signals[step][f"{mode}_sham"]) for mode in RULES}
        found[str(step)] = _at_step(drawn, bench.model(step), asked, losses)
        print(step, json.dumps(found[str(step)]), flush=True)
    return {"tokens": len(asked.rule), "by_step": dict(reversed(found.items()))}


def _at_step(drawn: Drawn, model: nn.Module, asked: Asked, losses: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """Of each rule its loss and that of its sham, and how well they are told apart."""
    chi = responses(drawn)
    rho, found, amplitudes = np.column_stack([each.rho for each in chi]), bands(drawn, chi), spreads(drawn)
    arrays = activations(model, asked.item.batch.numpy())
    behind = {name: array[asked.rows, asked.columns - 1].astype(np.float64) for name, array in arrays.items()}
    return {
        "cpu_seconds": round(drawn.seconds, 1),
        "energy": _spread(drawn.phi.mean(axis=(1, 2))),
        "localization": _spread(drawn.localization),
        "modes": {
            mode: {
                "loss": round(losses[mode][0], 3),
                "loss_sham": round(losses[mode][1], 3),
                **told_apart(rho, found, behind, asked, index),
                "readout_amplitude": by_amplitude(amplitudes, asked, index),
            }
            for index, mode in enumerate(RULES)
        },
        "number_of_bands": int(found.max()) + 1,
        "kinds": kinds(prepare(rho), found, asked),
        "kinds_by_amplitude": kinds(amplitudes, None, asked),
        "shams_apart": {
            "readout": _shams_by_readout(prepare(rho), asked),
            "amplitude": _shams_by_readout(amplitudes, asked),
            "bands": shams_apart(asked, lambda here, labels: by_band(found[here], labels, asked.rows[here])),
            "activations": {name: _shams_by_readout(z_scored(array), asked) for name, array in behind.items()},
        },
    }


def _shams_by_readout(features: Floats, asked: Asked) -> dict[str, float]:
    return shams_apart(asked, lambda here, labels: readout(features[here], labels, asked.rows[here]))


def _by_k_means(matrix: Floats, asked: Asked) -> float:
    return round(adjusted_rand_index(k_means(prepare(matrix), len(KINDS), np.random.default_rng(0)), asked.kind), 3)


def _spread(values: Floats) -> list[float]:
    """Smallest, median and largest."""
    return [float(f"{value:.3g}") for value in (values.min(), np.median(values), values.max())]


SECTIONS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "energy": energy,
    "activations": layers,
    "unloaded": without_load,
    "antithetic": in_pairs,
    "loaded": with_load,
    "landscape": landscape,
    "middle": middle,
    "series": series,
}


if __name__ == "__main__":
    main()
