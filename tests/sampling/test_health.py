"""Verdicts on labelled chains, synthetic and real, and no alarm on healthy ones."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import signal, stats
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.reading import Verdict
from zeeman.sampling import SGLD, LocalPosterior, Schedule, judge, run_chain
from zeeman.sampling.repeatability import require_repeatable
from zeeman.sampling.statistics import drift, effective_draws, excess_heat
from zeeman.spectra import llc_mean, minibatch_variance


def autoregressive(rng: np.random.Generator, chains: int, draws: int, memory: float) -> NDArray[np.float64]:
    white = rng.normal(size=(chains, draws + 200))
    return signal.lfilter([math.sqrt(1 - memory**2)], [1, -memory], white, axis=1)[:, 200:]


def healthy(
    rng: np.random.Generator, rate: float, *, chains: int = 4, draws: int = 120, memory: float = 0.5
) -> NDArray[np.float64]:
    """Stationary chains with the law Gamma(λ, 1) of nβ ΔL at a minimum."""
    return stats.gamma.ppf(stats.norm.cdf(autoregressive(rng, chains, draws, memory)), rate)


def verdicts(make: object, repeats: int = 60, **settings: float) -> Counter[str]:
    rng = np.random.default_rng(0)
    return Counter(judge(make(rng), **settings).verdict.name for _ in range(repeats))  # type: ignore[operator]


@pytest.mark.parametrize("rate", [0.5, 10.0, 60.0])
@pytest.mark.parametrize(("chains", "draws", "memory"), [(4, 120, 0.8), (4, 120, 0.5), (3, 100, 0.7), (3, 100, 0.0)])
def test_healthy_chains_raise_no_alarm(rate: float, chains: int, draws: int, memory: float) -> None:
    found = verdicts(
        lambda rng: healthy(rng, rate, chains=chains, draws=draws, memory=memory), 100, num_parameters=int(2 * rate)
    )
    assert found["OK"] >= 95, found


def test_minibatch_noise_larger_than_the_energy_raises_no_alarm_where_the_mean_is_resolved() -> None:
    def make(rng: np.random.Generator) -> NDArray[np.float64]:
        return healthy(rng, 0.5, draws=400) + rng.normal(size=(4, 400)) * 3

    found = verdicts(make, 100, num_parameters=1, noise_variance=9.0)
    assert found["OK"] >= 95, found


def test_an_energy_within_the_noise_of_the_minibatch_is_no_signal() -> None:
    found = verdicts(lambda rng: 0.01 + rng.normal(size=(4, 120)) * 3, num_parameters=1, noise_variance=9.0)
    assert found["NO_SIGNAL"] >= 57, found


def quadratic_energy(n_beta: float, seed: int = 0) -> NDArray[np.float64]:
    """Independent draws of nβ ½ w·diag(h)w under the local posterior, 4 chains × 5000."""
    h, gamma = np.array([0.01, 0.1, 1.0, 3.0]), 1.0
    w = np.random.default_rng(seed).normal(size=(4, 5000, 4)) / np.sqrt(n_beta * h + gamma)
    return n_beta * 0.5 * (w**2 @ h)


def test_the_mean_grows_as_n_beta_to_one_minus_the_ratio() -> None:
    """d⟨ΔL⟩/dnβ = −Var ΔL, so the local slope of log nβ⟨ΔL⟩ in log nβ is 1 − ratio."""
    slope = math.log(quadratic_energy(2.1).mean() / quadratic_energy(2.0).mean()) / math.log(2.1 / 2.0)
    assert 1 - judge(quadratic_energy(2.05)).ratio == pytest.approx(slope, abs=0.02)


def test_a_loss_that_is_not_felt_beside_the_localization_is_no_signal() -> None:
    assert judge(quadratic_energy(2.0)).verdict is Verdict.OK
    assert judge(quadratic_energy(1e-3)).verdict is Verdict.NO_SIGNAL


def test_a_reference_of_other_weights_is_told_by_the_first_step() -> None:
    energy = healthy(np.random.default_rng(0), 10.0)
    exact, rounded = np.zeros((4, 32)), np.full((4, 32), 1e-4)
    assert judge(energy, start=exact).verdict is judge(energy, start=rounded).verdict is Verdict.OK
    assert judge(energy + 3, start=exact + 3).verdict is Verdict.WRONG_REFERENCE
    assert judge(energy + 500, num_parameters=20, start=exact + 500).verdict is Verdict.WRONG_REFERENCE
    rows = np.random.default_rng(1).normal(size=(4, 32))
    assert judge(energy, start=rows - rows.mean()).verdict is Verdict.WRONG_REFERENCE


def test_copies_of_a_chain_are_told() -> None:
    energy = healthy(np.random.default_rng(0), 10.0)
    assert judge(energy[[0, 1, 2, 1]]).verdict is Verdict.COPIED_CHAINS


def right_virial(rng: np.random.Generator, d: int, times: int = 20) -> NDArray[np.float64]:
    """(w − w*)·∇U / d of a quadratic well in equilibrium: chi squared with d degrees of freedom, over d."""
    return rng.chisquare(d, size=(4, times)) / d


@pytest.mark.parametrize("d", [1, 20, 5000])
@pytest.mark.parametrize("times", [2, 20])
def test_the_excess_of_heat_comes_with_an_honest_error(d: int, times: int) -> None:
    rng = np.random.default_rng(0)
    scores = np.array([np.divide(*excess_heat(right_virial(rng, d, times), d)) for _ in range(400)])
    assert abs(scores.mean()) < 0.15
    assert 0.5 < scores.std() < 1.25


@pytest.mark.parametrize("d", [1, 20, 5000])
def test_equilibrium_is_neither_hot_nor_cold(d: int) -> None:
    rng = np.random.default_rng(0)
    found = Counter(
        judge(healthy(rng, d / 2), num_parameters=d, virial=right_virial(rng, d)).verdict.name for _ in range(100)
    )
    assert found["OK"] >= 97, found


@pytest.mark.parametrize(("factor", "verdict"), [(0.6, "TOO_COLD"), (1.4, "HEATED"), (3.0, "DIVERGED")])
def test_the_wrong_temperature_is_told(factor: float, verdict: str) -> None:
    rng = np.random.default_rng(0)
    found = Counter(
        judge(healthy(rng, 50.0), num_parameters=100, virial=factor * right_virial(rng, 100)).verdict.name
        for _ in range(40)
    )
    assert found[verdict] >= 38, found


def test_chains_hardly_longer_than_their_memory_are_not_trusted() -> None:
    # Whether such chains disagree or are merely short cannot be told from them; that they say little can.
    found = verdicts(lambda rng: healthy(rng, 10.0, chains=3, draws=60, memory=0.95))
    assert found["OK"] <= 6, found
    assert found["TOO_FEW_DRAWS"] + found["NOT_MIXED"] >= 50, found


def test_two_modes_are_not_mixed() -> None:
    found = verdicts(lambda rng: healthy(rng, 10.0) + np.array([0, 0, 12, 0])[:, None])
    assert found["NOT_MIXED"] >= 57, found


def test_chains_of_different_spread_are_not_mixed() -> None:
    def make(rng: np.random.Generator) -> NDArray[np.float64]:
        x = autoregressive(rng, 4, 300, 0.3)
        return 40 + x * np.array([1, 1, 1, 6])[:, None]

    found = verdicts(make)
    assert found["NOT_MIXED"] >= 57, found


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_a_trend_is_drift(memory: float) -> None:
    found = verdicts(lambda rng: healthy(rng, 10.0, memory=memory) + np.linspace(0, 25, 120))
    assert found["DRIFTING"] >= 57, found


def test_a_chain_that_still_relaxes_is_drift() -> None:
    found = verdicts(lambda rng: healthy(rng, 10.0) * (1 - np.exp(-np.arange(120) / 40)))
    assert found["DRIFTING"] >= 55, found


def test_draws_below_the_checkpoint_are_told() -> None:
    sunk = verdicts(lambda rng: healthy(rng, 10.0) - 14)
    sinking = verdicts(lambda rng: healthy(rng, 10.0) - np.linspace(0, 60, 120))
    split = verdicts(lambda rng: np.where(rng.random((4, 120)) < 0.35, -5.0, healthy(rng, 10.0)))
    assert sunk["BELOW_REFERENCE"] == sinking["BELOW_REFERENCE"] == split["BELOW_REFERENCE"] == 60


@pytest.mark.parametrize("sigma", [1.6, 2.0])
def test_heavy_tails_are_anharmonic(sigma: float) -> None:
    found = verdicts(lambda rng: np.exp(sigma * autoregressive(rng, 4, 200, 0.3)) * 3)
    assert found["TOO_ANHARMONIC"] >= 54, found


def test_chains_that_left_the_finite_numbers_diverged() -> None:
    energy = healthy(np.random.default_rng(0), 10.0)
    for bad in (math.nan, math.inf):
        lost = energy.copy()
        lost[2, 50:] = bad
        health = judge(lost)
        assert (health.verdict, health.reasons) == (Verdict.DIVERGED, ("1 of 4 chains left the finite numbers",))
        assert all(math.isnan(x) for x in health.figures.values())
    assert judge(np.full((3, 5), np.nan), start=np.zeros((3, 2))).verdict is Verdict.DIVERGED


def test_more_energy_or_distance_than_a_minimum_holds_is_an_explosion() -> None:
    energy = healthy(np.random.default_rng(0), 10.0)
    assert judge(energy * 6, num_parameters=20).verdict is Verdict.DIVERGED
    near, far = np.full((4, 3), 4.6), np.full((4, 3), 20.0)  # √(d/γ) = 4.47
    assert judge(energy, num_parameters=20, distance=near, localization=1.0).verdict is Verdict.OK
    assert judge(energy, num_parameters=20, distance=far, localization=1.0).verdict is Verdict.DIVERGED
    assert judge(energy, num_parameters=20, distance=far * np.nan, localization=1.0).verdict is Verdict.DIVERGED


def test_the_distance_of_one_weight_is_allowed_to_fluctuate() -> None:
    rng = np.random.default_rng(0)
    reached = np.abs(rng.normal(size=(200, 4, 10)))
    energy = healthy(rng, 0.5)
    alarms = [
        judge(energy, num_parameters=1, distance=d, localization=1.0).verdict is Verdict.DIVERGED for d in reached
    ]
    assert not any(alarms)


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (3, 7)])
def test_hardly_any_draws_are_too_few(shape: tuple[int, int]) -> None:
    health = judge(np.random.default_rng(0).gamma(10.0, size=shape))
    assert health.verdict is Verdict.TOO_FEW_DRAWS
    assert health.ess == shape[0]


def test_a_chain_that_never_moves_is_worth_no_draws() -> None:
    health = judge(np.ones((4, 100)))
    assert (health.verdict, health.ess) == (Verdict.TOO_FEW_DRAWS, 0.0)


def test_one_chain_can_be_healthy() -> None:
    health = judge(healthy(np.random.default_rng(0), 10.0, chains=1, draws=400, memory=0.3))
    assert health.verdict is Verdict.OK
    assert math.isnan(health.rhat)


def test_figures_are_what_they_are_called() -> None:
    rng = np.random.default_rng(0)
    energy = healthy(rng, 10.0, draws=2_000, memory=0.5)
    health = judge(energy)
    squared_memory = 3  # (1 + ρ)/(1 − ρ) at ρ = ½
    assert health.ess == pytest.approx(energy.size / squared_memory, rel=0.15)
    assert health.mcse == pytest.approx(math.sqrt(10 * squared_memory / energy.size), rel=0.1)
    assert health.ratio == pytest.approx(1.0, abs=0.1)
    assert health.rhat == pytest.approx(1.0, abs=0.02)
    assert health.below_reference == 0
    noisy = judge(energy + rng.normal(size=energy.shape) * 4, noise_variance=16.0)
    assert noisy.ratio == pytest.approx(1.0, abs=0.15)
    assert noisy.below_reference == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_drift_is_a_standard_score(memory: float) -> None:
    rng = np.random.default_rng(0)
    scores = np.array([drift(autoregressive(rng, 4, 300, memory)) for _ in range(150)])
    assert 0.8 < scores.std() < 1.4
    assert abs(scores.mean()) < 0.4
    assert drift(np.arange(20.0)[None]) == 0


def test_effective_draws_count_independent_ones() -> None:
    rng = np.random.default_rng(0)
    assert effective_draws(rng.normal(size=(4, 1000))) == pytest.approx(4000, rel=0.15)
    assert effective_draws(autoregressive(rng, 4, 5000, 0.9)) == pytest.approx(20_000 / 19, rel=0.2)


INPUTS = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
LABELS = (INPUTS.prod(1) > 0).long()


def cross_entropy(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


def trained(steps: int) -> nn.Module:
    """A small network on a problem of exclusive or, after some steps of training."""
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=source) * 0.7)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=1e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(model, (INPUTS, LABELS)).mean().backward()
        optimizer.step()
    return model


def sampled(model: nn.Module, lr: float, *, n_beta: float = 30.0, localization: float = 30.0) -> tuple[Verdict, float]:
    posterior = LocalPosterior(
        model, (INPUTS, LABELS), cross_entropy, n_beta=n_beta, localization=localization, batch_size=32
    )
    schedule = Schedule(400, 200)
    chains = [list(run_chain(posterior, SGLD(lr), schedule, seed=0, chain=c, block_steps=100)) for c in range(3)]
    rows = np.stack([np.concatenate([b.rows for b in chain])[200:] for chain in chains])
    health = judge(
        n_beta * rows.mean(axis=2),
        noise_variance=minibatch_variance(rows, n_beta, num_rows=64),
        num_parameters=posterior.num_parameters,
        distance=np.array([[b.distance for b in chain] for chain in chains]),
        localization=localization,
    )
    return health.verdict, float(llc_mean(rows, n_beta, health).value)


def test_a_trained_network_is_healthy_and_holds_less_than_half_its_weights() -> None:
    verdict, value = sampled(trained(1500), 2e-3)
    assert verdict is Verdict.OK
    assert 0 < value < 42 / 2


@pytest.mark.parametrize("lr", [0.3, 3.0, 1e3, 1e30])
def test_a_step_size_that_explodes_a_network_is_diverged_and_gives_no_number(lr: float) -> None:
    verdict, value = sampled(trained(300), lr)
    assert verdict is Verdict.DIVERGED
    assert math.isnan(value)


def test_an_untrained_network_is_no_local_minimum() -> None:
    verdict, _ = sampled(trained(0), 1e-3, n_beta=300.0, localization=1.0)
    assert verdict is Verdict.BELOW_REFERENCE


def test_a_double_well_that_chains_do_not_cross_is_not_mixed_or_below() -> None:
    # One well is deeper by 0.2: chains that started between them settle for good in one or the other.
    def wells(w: torch.Tensor) -> torch.Tensor:
        return ((w**2 - 1) ** 2 + 0.1 * w + 2).sum()

    posterior = LocalPosterior.potential(wells, torch.zeros(1), n_beta=60.0, localization=0.1)
    energy = []
    for chain in range(6):
        blocks = run_chain(posterior, SGLD(2e-3), Schedule(400, 300), seed=0, chain=chain)
        energy.append(60 * np.concatenate([b.rows for b in blocks])[300:, 0])
    # From the maximum between them all draws lie below the reference; against the deeper well they do not mix.
    assert judge(np.stack(energy)).verdict is Verdict.BELOW_REFERENCE
    deep = np.stack(energy) + 60 * 1.11
    assert judge(deep).verdict is Verdict.NOT_MIXED


def test_the_virial_is_one_when_sampled_rightly_and_tells_heating_in_closed_form() -> None:
    """E[(w − w*)·∇U] = d for any U; SGLD on a quadratic heats each direction by 1/(1 − ε h/4)."""
    curvature = torch.tensor([0.5, 2.0, 8.0])
    for lr in (1e-3, 4e-2):
        posterior = LocalPosterior.potential(
            lambda w: 0.5 * (curvature.repeat(40) * w**2).sum(), torch.zeros(120), n_beta=5.0, localization=1.0
        )
        blocks = list(run_chain(posterior, SGLD(lr), Schedule(6000), seed=0, chain=0, block_steps=5))
        virial = np.array([b.virial for b in blocks[400:]])
        expected = float((1 / (1 - lr * (5 * curvature + 1) / 4)).mean())
        assert virial.mean() == pytest.approx(expected, abs=4 * virial.std() / (len(virial) / 20) ** 0.5)


@pytest.mark.parametrize(
    ("lr", "noise_level", "verdict"),
    [(4e-3, 1.0, "OK"), (1e-1, 1.0, "HEATED"), (4e-3, 0.7, "TOO_COLD"), (1e-6, 1.0, "TOO_COLD")],
)
def test_steps_and_noise_that_change_the_temperature_are_told(lr: float, noise_level: float, verdict: str) -> None:
    posterior = LocalPosterior.potential(lambda w: 0.5 * (w**2).sum(), torch.zeros(50), n_beta=9.0, localization=1.0)
    sampler = SGLD(lr, noise_level=noise_level)
    blocks = [list(run_chain(posterior, sampler, Schedule(1200), seed=0, chain=c, block_steps=40)) for c in range(3)]
    energy = 9 * np.stack([np.concatenate([b.rows for b in chain])[:, 0] for chain in blocks])
    virial = np.array([[b.virial for b in chain] for chain in blocks])
    health = judge(energy[:, 300:], num_parameters=50, localization=1.0, virial=virial, start=energy[:, :1])
    assert health.verdict.name == verdict, health
    assert health.offset == 0


def test_a_loss_of_chance_is_refused() -> None:
    def thinned(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(model(batch), 0.1).square().sum(1)

    def plain(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return model(batch).square().sum(1)

    with torch.random.fork_rng():
        with pytest.raises(ZeemanError, match="turn off its dropout"):
            require_repeatable(nn.Linear(2, 8), thinned, INPUTS)
        require_repeatable(nn.Linear(2, 8), plain, INPUTS)


def test_a_saturating_explosion_is_told_by_its_heat() -> None:
    """Losses that level off far from the checkpoint look settled: only the force along the way betrays them."""
    posterior = LocalPosterior.potential(
        lambda w: (1 - torch.exp(-8 * w**2)).mean(), torch.zeros(400), n_beta=4000.0, localization=1.0
    )
    for lr, verdict in ((5e-4, False), (5e-2, True)):
        chains = [list(run_chain(posterior, SGLD(lr), Schedule(600), seed=0, chain=c)) for c in range(3)]
        energy = 4000 * np.stack([np.concatenate([b.rows for b in blocks]).mean(1) for blocks in chains])[:, 300:]
        virial = np.array([[b.virial for b in blocks] for blocks in chains])
        health = judge(energy, num_parameters=400, localization=1.0, virial=virial)
        assert (health.verdict is Verdict.DIVERGED) == verdict


def test_a_variance_is_compared_with_the_mean_in_words_that_hold_for_a_mean_below_zero() -> None:
    """A ratio below 0 is not above 3; the variance is more than three times such a mean."""
    values = np.random.default_rng(0).normal(0.0, 10.0, size=(4, 20))
    values -= values.mean() + 0.5
    (reason,) = (r for r in judge(values).reasons if "times its mean" in r)
    assert reason.startswith(f"the variance of nβ ΔL is {values.var(ddof=1):.3g}, more than 3 times its mean of -")
