"""One fault of a series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["non_finite", "shape", "dtype", "duplicate", "final_era", "jump", "gap"]


@dataclass(frozen=True)
class Flag:
    """One fault.

    Parameters
    ----------
    step : int
    other_step : int or None
        The other step of a pair: of a duplicate, of a jump or gap between neighbours.
    kind : str
        ``non_finite``, ``shape``, ``dtype``, ``duplicate``, ``final_era``, ``jump`` or ``gap``.
    sentence : str
        What was seen.
    """

    step: int
    other_step: int | None
    kind: Kind
    sentence: str


def blamed(flags: Iterable[Flag]) -> set[int]:
    """Steps that are explained already, so that no second kind of flag repeats the first.

    Examples
    --------
    >>> sorted(blamed([Flag(5, 2, "duplicate", ""), Flag(7, 9, "jump", "")]))
    [2, 5, 7]
    """
    return {
        step
        for flag in flags
        for step in (flag.step, flag.other_step if flag.kind == "duplicate" else None)
        if step is not None
    }
