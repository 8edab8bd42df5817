"""Do modes of the response appear in the order and at the nβ, and in training at the time, that theory gives?

Usage: OMP_NUM_THREADS=1 python benchmarks/modes.py [SECTION …]
Sections: deep_linear, bigram, training, saddle.

The theory and what came of it are told in docs/modes.md. What is predicted is computed before any chain runs, from the
true parameter (or, for training, from the weights at step 0) alone. Named sections are measured, the others stay in the
JSON as they were.
"""

from __future__ import annotations

import json
import math
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import curve_fit
from scipy.special import kv
from torch import nn

from zeeman.bands import significant_modes
from zeeman.sampling import BAOAB, LocalPosterior, Observable, Schedule, run_chains, run_components
from zeeman.subjects import Recorder, Series

OUT = Path(__file__).with_suffix(".json")
SEEDS, CHAINS, DRAWS = (0, 1, 2), 4, 100
HEADS, UNITS, MODES = 8, 5, 5
CURVATURES = np.array([1.0, 0.125, 0.05, 0.02, 0.008])
"""Of each mode in a head that carries it, in units of the largest."""
LADDER = np.geomspace(0.3, 1000.0, 14)
"""nβ in units of γ over the largest curvature."""
WIRED = np.array([[True, *(bin(head & mask).count("1") % 2 == 0 for mask in (1, 2, 4, 7))] for head in range(HEADS)])
"""Which head carries which mode: the first in all of them, each other one in its own half."""
SHARES = WIRED / WIRED.sum(axis=0)
CAUGHT = 0.75
"""Share of a mode's pattern over tokens that significant modes must span for it to count as seen: of two kinds of token
that are told from the others but not from each other, each is half spanned."""
REPLICAS = 10

Floats = np.ndarray[Any, np.dtype[np.float64]]


