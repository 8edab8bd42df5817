"""L-BFGS on many points at once, each with a history and a step of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from zeeman.errors import ZeemanError

_MEMORY = 12
_TRIALS = 12
_ARMIJO = 1e-4
_ROUNDING = 1e-14
"""Of the value: a rise by less is none."""
_MISSES = 3

Evaluate = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Points (b, d) and which of all points they are (b,), to rows (b, rows) and the gradient (b, d) of their mean."""


@dataclass(frozen=True, eq=False)
class Curvature:
    """What steps told about the inverse Hessian at each point (Nocedal 1980).

    Parameters
    ----------
    steps, changes : Tensor, shape (points, memory, d)
        Steps s and differences y of the gradient along them, the last one last.
    rho : Tensor, shape (points, memory)
        1/(s·y), 0 for a pair that is not used.
    scale : Tensor, shape (points,)
        The inverse Hessian without any pair.
    """

    steps: torch.Tensor
    changes: torch.Tensor
    rho: torch.Tensor
    scale: torch.Tensor

    @classmethod
    def unknown(cls, gradient: torch.Tensor) -> Curvature:
        """Begin with steps of at most length 1 along the gradient."""
        empty = gradient.new_zeros(len(gradient), _MEMORY, gradient.shape[1])
        return cls(empty, empty.clone(), empty[:, :, 0].clone(), 1 / gradient.norm(dim=1).clamp_min(1.0))

    def of(self, which: torch.Tensor) -> Curvature:
        """Copy that of some points, in any order and as often as they are named."""
        return Curvature(self.steps[which], self.changes[which], self.rho[which], self.scale[which])

    def apply(self, gradient: torch.Tensor) -> torch.Tensor:
        """Multiply gradients by the inverse Hessian (two-loop recursion)."""
        q, shares = gradient.clone(), []
        for j in range(_MEMORY - 1, -1, -1):
            shares.append(self.rho[:, j] * (self.steps[:, j] * q).sum(1))
            q -= shares[-1][:, None] * self.changes[:, j]
        q *= self.scale[:, None]
        for j, share in enumerate(reversed(shares)):
            q += (share - self.rho[:, j] * (self.changes[:, j] * q).sum(1))[:, None] * self.steps[:, j]
        return q

    def learn(self, which: torch.Tensor, s: torch.Tensor, y: torch.Tensor, taken: torch.Tensor) -> None:
        """Add a step of some points; one that no step lowered forgets, and tries a shorter one along its gradient."""
        product = (s * y).sum(1)
        used = product > 0
        rho = torch.where(used, 1 / product.clamp_min(1e-300), 0.0)
        for held, new in ((self.steps, s), (self.changes, y), (self.rho, rho)):
            held[which] = torch.cat([held[which][:, 1:], new[:, None]], dim=1)
        self.rho[which] *= taken[:, None]
        old = self.scale[which]
        told = product / y.square().sum(1).clamp_min(1e-300)
        self.scale[which] = torch.where(used, told, torch.where(taken, old, old / 8))


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where points came to rest.

    Parameters
    ----------
    points : Tensor, shape (B, d)
    rows : Tensor, shape (B, rows)
    residual : Tensor, shape (B,)
        Norm of the gradient.
    curvature : Curvature
    """

    points: torch.Tensor
    rows: torch.Tensor
    residual: torch.Tensor
    curvature: Curvature


def minimize(
    evaluate: Evaluate,
    start: torch.Tensor,
    enough: Callable[[torch.Tensor], torch.Tensor],
    num_steps: int,
    curvature: Curvature | None = None,
) -> Minimum:
    """Lower the mean of the rows at each point until no step promises enough.

    A point rests when the fall that it may still expect, ½ gᵀ H⁻¹ g, is small; only points that move are evaluated.

    Parameters
    ----------
    evaluate : callable
    start : Tensor, shape (B, d)
    enough : callable
        Values (b,) to the expected fall (b,) at which a point rests.
    num_steps : int
        At most.
    curvature : Curvature or None
        Of points near by; it is written to.

    Raises
    ------
    ZeemanError
        If a value at the start is not finite.

    Examples
    --------
    >>> def bowl(x, which):
    ...     return (x**2).sum(1, keepdim=True), 2 * x
    >>> found = minimize(bowl, torch.ones(3, 2, dtype=torch.float64), lambda v: torch.full_like(v, 1e-20), 20)
    >>> bool(found.points.abs().max() < 1e-9)
    True
    """
    x, moving = start.clone(), torch.arange(len(start))
    rows, gradient = evaluate(x, moving)
    if not torch.isfinite(rows).all():
        raise ZeemanError("the loss is not finite at some points of the ball: choose a smaller radius.")
    curvature = curvature or Curvature.unknown(gradient)
    misses = torch.zeros(len(start))
    for _ in range(num_steps):
        direction = -curvature.of(moving).apply(gradient[moving])
        slope = (direction * gradient[moving]).sum(1)
        promising = (-0.5 * slope > enough(rows[moving].mean(1))) & (misses[moving] < _MISSES)
        moving, direction, slope = moving[promising], direction[promising], slope[promising]
        if not len(moving):
            break
        before, old = x[moving], gradient[moving]
        taken = _search(evaluate, moving, (x, rows, gradient), direction, slope)
        curvature.learn(moving, x[moving] - before, gradient[moving] - old, taken)
        misses[moving] = torch.where(taken, 0.0, misses[moving] + 1)
    return Minimum(x, rows, gradient.norm(dim=1), curvature)


def _search(
    evaluate: Evaluate,
    moving: torch.Tensor,
    state: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    direction: torch.Tensor,
    slope: torch.Tensor,
) -> torch.Tensor:
    """Shorten each point's step until it descends enough, and move it there; says which points moved."""
    x, rows, gradient = state
    value, step = rows[moving].mean(1), torch.ones_like(slope)
    open_ = torch.arange(len(moving))
    for _ in range(_TRIALS):
        here = moving[open_]
        tried = x[here] + step[open_, None] * direction[open_]
        new_rows, new_gradient = evaluate(tried, here)
        rise, promised = new_rows.mean(1) - value[open_], step[open_] * slope[open_]
        good = rise <= _ARMIJO * promised + _ROUNDING * value[open_].abs()
        done = here[good]
        x[done], rows[done], gradient[done] = tried[good], new_rows[good], new_gradient[good]
        # The minimum of the parabola through what was seen, within bounds; a loss that is not finite gives the least.
        share = (-promised / (2 * (rise - promised))).nan_to_num(0.0).clamp(0.1, 0.5)
        step[open_] = step[open_] * share
        open_ = open_[~good]
        if not len(open_):
            break
    taken = torch.ones(len(moving), dtype=torch.bool)
    taken[open_] = False
    return taken
