"""Noise floors: nothing but its frequency tells what comes next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zeeman.probes.builtin.items import Generator, Item, spaced
from zeeman.probes.builtin.words import ANIMALS

_LETTERS = [chr(code) for code in range(97, 123)]
_DIGITS = [chr(code) for code in range(48, 58)]
_PRINTABLE = [chr(code) for code in range(33, 127)]


def _uniform(kinds: Sequence[str]) -> Generator:
    def generate(rng: np.random.Generator, difficulty: int) -> Item:
        chosen = [kinds[index] for index in rng.integers(len(kinds), size=16)]
        return [*spaced(chosen, [True] * len(chosen)), "\n"]

    return generate


GENERATORS: dict[str, Generator] = {
    "noise-letters": _uniform(_LETTERS),
    "noise-digits": _uniform(_DIGITS),
    "noise-words": _uniform(ANIMALS),
    "noise-characters": _uniform(_PRINTABLE),
}
