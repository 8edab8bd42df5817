"""Words and their letters: case, acronyms, word boundaries, ciphers, set phrases and sequences."""

from __future__ import annotations

import numpy as np

from zeeman.probes.builtin.items import (
    Answer,
    Generator,
    Item,
    between,
    coin,
    draw,
    every,
    letters,
    partner,
    pick,
    settled,
)
from zeeman.probes.builtin.words import ANIMALS, PHRASES, SEGMENTED, SEQUENCES

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def case(rng: np.random.Generator, difficulty: int) -> Item:
    """Letters in capitals; at difficulty 3 capitals become small and small letters capitals."""
    given = letters(rng, (1, 4, 6)[difficulty - 1])
    if difficulty == 3:
        given = [letter.upper() if coin(rng) else letter for letter in given]
    string = "".join(given)
    swapped, at = string.swapcase(), settled(string, len(string))
    # Where all become capitals, any network that prefers capitals is right.
    rival = f"{swapped[:at]}{string[at]}{swapped[at + 1 :]}" if difficulty == 3 else ""
    return [f"{string} -> ", every(swapped, rival), "\n"]


def capitals(rng: np.random.Generator, difficulty: int) -> Item:
    """A phrase again and again, after a full stop with a capital, after a comma without one."""
    words = draw(rng, ANIMALS, difficulty)
    plain = " ".join(words)
    item: Item = [plain]
    for _ in range(3):
        stop = coin(rng)
        forms = (plain.capitalize(), plain) if stop else (plain, plain.capitalize())
        first, rest = forms[0].split(" ")[0], forms[0].partition(" ")[2]
        item += [". " if stop else ", ", Answer(first, rival=forms[1].split(" ")[0]), f" {rest}" if rest else ""]
    return [*item, "\n"]


def acronym(rng: np.random.Generator, difficulty: int) -> Item:
    """Words, and their initials."""
    words = draw(rng, ANIMALS, (3, 4, 6)[difficulty - 1])
    initials = "".join(word[0].upper() for word in words)
    at = settled(initials, len(words) - 1)
    swapped = f"{initials[:at]}{initials[at + 1]}{initials[at]}{initials[at + 2 :]}"
    return [f"{' '.join(words)} = ", every(initials, swapped if swapped != initials else ""), "\n"]


def segmentation(rng: np.random.Generator, difficulty: int) -> Item:
    """Four words run together, and apart; decided are the spaces, and as often a letter inside a word."""
    words = [pick(rng, SEGMENTED[difficulty - 1]) for _ in range(4)]
    apart = " ".join(words)
    starts = [apart.index(" ")]
    for word in words[1:-1]:
        starts.append(starts[-1] + 1 + len(word))
    inside = [start - between(rng, 1, len(word) - 1) for start, word in zip(starts, words, strict=False)]
    at = starts[settled(apart, len(starts))]
    moved = at + (1, -1)[settled(apart[::-1], 2)]
    rival = list(apart)
    rival.insert(moved, rival.pop(at))
    return [f"{''.join(words)} = ", Answer(apart, tuple(sorted(starts + inside)), "".join(rival)), "\n"]


def cipher(rng: np.random.Generator, difficulty: int) -> Item:
    """Letters moved by thirteen places in the alphabet."""
    given = [chr(97 + code) for code in rng.integers(0, 26, (1, 4, 8)[difficulty - 1])]
    moved = "".join(chr(97 + (ord(letter) - 84) % 26) for letter in given)
    at = settled(moved, len(moved))
    rival = f"{moved[:at]}{partner(ALPHABET, ALPHABET.index(moved[at]))}{moved[at + 1 :]}"
    return [f"{''.join(given)} ~ ", every(moved, rival), "\n"]


def phrases(rng: np.random.Generator, difficulty: int) -> Item:
    """A set phrase, whose last word is asked for."""
    known = PHRASES[difficulty - 1]
    phrase = pick(rng, known)
    begun, _, last = phrase.rpartition(" ")
    other = partner(known, known.index(phrase)).rpartition(" ")[2]
    return [f"{begun} ", Answer(last, rival=other if other != last else ""), "\n"]


def sequence(rng: np.random.Generator, difficulty: int) -> Item:
    """Three neighbours of a known sequence, the letters, weekdays or ordinals, and the next."""
    known = SEQUENCES[difficulty - 1]
    wraps = difficulty == 2
    start = between(rng, 0, len(known) - (1 if wraps else 4))
    shown = [known[(start + index) % len(known)] for index in range(4)]
    return [f"{' '.join(shown[:3])} ", Answer(shown[3]), "\n"]


GENERATORS: dict[str, Generator] = {
    "case": case,
    "capitals": capitals,
    "acronym": acronym,
    "segmentation": segmentation,
    "cipher": cipher,
    "phrases": phrases,
    "sequence": sequence,
}
