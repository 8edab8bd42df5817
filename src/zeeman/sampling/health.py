"""The health of a set of chains: figures and a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from zeeman.reading import Verdict
from zeeman.sampling.statistics import disagreement, excess_heat, rhat, rise
from zeeman.sampling.statistics import drift as drift
from zeeman.sampling.statistics import effective_draws as effective_draws

# Chosen on one half of the labelled runs of benchmarks/health.py and measured on the other.
MAX_RHAT = 1.1  # with MAX_DISAGREEMENT: R-hat alone passes this by chance when chains are short
SURELY_RHAT = 1.25  # takes fewer than about four independent draws a chain, or chains apart
MAX_DISAGREEMENT = 8.0  # an F ratio that three or more well mixed chains exceed once in a thousand
MIN_ESS = 15.0  # an error bar that is itself good to a fifth
MAX_DRIFT = 4.0  # standard errors
MAX_SHIFT = 0.05  # of the mean: a smaller drift is of no account, however sure
MAX_BELOW = 0.05  # of the draws beyond what the minibatch explains: the share at which arXiv 2310.06301 drops a chain
MAX_HEATING = 0.05  # moves the reading by about as much (1 to 4 % on the demo's model at 0.02 to 0.05)
MAX_COOLING = 0.05  # as MAX_HEATING
MAX_EXPLOSION = 1.0  # twice as hot
MAX_RATIO = 3.0
MAX_OFFSET = 0.02  # of the energies; rounding makes 1e-6, another checkpoint 0.1 and more
MIN_SIGNAL = 3.0  # standard errors of the mean above 0
MIN_RATIO = 0.1  # the reading grows as n_beta^0.9: nearly all of it is curvature over localization


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
        Variance over mean of nβ ΔL with the variance of the minibatch removed; 1 for a Gamma law. At a fixed
        localization the mean grows as nβ to the power 1 − ratio.
    heating : float
        Excess of the virial over 1: how much hotter the chains are than they should be, by step size and minibatch;
        negative where they are colder.
    heating_se : float
        Its standard error.
    offset : float
        Losses at the reference point itself minus what is held for them, over the energies (root mean squares).
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    rhat: float = math.nan
    ess: float = math.nan
    mcse: float = math.nan
    drift: float = math.nan
    below_reference: float = math.nan
    ratio: float = math.nan
    heating: float = math.nan
    heating_se: float = math.nan
    offset: float = math.nan

    @property
    def figures(self) -> dict[str, float]:
        """The figures by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("verdict", "reasons")}


