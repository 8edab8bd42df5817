"""Checks of the arrays that probes are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError


def checked_rows(name: str, inputs: object, scored: object) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return read-only copies of tokens and scored positions, or say what is wrong with them."""
    try:
        raw, mask = np.asarray(inputs), np.array(scored, order="C")
    except ValueError as error:
        raise ZeemanError(f"probe {name}: expected rows of one length, got a ragged array.") from error
    if raw.ndim != 2 or raw.dtype.kind not in "iu" or not np.can_cast(raw.dtype, np.int64):
        raise ZeemanError(
            f"probe {name}: inputs must be a 2-d array of integers that fit in int64, "
            f"got {raw.dtype} of shape {raw.shape}."
        )
    if mask.shape != raw.shape or mask.dtype != np.bool_:
        raise ZeemanError(
            f"probe {name}: scored must be a bool array of the inputs' shape {raw.shape}, "
            f"got {mask.dtype} of shape {mask.shape}."
        )
    if not raw.size:
        raise ZeemanError(f"probe {name} is an empty probe: expected at least one row, got shape {raw.shape}.")
    if mask[:, 0].any():
        row = int(np.argmax(mask[:, 0]))
        raise ZeemanError(
            f"probe {name}: position 0 has no token before it and cannot be scored, but is in row {row}; "
            "score positions from 1."
        )
    if not mask.any():
        raise ZeemanError(f"probe {name} is an empty probe: expected at least one scored position, got none.")
    tokens = np.array(raw, dtype=np.int64, order="C")
    tokens.setflags(write=False)
    mask.setflags(write=False)
    return tokens, mask


def checked_sizes(name: str, sizes: object, count: int) -> NDArray[np.float64]:
    """Return a read-only copy of the sizes of ``count`` rows, or say what is wrong with them."""
    try:
        held = np.array(sizes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ZeemanError(f"probe {name}: sizes must be numbers, one for each row, got {sizes!r:.60}.") from error
    if held.shape != (count,) or not (np.isfinite(held) & (held > 0)).all():
        raise ZeemanError(
            f"probe {name}: sizes must be {count} positive finite numbers, one for each row, got {sizes!r:.60}."
        )
    held.setflags(write=False)
    return held


def check_tokens(name: str, inputs: NDArray[np.int64], size: int) -> None:
    """Raise a `ZeemanError` at the first token id that a vocabulary of ``size`` does not know."""
    wrong = np.argwhere((inputs < 0) | (inputs >= size))
    if len(wrong):
        row, position = (int(index) for index in wrong[0])
        raise ZeemanError(
            f"probe {name}: expected token ids from 0 to {size - 1}, got {inputs[row, position]} "
            f"in row {row} at position {position}; tokenize the probe for this model."
        )
