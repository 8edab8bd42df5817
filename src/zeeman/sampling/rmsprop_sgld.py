"""SGLD with the diagonal preconditioner of RMSProp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from zeeman.sampling.posterior import check_number
from zeeman.sampling.samplers import Vectors


@dataclass(frozen=True)
class RMSPropSGLD:
    """SGLD with a step size for each weight from the running second moment of the loss gradient.

    v ← αv + (1 − α)g², v₋₁ = 1, v̂ = v / (1 − α^{k+1}), ε_i = ε / (√v̂ + a) and
    w ← w − (ε_i/2)[nβ g + γ(w − w*)] + √ε_i ξ (arXiv 2507.21449, Algorithm 3). The moments use the loss gradient
    alone. The metric depends on the position and its divergence is left out, so the stationary law is biased.

    Parameters
    ----------
    lr : float
        ε.
    alpha : float
        Decay α of the moment, in [0, 1).
    eps : float
        a, the floor under √v̂.
    devinterp : bool
        Reproduce devinterp 2 instead: v₋₁ = 0 and no correction of the start.

    Raises
    ------
    ZeemanError
        For numbers outside these ranges.

    Examples
    --------
    A first gradient of 1 with α = ½ gives v̂ = 1/(½) = 2:

    >>> sampler, w, zero = RMSPropSGLD(lr=1.0, alpha=0.5, eps=1e-9), torch.zeros(1), torch.zeros(1)
    >>> sampler.update([w], [zero], [torch.ones(1)], [zero], sampler.init([w]), 1.0, 0.0, step=0)
    >>> round(w.item(), 4) == round(-0.5 / 2**0.5, 4)
    True
    """

    lr: float
    alpha: float = 0.99
    eps: float = 0.1
    devinterp: bool = False
    needs_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number("lr", self.lr, zero=False)
        check_number("eps", self.eps, zero=False)
        check_number("1 - alpha", 1 - self.alpha, zero=False)
        check_number("alpha", self.alpha, zero=True)

    def init(self, weights: Vectors) -> dict[str, Vectors]:
        """Start the second moment."""
        start = torch.zeros_like if self.devinterp else torch.ones_like
        return {"second_moment": [start(w) for w in weights]}

    def step_sizes(self, state: dict[str, Vectors], step: int) -> Vectors:
        """ε_i by the gradients seen before ``step``."""
        return list(torch._foreach_mul(self._scale(state["second_moment"], max(step, 1)), self.lr))

    def _scale(self, moment: Vectors, seen: int) -> Vectors:
        scale = torch._foreach_div(moment, 1.0 if self.devinterp else 1 - self.alpha**seen)
        torch._foreach_sqrt_(scale)
        torch._foreach_add_(scale, self.eps)
        torch._foreach_reciprocal_(scale)
        return list(scale)

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
        moment = state["second_moment"]
        torch._foreach_mul_(moment, self.alpha)
        torch._foreach_addcmul_(moment, gradient, gradient, value=1 - self.alpha)
        scale = self._scale(moment, step + 1)
        # Each force is scaled before they are added, as devinterp does: the same rounding, hence the same weights.
        drift = torch._foreach_mul(scale, torch._foreach_mul(gradient, n_beta))
        pull = torch._foreach_sub(weights, center)
        torch._foreach_mul_(pull, localization)
        torch._foreach_add_(drift, torch._foreach_mul(scale, pull))
        torch._foreach_add_(weights, drift, alpha=-0.5 * self.lr)
        torch._foreach_sqrt_(scale)
        torch._foreach_add_(weights, torch._foreach_mul(noise, scale), alpha=self.lr**0.5)
