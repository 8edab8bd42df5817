"""What a band is about: the probes, concepts and token ids that it holds more of than chance would."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.bands.excess import LEVEL, Excess, excesses
from zeeman.examination.responses import Tokens
from zeeman.probes import Library

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SHOWN = 5


def describe(library: Library, tokens: Tokens, inside: Bools) -> dict[str, Any]:
    """Propose a name for a band from its tokens.

    Parameters
    ----------
    library : Library
    tokens : Tokens
    inside : array of bool, shape (tokens,)

    Returns
    -------
    dict
        ``name``; ``tags`` (probes and concepts in excess) and ``token_ids`` (ids in excess, of the token or of the one
        before it), each at most five with enrichment and p-value; ``probes``, how many tokens come from each.
    """
    probes: dict[str | int, Bools] = {name: tokens.probe == i for i, name in enumerate(tokens.probes)}
    concepts: dict[str | int, Bools] = {}
    for i, probe in enumerate(library):
        for concept in probe.concepts:
            concepts[concept] = concepts.get(concept, np.zeros(len(tokens), bool)) | (tokens.probe == i)
    tags = excesses(inside, probes, "probe") + excesses(inside, concepts, "concept")
    tags.sort(key=lambda one: (one.p_value, one.kind != "probe", -one.enrichment))
    ids = _ids(inside, tokens.ids, "token") + _ids(inside, tokens.before, "after")
    ids.sort(key=lambda one: (one.p_value, one.kind != "token", -one.enrichment))
    return {
        "name": _name(library, tags, ids),
        "tags": [asdict(one) for one in tags[:SHOWN]],
        "token_ids": [asdict(one) for one in ids[:SHOWN]],
        "probes": {str(name): int((inside & members).sum()) for name, members in probes.items()},
    }


def _ids(inside: Bools, ids: Ints, kind: str) -> list[Excess]:
    """Only ids that the band holds can be in excess, but all count as compared."""
    held, everything = np.unique(ids[inside]), np.unique(ids)
    found = excesses(inside, {int(one): ids == one for one in held}, kind)
    scale = len(everything) / max(len(held), 1)
    return [
        Excess(e.kind, e.what, e.count, e.enrichment, e.p_value * scale) for e in found if e.p_value * scale < LEVEL
    ]


def _name(library: Library, tags: list[Excess], ids: list[Excess]) -> str:
    words = [str(tags[0].what)] if tags else []
    if ids:
        words.append(f"{'token' if ids[0].kind == 'token' else 'after'} {library.text(int(ids[0].what))}")
    return ", ".join(words) or "unnamed"
