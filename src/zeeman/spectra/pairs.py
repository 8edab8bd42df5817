"""Which losses of two sets move together: the strongest partners of each, and how many pairs stand out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from zeeman.errors import ZeemanError
from zeeman.sampling.statistics import effective_draws
from zeeman.spectra.influence import influence_of_pairs, refuse_other_draws, unit_losses

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NULLS = 2
"""Most ways in which chains are paired with others for the null."""
FALSE = 0.05
"""Most share of the pairs found that may be expected to be false."""
RESOLVED = 3.0
"""Standard errors from 0 without which a pair does not stand out."""
BINS = 1000
"""Bins of |ρ| in which pairs are counted."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """The strongest partners of each loss of one set in another, and what all pairs look like.

    Parameters
    ----------
    partners : array of int, shape (first, 2 most)
        Partners in the second set: those with the highest correlation from the highest on, then those with the lowest
        from the lowest on; −1 where there are no more of the sign.
    kernel, kernel_se, correlation, correlation_se : array, shape (first, 2 most)
        K = Cov(ℓ, ℓ') and ρ with standard errors; NaN where there is no partner.
    stands_out : array of bool, shape (first, 2 most)
        Whether |ρ| reaches the threshold and three of its own standard errors.
    threshold : float
        |ρ| from which pairs stand out; infinite where none does.
    count, compared : int
        Pairs that reach the threshold, less those of the partners that do not reach three errors, and pairs in all; of
        a set with itself each pair counts once.
    null : tuple of int
        Pairs that reach it when each chain of the first set is put beside another of the second, one figure a way to
        do so; 0 at an infinite threshold.
    """

    partners: Ints
    kernel: Array
    kernel_se: Array
    correlation: Array
    correlation_se: Array
    stands_out: Bools
    threshold: float
    count: int
    compared: int
    null: tuple[int, ...]


def strongest_pairs(first: Floats, second: Floats | None = None, *, most: int = 10, tile: int = 512) -> Pairs:
    """Look through all pairs of losses for those that move together, a tile at a time.

    ρ_zz' = Cov(ℓ_z, ℓ_z')/(σ_z σ_z') is one centred product. Its null is the same product with the losses of other
    chains, where it is 0 in truth and has the noise of the same autocorrelated draws. Pairs stand out from the least
    threshold r at which two counts of false ones are below 5 % of the N(r) found: those that the null shows, and
    M·P(|ρ| > r) of all M by Student's law at as many draws as the mean losses are worth. The null is blind where a mode
    that all losses share makes it one draw of chance. Student's law knows no heavy tails, where one draw makes a ρ: so
    a pair has to stand out from its own jackknife error too.

    Parameters
    ----------
    first, second : array, shape (items, chains, draws)
        Losses on the same draws, in any precision; the work is done in single precision unless both are in double.
        None: the first with itself, without each loss with itself.
    most : int
        Partners of each sign that are kept.
    tile : int
        Items at once; memory beyond the losses and the answer is a few tiles.

    Returns
    -------
    Pairs

    Raises
    ------
    ZeemanError
        If the shapes do not fit together, or there are fewer than three draws or two chains.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mode, noise = rng.normal(size=(1, 4, 100)), rng.normal(size=(60, 4, 100))
    >>> found = strongest_pairs(noise + 2 * mode * (np.arange(60) < 30)[:, None, None])
    >>> found.compared, found.count, found.null  # 435 pairs do share the mode
    (1770, 441, (5, 20))
    """
    itself, second = second is None, first if second is None else second
    refuse_other_draws(first, second)
    if first.shape[1] < 2:
        raise ZeemanError("expected at least two chains, got 1: one chain shows no error bar; raise num_chains.")
    units, chains = _unit(second), first.shape[1]
    counts = np.zeros((1 + min(NULLS, chains - 1), BINS + 1), np.int64)
    partners = np.full((len(first), 2 * most), -1)
    for low in range(0, len(first), tile):
        left = units[low : low + tile] if itself else _unit(first[low : low + tile])
        # Chains of the first set as they are, and moved on by one, by two …
        moved = [np.roll(left, -k, axis=1).reshape(len(left), -1) for k in range(len(counts))]
        best = []
        for start in range(0, len(second), tile):
            right = units[start : start + tile].reshape(-1, moved[0].shape[1]).T
            rho = moved[0] @ right
            if not itself or start >= low:  # below the diagonal each pair comes a second time
                corner = itself and start == low
                counts += np.stack([_histogram(rho, corner), *(_histogram(m @ right, corner) for m in moved[1:])])
            if itself and start == low:
                np.fill_diagonal(rho, 0.0)
            best.append(_extremes(rho, most, start))
        partners[low : low + tile] = _best(best, most)
    reached = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    at = _threshold(reached[0], reached[1:].max(axis=0), _worth(first, second))
    found = _read(first, second, partners)
    threshold = math.inf if at is None else at / BINS
    reaching = abs(found[2]) >= threshold
    seen = reaching & (abs(found[2]) > RESOLVED * found[3])
    count, *null = (0 if at is None else int(each[at]) for each in reached)
    count = max(count - _distinct(partners, reaching & ~seen, itself), 0)
    return Pairs(partners, *found, seen, threshold, count, int(reached[0, 0]), tuple(null))


def _unit(losses: Floats) -> Floats:
    """Losses less their mean over all draws, of norm 1; 0 where they stand still or left the finite numbers."""
    unit = unit_losses(losses)
    unit[np.isnan(unit).any(axis=1)] = 0.0
    return unit.reshape(losses.shape)


def _histogram(rho: Floats, corner: bool) -> Ints:
    """How many pairs have |ρ| in each bin; in a corner on the diagonal those above it."""
    sizes = abs(rho[np.triu_indices(len(rho), 1)] if corner else rho.ravel())
    return np.bincount(np.minimum(sizes * BINS, BINS).astype(np.int64), minlength=BINS + 1)


def _extremes(rho: Floats, most: int, start: int) -> tuple[Floats, Ints]:
    """The highest and the lowest of each row with their columns, in no order, shapes (2, rows, most)."""
    width = min(most, rho.shape[1])
    places = np.stack([np.argpartition(sign * rho, -width, axis=1)[:, -width:] for sign in (1, -1)])
    return np.take_along_axis(rho[None], places, axis=2), places + start


def _best(parts: list[tuple[Floats, Ints]], most: int) -> Ints:
    """Join the extremes of a row of tiles to partners, in order."""
    values, places = (np.concatenate(each, axis=2) for each in zip(*parts, strict=True))
    values = values * np.array([1, -1])[:, None, None]
    order = np.argsort(-values, axis=2, kind="stable")[:, :, :most]
    kept = np.where(np.take_along_axis(values, order, axis=2) > 0, np.take_along_axis(places, order, axis=2), -1)
    short = np.full((2, kept.shape[1], most - kept.shape[2]), -1)
    partners: Ints = np.concatenate([*np.concatenate([kept, short], axis=2)], axis=1)
    return partners


def _worth(first: Floats, second: Floats) -> float:
    """Independent draws that the mean losses of the two sets are worth, the fewer of both."""
    return min(effective_draws(mean_losses(losses)) for losses in (first, second))


def mean_losses(losses: Floats) -> Array:
    """Mean of the losses that stayed finite at each draw, shape (chains, draws).

    Examples
    --------
    >>> mean_losses(np.array([[[1.0, 2.0]], [[3.0, np.inf]], [[5.0, 4.0]]])).tolist()
    [[3.0, 3.0]]
    """
    good = np.isfinite(losses).all(axis=(1, 2))
    mean: Array = losses[good].mean(axis=0, dtype=np.float64) if good.any() else np.zeros(losses.shape[1:])
    return mean


def _threshold(reached: Ints, null: Ints, worth: float) -> int | None:
    """The least bin from which on both counts of false pairs stay below the share; None if there is none."""
    r = np.minimum(np.arange(BINS + 1) / BINS, 1 - 1e-12)
    freedom = max(worth - 2.0, 1.0)
    chance = 2 * stats.t.sf(r * np.sqrt(freedom / (1 - r**2)), freedom)
    good = (reached > 0) & (np.maximum(null, reached[0] * chance) <= FALSE * reached)
    return int(np.argmax(good)) if good.any() else None


def _distinct(partners: Ints, marked: Bools, itself: bool) -> int:
    """Count marked pairs, those of a set with itself once."""
    rows, slots = np.nonzero(marked)
    pairs = np.stack([rows, partners[rows, slots]])
    return len(np.unique(np.sort(pairs, axis=0) if itself else pairs, axis=1).T)


def _read(first: Floats, second: Floats, partners: Ints) -> tuple[Array, Array, Array, Array]:
    """Kernel and correlation with errors of each loss with its partners."""
    rows, slots = np.nonzero(partners >= 0)
    found = influence_of_pairs(first, second, rows, partners[rows, slots])
    answer = np.full((4, *partners.shape), np.nan)
    answer[:, rows, slots] = found.kernel, found.kernel_se, found.correlation, found.correlation_se
    kernel, kernel_se, correlation, correlation_se = answer
    return kernel, kernel_se, correlation, correlation_se
