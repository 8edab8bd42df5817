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
from zeeman.probes.arrays import check_tokens, checked_rows, checked_sizes
from zeeman.probes.foils import Foils

Metric = Literal["loss", "accuracy", "exact", "choice", "perplexity", "bits"]
METRICS: tuple[str, ...] = get_args(Metric)
SHARES = ("accuracy", "exact", "choice")
"""Metrics that are shares of what was right: the higher the better, and guessing has its share."""
SIZED = ("choice", "perplexity", "bits")
"""Metrics that divide by the sizes of rows."""
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
    metric : {"loss", "accuracy", "exact", "choice", "perplexity", "bits"}
        The behaviour that is read, with ℓ_i the loss of the scored tokens of row i in nats, summed, and s_i its size:
        the mean loss of a scored token; the fraction of scored tokens, or of whole rows, that are the first choice; the
        fraction of rows with ℓ_i/s_i below that of each of their foils; exp(Σℓ_i / Σs_i); and Σℓ_i / (ln 2 Σs_i).
    sizes : array, shape (n,), or None
        For the last three: what each row counts for, such as its words, bytes or letters. None: 1 each.
    foils : Foils or None
        For ``choice``, and only there: wrong answers, at least one against each row. They are no part of the
        subdistribution.
    chance : float or None
        For the metrics that are shares: the share that is right without what the probe asks for, such as the share of
        the commonest answer, or what a guess among the choices gets. None: not known.

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
    sizes: NDArray[np.float64] | None = None
    foils: Foils | None = None
    chance: float | None = None

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
        inputs, scored = checked_rows(self.name, self.inputs, self.scored)
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "scored", scored)
        if self.sizes is not None:
            object.__setattr__(self, "sizes", checked_sizes(self.name, self.sizes, len(inputs)))
        self._check_grading()

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild through the constructor, because a pickled array forgets that it is read-only."""
        fields = self.name, self.inputs, self.scored, self.concepts, self.metric, self.sizes, self.foils, self.chance
        return Probe, fields

    def _check_grading(self) -> None:
        """Refuse sizes and foils that the metric does not use, or lacks."""
        if self.sizes is not None and self.metric not in SIZED:
            raise ZeemanError(f"probe {self.name}: the metric {self.metric} uses no sizes; leave them out.")
        if (self.foils is None) is (self.metric == "choice"):
            raise ZeemanError(f"probe {self.name}: foils go with the metric choice, and only with it.")
        if self.chance is not None and (problem := fault_of_chance(self.chance, self.metric)):
            raise ZeemanError(f"probe {self.name}: chance {problem}.")
        if self.metric in ("exact", "choice") and not self.scored.any(axis=1).all():
            raise ZeemanError(f"probe {self.name}: the metric {self.metric} needs a scored position in each row.")
        if self.foils is None:
            return
        if self.foils.inputs.shape[1] != self.inputs.shape[1]:
            raise ZeemanError(
                f"probe {self.name}: foils must be as long as its rows, {self.inputs.shape[1]} tokens, "
                f"got {self.foils.inputs.shape[1]}."
            )
        if set(self.foils.against.tolist()) != set(range(len(self.inputs))):
            raise ZeemanError(f"probe {self.name}: each of its {len(self.inputs)} rows needs a foil, and no other row.")
        if (self.foils.sizes is None) is not (self.sizes is None):
            raise ZeemanError(f"probe {self.name}: either both its rows and their foils have sizes or none.")

    @cached_property
    def digest(self) -> str:
        """The sha256 of name, metric, inputs and scored positions in hex; tags and chance change nothing measured.

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
        if self.sizes is not None:
            result.update(b"sizes" + self.sizes.astype("<f8").tobytes())
        if self.foils is not None:
            result.update(self.foils.to_bytes())
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
        check_tokens(self.name, self.inputs, size)
        if self.foils is not None:
            check_tokens(f"{self.name} (foils)", self.foils.inputs, size)


def fault_of_chance(chance: object, metric: str) -> str:
    """Say what is wrong with the chance of a probe; empty where nothing is.

    Examples
    --------
    >>> fault_of_chance(0.5, "choice"), fault_of_chance(0.5, "loss")
    ('', 'goes with a metric of accuracy, exact, choice, got loss; leave it out')
    """
    if metric not in SHARES:
        return f"goes with a metric of {', '.join(SHARES)}, got {metric}; leave it out"
    number = isinstance(chance, float | int) and not isinstance(chance, bool)
    return "" if number and 0 <= chance <= 1 else f"must be a number from 0 to 1, got {chance!r}"  # type: ignore[operator]


def _checked_concepts(name: str, concepts: tuple[str, ...]) -> tuple[str, ...]:
    good = isinstance(concepts, tuple | list) and all(isinstance(c, str) and c and c.isprintable() for c in concepts)
    if not good:
        raise ZeemanError(f"probe {name}: concepts must be a tuple of printable, non-empty strings, got {concepts!r}.")
    return tuple(concepts)
