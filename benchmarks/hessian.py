"""Hessian products and spectra beside curvlinops and dense eigenvalues; writes ``hessian.json`` beside this file.

Run with an interpreter that has zeeman and ``pip install curvlinops-for-pytorch``; takes a minute on one core.
"""

from __future__ import annotations

import copy
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import curvlinops
import numpy as np
import torch
from scipy.special import erf
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from zeeman.demo.training import initial_model
from zeeman.probes import training_windows
from zeeman.sampling import Hessian, LocalPosterior, lanczos
from zeeman.spectra import count_above, quadrature, rank_with_gap, trace

warnings.simplefilter("ignore")
PROBES, STEPS = 20, 40


class NextToken(nn.Module):
    """The demo's network as curvlinops wants it: one row of logits a token."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(tokens)[:, :-1].flatten(0, 1)
        return logits


def seconds(call: Callable[[], Any], times: int = 5) -> float:
    call()
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / times


def by_difference(model: nn.Module, tokens: torch.Tensor, vector: torch.Tensor, step: float = 1e-6) -> torch.Tensor:
    """Central difference of the gradient along a vector, in double precision."""
    ends = []
    for sign in (1, -1):
        moved = copy.deepcopy(model).double()
        weights = list(moved.parameters())
        flat = nn.utils.parameters_to_vector(weights).detach() + sign * step * vector.double()
        nn.utils.vector_to_parameters(flat, weights)
        loss = nn.functional.cross_entropy(NextToken(moved)(tokens), tokens[:, 1:].flatten())
        ends.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)]))
    return ((ends[0] - ends[1]) / (2 * step)).float()


def demo_products() -> dict[str, float]:
    """The demo's network, 53,632 weights on 16 rows of 64 tokens."""
    model = initial_model(0)
    tokens = torch.from_numpy(training_windows(np.random.default_rng(0), 16))
    product = Hessian(LocalPosterior(model, tokens))
    with sdpa_kernel(SDPBackend.MATH):
        theirs = curvlinops.HessianLinearOperator(
            NextToken(model),
            nn.CrossEntropyLoss(),
            list(model.parameters()),
            [(tokens, tokens[:, 1:].flatten())],
            num_data=16,
        )
        vector = product.probe(0)
        ours, other, slope = product(vector), theirs @ vector, by_difference(model, tokens, vector)
        scales = torch.cat([torch.full((p.numel(),), n.endswith("norm.weight")) for n, p in model.named_parameters()])
        return {
            "parameters": product.dimension,
            "zeeman_against_differences": float((ours - slope).norm() / slope.norm()),
            "curvlinops_against_differences": float((other - slope).norm() / slope.norm()),
            # Forward differentiation of torch's LayerNorm backward gives other products for its scales alone.
            "zeeman_against_curvlinops_without_layernorm_scales": float((ours - other)[~scales].norm() / slope.norm()),
            "zeeman_cpu_seconds": seconds(lambda: product(vector)),
            "curvlinops_cpu_seconds": seconds(lambda: theirs @ vector),
        }


def small_net() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 4)).double()
        x, y = torch.randn(300, 12).double(), torch.randint(4, (300,))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, x, y


def cross_entropy(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def smeared_share(nodes: np.ndarray, weights: np.ndarray, edges: np.ndarray, width: float) -> np.ndarray:
    """Share of eigenvalues in each bin after Gaussian smearing."""
    steps = 0.5 * (1 + erf((edges[:, None] - nodes.ravel()) / (width * 2**0.5)))
    cumulative: np.ndarray = steps @ weights.ravel() / weights.sum()
    return np.diff(cumulative)


def small_spectrum() -> dict[str, float]:
    """A trained net of 376 weights: spectra of both against the dense eigenvalues."""
    model, x, y = small_net()
    product = Hessian(LocalPosterior(model, (x, y), cross_entropy))
    matrix = torch.stack([product(row) for row in torch.eye(product.dimension).double()])
    theirs = curvlinops.HessianLinearOperator(model, nn.CrossEntropyLoss(), list(model.parameters()), [(x, y)])
    dense = torch.stack([theirs @ row for row in torch.eye(product.dimension).double()])
    exact = np.linalg.eigvalsh(matrix.numpy())
    runs = [lanczos(product, product.probe(index), STEPS) for index in range(PROBES)]
    found = quadrature(np.stack([r.diagonal for r in runs]), np.stack([r.off_diagonal for r in runs]), len(exact))
    # Their width of a bump, for kappa = 3 and a margin of 5 % on either side; ours is set to the same.
    width = 2 / ((STEPS - 1) * np.sqrt(8 * np.log(3.0))) * 0.55 * np.ptp(exact)
    edges = np.linspace(exact[0] - 3 * width, exact[-1] + 3 * width, 41)
    truth = smeared_share(exact, np.ones_like(exact), edges, width)
    ours = smeared_share(found.nodes, found.weights, edges, width)
    np.random.seed(0)  # noqa: NPY002 - theirs draws from the global generators
    torch.manual_seed(0)
    grid, density = curvlinops.lanczos_approximate_spectrum(theirs, STEPS, num_points=4001, num_repeats=PROBES)
    place, density = np.digitize(np.asarray(grid), edges), np.asarray(density)
    binned = np.array([density[place == k].sum() for k in range(1, len(edges))])
    (tr, tr_se), (count, count_se), rank = trace(found), count_above(found, 0.1), rank_with_gap(found)
    return {
        "parameters": len(exact),
        "largest_entry_difference": float((matrix - dense).abs().max()),
        "highest_exact": float(exact[-1]),
        "highest_relative_error": float(abs(found.nodes.max() / exact[-1] - 1)),
        "trace_exact": float(exact.sum()), "trace": tr, "trace_se": tr_se,
        "count_exact": int((exact > 0.1).sum()), "count": count, "count_se": count_se,
        "rank": rank.value, "rank_se": rank.standard_error, "gap_low": rank.low, "gap_high": rank.high,
        "density_l1_zeeman": float(abs(ours - truth).sum()),
        "density_l1_curvlinops": float(abs(binned / binned.sum() - truth).sum()),
    }  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    report = {
        "curvlinops": __import__("importlib.metadata").metadata.version("curvlinops-for-pytorch"),
        "torch": torch.__version__, "probes": PROBES, "lanczos_steps": STEPS,
        "demo": demo_products(), "small": small_spectrum(),
    }  # fmt: skip
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
