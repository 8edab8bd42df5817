"""The same work for everyone: small problems on which chain-steps a second are compared."""

from __future__ import annotations

import itertools

import torch
from common import Problem, bare
from torch import nn

ROWS, BATCH = 256, 32


def squared(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (output - target).square().mean(-1)


def network(sizes: tuple[int, ...], curved: bool) -> Problem:
    """A network that is its own teacher, so that its weights are a minimum: tanh with biases, or linear."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b, bias=curved), *([nn.Tanh()] if curved else [])]
    model = nn.Sequential(*(layers[:-1] if curved else layers))
    inputs = torch.randn(ROWS, sizes[0], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return Problem(model, inputs, model(inputs), BATCH, squared)


def problems() -> dict[str, Problem]:
    """Two bare potentials and three networks, in float32; those of benchmarks/batching.py."""
    return {
        "w1²w2²": bare(lambda w: w[..., 0] ** 2 * w[..., 1] ** 2, torch.zeros(2)),
        "quadratic, d = 20": bare(lambda w: w.square().sum(-1) / 2, torch.zeros(20)),
        "perceptron, 1k": network((8, 24, 24, 8), True),
        "perceptron, 8k": network((16, 80, 80, 4), True),
        "deep linear, 10-8-8-10": network((10, 8, 8, 10), False),
    }
