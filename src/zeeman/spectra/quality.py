"""How good a matrix of responses is: tokens resolved, halves that agree, nulls beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeeman.spectra.response import Susceptibility
from zeeman.spectra.stretches import Statistic, jackknife, jackknife_error

Array = NDArray[np.float64]

BLOCKS_OF_TOKENS = 20


@dataclass(frozen=True)
class Quality:
    """Figures of merit of one component's responses, each with its standard error over blocks of tokens.

    Neighbours stay in one block, since tokens of one context answer alike. The errors are those of another choice of
    tokens under the same draws.

    Parameters
    ----------
    floor : float
        1/√ESS, the noise of ρ.
    resolved, resolved_se : float
        Share of tokens with |ρ| > 3 SE.
    resolved_null, resolved_null_se : float
        The same of the null: what the error bars let through by themselves.
    reliability, reliability_se : float
        Correlation across tokens of ρ from either half of the chains.
    reliability_covariance, reliability_covariance_se : float
        The same of the raw covariance term.
    reason : str
        Why figures are missing (NaN); empty if none is.
    """

    floor: float
    resolved: float
    resolved_se: float
    resolved_null: float
    resolved_null_se: float
    reliability: float
    reliability_se: float
    reliability_covariance: float
    reliability_covariance_se: float
    reason: str


def quality(chi: Susceptibility) -> Quality:
    """Judge the responses of one component.

    Parameters
    ----------
    chi : Susceptibility
        One figure a token.

    Returns
    -------
    Quality
        NaN where errors are, for a single chain or fewer than four tokens.

    Examples
    --------
    >>> from zeeman.spectra import respond
    >>> rng = np.random.default_rng(0)
    >>> phi = rng.normal(size=(4, 100))
    >>> coupling = np.repeat([0.0, 1.0], 200)[:, None, None]
    >>> found = quality(respond(phi, coupling * phi + rng.normal(size=(400, 4, 100))))
    >>> found.resolved > 0.45, found.resolved_null < 0.05
    (True, True)
    """
    shares = np.stack([resolved(chi.rho, chi.rho_se), resolved(chi.null, chi.null_se)]).astype(float)
    if np.isnan(chi.rho_se).all():
        shares = np.full_like(shares, math.nan)
    (share, null), (share_se, null_se) = _over_tokens(shares, lambda x: x.mean(axis=-1))
    (rho,), (rho_se,) = _over_tokens(chi.rho_halves, _pearson)
    (raw,), (raw_se,) = _over_tokens(chi.covariance_halves, _pearson)
    return Quality(
        chi.floor,
        float(share),
        float(share_se),
        float(null),
        float(null_se),
        float(rho),
        float(rho_se),
        float(raw),
        float(raw_se),
        chi.reason,
    )


def split_half(halves: NDArray[np.floating]) -> tuple[float, float]:
    """Correlation r between two halves of the draws over all components and probes, and its error.

    The columns are centred first, since a probe to which all components answer alike would correlate without telling
    them apart. The entries of a component share its draws, so the error is that of leaving out a component at a time.

    Parameters
    ----------
    halves : array, shape (2, components, probes)

    Returns
    -------
    reliability, standard_error : float
        Over the components and probes without a missing figure; NaN for fewer than three components.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=(10, 8))
    >>> r, error = split_half(truth + 0.5 * rng.normal(size=(2, 10, 8)))
    >>> abs(r - 1 / 1.25) < 3 * error
    True
    """
    kept = np.asarray(halves, np.float64)
    kept = kept[:, np.isfinite(kept).any(axis=(0, 2))]
    kept = kept[:, :, np.isfinite(kept).all(axis=(0, 1))]
    count = kept.shape[1]
    if count < 3 or not kept.shape[2]:
        return math.nan, math.nan

    def correlation(part: Array) -> float:
        return float(_pearson((part - part.mean(axis=1, keepdims=True)).reshape(2, -1))[0])

    left_out = np.array([correlation(np.delete(kept, at, axis=1)) for at in range(count)])
    return correlation(kept), float(jackknife_error(left_out))


def resolved(
    value: NDArray[np.floating], standard_error: NDArray[np.floating], sigmas: float = 3.0
) -> NDArray[np.bool_]:
    """Where a figure stands out from its error bar; nowhere without one.

    Parameters
    ----------
    value, standard_error : array of one shape
    sigmas : float

    Returns
    -------
    array of bool

    Examples
    --------
    >>> resolved(np.array([0.5, 0.1, 0.5]), np.array([0.1, 0.1, np.nan])).tolist()
    [True, False, False]
    """
    answer: NDArray[np.bool_] = np.abs(value) > sigmas * standard_error
    return answer


def shuffled_tokens(matrix: NDArray[np.floating], seed: int) -> Array:
    """Shuffle the tokens of each component by itself: a null without any structure that components share.

    Parameters
    ----------
    matrix : array, shape (tokens, components)
    seed : int
        Component c takes the permutation of (seed, c), whatever the other components are.

    Returns
    -------
    array, shape (tokens, components)

    Examples
    --------
    >>> shuffled = shuffled_tokens(np.arange(10.0).reshape(5, 2), seed=0)
    >>> sorted(shuffled[:, 1].tolist())
    [1.0, 3.0, 5.0, 7.0, 9.0]
    """
    columns = np.asarray(matrix, np.float64).T
    noise = (np.random.Generator(np.random.Philox(key=[seed, c])) for c in range(len(columns)))
    return np.stack([generator.permutation(column) for generator, column in zip(noise, columns, strict=True)], axis=1)


def _pearson(halves: Array) -> Array:
    first, second = halves - halves.mean(axis=1, keepdims=True)
    scale = math.sqrt(float(first @ first) * float(second @ second))
    return np.array([float(first @ second) / scale if scale > 0 else math.nan])


def _over_tokens(rows: Array, statistic: Statistic) -> tuple[Array, Array]:
    """Statistic of the finite tokens with its error from leaving out one block of neighbouring tokens at a time."""
    finite = rows[:, np.isfinite(rows).all(axis=0)]
    if finite.shape[1] < 4:
        missing = np.full_like(statistic(np.eye(2, 4)), math.nan)
        return missing, missing
    return jackknife(finite[:, None], statistic, BLOCKS_OF_TOKENS)
