"""From draws of one inverse temperature to a colder one by importance weights, without a gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from zeeman.errors import ZeemanError
from zeeman.reading import Reading, Verdict
from zeeman.spectra.stretches import ONE_CHAIN, jackknife, stretch_edges

Array = NDArray[np.float64]

UNDERFLOW = 600.0
"""−log of a weight relative to the largest, beyond which a fit to the weights themselves fails."""

FEWEST_DRAWS = 25
"""A Pareto tail is fitted to a fifth of few draws, and needs five of them."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Importance weights of draws, and how far they can be trusted.

    Parameters
    ----------
    weights : array, shape (chains, draws)
        Positive, summing to 1.
    khat : float
        k̂, shape of the Pareto tail of the weights; −∞ for equal weights, ∞ where all but a few underflow, NaN for too
        few draws.
    effective_draws : float
        Kish's 1/Σw².
    verdict : Verdict
        ``REWEIGHTED_TOO_FAR`` beyond k̂ = min(1 − 1/log₁₀ S, 0.7) for S draws, or with fewer effective draws than
        stretches that the jackknife leaves out.
    reasons : tuple of str
    """

    weights: Array
    khat: float
    effective_draws: float
    verdict: Verdict
    reasons: tuple[str, ...] = ()


def importance_weights(energy: NDArray[np.floating], n_beta: float) -> Weights:
    """Weights w ∝ exp(−nβ ΔL) that carry unloaded draws, N(w*, 1/γ), to the local posterior at nβ.

    The largest weights are replaced by quantiles of a Pareto law fitted to them (Vehtari et al., arXiv 1507.02646),
    which bounds their variance, and whose shape k̂ says whether so many draws can stand for the posterior. In d
    directions of curvature h the draws run out at nβh/γ of order 1/√d.

    Parameters
    ----------
    energy : array, shape (chains, draws)
        ΔL = L(w) − L(w*) in nats of independent draws.
    n_beta : float
        nβ of the target; from loaded draws, how much colder it is than theirs.

    Returns
    -------
    Weights

    Raises
    ------
    ZeemanError
        If energies are not finite or of another shape, or nβ is negative.

    Examples
    --------
    >>> energy = np.random.default_rng(0).gamma(2.0, size=(4, 100))
    >>> importance_weights(energy, 0.5).verdict.name
    'OK'
    >>> importance_weights(energy * 1000, 50.0).verdict.name
    'REWEIGHTED_TOO_FAR'
    """
    energy = np.asarray(energy, np.float64)
    if energy.ndim != 2 or not np.isfinite(energy).all() or not n_beta >= 0:
        raise ZeemanError(
            f"expected finite energies (chains, draws) and n_beta ≥ 0, got shape {energy.shape} and n_beta {n_beta:g}; "
            "leave out chains that diverged."
        )
    exponent = n_beta * (energy - energy.min())
    if np.ptp(exponent) < 1e-12:
        return Weights(np.full(energy.shape, 1 / energy.size), -math.inf, float(energy.size), Verdict.OK)
    if energy.size < FEWEST_DRAWS:
        few = (f"k̂ needs {FEWEST_DRAWS} draws, got {energy.size}",)
        weights = np.exp(-exponent) / np.exp(-exponent).sum()
        return Weights(weights, math.nan, _kish(weights), Verdict.TOO_FEW_DRAWS, few)
    log_weights, khat = _smoothed(exponent)
    weights = np.exp(log_weights)
    found = _kish(weights)
    limit = min(1 - 1 / math.log10(energy.size), 0.7)
    stretches = len(energy) * (len(stretch_edges(energy.shape[1])) - 1)
    # With less than one draw a stretch the jackknife rests on a single one.
    if khat <= limit and found >= stretches:
        return Weights(weights, khat, found, Verdict.OK)
    reason = (
        f"Pareto k̂ {khat:.2f}, trusted up to {limit:.2f}; {found:.0f} effective draws of {energy.size}, "
        f"trusted from {stretches}"
    )
    return Weights(weights, khat, found, Verdict.REWEIGHTED_TOO_FAR, (reason,))


def _smoothed(exponent: Array) -> tuple[Array, float]:
    """Pareto-smoothed log weights, summing to 1, and k̂; plain ones and ∞ where the tail underflows."""
    import arviz_stats.base as stats

    if np.partition(exponent, exponent.size // 5, axis=None)[exponent.size // 5] > UNDERFLOW:
        return -exponent - float(logsumexp(-exponent)), math.inf
    # It takes log-likelihoods, of which importance weights are the inverse.
    log_weights, khat = stats.array_stats.psislw(exponent, axis=None)
    return np.asarray(log_weights, np.float64), float(khat)


def reweighted_llc(energy: NDArray[np.floating], n_beta: float) -> Reading:
    """Local learning coefficient λ̂ = nβ ⟨ΔL⟩ at nβ from unloaded draws.

    Parameters
    ----------
    energy : array, shape (chains, draws)
        ΔL = L(w) − L(w*) in nats of independent draws of N(w*, 1/γ).
    n_beta : float

    Returns
    -------
    Reading
        ``llc`` with a jackknife error over stretches of chains, NaN for one chain, and the weights' verdict. The error
        does not see what a tail without draws would add: k̂ does.

    Raises
    ------
    ZeemanError
        As for `importance_weights`.

    Examples
    --------
    For d quadratic directions of curvature h, λ̂ = (d/2) nβh/(nβh + γ):

    >>> w = np.random.default_rng(0).normal(size=(4, 500, 2))
    >>> reading = reweighted_llc((w**2).sum(axis=-1) / 2, 1.0)
    >>> bool(abs(reading.value - 0.5) < 3 * reading.standard_error), reading.verdict.name
    (True, 'OK')
    """
    found = importance_weights(energy, n_beta)
    weighted = np.stack([found.weights, found.weights * energy])
    # What is left may have no weight at all, where one draw has it all: then there is no error.
    with np.errstate(invalid="ignore"):
        mean, error = jackknife(weighted, lambda x: x[1].sum(keepdims=True) / x[0].sum())
    one_chain = len(energy) < 2
    return Reading(
        "llc",
        n_beta * float(mean[0]),
        math.nan if one_chain else n_beta * float(error[0]),
        found.verdict,
        found.reasons + (ONE_CHAIN,) * one_chain,
        coordinates={"n_beta": n_beta, "loading": "reweighted"},
        health={"khat": found.khat, "effective_draws": found.effective_draws},
    )


def _kish(weights: Array) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum())
