"""The health of a set of chains: figures and a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeeman.reading import Verdict

MAX_RHAT = 1.1
MIN_ESS = 15.0
MAX_DRIFT = 4.0
MAX_DISAGREEMENT = 8.0
MAX_BELOW = 0.2
MAX_HEATING = 1.0
MAX_RATIO = 3.0


@dataclass(frozen=True)
class Health:
    """Figures behind a verdict.

    Parameters
    ----------
    verdict : Verdict
    reasons : tuple of str
        The figures that decided, in words; empty when healthy.
    rhat : float
        Rank-normalized split R-hat over chains.
    ess : float
        Bulk effective sample size, all chains together.
    mcse : float
        Monte Carlo standard error of the mean.
    drift : float
        Last third minus first third of the draws, in standard errors (`drift`).
    below_reference : float
        Share of draws that lie below the loss of the reference point by more than two sigma of the minibatch.
    ratio : float
        Variance over mean of nβ ΔL with the variance of the minibatch removed; 1 for a Gamma law.
    heating : float
        Excess of the virial over 1: how much hotter the chains are than they should be, by step size and minibatch.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    rhat: float
    ess: float
    mcse: float
    drift: float
    below_reference: float
    ratio: float
    heating: float

    @property
    def figures(self) -> dict[str, float]:
        """The figures by name."""
        names = ("rhat", "ess", "mcse", "drift", "below_reference", "ratio", "heating")
        return {name: getattr(self, name) for name in names}


def judge(
    energy: NDArray[np.floating],
    *,
    noise_variance: float = 0.0,
    num_parameters: int | None = None,
    distance: NDArray[np.floating] | None = None,
    localization: float = 0.0,
    virial: NDArray[np.floating] | None = None,
) -> Health:
    """Judge chains by the energy nβ ΔL along them.

    Parameters
    ----------
    energy : array, shape (chains, draws)
        nβ(L_B(w) − L_B(w*)) after burn-in; NaN where a chain was lost.
    noise_variance : float
        Part of the variance of ``energy`` that comes from the minibatch, not from w.
    num_parameters : int or None
        d: no local minimum holds more than d/2 on average, so beyond d + 5 √d it is an explosion.
    distance : array or None
        ‖w − w*‖ at times along the chains; beyond 3 (√d + 1)/√γ a chain is not held by its localization.
    localization : float
        γ.
    virial : array, shape (chains, times), or None
        (w − w*)·∇U / d along the chains (`Block.virial`): 1 on average when sampled rightly, more for a heated chain.

    Returns
    -------
    Health

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> judge(rng.gamma(10.0, size=(4, 500)), num_parameters=20).verdict.name
    'OK'
    >>> judge(rng.gamma(10.0, size=(4, 500)) * np.array([[1], [1], [1], [3]])).verdict.name
    'NOT_MIXED'
    """
    heating = _heating(virial)
    reasons = _explosions(energy, noise_variance, num_parameters, distance, localization)
    if num_parameters and virial is not None and not reasons:
        reasons = _overheated(heating, num_parameters, virial.size)
    if reasons:
        return Health(Verdict.DIVERGED, reasons, *(math.nan,) * 6, heating)
    values = np.asarray(energy, np.float64)
    figures = _figures(values, noise_variance)
    verdict, reasons = _decide(figures)
    return Health(
        verdict,
        reasons,
        figures.rhat,
        figures.ess,
        figures.mcse,
        figures.drift,
        figures.below_reference,
        figures.ratio,
        heating,
    )


@dataclass(frozen=True)
class _Figures:
    rhat: float
    ess: float
    mcse: float
    drift: float
    below_reference: float
    ratio: float
    mean: float
    disagreement: float
    surely_ratio: float


def _figures(values: NDArray[np.float64], noise_variance: float) -> _Figures:
    mean = float(values.mean())
    variance = float(values.var(ddof=1)) if values.size > 1 else math.nan
    ess = effective_draws(values)
    mcse = math.sqrt(variance / max(ess, 1.0))
    signal = max(variance - noise_variance, 0.0)
    # What is left when chance is given its due: noise may add three of its errors to the variance, and the mean may
    # lie two of its own higher.
    sure_signal = signal - 3 * noise_variance * math.sqrt(2 / max(values.size - 1, 1))
    ceiling = mean + 2 * mcse
    return _Figures(
        rhat=_rhat(values),
        ess=ess,
        mcse=mcse,
        drift=drift(values),
        below_reference=float((values < -2 * math.sqrt(noise_variance)).mean()),
        ratio=signal / mean if mean else math.nan,
        mean=mean,
        disagreement=max(_disagreement(values), _disagreement(abs(values - np.median(values)))),
        surely_ratio=sure_signal / ceiling if ceiling > 0 else 0.0,
    )


def effective_draws(values: NDArray[np.floating]) -> float:
    """Effective sample size for the mean, all chains together.

    Parameters
    ----------
    values : array, shape (chains, draws)

    Returns
    -------
    float
        One a chain where chains are too short (under eight draws) to see their autocorrelation; 0 for a constant.

    Examples
    --------
    >>> 700 < effective_draws(np.random.default_rng(0).normal(size=(4, 250))) < 1300
    True
    """
    if values.shape[1] < 8:
        return float(len(values))
    if np.ptp(values) == 0:
        return 0.0
    import arviz_stats.base as stats

    return float(stats.array_stats.ess(np.asarray(values, np.float64), method="mean"))


