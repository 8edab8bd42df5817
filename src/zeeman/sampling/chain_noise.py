"""The noise and the minibatches of many chains at once: the very numbers of `noise.py`, some steps ahead."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.sampling.noise import _box_muller, _hash, _philox, minibatch

Words = NDArray[np.uint64]
Box = tuple[slice, ...]

_WORDS_AHEAD = 2**18
"""64-bit words made ahead: enough to pay for numpy's calls, few enough to stay in the cache."""
_WORDS_AT_ONCE = 2**14
"""Words that become normals at once."""
_SHORT = 24
"""Philox blocks of a tensor below which many streams side by side are faster than numpy's generator, one by one."""

_MULTIPLIERS = np.array([0xD2E7470EE14C6C93, 0xCA5A826395121157], np.uint64)
_KEY_STEPS = np.array([0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B], np.uint64)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


class ChainNoise:
    """N(0, 1) vectors of many chains and steps.

    Parameters
    ----------
    seed : int
    chains : list of int
    pieces : list of (name, shape, box)
        Parameters with their shapes, and the box of each that moves.

    Examples
    --------
    >>> from zeeman.sampling.noise import Noise
    >>> ahead = ChainNoise(1, [4, 7], [("w", (5,), (slice(0, 5),))]).normal(range(2, 4))
    >>> bool((ahead[1, 0] == Noise(1, 4).normal(3, [("w", 0, 5)])[0]).all())
    True
    """

    def __init__(self, seed: int, chains: list[int], pieces: list[tuple[str, tuple[int, ...], Box]]) -> None:
        self.seed, self.chains = seed, chains
        # Normals come in pairs from one word, words by fours from one block: make the words that are wanted.
        places = [_flat_indices(shape, box) for _, shape, box in pieces]
        wanted = [np.unique(place // 2) for place in places]
        self._edges = np.cumsum([0, *(len(words) for words in wanted)])
        self._pieces = [_Piece(_hash(name), words) for (name, _, _), words in zip(pieces, wanted, strict=True)]
        take = [
            (edge + np.searchsorted(words, place // 2)) * 2 + place % 2
            for edge, words, place in zip(self._edges, wanted, places, strict=False)
        ]
        self._take = torch.from_numpy(np.concatenate(take))
        self._in_order = bool((self._take == torch.arange(len(self._take))).all())
        generators = [_philox(seed, chain, (0, 0, 0, 0)) for chain in chains]
        self._generators = [(generator, generator.state) for generator in generators]  # at rest, with an empty buffer
        self.steps_ahead = max(1, _WORDS_AHEAD // int(self._edges[-1] * len(chains)))

    def normal(self, steps: range) -> torch.Tensor:
        """Draw float32 numbers of shape (steps, chains, d)."""
        words = np.empty((len(steps), len(self.chains), int(self._edges[-1])), np.uint64)
        short = [i for i, piece in enumerate(self._pieces) if len(piece.blocks) < _SHORT]
        if short:
            self._side_by_side(steps, short, words)
        for i in set(range(len(self._pieces))).difference(short):
            self._one_by_one(steps, self._pieces[i], words[:, :, self._edges[i] : self._edges[i + 1]])
        parts = [_box_muller(part) for part in np.array_split(words.reshape(-1), -(-words.size // _WORDS_AT_ONCE))]
        normals = (parts[0] if len(parts) == 1 else torch.cat(parts)).view(len(steps), len(self.chains), -1)
        return normals[..., : len(self._take)] if self._in_order else normals[..., self._take]

    def _side_by_side(self, steps: range, short: list[int], words: Words) -> None:
        """Make the words of all short pieces in one go."""
        pieces = [self._pieces[i] for i in short]
        blocks = np.concatenate([piece.blocks for piece in pieces]).astype(np.uint64)
        streams = np.concatenate([np.full(len(piece.blocks), piece.stream, np.uint64) for piece in pieces])
        shape = (len(steps), len(self.chains), len(blocks))
        step, chain, block, stream = (
            np.broadcast_to(axis, shape).reshape(-1)
            for axis in (
                np.asarray(steps, np.uint64)[:, None, None],
                np.asarray(self.chains, np.uint64)[:, None],
                blocks + np.uint64(1),  # numpy's generator counts up before it draws
                streams,
            )
        )
        seed, zero = np.full(1, self.seed, np.uint64), np.zeros(1, np.uint64)
        made = philox(block, step, stream, zero, seed, chain).reshape(*shape[:2], -1)
        at = 0
        for i, piece in zip(short, pieces, strict=True):
            part = made[:, :, at : at + 4 * len(piece.blocks)]
            words[:, :, self._edges[i] : self._edges[i + 1]] = part[:, :, piece.pick]
            at += 4 * len(piece.blocks)

    def _one_by_one(self, steps: range, piece: _Piece, words: Words) -> None:
        """Make the words of a long piece, with numpy's generator for each chain and step."""
        first, count = int(piece.blocks[0]), 4 * int(piece.blocks[-1] - piece.blocks[0] + 1)
        for c, (generator, state) in enumerate(self._generators):
            counter = state["state"]["counter"]
            counter[:] = (first, 0, piece.stream, 0)
            for s, step in enumerate(steps):
                counter[1] = step
                generator.state = state
                words[s, c] = generator.random_raw(count)[piece.stretch]


class _Piece:
    """The words of one parameter that are wanted.

    ``blocks`` are the Philox blocks that hold them, four words each; ``pick`` says which words of these blocks are
    meant, ``stretch`` which words of all blocks from the first to the last.
    """

    def __init__(self, stream: int, words: NDArray[np.int64]) -> None:
        self.stream, self.blocks = stream, np.unique(words // 4)
        self.pick = _as_slice(np.searchsorted(self.blocks, words // 4) * 4 + words % 4)
        self.stretch = _as_slice(words - 4 * self.blocks[0])


def _as_slice(places: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Say sorted places as a slice where they have no gaps, since that copies faster."""
    first, stop = int(places[0]), int(places[-1]) + 1
    return slice(first, stop) if stop - first == len(places) else places


def philox(c0: Words, c1: Words, c2: Words, c3: Words, k0: Words, k1: Words) -> Words:
    """Philox 4×64 with ten rounds (Salmon et al. 2011), elementwise on arrays that broadcast.

    Parameters
    ----------
    c0, c1, c2, c3 : arrays of uint64
        Counters.
    k0, k1 : arrays of uint64
        Keys.

    Returns
    -------
    array of uint64, shape (…, 4)

    Examples
    --------
    numpy's generator counts up before it draws:

    >>> zero, one = np.zeros(1, np.uint64), np.ones(1, np.uint64)
    >>> bool((philox(one, zero, zero, zero, zero, zero)[0] == np.random.Philox(key=0).random_raw(4)).all())
    True
    """
    for round_ in range(10):
        if round_:
            k0, k1 = k0 + _KEY_STEPS[0], k1 + _KEY_STEPS[1]
        (high0, low0), (high1, low1) = _multiply(_MULTIPLIERS[0], c0), _multiply(_MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3), axis=-1)


def _multiply(constant: np.uint64, a: Words) -> tuple[Words, Words]:
    """High and low half of a product of 64-bit words, from products of their 32-bit halves."""
    low, high = constant & _LOW, constant >> _HALF
    a_low, a_high = a & _LOW, a >> _HALF
    middle = a_low * high
    carry = (a_low * low) >> _HALF
    carry += middle & _LOW
    carry += a_high * low
    return a_high * high + (middle >> _HALF) + (carry >> _HALF), a * constant


def _flat_indices(shape: tuple[int, ...], box: Box) -> NDArray[np.int64]:
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)[box].reshape(-1)


class Minibatches:
    """Rows that many chains read, some steps ahead; the last epoch's order of each chain is kept."""

    def __init__(self, seed: int, chains: list[int], num_rows: int, batch_size: int) -> None:
        self.seed, self.chains, self.num_rows, self.batch_size = seed, chains, num_rows, batch_size
        self._last: dict[int, tuple[int, NDArray[np.int64]]] = {}

    def rows(self, steps: range) -> torch.Tensor:
        """Give row numbers of shape (steps, chains, batch size)."""
        first, stop = steps.start * self.batch_size, steps.stop * self.batch_size
        epochs = range(first // self.num_rows, (stop - 1) // self.num_rows + 1)
        start = first - epochs.start * self.num_rows
        found = np.empty((len(steps), len(self.chains), self.batch_size), np.int64)
        for c, chain in enumerate(self.chains):
            order = np.concatenate([self._epoch(chain, epoch) for epoch in epochs])
            found[:, c] = order[start : start + stop - first].reshape(len(steps), -1)
        return torch.from_numpy(found)

    def _epoch(self, chain: int, epoch: int) -> NDArray[np.int64]:
        if self._last.get(chain, (-1,))[0] != epoch:
            # One batch of all rows is a whole epoch.
            self._last[chain] = epoch, minibatch(self.seed, chain, epoch, self.num_rows, self.num_rows)
        return self._last[chain][1]
