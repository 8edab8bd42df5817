"""The dictionary: germs, networks and programs as singularities under one schema, computed when asked for."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal

from zeeman.errors import ZeemanError
from zeeman.programs import catalogue
from zeeman.programs.measured import Sampled, reading
from zeeman.programs.singularity import Singularity, singularity
from zeeman.singularities.adjacency import adjacent, describe
from zeeman.singularities.polynomials import Germ, Ideal, parse_germ, parse_ideal
from zeeman.singularities.report import report
from zeeman.singularities.signs import sign_near_origin
from zeeman.singularities.unfolding import versal_unfolding
from zeeman.singularities.weights import crossover

Kind = Literal["germ", "network", "program"]
SYNDROME_BUDGET = 20_000  # λ and m are exact whatever it is; it bounds the list of syndromes alone
SIMPLE = ("A", "D", "E")

_GERMS = (
    *((f"A{k}", f"x^{k + 1} + y^2", "a fold of contact order " + str(k + 1)) for k in range(1, 8)),
    *((f"D{k}", f"x^2*y + y^{k - 1}", "a smooth curve across a singular one") for k in range(4, 8)),
    ("E6", "x^3 + y^4", "a cusp with exponents 3 and 4"),
    ("E7", "x^3 + x*y^3", "a cusp and its tangent"),
    ("E8", "x^3 + y^5", "a cusp with exponents 3 and 5"),
    ("P8", "x^3 + y^3 + z^3", "a cone over an elliptic curve"),
    ("X9", "x^4 + y^4 + x^2*y^2", "a form of degree 4 without real zeros"),
    ("J10", "x^3 + x^2*y^2 + y^6", "three parabolas that touch, two of them complex"),
)
_POTENTIALS = (
    *((f"x^{n}", f"x^{n}", f"one direction that is flat to order {n}") for n in (2, 4, 6, 8)),
    ("x^2 y^2", "x^2*y^2", "two weights of which one suffices to be zero"),
    ("x^2 y^4", "x^2*y^4", "as x^2 y^2, one of them flatter"),
    ("x^2 y^2 z^2", "x^2*y^2*z^2", "three weights of which one suffices to be zero"),
    ("A2 squared", "(x^3 + y^2)^2", "a loss that vanishes on a cusp"),
    ("D4 squared", "(x^2*y + y^3)^2", "a loss that vanishes on D4"),
    ("E8 squared", "(x^3 + y^5)^2", "a loss that vanishes on E8"),
)  # fmt: skip
_NETWORKS = (
    ("Curie-Weiss", "x^4", "the mean-field magnet at its critical point, as a potential of the magnetization"),
    ("deep linear 1-1-1, rank 1", "a + b + a*b", "two linear layers of width one, about the truth 1"),
    ("deep linear 1-1-1, rank 0", "a*b", "two linear layers of width one, the truth being 0"),
    ("deep linear 1-1-1-1, rank 0", "a*b*c", "three linear layers of width one, the truth being 0"),
    ("reduced rank 2-1-2, rank 0", "a*c, a*d, b*c, b*d", "two inputs, one hidden unit, two outputs, the truth being 0"),
    ("reduced rank 2-2-1, rank 0", "a*c + b*e, a*d + b*f", "two inputs, two hidden units, one output, the truth 0"),
    ("tanh, one unit", "a*b, a*b^3", "a tanh(b x), the truth being 0"),
    ("CP 2-2-2, rank 0", ", ".join(f"{a}*{b}*{c}" for a in ("a", "b") for b in ("c", "d") for c in ("e", "f")),
     "one rank-one term for a 2x2x2 tensor that is 0"),
)  # fmt: skip


@dataclass(frozen=True)
class Deformation:
    """A direction in which a singularity gives way.

    Parameters
    ----------
    what : str
        A monomial, or an error syndrome by its order and entries.
    y : Fraction or None
        Scaling dimension; None where no weights are known, and for syndromes.
    """

    what: str
    y: Fraction | None = None

    @property
    def crossover_exponent(self) -> Fraction | None:
        """1/y where y > 0."""
        return None if self.y is None else crossover(self.y)

    def document(self) -> dict[str, str | None]:
        """As plain values."""
        return {"what": self.what, "y": _text(self.y), "crossover_exponent": _text(self.crossover_exponent)}


@dataclass(frozen=True)
class Entry:
    """One singularity, whatever it comes from.

    Parameters
    ----------
    name, kind, story, source
        `source` is a polynomial K, an ideal of which K is the sum of squares, or what a program computes.
    dimension : int
        Number of weights.
    rlct, multiplicity
        λ and m of K (of |f| for a germ that changes sign); None where not decided.
    is_loss : bool
        Whether K ≥ 0, so that λ can be the learning coefficient of a loss.
    invariants : dict
        All invariants as plain values; null where not defined.
    certificate : str
        How λ is proved.
    deformations : tuple of Deformation
    neighbours : tuple of str
        What a simple germ splits into on one level.
    sampled : Sampled
        The potential that a sampler is given.
    """

    name: str
    kind: Kind
    story: str
    source: str
    dimension: int
    rlct: Fraction | None
    multiplicity: int | None
    is_loss: bool
    invariants: dict[str, Any]
    certificate: str
    sampled: Sampled
    deformations: tuple[Deformation, ...] = ()
    neighbours: tuple[str, ...] = ()

    @property
    def measured(self) -> dict[str, Any] | None:
        """λ ± error and m by a sampler beside the exact λ; None where this potential was not sampled (`reading`)."""
        return reading(self.name, self.sampled, self.rlct)

    def document(self) -> dict[str, Any]:
        """The entry as plain values, fractions as text."""
        return {
            "name": self.name, "kind": self.kind, "story": self.story, "source": self.source,
            "dimension": self.dimension, "is_loss": self.is_loss, **self.invariants, "certificate": self.certificate,
            "deformations": [one.document() for one in self.deformations],
            "neighbours": list(self.neighbours), "measured": self.measured,
        }  # fmt: skip


def entries(kind: str | None = None) -> list[Entry]:
    """Give the dictionary, or its entries of one kind.

    Raises
    ------
    ZeemanError
        For another kind than germ, network or program.
    """
    if kind not in (None, "germ", "network", "program"):
        raise ZeemanError(f"expected the kind germ, network or program, got {kind!r}.")
    return [entry(name) for name, what in _kinds().items() if kind in (None, what)]


def find(name: str) -> Entry:
    """Find an entry by its name.

    Raises
    ------
    ZeemanError
        If there is none, with the names that are nearest.

    Examples
    --------
    >>> a3 = find("A3")
    >>> str(a3.rlct), a3.multiplicity, a3.neighbours
    ('3/4', 1, ('A1', '2A1', 'A2'))
    """
    if name not in _kinds():
        near = difflib.get_close_matches(name, _kinds(), cutoff=0.4) or list(_kinds())[:3]
        raise ZeemanError(f"expected the name of an entry, got {name!r}; near are {', '.join(near)}.")
    return entry(name)


def search(**invariants: Any) -> list[Entry]:
    """Find the entries with these invariants, numbers compared as fractions.

    Examples
    --------
    >>> [e.name for e in search(rlct="3/4", kind="germ")]
    ['A3']
    """
    return [one for one in entries() if all(_equal(one.document().get(key), v) for key, v in invariants.items())]


@cache
def _kinds() -> dict[str, Kind]:
    names: dict[str, Kind] = {name: "germ" for name, _, _ in (*_GERMS, *_POTENTIALS)}
    names |= {name: "network" for name, _, _ in _NETWORKS}
    return names | {one.name: "program" for one in catalogue.entries()}


@cache
def entry(name: str) -> Entry:
    """Compute the entry of a name that is in the dictionary."""
    for known, source, story in (*_GERMS, *_POTENTIALS):
        if name == known:
            return _of_germ(name, "germ", source, story)
    for known, source, story in _NETWORKS:
        if name == known:
            return _of_germ(name, "network", source, story) if name == "Curie-Weiss" else _of_ideal(name, source, story)
    return _of_program(next(one for one in catalogue.entries() if one.name == name))


def _of_germ(name: str, kind: Kind, source: str, story: str) -> Entry:
    germ = parse_germ(source)
    is_loss = sign_near_origin(germ.polynomial) == "+"
    invariants = _invariants(germ, is_loss)
    simple = invariants["ade"] is not None and invariants["ade"].startswith(SIMPLE)
    neighbours = sorted(adjacent(invariants["ade"]), key=lambda c: (len(c), c)) if simple else []
    return Entry(
        name, kind, story, source, len(germ.variables), *_threshold(invariants), is_loss, invariants,
        invariants.pop("certificate"), Sampled.of_polynomial(source, is_loss),
        tuple(_unfold(germ)) if invariants["milnor_number"] else (),
        tuple(sorted(map(describe, neighbours), key=lambda text: (_milnor(text), text))),
    )  # fmt: skip


def _of_ideal(name: str, source: str, story: str) -> Entry:
    """A network whose loss is the sum of squares of polynomials: half the λ of their ideal."""
    ideal = parse_ideal(source)
    squares = " + ".join(f"({part.strip()})^2" for part in source.split(","))
    invariants = _invariants(parse_germ(squares), True)
    return Entry(
        name, "network", story, squares, len(ideal.variables), *_threshold(invariants), True, invariants,
        invariants.pop("certificate"), Sampled.of_polynomial(squares, True),
    )  # fmt: skip


def _of_program(one: catalogue.Entry) -> Entry:
    found = singularity(one.program, SYNDROME_BUDGET)
    squares = found.squares
    invariants = {
        "rlct": str(found.corner.value), "multiplicity": found.corner.multiplicity,
        "rlct_corner_sq": str(found.corner_squares), "rlct_open_sq": _text(squares.value),
        "hessian_rank": squares.hessian_rank,
        **dict.fromkeys(("milnor_number", "tjurina_number", "lct", "spectrum", "ade", "weights", "central_charge")),
    }  # fmt: skip
    return Entry(
        one.name, "program", f"{one.function}: {one.story}", "K = −mean log p(answer), errors ≥ 0", found.dimension,
        found.corner.value, found.corner.multiplicity, True, invariants,
        "error syndromes and a fractional packing of them" + ("" if found.complete else "; not all are listed here"),
        Sampled.of_program(one.source),
        tuple(_syndromes(found)),
    )  # fmt: skip


def _invariants(target: Germ | Ideal, potential: bool) -> dict[str, Any]:
    document = report(target, potential=potential, jets=0).document()
    return {key: value for key, value in document.items() if key not in ("jets", "undecided")}


def _threshold(invariants: dict[str, Any]) -> tuple[Fraction | None, int | None]:
    value = invariants["rlct"]
    return None if value == "interval" else Fraction(value), invariants["multiplicity"]


def _unfold(germ: Germ) -> Iterator[Deformation]:
    unfolding = versal_unfolding(germ.polynomial)
    for one in unfolding.deformations if unfolding else ():
        yield Deformation(_monomial(germ.variables, one.exponents), one.dimension)


def _syndromes(found: Singularity) -> Iterator[Deformation]:
    for exponents in found.syndromes:
        parts = (entry if power == 1 else f"({entry})^{power}" for entry, power in found.named(exponents))
        yield Deformation(f"error syndrome of order {sum(exponents.values())}: {' · '.join(parts)}")


def _monomial(variables: Sequence[str], exponents: Sequence[int]) -> str:
    parts = [x if n == 1 else f"{x}^{n}" for x, n in zip(variables, exponents, strict=True) if n]
    return "*".join(parts) or "1"


def _milnor(collection: str) -> int:
    """Total Milnor number of a collection such as 2A1+A3."""
    total = 0
    for part in collection.split("+"):
        count, index = (part.replace("D", "A").replace("E", "A")).split("A")
        total += int(count or 1) * int(index)
    return total


def _equal(value: Any, wanted: Any) -> bool:
    try:
        return Fraction(str(value)) == Fraction(str(wanted))
    except (ValueError, ZeroDivisionError):
        return bool(str(value) == str(wanted))


def _text(value: Fraction | None) -> str | None:
    return None if value is None else str(value)
