"""Unloaded draws read by forward passes alone, tile by tile: spectroscopy at the price of inference."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.draw_reader import DrawReader, Draws
from zeeman.sampling.posterior import LocalPosterior, check_number, rows_of, walker
from zeeman.sampling.repeatability import require_repeatable
from zeeman.sampling.watching import Observable

_TRIED = 8
"""Windows on which a loss must repeat itself."""


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
    a function of (seed, chain, i, parameter) alone, so any worker can read any windows of any component and chain, the
    parts fit together, and components and checkpoints share their random numbers. Draw i is that of `run_chain` with
    `Unloaded`. How windows are cut into tiles shows in the last bits of float32 only. Memory is that of one tile and
    32 MB of noise, whatever the number of windows and draws. What no moving weight reaches is computed once a tile
    (`CachedLosses`).

    Parameters
    ----------
    posteriors : sequence of LocalPosterior
        One a component, with its localization γ > 0 (`match_energy`); data and nβ are not used.
    item : Observable
        Windows of tokens and which of their losses are read.
    seed : int
    chains : sequence of int
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
    rows = range(len(item.scored)) if rows is None else rows
    _check(posteriors, item, chains, num_draws, antithetic, rows, tile_rows)
    signs = (1.0, -1.0) if antithetic else (1.0,)
    draws = Draws(seed, tuple(chains), num_draws // len(signs), signs)
    for posterior in posteriors:
        require_repeatable(walker(posterior)[0], posterior.loss, rows_of(item.batch, slice(0, _TRIED)))
        reader = DrawReader(posterior, item, draws)
        try:
            for some in _tiles(rows, tile_rows or reader.rows_at_once):
                yield Tile(posterior.component.name, some, *reader.read(some))
        finally:
            reader.close()


def _check(
    posteriors: Sequence[LocalPosterior],
    item: Observable,
    chains: Sequence[int],
    num_draws: int,
    antithetic: bool,
    rows: range,
    tile_rows: int | None,
) -> None:
    if not posteriors or not chains or len(set(chains)) < len(chains):
        raise ZeemanError(
            f"expected one or more components and one or more different chains, got {len(posteriors)} components and "
            f"chains {list(chains)}; name each chain once."
        )
    if num_draws < 1 or (antithetic and num_draws % 2) or (tile_rows is not None and tile_rows < 1):
        raise ZeemanError(
            f"expected num_draws of at least 1, even for antithetic pairs, and tile_rows of at least 1, got {num_draws}"
            f" and {tile_rows}; choose others."
        )
    if not item.scored.any():
        raise ZeemanError("expected windows with scored tokens, got a mask without any; mark the tokens to read.")
    if item.scored.dtype != torch.bool or not 0 <= rows.start < rows.stop <= len(item.scored) or rows.step != 1:
        raise ZeemanError(
            f"expected a boolean mask of {len(item.scored)} windows and a range of them, got {item.scored.dtype} and "
            f"{rows}; choose windows that exist."
        )
    for posterior in posteriors:
        check_number("localization", posterior.localization, zero=False)


def _tiles(rows: range, at_once: int) -> Iterator[range]:
    """Cut rows into parts of at most ``at_once``, of equal numbers as far as can be."""
    count = -(-len(rows) // at_once)
    edges = [rows.start + len(rows) * i // count for i in range(count + 1)]
    return (range(a, b) for a, b in itertools.pairwise(edges))


def gather(tiles: Iterable[Tile]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float16]]]:
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
