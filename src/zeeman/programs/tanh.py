"""Networks Σ a_h tanh(b_h x) of one input and one output, K = ∫₀¹ (f − f₀)² dx by Gauss–Legendre nodes.

With 16 nodes, more than twice the units, f − f₀ vanishes at the nodes only where it vanishes; so the sum over nodes
has the zero set and the λ of the integral.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from zeeman.programs.case import Case

_NODES, _WEIGHTS = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(16))
NODES, WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


@dataclass(frozen=True, eq=False)
class TanhLoss:
    """∫₀¹ (Σ a_h tanh(b_h x) − f₀(x))² dx of points (a_1, …, a_H, b_1, …, b_H)."""

    target: torch.Tensor

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Give the loss of each point."""
        a, b = points.chunk(2, dim=-1)
        output = (a[..., None, :] * torch.tanh(NODES[:, None] * b[..., None, :])).sum(-1)
        return ((output - self.target).square() * WEIGHTS).sum(-1)


def against_zero(hidden: int) -> tuple[Fraction, int]:
    """λ and m of H units where the truth is 0: λ = (H + i² + i)/(4i + 2), i = ⌊√H⌋; m = 2 if H = i², else 1."""
    i = math.isqrt(hidden)
    return Fraction(hidden + i * i + i, 4 * i + 2), 2 if i * i == hidden else 1


def cases() -> list[Case]:
    """One to six units against 0, and two units against one."""
    found = []
    for hidden in range(1, 7):
        llc, multiplicity = against_zero(hidden)
        checked = "derived for one and two units" if hidden < 3 else "formula from memory of the literature"
        center = torch.zeros(2 * hidden, dtype=torch.float64)
        found.append(_case(f"{hidden} units, truth 0", center, llc, multiplicity, 1.0, checked))
    # Modulo the tangent space of the unit that stays, the other one leaves a₂b₂, or a₂(b₂ − b₁)² where it copies it.
    apart = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    alike = torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    found.append(_case("2 units, truth 1, second off", apart, Fraction(3, 2), 2, 0.5, "1 + λ(a²b²), by hand"))
    found.append(_case("2 units, truth 1, second a copy", alike, Fraction(5, 4), 1, 0.5, "1 + λ(a²b⁴), by hand"))
    return found


def _case(name: str, center: torch.Tensor, llc: Fraction, multiplicity: int, domain: float, source: str) -> Case:
    a, b = center.chunk(2)
    target = (a * torch.tanh(NODES[:, None] * b)).sum(-1)
    return Case(f"tanh {name}", "tanh", TanhLoss(target), center, llc, multiplicity, domain, 0.0, source)
