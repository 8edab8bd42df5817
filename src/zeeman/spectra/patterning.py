"""Which mixture of the data would move readings where they should go."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pattern:
    """A data mixture q + Σ_k dh_k (q_k − q), and what it is predicted to do.

    Parameters
    ----------
    dh, dh_se : array, shape (probes,)
        Weight of each probe in the mixture, negative where its data is to be thinned.
    dh_kept : array, shape (stretches, probes)
        The same as chosen without each stretch of the chains.
    predicted, predicted_se : array, shape (observables,)
        Change of each reading, from stretches that had no part in choosing dh.
    out_of_reach : array, shape (observables,)
        Part of the target that no probe moves beyond the errors of χ.
    rank : int
        Singular values kept.
    singular_values : array
        Of χ, descending.
    threshold : float
        Size of the error of χ as a matrix; singular values below it are noise.
    reason : str
        Why nothing is proposed; empty if something is.
    """

    dh: Array
    dh_se: Array
    dh_kept: Array
    predicted: Array
    predicted_se: Array
    out_of_reach: Array
    rank: int
    singular_values: Array
    threshold: float
    reason: str = ""


def pattern(
    chi: NDArray[np.floating], leave_one_out: NDArray[np.floating], target: NDArray[np.floating], n_beta: float = 1.0
) -> Pattern:
    """Propose dh = (nβχ)⁺ dμ, the smallest mixture that moves the observables by dμ (patterning, arXiv 2601.13548).

    With χ_ik = −Cov(φ_i, ℓ_k − L), d⟨φ_i⟩ = nβ χ_ik dh_k to first order. The pseudo-inverse keeps the singular values
    above the size of χ's error E, ‖⟨EEᵀ⟩‖^½ + ‖⟨EᵀE⟩‖^½, which bounds ‖E‖ for independent entries and is larger than it
    for errors that entries share. Errors are those of the jackknife. The prediction is cross-fitted: each stretch's own
    χ, K χ̂ − (K − 1) χ̂₍ₖ₎, is applied to the dh that the others chose, since χ̂ times a dh fitted to its noise would
    promise too much.

    Parameters
    ----------
    chi : array, shape (observables, probes)
        In nats squared for observables in nats.
    leave_one_out : array, shape (stretches, observables, probes)
        χ with each stretch of the chains left out (`ResponseSums.leave_one_out`), all observables at once.
    target : array, shape (observables,)
        dμ, wished change of the means.
    n_beta : float
        nβ of the draws.

    Returns
    -------
    Pattern

    Raises
    ------
    ZeemanError
        If the shapes do not fit together, a figure is not finite or there are fewer than two stretches.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> chi = np.array([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    >>> found = pattern(chi, chi + 0.001 * rng.normal(size=(20, 2, 3)), np.array([0.3, 0.0]))
    >>> found.dh.round(3).tolist(), found.rank
    ([0.1, 0.0, 0.0], 2)
    """
    chi, kept, target = (np.asarray(x, np.float64) for x in (chi, leave_one_out, target))
    _check(chi, kept, target)
    stretches = len(kept)
    threshold = _error_norm(kept)
    u, s, _ = np.linalg.svd(chi, full_matrices=False)
    rank = int((s > threshold).sum())
    dh = _solve(chi, target, rank) / n_beta
    dh_kept = np.stack([_solve(part, target, rank) / n_beta for part in kept])
    own = stretches * chi - (stretches - 1) * kept
    moves = n_beta * np.einsum("sop,sp->so", own, dh_kept)
    return Pattern(
        dh=dh,
        dh_se=np.sqrt((stretches - 1) * dh_kept.var(axis=0)),
        dh_kept=dh_kept,
        predicted=moves.mean(axis=0),
        predicted_se=moves.std(axis=0, ddof=1) / math.sqrt(stretches),
        out_of_reach=target - u[:, :rank] @ (u[:, :rank].T @ target),
        rank=rank,
        singular_values=s,
        threshold=threshold,
        reason="" if rank else "No singular value of χ stands out from its error: add draws or choose other probes.",
    )


def _solve(chi: Array, target: Array, rank: int) -> Array:
    u, s, vt = np.linalg.svd(chi, full_matrices=False)
    answer: Array = vt[:rank].T @ (u[:, :rank].T @ target / s[:rank])
    return answer


def _error_norm(kept: Array) -> float:
    away = (kept - kept.mean(axis=0)) * math.sqrt((len(kept) - 1) / len(kept))
    rows, columns = np.einsum("sop,sqp->oq", away, away), np.einsum("sop,soq->pq", away, away)
    return math.sqrt(np.linalg.norm(rows, 2)) + math.sqrt(np.linalg.norm(columns, 2))


def _check(chi: Array, kept: Array, target: Array) -> None:
    if chi.ndim != 2 or kept.shape[1:] != chi.shape or len(kept) < 2 or target.shape != chi.shape[:1]:
        raise ZeemanError(
            "expected chi (observables, probes), leave_one_out (at least 2 stretches, observables, probes) and target "
            f"(observables,), got {chi.shape}, {kept.shape} and {target.shape}; bring them into these shapes."
        )
    if not all(np.isfinite(x).all() for x in (chi, kept, target)):
        raise ZeemanError("expected finite chi, leave_one_out and target, got others; leave out what diverged.")
