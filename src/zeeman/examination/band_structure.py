"""What bands the tokens of one response matrix form: clusters above noise, with strengths, errors and a null beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zeeman.bands import (
    NEIGHBOURS,
    Modes,
    agreement,
    cluster_tokens,
    half_agreement,
    label_places,
    mode_places,
    reproducible_places,
    significant_modes,
    unite,
)
from zeeman.errors import NothingToRead
from zeeman.examination.device import Draws
from zeeman.examination.responses import ResponseMatrix, Statistic, means_left_out, null_matrices
from zeeman.examination.unit import Unit
from zeeman.probes import Library
from zeeman.reading import Reading, Verdict
from zeeman.spectra.stretches import jackknife_error

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

MIN_TOKENS = 2 * NEIGHBOURS
"""Scored tokens below which there is nothing to tell bands apart by."""
OTHER_NEIGHBOURS = 30
"""Neighbours with which the clusters are looked for again."""
MAX_TESTED = 20_000
"""Tokens with which modes are tested at most, since all pairings of permuted draws are held at once."""
ABOVE_NULL = 3.0
"""Standard errors by which a band must stand out from the strongest cluster of the null."""


@dataclass(frozen=True, eq=False)
class Structure:
    """The bands of one place.

    Parameters
    ----------
    matrix : ResponseMatrix
        Of the components that take part.
    statistic : {"rho", "spread"}
        What tokens are compared by; below, values are ρ, or log amplitudes less their mean over components.
    labels : array of int, shape (tokens,)
        Band of each token, the largest being 0; −1 for none.
    typical : list of array of int
        Tokens of each band from the one nearest to its middle on.
    places : array, shape (tokens, 2)
        Scores of each token in the two strongest modes; NaN where it took no part.
    modes : Modes
    mode_strengths : array, shape (count,)
        Root mean square over tokens and components of the part of values, less the mean token's, along each significant
        mode; the squares sum to at most that of `spread`.
    agreement : Reading
        Adjusted Rand index between the bands of either half of the chains.
    stability : dict of str to Reading
        The same between the bands and those of half of the ``tokens`` (over two halves), and those of other
        ``neighbours`` in the graph; empty where there is no band.
    means, means_se : array, shape (bands, components)
        Mean value over the band's tokens.
    contrast, contrast_se : array, shape (bands, components)
        The same less the mean over all tokens.
    strength, strength_se : array, shape (bands,)
        Root mean square of the contrast over components.
    null_strengths : array
        Strength of each cluster that the null shows.
    spread, null_spread : array, shape (tokens,)
        Root mean square over components of a token's values less the mean token's, and of the null's; NaN where broken.
    """

    matrix: ResponseMatrix
    statistic: Statistic
    labels: Ints
    typical: list[Ints]
    places: Array
    modes: Modes
    mode_strengths: Array
    agreement: Reading
    stability: dict[str, Reading]
    means: Array
    means_se: Array
    contrast: Array
    contrast_se: Array
    strength: Array
    strength_se: Array
    null_strengths: Array
    spread: Array
    null_spread: Array

    @property
    def above_null(self) -> NDArray[np.bool_]:
        """Whether each band stands out from every cluster of the null by three standard errors."""
        beaten: NDArray[np.bool_] = self.strength - ABOVE_NULL * self.strength_se > self.null_strengths.max(initial=0.0)
        return beaten

    def carriers(self, band: int, errors: float) -> list[int]:
        """Components whose mean over the band stands out by so many standard errors from that over all tokens."""
        standing = np.abs(self.contrast[band]) > errors * self.contrast_se[band]
        return [int(i) for i in np.flatnonzero(standing)]


@dataclass(frozen=True, eq=False)
class Compared:
    """What tokens are compared by.

    Parameters
    ----------
    values, null : array, shape (components, tokens)
    halves : array, shape (2, components, tokens)
        Values from either half of the chains.
    """

    values: Floats
    halves: Floats
    null: Floats


def find_structure(
    draws: Draws,
    library: Library,
    chains: Mapping[str, list[Unit]],
    matrix: ResponseMatrix,
    statistic: Statistic = "rho",
) -> Structure:
    """Find the bands of a response matrix.

    Tokens are compared in the modes of ρ that stand out from permuted draws, at least two, and joined to clusters of
    low conductance there; clusters whose border is not seen in both halves of the chains are one. The strength of a
    band is S = √(mean_c d_c²), d_c = ⟨ρ_c⟩_band − ⟨ρ_c⟩_all, its error that of a jackknife over stretches of each
    component's chains. Permuted draws go the same way, but for the halves: since tokens whose losses move alike answer
    alike to anything, they form clusters too, and a band counts by how far it stands out from these.

    By ``spread`` tokens are compared by the log of how far their loss moves, a, on the axes that come out again in the
    other half of the chains (`reproducible_axes`), if any mode of a stands out from what draws alone make of it,
    (a₁ − a₂)/2 from random halves; that of the halves of the chains takes the place of permuted draws. In strengths,
    a is taken less its mean over components: how loud a token is says nothing of what carries it.

    Parameters
    ----------
    draws, library, chains
        As for :func:`~zeeman.examination.responses.response_matrix`.
    matrix : ResponseMatrix
    statistic : {"rho", "spread"}

    Returns
    -------
    Structure

    Raises
    ------
    NothingToRead
        Where fewer than two components or 90 tokens have responses that vary.
    """
    matrix = without_constant(matrix)
    of = _compared(matrix, statistic)
    usable = _usable(of)
    if len(matrix.components) < 2 or usable.sum() < MIN_TOKENS:
        raise NothingToRead(
            f"expected responses of at least 2 components and {MIN_TOKENS} tokens that vary, got "
            f"{len(matrix.components)} and {int(usable.sum())}; name more components, score more tokens or raise "
            "num_draws."
        )
    target = matrix.place.n_beta if matrix.place.loading == "reweighted" else 0.0
    tested = _thinned(usable)
    nulls = null_matrices(draws, library, chains, matrix.components, tested, target, statistic)
    modes = significant_modes(of.values[:, tested].T, nulls=list(nulls), names=matrix.components)
    places = _places(of, usable, modes.count, statistic)
    labels = unite(label_places(places[0], usable, count=modes.count), of.halves)
    null, _ = cluster_tokens(of.null, usable, count=modes.count)
    halves = [label_places(half, usable, count=modes.count) for half in places[1:]]
    bands, clusters = _weights(labels, usable), _weights(null, usable)
    kept = means_left_out(draws, library, chains, matrix.components, bands, target, statistic)
    shown, shown_null = (_shown(each, statistic) for each in (of.values, of.null))
    strengths = _strengths(shown, bands, kept, statistic)
    return Structure(
        matrix,
        statistic,
        labels,
        [_by_distance(places[0], labels, band) for band in range(bands.shape[1] - 1)],
        places[0][:, :2],
        modes,
        _mode_strengths(shown[:, tested], modes),
        _agreement(halves, usable),
        _stability(of, usable, labels[usable], modes.count, statistic),
        *strengths,
        _rms(_contrasts(shown_null, clusters)[1]),
        _spread(shown, usable),
        _spread(shown_null, usable),
    )


def _strengths(
    shown: Floats, bands: Array, kept: Sequence[Array], statistic: Statistic
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Means of bands, their contrasts to all tokens and their strengths, each before its jackknife error."""
    means, contrast = _contrasts(shown, bands)
    error = _carried(np.stack([jackknife_error(each[:, :-1]) for each in kept], axis=1), statistic)
    contrast_se = _carried(np.stack([jackknife_error(each[:, :-1] - each[:, -1:]) for each in kept], axis=1), statistic)
    strength = _rms(contrast)
    with np.errstate(invalid="ignore"):
        strength_se = np.sqrt(((contrast * contrast_se) ** 2).sum(axis=1)) / (contrast.shape[1] * strength)
    return means, error, contrast, contrast_se, strength, strength_se


