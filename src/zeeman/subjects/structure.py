"""Where layers, attentions, heads and embeddings are in a module, told from attributes and shapes.

No model type is named here. A role is recognised by the attribute that plays it (`q_proj`, `c_attn`, …), the number
of heads is read from the attention or its config, and every other number (head width, key/value heads, query block)
follows from the shapes of the projections. What cannot be told without doubt is left out rather than guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from torch import nn

Index = tuple[slice, ...]
Region = tuple[nn.Parameter, Index]

_SEPARATE = (
    ("q_proj", "k_proj", "v_proj"),
    ("query", "key", "value"),
    ("q_lin", "k_lin", "v_lin"),
    ("wq", "wk", "wv"),
    ("q", "k", "v"),
)
_OUTPUTS = ("o_proj", "out_proj", "dense", "c_proj", "out_lin", "wo", "o")
# Fused projection, its output projection, and whether each group's rows are kept together ([groups, q… k v, d_head])
# or queries, keys and values are three sections. Pairs, because `qkv_proj` beside `out_proj` is yet another layout.
_FUSED = (
    ("query_key_value", "dense", True),
    ("c_attn", "c_proj", False),
    ("qkv_proj", "o_proj", False),
    ("Wqkv", "out_proj", False),
    ("Wqkv", "Wo", False),
    ("qkv", "proj", False),
)
_HEADS = ("num_heads", "n_heads", "n_head", "num_attention_heads", "nhead", "heads")
_WIDTHS = ("head_dim", "d_head", "head_size", "attention_head_size", "dim_head")


class _Matrix(NamedTuple):
    """A projection: its weight, its bias, and the axis of the weight that runs over outputs."""

    weight: nn.Parameter
    bias: nn.Parameter | None
    axis: int

    @property
    def outputs(self) -> int:
        return self.weight.shape[self.axis]

    @property
    def inputs(self) -> int:
        return self.weight.shape[1 - self.axis]


class _Piece(NamedTuple):
    """A parameter cut along one axis: span i belongs to query head i, or to key/value head i when `shared`."""

    parameter: nn.Parameter
    axis: int
    shared: bool
    spans: tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class Attention:
    """An attention of a block: the module that holds all of it and, where they can be told, its heads.

    Attributes
    ----------
    root
        Smallest module with all projections in it.
    heads, groups
        Number of query heads and of key/value heads; both 0 when heads cannot be told apart.
    """

    root: nn.Module
    heads: int = 0
    groups: int = 0
    pieces: tuple[_Piece, ...] = ()

    def head(self, head: int) -> list[Region]:
        """Parameters of one query head; its keys and values are included when no other head uses them."""
        return self._cut([head], [head] if self.groups == self.heads else [])

    def group(self, group: int) -> list[Region]:
        """Parameters of one key/value head with all query heads that read it."""
        members = self.heads // self.groups
        return self._cut(range(group * members, (group + 1) * members), [group])

    def _cut(self, queries: Sequence[int], keys: Sequence[int]) -> list[Region]:
        cuts: dict[tuple[int, int], tuple[nn.Parameter, list[slice]]] = {}
        for piece in self.pieces:
            spans = [piece.spans[i] for i in (keys if piece.shared else queries)]
            cuts.setdefault((id(piece.parameter), piece.axis), (piece.parameter, []))[1].extend(spans)
        return [
            (parameter, (*whole(parameter)[:axis], span, *whole(parameter)[axis + 1 :]))
            for (_, axis), (parameter, spans) in cuts.items()
            for span in _merged(spans)
        ]


def whole(parameter: nn.Parameter) -> Index:
    """Index of all of a parameter, one slice a dimension."""
    return tuple(slice(0, n) for n in parameter.shape)


def everything(modules: Iterable[nn.Module], without: Iterable[nn.Module] = ()) -> list[Region]:
    """All parameters of some modules, each once, apart from those of other modules."""
    seen = {id(p) for module in without for p in module.parameters()}
    regions = []
    for parameter in chain.from_iterable(module.parameters() for module in modules):
        if id(parameter) not in seen:
            seen.add(id(parameter))
            regions.append((parameter, whole(parameter)))
    return regions


def norms(module: nn.Module) -> list[nn.Module]:
    """Normalisations inside a module: leaves with parameters, none of which is a matrix."""
    return [m for m in module.modules() if _own(m) and _is_leaf(m) and all(p.ndim < 2 for p in _own(m).values())]


def layer_stacks(model: nn.Module) -> dict[str, list[nn.Module]]:
    """Find the model's blocks: the longest of the outermost lists of blocks of one class.

    Returns
    -------
    Path of the list -> its blocks. Empty when the model has no blocks, more than one entry when lists tie.
    """
    stacks = {name: list(m) for name, m in model.named_modules() if isinstance(m, nn.ModuleList | nn.Sequential)}
    stacks = {name: blocks for name, blocks in stacks.items() if _are_blocks(model.get_submodule(name), blocks)}
    outermost = _outermost(stacks)
    # Hybrids mix classes of blocks, so a list of several classes is taken when no other is there.
    uniform = {name: blocks for name, blocks in outermost.items() if len({type(b) for b in blocks}) == 1}
    candidates = uniform or outermost
    longest = max(map(len, candidates.values()), default=0)
    return {name: blocks for name, blocks in candidates.items() if len(blocks) == longest}


def bare_layers(model: nn.Module) -> list[list[Region]]:
    """Layers of a model without blocks: each module's own parameters, in order, where it has any."""
    return [[(p, whole(p)) for p in _own(module).values()] for module in model.modules() if _own(module)]


