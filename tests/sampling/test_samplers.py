"""Samplers: one acceptance harness on Gaussian targets with known moments, and parity with published updates."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import linalg, stats
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.sampling import (
    BAOAB,
    HMC,
    MALA,
    SGLD,
    LocalPosterior,
    MetropolisSampler,
    Observable,
    PreconditionedSGLD,
    RMSPropSGLD,
    Sampler,
    Schedule,
    Unloaded,
    run_chain,
)
from zeeman.sampling.samplers import Position

COPIES = 300
CURVATURES = torch.tensor([0.0, 0.3, 1.0, 3.0])  # flat to stiff; each in COPIES independent copies
CENTER = torch.tensor([1.5, -2.0, 0.7, 0.1])


class Weights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(CENTER[:, None].expand(4, COPIES).clone())


def gaussian_loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Give K = Σ h w²/2 about the centre on one row of data, and the weights themselves on as many rows as weights."""
    w = model.get_parameter("w")
    if len(batch) == 1:
        return ((w - CENTER[:, None]) ** 2 * CURVATURES[:, None]).sum().expand(1) / 2
    return w.flatten()


def draw(sampler: Sampler, schedule: Schedule, *, n_beta: float, localization: float) -> NDArray[np.float64]:
    """Draws of w − w*, shape (draws, curvatures, copies)."""
    posterior = LocalPosterior(Weights(), torch.zeros(1), gaussian_loss, n_beta=n_beta, localization=localization)
    watched = {"w": Observable(torch.zeros(4 * COPIES), torch.ones(4 * COPIES, dtype=torch.bool))}
    blocks = run_chain(posterior, sampler, schedule, seed=0, chain=0, observables=watched)
    return np.concatenate([b.observed["w"] for b in blocks]).astype(np.float64).reshape(-1, 4, COPIES)


def accept(
    draws: NDArray[np.float64], variance: NDArray[np.float64], memory: NDArray[np.float64], slack: float = 0
) -> None:
    """Demand mean, variance, kurtosis and independence of N(0, variance), given each direction's autocorrelation."""
    steps = len(draws) * COPIES
    mean_error = np.sqrt(variance / steps * (1 + memory) / (1 - memory))
    square_error = np.sqrt((1 + memory**2) / (1 - memory**2) / steps)  # of x² / variance, over √2
    assert (abs(draws.mean(axis=(0, 2))) < 4 * mean_error).all()
    found = (draws**2).mean(axis=(0, 2)) / variance
    assert (abs(found - 1) < 4 * 2**0.5 * square_error + slack).all(), found
    standard = draws / np.sqrt(variance * found)[:, None]
    assert (abs((standard**4).mean(axis=(0, 2)) - 3) < 4 * 96**0.5 * square_error + 12 * slack).all()
    cross = (standard[:, :, None] * standard[:, None]).mean(axis=(0, 3))[np.triu_indices(4, 1)]
    assert (abs(cross) < 4 * math.sqrt((1 + memory.max()) / (1 - memory.max()) / steps)).all()


@pytest.mark.parametrize("lr", [0.002, 0.02])
@pytest.mark.parametrize("localization", [5.0, 40.0])
def test_sgld_has_the_stationary_law_of_its_linear_recursion(lr: float, localization: float) -> None:
    # w ← (1 − εa/2) w + √ε ξ with a = nβ h + γ has variance ε / (1 − (1 − εa/2)²) = 1 / (a (1 − εa/4)).
    a = 50.0 * CURVATURES.numpy().astype(np.float64) + localization
    memory = 1 - lr * a / 2
    burn = math.ceil(12 / -math.log(memory.max()))
    draws = draw(SGLD(lr), Schedule(600, burn, 2), n_beta=50.0, localization=localization)
    accept(draws, 1 / (a * (1 - lr * a / 4)), memory**2)


def test_the_heating_by_the_step_size_is_seen_and_not_within_the_error() -> None:
    a = 50.0 * 3.0 + 5.0
    draws = draw(SGLD(0.01), Schedule(600, 200, 2), n_beta=50.0, localization=5.0)
    found = (draws[:, 3] ** 2).mean() * a
    assert found == pytest.approx(1 / (1 - 0.01 * a / 4), rel=0.02)
    assert found > 1.5


def test_noise_level_scales_the_spread_and_weight_decay_pulls_to_zero() -> None:
    # With decay κ the force is a (w − w*) + κ w: mean w* a / (a + κ), precision a + κ.
    a, decay, lr = 50.0 * CURVATURES.numpy().astype(np.float64) + 20.0, 30.0, 0.002
    draws = draw(SGLD(lr, noise_level=0.5, weight_decay=decay), Schedule(500, 400, 2), n_beta=50.0, localization=20.0)
    memory = (1 - lr * (a + decay) / 2) ** 2
    shift = CENTER.numpy() * (a / (a + decay) - 1)
    accept(draws - shift[:, None], 0.25 / ((a + decay) * (1 - lr * (a + decay) / 4)), memory)


