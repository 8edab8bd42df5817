"""Stochastic gradient Langevin dynamics with localization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from zeeman.sampling.posterior import check_number
from zeeman.sampling.samplers import Vectors


@dataclass(frozen=True)
class SGLD:
    """w ← w − (ε/2)[nβ ∇L_B(w) + γ(w − w*) + κ w] + σ √ε ξ, with ξ ~ N(0, 1).

    Welling and Teh 2011, localized as in Lau et al. (arXiv 2308.12108). The update and its order of operations are
    those of devinterp 2's ``sgmcmc_sgld``, so the same noise gives the same weights.

    Parameters
    ----------
    lr : float
        Step size ε.
    noise_level : float
        σ; only 1 samples the posterior.
    weight_decay : float
        κ, devinterp's ``llc_weight_decay``.

    Raises
    ------
    ZeemanError
        For a step size that is not positive and finite, or a negative noise level or decay.

    Examples
    --------
    >>> w, zero = torch.ones(1), torch.zeros(1)
    >>> SGLD(lr=0.1).update([w], [zero], [torch.ones(1)], [zero], {}, n_beta=2.0, localization=1.0, step=0)
    >>> round(w.item(), 4)
    0.85
    """

    lr: float
    noise_level: float = 1.0
    weight_decay: float = 0.0
    needs_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number("lr", self.lr, zero=False)
        check_number("noise_level", self.noise_level, zero=True)
        check_number("weight_decay", self.weight_decay, zero=True)

    def init(self, weights: Vectors) -> dict[str, Vectors]:
        """Nothing is kept beside the weights."""
        return {}

    def step_sizes(self, state: dict[str, Vectors], step: int) -> float:
        """Give ε, the same for every weight."""
        return self.lr

    def update(
        self,
        weights: Vectors,
        center: Vectors,
        gradient: Vectors,
        noise: Vectors,
        state: dict[str, Vectors],
        n_beta: float,
        localization: float,
        step: int,
    ) -> None:
        """Take one step in place."""
        drift = langevin_drift(weights, center, gradient, n_beta, localization, self.weight_decay, in_place=True)
        torch._foreach_add_(weights, drift, alpha=-0.5 * self.lr)
        scaled = noise if self.noise_level == 1 else torch._foreach_mul(noise, self.noise_level)
        torch._foreach_add_(weights, scaled, alpha=self.lr**0.5)


def langevin_drift(
    weights: Vectors,
    center: Vectors,
    gradient: Vectors,
    n_beta: float,
    localization: float,
    weight_decay: float = 0.0,
    *,
    in_place: bool = False,
) -> Vectors:
    """Gradient of the negative log posterior, nβ ∇L + γ(w − w*) + κ w; ``in_place`` in the memory of ``gradient``."""
    drift = gradient if in_place else [g.clone() for g in gradient]
    torch._foreach_mul_(drift, n_beta)
    pull = torch._foreach_sub(weights, center)
    torch._foreach_mul_(pull, localization)
    if weight_decay:
        torch._foreach_add_(pull, torch._foreach_mul(weights, weight_decay))
    torch._foreach_add_(drift, pull)
    return drift
