"""Susceptibility of components of a network to probes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.spectra.response import Susceptibility, respond


def susceptibility(
    phi: NDArray[np.floating], losses: NDArray[np.floating], losses_full: NDArray[np.floating]
) -> Susceptibility:
    """Estimate χ_xy = −Cov(φ_C, ℓ_xy − L) of one component (arXiv 2504.18274, 2601.12703).

    χ̂ = −{E_C[φ(ℓ_xy − L)] − E_C[φ] E_F[ℓ_xy − L]}, with E_C over draws in which the component alone moves and E_F over
    draws in which all weights do. It is the sum of the covariance term and the mean-shift term, which are given apart:
    the second is an outer product of components and probes and often far the larger. Standard errors by the jackknife,
    which leaves out a stretch of one chain at a time (`jackknife`); NaN for a single chain.

    Parameters
    ----------
    phi : array, shape (chains, draws)
        φ = L(w) − L(w*) on the data, in nats, when the component alone moves.
    losses : array, shape (probes, chains, draws)
        ℓ_xy(w) − ℓ_xy(w*) of each probe minus ``phi``, on the same draws.
    losses_full : array, shape (probes, chains', draws')
        The same when all weights move.

    Returns
    -------
    Susceptibility

    Raises
    ------
    ZeemanError
        If the shapes do not fit together.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> phi = rng.normal(size=(4, 5000))
    >>> chi = susceptibility(phi, -2 * phi[None] + rng.normal(size=(1, 4, 5000)), rng.normal(size=(1, 4, 100)))
    >>> bool(abs(chi.covariance[0] - 2) < 3 * chi.covariance_se[0])
    True
    """
    if phi.ndim != 2 or losses.shape[1:] != phi.shape or losses_full.shape[:1] != losses.shape[:1]:
        raise ZeemanError(
            "expected phi (chains, draws), losses (probes, chains, draws) and losses_full (probes, ...), "
            f"got {phi.shape}, {losses.shape} and {losses_full.shape}; bring them into these shapes."
        )
    relative = np.asarray(losses, np.float64) + np.asarray(phi, np.float64)
    return respond(phi, relative, np.zeros(losses_full.shape[1:]), losses_full)
