"""The rows of a probe as JSON, one object a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes.faults import brief, parse_row
from zeeman.probes.foils import Foils
from zeeman.probes.probe import SIZED, Metric, Probe

_INT64 = np.iinfo(np.int64)
_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class _Row:
    """A row as it stands in a file; its foils have none of their own."""

    where: str
    tokens: list[int]
    scored: list[int]
    size: float | None
    foils: tuple[_Row, ...] = ()


def write_rows(probe: Probe) -> str:
    """Write the rows of a probe, each with its foils.

    Examples
    --------
    >>> print(write_rows(Probe("p", np.array([[0, 7]]), np.array([[False, True]]))), end="")
    {"tokens": [0, 7], "scored": [1]}
    """
    rows = _objects(probe.inputs, probe.scored, probe.sizes)
    if probe.foils is not None:
        foils = _objects(probe.foils.inputs, probe.foils.scored, probe.foils.sizes)
        for row, foil in zip(probe.foils.against.tolist(), foils, strict=True):
            rows[row].setdefault("foils", []).append(foil)
    return "".join(json.dumps(row) + "\n" for row in rows)


def _objects(
    inputs: NDArray[np.int64], scored: NDArray[np.bool_], sizes: NDArray[np.float64] | None
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"tokens": tokens, "scored": np.flatnonzero(mask).tolist()}
        for tokens, mask in zip(inputs.tolist(), scored, strict=True)
    ]
    for row, size in zip(rows, () if sizes is None else sizes.tolist(), strict=sizes is not None):
        row["size"] = size
    return rows


def read_probe(
    file: Path,
    lines: Iterable[bytes],
    name: str,
    concepts: tuple[str, ...],
    metric: Metric,
    chance: float | None = None,
) -> Probe:
    """Make a probe of the lines of a file.

    Parameters
    ----------
    file : Path
        Where the lines come from, for errors.
    lines : iterable of bytes
    name, concepts, metric, chance
        As for `Probe`.

    Raises
    ------
    ZeemanError
        If a line holds no row, or the rows make no probe; names file, line and field.
    """
    rows = [_read_line(f"{file}, line {number}", line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise ZeemanError(
            f"{file}: probe {name} is an empty probe: expected a JSON object on each line, got none; "
            "line 1 must have the field 'tokens'."
        )
    foils = [foil for row in rows for foil in row.foils]
    for row in (*rows, *foils):
        if len(row.tokens) != len(rows[0].tokens):
            raise ZeemanError(
                f"{row.where}: field 'tokens' must have one length in the whole file, "
                f"expected {len(rows[0].tokens)} as in the first row, found {len(row.tokens)}."
            )
        if (row.size is None) is not (rows[0].size is None):
            raise ZeemanError(f"{row.where}: field 'size' must stand in every row and foil of the file or in none.")
    if not any(row.scored for row in rows):
        raise ZeemanError(
            f"{file}: probe {name} is an empty probe: expected at least one scored position, got none; "
            f"name one from 1 to {max(len(rows[0].tokens) - 1, 1)} in field 'scored' of line 1."
        )
    for row in rows:
        _check_grading(row, metric)
    try:
        held = None
        if foils:
            against = np.array([number for number, row in enumerate(rows) for _ in row.foils])
            held = Foils(*_arrays(foils), against, _sizes(foils))
        return Probe(name, *_arrays(rows), concepts, metric, _sizes(rows), held, chance)
    except ZeemanError as error:
        raise ZeemanError(f"{file}: {error}") from error


def _check_grading(row: _Row, metric: Metric) -> None:
    """Refuse by line and field what the metric does not use, or lacks."""
    if bool(row.foils) is not (metric == "choice"):
        wanted = (
            "list a row with a wrong answer" if metric == "choice" else f"not stand there, as the metric is {metric}"
        )
        raise ZeemanError(
            f"{row.where}: foils go with the metric choice, and only with it; field 'foils' must {wanted}."
        )
    if row.size is not None and metric not in SIZED:
        raise ZeemanError(f"{row.where}: the metric {metric} uses no sizes; leave field 'size' out.")
    for one in (row, *row.foils):
        if metric in ("exact", "choice") and not one.scored:
            raise ZeemanError(
                f"{one.where}: field 'scored' must name a position; the metric {metric} compares whole answers."
            )


def _arrays(rows: Sequence[_Row]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    inputs = np.array([row.tokens for row in rows], dtype=np.int64)
    scored = np.zeros(inputs.shape, dtype=np.bool_)
    for number, row in enumerate(rows):
        scored[number, row.scored] = True
    return inputs, scored


def _sizes(rows: Sequence[_Row]) -> NDArray[np.float64] | None:
    sizes = [row.size for row in rows if row.size is not None]
    return np.array(sizes) if sizes else None


def _read_line(where: str, line: bytes) -> _Row:
    return _read_row(where, parse_row(where, line), ("tokens", "scored", "size", "foils"))


def _read_row(where: str, row: object, known: tuple[str, ...]) -> _Row:
    if not isinstance(row, dict):
        raise ZeemanError(
            f"{where}: expected a JSON object with the field 'tokens', such as "
            f'{{"tokens": [5, 3]}}, got {brief(row)}.'
        )
    for field in row:
        if field not in known:
            raise ZeemanError(
                f"{where}: field {field!r} is unknown; a row has tokens and, if wanted, {', '.join(known[1:])}."
            )
    if "tokens" not in row:
        raise ZeemanError(f"{where}: field 'tokens' is missing; it lists the row's token ids.")
    tokens = _read_integers(where, "tokens", row["tokens"], 0, int(_INT64.max))
    if not tokens:
        raise ZeemanError(f"{where}: field 'tokens' is empty; expected at least one token id.")
    default = range(1, len(tokens))
    scored = _read_integers(where, "scored", row.get("scored", [*default]), 1, len(tokens) - 1)
    foils = row.get("foils", [])
    if not isinstance(foils, list):
        raise ZeemanError(f"{where}: field 'foils' must be a list of rows, got {brief(foils)}.")
    read = tuple(_read_row(f"{where}, foil {n}", foil, ("tokens", "scored", "size")) for n, foil in enumerate(foils, 1))
    return _Row(where, tokens, scored, _read_size(where, row), read)


def _read_size(where: str, row: dict[str, Any]) -> float | None:
    if "size" not in row:
        return None
    size = row["size"]
    if isinstance(size, bool) or not isinstance(size, int | float) or not 0 < size < _LARGEST:
        raise ZeemanError(f"{where}: field 'size' must be a positive finite number, got {brief(size)}.")
    return float(size)


def _read_integers(where: str, field: str, value: object, lowest: int, highest: int) -> list[int]:
    if not isinstance(value, list):
        raise ZeemanError(f"{where}: field {field!r} must be a list of integers, got {brief(value)}.")
    for position, number in enumerate(value):
        if type(number) is not int:
            raise ZeemanError(
                f"{where}: field {field!r} must be a list of integers, got {brief(number)} at position {position}."
            )
        if not lowest <= number <= highest:
            bounds = (
                f"from {lowest} to {highest}" if highest < _INT64.max else f"of at least {lowest} that fit in int64"
            )
            raise ZeemanError(
                f"{where}: field {field!r} must hold integers {bounds}, got {brief(number)} at position {position}."
            )
    return value
