"""Small networks with data, for tests of chains and energies."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import nn

from zeeman.sampling import LocalPosterior, Observable


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def network(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        layer = nn.Linear(a, b)
        layer.load_state_dict({"weight": seeded(b, a, seed=2 * i) / a**0.5, "bias": seeded(b, seed=2 * i + 1) / 3})
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def squared(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return (model(batch[0]) - batch[1]).square().mean(1)


def by_position(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return (model(batch[0]) - batch[1]).square()


def masked(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    return by_position(model, batch), batch[1] > -0.5


def cross_entropy(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def regression(**changes: Any) -> LocalPosterior:
    given = {"loss": squared, "n_beta": 30.0, "localization": 20.0, "batch_size": 4, **changes}
    model = given.pop("model", None) or network(3, 5, 2)
    return LocalPosterior(model, (seeded(11, 3, seed=8), seeded(11, 2, seed=9)), **given)


WATCHED = {"probe": Observable((seeded(6, 3, seed=5), seeded(6, 2, seed=6)), torch.tensor([1, 0, 1, 1, 0, 1]).bool())}
