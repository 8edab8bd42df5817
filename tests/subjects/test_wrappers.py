"""Objects of other libraries are the networks inside them; shaped here as those libraries make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from zeeman.demo.model import AttentionOnlyTransformer
from zeeman.errors import ZeemanError
from zeeman.sampling import SGLD, LocalPosterior, Schedule, language_model_loss, run_chain
from zeeman.subjects import Recorder, Series, list_components, resolve_component
from zeeman.subjects.wrappers import unwrapped

SIZES = {"vocabulary": 16, "context": 8, "width": 8, "num_heads": 2, "num_layers": 1}
TOKENS = torch.arange(24).reshape(3, 8) % 16


class Envoy:
    """As nnsight's: no module, attributes are passed on, and calls run a trace."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class Inserted(nn.Module):
    """As a component of TransformerLens' bridge: stands where the module stood, offers what it has, and calls it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._original_component = module

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__["_modules"]:
            return self.__dict__["_modules"][name]
        return getattr(self._modules["_original_component"], name)

    def forward(self, *given: Any) -> Any:
        return self._original_component(*given)


class Bridge(nn.Module):
    """As TransformerLens' bridge: the network is an attribute that is no submodule, and names are its own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.__dict__["original_model"] = network
        for block in network.get_submodule("layers"):  # type: ignore[attr-defined]
            block.attn = Inserted(block.attn)


class HookedAttention(nn.Module):
    """As in TransformerLens before 4: weights by head, and a mask that is infinite."""

    def __init__(self) -> None:
        super().__init__()
        for name, shape in {"W_Q": (2, 8, 4), "W_K": (2, 8, 4), "W_V": (2, 8, 4), "W_O": (2, 4, 8)}.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape) / 3))
        self.register_buffer("IGNORE", torch.tensor(-torch.inf))
        self.register_buffer("mask", torch.ones(8, 8).tril().bool())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (torch.einsum("btd,hde->bhte", x, self.get_parameter(f"W_{role}")) for role in "QKV")
        scores = torch.where(self.get_buffer("mask"), q @ k.transpose(-1, -2), self.get_buffer("IGNORE"))
        return torch.einsum("bhte,hed->btd", scores.softmax(-1) @ v, self.get_parameter("W_O"))


class HookedBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = HookedAttention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.attn(x)  # type: ignore[no-any-return]


class HookedTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.unembed = nn.Embedding(16, 8), nn.Linear(8, 16)
        self.blocks = nn.ModuleList([HookedBlock()])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.unembed(self.blocks[0](self.embed(tokens)))  # type: ignore[no-any-return]


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AttentionOnlyTransformer(**SIZES)


def draws(model: Any, component: str) -> torch.Tensor:
    posterior = LocalPosterior(model, TOKENS, language_model_loss, component=component, n_beta=10.0, localization=10.0)
    blocks = list(run_chain(posterior, SGLD(1e-3), Schedule(4), seed=0, chain=0, block_steps=4))
    return torch.tensor(blocks[0].rows)


def test_an_nnsight_object_is_the_network_in_it(tmp_path: Path) -> None:
    model = network()
    wrapped = Envoy(Envoy(model)._module)
    assert unwrapped(wrapped) is model
    assert list_components(wrapped) == list_components(model)  # type: ignore[arg-type]
    assert resolve_component(wrapped, "l0h1") == resolve_component(model, "l0h1")  # type: ignore[arg-type]
    assert torch.equal(draws(wrapped, "l0h1"), draws(model, "l0h1"))
    with Recorder(tmp_path, wrapped, factory=AttentionOnlyTransformer, config=SIZES) as recorder:  # type: ignore[arg-type]
        recorder.step(0)
    series = Series.from_folder(tmp_path)
    again = Series.from_folder(tmp_path, lambda: Envoy(network()))  # type: ignore[arg-type,return-value]
    for one in (series.model(series.at(0)), again.model(again.at(0))):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), model.parameters(), strict=True))


def test_a_bridge_has_each_head_once_and_plain_names_on_the_disk(tmp_path: Path) -> None:
    plain, inside = network(), network()
    bridge = Bridge(inside)
    assert list_components(bridge) == list_components(plain)
    assert resolve_component(bridge, "l0h1").size(inside) == resolve_component(plain, "l0h1").size(plain)
    assert bool(draws(bridge, "l0h1").isfinite().all())
    with Recorder(tmp_path, bridge) as recorder:
        recorder.step(0)
    # What is on the disk fits the network with and without a bridge.
    assert Series.from_folder(tmp_path, network).at(0).load().keys() == plain.state_dict().keys()
    for make in (network, lambda: Bridge(network())):
        series = Series.from_folder(tmp_path, make)
        again = series.model(series.at(0))
        assert all(torch.equal(a, b) for a, b in zip(again.parameters(), plain.parameters(), strict=True))


def test_weights_by_head_and_infinite_masks(tmp_path: Path) -> None:
    model = HookedTransformer()
    assert {"l0h0", "l0h1", "embed", "unembed"} <= set(list_components(model))
    assert resolve_component(model, "l0h1").size(model) == 4 * 32
    assert bool(draws(model, "l0h1").isfinite().all())
    with Recorder(tmp_path, model) as recorder:
        for step in range(4):
            recorder.step(step)
            with torch.no_grad():
                model.embed.weight.add_(0.01)
    assert Series.from_folder(tmp_path, HookedTransformer).verify().flags == ()


def test_what_holds_no_network() -> None:
    class JointQKVAttentionBridge(nn.Linear):
        """A second, split copy of fused projections."""

    for given, said in (
        (object(), "Expected a torch.nn.Module"),
        (Envoy(JointQKVAttentionBridge(2, 2)), "second time"),
    ):
        with pytest.raises(ZeemanError, match=said):
            list_components(given)  # type: ignore[arg-type]
