"""Windows of text whose every token is known by the rule that made it.

A window is two segments; a segment is a marker and fifteen symbols. All rules write with the same twenty-four symbols,
each as often as any other, so neither a token nor the bag of the two before it tells the rule to a linear reader (it
is right about .18 of the kinds, by chance .167): the marker does, and the order of what follows. Seven rules of six
kinds:

- ``words``: twenty-four words of three to five letters, run together; a word's first letter tells the word, but the
  same letter stands in the middle of others, so that one must know where words begin;
- ``brackets``: any symbol opens, its partner closes it; one to three are opened, then all closed, and so on with as
  many to the end of the segment: from the first closing one on, which are closed when is determined;
- ``induction``: a string of three to six distinct symbols, repeated;
- ``bigrams_a``, ``bigrams_b``: Markov chains, two successors a symbol with odds 4 : 1;
- ``agreement``: from the sixth on, each symbol agrees with the fifth before it, by a table; those between are no help;
- ``counting``: by ones, twos or threes along a hidden circular order of the symbols.

Each rule has a sham twin with a marker of its own: it is written in the same way, and then every symbol that the rule
determines is replaced by one drawn uniformly. What is left to learn in a sham is nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes import Library, Probe

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SYMBOLS = 24
RULES = ("words", "brackets", "induction", "bigrams_a", "bigrams_b", "agreement", "counting")
KINDS = ("words", "brackets", "induction", "bigrams", "agreement", "counting")
KIND_OF_RULE = np.array([0, 1, 2, 3, 3, 4, 5])
VOCABULARY = SYMBOLS + 2 * len(RULES)
"""Symbols, then the markers of the rules, then the markers of their shams."""
SEGMENT, SEGMENTS = 16, 2
CONTEXT = SEGMENT * SEGMENTS
LENGTH = SEGMENT - 1

WORD_LENGTHS = (3, 4, 5)
DEPTHS = (1, 2, 3)
PERIODS = (3, 4, 5, 6)
USUAL = 0.8
DISTANCE = 5
STRIDES = (1, 2, 3)
SETTLED = 8
"""Position in a segment from which on every rule determines what it ever does, and no marker is near."""


@dataclass(frozen=True, eq=False)
class Written:
    """Segments of one rule, without their markers.

    Parameters
    ----------
    tokens, fixed : integer array, shape (n, LENGTH)
        What stands there, and what the rule would have there where it determines that: of two, the likelier.
    predictable : bool array, shape (n, LENGTH)
        Where the rule determines the symbol, given those before it.
    surprisal : float array, shape (n, LENGTH)
        −log p(token | tokens before, rule) in nats where predictable, elsewhere 0.
    """

    tokens: Integers
    fixed: Integers
    predictable: Mask
    surprisal: Floats


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows with the truth about each token; every array has the shape (n, CONTEXT).

    Parameters
    ----------
    tokens : integer array
    rule : integer array
        Index into ``RULES``.
    sham : bool array
    position : integer array
        In the segment; 0 is the marker.
    fixed, predictable, surprisal
        As in `Written`; in a sham, ``predictable`` says where its twin would be.
    """

    tokens: Integers
    rule: Integers
    sham: Mask
    position: Integers
    fixed: Integers
    predictable: Mask
    surprisal: Floats

    @property
    def kind(self) -> Integers:
        """Index into ``KINDS``."""
        found: Integers = KIND_OF_RULE[self.rule]
        return found

    @property
    def settled(self) -> Mask:
        """Predictable tokens so late in their segment that their position does not tell the rule."""
        return self.predictable & (self.position >= SETTLED)


