"""The learning coefficient of germs with known answers, and error bars that cover as they say."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import integrate, signal, stats
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.reading import Verdict
from zeeman.sampling import SGLD, LocalPosterior, Schedule, judge, run_chain
from zeeman.spectra import llc_mean, llc_variance, minibatch_variance

Germ = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
T, GAMMA = 200.0, 1.0


class Replicas(nn.Module):
    """Many independent pairs (w1, w2) in one parameter: one chain of them all is a chain of each."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2, count))


def energies(germ: Germ, lr: float, *, replicas: int, burn: int, steps: int, thin: int = 5) -> NDArray[np.float64]:
    """K along chains from the origin at nβ = T; shape (replicas, draws, 1)."""

    def loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return replicas * germ(*model.get_parameter("w"))  # times their number, since the driver takes the mean of rows

    posterior = LocalPosterior(Replicas(replicas), torch.zeros(replicas), loss, n_beta=T, localization=GAMMA)
    chain = run_chain(posterior, SGLD(lr), Schedule(steps), seed=0, chain=0, block_steps=1000)
    rows = np.concatenate([block.rows for block in chain])[burn::thin]
    return rows.T[:, :, None].astype(np.float64) / replicas


def thermal_mean(germ: Callable[[float, float], float]) -> float:
    """t⟨K⟩ under exp{−tK − γ|w|²/2}: adaptive quadrature over sinh-spaced coordinates, fine where the germ is sharp."""
    stretch = 7.0

    def weighted(power: int) -> float:
        def integrand(v: float, u: float) -> float:
            a, b = math.sinh(stretch * u) / math.sinh(stretch) * 7, math.sinh(stretch * v) / math.sinh(stretch) * 7
            k = T * germ(a, b)
            return (
                k**power * math.exp(-k - GAMMA * (a * a + b * b) / 2) * math.cosh(stretch * u) * math.cosh(stretch * v)
            )

        return float(integrate.dblquad(integrand, 0, 1, 0, 1, epsabs=1e-9, epsrel=1e-6)[0])

    return weighted(1) / weighted(0)


def test_the_oracle_knows_the_published_values() -> None:
    assert thermal_mean(lambda a, b: (a * b) ** 2) == pytest.approx(0.367, abs=5e-4)
    quadratic = thermal_mean(lambda a, b: (a * a + b * b) / 2)
    assert quadratic == pytest.approx(T / (T + GAMMA), rel=1e-5)


# Step sizes: halving each moved the mean of 1000 replicas by less than 2 % for the first two, and by nothing beyond
# an error of 2 % for the third, whose arms are stiffest: less than the error here in each case. For w1⁴ the heating is
# also computed exactly below.
GERMS = {
    "w1^4": (lambda a, b: a**4 + 0 * b, 5e-4, 300, 1_000, 5_000),
    "w1^2 w2^2": (lambda a, b: a**2 * b**2, 2e-4, 200, 10_000, 24_000),
    "w1^2 w2^4": (lambda a, b: a**2 * b**4, 1e-4, 200, 20_000, 34_000),
}


@pytest.mark.parametrize("name", GERMS)
def test_singular_germs_read_their_finite_temperature_value(name: str) -> None:
    germ, lr, replicas, burn, steps = GERMS[name]
    rows = energies(germ, lr, replicas=replicas, burn=burn, steps=steps)
    health = judge(T * rows[..., 0], num_parameters=2, localization=GAMMA)
    reading = llc_mean(rows, T, health)
    assert health.verdict is not Verdict.DIVERGED
    assert reading.standard_error < 0.05 * reading.value
    assert abs(reading.value - thermal_mean(germ)) < 3 * reading.standard_error


def heated_quartic(lr: float) -> float:
    """t⟨w⁴⟩ in the stationary law of SGLD itself, the leading eigenvector of its transition kernel on a grid."""
    w, gap = np.linspace(-1.2, 1.2, 801, retstep=True)
    middle = w - lr / 2 * (T * 4 * w**3 + GAMMA * w)
    kernel = stats.norm.pdf(w[:, None], middle[None], math.sqrt(lr)) * gap
    law = np.exp(-T * w**4)
    for _ in range(14):  # squaring: 2^14 steps
        kernel = kernel @ kernel
        kernel /= kernel.sum(axis=0, keepdims=True)
    law = kernel @ law / law.sum()
    return float((T * w**4 * law).sum() / law.sum())


def test_the_heating_of_the_quartic_by_the_step_size_is_what_its_kernel_says() -> None:
    exact = thermal_mean(lambda a, b: a**4)
    lr = 4e-3
    assert heated_quartic(5e-4) == pytest.approx(exact, rel=0.01)  # the step size used above
    assert heated_quartic(lr) > 1.04 * exact
    rows = energies(GERMS["w1^4"][0], lr, replicas=1000, burn=300, steps=2_300)
    reading = llc_mean(rows, T, judge(T * rows[..., 0]))
    assert abs(reading.value - heated_quartic(lr)) < 3 * reading.standard_error
    assert abs(reading.value - exact) > 5 * reading.standard_error


