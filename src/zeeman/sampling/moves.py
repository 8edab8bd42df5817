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
STEP_SPREAD = 0.5
"""Standard deviation of the logarithm of steps about the local scale."""
THINNEST = 1e-10
"""Least share of a glide across the valley: what is smaller drowns in the rounding of the step."""
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


def redraw(field: Field, energy: torch.Tensor, t: torch.Tensor, noise: np.random.Generator) -> Proposal:
    """Propose a point of the prior; where t K is small most are accepted, and nothing of the past is left."""
    shape = tuple(energy.shape)
    proposed = field.start(math.prod(shape), noise).view(*shape, -1)
    value = field.value(proposed)
    return _decided(field, proposed, value, t * (energy - value), noise)


def _decided(
    field: Field, proposed: torch.Tensor, value: torch.Tensor, gain: torch.Tensor, noise: np.random.Generator
) -> Proposal:
    """Metropolis: accept with probability min(1, e^gain), and nothing outside of the box."""
    decide = torch.from_numpy(noise.random(tuple(gain.shape))).log()
    return field.inside(proposed) & (decide < gain), proposed, value


def _shortest(t: torch.Tensor) -> torch.Tensor:
    """Log of the shortest step across a smooth valley, in units of the width of the prior."""
    return torch.log(FINEST * torch.clamp(t, min=1.0).rsqrt())


def walk(
    field: Field, points: torch.Tensor, energy: torch.Tensor, t: torch.Tensor, noise: np.random.Generator
) -> Proposal:
    """Propose steps that know no scale, and decide by Metropolis.

    The kind is drawn for all walkers at once. Two kinds add a Gaussian to one weight or to all, of a length drawn
    log-uniformly: about 1/√t, across a smooth valley, or up to the width of the prior, or down to 1/t. Two multiply
    weights by exp(η) with η of a scale between 1/7 and 7: one η for each weight; or one for all, for a random half of
    them, or +η and −η for a pair, which keeps its product. They pay the Jacobian exp(Σ η). Along a valley such as
    x² y² = 1/t the weights range over decades. All are reversible, since no scale depends on the point.

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
    kind = int(noise.integers(0, 4))
    if kind < 2:
        change, jacobian = _add(field, points, t, noise, kind == 0), torch.zeros_like(energy)
    else:
        change, jacobian = _multiply(field, points, noise, kind == 2)
    proposed = points + change
    value = field.value(proposed)
    gain = t * (energy - value) + field.pull(points) - field.pull(proposed) + jacobian
    return _decided(field, proposed, value, gain, noise)


def _add(field: Field, points: torch.Tensor, t: torch.Tensor, noise: np.random.Generator, alone: bool) -> torch.Tensor:
    """Gaussian steps of one weight or of all, of lengths about 1/√t, or from there to the width or down to 1/t.

    A smooth valley is 1/√t wide, and a corner such as |w| only 1/t, which walkers at w = 0 must find.
    """
    shape, d = tuple(points.shape[:-1]), points.shape[-1]
    uniform = torch.from_numpy(noise.random((2, *shape)))
    shortest = _shortest(t)
    near = torch.clamp(shortest + STIFF * uniform[0], max=0.0)
    far = uniform[0] * shortest + torch.where(uniform[1] > 0.8, shortest, 0.0)
    length = field.width * torch.exp(torch.where(uniform[1] < 0.5, near, far))[..., None]
    if not alone:
        return length * torch.from_numpy(noise.standard_normal((*shape, d)))
    chosen = torch.from_numpy(noise.integers(0, d, (*shape, 1)))
    step = length * torch.from_numpy(noise.standard_normal((*shape, 1)))
    return torch.zeros_like(points).scatter_(-1, chosen, step)


def _multiply(
    field: Field, points: torch.Tensor, noise: np.random.Generator, together: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Factors exp(η), one for all weights or for a random half of them or one for each, with the log Jacobian Σ η."""
    shape, d = tuple(points.shape[:-1]), points.shape[-1]
    scale = torch.exp(SHRINKS[0] + (SHRINKS[1] - SHRINKS[0]) * torch.from_numpy(noise.random(shape)))[..., None]
    if together:
        eta = scale * torch.from_numpy(noise.standard_normal((*shape, 1))) * _signs(shape, d, noise)
    else:
        eta = scale * torch.from_numpy(noise.standard_normal((*shape, d)))
    return (points - field.center) * torch.expm1(eta), eta.sum(-1)


def _signs(shape: tuple[int, ...], d: int, noise: np.random.Generator) -> torch.Tensor:
    """Weights that share a factor: all, or a random half; or one that takes the factor and one its inverse."""
    way = noise.integers(0, 3)
    if way == 0 or (way == 2 and d < 2):
        return torch.ones((*shape, d), dtype=torch.float64)
    if way == 1:
        return torch.from_numpy(noise.integers(0, 2, (*shape, d)).astype(np.float64))
    one = torch.from_numpy(noise.integers(0, d, (*shape, 1)))
    other = (one + torch.from_numpy(noise.integers(1, d, (*shape, 1)))) % d
    return torch.zeros((*shape, d), dtype=torch.float64).scatter_(-1, one, 1.0).scatter_(-1, other, -1.0)


