"""The demo's data and probes, made of text that is always there: the source of the standard library."""

from __future__ import annotations

import keyword
import os
import re
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes.library import Library
from zeeman.probes.probe import Probe

VOCABULARY = 128
"""Number of token ids of the demo: ASCII."""
CONTEXT = 64
"""Tokens in a window."""
HELD_OUT_PERIODS = (13, 23)
"""Periods of repeats that the demo's model never trains on."""
TRAINING_PERIODS = tuple(period for period in range(6, 32) if period not in HELD_OUT_PERIODS)
"""Periods of repeats that it trains on."""

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

_LIMIT = 8_000_000
_SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idle_test", "lib2to3", "idlelib", "__pycache__"}
# The tables of encodings repeat each other, so those of held-out files would be known from training.
_SKIPPED |= {"encodings"}
# What is not ASCII is dropped byte by byte, and line ends become the same on every system.
_DROPPED = bytes([*range(128, 256), ord("\r")])


def _sources(root: Path) -> list[Path]:
    found: list[Path] = []
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if name not in _SKIPPED]
        found += [Path(folder, name) for name in names if name.endswith(".py")]
    return sorted(found, key=lambda path: path.relative_to(root).parts)


@cache
def _files() -> tuple[bytes, ...]:
    """Read the sources of the standard library in the order of their relative paths, up to the limit."""
    root = Path(sysconfig.get_path("stdlib"))
    kept: list[bytes] = []
    total = 0
    for path in _sources(root):
        source = path.read_bytes().translate(None, _DROPPED)
        if total + len(source) > _LIMIT:
            break
        kept.append(source)
        total += len(source)
    if total < 100_000:
        raise ZeemanError(
            f"expected the standard library's source files in {root}, found {total} characters of them; "
            "run the demo on a Python that comes with its library's source."
        )
    return tuple(kept)


@cache
def _part(held_out: bool) -> bytes:
    return b"".join(source for index, source in enumerate(_files()) if (index % 10 == 9) == held_out)


def _codes(text: bytes) -> Bytes:
    return np.frombuffer(text, dtype=np.uint8)


def standard_library_text() -> Integers:
    """Return the source of the running interpreter's standard library, without its tests, as ASCII codes.

    Returns
    -------
    integer array, shape (characters,)
        Codes from 0 to 127, at most 8 million of them; the order of files is that of their relative paths.

    Examples
    --------
    >>> text = standard_library_text()
    >>> text.dtype, bool(text.max() < VOCABULARY), len(text) == len(training_text()) + len(held_out_text())
    (dtype('int64'), True, True)
    """
    return _codes(b"".join(_files())).astype(np.int64)


def training_text() -> Integers:
    """Return the nine in ten files of `standard_library_text` that the demo's model trains on.

    Returns
    -------
    integer array, shape (characters,)

    Examples
    --------
    >>> len(training_text()) > len(held_out_text())
    True
    """
    return _codes(_part(False)).astype(np.int64)


def held_out_text() -> Integers:
    """Return every tenth file of `standard_library_text`, which the probes read and the model never trains on.

    Returns
    -------
    integer array, shape (characters,)

    Examples
    --------
    >>> b"def " in held_out_text().astype("uint8").tobytes()
    True
    """
    return _codes(_part(True)).astype(np.int64)


def _windows(text: bytes, starts: Integers, length: int) -> Integers:
    codes: Bytes = _codes(text)[starts[:, None] + np.arange(length)]
    return codes.astype(np.int64)


def text_windows(rng: np.random.Generator, n: int, length: int = CONTEXT, held_out: bool = False) -> Integers:
    """Draw windows of text, uniformly and independently.

    Parameters
    ----------
    rng : numpy Generator
    n, length : int
        Number of windows and tokens in each.
    held_out : bool
        Whether to draw from `held_out_text` instead of `training_text`.

    Returns
    -------
    integer array, shape (n, length)

    Examples
    --------
    >>> text_windows(np.random.default_rng(0), 3, length=10).shape
    (3, 10)
    """
    text = _part(held_out)
    return _windows(text, rng.integers(0, len(text) - length + 1, n), length)


