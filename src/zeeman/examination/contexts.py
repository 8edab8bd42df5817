"""A token among those around it, as ids and as the text that they stand for."""

from __future__ import annotations

from typing import Any

from zeeman.probes import Library, Probe

BEFORE, AFTER = 16, 4
"""How much of its row is kept around a token."""


def in_context(library: Library, probe: Probe, row: int, position: int) -> dict[str, Any]:
    """A token with the ids around it, and their text if it is known; ``at`` is its place among them."""
    start = max(0, position - BEFORE)
    ids = probe.inputs[row, start : position + 1 + AFTER].tolist()
    return {"probe": probe.name, "row": row, "position": position, "at": position - start, **words(library, ids)}


def words(library: Library, ids: list[int]) -> dict[str, Any]:
    """Ids, and their ``text`` if the library knows it."""
    if not library.vocabulary:
        return {"ids": ids}
    known = len(library.vocabulary)
    return {"ids": ids, "text": [library.vocabulary[token] if token < known else str(token) for token in ids]}
