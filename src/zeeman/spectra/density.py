"""The density of states around a point: how much volume of weights lies below each loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from zeeman.errors import ZeemanError
from zeeman.spectra.tempering import Pool, free_energies, log_prior_weights, pool

Floats = NDArray[np.float64]

MAX_BLOCKS = 16
LOWEST = 0.02
"""Share of the draws of the coldest rung below the lowest loss at which a volume is counted."""
GRID_PER_UNIT = 4
"""Points of the grid of ε in a unit of log ε."""


@dataclass(frozen=True, eq=False)
class DensityOfStates:
    """V(ε) = vol{ΔL < ε} as a share of the prior, and what follows from it, with errors over independent walkers.

    Parameters
    ----------
    n_beta : array, shape (rungs,)
    energy, energy_se : array, shape (rungs,)
        t⟨ΔL⟩, the mean estimator of the learning coefficient at each rung.
    capacity, capacity_se : array, shape (rungs,)
        Heat capacity t² Var(ΔL), the variance estimator.
    log_z : array, shape (rungs,)
        Logarithm of Z(t) = ∫ exp(−tε) dV(ε) relative to the prior.
    log_z_covariance : array, shape (rungs, rungs)
    epsilon : array, shape (grid,)
        Losses, evenly spaced in log ε.
    log_volume : array, shape (grid,)
    log_volume_covariance : array, shape (grid, grid)
    exponent, exponent_se : array, shape (grid,)
        Running exponent λ(ε) = d log V / d log ε over one unit of log ε.
    """

    n_beta: Floats
    energy: Floats
    energy_se: Floats
    capacity: Floats
    capacity_se: Floats
    log_z: Floats
    log_z_covariance: Floats
    epsilon: Floats
    log_volume: Floats
    log_volume_covariance: Floats
    exponent: Floats
    exponent_se: Floats

    @property
    def log_volume_se(self) -> Floats:
        """Standard error of log V(ε)."""
        found: Floats = np.sqrt(np.diagonal(self.log_volume_covariance))
        return found


def density_of_states(energy: Floats, n_beta: Floats) -> DensityOfStates:
    """Join the rungs of a ladder into one density of states.

    Each draw gets the share of the prior that it stands for, p_n ∝ 1 / Σ_s N_s exp(f_s − t_s E_n), with f by the
    multistate Bennett acceptance ratio; V(ε) is the sum of p_n over E_n < ε. Volumes are relative to what the draws
    saw of the prior: absolute where the hottest rung is near free, up to a constant elsewhere. Errors are a jackknife
    over blocks of walkers.

    Parameters
    ----------
    energy : array, shape (rungs, walkers, draws)
        ΔL in nats at the draws.
    n_beta : array, shape (rungs,)
        t of the rungs, ascending.

    Returns
    -------
    DensityOfStates

    Raises
    ------
    ZeemanError
        For other shapes, fewer than two walkers, energies that are not finite, or rungs that do not overlap.

    Examples
    --------
    A ball in three dimensions: V(ε) ∝ ε^{3/2}.

    >>> t = np.geomspace(1, 1000, 8)
    >>> draws = np.random.default_rng(0).gamma(1.5, size=(8, 16, 200)) / t[:, None, None]
    >>> found = density_of_states(draws, t)
    >>> bool(np.all(np.abs(found.exponent - 1.5) < 5 * found.exponent_se + 0.02))
    True
    """
    _check(energy, n_beta)
    blocks = np.array_split(np.arange(energy.shape[1]), min(MAX_BLOCKS, energy.shape[1]))
    pooled, sizes = pool(energy), np.full(len(n_beta), float(energy[0].size))
    f = free_energies(pooled, n_beta, sizes)
    whole = log_prior_weights(pooled, n_beta, f, sizes)
    epsilon = _grid(pooled, whole, float(np.quantile(energy[-1], LOWEST)))
    found = _read(pooled, whole, n_beta, epsilon)
    left_out = []
    for block in blocks:
        rest = np.delete(energy, block, axis=1)
        part, count = pool(rest), np.full(len(n_beta), float(rest[0].size))
        weights = log_prior_weights(part, n_beta, free_energies(part, n_beta, count, f), count)
        left_out.append(_read(part, weights, n_beta, epsilon))
    log_z, log_volume, exponent = (
        (found[i], _jackknife(np.stack([values[i] for values in left_out]))) for i in range(3)
    )
    mean, mean_se = _over_walkers(n_beta[:, None] * energy.mean(axis=2))
    centered = (energy - energy.mean(axis=(1, 2), keepdims=True)) ** 2
    capacity, capacity_se = _over_walkers((n_beta**2)[:, None] * centered.mean(axis=2))
    return DensityOfStates(
        n_beta, mean, mean_se, capacity, capacity_se, *log_z, epsilon, *log_volume,
        exponent[0], np.sqrt(np.diagonal(exponent[1])),
    )  # fmt: skip


def _check(energy: Floats, n_beta: Floats) -> None:
    if energy.ndim != 3 or len(energy) != len(n_beta) or 0 in energy.shape:
        raise ZeemanError(
            f"expected energies of shape (rungs, walkers, draws) with {len(n_beta)} rungs, got {energy.shape}; "
            "give one value of n_beta for each rung."
        )
    if energy.shape[1] < 2:
        raise ZeemanError("one walker has no error bar: give at least 2 independent walkers or chains.")
    if not np.isfinite(energy).all():
        raise ZeemanError("some energies are not finite; leave out the chains that diverged.")


def _over_walkers(values: Floats) -> tuple[Floats, Floats]:
    """Mean over walkers with its standard error."""
    return values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])


def _grid(pooled: Pool, weights: Floats, lowest: float) -> Floats:
    """Losses from where the coldest rung still has draws below, up to the median of the prior."""
    order = np.argsort(pooled.energy)
    below = np.logaddexp.accumulate(weights[order])
    half = float(pooled.energy[order][min(int(np.searchsorted(below, math.log(0.5))), len(order) - 1)])
    if lowest <= 0:
        raise ZeemanError(
            "the coldest rung lies at or below a loss of 0, so a volume on a scale of log ε has no floor."
        )
    low = math.log(lowest) + 0.5
    found: Floats = np.exp(np.arange(low, max(math.log(half), low + 1), 1 / GRID_PER_UNIT))
    return found


def _read(pooled: Pool, weights: Floats, n_beta: Floats, epsilon: Floats) -> tuple[Floats, Floats, Floats]:
    """Log Z at the rungs, log V and λ on the grid."""
    log_z = logsumexp(weights[:, None] - np.multiply.outer(pooled.energy, n_beta), axis=0)
    order = np.argsort(pooled.energy)
    energy, below = pooled.energy[order], np.logaddexp.accumulate(weights[order])

    def log_volume(at: Floats) -> Floats:
        index = np.searchsorted(energy, at) - 1
        return np.where(index >= 0, below[np.maximum(index, 0)], -np.inf)

    half = np.exp(0.5)
    return log_z, log_volume(epsilon), log_volume(epsilon * half) - log_volume(epsilon / half)


def _jackknife(left_out: Floats) -> Floats:
    """Covariance of estimates from those that leave one block out."""
    gap = left_out - left_out.mean(axis=0)
    found: Floats = (len(left_out) - 1) / len(left_out) * gap.T @ gap
    return found