def _rhat(values: NDArray[np.float64]) -> float:
    if len(values) < 2 or values.shape[1] < 8 or np.ptp(values) == 0:
        return math.nan
    import arviz_stats.base as stats

    return float(stats.array_stats.rhat(values))


def _disagreement(values: NDArray[np.float64]) -> float:
    """Variance of the chains' means over what their own autocorrelation explains (an F ratio, near 1 when mixed)."""
    if len(values) < 2 or values.shape[1] < 8:
        return 0.0
    within = values - values.mean(axis=1, keepdims=True)
    expected = float(within.var()) / max(effective_draws(within) / len(values), 1.0)
    found = float(values.mean(axis=1).var(ddof=1))
    return found / expected if expected > 0 else (math.inf if found > 0 else 0.0)


def _explosions(
    energy: NDArray[np.floating],
    noise_variance: float,
    num_parameters: int | None,
    distance: NDArray[np.floating] | None,
    localization: float,
) -> tuple[str, ...]:
    lost = int((~np.isfinite(energy)).any(axis=1).sum())
    if lost:
        return (f"{lost} of {len(energy)} chains left the finite numbers",)
    if num_parameters is None:
        return ()
    # A mean of d/2 with a spread of its root: what lies beyond is not chance even where few weights move.
    limit = num_parameters + 5 * math.sqrt(num_parameters) + 3 * math.sqrt(noise_variance)
    last = float(np.mean(energy[:, -max(1, energy.shape[1] // 4) :], axis=1).max())
    if last > limit:
        found = f"the energy nβ ΔL of a chain reached {last:.3g}"
        return (f"{found}, and a minimum of {num_parameters} weights holds half as many",)
    if distance is not None and localization > 0:
        reach = 3 * (math.sqrt(num_parameters) + 1) / math.sqrt(localization)
        if not np.isfinite(distance).all() or float(np.max(distance)) > reach:
            found = f"a chain is {np.max(distance):.3g} away from the checkpoint"
            return (f"{found}, and localization holds it within {reach:.3g}",)
    return ()


def _heating(virial: NDArray[np.floating] | None) -> float:
    """Excess of the virial over 1 in the later half of the times."""
    if virial is None or not np.isfinite(virial).all():
        return math.nan
    return float(virial[:, virial.shape[1] // 2 :].mean()) - 1


def _overheated(heating: float, num_parameters: int, count: int) -> tuple[str, ...]:
    # (w − w*)·∇U has a variance of 2d in a quadratic well.
    limit = MAX_HEATING + 5 * math.sqrt(2 / (num_parameters * max(count // 2, 1)))
    if heating > limit:
        return (f"the chains are {1 + heating:.3g} times as hot as they should be, far beyond what a stable lr gives",)
    return ()


def _decide(f: _Figures) -> tuple[Verdict, tuple[str, ...]]:
    rules = (
        (
            f.mean + 2 * f.mcse < 0 or f.below_reference > MAX_BELOW,
            Verdict.BELOW_REFERENCE,
            f"{f.below_reference:.0%} of the draws lie below the loss of the checkpoint, mean nβ ΔL is {f.mean:.3g}",
        ),
        (
            abs(f.drift) > MAX_DRIFT,
            Verdict.DRIFTING,
            f"the last third of the draws differs from the first by {f.drift:.1f} standard errors",
        ),
        (
            f.rhat > MAX_RHAT and f.disagreement > MAX_DISAGREEMENT,
            Verdict.NOT_MIXED,
            f"R-hat is {f.rhat:.3f}, above {MAX_RHAT}, and the chains' means vary {f.disagreement:.0f} times as much as"
            " each chain's own autocorrelation explains",
        ),
        (
            not f.ess >= MIN_ESS,
            Verdict.TOO_FEW_DRAWS,
            f"the draws are worth {f.ess:.0f} independent ones, fewer than {MIN_ESS:.0f}",
        ),
        (
            f.surely_ratio > MAX_RATIO,
            Verdict.TOO_ANHARMONIC,
            f"variance over mean of nβ ΔL is {f.ratio:.2f}, above {MAX_RATIO}",
        ),
    )
    failed = [(verdict, reason) for wrong, verdict, reason in rules if wrong]
    return (failed[0][0], tuple(reason for _, reason in failed)) if failed else (Verdict.OK, ())


def drift(values: NDArray[np.floating]) -> float:
    """Compare the first and the last third of chains, in standard errors.

    The error is that of the two means under the autocorrelation that is left about a straight line common to the
    chains and a level of each, so that a trend does not hide behind the spread that it makes itself.

    Parameters
    ----------
    values : array, shape (chains, draws)

    Returns
    -------
    float
        Difference of the means over its standard error; 0 for fewer than 24 draws a chain.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(3, 300))
    >>> bool(abs(drift(noise)) < 4), bool(drift(noise + np.arange(300) / 100) > 10)
    (True, True)
    """
    length = values.shape[1]
    third = length // 3
    if third < 8:
        return 0.0
    gap = float(values[:, -third:].mean() - values[:, :third].mean())
    time = np.arange(length) - (length - 1) / 2
    level = values - values.mean(axis=1, keepdims=True)
    left = level - time * float((level @ time).mean()) / float(time @ time)
    spread = math.sqrt(float(left.var()) * 6 / max(effective_draws(left), 1.0))
    return gap / spread if spread > 0 else 0.0