def test_a_quadratic_of_twenty_weights_reads_ten() -> None:
    n_beta, localization, lr = 1000.0, 1.0, 8e-5
    h = torch.linspace(0.5, 1.5, 20)
    posterior = LocalPosterior.potential(
        lambda w: (h * w**2).sum() / 2, torch.zeros(20), n_beta=n_beta, localization=localization
    )
    chains = [run_chain(posterior, SGLD(lr), Schedule(6_000), seed=0, chain=c, block_steps=6_000) for c in range(4)]
    rows = np.stack([next(chain).rows[500:] for chain in chains])
    health = judge(n_beta * rows[..., 0], num_parameters=20)
    mean, variance = llc_mean(rows, n_beta, health), llc_variance(rows, n_beta, health)
    a = n_beta * h.double().numpy() + localization
    heat = n_beta * h.double().numpy() / a / (1 - lr * a / 4)
    assert health.verdict is Verdict.OK
    assert mean.standard_error < 0.25
    for reading, exact in ((mean, heat.sum() / 2), (variance, (heat**2).sum() / 2)):
        assert abs(reading.value - exact) < 3 * reading.standard_error
        assert abs(reading.value - 10) < 3 * reading.standard_error


def gamma_chains(
    rng: np.random.Generator, learning_coefficient: float, memory: float, chains: int = 4, draws: int = 120
) -> NDArray[np.float64]:
    """Chains with the law Gamma(λ, 1) of tΔL, through a Gaussian AR(1)."""
    white = rng.normal(size=(chains, draws + 200))
    x = signal.lfilter([math.sqrt(1 - memory**2)], [1, -memory], white, axis=1)[:, 200:]
    return stats.gamma.ppf(stats.norm.cdf(x), learning_coefficient)


@pytest.mark.parametrize("learning_coefficient", [10.0, 0.5])
@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_error_bars_cover_as_they_say(learning_coefficient: float, memory: float) -> None:
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(150):
        energy = gamma_chains(rng, learning_coefficient, memory)
        health = judge(energy)
        readings = [llc(energy[..., None] / 50, 50.0, health) for llc in (llc_mean, llc_variance)]
        scores.append([(r.value - learning_coefficient) / r.standard_error for r in readings])
    mean, variance = np.abs(scores).T
    assert 0.90 <= (mean < 2).mean() <= 0.995
    # The square of a skewed energy is more skewed still: it needs more draws for its error bar to hold.
    assert 0.80 <= (variance < 2).mean() <= 0.995
    assert (mean < 3).mean() >= 0.97


def test_the_variance_estimator_takes_the_minibatch_out() -> None:
    # Rows r of a population of 40 with losses E + σ z_r, minibatches of 8 without replacement.
    rng = np.random.default_rng(1)
    n_beta, sigma, shape = 50.0, 0.3, (4, 2_000)
    energy = rng.gamma(6.0, size=shape) / n_beta
    population = rng.normal(size=(*shape, 40)) * sigma
    population -= population.mean(axis=-1, keepdims=True)
    rows = energy[..., None] + population[..., :8]
    health = judge(n_beta * rows.mean(axis=-1))
    right = llc_variance(rows, n_beta, health, num_rows=40)
    assert abs(right.value - 6) < 3 * right.standard_error
    raw = n_beta**2 * rows.mean(axis=-1).var(ddof=1)
    assert raw > 6 + 20 * right.standard_error
    unaware = llc_variance(rows, n_beta, health)
    assert unaware.value < 6 - 10 * right.standard_error
    expected = n_beta**2 * float((population**2).sum(axis=-1).mean()) / 39 / 8
    assert minibatch_variance(rows, n_beta) == pytest.approx(expected, rel=0.02)
    assert minibatch_variance(rows, n_beta, num_rows=40) == pytest.approx(expected * 32 / 40, rel=0.02)
    assert minibatch_variance(rows, n_beta, num_rows=8) == 0  # the whole data has no noise
    assert minibatch_variance(rows[..., :1], n_beta) == 0  # one row says nothing of its noise


def test_the_spread_needs_no_loss_at_the_reference_point() -> None:
    rows = gamma_chains(np.random.default_rng(0), 3.0, 0.0)[..., None]
    health = judge(rows[..., 0])
    shifted = llc_variance(rows + 123.0, 1.0, health)
    assert shifted.value == pytest.approx(llc_variance(rows, 1.0, health).value)
    assert llc_mean(rows + 123.0, 1.0, health).value == pytest.approx(llc_mean(rows, 1.0, health).value + 123)


def test_diverged_chains_give_no_number_and_healthy_ones_carry_their_verdict() -> None:
    rows = gamma_chains(np.random.default_rng(0), 3.0, 0.0)[..., None]
    for llc, name in ((llc_mean, "llc"), (llc_variance, "llc_variance")):
        healthy = llc(rows, 1.0, judge(rows[..., 0]))
        assert (healthy.name, healthy.verdict) == (name, Verdict.OK)
        lost = rows.copy()
        lost[1, 60:] = np.nan
        reading = llc(lost, 1.0, judge(lost[..., 0]))
        assert reading.verdict is Verdict.DIVERGED
        assert math.isnan(reading.value)
        assert math.isnan(reading.standard_error)
        assert reading.reasons == ("1 of 4 chains left the finite numbers",)


def test_chains_that_disagree_widen_the_error_bar() -> None:
    rows = gamma_chains(np.random.default_rng(0), 10.0, 0.0)[..., None]
    apart = rows * np.array([1.0, 1.0, 1.0, 3.0])[:, None, None]
    assert llc_mean(apart, 1.0, judge(apart[..., 0])).standard_error > 4


@pytest.mark.parametrize("shape", [(4, 10), (4, 0, 3), (2, 4, 10, 3)])
def test_losses_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    health = judge(np.ones((4, 10)))
    for llc in (llc_mean, llc_variance):
        with pytest.raises(ZeemanError, match=r"expected losses of shape \(chains, draws, batch\)"):
            llc(np.ones(shape), 1.0, health)
