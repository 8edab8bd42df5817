"""Volumes from ladders against closed forms and quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import gammaln, logsumexp
from scipy.stats import chi2

from zeeman.errors import ZeemanError
from zeeman.spectra import VolumeCurve, density_of_states, heat_capacity, path_volume, volume_curve

Array = NDArray[np.float64]


def quadratic(t: Array, h: float, d: int) -> tuple[Array, Array, Array]:
    """U, its error 0 and C of L = h‖w‖²/2 in d dimensions at γ = 1."""
    u = d / 2 * t * h / (t * h + 1)
    return u, 0 * u, u**2 / (d / 2)


def log_chi2(x: Array, d: int) -> Array:
    """Log of P(χ²_d < x), by the series of the incomplete gamma function where it would underflow."""
    a, half = d / 2, np.maximum(x, 1e-300) / 2
    terms = np.cumsum(np.log(half[:, None]) - np.log(a + np.arange(1, 2000)), axis=1)
    series = a * np.log(half) - half - gammaln(a + 1) + np.logaddexp(0, logsumexp(terms, axis=1))
    return np.where(half < 0.8 * a, series, chi2.logcdf(2 * half, d))


@pytest.mark.parametrize("d", [20, 400, 20000])
def test_volume_of_a_quadratic_well_is_chi_squared(d: int) -> None:
    t = np.geomspace(0.1, 1e3, 9)
    curve = volume_curve(t, *quadratic(t, 1.0, d))
    exact = log_chi2(2 * curve.loss, d)
    assert (abs(curve.log_volume - exact) < 2 * curve.log_volume_se).all()
    assert (abs(curve.log_partition + d / 2 * np.log1p(t)) < 3 * curve.log_partition_se + 1e-9).all()


def test_the_slope_of_the_volume_is_the_exponent() -> None:
    t = np.geomspace(0.1, 1e3, 60)
    u, se, c = quadratic(t, 1.0, 2000)
    curve = volume_curve(t, u, se, c)
    slope = np.gradient(curve.log_volume, np.log(curve.loss))
    assert (abs(slope / u - 1) < 2 / c + 0.01)[2:-2].all()


def test_partition_function_of_quartic_wells_by_quadrature() -> None:
    def moments(t: float) -> tuple[float, float, float]:
        z, first, second = (
            quad(lambda w, k=k: w ** (4 * k) * np.exp(-t * w**4 - w**2 / 2), -np.inf, np.inf)[0] for k in range(3)
        )
        return z / np.sqrt(2 * np.pi), first / z, second / z

    t, d = np.geomspace(0.03, 3e3, 11), 50
    z, first, second = np.array([moments(x) for x in t]).T
    curve = volume_curve(t, d * t * first, 0 * t, d * t**2 * (second - first**2))
    assert (abs(curve.log_partition - d * np.log(z)) < 3 * curve.log_partition_se).all()
    assert curve.log_partition[-1] < -50
    assert curve.log_partition_se[-1] < 10


def test_errors_of_the_means_are_carried_on() -> None:
    t = np.geomspace(0.1, 1e3, 25)
    u, _, c = quadratic(t, 1.0, 400)
    rng = np.random.default_rng(0)
    se = 0.05 * u + 0.1
    clean = volume_curve(t, u, 0 * u, c)
    noisy = [volume_curve(t, u + se * rng.normal(size=len(u)), se, c) for _ in range(200)]
    spread = np.std([n.log_partition for n in noisy], axis=0)
    claimed = np.sqrt(volume_curve(t, u, se, c).log_partition_se ** 2 - clean.log_partition_se**2)
    # The weights are the trapezoid's; the monotone cubic's differ by some.
    assert spread == pytest.approx(claimed, rel=0.25)


def test_integration_and_reweighting_agree_where_rungs_overlap() -> None:
    d, t = 6, np.geomspace(0.05, 100, 24)
    rng = np.random.default_rng(0)
    draws = rng.chisquare(d, size=(24, 8, 400)) / (2 * (t + 1))[:, None, None]
    joined = density_of_states(draws, t)
    heat, _ = heat_capacity(t, joined.energy, joined.energy_se)
    curve = volume_curve(t, joined.energy, joined.energy_se, heat)
    change = joined.log_z - joined.log_z[0]
    assert (abs(curve.log_partition - curve.log_partition[0] - change) < 4 * curve.log_partition_se + 1e-9).all()
    # Inside the ladder; the ends of its grid see few draws.
    grid = (joined.epsilon > curve.loss.min()) & (joined.epsilon < curve.loss.max())
    volume = curve.at(joined.epsilon[grid]) - (joined.log_volume - joined.log_z[0])[grid] - curve.log_partition[0]
    assert np.ptp(volume) < 1.0
    assert heat == pytest.approx(joined.capacity, rel=0.3)


@pytest.mark.parametrize("d", [20, 2000])
def test_heat_capacity_is_the_fall_of_the_energy(d: int) -> None:
    t = np.array([10.0, 30.0, 100.0, 300.0, 800.0])
    u, _, c = quadratic(t, 1 / 50, d)
    rng = np.random.default_rng(0)
    scores = []
    for _ in range(50):
        se = 0.01 * u
        heat, error = heat_capacity(t, u + se * rng.normal(size=5), se)
        scores.append((heat - c) / error)
    # The inner rungs have a slope on either side; the end rungs see one side alone, and say so by their error.
    assert (np.sqrt(np.mean(np.square(scores), axis=0)) < 1.5).all()


def test_a_ladder_that_falls_below_the_reference_still_has_a_volume() -> None:
    # L = −2w + w²/2 from w* = 0 with γ = 1 in each of d dimensions: no minimum, and exactly solvable.
    t, d = np.geomspace(0.05, 50, 12), 100
    mean, variance = 2 * t / (t + 1), 1 / (t + 1)
    energy = d * (-2 * mean + (mean**2 + variance) / 2)
    # Var of −2w + w²/2 for w ~ N(mean, variance).
    spread = d * ((mean - 2) ** 2 * variance + variance**2 / 2)
    log_z = d * (2 * t**2 / (t + 1) - 0.5 * np.log1p(t))
    curve = volume_curve(t, t * energy, 0 * t, t**2 * spread, reference=7.0)
    assert curve.loss[-1] < 7.0
    assert (abs(curve.log_partition - log_z) < 3 * curve.log_partition_se).all()
    assert (curve.log_volume <= 0).all()


def shifted(reference: float, h: float, d: int = 200) -> VolumeCurve:
    t = np.geomspace(0.1, 1e3, 30)
    return volume_curve(t, *quadratic(t, h, d), reference=reference)


def test_the_path_holds_the_mean_of_its_windows() -> None:
    flat, deep = shifted(1.0, 1.0), shifted(0.0, 3.0)
    path = path_volume([flat, deep])
    inside = (path.loss > flat.loss.min()) & (path.loss < flat.loss.max())
    each = np.stack([log_chi2(2 * (path.loss - 1.0), 200), log_chi2(2 * path.loss / 3, 200)])
    exact = np.logaddexp(*each) - np.log(2)
    assert abs(path.log_volume - exact)[inside].max() < 0.5
    assert path.share.sum(axis=0) == pytest.approx(1.0)
    # The flat window holds high losses, the deep one what lies below the flat one's floor: they change hands once.
    owner = path.share.argmax(axis=0)
    assert owner[len(owner) // 3] == 0
    assert owner[-1] == 1
    assert (np.diff(owner[len(owner) // 3 :]) >= 0).all()


def test_beyond_a_ladder_the_volume_is_bounded_from_above() -> None:
    whole = shifted(0.0, 1.0)
    t = whole.n_beta[:20]
    short = volume_curve(t, *quadratic(t, 1.0, 200))
    below = whole.loss[20:]
    assert (short.at(below) > whole.log_volume[20:] - 0.5).all()
    assert short.at(np.array([1e9])).tolist() == [0.0]


def test_ladders_that_can_not_be_used_are_refused() -> None:
    one = np.ones(2)
    with pytest.raises(ZeemanError, match="at least 3"):
        volume_curve(one, one, one, one)
    with pytest.raises(ZeemanError, match="ascending"):
        volume_curve(np.array([1.0, 3.0, 2.0]), *np.ones((3, 3)))
    with pytest.raises(ZeemanError, match="finite"):
        volume_curve(np.arange(1.0, 4.0), np.array([1.0, np.nan, 1.0]), np.ones(3), np.ones(3))
    with pytest.raises(ZeemanError, match="centre"):
        path_volume([])
