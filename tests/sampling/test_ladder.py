"""Replica exchange against integrals that are known, and against potentials that are none."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import integrate

from zeeman.errors import ZeemanError
from zeeman.sampling import Ladder, run_ladder
from zeeman.sampling.crowd import Crowd
from zeeman.sampling.moves import Field
from zeeman.subjects import Potential

RUNGS = tuple(float(t) for t in np.geomspace(0.5, 5000, 9))


def energies(t: float, power: float, gamma: float) -> float:
    """⟨t w^power⟩ under exp(−t w^power − γ w²/2) by quadrature."""
    weight = lambda w: np.exp(-t * w**power - gamma * w * w / 2)  # noqa: E731
    edges = np.r_[0, np.geomspace(1e-4, 8, 60)]
    over = [integrate.quad(lambda w: t * w**power * weight(w), a, b)[0] for a, b in itertools.pairwise(edges)]
    under = [integrate.quad(weight, a, b)[0] for a, b in itertools.pairwise(edges)]
    return float(np.sum(over) / np.sum(under))


def within(values: np.ndarray, expected: np.ndarray) -> bool:
    """Each mean over walkers within four of its errors."""
    error = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return bool(np.all(np.abs(values.mean(axis=1) - expected) < 4 * error))


def test_a_quartic_under_localization_has_the_energies_of_its_integral() -> None:
    ladder = Ladder(num_walkers=64, num_draws=150, num_burnin_steps=300, n_beta=RUNGS)
    draws = run_ladder(lambda w: (w**4).sum(-1), torch.zeros(1), ladder, localization=1.0)
    expected = np.array([energies(t, 4, 1.0) for t in RUNGS])
    assert within(draws.n_beta[:, None] * draws.energy.mean(axis=2), expected)


@pytest.mark.parametrize("dimension", [3, 12])
def test_a_quadratic_bowl_in_few_and_in_many_dimensions(dimension: int) -> None:
    """With and without a gradient in the moves: t⟨K⟩ = (d/2) t/(t + γ/2) for K = ‖w‖²."""
    ladder = Ladder(num_walkers=48, num_draws=100, num_burnin_steps=400, n_beta=RUNGS)
    draws = run_ladder(lambda w: w.square().sum(-1), torch.zeros(dimension), ladder, localization=2.0)
    t = draws.n_beta
    assert within(t[:, None] * draws.energy.mean(axis=2), dimension / 2 * t / (t + 1))


def test_a_valley_of_two_weights_meets_its_quadrature() -> None:
    """⟨200 w₁²w₂²⟩ at γ = 1 is 0.367, a quarter below λ = ½."""
    rungs = (1.0, 4.0, 14.0, 52.0, 200.0)
    ladder = Ladder(num_walkers=96, num_draws=300, num_burnin_steps=300, n_beta=rungs)
    draws = run_ladder(Potential.parse("x**2*y**2"), torch.zeros(2), ladder, localization=1.0)
    weight = lambda x: 1 / np.sqrt(1 + 400 * x * x) * np.exp(-x * x / 2)  # noqa: E731
    above = integrate.quad(lambda x: weight(x) * 200 * x * x / (1 + 400 * x * x), -12, 12, limit=400, points=[0])[0]
    expected = above / integrate.quad(weight, -12, 12, limit=400, points=[0])[0]
    assert expected == pytest.approx(0.367, abs=5e-4)
    top = 200 * draws.energy[-1].mean(axis=1)
    assert abs(top.mean() - expected) < 4 * top.std(ddof=1) / np.sqrt(96)


def test_a_thin_curved_valley_is_in_equilibrium_on_cold_rungs() -> None:
    """t⟨K⟩ is ½ across the curve (1 + a)(1 + b) = 1, up to its ends in the walls, of order 1/√t."""
    ladder = Ladder(num_walkers=96, num_draws=200, num_burnin_steps=400, n_beta=tuple(4.0 ** np.arange(0, 20)))
    draws = run_ladder(Potential.parse("((a+1)*(b+1)-1)**2"), torch.zeros(2), ladder, domain=1.0)
    cold = draws.n_beta > 1e5
    walkers = (draws.n_beta[cold, None] * draws.energy[cold].mean(axis=2)).mean(axis=0)
    assert abs(walkers.mean() - 0.5) < 4 * walkers.std(ddof=1) / np.sqrt(96)


def test_the_pilot_spaces_rungs_so_that_neighbours_swap() -> None:
    draws = run_ladder(
        lambda w: w.square().sum(-1),
        torch.zeros(4),
        Ladder(num_walkers=16, num_draws=60, num_burnin_steps=600),
        domain=1.0,
    )
    assert 0.3 < draws.swaps.mean() < 0.8
    assert (draws.n_beta[0] * draws.energy[0]).mean() < 0.2


def test_a_seed_gives_the_same_draws_and_leaves_the_global_generators_alone() -> None:
    ladder = Ladder(num_walkers=8, num_draws=16, num_burnin_steps=20, n_beta=RUNGS)
    before = torch.random.get_rng_state()
    one, two = (run_ladder(Potential.parse("x^2*y^4"), torch.zeros(2), ladder, domain=1.0) for _ in range(2))
    assert np.array_equal(one.energy, two.energy)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_potential_multiplied_out_ends_where_rounding_rules() -> None:
    """x⁴ − 2x²y³ + y⁶ is (x² − y³)², but its small values are differences of large ones."""
    ladder = Ladder(num_walkers=16, num_draws=60, num_burnin_steps=1000)
    square = run_ladder(Potential.parse("(x**2-y**3)**2"), torch.zeros(2), ladder, domain=1.0)
    assert square.imprecise == 0
    spread = run_ladder(Potential.parse("x**4-2*x**2*y**3+y**6"), torch.zeros(2), ladder, domain=1.0)
    assert spread.imprecise >= 1
    assert spread.n_beta[-1] < 1e17


BAD: list[tuple[Callable[[torch.Tensor], torch.Tensor], int, dict[str, float], str]] = [
    (lambda w: w.sum(-1), 1, {"domain": 1.0}, "at least 0"),
    (lambda w: w.prod(-1), 2, {"domain": 1.0}, "at least 0"),
    (lambda w: w.square().sum(-1) + 1, 2, {"domain": 1.0}, "0 at its minimum"),
    (lambda w: (w - 3).square().sum(-1), 1, {"domain": 1.0}, "0 at its minimum"),
    (lambda w: -w.square().sum(-1), 1, {"domain": 1.0}, "at least 0"),
    (lambda w: 0 * w.sum(-1), 1, {"domain": 1.0}, "nowhere above 0"),
    (lambda w: w.square().sum(-1), 2, {}, "holds the walkers"),
    (lambda w: w.square().sum(-1), 0, {"domain": 1.0}, "no weights"),
    (lambda w: w.square().sum(-1), 1, {"domain": -1.0}, "domain"),
    (lambda w: w.square().sum(-1), 1, {"localization": float("nan")}, "localization"),
    (lambda w: (1000 * w).exp().sum(-1) - 1, 1, {"domain": 10.0}, "not finite"),
]


@pytest.mark.parametrize(("energy", "dimension", "held", "words"), BAD)
def test_what_has_no_density_of_states_is_refused_in_a_sentence(
    energy: Callable[[torch.Tensor], torch.Tensor], dimension: int, held: dict[str, float], words: str
) -> None:
    with pytest.raises(ZeemanError, match=words):
        run_ladder(energy, torch.zeros(dimension), Ladder(num_draws=16, num_burnin_steps=20), **held)


@pytest.mark.parametrize(
    "wrong", [{"num_walkers": 1}, {"num_draws": 2}, {"n_beta": (1.0, 2.0)}, {"n_beta": (4.0, 2.0, 1.0, 8.0)}]
)
def test_a_ladder_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ZeemanError, match=next(iter(wrong))):
        Ladder(**wrong)  # type: ignore[arg-type]


def test_a_potential_that_rounding_makes_negative_sends_no_walker_away() -> None:
    """Where K is smaller than its rounding the curvature ‖∇K‖²/2K means nothing, and glides must not use it."""
    ladder = Ladder(num_walkers=32, num_draws=100, num_burnin_steps=300, n_beta=tuple(10.0 ** np.arange(1, 15)))
    draws = run_ladder(Potential.parse("x**4-2*x**2*y**3+y**6"), torch.zeros(2), ladder, domain=1.0)
    assert (draws.n_beta[:, None, None] * draws.energy).max() < 60


def test_a_corner_is_left_from_its_tip_on_cold_rungs() -> None:
    """t⟨|a| + 2|b|⟩ is 2 where the walls are far; walkers that begin at 0 must find steps of 1/t."""
    rungs = 4.0 ** np.arange(2, 30)
    corner = Field(lambda w: w[..., 0].abs() + 2 * w[..., 1].abs(), torch.zeros(2, dtype=torch.float64), 1.0, 0.0)
    crowd = Crowd(corner, rungs, 64, seed=0)
    crowd.burn_in(600, lambda _: None)
    energy, *_ = crowd.record(100, 4, {}, lambda _: None)
    tip = (rungs[:, None] * energy.mean(axis=2))[4:, 32:]
    assert within(tip, np.full(len(tip), 2.0))


def test_a_potential_that_is_zero_nearly_everywhere_is_walked_without_a_scale() -> None:
    """Walkers of the pilot may meet nothing but 0, so that t K has no spread to space rungs by."""
    quick = Ladder(num_walkers=16, num_draws=32, num_burnin_steps=60)
    draws = run_ladder(lambda w: (w[..., 0].abs() - 0.995).clamp(min=0) ** 2, torch.zeros(1), quick, domain=1.0)
    assert draws.lowest == 0