def _compared(matrix: ResponseMatrix, statistic: Statistic) -> Compared:
    if statistic == "rho":
        return Compared(matrix.rho, matrix.halves, matrix.null)
    first, second = matrix.amplitude_halves
    return Compared(matrix.amplitude, matrix.amplitude_halves, (first - second) / 2)


def _places(of: Compared, usable: NDArray[np.bool_], count: int, statistic: Statistic) -> list[Array]:
    """Places of tokens by all chains and by either half of them."""
    if statistic == "rho":
        return [mode_places(each, usable, count) for each in (of.values, *of.halves)]
    return reproducible_places(of.values, of.halves, usable)


def _shown(values: Floats, statistic: Statistic) -> Floats:
    """Values that bands are described by: of log amplitudes what differs between components."""
    return values if statistic == "rho" else values - values.mean(axis=0)


def _carried(errors: Array, statistic: Statistic) -> Array:
    """Errors of what is shown, from those of each component by itself, shape (bands, components)."""
    if statistic == "rho":
        return errors
    count = errors.shape[1]
    carried: Array = np.sqrt(errors**2 * (1 - 2 / count) + (errors**2).sum(axis=1, keepdims=True) / count**2)
    return carried


def without_constant(matrix: ResponseMatrix) -> ResponseMatrix:
    """Leave out, by name, the components to which all tokens answer alike."""
    with np.errstate(invalid="ignore"):
        flat = np.nan_to_num(np.nanmax(matrix.rho, axis=1) - np.nanmin(matrix.rho, axis=1)) <= 0
    if not flat.any():
        return matrix
    kept = np.flatnonzero(~flat)
    names = {matrix.components[i]: "No token's loss follows it." for i in np.flatnonzero(flat)}
    cut = {
        name: getattr(matrix, name)[kept]
        for name in ("rho", "rho_se", "null", "covariance", "covariance_se", "shift", "floors", "amplitude")
    }
    return replace(
        matrix,
        components=tuple(matrix.components[i] for i in kept),
        halves=matrix.halves[:, kept],
        amplitude_halves=matrix.amplitude_halves[:, kept],
        verdicts=tuple(matrix.verdicts[i] for i in kept),
        left_out=matrix.left_out | names,
        **cut,
    )


