"""Responses that are none: φ of a component paired with losses of other draws, in many ways."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError

Array = NDArray[np.float64]
NUM_NULLS = 39
"""Pairings, of which the smallest p is 1/40."""


def shifted_nulls(
    phi: NDArray[np.floating],
    losses: NDArray[np.floating],
    weights: NDArray[np.floating] | None = None,
    *,
    count: int = NUM_NULLS,
) -> NDArray[np.float32]:
    """ρ between φ and losses of other chains and draws: what noise makes of tokens whose losses move alike.

    Each pairing shifts φ around by some chains, one at least, and some draws: ρ̃ = −Corr(φ_{c+a, d+b}, ℓ_{c, d}) with
    ℓ = ℓ_xy − φ. So the law of either is kept, in its memory along chains too, and so is what tokens share; only the
    tie between φ and ℓ is cut.

    Parameters
    ----------
    phi : array, shape (chains, draws)
        ΔL on the data of at least two chains.
    losses : array, shape (tokens, chains, draws)
        ℓ_xy(w) − ℓ_xy(w*).
    weights : array, shape (chains, draws), or None
        Importance weights; a pairing has the product of both draws'.
    count : int
        Pairings, spread evenly over all that there are; with fewer than that, each once.

    Returns
    -------
    array of float32, shape (pairings, tokens)
        0 where a loss does not move.

    Raises
    ------
    ZeemanError
        For a single chain, or shapes that do not fit.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> phi = rng.normal(size=(4, 50))
    >>> nulls = shifted_nulls(phi, np.repeat(2 * phi[None], 3, axis=0))
    >>> nulls.shape, bool(np.abs(nulls).max() < 0.3)
    ((39, 3), True)
    """
    walked: Array = np.asarray(phi, np.float64)
    held: Array = np.asarray(losses, np.float64)
    if walked.ndim != 2 or len(walked) < 2 or held.shape[1:] != walked.shape:
        raise ZeemanError(
            f"expected phi of two chains or more and losses (tokens, chains, draws), got {walked.shape} and "
            f"{held.shape}; run more chains."
        )
    own: Array = np.ones_like(walked) if weights is None else np.asarray(weights, np.float64)
    moved = (held - walked).reshape(len(held), -1)
    moved -= moved[:, :1]
    shifts = [(chain, draw) for draw in range(walked.shape[1]) for chain in range(1, len(walked))]
    chosen = np.unique(np.linspace(0, len(shifts) - 1, min(count, len(shifts))).round().astype(int))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.stack([_paired(walked, own, moved, shifts[i]) for i in chosen])
    return np.nan_to_num(found, posinf=0.0, neginf=0.0).astype(np.float32)


def _paired(phi: Array, weights: Array, losses: Array, shift: tuple[int, int]) -> Array:
    both = (weights * np.roll(weights, shift, axis=(0, 1))).ravel()
    both /= both.sum()
    other = np.roll(phi, shift, axis=(0, 1)).ravel()
    other = other - both @ other
    mean = losses @ both
    covariance = losses @ (both * other)  # other has mean 0
    variance = np.maximum((losses**2) @ both - mean**2, 0.0)
    scale = np.sqrt(variance * (both @ other**2))
    answer: Array = np.where(scale > 0, -covariance / scale, 0.0)
    return answer