def attentions(block: nn.Module, model: nn.Module) -> list[Attention]:
    """Attentions of a block, with heads where projections are recognised, else by the attribute's name."""
    told: dict[frozenset[int], Attention] = {}
    for name, module in block.named_modules():
        if found := _attention(module, _parent(block, name), model):
            # A wrapper that offers the projections of what it wraps is the same attention.
            told.setdefault(frozenset(id(p) for p in found.root.parameters()), found)
    if told:
        return list(told.values())
    named: list[nn.Module] = []
    for name, module in block.named_modules():
        leaf_name = name.rpartition(".")[2].lower()
        matrices = everything([module], without=norms(module))
        inside = any(module is m for outer in named for m in outer.modules())
        if ("attn" in leaf_name or "attention" in leaf_name) and matrices and not inside:
            named.append(module)
    return [Attention(module) for module in named]


def feed_forward(block: nn.Module, attention: list[Attention]) -> list[Region]:
    """Parameters of a block that are neither attention nor normalisation; empty when the attention is not known."""
    if attention:
        return everything([block], without=[*norms(block), *(a.root for a in attention)])
    parts = ("mlp", "ffn", "feed_forward", "feedforward")
    modules = [m for name, m in block.named_children() if any(part in name.lower() for part in parts)]
    return everything(modules, without=norms(block))


def embedding_modules(model: nn.Module) -> list[nn.Module]:
    """Token and learned position embeddings outside the blocks."""
    outside = _outside(model)
    return [m for m in outside if isinstance(m, nn.Embedding) or _own(m).keys() & {"W_E", "W_pos"}]


def unembedding_modules(model: nn.Module) -> list[nn.Module]:
    """Projection onto the vocabulary: what the model says, else the last Linear of that width outside the blocks."""
    for module in model.modules():
        said = getattr(module, "get_output_embeddings", None)
        found = said() if callable(said) else None
        if isinstance(found, nn.Module):
            return [found]
    outside = _outside(model)
    named = [m for m in outside if "W_U" in _own(m)]
    if named:
        return named
    for embedding in embedding_modules(model):
        size = getattr(embedding, "num_embeddings", None)
        linears: list[nn.Module] = [m for m in outside if isinstance(m, nn.Linear) and m.out_features == size]
        if linears:
            return linears[-1:]
    return []


