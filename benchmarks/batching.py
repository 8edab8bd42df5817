"""Steps a second of chains that run together, beside chains one by one and beside devinterp, in one run.

Usage: OMP_NUM_THREADS=1 python benchmarks/batching.py [--peer-python PYTHON]

PYTHON is the interpreter of a virtual environment that holds devinterp 2.0.1. It takes language models only, so a row
of data goes in as a sequence (row number, 0) and a loss function looks the row up. Figures are chain-steps for a second
of the process's CPU time with one thread, since the machine may be shared: the best of the rounds, in which the ways
take turns. devinterp's set-up is taken out by the difference of a long run and a short one; ours is left out by a first
block that is not timed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

CHAINS = (8, 64, 256)
ROWS, BATCH, ROUNDS = 256, 32, 2
DRAWS = 200, 1400
"""Lengths of devinterp's short and long chain."""


class Point(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(d))


def cross(w: torch.Tensor) -> torch.Tensor:
    return (w[0] * w[1]) ** 2


def quadratic(w: torch.Tensor) -> torch.Tensor:
    return (w**2).sum() / 2


def layered(sizes: tuple[int, ...], act: bool) -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b, bias=act), *([nn.Tanh()] if act else [])]
    return nn.Sequential(*(layers[:-1] if act else layers))


def regression(model: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        x = torch.randn(ROWS, next(model.parameters()).shape[1], generator=torch.Generator().manual_seed(1))
        return x, model(x)


def squared(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return (model(batch[0]) - batch[1]).square().mean(1)


POTENTIALS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], int, float]] = {
    "w1²w2²": (cross, 2, 2e-3),
    "quadratic, d = 20": (quadratic, 20, 1e-4),
}
NETWORKS: dict[str, tuple[tuple[int, ...], bool]] = {
    "perceptron, 1k": ((8, 24, 24, 8), True),
    "perceptron, 8k": ((16, 80, 80, 4), True),
    "deep linear, 10-8-8-10": ((10, 8, 8, 10), False),
}
N_BETA, LOCALIZATION, LR = 200.0, 1.0, 1e-5
LANGUAGE_MODEL = "the demo's language model"


def posterior(name: str) -> tuple[Any, float]:
    from zeeman.demo.model import AttentionOnlyTransformer
    from zeeman.sampling import LocalPosterior, language_model_loss

    heat = {"n_beta": N_BETA, "localization": LOCALIZATION}
    if name in POTENTIALS:
        energy, d, lr = POTENTIALS[name]
        return LocalPosterior.potential(energy, torch.zeros(d), **heat), lr
    torch.manual_seed(0)
    if name == LANGUAGE_MODEL:
        tokens = torch.randint(0, 128, (ROWS, 64), generator=torch.Generator().manual_seed(1))
        return LocalPosterior(AttentionOnlyTransformer(), tokens, language_model_loss, batch_size=BATCH, **heat), LR
    model = layered(*NETWORKS[name])
    return LocalPosterior(model, regression(model), squared, batch_size=BATCH, **heat), LR


class Ours:
    """One way of running chains, ready to be timed block by block."""

    def __init__(self, name: str, chains: int | None) -> None:
        from zeeman.sampling import SGLD, Schedule, run_chain, run_chains

        target, lr = posterior(name)
        self.chains = chains or 1
        common: dict[str, Any] = {"seed": 0}
        # The first block goes beyond the steps after which operations are traced.
        self.steps = 4 if name == LANGUAGE_MODEL else max(20, 320 * 16 // max(16, self.chains))
        common["block_steps"] = self.steps
        walk: Any = run_chain(target, SGLD(lr), Schedule(10**7), chain=0, **common)
        if chains:
            walk = run_chains(target, SGLD(lr), Schedule(10**7), chains=range(chains), **common)
        self.walk = walk
        for _ in range(-(-320 // self.steps) if chains and name != LANGUAGE_MODEL else 1):
            next(walk)

    def rate(self) -> float:
        start = time.process_time()
        next(self.walk)
        return self.steps * self.chains / (time.process_time() - start)


def peer(name: str) -> float:
    """devinterp's steps for a second of CPU time; runs under the peer's interpreter."""
    from devinterp.slt.sampling import sample

    lr, batch = LR, BATCH
    if name in POTENTIALS:
        energy, d, lr = POTENTIALS[name]
        model, batch = Point(d), 4

        def loss(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
            return energy(model.w).expand(len(ids), 1)
    else:
        model = layered(*NETWORKS[name])
        x, y = regression(model)

        def loss(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
            return squared(model, (x[ids[:, 0]], y[ids[:, 0]]))[:, None]

    data = [{"input_ids": torch.tensor([i, 0])} for i in range(ROWS)]

    def seconds(draws: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            sample(
                model, data, {}, lr=lr, n_beta=N_BETA, localization=LOCALIZATION, num_chains=1, num_draws=draws,
                batch_size=batch, num_init_loss_batches=2, device="cpu", loss_fn=loss, output_path=f"{folder}/a.zarr",
            )  # fmt: skip
            return time.process_time() - start

    seconds(DRAWS[0])
    short, long = (min(seconds(draws) for _ in range(2)) for draws in DRAWS)
    return (DRAWS[1] - DRAWS[0]) / (long - short)


def measure(name: str, peer_python: str | None) -> dict[str, Any]:
    counts = (8,) if name == LANGUAGE_MODEL else CHAINS
    ways = {"one by one": Ours(name, None)} | {str(c): Ours(name, c) for c in counts}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    theirs: list[float] = []
    for _ in range(ROUNDS):
        for way, walk in ways.items():
            rates[way].append(walk.rate())
        if peer_python and name != LANGUAGE_MODEL:
            command = [peer_python, __file__, "--peer", name]
            environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            theirs.append(float(done.stdout.splitlines()[-1]))
    best = {way: max(found) for way, found in rates.items()}
    from zeeman.sampling import SGLD, better_together, work_of_step

    target, lr = posterior(name)
    return {
        "parameters": target.num_parameters,
        "parameters times positions": work_of_step(target),
        "the rule runs chains": "together" if better_together(target, SGLD(lr)) else "one by one",
        "chain-steps a CPU second": {way: round(rate) for way, rate in best.items()},
        "over one by one": {way: round(rate / best["one by one"], 2) for way, rate in best.items()},
        "devinterp's steps a CPU second": round(max(theirs)) if theirs else None,
        "over devinterp": {way: round(rate / max(theirs), 1) for way, rate in best.items()} if theirs else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if arguments.peer:
        print(peer(arguments.peer))
        return
    result: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu_count": os.cpu_count(),
        "load": [round(x, 1) for x in os.getloadavg()],
        "rounds": ROUNDS,
        "problems": {},
    }
    for name in (*POTENTIALS, *NETWORKS, LANGUAGE_MODEL):
        result["problems"][name] = measure(name, arguments.peer_python)
        print(name, json.dumps(result["problems"][name], ensure_ascii=False), file=sys.stderr, flush=True)
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
