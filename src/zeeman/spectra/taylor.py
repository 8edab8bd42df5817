"""Taylor coefficients of a function of a few variables from its values in a ball, with their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.spectra.truncated import Truncated, truncated

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Taylor:
    """V(r x) / scale = Σ_α c_α x^α in the unit ball, with errors.

    Parameters
    ----------
    num_variables, degree : int
    coefficients : array, shape (monomials,)
        In the order of `Truncated.exponents`; the constant is 0.
    covariance : array, shape (monomials, monomials)
    radius : float
        r, in units of the variables.
    scale : float
        In nats: the largest coefficient is 1 in absolute value.
    disagreement : float
        Root mean square of the differences between the coefficients of the ball and of that of half the radius, in
        their standard errors; about 1 where the degree is enough. NaN if it was not looked at.
    """

    num_variables: int
    degree: int
    coefficients: Array
    covariance: Array
    radius: float = 1.0
    scale: float = 1.0
    disagreement: float = float("nan")

    @property
    def ring(self) -> Truncated:
        """Where the coefficients live."""
        return truncated(self.num_variables, self.degree)


def ball_points(num_variables: int, degree: int, seed: int = 0) -> Array:
    """Points in the unit ball from which coefficients up to a degree can be told, in pairs ±x; the first is 0.

    Directions of a low-discrepancy sequence (one dimension: both signs), each at the same radii: Chebyshev's of half
    the ball, from which alone the coefficients can be told too, and some beyond.

    Parameters
    ----------
    num_variables, degree : int
    seed : int
        Of the directions.

    Returns
    -------
    array, shape (points, num_variables)
        About twice as many as there are monomials, or more.

    Examples
    --------
    >>> x = ball_points(1, 4)
    >>> len(x), int((abs(x) <= 0.5).sum())
    (15, 9)
    """
    inner, outer = max(4, degree // 2 + 2), max(3, degree // 2 + 1)
    radii = np.concatenate([np.cos(_middles(inner) * np.pi / 2) / 2, np.cos(_middles(outer) * np.pi / 3)])
    directions = _directions(num_variables, degree, seed)
    half = (radii[:, None, None] * directions).reshape(-1, num_variables)
    return np.concatenate([np.zeros((1, num_variables)), half, -half])


def _middles(count: int) -> Array:
    """Middles of equal parts of the unit interval."""
    out: Array = (np.arange(count) + 0.5) / count
    return out


def _directions(num_variables: int, degree: int, seed: int) -> Array:
    if num_variables == 1:
        return np.ones((1, 1))
    if num_variables == 2:
        angles = np.pi * (np.arange(degree + 2) + 0.5) / (degree + 2)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    wanted = 2 * len(truncated(num_variables, degree)) // max(4, degree + 2) + degree + 2
    picks = np.random.Generator(np.random.Philox(key=np.array([seed, 0x6E72], np.uint64)))
    raw = picks.normal(size=(wanted, num_variables))
    out: Array = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return out


def fit_taylor(points: Array, values: Array, degree: int, radius: float = 1.0) -> Taylor:
    """Fit Taylor coefficients to values in a ball, with errors by the jackknife over groups of rows of data.

    Least squares for each group's mean loss V_g(x) − V_g(0) = Σ_α c_α x^α, 1 ≤ |α| ≤ D; the covariance is that of the
    mean of the groups, and to it is added what the fit leaves over, as independent noise on each value.

    Parameters
    ----------
    points : array, shape (points, n)
        In the unit ball; 0 must be among them, or the values be differences to it.
    values : array, shape (points,) or (groups, points)
        Nats. With fewer than 2 groups the data count as exact and only what the fit leaves over is an error.
    degree : int
        D.
    radius : float
        What 1 stands for.

    Raises
    ------
    ZeemanError
        If there are fewer points than coefficients, or values that are not finite.

    Examples
    --------
    >>> x = ball_points(1, 4)
    >>> found = fit_taylor(x, 3.0 * x[:, 0] ** 4, 4)
    >>> (np.round(found.coefficients, 6) + 0.0).tolist(), round(found.scale, 6)
    ([0.0, 0.0, 0.0, 0.0, 1.0], 3.0)
    """
    points, values = np.asarray(points, float), np.atleast_2d(np.asarray(values, float))
    ring = truncated(points.shape[1], degree)
    if not np.isfinite(values).all():
        raise ZeemanError("some losses in the ball are not finite: choose a smaller radius.")
    if len(points) < len(ring):
        raise ZeemanError(
            f"{len(points)} points cannot tell {len(ring)} coefficients of degree {degree} apart: "
            "give more points or a lower degree."
        )
    zero = int(np.argmin((points**2).sum(axis=1)))
    design = ring.values(points)[:, 1:]
    inverse = np.linalg.pinv(design)
    fits = (values - values[:, zero : zero + 1]) @ inverse.T
    mean = fits.mean(axis=0)
    left = values.mean(axis=0) - values.mean(axis=0)[zero] - design @ mean
    noise = float(left @ left) / max(1, len(points) - design.shape[1])
    covariance = noise * inverse @ inverse.T
    if len(values) > 1:
        covariance = covariance + np.atleast_2d(np.cov(fits.T)) / len(values)
    scale = float(np.abs(mean).max()) or 1.0
    padded, errors = np.zeros(len(ring)), np.zeros((len(ring), len(ring)))
    padded[1:], errors[1:, 1:] = mean / scale, covariance / scale**2
    return Taylor(points.shape[1], degree, padded, errors, radius, scale)


def compare_radii(whole: Taylor, half: Taylor) -> Taylor:
    """Note how far the coefficients of a ball of half the radius are from those of the whole one, in their errors.

    Where they differ by more than their errors the degree does not suffice at the larger radius. The covariance of
    what is returned has the differences added, so that what two radii disagree about counts as unknown.

    Raises
    ------
    ZeemanError
        If the two are not of one degree and number of variables.
    """
    if (whole.num_variables, whole.degree) != (half.num_variables, half.degree):
        raise ZeemanError("the two fits are of different degrees or variables; fit both alike.")
    ratio = (whole.radius / half.radius) ** whole.ring.degrees * half.scale / whole.scale
    there = half.coefficients * ratio
    difference = there - whole.coefficients
    error = np.sqrt(np.diag(whole.covariance) + np.diag(half.covariance) * ratio**2)
    known = error > 0
    # A coefficient that half the ball leaves open says nothing against the whole one.
    excess = np.maximum(0.0, difference**2 - np.diag(half.covariance) * ratio**2)
    disagreement = float(np.sqrt(np.mean((difference[known] / error[known]) ** 2))) if known.any() else 0.0
    covariance = whole.covariance + np.diag(excess)
    return Taylor(
        whole.num_variables, whole.degree, whole.coefficients, covariance, whole.radius, whole.scale, disagreement
    )
