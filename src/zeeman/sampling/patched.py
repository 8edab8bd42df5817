"""Runs of a model in which what passes some ports is read or replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.sampling.draw_reader import pick
from zeeman.sampling.posterior import LocalPosterior, Loss, parts_of, rows_at_once, rows_of, walker
from zeeman.sampling.repeatability import require_repeatable
from zeeman.sampling.watching import Observable
from zeeman.subjects.component import Component
from zeeman.subjects.sites import Port, Site

Edit = Callable[[torch.Tensor], torch.Tensor | None]
Values = dict[Port, torch.Tensor]

_TRIED = 8
"""Windows on which a loss must repeat itself."""


def evaluation_copy(model: nn.Module, data: Any, loss: Loss) -> nn.Module:
    """Copy a model in evaluation mode that shares all weights with it, for hooks and settings of our own.

    Parameters
    ----------
    model : Module
    data : Any
        What it will read.
    loss : callable

    Returns
    -------
    Module

    Examples
    --------
    >>> model = nn.Linear(2, 1).train()
    >>> copied = evaluation_copy(model, torch.zeros(1, 2), lambda m, x: m(x))
    >>> copied.training, model.training, copied.weight.data_ptr() == model.weight.data_ptr()
    (False, True, True)
    """
    return walker(LocalPosterior(model, data, loss, component=Component("nothing", {})))[0]


class PatchedRuns:
    """A copy of a model in evaluation mode, run on the rows of an item with some ports read or replaced."""

    def __init__(self, model: nn.Module, item: Observable, loss: Loss) -> None:
        self.item, self.loss = item, loss
        self.model = evaluation_copy(model, item.batch, loss)
        require_repeatable(self.model, loss, rows_of(item.batch, slice(0, _TRIED)))
        if not item.scored.any():
            raise ZeemanError("expected windows with scored tokens, got a mask without any; mark the tokens to read.")
        self.at_once = rows_at_once(loss, self.model, item.batch).gradient

    def losses(self, part: torch.Tensor, edits: Iterable[tuple[Port, Edit]] = ()) -> torch.Tensor:
        """Losses of the scored tokens of some rows under edits."""
        with torch.no_grad(), edited(self.model, edits):
            found = self.loss(self.model, rows_of(self.item.batch, part))
        return pick(found[0] if isinstance(found, tuple) else found, self.item.scored[part]).double()

    def through(self, part: torch.Tensor, edits: list[tuple[Port, Edit]], receiver: Site | None) -> torch.Tensor:
        """Losses of some rows when the edits act by way of a receiver alone."""
        if receiver is None:
            return self.losses(part, edits)
        value = self.record([receiver.port], rows_of(self.item.batch, part), edits)
        return self.losses(part, [put(receiver.port, value[receiver.port])])

    def record(self, ports: Iterable[Port], batch: Any, edits: Iterable[tuple[Port, Edit]] = ()) -> Values:
        """What passes some ports on a batch, under edits."""
        found: Values = {}

        def keep(port: Port, value: torch.Tensor) -> None:
            if port in found:
                raise ZeemanError(
                    f"expected each block to run once in a pass, but {port.module!r} ran twice; read a model without "
                    "shared blocks."
                )
            found[port] = value.clone()

        wanted = list(dict.fromkeys(ports))
        with torch.no_grad(), edited(self.model, [*edits, *((port, partial(keep, port)) for port in wanted)]):
            self.loss(self.model, batch)
        for port in wanted:
            if port not in found:
                raise ZeemanError(
                    f"expected {port.module!r} to be called as a module in the forward pass, but it was not; write the "
                    "attention with modules that are called."
                )
        return found

    def means(self, sites: list[Site], reference: Any) -> Values:
        """Mean over all positions and rows of what passes the sites, summed in double precision."""
        batch = self.item.batch if reference is None else reference
        rows = len(batch[0] if isinstance(batch, tuple) else batch)
        totals: Values = {}
        count = 0
        for part in parts_of(torch.arange(rows), self.at_once):
            values = self.record([site.port for site in sites], rows_of(batch, part))
            for port, value in values.items():
                totals[port] = totals.get(port, torch.zeros(())) + value.double().flatten(0, -2).sum(0)
            count += next(iter(values.values()))[..., 0].numel()
        return {port: total / count for port, total in totals.items()}


def put(port: Port, value: torch.Tensor) -> tuple[Port, Edit]:
    """Replace what passes a port by a value, repeated over the leading axes where it lacks them."""
    return port, lambda old: value.expand_as(old)


@contextmanager
def edited(model: nn.Module, edits: Iterable[tuple[Port, Edit]]) -> Iterator[None]:
    """Apply edits at ports, in their order, as long as this lasts."""
    with ExitStack() as stack:
        for port, edit in edits:
            module = model.get_submodule(port.module)
            if port.side == "input":
                handle = module.register_forward_pre_hook(partial(_at_input, port, edit))
            else:
                handle = module.register_forward_hook(partial(_at_output, port, edit))
            stack.callback(handle.remove)
        yield


def _at_input(port: Port, edit: Edit, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    new = _changed(port, edit, args[0])
    return None if new is None else (new, *args[1:])


def _at_output(port: Port, edit: Edit, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
    return _changed(port, edit, output)


def _changed(port: Port, edit: Edit, whole: Any) -> torch.Tensor | None:
    if not isinstance(whole, torch.Tensor):
        raise ZeemanError(
            f"expected a tensor as {port.side} of {port.module!r}, got {type(whole).__name__}; read another component."
        )
    new = edit(whole[..., port.span])
    if new is None:
        return None
    changed = whole.clone()
    changed[..., port.span] = new
    return changed
