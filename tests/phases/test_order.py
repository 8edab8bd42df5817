"""Orders of transitions that are known exactly, and what can't be told is not told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zeeman.errors import ZeemanError
from zeeman.phases import Sweep, collapse_quality, critical_n, fit_collapse, judge_order, phase_weight

SHAPE = (2, 4, 80)


def exact(rng: np.random.Generator, log_density: np.ndarray, values: np.ndarray) -> np.ndarray:
    weight = np.exp(log_density - log_density.max())
    return rng.choice(values, SHAPE, p=weight / weight.sum())


def two_states(rng: np.random.Generator, gap: float = 1e-4, *, stay: bool) -> Sweep:
    """ΔL + w⁸ (λ = 1/8) against w² (λ = 1/2), swept in n across their crossing."""
    constant = math.lgamma(9 / 8) - math.lgamma(3 / 2)
    control = critical_n(gap, 3 / 8, constant) * np.geomspace(1 / 6, 6, 9)
    weight = phase_weight(control, gap, 3 / 8, constant)[:, None, None, None]
    later = np.arange(2)[:, None, None] if stay else rng.random((9, *SHAPE)) < weight
    simple = gap * control[:, None, None, None] + rng.gamma(1 / 8, size=(9, *SHAPE))
    return Sweep(control, np.where(later, rng.gamma(1 / 2, size=(9, *SHAPE)), simple), in_n=True)


def quartic(rng: np.random.Generator, size: float) -> Sweep:
    """A3: n(w⁴ + t w²) with u = t √n from −6 to 6; X = n w²."""
    w, u = np.linspace(-4, 4, 4001), np.linspace(-6, 6, 9)
    return Sweep(u / math.sqrt(size), np.stack([exact(rng, -(w**4) - v * w**2, w**2) for v in u]) * size**0.5, size)


def magnet(rng: np.random.Generator, size: int, temperature: float, reach: float, y: float) -> Sweep:
    """Curie–Weiss: N spins in a field h = v N^{−y}; X = N m."""
    up = np.arange(size + 1)
    entropy = np.array([-math.lgamma(k + 1) - math.lgamma(size - k + 1) for k in up])
    m, fields = 2 * up / size - 1, np.linspace(-reach, reach, 9) * size**-y
    return Sweep(
        fields,
        np.stack([exact(rng, entropy + size * (m**2 / 2 + h * m) / temperature, size * m) for h in fields]),
        size,
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("stay", [True, False])
def test_competition_of_two_singularities_is_first_order(seed: int, stay: bool) -> None:
    found = judge_order(two_states(np.random.default_rng(seed), stay=stay))
    assert found.order == "first"
    assert found.p_value < 0.02
    assert {e.name: e.says for e in found.evidence}["hysteresis"] == "first" or not stay


@pytest.mark.parametrize("seed", range(3))
def test_a_magnet_below_its_critical_point_turns_over_at_first_order_and_at_it_by_a_power(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cold = judge_order([magnet(rng, n, 0.7, 5.0, 1.0) for n in (32, 64, 128)])
    assert cold.order == "first"
    critical = judge_order([magnet(rng, n, 1.0, 4.0, 0.75) for n in (256, 1024, 4096)])
    assert critical.order == "second"
    scaling = next(e for e in critical.evidence if e.name == "scaling")
    assert scaling.value == pytest.approx(0.75, abs=4 * scaling.standard_error + 0.01)


@pytest.mark.parametrize("seed", range(3))
def test_deformation_of_one_germ_is_second_order_though_its_llc_has_a_bump(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = judge_order([quartic(rng, n) for n in (1e3, 1e4, 1e5)])
    assert found.order == "second"
    scaling = next(e for e in found.evidence if e.name == "scaling")
    assert scaling.value == pytest.approx(0.5, abs=4 * scaling.standard_error + 0.01)
    assert judge_order(quartic(rng, 1e4)).order == "second"


def test_the_llc_of_the_deformed_germ_is_one_function_of_u() -> None:
    w = np.linspace(-3, 3, 60001)
    for u, llc in ((-3, 0.5610), (-1, 0.2396), (0, 0.25), (1, 0.3670), (3, 0.4512), (30, 0.4992)):
        for n in (1e3, 1e5):
            k = w**4 + u * n**-0.5 * w**2
            k = n * (k - k.min())
            assert (k * np.exp(-k)).sum() / np.exp(-k).sum() == pytest.approx(llc, abs=1e-4)


def test_one_minimum_is_no_transition_and_a_slope_is_continuous() -> None:
    rng = np.random.default_rng(0)
    control = np.geomspace(0.5, 8, 9)
    still = judge_order(Sweep(control, rng.gamma(2.0, size=(9, *SHAPE)), in_n=True))
    assert (still.order, still.reason) == ("undetermined", "nothing changes along the sweep beyond its spread")
    slope = control[:, None, None, None] * (rng.normal(size=(9, *SHAPE)) - control[:, None, None, None])
    assert judge_order(Sweep(control, slope, in_n=True)).order == "second"


def test_hysteresis_alone_is_not_enough() -> None:
    """Chains a little apart, whose draws overlap, have not mixed; two states would show as two modes."""
    rng = np.random.default_rng(0)
    apart = rng.normal(size=(9, *SHAPE)) + 1.4 * np.arange(2)[:, None, None] + 2 * np.arange(9)[:, None, None, None]
    found = judge_order(Sweep(np.arange(9.0), apart))
    assert found.order == "undetermined"
    assert "only hysteresis speaks" in found.sentence


def test_chains_that_still_move_take_no_part() -> None:
    rng = np.random.default_rng(0)
    moving = np.linspace(0, 9, SHAPE[-1]) + rng.normal(size=(9, *SHAPE)) + 20 * np.arange(2)[:, None, None]
    assert judge_order(Sweep(np.arange(9.0), moving)).reason == "chains did not settle at 9 of 9 points; lengthen them"


def test_units_do_not_matter() -> None:
    sweep = two_states(np.random.default_rng(5), stay=False)
    one, other = judge_order(sweep), judge_order(Sweep(7 * sweep.control, 3 * sweep.draws, in_n=True))
    assert one.order == other.order
    assert one.p_value == pytest.approx(other.p_value, rel=1e-6)


@pytest.mark.parametrize("y", [0.25, 0.5, 1.0])
def test_collapse_recovers_the_exponent(y: float) -> None:
    rng, n = np.random.default_rng(3), np.array([1e2, 1e3, 1e4])
    u = np.linspace(-3, 3, 15)
    curve, error = np.tanh(u), 0.02
    mean = (curve + error * rng.normal(size=(3, 15))) * n[:, None] ** y
    found = fit_collapse(0.3 + u * n[:, None] ** -y, n, mean, error * n[:, None] ** y + 0 * u, critical=0.3)
    assert found.exponent == pytest.approx(y, abs=4 * found.exponent_se)
    assert found.exponent_se < 0.02
    assert 0.4 < found.quality < 1.6


def test_collapse_of_curves_that_do_not_is_bad() -> None:
    x = np.tile(np.linspace(-1, 1, 9), (3, 1))
    assert collapse_quality(x, np.array([[1.0], [2.0], [3.0]]) * x, 0 * x + 0.02) > 50
    assert collapse_quality(x + np.array([[0], [5], [10]]), x, 0 * x + 0.02) == math.inf


def test_bad_sweeps_are_refused() -> None:
    good = np.zeros((3, 2, 4, 10))
    for control, draws in ((np.arange(2.0), good[:2]), (np.arange(3.0)[::-1], good), (np.arange(3.0), good[:, :, :1])):
        with pytest.raises(ZeemanError, match="sweep needs"):
            Sweep(control, draws)
    with pytest.raises(ZeemanError, match="two different sizes"):
        fit_collapse(np.zeros((1, 5)), [1], np.zeros((1, 5)), np.ones((1, 5)))