def repeat_windows(
    rng: np.random.Generator, n: int, length: int = CONTEXT, periods: Sequence[int] = TRAINING_PERIODS
) -> tuple[Integers, Integers]:
    """Draw windows that repeat a random printable string (codes 32 to 126) until they are full.

    Parameters
    ----------
    rng : numpy Generator
    n, length : int
        Number of windows and tokens in each.
    periods : sequence of int
        Lengths of the string, from which each window draws uniformly.

    Returns
    -------
    tokens : integer array, shape (n, length)
    period : integer array, shape (n,)

    Examples
    --------
    >>> tokens, period = repeat_windows(np.random.default_rng(0), 4, length=12, periods=[3])
    >>> bool((tokens[:, 3:] == tokens[:, :-3]).all()), period.tolist()
    (True, [3, 3, 3, 3])
    """
    period = rng.choice(np.asarray(periods, dtype=np.int64), n)
    string = rng.integers(32, 127, (n, max(periods)))
    tokens: Integers = np.take_along_axis(string, np.arange(length) % period[:, None], axis=1)
    return tokens, period


def training_windows(rng: np.random.Generator, n: int, length: int = CONTEXT) -> Integers:
    """Draw one batch of the demo's training data: a quarter repeats (rounded down), the rest text, shuffled.

    Parameters
    ----------
    rng : numpy Generator
    n, length : int
        Number of windows and tokens in each.

    Returns
    -------
    integer array, shape (n, length)

    Examples
    --------
    >>> training_windows(np.random.default_rng(0), 32).shape
    (32, 64)
    """
    repeats, _ = repeat_windows(rng, n // 4, length)
    return rng.permutation(np.concatenate([text_windows(rng, n - n // 4, length), repeats]))


# A concept gives each character of a text its anchor: the position from which on a window must begin at the latest for
# the character to be scored there, because what predicts it stands at the anchor; -1 where it is never scored.
_Concept = Callable[[bytes], Integers]

_LITERAL = re.compile(
    rb"#[^\n]*"
    rb"|(?P<triple>\"\"\"|''')(?P<body>(?:\\.|[^\\])*?)(?P=triple)"
    rb"|\"(?:\\.|[^\"\\\n])*\""
    rb"|'(?:\\.|[^'\\\n])*'",
    re.DOTALL,
)
_INDENTATION = re.compile(rb"(?<=\n) +[^ \n]")
_DIGIT = re.compile(rb"(?<=[0-9.])[0-9]")
_KEYWORD = re.compile(rb"\b(?:" + b"|".join(word.encode() for word in keyword.kwlist) + rb")\b")
_CLOSES = {ord(")"): ord("("), ord("]"): ord("["), ord("}"): ord("{")}


def _blanked(text: bytes) -> bytes:
    """Blank out strings and comments, so that what is left is code at its old position."""
    return _LITERAL.sub(lambda match: b" " * len(match[0]), text)


def _bracket_anchors(text: bytes) -> Integers:
    """Anchor each closing bracket of the code at its opening one."""
    anchors = np.full(len(text), -1)
    opened: list[int] = []
    for match in re.finditer(rb"[()\[\]{}]", code := _blanked(text)):
        position = match.start()
        if code[position] not in _CLOSES:
            opened.append(position)
        elif opened and code[opened[-1]] == _CLOSES[code[position]]:
            anchors[position] = opened.pop()
        else:
            opened.clear()
    return anchors


def _indentation_anchors(text: bytes) -> Integers:
    """Anchor the leading spaces of a line, and the character that ends them, at the line break before."""
    anchors = np.full(len(text), -1)
    for match in _INDENTATION.finditer(text):
        anchors[match.start() : match.end()] = match.start() - 1
    return anchors


def _digit_anchors(text: bytes) -> Integers:
    """Anchor each digit that continues a number at the character before."""
    anchors = np.full(len(text), -1)
    positions = np.array([match.start() for match in _DIGIT.finditer(text)], dtype=np.int64)
    anchors[positions] = positions - 1
    return anchors


def _keyword_anchors(text: bytes) -> Integers:
    """Anchor the characters of a keyword of the code, after its first, at the character before the word."""
    anchors = np.full(len(text), -1)
    for match in _KEYWORD.finditer(_blanked(text)):
        anchors[match.start() + 1 : match.end()] = match.start() - 1
    return anchors


def _docstrings(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the body of each triple-quoted string that begins its line."""
    for match in _LITERAL.finditer(text):
        line = text[text.rfind(b"\n", 0, match.start()) + 1 : match.start()]
        if match["triple"] and not line.strip(b" rRuU"):
            yield match.span("body")


def _docstring_starts(text: bytes, length: int) -> Integers:
    """Return where windows that lie inside a docstring begin."""
    spans = [np.arange(begin, end - length + 1) for begin, end in _docstrings(text)]
    return np.concatenate([np.empty(0, dtype=np.int64), *spans])


def _letter_anchors(text: bytes) -> Integers:
    """Anchor each letter at the character before."""
    lower = _codes(text) | 32
    return np.where((lower >= ord("a")) & (lower <= ord("z")), np.arange(len(text)) - 1, -1)


def _text_probe(
    name: str,
    rng: np.random.Generator,
    rows: int,
    concept: _Concept,
    tags: tuple[str, ...],
    starts: Integers | None = None,
    least: int = 3,
) -> Probe:
    """Draw windows of the held-out text, each at most once, with at least this many scored positions.

    An anchor lies before its character, so column 0 is never scored.
    """
    text = _part(True)
    anchors = concept(text)
    if starts is None:
        starts = np.arange(len(text) - CONTEXT + 1)
    tokens, scored, found = [], [], 0
    order = rng.permutation(starts)
    for first in range(0, len(order), 1024):
        begins = order[first : first + 1024]
        mask = anchors[begins[:, None] + np.arange(CONTEXT)] >= begins[:, None]
        enough = mask.sum(axis=1) >= least
        tokens.append(_windows(text, begins[enough], CONTEXT))
        scored.append(mask[enough])
        found += int(enough.sum())
        if found >= rows:
            return Probe(name, np.concatenate(tokens)[:rows], np.concatenate(scored)[:rows], tags)
    raise ZeemanError(
        f"probe {name}: expected {rows} windows of held-out text that show it, found {found}; ask for fewer rows."
    )


def _all_but_first(tokens: Integers) -> NDArray[np.bool_]:
    scored = np.ones(tokens.shape, dtype=np.bool_)
    scored[:, 0] = False
    return scored


def demo_library(seed: int = 0, rows: int = 20) -> Library:
    """Build the demo's probes, and a sample of its training data.

    Parameters
    ----------
    seed : int
        Every probe draws from a generator of its own, made of the seed and the probe's name.
    rows : int
        Windows in each probe.

    Returns
    -------
    Library
        Its data are 512 training windows with all positions but 0 scored. Its probes, all on held-out files or periods:

        - ``text``: every position;
        - ``repeats``: from the second token of the second copy on, where what followed last time predicts it;
        - ``brackets``: closing brackets whose opening one is in the window;
        - ``indentation``: leading spaces of a line and the character that ends them;
        - ``digits``: digits after a digit or a point;
        - ``docstring``: letters in windows inside docstrings, at least half of which are letters;
        - ``keywords``: characters of Python's keywords after the first, in code.

    Raises
    ------
    ZeemanError
        If the interpreter comes without the source of its library, or too few windows show a concept.

    Examples
    --------
    >>> library = demo_library(rows=20)
    >>> [probe.name for probe in library]
    ['text', 'repeats', 'brackets', 'indentation', 'digits', 'docstring', 'keywords']
    >>> library.data.inputs.shape, library["repeats"].inputs.shape
    ((512, 64), (20, 64))
    """
    if rows < 1 or seed < 0:
        raise ZeemanError(f"expected at least one row a probe and a seed from 0, got {rows} rows and seed {seed}.")

    def generator(name: str) -> np.random.Generator:
        return np.random.default_rng([seed, *name.encode()])

    def from_text(name: str, concept: _Concept, *tags: str) -> Probe:
        return _text_probe(name, generator(name), rows, concept, tags)

    def prose(name: str, *tags: str) -> Probe:
        starts = _docstring_starts(_part(True), CONTEXT)
        return _text_probe(name, generator(name), rows, _letter_anchors, tags, starts, least=CONTEXT // 2)

    train = training_windows(generator("train"), 512)
    text = text_windows(generator("text"), rows, held_out=True)
    repeats, period = repeat_windows(generator("repeats"), rows, periods=HELD_OUT_PERIODS)
    return Library.from_probes(
        "demo",
        Probe("train", train, _all_but_first(train), ("training distribution",)),
        [
            Probe("text", text, _all_but_first(text), ("language",)),
            Probe("repeats", repeats, np.arange(CONTEXT) > period[:, None], ("induction", "in-context")),
            from_text("brackets", _bracket_anchors, "syntax", "matching"),
            from_text("indentation", _indentation_anchors, "syntax", "layout"),
            from_text("digits", _digit_anchors, "numbers"),
            prose("docstring", "language", "prose"),
            from_text("keywords", _keyword_anchors, "syntax", "words"),
        ],
        [chr(code) for code in range(VOCABULARY)],
    )
