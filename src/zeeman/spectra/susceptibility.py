"""Susceptibility of components of a network to probes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError

Array = NDArray[np.float64]
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Susceptibility:
    """Susceptibility of one component to each probe, with both its terms and standard errors, shape (probes,).

    Parameters
    ----------
    covariance, covariance_se : array
        −Cov_C(φ, ℓ_xy − L), in nats squared.
    shift, shift_se : array
        −E_C[φ](E_C − E_F)[ℓ_xy − L], in nats squared.
    rho, rho_se : array
        The covariance term over the standard deviations of its two factors, in [−1, 1].
    null, null_se : array
        ρ between draws of different chains, whose true value is 0.
    """

    covariance: Array
    covariance_se: Array
    shift: Array
    shift_se: Array
    rho: Array
    rho_se: Array
    null: Array
    null_se: Array

    @property
    def total(self) -> Array:
        """χ, the sum of the covariance and the mean-shift term."""
        return self.covariance + self.shift


def susceptibility(
    phi: NDArray[np.floating], losses: NDArray[np.floating], losses_full: NDArray[np.floating]
) -> Susceptibility:
    """Estimate χ_xy = −Cov(φ_C, ℓ_xy − L) of one component (arXiv 2504.18274, 2601.12703).

    χ̂ = −{E_C[φ(ℓ_xy − L)] − E_C[φ] E_F[ℓ_xy − L]}, with E_C over draws in which the component alone moves and E_F over
    draws in which all weights do. It is the sum of the covariance term and the mean-shift term, which are given apart:
    the second is an outer product of components and probes and often far the larger. Standard errors by the jackknife,
    which leaves out a stretch of one chain at a time (`jackknife`).

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
    drawn = np.concatenate([phi[None], losses]).astype(np.float64)
    full = losses_full.astype(np.float64).mean(axis=(1, 2))
    full_se = _standard_error_of_mean(losses_full.astype(np.float64))
    covariance, covariance_se = jackknife(drawn, _covariance)
    shift, shift_se = jackknife(drawn, lambda draws: -draws[0].mean() * (draws[1:].mean(axis=-1) - full))
    rho, rho_se = jackknife(drawn, _rho)
    null, null_se = jackknife(_across_chains(drawn), _rho)
    shift_se = np.hypot(shift_se, abs(drawn[0].mean()) * full_se)
    return Susceptibility(covariance, covariance_se, shift, shift_se, rho, rho_se, null, null_se)


def _covariance(draws: Array) -> Array:
    phi, rest = draws[0] - draws[0].mean(), draws[1:]
    n = draws.shape[-1]
    result: Array = -(rest - rest.mean(axis=-1, keepdims=True)) @ phi / (n - 1)
    return result


def _rho(draws: Array) -> Array:
    spread = draws.std(axis=-1, ddof=1)
    scale = spread[0] * spread[1:]
    result: Array = np.divide(_covariance(draws), scale, out=np.zeros_like(scale), where=scale > 0)
    return result


def _across_chains(drawn: Array) -> Array:
    """Pair φ of one chain with the losses of the next: the same marginals, and no covariance."""
    if drawn.shape[1] < 2:
        return np.concatenate([drawn[:1], np.roll(drawn[1:], drawn.shape[2] // 2, axis=2)])
    return np.concatenate([drawn[:1], np.roll(drawn[1:], 1, axis=1)])


def jackknife(draws: Array, statistic: Statistic, blocks_per_chain: int = 5) -> tuple[Array, Array]:
    """Estimate a statistic of pooled draws with its standard error, leaving out one stretch of a chain at a time.

    Parameters
    ----------
    draws : array, shape (quantities, chains, draws)
    statistic : callable
        Maps (quantities, pooled draws) to an array.
    blocks_per_chain : int
        Stretches a chain is cut into; longer than the autocorrelation, so that they are nearly independent.

    Returns
    -------
    value, standard_error : array

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal(size=(1, 4, 1000))
    >>> mean, error = jackknife(draws, lambda x: x.mean(axis=-1))
    >>> bool(0.5 < error[0] * 4000**0.5 < 2)
    True
    """
    quantities, chains, length = draws.shape
    n = min(blocks_per_chain, length)
    label = (np.arange(length) * n // length + n * np.arange(chains)[:, None]).ravel()
    pooled = draws.reshape(quantities, -1)
    parts = np.unique(label)
    kept = np.stack([statistic(pooled[:, label != part]) for part in parts])
    return statistic(pooled), np.sqrt((len(parts) - 1) * kept.var(axis=0))


def _standard_error_of_mean(values: Array) -> Array:
    return jackknife(values, lambda x: x.mean(axis=-1))[1]
