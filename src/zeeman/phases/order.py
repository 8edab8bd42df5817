"""First or second order: what draws along a sweep of a control say together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from zeeman.errors import ZeemanError
from zeeman.phases.bimodality import FEWEST, UNIMODAL_BINDER, binder, dip, dip_p_value
from zeeman.phases.collapse import fit_collapse
from zeeman.sampling.statistics import disagreement, drift, effective_draws, rhat

Floats = NDArray[np.float64]
Kind = Literal["first", "second", "undetermined"]

LEVEL = 0.01
"""Chance below which a piece of evidence speaks for a first-order transition."""
AGREES = 0.05
"""Chance below which a piece of evidence speaks against one."""
MAX_RHAT = 1.1
MAX_DISAGREEMENT = 8.0
MAX_DRIFT = 4.0
"""Beyond these (`sampling.health`) the chains of one start have not settled, and their point takes no part."""
TWO_STATES = 0.45
"""Share of the variance of a mixture of two states that only first order shows: 1 where each state stays as it is, .55
where both move along the sweep as λ/n does; continuous changes reach .33 (a pitchfork swept over sixteen times n_c)."""
BETWEEN = 0.05
"""Least product of the weights that the two ends have in a point, for it to lie between them."""
CLOSE = 0.2
"""Share of the sweep's whole change within which two starts agree."""
CROSSES = 2.0
"""Standard deviations by which the mean must change along the sweep for it to cross anything."""
GOOD_COLLAPSE = 2.0
BELOW_ONE = 0.9
"""What y must be surely below: corrections to scaling move the 1 of a first-order transition by .03."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """Draws along a sweep of a control, of what is conjugate to it.

    Parameters
    ----------
    control : array, shape (points,)
        n or nβ, the amplitude t of a deformation, a field: rising.
    draws : array, shape (points, starts, chains, draws)
        X with ⟨X⟩ = ∂F/∂control, whose mean jumps at a transition of first order: n φ for n(K + t φ) swept in t. A
        coordinate will not do: below a transition of second order that breaks a symmetry it has two modes, which X does
        not tell apart. Starts are chains from either side; exact draws are one.
    size : float
        n of a sweep in t, larger for a sharper transition.
    in_n : bool
        Whether the control is n or nβ. The draws are then n L, which one minimum leaves as they are, in place of the L
        that is conjugate to n.

    Raises
    ------
    ZeemanError
        If the shapes do not fit, the control does not rise, or a draw is not finite.
    """

    control: Floats
    draws: Floats
    size: float = 1.0
    in_n: bool = False

    def __post_init__(self) -> None:
        shape = np.shape(self.draws)
        if len(shape) != 4 or shape[0] != len(self.control) or shape[0] < 3 or shape[2] < 2 or shape[3] < 2:
            raise ZeemanError(
                "a sweep needs draws of shape (points, starts, chains, draws) with three points, two chains and two "
                f"draws or more, got {shape} for {len(self.control)} points; add what is missing."
            )
        if not (np.diff(self.control) > 0).all() or not np.isfinite(self.draws).all():
            raise ZeemanError("a sweep needs a rising control and finite draws; sort it, and leave out lost chains.")

    @property
    def conjugate(self) -> Floats:
        """∂F/∂control of each draw."""
        return self.draws / self.control[:, None, None, None] if self.in_n else self.draws

    @property
    def settled(self) -> NDArray[np.bool_]:
        """Whether the chains of each point settled, those of each start for themselves; shape (points,)."""
        return np.array([all(_settled(chains) for chains in point) for point in self.draws])

    def kept(self) -> Sweep | None:
        """The sweep without the points that did not settle; None where less than three are left."""
        keep = self.settled
        return Sweep(self.control[keep], self.draws[keep], self.size, self.in_n) if keep.sum() >= 3 else None


def _settled(chains: Floats) -> bool:
    apart = disagreement(chains)
    return not (apart > MAX_DISAGREEMENT and rhat(chains) > MAX_RHAT) and abs(drift(chains)) <= MAX_DRIFT


@dataclass(frozen=True)
class Evidence:
    """One sign of the order of a transition.

    Parameters
    ----------
    name : str
    value, standard_error : float
    p_value : float
        Chance of a value as extreme under the other order; NaN for what is not a test.
    says : {"first", "second", "undetermined"}
    sentence : str
    """

    name: str
    value: float
    standard_error: float
    p_value: float
    says: Kind
    sentence: str


@dataclass(frozen=True)
class Order:
    """The order of a transition, by all evidence together.

    Parameters
    ----------
    order : {"first", "second", "undetermined"}
        ``second`` stands for every continuous change: a transition of second order, or a crossover.
    p_value : float
        Chance, at most, that a transition of the other order shows all the signs asked for; NaN if undetermined.
    evidence : tuple of Evidence
    reason : str
        What was missing, where it is undetermined.
    """

    order: Kind
    p_value: float
    evidence: tuple[Evidence, ...]
    reason: str = ""

    @property
    def sentence(self) -> str:
        """Say it in a few words."""
        if self.order == "undetermined":
            return f"order undetermined: {self.reason}"
        name = "first order" if self.order == "first" else "continuous (second order or a crossover)"
        return f"{name} (p {self.p_value:.2g})"


def bimodality(sweep: Sweep) -> Evidence:
    """Whether X has two modes at some point, by Hartigan's dip of independent draws, all starts alike.

    Chains are thinned by their effective number of draws; the least p over the points, times their number.
    """
    found = [_dip(point) for point in sweep.draws]
    value, chance = min(found, key=lambda pair: pair[1])
    p = min(1.0, chance * len(found))
    says: Kind = "first" if p < LEVEL else "undetermined"
    text = f"the dip of its draws from one mode is {value:.3f} (p {p:.2g})"
    return Evidence("bimodality", value, math.nan, p, says, text)


def _dip(point: Floats) -> tuple[float, float]:
    draws = np.concatenate(_thinned(point))
    if len(draws) < FEWEST:
        return math.nan, 1.0
    value = dip(draws)
    return value, dip_p_value(value, len(draws))


def _thinned(point: Floats) -> list[Floats]:
    """About as many draws of each start as are independent; as many of each."""
    wanted = min(effective_draws(chains) for chains in point)
    stride = max(1, round(point[0].size / max(wanted, 1.0)))
    return [chains[:, ::stride].ravel() for chains in point]


def two_peaks(sweep: Sweep) -> Evidence:
    """Binder's cumulant of X − ⟨X⟩ at its largest: no law of one mode exceeds .496, two equal peaks have 2/3."""
    value, error = _jackknife(sweep.draws, lambda draws: max(binder(point) for point in draws))
    p = _above(value, error, UNIMODAL_BINDER, sweep)
    says: Kind = "first" if p < LEVEL else "undetermined"
    return Evidence("Binder cumulant", value, error, p, says, f"its Binder cumulant reaches {value:.2f} ± {error:.2f}")


