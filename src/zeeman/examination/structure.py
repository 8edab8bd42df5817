"""What bands the tokens of one response matrix form: clusters above noise, with strengths, errors and a null beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from zeeman.bands import (
    Modes,
    agreement,
    find_clusters,
    gaussian_twin,
    neighbour_graph,
    prepare,
    significant_modes,
)
from zeeman.errors import ZeemanError
from zeeman.examination.device import Draws
from zeeman.examination.responses import ResponseMatrix, means_left_out
from zeeman.examination.unit import Unit
from zeeman.probes import Library
from zeeman.reading import Reading, Verdict
from zeeman.spectra.stretches import jackknife_error

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

NEIGHBOURS = 45
"""Neighbours of a token in the graph that is cut into clusters."""
MIN_TOKENS = 2 * NEIGHBOURS
"""Scored tokens below which there is nothing to tell bands apart by."""
LEAST_AXES = 2
"""Axes in which clusters are looked for at least: along a single one any sample falls into pieces."""
REPEATED = 0.5
"""Share of the spread across the border of two bands that must come out again in the other half of the chains."""
ABOVE_NULL = 3.0
"""Standard errors by which a band must stand out from the strongest cluster of the null."""


@dataclass(frozen=True, eq=False)
class Structure:
    """The bands of one step and loading.

    Parameters
    ----------
    matrix : ResponseMatrix
        Of the components that take part.
    labels : array of int, shape (tokens,)
        Band of each token, the largest being 0; −1 for none.
    typical : list of array of int
        Tokens of each band from the one nearest to its middle on.
    modes : Modes
    agreement : Reading
        Adjusted Rand index between the bands of either half of the chains.
    means, means_se : array, shape (bands, components)
        Mean ρ over the band's tokens.
    contrast, contrast_se : array, shape (bands, components)
        The same less the mean over all tokens.
    strength, strength_se : array, shape (bands,)
        Root mean square of the contrast over components.
    null_strengths : array
        Strength of each cluster that permuted draws show.
    spread, null_spread : array, shape (tokens,)
        Root mean square over components of a token's ρ less the mean token's, and of the null's; NaN where broken.
    """

    matrix: ResponseMatrix
    labels: Ints
    typical: list[Ints]
    modes: Modes
    agreement: Reading
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


def find_structure(
    draws: Draws, library: Library, chains: Mapping[str, list[Unit]], matrix: ResponseMatrix
) -> Structure:
    """Find the bands of a response matrix.

    Tokens are compared in the modes of ρ that stand out from permuted columns, at least two, and joined to clusters of
    low conductance there; clusters whose border is not seen in both halves of the chains are one. The strength of a
    band is S = √(mean_c d_c²), d_c = ⟨ρ_c⟩_band − ⟨ρ_c⟩_all, its error that of a jackknife over stretches of each
    component's chains. Permuted draws go the same way, but for the halves: since tokens whose losses move alike answer
    alike to anything, they form clusters too, and a band counts by how far it stands out from these.

    Parameters
    ----------
    draws, library, chains
        As for :func:`~zeeman.examination.responses.response_matrix`.
    matrix : ResponseMatrix

    Returns
    -------
    Structure

    Raises
    ------
    ZeemanError
        Where fewer than two components or 90 tokens have responses that vary.
    """
    matrix = without_constant(matrix)
    usable = _usable(matrix)
    if len(matrix.components) < 2 or usable.sum() < MIN_TOKENS:
        raise ZeemanError(
            f"expected responses of at least 2 components and {MIN_TOKENS} tokens that vary, got "
            f"{len(matrix.components)} and {int(usable.sum())}; name more components, score more tokens or raise "
            "num_draws."
        )
    labels, axes = cluster_tokens(matrix.rho, usable)
    labels = unite(labels, matrix.halves)
    null, _ = cluster_tokens(matrix.null, usable)
    halves = [cluster_tokens(half, usable)[0] for half in matrix.halves]
    bands, clusters = _weights(labels, usable), _weights(null, usable)
    kept = means_left_out(draws, library, chains, matrix.components, bands)
    means, contrast = _contrasts(matrix.rho, bands)
    error = np.stack([jackknife_error(each[:, :-1]) for each in kept], axis=1)
    contrast_se = np.stack([jackknife_error(each[:, :-1] - each[:, -1:]) for each in kept], axis=1)
    strength = _rms(contrast)
    with np.errstate(invalid="ignore"):
        strength_se = np.sqrt(((contrast * contrast_se) ** 2).sum(axis=1)) / (len(matrix.components) * strength)
    return Structure(
        matrix,
        labels,
        [_by_distance(axes, labels, band) for band in range(len(strength))],
        significant_modes(matrix.rho[:, usable].T, names=matrix.components),
        _agreement(halves, usable),
        means,
        error,
        contrast,
        contrast_se,
        strength,
        strength_se,
        _rms(_contrasts(matrix.null, clusters)[1]),
        _spread(matrix.rho, usable),
        _spread(matrix.null, usable),
    )


def cluster_tokens(responses: Floats, usable: NDArray[np.bool_] | None = None) -> tuple[Ints, Array]:
    """Cluster tokens in the significant modes of their responses.

    Parameters
    ----------
    responses : array, shape (components, tokens)
    usable : array of bool, shape (tokens,)
        Tokens that take part; all by default.

    Returns
    -------
    labels : array of int, shape (tokens,)
        −1 for no cluster; all of them where no mode stands out.
    axes : array, shape (tokens, axes)
        Place of each token in these modes; NaN for those that take no part.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> planted = np.repeat([0, 1, 2], 200)
    >>> responses = rng.standard_normal((8, 3))[:, planted] + 0.3 * rng.standard_normal((8, 600))
    >>> np.bincount(cluster_tokens(responses)[0]).tolist()
    [200, 200, 200]
    """
    usable = np.ones(responses.shape[1], bool) if usable is None else usable
    rows = np.asarray(responses[:, usable].T, np.float64)
    prepared, count = prepare(rows), significant_modes(rows).count
    right = np.linalg.svd(prepared, full_matrices=False)[2][: max(count, LEAST_AXES)]
    places = prepared @ right.T
    labels = np.full(len(usable), -1, dtype=np.int64)
    if count:
        twin = neighbour_graph(gaussian_twin(places), NEIGHBOURS)
        labels[usable] = find_clusters(neighbour_graph(places, NEIGHBOURS), twin).labels
    axes = np.full((len(usable), places.shape[1]), np.nan)
    axes[usable] = places
    return labels, axes


def unite(labels: Ints, halves: Floats) -> Ints:
    """Join bands whose border does not come out again in the other half of the chains.

    Noise, too, spreads tokens of one kind, and a cloud may be cut anywhere. Along the line d between the means of two
    bands, the correlation of d·ρ in either half of the chains, over the tokens of both, is the share of their spread
    that is no noise. The pair with the least is joined for as long as that is below a half.

    Parameters
    ----------
    labels : array of int, shape (tokens,)
    halves : array, shape (2, components, tokens)
        ρ from either half of the chains.

    Returns
    -------
    array of int, shape (tokens,)
        Numbered by falling size.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> kinds, cut = np.repeat([0, 0, 1], 50), np.repeat([0, 1, 2], 50)
    >>> halves = 3.0 * np.eye(2)[:, kinds] + rng.standard_normal((2, 2, 150))
    >>> np.bincount(unite(cut, halves)).tolist()
    [100, 50]
    """
    labels = labels.copy()
    while (count := int(labels.max(initial=-1)) + 1) > 1:
        shares = {pair: _repeated(*pair, labels, halves) for pair in combinations(range(count), 2)}
        one, other = min(shares, key=lambda pair: shares[pair])
        if shares[one, other] >= REPEATED:
            break
        labels[labels == other] = one
        labels[labels > other] -= 1
    sizes = np.bincount(labels[labels >= 0])
    ranks = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    ordered: Ints = np.append(ranks, -1)[labels]
    return ordered


def _repeated(one: int, other: int, labels: Ints, halves: Floats) -> float:
    """Correlation between halves of the chains of where the tokens of two bands lie on the line between them."""
    both = halves.mean(axis=0)
    line = both[:, labels == one].mean(axis=1) - both[:, labels == other].mean(axis=1)
    first, second = (line @ half[:, (labels == one) | (labels == other)] for half in halves)
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / scale if scale > 0 else 0.0


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
        for name in ("rho", "rho_se", "null", "covariance", "covariance_se", "shift", "floors")
    }
    return replace(
        matrix,
        components=tuple(matrix.components[i] for i in kept),
        halves=matrix.halves[:, kept],
        verdicts=tuple(matrix.verdicts[i] for i in kept),
        left_out=matrix.left_out | names,
        **cut,
    )


def _usable(matrix: ResponseMatrix) -> NDArray[np.bool_]:
    """Tokens with a finite response to every component that is not the same to all."""
    every = [matrix.rho, matrix.null, *matrix.halves]
    with np.errstate(invalid="ignore"):
        good = [np.isfinite(each).all(axis=0) & (np.ptp(each, axis=0) > 0) for each in every if len(each)]
    found: NDArray[np.bool_] = np.logical_and.reduce(good) if good else np.zeros(len(matrix.tokens), bool)
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


def _agreement(halves: list[Ints], usable: NDArray[np.bool_]) -> Reading:
    first, second = (half[usable] for half in halves)
    if max(first.max(), second.max()) < 0:
        why = ("neither half of the chains shows a band",)
        return Reading("band_agreement", float("nan"), float("nan"), Verdict.NO_SIGNAL, why)
    return replace(agreement(first, second), name="band_agreement")
