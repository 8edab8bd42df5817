"""Polynomials truncated at a total degree: products and substitutions, as germs need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy.polys.rings import PolyElement, PolyRing

Coefficient = Any  # of sympy's rationals, or of a number field
Exponent = tuple[int, ...]


def truncate(f: PolyElement, order: int) -> PolyElement:
    """Drop the terms of total degree above ``order``.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> truncate(x + x * y**2, 2)
    x
    """
    return f.ring.from_dict({e: c for e, c in f.items() if sum(e) <= order})


def homogeneous_part(f: PolyElement, degree: int) -> PolyElement:
    """Keep the terms of one total degree."""
    return f.ring.from_dict({e: c for e, c in f.items() if sum(e) == degree})


def order_of(f: PolyElement) -> int:
    """Order of vanishing at the origin: the lowest total degree of the terms of f, which must not be zero.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x, y", QQ)
    >>> order_of(x**3 + x * y)
    2
    """
    return int(min(sum(e) for e in f))


def multiply(f: PolyElement, g: PolyElement, order: int) -> PolyElement:
    """Product without its terms of degree above ``order``.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> multiply(1 + x, 1 + y, 1)
    x + y + 1
    """
    if not f or not g or order_of(f) + order_of(g) > order:
        return f.ring.zero
    by_degree = sorted((sum(e), e, c) for e, c in g.items())
    result: dict[tuple[int, ...], Coefficient] = {}
    for e, c in f.items():
        room = order - sum(e)
        for degree, d, b in by_degree:
            if degree > room:
                break
            target = tuple(i + j for i, j in zip(e, d, strict=True))
            result[target] = result[target] + c * b if target in result else c * b
    return f.ring.from_dict(result)


def substitute(f: PolyElement, images: Sequence[PolyElement], order: int) -> PolyElement:
    """Give f(images) up to total degree ``order``, in the ring of the images; they must vanish at the origin.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> substitute(x**2 + y**5, [x + y**2, y], 3)
    x**2 + 2*x*y**2
    """
    ring: PolyRing = images[0].ring
    powers = [[ring.one] for _ in images]
    terms = {e: ring(c) for e, c in f.items() if sum(e) <= order}
    for i in reversed(range(len(images))):
        collected: dict[tuple[int, ...], PolyElement] = {}
        for e, c in terms.items():
            while len(powers[i]) <= e[-1]:
                powers[i].append(multiply(powers[i][-1], images[i], order))
            term = multiply(c, powers[i][e[-1]], order - sum(e[:-1]))
            collected[e[:-1]] = collected[e[:-1]] + term if e[:-1] in collected else term
        terms = collected
    return terms.get((), ring.zero)
