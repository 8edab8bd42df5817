"""Metropolis moves of many walkers at once, each at an inverse temperature of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

Energy = Callable[[torch.Tensor], torch.Tensor]
Proposal = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

MAX_LEAPS = 8
FINEST = 0.2
"""Shortest step of `walk`, in units of the thermal length 1/√t of a parabola."""
STIFF = 3.2
"""Range of the logarithm of steps about the thermal length, from `FINEST` on."""
SHRINKS = (-2.0, 2.0)
"""Range of the logarithm of the scale of steps in log w."""


@dataclass(frozen=True, eq=False)
class Field:
    """K with what holds the walkers: a box of half-width ``domain``, a Gaussian of precision γ, or both."""

    energy: Energy
    center: torch.Tensor
    domain: float | None
    localization: float

    @property
    def width(self) -> float:
        """Size of the region that the prior allows."""
        soft = 1 / math.sqrt(self.localization) if self.localization else math.inf
        return min(self.domain if self.domain is not None else math.inf, soft)

    def start(self, count: int, noise: np.random.Generator) -> torch.Tensor:
        """Draw points from the prior, shape (count, d); inside the box where there are both."""
        shape = (count, len(self.center))
        if self.localization == 0:
            assert self.domain is not None
            return self.center + self.domain * torch.from_numpy(noise.uniform(-1, 1, shape))
        gap = torch.from_numpy(noise.standard_normal(shape)) / math.sqrt(self.localization)
        return self.center + (gap if self.domain is None else gap.clamp(-self.domain, self.domain))

    def value(self, points: torch.Tensor) -> torch.Tensor:
        """K at points (..., d)."""
        return self.energy(points.reshape(-1, points.shape[-1])).reshape(points.shape[:-1])

    def slope(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """K and its gradient."""
        with torch.enable_grad():
            leaf = points.detach().requires_grad_(True)
            value = self.value(leaf)
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach(), gradient

    def pull(self, points: torch.Tensor) -> torch.Tensor:
        """Give (γ/2)‖w − w*‖²."""
        if self.localization == 0:
            return torch.zeros(points.shape[:-1], dtype=points.dtype)
        return 0.5 * self.localization * (points - self.center).square().sum(-1)

    def inside(self, points: torch.Tensor) -> torch.Tensor:
        """Whether points lie in the box."""
        if self.domain is None:
            return torch.ones(points.shape[:-1], dtype=torch.bool)
        return ((points - self.center).abs() <= self.domain).all(-1)


def walk(
    field: Field, points: torch.Tensor, energy: torch.Tensor, t: torch.Tensor, noise: np.random.Generator
) -> Proposal:
    """Propose steps that know no scale, and decide by Metropolis.

    Half of the proposals add a Gaussian to one weight or to all, of a length drawn log-uniformly, now between a fifth
    of 1/√t and the width of the prior and now about 1/√t, across a smooth valley. The other half multiply weights by
    exp(η), with η of one value for all or one for each and of a scale between 1/7 and 7, and pay the Jacobian
    exp(Σ η): along a valley such as x² y² = 1/t the weights range over decades. Both are reversible, since no scale
    depends on the point.

    Parameters
    ----------
    field : Field
    points : Tensor, shape (rungs, walkers, d)
    energy : Tensor, shape (rungs, walkers)
        K at the points.
    t : Tensor, shape (rungs, 1)
    noise : Generator

    Returns
    -------
    accept, points, energy : Tensor
        Which proposals are accepted, and the proposals.
    """
    shape, d = tuple(energy.shape), points.shape[-1]
    uniform = torch.from_numpy(noise.random((5, *shape)))
    normal = torch.from_numpy(noise.standard_normal((*shape, d)))
    shortest = torch.log(FINEST * torch.clamp(t, min=1.0).rsqrt())
    near = torch.clamp(shortest + STIFF * uniform[0], max=0.0)
    added = normal * (field.width * torch.exp(torch.where(uniform[4] < 0.5, near, uniform[0] * shortest)))[..., None]
    alone = (uniform[1] < 0.5)[..., None]
    chosen = torch.from_numpy(noise.integers(0, d, shape))[..., None]
    added = torch.where(alone & (torch.arange(d) != chosen), 0.0, added)
    eta = normal * torch.exp(SHRINKS[0] + (SHRINKS[1] - SHRINKS[0]) * uniform[0])[..., None]
    eta = torch.where((uniform[1] < 0.3)[..., None], eta[..., :1], eta)
    multiply = uniform[2] < 0.5
    gap = points - field.center
    proposed = field.center + torch.where(multiply[..., None], gap * torch.exp(eta), gap + added)
    value = field.value(proposed)
    gain = t * (energy - value) + field.pull(points) - field.pull(proposed)
    gain = gain + torch.where(multiply, eta.sum(-1), 0.0)
    return field.inside(proposed) & (uniform[3].log() < gain), proposed, value


def leap(
    field: Field,
    points: torch.Tensor,
    energy: torch.Tensor,
    t: torch.Tensor,
    reach: torch.Tensor,
    noise: np.random.Generator,
) -> Proposal:
    """Propose by a few leapfrog steps of Hamiltonian dynamics under U = t K + (γ/2)‖w − w*‖², and decide by Metropolis.

    Duane et al. 1987. The number of leaps is drawn anew each time, and the step of each walker is ``reach`` shortened
    by up to e^1.4, since the curvature varies from place to place. Walls of the box reflect.

    Parameters
    ----------
    field, points, energy, t, noise
        As for `walk`.
    reach : Tensor, shape (rungs, 1)
        Longest step of each rung.

    Returns
    -------
    accept, points, energy : Tensor
    """
    size = (reach * torch.from_numpy(np.exp(-1.4 * noise.random(tuple(energy.shape)))))[..., None]
    momentum = torch.from_numpy(noise.standard_normal(tuple(points.shape)))
    before = t * energy + field.pull(points) + 0.5 * momentum.square().sum(-1)
    _, gradient = field.slope(points)
    place, value = points, energy
    for _ in range(int(noise.integers(1, MAX_LEAPS + 1))):
        momentum = momentum - 0.5 * size * _force(field, place, gradient, t)
        place, momentum = _reflect(field, place + size * momentum, momentum)
        value, gradient = field.slope(place)
        momentum = momentum - 0.5 * size * _force(field, place, gradient, t)
    after = t * value + field.pull(place) + 0.5 * momentum.square().sum(-1)
    decide = torch.from_numpy(noise.random(tuple(energy.shape))).log()
    return field.inside(place) & (decide < before - after), place, value


def _force(field: Field, points: torch.Tensor, gradient: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return t[..., None] * gradient + field.localization * (points - field.center)


def _reflect(field: Field, points: torch.Tensor, momentum: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    if field.domain is None:
        return points, momentum
    gap = points - field.center
    over = gap.abs() > field.domain
    mirrored = torch.where(over, 2 * field.domain * gap.sign() - gap, gap)
    return field.center + mirrored, torch.where(over, -momentum, momentum)
