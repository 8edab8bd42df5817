"""Which components carry a band: what they respond to beside what is lost without them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.spectra.behaviour import mean_between_rows
from zeeman.spectra.quality import resolved
from zeeman.spectra.ranks import RankAgreement, rank_agreement, unit_ranks
from zeeman.spectra.response import ResponseSums
from zeeman.spectra.stretches import ONE_CHAIN, jackknife_error

Array = NDArray[np.float64]
Evidence = Literal["both", "response only", "ablation only", "neither"]

SIGMAS = 2.0
ONE_ROW = "One row shows no error bar: take a band with tokens in at least two."


@dataclass(frozen=True, eq=False)
class Carriers:
    """Two independent readings of what carries a band, arrays of shape (components,).

    Parameters
    ----------
    components : tuple of str
    response, response_se : array
        Mean response over the band's tokens.
    ablation, ablation_se : array
        Mean loss, in nats, that ablation adds to them.
    evidence : tuple of str
        Which of the two stand out from 0 by more than 2 standard errors: `both`, `response only`, `ablation only`,
        `neither`. Of components that carry nothing, one in 20 a reading stands out by chance.
    token_agreement, token_agreement_se : array
        Spearman's correlation over the band's tokens; NaN where a reading is the same for all.
    agreement, agreement_of_sizes : RankAgreement
        Over components, of the signed means and of their sizes.
    reason : str
        Why figures are missing (NaN); empty if none is.
    """

    components: tuple[str, ...]
    response: Array
    response_se: Array
    ablation: Array
    ablation_se: Array
    evidence: tuple[Evidence, ...]
    token_agreement: Array
    token_agreement_se: Array
    agreement: RankAgreement
    agreement_of_sizes: RankAgreement
    reason: str


def carriers(
    components: Sequence[str],
    response: NDArray[np.floating],
    response_se: NDArray[np.floating],
    ablation: NDArray[np.floating],
    rows: NDArray[np.integer],
    band: NDArray[np.integer],
    *,
    draw_error: NDArray[np.floating] | None = None,
    seed: int = 0,
) -> Carriers:
    """Compare responses with effects of ablation on the tokens of a band.

    The error of a mean is that between rows (`mean_between_rows`). Of a response it is joined in quadrature by the
    error over draws, which its tokens share and which does not show between rows; `band_response` reads it. Where it is
    not given, the mean standard error of a token takes its place: an upper bound, often far too large.

    A response says where the loss bends with the weights, ablation what is lost without the contribution: a head that
    adds nothing has no ablation effect, but may well respond.

    Parameters
    ----------
    components : sequence of str
    response, response_se : array, shape (components, tokens)
        ρ or χ of each token, with standard errors, which are NaN for a single chain.
    ablation : array, shape (components, tokens)
        ℓ_ablated − ℓ in nats, of the same tokens.
    rows : integer array, shape (tokens,)
        The window of each token.
    band : integer array
        Indices of the band's tokens.
    draw_error : array, shape (components,), or None
        Standard error over draws of each mean response over the band.
    seed : int
        Of the permutations.

    Returns
    -------
    Carriers

    Raises
    ------
    ZeemanError
        If shapes do not fit, a figure is not finite, or the band has no token.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> strength = np.array([0.0, 0.0, 0.3, 0.6])[:, None]
    >>> response, ablation = (strength + 0.05 * rng.normal(size=(4, 60)) for _ in range(2))
    >>> names, rows = ("l0h0", "l0h1", "l1h0", "l1h1"), np.arange(60) // 6
    >>> found = carriers(names, response, np.full((4, 60), 0.05), ablation, rows, np.arange(30))
    >>> found.evidence[2:], found.ablation.round(1).tolist()
    (('both', 'both'), [0.0, -0.0, 0.3, 0.6])
    """
    chosen = _checked(components, (response, response_se, ablation), rows, band)
    answer, spread, effect = (np.asarray(x, np.float64)[:, chosen] for x in (response, response_se, ablation))
    window = np.asarray(rows)[chosen]
    mean, between = mean_between_rows(answer, window)
    mean_se = np.hypot(between, spread.mean(axis=1) if draw_error is None else draw_error)
    lost, lost_se = mean_between_rows(effect, window)
    shown = zip(resolved(mean, mean_se, SIGMAS), resolved(lost, lost_se, SIGMAS), strict=True)
    evidence = tuple(_evidence(bool(one), bool(other)) for one, other in shown)
    agreed, of_sizes = rank_agreement(mean, lost, seed=seed), rank_agreement(abs(mean), abs(lost), seed=seed)
    reason = ONE_ROW if len(np.unique(window)) < 2 else ONE_CHAIN if np.isnan(mean_se).any() else ""
    tokens = _token_agreement(answer, effect, window)
    return Carriers(tuple(components), mean, mean_se, lost, lost_se, evidence, *tokens, agreed, of_sizes, reason)


def band_response(phi: NDArray[np.floating], losses: NDArray[np.floating]) -> tuple[float, float]:
    """Mean of ρ over the tokens of a band, with its standard error over draws.

    ρ_xy = −Cov(φ, ℓ_xy − φ)/(sd sd), as `respond` reads it token by token; tokens that stand still are left out. The
    error is by the jackknife over stretches of chains, so that what all tokens owe to the same draws counts.

    Parameters
    ----------
    phi : array, shape (chains, draws)
        φ = L(w) − L(w*) on the data, in nats.
    losses : array, shape (tokens, chains, draws)
        ℓ_xy(w) − ℓ_xy(w*) of the band's tokens.

    Returns
    -------
    mean, standard_error : float
        NaN for the error of a single chain.

    Examples
    --------
    The same response in a hundred tokens that share all their noise is known no better than in one:

    >>> rng = np.random.default_rng(0)
    >>> phi, noise = rng.normal(size=(2, 4, 100))
    >>> one, other = (band_response(phi, np.repeat([noise], n, axis=0)) for n in (1, 100))
    >>> round(one[0], 2), bool(np.allclose(one, other)), 0.02 < one[1] < 0.08
    (0.67, True, True)
    """
    sums = ResponseSums(len(losses), phi)
    sums.add(losses)
    moving = np.ptp(losses, axis=(1, 2)) > 0
    if not moving.any():
        return 0.0, 0.0
    error = float(jackknife_error(sums.leave_one_out_rho()[:, moving].mean(axis=1)))
    return float(sums.respond().rho[moving].mean()), error if len(phi) > 1 else math.nan


def _token_agreement(one: Array, other: Array, rows: NDArray[np.integer]) -> tuple[Array, Array]:
    """Spearman's correlation over tokens, ranked once, with its error between rows (that of a mean of products)."""
    x, y = unit_ranks(one), unit_ranks(other)
    value: Array = (x * y).sum(axis=-1)
    # To first order the correlation moves with a token by its influence x y − r (x² + y²)/2.
    influence = x * y - value[:, None] * (x**2 + y**2) / 2
    return value, mean_between_rows(influence, rows)[1] * one.shape[1]