class TwoLayer(nn.Module):
    """x ↦ W₂W₁x; head c is the columns of W₂ that write from hidden units 5c to 5c + 4."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.read = nn.Parameter(torch.zeros(HEADS * UNITS, inputs, dtype=torch.float64))
        self.write = nn.Parameter(torch.zeros(outputs, HEADS * UNITS, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.read.T @ self.write.T


def squared(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return (model(batch[0]) - batch[1]).square().sum(-1) / 2


def divergence(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """KL(q‖p) of the next token's law, for each token: the bigram model's population loss less its entropy."""
    log_q = torch.log(batch[1])
    return (batch[1] * (log_q - torch.log_softmax(model(batch[0]), -1))).sum(-1)


def head(number: int) -> Callable[[str, torch.Tensor], torch.Tensor | None]:
    def mask(name: str, tensor: torch.Tensor) -> torch.Tensor | None:
        chosen = torch.arange(tensor.shape[1]) // UNITS == number
        return chosen.expand_as(tensor) if name == "write" else None

    mask.__name__ = f"head {number}"
    return mask


def rotation(size: int, rng: np.random.Generator) -> Floats:
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return q * np.sign(np.diag(r))


def whitened_tokens(count: int, rng: np.random.Generator) -> Floats:
    """Coordinates of tokens along the modes, a fifth of them each mostly along one, with ⟨x xᵀ⟩ = 1 exactly."""
    kind = np.arange(count) % MODES
    x = 0.35 * rng.standard_normal((count, MODES))
    x[np.arange(count), kind] += math.sqrt(MODES) * rng.choice([-1.0, 1.0], count)
    values, axes = np.linalg.eigh(x.T @ x / count)
    return x @ (axes / np.sqrt(values)) @ axes.T


@dataclass
class Head:
    """Gaussian law of a head's weights: exact for the deep linear network, and to second order for the bigram model.

    Parameters
    ----------
    curvatures : array
        Eigenvalues of the Hessian, without those that are 0.
    roots : array, shape (tokens, rank, weights)
        R_x in the axes of the Hessian, with B_x = R_xᵀR_x the curvature of a token's loss.
    """

    curvatures: Floats
    roots: Floats

    @classmethod
    def of(cls, factors: Floats) -> Head:
        hessian = np.tensordot(factors, factors, ((0, 1), (0, 1))) / len(factors)
        values, axes = np.linalg.eigh(hessian)
        kept = values > 1e-10 * values[-1]
        return cls(values[kept], factors @ axes[:, kept])

    def covariance(self, n_beta: float, gamma: float) -> Floats:
        """Cov(φ, ℓ_x) = ½ tr(H Σ B_x Σ) with Σ = (γ + nβ H)⁻¹."""
        found: Floats = (self.roots**2).sum(1) @ (self.curvatures / (gamma + n_beta * self.curvatures) ** 2) / 2
        return found

    def draw(self, n_beta: float, gamma: float, rng: np.random.Generator) -> Floats:
        """Losses of all tokens at independent draws, shape (tokens, chains, draws)."""
        xi = rng.standard_normal((len(self.curvatures), CHAINS * DRAWS))
        xi /= np.sqrt(gamma + n_beta * self.curvatures)[:, None]
        losses = np.stack([((root @ xi) ** 2).sum(0) / 2 for root in self.roots])
        return losses.reshape(len(losses), CHAINS, DRAWS)


@dataclass
class Plant:
    """A model at a true parameter and what theory knows of it."""

    model: TwoLayer
    data: tuple[torch.Tensor, torch.Tensor]
    loss: Callable[..., torch.Tensor]
    patterns: Floats
    """(v_k·x)² of each token."""
    n_betas: Floats
    gamma: float
    paper: Floats
    """γ/h of each mode."""
    heads: list[Head]


def plant(kind: str, seed: int) -> Plant:
    rng = np.random.default_rng([seed, len(kind)])
    tokens, outputs, gamma = (300, 6, 1.0) if kind == "deep_linear" else (90, 90, 50.0)
    x = whitened_tokens(tokens, rng)
    scale = 1.0 if kind == "deep_linear" else 0.5
    strengths = scale * CURVATURES / SHARES.max(axis=0)
    left = np.linalg.qr(np.column_stack([np.ones(outputs), rng.standard_normal((outputs, MODES))]))[0][:, 1:]
    model = TwoLayer(MODES, outputs)
    turn = rotation(MODES, rng)
    loads = [rotation(UNITS, rng) * np.sqrt(strengths * SHARES[c]) for c in range(HEADS)]
    with torch.no_grad():
        model.read.copy_(torch.from_numpy(np.concatenate(loads) @ turn.T))
        model.write.copy_(torch.from_numpy(np.concatenate([load @ left.T for load in loads]).T.copy()))
    inputs = torch.from_numpy(x @ turn.T)
    with torch.no_grad():
        made = model(inputs)
    target = made if kind == "deep_linear" else torch.softmax(made, -1)
    reads = [np.einsum("uk,xk->xu", load, x) for load in loads]
    if kind == "deep_linear":
        factors = [np.einsum("xu,op->xoup", a, np.eye(outputs)).reshape(tokens, outputs, -1) for a in reads]
        fisher = 1.0
    else:
        q = target.numpy()
        roots = np.sqrt(q)[:, :, None] * (np.eye(outputs) - q[:, None, :])
        factors = [np.einsum("xu,xop->xoup", a, roots).reshape(tokens, outputs, -1) for a in reads]
        fisher = 1 / outputs
    largest = scale * fisher
    return Plant(
        model, (inputs, target), squared if kind == "deep_linear" else divergence, x**2, LADDER * gamma / largest, gamma,
        gamma / (largest * CURVATURES), [Head.of(factor) for factor in factors],
    )  # fmt: skip


def rho(losses: Floats, chain: int = 0, draw: int = 0) -> Floats:
    """−Corr(φ, ℓ_x − φ); with ``chain``, between φ and losses of draws that do not belong together."""
    phi = losses.mean(0)
    rest = (losses - phi).reshape(len(losses), -1)
    moved = np.roll(phi, (chain, draw), (0, 1)).reshape(-1)
    moved, rest = moved - moved.mean(), rest - rest.mean(1, keepdims=True)
    return -(rest @ moved) / np.sqrt((moved @ moved) * (rest**2).sum(1))


def seen(losses: list[Floats], patterns: Floats) -> dict[str, Any]:
    """Count significant modes against both nulls, and say how much of each planted pattern they span."""
    matrix = np.column_stack([rho(one) for one in losses])
    places = [(chain, draw) for chain in range(1, CHAINS) for draw in range(0, DRAWS, DRAWS // 10)]
    nulls = [np.column_stack([rho(one, *place) for one in losses]) for place in places]
    found, naive = significant_modes(matrix, nulls), significant_modes(matrix, num_permutations=39)
    wanted = patterns - patterns.mean(0)
    wanted = wanted / np.linalg.norm(wanted, axis=0)
    caught = ((found.scores.T @ wanted) ** 2).sum(0)
    return {"count": found.count, "count_permuted_columns": naive.count, "caught": caught.tolist(),
            "values": found.values.tolist()}  # fmt: skip


def first_seen(rungs: list[dict[str, Any]], axis: list[float]) -> list[float | None]:
    """Point from which on each pattern is caught, to the end."""
    out: list[float | None] = []
    for mode in range(MODES):
        caught = [rung["caught"][mode] >= CAUGHT for rung in rungs]
        start = len(caught) - next((i for i, yes in enumerate(reversed(caught)) if not yes), len(caught))
        out.append(axis[start] if start < len(axis) else None)
    return out


def parts(covariances: list[Floats], patterns: Floats) -> Floats:
    """The part of each head's Cov(φ, ℓ_x) that goes with each mode's pattern, shape (heads, modes)."""
    return np.linalg.lstsq(patterns, np.column_stack(covariances), rcond=None)[0].T


def half_width(plant: Plant, mode: int, curve: Floats, error: Floats) -> float:
    """Fit b in √c(nβ) ∝ 1/(1 + nβ/b), by which a mode of curvature h has b = γ/h: there half of it is frozen."""
    good = curve > 0
    (_, width), _ = curve_fit(
        lambda n_beta, scale, width: scale - 2 * np.log1p(n_beta / np.exp(width)),
        plant.n_betas[good], np.log(curve[good]), p0=(np.log(curve[good][0]), np.log(plant.paper[mode])),
        sigma=(error / curve)[good],
    )  # fmt: skip
    return float(np.exp(width))


def widths_of(plant: Plant, measured: Floats) -> list[list[float]]:
    """Widths of each chain and mode from parts of shape (rungs, chains, heads, modes)."""
    curves = [measured[:, :, WIRED[:, mode], mode].mean(axis=2) for mode in range(MODES)]
    errors = [measured[:, :, WIRED[:, mode], mode].std(axis=(1, 2)) for mode in range(MODES)]
    return [
        [half_width(plant, mode, curves[mode][:, chain], errors[mode]) for mode in range(MODES)]
        for chain in range(CHAINS)
    ]


def chains_of(plant: Plant, n_beta: float, seed: int) -> tuple[list[Floats], int]:
    """Losses of each head's loaded chains, and how many steps they took."""
    heads = [
        LocalPosterior(plant.model, plant.data, plant.loss, n_beta=n_beta, localization=plant.gamma, component=head(c))
        for c in range(HEADS)
    ]
    stiffest = max(float(one.curvatures[-1]) for one in plant.heads)
    lr = 1 / (plant.gamma + n_beta * stiffest)
    return _sampled(heads, plant.data, lr, plant.gamma, seed)


