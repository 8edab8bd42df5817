"""Forward-only draws are the unloaded draws of the plain pass, at a part of its price."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM

from nets import by_position, network, seeded, squared
from tiny import make_tiny
from zeeman.errors import ZeemanError
from zeeman.sampling import (
    SGLD,
    Block,
    LocalPosterior,
    Noise,
    Observable,
    Schedule,
    Tile,
    Unloaded,
    forward_draws,
    gather,
    match_energy,
    run_chain,
)
from zeeman.sampling.cached import CachedLosses
from zeeman.sampling.draw_reader import DrawReader, Draws
from zeeman.sampling.walk import Walk
from zeeman.sampling.watching import Watching
from zeeman.subjects import list_components

TOKENS = torch.randint(19, (9, 7), generator=torch.Generator().manual_seed(0))
SCORED = torch.rand(9, 6, generator=torch.Generator().manual_seed(1)) < 0.7


def neox() -> nn.Module:
    config = GPTNeoXConfig(
        vocab_size=19, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=16,
    )  # fmt: skip
    return made(lambda: GPTNeoXForCausalLM(config))


def gpt2() -> nn.Module:
    config = GPT2Config(vocab_size=19, n_positions=16, n_embd=16, n_layer=2, n_head=2)
    return made(lambda: GPT2LMHeadModel(config))


def made(build: Any) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: nn.Module = build()
    return model


def at(model: nn.Module, component: Any = "full", **changes: Any) -> LocalPosterior:
    given = {"n_beta": 0.0, "localization": 50.0, **changes}
    return LocalPosterior(model, TOKENS, component=component, **given)


ITEM = Observable(TOKENS, SCORED)


def read(posterior: LocalPosterior, item: Observable = ITEM, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    given: dict[str, Any] = {"seed": 3, "chains": [0, 5], "num_draws": 4, **changes}
    return gather(forward_draws([posterior], item, **given))[posterior.component.name]


@pytest.mark.parametrize("build", [gpt2, neox, make_tiny])
def test_every_kind_of_component_gives_what_the_plain_pass_gives(build: Any) -> None:
    model = build()
    item = Observable(TOKENS % 16, SCORED)
    for component in list_components(model):
        posterior = at(model, component)
        phi, found = read(posterior, item)
        plain = next(run_chain(posterior, Unloaded(), Schedule(4), seed=3, chain=5, observables={"it": item}))
        expected = plain.observed["it"]
        # Half precision, and rounding of losses of about 3 nats in single precision.
        np.testing.assert_allclose(found[1], expected, rtol=2**-10, atol=4e-6)
        np.testing.assert_allclose(phi[1], expected.astype(np.float64).mean(1), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("build", [gpt2, neox, make_tiny])
def test_what_is_kept_leaves_every_bit_as_it_is(build: Any) -> None:
    model = build()
    for component in list_components(model):
        walk = Walk(at(model, component))
        cached = CachedLosses(walk, TOKENS % 16)
        first = cached.open(TOKENS % 16)
        walk.place(walk.whole_noise(Noise(0, 1), 2), 0.2)
        found, kept = cached.losses(), cached.num_kept
        cached.close()
        assert torch.equal(found, cached.losses())
        assert not torch.equal(first, found)
        assert kept or component in ("full", "embed")
        assert cached.kept_bytes == 0


@pytest.mark.parametrize("build", [gpt2, neox, make_tiny])
def test_a_chain_that_feels_the_loss_reads_what_whole_passes_read(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokens = build(), TOKENS % 16
    shorter = Observable(tokens[:4, :5], SCORED[:4, :4])
    watched = {"it": Observable(tokens, SCORED), "shorter": shorter}
    # Room for what is kept of one observable alone, then of none.
    for component, room in itertools.product(list_components(model), (2**15, -1)):
        posterior = LocalPosterior(model, tokens, n_beta=20.0, localization=0.0, batch_size=3, component=component)

        def run(watched: dict[str, Observable], posterior: LocalPosterior = posterior) -> Block:
            return next(run_chain(posterior, SGLD(1e-3), Schedule(3, 1, 2), seed=3, chain=5, observables=watched))

        kept, alone = run(watched), run({})
        with monkeypatch.context() as patch:
            patch.setattr("zeeman.sampling.watching._BYTES_KEPT", room)
            plain = run(watched)
        assert all(np.array_equal(kept.observed[name], plain.observed[name]) for name in watched)
        assert (abs(kept.observed["shorter"]).max(axis=1) > 0).all()
        assert np.array_equal(kept.rows, alone.rows)
        assert all(map(torch.equal, kept.state.weights, alone.state.weights))


def test_what_is_watched_is_kept_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(room: int) -> int:
        monkeypatch.setattr("zeeman.sampling.watching._BYTES_KEPT", room)
        watching = Watching(Walk(at(neox(), "l2 mlp")), dict.fromkeys("ab", ITEM))
        return sum(one is not None for parts in watching._parts.values() for part in parts for one in part.kept)

    cached = CachedLosses(Walk(at(neox(), "l2 mlp")), TOKENS)
    cached.open(TOKENS)
    assert kept(2**20) == 2 * kept(cached.kept_bytes) > 0
    assert kept(-1) == 0


def kept_names(model: nn.Module, component: str) -> set[str]:
    walk = Walk(at(model, component))
    names = {id(module): name for name, module in walk.model.named_modules()}
    cached = CachedLosses(walk, TOKENS)
    return {names[id(stub._module)] for stub in cached._stubs}


def test_all_below_and_beside_what_moves_is_kept() -> None:
    assert "gpt_neox" in kept_names(neox(), "unembed")
    assert {"gpt_neox.layers.0", "gpt_neox.layers.1", "gpt_neox.layers.2.mlp"} <= kept_names(neox(), "l2h1")
    assert {"gpt_neox.layers.0", "gpt_neox.layers.1.attention"} <= kept_names(neox(), "l1 mlp")
    # In GPT-2 the perceptron comes after the attention, and the embedding is the unembedding.
    assert {"transformer.h.0", "transformer.h.1.attn"} <= kept_names(gpt2(), "l1 mlp")
    assert "transformer.h.1.mlp" not in kept_names(gpt2(), "l1h0")
    assert kept_names(gpt2(), "unembed") <= {"transformer.wpe"}


class Wilful(nn.Module):
    """A model that does to its layers' outputs what ``way`` says."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.first, self.last, self.side = way, nn.Linear(3, 4), nn.Linear(4, 1), nn.Linear(1, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.first(x)
        if self.way == "writes":
            hidden += self.last(hidden)
        if self.way == "hides":
            hidden = hidden + self.side(self.last(hidden).detach())
        if self.way == "twice":
            hidden = self.first(self.last(hidden).expand(-1, 3))
        return self.last(hidden)[:, 0]


