"""The built-in library: probes of many concepts at three difficulties, for any tokenizer."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes.builtin.cards import GENERATORS, find_probes
from zeeman.probes.builtin.items import Generator, Marks, flatten
from zeeman.probes.builtin.pairs import has_rivals, minimal_pairs
from zeeman.probes.encoding import Encoder, Tokenizer, make_encoder
from zeeman.probes.library import Library
from zeeman.probes.probe import Probe
from zeeman.probes.text_probe import python_sample, text_probe

_DATA_ROWS = 512
_TRIES = 20


def builtin_library(
    concepts: Sequence[str] = (),
    tokenizer: Tokenizer = None,
    *,
    seed: int = 0,
    rows: int = 32,
    length: int = 128,
    difficulties: Sequence[int] = (1, 2, 3),
    pairs: bool = False,
    data: str | os.PathLike[str] | None = None,
) -> Library:
    """Build probes of many concepts, each a subdistribution and a behaviour, in the tokens of a model.

    Each row is filled with questions of one kind, one after the other, and cut at its length. Only tokens that decide
    an answer are scored; see `Encoder.score`. Each probe is a function of the seed, its name, the tokenizer and the
    length of its rows alone, and its first rows do not depend on how many there are.

    Parameters
    ----------
    concepts : sequence of str
        Concepts, families or single probes, such as ``"induction"``, ``"copy"`` or ``"ioi-2"``; all if empty.
    tokenizer
        What turns text to token ids; see `make_encoder`. By default the bytes of ASCII, ids 0 to 127.
    seed : int
    rows, length : int
        Rows of each probe, and tokens of each row.
    difficulties : sequence of int
        From 1 to 3.
    pairs : bool
        Also make minimal pairs, ``name.pairs``, of each probe whose answers have a rival; see `minimal_pairs`.
    data : path, optional
        File or folder of text like what the model was trained on, which chains feel; see `text_probe`. By default the
        source of Python's standard library.

    Returns
    -------
    Library
        Its data are 512 rows named ``train``. `builtin_cards` tells of each probe what it catches.

    Raises
    ------
    ZeemanError
        If a name is unknown, a number is out of its range, or no token of rows this long decides an answer.

    Examples
    --------
    >>> library = builtin_library(["induction", "ioi-1"], rows=4)
    >>> [probe.name for probe in library][-2:], library["ioi-1"].inputs.shape, library["ioi-1"].metric
    (['induction-words-3', 'ioi-1'], (4, 128), 'accuracy')
    """
    if seed < 0 or rows < 1 or length < 2:
        raise ZeemanError(
            f"expected a seed from 0, at least one row and two tokens a row, got seed {seed}, "
            f"{rows} rows of {length} tokens."
        )
    encoder = make_encoder(tokenizer)
    probes = []
    for name, (card, level) in find_probes(concepts, difficulties).items():
        rng = np.random.default_rng([seed, *name.encode()])
        inputs, scored = fill_rows(card.name, level, encoder, rng, rows, length)
        probes.append(Probe(name, inputs, scored, (card.concept, card.name), card.metric, chance=card.chance_of(level)))
        if pairs and has_rivals(name):
            probes.append(minimal_pairs(name, encoder, seed=seed, rows=rows, length=length))
    source = python_sample(_DATA_ROWS, 8 * length, seed) if data is None else data
    sample = text_probe("train", source, encoder, seed=seed, rows=_DATA_ROWS, length=length)
    return Library.from_probes("built-in", sample, probes, encoder.vocabulary)


def fill_rows(
    card: str, level: int, encoder: Encoder, rng: np.random.Generator, rows: int, length: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Fill rows with questions of a family, and mark the tokens that decide them.

    Raises
    ------
    ZeemanError
        If no such token falls into a row in twenty tries.
    """
    inputs, scored = np.empty((rows, length), np.int64), np.zeros((rows, length), np.bool_)
    for row in range(rows):
        for _ in range(_TRIES):
            tokens, asked = _write_row(GENERATORS[card], rng, level, encoder, length)
            inputs[row], scored[row, 1:] = tokens[:length], asked[1:length]
            if scored[row].any():
                break
        else:
            raise ZeemanError(
                f"probe {card}: in rows of {length} tokens no token of this tokenizer decides an answer; ask for "
                "longer rows, or leave the probe out."
            )
    return inputs, scored


def _write_row(
    generate: Generator, rng: np.random.Generator, level: int, encoder: Encoder, length: int
) -> tuple[list[int], NDArray[np.bool_]]:
    """Write items one after the other until they fill a row of tokens; an item that was just asked is drawn anew."""
    texts: list[str] = []
    marks: list[Marks] = []
    wanted, written = length, 0
    while True:
        while written < wanted:
            for _ in range(_TRIES):
                text, marked = flatten(generate(rng, level))
                if text not in texts:
                    break
            texts.append(text)
            marks.append(marked)
            written += len(text)
        tokens, scored = encoder.score("".join(texts), np.concatenate(marks))
        if len(tokens) >= length:
            return tokens, scored
        wanted *= 2
