"""Coordinates on the critical sheet of a measured germ: flat directions along it, stiff ones across."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zeeman.spectra.splitting import Split
from zeeman.spectra.taylor import ball_points

Array = NDArray[np.float64]

SMALL = 0.5
"""Where the gradient of the flat part is looked at, in radii: inside, where its lowest terms rule."""


def sheet_chart(part: Split) -> Callable[[Array], Array]:
    """Give the map from (x, v), x along the sheet with the flattest direction first, to points x ↦ (x, y(x) + v).

    y(x) solves ∂f/∂y = 0 (`split`), so that f is g(x) ± Σ κ v² there. The flat axes are those of ⟨∇g ∇gᵀ⟩ on a
    sphere, by rising eigenvalue: of x³ + y⁴ the axis of y comes first.

    Parameters
    ----------
    part : Split

    Returns
    -------
    callable
        Of arrays (..., n).

    Examples
    --------
    (y + x²)² + x⁶ has order 6 along (s, s³ v):

    >>> from zeeman.spectra.splitting import split
    >>> from zeeman.spectra.taylor import fit_taylor
    >>> def f(z):
    ...     return (z[..., 1] + z[..., 0] ** 2) ** 2 + z[..., 0] ** 6
    >>> z = ball_points(2, 6)
    >>> chart = sheet_chart(split(fit_taylor(z, f(z), 6), 1))
    >>> s = np.array([0.5, 0.25])
    >>> f(chart(np.stack([s, s**3], axis=-1))).round(6).tolist() == (2 * s**6).round(6).tolist()
    True
    """
    n, k = len(part.frame), part.corank
    turn = flat_axes(part)
    sheet, across = part.map[:, 1 : 1 + n], part.frame[:, k:]

    def chart(points: Array) -> Array:
        rows = points.reshape(-1, n)
        out: Array = part.ring.values(rows[:, :k] @ turn.T) @ sheet + rows[:, k:] @ across.T
        return out.reshape(points.shape)

    return chart


def flat_axes(part: Split) -> Array:
    """Orthonormal axes of the flat part, as columns, the flattest first."""
    if part.corank < 2:
        return np.eye(part.corank)
    sphere = ball_points(part.corank, part.degree)[1:]
    sphere = SMALL * sphere / np.linalg.norm(sphere, axis=1, keepdims=True)
    slopes = [part.ring.derivative(part.coefficients, i) for i in range(part.corank)]
    gradient = part.ring.values(sphere) @ np.stack(slopes, axis=1)
    vectors: Array = np.linalg.eigh(gradient.T @ gradient)[1]
    return vectors
