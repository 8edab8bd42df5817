"""Hessian products against brute force, and the Lanczos process against dense eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh_tridiagonal
from torch import nn
from torch.autograd.functional import hessian
from torch.func import functional_call

from tiny import CONTEXT, VOCABULARY, make_tiny, tiny_tokens
from zeeman.errors import ZeemanError
from zeeman.sampling import Hessian, LocalPosterior, lanczos, language_model_loss


def tiny_posterior(**settings: Any) -> LocalPosterior:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = make_tiny().double()
    tokens = torch.from_numpy(tiny_tokens(np.random.default_rng(0), 10))
    return LocalPosterior(model, tokens, **settings)


def dense(posterior: LocalPosterior, name: str) -> torch.Tensor:
    """Hessian of the mean loss with respect to one parameter, by brute force."""
    weights = dict(posterior.model.named_parameters())

    def mean_loss(w: torch.Tensor) -> torch.Tensor:
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            logits = functional_call(posterior.model, {**weights, name: w}, posterior.data)[:, :-1]
            return nn.functional.cross_entropy(logits.flatten(0, 1), posterior.data[:, 1:].flatten())

    size = weights[name].numel()
    whole = hessian(mean_loss, weights[name].detach())
    assert isinstance(whole, torch.Tensor)
    return whole.reshape(size, size)


@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize("name", ["layers.0.attn.q_proj.weight", "unembed.weight", "norm.weight"])
def test_products_are_those_of_the_dense_hessian(name: str, batch_size: int | None) -> None:
    posterior = tiny_posterior(component=name, batch_size=batch_size)
    product, exact = Hessian(posterior), dense(posterior, name)
    vector = product.probe(0)
    torch.testing.assert_close(product(vector), exact @ vector, rtol=1e-9, atol=1e-11)


def test_a_head_is_a_block_of_its_layer() -> None:
    name = "layers.0.attn.q_proj.weight"
    head, product = tiny_posterior(component="l0h1"), Hessian(tiny_posterior(component="l0h1"))
    assert next(iter(head.component.slices)) == name
    (place,) = head.component.slices[name]
    inside = torch.zeros(8, 8, dtype=torch.float64)
    inside[place] = torch.randn(inside[place].shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    size = inside[place].numel()
    vector = torch.zeros(product.dimension, dtype=torch.float64)
    vector[:size] = inside[place].flatten()
    exact = dense(tiny_posterior(), name) @ inside.flatten()
    torch.testing.assert_close(product(vector)[:size], exact.view(8, 8)[place].flatten())


def test_masked_losses_weigh_as_the_mean_does() -> None:
    def masked_loss(model: nn.Module, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        losses = language_model_loss(model, batch)
        return losses, (torch.arange(losses.shape[1]) > 5).expand_as(losses)

    posterior = tiny_posterior(component="norm.weight", batch_size=4)
    masked = LocalPosterior(posterior.model, posterior.data, masked_loss, component="norm.weight", batch_size=4)

    def late(w: torch.Tensor) -> torch.Tensor:
        weights = {**dict(posterior.model.named_parameters()), "norm.weight": w}
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            logits = functional_call(posterior.model, weights, posterior.data)[:, 6:-1]
            return nn.functional.cross_entropy(logits.flatten(0, 1), posterior.data[:, 7:].flatten())

    exact = hessian(late, dict(posterior.model.named_parameters())["norm.weight"].detach())
    product = Hessian(masked)
    for index in range(2):
        vector = product.probe(index)
        torch.testing.assert_close(product(vector), exact @ vector)


@settings(max_examples=20)
@given(st.integers(2, 30), st.integers(0, 10**6))
def test_a_whole_lanczos_run_finds_every_eigenvalue(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.sort(rng.normal(size=size))
    basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = torch.from_numpy(basis @ np.diag(values) @ basis.T)
    found = lanczos(lambda v: matrix @ v, torch.from_numpy(rng.normal(size=size)), size + 3)
    kept = np.isfinite(found.diagonal)
    nodes = eigh_tridiagonal(found.diagonal[kept], found.off_diagonal[kept][:-1])[0]
    # Nearly equal eigenvalues may exhaust the space early; what is found is always an eigenvalue.
    assert max(abs(values - node).min() for node in nodes) < 1e-4
    assert nodes[[0, -1]] == pytest.approx(values[[0, -1]], abs=1e-4)


def test_the_coefficients_are_the_moments_of_the_spectrum() -> None:
    rng = np.random.default_rng(3)
    values, start = rng.normal(size=400) ** 3, rng.normal(size=400)
    found = lanczos(lambda v: torch.from_numpy(values) * v, torch.from_numpy(start), 6)
    nodes, vectors = eigh_tridiagonal(found.diagonal, found.off_diagonal[:-1])
    measure = start**2 / (start**2).sum()
    for power in range(12):  # exact up to degree 2k − 1 = 11
        assert vectors[0] ** 2 @ nodes**power == pytest.approx(measure @ values**power, rel=1e-8)


def test_a_low_rank_ends_early() -> None:
    weights = torch.tensor([3.0, 1.0])
    posterior = LocalPosterior.potential(lambda w: (weights * (w[:2] ** 2)).sum() / 2, torch.zeros(50))
    product = Hessian(posterior)
    found = lanczos(product, product.probe(0), 10)
    assert np.isfinite(found.diagonal).sum() == 3  # two eigenvalues and the null space
    assert found.off_diagonal[2] == 0


def test_a_linear_loss_has_no_curvature() -> None:
    product = Hessian(LocalPosterior.potential(lambda w: w.sum(), torch.zeros(4)))
    assert product(torch.ones(4)).tolist() == [0.0] * 4
    found = lanczos(product, torch.ones(4), 3)
    assert found.diagonal[0] == found.off_diagonal[0] == 0


def test_probes_are_signs_and_do_not_depend_on_the_global_generator() -> None:
    product = Hessian(tiny_posterior())
    state = torch.get_rng_state()
    one, two = product.probe(0), product.probe(1)
    assert torch.equal(state, torch.get_rng_state())
    assert set(one.tolist()) == {-1.0, 1.0}
    assert abs(float(one @ two)) < 5 * product.dimension**0.5
    assert torch.equal(one, Hessian(tiny_posterior()).probe(0))


def test_the_model_is_not_changed() -> None:
    posterior = tiny_posterior()
    before = {n: p.clone() for n, p in posterior.model.state_dict().items()}
    product = Hessian(posterior)
    product(product.probe(0))
    assert all(torch.equal(p, before[n]) for n, p in posterior.model.state_dict().items())
    assert all(p.grad is None for p in posterior.model.parameters())
    assert posterior.data.shape == (10, CONTEXT)
    assert int(posterior.data.max()) < VOCABULARY


@pytest.mark.parametrize("fault", ["steps", "nan"])
def test_what_can_not_be_run_is_told_in_a_sentence(fault: str) -> None:
    with pytest.raises(ZeemanError, match={"steps": "num_steps", "nan": "finite"}[fault]):
        lanczos(lambda v: v * float("nan"), torch.ones(3), 0 if fault == "steps" else 2)
