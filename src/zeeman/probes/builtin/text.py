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

from zeeman.probes.builtin.items import Answer, Generator, Item, between, pick
from zeeman.probes.demo import held_out_text, standard_library_text

KNOWN = 32
"""Characters at the beginning of an excerpt that are given; what follows is asked for."""
_EXCERPT = 400
_LICENSED = ("numpy", "scipy", "torch", "transformers")
_CLOSES = {")": "(", "]": "[", "}": "{"}
_ASKED = (")", "]")
_DISTANCES = ((4, 11), (12, 23), (24, 60))
_BRACKET = re.compile(r"[()\[\]{}]")
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
def _closings() -> dict[tuple[str, int], list[tuple[int, int]]]:
    """Find lines of code in which a bracket closes while the one opened last is of another kind.

    Returned are, for each kind and difficulty, where the lines begin and where in the text the brackets close.
    """
    found: dict[tuple[str, int], list[tuple[int, int]]] = {(kind, level): [] for kind in _ASKED for level in (1, 2, 3)}
    for line in _CODE_LINE.finditer(library_text()):
        opened: list[tuple[int, str]] = []
        last = ""
        for match in _BRACKET.finditer(line[0]):
            at, kind = match.start(), match[0]
            if kind not in _CLOSES:
                opened.append((at, kind))
                last = kind
            elif not opened or opened[-1][1] != _CLOSES[kind]:
                break
            else:
                distance = at - opened.pop()[0]
                level = next((n for n, (low, high) in enumerate(_DISTANCES, 1) if low <= distance <= high), 0)
                if last != _CLOSES[kind] and (kind, level) in found and at < 100:
                    found[kind, level].append((line.start(), line.start() + at))
    return found


def code_brackets(rng: np.random.Generator, difficulty: int) -> Item:
    """A line of real code up to a closing bracket, whose kind is asked for; round and square as often."""
    places = _closings()[pick(rng, _ASKED), difficulty]
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
