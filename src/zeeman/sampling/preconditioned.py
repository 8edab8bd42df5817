"""SGLD with a diagonal metric that is learnt in the burn-in and then frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from zeeman.errors import ZeemanError
from zeeman.sampling.posterior import check_number
from zeeman.sampling.samplers import Vectors
from zeeman.sampling.sgld import langevin_drift


@dataclass(frozen=True)
class PreconditionedSGLD:
    """SGLD with a step size for each weight that no longer changes when draws are taken.

    In the burn-in v ← αv + (1 − α)g², v₋₁ = 0, v̂ = v / (1 − α^{k+1}) with g the loss gradient alone; afterwards v̂
    stays. ε_i = ε / (√v̂_i + a) and w ← w − (ε_i/2)[nβ g + γ(w − w*)] + √ε_i ξ.

    A metric that depends on the position needs a drift by its divergence (Girolami and Calderhead 2011; left out by
    Li et al., arXiv 1512.07666, and by RMSProp-SGLD). A frozen one does not: the draws are SGLD in rescaled
    coordinates, with its step-size error ε_i a_i/4 in a direction of curvature a_i and no other.

    Parameters
    ----------
    lr : float
        ε.
    freeze_after : int
        Steps that shape the metric: the length of the burn-in.
    alpha : float
        Decay α of the moment, in [0, 1).
    eps : float
        a, the floor under √v̂.

    Raises
    ------
    ZeemanError
        For numbers outside these ranges, and where there is no burn-in to learn the metric in.

    Examples
    --------
    A gradient of 3 in the burn-in sets ε_i = ε/3, and a later one of 5 leaves it:

    >>> sampler, w, zero = PreconditionedSGLD(lr=1.0, freeze_after=1, eps=1e-9), torch.zeros(1), torch.zeros(1)
    >>> state = sampler.init([w])
    >>> sampler.update([w], [zero], [torch.full((1,), 3.0)], [zero], state, 1.0, 0.0, step=0)
    >>> sampler.update([w], [zero], [torch.full((1,), 5.0)], [zero], state, 1.0, 0.0, step=1)
    >>> round(w.item(), 4) == round(-(3 + 5) / 3 / 2, 4)
    True
    """

    lr: float
    freeze_after: int
    alpha: float = 0.99
    eps: float = 0.1
    needs_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number("lr", self.lr, zero=False)
        check_number("eps", self.eps, zero=False)
        check_number("1 - alpha", 1 - self.alpha, zero=False)
        check_number("alpha", self.alpha, zero=True)
        if self.freeze_after < 1:
            raise ZeemanError(
                "preconditioned SGLD learns its metric in the burn-in and needs num_burnin_steps of at least 1, got "
                f"{self.freeze_after}; set some, a hundred or more for a good metric."
            )

    def init(self, weights: Vectors) -> dict[str, Vectors]:
        """Start the second moment."""
        return {"second_moment": [torch.zeros_like(w) for w in weights]}

    def step_sizes(self, state: dict[str, Vectors], step: int) -> Vectors:
        """ε_i by the gradients seen before ``step``."""
        seen = min(step, self.freeze_after)
        scale = torch._foreach_div(state["second_moment"], 1 - self.alpha**seen if seen else 1.0)
        torch._foreach_sqrt_(scale)
        torch._foreach_add_(scale, self.eps)
        torch._foreach_reciprocal_(scale)
        torch._foreach_mul_(scale, self.lr)
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
        if step < self.freeze_after:
            moment = state["second_moment"]
            torch._foreach_mul_(moment, self.alpha)
            torch._foreach_addcmul_(moment, gradient, gradient, value=1 - self.alpha)
        sizes = self.step_sizes(state, step + 1)
        drift = langevin_drift(weights, center, gradient, n_beta, localization, in_place=True)
        torch._foreach_addcmul_(weights, sizes, drift, value=-0.5)
        torch._foreach_addcmul_(weights, torch._foreach_sqrt(sizes), noise)
