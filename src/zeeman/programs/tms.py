"""Toy model of superposition, f(x) = ReLU(WᵀWx + b) with W ∈ R^{2×c}, on inputs μ e_i, μ ~ U[0, 1], i ~ U{1, …, c}.

The population loss E‖x − f(x)‖² is piecewise a polynomial in the end points of each ReLU's line, and exact here. The
critical points are k-gons: k columns of one length at equal angles with one bias, the other c − k columns 0 ("dead")
with a negative bias, or, for the σ of them that a "+" counts, with bias 1/(2c) (Chen et al. 2023, arXiv 2310.06301).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch

from zeeman.programs.case import Case

DEAD_BIAS = -0.5
PAGE = 15_000  # numbers in a temporary: stays in the cache, and below the 128 KiB from which memory may be mapped anew


def tms_loss(points: torch.Tensor, columns: int) -> torch.Tensor:
    """E‖x − ReLU(WᵀWx + b)‖², exact.

    Parameters
    ----------
    points : Tensor, shape (…, 3c)
        W row by row (2c numbers), then b.
    columns : int
        c.

    Returns
    -------
    Tensor, shape (…)
    """
    loss: torch.Tensor = _Loss.apply(points, columns)  # type: ignore[no-untyped-call]
    return loss


class _Loss(torch.autograd.Function):
    """The loss whose gradient is taken along with it; a second derivative is that of the gradient's formula."""

    @staticmethod
    def forward(ctx: Any, points: torch.Tensor, columns: int) -> torch.Tensor:
        ctx.columns, sloped = columns, ctx.needs_input_grad[0]
        parts = torch.split(points.reshape(-1, 3 * columns), PAGE // columns**2)
        losses, gradients = zip(*(_loss(part, columns, sloped) for part in parts), strict=True)
        ctx.save_for_backward(points, torch.cat(gradients).reshape(points.shape) if sloped else None)
        return torch.cat(losses).reshape(points.shape[:-1])

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None]:
        points, gradient = ctx.saved_tensors
        if torch.is_grad_enabled():
            _, gradient = _loss(points, ctx.columns, True)
        return slope[..., None] * gradient, None