def _own(module: nn.Module) -> dict[str, nn.Parameter]:
    return dict(module.named_parameters(recurse=False))


def _is_leaf(module: nn.Module) -> bool:
    return next(module.children(), None) is None


def _outside(model: nn.Module) -> list[nn.Module]:
    inside = {id(m) for blocks in layer_stacks(model).values() for block in blocks for m in block.modules()}
    return [m for m in model.modules() if id(m) not in inside]


def _parent(block: nn.Module, name: str) -> nn.Module:
    return block.get_submodule(name.rpartition(".")[0])


def _are_blocks(stack: nn.Module, blocks: list[nn.Module]) -> bool:
    if not blocks or any(next(block.parameters(), None) is None for block in blocks):
        return False
    attentive = [any(_attention(m, m, stack) for m in block.modules()) for block in blocks]
    if isinstance(stack, nn.Sequential):
        return all(attentive)
    return all(found or not _is_leaf(block) for found, block in zip(attentive, blocks, strict=True))


def _outermost(stacks: dict[str, list[nn.Module]]) -> dict[str, list[nn.Module]]:
    def inside(name: str, other: str) -> bool:
        return name != other and (not other or name.startswith(f"{other}."))

    return {name: blocks for name, blocks in stacks.items() if not any(inside(name, other) for other in stacks)}


def _merged(spans: Iterable[slice]) -> Iterator[slice]:
    start = stop = None
    for span in sorted(spans, key=lambda s: int(s.start)):
        if stop is not None and span.start != stop:
            yield slice(start, stop)
            start = None
        start = span.start if start is None else start
        stop = span.stop
    if stop is not None:
        yield slice(start, stop)


def _matrix(module: object) -> _Matrix | None:
    """Weight and bias of a linear map; None when it is none or its orientation cannot be told."""
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if not isinstance(module, nn.Module) or not isinstance(weight, nn.Parameter) or weight.ndim != 2:
        return None
    # Conv1D of transformers keeps (in, out) and its number of outputs as `nf`.
    axis = 0 if hasattr(module, "out_features") else 1 if hasattr(module, "nf") else None
    return None if axis is None else _Matrix(weight, bias if isinstance(bias, nn.Parameter) else None, axis)


def _number(names: tuple[str, ...], *sources: object) -> int | None:
    values = (getattr(source, name, None) for source in sources for name in names)
    return next((v for v in values if isinstance(v, int) and not isinstance(v, bool) and v > 0), None)


def _attention(module: nn.Module, parent: nn.Module, model: nn.Module) -> Attention | None:
    """Read a module as an attention, or None when it holds no projections."""
    if stacked := _leading_heads(module):
        return stacked
    configs = [getattr(m, name, None) for m in (module, parent, model) for name in ("config", "cfg")]
    sources = (module, *configs[:2], parent, *configs[2:])
    return _fused(module, sources) or _separate(module, parent, sources)


def _leading_heads(module: nn.Module) -> Attention | None:
    """Parameters W_Q, W_K, W_V, W_O with a leading axis over heads; `_W_K` and `_W_V` when keys are grouped."""
    own = {name.removeprefix("_"): p for name, p in _own(module).items()}
    weights = [own.get(f"W_{role}") for role in "QKVO"]
    if any(w is None or w.ndim != 3 for w in weights):
        return None
    pieces = []
    for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V"):
        if name in own:
            spans = tuple(slice(i, i + 1) for i in range(own[name].shape[0]))
            pieces.append(_Piece(own[name], 0, name[-1] in "KV", spans))
    return Attention(module, own["W_Q"].shape[0], own["W_K"].shape[0], tuple(pieces))


