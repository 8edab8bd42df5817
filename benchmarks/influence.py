"""Token influence beside devinterp's: cost of sampling and of the product, bytes, and whether both say the same.

Usage: OMP_NUM_THREADS=1 python benchmarks/influence.py --peer-python PYTHON --demo FOLDER [--rounds N]

FOLDER is what ``zeeman demo`` leaves; it is only read. PYTHON is the interpreter of an environment that holds devinterp
2.0.1, datasets and transformers; the peer's part of this file runs there and imports nothing of zeeman but the page of
the demo's model. Both sample the same checkpoint on the same data with the same settings and number of draws, and keep
the loss of each of 64 × 63 tokens at each draw. Each side runs in a process of its own, one thread, in turns. CPU
seconds of the process, without imports; the committed figures are medians over rounds. The product is what both give
alike: ρ of all pairs of tokens, of the same draws.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

STEP, ROWS = 2075, 64
CHAINS, DRAWS, BURN_IN, BATCH = 4, 200, 50, 32
LR, N_BETA, LOCALIZATION = 1.5e-3, 100.0, 100.0
PRODUCTS = 5
"""Products in a row of which the median counts: the first few pay for memory that the machine hands out."""
MODEL = Path(__file__).parents[1] / "src" / "zeeman" / "demo" / "model.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--demo", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=["zeeman", "devinterp"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.side:
        print(json.dumps(SIDES[arguments.side](arguments.demo, arguments.folder)))
        return
    rounds = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            ours = run(sys.executable, arguments, "zeeman", folder)
            theirs = run(arguments.peer_python, arguments, "devinterp", folder)
            rounds.append({"zeeman": ours, "devinterp": theirs, **agreement(Path(folder))})
            print(json.dumps(rounds[-1]))
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(summary(rounds), indent=1) + "\n")
    print(path.read_text())


def run(python: str, arguments: argparse.Namespace, side: str, folder: str) -> dict[str, float]:
    command = [python, __file__, "--peer-python", "", "--demo", str(arguments.demo), "--side", side, "--folder", folder]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    out = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    found: dict[str, float] = json.loads(out.stdout.splitlines()[-1])
    return found


def agreement(folder: Path) -> dict[str, float]:
    """Compare ρ of the same draws by both formulas, and ρ of either one's own draws."""
    ours, theirs_of_ours, theirs = (np.load(folder / f"{name}.npy") for name in ("ours", "theirs_of_ours", "theirs"))
    off = ~np.eye(len(ours), dtype=bool)
    return {
        "same_draws_largest_difference_of_rho": float(abs(ours - theirs_of_ours)[off].max()),
        "own_draws_correlation_of_rho": float(np.corrcoef(ours[off], theirs[off])[0, 1]),
        "own_draws_rms_difference_of_rho": float(np.sqrt(np.mean((ours - theirs)[off] ** 2))),
    }


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    def median(side: str, name: str) -> float:
        return statistics.median(one[side][name] for one in rounds)

    cpu = {side: {name: median(side, name) for name in rounds[0][side]} for side in ("zeeman", "devinterp")}
    ours, theirs = cpu["zeeman"], cpu["devinterp"]
    whole = {side: each["sampling_cpu_s"] + each["reading_cpu_s"] for side, each in cpu.items()}
    ratios = {
        "sampling": theirs["sampling_cpu_s"] / ours["sampling_cpu_s"],
        "product: correlations of all pairs, of the same draws": theirs["product_cpu_s"] / ours["product_cpu_s"],
        "their product over ours with null, strongest pairs and their errors": theirs["product_cpu_s"]
        / ours["pairs_cpu_s"],
        "their product over ours with the errors of every pair": theirs["product_cpu_s"] / ours["errors_cpu_s"],
        "reading from the store": theirs["reading_cpu_s"] / ours["reading_cpu_s"],
        "whole": whole["devinterp"] / whole["zeeman"],
        "bytes a token-draw": theirs["bytes_a_token_draw"] / ours["bytes_a_token_draw"],
    }
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"torch": torch.__version__, "processor": platform.machine(), "cpu_count": os.cpu_count()},
        "job": {"tokens": ROWS * 63, "chains": CHAINS, "draws": DRAWS, "burn_in": BURN_IN, "batch_size": BATCH},
        "rounds": len(rounds),
        "zeeman": cpu["zeeman"],
        "devinterp": cpu["devinterp"],
        "times_less_than_devinterp": {name: round(value, 2) for name, value in ratios.items()},
        "agreement": {name: rounds[0][name] for name in rounds[0] if "rho" in name},
        "raw": rounds,
    }


def timed(work: Callable[[], Any], times: int = 1) -> tuple[float, Any]:
    """CPU seconds, the median of some times, and the result."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), result


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def tokens_of(demo: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows that chains feel, and other rows that they observe."""
    lines = (demo / "probes" / "train.jsonl").read_text().splitlines()
    rows = np.array([json.loads(line)["tokens"] for line in lines])
    return rows[:-ROWS], rows[-ROWS:]


