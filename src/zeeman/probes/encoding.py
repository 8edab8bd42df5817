"""Encoders of any tokenizer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.probes.encoder import Encoder as Encoder
from zeeman.probes.encoder import Span
from zeeman.probes.vocabulary import read_vocabulary

Tokenizer = Any
"""None (bytes), a path or name, strings, a tokenizer of `tokenizers` or `transformers`, a function, or an `Encoder`."""


def make_encoder(tokenizer: Tokenizer = None) -> Encoder:
    """Make an encoder of a tokenizer.

    Parameters
    ----------
    tokenizer
        - None: the bytes of UTF-8, so that ASCII text has ids below 128;
        - a path: a file that `read_vocabulary` reads, or a folder with a model's tokenizer; or else the name of a model
          on Hugging Face;
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
        return _read(Path(tokenizer)) if Path(tokenizer).is_file() else _of_model(os.fspath(tokenizer))
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


def _read(file: Path) -> Encoder:
    vocabulary = read_vocabulary(file)
    text = file.read_text(encoding="utf-8")
    if isinstance(json.loads(text), list):
        return make_encoder(vocabulary)
    return Encoder(_fast(text), vocabulary)


def _of_model(source: str) -> Encoder:
    """The tokenizer of a folder or a repository."""
    from transformers import AutoTokenizer

    try:
        held = AutoTokenizer.from_pretrained(source)
    except Exception as error:  # the library raises what its many formats raise
        reason = str(error).strip().split("\n")[0]
        raise ZeemanError(
            f"{source} holds no tokenizer ({reason}); expected a folder with one, a tokenizer.json, a JSON list of "
            "strings, or the name of a model on Hugging Face."
        ) from error
    return _of_transformers(held)


def _fast(text: str) -> Callable[[str, Sequence[int]], tuple[list[int], list[Span]]]:
    """Encode with a copy of a tokenizer that neither cuts texts nor fills them up."""
    from tokenizers import Tokenizer as Fast

    copy = Fast.from_str(text)
    copy.no_truncation()
    copy.no_padding()
    return partial(_encode_fast, copy)


def _of_tokenizers(tokenizer: Tokenizer) -> Encoder:
    count = tokenizer.get_vocab_size()
    words = tuple(tokenizer.decode([token], skip_special_tokens=False) for token in range(count))
    return Encoder(_fast(tokenizer.to_str()), words)


def _of_transformers(held: Tokenizer) -> Encoder:
    words = tuple(held.decode([token], skip_special_tokens=False) for token in range(len(held)))
    is_fast = getattr(held, "is_fast", False)
    parts = partial(_encode_parts, partial(_ids, held, False))
    encode = _fast(held.backend_tokenizer.to_str()) if is_fast else parts
    known = [token for token in (held.bos_token_id, held.eos_token_id) if token is not None]
    return Encoder(encode, words, known[0] if known else None, partial(_ids, held, True))


def _ids(held: Tokenizer, special: bool, text: str) -> list[int]:
    found: list[int] = held(text, add_special_tokens=special, verbose=False)["input_ids"]
    return found


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
