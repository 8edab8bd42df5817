"""Reads tiles of windows at the unloaded draws of one component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.cached import CachedLosses
from zeeman.sampling.noise import Noise, room
from zeeman.sampling.posterior import LocalPosterior, rows_of
from zeeman.sampling.samplers import Vectors
from zeeman.sampling.walk import Walk
from zeeman.sampling.watching import Observable

BYTES_AT_ONCE = 2**25
"""Most memory of the differences of one tile, and of the noise that is kept from one tile to the next."""

Pair = tuple[NDArray[np.float16], NDArray[np.float64]]


@dataclass(frozen=True)
class Draws:
    """w* + s γ^{−1/2} ξ_i for each chain, each i < ``num_steps`` and each sign s, which runs fastest."""

    seed: int
    chains: tuple[int, ...]
    num_steps: int
    signs: tuple[float, ...]

    @property
    def num_draws(self) -> int:
        """Draws of a chain."""
        return self.num_steps * len(self.signs)

    def scales(self, posterior: LocalPosterior) -> list[float]:
        """Give s γ^{−1/2} of each sign."""
        return [sign * posterior.localization**-0.5 for sign in self.signs]

    def rows_at_once(self, item: Observable) -> int:
        """Windows whose differences fit into memory."""
        return max(1, BYTES_AT_ONCE // (2 * len(self.chains) * self.num_draws * max(1, item.scored[0].numel())))


class DrawReader:
    """Draws one after another, without what is the same at all of them (`CachedLosses`, ADR 12)."""

    def __init__(self, posterior: LocalPosterior, item: Observable, draws: Draws) -> None:
        self.walk, self.item, self.draws = Walk(posterior), item, draws
        self.cached = CachedLosses(self.walk, item.batch)
        self.rows_at_once = min(self.walk.at_once.gradient, draws.rows_at_once(item))
        self.scales = draws.scales(posterior)
        self._noises = [Noise(draws.seed, chain) for chain in draws.chains]
        self._kept: dict[tuple[int, int], Vectors] = {}
        self._room = BYTES_AT_ONCE // (4 * room(self.walk.wanted))

    def read(self, rows: range) -> Pair:
        """Give differences in half precision and their sums, shapes (chains, draws, tokens) and (chains, draws)."""
        batch, scored = _window(self.item, rows)
        self.walk.restore(self.walk.center)
        expected = pick(self.cached.open(batch), scored)
        differences = torch.empty(len(self._noises), self.draws.num_draws, len(expected), dtype=torch.float16)
        total = torch.empty(differences.shape[:2], dtype=torch.float64)
        for c, step in np.ndindex(len(self._noises), self.draws.num_steps):
            xi = self._noise(c, step)
            for draw, scale in enumerate(self.scales, step * len(self.scales)):
                self.walk.place(xi, scale)
                found = pick(self.cached.losses(), scored) - expected
                differences[c, draw], total[c, draw] = found, found.double().sum()
        return differences.numpy(), total.numpy()

    def close(self) -> None:
        """Give the memory back."""
        self._kept.clear()
        self.cached.close()
        self.walk.close()

    def _noise(self, c: int, step: int) -> Vectors:
        """Noise of a draw: kept from the tile before where there is room, else made anew."""
        if (c, step) in self._kept:
            return self._kept[c, step]
        xi = self.walk.whole_noise(self._noises[c], step)
        if len(self._kept) < self._room:
            self._kept[c, step] = xi
        return xi


def pick(losses: torch.Tensor, scored: torch.Tensor) -> torch.Tensor:
    """Select what is scored.

    Raises
    ------
    ZeemanError
    """
    if losses.shape != scored.shape:
        raise ZeemanError(
            f"expected one mark a loss, got losses of shape {tuple(losses.shape)} and marks of shape "
            f"{tuple(scored.shape)}; give a mask in the shape that the loss returns."
        )
    return losses[scored]


def _window(item: Observable, rows: range) -> tuple[Any, torch.Tensor]:
    where = slice(rows.start, rows.stop)
    return rows_of(item.batch, where), item.scored[where]
