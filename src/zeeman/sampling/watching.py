"""Losses of fixed tokens at one draw of a chain after another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.sampling.cached import CachedLosses, Kept
from zeeman.sampling.posterior import rows_of
from zeeman.sampling.walk import Walk

_BYTES_KEPT = 2**28
"""Most memory of what is kept of the watched tokens; of those beyond, every pass is a whole one."""


@dataclass(frozen=True, eq=False)
class Observable:
    """Tokens (or samples) whose losses are read at every draw.

    Parameters
    ----------
    batch : Any
        Goes to the loss as it is.
    scored : Tensor of bool
        Which of the losses count, in the shape that the loss returns.
    """

    batch: Any
    scored: torch.Tensor


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows that go through the model together."""

    batch: Any
    scored: torch.Tensor
    kept: list[Kept | None]


class Watching:
    """Reads observables along a chain, without the arithmetic that is the same at all draws (`CachedLosses`).

    The losses are those of plain passes, bit for bit.

    Parameters
    ----------
    walk : Walk
        A chain at w*.
    observables : dict of Observable

    Examples
    --------
    >>> from zeeman.sampling import LocalPosterior
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    >>> last = LocalPosterior(model, torch.ones(4, 3), lambda m, x: m(x)[:, 0], component="l1")
    >>> watching = Watching(Walk(last), {"it": Observable(last.data, torch.ones(4, dtype=torch.bool))})
    >>> watching.differences("it").tolist(), watching.cached.num_kept
    ([0.0, 0.0, 0.0, 0.0], 1)
    """

    def __init__(self, walk: Walk, observables: Mapping[str, Observable]) -> None:
        self.walk, self._room = walk, _BYTES_KEPT
        self.cached = CachedLosses(walk, *(item.batch for item in observables.values()))
        self._parts: dict[str, list[_Part]] = {}
        self.expected = {name: self._open(name, item) for name, item in observables.items()}

    @torch.no_grad()
    def differences(self, name: str) -> NDArray[np.float32]:
        """Loss minus reference loss of each scored token at the weights as they are; NaN for a lost chain."""
        expected = self.expected[name]
        found = torch.full_like(expected, math.nan) if self.walk.lost else self._read(name) - expected
        difference: NDArray[np.float32] = found.numpy()
        return difference

    def close(self) -> None:
        """Give the memory back."""
        self._parts.clear()
        self.cached.close()

    @torch.no_grad()
    def _open(self, name: str, item: Observable) -> torch.Tensor:
        """Read an observable at w*, and keep as much of it as there is room for."""
        parts, read, index = [], [], torch.arange(len(item.scored))
        for rows in self.walk.parts(index):
            whole = len(rows) == len(index)
            batch = item.batch if whole else rows_of(item.batch, rows)
            scored = item.scored if whole else item.scored[rows]
            read.append(self.cached.open(batch)[scored])
            fits = self.cached.kept_bytes <= self._room
            self._room -= self.cached.kept_bytes if fits else 0
            parts.append(_Part(batch, scored, self.cached.kept() if fits else []))
        self._parts[name] = parts
        return torch.cat(read)

    @torch.no_grad()
    def _read(self, name: str) -> torch.Tensor:
        read = []
        for part in self._parts[name]:
            self.cached.turn(part.batch, part.kept)
            read.append(self.cached.losses()[part.scored])
        return read[0] if len(read) == 1 else torch.cat(read)
