"""Antithetic draws w* ± δ: what they cancel, and what they leave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError

Array = NDArray[np.float64]


def parity_parts(values: NDArray[np.floating]) -> tuple[Array, Array]:
    """Even and odd part in δ of figures at antithetic draws w* + δ, w* − δ.

    Cov(φ, ℓ) = Cov(φ_even, ℓ_even) + E[φ_odd ℓ_odd]. Pairs cancel the products of an even and an odd part exactly,
    which for independent draws are noise, and usually most of it: near a minimum φ is even and ℓ_xy odd, by its
    gradient. Kept as draws of their own (side by side, in stretches of an even length) they leave ρ as it is, with a
    smaller error where odd parts are large; where both figures are even a pair counts as one draw, and the error is
    larger by √2. ρ of the even parts alone is another figure: it drops the second term, and the gradient from the
    spread of ℓ.

    Parameters
    ----------
    values : array, shape (..., draws)
        The draws of a pair side by side.

    Returns
    -------
    even, odd : array, shape (..., draws / 2)

    Raises
    ------
    ZeemanError
        For an odd number of draws.

    Examples
    --------
    >>> [part.tolist() for part in parity_parts(np.array([3.0, 1.0, 5.0, 5.0]))]
    [[2.0, 5.0], [1.0, 0.0]]
    """
    if values.shape[-1] % 2:
        raise ZeemanError(f"expected antithetic draws in pairs, got {values.shape[-1]}; leave the last one out.")
    plus, minus = np.asarray(values[..., ::2], np.float64), np.asarray(values[..., 1::2], np.float64)
    return (plus + minus) / 2, (plus - minus) / 2