def _sampled(heads: list[LocalPosterior], data: Any, lr: float, gamma: float, seed: int) -> tuple[list[Floats], int]:
    slow = math.sqrt(lr * gamma)
    spacing = math.ceil(2 / slow)
    schedule = Schedule(DRAWS, math.ceil(6 / slow), spacing)
    item = {"tokens": Observable(data, torch.ones(len(data[0]), dtype=torch.bool))}
    blocks_of: list[list[list[Floats]]] = [[[] for _ in range(CHAINS)] for _ in heads]
    walk = run_components(
        heads, BAOAB(lr, min(2 * slow, 2.0)), schedule, seed=seed, chains=range(CHAINS), observables=item,
        block_steps=500,
    )  # fmt: skip
    for blocks in walk:
        for c, component in enumerate(blocks):
            for chain, block in enumerate(component):
                blocks_of[c][chain].append(block.observed["tokens"].astype(np.float64))
    losses = [np.stack([np.concatenate(chain) for chain in one]).transpose(2, 0, 1) for one in blocks_of]
    return losses, schedule.num_steps


def own_covariance(losses: Floats) -> Floats:
    phi = losses.mean(0)
    flat, moved = losses.reshape(len(losses), -1), phi.reshape(-1) - phi.mean()
    return flat @ moved / (moved.size - 1)


def ladder(kind: str) -> dict[str, Any]:
    """One plant a seed: prediction first, then chains at each rung."""
    found: list[dict[str, Any]] = []
    for seed in SEEDS:
        planted, started = plant(kind, seed), time.process_time()
        one = {"seed": seed, "n_betas": planted.n_betas.tolist(), "paper": planted.paper.tolist()}
        one |= predicted(planted, np.random.default_rng([seed, 99]))
        then = time.process_time()
        one |= measured(planted, seed)
        one |= {"cpu_s_predicting": then - started, "cpu_s": time.process_time() - then}
        found.append(one)
        _tell(kind, one)
    return {"seeds": found, "summary": _summary(found)}


