"""The splitting lemma on measured Taylor coefficients: stiff variables out, the rest with its covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeeman.spectra.taylor import Taylor
from zeeman.spectra.truncated import Truncated, truncated

Array = NDArray[np.float64]

_NEGLIGIBLE = 1e-12
_FAR, _OVERFLOW = 30.0, 1e9
"""A critical sheet that bends more, or whose higher coefficients grow beyond all bounds, leaves the ball."""


@dataclass(frozen=True, eq=False)
class Split:
    """f(x, y) ~ g(x) ± Σ y² with y the stiff variables: g(x) = f(x, y(x)) where ∂f/∂y (x, y(x)) = 0.

    Parameters
    ----------
    coefficients, covariance : array
        Of g, in the ring of ``corank`` variables.
    corank : int
        Variables that are left.
    degree : int
    stiff : array, shape (n − corank,)
        Eigenvalues of the Hessian that were split off; their signs are those of the squares.
    frame : array, shape (n, n)
        Columns: the directions of x, then of y.
    map : array, shape (monomials of g, monomials of f)
        f(x) ↦ f(x, y(x)) as a linear map: what any other function of the variables becomes on the critical sheet.
    sound : bool
        False where the critical sheet leaves the ball: some variable is not stiff, and the sheet was left flat.
    """

    coefficients: Array
    covariance: Array
    corank: int
    degree: int
    stiff: Array
    frame: Array
    map: Array
    sound: bool

    @property
    def ring(self) -> Truncated:
        """Where the coefficients of g live."""
        return truncated(self.corank, self.degree)


def principal_frame(taylor: Taylor) -> tuple[Array, Array]:
    """Eigenvalues of the Hessian by increasing size, and their directions as columns."""
    values, vectors = np.linalg.eigh(taylor.ring.hessian(taylor.coefficients))
    order = np.argsort(np.abs(values))
    return values[order], vectors[:, order]


def split(taylor: Taylor, corank: int) -> Split:
    """Split off all but the ``corank`` flattest directions.

    y(x) solves ∂f/∂y = 0 order by order (chord iteration with the Hessian of the stiff block). Since f is stationary
    in y there, ∂g/∂c_{ab} = x^a y(x)^b: the covariance passes through one linear map.

    Parameters
    ----------
    taylor : Taylor
    corank : int
        From 0 to the number of variables.

    Returns
    -------
    Split

    Examples
    --------
    y² + 2 x² y + x⁴ + x⁶ = (y + x²)² + x⁶ hides an A5:

    >>> ring = truncated(2, 6)
    >>> c = np.zeros(len(ring))
    >>> for exponent, value in {(0, 2): 1, (2, 1): 2, (4, 0): 1, (6, 0): 1}.items():
    ...     c[ring.place(*exponent)] = value
    >>> split(Taylor(2, 6, c, np.zeros((len(c), len(c)))), 1).coefficients.round(9).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    """
    n, ring = taylor.num_variables, taylor.ring
    values, frame = principal_frame(taylor)
    rotation = ring.linear(frame)
    f = rotation @ taylor.coefficients
    target = truncated(corank, taylor.degree)
    stiff = values[corank:]
    y = np.zeros((n - corank, len(target)))
    flat = [target.variable(i) for i in range(corank)]
    slopes = [ring.derivative(f, j) for j in range(corank, n)]
    images = ring.substitution([*flat, *y], target)
    sound = True
    if 0 < corank < n:
        for _ in range(2 * taylor.degree):
            step = np.stack([images @ slope for slope in slopes]) / stiff[:, None]
            y = y - step
            sound = bool(np.abs(y[:, target.degrees <= 2]).max() < _FAR and np.abs(y).max() < _OVERFLOW)
            if not sound:
                y = np.zeros_like(y)
            images = ring.substitution([*flat, *y], target)
            if np.abs(step).max() < _NEGLIGIBLE or not sound:
                break
    through = images @ rotation
    g = through @ taylor.coefficients
    g[0] = 0.0
    return Split(g, through @ taylor.covariance @ through.T, corank, taylor.degree, stiff, frame, through, sound)
