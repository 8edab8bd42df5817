"""Where tempered draws contract to and along which axes, however heavy their tails are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 40
"""Of Tyler's iteration."""
CENTRINGS = 3
BESIDE, LEAST_BESIDE = 4.0, 0.3
"""From w* to the place to which draws contract, if it is another one: in standard errors, and in widths of the coldest
draws, of which a smaller part matters little."""


def contraction_point(places: Floats) -> Floats:
    """Give the point to which draws contract, in coordinates in which that is surely not 0; 0 in the others.

    The median of a coordinate is c + b σ with σ its median deviation, and c = 0 however skew it is, as long as it
    shrinks by one power; c is fitted over rungs. A sum of several powers can still feign a c. The coordinates are the
    entries first and then, twice, the axes about what was found, since stiff directions need a closer c than flat ones.

    Parameters
    ----------
    places : array, shape (rungs, walkers, draws, d)
        Hottest rung first.

    Returns
    -------
    array, shape (d,)

    Examples
    --------
    >>> size = np.geomspace(1, 0.01, 6)[:, None, None, None]
    >>> places = size * np.random.default_rng(0).normal(size=(6, 16, 50, 2)) + np.array([0.5, 0.0])
    >>> contraction_point(places).round(2).tolist()
    [0.5, 0.0]
    """
    d = places.shape[-1]
    point, axes = np.zeros(d), np.eye(d)
    for _ in range(CENTRINGS):
        step = _limits((places - point) @ axes.T)
        if not step.any():
            break
        point = point + step @ axes
        axes = principal_axes((places[-1] - point).reshape(-1, d))
    return point


def _limits(places: Floats) -> Floats:
    """Values to which coordinates contract, 0 unless surely another one."""
    median = np.median(places, axis=2)
    width = np.maximum(np.median(np.abs(places - median[:, :, None]), axis=(1, 2)), 1e-150)
    # Medians err in proportion to σ, so c is the slope of median/σ = b + c/σ by least squares.
    x = 1 / width - (1 / width).mean(axis=0)
    found = np.einsum("rd,rwd->wd", x / (x**2).sum(axis=0), median / width[:, None])
    mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(len(found))
    out: Floats = np.where(np.abs(mean) > np.maximum(BESIDE * error, LEAST_BESIDE * width[-1]), mean, 0.0)
    return out


def principal_axes(points: Floats) -> Floats:
    """Give the axes of Tyler's (1987) shape matrix about 0 as rows, the widest first.

    S = d/N Σ w wᵀ/(wᵀS⁻¹w), iterated in units in which no entry is far wider than another. The largest entry of each
    axis is positive.

    Parameters
    ----------
    points : array, shape (N, d)

    Examples
    --------
    >>> w = np.random.default_rng(0).standard_cauchy((2000, 2)) @ np.array([[3.0, 3.0], [0.1, -0.1]])
    >>> (principal_axes(w)[0] ** 2).round(1).tolist()
    [0.5, 0.5]
    """
    d = points.shape[1]
    units = np.exp(log_size(points).mean(axis=0))
    scaled = points / units
    scaled = scaled[(scaled**2).sum(axis=1) > 0]
    shape = np.eye(d)
    for _ in range(ROUNDS):
        distance = np.einsum("ni,ni->n", scaled @ np.linalg.pinv(shape, hermitian=True), scaled)
        shape = (scaled / np.maximum(distance, 1e-300)[:, None]).T @ scaled
        shape *= d / np.trace(shape)
    shape *= np.outer(units, units)
    axes = np.linalg.eigh(shape / shape.max())[1].T[::-1]
    lead = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return np.asarray(axes * np.where(lead < 0, -1.0, 1.0), np.float64)


def log_size(values: Floats) -> Floats:
    """Logarithm of |u|, with a floor for what sits at 0 itself.

    Examples
    --------
    >>> log_size(np.array([-1.0])).tolist()
    [0.0]
    """
    out: Floats = np.log(np.maximum(np.abs(values), 1e-300))
    return out