def zeeman_side(demo: Path, folder: Path) -> dict[str, float]:
    import arviz_stats.base  # noqa: F401  # imports count as start-up

    from zeeman import Library, Probe, SamplerSettings, Series, Store, Susceptibilities, examine
    from zeeman.examination import stored_influence
    from zeeman.spectra import correlations, influence, strongest_pairs

    @dataclass(frozen=True)
    class FullAlone:
        name: str = "full alone"

        def units(self, subject: Any, settings: Any) -> list[Any]:
            wanted = Susceptibilities((STEP,), ("embed",)).units(subject, settings)
            return [unit for unit in wanted if unit.component == "full" and unit.kind == "loaded"]

        def read(self, *_: Any) -> list[Any]:
            return []

    def probe(name: str, tokens: np.ndarray) -> Probe:
        return Probe(name, tokens, np.arange(tokens.shape[1]) > np.zeros((len(tokens), 1)))

    data, observed = tokens_of(demo)
    library = Library.from_probes("bench", probe("train", data), [probe("observed", observed)])
    series = Series.from_folder(demo / "run")
    series = type(series)(series.name, tuple(c for c in series.checkpoints if c.step == STEP), series.make_model)
    settings = SamplerSettings(
        lr=LR, n_beta=N_BETA, localization=LOCALIZATION, num_chains=CHAINS, num_draws=DRAWS, num_burnin_steps=BURN_IN,
        num_steps_bw_draws=1, batch_size=BATCH,
    )  # fmt: skip
    place = folder / "store"
    sampling, found = timed(
        lambda: examine(series, library, place, settings=settings, devices=(FullAlone(),), num_workers=1)
    )
    store = Store.open(place)
    reading, (means, pairs) = timed(lambda: stored_influence(store, library, "observed", "observed"))
    units = list(found.draws.units.values())
    losses = np.stack([found.draws.array(u, "observed_observed").T.astype(np.float16) for u in units], axis=1)
    pairs_cpu, _ = timed(lambda: strongest_pairs(losses))
    errors_cpu, whole = timed(lambda: influence(losses))
    product_cpu, rho = timed(lambda: correlations(losses), PRODUCTS)
    assert abs(rho - whole.correlation).max() < 1e-4
    np.save(folder / "losses.npy", losses.astype(np.float32))
    np.save(folder / "ours.npy", rho)
    on_disk = sum(size_of(store.unit(u).path / "observed_observed") for u in units)
    return {
        "sampling_cpu_s": sampling,
        "reading_cpu_s": reading,
        "pairs_cpu_s": pairs_cpu,
        "errors_cpu_s": errors_cpu,
        "product_cpu_s": product_cpu,
        "bytes_a_token_draw": on_disk / losses.size,
        "bytes_of_all_a_token_draw": size_of(place) / losses.size,
        "standing_out": pairs.coordinates["count"],
        "standing_out_null": max(pairs.coordinates["null"]),
        "influence_of_means": float(means.value),
        "influence_of_means_se": float(means.standard_error),
    }


def devinterp_side(demo: Path, folder: Path) -> dict[str, float]:
    import warnings

    import xarray as xr
    from datasets import Dataset
    from devinterp.slt.bif import _tokenwise_bif, compute_bif
    from devinterp.slt.sampling import sample
    from safetensors.torch import load_file

    warnings.simplefilter("ignore")
    spec = importlib.util.spec_from_file_location("demo_model", MODEL)
    assert spec is not None
    assert spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    model = page.AttentionOnlyTransformer()
    model.load_state_dict(load_file(demo / "run" / f"step{STEP:08d}" / "model.safetensors"))
    data, observed = (Dataset.from_dict({"input_ids": rows}).with_format("torch") for rows in tokens_of(demo))
    place = folder / "samples.zarr"
    sampling, tree = timed(
        lambda: sample(
            model, data, {"observed": (observed, ROWS // BATCH)}, lr=LR, n_beta=N_BETA, localization=LOCALIZATION,
            num_chains=CHAINS, num_draws=DRAWS, num_burnin_steps=BURN_IN, num_steps_bw_draws=1, batch_size=BATCH,
            num_init_loss_batches=len(data) // BATCH, output_path=place, device="cpu", loss_fn=losses_of,
        )
    )  # fmt: skip
    reading, found = timed(lambda: compute_bif(tree, correlation_method="token", device="cpu"))
    own = np.load(folder / "losses.npy")
    held = xr.DataArray(own.reshape(ROWS, -1, CHAINS * DRAWS), dims=("batch", "target_position", "chain_draw"))
    options = {"batch_size": 32, "average": False, "covariance": False, "device": "cpu"}
    product, of_ours = timed(lambda: _tokenwise_bif(held, held, **options), PRODUCTS)
    np.save(folder / "theirs_of_ours.npy", flat(of_ours))
    order = [int(np.flatnonzero((found["input_ids"].values == row).all(axis=1))[0]) for row in tokens_of(demo)[1]]
    np.save(folder / "theirs.npy", flat(found["influences"].values[np.ix_(order, order)]))
    token_draws = ROWS * 63 * CHAINS * DRAWS
    return {
        "sampling_cpu_s": sampling,
        "reading_cpu_s": reading,
        "product_cpu_s": product,
        "bytes_a_token_draw": size_of(place / "loss_observed") / token_draws,
        "bytes_of_all_a_token_draw": size_of(place) / token_draws,
    }


def losses_of(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """What the peer's own loss computes, for a model that gives bare logits."""
    logits = model(tokens)[:, :-1]
    return torch.nn.functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")


def flat(rho: np.ndarray) -> np.ndarray:
    """From (rows, rows, positions, positions) to (tokens, tokens)."""
    rows, _, positions, _ = rho.shape
    return rho.transpose(0, 2, 1, 3).reshape(rows * positions, rows * positions)


SIDES = {"zeeman": zeeman_side, "devinterp": devinterp_side}

if __name__ == "__main__":
    main()
