"""Changes of coordinates that fix the origin, under which jet schemes do not change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import add

from sympy.polys.rings import PolyElement

from zeeman.singularities.forms import substitute
from zeeman.singularities.linear import change, diagonalized

Generators = Sequence[PolyElement]


def solve_smooth(generators: Generators, n: int) -> tuple[int, Generators]:
    """Solve generators c x_i + ψ, with a constant c and no x_i in ψ, for x_i.

    Parameters
    ----------
    generators : sequence of PolyElement
        Nonzero, in n variables, with zeros at the origin.

    Returns
    -------
    (int, sequence of PolyElement)
        Number of variables left, and the other generators in these. The schemes are isomorphic.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y, z = ring("x, y, z", QQ)
    >>> solve_smooth([x - y**2, x**2 + y * z], 3)
    (2, [y**4 + y*z])
    """
    for f in generators:
        for x in f.ring.gens:
            rest = _without(f, x)
            if rest is None:
                continue
            others = [g.compose(x, rest) for g in generators if g is not f]
            if n == 1:
                return 0, []
            return solve_smooth([g.drop(x) for g in others if g], n - 1)
    return n, list(generators)


def starts(generators: Generators) -> Iterator[Generators]:
    """Coordinates to begin a search from: the given ones, those of a diagonal quadratic part, and two tilted ones."""
    yield generators
    x = generators[0].ring.gens
    if len(x) == 1:
        return
    if len(generators) == 1:
        yield change(generators, diagonalized(generators[0])[1])
    for tilted in ([*map(add, x, x[1:]), x[-1]], [x[0], *(a + (i + 2) * x[0] for i, a in enumerate(x[1:]))]):
        yield [substitute(f, tilted) for f in generators]


def shear(generators: Generators, forms: Generators) -> Generators | None:
    """Make a factor c x_i + ψ of the forms the new coordinate x_i, a multiple factor first; None when there is none.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> shear([(x - y**2) ** 2 + y**5], [(x - y**2) ** 2])
    [x**2 + y**5]
    """
    factors = sorted(
        (pair for form in forms for pair in form.factor_list()[1] if len(pair[0]) > 1), key=lambda pair: -pair[1]
    )
    for g, _ in factors:
        for i, x in enumerate(g.ring.gens):
            rest = _without(g, x)
            if rest is not None and not g.coeff(1):
                new = list(g.ring.gens)
                new[i] = x + rest
                return [substitute(f, new) for f in generators]
    return None


def _without(f: PolyElement, x: PolyElement) -> PolyElement | None:
    """−ψ/c when f is c x + ψ with a constant c ≠ 0 and no x in ψ, else None."""
    c = f.coeff(x)
    rest = f - c * x
    return -rest.quo_ground(c) if c and rest.degree(x) <= 0 else None