def _separate(module: nn.Module, parent: nn.Module, sources: tuple[object, ...]) -> Attention | None:
    found = [[_matrix(getattr(module, name, None)) for name in names] for names in _SEPARATE]
    q, k, v = next((maps for maps in found if all(maps)), (None, None, None))
    if q is None or k is None or v is None:
        return None
    root, out = module, next((m for name in _OUTPUTS if (m := _matrix(getattr(module, name, None)))), None)
    if out is None:  # query, key and value in one module, the projection in its sibling `output`
        root, out = parent, _matrix(getattr(getattr(parent, "output", None), "dense", None))
    if out is None:
        return Attention(module)
    heads = _head_count(q.outputs, out.inputs, sources)
    if not heads or q.outputs % heads:
        return Attention(root)
    groups, rest = divmod(v.outputs, out.inputs // heads)
    if rest or not groups or heads % groups or k.outputs % groups:
        return Attention(root)
    pieces = [
        *_rows(q, False, _even(q.outputs, heads)),
        *_rows(k, True, _even(k.outputs, groups)),
        *_rows(v, True, _even(v.outputs, groups)),
        _Piece(out.weight, 1 - out.axis, False, _even(out.inputs, heads)),
    ]
    return Attention(root, heads, groups, tuple(pieces))


def _fused(module: nn.Module, sources: tuple[object, ...]) -> Attention | None:
    for name, output, together in _FUSED:
        qkv, out = _matrix(getattr(module, name, None)), _matrix(getattr(module, output, None))
        if qkv is not None and out is not None:
            # A `c_attn` that could be multi-query but is not keeps each head's rows together.
            return _cut_fused(module, qkv, out, together or getattr(module, "multi_query", None) is False, sources)
    weight, bias = (getattr(module, f"in_proj_{part}", None) for part in ("weight", "bias"))
    out = _matrix(getattr(module, "out_proj", None))
    if isinstance(weight, nn.Parameter) and weight.ndim == 2 and out is not None:
        return _cut_fused(module, _Matrix(weight, bias, 0), out, False, sources)
    return None


def _cut_fused(
    module: nn.Module, qkv: _Matrix, out: _Matrix, together: bool, sources: tuple[object, ...]
) -> Attention | None:
    heads = _head_count(out.inputs, out.inputs, sources)
    if not heads:
        return Attention(module)
    width = out.inputs // heads
    groups, rest = divmod(qkv.outputs - out.inputs, 2 * width)
    if rest or groups < 1 or heads % groups:
        return Attention(module)
    members = heads // groups
    if together:
        stride = (members + 2) * width
        starts = [[(h // members) * stride + (h % members) * width for h in range(heads)]]
        starts += [[g * stride + (members + shift) * width for g in range(groups)] for shift in (0, 1)]
    else:
        offsets = (0, heads, heads + groups)
        counts = (heads, groups, groups)
        starts = [[(offset + i) * width for i in range(n)] for offset, n in zip(offsets, counts, strict=True)]
    pieces = [
        piece
        for part, shared in zip(starts, (False, True, True), strict=True)
        for piece in _rows(qkv, shared, tuple(slice(s, s + width) for s in part))
    ]
    pieces.append(_Piece(out.weight, 1 - out.axis, False, _even(out.inputs, heads)))
    return Attention(module, heads, groups, tuple(pieces))


def _head_count(queries: int, inputs: int, sources: tuple[object, ...]) -> int | None:
    """Tell the number of query heads from attributes; None when none says it or shapes contradict it."""
    heads, width = _number(_HEADS, *sources), _number(_WIDTHS, *sources)
    if heads is None and width is not None:
        heads = inputs // width
    agrees = heads and inputs % heads == 0 and (width is None or heads * width in (queries, inputs))
    return heads if agrees else None


def _even(size: int, count: int) -> tuple[slice, ...]:
    width = size // count
    return tuple(slice(i * width, (i + 1) * width) for i in range(count))


def _rows(matrix: _Matrix, shared: bool, spans: tuple[slice, ...]) -> list[_Piece]:
    weight = _Piece(matrix.weight, matrix.axis, shared, spans)
    return [weight] if matrix.bias is None else [weight, _Piece(matrix.bias, 0, shared, spans)]
