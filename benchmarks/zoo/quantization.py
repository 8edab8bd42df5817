"""Does λ̂ rank checkpoints as the bits do that their weights need?

Usage: python -m benchmarks.zoo.quantization [--seeds 0 1 2]

A small classifier (8 → 32 → 32 → 5, tanh) learns the labels of a random teacher with label noise. At checkpoints spaced
by doubling, λ̂ is read by SGLD at one setting for all, and each matrix is rounded to b bits, symmetric between ± its
largest entry; the bits are the least b, on a grid of 1/8, from which on the loss stays within a fixed rise of 0.05 (and
0.02, 0.1) nats (arXiv 2510.12077 asks whether the two go together). Reported: Spearman's ρ over checkpoints, with the
two readings. Before it has settled a checkpoint is no minimum and its λ̂ may be negative; ρ without these stands
beside. Writes quantization.json.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

from zeeman.sampling import SGLD, LocalPosterior, Schedule, run_chain

ROWS, CLASSES, STEPS = 2048, 5, (0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120)
RISES = (0.02, 0.05, 0.1)
N_BETA, LOCALIZATION, LR, CHAINS, DRAWS, BURNIN = ROWS / math.log(ROWS), 10.0, 1e-4, 2, 600, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    torch.set_num_threads(1)
    runs = [one(seed) for seed in parser.parse_args().seeds]
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps({"runs": runs}, indent=1) + "\n")
    for run in runs:
        print(json.dumps(run))


def one(seed: int) -> dict[str, Any]:
    """Train, and read every checkpoint both ways."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(ROWS, 8, generator=generator)
    teacher = network(generator, gain=2.0)
    with torch.no_grad():
        labels = teacher(inputs).mul(2).softmax(1).multinomial(1, generator=generator)[:, 0]
    model, rows = network(generator), []
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            rows.append({"step": step, **read(model, inputs, labels, seed)})
        index = torch.randint(ROWS, (128,), generator=generator)
        optimizer.zero_grad()
        losses(model, (inputs[index], labels[index])).mean().backward()
        optimizer.step()
    settled = [row for row in rows if row["llc"] > 0]
    return {
        "seed": seed,
        "spearman": ranks(rows),
        "spearman_where_llc_is_positive": ranks(settled),
        "checkpoints": rows,
    }


def ranks(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Spearman's ρ between λ̂ and bits at each rise of the loss."""
    llc = [row["llc"] for row in rows]
    return {str(rise): round(float(spearmanr(llc, [row["bits"][str(rise)] for row in rows])[0]), 3) for rise in RISES}


def network(generator: torch.Generator, gain: float = 1.0) -> nn.Sequential:
    """A perceptron of two hidden layers with weights N(0, gain²/fan-in)."""
    net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, CLASSES))
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Linear):
                noise = torch.randn(layer.weight.shape, generator=generator)
                layer.weight.copy_(gain * noise / math.sqrt(layer.in_features))
                layer.bias.zero_()
    return net


def losses(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Cross-entropy of each row in nats."""
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def read(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, seed: int) -> dict[str, Any]:
    """λ̂ with the spread of its chains, and the bits at each rise of the loss."""
    posterior = LocalPosterior(
        model, (inputs, labels), losses, n_beta=N_BETA, localization=LOCALIZATION, batch_size=256
    )
    schedule = Schedule(num_draws=DRAWS, num_burnin_steps=BURNIN)
    chains = []
    for chain in range(CHAINS):
        blocks = run_chain(posterior, SGLD(LR), schedule, seed=seed, chain=chain, block_steps=100)
        chains.append(N_BETA * float(np.concatenate([block.rows for block in blocks])[BURNIN:].mean()))
    with torch.no_grad():
        loss = float(losses(model, (inputs, labels)).mean())
        grid = np.arange(1, 12, 1 / 8)
        rises = np.array([rise(model, inputs, labels, bits) for bits in grid]) - loss
    last = {limit: np.append(np.flatnonzero(rises > limit), -1).max() for limit in RISES}
    needed = {str(limit): float(grid[min(index + 1, len(grid) - 1)]) for limit, index in last.items()}
    return {
        "loss": round(loss, 4),
        "llc": round(float(np.mean(chains)), 2),
        "spread": round(float(np.ptp(chains)), 2),
        "bits": needed,
    }


def rise(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, bits: float) -> float:
    """Loss with every matrix rounded to 2^bits levels; biases stay."""
    rounded = copy.deepcopy(model)
    for parameter in rounded.parameters():
        if parameter.dim() == 2:
            step = 2 * parameter.abs().max() / (2**bits - 1)
            parameter.copy_((parameter / step).round() * step)
    return float(losses(rounded, (inputs, labels)).mean())


if __name__ == "__main__":
    main()
