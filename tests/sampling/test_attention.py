"""Attention scores, on a circuit written by hand and beside what transformers shows."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from zeeman.demo.model import AttentionOnlyTransformer
from zeeman.errors import ZeemanError
from zeeman.sampling import Observable
from zeeman.sampling.ablation import mean_ablation, path_patching
from zeeman.sampling.attention import attention_patterns

SYMBOLS = PLACES = 18
START = SYMBOLS - 1
PERIOD = 8
BETA = 60.0


def induction_circuit() -> AttentionOnlyTransformer:
    """Two layers of two heads: l0h0 copies the token before, l1h0 looks behind the former occurrence, two are idle.

    The stream is (token, place, token before), each one-hot, without norms, so that blocks do not disturb each other.
    """
    model = AttentionOnlyTransformer(SYMBOLS, PLACES, 3 * SYMBOLS, 2, 2).double()
    for parameter in model.parameters():
        parameter.data.zero_()
    one = torch.eye(SYMBOLS, dtype=torch.float64)
    token, place, before = (slice(i * SYMBOLS, (i + 1) * SYMBOLS) for i in range(3))
    head = slice(0, SYMBOLS)
    model.embed.weight.data[:, token], model.position.weight.data[:, place] = one, one
    first, second = (block.attn for block in model.layers)
    first.q_proj.weight.data[head, place] = BETA * one.roll(-1, 0)  # at place t asks for place t - 1
    first.k_proj.weight.data[head, place] = one
    second.q_proj.weight.data[head, token] = BETA * one
    second.k_proj.weight.data[head, before] = one
    for block, target in ((first, before), (second, token)):
        block.v_proj.weight.data[head, token] = one
        block.o_proj.weight.data[target, head] = one
    for block in model.layers:
        block.norm = nn.Identity()
    model.norm = nn.Identity()
    model.unembed.weight.data[:, token] = 20.0 * one
    return model


def repeats(rows: int = 12) -> torch.Tensor:
    """A start, which has no token before it, and a string of distinct symbols twice."""
    rng = np.random.default_rng(0)
    strings = np.stack([rng.permutation(START)[:PERIOD] for _ in range(rows)])
    return torch.from_numpy(np.concatenate([np.full((rows, 1), START), strings, strings], axis=1))


def test_the_circuit_made_by_hand_shows_its_two_heads() -> None:
    scores = attention_patterns(induction_circuit(), repeats())
    assert scores.components == ("l0h0", "l0h1", "l1h0", "l1h1")
    previous, induction = scores.mean("previous"), scores.mean("induction")
    assert previous[0] > 0.99
    assert induction[2] > 0.99
    idle = [1, 3]
    assert np.allclose(previous[idle], scores.previous_chance, atol=1e-12)
    assert np.allclose(induction[idle], scores.induction_chance, atol=1e-12)
    # Uniform attention of position t is 1/(t + 1); former occurrences are there from the second copy on.
    assert np.isclose(scores.previous_chance, np.mean([1 / (t + 1) for t in range(1, 2 * PERIOD + 1)]))
    assert np.isclose(scores.induction_chance, np.mean([1 / (t + 1) for t in range(PERIOD + 1, 2 * PERIOD + 1)]))
    assert previous[2] < 0.2
    assert induction[0] < 0.01
    assert (scores.error("induction") < 0.01).all()


def test_ablation_and_paths_name_the_same_circuit() -> None:
    """The prediction of the second copy hangs on both heads, and on their link through keys alone."""
    model, tokens = induction_circuit(), repeats()
    scored = torch.zeros(len(tokens), 2 * PERIOD, dtype=torch.bool)
    scored[:, PERIOD + 1 :] = True
    item = Observable(tokens, scored)
    effects = mean_ablation(model, item, ["l0h0", "l0h1", "l1h0", "l1h1"]).effects
    assert (effects[[0, 2]].mean(axis=1) > 1).all()
    assert not effects[[1, 3]].any()
    through = {i: path_patching(model, item, ["l0h0"], "l1h0", inputs=i).effects.mean() for i in "qkv"}
    assert through["k"] > 1
    assert through["q"] == through["v"] == 0


def small(family: str) -> nn.Module:
    import transformers as t

    ends = {"bos_token_id": 0, "eos_token_id": 0, "vocab_size": SYMBOLS, "attn_implementation": "sdpa"}
    sizes = {"hidden_size": 24, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 6, **ends}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if family == "GPT-NeoX":
            return t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**sizes, initializer_range=0.5))
        if family == "Llama":
            return t.LlamaForCausalLM(t.LlamaConfig(**sizes, num_key_value_heads=3, initializer_range=0.5))
        return t.GPT2LMHeadModel(t.GPT2Config(n_embd=24, n_layer=2, n_head=6, initializer_range=0.5, **ends))


class Plain(nn.Module):
    """A model of transformers whose config is out of sight, so that its attention has to be computed."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inner = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.inner(tokens).logits


@pytest.mark.parametrize("family", ["GPT-NeoX", "GPT-2", "Llama"])
def test_attention_that_is_computed_is_that_which_transformers_shows(family: str) -> None:
    model, tokens = small(family), repeats(4)
    config, modes = copy.deepcopy(model.config.to_dict()), model.training
    shown, computed = attention_patterns(model, tokens), attention_patterns(Plain(model), tokens)
    assert shown.components == computed.components
    assert len(shown.components) == 12
    assert np.allclose(shown.previous, computed.previous, atol=1e-6)
    assert np.allclose(shown.induction, computed.induction, atol=1e-6)
    assert shown.previous.std() > 0.01
    assert (model.config.to_dict(), model.training) == (config, modes)
    assert model.config._attn_implementation == "sdpa"
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_bad_input_is_told_in_one_sentence() -> None:
    model = induction_circuit()
    with pytest.raises(ZeemanError, match="repeated random strings"):
        attention_patterns(model, torch.arange(PLACES)[None])
    with pytest.raises(ZeemanError, match=r"shape \(rows, T\)"):
        attention_patterns(model, torch.arange(PLACES))
    with pytest.raises(ZeemanError, match="shows the attention"):
        attention_patterns(nn.Sequential(nn.Embedding(SYMBOLS, 3), nn.Linear(3, SYMBOLS)), repeats())
