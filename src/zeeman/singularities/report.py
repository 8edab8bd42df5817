"""All invariants of one singularity, each exact, or said to be not defined or not decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

from sympy.polys.rings import PolyElement

from zeeman.errors import ZeemanError
from zeeman.singularities.ade import Classification
from zeeman.singularities.ade import classify as classify_germ
from zeeman.singularities.forms import variables_of
from zeeman.singularities.jets import Components, jet_components
from zeeman.singularities.landau_ginzburg import central_charge
from zeeman.singularities.linear import essential
from zeeman.singularities.local_algebra import milnor_number, tjurina_number
from zeeman.singularities.newton import newton_rlct
from zeeman.singularities.plane import NotDecided, resolve
from zeeman.singularities.polynomials import Germ, Ideal
from zeeman.singularities.rlct import rlct
from zeeman.singularities.series import order_of
from zeeman.singularities.spectrum import spectrum
from zeeman.singularities.threshold import RLCT
from zeeman.singularities.weights import weights

T = TypeVar("T")


@dataclass(frozen=True)
class Report:
    """What is known of a singularity; None where it is not defined or not decided.

    Attributes
    ----------
    name
        The germ or the ideal, as text.
    threshold
        λ and m, or an interval.
    jets
        For each m from 1 on the components of the jet scheme J_m as (dimension, count).
    undecided
        Sentences on what could not be decided, by the invariant's name.
    """

    name: str
    threshold: RLCT
    milnor_number: int | None
    tjurina_number: int | None
    lct: Fraction | None
    spectrum: list[Fraction] | None
    classification: Classification | None
    weights: dict[str, Fraction] | None
    jets: dict[int, Components | None]
    undecided: dict[str, str]

    def document(self) -> dict[str, Any]:
        """The report as plain values: fractions as text, ``null`` where not defined, ``"interval"`` for an open λ."""
        known = self.threshold
        found: dict[str, Any] = {
            "rlct": "interval" if known.value is None else str(known.value),
            "multiplicity": known.multiplicity,
            "milnor_number": self.milnor_number,
            "tjurina_number": self.tjurina_number,
            "lct": _text(self.lct),
            "spectrum": None if self.spectrum is None else [str(alpha) for alpha in self.spectrum],
            "ade": self.classification and self.classification.name,
            "real_form": self.classification and self.classification.real_form,
            "weights": None if self.weights is None else {x: str(q) for x, q in self.weights.items()},
            "central_charge": _text(central_charge(tuple(self.weights.values())) if self.weights else None),
            "jets": {str(m): None if c is None else [list(one) for one in c] for m, c in self.jets.items()},
            "certificate": known.how,
        }
        if known.value is None:
            found["rlct_interval"] = [str(known.lower), str(known.upper)]
        return found | ({"undecided": self.undecided} if self.undecided else {})


def _text(value: Fraction | int | None) -> str | None:
    return None if value is None else str(value)


def report(target: Germ | Ideal, potential: bool = False, jets: int = 5) -> Report:
    """Find all invariants of a germ or an ideal.

    Parameters
    ----------
    target
        The germ or ideal at the origin.
    potential
        Whether a germ is known to be non-negative.
    jets
        Jet schemes are decomposed up to this order.

    Raises
    ------
    ZeemanError
        As :func:`zeeman.singularities.rlct.rlct`, or for a negative order of jets.

    Examples
    --------
    >>> from zeeman.singularities.polynomials import parse_germ
    >>> found = report(parse_germ("x^5 + y^2"), jets=1).document()
    >>> found["rlct"], found["milnor_number"], found["ade"], found["central_charge"], found["jets"]
    ('7/10', 4, 'A4', '9/5', {'1': [[2, 2]]})
    """
    if jets < 0:
        raise ZeemanError(f"expected an order of jets from 0 on, got {jets}.")
    undecided: dict[str, str] = {}

    def attempt(name: str, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except (ZeemanError, NotDecided) as error:
            undecided[name] = str(error)
            return None

    threshold = rlct(target, potential)
    generators = list(target.generators) if isinstance(target, Ideal) else [target.polynomial]
    components = {m: attempt("jets", partial(jet_components, generators, m)) for m in range(1, jets + 1)}
    if isinstance(target, Ideal):
        lct = attempt("lct", lambda: _complex_threshold(generators))
        return Report(str(target), threshold, None, None, lct, None, None, None, components, undecided)
    f = target.polynomial
    numbers = attempt("spectrum", lambda: spectrum(f))
    q = attempt("weights", lambda: weights(f))
    return Report(
        name=str(target),
        threshold=threshold,
        milnor_number=attempt("milnor_number", lambda: milnor_number(f)),
        tjurina_number=attempt("tjurina_number", lambda: tjurina_number(f)),
        lct=min([Fraction(1), *numbers]) if numbers is not None else attempt("lct", lambda: _complex_threshold([f])),
        spectrum=numbers,
        classification=attempt("ade", lambda: classify_germ(f)),
        weights=None if q is None else dict(zip(target.variables, q, strict=True)),
        jets=components,
        undecided=undecided,
    )


def _complex_threshold(generators: list[PolyElement]) -> Fraction | None:
    """The log canonical threshold over the complex numbers: of monomial ideals, in two variables, of smooth germs."""
    generators = essential(generators)
    if all(len(g) == 1 for g in generators):
        return newton_rlct([a for g in generators for a in g]).value
    if len(set().union(*map(variables_of, generators))) == 1:
        return Fraction(1, min(map(order_of, generators)))
    if generators[0].ring.ngens == 2:
        return resolve(generators, real=False).value
    return Fraction(1) if len(generators) == 1 and order_of(generators[0]) == 1 else None
