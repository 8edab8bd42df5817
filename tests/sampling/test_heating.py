"""The heat of step size and minibatch: against exact stationary laws, and what extrapolation leaves of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import linalg
from torch import nn

from sampling.harness import TARGETS, sample
from zeeman.errors import ZeemanError
from zeeman.sampling import BAOAB, SGLD, LocalPosterior, PreconditionedSGLD, Schedule, run_chain
from zeeman.sampling.health import effective_draws
from zeeman.sampling.heating import extrapolate, force_excess, quadratic_energy, virial_excess

CURVATURES = np.logspace(-1, 1, 20)
COPIES = 50


class Well(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(20, COPIES))


def tilted(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Give L_z = Σ h w²/2 + z·w: rows differ by their tilt z."""
    w = model.get_parameter("w")
    h = torch.from_numpy(CURVATURES).float()[:, None]
    return (h * w**2).sum() / 2 + (batch * w).flatten(1).sum(1)


def well(noise: float, num_rows: int) -> LocalPosterior:
    """The quadratic of 20 directions, each row tilted at random, so that a minibatch of one has that gradient noise."""
    z = torch.randn(num_rows, 20, COPIES, generator=torch.Generator().manual_seed(0))
    z = (z - z.mean(0)) / z.std(0, correction=0).clamp(min=1e-9) * noise
    return LocalPosterior(Well(), z, tilted, n_beta=100.0, localization=0.0, batch_size=1 if noise else None)


@pytest.mark.parametrize(("noise", "exact"), [(0.0, 10.68), (0.3, 13.08)])
def test_the_heat_of_step_and_minibatch_is_what_the_closed_form_says(noise: float, exact: float) -> None:
    assert quadratic_energy(CURVATURES, 100.0, 1e-3, noise=noise) == pytest.approx(exact, abs=0.005)
    excess = (quadratic_energy(CURVATURES, 100.0, 1e-3, noise=noise) - 10) * COPIES
    schedule = Schedule(1400, 600)
    posterior = well(noise, schedule.num_steps if noise else 1)
    chain = list(run_chain(posterior, SGLD(1e-3), schedule, seed=0, chain=0, block_steps=10))
    late = [b for b in chain if b.first_step >= schedule.num_burnin_steps]
    force = force_excess(np.array([[b.heat for b in late]]))
    virial = virial_excess(np.array([[b.virial for b in late]]), 20 * COPIES)
    print("\nforce", np.array(force) / COPIES, "virial", np.array(virial) / COPIES, "exact", excess / COPIES)
    assert abs(force.value - excess) < 4 * force.standard_error
    assert abs(virial.value - excess) < 4 * virial.standard_error
    assert force.standard_error < virial.standard_error / 2


def test_correcting_by_the_force_takes_the_heat_away() -> None:
    target = TARGETS["spread"]
    run = sample(target, PreconditionedSGLD(2e-4, 400), Schedule(2000, 400), 100)
    heat = force_excess(np.array([[b.heat for b in run.blocks]]) / 100)
    hot = run.mean[0] - target.moments()[0]
    assert hot > 6 * run.error[0]
    assert abs(hot - heat.value) < 4 * math.hypot(run.error[0], heat.standard_error)


