"""Does patterning move a toy model of superposition between k-gons, and further than random mixtures of equal norm?

Usage: OMP_NUM_THREADS=1 python benchmarks/patterning.py

Six features, two hidden units, f(x) = ReLU(WᵀWx + b) on inputs μ e_i (Chen et al. 2023), here on a grid of 16 values
of μ. At nβ = 200 with a normal prior the posterior holds 4-, 5- and 6-gons, and SGLD chains go from one to another. The
readings are how many columns are alive (k), and for each feature whether its column is (its loss below 0.2, of 1/3 for
a dead one). The probes are the six features, and inputs of large and of small μ.

A trial: from chains of one seed χ is read, `zeeman.spectra.pattern` proposes the mixture that moves one reading up or
down, it is scaled to a norm of 0.12, chains of another seed are run on the data so mixed, and the reading is compared
with that of chains on the plain data. Mixtures of random direction and the same norm are run the same way.
"""

from __future__ import annotations

import json
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zeeman.sampling import SGLD, LocalPosterior, Observable, Schedule, run_chains
from zeeman.spectra import pattern

FEATURES, GRID = 6, 16
N_BETA, LR, CHAINS, EVERY = 200.0, 2e-3, 32, 20
LONG, SHORT = 900, 400
"""Draws of each chain from which χ is read, and on mixed data."""
BURN_IN = 1000
NORM = 0.12
SEEDS, RANDOM = (0, 1, 2), 24
ALIVE = 0.2

Floats = NDArray[np.float64]


class Superposition(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, FEATURES))
        self.bias = nn.Parameter(torch.zeros(FEATURES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x @ self.weight.T @ self.weight + self.bias)


MU = (torch.arange(GRID) + 0.5) / GRID
INPUTS = torch.cat([mu * torch.eye(FEATURES) for mu in MU])  # the feature runs fastest
SIZE, FEATURE = MU.repeat_interleave(FEATURES).numpy(), np.tile(np.arange(FEATURES), GRID)
PROBES = {
    **{f"feature {i}": (i == FEATURE) * float(FEATURES) for i in range(FEATURES)},
    "large": (SIZE > 0.5) * 2.0,
    "small": (SIZE < 0.5) * 2.0,
}
"""Weight of each row in each probe, 1 on average."""
READINGS = ("k", *(f"alive {i}" for i in range(FEATURES)))


def loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    x, weight = batch
    return (x - model(x)).square().sum(1) * weight


def draw(dh: Floats, seed: int, draws: int) -> tuple[Floats, Floats]:
    """Losses of the rows on the mixed data's chains, shape (rows, chains, draws), and readings (readings, …)."""
    rows = 1 + sum(part * (np.asarray(probe) - 1) for part, probe in zip(dh, PROBES.values(), strict=True))
    assert np.min(rows) >= 0, "the mixture would take more of some rows than there is"
    data = INPUTS, torch.tensor(rows * np.ones(len(INPUTS)), dtype=torch.float32)
    posterior = LocalPosterior(Superposition(), data, loss, n_beta=N_BETA, localization=1.0)
    plain = Observable((INPUTS, torch.ones(len(INPUTS))), torch.ones(len(INPUTS), dtype=torch.bool))
    walk = run_chains(
        posterior, SGLD(LR), Schedule(draws, BURN_IN, EVERY), seed=seed, chains=range(CHAINS),
        observables={"rows": plain}, block_steps=BURN_IN,
    )  # fmt: skip
    found = np.concatenate([np.stack([block.observed["rows"] for block in blocks]) for blocks in walk], axis=1)
    start = (INPUTS**2).sum(1).numpy()
    losses = np.moveaxis(found.astype(np.float64) + start, -1, 0)
    per_feature = losses.reshape(GRID, FEATURES, CHAINS, -1).mean(axis=0)
    alive = (per_feature < ALIVE).astype(float)
    return losses, np.concatenate([alive.sum(axis=0)[None], alive])


def susceptibilities(losses: Floats, readings: Floats) -> tuple[Floats, Floats]:
    """χ_ok = −Cov(φ_o, ℓ_k − L), and with each chain left out: chains are independent."""
    tilts = np.stack([np.einsum("r,rcd->cd", (np.asarray(p) - 1) / len(p), losses) for p in PROBES.values()])
    parts = [_covariance(np.delete(readings, c, axis=1), np.delete(tilts, c, axis=1)) for c in range(CHAINS)]
    return -_covariance(readings, tilts), -np.stack(parts)


def _covariance(one: Floats, other: Floats) -> Floats:
    a, b = (x.reshape(len(x), -1) for x in (one, other))
    return (a - a.mean(axis=1, keepdims=True)) @ (b - b.mean(axis=1, keepdims=True)).T / (a.shape[1] - 1)


def mean_and_error(readings: Floats) -> tuple[Floats, Floats]:
    chains = readings.mean(axis=2)
    return chains.mean(axis=1), chains.std(axis=1, ddof=1) / np.sqrt(CHAINS)


def main() -> None:
    torch.set_num_threads(1)
    begun = time.process_time()
    trials: list[dict[str, Any]] = []
    shares = np.zeros(FEATURES + 1)
    for seed in SEEDS:
        losses, readings = draw(np.zeros(len(PROBES)), seed, LONG)
        shares += np.bincount(readings[0].astype(int).ravel(), minlength=FEATURES + 1) / readings[0].size / len(SEEDS)
        chi, kept = susceptibilities(losses, readings)
        plain = mean_and_error(readings)
        for index, name in enumerate(READINGS):
            for sign in (1.0, -1.0):
                trials.append(trial(chi, kept, plain, index, sign, 100 + seed) | {"reading": name, "seed": seed})
                print(trials[-1], flush=True)
    chance = random_mixtures(plain)
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"torch": torch.__version__, "processor": platform.machine()},
        "cpu_seconds": round(time.process_time() - begun),
        "shares_of_k": shares.round(4).tolist(),
        "summary": summary(trials, chance),
        "trials": trials,
        "random": chance,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["summary"], indent=1))


