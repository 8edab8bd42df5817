"""Targets with known moments, and how a sampler's draws are held against them with their own errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zeeman.sampling import AnySampler, Block, LocalPosterior, Observable, Schedule, run_chain
from zeeman.sampling.health import effective_draws


@dataclass(frozen=True)
class Target:
    """A potential of a few weights, and its thermal means by quadrature on a grid.

    ``energy`` maps weights of shape (d, copies) to energies of shape (copies,), of numpy and torch alike.
    """

    name: str
    dimension: int
    energy: Callable[[torch.Tensor], torch.Tensor]
    n_beta: float
    localization: float
    reach: float
    points: int

    @cached_property
    def grid(self) -> torch.Tensor:
        axis = torch.linspace(-self.reach, self.reach, self.points, dtype=torch.float64)
        return torch.stack([g.flatten() for g in torch.meshgrid(*[axis] * self.dimension, indexing="ij")])

    def potential(self, w: torch.Tensor) -> torch.Tensor:
        return self.n_beta * self.energy(w) + self.localization / 2 * w.square().sum(0)

    @cached_property
    def fields(self) -> dict[str, NDArray[np.float64]]:
        """Weight of each point of the grid and what is averaged over it; ∇² by automatic differentiation."""
        w = self.grid.clone().requires_grad_()
        potential = self.potential(w)
        (force,) = torch.autograd.grad(potential.sum(), w, create_graph=True)
        bend = [torch.autograd.grad(force[i].sum(), w, retain_graph=True)[0][i] for i in range(self.dimension)]
        weight = torch.exp(potential.min() - potential)
        found = {
            "weight": weight / weight.sum(),
            "energy": self.n_beta * self.energy(w),
            "square": w.square(),
            "force": force,
            "bend": torch.stack(bend),
            "gradient": (force - self.localization * w) / self.n_beta,
        }
        return {name: value.detach().numpy() for name, value in found.items()}

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(values @ self.fields["weight"])

    def moments(self) -> NDArray[np.float64]:
        """nβ⟨ΔL⟩, then ⟨w_i²⟩."""
        return self.mean(np.vstack([self.fields["energy"], self.fields["square"]]))

    def bias(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        """First-order change of the moments by steps ε_i of an overdamped sampler.

        Euler steps sample exp{−U + (1/8) Σ ε_i [(∂_i U)² − 2 ∂_i² U]} up to ε² (Leimkuhler and Matthews 2013).
        """
        f = self.fields
        change = (sizes[:, None] * (f["force"] ** 2 - 2 * f["bend"])).sum(0) / 8
        change = change - self.mean(change)
        return self.mean(np.vstack([f["energy"], f["square"]]) * change)


class Gaussian(Target):
    """L = wᵀHw/2 with H of eigenvalues ``curvatures``, turned by an angle in each plane of neighbours."""

    def __init__(self, name: str, curvatures: NDArray[np.float64], angle: float, n_beta: float, gamma: float) -> None:
        d = len(curvatures)
        turn = np.eye(d)
        for i in range(0, d - 1):
            plane = np.eye(d)
            plane[i : i + 2, i : i + 2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
            turn = turn @ plane
        object.__setattr__(self, "hessian", turn @ np.diag(curvatures) @ turn.T)
        matrix = torch.from_numpy(self.hessian)  # type: ignore[attr-defined]
        super().__init__(name, d, lambda w: (w * (matrix.to(w.dtype) @ w)).sum(0) / 2, n_beta, gamma, 0.0, 0)

    def moments(self) -> NDArray[np.float64]:
        return self.exact(np.zeros(self.dimension))

    def exact(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Moments of w ← w − (M/2)Aw + √M ξ: its covariance is (A − AMA/4)⁻¹."""
        a = self.n_beta * self.hessian + self.localization * np.eye(self.dimension)  # type: ignore[attr-defined]
        covariance = np.linalg.inv(a - a @ np.diag(sizes) @ a / 4)
        energy = self.n_beta * np.trace(self.hessian @ covariance) / 2  # type: ignore[attr-defined]
        return np.array([energy, *np.diag(covariance)])

    def bias(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.exact(sizes) - self.moments()


TARGETS = {
    target.name: target
    for target in (
        Gaussian("spread", np.logspace(-1, 1, 20), 0.0, 100.0, 40.0),
        Gaussian("turned", np.array([0.2, 1.0, 12.0]), 0.6, 50.0, 10.0),
        Target("quartic", 1, lambda w: (w**4).sum(0), 100.0, 1.0, 1.3, 4001),
        Target("crossing", 2, lambda w: w[0] ** 2 * w[1] ** 2, 200.0, 20.0, 1.6, 801),
    )
}


class Copies(nn.Module):
    """Independent copies of a target's weights, side by side in one chain."""

    def __init__(self, dimension: int, copies: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(dimension, copies))


@dataclass(frozen=True)
class Run:
    """Moments of each draw averaged over copies, shape (draws, 1 + d), and the blocks after burn-in."""

    moments: NDArray[np.float64]
    blocks: list[Block]

    @cached_property
    def effective(self) -> NDArray[np.float64]:
        return np.array([effective_draws(column[None]) for column in self.moments.T])

    @property
    def mean(self) -> NDArray[np.float64]:
        return np.asarray(self.moments.mean(0))

    @property
    def error(self) -> NDArray[np.float64]:
        """Larger of the errors by autocorrelation and by 25 batches.

        An oscillating autocorrelation passes through zero, where the sum of the first ends too early.
        """
        batches = np.array([batch.mean(0) for batch in np.array_split(self.moments, 25)])
        along = self.moments.std(0, ddof=1) / np.sqrt(self.effective)
        return np.asarray(np.maximum(along, batches.std(0, ddof=1) / 5))


def sample(target: Target, sampler: AnySampler, schedule: Schedule, copies: int, seed: int = 0) -> Run:
    """Draw from many copies of a target in one chain of the driver."""

    def loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        w = model.get_parameter("w")
        energy = target.energy(w)
        if len(batch) == 1:
            return energy.sum()[None]
        return torch.cat([target.n_beta * energy.mean()[None], w.square().mean(1)])

    posterior = LocalPosterior(
        Copies(target.dimension, copies), torch.zeros(1), loss, n_beta=target.n_beta, localization=target.localization
    )
    size = 1 + target.dimension
    watched = {"moments": Observable(torch.zeros(size), torch.ones(size, dtype=torch.bool))}
    blocks = list(run_chain(posterior, sampler, schedule, seed=seed, chain=0, observables=watched, block_steps=20))
    moments = np.concatenate([b.observed["moments"] for b in blocks]).astype(np.float64)
    return Run(moments, [b for b in blocks if b.first_step >= schedule.num_burnin_steps])