def test_rmsprop_sgld_samples_the_gaussian_where_its_metric_has_settled() -> None:
    # α near 1: v̂ → E g² = h² s, so ε_i = ε / (h √s + eps), and s = 1 / (a (1 − ε_i a/4)). What is left is the
    # wandering of v̂, whose relative spread is √((1−α)/(1+α)·2τ) of some per cent.
    lr, eps, alpha = 0.004, 0.2, 0.995
    h = CURVATURES.numpy().astype(np.float64)
    a = 50.0 * h + 20.0
    s = 1 / a
    for _ in range(50):
        step = lr / (h * np.sqrt(s) + eps)
        s = 1 / (a * (1 - step * a / 4))
    draws = draw(RMSPropSGLD(lr, alpha, eps), Schedule(500, 2500, 2), n_beta=50.0, localization=20.0)
    accept(draws, s, (1 - step * a / 2) ** 2, slack=0.02)


def test_unloaded_draws_are_independent_and_gaussian_whatever_the_loss() -> None:
    draws = draw(Unloaded(), Schedule(100), n_beta=50.0, localization=16.0)
    accept(draws, np.full(4, 1 / 16), np.zeros(4))
    assert stats.kstest(draws.ravel() * 4, "norm").pvalue > 1e-3
    assert abs((draws[1:] * draws[:-1]).mean() * 16) < 4 / math.sqrt(draws.size)


TRACE = json.loads(Path(__file__).with_name("devinterp_trace.json").read_text())


def tensors(flat: list[list[float]]) -> list[torch.Tensor]:
    return [torch.tensor(x).reshape(shape) for x, shape in zip(flat, TRACE["shapes"], strict=True)]


@pytest.mark.parametrize("name", TRACE["runs"])
def test_the_same_noise_gives_the_same_bits_as_devinterp(name: str) -> None:
    run = TRACE["runs"][name]
    given = dict(run["settings"])
    n_beta, localization = given.pop("nbeta"), given.pop("localization", 0.0)
    sampler = SGLD(**given) if run["method"] == "sgld" else RMSPropSGLD(**given, devinterp=True)
    weights, center = tensors(TRACE["start"]), tensors(TRACE["start"])
    state = sampler.init(weights)
    for step, expected in enumerate(run["weights"]):
        gradient, noise = tensors(TRACE["gradients"][step]), tensors(TRACE["noise"][step])
        sampler.update(weights, center, gradient, noise, state, n_beta, localization, step)
        assert all(torch.equal(w, e) for w, e in zip(weights, tensors(expected), strict=True))


def test_the_trace_is_of_the_version_that_parity_is_claimed_with() -> None:
    assert TRACE["devinterp"] == "2.0.1"
    assert len({json.dumps(run["weights"]) for run in TRACE["runs"].values()}) == len(TRACE["runs"])


def test_rmsprop_sgld_is_algorithm_3_as_published() -> None:
    lr, alpha, eps, n_beta, localization = 0.03, 0.9, 0.1, 7.0, 11.0
    rng = np.random.default_rng(0)
    w = center = rng.normal(size=5)
    v = np.ones(5)
    mine, fixed = [torch.from_numpy(w.copy())], [torch.from_numpy(w.copy())]
    sampler = RMSPropSGLD(lr, alpha, eps)
    state = sampler.init(mine)
    for k in range(20):
        g, xi = rng.normal(size=5), rng.normal(size=5)
        v = alpha * v + (1 - alpha) * g**2
        step = lr / (np.sqrt(v / (1 - alpha ** (k + 1))) + eps)
        w = w - step / 2 * (n_beta * g + localization * (w - center)) + np.sqrt(step) * xi
        sampler.update(mine, fixed, [torch.from_numpy(g)], [torch.from_numpy(xi)], state, n_beta, localization, k)
        np.testing.assert_allclose(mine[0].numpy(), w, rtol=1e-12)


def test_a_bare_sampler_is_a_sampler() -> None:
    plain = (SGLD(1e-3), RMSPropSGLD(1e-3), PreconditionedSGLD(1e-3, 1), BAOAB(1e-3), Unloaded())
    assert all(isinstance(s, Sampler) and not isinstance(s, MetropolisSampler) for s in plain)
    assert all(isinstance(s, MetropolisSampler) and not isinstance(s, Sampler) for s in (MALA(1e-3), HMC(1e-3)))