def judge(
    energy: NDArray[np.floating],
    *,
    noise_variance: float = 0.0,
    num_parameters: int | None = None,
    distance: NDArray[np.floating] | None = None,
    localization: float = 0.0,
    virial: NDArray[np.floating] | None = None,
    start: NDArray[np.floating] | None = None,
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
        (w − w*)·∇U / d along the chains (`Block.virial`): 1 on average when sampled rightly, more for a heated chain,
        less for one that is cold or has not spread yet. Of chains that feel the loss; needs ``num_parameters``.
    start : array, shape (chains, batch), or None
        nβ times the loss differences at the first step, where w = w*: 0 up to rounding, unless the reference is not
        of these weights and rows.

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
    heat = (math.nan, math.nan)
    if virial is not None and num_parameters and np.isfinite(virial).all():
        heat = excess_heat(virial, num_parameters)
    offset = _offset(energy, start)
    reasons = _explosions(energy, noise_variance, num_parameters, distance, localization, heat)
    lost = not np.isfinite(energy).all()
    if reasons and (lost or not offset > MAX_OFFSET):
        return Health(Verdict.DIVERGED, reasons, heating=heat[0], heating_se=heat[1], offset=offset)
    figures = _figures(np.asarray(energy, np.float64), noise_variance, heat, offset)
    failed = [(verdict, reason) for wrong, verdict, reason in _rules(figures) if wrong]
    return Health(
        failed[0][0] if failed else Verdict.OK,
        tuple(reason for _, reason in failed),
        **{f.name: getattr(figures, f.name) for f in fields(Health) if f.name not in ("verdict", "reasons")},
    )


@dataclass(frozen=True)
class _Figures:
    rhat: float
    ess: float
    mcse: float
    drift: float
    below_reference: float
    ratio: float
    heating: float
    heating_se: float
    offset: float
    mean: float
    disagreement: float
    surely_below: float
    surely_ratio: float
    possibly_ratio: float
    rise: float
    apart: float
    copies: bool


def _figures(values: NDArray[np.float64], noise_variance: float, heat: tuple[float, float], offset: float) -> _Figures:
    mean = float(values.mean())
    variance = float(values.var(ddof=1)) if values.size > 1 else math.nan
    ess = effective_draws(values)
    mcse = math.sqrt(variance / max(ess, 1.0))
    signal = max(variance - noise_variance, 0.0)
    # What is left when chance is given its due: noise may add three of its errors to the variance, and the mean may
    # lie two of its own higher.
    chance = 3 * noise_variance * math.sqrt(2 / max(values.size - 1, 1))
    ceiling = mean + 2 * mcse
    below = values < -2 * math.sqrt(noise_variance)
    # A chain that sits at the reference has 2.3 % of its draws there by the minibatch alone, and chance adds to that.
    due = (0.023 + 3 * math.sqrt(0.023 / max(ess, 1.0))) if noise_variance else 0.0
    return _Figures(
        rhat=rhat(values),
        ess=ess,
        mcse=mcse,
        drift=drift(values),
        below_reference=float(below.mean()),
        ratio=signal / mean if mean else math.nan,
        heating=heat[0],
        heating_se=heat[1],
        offset=offset,
        mean=mean,
        disagreement=max(disagreement(values), disagreement(abs(values - np.median(values)))),
        surely_below=float(below.mean()) - due,
        surely_ratio=(signal - chance) / ceiling if ceiling > 0 else 0.0,
        possibly_ratio=(signal + chance) / mean if mean > 0 else math.inf,
        rise=abs(rise(values)) / abs(mean) if mean else 0.0,
        apart=float(np.ptp(values.mean(axis=1))) / abs(mean) if mean else 0.0,
        copies=_copies(values),
    )


def _copies(values: NDArray[np.float64]) -> bool:
    """Whether two chains are one and the same."""
    return bool(np.ptp(values) > 0) and len(np.unique(values, axis=0)) < len(values)


def _offset(energy: NDArray[np.floating], start: NDArray[np.floating] | None) -> float:
    """Loss at the reference point minus what is held for it, over the energies; root mean squares."""
    if start is None or not (np.isfinite(start).all() and np.isfinite(energy).any()):
        return math.nan
    found = float(np.sqrt(np.square(start, dtype=np.float64).mean()))
    scale = float(np.sqrt(np.square(energy[np.isfinite(energy)], dtype=np.float64).mean()))
    return found / scale if scale > 0 else (math.inf if found > 0 else 0.0)


def _explosions(
    energy: NDArray[np.floating],
    noise_variance: float,
    num_parameters: int | None,
    distance: NDArray[np.floating] | None,
    localization: float,
    heat: tuple[float, float],
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
    if heat[0] > MAX_EXPLOSION + 5 * heat[1]:
        return (f"the chains are {1 + heat[0]:.3g} times as hot as they should be, far beyond what a stable lr gives",)
    return ()


def _rules(f: _Figures) -> tuple[tuple[bool, Verdict, str], ...]:
    """What is wrong, what it is called, and the figures; the first that holds is the verdict."""
    return (
        (
            f.offset > MAX_OFFSET,
            Verdict.WRONG_REFERENCE,
            f"at the checkpoint itself the losses differ from their reference by {f.offset:.2g} of the energies",
        ),
        (f.copies, Verdict.COPIED_CHAINS, "two chains hold the same energies, draw by draw"),
        (
            f.mean + 2 * f.mcse < 0 or f.surely_below > MAX_BELOW,
            Verdict.BELOW_REFERENCE,
            f"{f.below_reference:.0%} of the draws lie below the loss of the checkpoint, mean nβ ΔL is {f.mean:.3g}",
        ),
        (
            f.heating < -MAX_COOLING - 3 * f.heating_se,
            Verdict.TOO_COLD,
            f"the virial is {1 + f.heating:.3g} ± {f.heating_se:.2g} where a chain in equilibrium has 1",
        ),
        (
            f.heating > MAX_HEATING + 2 * f.heating_se,
            Verdict.HEATED,
            f"the virial is {1 + f.heating:.3g} ± {f.heating_se:.2g}, so the chains are hotter than they should be",
        ),
        (
            abs(f.drift) > MAX_DRIFT and f.rise > MAX_SHIFT,
            Verdict.DRIFTING,
            f"the last third of the draws differs from the first by {f.drift:.1f} standard errors",
        ),
        (
            f.rhat > SURELY_RHAT
            or (f.disagreement > MAX_DISAGREEMENT and (f.rhat > MAX_RHAT or f.apart > 2 * MAX_SHIFT)),
            Verdict.NOT_MIXED,
            f"R-hat is {f.rhat:.3f}, and the chains' means vary {f.disagreement:.0f} times as much as each chain's own"
            " autocorrelation explains",
        ),
        (
            not f.ess >= MIN_ESS,
            Verdict.TOO_FEW_DRAWS,
            f"the draws are worth {f.ess:.0f} independent ones, fewer than {MIN_ESS:.0f}",
        ),
        (
            f.mean < MIN_SIGNAL * f.mcse or f.possibly_ratio < MIN_RATIO,
            Verdict.NO_SIGNAL,
            f"mean nβ ΔL is {f.mean:.3g} ± {f.mcse:.2g} and its variance over mean {f.ratio:.2g}",
        ),
        (
            f.surely_ratio > MAX_RATIO,
            Verdict.TOO_ANHARMONIC,
            f"the variance of nβ ΔL is {f.ratio * f.mean:.3g}, more than {MAX_RATIO:g} times its mean of "
            f"{f.mean:.3g} ± {f.mcse:.2g}",
        ),
    )