@pytest.mark.parametrize("way", ["plain", "writes", "hides", "twice"])
def test_models_that_defy_the_cache_run_plainly(way: str) -> None:
    model, x = made(lambda: Wilful(way)), seeded(5, 3)
    walk = Walk(LocalPosterior(model, x, lambda m, x: m(x) ** 2, component="last.weight"))
    cached = CachedLosses(walk, x)
    assert cached.num_kept == (way == "plain")
    cached.open(x)
    walk.place(walk.whole_noise(Noise(0, 0), 1), 0.5)
    copied = made(lambda: Wilful(way))
    copied.load_state_dict(walk.model.state_dict())
    assert torch.equal(cached.losses(), copied(x) ** 2)


def double_item() -> tuple[LocalPosterior, Observable]:
    data = (seeded(40, 3).double(), seeded(40, 2).double())
    posterior = LocalPosterior(
        network(3, 5, 2).double(), data, by_position, n_beta=0.0, localization=20.0, component="2.weight"
    )
    return posterior, Observable(data, torch.ones(40, 2, dtype=torch.bool))


def test_tiles_workers_and_other_chains_change_nothing() -> None:
    posterior, item = double_item()
    draws = Draws(3, (0, 5), 4, (1.0, -1.0))
    whole, total = DrawReader(posterior, item, draws).read(range(40))
    parts = [DrawReader(posterior, item, draws).read(rows) for rows in (range(1), range(1, 17), range(17, 40))]
    np.testing.assert_array_equal(np.concatenate([part for part, _ in parts], axis=2), whole)
    np.testing.assert_allclose(sum(total for _, total in parts), total, rtol=1e-12)
    alone = DrawReader(posterior, item, Draws(3, (5,), 2, (1.0, -1.0))).read(range(40))[0]
    np.testing.assert_array_equal(alone[0], whole[1, :4])


