"""Text as token ids of any tokenizer, with the characters that each token stands for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes.vocabulary import read_vocabulary

Span = tuple[int, int]
Tokenizer = Any
"""None (bytes), a path, strings, a tokenizer of `tokenizers` or `transformers`, a function, or an `Encoder`."""


@dataclass(frozen=True)
class Encoder:
    """A tokenizer that also tells which characters each token stands for.

    Parameters
    ----------
    encode : callable
        Text and where it may be cut, to token ids and the span of characters of each.
    vocabulary : tuple of str
        What each token id stands for; empty if that is not known.
    """

    encode: Callable[[str, Sequence[int]], tuple[list[int], list[Span]]]
    vocabulary: tuple[str, ...] = ()

    def score(self, text: str, marks: NDArray[np.int8]) -> tuple[list[int], NDArray[np.bool_]]:
        r"""Encode text, and find the tokens that are asked for.

        A token is asked for if at least one of its characters is decided and all of them, but for a space that begins
        it, belong to the answer: a token that runs over an answer's border is never asked for.

        Parameters
        ----------
        text : str
        marks : int8 array, shape (characters,)
            0 given, 1 part of an answer, 2 decided.

        Returns
        -------
        tokens : list of int
        scored : bool array, shape (tokens,)

        Examples
        --------
        >>> words = make_encoder(["1+1", "=", " ", " 2", "2", "2\n"])
        >>> words.score("1+1= 2", np.array([0, 0, 0, 0, 0, 2], np.int8))
        ([0, 1, 3], array([False, False,  True]))
        >>> words.score("1+1=2\n", np.array([0, 0, 0, 0, 2, 0], np.int8))
        ([0, 1, 5], array([False, False, False]))
        """
        tokens, spans = self.encode(text, _cuts(text, marks))
        begins, ends = np.array(spans, dtype=np.int64).reshape(-1, 2).T
        spaces = np.frombuffer(text.encode("utf-32-le"), dtype="<u4") == ord(" ")
        led = begins < ends
        led[led] = spaces[begins[led]] & (marks[begins[led]] == 0)
        begins = begins + led
        given, decided = (np.concatenate([[0], np.cumsum(marks == mark)]) for mark in (0, 2))
        scored = (given[ends] == given[begins]) & (decided[ends] > decided[begins])
        return tokens, scored


def _cuts(text: str, marks: NDArray[np.int8]) -> list[int]:
    """Where a tokenizer that hides its spans is called anew: before what is decided, and at the end of answers."""
    ends = np.flatnonzero((marks[1:] == 0) & (marks[:-1] > 0)) + 1
    starts = [at - (at > 0 and text[at - 1] == " " and not marks[at - 1]) for at in np.flatnonzero(marks == 2).tolist()]
    return sorted({0, len(text), *ends.tolist(), *starts})


def make_encoder(tokenizer: Tokenizer = None) -> Encoder:
    """Make an encoder of a tokenizer.

    Parameters
    ----------
    tokenizer
        - None: the bytes of UTF-8, so that ASCII text has ids below 128;
        - a path: a file that `read_vocabulary` reads, or a folder with a ``tokenizer.json``;
        - a sequence of strings, that of id 0 first: the longest one that fits is taken each time;
        - a tokenizer of ``tokenizers`` or ``transformers``;
        - any function from text to a list of ids. It does not tell which characters a token stands for, so text is
          cut before each decision and after each answer, every part is encoded by itself, and the first token of a
          decision is asked for;
        - an encoder, which is returned.

    Raises
    ------
    ZeemanError
        If it is none of these.

    Examples
    --------
    >>> make_encoder().encode("hé", [0, 2])
    ([104, 195, 169], [(0, 1), (1, 2), (1, 2)])
    >>> make_encoder(lambda text: [len(text)]).encode("1+1=2", [0, 4, 5])
    ([4, 1], [(0, 4), (4, 5)])
    """
    if isinstance(tokenizer, Encoder):
        return tokenizer
    if tokenizer is None:
        return Encoder(_encode_bytes, tuple(chr(code) if code < 128 else f"\\x{code:02x}" for code in range(256)))
    if isinstance(tokenizer, str | os.PathLike):
        return _read(Path(tokenizer))
    if hasattr(tokenizer, "get_vocab_size") and hasattr(tokenizer, "encode"):
        return _of_tokenizers(tokenizer)
    if hasattr(tokenizer, "encode") and hasattr(tokenizer, "decode"):
        return _of_transformers(tokenizer)
    if isinstance(tokenizer, Sequence) and tokenizer and all(isinstance(word, str) for word in tokenizer):
        words = {word: token for token, word in reversed(list(enumerate(tokenizer))) if word}
        return Encoder(partial(_encode_greedily, words, max(map(len, words), default=0)), tuple(tokenizer))
    if callable(tokenizer):
        return Encoder(partial(_encode_parts, tokenizer))
    raise ZeemanError(
        "a tokenizer must be a path, a list of strings, a tokenizer of tokenizers or transformers, or a function from "
        f"text to token ids, got {type(tokenizer).__name__}."
    )


def _read(path: Path) -> Encoder:
    file = path / "tokenizer.json" if path.is_dir() else path
    vocabulary = read_vocabulary(file)
    text = file.read_text(encoding="utf-8")
    if isinstance(json.loads(text), list):
        return make_encoder(vocabulary)
    from tokenizers import Tokenizer as Fast

    return Encoder(partial(_encode_fast, Fast.from_str(text)), vocabulary)


def _of_tokenizers(tokenizer: Tokenizer) -> Encoder:
    count = tokenizer.get_vocab_size()
    words = tuple(tokenizer.decode([token], skip_special_tokens=False) for token in range(count))
    return Encoder(partial(_encode_fast, tokenizer), words)


def _of_transformers(tokenizer: Tokenizer) -> Encoder:
    words = tuple(tokenizer.decode([token]) for token in range(len(tokenizer)))
    if not getattr(tokenizer, "is_fast", False):
        return Encoder(partial(_encode_parts, partial(tokenizer.encode, add_special_tokens=False)), words)
    return Encoder(partial(_encode_fast, tokenizer.backend_tokenizer), words)


def _encode_bytes(text: str, cuts: Sequence[int]) -> tuple[list[int], list[Span]]:
    spans = [(at, at + 1) for at, character in enumerate(text) for _ in character.encode()]
    return list(text.encode()), spans


def _encode_greedily(
    words: dict[str, int], longest: int, text: str, cuts: Sequence[int]
) -> tuple[list[int], list[Span]]:
    tokens, spans, at = [], [], 0
    while at < len(text):
        end = next((end for end in range(min(at + longest, len(text)), at, -1) if text[at:end] in words), None)
        if end is None:
            raise ZeemanError(
                f"the vocabulary has no token for {text[at]!r}; expected one that covers the characters of the probe."
            )
        tokens.append(words[text[at:end]])
        spans.append((at, end))
        at = end
    return tokens, spans


def _encode_fast(tokenizer: Tokenizer, text: str, cuts: Sequence[int]) -> tuple[list[int], list[Span]]:
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return list(encoding.ids), list(encoding.offsets)


def _encode_parts(
    encode: Callable[[str], Sequence[int]], text: str, cuts: Sequence[int]
) -> tuple[list[int], list[Span]]:
    tokens: list[int] = []
    spans: list[Span] = []
    for begin, end in pairwise(cuts):
        found = [int(token) for token in encode(text[begin:end])]
        tokens += found
        spans += [(begin, end) if index == 0 else (end, end) for index in range(len(found))]
    return tokens, spans
