"""Counter-based randomness: every number is a function of what it is for, and of nothing else.

Philox maps (key, counter) to bits without a hidden state. Here the key is (seed, chain) and the counter holds the
step, a hash of the parameter's name and the position inside the parameter. So a chain is the same on one worker or on
ten, whole or resumed, and a slice of a parameter gets the very numbers that the whole parameter would.
"""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

_NORMALS_PER_BLOCK = 8  # one Philox block: four 64-bit words, two uniforms each, one normal per uniform
_CHUNK = 2**15  # words that become normals at once, so that they stay in the processor's cache


@cache
def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def _philox(seed: int, chain: int, counter: tuple[int, int, int, int]) -> np.random.Philox:
    return np.random.Philox(key=np.array([seed, chain], np.uint64), counter=np.array(counter, np.uint64))


class Noise:
    """Standard normal numbers for one chain.

    Parameters
    ----------
    seed, chain : int
        Both non-negative; chains of one seed are independent of each other.

    Examples
    --------
    The same numbers come for a part as for the whole:

    >>> noise = Noise(seed=1, chain=0)
    >>> whole = noise.normal(3, [("w", 0, 1000)])[0]
    >>> part = noise.normal(3, [("w", 500, 20)])[0]
    >>> bool((whole[500:520] == part).all())
    True
    """

    def __init__(self, seed: int, chain: int) -> None:
        self._philox = _philox(seed, chain, (0, 0, 0, 0))
        self._state = self._philox.state
        self._words, self._scratch = np.empty(_CHUNK, np.uint64), torch.empty(3, _CHUNK)

    def normal(
        self, step: int, wanted: list[tuple[str, int, int]], out: torch.Tensor | None = None
    ) -> list[torch.Tensor]:
        """Draw N(0, 1) float32 vectors by the Box–Muller transform.

        Parameters
        ----------
        step : int
            Step of the chain.
        wanted : list of (name, start, count)
            ``count`` elements of parameter ``name`` from flat offset ``start``.
        out : Tensor or None
            Memory for the numbers, `room` (wanted) float32 long; None takes new memory.

        Returns
        -------
        list of Tensor
            One vector of length ``count`` for each entry, views of ``out``.
        """
        out = torch.empty(room(wanted)) if out is None else out
        self.fill(step, wanted, out)
        return places(wanted, out)

    def fill(self, step: int, wanted: list[tuple[str, int, int]], out: torch.Tensor) -> None:
        """Write what `normal` draws into ``out``, where `places` finds it."""
        begin, done, held = 0, 0, 0  # places in out, counted in normals; words that wait
        for name, start, count in wanted:
            left = -(-(start % _NORMALS_PER_BLOCK + count) // _NORMALS_PER_BLOCK) * 4
            begin += 2 * left
            self._seek(start // _NORMALS_PER_BLOCK, step, _hash(name))
            while left:
                n = min(left, _CHUNK - held)
                self._words[held : held + n] = self._philox.random_raw(n)
                left, held = left - n, held + n
                if held == _CHUNK or (left == 0 and begin == len(out)):
                    _box_muller(self._words[:held], out[done : done + 2 * held], self._scratch)
                    done, held = done + 2 * held, 0

    def _seek(self, block: int, step: int, stream: int) -> None:
        self._state["state"]["counter"][:] = (block, step, stream, 0)
        self._philox.state = self._state


def room(wanted: list[tuple[str, int, int]]) -> int:
    """Length of the memory that `Noise.normal` fills for what is wanted."""
    skips = (start % _NORMALS_PER_BLOCK + count for _, start, count in wanted)
    return sum(-(-n // _NORMALS_PER_BLOCK) for n in skips) * _NORMALS_PER_BLOCK


def places(wanted: list[tuple[str, int, int]], out: torch.Tensor) -> list[torch.Tensor]:
    """Views of what is wanted in the memory that `Noise.fill` wrote."""
    found, begin = [], 0
    for entry in wanted:
        skip = entry[1] % _NORMALS_PER_BLOCK
        found.append(out[begin + skip : begin + skip + entry[2]])
        begin += room([entry])
    return found


def _box_muller(
    words: NDArray[np.uint64], out: torch.Tensor | None = None, scratch: torch.Tensor | None = None
) -> torch.Tensor:
    """Two normals a word, r cos a and r sin a: its low half says r, its high half a."""
    out = torch.empty(2 * len(words)) if out is None else out
    radius, angle, cosine = torch.empty(3, len(words)) if scratch is None else scratch[:, : len(words)]
    np.copyto(radius.numpy(), words.astype(np.uint32))
    np.copyto(angle.numpy(), (words >> 32).astype(np.uint32))
    radius.add_(0.5).mul_(2.0**-32).log_().mul_(-2.0).sqrt_()
    angle.mul_(2 * torch.pi * 2.0**-32)
    torch.cos(angle, out=cosine)
    torch.complex(cosine.mul_(radius), angle.sin_().mul_(radius), out=torch.view_as_complex(out.view(-1, 2)))
    return out


def minibatch(seed: int, chain: int, step: int, num_rows: int, batch_size: int) -> NDArray[np.int64]:
    """Rows of the data that a chain reads at a step: epochs without replacement, each in an order of its own.

    Parameters
    ----------
    seed, chain, step : int
        What the rows are for.
    num_rows : int
        Rows of the data.
    batch_size : int
        At most ``num_rows``.

    Returns
    -------
    array of int64, shape (batch_size,)

    Examples
    --------
    One epoch reads each row once:

    >>> rows = np.concatenate([minibatch(0, 0, step, 12, 4) for step in range(3)])
    >>> sorted(rows.tolist()) == list(range(12))
    True
    """
    first, last = step * batch_size, (step + 1) * batch_size - 1
    epochs = range(first // num_rows, last // num_rows + 1)
    order = np.concatenate([_epoch(seed, chain, epoch, num_rows) for epoch in epochs])
    start = first - epochs[0] * num_rows
    return order[start : start + batch_size]


@lru_cache(maxsize=16)
def _epoch(seed: int, chain: int, epoch: int, num_rows: int) -> NDArray[np.int64]:
    bits = _philox(seed, chain, (0, epoch, _hash("minibatch order"), 1))
    return np.random.Generator(bits).permutation(num_rows)
