"""What a sampler read of the dictionary's entries, kept apart from their exact answers."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal

Convention = Literal["K", "f^2", "corner"]
SHARE = {"K": Fraction(1), "f^2": Fraction(1, 2), "corner": Fraction(1)}
"""λ of what is sampled over λ of the entry."""
DOMAIN = {"K": 1.0, "f^2": 1.0, "corner": 0.25}
"""Half-width of the box around the singular point that holds the walkers."""


@dataclass(frozen=True)
class Sampled:
    """What a sampler is given of an entry; nothing exact is in it.

    Parameters
    ----------
    potential : str
        A polynomial, or in words the loss of a program.
    convention : "K", "f^2" or "corner"
        A loss as it stands; the square of a germ that changes sign and hence is none, whose λ is half that of |f|; or
        the loss of a program, errors taken by size, which reflects the corner of errors ≥ 0 to all signs.
    text : str
        All that determines the potential.
    """

    potential: str
    convention: Convention
    text: str

    @classmethod
    def of_polynomial(cls, source: str, is_loss: bool) -> Sampled:
        """Take K as it is written, or the square of a germ.

        Examples
        --------
        >>> Sampled.of_polynomial("x^3 + y^2", is_loss=False).potential
        '(x^3 + y^2)^2'
        """
        potential = source if is_loss else f"({source})^2"
        return cls(potential, "K" if is_loss else "f^2", potential)

    @classmethod
    def of_program(cls, program: object) -> Sampled:
        """Take −mean log p(answer) of a machine or automaton, which its fields determine."""
        return cls("−mean log p(answer), errors by size", "corner", repr(program))

    @property
    def digest(self) -> str:
        """Tells whether a reading is of this potential."""
        return hashlib.sha256(f"{self.convention}\n{self.text}".encode()).hexdigest()[:16]

    @property
    def domain(self) -> float:
        """Half-width of the box."""
        return DOMAIN[self.convention]


def reading(name: str, sampled: Sampled, rlct: Fraction | None) -> dict[str, Any] | None:
    """Give the reading of an entry beside its exact λ, or None where none is kept of its present potential.

    Parameters
    ----------
    name : str
    sampled : Sampled
    rlct : Fraction or None
        λ of the entry.

    Returns
    -------
    dict or None
        The record of `benchmarks/dictionary_measured.py`: ``llc``, ``standard_error`` and ``multiplicity`` (None where
        chains gave no value), ``multiplicity_probability``, ``verdict``, ``reasons`` and how it was sampled; with
        ``exact``, the λ that it is to be compared with, and ``z`` = (llc − exact)/standard_error, which are computed
        and not kept.

    Examples
    --------
    >>> reading("A3", Sampled.of_polynomial("x^4 + y^2 + x^7", True), Fraction(3, 4)) is None
    True
    """
    record = records().get(name)
    if record is None or (record["digest"], record["domain"]) != (sampled.digest, sampled.domain):
        return None
    exact = None if rlct is None else rlct * SHARE[sampled.convention]
    gap = None if exact is None or record["llc"] is None else record["llc"] - float(exact)
    return record | {
        "exact": None if exact is None else str(exact),
        "z": None if gap is None else gap / record["standard_error"],
    }


@cache
def records() -> dict[str, dict[str, Any]]:
    """Read the records that the package holds, by entry."""
    text = importlib.resources.files("zeeman.programs").joinpath("measured.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found
