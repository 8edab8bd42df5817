"""CPU seconds to a standard error of 1 in the demo's learning coefficient, beside devinterp.

Usage: OMP_NUM_THREADS=1 python benchmarks/seconds_to_error.py --peer-python PYTHON

PYTHON holds devinterp 2.0.1 and datasets. A demo network is trained; then both sides read λ̂ at nβ = γ = 100 with one
chain and one thread, by every sampler that it has for minibatches, for the same step and batch sizes, each on
independent seeds. The error is the standard deviation between seeds, never a printed one; since it falls as the root of
the cost, cost × variance is the CPU time to a standard error of 1, whatever the bias. The bias against long chains of
small steps does not fall with the cost; with it the CPU time to a root mean square error of 3 is
cost × variance / (9 − bias²), where a longer chain of the same setting can reach it at all. Each side is credited with
its best setting. devinterp gets its reference loss on the whole data and whole epochs, so that its minibatches cancel.
The interval of the ratio is that of the variances alone, as of normal values (F). Our side is `run_chain` without a
store; devinterp can't run without one.
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
SEEDS, ROWS, TRAINING_STEPS = 24, 256, 600
STEPS, BURN_IN = 128, 32  # steps are whole epochs at every batch size
STEP_SIZES, BATCHES = (8e-4, 1.5e-3), (4, 8)
FLOOR = 0.01  # of the metric under RMSProp: a step size of ε·FLOOR moves a weight without gradient as ε does
SGLD = [("sgld", lr, batch, 0.0) for lr in STEP_SIZES for batch in BATCHES]
RMSPROP = [("rmsprop_sgld", lr * FLOOR, 8, 0.0) for lr in (1.5e-3, 4e-3)]
UNDERDAMPED = [("baoab", lr, batch, friction) for friction in (0.5, 1.0) for lr in STEP_SIZES for batch in BATCHES]
REFERENCE = ("baoab", 2e-4, 32, 0.3)
REFERENCE_SEEDS, REFERENCE_STEPS, REFERENCE_BURN_IN = 6, 640, 160
GOAL = 3.0  # root mean square error
Setting = tuple[str, float, int, float]  # method, step size, rows a step, friction
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
    best = {side: min(rows, key=lambda row: row["cpu_seconds_to_error_1"]) for side, rows in sides.items()}
    ratio = best["devinterp"]["cpu_seconds_to_error_1"] / best["zeeman"]["cpu_seconds_to_error_1"]
    to_goal = {
        side: min((row["cpu_seconds_to_goal"] for row in rows if row["cpu_seconds_to_goal"]), default=None)
        for side, rows in sides.items()
    }
    spread = float(f.ppf(0.975, SEEDS - 1, SEEDS - 1))
    result = {
        "reference_llc": truth,
        "seeds": SEEDS,
        "best": {side: {k: v for k, v in row.items() if k != "values"} for side, row in best.items()},
        "ratio": ratio,
        "ratio_interval_95": [ratio / spread, ratio * spread],
        "cpu_seconds_to_rms_error_3": to_goal,
        "ratio_at_equal_settings": [
            t["cpu_seconds_to_error_1"] / m["cpu_seconds_to_error_1"]
            for m, t in zip(sides["zeeman"], sides["devinterp"], strict=False)
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

    from zeeman import sampling

    model, data = load(path)

    def read(setting: Setting, seed: int, steps: int = STEPS, burn_in: int = BURN_IN) -> float:
        method, lr, batch, friction = setting
        posterior = sampling.LocalPosterior(model, data, n_beta=N_BETA, localization=LOCALIZATION, batch_size=batch)
        samplers = {
            "sgld": lambda: sampling.SGLD(lr),
            "rmsprop_sgld": lambda: sampling.RMSPropSGLD(lr, eps=FLOOR),
            "baoab": lambda: sampling.BAOAB(lr, friction),
        }
        schedule = sampling.Schedule(steps, burn_in)
        chain = sampling.run_chain(posterior, samplers[method](), schedule, seed=seed, chain=0)
        return float(N_BETA * np.concatenate([block.rows for block in chain])[burn_in:].mean())

    long = [read(REFERENCE, 100 + i, REFERENCE_STEPS, REFERENCE_BURN_IN) for i in range(REFERENCE_SEEDS)]
    return statistics.mean(long), [measured(read, setting) for setting in (*SGLD, *RMSPROP, *UNDERDAMPED)]


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

    def read(setting: Setting, seed: int) -> float:
        method, lr, batch, _ = setting
        floor = {"rmsprop_eps": FLOOR} if method == "rmsprop_sgld" else {}
        with tempfile.TemporaryDirectory() as folder:
            found = llc(
                model,
                dataset,
                {},
                lr=lr,
                sampling_method="sgmcmc_sgld" if method == "sgld" else method,
                **floor,
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

    return [measured(read, setting) for setting in (*SGLD, *RMSPROP)]


def measured(read: Callable[[Setting, int], float], setting: Setting) -> dict[str, Any]:
    read(setting, 1000)  # what is made once a process is not counted
    values, seconds = [], []
    for seed in range(SEEDS):
        start = time.process_time()
        values.append(read(setting, seed))
        seconds.append(time.process_time() - start)
    named = dict(zip(("method", "lr", "batch", "friction"), setting, strict=True))
    return named | {"cpu_s": statistics.median(seconds), "values": values}


def judged(rows: list[dict[str, Any]], truth: float) -> list[dict[str, Any]]:
    """Bias, deviation between seeds, and CPU seconds to a standard error of 1 and to the goal."""
    for row in rows:
        row["bias"] = statistics.mean(row["values"]) - truth
        row["deviation"] = statistics.stdev(row["values"])
        row["cpu_seconds_to_error_1"] = row["cpu_s"] * row["deviation"] ** 2
        left = GOAL**2 - row["bias"] ** 2
        row["cpu_seconds_to_goal"] = row["cpu_seconds_to_error_1"] / left if left > 0 else None
    return rows


if __name__ == "__main__":
    sys.exit(main())
