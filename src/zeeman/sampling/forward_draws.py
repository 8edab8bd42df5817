"""Unloaded draws read by forward passes alone, tile by tile: spectroscopy at the price of inference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.cached import CachedLosses
from zeeman.sampling.driver import Observable
from zeeman.sampling.noise import Noise
from zeeman.sampling.posterior import LocalPosterior, check_number, rows_of
from zeeman.sampling.repeatability import require_repeatable
from zeeman.sampling.walk import Walk

_BYTES_AT_ONCE = 2**25
"""Most memory of the differences of one tile."""


@dataclass(frozen=True, eq=False)
class Tile:
    """Differences of some windows at all draws of one component.

    Parameters
    ----------
    component : str
    rows : range
        The windows.
    differences : array of float16, shape (chains, draws, tokens)
        ℓ_xy(w) − ℓ_xy(w*) in nats of each scored token of these windows, in their order. Relative precision 2⁻¹¹ down
        to 6·10⁻⁵ nats, absolute precision 3·10⁻⁸ below; not finite where a draw's loss is not, or beyond 65,504.
    total : array of float64, shape (chains, draws)
        Their sum over the tokens, taken before they were rounded.
    """

    component: str
    rows: range
    differences: NDArray[np.float16]
    total: NDArray[np.float64]


def forward_draws(
    posteriors: Sequence[LocalPosterior],
    item: Observable,
    *,
    seed: int,
    chains: Sequence[int],
    num_draws: int,
    antithetic: bool = False,
    rows: range | None = None,
    tile_rows: int | None = None,
) -> Iterator[Tile]:
    """Read tokens at unloaded draws w = w* + γ^{−1/2} ξ of each component, forward passes only.

    Draws are independent, so a chain is but a block of draws from which error bars are made. ξ of draw i of a chain is
    a function of (seed, chain, i, parameter) alone, and it is made anew for each tile: any worker can read any windows
    of any component and chain, the parts fit together, and components and checkpoints share their random numbers. Draw
    i is that of `run_chain` with `Unloaded`. How windows are cut into tiles shows in the last bits of float32 only.
    Memory is that of one tile, whatever the number of windows and draws. What no moving weight reaches is computed once
    a tile (`CachedLosses`).

    Parameters
    ----------
    posteriors : sequence of LocalPosterior
        One a component, with its localization γ > 0 (`match_energy`); data and nβ are not used.
    item : Observable
        Windows of tokens and which of their losses are read.
    seed : int
    chains : sequence of int
        Numbers of the chains.
    num_draws : int
        Draws of each chain.
    antithetic : bool
        Draws 2i and 2i + 1 are w* ± γ^{−1/2} ξ_i: averages are free of the odd orders in w − w*, and in a covariance
        products of an odd and an even term cancel. Such pairs are not independent; chains are.
    rows : range or None
        Windows to read; None reads all of them.
    tile_rows : int or None
        Windows at once; None takes as many as a backward pass would hold 32 MB for.

    Yields
    ------
    Tile
        Components in their order, and of each its windows in order.

    Raises
    ------
    ZeemanError
        For settings that make no sense and a loss that is not repeatable or has another shape than what is scored.

    Examples
    --------
    >>> data = torch.ones(6, 3)
    >>> model = torch.nn.Linear(3, 1)
    >>> whole = LocalPosterior(model, data, lambda m, x: m(x)[:, 0] ** 2, n_beta=0.0, localization=10.0)
    >>> scored = Observable(data, torch.ones(6, dtype=torch.bool))
    >>> tiles = forward_draws([whole], scored, seed=0, chains=range(2), num_draws=4, tile_rows=4)
    >>> [tile.differences.shape for tile in tiles]
    [(2, 4, 3), (2, 4, 3)]
    """
    _check(posteriors, item, chains, num_draws, antithetic, rows, tile_rows)
    for posterior in posteriors:
        walk = Walk(posterior)
        reader = _Reader(walk, item, [Noise(seed, chain) for chain in chains], num_draws, antithetic)
        try:
            for tile in _tiles(rows or range(len(item.scored)), tile_rows or reader.rows_at_once):
                yield reader.read(tile)
        finally:
            reader.close()


class _Reader:
    """Reads tiles at the draws of one component."""

    def __init__(self, walk: Walk, item: Observable, noises: list[Noise], num_draws: int, antithetic: bool) -> None:
        self.walk, self.item, self.noises = walk, item, noises
        self.num_draws, self.antithetic = num_draws, antithetic
        require_repeatable(walk.model, walk.posterior.loss, rows_of(item.batch, slice(0, 8)))
        self.cached = CachedLosses(walk, item.batch)
        bytes_of_row = 2 * len(noises) * num_draws * item.scored[0].numel()
        self.rows_at_once = max(1, min(walk.at_once, _BYTES_AT_ONCE // bytes_of_row))

    def read(self, rows: range) -> Tile:
        where = slice(rows.start, rows.stop)
        scored = self.item.scored[where]
        self.walk.restore(self.walk.center)
        reference = self.cached.open(rows_of(self.item.batch, where))
        _check_shape(reference, scored)
        expected = reference[scored]
        differences = torch.empty(len(self.noises), self.num_draws, len(expected), dtype=torch.float16)
        total = torch.empty(differences.shape[:2], dtype=torch.float64)
        for c, noise in enumerate(self.noises):
            for draw in range(self.num_draws):
                self.draw(noise, draw)
                found = self.cached.losses()[scored] - expected
                differences[c, draw], total[c, draw] = found, found.double().sum()
        return Tile(self.walk.posterior.component.name, rows, differences.numpy(), total.numpy())

    def draw(self, noise: Noise, draw: int) -> None:
        """Put the weights at a draw."""
        step, odd = divmod(draw, 2) if self.antithetic else (draw, 0)
        scale: float = self.walk.posterior.localization**-0.5
        self.walk.place(self.walk.noise(noise, step), -scale if odd else scale)

    def close(self) -> None:
        self.cached.close()
        self.walk.close()


def _tiles(rows: range, at_once: int) -> Iterator[range]:
    """Cut rows into parts of at most ``at_once``, of equal numbers as far as can be."""
    count = -(-len(rows) // at_once)
    edges = [rows.start + len(rows) * i // count for i in range(count + 1)]
    return (range(a, b) for a, b in zip(edges, edges[1:], strict=False))


def gather(tiles: Sequence[Tile] | Iterator[Tile]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float16]]]:
    """Put tiles together, for so many tokens as fit into memory.

    Parameters
    ----------
    tiles : iterable of Tile
        As `forward_draws` gives them, or parts that several workers made; in any order, without overlap.

    Returns
    -------
    dict
        Of each component φ = L(w) − L(w*), the mean difference of a token, shape (chains, draws), and the differences,
        shape (chains, draws, tokens).

    Examples
    --------
    >>> parts = [Tile("l0", range(1), np.ones((2, 3, 4), np.float16), np.full((2, 3), 4.0))] * 2
    >>> phi, differences = gather(parts)["l0"]
    >>> phi.tolist(), differences.shape
    ([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], (2, 3, 8))
    """
    found: dict[str, list[Tile]] = {}
    for tile in tiles:
        found.setdefault(tile.component, []).append(tile)
    gathered = {}
    for name, parts in found.items():
        parts.sort(key=lambda tile: tile.rows.start)
        differences = np.concatenate([tile.differences for tile in parts], axis=2)
        gathered[name] = sum(tile.total for tile in parts) / differences.shape[2], differences
    return gathered
