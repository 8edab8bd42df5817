"""Response of a component token by token, from draws that come in tiles of tokens and blocks of draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.health import effective_draws
from zeeman.spectra.amplitude import SMALLEST
from zeeman.spectra.shifted import NUM_NULLS
from zeeman.spectra.stretches import ONE_CHAIN, jackknife_error, stretch_edges

Array = NDArray[np.float64]

NO_FULL_DRAWS = "Without draws of all weights there is no mean-shift term: pass them."


@dataclass(frozen=True, eq=False)
class Susceptibility:
    """Susceptibility of one component to each probe or token, with standard errors; arrays of shape (probes,).

    Parameters
    ----------
    covariance, covariance_se : array
        −Cov_C(φ, ℓ_xy − L), in nats squared.
    shift, shift_se : array
        −E_C[φ](E_C − E_F)[ℓ_xy − L], in nats squared.
    total, total_se : array
        χ, the sum of both.
    rho, rho_se : array
        The covariance term over the standard deviations of its two factors, in [−1, 1].
    null, null_se : array
        ρ between draws of different chains, whose true value is 0.
    covariance_halves, rho_halves : array, shape (2, probes)
        The readings from either half of the chains.
    constant : array of bool
        Where the loss did not move, or moved as L does: ρ is 0 there by convention.
    floor : float
        1/√ESS, the standard error of ρ where its true value is 0.
    reason : str
        Why figures are missing (NaN); empty if none is.
    """

    covariance: Array
    covariance_se: Array
    shift: Array
    shift_se: Array
    total: Array
    total_se: Array
    rho: Array
    rho_se: Array
    null: Array
    null_se: Array
    covariance_halves: Array
    rho_halves: Array
    constant: NDArray[np.bool_]
    floor: float
    reason: str = ""


class _Moments(NamedTuple):
    """Covariance, variances and means of a pairing of φ with the losses, along the last axis the tokens."""

    covariance: Array
    variance: Array
    variance_phi: Array
    mean: Array
    mean_phi: Array

    def rho(self, rounding: Array) -> Array:
        scale = np.sqrt(np.maximum(self.variance, 0.0) * self.variance_phi)
        result: Array = np.divide(
            -self.covariance, scale, out=np.zeros_like(scale), where=~(self.variance <= rounding) & ~(scale == 0)
        )
        return np.clip(result, -1.0, 1.0)

    def log_amplitude(self) -> Array:
        """Log spread of the loss itself, ℓ_xy = ℓ + φ."""
        variance = self.variance + 2 * self.covariance + self.variance_phi
        result: Array = 0.5 * np.log(np.maximum(variance, 0.0) + SMALLEST**2)
        return result


class ResponseSums:
    """Sums over stretches of chains that a susceptibility and its error need: memory per token, not per draw.

    For each stretch Σw, Σwφ, Σwφ², Σwℓ, Σwℓ² and Σwφℓ with ℓ = ℓ_xy − φ, as φ pairs with the losses of its own draw,
    and as it pairs with those of another chain (the null). Leaving a stretch out is a subtraction.

    Parameters
    ----------
    tokens : int
        Tokens of this tile.
    phi : array, shape (chains, draws)
        φ = L(w) − L(w*) on the data, in nats, of all draws.
    weights : array, shape (chains, draws), or None
        Importance weights, of any normalization; None for equal ones.

    Raises
    ------
    ZeemanError
        If φ has another shape, is not finite or has fewer than three draws, or weights do not fit.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> phi = rng.normal(size=(4, 100))
    >>> losses = (rng.normal(size=(3, 4, 100)) - phi).astype(np.float16)
    >>> sums = ResponseSums(3, phi)
    >>> for draw in range(0, 100, 20):
    ...     sums.add(losses[..., draw : draw + 20], draw=draw)
    >>> sums.respond().rho.shape
    (3,)
    """

    def __init__(self, tokens: int, phi: NDArray[np.floating], weights: NDArray[np.floating] | None = None) -> None:
        self.phi = np.asarray(phi, np.float64)
        self.weights = np.ones_like(self.phi) if weights is None else np.asarray(weights, np.float64)
        _check_phi(self.phi, self.weights)
        self._mean_phi = float(np.average(self.phi, weights=self.weights))
        own = self.phi - self._mean_phi
        both = self.weights * _next_chain(self.weights)
        self._columns = np.stack([self.weights, self.weights * own, both, both * _next_chain(own)], axis=-1)
        self._edges = stretch_edges(self.phi.shape[1])
        self._scalars = np.stack([self._token_free(self.weights, own), self._token_free(both, _next_chain(own))])
        stretches = self._scalars.shape[1]
        self._linear = np.zeros((2, stretches, 2, tokens))
        self._square = np.zeros((2, stretches, tokens))
        self._pivot = self._start = np.zeros(tokens)
        self._moved = np.zeros(tokens, bool)
        self._seen = np.zeros(self.phi.shape, bool)

    def _token_free(self, weights: Array, phi: Array) -> Array:
        """Σw, Σw², Σwφ and Σwφ² of each stretch, shape (stretches, 4)."""
        each = np.stack([weights, weights**2, weights * phi, weights * phi**2])
        return np.add.reduceat(each, self._edges[:-1], axis=2).reshape(4, -1).T

    def add(self, losses: NDArray[np.floating], *, chain: int = 0, draw: int = 0) -> None:
        """Take in a block of draws.

        Parameters
        ----------
        losses : array, shape (tokens, chains', draws')
            ℓ_xy(w) − ℓ_xy(w*) in nats, in any precision.
        chain, draw : int
            Where the block begins.

        Raises
        ------
        ZeemanError
            If the block does not fit, or any of its draws was there before.
        """
        shape = np.shape(losses)
        self._check_block(shape, chain, draw)
        where = slice(chain, chain + shape[1]), slice(draw, draw + shape[2])
        block = np.array(losses, np.float64)
        # A loss that left the finite numbers makes its own token NaN and no other.
        with np.errstate(invalid="ignore"):
            first = not self._seen.any()
            if first:
                self._start = block[:, 0, 0].copy()
            self._moved |= (block != self._start[:, None, None]).any(axis=(1, 2))
            block -= self.phi[where]
            if first:
                self._pivot = block.mean(axis=(1, 2))
            block -= self._pivot[:, None, None]
            for c in range(shape[1]):
                self._add_chain(block[:, c], chain + c, draw)
        self._seen[where] = True

    def _add_chain(self, block: Array, chain: int, draw: int) -> None:
        per_chain = len(self._edges) - 1
        for s in range(per_chain):
            low, high = max(self._edges[s], draw), min(self._edges[s + 1], draw + block.shape[1])
            if low < high:
                piece, columns = block[:, low - draw : high - draw], self._columns[chain, low:high]
                at = chain * per_chain + s
                self._linear[:, at] += (piece @ columns).T.reshape(2, 2, -1)
                self._square[:, at] += (piece**2 @ columns[:, ::2]).T

    def _check_block(self, shape: tuple[int, ...], chain: int, draw: int) -> None:
        chains, draws = self.phi.shape
        if len(shape) != 3 or shape[0] != len(self._moved) or chain + shape[1] > chains or draw + shape[2] > draws:
            raise ZeemanError(
                f"expected losses (tokens, chains, draws) within {(len(self._moved), chains, draws)}, got {shape} "
                f"from chain {chain} and draw {draw}; bring them into this shape."
            )
        if self._seen[chain : chain + shape[1], draw : draw + shape[2]].any():
            raise ZeemanError(f"draws from chain {chain} and draw {draw} came twice; add each once.")

    def respond(self, full: ResponseSums | None = None) -> Susceptibility:
        """Read the susceptibility from the sums.

        Parameters
        ----------
        full : ResponseSums or None
            Sums of the same tokens over draws in which all weights move; None leaves the mean-shift term out.

        Returns
        -------
        Susceptibility

        Raises
        ------
        ZeemanError
            If draws are still missing.
        """
        self._check_complete()
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._respond(full)

    def _respond(self, full: ResponseSums | None) -> Susceptibility:
        one_chain = len(self.phi) < 2
        blank = math.nan if one_chain else 1.0
        rounding = self._rounding()
        values, kept = self._moments(0)
        null, null_kept = self._moments(1)
        full_mean, full_se = full.mean() if full else (np.full(len(self._moved), math.nan),) * 2
        shift, shift_kept = (self._shift(moments, full_mean) for moments in (values, kept))
        from_full = abs(self._mean_phi) * full_se
        still = ~self._moved | (values.variance <= rounding) | (values.variance_phi <= 0)

        def rho(moments: _Moments) -> Array:
            return np.where(still, 0.0, moments.rho(rounding))

        halves = self._halves()
        return Susceptibility(
            covariance=-values.covariance,
            covariance_se=blank * jackknife_error(kept.covariance),
            shift=shift,
            shift_se=blank * np.hypot(jackknife_error(shift_kept), from_full),
            total=shift - values.covariance,
            total_se=blank * np.hypot(jackknife_error(shift_kept - kept.covariance), from_full),
            rho=rho(values),
            rho_se=blank * jackknife_error(rho(kept)),
            null=rho(null),
            null_se=blank * jackknife_error(rho(null_kept)),
            covariance_halves=np.stack([-half.covariance for half in halves]),
            rho_halves=np.stack([rho(half) for half in halves]),
            constant=still,
            floor=self._floor(),
            reason=self._reason(full),
        )

    def _reason(self, full: ResponseSums | None) -> str:
        if full is None:
            return f"{ONE_CHAIN} {NO_FULL_DRAWS}" if len(self.phi) < 2 else NO_FULL_DRAWS
        return ONE_CHAIN if min(len(self.phi), len(full.phi)) < 2 else ""

    def mean(self) -> tuple[Array, Array]:
        """Mean of ℓ_xy − φ with its standard error, shape (tokens,); NaN errors for one chain."""
        self._check_complete()
        values, kept = self._moments(0)
        return values.mean, jackknife_error(kept.mean) * (math.nan if len(self.phi) < 2 else 1.0)

    def leave_one_out(self) -> Array:
        """The covariance term −Cov_C(φ, ℓ_xy − L) with each stretch left out, shape (stretches, tokens)."""
        self._check_complete()
        return -self._moments(0)[1].covariance

    def leave_one_out_rho(self) -> Array:
        """ρ with each stretch left out, shape (stretches, tokens)."""
        self._check_complete()
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._moments(0)[1].rho(self._rounding())

    def log_amplitude(self) -> Array:
        """Log of how far each loss moves (`log_amplitude`), shape (tokens,)."""
        self._check_complete()
        return self._moments(0)[0].log_amplitude()

    def log_amplitude_halves(self) -> Array:
        """The same from either half of the chains, shape (2, tokens)."""
        self._check_complete()
        return np.stack([half.log_amplitude() for half in self._halves()])

    def leave_one_out_log_amplitude(self) -> Array:
        """The same with each stretch left out, shape (stretches, tokens)."""
        self._check_complete()
        return self._moments(0)[1].log_amplitude()

    def log_amplitude_noise(self, count: int = NUM_NULLS) -> Array:
        """What draws alone make of log amplitudes, (a₁ − a₂)/2 from random halves of the stretches.

        Either half has noise of twice the variance of the whole, and what is true of a token cancels: the difference
        has the law of the noise of a, with all that tokens and draws share.

        Parameters
        ----------
        count : int
            Ways to halve the stretches, the same ones for all tokens.

        Returns
        -------
        array, shape (count, tokens)
        """
        self._check_complete()
        stretches = self._scalars.shape[1]
        first = np.arange(stretches) < stretches // 2
        rng = np.random.default_rng([stretches, *b"halves"])
        halves = np.stack([rng.permutation(first) for _ in range(count)])
        sums = self._scalars[0], self._linear[0], self._square[0]
        one, other = (self._from_sums(*(np.tensordot(half.astype(float), s, 1) for s in sums)).log_amplitude()
                      for half in (halves, ~halves))  # fmt: skip
        return (one - other) / 2

    def _shift(self, moments: _Moments, full_mean: Array) -> Array:
        return -(moments.mean_phi + self._mean_phi) * (moments.mean - full_mean)

    def _moments(self, pairing: int) -> tuple[_Moments, _Moments]:
        """Moments of all draws, and with each stretch left out."""
        sums = self._scalars[pairing], self._linear[pairing], self._square[pairing]
        totals = [part.sum(axis=0) for part in sums]
        return self._from_sums(*totals), self._from_sums(*(t - part for t, part in zip(totals, sums, strict=True)))

    def _halves(self) -> tuple[_Moments, _Moments]:
        middle = len(self._linear[0]) * (len(self.phi) // 2) // len(self.phi)
        sums = self._scalars[0], self._linear[0], self._square[0]
        parts = slice(None, middle), slice(middle, None)
        first, second = (self._from_sums(*(part[at].sum(axis=0) for part in sums)) for at in parts)
        return first, second

    def _from_sums(self, scalars: Array, linear: Array, square: Array) -> _Moments:
        weight, weight2, phi, phi2 = (scalars[..., i, None] for i in range(4))
        mean, mean_phi = linear[..., 0, :] / weight, phi / weight
        # 1 − 1/n for equal weights.
        unbiased = 1 - weight2 / weight**2
        return _Moments(
            (linear[..., 1, :] / weight - mean * mean_phi) / unbiased,
            (square / weight - mean**2) / unbiased,
            (phi2 / weight - mean_phi**2) / unbiased,
            mean + self._pivot,
            mean_phi,
        )

    def _rounding(self) -> Array:
        """Variance that comes from rounding alone."""
        square = self._square[0].sum(axis=0) / self._scalars[0, :, 0].sum()
        rounding: Array = 1e-12 * square + 1e-24 * float((self.phi**2).mean())
        return rounding

    def _floor(self) -> float:
        # φ and a loss of like memory forget their product as fast as the square of either.
        ess = effective_draws((self.phi - self._mean_phi) ** 2)
        kish = float(self.weights.sum() ** 2 / (self.weights**2).sum()) / self.weights.size
        return 1 / math.sqrt(ess * kish) if ess > 0 else math.nan

    def _check_complete(self) -> None:
        if not self._seen.all():
            raise ZeemanError(
                f"expected {self._seen.size} draws, got {int(self._seen.sum())}; add the missing ones first."
            )


def respond(
    phi: NDArray[np.floating],
    losses: NDArray[np.floating],
    phi_full: NDArray[np.floating] | None = None,
    losses_full: NDArray[np.floating] | None = None,
    *,
    weights: NDArray[np.floating] | None = None,
    weights_full: NDArray[np.floating] | None = None,
    tile: int = 512,
) -> Susceptibility:
    """Susceptibility of one component to each token, a tile of tokens at a time.

    χ_xy = −Cov_C(φ, ℓ_xy − L) − E_C[φ](E_C − E_F)[ℓ_xy − L] (arXiv 2504.18274, 2601.12703); see `susceptibility`.

    Parameters
    ----------
    phi : array, shape (chains, draws)
        φ = L(w) − L(w*) on the data, in nats, when the component alone moves.
    losses : array, shape (tokens, chains, draws)
        ℓ_xy(w) − ℓ_xy(w*), in any precision; anything that is sliced along its first axis (a memory map, a Zarr array).
    phi_full, losses_full : array, shape (chains', draws') and (tokens, chains', draws')
        The same when all weights move; None leaves the mean-shift term out (NaN).
    weights, weights_full : array, shape (chains, draws) and (chains', draws')
        Importance weights (`importance_weights`); None for equal ones.
    tile : int
        Tokens at once.

    Returns
    -------
    Susceptibility
        One figure a token.

    Raises
    ------
    ZeemanError
        If the shapes do not fit together.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> phi = rng.normal(size=(4, 500))
    >>> chi = respond(phi, rng.normal(size=(10, 4, 500)) - phi, tile=3)
    >>> bool((abs(chi.rho - 2 / 5**0.5) < 5 * chi.rho_se).all()), chi.reason
    (True, 'Without draws of all weights there is no mean-shift term: pass them.')
    """
    parts = []
    for low in range(0, losses.shape[0], tile):
        sums = _tile_sums(phi, losses[low : low + tile], weights)
        full = None
        if phi_full is not None and losses_full is not None:
            full = _tile_sums(phi_full, losses_full[low : low + tile], weights_full)
        parts.append(sums.respond(full))
    return join_tiles(parts)


def join_tiles(parts: Sequence[Susceptibility]) -> Susceptibility:
    """Join the tiles of one component.

    Parameters
    ----------
    parts : sequence of Susceptibility
        From the same draws.

    Returns
    -------
    Susceptibility

    Raises
    ------
    ZeemanError
        Without a tile.

    Examples
    --------
    >>> chi = respond(np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(2, 2, 3) ** 2)
    >>> join_tiles([chi, chi]).rho.shape
    (4,)
    """
    if not parts:
        raise ZeemanError("expected at least one tile of tokens, got none; pass some tokens.")
    arrays = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts], axis=-1)
        for f in fields(Susceptibility)
        if f.name not in ("floor", "reason")
    }
    return Susceptibility(**arrays, floor=parts[0].floor, reason=parts[0].reason)


def _tile_sums(
    phi: NDArray[np.floating], losses: NDArray[np.floating], weights: NDArray[np.floating] | None
) -> ResponseSums:
    sums = ResponseSums(len(losses), phi, weights)
    sums.add(losses)
    return sums


def _next_chain(values: Array) -> Array:
    """Pair each draw with one of another chain, or with a distant one of the only chain."""
    return np.roll(values, -1, axis=0) if len(values) > 1 else np.roll(values, -(values.shape[1] // 2), axis=1)


def _check_phi(phi: Array, weights: Array) -> None:
    if phi.ndim != 2 or phi.size < 3 or weights.shape != phi.shape:
        raise ZeemanError(
            f"expected phi and weights (chains, draws) with at least three draws, got {phi.shape} and {weights.shape}; "
            "bring them into this shape."
        )
    if not np.isfinite(phi).all() or not (weights >= 0).all() or not 0 < weights.sum() < math.inf:
        raise ZeemanError("expected finite phi and non-negative weights, got others; leave out chains that diverged.")
