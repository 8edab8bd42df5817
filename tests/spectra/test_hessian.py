"""Spectral readings against spectra that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling import Hessian, LocalPosterior, lanczos
from zeeman.spectra import (
    Quadrature,
    count_above,
    quadratic_exponent,
    quadrature,
    rank_with_gap,
    spectral_density,
    trace,
)


def read(values: NDArray[np.float64], *, probes: int = 8, steps: int = 40, seed: int = 0) -> Quadrature:
    """Quadrature of a diagonal operator, hidden in a random basis by random probes."""
    rng = np.random.default_rng(seed)
    operator = torch.from_numpy(values)
    runs = [
        lanczos(lambda v: operator * v, torch.from_numpy(rng.normal(size=len(values))), steps) for _ in range(probes)
    ]
    return quadrature(np.stack([r.diagonal for r in runs]), np.stack([r.off_diagonal for r in runs]), len(values))


def bulk(size: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).gamma(0.3, size=size)


@pytest.mark.parametrize("law", ["gamma", "log-uniform", "spikes"])
def test_sums_lie_within_their_errors(law: str) -> None:
    rng = np.random.default_rng(0)
    values = {
        "gamma": rng.gamma(0.3, size=1500),
        "log-uniform": np.exp(rng.uniform(np.log(1e-4), np.log(10.0), 1500)),
        "spikes": np.concatenate([rng.normal(0, 0.05, 1300), rng.gamma(2.0, 2.0, 200)]),
    }[law]
    stiff = np.maximum(10 * values, 0.0)
    exact = [values.sum(), (values > 1.0).sum(), (0.5 * stiff / (stiff + 1)).sum()]
    found = [read(values, probes=8, steps=32, seed=seed) for seed in range(25)]
    read_off = np.array([[trace(q), count_above(q, 1.0), quadratic_exponent(q, 10.0, 1.0)] for q in found])
    scores = (read_off[:, :, 0] - exact) / read_off[:, :, 1]
    # Eight probes give Student's t with 7 degrees of freedom, of standard deviation 1.2; runs share the spectrum, so
    # that what a spectrum leaves unresolved is common to them.
    assert (abs(scores.mean(axis=0)) < 1.5).all()
    assert (np.sqrt((scores**2).mean(axis=0)) < 1.8).all()
    assert (np.sqrt((scores**2).mean(axis=0)) > 0.4).all()


def test_density_integrates_to_counts() -> None:
    values = bulk(2000)
    found = read(values, steps=60)
    density = spectral_density(found, linear=0.01, width=0.2)
    place = np.arcsinh(density.eigenvalues / density.linear)
    assert np.trapezoid(density.density, place) == pytest.approx(2000, rel=1e-3)
    exact = np.mean(
        [np.exp(-0.5 * ((place - np.arcsinh(v / 0.01)) / 0.2) ** 2) for v in values], axis=0
    ) * 2000 / (0.2 * math.sqrt(2 * math.pi))  # fmt: skip
    above = density.eigenvalues > 0.5
    assert np.abs(density.density - exact)[above].max() < 5 * density.density_se[above].max()


def test_rank_of_a_spectrum_with_a_gap() -> None:
    values = np.concatenate([np.zeros(450), np.linspace(1.0, 4.0, 50)])
    found = read(values, steps=30)
    rank = rank_with_gap(found)
    assert abs(rank.value - 50) < 4 * rank.standard_error
    assert rank.low < 1e-3
    assert 0.9 < rank.high <= 1.0


def test_noise_below_the_gap_is_not_counted() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([1e-4 * rng.normal(size=450), rng.uniform(1.0, 4.0, 50)])
    rank = rank_with_gap(read(values, steps=40))
    assert abs(rank.value - 50) < 4 * rank.standard_error
    assert 1e-5 < rank.low < 1e-2


@pytest.mark.parametrize("seed", range(8))
def test_a_continuous_spectrum_has_no_gap(seed: int) -> None:
    values = np.exp(np.random.default_rng(seed).uniform(np.log(1e-5), np.log(10.0), 4000))
    rank = rank_with_gap(read(values, steps=32, probes=3, seed=seed))
    assert math.isnan(rank.value)


def test_negative_eigenvalues_count_by_their_size() -> None:
    values = np.concatenate([np.zeros(90), -np.ones(4), np.ones(6)])
    rank = rank_with_gap(read(values, probes=60, steps=10))
    assert abs(rank.value - 10) < 4 * rank.standard_error


def test_rank_of_reduced_rank_regression_at_its_minimum() -> None:
    # ‖B A − M‖²/2 with inner width 3 and M of rank 1 at the balanced point: the tangent space of the rank-1 part has
    # rank m + n − 1 plus, for each idle hidden unit, nothing: B A moves to second order alone there.
    m, n, h = 6, 5, 3
    target = torch.outer(torch.ones(m), torch.ones(n)) / 5

    def energy(w: torch.Tensor) -> torch.Tensor:
        a, b = w[: h * n].view(h, n), w[h * n :].view(m, h)
        return ((b @ a - target) ** 2).sum() / 2

    a, b = torch.zeros(h, n), torch.zeros(m, h)
    a[0], b[:, 0] = 5**-0.5, 5**-0.5
    product = Hessian(LocalPosterior.potential(energy, torch.cat([a.flatten(), b.flatten()])))
    runs = [lanczos(product, product.probe(i), 20) for i in range(40)]
    found = quadrature(
        np.stack([r.diagonal for r in runs]), np.stack([r.off_diagonal for r in runs]), product.dimension
    )
    rank = rank_with_gap(found)
    exact = np.linalg.matrix_rank(np.stack([product(v).numpy() for v in torch.eye(product.dimension)]), tol=1e-5)
    assert exact == m + n - 1
    assert abs(rank.value - exact) < 4 * rank.standard_error


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ZeemanError, match="probes, steps"):
        quadrature(np.ones(3), np.ones(3), 5)
    with pytest.raises(ZeemanError, match="probes, steps"):
        quadrature(np.full((1, 3), np.nan), np.ones((1, 3)), 5)
