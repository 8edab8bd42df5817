"""Agreement and morphology of English."""

from __future__ import annotations

import numpy as np

from zeeman.probes.builtin.items import Answer, Generator, Item, coin, pick
from zeeman.probes.builtin.words import FEMALE, MALE, NOUNS, PASTS, PLACES, PLURALS, SHIFTY_NOUNS


def _number(plural: bool) -> tuple[str, str]:
    return ("are", "is") if plural else ("is", "are")


def agreement(rng: np.random.Generator, difficulty: int) -> Item:
    """A subject, none to two nouns of any number between, and its verb."""
    plural = coin(rng)
    text = f"the {pick(rng, NOUNS)}{'s' * plural}"
    for _ in range(difficulty - 1):
        text += f" {pick(rng, PLACES)} the {pick(rng, NOUNS)}{'s' * coin(rng)}"
    right, wrong = _number(plural)
    return [f"{text} ", Answer(right, rival=wrong), " old.\n"]


def determiner(rng: np.random.Generator, difficulty: int) -> Item:
    """A noun, and whether it goes with this or these; then nouns whose ending tells nothing; then one further off."""
    plural = coin(rng)
    if difficulty == 2:
        text = pick(rng, SHIFTY_NOUNS[plural])
    else:
        text = f"{pick(rng, NOUNS)}{'s' * plural}"
    if difficulty == 3:
        text += f" {pick(rng, PLACES)} the {pick(rng, NOUNS)}{'s' * coin(rng)}"
    right, wrong = ("these", "this") if plural else ("this", "these")
    return [f"{text}: ", Answer(right, (2,), wrong), "\n"]


def _inflected(base: str, form: str, decided: int, rival: str) -> Item:
    return [f"{base} -> ", Answer(form, (decided,), rival), ".\n"]


def plural(rng: np.random.Generator, difficulty: int) -> Item:
    """A noun and its plural: s or es; y or ies; regular or not. Decided where it leaves the other rule's form."""
    groups = PLURALS[difficulty - 1]
    return _inflected(*_pair(rng, groups))


def past(rng: np.random.Generator, difficulty: int) -> Item:
    """A verb and its past: ed or d; with or without doubling; regular or not."""
    return _inflected(*_pair(rng, PASTS[difficulty - 1]))


def _pair(rng: np.random.Generator, groups: tuple[str, str]) -> tuple[str, str, int, str]:
    """Draw one of two groups and a word of it: base form, inflected form up to what is decided, form of the other."""
    base, form, rival = pick(rng, groups[coin(rng)].split()).split("/")
    decided = next(index for index, (a, b) in enumerate(zip(form + ".", rival + ".", strict=False)) if a != b)
    return base, form, decided, rival


def pronoun(rng: np.random.Generator, difficulty: int) -> Item:
    """A person, none to two others between, and the pronoun of the first."""
    woman = coin(rng)
    text = pick(rng, FEMALE if woman else MALE)
    for verb in ("who saw", "and not")[: difficulty - 1]:
        text += f" {verb} {pick(rng, FEMALE if coin(rng) else MALE)}"
    right, wrong = ("she", "he") if woman else ("he", "she")
    return [f"{text} said ", Answer(right, rival=wrong), " left.\n"]


GENERATORS: dict[str, Generator] = {
    "agreement": agreement,
    "determiner": determiner,
    "plural": plural,
    "past": past,
    "pronoun": pronoun,
}
