"""Induction, copying and looking up: what comes next stands earlier in the row."""

from __future__ import annotations

import numpy as np

from zeeman.probes.builtin.items import Answer, Generator, Item, beside, between, draw, every, letters, settled, spaced
from zeeman.probes.builtin.words import ANIMALS, SPELLED


def _repeated(parts: list[str], times: int = 3) -> Item:
    """Repeat parts; what follows the first of the second copy is known from the first copy."""
    return [*spaced(parts * times, [index > len(parts) for index in range(times * len(parts))]), "\n"]


def induction(rng: np.random.Generator, difficulty: int) -> Item:
    """Different letters, repeated with a random period."""
    return _repeated(letters(rng, between(rng, *((6, 10), (11, 17), (18, 24))[difficulty - 1])))


def induction_words(rng: np.random.Generator, difficulty: int) -> Item:
    """Different words, repeated with a random period."""
    return _repeated(draw(rng, ANIMALS, between(rng, *((4, 5), (6, 8), (9, 12))[difficulty - 1])))


def copy(rng: np.random.Generator, difficulty: int) -> Item:
    """A string of letters, and the same again."""
    string = "".join(letters(rng, between(rng, *((3, 4), (6, 8), (10, 14))[difficulty - 1])))
    at = settled(string, len(string) - 1)
    swapped = f"{string[:at]}{string[at + 1]}{string[at]}{string[at + 2 :]}"
    return [f" {string} > ", every(string, swapped), "\n"]


def copy_reversed(rng: np.random.Generator, difficulty: int) -> Item:
    """Letters, and the same backwards; an odd number, so that a forward copy is right at the middle alone."""
    given = letters(rng, (3, 5, 9)[difficulty - 1])
    return [f"{' '.join(given)} < ", *spaced(given[::-1], [True] * len(given)), "\n"]


def recall(rng: np.random.Generator, difficulty: int) -> Item:
    """Pairs of a letter and a digit, and one of the letters again."""
    count = (2, 4, 8)[difficulty - 1]
    keys, values = letters(rng, count), rng.permutation(10)[:count]
    asked = between(rng, 0, count - 1)
    pairs = " ".join(f"{key}={value}" for key, value in zip(keys, values, strict=True))
    question = f"{pairs} : {keys[asked]}="
    return [question, Answer(str(values[asked]), rival=str(values[beside(asked, count, question)])), "\n"]


def position(rng: np.random.Generator, difficulty: int) -> Item:
    """A list of words, a number, and the word at that place."""
    listed = draw(rng, ANIMALS, (3, 4, 6)[difficulty - 1])
    asked = between(rng, 1, len(listed))
    question = f"{' '.join(listed)}, {asked}: "
    return [question, Answer(listed[asked - 1], rival=listed[beside(asked - 1, len(listed), question)]), "\n"]


def spelling(rng: np.random.Generator, difficulty: int) -> Item:
    """A word, and its letters one by one."""
    (word,) = draw(rng, SPELLED[difficulty - 1], 1)
    return [f"{word}: ", *spaced(word, [True] * len(word)), "\n"]


GENERATORS: dict[str, Generator] = {
    "induction": induction,
    "induction-words": induction_words,
    "copy": copy,
    "copy-reversed": copy_reversed,
    "recall": recall,
    "position": position,
    "spelling": spelling,
}