def glide(
    field: Field, points: torch.Tensor, energy: torch.Tensor, t: torch.Tensor, noise: np.random.Generator
) -> Proposal:
    """Propose a Gaussian step that is long along the level of K and short, 1/√(t c), across it.

    With ĝ = ∇K/‖∇K‖ and c = ‖∇K‖²/2K, the curvature across a valley, the step has covariance
    s²(1 − ĝĝᵀ) + min(s², 1/t c) ĝĝᵀ and s of any scale. ĝ and c differ at the other end, so that the densities of the
    way there and of the way back enter the decision.
    """
    draw = torch.from_numpy(noise.random(tuple(energy.shape)))
    length = field.width * torch.exp(draw * _shortest(t))
    step = torch.from_numpy(noise.standard_normal(tuple(points.shape)))
    _, gradient = field.slope(points)
    across, short = _across(field, energy, gradient, t, length)
    inner = (across * step).sum(-1)
    step = length[..., None] * step + ((short - length) * inner)[..., None] * across
    proposed = points + step
    value, slope = field.slope(proposed)
    back, back_short = _across(field, value, slope, t, length)
    gain = t * (energy - value) + field.pull(points) - field.pull(proposed)
    gain = gain + _log_density(step, back, back_short, length) - _log_density(step, across, short, length)
    return _decided(field, proposed, value, gain, noise)


def _across(
    field: Field, energy: torch.Tensor, gradient: torch.Tensor, t: torch.Tensor, length: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """ĝ, and the size of the step along it; no direction where the gradient vanishes."""
    norm = gradient.norm(dim=-1)
    flat = ~(norm > 0)
    thickness = torch.exp(-0.5 * _log_stiffness(field, energy, gradient, t))
    short = torch.maximum(torch.minimum(length, thickness), THINNEST * length)
    unit = gradient / torch.where(flat, 1.0, norm)[..., None]
    return torch.where(flat[..., None], 0.0, unit), torch.where(flat, length, short)


def _log_density(step: torch.Tensor, across: torch.Tensor, short: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    inner = (step * across).sum(-1).square()
    return -0.5 * ((step.square().sum(-1) - inner) / length.square() + inner / short.square()) - torch.log(short)


def leap(
    field: Field,
    points: torch.Tensor,
    energy: torch.Tensor,
    t: torch.Tensor,
    reach: torch.Tensor,
    local: bool,
    noise: np.random.Generator,
) -> Proposal:
    """Propose by a few leapfrog steps of Hamiltonian dynamics under U = t K + (γ/2)‖w − w*‖², and decide by Metropolis.

    Duane et al. 1987. The number of leaps is drawn anew each time. The step of each walker is ``reach`` shortened by up
    to e^1.4; or, where ``local``, ``reach`` in units of 1/√c with c = t‖∇K‖²/2K the curvature across the valley where
    the walker stands, times a log-normal factor, since the curvature varies by decades from place to place. The law of
    that step differs at the other end, which enters the decision. Walls of the box reflect.

    Parameters
    ----------
    field, points, energy, t, noise
        As for `walk`.
    reach : Tensor, shape (rungs, 1)
        Longest or middle step of each rung.
    local : bool

    Returns
    -------
    accept, points, energy : Tensor
    """
    draw = torch.from_numpy(noise.random(tuple(energy.shape)))
    momentum = torch.from_numpy(noise.standard_normal(tuple(points.shape)))
    before = t * energy + field.pull(points) + 0.5 * momentum.square().sum(-1)
    _, gradient = field.slope(points)
    here = -0.5 * _log_stiffness(field, energy, gradient, t) if local else torch.zeros_like(energy)
    spread = torch.erfinv(2 * draw.clamp(1e-9, 1 - 1e-9) - 1) * math.sqrt(2) * STEP_SPREAD if local else -1.4 * draw
    size = (reach * torch.exp(here + spread))[..., None]
    kick, place, value = size * t[..., None], points, energy
    leaps = int(noise.integers(1, MAX_LEAPS + 1))
    _kick(field, momentum, place, gradient, 0.5 * kick, 0.5 * size)
    for k in range(leaps):
        place = _drift(field, place, momentum, size)
        value, gradient = field.slope(place)
        share = 1.0 if k < leaps - 1 else 0.5
        _kick(field, momentum, place, gradient, share * kick, share * size)
    after = t * value + field.pull(place) + 0.5 * momentum.square().sum(-1)
    gain = before - after
    if local:
        back = spread + here + 0.5 * _log_stiffness(field, value, gradient, t)
        gain = gain + (spread.square() - back.square()) / (2 * STEP_SPREAD**2)
    return _decided(field, place, value, gain, noise)


def _log_stiffness(field: Field, energy: torch.Tensor, gradient: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Log of t‖∇K‖²/2K + γ + 1/width²: for a parabola along one direction, the curvature of U."""
    stiff = t * gradient.square().sum(-1) / (2 * energy).clamp(min=1e-300)
    return torch.log(stiff + field.localization + field.width**-2)


def _kick(
    field: Field, momentum: torch.Tensor, place: torch.Tensor, gradient: torch.Tensor, kick: torch.Tensor,
    size: torch.Tensor,
) -> None:  # fmt: skip
    """Subtract size·∇U from the momentum, in place."""
    momentum.addcmul_(gradient, kick, value=-1)
    if field.localization:
        momentum.addcmul_(place - field.center, size, value=-field.localization)


def _drift(field: Field, place: torch.Tensor, momentum: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Move by size·momentum; the walls of the box reflect both."""
    moved = torch.addcmul(place, size, momentum)
    if field.domain is None:
        return moved
    gap = moved - field.center
    over = gap.abs() > field.domain
    if not bool(over.any()):
        return moved
    momentum.mul_(torch.where(over, -1.0, 1.0))
    return field.center + torch.where(over, 2 * field.domain * gap.sign() - gap, gap)