def trial(
    chi: Floats, kept: Floats, plain: tuple[Floats, Floats], index: int, sign: float, seed: int
) -> dict[str, Any]:
    target = np.zeros(len(READINGS))
    target[index] = sign
    # One reading is asked for; the others may go where they like.
    found = pattern(chi[[index]], kept[:, [index]], target[[index]], N_BETA)
    dh = found.dh * NORM / np.linalg.norm(found.dh)
    mean, error = mean_and_error(draw(dh, seed, SHORT)[1])
    return {
        "sign": sign,
        "dh": dh.round(4).tolist(),
        "predicted": round(float(N_BETA * chi[index] @ dh), 4),
        "moved": round(float(mean[index] - plain[0][index]), 4),
        "moved_se": round(float(np.hypot(error[index], plain[1][index])), 4),
    }


def random_mixtures(plain: tuple[Floats, Floats]) -> list[dict[str, Any]]:
    rng, found = np.random.default_rng(7), []
    while len(found) < RANDOM:
        dh = rng.normal(size=len(PROBES))
        dh *= NORM / np.linalg.norm(dh)
        mean, _ = mean_and_error(draw(dh, 200 + len(found), SHORT)[1])
        found.append({"dh": dh.round(4).tolist(), "moved": (mean - plain[0]).round(4).tolist()})
    return found


def summary(trials: list[dict[str, Any]], chance: list[dict[str, Any]]) -> dict[str, Any]:
    every = np.array([each["moved"] for each in chance])
    moved = np.abs(every)
    less = [every[:, READINGS.index(t["reading"])] * t["sign"] < t["moved"] * t["sign"] for t in trials]
    further = [abs(t["moved"]) > moved[:, READINGS.index(t["reading"])] for t in trials]
    sizes = [abs(t["moved"]) / moved[:, READINGS.index(t["reading"])].mean() for t in trials]
    right = [t["moved"] * t["sign"] > 0 for t in trials]
    slope = np.polyfit([t["predicted"] for t in trials], [t["moved"] for t in trials], 1)[0]
    return {
        "trials": len(trials),
        "right_sign": round(float(np.mean(right)), 3),
        "random_mixtures_less_far_to_the_wanted_side": round(float(np.mean(less)), 3),
        "random_mixtures_moved_less": round(float(np.mean(further)), 3),
        "moved_over_mean_of_random": round(float(np.mean(sizes)), 2),
        "by_reading": {
            name: {
                "right_sign": float(np.mean([r for r, t in zip(right, trials, strict=True) if t["reading"] == name])),
                "moved_over_mean_of_random": round(
                    float(np.mean([s for s, t in zip(sizes, trials, strict=True) if t["reading"] == name])), 2
                ),
            }
            for name in READINGS
        },
        "moved_against_predicted_slope": round(float(slope), 2),
        "correlation": round(
            float(np.corrcoef([t["predicted"] for t in trials], [t["moved"] for t in trials])[0, 1]), 3
        ),
    }


if __name__ == "__main__":
    main()
