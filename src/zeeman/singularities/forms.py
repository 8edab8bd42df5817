"""Parts of polynomials: orders, initial forms, faces, substitutions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import reduce
from math import prod

from sympy import QQ
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.singularities.newton import Exponent
from zeeman.singularities.series import order_of


def initial_form(f: PolyElement) -> PolyElement:
    """The terms of least degree."""
    return on_face(f, [a for a in f if sum(a) == order_of(f)])


def on_face(f: PolyElement, exponents: Iterable[Exponent]) -> PolyElement:
    """The terms with these exponents."""
    return f.ring.from_dict({a: f[a] for a in exponents if a in f})


def common_divisor(generators: Sequence[PolyElement]) -> PolyElement:
    """Greatest common divisor."""
    return reduce(lambda a, b: a.gcd(b), generators)


def value_at(f: PolyElement, point: Sequence[Fraction | int]) -> Fraction:
    """Value of a rational polynomial at a rational point."""
    terms = ((Fraction(int(c.numerator), int(c.denominator)), a) for a, c in f.terms())
    return sum((c * prod(x**e for x, e in zip(point, a, strict=True) if e) for c, a in terms), Fraction(0))


def variables_of(f: PolyElement) -> set[int]:
    """Numbers of the variables that occur."""
    return {i for a in f for i, e in enumerate(a) if e}


def keep_variables(generators: Sequence[PolyElement], kept: Sequence[int]) -> list[PolyElement]:
    """Set the other variables to zero, and leave them out of the ring."""
    symbols = generators[0].ring.symbols
    ring = PolyRing([str(symbols[i]) for i in kept], QQ)
    others = [i for i in range(len(symbols)) if i not in set(kept)]
    return [
        ring.from_dict({tuple(a[i] for i in kept): c for a, c in g.terms() if not any(a[i] for i in others)})
        for g in generators
    ]


def substitute(f: PolyElement, images: Sequence[PolyElement]) -> PolyElement:
    """Replace the variables of f by polynomials of one ring, all at once; `series.substitute` does so up to a degree.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x, y", QQ)
    >>> substitute(x**2 - y, (x, x * y))
    x**2 - x*y
    """
    target = images[0].ring
    powers: list[list[PolyElement]] = [[target.one] for _ in images]
    total = target.zero
    for exponents, coefficient in f.terms():
        product = target.ground_new(coefficient)
        for table, image, e in zip(powers, images, exponents, strict=True):
            while len(table) <= e:
                table.append(table[-1] * image)
            product = product * table[e] if e else product
        total += product
    return total
