"""Axes of responses that come out again in the other half of the draws, the clearest first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeeman.bands.preparation import prepare
from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]

LEAST_AXES = 2
NULL_NOISE = 1e-9
"""Share of the largest noise below which an axis has none: the uniform mode, which centring took out."""


def reproducible_axes(
    matrix: NDArray[np.floating], halves: tuple[NDArray[np.floating], NDArray[np.floating]]
) -> Floats:
    """Place rows on the axes along which they differ by more than the noise of the draws.

    With prepared halves Z₁ and Z₂ the noise of their mean is N = Cov(Z₁ − Z₂)/4, and what both show is
    S = (Cov(Z₁, Z₂) + Cov(Z₂, Z₁))/2. The axes solve S u = λ N u with uᵀNu = 1; kept are those with λ > 1, two at least
    (the transform of Green et al. 1988, IEEE Trans. Geosci. Remote Sens. 26, 65). On them noise is one in each
    direction, so that distances of rows count in its units; principal axes instead follow whatever spreads most, noise
    too.

    Parameters
    ----------
    matrix : array, shape (rows, columns)
        Responses by all draws; as for :func:`~zeeman.bands.preparation.prepare`.
    halves : pair of arrays of the same shape
        The same by either half of the draws.

    Returns
    -------
    array, shape (rows, axes)

    Raises
    ------
    ZeemanError
        For what cannot be prepared, halves of another shape, or halves that are the same.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise, truth = np.full(12, 9.0), np.zeros((500, 12))
    >>> noise[2], truth[:, 2] = 0.1, rng.standard_normal(500)
    >>> one, other = (truth + noise * rng.standard_normal((500, 12)) for _ in range(2))
    >>> places = reproducible_axes((one + other) / 2, (one, other))
    >>> bool(abs(np.corrcoef(places[:, 0], truth[:, 2])[0, 1]) > 0.9)
    True
    """
    places: Floats = prepare(matrix) @ reproducible_projection(matrix, halves)
    return places


def reproducible_projection(
    matrix: NDArray[np.floating], halves: tuple[NDArray[np.floating], NDArray[np.floating]]
) -> Floats:
    """Find what takes prepared rows, of all draws or of either half, to those axes: shape (columns, axes)."""
    whole, *parts = (prepare(each) for each in (matrix, *halves))
    if any(part.shape != whole.shape for part in parts):
        raise ZeemanError(
            f"expected halves of the matrix's shape {whole.shape}, got {[part.shape for part in parts]}; "
            "read the same tokens and components from either."
        )
    first, second = (part - part.mean(axis=0) for part in parts)
    variances, axes = np.linalg.eigh((first - second).T @ (first - second) / (4 * len(whole)))
    if variances[-1] <= 0:
        raise ZeemanError("expected halves that differ, got the same twice; pass readings of disjoint draws.")
    kept = variances > NULL_NOISE * variances[-1]
    whitener = axes[:, kept] / np.sqrt(variances[kept])
    shared = whitener.T @ first.T @ second @ whitener / len(whole)
    ratios, turned = np.linalg.eigh((shared + shared.T) / 2)
    count = max(int((ratios > 1).sum()), min(LEAST_AXES, len(ratios)))
    projection: Floats = whitener @ turned[:, ::-1][:, :count]
    return projection
