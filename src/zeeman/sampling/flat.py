"""The loss of many points at once: weights as the rows of a matrix, one batched evaluation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from zeeman.sampling.posterior import LocalPosterior, masked, walker

Pair = tuple[torch.Tensor, torch.Tensor]
Step = Callable[[torch.Tensor, Any], Pair]

_ROWS_AT_ONCE = 4096
"""Points times rows of data in one evaluation on all rows: beyond it the activations leave the cache."""
_TRACED_FROM = 300
"""A shape that comes so often is traced to a plain list of operations: tracing takes 0.1 to 0.3 s."""


class FlatEnergy:
    """L(w) = Σ_rows ℓ(w) / Σ_rows 1 of a local posterior's data, at many points w at once.

    A point is the vector of the component's d moving weights, in the order of its slices; the rest of the model stays
    at w*. Many points go through one `torch.func.vmap` of the model in evaluation mode, in float32 or float64 as the
    points are. Attention is computed by its formula there, since its fused kernels have no batched form.

    Parameters
    ----------
    posterior : LocalPosterior
        Its model is copied and stays as it is.

    Attributes
    ----------
    center : Tensor, shape (d,)
        w*.
    num_parameters : int
        d.
    pieces : list of (name, shape, box)
        Parameters that move, and the box of each that does: what the entries of a point are.
    way : {"vmap", "loop"}
        ``loop``: the model or its loss can't be batched, so points are evaluated one after another.

    Examples
    --------
    >>> energy = FlatEnergy(LocalPosterior.potential(lambda w: w[0] ** 2 * w[1] ** 2, torch.zeros(2)))
    >>> points = torch.tensor([[1.0, 2.0], [3.0, 1.0]])
    >>> energy(points).tolist(), energy.gradient(points)[1].tolist()
    ([4.0, 9.0], [[8.0, 4.0], [6.0, 18.0]])
    """

    def __init__(self, posterior: LocalPosterior) -> None:
        self.posterior = posterior
        model, moving = walker(posterior)
        self._pieces = [(name, box) for name in moving for box in posterior.component.slices[name]]
        parts = [moving[name].detach()[box] for name, box in self._pieces]
        self.pieces = [(name, tuple(moving[name].shape), box) for name, box in self._pieces]
        self._shapes = [part.shape for part in parts]
        self._sizes = [part.numel() for part in parts]
        self.center = torch.cat([part.reshape(-1) for part in parts])
        self.num_parameters = len(self.center)
        self._whole = {name: self._sizes[i] == moving[name].numel() for i, (name, _) in enumerate(self._pieces)}
        self._sides = {self.center.dtype: (_Losses(model, posterior.loss), posterior.data)}
        self._seen: dict[Any, int] = {}
        self._traced: dict[Any, Step] = {}
        self.way: Literal["vmap", "loop"] = "vmap" if self._can_be_batched() else "loop"

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Give the loss at points of shape (B, d) on all rows, shape (B,); differentiable."""
        return torch.cat([self.rows(part).mean(1) for part in self._split(points)])

    def rows(self, points: torch.Tensor, index: torch.Tensor | None = None) -> torch.Tensor:
        """Read rows of the data at each point.

        Parameters
        ----------
        points : Tensor, shape (B, d)
        index : Tensor of int64, shape (B, r), or None
            Rows that each point reads; None: all.

        Returns
        -------
        Tensor, shape (B, r)
            Summed loss of each row in units of the mean weight of a row, so that the mean is the loss a token;
            differentiable in the points.
        """
        return self._rows(points, self._batch(points.dtype, index), index is not None) / self.unit(points.dtype)

    def gradient(self, points: torch.Tensor, index: torch.Tensor | None = None) -> Pair:
        """Give the losses of rows, as `rows` does, and the gradient of their mean at each point.

        Parameters
        ----------
        points : Tensor, shape (B, d)
        index : Tensor of int64, shape (B, r), or None

        Returns
        -------
        rows : Tensor, shape (B, r)
        gradient : Tensor, shape (B, d)
        """
        if index is not None:
            return self._gradient(points, self._batch(points.dtype, index), True)
        batch = self._batch(points.dtype, None)
        found = [self._gradient(part, batch, False) for part in self._split(points)]
        if len(found) == 1:
            return found[0]
        return torch.cat([rows for rows, _ in found]), torch.cat([gradient for _, gradient in found])

    def losses(self, points: torch.Tensor, batch: Any) -> torch.Tensor:
        """Give what the loss returns for one batch at each point, shape (B, …)."""
        module = self._side(points.dtype)[0]
        return self._map(lambda weights: module.losses(weights, batch)[0], self._weights(points, module))

    def unflatten(self, point: torch.Tensor) -> list[torch.Tensor]:
        """Cut a vector of length d into copies of the shapes of its pieces."""
        parts = zip(point.split_with_sizes(self._sizes), self._shapes, strict=True)
        return [part.view(shape).clone() for part, shape in parts]

    def reference(self, dtype: torch.dtype) -> torch.Tensor:
        """Rows at w*, shape (rows,), as `rows` gives them."""
        return self._at_center(dtype)[0]

    def unit(self, dtype: torch.dtype) -> float:
        """Mean weight of a row: the number of its scored tokens, or 1."""
        return self._at_center(dtype)[1]

    def _split(self, points: torch.Tensor) -> list[torch.Tensor]:
        size = max(1, _ROWS_AT_ONCE // self.posterior.num_rows)
        return [points[a : a + size] for a in range(0, len(points), size)]

    def _at_center(self, dtype: torch.dtype) -> tuple[torch.Tensor, float]:
        shared, key = self.posterior.shared, ("flat", dtype)
        if key not in shared:
            module, data = self._side(dtype)
            size = self.posterior.batch_size or self.posterior.num_rows
            with torch.no_grad():
                starts = range(0, self.posterior.num_rows, size)
                parts = [module.rows({}, _take(data, slice(a, a + size))) for a in starts]
            unit = float(torch.cat([weight for _, weight in parts]).mean())
            shared[key] = torch.cat([rows for rows, _ in parts]) / unit, unit
        found: tuple[torch.Tensor, float] = shared[key]
        return found

    def _side(self, dtype: torch.dtype) -> tuple[_Losses, Any]:
        """Model and data in a precision."""
        if dtype not in self._sides:
            model, _ = walker(self.posterior)
            data = self.posterior.data
            parts = [part.to(dtype) if part.is_floating_point() else part for part in _parts(data)]
            losses = _Losses(model.to(dtype), self.posterior.loss)
            self._sides[dtype] = losses, tuple(parts) if isinstance(data, tuple) else parts[0]
        return self._sides[dtype]

    def _batch(self, dtype: torch.dtype, index: torch.Tensor | None) -> Any:
        return _take(self._side(dtype)[1], slice(None) if index is None else index)

    def _weights(self, points: torch.Tensor, module: _Losses) -> dict[str, torch.Tensor]:
        """Lay points out as parameters with a leading axis; what does not move is copied from the model."""
        weights: dict[str, torch.Tensor] = {}
        for (name, box), part, shape in zip(
            self._pieces, points.split_with_sizes(self._sizes, 1), self._shapes, strict=True
        ):
            part = part.view(len(points), *shape)
            if self._whole[name]:
                weights[name] = part
                continue
            if name not in weights:
                stays = module.model.get_parameter(name).detach()
                weights[name] = stays.expand(len(points), *stays.shape).clone()
            weights[name][(slice(None), *box)] = part
        return weights

    def _rows(self, points: torch.Tensor, batch: Any, own: bool) -> torch.Tensor:
        """Summed loss of each row; ``own``: each point has a batch of its own, along a leading axis."""
        module = self._side(points.dtype)[0]
        weights = self._weights(points, module)
        if own:
            return self._map(lambda w, b: module.rows(w, b)[0], weights, batch)
        return self._map(lambda w: module.rows(w, batch)[0], weights)

    def _map(self, function: Callable[..., torch.Tensor], *arguments: Any) -> torch.Tensor:
        if self.way == "vmap":
            with sdpa_kernel(SDPBackend.MATH):
                mapped: torch.Tensor = vmap(function)(*arguments)
            return mapped
        count = len(next(iter(arguments[0].values())))
        return torch.stack([function(*(_pick(a, i) for a in arguments)) for i in range(count)])

    def _gradient(self, points: torch.Tensor, batch: Any, own: bool) -> Pair:
        unit = self.unit(points.dtype)

        def step(points: torch.Tensor, batch: Any) -> Pair:
            points = points.detach().requires_grad_()
            with torch.enable_grad():
                rows = self._rows(points, batch, own) / unit
                mean = rows.mean(1).sum()
            # A potential may not depend on its weights at all, and then there is nothing to differentiate.
            if not mean.requires_grad:
                return rows, torch.zeros_like(points)
            return rows.detach(), torch.autograd.grad(mean, points)[0]

        if self.way == "loop":
            return step(points, batch)
        key = own, points.dtype, points.shape, tuple(part.shape for part in _parts(batch))
        if key not in self._traced:
            self._seen[key] = self._seen.get(key, 0) + 1
            if self._seen[key] < _TRACED_FROM:
                return step(points, batch)
            self._traced[key] = make_fx(step)(points, batch)
        # The list holds the backward pass too: autograd has nothing to add.
        with torch.no_grad():
            return self._traced[key](points, batch)

    def _can_be_batched(self) -> bool:
        """Try two points; operations without a batched form, which vmap would loop over, count as a failure."""
        index = torch.zeros(2, 1, dtype=torch.int64)
        points = self.center.repeat(2, 1).requires_grad_()
        self.way = "vmap"
        try:
            with warnings.catch_warnings(), torch.enable_grad():
                warnings.simplefilter("error")
                found = self._rows(points, self._batch(points.dtype, index), True)
                if found.requires_grad:
                    torch.autograd.grad(found.sum(), points)
        except Exception:  # whatever it is, the plain evaluation will say it better, or work
            return False
        return found.shape == (2, 1)


class _Losses(nn.Module):
    """A model with its loss as one callable, so that `functional_call` replaces weights for the loss too."""

    def __init__(self, model: nn.Module, loss: Any) -> None:
        super().__init__()
        self.model = model
        self._loss = loss

    def forward(self, batch: Any) -> Pair:
        return masked(self._loss(self.model, batch))

    def losses(self, weights: dict[str, torch.Tensor], batch: Any) -> Pair:
        for weight in weights.values():
            weight._is_param = True  # what `Module.get_parameter` asks of a tensor
        found: Pair = functional_call(self, {f"model.{name}": w for name, w in weights.items()}, (batch,))
        return found

    def rows(self, weights: dict[str, torch.Tensor], batch: Any) -> Pair:
        """Summed loss and weight of each row."""
        losses, weight = self.losses(weights, batch)
        if losses.dim() == 1:
            return losses * weight, weight
        return (losses * weight).flatten(1).sum(1), weight.flatten(1).sum(1)


def _parts(batch: Any) -> tuple[torch.Tensor, ...]:
    return batch if isinstance(batch, tuple) else (batch,)


def _take(data: Any, index: torch.Tensor | slice | int) -> Any:
    if isinstance(data, tuple):
        return tuple(_take(part, index) for part in data)
    if isinstance(index, torch.Tensor):
        return data.index_select(0, index.reshape(-1)).view(*index.shape, *data.shape[1:])
    return data[index]


def _pick(argument: Any, i: int) -> Any:
    """Entry i of each tensor in a dict, a tuple or alone."""
    if isinstance(argument, dict):
        return {name: part[i] for name, part in argument.items()}
    return _take(argument, i)
