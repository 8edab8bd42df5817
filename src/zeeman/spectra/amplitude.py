"""How far the loss of each token moves when a component moves: the diagonal of the loss kernel, on a log scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError

Array = NDArray[np.float64]

SMALLEST = 1e-3
"""Nats that differences of losses are rounded by, at most, where they are kept in half precision and below two."""


def log_amplitude(losses: NDArray[np.floating]) -> Array:
    """Log of the spread of each token's loss over the draws of one component, a = ½ log Var_C(ℓ_xy).

    ρ is normalized by this spread, and so does not say which components a token leans on most; the rows of a do, once
    they are centred. The error of a is 1/√(2N) for N independent Gaussian draws, whatever the token, and its unit is
    the same for all. It pairs nothing, so that permuted draws are no null of it: only shuffled tokens are.

    Parameters
    ----------
    losses : array, shape (tokens, chains, draws)
        ℓ_xy(w) − ℓ_xy(w*) in nats, in any precision.

    Returns
    -------
    array, shape (tokens,)
        In log nats. Draws of all chains count as one sample; spreads add to a thousandth of a nat in square.

    Raises
    ------
    ZeemanError
        For another shape, fewer than two draws, or losses that are not finite.

    Examples
    --------
    >>> losses = np.random.default_rng(0).normal(size=(3, 4, 500)) * np.array([0.1, 1.0, 10.0])[:, None, None]
    >>> bool(np.allclose(log_amplitude(losses), np.log([0.1, 1.0, 10.0]), atol=0.06))
    True
    """
    held = np.asarray(losses, np.float64)
    if held.ndim != 3 or held[0].size < 2 or not np.isfinite(held).all():
        raise ZeemanError(
            f"expected finite losses (tokens, chains, draws) of two draws or more, got shape {held.shape}; "
            "leave out chains that diverged."
        )
    found: Array = 0.5 * np.log(held.reshape(len(held), -1).var(axis=1, ddof=1) + SMALLEST**2)
    return found
