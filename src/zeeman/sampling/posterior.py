"""The local posterior of a model around its weights, for any loss."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.subjects.component import Component, resolve_component
from zeeman.subjects.wrappers import unwrapped

Losses = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
Loss = Callable[[nn.Module, Any], Losses]

_NOTHING = -100
_BYTES_AT_ONCE = 5 * 2**23
"""What a backward pass may hold: eight sequences of 64 tokens of a small language model."""
_BYTES_READ_AT_ONCE = 2**24
"""What a forward pass alone may hold: more leaves the cache and is no faster."""


def language_model_loss(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """Next-token loss −log p(x_t | x_<t) in nats.

    Parameters
    ----------
    model : Module
        Maps token ids (batch, T) to logits (batch, T, vocabulary), bare or as an object with ``logits``.
    tokens : Tensor of int64, shape (batch, T)

    Returns
    -------
    Tensor, shape (batch, T − 1)
        Entry t is the loss of token t + 1.

    Examples
    --------
    >>> uniform = nn.Embedding(8, 8)
    >>> _ = nn.init.zeros_(uniform.weight)
    >>> language_model_loss(uniform, torch.tensor([[1, 2, 3]])).exp().round().tolist()
    [[8.0, 8.0]]
    """
    # The last position predicts nothing. To pass it over costs less than a copy of the logits without it.
    targets = nn.functional.pad(tokens[:, 1:], (0, 1), value=_NOTHING)
    logits = _logits(model, tokens).flatten(0, 1)
    flat = nn.functional.cross_entropy(logits, targets.flatten(), reduction="none", ignore_index=_NOTHING)
    return flat.view(tokens.shape)[:, :-1]


def language_model_hits(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """Whether each next token is the model's first choice; shape (batch, T − 1), bool."""
    return _logits(model, tokens)[:, :-1].argmax(-1) == tokens[:, 1:]


