"""Join the rungs of a ladder: free energies by the multistate Bennett acceptance ratio, in log-sum-exp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]

TOLERANCE = 1e-8
NEAR = 0.5
"""Share by which the counts of a rung may be wrong for Newton's steps to be used."""
MAX_ROUNDS = 300
APART = 1e-7
BINS_PER_UNIT = 50
"""Bins of log E; their width of 2 % of an energy is far below what a rung resolves."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Energies of all rungs together, each with a weight.

    Parameters
    ----------
    energy : array, shape (samples,)
    log_count : array, shape (samples,)
        Logarithm of how many draws stand at this energy.
    """

    energy: Floats
    log_count: Floats


def pool(energy: Floats) -> Pool:
    """Gather energies of any shape; where there are very many, those within 2 % of each other stand together.

    Examples
    --------
    >>> pool(np.array([[1.0, 2.0]])).energy
    array([1., 2.])
    """
    flat = np.sort(energy, axis=None)
    if flat.size <= 20_000 or flat[0] < 0:
        return Pool(flat, np.zeros(flat.size))
    positive = np.maximum(flat, np.finfo(float).tiny)
    place = np.floor(np.log(positive) * BINS_PER_UNIT).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(place) > 0])
    count = np.diff(np.r_[starts, flat.size])
    return Pool(np.add.reduceat(flat, starts) / count, np.log(count))


def free_energies(pooled: Pool, n_beta: Floats, sizes: Floats, start: Floats | None = None) -> Floats:
    """Solve the multistate Bennett acceptance ratio for f_r = −log Z(t_r), up to a constant (f_1 = 0).

    Z_r = Σ_n exp(−t_r E_n) / Σ_s N_s exp(f_s − t_s E_n), by fixed-point rounds, and by Newton's when near (Shirts
    and Chodera 2008, equations 11 and C7).

    Parameters
    ----------
    pooled : Pool
    n_beta : array, shape (rungs,)
    sizes : array, shape (rungs,)
        Draws of each rung.
    start : array or None
        First guess.

    Returns
    -------
    array, shape (rungs,)

    Raises
    ------
    ZeemanError
        If the rungs do not overlap, so that nothing joins them.

    Examples
    --------
    For E ~ Gamma(λ)/t, Z ~ t^−λ:

    >>> t, rng = np.array([1.0, 2.0, 4.0]), np.random.default_rng(0)
    >>> f = free_energies(pool(rng.gamma(1.5, size=(3, 4000)) / t[:, None]), t, np.full(3, 4000.0))
    >>> bool(np.allclose(f, 1.5 * np.log(t), atol=0.05))
    True
    """
    log_size = np.log(sizes)
    exponent = -np.multiply.outer(pooled.energy, n_beta)
    f: Floats = np.zeros(len(n_beta)) if start is None else start.copy()
    for _ in range(MAX_ROUNDS):
        log_weight = _log_weights(exponent, f, log_size, pooled.log_count)
        share = np.exp(log_weight + log_size)
        total = share.sum(axis=0)
        gradient = total - sizes
        if np.abs(gradient / sizes).max() < TOLERANCE:
            break
        f = _improve(f, share, total, gradient, sizes)
    # The rungs hang together as the states of a Markov chain do whose transitions are their overlaps.
    gap = np.sort(np.linalg.eigvals(_curvature(share, total) / total[:, None]).real)[min(1, len(f) - 1)]
    if np.abs(gradient / sizes).max() > 1e-3 or (len(f) > 1 and gap < APART):
        raise ZeemanError(
            "the rungs of the ladder do not overlap, so nothing joins them; put the values of n_beta closer."
        )
    relative: Floats = f - f[0]
    return relative


def _improve(f: Floats, share: Floats, total: Floats, gradient: Floats, sizes: Floats) -> Floats:
    """Take a fixed-point step far from the solution and a Newton step near it; the problem is convex."""
    if np.abs(gradient / sizes).max() > NEAR:
        return np.asarray(f - np.log(total / sizes), np.float64)
    hessian = _curvature(share, total)
    step = np.zeros(len(f))
    step[1:] = np.linalg.lstsq(hessian[1:, 1:], -gradient[1:], rcond=None)[0]
    return f + step * min(1.0, 1 / float(np.abs(step).max() + 1e-300))


def _curvature(share: Floats, total: Floats) -> Floats:
    """Second derivatives of the convex function that f minimizes."""
    overlap = share.T @ (share / np.maximum(share.sum(axis=1, keepdims=True), 1e-300))
    return np.asarray(np.diag(total) - overlap, np.float64)


def _log_weights(exponent: Floats, f: Floats, log_size: Floats, log_count: Floats) -> Floats:
    """Logarithm of the weight of each sample on each rung; on the right f it sums to 1 over samples."""
    mixture = logsumexp(exponent + (f + log_size), axis=1)
    found: Floats = exponent + f - mixture[:, None] + log_count[:, None]
    return found


def log_prior_weights(pooled: Pool, n_beta: Floats, f: Floats, sizes: Floats) -> Floats:
    """Logarithm of the share of the prior (t = 0) that each sample stands for; they sum to 1.

    Examples
    --------
    >>> t, rng = np.array([1.0, 2.0, 4.0]), np.random.default_rng(0)
    >>> pooled = pool(rng.gamma(1.5, size=(3, 4000)) / t[:, None])
    >>> w = log_prior_weights(pooled, t, free_energies(pooled, t, np.full(3, 4000.0)), np.full(3, 4000.0))
    >>> bool(np.isclose(np.exp(w).sum(), 1))
    True
    """
    exponent = -np.multiply.outer(pooled.energy, n_beta)
    weights: Floats = pooled.log_count - logsumexp(exponent + (f + np.log(sizes)), axis=1)
    found: Floats = weights - float(logsumexp(weights))
    return found
