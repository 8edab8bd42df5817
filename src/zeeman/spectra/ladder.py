"""The learning coefficient from a ladder, with its multiplicity and a verdict on the walkers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from zeeman.errors import ZeemanError
from zeeman.reading import Reading, Verdict
from zeeman.sampling import LadderDraws
from zeeman.spectra.asymptotics import Asymptotics, fit_asymptotics, mean_covariance

Floats = NDArray[np.float64]

DOUBT = 1e-4
"""Two sets of walkers that differ with less than this probability have not mixed."""
SHIFTED = 1e-3
"""The same for the mean over the rungs of the fit, one number a walker, which sees small differences of one sign."""
MAX_MISFIT = 2.5
MAX_CORRECTION = 0.4
MIN_SWAPS = 0.05
FLOOR = 30.0
"""A lowest K of more than so many λ/t is no zero that walkers have not come near, but a minimum above 0."""


def llc_ladder(draws: LadderDraws, max_multiplicity: int) -> Reading:
    """Read λ and m from the draws of a ladder (`fit_asymptotics`).

    Parameters
    ----------
    draws : LadderDraws
    max_multiplicity : int
        The number of weights.

    Returns
    -------
    Reading
        ``llc`` with ``multiplicity`` and ``multiplicity_posterior`` among its coordinates. Its value is NaN where the
        rungs that can be trusted are too few for a fit.

    Examples
    --------
    >>> import torch
    >>> from zeeman.sampling import Ladder, run_ladder
    >>> quick = Ladder(num_walkers=32, num_draws=100, num_burnin_steps=200, n_beta=tuple(4.0**k for k in range(16)))
    >>> draws = run_ladder(lambda w: (w**2).sum(-1), torch.zeros(1), quick, domain=1.0)
    >>> reading = llc_ladder(draws, 1)
    >>> bool(abs(reading.value - 0.5) < 4 * reading.standard_error), reading.verdict.name
    (True, 'OK')
    """
    values = draws.level.mean(axis=0)
    health = {
        "rungs": float(len(draws.n_beta)),
        "stale_rungs": float(draws.stale),
        "imprecise_rungs": float(draws.imprecise),
        "coldest_n_beta": float(draws.n_beta[-1]) if len(draws.n_beta) else math.nan,
        "swaps": float(draws.swaps.min()) if len(draws.swaps) else math.nan,
    }
    try:
        found = fit_asymptotics(values, draws.n_beta, max_multiplicity)
    except ZeemanError as error:
        verdict = Verdict.BEYOND_PRECISION if draws.imprecise else Verdict.NOT_MIXED
        return Reading("llc", math.nan, math.nan, verdict, (str(error), *_dropped(draws)), health=health)
    failed = _doubts(draws, values, found)
    return Reading(
        "llc",
        found.llc,
        found.llc_se,
        failed[0][0] if failed else Verdict.OK,
        tuple(reason for _, reason in failed),
        coordinates={"multiplicity": found.multiplicity, "multiplicity_posterior": found.posterior},
        health=health | {"misfit": found.misfit, "correction": found.correction},
    )


def _dropped(draws: LadderDraws) -> list[str]:
    reasons = []
    if draws.imprecise:
        reasons.append(f"{draws.imprecise} rungs are colder than the rounding of weights and K allows")
    if draws.stale:
        reasons.append(f"{draws.stale} rungs were not reached by enough walkers from the hot end")
    return reasons


def _doubts(draws: LadderDraws, values: Floats, found: Asymptotics) -> list[tuple[Verdict, str]]:
    half, (early, late) = len(values) // 2, draws.level
    settled = _chance(late - early)
    agree = _chance_between(values[:half], values[half:])
    level = (values / values.mean(axis=0))[:, found.first_rung :].mean(axis=1)
    shifted = float(stats.ttest_ind(level[:half], level[half:], equal_var=False).pvalue)
    depth = draws.lowest * float(draws.n_beta[-1])
    rules = (
        (draws.lowest < -1e-12, Verdict.BELOW_REFERENCE, f"K falls to {draws.lowest:.3g}, below its value 0 at w*"),
        (
            depth > FLOOR * max(found.llc, 1.0),
            Verdict.BELOW_REFERENCE,
            f"the lowest K that was met is {draws.lowest:.3g}, not 0",
        ),
        (settled < DOUBT, Verdict.DRIFTING, f"the second half of the draws differs from the first (p = {settled:.1g})"),
        (
            agree < DOUBT,
            Verdict.NOT_MIXED,
            f"walkers that began at w* and walkers that began anywhere differ (p = {agree:.1g})",
        ),
        (
            shifted < SHIFTED,
            Verdict.NOT_MIXED,
            f"walkers that began anywhere read {level[:half].mean() / level[half:].mean() - 1:+.1%} against those that "
            f"began at w*, all along the ladder (p = {shifted:.1g})",
        ),
        (
            bool(draws.swaps.min() < MIN_SWAPS),
            Verdict.NOT_MIXED,
            f"two neighbouring rungs swap in {draws.swaps.min():.1%} of cases, fewer than {MIN_SWAPS:.0%}",
        ),
        (
            found.misfit > MAX_MISFIT,
            Verdict.TOO_ANHARMONIC,
            f"no power law with a logarithm describes t⟨K⟩ along the ladder (χ² {found.misfit:.1f} a rung)",
        ),
        (
            abs(found.correction) > MAX_CORRECTION * abs(found.llc),
            Verdict.TOO_ANHARMONIC,
            f"the coldest rung is still {found.correction:+.2g} from the limit λ",
        ),
    )
    return [(verdict, reason) for wrong, verdict, reason in rules if wrong]


def _chance(gaps: Floats) -> float:
    """Probability of paired gaps (walkers, rungs) as large as these when their true mean is 0."""
    mean, covariance = mean_covariance(gaps)
    return _tail(float(mean @ np.linalg.solve(covariance, mean)), len(mean), len(gaps))


def _chance_between(a: Floats, b: Floats) -> float:
    """Probability of a difference of two groups of walkers as large as this when their true means agree."""
    (mean_a, covariance_a), (mean_b, covariance_b) = mean_covariance(a), mean_covariance(b)
    gap = mean_a - mean_b
    distance = float(gap @ np.linalg.solve(covariance_a + covariance_b, gap))
    return _tail(distance, len(gap), len(a))


def _tail(distance: float, rungs: int, walkers: int) -> float:
    """Tail of Hotelling's law, as far as the shrunk covariance follows it."""
    if walkers <= rungs + 1:
        return float(stats.chi2.sf(distance * max((walkers - 2) / (walkers + rungs), 0.1), rungs))
    scale = (walkers - rungs) / (rungs * (walkers - 1))
    return float(stats.f.sf(distance * scale, rungs, walkers - rungs))