@pytest.mark.parametrize("sampler", [SGLD(0.01), RMSPropSGLD(0.01), PreconditionedSGLD(0.01, 4), BAOAB(0.01)])
def test_a_leading_axis_of_chains_changes_nothing(sampler: Sampler) -> None:
    generator = torch.Generator().manual_seed(0)
    center = [torch.randn(3, 2, generator=generator), torch.randn(4, generator=generator)]
    chains, alone = 3, []
    noise = [[torch.randn(chains, *c.shape, generator=generator) for c in center] for _ in range(8)]
    together = [c.expand(chains, *c.shape).clone() for c in center]
    state = sampler.init(together)
    for step, xi in enumerate(noise):
        sampler.update(together, center, [w**3 for w in together], xi, state, 5.0, 2.0, step)
    for chain in range(chains):
        weights = [c.clone() for c in center]
        own = sampler.init(weights)
        for step, xi in enumerate(noise):
            sampler.update(weights, center, [w**3 for w in weights], [x[chain] for x in xi], own, 5.0, 2.0, step)
        alone.append(weights)
    for i, w in enumerate(together):
        torch.testing.assert_close(w, torch.stack([weights[i] for weights in alone]), rtol=1e-6, atol=1e-7)


def quartic_position(w: torch.Tensor, n_beta: float, localization: float) -> Position:
    return Position(
        float(n_beta * (w**4).sum() + localization / 2 * (w**2).sum()), [4 * w**3], np.zeros(1, dtype=np.float32)
    )


