"""Checks that machines and automata share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zeeman.errors import ZeemanError


def short(value: object) -> str:
    """A value as it is told in a sentence."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def listed(names: Sequence[str]) -> str:
    """Names as they are told in a sentence."""
    return ", ".join(names)


def check_names(field: str, names: Sequence[Any]) -> None:
    """Want at least one name, and none twice."""
    odd = [name for name in names if not isinstance(name, str) or not name]
    if odd or not names:
        raise ZeemanError(f"{field} must be names, at least one, got {short(odd[0] if odd else [])}.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ZeemanError(f"{field} must be different names, but {twice[0]!r} is there twice.")


def check_member(field: str, value: object, names: Sequence[str]) -> None:
    """Want one of these names."""
    if value not in names:
        raise ZeemanError(f"{field} must be one of {listed(names)}, got {short(value)}.")


def check_code(code: Sequence[Sequence[str]], columns: Mapping[str, Sequence[str]]) -> None:
    """Want a line for each letter read and each state, and one only; ``columns`` says what may stand where."""
    seen = set()
    for line in code:
        if len(line) != len(columns):
            raise ZeemanError(f"a line of code must be [{listed(list(columns))}], got {short(list(line))}.")
        for name, (column, allowed) in zip(line, columns.items(), strict=True):
            if name not in allowed:
                told = f"{column} must be one of {listed(allowed)}, got {short(name)}"
                raise ZeemanError(f"code: in the line {short(list(line))} {told}.")
        if line[:2] in seen:
            raise ZeemanError(f"code has two lines for {line[0]!r} read in state {line[1]!r}; keep one.")
        seen.add(line[:2])
    every = [(letter, state) for state in columns["state"] for letter in columns["read"]]
    undefined = [pair for pair in every if pair not in seen]
    if undefined:
        letter, state = undefined[0]
        told = f"{len(undefined)} of {len(every)} transitions are undefined"
        raise ZeemanError(
            f"code has no line for {letter!r} read in state {state!r} ({told}); add one, if only to stay."
        )


def check_words(words: Sequence[Sequence[str]], alphabet: Sequence[str]) -> None:
    """Want at least one word, of letters."""
    if not words:
        raise ZeemanError("inputs must hold at least one word, got none.")
    for word in words:
        odd = [letter for letter in word if letter not in alphabet]
        if odd:
            told = f"{short(odd[0])}, which is not in the alphabet {listed(alphabet)}"
            raise ZeemanError(f"inputs: {spelled(word)} has {told}.")


def check_count(field: str, value: object, least: int = 1) -> None:
    """Want a whole number of at least so much."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ZeemanError(f"{field} must be a whole number of at least {least}, got {short(value)}.")


def spelled(word: Sequence[str]) -> str:
    """A word in quotes."""
    return repr("".join(map(str, word)))
