"""Hamiltonian Monte Carlo with Metropolis correction, and the adaptation of its step size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

from zeeman.errors import ZeemanError
from zeeman.sampling.posterior import check_number
from zeeman.sampling.samplers import Position, Vectors
from zeeman.sampling.sgld import langevin_drift


@dataclass(frozen=True)
class HMC:
    """Fresh momenta p ~ N(0, 1), a trajectory of leapfrog steps, and acceptance with probability min(1, e^{−ΔH}).

    p ← p − (h/2)∇U(w); w ← w + h p; p ← p − (h/2)∇U(w), 1 to ``num_leapfrog`` times, with H = U + p²/2 (Duane et al.
    1987; Neal, arXiv 1206.1901). h = √ε, so that ε means the same as in SGLD: one leapfrog step is MALA. Each
    trajectory draws its number of steps, since with a fixed one the directions of which it spans half a period or a
    whole one would not mix. In the burn-in h adapts to the target acceptance (`adapt`).

    The energies are exact up to the precision of the model: losses of rows in float32 leave ΔU uncertain by about
    10⁻⁷ nβ L, and weights do not move by less than 6·10⁻⁸ of themselves. Where either matters, sample in float64.

    Parameters
    ----------
    lr : float
        ε = h², where the adaptation starts.
    freeze_after : int
        Steps during which h adapts: the length of the burn-in. 0 keeps ε as given.
    num_leapfrog : int
        Most gradients that a trajectory costs, which is one step of the chain; half as many on average.
    target : float
        Acceptance to adapt to.

    Raises
    ------
    ZeemanError
        For numbers outside these ranges.

    Examples
    --------
    Without a force the weights move on straight and the proposal is always accepted:

    >>> w, zero = torch.zeros(1), torch.zeros(1)
    >>> flat = Position(0.0, [zero], torch.zeros(1).numpy())
    >>> sampler = HMC(lr=0.01, num_leapfrog=3)
    >>> _ = sampler.move(
    ...     [w], [zero], flat, lambda: flat, [torch.ones(1)], (0.9, 0.99), sampler.init([w]), 1.0, 0.0, step=0
    ... )
    >>> round(w.item(), 6)
    0.3
    """

    lr: float
    freeze_after: int = 0
    num_leapfrog: int = 20
    target: float = 0.8
    needs_gradient: ClassVar[bool] = True
    metropolis: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_adaptive(self.lr, self.freeze_after, self.target)
        if self.num_leapfrog < 1:
            raise ZeemanError(f"num_leapfrog must be at least 1, got {self.num_leapfrog}; choose a larger one.")

    def init(self, weights: Vectors) -> dict[str, Vectors]:
        """Start the adaptation."""
        return start_adaptation(self.lr)

    def move(
        self,
        weights: Vectors,
        center: Vectors,
        here: Position,
        look: Callable[[], Position],
        noise: Vectors,
        uniform: tuple[float, float],
        state: dict[str, Vectors],
        n_beta: float,
        localization: float,
        step: int,
    ) -> Position:
        """Run a trajectory and accept or refuse its end."""
        start, there = [w.clone() for w in weights], here
        momentum = [xi.clone() for xi in noise]
        h = current_step(state, step < self.freeze_after)
        for _ in range(1 + int(uniform[1] * self.num_leapfrog)):
            kick = langevin_drift(weights, center, there.gradient, n_beta, localization)
            torch._foreach_add_(momentum, kick, alpha=-h / 2)
            torch._foreach_add_(weights, momentum, alpha=h)
            there = look()
            if not there.gradient:
                break
            kick = langevin_drift(weights, center, there.gradient, n_beta, localization)
            torch._foreach_add_(momentum, kick, alpha=-h / 2)
        rise = there.energy - here.energy
        for p, xi in zip(momentum, noise, strict=True):
            rise += float(((p - xi) * (p + xi)).sum(dtype=torch.float64)) / 2
        return settle(weights, start, here, there, rise, uniform[0], state, step, self.freeze_after, self.target)


def settle(
    weights: Vectors,
    start: Vectors,
    here: Position,
    there: Position,
    rise: float,
    uniform: float,
    state: dict[str, Vectors],
    step: int,
    freeze_after: int,
    target: float,
) -> Position:
    """Accept a proposal with probability min(1, e^{−rise}), or put the weights back; adapt while it is time to.

    A rise that is not a number is refused.
    """
    chance = math.exp(min(0.0, -rise)) if math.isfinite(rise) else float(rise == -math.inf)
    if step < freeze_after:
        adapt(state, chance, target, step)
    if uniform < chance:
        return there
    for mine, old in zip(weights, start, strict=True):
        mine.copy_(old)
    return here


def check_adaptive(lr: float, freeze_after: int, target: float) -> None:
    """Demand settings that make sense for a sampler with step adaptation.

    Raises
    ------
    ZeemanError
    """
    check_number("lr", lr, zero=False)
    if freeze_after < 0:
        raise ZeemanError(f"freeze_after must be at least 0, got {freeze_after}; give the length of the burn-in.")
    if not 0 < target < 1:
        raise ZeemanError(f"target must lie between 0 and 1, got {target}; 0.8 suits HMC and 0.574 MALA.")


def start_adaptation(lr: float) -> dict[str, Vectors]:
    """State of the adaptation: log h, its running mean, the running error of the acceptance, and where it started."""
    log_step = math.log(lr) / 2
    return {"adaptation": [torch.tensor([log_step, log_step, 0.0, log_step], dtype=torch.float64)]}


def current_step(state: dict[str, Vectors], adapting: bool) -> float:
    """Give h as it is tried while adapting, or the mean that adaptation ended with."""
    return math.exp(float(state["adaptation"][0][0 if adapting else 1]))


def adapt(state: dict[str, Vectors], chance: float, target: float, step: int) -> None:
    """Move log h towards the target acceptance by dual averaging.

    x_t = log(10 h₀) − (√t/γ) H̄_t with H̄_t ← (1 − 1/(t + t₀)) H̄ + (δ − α)/(t + t₀), and the mean x̄ ← t^{−κ} x + (1 −
    t^{−κ}) x̄; γ = .05, t₀ = 10, κ = .75 (Hoffman and Gelman 2014, arXiv 1111.4246, §3.2).

    Parameters
    ----------
    state : dict
        Changed in place.
    chance : float
        α, the probability of acceptance of the last proposal.
    target : float
        δ.
    step : int
        t − 1.

    Examples
    --------
    What is always accepted asks for longer steps:

    >>> state = start_adaptation(0.01)
    >>> for step in range(20):
    ...     adapt(state, 1.0, 0.8, step)
    >>> current_step(state, adapting=False) > 1
    True
    """
    figures = state["adaptation"][0]
    _, mean, error, start = figures.tolist()
    t = step + 1
    error = (1 - 1 / (t + 10)) * error + (target - chance) / (t + 10)
    log_step = start + math.log(10) - math.sqrt(t) / 0.05 * error
    weight = t**-0.75
    figures[:3] = torch.tensor([log_step, weight * log_step + (1 - weight) * mean, error], dtype=torch.float64)
