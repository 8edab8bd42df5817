"""The cost of forward-only spectroscopy from a model's shape: counted, measured, and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import GPT2Config, GPTNeoXConfig

from zeeman.errors import ZeemanError
from zeeman.examination import Shape, forecast

PYTHIA = {"num_hidden_layers": 24, "hidden_size": 2048, "num_attention_heads": 16, "intermediate_size": 8192}
PYTHIA |= {"vocab_size": 50304, "model_type": "gpt_neox"}
MEASURED = Path(__file__).parents[2] / "benchmarks" / "forward_only.json"


def test_a_pass_costs_two_operations_a_weight_and_token() -> None:
    shape = Shape.from_config(PYTHIA)
    whole = shape.components(1)["embed"][1]
    assert whole == pytest.approx(2 * 1_311_600_000, rel=0.01)  # 1.41 G weights less an embedding that is looked up
    assert sum(number for number, _ in shape.components(1).values()) == 410


def test_shares_agree_with_measured_passes() -> None:
    """On the model of the benchmark: three layers of width 96, windows of 101 tokens."""
    shape = Shape(3, 96, 4, 384, 256, parallel=True)
    parts = shape.components(101)
    kept = sum(number * operations for number, operations in parts.values())
    measured = json.loads(MEASURED.read_text())["passes"]["job_cpu_s_by_these"]
    share = kept / (17 * parts["embed"][1])
    assert share == pytest.approx(measured["ours"] / measured["plain"], rel=0.15)


def test_both_families_of_configs_are_understood() -> None:
    neox = Shape.from_config(GPTNeoXConfig(num_hidden_layers=2, hidden_size=64, num_attention_heads=4).to_dict())
    gpt2 = Shape.from_config(GPT2Config(n_layer=2, n_embd=64, n_head=4).to_dict())
    assert (neox.parallel, gpt2.parallel) == (True, False)
    assert (gpt2.layers, gpt2.width, gpt2.heads, gpt2.perceptron) == (2, 64, 4, 256)


def test_cost_grows_with_tokens_and_draws_and_asks_for_what_makes_sense(tmp_path: Path) -> None:
    shape = Shape.from_config(PYTHIA)
    one, two = (forecast(shape, tokens=10**6, num_draws=n).device_hours for n in (30, 60))
    assert two == pytest.approx(2 * one, rel=0.01)
    with pytest.raises(ZeemanError, match="h200"):
        forecast(shape, tokens=1, num_draws=1, hardware="abacus")
    with pytest.raises(ZeemanError, match="at least 1 token"):
        forecast(shape, tokens=0, num_draws=1)
    with pytest.raises(ZeemanError, match="vocab_size"):
        Shape.from_config({name: size for name, size in PYTHIA.items() if name != "vocab_size"})
    with pytest.raises(ZeemanError, match=r"config\.json"):
        Shape.from_file(tmp_path / "none.json")
