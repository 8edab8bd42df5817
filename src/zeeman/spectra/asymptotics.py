"""The learning coefficient and its multiplicity from the energies of a ladder, by a joint fit over all rungs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]

ONSET = 0.6
"""The fit begins on the rung where t⟨K⟩ has reached this share of its level on the coldest rungs, or later."""
STEPS = (1 / 16, 1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 1.0)
"""Candidates for the common step δ of the exponents of the corrections t^−δ, t^−2δ, …, likely as √δ."""
NUM_CORRECTIONS = 5
CORRECTION = 0.7
"""Prior size of the first correction at the onset, as a share of the level; each further one is so much smaller."""
LOG_SPREAD = 0.8
"""Prior spread of the logarithm of the scale a of the logarithm."""
SHORTEST_LOG = 4.0
HIGHER_LOG = 0.7
"""Prior size of what a polynomial of the logarithm adds to a plain power of it, where m is 3 or more."""
MULTIPLICITY_PRIOR = 0.3
"""Each further unit of multiplicity is so much as likely beforehand: of deep linear networks of random widths and rank
70 % have m = 1, 21 % have 2 and 8 % have 3 (Aoyagi 2024)."""
LARGEST_MULTIPLICITY = 12
"""What lies beyond has a prior of less than one in a million."""
MIN_RUNGS = 8
MOST_MISFIT = 2.0
"""Hot rungs are left out while χ² exceeds its mean by so many of its own standard deviations."""
LAGS = 16
"""Rungs further apart than this are taken as independent."""
STARTS, APART = 3, 2
"""The fit is made from so many first rungs, so far apart, and averaged: where it begins is a choice, not a fact."""
FINEST = 5e-4
"""The law is not believed more closely than to this share of the level on each rung."""


@dataclass(frozen=True, eq=False)
class Asymptotics:
    """What the fit found.

    Parameters
    ----------
    llc, llc_se : float
        λ averaged over everything else, with its posterior standard deviation.
    multiplicity : int
        The likeliest m.
    posterior : dict
        Probability of each m.
    misfit : float
        χ² a rung of the best fit; beyond about 2 the law does not describe the ladder.
    first_rung : int
        Where the fit begins.
    correction : float
        λ less t⟨K⟩ on the coldest rung: how far the ladder is from its limit.
    """

    llc: float
    llc_se: float
    multiplicity: int
    posterior: dict[int, float]
    misfit: float
    first_rung: int
    correction: float


@dataclass(frozen=True)
class _Fit:
    multiplicity: int
    llc: float
    variance: float
    log_evidence: float
    chi2: float


def fit_asymptotics(values: Floats, n_beta: Floats, max_multiplicity: int) -> Asymptotics:
    """Fit λ and m to t⟨K⟩ along a ladder.

    Where Z(t) ~ t^−λ P(log t) (1 + …) with P of degree m − 1,

        t⟨K⟩_t = λ − (m − 1)/(log(t/t₀) + a) + b/(log(t/t₀) + a)³ + Σ_j B_j t^{−jδ},

    with t₀ where half of the level is reached. The b term is there for m ≥ 3 alone, where P has more than one
    coefficient; the last sum stands for localization, walls and the next singularities. For given (m, a, δ) this is
    linear with Gaussian priors on b and B_j, so that evidence and posterior are exact; m, a and δ are summed over.
    The error of λ hence includes not knowing m, a, δ and the corrections. Hot rungs, where a coarser singularity may
    rule, are left out until the law describes the rest; fits from there on and from somewhat colder rungs are averaged
    by their precision, and what they differ by is part of the error.

    Parameters
    ----------
    values : array, shape (walkers, rungs)
        t K averaged over the draws of each independent walker.
    n_beta : array, shape (rungs,)
        t, ascending.
    max_multiplicity : int
        The number of weights bounds m; 12 are tried at most.

    Returns
    -------
    Asymptotics

    Raises
    ------
    ZeemanError
        If too few rungs lie past the onset, or too few walkers give no covariance.

    Examples
    --------
    >>> t = np.geomspace(1, 1e12, 24)
    >>> noise = 0.1 * np.random.default_rng(0).standard_normal((128, 24))
    >>> found = fit_asymptotics(0.5 - 1 / (np.log(t) + 4) + noise, t, 2)
    >>> found.multiplicity, bool(abs(found.llc - 0.5) < 3 * found.llc_se)
    (2, True)
    """
    walkers, rungs = values.shape
    if walkers < 8:
        raise ZeemanError(f"a fit over rungs needs at least 8 walkers for its covariance, got {walkers}; run more.")
    mean, covariance = mean_covariance(values)
    level = float(np.median(mean[-max(3, rungs // 6) :]))
    first = int(np.argmax(mean > ONSET * level))
    if level <= 0 or rungs - first < MIN_RUNGS:
        raise ZeemanError(
            f"only {rungs - first} rungs lie where t⟨K⟩ has levelled off, and a fit needs {MIN_RUNGS}; "
            "extend the ladder."
        )
    log_t = np.log(n_beta)
    place = np.asarray(log_t - _half_way(log_t, mean, level), np.float64)
    covariance = covariance + (FINEST * level) ** 2 * np.eye(rungs)

    def fits_from(start: int) -> list[_Fit]:
        precision = np.asarray(np.linalg.inv(covariance[start:, start:]), np.float64)
        return list(_fits(place[start:], mean[start:], precision, level, max_multiplicity))

    while True:
        fits, used = fits_from(first), rungs - first
        chi2 = max(fits, key=lambda fit: fit.log_evidence).chi2
        if chi2 < used + MOST_MISFIT * math.sqrt(2 * used) or used - 2 < max(MIN_RUNGS, rungs // 2):
            break
        first += 2
    later = range(first + APART, min(first + APART * STARTS, rungs - max(MIN_RUNGS, rungs // 2) + 1), APART)
    return _average([fits, *map(fits_from, later)], chi2 / used, first, float(mean[-1]))


def mean_covariance(values: Floats) -> tuple[Floats, Floats]:
    """Mean over walkers and its covariance, whose correlations depend on the distance of two rungs alone.

    Exchange ties neighbours together, much alike all along the ladder. Averaged along it the correlation at each
    distance is known well from few walkers, where a free matrix would be noise; a triangular window of 8 rungs keeps
    it positive.

    Parameters
    ----------
    values : array, shape (walkers, rungs)

    Examples
    --------
    >>> values = np.random.default_rng(0).standard_normal((200, 12))
    >>> bool(np.allclose(mean_covariance(values)[1] * 200, np.eye(12), atol=0.3))
    True
    """
    count, rungs = values.shape
    mean, deviation = values.mean(axis=0), values.std(axis=0, ddof=1)
    scaled = (values - mean) / np.where(deviation > 0, deviation, 1.0)
    sample = scaled.T @ scaled / (count - 1)
    correlation = np.eye(rungs)
    for lag in range(1, min(LAGS, rungs)):
        share = float(np.diagonal(sample, lag).mean()) * (1 - lag / LAGS)
        correlation += share * (np.eye(rungs, k=lag) + np.eye(rungs, k=-lag))
    roots, vectors = np.linalg.eigh(correlation)
    correlation = (vectors * np.maximum(roots, 0.01)) @ vectors.T
    return mean, correlation * np.outer(deviation, deviation) / count


def _half_way(log_t: Floats, mean: Floats, level: float) -> float:
    """Log t₀ where t⟨K⟩ passes half of its level."""
    above = int(np.argmax(mean > 0.5 * level))
    if above == 0:
        return float(log_t[0])
    return float(np.interp(0.5 * level, mean[above - 1 : above + 1], log_t[above - 1 : above + 1]))


def _fits(place: Floats, mean: Floats, precision: Floats, level: float, max_multiplicity: int) -> Iterator[_Fit]:
    for multiplicity in range(1, min(max_multiplicity, LARGEST_MULTIPLICITY) + 1):
        for scale, log_prior in _scales(multiplicity, level):
            for step in STEPS:
                prior = log_prior + 0.5 * math.log(step) + (multiplicity - 1) * math.log(MULTIPLICITY_PRIOR)
                yield _fit(place, mean, precision, level, multiplicity, scale, step, prior)


def _scales(multiplicity: int, level: float) -> list[tuple[float, float]]:
    """Values of a with the logarithm of their prior.

    The logarithm alone would halve t⟨K⟩ at t₀ if a were 2 (m − 1)/λ; other corrections help it there, so that a is
    about this or more.
    """
    if multiplicity == 1:
        return [(0.0, 0.0)]
    middle = max(SHORTEST_LOG, 2 * (multiplicity - 1) / level)
    z = np.linspace(-2, 2, 17)
    weight = -0.5 * z * z - np.logaddexp.reduce(-0.5 * z * z)
    return [(middle * math.exp(LOG_SPREAD * a), float(b)) for a, b in zip(z, weight, strict=True)]


def _fit(
    place: Floats, mean: Floats, precision: Floats, level: float,
    multiplicity: int, scale: float, step: float, log_prior: float,
) -> _Fit:  # fmt: skip
    """Bayesian linear regression with a flat prior on λ."""
    powers = step * np.arange(1, NUM_CORRECTIONS + 1)
    columns = [np.ones(len(place)), *np.exp(-np.multiply.outer(powers, place - place[0]))]
    spreads = [level * CORRECTION**j for j in range(1, NUM_CORRECTIONS + 1)]
    target = mean
    if multiplicity > 1:
        target = mean + (multiplicity - 1) / (place + scale)
    if multiplicity > 2:
        columns.append((place + scale) ** -3.0)
        spreads.append(HIGHER_LOG * scale**2 * (multiplicity - 1) / 2)
    design, prior = np.stack(columns, axis=1), np.diag([0.0, *np.asarray(spreads) ** -2.0])
    normal = design.T @ precision @ design + prior
    inverse = np.linalg.inv(normal)
    pulled = design.T @ precision @ target
    best = inverse @ pulled
    rest = target - design @ best  # as the difference of two large squares it would be lost in rounding
    chi2 = float(rest @ precision @ rest + best @ prior @ best)
    evidence = -0.5 * chi2 - 0.5 * float(np.linalg.slogdet(normal)[1]) - float(np.log(spreads).sum()) + log_prior
    return _Fit(multiplicity, float(best[0]), float(inverse[0, 0]), evidence, chi2)


def _average(starts: list[list[_Fit]], misfit: float, first: int, coldest: float) -> Asymptotics:
    """Posterior means, each first rung weighted by its precision."""
    evidence = np.array([[fit.log_evidence for fit in fits] for fits in starts])
    weight = np.exp(evidence - np.logaddexp.reduce(evidence, axis=1, keepdims=True))
    llc, variance = (np.array([[getattr(f, n) for f in fits] for fits in starts]) for n in ("llc", "variance"))
    means = (weight * llc).sum(axis=1, keepdims=True)
    precision = 1 / (weight * (variance + (llc - means) ** 2)).sum(axis=1, keepdims=True)
    weight *= precision / precision.sum()
    mean = float((weight * llc).sum())
    spread = math.sqrt(float((weight * (variance + (llc - mean) ** 2)).sum()))
    posterior: dict[int, float] = {}
    for fit, share in zip([fit for fits in starts for fit in fits], weight.ravel(), strict=True):
        posterior[fit.multiplicity] = posterior.get(fit.multiplicity, 0.0) + float(share)
    likeliest = max(posterior, key=lambda m: posterior[m])
    return Asymptotics(mean, spread, likeliest, posterior, misfit, first, mean - coldest)
