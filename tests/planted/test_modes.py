"""Modes of a deep linear network along nβ: their curvatures are those of the data, and they appear in that order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from benchmarks.modes import (
    CAUGHT,
    HEADS,
    MODES,
    UNITS,
    WIRED,
    caught,
    chains_of,
    covariances,
    divergence,
    parts,
    plant,
    squared,
    stands_out,
)

RUNGS = (1.5, 6.0)
"""nβ in units of γ over the largest curvature."""


@pytest.fixture(scope="module")
def planted():
    return plant("deep_linear", 11)


@pytest.fixture(scope="module")
def chains(planted):
    return [chains_of(planted, planted.half[0] * rung, seed) for seed, rung in enumerate(RUNGS)]


def hessian_of(planted, head: int) -> torch.Tensor:
    """Hessian of the mean loss in the columns of W₂ that belong to a head."""
    mine = slice(head * UNITS, (head + 1) * UNITS)

    def loss(columns: torch.Tensor) -> torch.Tensor:
        write = planted.model.write.detach().clone()
        write[:, mine] = columns
        made = planted.data[0] @ planted.model.read.detach().T @ write.T
        return planted.loss(lambda x: made, planted.data).mean()

    start = planted.model.write.detach()[:, mine].clone()
    return torch.autograd.functional.hessian(loss, start).reshape(start.numel(), -1)


@pytest.mark.parametrize("head", [0, 5])
def test_curvatures_are_the_singular_values_of_the_data(planted, head: int) -> None:
    """A head that carries the singular value s in one of m shares has it as s/m, once for each of the 6 outputs."""
    found = torch.linalg.eigvalsh(hessian_of(planted, head)).numpy()
    wanted = np.repeat(np.where(WIRED[head], planted.gamma / planted.half, 0.0), len(found) // MODES)
    np.testing.assert_allclose(found, np.sort(wanted), atol=1e-9)


def test_the_law_has_the_hessian_of_the_bigram_loss() -> None:
    planted = plant("bigram", 0)
    found = torch.linalg.eigvalsh(hessian_of(planted, 2)).numpy()
    np.testing.assert_allclose(found, planted.heads[2].curvatures, atol=1e-12)


def test_the_law_has_the_closed_form(planted) -> None:
    """Cov(φ, ℓ_x) = Σ_k (D/2) h_k²/(γ + nβ h_k)² (v_k·x)² with D = 6 outputs."""
    n_beta = 7.0 * planted.half[0]
    h = planted.gamma / planted.half
    for head in range(HEADS):
        found = parts(planted.heads[head].covariance(n_beta, planted.gamma), planted.coordinates)
        wanted = 3 * (h / (planted.gamma + n_beta * h)) ** 2 * WIRED[head]
        np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_chains_have_the_parts_of_the_closed_form(planted, chains) -> None:
    rng, h = np.random.default_rng(0), planted.gamma / planted.half
    for rung, losses in zip(RUNGS, chains, strict=True):
        n_beta = rung * planted.half[0]
        drawn = [[covariances(law.draw(n_beta, planted.gamma, rng)).mean(1) for law in planted.heads] for _ in range(8)]
        error = np.std([stands_out(one, planted.coordinates) for one in drawn], axis=0, ddof=1)
        found = stands_out([covariances(one).mean(1) for one in losses], planted.coordinates)
        wanted = 3 * (h / (planted.gamma + n_beta * h)) ** 2
        # an error from 8 draws and slightly related draws of a chain: t of 7 degrees, 10 comparisons
        assert (np.abs(found - wanted) < 5 * error).all()


def test_modes_appear_in_the_order_of_their_curvature(planted, chains) -> None:
    """The first mode, which all heads carry, hides the others until it is frozen; they come one by one."""
    seen = [(caught(losses, planted.coordinates)[1:] >= CAUGHT).tolist() for losses in chains]
    assert seen == [[True, False, False, False], [True, True, False, False]]


def test_losses_vanish_at_the_truth() -> None:
    for kind, loss in (("deep_linear", squared), ("bigram", divergence)):
        planted = plant(kind, 1)
        np.testing.assert_allclose(loss(planted.model, planted.data).detach(), 0, atol=1e-15)
