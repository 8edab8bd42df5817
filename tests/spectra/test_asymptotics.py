"""λ and m from curves that are known exactly, with noise of a known size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zeeman.errors import ZeemanError
from zeeman.reading import Verdict
from zeeman.sampling import Ladder, LadderDraws, run_ladder
from zeeman.spectra import fit_asymptotics, llc_ladder
from zeeman.spectra.asymptotics import mean_covariance
from zeeman.subjects import Potential

T = np.geomspace(1, 1e24, 40)
LOG = np.log(T)

CURVES = {
    "a power": (0.75 - 0.4 * T**-0.5, 0.75, 1, 3),
    "a slow power": (5 / 12 - 0.25 * T ** (-1 / 12) + 0.1 * T ** (-1 / 6), 5 / 12, 1, 2),
    "a logarithm": (0.5 - 1 / (LOG + 1.95), 0.5, 2, 2),
    "two logarithms": (0.5 - (2 * LOG + 5) / (LOG**2 + 5 * LOG + 8), 0.5, 3, 3),
    "large": (15.5 - 4 * T**-0.5, 15.5, 1, 4),
}


def walkers(curve: np.ndarray, level: float, seed: int, size: int = 128, noise: float = 0.02) -> np.ndarray:
    """Independent walkers whose neighbouring rungs are correlated, as exchange makes them."""
    white = np.random.default_rng(seed).standard_normal((size, len(curve) + 1))
    return curve + level * noise * (white[:, 1:] + 0.3 * white[:, :-1])


@pytest.mark.parametrize("name", CURVES)
def test_exponent_and_multiplicity_of_a_known_curve(name: str) -> None:
    curve, exponent, multiplicity, most = CURVES[name]
    found = fit_asymptotics(walkers(curve, exponent, 0, size=256), T, most)
    assert abs(found.llc - exponent) < 3 * found.llc_se
    assert found.llc_se < 0.02 * exponent
    assert found.multiplicity == multiplicity
    assert sum(found.posterior.values()) == pytest.approx(1)


@pytest.mark.parametrize("name", ["a power", "a logarithm"])
def test_error_bars_hold_the_truth(name: str) -> None:
    curve, exponent, _, most = CURVES[name]
    found = [fit_asymptotics(walkers(curve, exponent, seed, noise=0.05), T, most) for seed in range(40)]
    gaps = np.array([(one.llc - exponent) / one.llc_se for one in found])
    assert 0.5 <= np.mean(np.abs(gaps) < 1) <= 0.95
    assert np.mean(np.abs(gaps) < 2) >= 0.87


def test_a_coarser_singularity_at_the_hot_end_is_left_out() -> None:
    bump = CURVES["a power"][0] + 0.3 * np.exp(-(((LOG - 8) / 3) ** 2))
    found = fit_asymptotics(walkers(bump, 0.75, 0, noise=0.01), T, 3)
    assert found.first_rung >= 4
    assert abs(found.llc - 0.75) < 4 * found.llc_se


def test_what_the_first_rung_of_the_fit_decides_is_part_of_the_error() -> None:
    """A bump of 1 % that χ² does not show pulls a fit from one rung on by more than four of its standard errors."""
    t = np.geomspace(1, 1e8, 16)
    curve = 0.75 * (1 - 0.5 * t**-0.5 + 0.01 * np.exp(-(((np.log(t) - 7) / 3) ** 2)))
    found = [fit_asymptotics(walkers(curve, 0.75, seed, noise=0.002), t, 3) for seed in range(20)]
    gaps = np.array([(one.llc - 0.75) / one.llc_se for one in found])
    assert np.sqrt((gaps**2).mean()) < 1.5


def test_the_scale_of_the_loss_does_not_matter() -> None:
    values = walkers(CURVES["a logarithm"][0], 0.5, 1)
    one, two = fit_asymptotics(values, T, 2), fit_asymptotics(values, 1e-3 * T, 2)
    assert (one.llc, one.llc_se) == pytest.approx((two.llc, two.llc_se), rel=1e-4)
    assert one.posterior == pytest.approx(two.posterior, rel=1e-4)


def test_covariance_of_neighbours_is_found_again() -> None:
    values = walkers(np.zeros(40), 1.0, 3, size=400, noise=1.0)
    _, covariance = mean_covariance(values)
    truth = (1.09 * np.eye(40) + 0.3 * (np.eye(40, k=1) + np.eye(40, k=-1))) / 400
    assert np.abs(covariance - truth).max() < 0.25 * truth.max()
    assert np.linalg.eigvalsh(covariance).min() > 0


@pytest.mark.parametrize(("values", "words"), [(np.ones((4, 40)), "walkers"), (-np.ones((40, 40)), "rungs")])
def test_too_little_for_a_fit_is_refused(values: np.ndarray, words: str) -> None:
    with pytest.raises(ZeemanError, match=words):
        fit_asymptotics(values, T, 2)


def drawn(energy: np.ndarray, t: np.ndarray = T, **kept: float) -> LadderDraws:
    rest = {"imprecise": 0, "stale": 0, "lowest": 0.0} | kept
    swaps, acceptance = np.full(len(t) - 1, 0.6), np.full(len(t), 0.5)
    level = np.stack([(t[:, None] * half.mean(axis=2)).T for half in np.split(energy, 2, axis=2)])
    return LadderDraws(t, energy, level, swaps, acceptance, lowest_at=np.zeros(1), **rest)  # type: ignore[arg-type]


def gamma(exponent: float = 0.5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(exponent, size=(len(T), 64, 60)) / T[:, None, None]


def test_verdicts_name_what_is_wrong_with_a_ladder() -> None:
    late, split = np.ones(60), np.ones((64, 1))
    late[30:], split[32:] = 1.3, 1.3
    cases = {
        Verdict.OK: drawn(gamma()),
        Verdict.DRIFTING: drawn(gamma() * late),
        Verdict.NOT_MIXED: drawn(gamma() * split),
        Verdict.BEYOND_PRECISION: drawn(gamma()[:5], T[:5], imprecise=35),
        Verdict.TOO_ANHARMONIC: drawn(gamma() * (1 + 0.2 * np.sin(LOG))[:, None, None]),
    }
    for verdict, draws in cases.items():
        reading = llc_ladder(draws, 2)
        assert reading.verdict is verdict, (verdict, reading.reasons)
        assert bool(reading.reasons) is (verdict is not Verdict.OK)


def test_halves_that_differ_a_little_all_along_the_ladder_have_not_mixed() -> None:
    """Each rung alone has an error of 6 % and a difference of 4 %; thirty of them together have seen it."""
    split = np.ones((64, 1))
    split[32:] = 0.96
    assert llc_ladder(drawn(gamma()), 2).verdict is Verdict.OK
    reading = llc_ladder(drawn(gamma() * split), 2)
    assert reading.verdict is Verdict.NOT_MIXED
    assert "all along" in reading.reasons[0]


def test_a_cusp_and_a_crossing_are_told_apart() -> None:
    """(x² − y³)² has λ = 5/12, m = 1 and x²y² has ½, 2; a short ladder tells λ within its error."""
    for text, exponent in (("(x**2-y**3)**2", 5 / 12), ("x**2*y**2", 0.5)):
        ladder = Ladder(num_walkers=48, num_draws=150, num_burnin_steps=600)
        reading = llc_ladder(run_ladder(Potential.parse(text), torch.zeros(2), ladder, domain=1.0), 2)
        assert reading.verdict is Verdict.OK
        assert abs(float(reading.value) - exponent) < 3 * float(reading.standard_error)
