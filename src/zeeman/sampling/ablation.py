"""Mean ablation and path patching: what the loss of each token owes to a component's contribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.sampling.patched import Edit, PatchedRuns, Values, put
from zeeman.sampling.posterior import Loss, language_model_loss, parts_of, rows_of
from zeeman.sampling.watching import Observable
from zeeman.subjects.sites import Port, Site, all_sites, resolve_sites


@dataclass(frozen=True, eq=False)
class Ablation:
    """Effect of components on the loss of each scored token.

    Parameters
    ----------
    components : tuple of str
        Those that are ablated together are joined by ` + `.
    effects : array, shape (components, tokens)
        ℓ_ablated − ℓ in nats: positive where the component helps.
    losses : array, shape (tokens,)
        ℓ of the model as it is, in nats.
    rows : integer array, shape (tokens,)
        The window of each token. Tokens of one window are not independent; windows are.
    """

    components: tuple[str, ...]
    effects: NDArray[np.float64]
    losses: NDArray[np.float64]
    rows: NDArray[np.int64]


def mean_ablation(
    model: nn.Module,
    item: Observable,
    components: Sequence[str | tuple[str, ...]],
    *,
    reference: Any = None,
    loss: Loss = language_model_loss,
) -> Ablation:
    """Replace the contribution of each component by its mean over reference windows, and read every token.

    With z_C(x) what C contributes at a position, z̄_C its mean over all positions and rows of the reference, the effect
    on a token is ℓ(z_C ← z̄_C) − ℓ; what comes after C is computed anew. A head's contribution is its slice of the input
    of the output projection, that of an attention or an MLP its output. The effect is conditional on z̄_C.

    Parameters
    ----------
    model : Module
        Never changed: a copy in evaluation mode, which shares its weights, is run.
    item : Observable
        Windows and which of their losses are read.
    components : sequence of str or tuple of str
        Heads `l0h1`, attentions `l0 attn`, MLPs `l0 mlp`; those in a tuple are ablated together.
    reference : Any
        Windows over which means are taken; None takes those that are read.
    loss : callable
        As for `LocalPosterior`.

    Returns
    -------
    Ablation

    Raises
    ------
    ZeemanError
        For a component without a site in this model, one that its forward pass does not reach as a module, and a loss
        that is not repeatable or has another shape than what is scored.

    Examples
    --------
    >>> from zeeman.demo.model import AttentionOnlyTransformer
    >>> model = AttentionOnlyTransformer(vocabulary=8, context=5, width=8, num_heads=2, num_layers=1)
    >>> _ = torch.nn.init.zeros_(model.layers[0].attn.o_proj.weight)
    >>> item = Observable(torch.arange(15).reshape(3, 5) % 8, torch.ones(3, 4, dtype=torch.bool))
    >>> found = mean_ablation(model, item, ["l0h0", ("l0h0", "l0h1")])
    >>> found.components, found.effects.shape, float(abs(found.effects).max())
    (('l0h0', 'l0h0 + l0h1'), (2, 12), 0.0)
    """
    groups = [(names,) if isinstance(names, str) else tuple(names) for names in components]
    runs = PatchedRuns(model, item, loss)
    sites = {site.name: site for site in resolve_sites(runs.model, {name: None for group in groups for name in group})}
    means = runs.means(list(sites.values()), reference)
    edits = [[put(sites[name].port, means[sites[name].port]) for name in group] for group in groups]

    def effects(part: torch.Tensor, clean: torch.Tensor) -> list[torch.Tensor]:
        return [runs.losses(part, edit) - clean for edit in edits]

    return _gather(runs, [" + ".join(group) for group in groups], effects)


def path_patching(
    model: nn.Module,
    item: Observable,
    senders: Sequence[str],
    receiver: str | None = None,
    *,
    inputs: str = "qkv",
    corrupted: Any = None,
    reference: Any = None,
    loss: Loss = language_model_loss,
) -> Ablation:
    """Ablate each sender as one receiver alone sees it, and read every token.

    In three runs (Wang et al. 2023, arXiv 2211.00593; Goldowsky-Dill et al. 2023, arXiv 2304.05969): the clean one; one
    with the sender's contribution replaced and those of all other heads and MLPs held at their clean values, which
    shows what the receiver would then contribute; and a clean one with that in place of the receiver's contribution,
    whose loss minus the clean loss is the effect. What comes after the receiver is computed anew. A sender that is not
    upstream of the receiver has effect 0 exactly.

    Parameters
    ----------
    model, item, loss
        As for `mean_ablation`.
    senders : sequence of str
        Heads, attentions or MLPs, one at a time.
    receiver : str or None
        A head or an MLP; None is the end of the residual stream: the direct effect on the logits.
    inputs : str
        Through which of a receiving head's queries, keys and values: letters of `qkv`. The others stay clean.
    corrupted : Any
        Windows of the same shape: a sender gets the value that it has on them. None gives it its mean instead.
    reference : Any
        Windows over which that mean is taken; None takes those that are read.

    Returns
    -------
    Ablation
        Its components are the senders.

    Raises
    ------
    ZeemanError
        As `mean_ablation`; for a model with parts that cannot be held, and for a receiver, letters or corrupted windows
        that do not fit.

    Examples
    --------
    >>> from zeeman.demo.model import AttentionOnlyTransformer
    >>> model = AttentionOnlyTransformer(vocabulary=8, context=5, width=8, num_heads=2)
    >>> item = Observable(torch.arange(15).reshape(3, 5) % 8, torch.ones(3, 4, dtype=torch.bool))
    >>> found = path_patching(model, item, ["l0h0", "l1h1"], "l1h0")
    >>> (abs(found.effects).max(axis=1) > 0).tolist()
    [True, False]
    """
    runs = PatchedRuns(model, item, loss)
    every = all_sites(runs.model)
    sites = resolve_sites(runs.model, senders)
    receiving = _receiver(every, receiver, inputs)
    _refuse_other_shapes(corrupted, item.batch)
    means = {} if corrupted is not None else runs.means(sites, reference)
    closed = [port for part, port in receiving.reads.items() if part not in inputs] if receiving else []

    def effects(part: torch.Tensor, clean: torch.Tensor) -> list[torch.Tensor]:
        held = runs.record([*(site.port for site in every.values()), *closed], rows_of(item.batch, part))
        given = means if corrupted is None else runs.record([s.port for s in sites], rows_of(corrupted, part))
        paths = [_path(site, receiving, held, given) for site in sites]
        return [runs.through(part, edits, receiving) - clean for edits in paths]

    return _gather(runs, list(senders), effects)


def _gather(
    runs: PatchedRuns, names: list[str], effects: Callable[[torch.Tensor, torch.Tensor], list[torch.Tensor]]
) -> Ablation:
    """Put the effects of all rows together."""
    losses, found = [], []
    for part in parts_of(torch.arange(len(runs.item.scored)), runs.at_once):
        clean = runs.losses(part)
        losses.append(clean)
        found.append(torch.stack(effects(part, clean)))
    rows = runs.item.scored.nonzero()[:, 0]
    return Ablation(tuple(names), torch.cat(found, 1).numpy(), torch.cat(losses).numpy(), rows.numpy())


def _path(sender: Site, receiver: Site | None, held: Values, given: Values) -> list[tuple[Port, Edit]]:
    """Hold all but the sender, which is replaced, and the receiver, which answers to it."""
    free = {sender.port} | ({receiver.port} if receiver else set())
    edits = [put(port, value) for port, value in held.items() if port not in free]
    # Nothing is upstream of itself.
    return edits if sender == receiver else [*edits, put(sender.port, given[sender.port])]


def _receiver(every: dict[str, Site], name: str | None, inputs: str) -> Site | None:
    if name is not None and name not in every:
        raise ZeemanError(f"expected a head or an MLP as receiver, got {name!r}; name one of {', '.join(every)}.")
    if not inputs or set(inputs) - set("qkv") or (inputs != "qkv" and (name is None or not every[name].reads)):
        raise ZeemanError(f"inputs must be letters of 'qkv' of a receiving head, got {inputs!r} for {name!r}.")
    return None if name is None else every[name]


def _refuse_other_shapes(corrupted: Any, batch: Any) -> None:
    if corrupted is not None and _shapes(corrupted) != _shapes(batch):
        raise ZeemanError(
            f"expected corrupted windows of shape {_shapes(batch)}, got {_shapes(corrupted)}; give one a window."
        )


def _shapes(batch: Any) -> list[tuple[int, ...]]:
    return [tuple(part.shape) for part in (batch if isinstance(batch, tuple) else (batch,))]
