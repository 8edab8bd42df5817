"""Concept cards: what each built-in probe is to catch, what else could explain success, and its control."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.probes.builtin import copying, grammar, language, noise, numbers, reference, structure, text
from zeeman.probes.builtin.items import Generator
from zeeman.probes.probe import Metric

_MODULES = (copying, numbers, structure, grammar, reference, language, text, noise)
GENERATORS: dict[str, Generator] = {name: make for module in _MODULES for name, make in module.GENERATORS.items()}


@dataclass(frozen=True)
class Card:
    """What a family of built-in probes is about.

    Parameters
    ----------
    name : str
        Of the family; a family with several levels has a probe ``name-1``, ``name-2``, ... for each.
    concept : str
        The tag that it shares with families of the same concept.
    catches : str
        What a network must have that answers it.
    confound : str
        What else could explain success.
    control : str
        What tells the two apart: another family, or a property of the rows.
    levels : tuple of str
        What each level of difficulty asks.
    chance : tuple of float
        For each level the accuracy on decided characters that the confound, or the commonest answer, reaches at most.
    metric : {"accuracy", "loss"}
        The behaviour that is read.
    """

    name: str
    concept: str
    catches: str
    confound: str
    control: str
    levels: tuple[str, ...]
    chance: tuple[float, ...]
    metric: Metric = "accuracy"

    def probe_names(self) -> tuple[str, ...]:
        """Names of the family's probes, from easy to hard."""
        if len(self.levels) == 1:
            return (self.name,)
        return tuple(f"{self.name}-{level}" for level in range(1, len(self.levels) + 1))

    def chance_of(self, level: int) -> float | None:
        """Chance of a probe, by its level from 1; None where a loss is read, of which no guess has a share."""
        return self.chance[level - 1] if self.metric == "accuracy" else None


@cache
def _cards() -> dict[str, Card]:
    content = tomllib.loads(files("zeeman.probes.builtin").joinpath("cards.toml").read_text(encoding="utf-8"))
    return {name: _card(name, content[name]) for name in GENERATORS}


def _card(name: str, table: dict[str, Any]) -> Card:
    return Card(**{"name": name, **table, "levels": tuple(table["levels"]), "chance": tuple(table["chance"])})


def builtin_cards() -> tuple[Card, ...]:
    """Return the cards of all families of built-in probes.

    Returns
    -------
    tuple of Card

    Examples
    --------
    >>> cards = builtin_cards()
    >>> len({card.concept for card in cards}) >= 15, sum(len(card.levels) for card in cards) >= 50
    (True, True)
    """
    return tuple(_cards().values())


def find_card(name: str) -> Card:
    """Return the card of a family, or of one of its probes.

    Raises
    ------
    ZeemanError
        If there is none of that name.

    Examples
    --------
    >>> find_card("induction-2").concept
    'induction'
    """
    for card in _cards().values():
        if name == card.name or name in card.probe_names():
            return card
    raise ZeemanError(f"there is no built-in probe {name!r}; there are {', '.join(_cards())}.")


def find_probes(wanted: Sequence[str] = (), difficulties: Sequence[int] = (1, 2, 3)) -> dict[str, tuple[Card, int]]:
    """Find probes by the names of concepts, families or probes; all if none is given.

    Returns
    -------
    dict of str to (Card, int)
        Card and difficulty of each probe. A family of one level is there at every choice of difficulties.

    Raises
    ------
    ZeemanError
        If a name is that of nothing, or nothing is left.

    Examples
    --------
    >>> list(find_probes(["brackets", "ioi-3"], [1, 3]))
    ['brackets-1', 'brackets-3', 'ioi-3']
    """
    found: dict[str, tuple[Card, int]] = {}
    missing = set(wanted)
    for card in _cards().values():
        for level, name in enumerate(card.probe_names(), start=1):
            hit = set(wanted) & {card.concept, card.name, name}
            missing -= hit
            if (hit or not wanted) and (level in difficulties or len(card.levels) == 1):
                found[name] = card, level
    if missing:
        concepts = ", ".join(dict.fromkeys(card.concept for card in _cards().values()))
        raise ZeemanError(
            f"there is no built-in concept or probe {sorted(missing)[0]!r}; the concepts are {concepts}, and "
            "`zeeman probes list --builtin` shows their probes."
        )
    if not found:
        raise ZeemanError(f"no built-in probe has a difficulty among {list(difficulties)}; choose from 1, 2 and 3.")
    return found
