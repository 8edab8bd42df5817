"""Brackets, quotation, tags, delimiters, indentation: marks that hang together over a distance."""

from __future__ import annotations

import numpy as np

from zeeman.probes.builtin.items import Answer, Generator, Item, beside, coin, draw, letters, partner, pick, settled
from zeeman.probes.builtin.words import ANIMALS

_BRACKETS = ("()", "[]", "{}", "<>")
_QUOTES = ("'", '"', "`")
_DELIMITERS = (";", "|", ",", "/")


def brackets(rng: np.random.Generator, difficulty: int) -> Item:
    """Nested brackets, the two innermost pairs side by side; all closing ones outside these are decided."""
    depth = (1, 3, 6)[difficulty - 1]
    kinds = [pick(rng, _BRACKETS) for _ in range(depth + 2)]
    outer, inner = kinds[:depth], kinds[depth:]
    opened = " ".join([pair[0] for pair in outer] + [f"{pair[0]} {pair[1]}" for pair in inner])
    item: Item = [opened]
    tempted = settled(opened, depth)
    # What closes just before, and what encloses; where they are of one kind, another kind stands in for them.
    order = [inner[-1], *reversed(outer)]
    near = [order[tempted], *order[tempted + 2 : tempted + 3]]
    for place, pair in enumerate(order[1:]):
        rival = near[settled(opened[::-1], len(near))]
        if rival == pair:
            rival = _BRACKETS[beside(_BRACKETS.index(pair), len(_BRACKETS), opened)]
        item += [" ", Answer(pair[1], rival=rival[1] if place == tempted else "")]
    return [*item, "\n"]


def quotation(rng: np.random.Generator, difficulty: int) -> Item:
    """Quoted words; at difficulty 3 the middle one is quoted in another kind of quotes."""
    words = draw(rng, ANIMALS, (1, 4, 3)[difficulty - 1])
    mark, other = draw(rng, _QUOTES, 2)
    if difficulty == 3:
        words[1] = f"{other}{words[1]}{other}"
    return [f"{mark}{' '.join(words)}", Answer(mark, rival=other), " .\n"]


def tags(rng: np.random.Generator, difficulty: int) -> Item:
    """Nested elements; the names that close those around the innermost are decided, and at difficulty 1 all."""
    names = [pick(rng, ANIMALS) for _ in range(difficulty)]
    text = "".join(f"<{name}> " for name in names)
    wrong = partner(ANIMALS, ANIMALS.index(names[-1]))
    if difficulty > 1:
        wrong = names.pop()
        text += f"</{wrong}> "
    item: Item = [text]
    for name, rival in zip(reversed(names), [*names[-2::-1], wrong], strict=True):
        item += ["</", Answer(name, rival=rival if rival != name else ""), "> "]
    return [*item, "\n"]


def delimiters(rng: np.random.Generator, difficulty: int) -> Item:
    """Fields with one delimiter; at difficulty 3 two delimiters in turn."""
    fields = letters(rng, 5) if difficulty == 1 else draw(rng, ANIMALS, 5)
    first, other = draw(rng, _DELIMITERS, 2)
    second, rival = (other, first) if difficulty == 3 else (first, other)
    opened = f"{fields[0]} {first} {fields[1]} {second} {fields[2]} "
    return [opened, Answer(first), f" {fields[3]} ", Answer(second, rival=rival), f" {fields[4]}\n"]


def indentation(rng: np.random.Generator, difficulty: int) -> Item:
    """Blocks indented by two or four spaces.

    Asked is a further line of the block, the first of another block, or the first of a block inside it. Each line asked
    for begins with the letter x, so that at the column where the narrower block ends either a space or an x follows.
    """
    unit = 2 if coin(rng) else 4
    level = 2 if difficulty == 3 else 1
    name, other = letters(rng, 2)
    block = f"if {name}:\n{' ' * unit}"
    shown = {1: f"{block}{other} = 1\n", 2: f"{block}x = 1\nif {other}:\n", 3: f"{block}if {other}:\n"}[difficulty]
    right, wrong = (f"{' ' * width * level}x" for width in (unit, 6 - unit))
    return [shown, Answer(right, (2 * level,), wrong), " = 2\n"]


GENERATORS: dict[str, Generator] = {
    "brackets": brackets,
    "quotation": quotation,
    "tags": tags,
    "delimiters": delimiters,
    "indentation": indentation,
}