@dataclass(frozen=True, eq=False)
class Grammar:
    """The tables of the rules.

    Parameters
    ----------
    words : tuple of integer array
        One a symbol, which it begins with.
    partner, agrees : integer array, shape (SYMBOLS,)
        What closes a bracket; what agrees with a symbol.
    successors : integer array, shape (2, 2, SYMBOLS)
        Table, then usual or rare, then symbol. No two of these six maps agree anywhere, nor has one a fixed point.
    order : integer array, shape (SYMBOLS,)
        Along which one counts.

    Examples
    --------
    >>> grammar = Grammar.from_seed(0)
    >>> windows = grammar.windows(np.random.default_rng(1), 2)
    >>> windows.tokens.shape, bool((windows.tokens[:, ::SEGMENT] >= SYMBOLS).all())
    ((2, 32), True)
    """

    words: tuple[Integers, ...]
    partner: Integers
    agrees: Integers
    successors: Integers
    order: Integers

    @classmethod
    def from_seed(cls, seed: int) -> Self:
        """Draw the tables."""
        if seed < 0:
            raise ZeemanError(f"expected a seed from 0, got {seed}.")
        rng = np.random.default_rng([seed, *b"grammar"])
        maps = _disjoint_maps(rng, 6)
        return cls(_words(rng), maps[0], maps[1], maps[2:].reshape(2, 2, SYMBOLS), rng.permutation(SYMBOLS))

    def write(self, rule: str, rng: np.random.Generator, n: int) -> Written:
        """Write ``n`` segments after one rule."""
        writers: dict[str, Callable[[np.random.Generator, int], Written]] = {
            "words": self._write_words,
            "brackets": self._write_brackets,
            "induction": _write_induction,
            "bigrams_a": lambda rng, n: self._write_bigrams(0, rng, n),
            "bigrams_b": lambda rng, n: self._write_bigrams(1, rng, n),
            "agreement": self._write_agreement,
            "counting": self._write_counting,
        }
        return writers[rule](rng, n)

    def sham(self, rule: str, rng: np.random.Generator, n: int) -> Written:
        """Write ``n`` segments of the rule's sham twin: what the rule determines is drawn uniformly instead."""
        twin = self.write(rule, rng, n)
        tokens = np.where(twin.predictable, rng.integers(0, SYMBOLS, twin.tokens.shape), twin.tokens)
        return Written(tokens, twin.fixed, twin.predictable, np.where(twin.predictable, np.log(SYMBOLS), 0.0))

    def windows(self, rng: np.random.Generator, n: int) -> Windows:
        """Draw windows whose segments take a rule, real or sham, uniformly and independently."""
        return self._assemble(rng, rng.integers(0, 2 * len(RULES), n * SEGMENTS))

    def balanced_windows(self, rng: np.random.Generator, n: int, shams: bool = True) -> Windows:
        """Draw windows in which every rule, and every sham, has as many segments as any other, but for one."""
        types = 2 * len(RULES) if shams else len(RULES)
        return self._assemble(rng, rng.permutation(np.arange(n * SEGMENTS) % types))

    def library(self, seed: int, rows: int = 128) -> Library:
        """Build probes, one a rule and one a sham: its settled tokens in windows like those of the training data."""
        rng = np.random.default_rng([seed, *b"library"])
        data, windows = self.windows(rng, 512).tokens, self.balanced_windows(rng, rows)
        probes = []
        for sham in (False, True):
            for index, rule in enumerate(RULES):
                scored = windows.settled & (windows.rule == index) & (windows.sham == sham)
                shows = scored.any(axis=1)
                tags = (KINDS[KIND_OF_RULE[index]], "sham" if sham else "real")
                probes.append(Probe(f"{rule}_sham" if sham else rule, windows.tokens[shows], scored[shows], tags))
        everything = np.broadcast_to(np.arange(CONTEXT) > 0, data.shape)
        return Library.from_probes("planted", Probe("train", data, everything, ("training distribution",)), probes)

    def _assemble(self, rng: np.random.Generator, types: Integers) -> Windows:
        """Write the segments of each type together, and put them where they belong."""
        tokens, fixed = (np.zeros((len(types), SEGMENT), dtype=np.int64) for _ in range(2))
        predictable, surprisal = np.zeros(tokens.shape, dtype=np.bool_), np.zeros(tokens.shape)
        tokens[:, 0] = SYMBOLS + types
        for kind in range(2 * len(RULES)):
            here = np.flatnonzero(types == kind)
            write = self.write if kind < len(RULES) else self.sham
            written = write(RULES[kind % len(RULES)], rng, len(here))
            tokens[here, 1:], fixed[here, 1:] = written.tokens, written.fixed
            predictable[here, 1:], surprisal[here, 1:] = written.predictable, written.surprisal
        shape = (-1, CONTEXT)
        each = np.repeat(types, SEGMENT).reshape(shape)
        return Windows(
            tokens.reshape(shape),
            each % len(RULES),
            each >= len(RULES),
            np.broadcast_to(np.arange(CONTEXT) % SEGMENT, each.shape),
            fixed.reshape(shape),
            predictable.reshape(shape),
            surprisal.reshape(shape),
        )

    def _write_words(self, rng: np.random.Generator, n: int) -> Written:
        longest = max(WORD_LENGTHS)
        padded = np.array([[*word, *[-1] * (longest - len(word))] for word in self.words])
        number = LENGTH // min(WORD_LENGTHS)
        words = padded[rng.integers(0, SYMBOLS, (n, number))].reshape(n, number * longest)
        kept = np.argsort(words < 0, axis=1, kind="stable")[:, :LENGTH]
        tokens = np.take_along_axis(words, kept, axis=1)
        return _certain(tokens, kept % longest > 0)

    def _write_brackets(self, rng: np.random.Generator, n: int) -> Written:
        deepest = rng.choice(DEPTHS, n)
        tokens, fixed = (np.zeros((n, LENGTH), dtype=np.int64) for _ in range(2))
        closing = np.arange(LENGTH) % (2 * deepest[:, None]) >= deepest[:, None]
        stack, depth, rows = np.zeros((n, max(DEPTHS) + 1), dtype=np.int64), np.zeros(n, dtype=np.int64), np.arange(n)
        for t in range(LENGTH):
            closes, closer = closing[:, t], self.partner[stack[rows, depth]]
            # An opening one must not look like the closing one that is due; nothing is due at depth 0.
            opener = rng.integers(0, SYMBOLS - (depth > 0))
            opener += (depth > 0) & (opener >= closer)
            tokens[:, t], fixed[:, t] = np.where(closes, closer, opener), closer
            depth += np.where(closes, -1, 1)
            stack[rows[~closes], depth[~closes]] = opener[~closes]
        # Only the first time it is open whether one more is opened or one is closed.
        first = closing & (np.arange(LENGTH) == deepest[:, None])
        return Written(tokens, fixed, closing, np.log(len(DEPTHS) + 1 - deepest)[:, None] * first)

    def _write_bigrams(self, table: int, rng: np.random.Generator, n: int) -> Written:
        rare = (rng.random((n, LENGTH)) > USUAL).astype(np.int64)
        tokens = np.empty((n, LENGTH), dtype=np.int64)
        tokens[:, 0] = rng.integers(0, SYMBOLS, n)
        for t in range(1, LENGTH):
            tokens[:, t] = self.successors[table, rare[:, t], tokens[:, t - 1]]
        fixed = np.concatenate([tokens[:, :1], self.successors[table, 0, tokens[:, :-1]]], axis=1)
        predictable = np.broadcast_to(np.arange(LENGTH) > 0, tokens.shape)
        return Written(tokens, fixed, predictable, -np.log(np.where(rare, 1 - USUAL, USUAL)) * predictable)

    def _write_agreement(self, rng: np.random.Generator, n: int) -> Written:
        tokens = rng.integers(0, SYMBOLS, (n, LENGTH))
        for t in range(DISTANCE, LENGTH):
            tokens[:, t] = self.agrees[tokens[:, t - DISTANCE]]
        return _certain(tokens, np.arange(LENGTH) >= DISTANCE)

    def _write_counting(self, rng: np.random.Generator, n: int) -> Written:
        start, stride = rng.integers(0, SYMBOLS, (n, 1)), rng.choice(STRIDES, (n, 1))
        tokens: Integers = self.order[(start + stride * np.arange(LENGTH)) % SYMBOLS]
        return _certain(tokens, np.arange(LENGTH) >= 2)