def test_parts_of_several_workers_fit_together_in_any_order() -> None:
    posteriors = [at(neox(), "l1h0"), at(neox(), "unembed")]
    given: dict[str, Any] = {"seed": 3, "chains": [0, 1], "num_draws": 2}
    whole = gather(forward_draws(posteriors, ITEM, **given))
    tiles = [
        tile
        for rows, p in itertools.product((range(5, 9), range(5)), posteriors)
        for tile in forward_draws([p], ITEM, rows=rows, tile_rows=2, **given)
    ]
    assert {tile.rows for tile in tiles} == {range(0, 1), range(1, 3), range(3, 5), range(5, 7), range(7, 9)}
    parts = gather(tiles)
    for name, (phi, differences) in whole.items():
        np.testing.assert_allclose(parts[name][0], phi, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(parts[name][1], differences, rtol=2**-10, atol=4e-6)


def test_windows_without_scored_tokens_give_empty_tiles() -> None:
    posterior, item = double_item()
    item.scored[:5] = False
    found, total = DrawReader(posterior, item, Draws(0, (0,), 3, (1.0,))).read(range(5))
    assert found.shape == (1, 3, 0)
    assert not total.any()


def test_noise_that_does_not_fit_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    posterior = at(neox(), "l1")
    kept = read(posterior, tile_rows=3)
    monkeypatch.setattr(DrawReader, "_noise", lambda self, c, step: self.walk.whole_noise(self._noises[c], step))
    for a, b in zip(read(posterior, tile_rows=3), kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_antithetic_pairs_cancel_odd_orders() -> None:
    """On ℓ = g·w + w²: the sum of a pair is 2 δ², its difference 2 g·δ."""
    at0 = torch.zeros(6, dtype=torch.float64)
    posterior = LocalPosterior.potential(lambda w: 3 * w[0] + (w**2).sum(), at0, n_beta=0.0, localization=10.0)
    item = Observable(torch.zeros(1), torch.ones(1, dtype=torch.bool))
    phi, _ = read(posterior, item, num_draws=8, antithetic=True)
    plain, _ = read(posterior, item, num_draws=4)
    xi = np.stack([Noise(3, 0).normal(step, [("w", 0, 6)])[0].double().numpy() for step in range(4)])
    np.testing.assert_allclose(phi[0, ::2] + phi[0, 1::2], 2 * (xi**2).sum(1) / 10, rtol=1e-6)
    np.testing.assert_allclose(phi[0, ::2] - phi[0, 1::2], 2 * 3 * xi[:, 0] / 10**0.5, rtol=1e-6)
    np.testing.assert_allclose(plain, phi[:, ::2], rtol=1e-12)


@pytest.mark.parametrize("antithetic", [False, True])
def test_moments_on_a_quadratic(antithetic: bool) -> None:
    """K = ½ wᵀHw: ⟨K⟩ = tr H/2γ and Var K = tr H²/2γ²; a pair counts as one draw of an even function."""
    stiff, gamma = torch.linspace(0.5, 4, 8), 5.0
    posterior = LocalPosterior.potential(
        lambda w: (stiff * w**2).sum() / 2, torch.zeros(8), n_beta=0.0, localization=gamma
    )
    item = Observable(torch.zeros(1), torch.ones(1, dtype=torch.bool))
    phi, _ = read(posterior, item, chains=range(4), num_draws=1000, antithetic=antithetic)
    mean, variance = float(stiff.sum()) / (2 * gamma), float((stiff**2).sum()) / (2 * gamma**2)
    count = phi.size / (2 if antithetic else 1)
    assert abs(phi.mean() - mean) < 4 * (variance / count) ** 0.5
    # Kurtosis of a weighted sum of χ² is at most 15, that of one.
    assert abs(phi.var() - variance) < 4 * variance * (14 / count) ** 0.5


def test_components_matched_in_energy_have_it_on_the_tokens() -> None:
    """At a minimum, with the same draws: within the 2 % at which matching stops."""
    model, x = network(3, 5, 2), seeded(30, 3)
    with torch.no_grad():
        item = Observable((x, model(x)), torch.ones(30, dtype=torch.bool))
    for component in ("0.weight", "2.weight", "2.bias"):
        start = LocalPosterior(model, item.batch, squared, n_beta=0.0, localization=50.0, component=component)
        phi, _ = read(match_energy(start, item, 0.02, seed=0, num_draws=32), item, seed=0, chains=[0], num_draws=32)
        assert phi.mean() == pytest.approx(0.02, rel=0.021)


def test_the_users_model_mode_and_the_global_generators_stay() -> None:
    model = neox().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    read(at(model, "l1h0"))
    assert torch.equal(state, torch.get_rng_state())
    assert all(module.training and "forward" not in module.__dict__ for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_memory_is_that_of_a_tile() -> None:
    """Ten times the windows: the same tiles, and no more memory for them."""
    model = made(lambda: make_tiny(width=32, num_heads=2))

    def peak(windows: int) -> tuple[int, set[int]]:
        tokens = TOKENS[:1].repeat(windows, 1) % 16
        item = Observable(tokens, torch.ones(windows, 6, dtype=torch.bool))
        reader = DrawReader(at(model, "l0h0"), item, Draws(0, (0, 1), 20, (1.0,)))
        tracemalloc.start()
        kept = set()
        for start in range(0, windows, 100):
            reader.read(range(start, start + 100))
            kept.add(reader.cached.kept_bytes)
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high, kept

    (small, kept), (large, more) = peak(200), peak(2000)
    assert kept == more
    assert large < 1.2 * small + 2**14


def test_a_tile_holds_no_more_than_its_share_of_memory() -> None:
    item = Observable(torch.zeros(10**6, 7, dtype=torch.int64), torch.ones(10**6, 6, dtype=torch.bool))
    draws = Draws(0, tuple(range(4)), 250, (1.0, -1.0))
    reader = DrawReader(at(make_tiny(), "unembed"), item, draws)
    assert 2 * reader.rows_at_once * 6 * 4 * 500 <= 2**25


def test_a_draw_that_is_lost_is_not_finite_and_harms_no_other() -> None:
    posterior = LocalPosterior.potential(
        lambda w: torch.where(w[0] > 0, w[0] / 0, w[0]), torch.zeros(1), n_beta=0.0, localization=1.0
    )
    item = Observable(torch.zeros(1), torch.ones(1, dtype=torch.bool))
    phi, found = read(posterior, item, num_draws=20)
    xi = Noise(3, 0).normal(0, [("w", 0, 1)])[0].item()
    assert np.isfinite(found[0, 0, 0]) == (xi <= 0)
    assert 0 < np.isfinite(phi).sum() < phi.size
    np.testing.assert_array_equal(np.isfinite(phi), np.isfinite(found[..., 0]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chains": []}, "different chains"),
        ({"chains": [1, 1]}, "name each chain once"),
        ({"num_draws": 0}, "num_draws of at least 1"),
        ({"num_draws": 3, "antithetic": True}, "even for antithetic"),
        ({"tile_rows": 0}, "tile_rows of at least 1"),
        ({"rows": range(4, 12)}, "windows that exist"),
        ({"rows": range(3, 3)}, "windows that exist"),
        ({"item": Observable(TOKENS, torch.ones(9, 7, dtype=torch.bool))}, "one mark a loss"),
        ({"item": Observable(TOKENS, SCORED.float())}, "boolean mask"),
        ({"item": Observable(TOKENS, SCORED & False)}, "without any"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    for model in (neox(), make_tiny(vocabulary=19)):
        with pytest.raises(ZeemanError, match=message):
            read(at(model, "unembed"), **changes)


def test_losses_that_draw_at_random_and_weights_that_nothing_holds_are_refused() -> None:
    with pytest.raises(ZeemanError, match="localization must be"):
        read(at(neox(), n_beta=1.0, localization=0.0))
    noisy = at(neox(), loss=lambda model, tokens: nn.functional.dropout(model(tokens).logits[:, 1:, 0]))
    with torch.random.fork_rng(), pytest.raises(ZeemanError, match="two calls at the same"):
        read(noisy)
    with pytest.raises(ZeemanError, match="one or more components"):
        list(forward_draws([], ITEM, seed=0, chains=[0], num_draws=1))


def test_gather_needs_no_order() -> None:
    tiles = [Tile("a", range(i, i + 1), np.full((1, 2, 3), i, np.float16), np.full((1, 2), 3.0 * i)) for i in (2, 0, 1)]
    phi, differences = gather(tiles)["a"]
    assert differences[0, 0].tolist() == [0.0] * 3 + [1.0] * 3 + [2.0] * 3
    assert phi.tolist() == [[1.0, 1.0]]
