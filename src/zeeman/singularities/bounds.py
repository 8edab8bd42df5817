"""Bounds of λ that always hold."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from sympy import QQ
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.singularities.forms import substitute
from zeeman.singularities.newton import newton_rlct
from zeeman.singularities.plane import NotDecided, resolve
from zeeman.singularities.series import order_of

PLANES = (((1, 0), (0, 1), (1, 1), (1, -1), (2, 1)), ((1, 2), (3, -1), (-2, 1), (1, 3), (5, -2)))
MOST_TERMS = 300


def newton_bound(generators: Sequence[PolyElement]) -> tuple[Fraction, str]:
    """λ is at most that of the Newton polyhedron, in any coordinates: on |x_i| < s^{w_i} the ideal is of order s."""
    found = newton_rlct([a for g in generators for a in g])
    weights = ", ".join(map(str, found.weights))
    return found.value, f"the weights ({weights}), on which all terms are of order 1 at least"


def lower_bound(generators: Sequence[PolyElement]) -> tuple[Fraction, str]:
    """λ is at least the complex threshold, which is at least that on a plane through the origin, and 1/order.

    Examples
    --------
    >>> from sympy import ring
    >>> _, x, y, z = ring("x, y, z", QQ)
    >>> str(lower_bound([x**3 + y**3 + z**3])[0])
    '2/3'
    """
    best = Fraction(1, min(map(order_of, generators))), "one over the order of vanishing"
    size = generators[0].ring.ngens
    ring = PolyRing(["s", "t"], QQ)
    s, t = ring.gens
    for number, plane in enumerate(PLANES):
        images = [s * a + t * b for a, b in (plane[i % len(plane)] for i in range(size))]
        if sum(map(len, generators)) > MOST_TERMS:
            continue
        restricted = [g for g in (substitute(g, images) for g in generators) if g]
        try:
            value = resolve(restricted, real=False).value if restricted else Fraction(0)
        except NotDecided:
            continue
        if value > best[0]:
            best = value, f"the complex threshold of the restriction to plane {number + 1} through the origin"
    return best
