"""The local posterior: settings that make sense, losses of any shape, and a copy that shares what stays."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.sampling import LocalPosterior, language_model_hits, language_model_loss
from zeeman.sampling.posterior import rows_at_once, walker
from zeeman.subjects.component import resolve_component


def squared(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    x, y = batch
    return (model(x) - y).square().sum(1)


def regressor() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    source = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return model, (torch.randn(10, 3, generator=source), torch.randn(10, 2, generator=source))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_beta": -1.0}, "n_beta must be a finite number of at least 0, got -1"),
        ({"n_beta": math.nan}, "n_beta must be"),
        ({"n_beta": math.inf}, "n_beta must be"),
        ({"localization": -0.1}, "localization must be"),
        ({"localization": math.nan}, "localization must be"),
        ({"n_beta": 0.0, "localization": 0.0}, "both 0"),
        ({"batch_size": 0}, "batch_size must lie between 1 and the 10 rows of the data, got 0"),
        ({"batch_size": 11}, "got 11"),
        ({"component": "l0h1"}, "l0h1"),
    ],
)
def test_settings_without_meaning_are_refused_in_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    model, data = regressor()
    with pytest.raises(ZeemanError, match=sentence):
        LocalPosterior(model, data, squared, **settings)


def test_the_number_of_weights_is_that_of_the_component() -> None:
    model, data = regressor()
    assert LocalPosterior(model, data, squared).num_parameters == sum(p.numel() for p in model.parameters())
    assert LocalPosterior(model, data, squared, component="l1").num_parameters == 10
    chosen = resolve_component(model, "0.bias")
    assert LocalPosterior(model, data, squared, component=chosen).num_parameters == 4
    marked = LocalPosterior(model, data, squared, component=lambda name, t: t > 0 if name == "0.weight" else None)
    assert marked.num_parameters == int((model.get_parameter("0.weight") > 0).sum())


def test_rows_are_selected_from_every_part_of_the_data() -> None:
    model, (x, y) = regressor()
    index = torch.tensor([7, 2])
    picked = LocalPosterior(model, (x, y), squared).rows(index)
    assert torch.equal(picked[0], x[index])
    assert torch.equal(picked[1], y[index])
    assert torch.equal(LocalPosterior(model, x, squared).rows(slice(1, 3)), x[1:3])


def test_the_walker_shares_what_stays_and_owns_what_moves() -> None:
    model, data = regressor()
    copy, moving = walker(LocalPosterior(model, data, squared, component="l1"))
    original = dict(model.named_parameters())
    assert set(moving) == {"2.weight", "2.bias"}
    for name, parameter in copy.named_parameters():
        shared = parameter.data_ptr() == original[name].data_ptr()
        assert shared == (name not in moving)
        assert parameter.requires_grad == (name in moving)
        assert torch.equal(parameter, original[name])


def test_tied_weights_stay_tied_in_the_walker() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 3)
            self.unembed = nn.Linear(3, 5, bias=False)
            self.unembed.weight = self.embed.weight

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.unembed(self.embed(tokens))

    model = Tied()
    copy, moving = walker(LocalPosterior(model, torch.zeros(2, 4, dtype=torch.int64)))
    assert list(moving) == ["embed.weight"]
    assert copy.get_parameter("unembed.weight") is copy.get_parameter("embed.weight")
    assert copy.get_parameter("embed.weight") is not model.embed.weight


def test_the_next_token_loss_and_hits_are_those_of_the_logits() -> None:
    source = torch.Generator().manual_seed(1)
    model = nn.Embedding(6, 6)
    tokens = torch.randint(6, (3, 5), generator=source)
    losses, hits = language_model_loss(model, tokens), language_model_hits(model, tokens)
    assert losses.shape == hits.shape == (3, 4)
    for row in range(3):
        for t in range(4):
            logits = model(tokens)[row, t]
            assert losses[row, t].item() == pytest.approx(
                (logits.logsumexp(0) - logits[tokens[row, t + 1]]).item(), abs=1e-5
            )
            assert bool(hits[row, t]) == (int(logits.argmax()) == int(tokens[row, t + 1]))


def test_logits_may_come_as_an_attribute() -> None:
    class Wrapped(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, tokens: torch.Tensor) -> Any:
            return type("Output", (), {"logits": self.inner(tokens)})()

    inner, tokens = nn.Embedding(6, 6), torch.tensor([[1, 2, 3]])
    assert torch.equal(language_model_loss(Wrapped(inner), tokens), language_model_loss(inner, tokens))


def test_a_potential_is_a_posterior_over_its_own_vector() -> None:
    at = torch.tensor([1.0, 2.0, 3.0])
    posterior = LocalPosterior.potential(lambda w: (w**2).sum(), at, n_beta=3.0, localization=0.0)
    assert (posterior.num_parameters, posterior.num_rows) == (3, 1)
    assert posterior.loss(posterior.model, posterior.data).tolist() == [14.0]
    at.zero_()
    assert posterior.model.get_parameter("w").tolist() == [1.0, 2.0, 3.0]


def test_next_token_losses_and_gradients_are_those_of_the_shortened_logits() -> None:
    source = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Embedding(7, 5), nn.Linear(5, 7))
    tokens = torch.randint(0, 7, (3, 6), generator=source)
    logits = model(tokens)[:, :-1]
    expected = nn.functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
    found = language_model_loss(model, tokens)
    torch.testing.assert_close(found, expected)
    parameters = list(model.parameters())
    for one, other in zip(
        torch.autograd.grad(found.mean(), parameters), torch.autograd.grad(expected.mean(), parameters), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_a_larger_vocabulary_takes_fewer_rows_at_once_whatever_moves() -> None:
    tokens = torch.zeros(4, 64, dtype=torch.int64)
    few, many = (nn.Sequential(nn.Embedding(size, 4), nn.Linear(4, size)) for size in (100, 20_000))
    count, fewer = (rows_at_once(language_model_loss, model, tokens) for model in (few, many))
    assert count.gradient > 100 * fewer.gradient
    assert count.reading > 100 * fewer.reading
    few[0].requires_grad_(False)
    assert rows_at_once(language_model_loss, few, tokens) == count
    assert [p.requires_grad for p in few.parameters()] == [False, True, True]
