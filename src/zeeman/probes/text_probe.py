"""Probes made of a folder of text: every token is asked for, and the behaviour is the loss."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from zeeman.errors import ZeemanError
from zeeman.probes.demo import text_windows
from zeeman.probes.encoding import Tokenizer, make_encoder
from zeeman.probes.probe import Probe

_TRIES = 20


def python_sample(rows: int, characters: int, seed: int = 0) -> list[str]:
    """Draw excerpts of the standard library's source, of the files that the demo trains on.

    Examples
    --------
    >>> [len(text) for text in python_sample(2, 100)]
    [100, 100]
    """
    rng = np.random.default_rng([seed, *b"train"])
    return [bytes(window.astype(np.uint8)).decode("ascii") for window in text_windows(rng, rows, characters)]


def text_probe(
    name: str,
    source: str | os.PathLike[str] | Sequence[str],
    tokenizer: Tokenizer = None,
    *,
    seed: int = 0,
    rows: int = 32,
    length: int = 128,
    concepts: Sequence[str] = (),
) -> Probe:
    """Make a probe of windows of text, all tokens of which but the first are scored by their loss.

    Parameters
    ----------
    name : str
    source : path or sequence of str
        Texts themselves; or a file, or a folder whose files are read in the order of their paths: each line of a
        ``.jsonl`` file is an object with the field ``text``, any other file is one text.
        Longer texts give more windows.
    tokenizer
        See `make_encoder`.
    seed : int
    rows, length : int
        Windows, which may overlap, and tokens of each.
    concepts : sequence of str
        Tags.

    Raises
    ------
    ZeemanError
        If the source can't be read, or its texts are too few or too short.

    Examples
    --------
    >>> probe = text_probe("greeting", ["hello world", "no"], rows=2, length=8)
    >>> probe.inputs.shape, int(probe.scored.sum()), probe.metric
    ((2, 8), 14, 'loss')
    """
    encoder = make_encoder(tokenizer)
    texts = _read_texts(Path(source)) if isinstance(source, str | os.PathLike) else list(source)
    sizes = np.array([len(text) for text in texts], dtype=np.float64)
    rng = np.random.default_rng([seed, *name.encode()])
    # No tokenizer in use spends more than 16 characters on a token of running text.
    stretch = 16 * length
    windows: list[list[int]] = []
    for _ in range(_TRIES * rows if sizes.any() else 0):
        text = texts[int(rng.choice(len(texts), p=sizes / sizes.sum()))]
        begin = int(rng.integers(max(len(text) - stretch, 0) + 1))
        part = text[begin : begin + stretch]
        tokens, _ = encoder.encode(part, [0, len(part)])
        if len(tokens) >= length:
            first = int(rng.integers(len(tokens) - length + 1))
            windows.append(tokens[first : first + length])
        if len(windows) == rows:
            break
    if len(windows) < rows:
        raise ZeemanError(
            f"probe {name}: expected texts that yield {rows} windows of {length} tokens, got {len(windows)} from "
            f"{len(texts)} texts; give longer texts or ask for shorter rows."
        )
    scored = np.ones((rows, length), np.bool_)
    scored[:, 0] = False
    return Probe(name, np.array(windows, np.int64), scored, tuple(concepts))


def _read_texts(path: Path) -> list[str]:
    """Read a file, or the files of a folder."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    texts: list[str] = []
    for file in files:
        try:
            content = file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ZeemanError(
                f"{file} cannot be read as text ({reason}); expected a file or folder of UTF-8."
            ) from error
        texts += _records(file, content) if file.suffix == ".jsonl" else [content]
    return texts


def _records(file: Path, content: str) -> Iterator[str]:
    """Yield the field ``text`` of each line."""
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            text = json.loads(line)["text"]
        except (ValueError, LookupError, TypeError, RecursionError):
            text = None
        if not isinstance(text, str):
            raise ZeemanError(f"{file}, line {number}: expected a JSON object with a string in the field 'text'.")
        yield text
