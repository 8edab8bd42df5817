"""A probe: inputs, the positions that are scored on them, and how the answers are graded."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError

Metric = Literal["loss", "accuracy"]
METRICS: tuple[str, ...] = get_args(Metric)
# A name is also a file name and a TOML key, so it keeps to what all of them accept.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")


@dataclass(frozen=True, eq=False)
class Probe:
    """A question to a language model: which tokens of which rows are asked for.

    One thing with two faces. As a subdistribution, the data is tilted towards its scored tokens; as a behaviour, it is
    the mean of its metric over them.

    Parameters
    ----------
    name : str
        Up to 100 letters, digits, ``_``, ``-`` or ``.``, not starting with ``-`` or ``.``.
    inputs : integer array, shape (n, T)
        Token ids; kept as a read-only int64 copy.
    scored : bool array, shape (n, T)
        ``scored[i, t]``: token t of row i is asked for, given the tokens before it. Column 0 has nothing before it and
        must be False. Kept as a read-only copy.
    concepts : tuple of str
        Tags that say what the probe catches.
    metric : {"loss", "accuracy"}
        The behaviour that is read: mean negative log-likelihood in nats, or the fraction of right greedy answers.

    Raises
    ------
    ZeemanError
        If a field does not fit this description, or there is no row or no scored position.

    Examples
    --------
    >>> probe = Probe("ab", np.array([[0, 1, 0, 1]]), np.array([[False, False, True, True]]), ("repeats",))
    >>> probe.inputs.shape, int(probe.scored.sum())
    ((1, 4), 2)
    >>> Probe("none", np.zeros((0, 4), int), np.zeros((0, 4), bool))
    Traceback (most recent call last):
    zeeman.errors.ZeemanError: probe none is an empty probe: expected at least one row, got shape (0, 4).
    """

    name: str
    inputs: NDArray[np.int64]
    scored: NDArray[np.bool_]
    concepts: tuple[str, ...] = ()
    metric: Metric = "loss"

    def __post_init__(self) -> None:
        """Check every field and freeze the arrays."""
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise ZeemanError(
                "a probe's name must be 1 to 100 letters, digits, '_', '-' or '.', not starting with '-' or '.', "
                f"got {self.name!r}."
            )
        if self.metric not in METRICS:
            raise ZeemanError(f"probe {self.name}: metric must be one of {', '.join(METRICS)}, got {self.metric!r}.")
        object.__setattr__(self, "concepts", _checked_concepts(self.name, self.concepts))
        inputs, scored = _checked_arrays(self.name, self.inputs, self.scored)
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "scored", scored)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild through the constructor, because a pickled array forgets that it is read-only."""
        return Probe, (self.name, self.inputs, self.scored, self.concepts, self.metric)

    @cached_property
    def digest(self) -> str:
        """The sha256 of name, metric, inputs and scored positions in hex; tags do not change what is measured.

        Examples
        --------
        >>> make = lambda token: Probe("p", np.array([[0, token]]), np.array([[False, True]]))
        >>> make(1).digest == make(1).digest, make(1).digest == make(2).digest
        (True, False)
        """
        header = json.dumps([self.name, self.metric, "<i8", "|b1", list(self.inputs.shape)])
        result = hashlib.sha256(header.encode())
        result.update(self.inputs.astype("<i8").tobytes())
        result.update(self.scored.tobytes())
        return result.hexdigest()

    def check_vocabulary(self, size: int) -> None:
        """Check that a model with this vocabulary can read the probe.

        Parameters
        ----------
        size : int
            Number of token ids that the model knows.

        Raises
        ------
        ZeemanError
            At the first token id below 0 or not below ``size``; names probe, row and position.

        Examples
        --------
        >>> Probe("p", np.array([[0, 7]]), np.array([[False, True]])).check_vocabulary(5)
        Traceback (most recent call last):
        zeeman.errors.ZeemanError: probe p: expected token ids from 0 to 4, got 7 in row 0 at position 1; tokenize the
        probe for this model.
        """
        wrong = np.argwhere((self.inputs < 0) | (self.inputs >= size))
        if len(wrong):
            row, position = (int(index) for index in wrong[0])
            raise ZeemanError(
                f"probe {self.name}: expected token ids from 0 to {size - 1}, got {self.inputs[row, position]} "
                f"in row {row} at position {position}; tokenize the probe for this model."
            )


def _checked_concepts(name: str, concepts: tuple[str, ...]) -> tuple[str, ...]:
    good = isinstance(concepts, tuple | list) and all(isinstance(c, str) and c and c.isprintable() for c in concepts)
    if not good:
        raise ZeemanError(f"probe {name}: concepts must be a tuple of printable, non-empty strings, got {concepts!r}.")
    return tuple(concepts)


def _checked_arrays(name: str, inputs: object, scored: object) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return read-only copies of both arrays, or say what is wrong with them."""
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
