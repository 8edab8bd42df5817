"""Weights of directions from draws of potentials whose weights are known, in turned and bent coordinates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zeeman.errors import ZeemanError
from zeeman.reading import Reading, Verdict
from zeeman.sampling import Ladder, run_ladder
from zeeman.spectra import direction_exponents, find_directions
from zeeman.subjects import Potential

RUNGS = tuple(5.0 ** np.arange(-1, 14))


def homogeneous(powers: list[int], seed: int, rungs: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Exact independent draws of exp(−t Σ |w_i|^{p_i}), shape (rungs, 16 walkers, 64, d)."""
    rng, t = np.random.default_rng(seed), np.geomspace(1, 1e8, rungs)
    shape = (rungs, 16, 64)
    columns = [
        (rng.gamma(1 / p, size=shape) / t[:, None, None]) ** (1 / p) * rng.choice([-1.0, 1.0], shape) for p in powers
    ]
    return np.stack(columns, axis=-1), t


def read(places: np.ndarray, t: np.ndarray) -> list[Reading]:
    return direction_exponents(places, t, find_directions(places, t))


@settings(max_examples=20)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 10_000))
def test_degree_2k_gives_one_over_2k_whatever_the_turn(halves: list[int], seed: int) -> None:
    powers = [2 * k for k in halves]
    places, t = homogeneous(powers, seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(powers),) * 2))[0]
    for seen in (places, places @ turn):
        for found, exact in zip(read(seen, t), sorted(1 / p for p in powers), strict=True):
            assert abs(float(found.value) - exact) < 5 * float(found.standard_error) + 0.005
            assert abs(found.coordinates["variance_exponent"] - exact) < 0.02


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(-3, 3))
def test_bends_are_taken_out(seed: int, bend: float, more: float) -> None:
    """x⁶ + (y + b x² + c x³)²: the second direction is straightened to α = ½, in turned axes."""
    places, t = homogeneous([6, 2], seed)
    x = places[..., 0]
    places[..., 1] -= bend * x**2 + more * x**3
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(2, 2)))[0]
    first, second = read(places @ turn, t)
    assert abs(float(first.value) - 1 / 6) < 5 * float(first.standard_error) + 0.005
    assert abs(float(second.value) - 1 / 2) < 5 * float(second.standard_error) + 0.02


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.floats(0.02, 0.2))
def test_a_reference_beside_the_minimum_is_corrected(seed: int, beside: float) -> None:
    """x⁴ + y⁴ + z² seen from a point that training left short of the minimum, in turned axes."""
    places, t = homogeneous([4, 4, 2], seed)
    rng = np.random.default_rng(seed)
    away = rng.normal(size=3)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    found = read(places @ turn + beside * away / np.linalg.norm(away), t)
    for one, exact in zip(found, (1 / 4, 1 / 4, 1 / 2), strict=True):
        assert abs(float(one.value) - exact) < 5 * float(one.standard_error) + 0.02


def test_a_quartic_direction_is_found_among_stiff_ones() -> None:
    """X⁴ + y² in a random turn of ten weights, by replica exchange."""
    noise = torch.Generator().manual_seed(2)
    turn, _ = torch.linalg.qr(torch.randn(10, 10, generator=noise, dtype=torch.float64))
    stiff = 0.3 + 3 * torch.rand(9, generator=noise, dtype=torch.float64)

    def energy(w: torch.Tensor) -> torch.Tensor:
        z = w @ turn.T
        return z[..., 0] ** 4 + 0.5 * (stiff * z[..., 1:] ** 2).sum(-1)

    ladder = Ladder(num_walkers=16, num_draws=80, num_burnin_steps=150, n_beta=tuple(2.0 ** np.arange(0, 20)))
    draws = run_ladder(energy, torch.zeros(10), ladder, domain=1.0)
    directions = find_directions(draws.places, draws.n_beta)
    assert abs(directions.axes[0] @ turn[0].numpy()) > 0.99
    found = direction_exponents(draws.places, draws.n_beta, directions)
    for one, exact in zip(found, [0.25] + [0.5] * 9, strict=True):
        assert abs(float(one.value) - exact) < 5 * float(one.standard_error) + 0.01


@pytest.mark.parametrize(
    ("expression", "exponents"),
    [("x**2*y**4", (0.0, 1 / 4)), ("(x**3+y**4)**2", (1 / 8, 1 / 6)), ("(x**2*y-y**3)**2", (1 / 6, 1 / 6))],
)
def test_weights_of_the_divisor_where_the_variance_has_a_tail(expression: str, exponents: tuple[float, float]) -> None:
    ladder = Ladder(num_walkers=32, num_draws=100, num_burnin_steps=400, n_beta=RUNGS)
    draws = run_ladder(Potential.parse(expression), torch.zeros(2), ladder, domain=1.0)
    for one, exact in zip(read(draws.places, draws.n_beta), exponents, strict=True):
        assert abs(float(one.value) - exact) < 5 * float(one.standard_error) + 0.01


def test_where_no_weights_exist_the_verdict_says_so() -> None:
    ladder = Ladder(num_walkers=32, num_draws=100, num_burnin_steps=400, n_beta=RUNGS)
    draws = run_ladder(Potential.parse("x**2*y**2"), torch.zeros(2), ladder, domain=1.0)
    assert {one.verdict for one in read(draws.places, draws.n_beta)} == {Verdict.NO_WEIGHT}


def test_a_crossover_is_bent() -> None:
    """A direction of x² that gives way to x⁴ inside the ladder has no one exponent."""
    places, t = homogeneous([2], 0, 24)
    quartic, _ = homogeneous([4], 1, 24)
    places = np.where(t[:, None, None, None] > 1e6, places * 1e2, quartic)
    assert read(places, t)[0].verdict is Verdict.TOO_ANHARMONIC


@pytest.mark.parametrize("shape", [(4, 8, 64, 1), (8, 2, 64, 1), (8, 8, 1, 9)])
def test_too_few_of_anything_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ZeemanError):
        find_directions(np.ones(shape), np.geomspace(1, 10, shape[0]))
