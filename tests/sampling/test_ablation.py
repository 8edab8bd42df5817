"""Ablation and path patching against surgery on the weights and against the residual algebra by hand."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import pytest
import torch
from torch import nn

from nets import seeded
from zeeman.demo.model import AttentionOnlyTransformer
from zeeman.errors import ZeemanError
from zeeman.sampling import LocalPosterior, Observable, forward_draws, gather, language_model_loss
from zeeman.sampling.ablation import mean_ablation, path_patching
from zeeman.subjects.sites import contribution_sites

VOCABULARY, ROWS, CONTEXT = 13, 6, 9
WIDTH, HEADS, DEPTH = 12, 3, 3
SPAN = WIDTH // HEADS


def windows(seed: int = 0, rows: int = ROWS) -> torch.Tensor:
    return torch.randint(VOCABULARY, (rows, CONTEXT), generator=torch.Generator().manual_seed(seed))


ITEM = Observable(windows(), seeded(ROWS, CONTEXT - 1, seed=3) > -0.3)


def filled(model: nn.Module) -> nn.Module:
    """Weights large enough that every part matters, in double precision."""
    for i, parameter in enumerate(model.parameters()):
        parameter.data = 0.6 * seeded(*parameter.shape, seed=i + 1)
    return model.double()


def attention_only() -> AttentionOnlyTransformer:
    model = filled(AttentionOnlyTransformer(VOCABULARY, CONTEXT, WIDTH, HEADS, DEPTH))
    assert isinstance(model, AttentionOnlyTransformer)
    return model


def neox() -> nn.Module:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    config = GPTNeoXConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=16, num_hidden_layers=2, num_attention_heads=HEADS,
        max_position_embeddings=CONTEXT, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return filled(GPTNeoXForCausalLM(config))


def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_positions": CONTEXT, "n_embd": WIDTH, "n_layer": 2, "n_head": HEADS}
    return filled(GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, bos_token_id=0, eos_token_id=0, **sizes)))


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=16, num_hidden_layers=2, num_attention_heads=6,
        num_key_value_heads=3, max_position_embeddings=CONTEXT, attention_bias=True, mlp_bias=True, bos_token_id=0,
        eos_token_id=0,
    )  # fmt: skip
    return filled(LlamaForCausalLM(config))


FAMILIES: dict[str, tuple[Callable[[], nn.Module], str, str, int]] = {
    "GPT-NeoX": (neox, "gpt_neox.layers.1.attention.dense", "gpt_neox.layers.1.mlp.dense_4h_to_h", HEADS),
    "GPT-2": (gpt2, "transformer.h.1.attn.c_proj", "transformer.h.1.mlp.c_proj", HEADS),
    "Llama": (llama, "model.layers.1.self_attn.o_proj", "model.layers.1.mlp.down_proj", 6),
}


def entering(model: nn.Module, path: str, tokens: torch.Tensor) -> torch.Tensor:
    """Mean of what enters a module over positions and rows."""
    seen: list[torch.Tensor] = []
    handle = model.get_submodule(path).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        model(tokens)
    handle.remove()
    return seen[0].flatten(0, -2).mean(0)


def cut(model: nn.Module, path: str, tokens: torch.Tensor, span: slice) -> nn.Module:
    """The model in whose weights a stretch of a projection's inputs is replaced by its mean."""
    changed = copy.deepcopy(model)
    projection = changed.get_submodule(path)
    columns = projection.weight.data.T if hasattr(projection, "nf") else projection.weight.data
    projection.bias.data += columns[:, span] @ entering(model, path, tokens)[span]
    columns[:, span] = 0
    return changed


