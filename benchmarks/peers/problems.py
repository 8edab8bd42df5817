"""The same work for everyone: small problems on which chain-steps a second are compared."""

from __future__ import annotations

import torch
from common import Problem, bare
from torch import nn

ROWS, BATCH = 256, 32


def squared_error(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (output - target).square().sum(-1)


def network(*layers: nn.Module) -> Problem:
    """A network that is its own teacher, so that its weights are a minimum."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(*layers)
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator) / weights.shape[-1] ** 0.5)
        inputs = torch.randn(ROWS, layers[0].in_features, generator=generator)
        targets = model(inputs)
    return Problem(model, inputs, targets, BATCH, squared_error)


def problems() -> dict[str, Problem]:
    """Two bare potentials and three networks, in float32."""
    linear = [nn.Linear(20, 20, bias=False) for _ in range(3)]
    return {
        "x²y², d = 2": bare(lambda w: w[..., 0] ** 2 * w[..., 1] ** 2, torch.zeros(2)),
        "quadratic, d = 20": bare(lambda w: w.square().sum(-1), torch.zeros(20)),
        "MLP, d = 1072": network(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 16)),
        "MLP, d = 8352": network(nn.Linear(32, 128), nn.Tanh(), nn.Linear(128, 32)),
        "deep linear network, d = 1200": network(*linear),
    }