def predicted(planted: Plant, rng: np.random.Generator) -> dict[str, Any]:
    """Half-widths from the closed form, and where modes show in independent draws of the law."""
    axis, gamma = planted.n_betas.tolist(), planted.gamma
    curves = np.array([parts([h.covariance(t, gamma) for h in planted.heads], planted.patterns) for t in axis])
    widths = []
    for mode in range(MODES):
        curve = curves[:, WIRED[:, mode], mode].mean(axis=1)
        widths.append(half_width(planted, mode, curve, curve))
    told = [
        [seen([h.draw(t, gamma, rng) for h in planted.heads], planted.patterns) for t in axis] for _ in range(REPLICAS)
    ]
    return {
        "predicted_width": widths, "predicted_seen": [first_seen(rungs, axis) for rungs in told],
        "predicted_count": [[rung["count"] for rung in rungs] for rungs in told],
    }  # fmt: skip


def measured(planted: Plant, seed: int) -> dict[str, Any]:
    """The same from chains."""
    rungs, found, steps = [], [], 0
    for number, t in enumerate(planted.n_betas.tolist()):
        losses, taken = chains_of(planted, t, seed=100 * seed + number)
        rungs.append(seen(losses, planted.patterns))
        found.append([
            parts([own_covariance(h[:, c : c + 1]) for h in losses], planted.patterns) for c in range(CHAINS)
        ])  # fmt: skip
        steps += taken
    return {
        "rungs": rungs, "seen": first_seen(rungs, planted.n_betas.tolist()), "steps": steps,
        "width_by_chain": widths_of(planted, np.array(found)),
    }  # fmt: skip


def _summary(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each mode, in units of γ/h: the width predicted and measured with its error, and the rungs where it shows."""
    paper = np.array([one["paper"] for one in found])
    chains = np.log(np.array([one["width_by_chain"] for one in found]) / paper[:, None]).reshape(-1, MODES)
    predicted = np.log(np.array([one["predicted_width"] for one in found]) / paper)
    shown: list[dict[str, Any]] = []
    for mode in range(MODES):
        # the first mode is that of all heads: no head stands out by it
        expected = [one["predicted_seen"][r][mode] for one in found for r in range(len(one["predicted_seen"]))]
        shown.append({
            "mode": mode,
            "predicted_log_width": float(predicted[:, mode].mean()),
            "log_width": float(chains[:, mode].mean()),
            "log_width_se": float(chains[:, mode].std(ddof=1) / math.sqrt(len(chains))),
            "seen_from": [_ratio(one["seen"][mode], one["paper"][mode]) for one in found],
            "predicted_seen_from": _spread([_ratio(e, found[0]["paper"][mode]) for e in expected]),
        })  # fmt: skip
    return shown


def _ratio(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit


def _spread(values: list[float | None]) -> dict[str, Any]:
    held = [v for v in values if v is not None]
    if not held:
        return {"never": len(values)}
    low, middle, high = np.quantile(held, [0.05, 0.5, 0.95]).tolist()
    return {"low": low, "median": middle, "high": high, "never": len(values) - len(held)}


def _tell(kind: str, one: dict[str, Any]) -> None:
    width = np.exp(np.log(np.array(one["width_by_chain"]) / one["paper"]).mean(axis=0))
    print(kind, one["seed"], "width/paper", width.round(3), "predicted",
          (np.array(one["predicted_width"]) / one["paper"]).round(3), flush=True)  # fmt: skip
    print("  seen from, of paper", [v and round(v / p, 2) for v, p in zip(one["seen"], one["paper"], strict=True)],
          "counts", [r["count"] for r in one["rungs"]], [r["count_permuted_columns"] for r in one["rungs"]],
          {k: round(one[k], 1) for k in ("cpu_s_predicting", "cpu_s")}, flush=True)  # fmt: skip


SECTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "deep_linear": lambda: ladder("deep_linear"),
    "bigram": lambda: ladder("bigram"),
}


def main() -> None:
    held = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name in sys.argv[1:] or list(SECTIONS):
        started = time.process_time()
        held[name] = SECTIONS[name]() | {"cpu_s": time.process_time() - started}
    held["machine"] = {"processor": platform.processor(), "torch": torch.__version__, "date": time.strftime("%Y-%m-%d")}
    OUT.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main()
