"""The effective potential on a few directions: the loss minimized over all other weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zeeman.errors import ZeemanError
from zeeman.sampling.flat import FlatEnergy
from zeeman.sampling.lbfgs import Curvature, Evaluate, Minimum, minimize

_ENOUGH = 1e-8
"""Of how much the potential varies: what a point may still expect to fall by when it rests."""
_FLOOR = 1e-13
"""The same, of the potential itself."""
_KNOTS = 3
"""Points of a ray from which the next one is foretold."""


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

    The minimum is found at 0 and followed outwards along rays: each point starts where the parabola through the last
    ones on its ray points, with the curvature that they found. So it is the sheet of critical points through the
    minimum above w*, and no other. All rays go together, by L-BFGS in double precision.

    Parameters
    ----------
    energy : FlatEnergy
        Loss of the weights that move.
    frame : Tensor, shape (d, k)
        U, with orthonormal columns.
    points : Tensor, shape (points, k)
        u, in units of the weights; cheapest where many share a direction.
    restraint : float
        μ, in nats per squared unit; γ/nβ of a local posterior. With 0 the search follows every valley.
    num_steps : int
        At each point, at most.

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
    points, back = torch.unique(points, dim=0, return_inverse=True)
    sheet = _Sheet(energy, frame, restraint, num_steps)
    middle = sheet.minimum(points.new_zeros(1, points.shape[1]), frame.new_zeros(1, len(frame)), None)
    rows, offset, residual = (
        part.repeat(len(points), 1) for part in (middle.rows, middle.points, middle.residual[:, None])
    )
    known, curvature = [(points.new_zeros(1), middle.points)], middle.curvature
    for shell, came in _shells(points):
        known = [(distance[came], there[came]) for distance, there in known[-_KNOTS:]]
        at = points[shell].norm(dim=1)
        found = sheet.minimum(points[shell], _foretold(known, at), curvature.of(came))
        known.append((at, found.points))
        curvature = found.curvature
        rows[shell], offset[shell], residual[shell] = found.rows, found.points, found.residual[:, None]
    places = energy.center.double() + points @ frame.T + offset
    return EffectivePotential(rows[back], places[back], residual[back, 0])


class _Sheet:
    """The minima across a subspace, with how far the potential has been seen to vary."""

    def __init__(self, energy: FlatEnergy, frame: torch.Tensor, restraint: float, num_steps: int) -> None:
        self.energy, self.frame, self.restraint, self.num_steps = energy, frame, restraint, num_steps
        self.bottom: float | None = None
        self.variation = 0.0

    def minimum(self, points: torch.Tensor, start: torch.Tensor, curvature: Curvature | None) -> Minimum:
        """Minimize over offsets across the subspace, shape (b, d), from a start."""
        found = minimize(self._across(points), start, self._enough, self.num_steps, curvature)
        values = found.rows.mean(1)
        if self.bottom is None:
            self.bottom = float(values[0])
        self.variation = max(self.variation, float((values - self.bottom).abs().max()))
        return found

    def _across(self, points: torch.Tensor) -> Evaluate:
        base = self.energy.center.double() + points @ self.frame.T

        def evaluate(offset: torch.Tensor, which: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            rows, gradient = self.energy.gradient(base[which] + offset)
            gradient = gradient + self.restraint * offset
            across = gradient - (gradient @ self.frame) @ self.frame.T
            return rows + 0.5 * self.restraint * offset.square().sum(1, keepdim=True), across

        return evaluate

    def _enough(self, values: torch.Tensor) -> torch.Tensor:
        seen = torch.full_like(values, self.variation)
        if self.bottom is not None:
            seen = torch.maximum(seen, (values - self.bottom).abs())
        return _ENOUGH * seen + _FLOOR * values.abs()


def _shells(points: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The first point of each ray, the second and so on, with where each one's ray stood in the shell before.

    All rays of the first shell come from the centre, which stands at 0.
    """
    distance = points.norm(dim=1)
    rays: dict[tuple[float, ...], list[int]] = {}
    for i in distance.argsort(stable=True).tolist():
        if distance[i] > 0:
            rays.setdefault(tuple((points[i] / distance[i]).round(decimals=9).tolist()), []).append(i)
    shells, alive = [], list(rays.values())
    before = [0] * len(alive)
    while alive:
        shells.append((torch.tensor([ray[0] for ray in alive]), torch.tensor(before)))
        left = [(ray[1:], place) for place, ray in enumerate(alive) if len(ray) > 1]
        alive, before = [ray for ray, _ in left], [place for _, place in left]
    return shells


def _foretold(known: list[tuple[torch.Tensor, torch.Tensor]], at: torch.Tensor) -> torch.Tensor:
    """Offsets at some distances, by Lagrange's polynomial through those known on each ray."""
    out = torch.zeros_like(known[0][1])
    for i, (mine, there) in enumerate(known):
        weight = torch.ones_like(at)
        for j, (other, _) in enumerate(known):
            if i != j:
                weight = weight * (at - other) / (mine - other)
        out += weight[:, None] * there
    return out
