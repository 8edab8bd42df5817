"""What a band is about: the probes, concepts and token ids that it holds more of than chance would."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from zeeman.examination.responses import Tokens
from zeeman.probes import Library

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LEVEL = 1e-3
"""Chance, over all that were compared, below which an excess is told."""
SHOWN = 5


@dataclass(frozen=True)
class Excess:
    """Something that a band holds more of than a random set of its size would.

    Parameters
    ----------
    kind : str
        "probe", "concept", "token" or "after": of the token before.
    what : str or int
    count : int
        Tokens of the band that have it.
    enrichment : float
        Their share over the share among all tokens.
    p_value : float
        Chance that a random set of the size holds as many (hypergeometric), times how many of its kind were compared.
    """

    kind: str
    what: str | int
    count: int
    enrichment: float
    p_value: float


def excesses(inside: Bools, groups: dict[str | int, Bools], kind: str) -> list[Excess]:
    """What of one kind a band holds in excess, the least likely first.

    Parameters
    ----------
    inside : array of bool, shape (tokens,)
        Tokens of the band.
    groups : dict of arrays of bool, shape (tokens,)
        Tokens that have each thing.
    kind : str

    Returns
    -------
    list of Excess
        Those with a chance below 0.001.

    Examples
    --------
    >>> inside = np.arange(100) < 10
    >>> found = excesses(inside, {"first": np.arange(100) < 12, "even": np.arange(100) % 2 == 0}, "concept")
    >>> [(one.what, one.count, round(one.enrichment, 2)) for one in found]
    [('first', 10, 8.33)]
    """
    total, size = len(inside), int(inside.sum())
    found = []
    for what, members in groups.items():
        have, count = int(members.sum()), int((members & inside).sum())
        chance = min(1.0, len(groups) * float(hypergeom.sf(count - 1, total, have, size)))
        if count and chance < LEVEL:
            found.append(Excess(kind, what, count, count / size / (have / total), chance))
    return sorted(found, key=lambda one: (one.p_value, -one.enrichment, str(one.what)))


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
        "name": _name(tags, ids),
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


def _name(tags: list[Excess], ids: list[Excess]) -> str:
    words = [str(tags[0].what)] if tags else []
    if ids:
        words.append(f"{'token' if ids[0].kind == 'token' else 'after'} {ids[0].what}")
    return ", ".join(words) or "unnamed"
