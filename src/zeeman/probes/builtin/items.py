"""The parts that rows of the built-in probes are written in: text, and answers that are asked for in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Marks = NDArray[np.int8]


@dataclass(frozen=True)
class Answer:
    """A stretch of text that the text before it determines.

    Parameters
    ----------
    text : str
    at : tuple of int
        Characters of it at which something is decided; the others follow from these, so that they prove nothing.
    rival : str
        A wrong answer of the same kind, where the concept has one.
    """

    text: str
    at: tuple[int, ...] = (0,)
    rival: str = ""


Item = list[str | Answer]
Generator = Callable[[np.random.Generator, int], Item]


def every(text: str, rival: str = "") -> Answer:
    """An answer each character of which is decided.

    Examples
    --------
    >>> every("42")
    Answer(text='42', at=(0, 1), rival='')
    """
    return Answer(text, tuple(range(len(text))), rival)


def spaced(parts: Sequence[str], answers: Sequence[bool]) -> Item:
    """Write parts with spaces between them, some of them as answers.

    Examples
    --------
    >>> spaced("ab", [False, True])
    ['a', ' ', Answer(text='b', at=(0,), rival='')]
    """
    item: Item = []
    for part, asked in zip(parts, answers, strict=True):
        item += [" ", Answer(part) if asked else part]
    return item[1:]


def flatten(item: Item) -> tuple[str, Marks]:
    """Write an item as text, with a mark for each character: 0 given, 1 of an answer, 2 decided.

    Examples
    --------
    >>> text, marks = flatten(["1+1=", Answer("2"), " ok ", Answer("cats", (3,))])
    >>> text, marks.tolist()
    ('1+1=2 ok cats', [0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1, 1, 2])
    """
    text, marks = "", []
    for part in item:
        if isinstance(part, str):
            text += part
            marks += [0] * len(part)
        else:
            text += part.text
            decided = set(part.at)
            marks += [2 if index in decided else 1 for index in range(len(part.text))]
    return text, np.array(marks, dtype=np.int8)


def letters(rng: np.random.Generator, count: int) -> list[str]:
    """Draw different small letters, at most 26."""
    return [chr(97 + code) for code in rng.permutation(26)[:count]]


def draw(rng: np.random.Generator, words: Sequence[str], count: int) -> list[str]:
    """Draw different words."""
    return [words[index] for index in rng.permutation(len(words))[:count]]


def pick(rng: np.random.Generator, words: Sequence[str]) -> str:
    """Draw a word."""
    return words[int(rng.integers(len(words)))]


def between(rng: np.random.Generator, lowest: int, highest: int) -> int:
    """Draw an integer; both bounds can come."""
    return int(rng.integers(lowest, highest + 1))


def settled(text: str, count: int) -> int:
    """Choose one of so many by a text alone, as rivals are: a draw would change all questions that come after.

    Examples
    --------
    >>> settled("1+1=", 3) == settled("1+1=", 3) < 3
    True
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") % count


def beside(place: int, count: int, text: str) -> int:
    """Choose one of both neighbours on a circle, so that of two neighbours either is as often the right one."""
    return (place + (1, -1)[settled(text, 2)]) % count


def partner(known: Sequence[str], place: int) -> str:
    """The other of two that are each other's rivals, and nothing for the last of an odd number.

    Where the question is one of a few, as words are, `beside` would always choose the same, and a network that prefers
    some answers to others would do better than chance.

    Examples
    --------
    >>> [partner("abc", place) for place in range(3)]
    ['b', 'a', '']
    """
    return known[place ^ 1] if place ^ 1 < len(known) else ""


def coin(rng: np.random.Generator) -> bool:
    """Draw true or false."""
    return bool(rng.integers(2))