def _write_induction(rng: np.random.Generator, n: int) -> Written:
    period = rng.choice(PERIODS, (n, 1))
    string = np.argsort(rng.random((n, SYMBOLS)), axis=1)
    tokens = np.take_along_axis(string, np.arange(LENGTH) % period, axis=1)
    # The first symbol of the second copy only says that there is one, unless the period is the longest.
    return _certain(tokens, np.arange(LENGTH) > period)


def _certain(tokens: Integers, predictable: Mask) -> Written:
    """What a rule without chance wrote."""
    return Written(tokens, tokens, np.broadcast_to(predictable, tokens.shape), np.zeros(tokens.shape))


def _disjoint_maps(rng: np.random.Generator, number: int) -> Integers:
    """Draw permutations of the symbols no two of which agree anywhere, nor any with the identity."""
    found = [np.arange(SYMBOLS)]
    while len(found) <= number:
        drawn = rng.permutation(SYMBOLS)
        if not any((drawn == other).any() for other in found):
            found.append(drawn)
    return np.array(found[1:])


def _words(rng: np.random.Generator) -> tuple[Integers, ...]:
    """Draw one word a first letter, no letter twice in it.

    Among first, last, last but one and other letters each symbol is as frequent as any other; or else those that stand
    right before a letter that the rule determines would show which are rarely last.
    """
    middles = np.resize(WORD_LENGTHS, SYMBOLS) - 3
    while True:
        other, last_but_one, last = (rng.permutation(SYMBOLS) for _ in range(3))
        middle = np.split(other, np.cumsum(middles)[:-1])
        words = [np.array([i, *middle[i], last_but_one[i], last[i]]) for i in range(SYMBOLS)]
        if all(len(set(word.tolist())) == len(word) for word in words):
            return tuple(words)
