"""What tilting the data does to an observable: to first order, and exactly by weights of the same draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.reading import Verdict
from zeeman.spectra.patterning import Pattern, pattern
from zeeman.spectra.response import ResponseSums
from zeeman.spectra.reweighting import Weights, importance_weights
from zeeman.spectra.stretches import jackknife_error, stretch_edges

Array = NDArray[np.float64]

FRACTIONS = tuple(2.0**-i for i in range(11))
"""Parts of a mixture that are tried, the whole first."""


@dataclass(frozen=True, eq=False)
class TiltedDraws:
    """An observable along chains, and how a tilt towards each probe changes the loss at the same draws.

    Parameters
    ----------
    phi : array, shape (chains, draws)
        The observable φ.
    tilts : array, shape (probes, chains, draws)
        ℓ_k − L in nats, up to a constant each.

    Raises
    ------
    ZeemanError
        If the shapes do not fit together, a figure is not finite or there is but one chain.
    """

    phi: Array
    tilts: Array

    def __post_init__(self) -> None:
        """Check the shapes."""
        if self.phi.ndim != 2 or len(self.phi) < 2 or self.tilts.shape[1:] != self.phi.shape:
            raise ZeemanError(
                "expected phi (at least 2 chains, draws) and tilts (probes, chains, draws), got "
                f"{self.phi.shape} and {self.tilts.shape}; bring them into these shapes."
            )
        if not np.isfinite(self.phi).all() or not np.isfinite(self.tilts).all():
            raise ZeemanError("expected finite phi and tilts, got others; leave out chains that diverged.")

    def response(self) -> tuple[Array, Array]:
        """χ_k = −Cov(φ, ℓ_k − L), and the same with each stretch of the chains left out, (stretches, probes)."""
        sums = ResponseSums(len(self.tilts), self.phi)
        # The sums take φ off the losses, as it suits components.
        sums.add(self.tilts + self.phi)
        return sums.respond().covariance, sums.leave_one_out()

    def weights(self, dh: Array, n_beta: float) -> Weights:
        """Weights that carry the draws to the posterior on the tilted data, ∝ exp(−nβ Σ_k dh_k (ℓ_k − L))."""
        return importance_weights(np.tensordot(dh, self.tilts, 1), n_beta)

    def shuffled(self, shift: int) -> TiltedDraws:
        """Pair the tilts with the observable of another chain, which knows nothing of them."""
        return TiltedDraws(np.roll(self.phi, shift, axis=0), self.tilts)


@dataclass(frozen=True, eq=False)
class Change:
    """Change of an observable's mean under a tilt, by the linear law and by weights.

    Parameters
    ----------
    linear, linear_se, reweighted, reweighted_se : float
        In units of the observable.
    """

    linear: float
    linear_se: float
    reweighted: float
    reweighted_se: float


def tilted_change(draws: TiltedDraws, dh: NDArray[np.floating], n_beta: float) -> Change:
    """Predict how an observable's mean changes, each stretch of the chains by the dh that the others chose.

    A mean under weights θ̂ has the pseudo-values K θ̂ − (K − 1) θ̂₍ₖ₎, what stretch k says about it to first order. Each
    is taken at the dh that had no part of that stretch, so that a dh fitted to the noise of the draws promises nothing
    that it owes to them. The linear prediction is the same for θ̂ = nβ Σ_k χ̂_k dh_k.

    Parameters
    ----------
    draws : TiltedDraws
    dh : array, shape (stretches, probes)
        The mixture that the other stretches chose (`Pattern.dh_kept`); the same in each row if none was chosen.
    n_beta : float
        nβ of the draws.

    Returns
    -------
    Change

    Raises
    ------
    ZeemanError
        If there is not one mixture a stretch.

    Examples
    --------
    For a Gaussian a tilt by a linear function moves the mean by −nβ Cov, at any size:

    >>> w = np.random.default_rng(0).normal(size=(4, 2000))
    >>> change = tilted_change(TiltedDraws(w, w[None]), np.full((20, 1), 0.1), 5.0)
    >>> bool(abs(change.reweighted + 0.5) < 4 * change.reweighted_se), bool(abs(change.linear + 0.5) < 0.05)
    (True, True)
    """
    dh = np.asarray(dh, np.float64)
    chi, kept = draws.response()
    if dh.shape != kept.shape:
        raise ZeemanError(
            f"expected a mixture for each stretch, shape {kept.shape}, got {dh.shape}; pass Pattern.dh_kept."
        )
    stretches, label = len(kept), _labels(draws.phi.shape)
    linear = n_beta * ((stretches * chi - (stretches - 1) * kept) * dh).sum(axis=1)
    moved = []
    for k, mine in enumerate(dh):
        weights, left = draws.weights(mine, n_beta).weights, label != k
        whole = np.average(draws.phi, weights=weights) - draws.phi.mean()
        without = np.average(draws.phi[left], weights=weights[left]) - draws.phi[left].mean()
        moved.append(stretches * whole - (stretches - 1) * without)
    return Change(*_mean(linear), *_mean(np.array(moved)))


def _mean(values: Array) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))


@dataclass(frozen=True, eq=False)
class Proposal:
    """A data mixture for a wanted change, and how far the draws can check it.

    Parameters
    ----------
    pattern : Pattern
    checked : float
        Largest part of dh, of 1, ½, ¼ …, to which the weights of all draws can be trusted; 0 if there is none.
    changes : tuple of Change
        Of each observable under that part of dh; not numbers where it is 0.
    khat : float
        Worst Pareto k̂ of the weights there; of the smallest part tried where none can be trusted.
    """

    pattern: Pattern
    checked: float
    changes: tuple[Change, ...]
    khat: float


def propose(observables: Sequence[TiltedDraws], target: NDArray[np.floating], n_beta: float) -> Proposal:
    """Propose the smallest mixture that moves the observables by the target, and check it by weights.

    As `pattern`, with each observable in units of the error of its own responses, so that which singular values stand
    above their error does not depend on units.

    Parameters
    ----------
    observables : sequence of TiltedDraws
        All with as many probes, chains and draws; those of one set of chains share their tilts.
    target : array, shape (observables,)
        dμ, in units of each observable.
    n_beta : float
        nβ of the draws.

    Returns
    -------
    Proposal

    Raises
    ------
    ZeemanError
        As for `pattern`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> w = rng.normal(size=(2, 4, 500))
    >>> found = propose([TiltedDraws(each, w) for each in w], np.array([0.3, 0.0]), 2.0)
    >>> float(found.pattern.dh[0].round(1)), found.checked
    (-0.1, 1.0)
    """
    chi, kept = (np.stack(parts, axis=-2) for parts in zip(*(each.response() for each in observables), strict=True))
    unit = np.sqrt((jackknife_error(kept) ** 2).sum(axis=-1))
    unit[unit == 0] = 1.0
    target = np.asarray(target, np.float64)
    scaled = pattern(chi / unit[:, None], kept / unit[:, None], target / unit, n_beta)
    found = replace(
        scaled,
        predicted=scaled.predicted * unit,
        predicted_se=scaled.predicted_se * unit,
        out_of_reach=scaled.out_of_reach * unit,
    )
    checked, khat = _reach(observables, found.dh, n_beta)
    blank = Change(*(math.nan,) * 4)
    changes = [tilted_change(each, checked * found.dh_kept, n_beta) if checked else blank for each in observables]
    return Proposal(found, checked, tuple(changes), khat)


def _reach(observables: Sequence[TiltedDraws], dh: Array, n_beta: float) -> tuple[float, float]:
    """Largest part of dh that can be trusted, with the worst k̂ there."""
    distinct = list({id(each.tilts): each for each in observables}.values())
    khat = math.nan
    for fraction in FRACTIONS:
        found = [each.weights(fraction * dh, n_beta) for each in distinct]
        khat = max((one.khat for one in found), key=lambda k: (math.isnan(k), k))
        if all(one.verdict is Verdict.OK for one in found):
            return fraction, khat
    return 0.0, khat


def _labels(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The number of the stretch that each draw lies in, as `ResponseSums` counts them."""
    edges = stretch_edges(shape[1])
    within = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    labels: NDArray[np.int64] = within + (len(edges) - 1) * np.arange(shape[0])[:, None]
    return labels
