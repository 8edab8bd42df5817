"""Components move what their names say: checked by what a forward pass does, not by parameter names."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.subjects.component import Component, list_components, resolve_component

VOCABULARY, CONTEXT = 50, 12


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.num_heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.pattern = torch.empty(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (m(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for m in self.projections)
        self.pattern = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(
            ~torch.ones(x.shape[1], x.shape[1]).tril().bool(), -1e9
        )
        self.pattern = self.pattern.softmax(-1)
        return self.o_proj((self.pattern @ v).transpose(1, 2).flatten(2))

    @property
    def projections(self) -> tuple[nn.Module, ...]:
        return self.q_proj, self.k_proj, self.v_proj


class Block(nn.Module):
    def __init__(self, width: int, attn: nn.Module):
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(width), attn

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.attn(self.norm(x))


class AttentionOnly(nn.Module):
    def __init__(
        self, layers: int = 2, heads: int = 4, width: int = 16, attention: Callable[..., nn.Module] = SelfAttention
    ):
        super().__init__()
        self.embed, self.position = nn.Embedding(VOCABULARY, width), nn.Embedding(CONTEXT, width)
        self.layers = nn.ModuleList(Block(width, attention(width, heads)) for _ in range(layers))
        self.norm, self.unembed = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens) + self.position(torch.arange(tokens.shape[1]))
        for layer in self.layers:
            x = layer(x)
        return self.unembed(self.norm(x))


class LeadingHeads(nn.Module):
    """The parameters of a TransformerLens attention; keys and values of fewer heads are `_W_K`, `_W_V`."""

    def __init__(self, width: int, heads: int, groups: int | None = None):
        super().__init__()
        d, shared = width // heads, "" if groups is None else "_"
        for role, n in (("Q", heads), ("K", groups or heads), ("V", groups or heads)):
            self.register_parameter(shared * (role != "Q") + f"W_{role}", nn.Parameter(torch.zeros(n, width, d)))
            self.register_parameter(shared * (role != "Q") + f"b_{role}", nn.Parameter(torch.zeros(n, d)))
        self.W_O, self.b_O = nn.Parameter(torch.zeros(heads, d, width)), nn.Parameter(torch.zeros(width))


class FusedLinear(nn.Module):
    """nanoGPT's attention: `c_attn` is a Linear, not a Conv1D."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.n_head = heads
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)


class Ungiven(nn.Module):
    """Projections without any word on the number of heads."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width) for _ in range(4))


def randomised(make: Callable[[], nn.Module]) -> nn.Module:
    """Every parameter random, biases and gains too, without use of the global generator."""
    with torch.random.fork_rng():
        model = make().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def from_transformers(name: str, layers: int = 2, heads: int = 4, d: int = 4, **options: Any) -> nn.Module:
    short = name in ("GPT2", "GPTBigCode")
    sizes = (heads * d, layers, heads)
    keys = ("n_embd", "n_layer", "n_head") if short else ("hidden_size", "num_hidden_layers", "num_attention_heads")
    options |= dict(zip(keys, sizes, strict=True)) | ({} if short else {"intermediate_size": 24})
    options |= {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = getattr(transformers, f"{name}Config")(**options, attn_implementation="eager")
    head = "LMHeadModel" if name == "GPT2" else "ForCausalLM"
    return randomised(lambda: getattr(transformers, f"{name}{head}")(config))


MODELS: dict[str, tuple[Callable[..., nn.Module], str, int]] = {  # maker, output projection of block 0, key/value heads
    "GPT-NeoX": (lambda **o: from_transformers("GPTNeoX", **o), "gpt_neox.layers.0.attention.dense", 4),
    "GPT-2": (lambda **o: from_transformers("GPT2", **o), "transformer.h.0.attn.c_proj", 4),
    "Llama": (lambda **o: from_transformers("Llama", num_key_value_heads=2, **o), "model.layers.0.self_attn.o_proj", 2),
    "Qwen2": (lambda **o: from_transformers("Qwen2", num_key_value_heads=2, **o), "model.layers.0.self_attn.o_proj", 2),
    "wide": (
        lambda **o: from_transformers("Qwen3", num_key_value_heads=2, head_dim=6, **o),
        "model.layers.0.self_attn.o_proj",
        2,
    ),
    "grouped rows": (
        lambda **o: from_transformers("Falcon", new_decoder_architecture=True, num_kv_heads=2, **o),
        "transformer.h.0.self_attention.dense",
        2,
    ),
    "multi-query rows": (lambda **o: from_transformers("Falcon", **o), "transformer.h.0.self_attention.dense", 1),
    "grouped sections": (
        lambda **o: from_transformers("Phi3", num_key_value_heads=2, **o),
        "model.layers.0.self_attn.o_proj",
        2,
    ),
    "c_attn by head": (
        lambda **o: from_transformers("GPTBigCode", multi_query=False, **o),
        "transformer.h.0.attn.c_proj",
        4,
    ),
    "c_attn multi-query": (lambda **o: from_transformers("GPTBigCode", **o), "transformer.h.0.attn.c_proj", 1),
    "attention-only": (lambda **o: randomised(lambda: AttentionOnly(**o)), "layers.0.attn.o_proj", 4),
}
GROUPED = [name for name, (_, _, groups) in MODELS.items() if groups < 4]
ALL = pytest.mark.parametrize("name", list(MODELS))


def changed(model: nn.Module, component: Component, change: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    """A copy of a model with exactly the component's slices changed."""
    other = copy.deepcopy(model)
    parameters = dict(other.named_parameters())
    with torch.no_grad():
        for name, indices in component.slices.items():
            for index in indices:
                parameters[name][index] = change(parameters[name][index])
    return other


