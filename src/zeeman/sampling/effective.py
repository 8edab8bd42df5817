"""The effective potential on a few directions: the loss minimized over all other weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from zeeman.errors import ZeemanError
from zeeman.sampling.flat import FlatEnergy

_MEMORY = 12
_HALVINGS = 12
_ARMIJO = 1e-4

Evaluate = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
History = list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
"""Steps s, differences of gradients y, and 1/(s·y) or 0 for a pair that is not used, of each point."""


@dataclass(frozen=True, eq=False)
class EffectivePotential:
    """V(u) = min_v L(w* + U u + v) + (μ/2)‖v‖², v ⊥ U, at points u.

    Parameters
    ----------
    rows : Tensor, shape (points, rows)
        Loss of each row of data at the minimum, restraint counted in; the mean over rows is V.
    places : Tensor, shape (points, d)
        Weights w* + U u + v(u).
    residual : Tensor, shape (points,)
        Norm of what is left of the gradient across U.
    """

    rows: torch.Tensor
    places: torch.Tensor
    residual: torch.Tensor


def effective_potential(
    energy: FlatEnergy, frame: torch.Tensor, points: torch.Tensor, *, restraint: float = 0.0, num_steps: int = 200
) -> EffectivePotential:
    """Minimize the loss over the weights across a subspace, at points of it: the splitting lemma, numerically.

    All points go together, by L-BFGS with memory 12 and halving of the step, in double precision.

    Parameters
    ----------
    energy : FlatEnergy
        Loss of the weights that move.
    frame : Tensor, shape (d, k)
        U, with orthonormal columns.
    points : Tensor, shape (points, k)
        u, in units of the weights.
    restraint : float
        μ, in nats per squared unit; γ/nβ of a local posterior. With 0 the search follows every valley.
    num_steps : int

    Returns
    -------
    EffectivePotential

    Raises
    ------
    ZeemanError
        If the frame is not orthonormal, or the loss is not finite at a point.

    Examples
    --------
    (y + x²)² + x⁴ seen along x is x⁴:

    >>> from zeeman.sampling.posterior import LocalPosterior
    >>> k = LocalPosterior.potential(lambda w: (w[1] + w[0] ** 2) ** 2 + w[0] ** 4, torch.zeros(2))
    >>> u = torch.tensor([[0.0], [1.0], [0.5]])
    >>> found = effective_potential(FlatEnergy(k), torch.tensor([[1.0], [0.0]]), u)
    >>> found.rows.mean(1).round(decimals=6).tolist()
    [0.0, 1.0, 0.0625]
    """
    frame, points = frame.double(), points.double()
    gram = frame.T @ frame
    if frame.shape[0] != energy.num_parameters or not torch.allclose(gram, torch.eye(len(gram), dtype=gram.dtype)):
        raise ZeemanError(
            f"expected orthonormal directions of {energy.num_parameters} weights, got shape {tuple(frame.shape)}; "
            "orthonormalize them, for example by a QR decomposition."
        )
    start = energy.center.double() + points @ frame.T

    def across(offset: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows, gradient = energy.gradient(start + offset)
        gradient = gradient + restraint * offset
        value = rows.mean(1) + 0.5 * restraint * offset.square().sum(1)
        return value, gradient - (gradient @ frame) @ frame.T

    offset, residual = minimize(across, torch.zeros_like(start), num_steps)
    with torch.no_grad():
        rows = torch.cat([energy.rows(part) for part in torch.split(start + offset, 16)])
    return EffectivePotential(rows + 0.5 * restraint * offset.square().sum(1, keepdim=True), start + offset, residual)


def minimize(evaluate: Evaluate, start: torch.Tensor, num_steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """L-BFGS on many points at once, each with a history and a step of its own (Nocedal 1980).

    Parameters
    ----------
    evaluate : callable
        Points (B, d) to values (B,) and gradients (B, d).
    start : Tensor, shape (B, d)
    num_steps : int

    Returns
    -------
    points : Tensor, shape (B, d)
    residual : Tensor, shape (B,)
        Norm of the gradient there.

    Raises
    ------
    ZeemanError
        If a value at the start is not finite.
    """
    x, (value, gradient) = start, evaluate(start)
    if not torch.isfinite(value).all():
        raise ZeemanError("the loss is not finite at some points of the ball: choose a smaller radius.")
    small = 1e-9 * gradient.norm(dim=1).clamp_min(1e-6)
    history: History = []
    scale = 1 / gradient.norm(dim=1).clamp_min(1.0)
    stuck = torch.zeros_like(value)
    for _ in range(num_steps):
        direction = -_apply(history, gradient, scale)
        slope = (direction * gradient).sum(1)
        moved, new_value, new_gradient, taken = _search(evaluate, x, value, gradient, direction, slope)
        s, y = moved - x, new_gradient - gradient
        x, value, gradient = moved, new_value, new_gradient
        done = gradient.norm(dim=1) <= small
        product = (s * y).sum(1)
        rho = torch.where(product > 0, 1 / product.clamp_min(1e-300), 0.0)
        # A point that no step along its direction lowers starts anew, along its gradient.
        history = [(a, b, r * taken) for a, b, r in history[-_MEMORY + 1 :]] + [(s, y, rho)]
        scale = torch.where(
            rho > 0, product / y.square().sum(1).clamp_min(1e-300), torch.where(taken, scale, scale / 8)
        )
        stuck = torch.where(taken, 0, stuck + 1)
        if bool((done | (stuck > 2)).all()):
            break
    return x, gradient.norm(dim=1)


def _apply(history: History, gradient: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The inverse Hessian of the history, applied to gradients (two-loop recursion)."""
    q, shares = gradient.clone(), []
    for s, y, rho in reversed(history):
        share = rho * (s * q).sum(1)
        q -= share[:, None] * y
        shares.append(share)
    q *= scale[:, None]
    for (s, y, rho), share in zip(history, reversed(shares), strict=True):
        q += (share - rho * (y * q).sum(1))[:, None] * s
    return q


def _search(
    evaluate: Evaluate,
    x: torch.Tensor,
    value: torch.Tensor,
    gradient: torch.Tensor,
    direction: torch.Tensor,
    slope: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Halve each point's step until it descends enough; a point that never does stays."""
    step = torch.ones_like(value)
    best, best_value, best_gradient = x, value, gradient
    open_ = torch.ones_like(value, dtype=torch.bool)
    for _ in range(_HALVINGS):
        tried = x + (step * open_)[:, None] * direction
        new_value, new_gradient = evaluate(tried)
        good = open_ & (new_value < value + _ARMIJO * step * slope)
        best = torch.where(good[:, None], tried, best)
        best_value = torch.where(good, new_value, best_value)
        best_gradient = torch.where(good[:, None], new_gradient, best_gradient)
        open_ = open_ & ~good
        if not open_.any():
            break
        step = step / 2
    return best, best_value, best_gradient, ~open_
