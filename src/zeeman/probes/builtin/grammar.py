"""Agreement and morphology of English."""

from __future__ import annotations

import numpy as np

from zeeman.probes.builtin.items import Answer, Generator, Item, coin, pick
from zeeman.probes.builtin.words import FEMALE, MALE, NOUNS, PASTS, PLACES, PLURALS, SHIFTY_NOUNS


def agreement(rng: np.random.Generator, difficulty: int) -> Item:
    """A subject, none to two nouns of any number between, and its verb."""
    plural = coin(rng)
    text = f"the {pick(rng, NOUNS)}{'s' * plural}"
    for _ in range(difficulty - 1):
        text += f" {pick(rng, PLACES)} the {pick(rng, NOUNS)}{'s' * coin(rng)}"
    right, wrong = ("are", "is") if plural else ("is", "are")
    return [f"{text} ", Answer(right, rival=wrong), " old.\n"]


def determiner(rng: np.random.Generator, difficulty: int) -> Item:
    """A noun, and whether it goes with this or these; then nouns whose ending tells nothing; then one further off."""
    plural = coin(rng)
    text = pick(rng, SHIFTY_NOUNS[plural]) if difficulty == 2 else f"{pick(rng, NOUNS)}{'s' * plural}"
    if difficulty == 3:
        text += f" {pick(rng, PLACES)} the {pick(rng, NOUNS)}{'s' * coin(rng)}"
    right, wrong = ("these", "this") if plural else ("this", "these")
    return [f"{text}: ", Answer(right, (2,), wrong), "\n"]


def plural(rng: np.random.Generator, difficulty: int) -> Item:
    """A noun and its plural: s or es; y or ies; regular or not. Decided where it leaves the other rule's form."""
    return _inflected(rng, PLURALS[difficulty - 1])


def past(rng: np.random.Generator, difficulty: int) -> Item:
    """A verb and its past: ed or d; with or without doubling; regular or not."""
    return _inflected(rng, PASTS[difficulty - 1])


def _inflected(rng: np.random.Generator, groups: tuple[str, str]) -> Item:
    """Inflect a word of one of two groups; decided is where its form leaves what the other group's rule would give."""
    base, form, rival = pick(rng, groups[coin(rng)].split()).split("/")
    decided = next(index for index, pair in enumerate(zip(form, rival + " ", strict=False)) if pair[0] != pair[1])
    return [f"{base} -> ", Answer(form, (decided,), rival), ".\n"]


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
