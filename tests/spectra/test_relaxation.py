"""Relaxation and escape of Langevin walkers against the scaling law and the backward equation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import integrate, linalg

from zeeman.errors import ZeemanError
from zeeman.reading import Verdict
from zeeman.sampling import first_passage_times, langevin_paths
from zeeman.spectra import escape_exponent, mean_exit_time, relaxation_exponent

T = np.geomspace(1e-2, 1e-4, 4)


def power(p: int):  # type: ignore[no-untyped-def]
    return lambda w: w.pow(p).sum(-1) / p


@pytest.mark.parametrize("p", [4, 6])
def test_the_exit_time_solves_the_backward_equation(p: int) -> None:
    """Against finite differences of T τ'' − V' τ' = −1, τ(±r) = 0."""
    r, temperature, n = 0.7, 0.05, 2001
    y = np.linspace(-r, r, n)
    h, slope = y[1] - y[0], y[1:-1] ** (p - 1)
    upper, lower = temperature / h**2 - slope / (2 * h), temperature / h**2 + slope / (2 * h)
    bands = np.zeros((3, n - 2))
    bands[0, 1:], bands[1], bands[2, :-1] = upper[:-1], -2 * temperature / h**2, lower[1:]
    tau = linalg.solve_banded((1, 1), bands, -np.ones(n - 2))
    assert mean_exit_time(lambda v: v**p / p, r, temperature) == pytest.approx(tau[n // 2 - 1], rel=1e-4)


@pytest.mark.parametrize("p", [4, 6])
def test_exit_times_scale_as_the_weights_say(p: int) -> None:
    """τ(κT^α, T) = T^{2α−1} τ(κ, 1), exactly; at a fixed radius T log τ tends to V(r), of order p in r."""
    for t in (1e-1, 1e-4):
        exact = mean_exit_time(lambda v: v**p / p, 1.5 * t ** (1 / p), t) / mean_exit_time(lambda v: v**p / p, 1.5, 1)
        assert exact == pytest.approx(t ** (2 / p - 1), rel=1e-6)
    cold = [2e-3 * np.log(mean_exit_time(lambda v: v**p / p, r, 2e-3, 40_001)) for r in (0.8, 1.0)]
    assert np.log(cold[1] / cold[0]) / np.log(1.25) == pytest.approx(p, rel=0.1)


@pytest.mark.parametrize("p", [2, 4, 6])
def test_walkers_leave_when_the_equation_says(p: int) -> None:
    radius = 1.5 * T ** (1 / p)
    times = first_passage_times(power(p), torch.zeros(1), radius, 1 / T, step=2e-3 * radius**2 / T, seed=p)
    theory = [mean_exit_time(lambda y: y**p / p, r, t) for r, t in zip(radius, T, strict=True)]
    error = times.std(axis=1) / np.sqrt(times.shape[1])
    assert (np.abs(times.mean(axis=1) - theory) < 4 * error + 0.02 * np.array(theory)).all()
    found = escape_exponent(times, 1 / T)
    assert abs(float(found.value) - (1 - 2 / p)) < 4 * float(found.standard_error)


@pytest.mark.parametrize(("p", "between"), [(2, 1), (4, 10)])
def test_rates_go_as_one_less_two_weights(p: int, between: int) -> None:
    rng = np.random.default_rng(p)
    start = (p * T[:, None] * rng.gamma(1 / p, size=(4, 64))) ** (1 / p) * rng.choice([-1, 1], (4, 64))
    paths = langevin_paths(
        power(p), torch.zeros(1), start[..., None], 1 / T, step=0.1, num_frames=800, num_steps_bw_frames=between
    )
    found = relaxation_exponent(paths[..., 0], 1 / T)
    assert abs(float(found.value) - (1 - 2 / p)) < 4 * float(found.standard_error) + 0.02
    spread = np.log((paths[..., 0] ** 2).mean(axis=(1, 2)))
    assert abs(np.polyfit(np.log(T), spread, 1)[0] - 2 / p) < 0.05


def test_correlation_times_are_those_of_the_generator() -> None:
    """⟨u⟩ of x⁴/4 decays with ∫₀^∞ ρ(s) ds from the Fokker–Planck operator on a grid."""
    grid, t = np.linspace(-3, 3, 601), 1.0
    weight = np.exp(-(grid**4) / 4 / t)
    # ∫ρ = ∫ (∫_y^∞ x P)² / (T P) dy / ⟨x²⟩: the odd solution of the backward equation.
    flow = np.array([integrate.trapezoid((grid * weight)[i:], grid[i:]) for i in range(len(grid))])
    exact = integrate.trapezoid(flow**2 / weight, grid) / t / integrate.trapezoid(grid**2 * weight, grid)
    start = np.random.default_rng(0).gamma(0.25, size=(1, 400)) * 4 * t
    start = start**0.25 * np.random.default_rng(1).choice([-1, 1], start.shape)
    paths = langevin_paths(power(4), torch.zeros(1), start[..., None], np.ones(1), step=0.02, num_frames=2000)[..., 0]
    centred = paths[0]
    lags = np.array([(centred[:, : 2000 - k] * centred[:, k:]).mean() for k in range(400)]) / (centred**2).mean()
    assert 0.02 * (lags.sum() - 0.5) == pytest.approx(exact, rel=0.1)


def test_short_paths_and_late_walkers_are_told() -> None:
    rng = np.random.default_rng(0)
    drift = np.cumsum(rng.normal(size=(3, 8, 200)), axis=-1)
    assert relaxation_exponent(drift, np.array([1.0, 2.0, 4.0])).verdict is Verdict.TOO_FEW_DRAWS
    times = np.where(rng.random((3, 100)) < 0.1, np.nan, 1.0 + rng.random((3, 100)))
    assert escape_exponent(times, np.array([1.0, 2.0, 4.0])).verdict is Verdict.TOO_FEW_DRAWS
    with pytest.raises(ZeemanError):
        escape_exponent(np.full((3, 5), np.nan), np.array([1.0, 2.0, 4.0]))
    with pytest.raises(ZeemanError):
        relaxation_exponent(drift[:2], np.array([1.0, 2.0]))


def test_exploded_walkers_are_refused() -> None:
    with pytest.raises(ZeemanError, match="finite numbers"):
        langevin_paths(power(6), torch.zeros(1), np.full((1, 4, 1), 9.0), np.ones(1), step=1.0, num_frames=30)
