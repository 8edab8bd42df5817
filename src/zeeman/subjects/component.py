"""Named subsets of a model's parameters: what moves in a restricted chain."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

import torch
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.subjects.structure import (
    Index,
    Region,
    attentions,
    bare_layers,
    embedding_modules,
    everything,
    feed_forward,
    layer_stacks,
    norms,
    unembedding_modules,
    whole,
)
from zeeman.subjects.wrappers import unwrapped

Mask = Callable[[str, torch.Tensor], torch.Tensor | None]

_LAYER = re.compile(r"l(0|[1-9]\d*)( attn| mlp|[hg]\d+)?")
_LISTED = 24


@dataclass(frozen=True)
class Component:
    """A named subset of a model's parameters.

    Attributes
    ----------
    name
        Its name in the grammar of `resolve_component`, or the name of the function that chose it.
    slices
        Parameter name as in `model.named_parameters()` -> disjoint index tuples that move, one slice with start and
        stop for every dimension. A parameter that does not move is absent.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))
    >>> component = resolve_component(model, "l1")
    >>> component.slices
    {'2.weight': ((slice(0, 1, None), slice(0, 2, None)),), '2.bias': ((slice(0, 1, None),),)}
    >>> component.size(model)
    3
    """

    name: str
    slices: Mapping[str, tuple[Index, ...]]

    def size(self, model: nn.Module) -> int:
        """Count the scalar parameters of `model` that move.

        Parameters
        ----------
        model
            The model that the component was resolved on, or one of the same architecture.

        Returns
        -------
        Number of elements under the slices.

        Raises
        ------
        ZeemanError
            When the model lacks a parameter of the component or has it with another number of dimensions.

        Examples
        --------
        >>> model = torch.nn.Linear(3, 2)
        >>> resolve_component(model, "full").size(model)
        8
        """
        parameters = dict(model.named_parameters())
        total = 0
        for name, indices in self.slices.items():
            if name not in parameters or any(len(index) != parameters[name].ndim for index in indices):
                raise ZeemanError(
                    f"component {self.name!r} needs parameter {name!r}, which {type(model).__name__} lacks or has with"
                    " another number of dimensions; resolve the component on this model."
                )
            shape = parameters[name].shape
            total += sum(prod(len(range(*s.indices(n))) for s, n in zip(i, shape, strict=True)) for i in indices)
        return total


def resolve_component(model: nn.Module, which: str | Mask) -> Component:
    """Find a component in a model by its name, or by a function that marks parameters.

    Names, resolved from module structure and shapes:

    - `full`: all parameters.
    - `embed`: token and learned position embeddings outside the blocks. `unembed`: the projection onto the vocabulary,
      with its bias. When the two are tied, both resolve to the one shared parameter under its name in
      `model.named_parameters()`, so moving one moves the other.
    - `l0`: block 0, all of it. `l0 attn`, `l0 mlp`: its attention, and the rest of it, both without normalisations.
      In a model without blocks `l0`, `l1`, … are the modules that hold parameters, in order.
    - `l0h1`: head 1 of block 0: rows and biases of its query, key and value, and its columns of the output projection
      (not that projection's bias, which all heads share). Where heads share keys and values in groups, the query and
      the output only.
    - `l0g0`: group 0 of grouped queries: its key and value with all of its query heads. Exists only where heads share.
    - the exact name of a parameter; a tied parameter's second name is taken for its first.

    Parameters
    ----------
    model
        Any module, or a wrapper around one; it is only looked at.
    which
        A name, or a function (name, tensor) -> boolean mask of the tensor's shape, or None for nothing. It is called
        once a parameter, and the component takes the function's name.

    Raises
    ------
    ZeemanError
        When nothing matches, the match is ambiguous, or a mask has another type or shape.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))
    >>> resolve_component(model, "2.bias").slices
    {'2.bias': ((slice(0, 1, None),),)}
    >>> def first_row(name, tensor):
    ...     return torch.arange(len(tensor))[:, None].expand_as(tensor) == 0 if name == "0.weight" else None
    >>> resolve_component(model, first_row).slices
    {'0.weight': ((slice(0, 1, None), slice(0, 3, None)),)}
    """
    model = unwrapped(model)
    if not isinstance(which, str):
        return _from_function(model, which)
    regions = everything([model]) if which == "full" else _catalogue(model).get(which)
    found = None if regions is None else _named(model, regions)
    parameter = dict(model.named_parameters(remove_duplicate=False)).get(which)
    if parameter is not None:
        exact = _named(model, [(parameter, whole(parameter))])
        if found is not None and found != exact:
            raise ZeemanError(
                f"component {which!r} is ambiguous: it is a parameter of {type(model).__name__} and a name in the"
                " grammar; pass a function (name, tensor) -> mask instead."
            )
        found = exact
    if found is None:
        raise _unknown(model, which)
    return Component(which, found)


def list_components(model: nn.Module) -> list[str]:
    """Every name in the grammar that resolves in a model; exact parameter names resolve too but are not listed.

    Parameters
    ----------
    model
        Any module, or a wrapper around one; it is only looked at.

    Returns
    -------
    Names in the order `full`, `embed`, `unembed`, then layer by layer.

    Examples
    --------
    >>> list_components(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1)))
    ['full', 'l0', 'l1']
    """
    return list(_catalogue(unwrapped(model)))


def _catalogue(model: nn.Module) -> dict[str, list[Region]]:
    regions: dict[str, list[Region]] = {
        "full": everything([model]),
        "embed": everything(embedding_modules(model)),
        "unembed": everything(unembedding_modules(model)),
    }
    stacks = list(layer_stacks(model).values())
    if not stacks:
        regions |= {f"l{i}": layer for i, layer in enumerate(bare_layers(model))}
    for i, block in enumerate(stacks[0] if len(stacks) == 1 else []):
        regions |= {f"l{i}{part}": found for part, found in _block(block, model).items()}
    return {name: found for name, found in regions.items() if found}


def _block(block: nn.Module, model: nn.Module) -> dict[str, list[Region]]:
    attention = attentions(block, model)
    regions = {"": everything([block]), " attn": [], " mlp": feed_forward(block, attention)}
    if len(attention) == 1:
        only = attention[0]
        regions[" attn"] = everything([only.root], without=norms(only.root))
        regions |= {f"h{h}": only.head(h) for h in range(only.heads)}
        grouped = only.groups if only.groups < only.heads else 0
        regions |= {f"g{g}": only.group(g) for g in range(grouped)}
    return regions


def _named(model: nn.Module, regions: list[Region]) -> dict[str, tuple[Index, ...]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    slices: dict[str, tuple[Index, ...]] = {}
    for parameter, index in regions:
        name = names[id(parameter)]
        slices[name] = (*slices.get(name, ()), index)
    return slices


def _from_function(model: nn.Module, function: Mask) -> Component:
    title = getattr(function, "__name__", type(function).__name__)
    slices = {}
    for name, parameter in model.named_parameters():
        answer = function(name, parameter.detach())
        if answer is None:
            continue
        mask = torch.as_tensor(answer)
        if mask.dtype != torch.bool or mask.shape != parameter.shape:
            raise ZeemanError(
                f"component function {title!r} must return a boolean mask of shape {tuple(parameter.shape)} for"
                f" {name!r}, got {mask.dtype} of shape {tuple(mask.shape)}; return None to leave a parameter out."
            )
        if mask.any():
            slices[name] = tuple(_boxes(mask.cpu()))
    if not slices:
        names = list(dict(model.named_parameters()))
        raise ZeemanError(
            f"component function {title!r} marks no parameter of {type(model).__name__}; its parameters are"
            f" {_shortened(names)}."
        )
    return Component(title, slices)


def _boxes(mask: torch.Tensor) -> Iterator[Index]:
    """Cut a mask into disjoint boxes: runs × runs where it is an outer product, else row by row."""
    others = [[d for d in range(mask.ndim) if d != axis] for axis in range(mask.ndim)]
    sides = [mask.any(dim=rest) if rest else mask for rest in others]
    if prod(int(side.sum()) for side in sides) == int(mask.sum()):
        yield from product(*(_runs(side) for side in sides))
        return
    for i in range(len(mask)):
        if mask[i].any():
            yield from ((slice(i, i + 1), *box) for box in _boxes(mask[i]))


def _runs(line: torch.Tensor) -> list[slice]:
    edges = torch.diff(line.int(), prepend=torch.zeros(1, dtype=torch.int32), append=torch.zeros(1, dtype=torch.int32))
    starts, stops = (edges == 1).nonzero().flatten().tolist(), (edges == -1).nonzero().flatten().tolist()
    return [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]


def _unknown(model: nn.Module, name: str) -> ZeemanError:
    names = list_components(model)
    parameters = [n for n, _ in model.named_parameters()]
    kind = type(model).__name__
    if doubt := _doubt(model, name):
        return ZeemanError(f"component {name!r} of {kind} is ambiguous: {doubt}; available are {_shortened(names)}.")
    close = difflib.get_close_matches(name, parameters, n=1)
    example = close[0] if close else next(iter(parameters), None)
    also = f", or an exact parameter name such as {example!r}" if example else ""
    return ZeemanError(f"component {name!r} matches nothing in {kind}; available are {_shortened(names)}{also}.")


def _doubt(model: nn.Module, name: str) -> str | None:
    """Why a well-formed name does not resolve to one thing, None when it simply is not there."""
    match = _LAYER.fullmatch(name)
    stacks = layer_stacks(model)
    if match is None or not stacks:
        return None
    if len(stacks) > 1:
        return f"{' and '.join(repr(path) for path in stacks)} are equally long lists of blocks"
    layer, blocks = int(match[1]), next(iter(stacks.values()))
    if layer >= len(blocks) or match[2] in (None, " mlp"):
        return None
    found = attentions(blocks[layer], model)
    return f"block {layer} holds {len(found)} attentions" if len(found) > 1 else None


def _shortened(names: list[str]) -> str:
    """Names in one line: all when few, else those of the first layer and how far layers go."""
    if len(names) <= _LISTED:
        return ", ".join(names) or "none"
    layers = {name: int(match[1]) for name in names if (match := _LAYER.fullmatch(name))}
    head = [name for name in names if layers.get(name, 0) == 0]
    shown = head if len(head) <= _LISTED else [*head[: _LISTED - 1], "…", head[-1]]
    return ", ".join(shown) + (f" and likewise up to l{last}" if (last := max(layers.values(), default=0)) else "")
