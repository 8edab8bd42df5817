"""A chain's own copy of a model: what moves, what it reads, and where it began."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from zeeman.errors import ZeemanError
from zeeman.sampling.noise import Noise, places, room
from zeeman.sampling.posterior import LocalPosterior, masked, parts_of, rows_at_once, walker
from zeeman.sampling.repeatability import require_repeatable
from zeeman.sampling.samplers import Vectors, together

_PIECE = 2**16


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
        stretches = list(together(self.weights))
        held = torch.empty(max(room(self.wanted[some]) for some in stretches))
        self.stretches = [(some, *self._noise_of(some, held)) for some in stretches]
        self.lost = False
        self.at_once = rows_at_once(posterior.loss, self.model, posterior.data)

    def losses(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Losses of a batch and their weights."""
        return masked(self.posterior.loss(self.model, batch))

    def rows(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed loss and weight of each row."""
        found = self.posterior.loss(self.model, batch)
        if not isinstance(found, tuple):
            return _summed(found), found.new_full((len(found),), found[0].numel())
        losses, weight = masked(found)
        return _summed(losses * weight), _summed(weight)

    def close(self) -> None:
        """Give the memory back at once: a model is often part of a circle that only the garbage collector frees."""
        self.weights, self.stretches = [], []
        for parameter in self.parameters:
            parameter.data = torch.empty(0)

    def parts(self, index: torch.Tensor) -> list[torch.Tensor]:
        """Rows that go through the model together, without a gradient."""
        return parts_of(index, self.at_once.reading)

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
        """Add the gradient of a part of the loss, which must depend on some weight that moves."""
        _require_gradient(loss, self.posterior)
        torch.autograd.backward(loss, inputs=self.parameters)

    def noise(self, source: Noise, step: int) -> Iterator[tuple[slice, Vectors]]:
        """Noise of a step for a stretch of the weights after the other, each in the same memory."""
        for some, flat, shaped in self.stretches:
            source.fill(step, self.wanted[some], flat)
            yield some, shaped

    def whole_noise(self, source: Noise, step: int) -> Vectors:
        """Noise of a step for all weights, in memory of its own."""
        return [vector.clone() for _, vectors in self.noise(source, step) for vector in vectors]

    def _noise_of(self, some: slice, held: torch.Tensor) -> tuple[torch.Tensor, Vectors]:
        """Memory for the noise of a stretch, and what of it belongs to each tensor."""
        wanted = self.wanted[some]
        flat = held[: room(wanted)]
        return flat, [
            f.view(-1, *self.parameters[i].shape[1:])[(slice(None), *box[1:])] if box else f.view(())
            for f, (i, box) in zip(places(wanted, flat), self.boxes[some], strict=True)
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
        for w, middle, g in _pieces(self.weights, self.center, gradient):
            gap = w - middle
            force = gap * self.posterior.localization + g * self.posterior.n_beta
            total, count = total + float((gap * force).sum()), count + gap.numel()
        return total / count

    def heat(self, sizes: Vectors | float, gradient: Vectors) -> float:
        """(1/8) Σ ε_i ∇U_i nβ ∇L_i."""
        total, n_beta = 0.0, self.posterior.n_beta
        steps = (
            [torch.tensor(sizes, dtype=g.dtype).expand_as(g) for g in gradient] if isinstance(sizes, float) else sizes
        )
        for w, middle, g, size in _pieces(self.weights, self.center, gradient, steps):
            force = (w - middle) * self.posterior.localization + g * n_beta
            total += float((force * g * size).sum()) * n_beta / 8
        return total

    def distance(self) -> float:
        """Give ‖w − w*‖."""
        gaps = torch._foreach_norm(torch._foreach_sub(self.weights, self.center))
        return math.sqrt(sum(float(g) ** 2 for g in gaps))


def require_reach(posterior: LocalPosterior) -> None:
    """Demand that the loss depends on the weights that move, tried on one row.

    Raises
    ------
    ZeemanError
        Where it depends on none of them.

    Examples
    --------
    >>> model = torch.nn.ModuleDict({"used": torch.nn.Linear(2, 1), "spare": torch.nn.Linear(2, 1)})
    >>> def loss(model, x):
    ...     return model["used"](x)[:, 0] ** 2
    >>> require_reach(LocalPosterior(model, torch.ones(3, 2), loss, component="spare.weight"))
    Traceback (most recent call last):
        ...
    zeeman.errors.ZeemanError: no weight of the component spare.weight reaches the loss; name one that the model uses.
    """
    walk = Walk(posterior)
    with torch.enable_grad():
        _require_gradient(walk.losses(posterior.rows(slice(0, 1)))[0], posterior)


def _require_gradient(loss: torch.Tensor, posterior: LocalPosterior) -> None:
    if not loss.requires_grad:
        raise ZeemanError(
            f"no weight of the component {posterior.component.name} reaches the loss; name one that the model uses."
        )


def _summed(rows: torch.Tensor) -> torch.Tensor:
    return rows if rows.dim() == 1 else rows.flatten(1).sum(1)


def _pieces(*vectors: Vectors) -> Iterator[tuple[torch.Tensor, ...]]:
    """Walk through tensors side by side in pieces that fit in the cache, so that what is made of them is small."""
    for tensors in zip(*vectors, strict=True):
        if tensors[0].dim() == 0:
            yield tensors
            continue
        rows = max(1, _PIECE * len(tensors[0]) // max(1, tensors[0].numel()))
        yield from zip(*(t.split(rows) for t in tensors), strict=True)


def _flat_range(name: str, parameter: torch.Tensor, box: tuple[slice, ...]) -> tuple[str, int, int]:
    """Flat offset and length of the rows (first axis) that a box touches."""
    if not box:
        return name, 0, 1
    stride = math.prod(parameter.shape[1:])
    return name, box[0].start * stride, (box[0].stop - box[0].start) * stride


def rows_and_gradient(walk: Walk, reference: Reference, index: torch.Tensor) -> tuple[torch.Tensor, Vectors]:
    """Loss of each row and the gradient of their mean; no gradient where the loss is not finite."""
    found: list[torch.Tensor] = []
    for part in parts_of(index, walk.at_once.gradient):
        with torch.enable_grad():
            rows = walk.rows(walk.posterior.rows(part))[0]
            loss = rows.sum() / (reference.unit * len(index))
        found.append(rows.detach() / reference.unit)
        if not torch.isfinite(loss):
            return torch.cat(found), []
        walk.add_gradient(loss)
    return torch.cat(found), walk.gradient()


def reference_of(walk: Walk, shared: dict[Any, Any]) -> Reference:
    """Read every row at the reference point, once for all chains, as many together as is fast."""
    if "reference" not in shared:
        shared["reference"] = _read_reference(walk)
    found: Reference = shared["reference"]
    return found


def _read_reference(walk: Walk) -> Reference:
    posterior, everything = walk.posterior, torch.arange(walk.posterior.num_rows)
    parts = walk.parts(everything)
    require_repeatable(walk.model, posterior.loss, posterior.rows(parts[0][:8]))
    read = [walk.rows(posterior.rows(part)) for part in parts]
    unit = float(torch.cat([weight for _, weight in read]).mean())
    return Reference(torch.cat([losses for losses, _ in read]) / unit, unit)
