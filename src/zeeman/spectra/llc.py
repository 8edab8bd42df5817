"""The local learning coefficient from the energies of a chain."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.reading import Reading, Verdict
from zeeman.sampling import Health
from zeeman.sampling.health import effective_draws


def llc_mean(rows: NDArray[np.floating], n_beta: float, health: Health) -> Reading:
    """Read the local learning coefficient from the mean energy, λ̂ = nβ ⟨L(w) − L(w*)⟩.

    Lau et al. (arXiv 2308.12108). At finite nβ and γ it is the thermal mean of nβ ΔL, which falls short of λ where the
    multiplicity exceeds 1. The standard error is the larger of the Monte Carlo one and the one between chains.

    Parameters
    ----------
    rows : array, shape (chains, draws, batch)
        Loss of each row of the minibatch minus its loss at the reference point, in nats; burn-in removed.
    n_beta : float
    health : Health
        Verdict on nβ times the row means of these draws.

    Returns
    -------
    Reading
        ``llc``; NaN where the chains diverged.

    Raises
    ------
    ZeemanError
        If ``rows`` has another shape.

    Examples
    --------
    >>> from zeeman.sampling import judge
    >>> energy = np.random.default_rng(0).gamma(10.0, size=(4, 500, 1))
    >>> reading = llc_mean(energy / 50, 50.0, judge(energy[..., 0]))
    >>> bool(abs(reading.value - 10) < 3 * reading.standard_error)
    True
    """
    energy = n_beta * batch_means(rows)
    if health.verdict is Verdict.DIVERGED:
        return Reading("llc", math.nan, math.nan, health.verdict, health.reasons)
    between = float(energy.mean(axis=1).std(ddof=1)) / math.sqrt(len(energy)) if len(energy) > 1 else 0.0
    return Reading("llc", float(energy.mean()), max(health.mcse, between), health.verdict, health.reasons)


def llc_variance(rows: NDArray[np.floating], n_beta: float, health: Health, *, num_rows: int | None = None) -> Reading:
    """Read the local learning coefficient from the spread of the energy, λ̂ = (nβ)² Var_w L(w).

    The minibatch adds a variance of its own, which is estimated from the spread of the rows and subtracted:
    Var_w L_B − E_w Var_B(L_B | w). Needs no loss at the reference point. The standard error is the larger of the Monte
    Carlo one and the one between chains, of squared deviations.

    Parameters
    ----------
    rows : array, shape (chains, draws, batch)
        As for `llc_mean`.
    n_beta : float
    health : Health
    num_rows : int or None
        Rows of the whole data; minibatches without replacement vary less by 1 − batch/num_rows. None: infinitely many.

    Returns
    -------
    Reading
        ``llc_variance``; NaN where the chains diverged.

    Raises
    ------
    ZeemanError
        If ``rows`` has another shape.

    Examples
    --------
    >>> from zeeman.sampling import judge
    >>> energy = np.random.default_rng(0).gamma(10.0, size=(4, 500, 1))
    >>> reading = llc_variance(energy / 50, 50.0, judge(energy[..., 0]))
    >>> bool(abs(reading.value - 10) < 3 * reading.standard_error)
    True
    """
    means = n_beta * batch_means(rows)
    if health.verdict is Verdict.DIVERGED:
        return Reading("llc_variance", math.nan, math.nan, health.verdict, health.reasons)
    squares = (means - means.mean()) ** 2
    # The pooled mean follows the draws, and takes its own variance out of their spread.
    value = float(squares.mean()) + health.mcse**2 - minibatch_variance(rows, n_beta, num_rows=num_rows)
    return Reading("llc_variance", value, _error_of_mean(squares), health.verdict, health.reasons)


def _error_of_mean(values: NDArray[np.float64]) -> float:
    """Give the larger of the Monte Carlo error and the one between chains."""
    monte_carlo = float(values.std()) / math.sqrt(max(effective_draws(values), 1.0))
    between = float(values.mean(axis=1).std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return max(monte_carlo, between)


def batch_means(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Loss difference of each minibatch, shape (chains, draws)."""
    if rows.ndim != 3 or 0 in rows.shape:
        raise ZeemanError(f"expected losses of shape (chains, draws, batch), got {rows.shape}; add the missing axes.")
    means: NDArray[np.float64] = np.asarray(rows, np.float64).mean(axis=2)
    return means


def minibatch_variance(rows: NDArray[np.floating], n_beta: float, *, num_rows: int | None = None) -> float:
    """Variance of nβ ΔL_B that comes from which rows the minibatch holds, E_w Var_B(nβ L_B | w)."""
    batch: int = rows.shape[2]
    if batch < 2 or batch == num_rows:
        return 0.0
    correction = 1.0 if num_rows is None else 1 - batch / num_rows
    spread = float(np.asarray(rows, np.float64).var(axis=2, ddof=1).mean())
    return n_beta * n_beta * correction * spread / batch