def _thinned(usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """At most so many tokens, evenly spaced, as modes are tested with."""
    places = np.flatnonzero(usable)
    kept = np.zeros_like(usable)
    kept[places[np.unique(np.linspace(0, len(places) - 1, min(len(places), MAX_TESTED)).astype(int))]] = True
    return kept


def _usable(of: Compared) -> NDArray[np.bool_]:
    """Tokens with a finite response to every component that is not the same to all."""
    every = [of.values, of.null, *of.halves]
    with np.errstate(invalid="ignore"):
        good = [np.isfinite(each).all(axis=0) & (np.ptp(each, axis=0) > 0) for each in every if len(each)]
    found: NDArray[np.bool_] = np.logical_and.reduce(good) if good else np.zeros(of.values.shape[1], bool)
    return found


def _weights(labels: Ints, usable: NDArray[np.bool_]) -> Array:
    """Columns that take the mean over each cluster, and last over all tokens."""
    count = int(labels.max(initial=-1)) + 1
    member = np.column_stack([labels[:, None] == np.arange(count), usable]).astype(np.float64)
    weights: Array = member / member.sum(axis=0)
    return weights


def _contrasts(responses: Floats, weights: Array) -> tuple[Array, Array]:
    """Mean response of each cluster, and the same less that of all tokens; shape (clusters, components)."""
    held = np.where(weights[:, -1] > 0, responses, 0.0).astype(np.float64)
    means = (held @ weights).T
    return means[:-1], means[:-1] - means[-1]


def _rms(contrast: Array) -> Array:
    strength: Array = np.sqrt((contrast**2).mean(axis=1))
    return strength


def _mode_strengths(responses: Floats, modes: Modes) -> Array:
    """Strength of each significant mode in units of ρ, as that of bands."""
    held = responses.T.astype(np.float64)
    along: Array = np.linalg.norm(modes.scores.T @ (held - held.mean(axis=0)), axis=1)
    along /= np.sqrt(held.size)
    return along


def _spread(responses: Floats, usable: NDArray[np.bool_]) -> Array:
    spread = np.full(len(usable), np.nan)
    held = responses[:, usable].astype(np.float64)
    spread[usable] = _rms((held - held.mean(axis=1, keepdims=True)).T)
    return spread


def _by_distance(axes: Array, labels: Ints, band: int) -> Ints:
    members = np.flatnonzero(labels == band)
    middle = np.median(axes[members], axis=0)
    nearest: Ints = members[np.argsort(((axes[members] - middle) ** 2).sum(axis=1), kind="stable")]
    return nearest


def _stability(
    of: Compared, usable: NDArray[np.bool_], labels: Ints, count: int, statistic: Statistic
) -> dict[str, Reading]:
    """Bands from half of the tokens and from other neighbours."""
    if labels.max() < 0:
        return {}

    def bands(rows: Floats, neighbours: int = NEIGHBOURS) -> Ints:
        values, *halves = np.split(rows.T, 3)
        all_of_them = np.ones(len(rows), bool)
        part = Compared(values, np.stack(halves), values)
        places = _places(part, all_of_them, count, statistic)[0]
        return unite(label_places(places, all_of_them, neighbours, count), part.halves)

    rows = np.concatenate([of.values, *of.halves])[:, usable].T
    return {
        "tokens": half_agreement(rows, bands, num_halves=2),
        "neighbours": agreement(labels, bands(rows, OTHER_NEIGHBOURS)),
    }


def _agreement(halves: list[Ints], usable: NDArray[np.bool_]) -> Reading:
    first, second = (half[usable] for half in halves)
    if max(first.max(), second.max()) < 0:
        why = ("neither half of the chains shows a band",)
        return Reading("band_agreement", float("nan"), float("nan"), Verdict.NO_SIGNAL, why)
    return replace(agreement(first, second), name="band_agreement")
