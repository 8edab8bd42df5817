"""Where the contribution of a component passes through a model, so that it can be read or replaced there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from torch import nn

from zeeman.errors import ZeemanError
from zeeman.subjects.component import list_components
from zeeman.subjects.structure import Attention, Region, attentions, feed_forward, layer_stacks

_SHOWN = 12


class Port(NamedTuple):
    """A stretch of the last axis of what enters or leaves a module, by the module's name in `named_modules`."""

    module: str
    side: Literal["input", "output"]
    start: int = 0
    stop: int | None = None

    @property
    def span(self) -> slice:
        """The stretch; all of the axis by default."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Site:
    """Where a component adds to the model.

    Parameters
    ----------
    name : str
        As in `resolve_component`: `l0h1`, `l0 attn` or `l0 mlp`.
    port : Port
        A head: its slice of the input of the output projection. An attention: the output of that projection. An MLP:
        its output.
    reads : dict of Port
        Of a head, its slices of what the projections to queries, keys and values give: `q`, `k` and `v`.
    """

    name: str
    port: Port
    reads: Mapping[str, Port] = field(default_factory=dict)


def contribution_sites(model: nn.Module) -> dict[str, Site]:
    """Find the sites of all attentions, heads and MLPs of a model.

    A head has one where its projections are modules with matrices (GPT-NeoX, GPT-2, Llama, and what is laid out as
    they are); an MLP where it is one module of its block. What cannot be told is left out.

    Parameters
    ----------
    model : Module
        It is only looked at.

    Returns
    -------
    dict of Site
        By name, layer by layer; empty for a model without blocks.

    Examples
    --------
    >>> from zeeman.demo.model import AttentionOnlyTransformer
    >>> sites = contribution_sites(AttentionOnlyTransformer(width=8, num_heads=2, num_layers=1))
    >>> list(sites)
    ['l0 attn', 'l0h0', 'l0h1']
    >>> sites["l0h1"].port
    Port(module='layers.0.attn.o_proj', side='input', start=4, stop=8)
    """
    owners = {id(parameter): name.rpartition(".")[0] for name, parameter in model.named_parameters()}
    paths = {id(module): name for name, module in model.named_modules()}
    stacks = list(layer_stacks(model).values())
    sites = []
    for layer, block in enumerate(stacks[0] if len(stacks) == 1 else []):
        attention = attentions(block, model)
        if len(attention) == 1:
            sites += _attention_sites(f"l{layer}", attention[0], owners)
        inside = paths[id(block)]
        module = _common_module(owners, feed_forward(block, attention))
        if module.startswith(f"{inside}."):
            sites.append(Site(f"l{layer} mlp", Port(module, "output")))
    return {site.name: site for site in sites}


def resolve_sites(model: nn.Module, names: Iterable[str]) -> list[Site]:
    """Find the sites of components by name.

    Parameters
    ----------
    model : Module
    names : iterable of str

    Returns
    -------
    list of Site

    Raises
    ------
    ZeemanError
        When a name has no site in this model, or there is no name; the sentence lists those that have one.

    Examples
    --------
    >>> from zeeman.demo.model import AttentionOnlyTransformer
    >>> model = AttentionOnlyTransformer(width=8, num_heads=2, num_layers=1)
    >>> [site.name for site in resolve_sites(model, ["l0h0"])]
    ['l0h0']
    >>> resolve_sites(model, ["l0 mlp"])
    Traceback (most recent call last):
    ...
    zeeman.errors.ZeemanError: expected a head, attention or MLP whose contribution passes a module of
    AttentionOnlyTransformer, got 'l0 mlp'; available are l0 attn, l0h0, l0h1.
    """
    sites, wanted = contribution_sites(model), list(names)
    for name in wanted or [""]:
        if name not in sites:
            listed = [*list(sites)[:_SHOWN], *(["…", list(sites)[-1]] if len(sites) > _SHOWN else [])]
            raise ZeemanError(
                f"expected a head, attention or MLP whose contribution passes a module of {type(model).__name__}, got "
                f"{name!r}; available are {', '.join(listed) or 'none'}."
            )
    return [sites[name] for name in wanted]


def all_sites(model: nn.Module) -> dict[str, Site]:
    """Find the sites of all that a model's blocks add to the residual stream: every head and every MLP.

    Parameters
    ----------
    model : Module

    Returns
    -------
    dict of Site
        Heads and MLPs by name, layer by layer.

    Raises
    ------
    ZeemanError
        When some block adds something by a part that has no site, so that it could not be held.

    Examples
    --------
    >>> from zeeman.demo.model import AttentionOnlyTransformer
    >>> list(all_sites(AttentionOnlyTransformer(width=8, num_heads=2)))
    ['l0h0', 'l0h1', 'l1h0', 'l1h1']
    """
    sites = contribution_sites(model)
    layers = max((len(blocks) for blocks in layer_stacks(model).values()), default=0)
    needed = {f"l{layer} attn" for layer in range(layers)}
    needed |= {name for name in list_components(model) if name.endswith(" mlp")}
    lacking = sorted(needed - sites.keys())
    if lacking or not layers:
        raise ZeemanError(
            f"expected a model every head and MLP of which passes a module of its own, got {type(model).__name__} "
            f"without {', '.join(lacking[:_SHOWN]) or 'blocks'}; ablate components whole (mean_ablation) instead."
        )
    return {name: site for name, site in sites.items() if not name.endswith(" attn")}


def _attention_sites(layer: str, attention: Attention, owners: Mapping[int, str]) -> list[Site]:
    matrices = [piece for piece in attention.pieces if piece.parameter.ndim == 2]
    if not attention.heads or len(matrices) != 4:
        return []
    modules = [owners[id(piece.parameter)] for piece in matrices]
    members = attention.heads // attention.groups
    sites = [Site(f"{layer} attn", Port(modules[3], "output"))]
    for head in range(attention.heads):
        reads = {
            part: _stretch(module, "output", piece.spans[head // members if piece.shared else head])
            for part, piece, module in zip("qkv", matrices[:3], modules[:3], strict=True)
        }
        sites.append(Site(f"{layer}h{head}", _stretch(modules[3], "input", matrices[3].spans[head]), reads))
    return sites


def _stretch(module: str, side: Literal["input", "output"], span: slice) -> Port:
    return Port(module, side, span.start, span.stop)


def _common_module(owners: Mapping[int, str], regions: list[Region]) -> str:
    """Name of the smallest module that holds all of these parameters; empty when there is none."""
    paths = [owners[id(parameter)].split(".") for parameter, _ in regions]
    shared: list[str] = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)
