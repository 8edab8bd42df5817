"""A chain's own copy of a model: what moves, what it reads, and where it began."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from zeeman.sampling.noise import Noise, room
from zeeman.sampling.posterior import LocalPosterior, masked, parts_of, rows_at_once, walker
from zeeman.sampling.repeatability import require_repeatable
from zeeman.sampling.samplers import Vectors


@dataclass(frozen=True, eq=False)
class Reference:
    """Losses of all rows at w*, in units of the mean weight of a row, so that their mean is the loss a token."""

    rows: torch.Tensor
    unit: float


class Walk:
    """A chain's copy of the model, the views of it that move, and where they started."""

    def __init__(self, posterior: LocalPosterior) -> None:
        self.posterior = posterior
        self.model, moving = walker(posterior)
        self.parameters = list(moving.values())
        self.boxes = [(i, box) for i, name in enumerate(moving) for box in posterior.component.slices[name]]
        names = list(moving)
        self.weights = [self.parameters[i].detach()[box] for i, box in self.boxes]
        still = [posterior.model.get_parameter(name).detach() for name in names]  # w* itself, which nobody changes
        self.center = [still[i][box] for i, box in self.boxes]
        self.wanted = [_flat_range(names[i], self.parameters[i], box) for i, box in self.boxes]
        self.held = torch.empty(room(self.wanted))
        self.at_once = rows_at_once(posterior.loss, self.model, posterior.data)

    def losses(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses of a batch and their weights."""
        return masked(self.posterior.loss(self.model, batch))

    def rows(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed loss and weight of each row."""
        losses, weight = self.losses(batch)
        if losses.dim() == 1:
            return losses * weight, weight
        return (losses * weight).flatten(1).sum(1), weight.flatten(1).sum(1)

    def close(self) -> None:
        """Give the memory back at once: a model is often part of a circle that only the garbage collector frees."""
        self.weights, self.held = [], torch.empty(0)
        for parameter in self.parameters:
            parameter.data = torch.empty(0)

    def parts(self, index: torch.Tensor) -> list[torch.Tensor]:
        """Rows that go through the model together."""
        return parts_of(index, self.at_once)

    def gradient(self, loss: torch.Tensor | None = None) -> Vectors:
        """Gradient of the losses that were added, and of this one."""
        if loss is not None:
            self.add_gradient(loss)
        # A potential may not depend on every weight; such weights feel no force.
        whole = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        return [whole[i][box] for i, box in self.boxes]

    def add_gradient(self, loss: torch.Tensor) -> None:
        """Add the gradient of a part of the loss."""
        torch.autograd.backward(loss, inputs=self.parameters)

    def noise(self, source: Noise, step: int) -> Vectors:
        """Noise of a step, in memory that the next step writes anew."""
        flat = source.normal(step, self.wanted, self.held)
        return [
            f.view(-1, *self.parameters[i].shape[1:])[(slice(None), *box[1:])] if box else f.view(())
            for f, (i, box) in zip(flat, self.boxes, strict=True)
        ]

    def place(self, xi: Vectors, scale: float) -> None:
        """Put the weights at w* + scale ξ."""
        for mine, middle, vector in zip(self.weights, self.center, xi, strict=True):
            torch.add(middle, vector, alpha=scale, out=mine)

    def restore(self, weights: Vectors) -> None:
        """Put the chain where it stood."""
        for mine, stored in zip(self.weights, weights, strict=True):
            mine.copy_(stored)
        self.lost = not all(bool(torch.isfinite(w).all()) for w in weights)

    def lose(self) -> None:
        """Give the chain up for good: NaN weights are lost wherever it is resumed."""
        self.lost = True
        for mine in self.weights:
            mine.fill_(math.nan)

    def virial(self, gradient: Vectors) -> float:
        """Give (w − w*)·∇U / d."""
        total, count = 0.0, 0
        for w, middle, g in zip(self.weights, self.center, gradient, strict=True):
            gap = w - middle
            force = gap * self.posterior.localization + g * self.posterior.n_beta
            total, count = total + float((gap * force).sum()), count + gap.numel()
        return total / count

    def heat(self, sizes: Vectors | float, gradient: Vectors) -> float:
        """(1/8) Σ ε_i ∇U_i nβ ∇L_i."""
        total, n_beta = 0.0, self.posterior.n_beta
        steps: list[torch.Tensor | float] = [sizes] * len(gradient) if isinstance(sizes, float) else list(sizes)
        for w, middle, g, size in zip(self.weights, self.center, gradient, steps, strict=True):
            force = (w - middle) * self.posterior.localization + g * n_beta
            total += float((force * g * size).sum()) * n_beta / 8
        return total

    def distance(self) -> float:
        """Give ‖w − w*‖."""
        gaps = torch._foreach_norm(torch._foreach_sub(self.weights, self.center))
        return math.sqrt(sum(float(g) ** 2 for g in gaps))


def _flat_range(name: str, parameter: torch.Tensor, box: tuple[slice, ...]) -> tuple[str, int, int]:
    """Flat offset and length of the rows (first axis) that a box touches."""
    if not box:
        return name, 0, 1
    stride = math.prod(parameter.shape[1:])
    return name, box[0].start * stride, (box[0].stop - box[0].start) * stride


def rows_and_gradient(walk: Walk, reference: Reference, index: torch.Tensor) -> tuple[torch.Tensor, Vectors]:
    """Loss of each row and the gradient of their mean; no gradient where the loss is not finite."""
    found: list[torch.Tensor] = []
    for part in walk.parts(index):
        with torch.enable_grad():
            rows = walk.rows(walk.posterior.rows(part))[0] / reference.unit
            loss = rows.mean() * (len(part) / len(index))
        found.append(rows.detach())
        if not torch.isfinite(loss):
            return torch.cat(found), []
        walk.add_gradient(loss)
    return torch.cat(found), walk.gradient()


def reference_of(walk: Walk, shared: dict[Any, Any]) -> Reference:
    """Read every row at the reference point, once for all chains, in batches of the chain's own size."""
    size = walk.posterior.batch_size or walk.posterior.num_rows
    if size not in shared:
        shared[size] = _read_reference(walk, size)
    found: Reference = shared[size]
    return found


def _read_reference(walk: Walk, size: int) -> Reference:
    everything = torch.arange(walk.posterior.num_rows)
    require_repeatable(walk.model, walk.posterior.loss, walk.posterior.rows(everything[: min(size, 8)]))
    batches = [everything[a : a + size] for a in range(0, len(everything), size)]
    parts = [walk.rows(walk.posterior.rows(part)) for batch in batches for part in walk.parts(batch)]
    unit = float(torch.cat([weight for _, weight in parts]).mean())
    return Reference(torch.cat([losses for losses, _ in parts]) / unit, unit)
