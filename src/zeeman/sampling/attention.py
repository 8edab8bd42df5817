"""Where the heads of a language model look: to the token before, and behind the former occurrence of a token."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.overrides import TorchFunctionMode

from zeeman.errors import ZeemanError
from zeeman.sampling.patched import evaluation_copy
from zeeman.sampling.posterior import language_model_loss, parts_of, rows_at_once
from zeeman.subjects.structure import attentions, layer_stacks

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AttentionScores:
    """Where each head looks, row by row.

    Parameters
    ----------
    components : tuple of str
        The heads: `l0h0`, `l0h1`, …
    previous : array, shape (heads, rows)
        Mean attention to the token before, over positions 1 … T − 1.
    induction : array, shape (heads, rows)
        Mean attention to the tokens that followed former occurrences of the present one, over positions where there
        are such; NaN for a row without any.
    previous_chance, induction_chance : float
        What a head would have that looks everywhere alike.

    Examples
    --------
    >>> scores = AttentionScores(("l0h0",), np.array([[0.2, 0.4]]), np.array([[0.1, np.nan]]), 0.1, 0.1)
    >>> scores.mean("previous").round(2).tolist(), scores.error("previous").round(2).tolist()
    ([0.3], [0.1])
    >>> scores.mean("induction").tolist(), scores.error("induction").tolist()
    ([0.1], [nan])
    """

    components: tuple[str, ...]
    previous: Array
    induction: Array
    previous_chance: float
    induction_chance: float

    def mean(self, kind: str) -> Array:
        """Mean over rows of `previous` or `induction`, shape (heads,)."""
        means: Array = self._rows(kind).mean(axis=1)
        return means

    def error(self, kind: str) -> Array:
        """Standard error of that mean between rows, shape (heads,); NaN for one row."""
        rows = self._rows(kind)
        if rows.shape[1] < 2:
            return np.full(len(rows), math.nan)
        errors: Array = rows.std(axis=1, ddof=1) / math.sqrt(rows.shape[1])
        return errors

    def _rows(self, kind: str) -> Array:
        values: Array = {"previous": self.previous, "induction": self.induction}[kind]
        return values[:, np.isfinite(values).all(axis=0)]


def attention_patterns(model: nn.Module, tokens: torch.Tensor) -> AttentionScores:
    """Score every head by how much it attends to the previous token and as an induction head does.

    With A_ts the attention of position t to s ≤ t: the previous-token score is the mean of A_{t,t−1}; the induction
    score the mean over t of Σ A_{t,s+1} over all s < t with x_s = x_t, which on repeated random strings says how much a
    head looks behind former occurrences (Olsson et al. 2022, arXiv 2209.11895). A model of transformers shows its
    attention itself (`output_attentions`, eager); any other has it computed from the queries, keys and masks that it
    passes to `scaled_dot_product_attention`.

    Parameters
    ----------
    model : Module
        Never changed, nor its config: a copy in evaluation mode, which shares its weights, is run.
    tokens : Tensor of int64, shape (rows, T)
        Random strings repeated, so that nothing but the repeat tells where to look.

    Returns
    -------
    AttentionScores

    Raises
    ------
    ZeemanError
        When no token occurs twice in a row, or the model has no blocks or does not show its attention.

    Examples
    --------
    >>> from zeeman.demo.model import AttentionOnlyTransformer
    >>> model = AttentionOnlyTransformer(vocabulary=8, context=8, width=8, num_heads=2, num_layers=1)
    >>> for p in model.parameters():
    ...     _ = torch.nn.init.zeros_(p)
    >>> scores = attention_patterns(model, torch.tensor([[3, 1, 4, 5, 3, 1, 4, 5]]))
    >>> scores.components, bool(np.allclose(scores.mean("induction"), scores.induction_chance))
    (('l0h0', 'l0h1'), True)
    """
    if tokens.ndim != 2 or tokens.shape[1] < 3:
        raise ZeemanError(f"expected tokens of shape (rows, T) with T of at least 3, got {tuple(tokens.shape)}.")
    behind = _behind_former(tokens)
    if not behind.any():
        raise ZeemanError("expected rows in which some token occurs again, got none; pass repeated random strings.")
    copied = evaluation_copy(model, tokens, language_model_loss)
    read = _own_attention if hasattr(getattr(copied, "config", None), "_attn_implementation") else _seen_attention
    before = torch.ones_like(behind[:1]).tril(-1).triu(-1)
    previous, induction = [], []
    for part in parts_of(torch.arange(len(tokens)), rows_at_once(language_model_loss, copied, tokens).gradient):
        with torch.no_grad():
            layers = read(copied, tokens[part])
        previous.append(torch.cat([_scores(layer, before) for layer in layers]))
        induction.append(torch.cat([_scores(layer, behind[part]) for layer in layers]))
    names = tuple(f"l{i}h{h}" for i, layer in enumerate(layers) for h in range(layer.shape[1]))
    even = torch.ones_like(behind[:1, None], dtype=torch.float64).tril()
    even = (even / even.sum(-1, keepdim=True)).expand(len(tokens), -1, -1, -1)
    chance = [float(_scores(even, mask).nanmean()) for mask in (before, behind)]
    return AttentionScores(names, torch.cat(previous, 1).numpy(), torch.cat(induction, 1).numpy(), *chance)


def _behind_former(tokens: torch.Tensor) -> torch.Tensor:
    """Mark (row, t, s + 1) where s < t and x_s = x_t."""
    same = (tokens[:, :, None] == tokens[:, None, :]).tril(-1)
    return nn.functional.pad(same, (1, 0))[..., :-1]


def _scores(attention: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean attention to marked positions over positions with any, shape (heads, rows)."""
    seen = (attention.double() * mask[:, None]).sum((-2, -1))
    return (seen / mask.any(-1).sum(-1)[:, None]).T


