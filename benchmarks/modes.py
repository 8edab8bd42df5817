"""Do modes of the response appear in the order and at the nβ, and in training at the time, that theory gives?

Usage: OMP_NUM_THREADS=1 python benchmarks/modes.py [SECTION …]
Sections: deep_linear, bigram, training.

The theory and what came of it are told in docs/modes.md. Predictions come from the data and the weights alone, before
any chain runs. Named sections are measured, the others stay in the JSON as they were.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import curve_fit
from scipy.stats import spearmanr
from torch import nn

from zeeman.bands import significant_modes
from zeeman.sampling import BAOAB, LocalPosterior, Observable, Schedule, Unloaded, run_chain, run_components

OUT = Path(__file__).with_suffix(".json")
SEEDS, CHAINS, DRAWS, REPLICAS = (0, 1, 2), 4, 100, 20
HEADS, UNITS, MODES = 8, 5, 5
CURVATURES = np.array([1.0, 0.125, 0.05, 0.02, 0.008])
"""Of each mode in a head that carries it, in units of the largest."""
LADDER = np.geomspace(0.3, 600.0, 12)
"""nβ in units of γ over the largest curvature."""
WIRED = np.array([[True, *(bin(head & mask).count("1") % 2 == 0 for mask in (1, 2, 4, 7))] for head in range(HEADS)])
"""Which head carries which mode: the first in all of them, each other one in its own half."""
CAUGHT = 0.75
"""Share of a mode's pattern over tokens that significant modes must span for it to count as seen: of two kinds of token
that are told from the others but not from each other, each is half spanned."""
SINGULAR = np.array([1.0, 0.7, 0.5, 0.35, 0.25])
"""Of the map that is learned in training."""
RATE, GAMMA, START, READ = 0.005, 1e4, 0.01, 400
"""Learning rate, localization of the draws along training, spread of the weights at its start, and draws a chain."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


class TwoLayer(nn.Module):
    """x ↦ W₂W₁x; head c is the columns of W₂ that write from hidden units 5c to 5c + 4."""

    def __init__(self, read: Floats, write: Floats) -> None:
        super().__init__()
        self.read = nn.Parameter(torch.tensor(read))
        self.write = nn.Parameter(torch.tensor(write))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.read.T @ self.write.T


