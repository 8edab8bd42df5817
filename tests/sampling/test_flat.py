"""Energies at many points at once are those of the model itself, at each point."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nets import by_position, cross_entropy, masked, network, regression, seeded, squared
from tiny import make_tiny
from zeeman.sampling import LocalPosterior, Noise, language_model_loss
from zeeman.sampling import flat as flat_module
from zeeman.sampling.chain_noise import ChainNoise, Minibatches
from zeeman.sampling.flat import FlatEnergy
from zeeman.sampling.noise import minibatch

COMPONENTS = ["full", "0.weight", "2.bias"]


def near(energy: FlatEnergy, count: int, scale: float = 0.3) -> torch.Tensor:
    return energy.center + scale * seeded(count, energy.num_parameters, seed=1)


def truth(posterior: LocalPosterior, point: torch.Tensor, energy: FlatEnergy) -> tuple[float, torch.Tensor]:
    """Loss and gradient by writing the point into a copy of the model, and plain autograd."""
    model = copy.deepcopy(posterior.model).eval().to(point.dtype)
    named = dict(model.named_parameters())
    for (name, _, box), part in zip(energy.pieces, energy.unflatten(point), strict=True):
        named[name].data[box] = part
    data = posterior.data
    data = tuple(d.to(point.dtype) if d.is_floating_point() else d for d in data) if isinstance(data, tuple) else data
    found = posterior.loss(model, data)
    losses, weight = found if isinstance(found, tuple) else (found, torch.ones_like(found))
    loss = (losses * weight).sum() / weight.sum()
    loss.backward()
    return loss.item(), torch.cat([named[name].grad[box].reshape(-1) for name, _, box in energy.pieces])


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("loss", [squared, by_position, masked])
def test_energy_and_gradient_are_those_of_the_model_at_each_point(component: str, loss: Any) -> None:
    posterior = regression(loss=loss, component=component)
    energy = FlatEnergy(posterior)
    assert energy.way == "vmap"
    points = near(energy, 3).double().requires_grad_()
    values = energy(points)
    (gradient,) = torch.autograd.grad(values.sum(), points)
    rows, again = energy.gradient(points)
    for i in range(3):
        value, slope = truth(posterior, points[i].detach(), energy)
        assert values[i].item() == pytest.approx(value, rel=1e-12)
        assert rows[i].mean().item() == pytest.approx(value, rel=1e-12)
        torch.testing.assert_close(gradient[i], slope, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(again[i], slope, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("component", ["full", "l0h1", "embed"])
def test_a_language_model_is_batched_by_the_formula_of_attention(component: str) -> None:
    tokens = torch.randint(0, 16, (5, 12), generator=torch.Generator().manual_seed(0))
    posterior = LocalPosterior(make_tiny(), tokens, language_model_loss, component=component)
    energy = FlatEnergy(posterior)
    assert energy.way == "vmap"
    points = near(energy, 2, 0.05).double()
    rows, gradient = energy.gradient(points)
    value, slope = truth(posterior, points[1], energy)
    assert rows[1].mean().item() == pytest.approx(value, rel=1e-12)
    torch.testing.assert_close(gradient[1], slope, rtol=1e-9, atol=1e-12)


def test_a_model_that_can_not_be_batched_is_read_point_by_point() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network(3, 5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x) if self.inner[0].bias.sum() > 0 else -self.inner(x)

    posterior = regression(model=Branching())
    energy = FlatEnergy(posterior)
    assert energy.way == "loop"
    points = near(energy, 4).double()
    rows, gradient = energy.gradient(points)
    for i in range(4):
        value, slope = truth(posterior, points[i], energy)
        assert rows[i].mean().item() == pytest.approx(value, rel=1e-12)
        torch.testing.assert_close(gradient[i], slope, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "energy",
    [
        lambda w: (w * torch.histc(w.detach(), 4)[0]).sum(),  # no batched form
        lambda w: w.sum() * w[0].item(),
        lambda w: w[w.detach() > 0].sum(),
    ],
)
def test_a_potential_without_a_batched_form_is_found_out_every_time(energy: Any) -> None:
    posterior = LocalPosterior.potential(energy, torch.ones(3))
    for _ in range(2):
        flat = FlatEnergy(posterior)
        assert flat.way == "loop"
    points = seeded(4, 3) + 2
    expected = torch.stack([energy(point) for point in points])
    torch.testing.assert_close(flat(points), expected)


def test_potentials_have_their_closed_form() -> None:
    posterior = LocalPosterior.potential(lambda w: w[0] ** 2 * w[1] ** 4 + 0 * w[2], torch.zeros(3))
    energy, points = FlatEnergy(posterior), seeded(7, 3).double()
    x, y, _ = points.T
    torch.testing.assert_close(energy(points), x**2 * y**4)
    expected = torch.stack([2 * x * y**4, 4 * x**2 * y**3, 0 * x], 1)
    for _ in range(2):
        torch.testing.assert_close(energy.gradient(points)[1], expected)


def test_tied_weights_move_together() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.unembed = nn.Embedding(6, 4), nn.Linear(4, 6, bias=False)
            self.embed.weight.data = seeded(6, 4)
            self.unembed.weight = self.embed.weight

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.unembed(self.embed(tokens))

    posterior = LocalPosterior(Tied(), torch.arange(6).view(2, 3), language_model_loss)
    energy = FlatEnergy(posterior)
    assert energy.num_parameters == 24
    points = near(energy, 2).double()
    torch.testing.assert_close(energy.gradient(points)[1][0], truth(posterior, points[0], energy)[1])


TOKENS = torch.randint(0, 16, (11, 12), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "posterior", [regression(loss=masked), LocalPosterior(make_tiny(), TOKENS, language_model_loss, component="l0h0")]
)
def test_minibatches_and_tracing_change_nothing(posterior: LocalPosterior, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat_module, "_TRACED_FROM", 3)
    energy, points = FlatEnergy(posterior), near(FlatEnergy(posterior), 6)
    index = torch.randint(0, 11, (6, 4), generator=torch.Generator().manual_seed(0))
    whole = energy.rows(points)
    found = [energy.gradient(points, index) for _ in range(4)]
    torch.testing.assert_close(found[0][0], whole.gather(1, index))
    for rows, gradient in found[1:]:
        assert torch.equal(rows, found[0][0])
        assert torch.equal(gradient, found[0][1])
    other = energy.gradient(points + 0.1, index)
    torch.testing.assert_close(other[0], energy.rows(points + 0.1, index))


def test_many_points_go_in_parts() -> None:
    posterior = regression(loss=cross_entropy, model=network(3, 5, 4))
    posterior = LocalPosterior(posterior.model, (seeded(600, 3), torch.arange(600) % 4), cross_entropy)
    energy = FlatEnergy(posterior)
    points = near(energy, 17)
    rows, gradient = energy.gradient(points)
    torch.testing.assert_close(rows.mean(1), energy(points))
    alone = energy.gradient(points[9:10])
    torch.testing.assert_close(gradient[9], alone[1][0])


def test_the_reference_is_the_model_itself_and_the_model_stays() -> None:
    posterior = regression()
    before = {name: w.clone() for name, w in posterior.model.state_dict().items()}
    energy = FlatEnergy(posterior)
    torch.testing.assert_close(energy.reference(torch.float32), energy.rows(energy.center[None])[0].detach())
    assert energy(near(energy, 2).double()).dtype == torch.float64
    assert all(torch.equal(w, before[name]) for name, w in posterior.model.state_dict().items())


BOXES = [
    ("b", (9, 7), (slice(2, 6), slice(3, 5))),
    ("a", (40, 11), (slice(0, 40), slice(0, 11))),
    ("s", (), ()),
    ("c", (60, 20), (slice(20, 50), slice(0, 20))),
    ("d", (100, 30), (slice(0, 100), slice(10, 11))),
    ("e", (31,), (slice(5, 31),)),
]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from(BOXES), min_size=1, max_size=4, unique_by=lambda box: box[0]),
    st.lists(st.integers(0, 2**40), min_size=1, max_size=3, unique=True),
    st.integers(0, 2**63),
    st.integers(0, 10**6),
)
def test_noise_of_many_chains_has_the_very_bits_of_each(
    pieces: list[Any], chains: list[int], seed: int, first: int
) -> None:
    found = ChainNoise(seed, chains, pieces).normal(range(first, first + 2))
    for c, chain in enumerate(chains):
        wanted = [(name, 0, int(np.prod(shape))) for name, shape, _ in pieces]
        whole = Noise(seed, chain).normal(first + 1, wanted)
        expected = [w.view(shape)[box].reshape(-1) for w, (_, shape, box) in zip(whole, pieces, strict=True)]
        assert torch.equal(found[1, c], torch.cat(expected))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 40), st.integers(1, 30))
def test_minibatches_of_many_chains_are_those_of_each(rows: int, size: int, first: int, count: int) -> None:
    size = min(size, rows)
    source = Minibatches(5, [2, 0], rows, size)
    for start in (first, first + count):
        found = source.rows(range(start, start + count))
        for s in range(count):
            for c, chain in enumerate((2, 0)):
                assert found[s, c].tolist() == minibatch(5, chain, start + s, rows, size).tolist()
