"""From tokens to probes: the response to a subdistribution is the mean over its tokens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError

Array = NDArray[np.float64]


def probe_losses(losses: NDArray[np.floating], members: NDArray[np.bool_], *, tile: int = 4096) -> Array:
    """Mean loss difference of the tokens of each probe, draw by draw.

    Tilting the data by a probe, q_h = (1 − δh) q + δh q', moves the loss by L_h − L = δh (mean_{xy∈q'} ℓ_xy − L). So
    −Cov(φ, L_h − L) = δh · mean_{xy} χ_xy: readings of probes are the means of those of their tokens exactly, with
    slope 1/δh against the response of the tilted data. Their errors are not, since tokens share their draws; so take
    `respond` of these losses.

    Parameters
    ----------
    losses : array, shape (tokens, chains, draws)
        ℓ_xy(w) − ℓ_xy(w*); anything that is sliced along its first axis.
    members : array of bool, shape (probes, tokens)
    tile : int
        Tokens at once.

    Returns
    -------
    array, shape (probes, chains, draws)

    Raises
    ------
    ZeemanError
        If a probe has no token, or the shapes do not fit.

    Examples
    --------
    >>> losses = np.arange(12.0).reshape(3, 2, 2)
    >>> probe_losses(losses, np.array([[True, False, True]])).tolist()
    [[[4.0, 5.0], [6.0, 7.0]]]
    """
    sizes = member_counts(members, losses.shape[0])
    sums = np.zeros((len(members), *losses.shape[1:]))
    for low in range(0, losses.shape[0], tile):
        block = np.asarray(losses[low : low + tile], np.float64)
        sums += np.tensordot(members[:, low : low + tile].astype(np.float64), block, axes=1)
    result: Array = sums / sizes[:, None, None]
    return result


def shuffled_means(values: NDArray[np.floating], members: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Mean and spread of a probe's mean figure over all ways of dealing as many tokens from all tokens.

    In closed form, E = v̄ and Var = s²/m · (1 − m/N): the null of shuffled tokens beside a reading of a probe.

    Parameters
    ----------
    values : array, shape (tokens,)
        χ or ρ of each token.
    members : array of bool, shape (probes, tokens)

    Returns
    -------
    expected, spread : array, shape (probes,)

    Raises
    ------
    ZeemanError
        If a probe has no token, or the shapes do not fit.

    Examples
    --------
    >>> members = np.array([[True, True, True], [True, False, False]])
    >>> expected, spread = shuffled_means(np.array([0.0, 1.0, 2.0]), members)
    >>> expected.tolist(), spread.round(3).tolist()
    ([1.0, 1.0], [0.0, 0.816])
    """
    size = member_counts(members, len(values))
    spread: Array = np.sqrt(values.var(ddof=1) / size * (1 - size / len(values)))
    return np.full(len(size), float(values.mean())), spread


def member_counts(members: NDArray[np.bool_], tokens: int) -> Array:
    """Tokens of each probe.

    Parameters
    ----------
    members : array of bool, shape (probes, tokens)
    tokens : int
        How many there should be.

    Returns
    -------
    array, shape (probes,)

    Raises
    ------
    ZeemanError
        If a probe has no token, or the shape does not fit.

    Examples
    --------
    >>> member_counts(np.array([[True, False, True]]), 3).tolist()
    [2.0]
    """
    if members.ndim != 2 or members.shape[1] != tokens or not members.any(axis=1).all():
        raise ZeemanError(
            f"expected members (probes, {tokens} tokens) with a token in every probe, got {members.shape} with "
            f"{members.sum(axis=-1).tolist()} tokens; bring them into this shape."
        )
    counts: Array = members.sum(axis=1).astype(np.float64)
    return counts
