"""Probes of real text that is always installed: Python's library, its documentation strings, its licence, its Zen."""

from __future__ import annotations

import codecs
import importlib
import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from importlib.metadata import distribution

import numpy as np

from zeeman.probes.builtin.items import Answer, Generator, Item, between
from zeeman.probes.demo import held_out_text, standard_library_text

KNOWN = 32
"""Characters at the beginning of an excerpt that are given; what follows is asked for."""
_EXCERPT = 400
_LICENSED = ("numpy", "scipy", "torch", "transformers")
_CLOSES = {")": "(", "]": "[", "}": "{"}
_ASKED = ")]"
_CODE_LINE = re.compile(r"^[^\n'\"#\\]+", re.MULTILINE)


@cache
def python_text() -> str:
    """Held-out source of the standard library."""
    return held_out_text().astype(np.uint8).tobytes().decode("ascii")


@cache
def library_text() -> str:
    """All source of the standard library: bracketed expressions of every kind are rare in a tenth of it."""
    return standard_library_text().astype(np.uint8).tobytes().decode("ascii")


@cache
def prose_text() -> str:
    """Documentation strings of the held-out source, without those that hold quotes."""
    found = re.findall(r'^ *"""([^"]{400,}?)"""', python_text(), re.MULTILINE)
    return "\n".join(re.sub(r"[ \t]*\n[ \t]*", "\n", body).strip() for body in found)


@cache
def legal_text() -> str:
    """Licences of what zeeman needs to run, without what is not ASCII."""
    texts = []
    for name in _LICENSED:
        for file in sorted(distribution(name).files or [], key=str):
            if file.name.upper().startswith("LICENSE") and "dist-info" in file.parts[0] and len(file.parts) <= 3:
                texts.append(file.read_text(encoding="utf-8").encode("ascii", "ignore").decode())
    return "\n".join(texts)


@cache
def zen_text() -> str:
    """The Zen of Python, which the module `this` keeps in rot13 and prints when it is imported."""
    with redirect_stdout(io.StringIO()):
        module = importlib.import_module("this")
    return codecs.decode(module.s, "rot13")


def _excerpts(source: Callable[[], str], size: int = _EXCERPT) -> Generator:
    def generate(rng: np.random.Generator, difficulty: int) -> Item:
        text = source()
        begin = between(rng, 0, len(text) - size)
        begin = text.find("\n", begin, len(text) - size) + 1 or begin
        taken = text[begin : begin + size]
        return [taken[:KNOWN], Answer(taken[KNOWN:], tuple(range(len(taken) - KNOWN))), "\n"]

    return generate


@cache
def _closed(kind: str, difficulty: int) -> tuple[tuple[int, int], ...]:
    """Where a line of code begins, and where in it a bracket of this kind closes, the last one opened being of another kind.

    Distances from the opening bracket are 4–11, 12–23 and 24–60 characters at the three difficulties.
    """
    lowest, highest = ((4, 11), (12, 23), (24, 60))[difficulty - 1]
    found = []
    for match in _CODE_LINE.finditer(library_text()):
        opened: list[int] = []
        line, last = match[0], ""
        for index, character in enumerate(line):
            if character in _CLOSES.values():
                opened.append(index)
                last = character
            elif character in _CLOSES:
                if not opened or line[opened[-1]] != _CLOSES[character]:
                    break
                start = opened.pop()
                inner = last != _CLOSES[character]
                if character == kind and inner and lowest <= index - start <= highest and index < 100:
                    found.append((match.start(), match.start() + index))
    return tuple(found)


def code_brackets(rng: np.random.Generator, difficulty: int) -> Item:
    """A line of real code up to a closing bracket, whose kind is asked for; round and square as often."""
    places = _closed(_ASKED[between(rng, 0, 1)], difficulty)
    begin, end = places[between(rng, 0, len(places) - 1)]
    text = library_text()
    return [text[begin:end], Answer(text[end]), "\n"]


GENERATORS: dict[str, Generator] = {
    "code-brackets": code_brackets,
    "code": _excerpts(python_text),
    "prose": _excerpts(prose_text, 300),
    "legal": _excerpts(legal_text),
    "zen": _excerpts(zen_text, 200),
}