def _evidence(response: bool, ablation: bool) -> Evidence:
    if response and ablation:
        return "both"
    return "response only" if response else "ablation only" if ablation else "neither"


def _checked(
    components: Sequence[str],
    readings: tuple[NDArray[np.floating], ...],
    rows: NDArray[np.integer],
    band: NDArray[np.integer],
) -> NDArray[np.int64]:
    shape = (len(components), len(rows))
    if any(reading.shape != shape for reading in readings):
        raise ZeemanError(
            f"expected response, its errors and ablation of shape (components, tokens) = {shape}, got "
            f"{', '.join(str(reading.shape) for reading in readings)}; bring them to the same components and tokens."
        )
    chosen = np.asarray(band)
    if not chosen.size or chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not _fits(chosen, shape[1]):
        raise ZeemanError(
            f"expected a band of different indices from 0 to {shape[1] - 1}, got others in {chosen.dtype} of shape "
            f"{chosen.shape}; give the numbers of its tokens, each once."
        )
    for reading in (readings[0], readings[2]):
        if not np.isfinite(reading[:, chosen]).all():
            bad = components[int(np.argmin(np.isfinite(reading[:, chosen]).all(axis=1)))]
            raise ZeemanError(f"expected finite figures, got others for {bad}; leave it or its lost draws out.")
    return chosen.astype(np.int64)


def _fits(chosen: NDArray[np.integer], tokens: int) -> bool:
    return bool(chosen.min() >= 0 and chosen.max() < tokens and len(np.unique(chosen)) == len(chosen))