def _loss(points: torch.Tensor, columns: int, sloped: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The loss and, if wanted, its gradient, from moments of each ReLU's line from p or 0 to q or 0."""
    first, second, bias = (
        points.movedim(-1, 0).contiguous().reshape(3, columns, *points.shape[:-1])
    )  # (c, …): long rows
    start = bias[:, None]  # output j, input i: a line from b_j at μ = 0
    end = torch.addcmul(torch.addcmul(start, first[:, None], first), second[:, None], second)  # to W_j·W_i + b_j at 1
    p, q = start.clamp(min=0), end.clamp(min=0)
    crosses, gap, both = (start > 0) != (end > 0), q - p, p + q
    share = torch.where(crosses, gap, 1.0) / torch.where(crosses, end - start, 1.0)  # of [0, 1] in which it is positive
    mean = share * both  # 2 ∫ relu(line)
    square = torch.addcmul(mean * both, share * p, q, value=-1)  # 3 ∫ relu(line)²
    moment = share * torch.addcmul(3 * q, share, gap, value=-1)  # 6 ∫ μ relu(line)
    own = torch.diagonal(moment, dim1=0, dim2=1).sum(-1)
    loss = (square.sum((0, 1)) - own) / (3 * columns) + 1 / 3
    if not sloped:
        return loss, None
    rises = torch.where(torch.diagonal(q) > 0, torch.diagonal(share), 0.0).movedim(-1, 0)  # own lines never fall
    pull = (moment + moment.transpose(0, 1)) / 3
    own = 4 * rises * (1 - rises + rises.square() / 3)  # 4 ∫ μ² where the own line is positive
    slopes = [(pull * rows).sum(1) - own * rows for rows in (first, second)]
    slopes.append(mean.sum(1) - rises * (2 - rises))
    return loss, torch.cat(slopes).movedim(0, -1) / columns


def polygon_shape(corners: int) -> tuple[float, float]:
    """Length and bias of the columns of the k-gon that minimizes the loss with c = k, by Newton's method."""
    guesses = {4: (1.0, 0.0), 5: (1.17, -0.28), 6: (1.32, -0.62), 7: (1.45, -0.97), 8: (1.55, -1.29)}
    if corners == 4:
        return guesses[4]  # the loss is not twice differentiable there
    shape = torch.tensor(guesses[corners], dtype=torch.float64)

    def loss(shape: torch.Tensor) -> torch.Tensor:
        return tms_loss(_polygon(shape[0], shape[1], corners), corners)

    for _ in range(20):
        gradient = torch.autograd.functional.jacobian(loss, shape)  # type: ignore[no-untyped-call]
        hessian = torch.autograd.functional.hessian(loss, shape)  # type: ignore[no-untyped-call]
        shape = shape - torch.linalg.solve(hessian, gradient)
    return float(shape[0]), float(shape[1])


def _polygon(length: torch.Tensor, bias: torch.Tensor, corners: int) -> torch.Tensor:
    angle = 2 * math.pi * torch.arange(corners, dtype=torch.float64) / corners
    return torch.cat([length * angle.cos(), length * angle.sin(), bias.expand(corners)])


def critical_point(columns: int, corners: int, positive: int = 0) -> torch.Tensor:
    """Weights of the k-gon among c columns with ``positive`` dead biases of 1/(2c), shape (3c,)."""
    length, bias = polygon_shape(corners)
    shape = torch.tensor([length, bias], dtype=torch.float64)
    alive = _polygon(shape[0], shape[1], corners).reshape(3, corners)
    dead = torch.zeros(3, columns - corners, dtype=torch.float64)
    dead[2] = DEAD_BIAS
    dead[2, :positive] = 1 / (2 * columns)
    return torch.cat([alive, dead], dim=1).flatten()


def llc(columns: int, corners: int, positive: int = 0) -> Fraction:
    """λ of a k-gon, m = 1.

    The k live columns hold 3k − 1 directions (all but the rotation) at second order, and each positive dead bias 3
    more. A dead column with a negative bias is free, so k > 4 gives (3(k + σ) − 1)/2. Where k = 4 the live biases are
    0, and a dead column W_d costs Σ_j relu(W_j·W_d)² > 0: 2 more directions. The loss is then positive and homogeneous
    of degree two off the rotation, though not twice differentiable; hence (11 + 3σ + 2(c − 4 − σ))/2.
    """
    held = 3 * (corners + positive) - 1
    return Fraction(held + (2 * (columns - corners - positive) if corners == 4 else 0), 2)


@dataclass(frozen=True, eq=False)
class Excess:
    """Loss minus the loss at the critical point."""

    columns: int
    reference: float

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Give the excess of each point."""
        return tms_loss(points, self.columns) - self.reference


def name(columns: int, corners: int, positive: int) -> str:
    """The k-gon's name in the literature, as 5+ for one positive dead bias."""
    return f"{corners}{'+' * positive} of {columns}"


def polygons() -> list[tuple[int, int, int]]:
    """Columns c, corners k and number of positive dead biases of the k-gons of the zoo."""
    every = itertools.product(range(4, 9), range(4, 9), range(3))
    return [(c, k, s) for c, k, s in every if k <= c and s <= c - k and (c < 7 or k == c or (k > 4 and s == 0))]


def cases() -> list[Case]:
    """k-gons of 4 to 8 columns."""
    found = []
    for columns, corners, positive in polygons():
        center = critical_point(columns, corners, positive)
        source = "half the number of directions held at second order, arXiv 2310.06301"
        if corners == 4:
            source = "half the number of directions held at second order, by hand"
        energy = Excess(columns, float(tms_loss(center, columns)))
        title = f"TMS {name(columns, corners, positive)}"
        found.append(Case(title, "TMS", energy, center, llc(columns, corners, positive), 1, 0.1, 0.0, source))
    return found
