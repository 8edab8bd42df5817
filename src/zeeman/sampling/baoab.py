"""Underdamped Langevin dynamics by the BAOAB splitting."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from zeeman.sampling.posterior import check_number
from zeeman.sampling.samplers import Vectors
from zeeman.sampling.sgld import langevin_drift


@dataclass(frozen=True)
class BAOAB:
    """Weights w with momenta p under dw = p dt, dp = −∇U dt − ζ p dt + √(2ζ) dW, in steps of h = √ε.

    B: p ← p − (h/2)∇U(w); A: w ← w + (h/2) p; O: p ← c p + √(1 − c²) ξ with c = e^{−ζh}; A; B, with one gradient a step
    (Leimkuhler and Matthews 2013, arXiv 1203.5428). The last B of a step and the first of the next see the same
    gradient and are done together, so losses are read where the splitting ends: in a quadratic well of curvature a the
    weights there have variance 1/a exactly for every stable step, ε a < 4, at any friction. In general the
    error is of order ε, and of order ε² at high friction (c → 0).

    ε means the same here as in SGLD: both have the same limit of stability, and one step without momentum moves alike.
    Overdamped directions relax at the rate εa/ζh a step, against SGLD's εa/2. A noisy minibatch heats the chain all
    the same: a gradient noise of variance s² in ∇U adds about ε s²/2ζh to the temperature at low friction, against
    SGLD's ε s²/4, so what low friction gains in speed it loses in heat. It pays on the full batch.

    Parameters
    ----------
    lr : float
        ε = h².
    friction : float
        ζh, the friction a step: a momentum keeps e^{−ζh} of itself. On the full batch relaxation in the softest
        direction, of curvature a, is fastest at 2√(εa).

    Raises
    ------
    ZeemanError
        For numbers that are not positive and finite.

    Examples
    --------
    From rest, without noise: p = −h nβ g = −1, then two half moves with the friction between them.

    >>> w, zero = torch.zeros(1, dtype=torch.double), torch.zeros(1, dtype=torch.double)
    >>> sampler = BAOAB(lr=1.0, friction=math.log(2))
    >>> sampler.update([w], [zero], [torch.ones_like(w)], [zero], sampler.init([w]), 1.0, 0.0, step=0)
    >>> round(w.item(), 12)
    -0.75
    """

    lr: float
    friction: float = 1.0
    needs_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number("lr", self.lr, zero=False)
        check_number("friction", self.friction, zero=False)

    def init(self, weights: Vectors) -> dict[str, Vectors]:
        """Start at rest."""
        return {"momentum": [torch.zeros_like(w) for w in weights]}

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
        momentum, h = state["momentum"], math.sqrt(self.lr)
        drift = langevin_drift(weights, center, gradient, n_beta, localization, in_place=True)
        torch._foreach_add_(momentum, drift, alpha=-h)
        torch._foreach_add_(weights, momentum, alpha=h / 2)
        torch._foreach_mul_(momentum, math.exp(-self.friction))
        torch._foreach_add_(momentum, noise, alpha=math.sqrt(-math.expm1(-2 * self.friction)))
        torch._foreach_add_(weights, momentum, alpha=h / 2)
