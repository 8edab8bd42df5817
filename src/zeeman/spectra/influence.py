"""Loss kernel and Bayesian influence between tokens, sequences or any two sets of losses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.spectra.stretches import ONE_CHAIN, jackknife_error, stretch_edges

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Influence:
    """Loss kernel between two sets of losses, with standard errors; arrays of shape (first, second).

    Parameters
    ----------
    kernel, kernel_se : array
        K(z, z') = Cov(ℓ_z, ℓ_z'), in nats squared.
    correlation, correlation_se : array
        K over the standard deviations; 0 where a loss does not move.
    constant_first, constant_second : array of bool, shape (first,) and (second,)
        Which losses do not move.
    reason : str
        Why figures are missing (NaN); empty if none is.
    """

    kernel: Array
    kernel_se: Array
    correlation: Array
    correlation_se: Array
    constant_first: NDArray[np.bool_]
    constant_second: NDArray[np.bool_]
    reason: str = ""

    @property
    def influence(self) -> Array:
        """−K: how ⟨ℓ_z⟩ answers to more weight on z' (the Bayesian influence function)."""
        return -self.kernel


def influence(first: NDArray[np.floating], second: NDArray[np.floating] | None = None, *, tile: int = 128) -> Influence:
    """Loss kernel K(z, z') = Cov(ℓ_z, ℓ_z') under the local posterior (arXiv 2509.26544, 2509.26537).

    −K is the Bayesian influence function, d⟨ℓ_z⟩/dβ_z' for weights ∝ exp(−Σ β_z ℓ_z). In a Gaussian posterior with
    covariance Σ = (nβH + γ)⁻¹, K = g_z·Σ g_z' + ½ tr(A_z Σ A_z' Σ): the first term is the damped influence function of
    the gradients, the second comes from the curvatures of the two losses.

    Parameters
    ----------
    first, second : array, shape (items, chains, draws) or (items, positions, chains, draws)
        ℓ_z(w) − ℓ_z(w*) on the same draws, in any precision; positions are summed (per-sequence losses). None: the
        first with itself, at half the work, since K is symmetric.
    tile : int
        Items at once; memory beyond the answer is a few (tile, tile) and (tile, chains · draws) arrays.

    Returns
    -------
    Influence

    Raises
    ------
    ZeemanError
        If the shapes do not fit together or there are fewer than three draws.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.normal(size=(1, 4, 1000))
    >>> found = influence(np.concatenate([shared, -2 * shared]))
    >>> found.correlation.round(6).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    shape = first.shape[0], (first if second is None else second).shape[0]
    kernel, kernel_se, correlation, correlation_se = np.empty((4, *shape))
    constant = np.empty(shape[0], bool), np.empty(shape[1], bool)
    reason = ONE_CHAIN if first.shape[-2] < 2 else ""
    answer = Influence(kernel, kernel_se, correlation, correlation_se, *constant, reason)
    for rows, columns, part in influence_tiles(first, second, tile=tile):
        for name in ("kernel", "kernel_se", "correlation", "correlation_se"):
            whole, found = getattr(answer, name), getattr(part, name)
            whole[rows, columns] = found
            if second is None:
                whole[columns, rows] = found.T
        answer.constant_first[rows], answer.constant_second[columns] = part.constant_first, part.constant_second
    return answer


def influence_tiles(
    first: NDArray[np.floating], second: NDArray[np.floating] | None = None, *, tile: int = 128
) -> Iterator[tuple[slice, slice, Influence]]:
    """Loss kernel a tile at a time, for kernels that do not fit into memory.

    Parameters
    ----------
    first, second : array, shape (items, chains, draws) or (items, positions, chains, draws)
        As for `influence`; anything that is sliced along its first axis. None: the first with itself, of which tiles
        below the diagonal are left out.
    tile : int

    Yields
    ------
    rows, columns : slice
        Where the tile stands.
    influence : Influence

    Raises
    ------
    ZeemanError
        If the shapes do not fit together or there are fewer than three draws.

    Examples
    --------
    >>> losses = np.random.default_rng(0).normal(size=(5, 2, 10))
    >>> [part.kernel.shape for _, _, part in influence_tiles(losses, losses, tile=3)]
    [(3, 3), (3, 2), (2, 3), (2, 2)]
    >>> [part.kernel.shape for _, _, part in influence_tiles(losses, tile=3)]
    [(3, 3), (3, 2), (2, 2)]
    """
    itself, second = second is None, first if second is None else second
    refuse_other_draws(first, second)
    for low in range(0, first.shape[0], tile):
        left = _Side.of(first[low : low + tile])
        for start in range(low if itself else 0, second.shape[0], tile):
            rows, columns = slice(low, low + tile), slice(start, start + tile)
            yield rows, columns, _kernel(left, _Side.of(second[columns]))


def correlations(first: NDArray[np.floating], second: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
    """ρ_zz' = Cov(ℓ_z, ℓ_z')/(σ_z σ_z') of all pairs and nothing else: one product, with no errors.

    Parameters
    ----------
    first, second : array, shape (items, chains, draws) or (items, positions, chains, draws)
        As for `influence`.

    Returns
    -------
    array, shape (first, second)
        In single precision unless either set is in double; 0 where a loss does not move, NaN where it is not finite.

    Raises
    ------
    ZeemanError
        If the shapes do not fit together or there are fewer than three draws.

    Examples
    --------
    >>> losses = np.random.default_rng(0).normal(size=(5, 2, 10))
    >>> bool(np.allclose(correlations(losses), influence(losses).correlation))
    True
    """
    refuse_other_draws(first, first if second is None else second)
    left = unit_losses(first)
    # Of a matrix with its own transpose numpy computes one half.
    return left @ (left if second is None else unit_losses(second)).T


def unit_losses(losses: NDArray[np.floating]) -> NDArray[np.floating]:
    """Losses less their mean over all draws, of norm 1, shape (items, draws); 0 where they stand still.

    Examples
    --------
    >>> unit_losses(np.array([[[1.0, 2.0], [3.0, 2.0]]])).round(3).tolist()
    [[-0.707, 0.0, 0.707, 0.0]]
    """
    flat, _ = _centred(losses)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    norm[norm == 0] = 1.0
    flat /= norm
    return flat


def _centred(losses: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Losses less their mean over all draws, shape (items, draws), and which of them stand still."""
    if losses.ndim == 4:
        losses = losses.sum(axis=1, dtype=np.float64)
    # Half precision holds losses, but not their sums.
    flat = np.array(losses, np.result_type(losses.dtype, np.float32)).reshape(len(losses), -1)
    constant = (flat == flat[:, :1]).all(axis=1)
    # A loss that left the finite numbers makes its own row NaN and no other.
    flat[~np.isfinite(flat).all(axis=1)] = math.nan
    flat -= flat.mean(axis=1, keepdims=True)
    flat[constant] = 0.0
    return flat, constant


def influence_of_pairs(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    rows: NDArray[np.integer],
    columns: NDArray[np.integer],
    *,
    tile: int = 4096,
) -> Influence:
    """Loss kernel of some pairs alone.

    Parameters
    ----------
    first, second : array, shape (items, chains, draws)
        As for `influence`.
    rows, columns : array of int, shape (pairs,)
        Items of the first and of the second set.
    tile : int
        Pairs at once.

    Returns
    -------
    Influence
        With arrays of shape (pairs,).

    Raises
    ------
    ZeemanError
        If the shapes do not fit together or there are fewer than three draws.

    Examples
    --------
    >>> losses = np.random.default_rng(0).normal(size=(5, 2, 10))
    >>> found = influence_of_pairs(losses, losses, np.array([0, 1, 2]), np.array([2, 3, 4]))
    >>> bool(np.allclose(found.kernel_se, influence(losses).kernel_se[[0, 1, 2], [2, 3, 4]]))
    True
    """
    refuse_other_draws(first, second)
    left, right = _Side.of(first), _Side.of(second)
    answer = np.empty((4, len(rows)))
    for low in range(0, len(rows), tile):
        some = slice(low, low + tile)
        answer[:, some] = _pairwise(left.take(rows[some]), right.take(columns[some]))
    reason = ONE_CHAIN if left.chains < 2 else ""
    kernel, kernel_se, correlation, correlation_se = answer
    constant = left.constant[rows], right.constant[columns]
    return Influence(kernel, kernel_se, correlation, correlation_se, *constant, reason)


def refuse_other_draws(first: NDArray[np.floating], second: NDArray[np.floating]) -> None:
    """Refuse losses that are not of the same draws, or of too few."""
    chains, draws = first.shape[-2:]
    if first.ndim not in (3, 4) or second.ndim not in (3, 4) or second.shape[-2:] != (chains, draws):
        raise ZeemanError(
            "expected two sets of losses (items, chains, draws) or (items, positions, chains, draws) of the same draws"
            f", got {first.shape} and {second.shape}; bring them into these shapes."
        )
    if chains * draws < 3:
        raise ZeemanError(f"expected at least three draws, got {chains * draws}; raise num_draws or num_chains.")


@dataclass(frozen=True)
class _Side:
    """Losses centred over all draws, shape (items, draws), with sums over stretches, shape (stretches, items)."""

    losses: NDArray[np.floating]
    edges: NDArray[np.int64]
    sums: NDArray[np.floating]
    squares: NDArray[np.floating]
    constant: NDArray[np.bool_]
    chains: int

    @classmethod
    def of(cls, losses: NDArray[np.floating]) -> _Side:
        chains, draws = losses.shape[-2:]
        flat, constant = _centred(losses)
        inner = stretch_edges(draws)
        edges = np.append((np.arange(chains)[:, None] * draws + inner[:-1]).ravel(), chains * draws)
        sums = np.add.reduceat(flat, edges[:-1], axis=1).T
        squares = np.add.reduceat(flat**2, edges[:-1], axis=1).T
        return cls(flat, edges, sums, squares, constant, chains)

    def take(self, items: NDArray[np.integer]) -> _Side:
        """Some of the losses."""
        arrays = (self.losses[items], self.edges, self.sums[:, items], self.squares[:, items], self.constant[items])
        return _Side(*arrays, self.chains)

    def spread(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Standard deviation of all draws, and with each stretch left out."""
        n = self.edges[-1]
        kept = (n - np.diff(self.edges))[:, None]
        total = self.squares.sum(axis=0)
        variance = np.maximum(total - self.squares - self.sums**2 / kept, 0.0) / (kept - 1)
        # Of a variance that left with its stretch only rounding is left.
        return np.sqrt(total / (n - 1)), np.sqrt(np.where(variance <= 1e-12 * total / n, 0.0, variance))


def _kernel(left: _Side, right: _Side) -> Influence:
    """One centred product, taken stretch by stretch, so that leaving one out is a subtraction."""
    edges = left.edges
    n, stretches = int(edges[-1]), len(edges) - 1
    total = left.losses @ right.losses.T
    spread, spreads = (left.spread(), right.spread()), range(stretches)
    kernel = total / (n - 1)
    correlation = _over(kernel, np.outer(spread[0][0], spread[1][0]))
    moments = np.zeros((4, *total.shape), total.dtype)
    for k in spreads:
        low, high = edges[k], edges[k + 1]
        kept = n - (high - low)
        rest = total - left.losses[:, low:high] @ right.losses[:, low:high].T
        # Means of what is kept: all draws sum to zero.
        rest -= left.sums[k][:, None] * (right.sums[k] / kept)
        rest /= kept - 1
        normed = _over(rest, np.outer(spread[0][1][k], spread[1][1][k]))
        for at, change in enumerate((rest - kernel, normed - correlation)):
            moments[2 * at] += change
            moments[2 * at + 1] += change**2
    scale = (stretches - 1) / stretches if left.chains > 1 else math.nan
    kernel_se, correlation_se = (
        np.sqrt(scale * np.maximum(square - change**2 / stretches, 0.0))
        for change, square in (moments[:2], moments[2:])
    )
    reason = ONE_CHAIN if left.chains < 2 else ""
    return Influence(kernel, kernel_se, correlation, correlation_se, left.constant, right.constant, reason)


def _pairwise(left: _Side, right: _Side) -> tuple[Array, Array, Array, Array]:
    """Kernel and correlation of the first loss of either side, of the second, and so on, with errors."""
    n, bounds = left.edges[-1], list(pairwise(left.edges))
    kept = (n - np.diff(left.edges))[:, None]
    parts = np.stack([np.einsum("pn,pn->p", left.losses[:, a:b], right.losses[:, a:b]) for a, b in bounds])
    total = parts.sum(axis=0)
    rest = (total - parts - left.sums * right.sums / kept) / (kept - 1)
    (whole, spreads), (other, others) = left.spread(), right.spread()
    correlation, normed = _over(total / (n - 1), whole * other), _over(rest, spreads * others)
    errors = [jackknife_error(each) if left.chains > 1 else np.full(len(total), math.nan) for each in (rest, normed)]
    return total / (n - 1), errors[0], correlation, errors[1]


def _over(kernel: NDArray[np.floating], scale: NDArray[np.floating]) -> Array:
    result: Array = np.divide(kernel, scale, out=np.zeros_like(kernel), where=scale != 0)
    return result