def _logits(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    out = model(tokens)
    logits: torch.Tensor = out if isinstance(out, torch.Tensor) else out.logits
    return logits


@dataclass(frozen=True, eq=False)
class LocalPosterior:
    """p(w) ∝ exp{−nβ L(w) − (γ/2)‖w − w*‖²} around the weights w* of a model.

    Parameters
    ----------
    model : Module
        Its weights are w*. It is never changed: a chain moves a copy in evaluation mode. Wrappers of torch.compile,
        data parallelism, nnsight and TransformerLens are taken off.
    data : Tensor or tuple of Tensors
        One row each sample along the first axis; minibatches are rows.
    loss : callable
        ``loss(model, batch)`` gives losses of shape (batch,) or (batch, positions), or such losses and a mask.
    n_beta : float
        Inverse temperature nβ, at least 0 (0: the loss is not felt).
    localization : float
        γ, at least 0.
    batch_size : int or None
        Rows a step; None reads all of them.
    component : str, callable, Component or None
        The weights that move; None moves all of them.
    shared : dict
        Losses at w*, kept here by the chains; posteriors of the same model, data and loss may share it.

    Raises
    ------
    ZeemanError
        For settings that make no sense and for a component that matches nothing.

    Examples
    --------
    >>> posterior = LocalPosterior.potential(lambda w: (w**4).sum(), torch.zeros(1), n_beta=200.0, localization=1.0)
    >>> posterior.num_parameters
    1
    """

    model: nn.Module
    data: Any
    loss: Loss = language_model_loss
    n_beta: float = 100.0
    localization: float = 100.0
    batch_size: int | None = None
    component: Any = None
    shared: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", unwrapped(self.model))
        check_number("n_beta", self.n_beta, zero=True)
        check_number("localization", self.localization, zero=True)
        if self.n_beta == 0 and self.localization == 0:
            raise ZeemanError("n_beta and localization are both 0, so nothing holds the chain: make one positive.")
        rows = self.num_rows
        if self.batch_size is not None and not 1 <= self.batch_size <= rows:
            raise ZeemanError(
                f"batch_size must lie between 1 and the {rows} rows of the data, got {self.batch_size}; "
                "choose one that does."
            )
        component = self.component
        if not isinstance(component, Component):
            component = resolve_component(self.model, "full" if component is None else component)
            object.__setattr__(self, "component", component)

    @classmethod
    def potential(
        cls, energy: Callable[[torch.Tensor], torch.Tensor], at: torch.Tensor, **settings: Any
    ) -> LocalPosterior:
        """Make the posterior of a bare potential K(w), with w the vector ``at`` as the reference point.

        Parameters
        ----------
        energy : callable
            Maps a vector w to a scalar K(w).
        at : Tensor, shape (d,)
        **settings
            ``n_beta`` and ``localization``.
        """
        return cls(_Point(at), torch.zeros(1), _PotentialLoss(energy), **settings)

    @property
    def num_rows(self) -> int:
        """Rows of the data."""
        return len(self.data[0] if isinstance(self.data, tuple) else self.data)

    @property
    def num_parameters(self) -> int:
        """Number d of weights that move."""
        return sum(
            math.prod(s.stop - s.start for s in box) for boxes in self.component.slices.values() for box in boxes
        )

    def rows(self, index: torch.Tensor | slice) -> Any:
        """Select rows of the data as a batch."""
        return rows_of(self.data, index)


class _Point(nn.Module):
    def __init__(self, at: torch.Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(at.detach().clone())


@dataclass(frozen=True)
class _PotentialLoss:
    energy: Callable[[torch.Tensor], torch.Tensor]

    def __call__(self, model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return self.energy(model.get_parameter("w")).expand(len(batch))


def masked(losses: Losses) -> tuple[torch.Tensor, torch.Tensor]:
    """Split what a loss returned into losses and a weight of the same shape."""
    if isinstance(losses, tuple):
        return losses[0], losses[1].to(losses[0].dtype)
    return losses, torch.ones_like(losses)


class AtOnce(NamedTuple):
    """Rows that go through a model together, on the way to a gradient and when only read."""

    gradient: int
    reading: int


def rows_at_once(loss: Loss, model: nn.Module, batch: Any) -> AtOnce:
    """How many rows go through a model together, so that they hold no more than 40 MB, or 16 MB without a gradient.

    Measured on one row by what the backward pass keeps of it, so that the number is the same on every machine. With a
    large vocabulary that is mostly logits; a small model takes whole batches. What is only read keeps nothing: there
    the largest tensor counts, with what it is made of and what is made of it.

    Parameters
    ----------
    loss : callable
    model : Module
        All of its parameters count, whichever of them move.
    batch : Tensor or tuple of Tensors
        Rows along the first axis.

    Returns
    -------
    AtOnce
        Each at least 1.

    Examples
    --------
    A row of 1000 positions over 4096 tokens keeps 4 MB of log-probabilities, and their gradient is as large:

    >>> rows_at_once(language_model_loss, nn.Embedding(1024, 1024), torch.zeros(9, 1000, dtype=torch.int64))
    AtOnce(gradient=5, reading=5)
    """
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # kept, lest its address be used again, yet no part of a circle through the graph

    still = [p for p in model.parameters() if p.is_floating_point() and not p.requires_grad]
    for parameter in still:
        parameter.requires_grad_(True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss(model, rows_of(batch, slice(0, 1)))
    for parameter in still:
        parameter.requires_grad_(False)
    largest = max(kept.values(), default=0)
    need = sum(kept.values()) + largest  # which is joined by its gradient
    count = max(1, _BYTES_AT_ONCE // max(1, need))
    return AtOnce(count, max(count, _BYTES_READ_AT_ONCE // max(1, 3 * largest)))


def rows_of(data: Any, index: torch.Tensor | slice) -> Any:
    """Select rows of a tensor, or of each of a tuple of tensors."""
    return tuple(part[index] for part in data) if isinstance(data, tuple) else data[index]


def parts_of(index: torch.Tensor, at_once: int) -> list[torch.Tensor]:
    """Split indices into parts of at most ``at_once``, of equal numbers as far as can be."""
    return list(index.tensor_split(-(-len(index) // at_once)))


def check_number(name: str, value: float, *, zero: bool) -> None:
    """Demand a finite number that is positive, or at least 0 where ``zero``.

    Raises
    ------
    ZeemanError
    """
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        wanted = "a finite number of at least 0" if zero else "a positive finite number"
        raise ZeemanError(f"{name} must be {wanted}, got {value}; choose one that is.")


def walker(posterior: LocalPosterior) -> tuple[nn.Module, Mapping[str, nn.Parameter]]:
    """Copy the model for a chain to move.

    Returns
    -------
    model : Module
        In evaluation mode. Weights that stay are shared with the original, without their gradient; the rest is its own.
    moving : dict of Parameter
        The parameters of the copy that move, wholly or in part.
    """
    memo: dict[int, Any] = {}
    moves = posterior.component.slices
    for name, parameter in posterior.model.named_parameters():
        if name in moves:
            memo[id(parameter)] = nn.Parameter(parameter.detach().clone())
        else:
            memo[id(parameter)] = nn.Parameter(parameter.detach(), requires_grad=False)
    kept = list(memo.values())  # deepcopy looks up by id: keep every entry alive until it is done
    model = copy.deepcopy(posterior.model, memo).eval()
    del kept
    config = getattr(model, "config", None)
    if getattr(config, "use_cache", False):
        config.use_cache = False  # type: ignore[union-attr]  # the copy's own: a key-value cache only costs here
    parameters = dict(model.named_parameters())
    return model, {name: parameters[name] for name in moves}
