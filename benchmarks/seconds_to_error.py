"""CPU seconds to a standard error of 1 in the demo's learning coefficient, beside devinterp.

Usage: OMP_NUM_THREADS=1 python benchmarks/seconds_to_error.py --peer-python PYTHON

PYTHON holds devinterp 2.0.1 and datasets. A demo network is trained; then both sides read λ̂ at nβ = γ = 100 with one
chain and one thread, for several step and batch sizes, each on independent seeds. The error is the standard deviation
between seeds, never a printed one; since it falls as the root of the cost, cost × variance is the CPU time to an error
of 1. Each side is credited with its best setting; the bias against long chains of small steps stands beside it, and is
larger than an error of 1 on both sides. devinterp gets its reference loss on the whole data and whole epochs, so that
its minibatches cancel. The interval of the ratio is that of the variances alone, as of normal values (F). Our side is
`run_chain` without a store; devinterp can't run without one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

N_BETA = LOCALIZATION = 100.0
SEEDS, ROWS, TRAINING_STEPS = 20, 256, 600
STEPS, BURN_IN = 128, 32  # steps are whole epochs at every batch size
SETTINGS = [(8e-4, 8), (1.5e-3, 8), (1.5e-3, 32)]  # step size, rows a step
REFERENCE = (4e-4, 32, 800, 200)  # step size, rows, steps, burn-in
MODEL = Path(__file__).parents[1] / "src/zeeman/demo/model.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--theirs", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.theirs:
        print(json.dumps(theirs(arguments.theirs)))
        return
    from scipy.stats import f  # here, since the peer's environment need not have it

    with tempfile.TemporaryDirectory() as folder:
        prepare(f"{folder}/subject.pt")
        truth, mine = ours(f"{folder}/subject.pt")
        command = [arguments.peer_python, __file__, "--peer-python", "", "--theirs", f"{folder}/subject.pt"]
        out = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": ""})
    sides = {"zeeman": judged(mine, truth), "devinterp": judged(json.loads(out.stdout.splitlines()[-1]), truth)}
    best = {side: min(row["cpu_seconds_to_error_1"] for row in rows) for side, rows in sides.items()}
    ratio = best["devinterp"] / best["zeeman"]
    spread = float(f.ppf(0.975, SEEDS - 1, SEEDS - 1))
    result = {
        "reference_llc": truth,
        "seeds": SEEDS,
        "best": best,
        "ratio": ratio,
        "ratio_interval_95": [ratio / spread, ratio * spread],
        "ratio_at_equal_settings": [
            t["cpu_seconds_to_error_1"] / m["cpu_seconds_to_error_1"]
            for m, t in zip(sides["zeeman"], sides["devinterp"], strict=True)
        ],
        **sides,
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(path.read_text())


def prepare(path: str) -> None:
    import numpy as np
    import torch

    from zeeman.demo.training import initial_model
    from zeeman.probes import demo_library, training_windows
    from zeeman.sampling import language_model_loss

    torch.set_num_threads(1)
    model, rng = initial_model(0), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.98))
    for _ in range(TRAINING_STEPS):
        loss = language_model_loss(model, torch.from_numpy(training_windows(rng, 32))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save({"state": model.state_dict(), "data": torch.tensor(demo_library().data.inputs)[:ROWS]}, path)


def load(path: str) -> tuple[Any, Any]:
    """Load the network and its data, without zeeman, which the peer's environment lacks."""
    import torch

    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("demo_model", MODEL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    held = torch.load(path)
    model = module.AttentionOnlyTransformer()
    model.load_state_dict(held["state"])
    return model, held["data"]


def ours(path: str) -> tuple[float, list[dict[str, Any]]]:
    import numpy as np

    from zeeman.sampling import SGLD, LocalPosterior, Schedule, run_chain

    model, data = load(path)

    def read(lr: float, batch: int, seed: int, steps: int = STEPS, burn_in: int = BURN_IN) -> float:
        posterior = LocalPosterior(model, data, n_beta=N_BETA, localization=LOCALIZATION, batch_size=batch)
        chain = run_chain(posterior, SGLD(lr), Schedule(steps, burn_in), seed=seed, chain=0)
        return float(N_BETA * np.concatenate([block.rows for block in chain])[burn_in:].mean())

    lr, batch, steps, burn_in = REFERENCE
    truth = statistics.mean(read(lr, batch, 100 + seed, steps, burn_in) for seed in range(2))
    return truth, [measured(read, lr, batch) for lr, batch in SETTINGS]


def theirs(path: str) -> list[dict[str, Any]]:
    import torch
    from datasets import Dataset
    from devinterp.slt.llc import llc

    warnings.filterwarnings("ignore")
    model, data = load(path)
    dataset = Dataset.from_dict({"input_ids": data.tolist()}).with_format("torch")

    def loss(model: Any, tokens: Any) -> Any:
        logits = model(tokens)[:, :-1]
        flat = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
        return flat.view(len(tokens), -1)

    def read(lr: float, batch: int, seed: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            found = llc(
                model,
                dataset,
                {},
                lr=lr,
                n_beta=N_BETA,
                localization=LOCALIZATION,
                num_chains=1,
                num_draws=STEPS,
                num_burnin_steps=BURN_IN,
                batch_size=batch,
                num_init_loss_batches=ROWS // batch,
                init_seed=seed,
                loss_fn=loss,
                device="cpu",
                output_path=f"{folder}/store.zarr",
            )
        return float(found["llc_mean"])

    return [measured(read, lr, batch) for lr, batch in SETTINGS]


def measured(read: Callable[[float, int, int], float], lr: float, batch: int) -> dict[str, Any]:
    read(lr, batch, 1000)  # what is made once a process is not counted
    start = time.process_time()
    values = [read(lr, batch, seed) for seed in range(SEEDS)]
    return {"lr": lr, "batch": batch, "cpu_s": (time.process_time() - start) / SEEDS, "values": values}


def judged(rows: list[dict[str, Any]], truth: float) -> list[dict[str, Any]]:
    """Bias, deviation between seeds, and CPU seconds to an error of 1."""
    for row in rows:
        row["bias"] = statistics.mean(row["values"]) - truth
        row["deviation"] = statistics.stdev(row["values"])
        row["cpu_seconds_to_error_1"] = row["cpu_s"] * row["deviation"] ** 2
    return rows


if __name__ == "__main__":
    sys.exit(main())
