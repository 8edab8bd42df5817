"""Jet schemes: their equations, and their irreducible components over the rational numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from itertools import islice

from sympy.polys.rings import PolyElement, PolyRing

from zeeman.errors import ZeemanError
from zeeman.singularities.coordinates import shear, solve_smooth, starts
from zeeman.singularities.strata import Degenerate, components, local_factors
from zeeman.singularities.weights import is_finite

Components = tuple[tuple[int, int], ...]


def jet_equations(generators: Sequence[PolyElement], m: int) -> tuple[PolyRing, list[PolyElement]]:
    """Equations of the scheme J_m of m-jets: the coefficients of 1, t, …, t^m in f(x(t)) with x_i(t) = Σ_j x_ij t^j.

    Parameters
    ----------
    generators : sequence of PolyElement
        Polynomials in one ring with n variables.
    m : int
        Order of the jets.

    Returns
    -------
    (PolyRing, list of PolyElement)
        A ring with the n(m + 1) variables x_ij, named x_j, ordered by j; and m + 1 equations for each generator.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> jet_equations([x * y], 1)[1]
    [x_0*y_0, x_0*y_1 + y_0*x_1]
    """
    old = _ring(generators)
    names = [f"{x}_{j}" for j in range(m + 1) for x in old.symbols]
    new = old.clone(symbols=names)
    n = old.ngens
    series = [[new.gens[j * n + i] for j in range(m + 1)] for i in range(n)]
    return new, [c for f in generators for c in compose(f, series, m + 1)]


def compose(f: PolyElement, series: Sequence[Sequence[PolyElement]], length: int) -> list[PolyElement]:
    """Coefficients of 1, …, t^(length − 1) in f(x(t)), for power series x_i given by their first coefficients.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, a, b = ring("a, b", QQ)
    >>> compose(a**2 + b, [[R(0), a, b], [R(0), R(0), a]], 4)
    [0, 0, a**2 + a, 2*a*b]
    """
    ring = series[0][0].ring
    padded = [[*s, *([ring.zero] * length)][:length] for s in series]
    powers: list[list[list[PolyElement]]] = [[[ring.one] + [ring.zero] * (length - 1)] for _ in series]
    total = [ring.zero] * length
    for exponents, c in f.terms():
        term = [ring.ground_new(c)] + [ring.zero] * (length - 1)
        for i, k in enumerate(exponents):
            while len(powers[i]) <= k:
                powers[i].append(_product(powers[i][-1], padded[i]))
            if k:
                term = _product(term, powers[i][k])
        total = [a + b for a, b in zip(total, term, strict=True)]
    return total


def _product(first: Sequence[PolyElement], second: Sequence[PolyElement]) -> list[PolyElement]:
    """Product of two truncated power series of equal length."""
    zero = first[0].ring.zero
    return [
        sum((first[i] * second[k - i] for i in range(k + 1) if first[i] and second[k - i]), zero)
        for k in range(len(first))
    ]


def jet_components(generators: Sequence[PolyElement], m: int) -> Components | None:
    """Dimensions and numbers of the irreducible components of J_m near the origin, over the rational numbers.

    Parameters
    ----------
    generators : sequence of PolyElement
        Polynomials over QQ that vanish at the origin: one for a hypersurface, or several for an ideal.
    m : int
        Order of the jets.

    Returns
    -------
    tuple of (dimension, count), largest dimension first, or None
        Components of the reduced scheme that contain jets at the origin or near it. Over ℂ there may be more, over ℝ
        fewer that matter. None means "not decided".

    Raises
    ------
    ZeemanError
        When a generator does not vanish at the origin, or m is negative.

    Notes
    -----
    Exact where the generators are nondegenerate for their Newton polyhedra after coordinate changes that are searched
    for (`strata.components`). For a hypersurface with an isolated singularity the components are the closures of the
    jets at smooth points, one for each factor, and those components of the fibre over the origin whose codimension is
    at most m + 1 (Mustață 2001).

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> [jet_components([x**2 - y**3], m) for m in (1, 5)]
    [((2, 2),), ((7, 1), (6, 1))]
    """
    return _count(generators, m, fibre=False)


def jet_fibre_components(generators: Sequence[PolyElement], m: int) -> Components | None:
    """Dimensions and numbers of the components of the fibre of J_m over the origin: the m-jets that start there.

    Parameters, returns and errors are those of `jet_components`.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> jet_fibre_components([x**2 - y**3], 5)
    ((7, 1),)
    """
    return _count(generators, m, fibre=True)


def lct_upper_bound(generators: Sequence[PolyElement], order: int) -> Fraction | None:
    """Smallest n − dim J_m/(m + 1) over m ≤ order for which J_m is decided: no less than the log canonical threshold.

    Equal to it for infinitely many m (Mustață 2002). The threshold is that of the ideal over ℂ, near the origin.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> str(lct_upper_bound([x**2 - y**3], 5))
    '5/6'
    """
    n = _ring(generators).ngens
    decided = [(m, jet_components(generators, m)) for m in range(order + 1)]
    return min((n - Fraction(found[0][0], m + 1) for m, found in decided if found), default=None)


def _count(generators: Sequence[PolyElement], m: int, fibre: bool) -> Components | None:
    """Components by dimension."""
    if m < 0:
        raise ZeemanError(f"expected jets of order m ≥ 0, got {m}; m = 0 is the variety itself.")
    for f in generators:
        if f.coeff(1):
            raise ZeemanError(f"expected generators that vanish at the origin, got {f}; shift the coordinates.")
    n, gens = solve_smooth([f for f in generators if f], _ring(generators).ngens)
    if not gens:
        return ((n * (m + 1 - fibre), 1),)
    codimensions = _codimensions(gens, m + 1, fibre)
    if codimensions is None:
        return None
    return tuple(sorted(Counter(n * (m + 1) - k for k in codimensions).items(), reverse=True))


def _codimensions(gens: Sequence[PolyElement], p: int, fibre: bool) -> list[int] | None:
    """Codimensions of the components of {arcs : ord ≥ p} among all arcs."""
    n = gens[0].ring.ngens
    if fibre:
        # Monomials of degree p or more have order p on every arc that starts at the origin.
        short = [f for f in map(partial(_truncated, degree=p), gens) if f]
        return _in_some_coordinates(short, p, fibre) if short else [n]
    factors = local_factors(gens[0]) if len(gens) == 1 else []
    if factors and all(k == 1 for _, k in factors) and _is_isolated(gens[0]):
        over_origin = _codimensions(gens, p, fibre=True)
        return None if over_origin is None else [p] * len(factors) + [k for k in over_origin if k <= p]
    return _in_some_coordinates(gens, p, fibre)


def _in_some_coordinates(gens: Sequence[PolyElement], p: int, fibre: bool) -> list[int] | None:
    """Codimensions of the components, in the first coordinates in which they are decided."""
    # Tilted axes help where only the origin is singular; the loci of other singularities should stay along axes.
    for start in islice(starts(gens), None if fibre else 2):
        current: Sequence[PolyElement] | None = start
        for _ in range(2 * p):
            try:
                return [piece.codimension for piece in components(current or start, p, fibre)]
            except Degenerate as obstacle:
                current = shear(current or start, obstacle.forms)
                if current is None:
                    break
    return None


def _is_isolated(f: PolyElement) -> bool:
    """Whether a hypersurface without multiple factors is seen to be singular at finitely many points at most."""
    return f.ring.ngens <= 2 or is_finite([f, *(f.diff(x) for x in f.ring.gens)])


def _truncated(f: PolyElement, degree: int) -> PolyElement:
    """The part of f of total degree less than `degree`."""
    return f.ring.from_dict({a: c for a, c in f.terms() if sum(a) < degree})


def _ring(generators: Sequence[PolyElement]) -> PolyRing:
    """The ring of the generators."""
    if not generators:
        raise ZeemanError("expected at least one generator, got none; the zero ideal is the generator 0.")
    return generators[0].ring
