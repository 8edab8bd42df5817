"""Which signs a germ takes near the origin."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from sympy.polys.rings import PolyElement

from zeeman.singularities.faces import facet_normals
from zeeman.singularities.forms import initial_form, on_face, value_at, variables_of
from zeeman.singularities.linear import change, diagonalized
from zeeman.singularities.nondegeneracy import MOST_VARIABLES, positive_even
from zeeman.singularities.plane import NotDecided, resolve
from zeeman.singularities.series import order_of

Sign = Literal["+", "-", "±"]


def sign_near_origin(f: PolyElement) -> Sign | None:
    """Tell whether f ≥ 0, f ≤ 0 or both signs occur arbitrarily near the origin; None where that is not decided.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x, y", QQ)
    >>> sign_near_origin((x**2 - y**3) ** 2), sign_near_origin(x**2 - y**3), sign_near_origin(-(x**2) - y**2)
    ('+', '±', '-')
    """
    if order_of(f) % 2:
        return "±"
    if positive_even(f):
        return "+"
    if positive_even(-f):
        return "-"
    if f.ring.ngens == 2:
        return _in_the_plane(f)
    values, basis = diagonalized(f)
    if min(values) < 0 < max(values):
        return "±"
    if all(values):
        return "+" if values[0] > 0 else "-"
    met = {value > 0 for value in _leading_values(change([f], basis)[0]) if value}
    return "±" if len(met) == 2 else _by_factors(f)


def _in_the_plane(f: PolyElement) -> Sign | None:
    try:
        if resolve([f]).changes_sign:
            return "±"
    except NotDecided:
        return None
    value = next(value for value in _values_of(initial_form(f)) if value)
    return "+" if value > 0 else "-"


def _by_factors(f: PolyElement) -> Sign | None:
    """Sign of a constant times even powers."""
    constant, powers = f.factor_list()
    if any(k % 2 and not g.coeff(1) for g, k in powers):
        return None
    for g, k in powers:
        constant *= g.coeff(1) ** k if g.coeff(1) else 1
    return "+" if constant > 0 else "-"


def _leading_values(f: PolyElement) -> Iterator[Fraction]:
    """Values that f takes, up to positive factors, arbitrarily near the origin: those of its face polynomials."""
    yield from _values_of(initial_form(f))
    if len(variables_of(f)) <= MOST_VARIABLES:
        for normal in facet_normals(sorted(f)):
            weights = [max(w, 0) for w in normal]
            if all(weights):
                degree = min(sum(w * e for w, e in zip(weights, a, strict=True)) for a in f)
                face = [a for a in f if sum(w * e for w, e in zip(weights, a, strict=True)) == degree]
                yield from _values_of(on_face(f, face))


def _values_of(form: PolyElement, tries: int = 60) -> Iterator[Fraction]:
    rng = random.Random(1)
    for _ in range(tries):
        yield value_at(form, [Fraction(rng.randint(-9, 9), rng.choice([1, 1, 3, 7])) for _ in form.ring.gens])