def heat_peak(sweep: Sweep) -> Evidence | None:
    """Variance of X at its peak, as a share of what a mixture of the states at the two ends would have.

    Two states a and b whose mean is m add (m − a)(b − m) to the variance that each has by itself, at the middle
    (n ΔL)²/4; here a, b are the means of the ends, and what each has by itself lies between their variances (by their
    geometric mean, weighted by place). It is that of equilibrium, so None where chains from either side differ at some
    point, or where no point lies between the ends.
    """
    apart = sweep.draws.shape[1] > 1 and _gaps(sweep)[2].min() < LEVEL
    shares = _share_of_mixture(sweep.conjugate)
    if apart or np.isnan(shares).all():
        return None
    at = int(np.nanargmax(shares))
    value, error = _jackknife(sweep.conjugate, lambda draws: float(_share_of_mixture(draws, 0.0)[at]))
    above, below = _above(value, error, TWO_STATES, sweep), _above(-value, error, -TWO_STATES, sweep)
    says: Kind = "first" if above < LEVEL else "second" if below < AGREES else "undetermined"
    text = f"its heat capacity reaches {value:.2f} ± {error:.2f} of that of two states"
    return Evidence("heat capacity", value, error, below if says == "second" else above, says, text)


def _share_of_mixture(draws: Floats, least: float = BETWEEN) -> Floats:
    """The share at each point; NaN where it does not lie between the ends."""
    flat = draws.reshape(len(draws), -1)
    mean, spread = flat.mean(axis=1), flat.var(axis=1)
    place = np.linspace(0, 1, len(flat))
    own = spread[0] ** (1 - place) * spread[-1] ** place
    mixed = (mean - mean[0]) * (mean[-1] - mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: Floats = np.where(mixed > least * (mean[-1] - mean[0]) ** 2, (spread - own) / mixed, math.nan)
    return shares


def _jackknife(draws: Floats, statistic: Callable[[Floats], float]) -> tuple[float, float]:
    """A statistic of draws of shape (points, chains, draws), and its error: leave out chain after chain."""
    chains = draws.reshape(len(draws), -1, draws.shape[-1])
    count = chains.shape[1]
    again = np.array([statistic(np.delete(chains, chain, axis=1)) for chain in range(count)])
    return statistic(chains), float(np.sqrt((count - 1) * again.var()))


def _above(value: float, error: float, bound: float, sweep: Sweep) -> float:
    """Chance of a value as far above a bound."""
    freedom = sweep.draws.shape[1] * sweep.draws.shape[2] - 1
    return float(student.sf((value - bound) / max(error, 1e-12), freedom))


def hysteresis(sweep: Sweep) -> Evidence | None:
    """Whether chains from either side differ: Welch's test of chain means, R-hat over all chains; None for one start.

    They agree if at every point the difference is surely less than `CLOSE` of the sweep's whole change. Chains that hop
    agree at a first-order transition too, so this alone is no sign of another.
    """
    if sweep.draws.shape[1] < 2:
        return None
    gap, error, p = _gaps(sweep)
    freedom, change = 2 * (sweep.draws.shape[2] - 1), np.ptp(sweep.conjugate.mean(axis=(1, 2, 3)))
    at = int(p.argmin()) if p.min() < 1 else int(abs(gap / error).argmax())
    close = float(student.cdf((abs(gap) - CLOSE * change) / error, freedom).max())
    says: Kind = "first" if p[at] < LEVEL else "second" if close < AGREES else "undetermined"
    text = f"chains from either side differ by {gap[at]:.3g} ± {error[at]:.2g} at most"
    return Evidence("hysteresis", float(gap[at]), float(error[at]), close if says == "second" else p[at], says, text)


def _gaps(sweep: Sweep) -> tuple[Floats, Floats, Floats]:
    """Difference of the last and the first start at each point, its error, and its p times the number of points."""
    means = sweep.conjugate.mean(axis=-1)[:, [0, -1]]
    chains = means.shape[2]
    gap = means[:, 1].mean(axis=1) - means[:, 0].mean(axis=1)
    error = np.maximum(np.sqrt((means.var(axis=2, ddof=1) / chains).sum(axis=1)), np.finfo(float).tiny)
    p = np.minimum(1.0, 2 * len(gap) * student.sf(abs(gap) / error, 2 * (chains - 1)))
    # Chains that are apart by chance of a few means, yet mix by ranks, are not held apart.
    p[[not rhat(point.reshape(-1, point.shape[-1])) > MAX_RHAT for point in sweep.draws]] = 1.0
    return gap, error, p


def scaling(sweeps: Sequence[Sweep], critical: float = 0.0) -> Evidence | None:
    """The exponent with which sweeps of several sizes collapse: 1 at first order, less at second; None for one size."""
    if len({sweep.size for sweep in sweeps}) < 2 or len({len(sweep.control) for sweep in sweeps}) > 1:
        return None
    control, mean = (np.stack(parts) for parts in zip(*((s.control, _mean(s)[0]) for s in sweeps), strict=True))
    found = fit_collapse(
        control, [s.size for s in sweeps], mean, np.stack([_mean(s)[1] for s in sweeps]), critical=critical
    )
    y, error = found.exponent, max(found.exponent_se, 1e-3)
    below, good = float(student.cdf((y - BELOW_ONE) / error, 10)), found.quality < GOOD_COLLAPSE
    says: Kind = "undetermined" if not good or AGREES < below < 1 - AGREES else "second" if below < 0.5 else "first"
    text = f"curves of {len(sweeps)} sizes collapse with y = {y:.2f} ± {error:.2f} (S {found.quality:.1f})"
    return Evidence("scaling", y, error, below if says == "second" else math.nan, says, text)


def _mean(sweep: Sweep) -> tuple[Floats, Floats]:
    """Mean of each point, and its error from the spread between chains."""
    means = sweep.draws.mean(axis=-1).reshape(len(sweep.draws), -1)
    spread = np.sqrt(sweep.draws.reshape(len(means), -1).var(axis=1) / sweep.draws[0].size)
    return means.mean(axis=1), np.maximum(means.std(axis=1, ddof=1) / math.sqrt(means.shape[1]), spread)


def judge_order(sweeps: Sweep | Sequence[Sweep], *, critical: float = 0.0) -> Order:
    """Tell the order of the transition that one sweep crosses, or sweeps of several sizes.

    First order: X has two modes at some point (dip), and either chains from both sides stay apart, or the heat
    capacity is that of two states; and no collapse with y < .9. Second order or crossover: the mean changes beyond the
    spread, chains do not stay apart, and two of these: the heat capacity is far below that of two states, the starts
    agree, the curves collapse with y < .9. Two modes are then allowed only under a collapse, which says that they do
    not grow sharper with n. All else is undetermined.

    Parameters
    ----------
    sweeps : Sweep or sequence of Sweep
        The largest size last.
    critical : float
        t_c of the collapse.

    Returns
    -------
    Order
        Its p_value is that of the weakest of the signs asked for: each must show, so that no correction is due.

    Examples
    --------
    >>> rng, weights = np.random.default_rng(0), np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    >>> state = rng.random((5, 1, 4, 60)) < weights[:, None, None, None]
    >>> judge_order(Sweep(np.arange(5.0), np.where(state, 8.0, 0.0) + rng.normal(size=state.shape))).order
    'first'
    """
    every = [sweeps] if isinstance(sweeps, Sweep) else list(sweeps)
    kept = [sweep.kept() for sweep in every]
    main = kept[-1]
    if main is None:
        count, points = int((~every[-1].settled).sum()), len(every[-1].control)
        reason = f"chains did not settle at {count} of {points} points; lengthen them"
        return Order("undetermined", math.nan, (), reason)
    scaled = scaling([s for s in kept if s], critical) if all(kept) else None
    found = [bimodality(main), two_peaks(main), heat_peak(main), hysteresis(main), scaled]
    return _verdict(main, {e.name: e for e in found if e})


def _verdict(sweep: Sweep, found: dict[str, Evidence]) -> Order:
    evidence = tuple(found.values())
    first = {name: e.p_value for name, e in found.items() if e.says == "first" and not math.isnan(e.p_value)}
    second = {name: e.p_value for name, e in found.items() if e.says == "second"}
    apart = [2 * first[name] for name in ("hysteresis", "heat capacity") if name in first]
    collapses = "scaling" in second
    if "bimodality" in first and apart and not collapses:
        return Order("first", max(first["bimodality"], min(1.0, *apart)), evidence)
    if "hysteresis" in first or (first and not collapses):
        reason = f"only {' and '.join(first)} {'speaks' if len(first) == 1 else 'speak'} for first order"
        return Order("undetermined", math.nan, evidence, reason)
    if not _crosses(sweep):
        return Order("undetermined", math.nan, evidence, "nothing changes along the sweep beyond its spread")
    if len(second) > 1:
        return Order("second", sorted(second.values())[1], evidence)
    return Order("undetermined", math.nan, evidence, "too few draws to tell a smooth change from a jump")


def _crosses(sweep: Sweep) -> bool:
    mean = _mean(sweep)[0]
    ends = sweep.draws[[0, -1]].reshape(2, -1).std(axis=1)
    return bool(np.ptp(mean) > CROSSES * ends.max())
