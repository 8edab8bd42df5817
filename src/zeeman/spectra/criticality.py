"""How far from the centre of a ball the critical point of a measured polynomial lies, and how sure that is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeeman.spectra.splitting import principal_frame
from zeeman.spectra.taylor import Taylor

Array = NDArray[np.float64]

_DRAWS = 4000


def newton_step(taylor: Taylor, corank: int) -> float:
    """Length of the Newton step −H⁻¹g in all but the ``corank`` flattest directions, in radii.

    Examples
    --------
    x² − x is least at a half:

    >>> round(newton_step(Taylor(1, 3, np.array([0.0, -1.0, 1.0, 0.0]), np.zeros((4, 4))), 0), 9)
    0.5
    """
    values, frame = principal_frame(taylor)
    slopes = (frame.T @ taylor.coefficients[1 : 1 + taylor.num_variables])[corank:]
    return float(np.linalg.norm(slopes / values[corank:]))


def newton_steps(taylor: Taylor, tolerance: float, corank: int) -> Array:
    """The same for draws of gradient and Hessian from their errors, shape (draws,); always the same draws.

    Parameters
    ----------
    taylor : Taylor
    tolerance : float
        Standard deviation added to each coefficient.
    corank : int
    """
    n, ring, (_, frame) = taylor.num_variables, taylor.ring, principal_frame(taylor)
    known = np.flatnonzero((ring.degrees >= 1) & (ring.degrees <= 2))
    values, vectors = np.linalg.eigh(taylor.covariance[np.ix_(known, known)])
    picks = np.random.Generator(np.random.Philox(key=np.array([0, 0x6E73], np.uint64)))
    noise = picks.normal(size=(_DRAWS, len(known))) * np.sqrt(np.maximum(values, 0.0) + tolerance**2) @ vectors.T
    drawn = taylor.coefficients[known] + noise
    stiff = frame[:, corank:]
    units = np.stack([ring.hessian(row) for row in np.eye(len(ring))[known]])
    hessians = np.tensordot(drawn, stiff.T @ units @ stiff, axes=1)
    slopes = drawn[:, :n] @ stiff
    lengths: Array = np.linalg.norm(np.linalg.solve(hessians, slopes[:, :, None])[:, :, 0], axis=1)
    return lengths


def gradient_errors(taylor: Taylor, tolerance: float) -> float:
    """Length of the gradient at the centre in its errors, the tolerance counted in: √(gᵀ C⁻¹ g)."""
    own = slice(1, 1 + taylor.num_variables)
    covariance = taylor.covariance[own, own] + tolerance**2 * np.eye(taylor.num_variables)
    gradient = taylor.coefficients[own]
    return float(np.sqrt(gradient @ np.linalg.solve(covariance, gradient)))
