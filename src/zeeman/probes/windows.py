"""Libraries from text: windows of tokens, a probe for each kind of text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes.documents import Text, read_texts
from zeeman.probes.encoding import Encoder, Tokenizer, make_encoder
from zeeman.probes.library import Library
from zeeman.probes.probe import Probe

DATA = "data"


def library_from_text(
    source: Path,
    tokenizer: Tokenizer,
    *,
    name: str = "text",
    context: int = 128,
    rows: int = 64,
    data_rows: int = 512,
    seed: int = 0,
) -> Library:
    """Make a library of text: a probe of windows for each kind of it, and data that are an even mixture of all.

    Text is taken in pieces, in an order drawn from the seed, joined with the tokenizer's end of text between documents
    and cut into windows, all of which is scored but the first token. Where documents say whether they are held out
    (``split``), probes are cut from those that are and the data from those that are not; elsewhere from pieces of
    their own, so that no window is in both.

    Parameters
    ----------
    source : Path
        As for :func:`~zeeman.probes.documents.read_texts`.
    tokenizer
        As for :func:`~zeeman.probes.encoding.make_encoder`.
    name : str
        Of the library.
    context : int
        Tokens of a window.
    rows, data_rows : int
        Windows of each probe, and of the data; fewer where there is too little text.
    seed : int

    Returns
    -------
    Library

    Raises
    ------
    ZeemanError
        If some kind of text is too short for a window of a probe and one of data.
    """
    for option, value, least in (("context", context, 2), ("rows", rows, 1), ("data_rows", data_rows, 1)):
        if value < least:
            raise ZeemanError(f"{option} must be at least {least}, got {value}.")
    encoder = make_encoder(tokenizer)
    groups = read_texts(source)
    share = -(-data_rows // len(groups))
    probes, mixed = [], []
    for group, texts in groups.items():
        asked, rest = _windows_of(texts, encoder, context, (rows, share), f"{seed}:{group}")
        if not len(asked) or not len(rest):
            raise ZeemanError(
                f"the text of {group} is too short for two windows of {context} tokens, one to ask and one of data; "
                "lower context or add text."
            )
        probes.append(Probe(_name(group), asked, _all_but_first(asked), (group,)))
        mixed.append(rest)
    data = np.concatenate(mixed)
    order = np.argsort([hashlib.sha256(f"{seed}:{n}".encode()).hexdigest() for n in range(len(data))])
    data = data[order][:data_rows]
    return Library.from_probes(name, Probe(DATA, data, _all_but_first(data)), probes, encoder.vocabulary)


def _windows_of(
    texts: Sequence[Text], encoder: Encoder, context: int, counts: tuple[int, int], salt: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Windows for a probe and for the data, that share no text."""
    held_out = [text.text for text in texts if text.held_out]
    training = [text.text for text in texts if text.held_out is False]
    if held_out and training:
        found = [
            list(islice(_windows(part, encoder, context, salt), count))
            for part, count in zip((held_out, training), counts, strict=True)
        ]
    else:
        stream = _windows([text.text for text in texts], encoder, context, salt)
        windows = list(islice(stream, sum(counts)))
        # Where text is short, both get a part in proportion.
        cut = counts[0] if len(windows) == sum(counts) else round(len(windows) * counts[0] / sum(counts))
        cut = min(max(cut, 1), max(len(windows) - 1, 0))
        found = [windows[:cut], windows[cut:]]
    asked, rest = (np.array(part, np.int64).reshape(-1, context) for part in found)
    return asked, rest


def _windows(texts: Sequence[str], encoder: Encoder, context: int, salt: str) -> Iterator[list[int]]:
    """Windows of a stream of pieces of texts, the pieces in an order that only the salt decides."""
    size = 16 * context
    pieces = [(number, at) for number, text in enumerate(texts) for at in range(0, len(text), size)]
    pieces.sort(key=lambda piece: hashlib.sha256(f"{salt}:{piece[0]}:{piece[1]}".encode()).digest())
    begin = [] if encoder.prefix is None else [encoder.prefix]
    held: list[int] = []
    for number, at in pieces:
        held += [*(begin if at == 0 else ()), *encoder.tokens(texts[number][at : at + size])]
        while len(held) >= context:
            yield held[:context]
            held = held[context:]


def _all_but_first(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    scored = np.ones(rows.shape, np.bool_)
    scored[:, 0] = False
    return scored


def _name(group: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.\-]", "_", group).lstrip(".-")[:100] or "text"