def shifted(values: torch.Tensor) -> torch.Tensor:
    return values + torch.linspace(-1.0, 1.3, values.numel()).view(values.shape)


@torch.no_grad()
def look(model: nn.Module, output: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Patterns (head, …), contents (head, …) and contributions (head, …) of the heads of block 0."""
    caught: list[torch.Tensor] = []
    out = model.get_submodule(output)
    hook = out.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    tokens = (torch.arange(2 * CONTEXT) * 7 % VOCABULARY).view(2, CONTEXT)
    if isinstance(model, AttentionOnly):
        model(tokens)
        pattern = model.layers[0].attn.pattern
    else:
        pattern = model(tokens, output_attentions=True).attentions[0]
    hook.remove()
    content = caught[0].flatten(0, -2).unflatten(-1, (4, -1))
    probe = torch.linspace(-1, 1, content.shape[-1]).expand(len(content), 4, -1)
    alone = [out((probe * (torch.arange(4) == h)[:, None]).flatten(1)) for h in range(4)]
    return pattern.transpose(0, 1), content.transpose(0, 1), torch.stack(alone)


def coverage(model: nn.Module, components: Sequence[Component]) -> dict[str, torch.Tensor]:
    """How often each scalar parameter is under the slices."""
    counts = {name: torch.zeros(p.shape, dtype=torch.int64) for name, p in model.named_parameters()}
    for component in components:
        for name, indices in component.slices.items():
            for index in indices:
                counts[name][index] += 1
    return counts


def part(model: nn.Module, kind: str, layer: int = 0) -> list[Component]:
    names = [
        n for n in list_components(model) if n.startswith(f"l{layer}{kind}") and n[len(f"l{layer}{kind}") :].isdigit()
    ]
    return [resolve_component(model, name) for name in names]


@ALL
@pytest.mark.parametrize("head", [0, 1, 3])
def test_a_head_moves_its_own_pattern_and_contribution_only(name: str, head: int) -> None:
    make, output, groups = MODELS[name]
    model = make()
    before = look(model, output)
    after = look(changed(model, resolve_component(model, f"l0h{head}"), shifted), output)
    for kind, (old, new) in enumerate(zip(before, after, strict=True)):
        moved = [h for h in range(4) if not torch.equal(old[h], new[h])]
        assert moved == [head], f"reading {kind} of {name}"
    assert len(part(model, "h")) == 4
    assert len(part(model, "g")) == (groups if groups < 4 else 0)


@pytest.mark.parametrize("name", GROUPED)
def test_a_group_moves_all_of_its_heads_and_no_other(name: str) -> None:
    make, output, groups = MODELS[name]
    model = make()
    before, last = look(model, output), groups - 1
    after = look(changed(model, resolve_component(model, f"l0g{last}"), shifted), output)
    members = [h for h in range(4) if h // (4 // groups) == last]
    for old, new in zip(before, after, strict=True):
        assert [h for h in range(4) if not torch.equal(old[h], new[h])] == members


@ALL
def test_zeroing_silences_the_head_completely(name: str) -> None:
    make, output, groups = MODELS[name]
    model = make()
    unit, heads = ("l0h1", [1]) if groups == 4 else ("l0g0", list(range(4 // groups)))
    pattern, content, alone = look(changed(model, resolve_component(model, unit), torch.zeros_like), output)
    uniform = torch.ones(CONTEXT, CONTEXT).tril() / torch.arange(1, CONTEXT + 1)[:, None]
    bias = getattr(model.get_submodule(output), "bias", None)
    rest = torch.zeros(()) if bias is None else bias.detach()
    for h in heads:
        torch.testing.assert_close(pattern[h], uniform.expand_as(pattern[h]))
        assert not content[h].any()
        assert torch.equal(alone[h], rest.expand_as(alone[h]))


@ALL
def test_heads_or_groups_partition_attention_apart_from_the_output_bias(name: str) -> None:
    model = MODELS[name][0]()
    parts = part(model, "g") or part(model, "h")
    attention = coverage(model, [resolve_component(model, "l0 attn")])
    for parameter, count in coverage(model, parts).items():
        missing = attention[parameter] - count
        is_output_bias = parameter == f"{MODELS[name][1]}.bias"
        assert torch.equal(missing, attention[parameter] if is_output_bias else torch.zeros_like(missing))


@ALL
def test_sizes_add_up(name: str) -> None:
    model = MODELS[name][0]()
    size = {n: resolve_component(model, n).size(model) for n in list_components(model)}
    gains = {n: p.numel() for n, p in model.named_parameters() if "norm" in n or ".ln_" in n}
    inner = sum(count for n, count in gains.items() if ".0." in n)
    outer = sum(count for n, count in gains.items() if ".0." not in n and ".1." not in n)
    tied = resolve_component(model, "unembed").slices.keys() <= resolve_component(model, "embed").slices.keys()
    assert size["l0"] == size["l0 attn"] + size.get("l0 mlp", 0) + inner
    assert size["full"] == sum(p.numel() for p in model.parameters())
    assert size["full"] == size["embed"] + (0 if tied else size["unembed"]) + size["l0"] + size["l1"] + outer
    for n in size:
        counts = coverage(model, [resolve_component(model, n)])
        assert max(int(c.max()) for c in counts.values()) == 1
        assert sum(int(c.sum()) for c in counts.values()) == size[n]


@settings(max_examples=25, deadline=None)
@given(
    family=st.sampled_from(["GPTNeoX", "GPT2", "Llama", "Qwen2", "Phi3", "attention-only"]),
    layers=st.integers(1, 3),
    groups=st.integers(1, 3),
    members=st.integers(1, 3),
    half=st.integers(1, 3),
)
def test_heads_are_disjoint_and_cover_attention_weights(
    family: str, layers: int, groups: int, members: int, half: int
) -> None:
    grouped = family in ("Llama", "Qwen2", "Phi3")
    heads = groups * members
    if family == "attention-only":
        model = randomised(lambda: AttentionOnly(layers, heads, heads * 2 * half))
    else:
        options = {"num_key_value_heads": groups} if grouped else {}
        model = from_transformers(family, layers, heads, 4 * half, **options)
    for layer in range(layers):
        found = part(model, "h", layer)
        parts = part(model, "g", layer) or found
        assert len(found) == heads
        assert len(parts) == (groups if grouped and members > 1 else heads)
        assert all(int(count.max()) <= 1 for count in coverage(model, found).values())
        covered = coverage(model, parts)
        for name, count in coverage(model, [resolve_component(model, f"l{layer} attn")]).items():
            assert int(covered[name].max()) <= 1
            if count.ndim == 2:
                assert torch.equal(covered[name], count)
    with pytest.raises(ZeemanError, match=f"l{layers}"):
        resolve_component(model, f"l{layers}")


@pytest.mark.parametrize(("name", "attention"), [("embed", "l0h0"), ("unembed", "l1h3")])
def test_embedding_and_unembedding_of_the_attention_only_model(name: str, attention: str) -> None:
    model = MODELS["attention-only"][0]()
    tokens = torch.arange(CONTEXT)[None]
    assert not torch.equal(changed(model, resolve_component(model, name), shifted)(tokens), model(tokens))
    expected = {"embed": {"embed.weight", "position.weight"}, "unembed": {"unembed.weight"}}[name]
    assert set(resolve_component(model, name).slices) == expected
    assert attention in list_components(model)
    assert list_components(model)[:4] == ["full", "embed", "unembed", "l0"]
    assert "l0 mlp" not in list_components(model)


def test_tied_embeddings_are_one_parameter_under_its_first_name() -> None:
    model = MODELS["GPT-2"][0]()
    assert set(resolve_component(model, "unembed").slices) == {"transformer.wte.weight"}
    assert set(resolve_component(model, "embed").slices) == {"transformer.wte.weight", "transformer.wpe.weight"}
    assert set(resolve_component(model, "lm_head.weight").slices) == {"transformer.wte.weight"}


@pytest.mark.parametrize("groups", [None, 2])
def test_leading_head_axes(groups: int | None) -> None:
    model = AttentionOnly(attention=lambda width, heads: LeadingHeads(width, heads, groups))
    head = resolve_component(model, "l1h2")
    assert head.slices["layers.1.attn.W_O"] == ((slice(2, 3), slice(0, 4), slice(0, 16)),)
    assert ("layers.1.attn.W_K" in head.slices) == (groups is None)
    parts, shared = part(model, "g", 1) or part(model, "h", 1), "layers.1.attn.b_O"
    counts = coverage(model, [*parts, resolve_component(model, shared)])
    assert all(torch.equal(c, torch.ones_like(c)) for n, c in counts.items() if n.startswith("layers.1.attn."))


@pytest.mark.parametrize("attention", [FusedLinear, nn.MultiheadAttention])
def test_fused_sections_of_a_linear(attention: Callable[..., nn.Module]) -> None:
    model = AttentionOnly(attention=attention)
    component = resolve_component(model, "l0h1")
    rows = sorted(tuple((index[0].start, index[0].stop) for index in cuts) for cuts in component.slices.values())
    assert rows == [((0, 16),), ((4, 8), (20, 24), (36, 40)), ((4, 8), (20, 24), (36, 40))]
    assert component.size(model) == 3 * 4 * 16 + 3 * 4 + 16 * 4


def test_heads_that_cannot_be_told_are_left_out_not_guessed() -> None:
    names = list_components(AttentionOnly(attention=Ungiven))
    assert "l0 attn" in names
    assert not [n for n in names if "h" in n]


def test_layers_of_a_plain_network_are_its_modules_with_parameters() -> None:
    deep = nn.Sequential(
        nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Linear(4, 2), nn.Tanh(), nn.Linear(2, 1, bias=False)
    )
    assert list_components(deep) == ["full", "l0", "l1", "l2"]
    assert [resolve_component(deep, f"l{i}").size(deep) for i in range(3)] == [16, 10, 2]
    assert list(resolve_component(deep, "l2").slices) == ["3.weight"]


def test_no_match_lists_what_exists() -> None:
    with pytest.raises(
        ZeemanError, match=r"'l9' matches nothing in Sequential; available are full, l0, or .*'0\.weight'"
    ):
        resolve_component(nn.Sequential(nn.Linear(2, 2)), "l9")
    with pytest.raises(ZeemanError, match=r"l0h0, l0h1, l0h2, l0h3 and likewise up to l7"):
        resolve_component(AttentionOnly(layers=8), "head 3")
    with pytest.raises(ZeemanError, match=r"such as 'embed\.weight'"):
        resolve_component(AttentionOnly(), "embd.weight")


def test_ambiguous_names_are_refused() -> None:
    two = nn.ModuleDict({"encoder": AttentionOnly().layers, "decoder": AttentionOnly().layers})
    with pytest.raises(ZeemanError, match="ambiguous: 'encoder' and 'decoder' are equally long"):
        resolve_component(two, "l0")
    crossed = AttentionOnly()
    for layer in crossed.layers:
        layer.cross = SelfAttention(16, 4)
    with pytest.raises(ZeemanError, match="ambiguous: block 0 holds 2 attentions"):
        resolve_component(crossed, "l0h1")
    crossed.register_parameter("embed_scale", nn.Parameter(torch.ones(())))
    assert resolve_component(crossed, "embed_scale").size(crossed) == 1
    clash = nn.ParameterDict({"l0": nn.Parameter(torch.ones(2)), "b": nn.Parameter(torch.ones(2))})
    with pytest.raises(ZeemanError, match="ambiguous: it is a parameter"):
        resolve_component(clash, "l0")


@st.composite
def masks(draw: st.DrawFn) -> torch.Tensor:
    """Masks of up to three dimensions: any, or the outer product of one mask a dimension."""
    shape = draw(st.lists(st.integers(1, 4), max_size=3))
    sides = [torch.tensor(draw(st.lists(st.booleans(), min_size=n, max_size=n))) for n in shape]
    if shape and draw(st.booleans()):
        grid = torch.meshgrid(*sides, indexing="ij")
        return torch.stack(grid).all(0)
    count = math.prod(shape)
    return torch.tensor(draw(st.lists(st.booleans(), min_size=count, max_size=count))).reshape(shape)


@settings(max_examples=80, deadline=None)
@given(mask=masks())
def test_any_mask_is_moved_exactly(mask: torch.Tensor) -> None:
    model = nn.ParameterList([nn.Parameter(torch.zeros(mask.shape))])
    if not mask.any():
        with pytest.raises(ZeemanError, match="marks no parameter"):
            resolve_component(model, lambda name, tensor: mask)
        return
    component = resolve_component(model, lambda name, tensor: mask)
    assert torch.equal(coverage(model, [component])["0"].bool(), mask)
    assert component.size(model) == int(mask.sum()) == sum(int(c.sum()) for c in coverage(model, [component]).values())
    assert all(len(index) == mask.ndim for index in component.slices["0"])


def test_a_function_that_marks_a_box_gives_one_slice_tuple() -> None:
    def corner(name: str, tensor: torch.Tensor) -> torch.Tensor | None:
        if name != "weight":
            return None
        mask = torch.zeros_like(tensor, dtype=torch.bool)
        mask[1:3, :2] = True
        return mask

    expected = Component("corner", {"weight": ((slice(1, 3), slice(0, 2)),)})
    assert resolve_component(nn.Linear(5, 4), corner) == expected


@pytest.mark.parametrize("answer", [torch.ones(4, 5), torch.ones(5, dtype=torch.bool), True])
def test_a_wrong_mask_is_refused(answer: Any) -> None:
    with pytest.raises(ZeemanError, match=r"must return a boolean mask of shape \(4, 5\) for 'weight'"):
        resolve_component(nn.Linear(5, 4), lambda name, tensor: answer)


def test_size_on_another_model_is_refused() -> None:
    with pytest.raises(ZeemanError, match=r"needs parameter '0\.weight'"):
        resolve_component(nn.Sequential(nn.Linear(2, 2)), "full").size(nn.Linear(2, 2))


def test_resolving_leaves_model_and_generator_alone_and_survives_pickling() -> None:
    model, state = MODELS["Llama"][0]().train(), torch.get_rng_state()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    component = resolve_component(model, "l1g1")
    assert pickle.loads(pickle.dumps(component)) == component
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], p) and p.requires_grad for name, p in model.named_parameters())