def proposal(sampler: MALA | HMC, start: torch.Tensor, xi: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Where a step from ``start`` leads, and the chance with which it is accepted, read off the adaptation."""
    w, zero = start.clone(), torch.zeros_like(start)
    state = sampler.init([w])
    here = quartic_position(w, 3.0, 2.0)
    sampler.move([w], [zero], here, lambda: quartic_position(w, 3.0, 2.0), [xi], (0.0, 0.0), state, 3.0, 2.0, 0)
    return w, sampler.target - 11 * float(state["adaptation"][0][2])


@given(st.integers(0, 2**20), st.floats(0.001, 0.2))
def test_mala_accepts_by_the_ratio_of_target_and_proposal_densities(seed: int, lr: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    start, xi = (torch.randn(4, generator=generator, dtype=torch.double) for _ in range(2))
    end, chance = proposal(MALA(lr, freeze_after=1), start, xi)
    assume(chance > 0)  # or the end is the start

    def log_density(w: torch.Tensor) -> float:
        return -quartic_position(w, 3.0, 2.0).energy

    def log_step(a: torch.Tensor, b: torch.Tensor) -> float:
        return -float((b - a + lr / 2 * (12 * a**3 + 2 * a)).square().sum()) / (2 * lr)

    ratio = log_density(end) - log_density(start) + log_step(end, start) - log_step(start, end)
    assert chance == pytest.approx(math.exp(min(0.0, ratio)), rel=1e-6, abs=1e-9)
    # The same step as a trajectory of one leapfrog.
    same_end, same_chance = proposal(HMC(lr, freeze_after=1, num_leapfrog=1, target=0.574), start, xi)
    torch.testing.assert_close(same_end, end)
    assert same_chance == pytest.approx(chance, rel=1e-6, abs=1e-9)


def test_hmc_ends_where_the_equations_of_motion_do() -> None:
    # In a quadratic well w(T) = w cos ωT + (p/ω) sin ωT, up to the square of the step.
    start, xi = torch.tensor([0.3, -1.0], dtype=torch.double), torch.tensor([1.0, 0.5], dtype=torch.double)
    omega, gaps = 3.0, []
    for lr, length in ((4e-4, 20), (1e-4, 40)):
        w = start.clone()

        def look(w: torch.Tensor = w) -> Position:
            return Position(float(9 * w.square().sum() / 2), [9 * w], np.zeros(1, dtype=np.float32))

        sampler = HMC(lr, num_leapfrog=length)
        sampler.move([w], [torch.zeros(2)], look(), look, [xi], (0.0, 1 - 1e-9), sampler.init([w]), 1.0, 0.0, 0)
        gaps.append(float((w - start * math.cos(omega * 0.4) - xi / omega * math.sin(omega * 0.4)).norm()))
    assert gaps[0] < 1e-3
    assert gaps[1] == pytest.approx(gaps[0] / 4, rel=0.05)


@pytest.mark.parametrize(
    ("sampler", "target"), [(MALA(1.0, 400), 0.574), (MALA(1e-6, 400), 0.574), (HMC(1.0, 400, 4), 0.8)]
)
def test_the_step_adapts_to_its_acceptance_from_either_side(sampler: MALA | HMC, target: float) -> None:
    posterior = LocalPosterior.potential(lambda w: (w**2).sum() / 2, torch.zeros(50), n_beta=100.0, localization=1.0)
    first, second = run_chain(posterior, sampler, Schedule(400, 400), seed=0, chain=0, block_steps=400)
    assert second.acceptance == pytest.approx(target, abs=0.1)
    assert torch.equal(first.state.sampler["adaptation"][0], second.state.sampler["adaptation"][0])


@given(st.floats(1e-4, 3.9), st.floats(0.01, 5.0))
def test_baoab_is_exact_in_a_well_of_any_stable_step(lr: float, friction: float) -> None:
    """Feed one step the unit vectors of position, momentum and noise: it is linear, and its law keeps ⟨w²⟩ = 1."""
    unit = torch.eye(3, dtype=torch.double)
    sampler, w = BAOAB(lr, friction), [unit[0].clone()]
    state = {"momentum": [unit[1].clone()]}
    sampler.update(w, [torch.zeros(3)], [unit[0]], [unit[2]], state, n_beta=1.0, localization=0.0, step=0)
    rows = torch.stack([w[0], state["momentum"][0]]).numpy()
    law = linalg.solve_discrete_lyapunov(rows[:, :2], np.outer(rows[:, 2], rows[:, 2]))
    assert law[0, 0] == pytest.approx(1, rel=1e-6)


def test_a_frozen_metric_is_sgld_with_steps_of_its_own() -> None:
    # Its draws have the variance of the linear recursion with each weight's ε_i: known from the metric alone.
    schedule = Schedule(600, 400, 2)
    posterior = LocalPosterior(Weights(), torch.zeros(1), gaussian_loss, n_beta=50.0, localization=20.0)
    watched = {"w": Observable(torch.zeros(4 * COPIES), torch.ones(4 * COPIES, dtype=torch.bool))}
    sampler = PreconditionedSGLD(0.002, 400, eps=0.3)
    blocks = list(run_chain(posterior, sampler, schedule, seed=0, chain=0, observables=watched))
    draws = np.concatenate([b.observed["w"] for b in blocks]).astype(np.float64).reshape(-1, 4, COPIES)
    a = 50.0 * CURVATURES.numpy().astype(np.float64)[:, None] + 20.0
    step = sampler.step_sizes(blocks[-1].state.sampler, 10**6)[0].double().numpy()
    assert step.std(1).max() > 0.01 * step.mean()  # each copy has its own
    memory = ((1 - step * a / 2) ** 2).max(1)
    accept(draws * np.sqrt(a * (1 - step * a / 4)), np.ones(4), memory)


BAD: list[dict[str, Any]] = [{"lr": x} for x in (0.0, -1.0, math.nan, math.inf)]


@pytest.mark.parametrize("settings", [*BAD, {"lr": 1.0, "noise_level": -1.0}, {"lr": 1.0, "weight_decay": math.nan}])
def test_sgld_refuses_numbers_without_meaning(settings: dict[str, float]) -> None:
    with pytest.raises(ZeemanError, match=r"must be .* got"):
        SGLD(**settings)


@pytest.mark.parametrize(
    "settings", [*BAD, {"lr": 1.0, "alpha": 1.0}, {"lr": 1.0, "alpha": -0.1}, {"lr": 1.0, "eps": 0.0}]
)
def test_rmsprop_sgld_refuses_numbers_without_meaning(settings: dict[str, float]) -> None:
    with pytest.raises(ZeemanError, match=r"must be .* got"):
        RMSPropSGLD(**settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PreconditionedSGLD(1e-3, 0), "needs num_burnin_steps of at least 1, got 0"),
        (lambda: PreconditionedSGLD(1e-3, 5, alpha=1.0), "alpha must be"),
        (lambda: PreconditionedSGLD(math.nan, 5), "lr must be"),
        (lambda: BAOAB(-1.0), "lr must be"),
        (lambda: BAOAB(1e-3, friction=0.0), "friction must be"),
        (lambda: MALA(0.0), "lr must be"),
        (lambda: MALA(1e-3, target=1.0), "target must lie between 0 and 1"),
        (lambda: MALA(1e-3, freeze_after=-1), "freeze_after must be at least 0"),
        (lambda: HMC(1e-3, num_leapfrog=0), "num_leapfrog must be at least 1"),
    ],
)
def test_other_samplers_refuse_numbers_without_meaning(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ZeemanError, match=message):
        make()


def test_unloaded_draws_need_a_localization() -> None:
    with pytest.raises(ZeemanError, match="localization must be a positive finite number, got 0"):
        draw(Unloaded(), Schedule(1), n_beta=1.0, localization=0.0)
