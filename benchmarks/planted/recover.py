"""Are planted modes found again by susceptibilities, and at what cost?

Usage: python -m benchmarks.planted.recover FOLDER --seed 0 [--sections energy final …]

FOLDER keeps the training of the seed and its draws; what is there is not made again. Sections:

- ``energy``: unloaded draws of several energies on few windows, 24 a component. The energy of all other sections, a
  tenth of a nat, was set before any was tried, and stays;
- ``final``: at the last checkpoint, settled tokens of the rules (without shams): unloaded draws, 24 and 60; ρ, raw
  covariance and draws of other chains (null) by k-means, tokens shuffled, and weights to colder nβ;
- ``activations``: the same of every layer;
- ``clusters``: what `cluster_rows`, the bands of `zeeman bands` and the published clustering find in the unloaded
  readings, and how stable it is;
- ``loaded``, ``loaded_clusters``: the same for SGLD draws of the same energies;
- ``series``: along training, tokens of rules and shams, 24 unloaded draws: how well each rule is told from its sham.

Writes recover.json, which `python -m benchmarks.planted.page` turns into docs/planted.md. CPU seconds are those of the
process; the machine was shared.
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.planted.activations import activations, k_means
from benchmarks.planted.apart import kinds, shams_apart, told_apart
from benchmarks.planted.draws import CHAINS, DRAWS, Asked, Drawn, ask, loaded, responses, trust, unloaded
from benchmarks.planted.draws import DATA as DATA_WINDOWS
from benchmarks.planted.grammar import KINDS, RULES, Floats, Grammar
from benchmarks.planted.scores import about, bands, clustered, resolution, scored, stability
from benchmarks.planted.training import outcome, train
from torch import nn

from zeeman.bands import adjusted_rand_index, cluster_tokens, prepare
from zeeman.spectra import shuffled_tokens
from zeeman.subjects import Series

ENERGY = 0.1
"""Nats a settled token, of every component."""
ENERGIES = (0.01, 0.03, 0.1, 0.3)
WINDOWS, ENERGY_WINDOWS, SERIES_WINDOWS = 430, 48, 160
FEWER = 6
"""Draws of a chain in readings of 24."""
COLDER = (1.0, 3.0, 10.0, 30.0)
STEPS = (26, 123, 306, 414, 559, 755, 1020, 1377, 1859)
"""Checkpoints looked at, beside the last."""


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
    ) -> Drawn:
        def make() -> Drawn:
            return unloaded(self.model(step), asked, energy, self.seed, draws, start)

        return Drawn.cached(self.folder / f"{name}-{step}.npz", make)


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


def final(bench: Bench) -> dict[str, Any]:
    """Unloaded readings of the last checkpoint, their nulls, and weights to colder nβ."""
    asked, drawn = _at_the_end(bench)
    rows = _read(drawn, asked)
    rho = np.column_stack([each.rho for each in responses(drawn)])
    rows["shuffled tokens"] = scored(shuffled_tokens(rho, 0), asked)
    for n_beta in COLDER:
        matrix = np.column_stack([each.rho for each in responses(drawn, n_beta)])
        rows[f"rho, reweighted to {n_beta:g}"] = {**trust(drawn, n_beta), **scored(matrix, asked)}
    return {"tokens": len(asked.rule), "tokens_by_rule": np.bincount(asked.rule).tolist(), "rows": rows}


def with_load(bench: Bench) -> dict[str, Any]:
    """Loaded readings of the same tokens at the same energies."""
    asked, drawn = _at_the_end(bench)
    return {"tokens": len(asked.rule), "rows": _read(_loaded(bench, asked, drawn.localization), asked)}


def clusters(bench: Bench) -> dict[str, Any]:
    """Partitions of unloaded readings that find their own number, and how stable they are."""
    asked, drawn = _at_the_end(bench)
    return {"rows": _clusters(drawn, asked)}


def loaded_clusters(bench: Bench) -> dict[str, Any]:
    """The same of loaded readings: those of the raw covariance are the published ones."""
    asked, drawn = _at_the_end(bench)
    return {"rows": _clusters(_loaded(bench, asked, drawn.localization), asked)}


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
    rows = {name: {**seconds, **scored(matrix, asked)} for name, matrix in matrices.items()}
    best = max(rows, key=lambda name: rows[name]["k_means"]["kind"])
    rows[best] |= clustered(matrices[best], asked)
    return {"rows": rows}


def _at_the_end(bench: Bench) -> tuple[Asked, Drawn]:
    asked = ask(bench.grammar, bench.seed, WINDOWS, shams=False)
    return asked, bench.unloaded(bench.series.steps[-1], asked, "unloaded")


def _loaded(bench: Bench, asked: Asked, start: Floats) -> Drawn:
    data = torch.from_numpy(bench.grammar.windows(np.random.default_rng([bench.seed, *b"data"]), DATA_WINDOWS).tokens)
    model = bench.model(bench.series.steps[-1])
    return Drawn.cached(bench.folder / "loaded.npz", lambda: loaded(model, data, asked, ENERGY, bench.seed, start))


def _read(drawn: Drawn, asked: Asked) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for draws in (FEWER, DRAWS):
        part = drawn.first(draws)
        begun = time.process_time()
        chi = responses(part)
        seconds = part.seconds + time.process_time() - begun
        about = {
            "cpu_seconds": round(seconds, 1),
            "setting_up": round(part.setting_up, 1),
            "energy": _spread(part.phi.mean(axis=(1, 2))),
            "localization": _spread(part.localization),
        }
        for name in ("rho", "covariance", "null"):
            matrix = np.column_stack([getattr(each, name) for each in chi])
            rows[f"{name}, {CHAINS * draws} draws"] = {**about, **scored(matrix, asked)}
        rows[f"rho, {CHAINS * draws} draws"] |= resolution(chi, seconds)
    return rows


def _clusters(drawn: Drawn, asked: Asked) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for draws in (FEWER, DRAWS):
        chi = responses(drawn.first(draws))
        for name in ("rho", "covariance", "null") if draws == DRAWS else ("rho",):
            matrix = np.column_stack([getattr(each, name) for each in chi])
            row = rows[f"{name}, {CHAINS * draws} draws"] = clustered(matrix, asked)
            if name == "rho":
                row["bands"] = about(bands(chi), asked)
                halves = np.stack([each.rho_halves for each in chi], axis=-1)
                row["stability"] = stability((halves[0], halves[1]), matrix, draws == DRAWS)
            elif name == "null":
                row["bands"] = about(cluster_tokens(matrix.T)[0], asked)
            print(name, draws, json.dumps(row), flush=True)
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
    rho, found = np.column_stack([each.rho for each in chi]), bands(chi)
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
            }
            for index, mode in enumerate(RULES)
        },
        "number_of_bands": int(found.max()) + 1,
        "kinds": kinds(rho, found, asked),
        "shams_apart": shams_apart(rho, asked),
    }


def _by_k_means(matrix: Floats, asked: Asked) -> float:
    return round(adjusted_rand_index(k_means(prepare(matrix), len(KINDS), np.random.default_rng(0)), asked.kind), 3)


def _spread(values: Floats) -> list[float]:
    """Smallest, median and largest."""
    return [float(f"{value:.3g}") for value in (values.min(), np.median(values), values.max())]


SECTIONS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "energy": energy,
    "final": final,
    "activations": layers,
    "clusters": clusters,
    "loaded": with_load,
    "loaded_clusters": loaded_clusters,
    "series": series,
}


if __name__ == "__main__":
    main()
