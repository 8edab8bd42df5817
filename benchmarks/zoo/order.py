"""Are deep linear networks of 10³, 10⁴ and 10⁵ weights read rightly, and ranked rightly, by the SGLD family?

Usage: python -m benchmarks.zoo.order [--sizes 1k 10k 100k] [--nets 20]

Each network of random widths and rank r is trained from a random start onto a rank-r map (L-BFGS on the exact loss,
to rounding), and sampled there with minibatches of Gaussian inputs: noiseless, ℓ = ‖f(x) − Ax‖² at nβ = 10⁵, or with
targets y = Ax + σξ, ℓ = ‖f(x) − y‖²/2σ² at nβ = n/log n. Two truths stand beside each reading: λ of Aoyagi 2024, the
least on the zero set, and the one at the trained point, half the rank of the map's Jacobian there, which is what a
local sampler sees. The reading is nβ⟨ΔL⟩ over the second half of a chain. It takes no account of m, and with noise it
is short by λ/log n, since the trained point is the optimum of the law and not of the rows. The order of a pair of
networks is preserved when their readings stand as their λ do. Each finished network is kept in order.json, so that the
script may be stopped and run on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from torch import nn

from zeeman.programs import linear
from zeeman.sampling import SGLD, LocalPosterior, RMSPropSGLD, Schedule, run_chain

ROWS, SIGMA = 20_000, 0.1
SIZES = {  # layers, size of a layer, weights, steps of a chain
    "1k": ((2, 6), (5, 30), (100, 2_000), 3_000),
    "10k": ((2, 6), (10, 100), (5_000, 20_000), 3_000),
    "100k": ((2, 6), (50, 300), (50_000, 150_000), 2_000),
}
METHODS = ("sgld", "rmsprop sgld", "sgld, noisy targets")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--nets", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = Path(__file__).with_suffix(".json")
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for size in arguments.sizes:
        layers, sizes, parameters, steps = SIZES[size]
        nets = found.setdefault(size, {"nets": {}})["nets"]
        source = linear.random_widths(5, layers, sizes, parameters)
        for widths, rank in itertools.islice(source, arguments.nets):
            net = Net.trained(widths, rank)
            row = nets.setdefault(net.name, net.truth)
            for method in METHODS if size == "10k" else METHODS[:2]:
                if method not in row:
                    row[method] = measure(net, method, steps)
                    found[size]["summary"] = summary(list(nets.values()))
                    path.write_text(json.dumps(found, indent=1) + "\n")
                    print(size, net.name, method, row["llc"], row["local_llc"], row[method], flush=True)


@dataclass(frozen=True, eq=False)
class Net:
    """A deep linear network at a trained zero of its loss."""

    name: str
    widths: tuple[int, ...]
    weights: torch.Tensor
    truth: dict[str, Any]

    @classmethod
    def trained(cls, widths: tuple[int, ...], rank: int) -> Net:
        """Train from N(0, 1/fan-in) on the exact loss."""
        case, start = linear.network(widths, rank), time.perf_counter()
        rng = np.random.default_rng([7, *widths, rank])
        first = np.concatenate([rng.normal(size=a * b) / math.sqrt(a) for a, b in itertools.pairwise(widths)])

        def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
            point = torch.from_numpy(w).requires_grad_(True)
            energy = case.energy(point)
            return float(energy.detach()), torch.autograd.grad(energy, point)[0].numpy()

        limits = {"maxiter": 3000, "ftol": 1e-30, "gtol": 1e-9, "maxcor": 20}
        best = minimize(loss, first, jac=True, method="L-BFGS-B", options=limits)
        weights = torch.from_numpy(best.x)
        truth = {
            "weights": case.dimension,
            "llc": float(case.llc),
            "multiplicity": case.multiplicity,
            "local_llc": jacobian_rank(layers_of(weights, widths)) / 2,
            "loss": float(f"{best.fun:.2g}"),
            "training_seconds": round(time.perf_counter() - start, 1),
        }
        return cls(case.name, widths, weights, truth)

    def module(self) -> nn.Sequential:
        """The network in single precision."""
        net = nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in itertools.pairwise(self.widths)))
        with torch.no_grad():
            for layer, weights in zip(net, layers_of(self.weights, self.widths), strict=True):
                layer.weight.copy_(weights)
        return net


def layers_of(weights: torch.Tensor, widths: tuple[int, ...]) -> list[torch.Tensor]:
    """Split flat weights into matrices W_1, …, W_L."""
    shapes = list(itertools.pairwise(widths))
    parts = weights.split([a * b for a, b in shapes])
    return [part.view(b, a) for part, (a, b) in zip(parts, shapes, strict=True)]


def jacobian_rank(layers: list[torch.Tensor]) -> int:
    """Rank of W ↦ W_L … W_1: the tangents are Σ_i P_i X_i Q_i, P_i and Q_i the products after and before layer i.

    The columns of P_i grow with i and the rows of Q_i shrink, so the rank is Σ_i (rank P_i − rank P_{i−1}) rank Q_i.
    """
    depth, eye = len(layers), torch.eye
    after, before = [eye(layers[-1].shape[0]).double()], [eye(layers[0].shape[1]).double()]
    for i in range(depth - 1):
        after.append(after[-1] @ layers[depth - 1 - i])
        before.append(layers[i] @ before[-1])
    left, right = [_rank(p) for p in reversed(after)], [_rank(q) for q in before]
    return sum((now - last) * q for last, now, q in zip([0, *left], left, right, strict=False))


def _rank(matrix: torch.Tensor) -> int:
    return int(torch.linalg.matrix_rank(matrix, rtol=1e-4))


def loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """‖f(x) − y‖² of each row."""
    inputs, targets = batch
    return (model(inputs) - targets).square().sum(1)


def noisy_loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """−log N(y | f(x), σ²) up to a constant."""
    return loss(model, batch) / (2 * SIGMA**2)


def measure(net: Net, method: str, steps: int) -> dict[str, float]:
    """Reading, its standard error by batch means, and the temperature by the virial."""
    module, noisy = net.module(), method.endswith("noisy targets")
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(ROWS, net.widths[0], generator=generator)
    with torch.no_grad():
        targets = module(inputs)
    targets = targets + SIGMA * torch.randn(targets.shape, generator=generator) if noisy else targets
    n_beta = ROWS / math.log(ROWS) if noisy else 1e5
    stiffness = n_beta * 2 * len(net.widths) / (2 * SIGMA**2 if noisy else 1)
    lr = (0.02 if noisy else 0.1) / stiffness
    sampler: Any = SGLD(lr)
    if method.startswith("rmsprop"):
        typical = math.sqrt(stiffness) / n_beta  # a gradient's size at equilibrium
        sampler = RMSPropSGLD(lr * typical, eps=0.1 * typical)
    posterior = LocalPosterior(
        module, (inputs, targets), noisy_loss if noisy else loss, n_beta=n_beta, localization=1.0, batch_size=256
    )
    start = time.perf_counter(), time.process_time()
    blocks = list(run_chain(posterior, sampler, Schedule(num_draws=steps), seed=0, chain=0, block_steps=50))
    energy = n_beta * np.concatenate([block.rows for block in blocks]).astype(np.float64).mean(1)
    kept = energy[steps // 2 :]
    virials = np.array([block.virial for block in blocks[len(blocks) // 2 :]])
    parts = kept.reshape(10, -1).mean(1)
    return {
        "llc_hat": round(float(kept.mean()), 2),
        "se": round(float(parts.std(ddof=1) / math.sqrt(len(parts))), 2),
        "virial_over_local": round(float(virials.mean()) * net.truth["weights"] / (2 * net.truth["local_llc"]), 3),
        "seconds": round(time.perf_counter() - start[0], 1),
        "cpu_seconds": round(time.process_time() - start[1], 1),
    }


def summary(nets: list[dict[str, Any]]) -> dict[str, Any]:
    """Errors against both truths, and the share of pairs in the right order."""
    found = {}
    for method in METHODS:
        rows = [row for row in nets if method in row]
        if rows:
            hat = np.array([row[method]["llc_hat"] for row in rows])
            found[method] = {"nets": len(rows)} | {
                truth: against(hat, np.array([row[truth] for row in rows])) for truth in ("llc", "local_llc")
            }
    return found


def against(hat: np.ndarray, llc: np.ndarray) -> dict[str, float]:
    """Relative errors, share within 10 %, and order over pairs of different λ."""
    error = hat / llc - 1
    pairs = [(hat[i] - hat[j], llc[i] - llc[j]) for i, j in itertools.combinations(range(len(llc)), 2)]
    ranked = [a * b > 0 for a, b in pairs if b != 0]
    return {
        "median_absolute_error": round(float(np.median(np.abs(error))), 4),
        "mean_error": round(float(error.mean()), 4),
        "largest_error": round(float(np.abs(error).max()), 4),
        "within_10_percent": round(float((np.abs(error) <= 0.1).mean()), 3),
        "order_preserved": round(float(np.mean(ranked)), 4) if ranked else math.nan,
        "pairs": len(ranked),
    }


if __name__ == "__main__":
    main()
