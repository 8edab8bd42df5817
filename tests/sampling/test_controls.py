"""Control variates have mean 0 on every rung, add no bias, and take away most of the noise where K is homogeneous."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from zeeman.sampling import Ladder, run_ladder
from zeeman.sampling.controls import MOST, _shares, controls
from zeeman.sampling.moves import Field


def kinked(w: torch.Tensor) -> torch.Tensor:
    return (w[..., 0] - 0.3).abs() + w[..., 0] ** 4


@settings(max_examples=20, deadline=None)
@given(t=st.floats(0.1, 100), localization=st.floats(0.1, 10), domain=st.sampled_from([None, 0.7, 1.5]))
def test_every_control_has_mean_zero_by_quadrature(t: float, localization: float, domain: float | None) -> None:
    field = Field(kinked, torch.tensor([0.1], dtype=torch.float64), domain, localization)
    reach = 12 / localization**0.5 if domain is None else domain
    edges = sorted({0.1 - reach, 0.3 if abs(0.2) < reach else 0.1, 0.1, 0.1 + reach})

    def weighted(w: float, k: int | None) -> float:
        point = torch.tensor([[[w]]], dtype=torch.float64)
        law = np.exp(-t * float(field.value(point)) - float(field.pull(point)))
        return (
            law if k is None else law * float(controls(field, point, torch.tensor([[t]], dtype=torch.float64))[0, 0, k])
        )

    def integral(k: int | None) -> float:
        parts = itertools.pairwise(edges)
        return sum(integrate.quad(weighted, a, b, args=(k,), limit=200, epsabs=1e-12)[0] for a, b in parts)

    for k in range(1 if domain is None else 2):
        assert integral(k) / integral(None) == pytest.approx(0, abs=1e-6)


def test_levels_are_unbiased_and_sharper() -> None:
    """t⟨x²y²⟩ on the square by quadrature; the controls must not move it, and leave a fifth of the variance or less."""
    rungs = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
    draws = run_ladder(
        lambda w: w.prod(-1) ** 2, torch.zeros(2), Ladder(num_walkers=64, num_draws=300, n_beta=rungs), domain=1.0
    )
    level, plain = draws.level.mean(axis=0), (draws.n_beta[:, None] * draws.energy.mean(axis=2)).T
    grid = np.exp(np.linspace(-40, 0, 4001))  # the law of z = |xy| has density −log z
    truth = []
    for t in rungs:
        law = -np.log(grid) * np.exp(-t * grid**2) * grid
        truth.append(t * integrate.trapezoid(law * grid**2) / integrate.trapezoid(law))
    error = level.std(axis=0, ddof=1) / len(level) ** 0.5
    assert (np.abs(level.mean(axis=0) - truth) < 4 * error).all()
    assert (level.var(axis=0)[2:] < 0.2 * plain.var(axis=0)[2:]).all()


def test_controls_that_are_heavy_or_useless_leave_the_level_as_it_is() -> None:
    """On (x² − y³)² each control alone swings by √t; no pair of them may blur what the plain mean knows."""
    rungs = tuple(10.0 ** np.arange(1, 20))
    draws = run_ladder(
        lambda w: (w[..., 0] ** 2 - w[..., 1] ** 3) ** 2, torch.zeros(2),
        Ladder(num_walkers=32, num_draws=300, n_beta=rungs), domain=1.0,
    )  # fmt: skip
    plain = (draws.n_beta[:, None] * draws.energy.mean(axis=2)).T
    assert (draws.level.mean(axis=0).var(axis=0) < 1.2 * plain.var(axis=0)).all()


def test_many_weights_share_controls() -> None:
    field = Field(lambda w: (w**2).sum(-1), torch.zeros(200, dtype=torch.float64), None, 1.0)
    points = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 200)))
    few = controls(field, points, torch.ones(2, 1, dtype=torch.float64))
    assert few.shape == (2, 3, MOST)
    assert torch.allclose(few.sum(-1), (3 * points**2 - 1).sum(-1))


def test_controls_that_wander_or_stand_off_zero_are_not_followed() -> None:
    """Means of walkers on 20 rungs: controls that explain t K, that wander by themselves, that are far from 0."""
    rng = np.random.default_rng(0)
    noise, slow = rng.standard_normal((20, 32)), np.broadcast_to(3 * rng.standard_normal((1, 32)), (20, 32))
    off = noise + 2.0  # 2 √32 = 11 standard errors from 0
    shares = [_shares(5 + noise, means).mean() for means in (noise, noise + slow - slow.mean(), off)]
    assert shares[0] > 0.9
    assert shares[1] < 0.3
    assert shares[2] < 0.05
