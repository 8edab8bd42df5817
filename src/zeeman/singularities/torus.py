"""Hypersurfaces and complete intersections in the torus (ℂ*)ⁿ: smoothness, and components over the rational numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import combinations
from math import prod

from sympy.polys.domains import QQ
from sympy.polys.groebnertools import groebner
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyElement

Exponents = tuple[int, ...]

MOST_TERMS = 16
"""Terms of a polynomial beyond which smoothness is not looked for, since its Gröbner basis may take minutes."""


def height(f: PolyElement, t: Exponents) -> int:
    """Smallest ⟨a, t⟩ over the exponents a of f.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> height(x**2 - y**3, (2, 1))
    3
    """
    exponents: list[Exponents] = f.monoms()
    return min(sum(i * j for i, j in zip(a, t, strict=True)) for a in exponents)


def initial_form(f: PolyElement, t: Exponents, at: int | None = None) -> PolyElement:
    """The part of f whose exponents a have ⟨a, t⟩ = `at`, by default the smallest there is.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> initial_form(x**2 + x * y**2 + y**5, (2, 1))
    x**2 + x*y**2
    """
    at = height(f, t) if at is None else at
    terms = {a: c for a, c in f.terms() if sum(i * j for i, j in zip(a, t, strict=True)) == at}
    return f.ring.from_dict(terms)


@lru_cache(maxsize=4096)
def torus_factors(f: PolyElement) -> tuple[tuple[PolyElement, int], ...]:
    """Irreducible factors of f over its field with multiplicities, without the variables.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> torus_factors(x**3 * y - 2 * x**2 * y**2 + x * y**3)
    ((x - y, 2),)
    """
    if len(f) == 1:
        return ()
    # Copies: sympy's factors may carry hashes from before their last change in place.
    return tuple((f.ring.from_dict(dict(g)), k) for g, k in f.factor_list()[1] if len(g) > 1)


@lru_cache(maxsize=4096)
def is_smooth_on_torus(f: PolyElement) -> bool:
    """Whether {f = 0} ∩ (ℂ*)ⁿ is smooth and f has no multiple factor there.

    When the exponents are affinely independent, f = 0 and x_i ∂_i f = 0 are linear equations for the monomials with the
    only solution 0. Otherwise a Gröbner basis of these with 1 − u x₁⋯xₙ decides, and more than `MOST_TERMS` terms are
    taken for singular.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> is_smooth_on_torus(x**2 - y**3), is_smooth_on_torus((x - y**2) ** 2), is_smooth_on_torus(x**2 + x * y + y**2)
    (True, False, True)
    """
    rows = [[QQ(k) for k in (1, *a)] for a in f.monoms()]
    if DomainMatrix(rows, (len(rows), f.ring.ngens + 1), QQ).rank() == len(rows):
        return True
    return len(f) <= MOST_TERMS and torus_is_empty(f, *(x * f.diff(x) for x in f.ring.gens))


def is_smooth_union(factors: Iterable[PolyElement]) -> bool:
    """Whether different irreducible hypersurfaces are smooth on the torus and do not meet there.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> is_smooth_union([x - y, x + y]), is_smooth_union([x - y, x + y - 2])
    (True, False)
    """
    known = list(factors)
    return all(map(is_smooth_on_torus, known)) and not any(torus_meets(f, g) for f, g in combinations(known, 2))


def torus_meets(f: PolyElement, g: PolyElement) -> bool:
    """Whether f and g have a common zero in the torus.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> torus_meets(x**2 - 2 * y**2, x**5), torus_meets(x - y, x + y - 2)
    (False, True)
    """
    return len(f) > 1 and len(g) > 1 and not torus_is_empty(f, g)


@lru_cache(maxsize=4096)
def torus_is_empty(*system: PolyElement) -> bool:
    """Whether polynomials have no common zero in the torus, by a Gröbner basis with 1 − u x₁⋯xₙ.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> torus_is_empty(x - y, x + y), torus_is_empty(x - y)
    (True, False)
    """
    ring = system[0].ring
    larger = ring.clone(symbols=[*map(str, ring.symbols), "u_inverse"], order="grevlex")
    lifted = [larger.from_dict({(*a, 0): c for a, c in _without_monomial(g).terms()}) for g in system if g]
    basis = groebner([*lifted, 1 - prod(larger.gens)], larger)
    return any(g.is_ground for g in basis)


def _without_monomial(f: PolyElement) -> PolyElement:
    """Divide f by its largest monomial factor, which is a unit on the torus."""
    lowest = [min(column) for column in zip(*f.monoms(), strict=True)]
    return f.ring.from_dict({tuple(i - j for i, j in zip(a, lowest, strict=True)): c for a, c in f.terms()})


def complete_intersection(system: Sequence[PolyElement]) -> PolyElement | None:
    """A hypersurface isomorphic to {system = 0} ∩ (ℂ*)ⁿ up to components in which a solved variable vanishes, or None.

    An equation A x_i + B with a monomial A is solved for x_i, which must not vanish: factors of B are divided out at
    the end. Without such an equation, the answer is None ("not decided").

    Returns
    -------
    PolyElement or None
        With one factor for each component; 1 when the system has no solution on the torus.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, a, b, c, d = ring("a, b, c, d", QQ)
    >>> [str(g) for g, _ in torus_factors(complete_intersection([a * b + c * d, a * b**3 + c * d**3]))]
    ['b - d', 'b + d']
    """
    left = [_without_monomial(f) for f in system]
    nonzero: list[PolyElement] = []
    while len(left) > 1:
        if any(len(f) == 1 for f in left):
            return left[0].ring.one
        solution = next((s for i, f in enumerate(left) for s in _solutions(f, i)), None)
        if solution is None:
            return None
        i, x, a, b = solution
        equations = [f for j, f in enumerate(left) if j != i]
        left = [_substitute(f, x, a, b) for f in equations]
        nonzero = [_substitute(f, x, a, b) for f in nonzero] + [b]
        if not all(left):
            return None
        left = [_without_monomial(f) for f in left]
    f = left[0]
    vanishing = {g for b in nonzero for g, _ in torus_factors(b)}
    kept = [g**k for g, k in torus_factors(f) if g not in vanishing]
    return prod(kept, start=f.ring.one) if all(nonzero) else f.ring.one


def _solutions(f: PolyElement, i: int) -> list[tuple[int, int, PolyElement, PolyElement]]:
    """Ways to write the i-th equation f as A x + B with a monomial A: (i, index of x, A, B)."""
    found = []
    for x in range(f.ring.ngens):
        with_x = [(a, c) for a, c in f.terms() if a[x]]
        if len(with_x) == 1 and with_x[0][0][x] == 1:
            exponents, c = with_x[0]
            a = f.ring.from_dict({tuple(k - (j == x) for j, k in enumerate(exponents)): c})
            found.append((i, x, a, f - a * f.ring.gens[x]))
    return found


def _substitute(f: PolyElement, x: int, a: PolyElement, b: PolyElement) -> PolyElement:
    """The value of f at x = −B/A, times the power of A that clears the denominator."""
    degree = max((e[x] for e in f.monoms()), default=0)
    result = f.ring.zero
    for exponents, c in f.terms():
        k = exponents[x]
        rest = f.ring.from_dict({tuple(0 if j == x else e for j, e in enumerate(exponents)): c})
        result += rest * (-b) ** k * a ** (degree - k)
    return result