def stationary(lr: float, n_beta: float, localization: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Stationary law of SGLD on w⁴ by power iteration of its transition kernel on a grid."""
    w = np.linspace(-1.2, 1.2, 1201)
    force = 4 * n_beta * w**3 + localization * w
    middle = w - lr / 2 * force
    kernel = np.exp(-((w[:, None] - middle) ** 2) / (2 * lr))
    kernel /= kernel.sum(0)
    law = np.exp(-n_beta * w**4 - localization * w**2 / 2)
    for _ in range(400):
        law = kernel @ law
        law /= law.sum()
    return w, law


def test_the_identity_of_force_and_virial_holds_on_a_quartic_and_bounds_its_excess() -> None:
    w, law = stationary(3e-3, 100.0, 0.0)
    force, energy = 400 * w**3, 100 * w**4
    virial = float(law @ (w * force))
    assert virial == pytest.approx(1 + 3e-3 / 4 * float(law @ force**2), rel=1e-6)
    excess, bound = float(law @ energy) - 0.25, 3e-3 / 8 * float(law @ force**2)
    assert bound == pytest.approx(2 * excess, rel=1e-6)  # k/2 for the power k = 4


@pytest.mark.parametrize("localization", [0.0, 20.0])
def test_extrapolation_of_a_quartic_agrees_with_quadrature(localization: float) -> None:
    found = []
    for lr in (3e-3, 1.5e-3, 1e-9):
        w, law = stationary(lr, 100.0, localization) if lr > 1e-6 else (np.linspace(-1.2, 1.2, 1201), None)
        if law is None:
            law = np.exp(-100 * w**4 - localization * w**2 / 2)
        found.append(float((law / law.sum()) @ (100 * w**4)))
    hot, warm, true = found
    value, _ = extrapolate([hot, warm], [1e-3, 1e-3], [3e-3, 1.5e-3])
    assert hot - true > 0.01 * true
    assert abs(value - true) < 0.05 * (hot - true)


def test_chains_at_two_steps_extrapolate_to_the_truth() -> None:
    for name, lr in (("spread", 1e-3), ("quartic", 6e-3)):
        target = TARGETS[name]
        runs = [
            sample(target, SGLD(lr / scale), Schedule(1200 * scale, 300 * scale), 60, seed=scale) for scale in (1, 2)
        ]
        found = extrapolate([r.mean[0] for r in runs], [r.error[0] for r in runs], [lr, lr / 2])
        print(
            f"\n{name}: {[f'{r.mean[0]:.4f} ± {r.error[0]:.4f}' for r in runs]} -> {found}, {target.moments()[0]:.4f}"
        )
        assert abs(found.value - target.moments()[0]) < 4 * found.standard_error


def test_extrapolation_is_nearer_the_closed_form_than_the_hotter_chain_beyond_the_errors() -> None:
    found = []
    for scale in (1, 2):
        schedule = Schedule(1500 * scale, 500 * scale)
        (block,) = run_chain(
            well(0.3, schedule.num_steps), SGLD(1e-3 / scale), schedule, seed=scale, chain=0, block_steps=4000
        )
        energy = block.rows[500 * scale :, 0].astype(np.float64)[None] * 100 / COPIES
        found.append((energy.mean(), energy.std() / math.sqrt(effective_draws(energy))))
    (hot, hot_error), (warm, warm_error) = found
    cold = extrapolate([hot, warm], [hot_error, warm_error], [1e-3, 5e-4])
    print(
        f"\n{hot:.3f} ± {hot_error:.3f}, {warm:.3f} ± {warm_error:.3f} -> {cold.value:.3f} ± {cold.standard_error:.3f}"
    )
    truth = quadratic_energy(CURVATURES, 100.0, 1e-9)
    assert abs(hot - truth) - abs(cold.value - truth) > 4 * math.hypot(hot_error, cold.standard_error)
    # What is left is the next order, which the closed form knows.
    pair = [quadratic_energy(CURVATURES, 100.0, lr, noise=0.3) for lr in (1e-3, 5e-4)]
    assert abs(cold.value - (2 * pair[1] - pair[0])) < 4 * cold.standard_error


def baoab_energy(lr: float, friction: float, noise: float) -> float:
    """nβ⟨ΔL⟩ of BAOAB in the well by the covariance of its linear recursion, direction by direction."""
    h, c, energy = math.sqrt(lr), math.exp(-friction), 0.0
    half, kick = np.array([[1, h / 2], [0, 1]]), np.array([0, h * 100 * noise])
    for a in 100 * CURVATURES:
        after = half @ np.diag([1, c]) @ half
        heat = np.outer(after @ kick, after @ kick) + np.outer(half[:, 1], half[:, 1]) * (1 - c**2)
        energy += a / 2 * linalg.solve_discrete_lyapunov(after @ np.array([[1, 0], [-h * a, 1]]), heat)[0, 0]
    return energy


@pytest.mark.parametrize("friction", [0.1, 0.5, 5.0])
def test_baoab_is_exact_in_a_quadratic_well_but_for_the_heat_of_the_minibatch(friction: float) -> None:
    assert baoab_energy(3e-3, friction, 0.0) == pytest.approx(10, rel=1e-9)
    exact = baoab_energy(1e-3, friction, 0.3)
    schedule = Schedule(1500, 500)
    posterior = well(0.3, schedule.num_steps)
    (block,) = run_chain(posterior, BAOAB(1e-3, friction), schedule, seed=0, chain=0, block_steps=2000)
    # The tilt z·w of a row adds nothing on average: w does not know the rows to come.
    energy = block.rows[500:, 0].astype(np.float64)[None] * 100 / COPIES
    error = energy.std() / math.sqrt(effective_draws(energy))
    print(f"\nfriction {friction}: {energy.mean():.3f} ± {error:.3f}, exact {exact:.3f}")
    assert abs(energy.mean() - exact) < 4 * error
    # At low friction the heat is about ε s²/2ζh, s = nβ σ.
    if friction < 0.2:
        assert exact / 10 - 1 == pytest.approx(1e-3 * 30**2 / 2 / friction, rel=0.1)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(1e-5, 1e-2), st.floats(0.01, 1.0)), min_size=2, max_size=6, unique_by=lambda p: p[0]),
    st.sampled_from([1, 2]),
)
def test_extrapolation_is_exact_where_its_law_holds(points: list[tuple[float, float]], order: int) -> None:
    lrs, errors = (np.array(column) for column in zip(*points, strict=True))
    top = lrs.max()
    if np.ptp(lrs) < 0.1 * top:
        return
    value, error = extrapolate(3 + 2 * (lrs / top) ** order, errors, lrs, order=order)
    assert value == pytest.approx(3, abs=1e-6)
    assert error >= errors.min() / math.sqrt(len(errors)) * 0.999


def test_the_error_of_an_extrapolation_covers() -> None:
    rng = np.random.default_rng(0)
    errors = np.array([0.1, 0.2])
    found = [
        extrapolate(1 + np.array([0.4, 0.2]) + rng.normal(size=2) * errors, errors, [2e-3, 1e-3]) for _ in range(800)
    ]
    scores = np.array([(f.value - 1) / f.standard_error for f in found])
    assert scores.std() == pytest.approx(1, abs=0.08)
    assert abs(scores.mean()) < 0.12


def test_an_unstable_step_has_no_stationary_energy() -> None:
    assert quadratic_energy([1.0, 41.0], 100.0, 1e-3) == math.inf


@pytest.mark.parametrize("lrs", [[1e-3], [1e-3, 1e-3], [1e-3, -1e-3], [1e-3, math.nan]])
def test_step_sizes_without_an_extrapolation_are_refused(lrs: list[float]) -> None:
    with pytest.raises(ZeemanError, match="two or more positive step sizes"):
        extrapolate(np.ones(len(lrs)), np.ones(len(lrs)), lrs)


def test_errors_and_figures_without_meaning_are_refused() -> None:
    with pytest.raises(ZeemanError, match="positive standard errors"):
        extrapolate([1.0, 2.0], [0.1, 0.0], [1e-3, 2e-3])
    with pytest.raises(ZeemanError, match=r"shape \(chains, times\)"):
        force_excess(np.ones(5))
