"""What a set of tokens holds more of than a random set of its size would."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

Bools = NDArray[np.bool_]

LEVEL = 1e-3
"""Chance, over all that were compared, below which an excess is told."""


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
