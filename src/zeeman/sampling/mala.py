"""The Metropolis-adjusted Langevin algorithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

from zeeman.sampling.hmc import check_adaptive, current_step, settle, start_adaptation
from zeeman.sampling.samplers import Position, Vectors
from zeeman.sampling.sgld import langevin_drift


@dataclass(frozen=True)
class MALA:
    """The step of SGLD on the whole data as a proposal, w' = w − (ε/2)∇U(w) + √ε ξ, accepted or refused.

    Accepted with probability min(1, e^{U(w) − U(w')} q(w|w')/q(w'|w)), q(w'|w) ∝ exp(−‖w' − w + (ε/2)∇U(w)‖²/2ε)
    (Roberts and Tweedie 1996), so that exp(−U) is stationary for every ε. The step back would need ξ' = (√ε/2)(∇U(w) +
    ∇U(w')) − ξ, and log q(w|w')/q(w'|w) = (ξ² − ξ'²)/2. In the burn-in ε adapts to the target acceptance (`hmc.adapt`);
    .574 is the best for many weights (Roberts and Rosenthal 1998). What precision allows is said in `HMC`.

    Parameters
    ----------
    lr : float
        ε, where the adaptation starts.
    freeze_after : int
        Steps during which ε adapts: the length of the burn-in. 0 keeps ε as given.
    target : float
        Acceptance to adapt to.

    Raises
    ------
    ZeemanError
        For numbers outside these ranges.

    Examples
    --------
    A proposal of infinite energy is refused and the weights stay:

    >>> w, zero = torch.ones(1), torch.zeros(1)
    >>> here = Position(0.0, [zero], torch.zeros(1).numpy())
    >>> wall = Position(float('inf'), [], torch.zeros(1).numpy())
    >>> sampler = MALA(lr=0.01)
    >>> end = sampler.move(
    ...     [w], [zero], here, lambda: wall, [torch.ones(1)], (0.0, 0.5), sampler.init([w]), 1.0, 0.0, step=0
    ... )
    >>> w.item(), end is here
    (1.0, True)
    """

    lr: float
    freeze_after: int = 0
    target: float = 0.574
    needs_gradient: ClassVar[bool] = True
    metropolis: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_adaptive(self.lr, self.freeze_after, self.target)

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
        """Propose one step and accept or refuse it."""
        start = [w.clone() for w in weights]
        h = current_step(state, step < self.freeze_after)
        forces = langevin_drift(weights, center, here.gradient, n_beta, localization)
        torch._foreach_add_(weights, forces, alpha=-(h**2) / 2)
        torch._foreach_add_(weights, noise, alpha=h)
        there = look()
        rise = there.energy - here.energy
        if there.gradient:
            torch._foreach_add_(forces, langevin_drift(weights, center, there.gradient, n_beta, localization))
            for force, xi in zip(forces, noise, strict=True):
                turn = force * (h / 2)
                rise += float((turn * (turn - 2 * xi)).sum(dtype=torch.float64)) / 2
        return settle(weights, start, here, there, rise, uniform[0], state, step, self.freeze_after, self.target)
