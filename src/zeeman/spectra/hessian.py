"""The spectrum of a Hessian from Lanczos coefficients: density, trace, counts and rank, with errors over the probes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

from zeeman.errors import ZeemanError

Array = NDArray[np.float64]

FLOOR = 1e-6
"""Share of the largest eigenvalue below which single precision tells nothing."""


@dataclass(frozen=True, eq=False)
class Quadrature:
    """Gauss quadratures of the spectral measure Σ_i δ(h − h_i) of a symmetric operator, for each probe vector.

    The last quarter of the orders up to k is kept: where they differ, Lanczos has not resolved the spectrum.

    Parameters
    ----------
    nodes : array, shape (orders, probes, k)
        Ritz values; the order k stands last.
    weights : array, shape (orders, probes, k)
        In eigenvalues: they sum to ``dimension`` over the last axis. 0 for what a lower order or a short Krylov space
        leaves over.
    residuals : array, shape (orders, probes, k)
        β |s_j| with the last entry of each vector of T: within this distance of the node lies an eigenvalue.
    dimension : int
        d.
    """

    nodes: Array
    weights: Array
    residuals: Array
    dimension: int

    @property
    def scale(self) -> float:
        """Largest |h| seen."""
        return float(np.abs(self.nodes).max())

    def sum(self, function: Callable[[Array], Array]) -> tuple[float, float]:
        """Estimate Σ_i f(h_i) by the mean over the orders, with its standard error.

        To the error over the probes is added half the spread over the orders, which swing about the truth: nothing for
        a smooth f, but much where f steps or bends inside a bulk that is narrower than Lanczos resolves.
        """
        sums = (function(self.nodes) * self.weights).sum(axis=-1)
        return float(sums.mean()), math.hypot(_error(sums.mean(axis=0)), float(sums.mean(axis=1).std()) / 2)


@dataclass(frozen=True, eq=False)
class SpectralDensity:
    """Smeared density of eigenvalues on a grid of s = asinh(h / linear): linear around zero, logarithmic beyond.

    Parameters
    ----------
    eigenvalues : array, shape (grid,)
        h at the grid points.
    density, density_se : array, shape (grid,)
        Eigenvalues per unit of s, and the standard error over the probes.
    linear : float
        Where the scale turns from linear to logarithmic.
    width : float
        Standard deviation of the Gaussian that smears each node, in units of s.
    """

    eigenvalues: Array
    density: Array
    density_se: Array
    linear: float
    width: float


@dataclass(frozen=True)
class Rank:
    """How many eigenvalues stand above the widest gap of |h|.

    Parameters
    ----------
    value, standard_error : float
        Eigenvalues above the gap; NaN without one.
    low, high : float
        The gap: no eigenvalue was seen with low < |h| < high, allowing for the residuals.
    """

    value: float
    standard_error: float
    low: float
    high: float


def quadrature(diagonal: NDArray[np.floating], off_diagonal: NDArray[np.floating], dimension: int) -> Quadrature:
    """Turn Lanczos coefficients into the quadrature of the spectrum (stochastic Lanczos quadrature).

    tr f(H) ≈ d/v Σ_l Σ_j (s₁ⱼ)² f(θ_j) with T_l = S θ Sᵀ for each of v random probes (Ubaru, Chen and Saad 2017).

    Parameters
    ----------
    diagonal, off_diagonal : array, shape (probes, k)
        α and β of `zeeman.sampling.curvature.lanczos`, NaN after an early end.
    dimension : int
        d, order of the operator.

    Returns
    -------
    Quadrature

    Raises
    ------
    ZeemanError
        If the shapes differ or hold no coefficient.

    Examples
    --------
    The probe (1, 1)/√2 on diag(1, 3) has α = (2, 2) and β = (1, 0), and finds both eigenvalues with weight 1:

    >>> found = quadrature(np.array([[2.0, 2.0]]), np.array([[1.0, 0.0]]), 2)
    >>> found.nodes.round(6).tolist(), found.weights.round(6).tolist()
    ([[[1.0, 3.0]]], [[[1.0, 1.0]]])
    """
    diagonal, off_diagonal = np.asarray(diagonal, float), np.asarray(off_diagonal, float)
    if diagonal.ndim != 2 or diagonal.shape != off_diagonal.shape or not np.isfinite(diagonal[:, :1]).all():
        raise ZeemanError(
            f"expected Lanczos coefficients of shape (probes, steps), got {diagonal.shape} and {off_diagonal.shape}; "
            "give one row for each probe vector."
        )
    last = diagonal.shape[1]
    orders = range(last - last // 4, last + 1)
    nodes, weights, residuals = np.zeros((3, len(orders), *diagonal.shape))
    for place in np.ndindex(len(orders), len(diagonal)):
        alpha, beta = diagonal[place[1]], off_diagonal[place[1]]
        k = min(orders[place[0]], int(np.isfinite(alpha).sum()))
        values, vectors = eigh_tridiagonal(alpha[:k], beta[: k - 1])
        nodes[place][:k], weights[place][:k] = values, dimension * vectors[0] ** 2
        residuals[place][:k] = beta[k - 1] * np.abs(vectors[-1])
    return Quadrature(nodes, weights, residuals, dimension)


def trace(found: Quadrature) -> tuple[float, float]:
    """Tr H with its standard error over the probes."""
    return found.sum(lambda h: h)


def count_above(found: Quadrature, threshold: float) -> tuple[float, float]:
    """Count the eigenvalues h > threshold, with the standard error over the probes.

    Examples
    --------
    >>> found = quadrature(np.array([[2.0, 2.0]]), np.array([[1.0, 0.0]]), 2)
    >>> round(count_above(found, 2.5)[0], 6)
    1.0
    """
    return found.sum(lambda h: (h > threshold).astype(float))


def quadratic_exponent(found: Quadrature, n_beta: float, localization: float) -> tuple[float, float]:
    """Give nβ⟨ΔL⟩ of the quadratic form with the positive part of this spectrum: ½ Σ_{h>0} nβh/(nβh + γ).

    What the learning coefficient would be if the loss were its Hessian: the difference to the reading of the chains is
    what lies beyond the second order. Negative directions are left out: the form alone does not hold them.
    """

    def held(h: Array) -> Array:
        stiff = n_beta * np.maximum(h, 0.0)
        return np.asarray(0.5 * stiff / (stiff + localization))

    return found.sum(held)


def spectral_density(found: Quadrature, *, linear: float, width: float = 0.15, points: int = 161) -> SpectralDensity:
    """Smear the quadratures of all orders with Gaussians in s = asinh(h / linear).

    Parameters
    ----------
    found : Quadrature
    linear : float
        |h| below which the scale is linear, positive.
    width : float
        Standard deviation of the Gaussian in s, the smearing.
    points : int

    Returns
    -------
    SpectralDensity
        Its integral over s is the dimension, up to what the Gaussians lose beyond the grid.

    Examples
    --------
    >>> found = quadrature(np.array([[2.0, 2.0]]), np.array([[1.0, 0.0]]), 2)
    >>> density = spectral_density(found, linear=0.1)
    >>> round(float(np.trapezoid(density.density, np.arcsinh(density.eigenvalues / 0.1))), 3)
    2.0
    """
    places = np.arcsinh(found.nodes / linear)
    grid = np.linspace(places.min() - 5 * width, places.max() + 5 * width, points)
    bells = np.exp(-0.5 * ((grid[:, None, None, None] - places) / width) ** 2) / (width * math.sqrt(2 * math.pi))
    rows = (bells * found.weights).sum(axis=-1)
    errors = np.array([math.hypot(_error(row.mean(axis=0)), row.mean(axis=1).std() / 2) for row in rows])
    return SpectralDensity(linear * np.sinh(grid), rows.mean(axis=(1, 2)), errors, linear, width)


def rank_with_gap(found: Quadrature, *, least_ratio: float = 10.0) -> Rank:
    """Find the widest gap in |h| on the logarithmic scale and count the eigenvalues above it.

    Each node stands for the interval of its residual, within which an eigenvalue lies, so that a gap between nodes of a
    continuous spectrum does not count: Lanczos has not converged there, and the intervals overlap. What lies below
    FLOOR times the largest |h| counts as zero.

    Parameters
    ----------
    found : Quadrature
    least_ratio : float
        A gap narrower than this ratio of its ends is none.

    Returns
    -------
    Rank

    Examples
    --------
    >>> from scipy.linalg import hessenberg
    >>> start = np.linalg.qr(np.column_stack([np.ones(4), np.eye(4)[:, :3]]))[0]
    >>> turned = hessenberg(start.T @ np.diag([0.0, 0.0, 2.0, 3.0]) @ start)[:3, :3]
    >>> rank = rank_with_gap(quadrature(np.diag(turned)[None], np.array([[*abs(np.diag(turned, 1)), 0.0]]), 4))
    >>> round(rank.value, 3), rank.high > 1.9
    (2.0, True)
    """
    floor = FLOOR * found.scale
    real = found.weights[-1] > 1e-9 * found.dimension
    sizes, residuals = np.abs(found.nodes[-1][real]), found.residuals[-1][real]
    order = np.argsort(sizes)
    low = np.maximum.accumulate(np.maximum(sizes + residuals, floor)[order])[:-1]
    high = np.minimum.accumulate(np.maximum(sizes - residuals, floor)[order][::-1])[::-1][1:]
    if not len(low) or found.scale == 0:
        return Rank(math.nan, math.nan, math.nan, math.nan)
    ratios = high / low
    best = int(ratios.argmax())
    if ratios[best] < least_ratio:
        return Rank(math.nan, math.nan, math.nan, math.nan)
    middle = math.sqrt(low[best] * high[best])
    value, error = found.sum(lambda h: (np.abs(h) > middle).astype(float))
    return Rank(value, error, float(low[best]), float(high[best]))


def _error(values: Array) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