def _own_attention(model: nn.Module, tokens: torch.Tensor) -> list[torch.Tensor]:
    """Attention of each layer, as a copied model of transformers gives it."""
    model.config._attn_implementation = "eager"  # type: ignore[union-attr]  # the copy's own
    layers = getattr(model(tokens, output_attentions=True), "attentions", None)
    blocks = len(_blocks(model))
    if not layers or len(layers) != blocks or any(layer is None for layer in layers):
        raise _unseen(model, f"{len(layers or ())} of {blocks} layers")
    return list(layers)


def _seen_attention(model: nn.Module, tokens: torch.Tensor) -> list[torch.Tensor]:
    """Attention of each layer, from what reaches `scaled_dot_product_attention` while the layer's attention runs."""
    blocks, seen = _blocks(model), _Seen()
    handles = [
        found[0].root.register_forward_pre_hook(lambda module, args, layer=layer: seen.enter(layer))
        for layer, block in enumerate(blocks)
        if len(found := attentions(block, model)) == 1
    ]
    try:
        with seen:
            model(tokens)
    finally:
        for handle in handles:
            handle.remove()
    if not blocks or sorted(seen.layers) != list(range(len(blocks))):
        raise _unseen(model, f"{len(seen.layers)} of {len(blocks)} layers")
    return [seen.layers[layer] for layer in range(len(blocks))]


class _Seen(TorchFunctionMode):
    """Computes the weights of every attention that passes by."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: dict[int, torch.Tensor] = {}
        self._layer = -1

    def enter(self, layer: int) -> None:
        self._layer = layer

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is nn.functional.scaled_dot_product_attention and self._layer >= 0:
            self.layers[self._layer] = _weights(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _weights(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Weights that `scaled_dot_product_attention` gives to the values, as its documentation says."""
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1)


def _blocks(model: nn.Module) -> list[nn.Module]:
    stacks = list(layer_stacks(model).values())
    return stacks[0] if len(stacks) == 1 else []


def _unseen(model: nn.Module, shown: str) -> ZeemanError:
    return ZeemanError(
        f"expected a model that shows the attention of each block, got {type(model).__name__} with {shown}; use a "
        "model of transformers, or one whose blocks call scaled_dot_product_attention."
    )