def losses(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return language_model_loss(model.eval(), ITEM.batch)[ITEM.scored]


@pytest.mark.parametrize("family", FAMILIES)
def test_ablation_is_surgery_on_the_output_projection(family: str) -> None:
    make, attention, mlp, heads = FAMILIES[family]
    model, reference, width = make().eval(), windows(seed=5, rows=4), WIDTH // heads
    names = [f"l1h{h}" for h in range(heads)] + ["l1 attn", "l1 mlp"]
    found = mean_ablation(model, ITEM, names, reference=reference)
    spans = [slice(h * width, (h + 1) * width) for h in range(heads)]
    operated = [cut(model, attention, reference, span) for span in [*spans, slice(None)]]
    operated.append(cut(model, mlp, reference, slice(None)))
    expected = torch.stack([losses(other) - losses(model) for other in operated])
    torch.testing.assert_close(torch.from_numpy(found.effects), expected, atol=1e-9, rtol=0)
    assert abs(found.effects).mean(axis=1).min() > 0.01
    assert torch.equal(torch.from_numpy(found.losses), losses(model))
    assert found.rows.tolist() == ITEM.scored.nonzero()[:, 0].tolist()


class ByHand:
    """The attention-only transformer written out head by head."""

    def __init__(self, model: AttentionOnlyTransformer) -> None:
        self.model = model
        self.start = model.embed(ITEM.batch) + model.position.weight[: ITEM.batch.shape[1]]

    def mixed(self, layer: int, head: int, streams: dict[str, torch.Tensor]) -> torch.Tensor:
        """Mixed values of a head, its queries, keys and values read from a stream each."""
        block = self.model.layers[layer]
        rows = slice(head * SPAN, (head + 1) * SPAN)
        projections = {"q": block.attn.q_proj, "k": block.attn.k_proj, "v": block.attn.v_proj}
        q, k, v = (block.norm(streams[part]) @ projections[part].weight[rows].T for part in "qkv")
        scores = (q @ k.mT / SPAN**0.5).masked_fill(~torch.ones(CONTEXT, CONTEXT).tril().bool(), -torch.inf)
        return scores.softmax(-1) @ v

    def adds(self, layer: int, head: int, mixed: torch.Tensor) -> torch.Tensor:
        return mixed @ self.model.layers[layer].attn.o_proj.weight[:, head * SPAN : (head + 1) * SPAN].T

    def run(
        self, replaced: dict[tuple[int, int], torch.Tensor]
    ) -> tuple[dict[tuple[int, int], torch.Tensor], list[torch.Tensor]]:
        """Mixed values of all heads, and the stream before each layer and at the end, with some values replaced."""
        values, streams = {}, [self.start]
        for layer in range(DEPTH):
            stream = streams[-1]
            for head in range(HEADS):
                own = self.mixed(layer, head, dict.fromkeys("qkv", streams[layer]))
                values[layer, head] = replaced.get((layer, head), own)
                stream = stream + self.adds(layer, head, values[layer, head])
            streams.append(stream)
        return values, streams

    def losses(self, stream: torch.Tensor) -> torch.Tensor:
        logs = self.model.unembed(self.model.norm(stream))[:, :-1].log_softmax(-1)
        return -logs.gather(-1, ITEM.batch[:, 1:, None])[..., 0][ITEM.scored]

    def path(self, sender: tuple[int, int], receiver: tuple[int, int], inputs: str, sent: torch.Tensor) -> torch.Tensor:
        """Effect of a sender's value on the losses by way of a receiver's inputs alone."""
        values, streams = self.run({})
        moved = streams[receiver[0]]
        if sender[0] < receiver[0]:
            moved = moved + self.adds(*sender, sent - values[sender])
        seen = {part: moved if part in inputs else streams[receiver[0]] for part in "qkv"}
        changed = self.run({receiver: self.mixed(*receiver, seen)})[1]
        return self.losses(changed[-1]) - self.losses(streams[-1])


@pytest.mark.parametrize("inputs", ["qkv", "q", "k", "v", "kv"])
def test_paths_between_heads_agree_with_the_residual_algebra(inputs: str) -> None:
    model = attention_only()
    senders = [(0, 0), (0, 2), (1, 1), (2, 0), (2, 2)]
    names = [f"l{layer}h{head}" for layer, head in senders]
    corrupted = windows(seed=9)
    with torch.no_grad():
        by_hand, other = ByHand(model), ByHand(model)
        other.start = model.embed(corrupted) + model.position.weight
        clean, wrong = by_hand.run({})[0], other.run({})[0]
        means = {s: clean[s].mean((0, 1)).expand_as(clean[s]) for s in senders}
        for given, sent in ((None, means), (corrupted, wrong)):
            found = path_patching(model, ITEM, names, "l2h2", inputs=inputs, corrupted=given)
            expected = torch.stack([by_hand.path(s, (2, 2), inputs, sent[s]) for s in senders])
            torch.testing.assert_close(torch.from_numpy(found.effects), expected, atol=1e-9, rtol=0)
            assert abs(found.effects[:3]).max(axis=1).min() > 1e-3
            assert not found.effects[3:].any()


@pytest.mark.parametrize("make", [neox, gpt2, llama])
def test_without_queries_a_head_listens_by_its_values_alone(make: Callable[[], nn.Module]) -> None:
    model, width = make(), WIDTH // (6 if make is llama else HEADS)
    for name, parameter in model.named_parameters():
        if make is neox and "layers.1.attention.query_key_value" in name:
            parameter.data[3 * width : 4 * width] = 0
        if make is gpt2 and "h.1.attn.c_attn" in name:
            parameter.data[..., width : 2 * width] = 0
        if make is llama and "layers.1.self_attn.q_proj" in name:
            parameter.data[width : 2 * width] = 0
    found = {i: path_patching(model, ITEM, ["l0 mlp"], "l1h1", inputs=i).effects for i in ("q", "k", "v", "qkv")}
    assert abs(found["q"]).max() < 1e-12
    assert abs(found["k"]).max() < 1e-12
    assert abs(found["v"]).max() > 1e-3
    assert abs(found["v"] - found["qkv"]).max() < 1e-12


def test_the_direct_path_to_the_logits_adds_the_mean_and_takes_the_value() -> None:
    model = attention_only()
    with torch.no_grad():
        by_hand = ByHand(model)
        values, streams = by_hand.run({})
        moved = streams[-1] + by_hand.adds(0, 1, values[0, 1].mean((0, 1)) - values[0, 1])
        expected = by_hand.losses(moved) - by_hand.losses(streams[-1])
    found = path_patching(model, ITEM, ["l0h1"])
    torch.testing.assert_close(torch.from_numpy(found.effects[0]), expected, atol=1e-9, rtol=0)


def test_what_a_head_sends_to_all_receivers_is_what_ablation_takes_when_only_the_last_layer_reads_it() -> None:
    """With one later head and a stream that ends without a norm, the paths of a head are two, and linear ones add."""
    model = filled(AttentionOnlyTransformer(VOCABULARY, CONTEXT, WIDTH, 1, 2))
    model.layers[1].norm = model.norm = nn.Identity()  # type: ignore[union-attr]
    model.layers[1].attn.q_proj.weight.data.zero_()  # type: ignore[union-attr]  # mixes by uniform weights: linear
    target = seeded(VOCABULARY, seed=8).double()

    def linear(m: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
        return m(tokens) @ target

    item = Observable(ITEM.batch, torch.ones(ROWS, CONTEXT, dtype=torch.bool))
    whole = mean_ablation(model, item, ["l0h0"], loss=linear).effects
    parts = [path_patching(model, item, ["l0h0"], receiver, loss=linear).effects for receiver in (None, "l1h0")]
    assert abs(parts[1]).max() > 0.1
    assert abs(whole - sum(parts)).max() < 1e-9


@pytest.mark.parametrize("make", [neox, gpt2, llama, attention_only])
def test_without_all_heads_and_mlps_only_the_bigram_path_is_left(make: Callable[[], nn.Module]) -> None:
    model = make().eval()
    names = tuple(n for n in contribution_sites(model) if "h" in n or "mlp" in n)
    found = mean_ablation(model, ITEM, [names])
    core = model.get_submodule({neox: "gpt_neox", gpt2: "transformer", llama: "model"}.get(make, ""))
    with torch.no_grad():
        position = getattr(core, "wpe", getattr(core, "position", None))
        embed = next(m for m in core.modules() if isinstance(m, nn.Embedding))
        stream = embed(ITEM.batch) + (0 if position is None else position.weight[:CONTEXT])
        for block in next(m for m in core.children() if isinstance(m, nn.ModuleList)):
            stream = stream + constant_of(model, block)
        norm = next(m for m in reversed(list(core.children())) if "Norm" in type(m).__name__)
        unembed = getattr(model, "lm_head", getattr(model, "embed_out", getattr(model, "unembed", None)))
        assert unembed is not None
        logs = unembed(norm(stream))[:, :-1].log_softmax(-1)
        bigram = -logs.gather(-1, ITEM.batch[:, 1:, None])[..., 0][ITEM.scored]
    torch.testing.assert_close(torch.from_numpy(found.losses + found.effects[0]), bigram, atol=1e-9, rtol=0)


def constant_of(model: nn.Module, block: nn.Module) -> torch.Tensor:
    """Mean over positions and rows of all that a block adds to the stream."""
    seen: list[torch.Tensor] = []
    handle = block.register_forward_hook(
        lambda _, args, out: seen.append((out[0] if isinstance(out, tuple) else out) - args[0])
    )
    model(ITEM.batch)
    handle.remove()
    return seen[0].mean((0, 1))


def test_a_head_that_adds_nothing_has_no_effect_and_its_other_weights_no_response() -> None:
    model = attention_only()
    model.layers[0].attn.o_proj.weight.data[:, :SPAN] = 0
    assert not mean_ablation(model, ITEM, ["l0h0"]).effects.any()
    assert not path_patching(model, ITEM, ["l0h0"], "l1h0").effects.any()

    def reading(name: str, tensor: torch.Tensor) -> torch.Tensor | None:
        inside = name.startswith("layers.0.attn.") and "o_proj" not in name
        return (torch.arange(len(tensor)) < SPAN)[:, None].expand_as(tensor) if inside else None

    settings = {"n_beta": 0.0, "localization": 4.0}
    for component, responds in ((reading, False), ("l0h0", True)):
        posterior = LocalPosterior(model, ITEM.batch, component=component, **settings)
        tiles = forward_draws([posterior], ITEM, seed=0, chains=range(2), num_draws=3)
        assert gather(tiles)[posterior.component.name][1].any() == responds


def test_means_do_not_depend_on_the_order_of_rows() -> None:
    model, reference = attention_only(), windows(seed=5, rows=40)
    one, other = (mean_ablation(model, ITEM, ["l1h1"], reference=r).effects for r in (reference, reference.flip(0)))
    assert abs(one - other).max() < 1e-12
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    turned = mean_ablation(model, Observable(ITEM.batch[order], ITEM.scored[order]), ["l1h1"])
    straight = mean_ablation(model, ITEM, ["l1h1"])
    for new, old in enumerate(order.tolist()):
        difference = turned.effects[0, turned.rows == new] - straight.effects[0, straight.rows == old]
        assert abs(difference).max() < 1e-12


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_behind(fails: bool) -> None:
    model = gpt2().train()
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    modes = [m.training for m in model.modules()]
    calls = itertools.count()

    def loss(m: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
        if fails and next(calls) > 5:
            raise RuntimeError("no more")
        return language_model_loss(m, tokens)

    for run in (lambda: mean_ablation(model, ITEM, ["l0h0", "l1 mlp"], loss=loss),
                lambda: path_patching(model, ITEM, ["l0h0"], "l1 mlp", loss=loss)):  # fmt: skip
        if fails:
            with pytest.raises(RuntimeError, match="no more"):
                run()
        else:
            run()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


class Uncalled(nn.Module):
    """A block whose output projection is no call of a module."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.self_attn(x, x, x)[0]


class Stack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.unembed = nn.Embedding(8, 8), nn.Linear(8, 8)
        self.layers = nn.ModuleList([Uncalled(), Uncalled()])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.unembed(self.layers[1](self.layers[0](self.embed(tokens))))


def test_bad_input_is_told_in_one_sentence() -> None:
    model = attention_only()
    with pytest.raises(ZeemanError, match="got 'l0 mlp'; available are l0 attn, l0h0"):
        mean_ablation(model, ITEM, ["l0 mlp"])
    with pytest.raises(ZeemanError, match="available are"):
        mean_ablation(model, ITEM, [])
    with pytest.raises(ZeemanError, match="called as a module"):
        mean_ablation(Stack(), Observable(ITEM.batch % 8, ITEM.scored), ["l0h0"])
    with pytest.raises(ZeemanError, match="without any"):
        mean_ablation(model, Observable(ITEM.batch, ITEM.scored & False), ["l0h0"])
    with pytest.raises(ZeemanError, match="receiver, got 'l1 attn'"):
        path_patching(model, ITEM, ["l0h0"], "l1 attn")
    with pytest.raises(ZeemanError, match="letters of 'qkv'"):
        path_patching(model, ITEM, ["l0h0"], "l1h0", inputs="x")
    with pytest.raises(ZeemanError, match="corrupted windows of shape"):
        path_patching(model, ITEM, ["l0h0"], "l1h0", corrupted=ITEM.batch[:2])
    with pytest.raises(ZeemanError, match="mean_ablation"):
        path_patching(nn.Sequential(nn.Embedding(13, 13)), ITEM, ["l0h0"])
