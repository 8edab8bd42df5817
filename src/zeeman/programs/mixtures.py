"""Mixtures whose truth is a single component: K = D(q ‖ p), summed exactly over a finite sample space.

With p = q(1 + δ), K = Σ q (δ − log(1 + δ)), which is comparable to Σ q δ²; so λ is that of the ideal of the moments of
δ. It is ½ for each mean, plus what the products of differences leave; every case is derived by hand in its source.
A weight a near 0 enters as |a|: its density on a ≥ 0 is reflected, which leaves λ and m as they are.
Gaussian mixtures are summed over Gauss–Hermite nodes, enough of them that δ vanishes there only where it vanishes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from zeeman.programs.case import Case

TRIALS = 6


@dataclass(frozen=True, eq=False)
class Divergence:
    """Σ_x q(x) (δ − log(1 + δ)) of the relative error δ (batch, x) of the model's law."""

    law: torch.Tensor
    error: Callable[[torch.Tensor], torch.Tensor]

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Give the divergence of each point."""
        gap: torch.Tensor = _Gap.apply(self.error(points))  # type: ignore[no-untyped-call]
        return gap @ self.law


class _Gap(torch.autograd.Function):
    """δ − log(1 + δ) without cancellation near 0, and its derivative δ/(1 + δ)."""

    @staticmethod
    def forward(ctx: Any, delta: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(delta)
        series = torch.full_like(delta, -1 / 9)
        for power in range(8, 1, -1):
            series.mul_(delta).add_((-1) ** power / power)
        return torch.where(delta.abs() < 1e-2, delta.square() * series, delta - torch.log1p(delta))

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> torch.Tensor:
        (delta,) = ctx.saved_tensors
        change: torch.Tensor = slope * (delta / (1 + delta))
        return change


def _binomial(means: torch.Tensor) -> torch.Tensor:
    """p(x)/q(x) − 1 of Binomial(6, ½ + b) against Binomial(6, ½), shape (…, 7)."""
    x = torch.arange(TRIALS + 1, dtype=torch.float64)
    b = means[..., None]
    return torch.expm1(x * torch.log1p(2 * b) + (TRIALS - x) * torch.log1p(-2 * b))


BINOMIAL = torch.tensor([math.comb(TRIALS, x) / 2**TRIALS for x in range(TRIALS + 1)], dtype=torch.float64)
_HERMITE = np.polynomial.hermite_e.hermegauss(10)
HERMITE_NODES = torch.from_numpy(_HERMITE[0])
HERMITE_WEIGHTS = torch.from_numpy(_HERMITE[1] / _HERMITE[1].sum())


def _gaussian(means: torch.Tensor) -> torch.Tensor:
    """p(x)/q(x) − 1 of N(b, 1) against N(0, 1) at the nodes, shape (…, 10)."""
    b = means[..., None]
    return torch.expm1(b * HERMITE_NODES - b.square() / 2)


def _one_off(ratio: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """(1 − |a|)·truth + |a|·component(b), with points (a, b)."""
    return lambda points: points[..., :1].abs() * ratio(points[..., 1])


def _two_free(ratio: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """|a|·component(b₁) + (1 − |a|)·component(b₂), with points (a, b₁, b₂)."""
    return lambda w: w[..., :1].abs() * ratio(w[..., 1]) + (1 - w[..., :1].abs()) * ratio(w[..., 2])


def _equal(points: torch.Tensor) -> torch.Tensor:
    """Components of equal, fixed weight, with points (b_1, …, b_H)."""
    return _binomial(points).mean(-2)


def _naive_bayes(points: torch.Tensor) -> torch.Tensor:
    """Two hidden classes, n binary features: points (a, p, q), class weight |a|, class laws ½ ± p_i and ½ ± q_i."""
    n = (points.shape[-1] - 1) // 2
    signs = torch.tensor(list(itertools.product((-2.0, 2.0), repeat=n)), dtype=torch.float64)
    first, second = ((1 + signs * p[..., None, :]).prod(-1) - 1 for p in torch.split(points[..., 1:], n, dim=-1))
    a = points[..., :1].abs()
    return a * first + (1 - a) * second


def cases() -> list[Case]:
    """Gaussian and binomial mixtures of two to five components, and naive Bayes models of two to four features."""
    half, third = Fraction(1, 2), Fraction(3, 4)
    pairs = (("Gaussian", HERMITE_WEIGHTS, _gaussian), ("binomial", BINOMIAL, _binomial))
    found = []
    for kind, law, ratio in pairs:
        one, two = Divergence(law, _one_off(ratio)), Divergence(law, _two_free(ratio))
        found += [
            _case(f"{kind}, one component fixed", one, [0.0, 0.0], half, 2, "a²b²"),
            _case(f"{kind}, two free, both on", two, [0.5, 0.0, 0.0], third, 1, "u² + b⁴ with u the mean"),
            _case(f"{kind}, two free, one off", two, [0.0, 0.0, 0.0], third, 1, "u² + a²b⁴ with u the mean"),
        ]
    for components in range(2, 6):
        llc = Fraction(components + 1, 4)
        loss = Divergence(BINOMIAL, _equal)
        found.append(_case(f"binomial, {components} equal", loss, [0.0] * components, llc, 1, "u² + |v|⁴, v ⟂ u"))
    for features in (2, 3, 4):
        law = torch.full((2**features,), 0.5**features, dtype=torch.float64)
        rest = [0.0] * (2 * features)
        both = Fraction(features, 2) + (half if features == 2 else Fraction(features, 4))
        loss, name = Divergence(law, _naive_bayes), f"naive Bayes, {features} features"
        found += [
            _case(f"{name}, both on", loss, [0.5, *rest], both, 2 if features == 2 else 1, "Σu² + Σd_i²d_j²"),
            _case(f"{name}, one off", loss, [0.0, *rest], Fraction(features + 1, 2), 3 if features == 2 else 1,
                  "Σu² + a²Σd_i²d_j²"),
        ]  # fmt: skip
    return found


def _case(name: str, loss: Divergence, center: list[float], llc: Fraction, multiplicity: int, form: str) -> Case:
    at = torch.tensor(center, dtype=torch.float64)
    return Case(name, "mixture", loss, at, llc, multiplicity, 0.3, 0.0, f"K comparable to {form}, by hand")