def squared(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return (model(batch[0]) - batch[1]).square().sum(-1) / 2


def divergence(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """KL(q‖p) of the next token's law, for each token: the bigram model's population loss less its entropy."""
    return (batch[1] * (torch.log(batch[1]) - torch.log_softmax(model(batch[0]), -1))).sum(-1)


def head(number: int) -> Callable[[str, torch.Tensor], torch.Tensor | None]:
    def mask(name: str, tensor: torch.Tensor) -> torch.Tensor | None:
        chosen = torch.arange(tensor.shape[1]) // UNITS == number
        return chosen.expand_as(tensor) if name == "write" else None

    mask.__name__ = f"head {number}"
    return mask


@dataclass
class Law:
    """The Gaussian law of a head's weights Δ, of which token x has the loss ½ (Δa_x)ᵀF_x(Δa_x) to second order."""

    reads: Floats
    """a_x, shape (tokens, units)."""
    metrics: Floats
    """F_x, shape (tokens, outputs, outputs)."""

    def __post_init__(self) -> None:
        size = self.metrics.shape[1] * self.reads.shape[1]
        hessian = np.einsum("xop,xu,xv->oupv", self.metrics, self.reads, self.reads, optimize=True) / len(self.reads)
        self.curvatures, self.axes = np.linalg.eigh(hessian.reshape(size, size))

    def covariance(self, n_beta: float, gamma: float) -> Floats:
        """Cov(φ, ℓ_x) = ½ tr(H Σ B_x Σ) with Σ = (γ + nβ H)⁻¹ and B_x the Hessian of ℓ_x."""
        inner = (self.axes * (self.curvatures / (gamma + n_beta * self.curvatures) ** 2)) @ self.axes.T
        shape = (self.metrics.shape[1], self.reads.shape[1]) * 2
        spread = np.einsum("oupv,xu,xv->xop", inner.reshape(shape), self.reads, self.reads, optimize=True)
        return np.asarray((spread * self.metrics).sum((1, 2)) / 2)

    def draw(self, n_beta: float, gamma: float, rng: np.random.Generator) -> Floats:
        """Losses at independent draws, shape (tokens, chains, draws)."""
        xi = rng.standard_normal((len(self.curvatures), CHAINS * DRAWS))
        moved = self.axes @ (xi / np.sqrt(gamma + n_beta * self.curvatures)[:, None])
        change = self.reads @ moved.reshape(self.metrics.shape[1], -1, CHAINS * DRAWS)
        change = change.transpose(1, 0, 2)
        return np.asarray((change * (self.metrics @ change)).sum(1) / 2).reshape(-1, CHAINS, DRAWS)


@dataclass
class Plant:
    """A model at its true parameter, and what theory makes of its data."""

    model: TwoLayer
    data: tuple[torch.Tensor, torch.Tensor]
    loss: Callable[..., torch.Tensor]
    coordinates: Floats
    """Of each token along the left singular vectors of the data matrix, with ⟨x xᵀ⟩ = 1."""
    half: Floats
    """γ/h of each mode: nβ at which half of it is frozen."""
    n_betas: Floats
    gamma: float
    heads: list[Law]


def whitened(count: int, rng: np.random.Generator) -> Floats:
    """Coordinates of tokens along the modes, a fifth of them each mostly along one, with ⟨x xᵀ⟩ = 1 exactly."""
    kind = np.arange(count) % MODES
    x = 0.35 * rng.standard_normal((count, MODES))
    x[np.arange(count), kind] += math.sqrt(MODES) * rng.choice([-1.0, 1.0], count)
    values, axes = np.linalg.eigh(x.T @ x / count)
    return np.asarray(x @ (axes / np.sqrt(values)) @ axes.T)


def orthonormal(rows: int, columns: int, rng: np.random.Generator) -> Floats:
    """Columns that sum to 0: a softmax does not see what all of its logits share."""
    wide = np.column_stack([np.ones(rows), rng.standard_normal((rows, columns))])
    return np.asarray(np.linalg.qr(wide)[0][:, 1:])


def plant(kind: str, seed: int) -> Plant:
    """Heads that share the modes as `WIRED` says; the modes are then read off the data again."""
    rng = np.random.default_rng([seed, len(kind)])
    linear = kind == "deep_linear"
    tokens, outputs, gamma, scale = (300, 6, 1.0, 1.0) if linear else (60, 60, 50.0, 0.1)
    inputs, turn = whitened(tokens, rng), np.linalg.qr(rng.standard_normal((MODES, MODES)))[0]
    left = orthonormal(outputs, MODES, rng)
    turns = [np.linalg.qr(rng.standard_normal((UNITS, UNITS)))[0] for _ in range(HEADS)]
    loads = np.concatenate([turns[c] * np.sqrt(scale * CURVATURES * WIRED[c]) for c in range(HEADS)])
    model = TwoLayer(loads @ turn.T, left @ loads.T)
    x = torch.from_numpy(inputs @ turn.T)
    made = model(x).detach()
    target = made if linear else torch.softmax(made, -1)
    seen = target.numpy() if linear else np.log(target.numpy())
    modes, singular, _ = np.linalg.svd(seen - seen.mean(axis=1, keepdims=True), full_matrices=False)
    curvatures = singular[:MODES] / math.sqrt(tokens) / WIRED.sum(axis=0) / (1 if linear else outputs)
    q = target.numpy()
    metrics = np.array([np.eye(outputs) if linear else np.diag(row) - np.outer(row, row) for row in q])
    reads = (x @ model.read.detach().T).numpy()
    heads = [Law(reads[:, c * UNITS : (c + 1) * UNITS], metrics) for c in range(HEADS)]
    return Plant(
        model, (x, target), squared if linear else divergence, math.sqrt(tokens) * modes[:, :MODES], gamma / curvatures,
        LADDER * gamma / curvatures[0], gamma, heads,
    )  # fmt: skip


def rho(losses: Floats, shifts: list[tuple[int, int]]) -> Floats:
    """−Corr(φ, ℓ_x − φ), with φ of draws that belong to others by each shift of (chain, draw); a column a shift."""
    phi = losses.mean(0)
    rest = (losses - phi).reshape(len(losses), -1)
    moved = np.stack([np.roll(phi, shift, (0, 1)).reshape(-1) for shift in shifts], axis=1)
    moved, rest = moved - moved.mean(0), rest - rest.mean(1, keepdims=True)
    return np.asarray(-(rest @ moved) / np.sqrt((moved**2).sum(0) * (rest**2).sum(1, keepdims=True)))


def caught(losses: list[Floats], coordinates: Floats) -> Floats:
    """How much of the pattern of each mode over tokens the significant modes span."""
    shifts = [(0, 0)] + [(chain, draw) for chain in range(1, CHAINS) for draw in range(0, DRAWS, DRAWS // 10)]
    matrix, *nulls = np.stack([rho(one, shifts) for one in losses], axis=2).transpose(1, 0, 2)
    wanted = coordinates**2 - (coordinates**2).mean(0)
    wanted /= np.linalg.norm(wanted, axis=0)
    return np.asarray(((significant_modes(matrix, nulls).scores.T @ wanted) ** 2).sum(0))


def seen_from(rungs: list[Floats]) -> list[int]:
    """Rung from which on each pattern but the first, which no head stands out by, is caught; their number if never."""
    missed = np.array(rungs)[:, 1:] < CAUGHT
    return [int(np.flatnonzero(column)[-1]) + 1 if column.any() else 0 for column in missed.T]


def parts(covariance: Floats, coordinates: Floats) -> Floats:
    """The part of each column that goes with each mode's pattern, beside those of products of two modes."""
    one, other = np.triu_indices(MODES)
    return np.asarray(np.linalg.lstsq(coordinates[:, one] * coordinates[:, other], covariance)[0][one == other])


def covariances(losses: Floats) -> Floats:
    """Cov(φ, ℓ_x) in each chain, shape (tokens, chains)."""
    moved = losses.mean(0) - losses.mean((0, 2))[:, None]
    return np.asarray((losses * moved).sum(2) / (losses.shape[2] - 1))


def stands_out(covariance: list[Floats], coordinates: Floats) -> Floats:
    """Part of each mode in the heads that carry it less that in the others."""
    of_head = np.stack([parts(one, coordinates) for one in covariance])
    signs = WIRED / WIRED.sum(axis=0) - ~WIRED / np.maximum((~WIRED).sum(axis=0), 1)
    return np.einsum("cm,cm->m", signs, of_head)


def half_frozen(n_betas: Floats, curve: Floats, error: Floats, start: float) -> tuple[float, float]:
    """Fit A/(1 + nβ/b)² to a curve; log b and its error."""
    (_, width), spread = curve_fit(
        lambda t, scale, width: scale / (1 + t / np.exp(width)) ** 2,
        n_betas / start, curve / curve.max(), p0=(2.0, 0.5), sigma=error / curve.max(), absolute_sigma=True,
        method="trf",
    )  # fmt: skip
    return float(width + np.log(start)), float(np.sqrt(spread[1, 1]))


def predicted(planted: Plant, rng: np.random.Generator) -> dict[str, Any]:
    """Half-frozen points of the closed form, and from independent draws of the law their errors and what is seen."""
    ladder, gamma, x = planted.n_betas, planted.gamma, planted.coordinates
    curves = np.array([stands_out([one.covariance(t, gamma) for one in planted.heads], x) for t in ladder])
    rungs, drawn = [], []
    for _ in range(REPLICAS):
        losses = [[one.draw(t, gamma, rng) for one in planted.heads] for t in ladder]
        rungs.append(seen_from([caught(each, x) for each in losses]))
        drawn.append([stands_out([covariances(one).mean(1) for one in each], x) for each in losses])
    errors = np.std(drawn, axis=0, ddof=1)
    halves = [half_frozen(ladder, curves[:, k], errors[:, k], planted.half[k])[0] for k in range(MODES)]
    return {"log_half": np.array(halves), "errors": errors, "rungs": np.array(rungs)}


def chains_of(planted: Plant, n_beta: float, seed: int) -> list[Floats]:
    """Losses of each head's loaded chains, shape (tokens, chains, draws): two relaxation times between draws."""
    model, data, gamma = planted.model, planted.data, planted.gamma
    heads = [LocalPosterior(model, data, planted.loss, n_beta=n_beta, localization=gamma, component=head(c))
             for c in range(HEADS)]  # fmt: skip
    lr = 1 / (gamma + n_beta * max(float(one.curvatures[-1]) for one in planted.heads))
    slow = math.sqrt(lr * gamma)
    schedule = Schedule(DRAWS, math.ceil(6 / slow), math.ceil(2 / slow))
    item = {"tokens": Observable(data, torch.ones(len(data[0]), dtype=torch.bool))}
    walk = run_components(
        heads, BAOAB(lr, min(2 * slow, 2.0)), schedule, seed=seed, chains=range(CHAINS), observables=item,
        block_steps=500,
    )  # fmt: skip
    blocks = [[[chain.observed["tokens"] for chain in one] for one in block] for block in walk]
    return [np.array(np.concatenate([block[c] for block in blocks], axis=1), np.float64).transpose(2, 0, 1)
            for c in range(HEADS)]  # fmt: skip


def measured(planted: Plant, errors: Floats, seed: int) -> dict[str, Any]:
    """The same from chains."""
    spanned, curves = [], []
    for number, n_beta in enumerate(planted.n_betas):
        losses = chains_of(planted, float(n_beta), 100 * seed + number)
        spanned.append(caught(losses, planted.coordinates))
        curves.append(stands_out([covariances(one).mean(1) for one in losses], planted.coordinates))
    curve = np.array(curves)
    halves = [half_frozen(planted.n_betas, curve[:, k], errors[:, k], planted.half[k]) for k in range(MODES)]
    log_half, error = np.array(halves).T
    return {"log_half": log_half, "error": error, "rung": np.array(seen_from(spanned)), "spanned": np.array(spanned)}


def ladder(kind: str) -> Iterator[dict[str, Any]]:
    """One plant a seed: prediction first, then chains at each rung."""
    for seed in SEEDS:
        planted = plant(kind, seed)
        told = predicted(planted, np.random.default_rng([seed, 99]))
        found = measured(planted, told["errors"], seed)
        low, high = told["rungs"].min(axis=0), told["rungs"].max(axis=0)
        yield {
            "seed": seed, "n_betas": planted.n_betas, "half_of_theory": planted.half,
            "half_of_law": np.exp(told["log_half"]), "half": np.exp(found["log_half"]), "half_log_se": found["error"],
            "z": (found["log_half"] - told["log_half"]) / found["error"], "rung": found["rung"], "rung_low": low,
            "rung_median": np.median(told["rungs"], axis=0), "rung_high": high,
            "inside": int(((found["rung"] >= low) & (found["rung"] <= high)).sum()),
            "order": spearmanr(found["rung"], planted.half[1:]).statistic,
            "order_of_halves": spearmanr(found["log_half"], planted.half).statistic, "spanned": found["spanned"],
        }  # fmt: skip


def path_of(read: Floats, write: Floats, goal: Floats, steps: int) -> Iterator[tuple[Floats, Floats]]:
    """Gradient descent on the population loss ½⟨|(W₂W₁ − G)x|²⟩ with ⟨x xᵀ⟩ = 1."""
    for _ in range(steps):
        yield read, write
        error = write @ read - goal
        read, write = read - RATE * write.T @ error, write - RATE * error @ read.T


def training(every: int = 60) -> Iterator[dict[str, Any]]:
    """When the response of each mode peaks, read by unloaded draws of W₂ that all checkpoints share."""
    for seed in SEEDS:
        rng = np.random.default_rng([seed, 7])
        x, outputs, hidden = whitened(300, rng), 6, HEADS * UNITS
        goal = (orthonormal(outputs, MODES, rng) * SINGULAR) @ np.linalg.qr(rng.standard_normal((MODES, MODES)))[0]
        read, write = START * rng.standard_normal((hidden, MODES)), START * rng.standard_normal((outputs, hidden))
        left, singular, right = np.linalg.svd(goal, full_matrices=False)
        begun = (((read @ right.T + write.T @ left) / 2) ** 2).sum(axis=0)
        told = np.log((singular / begun - 1) / 2) / (2 * singular)
        learned = np.log(singular / begun - 1) / (2 * singular)
        data, coordinates = (torch.from_numpy(x), torch.from_numpy(x @ goal.T)), x @ right.T
        item = {"tokens": Observable(data, torch.ones(len(x), dtype=torch.bool))}
        curves, strengths = [], []
        steps = math.ceil(1.5 * learned.max() / RATE)
        for number, (r, w) in enumerate(path_of(read, write, goal, steps)):
            strengths.append(np.einsum("ok,oi,ki->k", left, w @ r, right))
            if number % every == 0:
                posterior = LocalPosterior(TwoLayer(r, w), data, squared, n_beta=0.0, localization=GAMMA,
                                           component="write")  # fmt: skip
                blocks = [next(run_chain(posterior, Unloaded(), Schedule(READ), seed=seed, chain=chain,
                                         observables=item, block_steps=READ)) for chain in range(CHAINS)]  # fmt: skip
                losses = np.array([block.observed["tokens"] for block in blocks], np.float64).transpose(2, 0, 1)
                curves.append(parts(covariances(losses), coordinates))
        times = np.array([[_peak(one) * every * RATE for one in mode] for mode in np.moveaxis(np.array(curves), 0, -1)])
        crossed = (np.array(strengths) >= singular / 2).argmax(axis=0) * RATE
        yield {
            "seed": seed, "singular": singular, "peak_predicted": told, "peak": times.mean(axis=1),
            "peak_se": times.std(axis=1, ddof=1) / math.sqrt(CHAINS), "learned_predicted": learned, "learned": crossed,
            "order": spearmanr(times.mean(axis=1), -singular).statistic,
        }  # fmt: skip


def _peak(curve: Floats) -> float:
    """Where the parabola through the highest point and its neighbours has its top."""
    at = int(np.clip(curve.argmax(), 1, len(curve) - 2))
    before, here, after = curve[at - 1 : at + 2]
    return float(at + (before - after) / (2 * (before - 2 * here + after)))


SECTIONS = {"deep_linear": lambda: ladder("deep_linear"), "bigram": lambda: ladder("bigram"), "training": training}


def main() -> None:
    held = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name in sys.argv[1:] or list(SECTIONS):
        started, found = time.process_time(), []
        for one in SECTIONS[name]():
            found.append({k: np.round(v, 4).tolist() for k, v in one.items()})
            print(name, json.dumps({k: v for k, v in found[-1].items() if k not in ("spanned", "n_betas")}), flush=True)
        held[name] = {"seeds": found, "cpu_s": round(time.process_time() - started, 1), "torch": torch.__version__,
                      "date": time.strftime("%Y-%m-%d")}  # fmt: skip
        OUT.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main()
