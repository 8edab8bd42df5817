"""Arcs by their orders of vanishing: which sets of arcs with given orders are components of a jet scheme."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from sympy.polys.rings import PolyElement

from zeeman.singularities.torus import (
    Exponents,
    complete_intersection,
    height,
    initial_form,
    is_smooth_union,
    torus_factors,
    torus_meets,
)

MOST_STRATA = 20_000
"""Order vectors looked at before the answer is "not decided": some seconds."""

Factors = Sequence[tuple[PolyElement, int]]


@dataclass(frozen=True)
class Degenerate(Exception):
    """A stratum whose initial forms are singular on the torus, or too many strata: the answer is not decided here."""

    forms: tuple[PolyElement, ...]


@dataclass(frozen=True)
class Piece:
    """An irreducible set of arcs x_i = τ^(t_i) u_i on which every generator has order ≥ p.

    Parameters
    ----------
    orders : tuple of int
        t; an entry p stands for every order ≥ p.
    codimension : int
        In the space of all arcs.
    equation : PolyElement or None
        Irreducible over the rational numbers; u(0) is a zero of it outside the coordinate hyperplanes. None when u(0)
        is free. (Where several equations were solved, the one that was left.)
    germ, contact : PolyElement or None, int
        A polynomial g with the equation as a factor of its initial form, and the order on these arcs above min ⟨a, t⟩.
    """

    orders: Exponents
    codimension: int
    equation: PolyElement | None = None
    germ: PolyElement | None = None
    contact: int = 0


def components(generators: Sequence[PolyElement], p: int, fibre: bool) -> list[Piece]:
    """Pieces whose closures are the irreducible components of {arcs : ord f_i ≥ p for all i} near the origin.

    With h_i(t) = min ⟨a, t⟩ over the exponents a of f_i, the arcs with orders t are one piece, of codimension |t|, when
    every h_i ≥ p. Otherwise they lie over the torus points of the initial forms of the active f_i (h_i < p): if these
    are a smooth complete intersection, each component of it gives a piece, of codimension |t| + Σ (p − h_i)₊.

    The closed set {ord x ≥ s} is cut by Σ (p − h_i(s))₊ equations, so its components have codimension at most
    bound(s) = |s| + Σ (p − h_i(s))₊. Hence a piece at t of codimension > bound(s) for some s ≤ t is no component; and
    it is one otherwise, if all pieces at s have codimension bound(s). Pieces of smaller codimension, from multiple
    factors, lie in {ord x ≥ s, ord g ≥ h_g(s) + e} of codimension at most |s| + e, for which the same holds.

    Parameters
    ----------
    generators : sequence of PolyElement
        Polynomials over QQ in n variables.
    p : int
        Order of vanishing: m + 1 for m-jets.
    fibre : bool
        Only arcs that start at the origin.

    Returns
    -------
    list of Piece

    Raises
    ------
    Degenerate
        When a stratum that could matter is not of this kind.

    Notes
    -----
    Strata after Ein, Lazarsfeld and Mustață 2004; the bounds replace every other test of inclusion.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> [(piece.orders, piece.codimension) for piece in components([x**2 - y**3], 6, fibre=False)]
    [((0, 0), 6), ((3, 2), 5)]
    """
    n = generators[0].ring.ngens
    if (p + 1) ** n > MOST_STRATA:
        raise Degenerate(())
    factors = [local_factors(f) for f in generators] if len(generators) == 1 else []
    bounds: dict[Exponents, int] = {}
    found: list[Piece] = []
    for t in product(range(1 if fibre else 0, p + 1), repeat=n):
        depths = [(f, p - height(f, t)) for f in generators]
        active = [(f, depth) for f, depth in depths if depth > 0]
        bounds[t] = min([sum(t) + sum(depth for _, depth in active), *(bounds[s] for s in _below(t) if s in bounds)])
        if sum(t) + bool(active) > bounds[t]:
            continue
        pieces = _pieces_of_one(*active[0], factors[0], t) if active and factors else _pieces(active, t)
        found += [piece for piece in pieces if piece.codimension <= bounds[t]]
    low = [q for q in found if q.codimension < bounds[q.orders]]
    return [piece for piece in found if not any(q.codimension < piece.codimension and _confines(q, piece) for q in low)]


def _pieces(active: Factors, t: Exponents) -> list[Piece]:
    """Pieces with the orders t, of generators with their depths p − h_i > 0, none or several."""
    forms = [initial_form(f, t) for f, _ in active]
    if not active:
        return [Piece(t, sum(t))]
    if any(len(form) == 1 for form in forms):
        return []
    # Which components reach the origin is clear when none can avoid it.
    if min(t) == 0 and any(len({sum(a) for a in form.monoms()}) > 1 for form in forms):
        raise Degenerate(tuple(forms))
    left = complete_intersection(forms)
    if (
        left is None
        or any(k > 1 for _, k in torus_factors(left))
        or not is_smooth_union(g for g, _ in torus_factors(left))
    ):
        raise Degenerate(tuple(forms))
    codimension = sum(t) + sum(depth for _, depth in active)
    return [Piece(t, codimension, equation) for equation, _ in torus_factors(left)]


def _pieces_of_one(f: PolyElement, depth: int, factors: Factors, t: Exponents) -> list[Piece]:
    """Pieces with the orders t of one generator, the product of g^k over its factors and a unit at the origin."""
    owners: dict[PolyElement, list[tuple[PolyElement, int, int]]] = {}
    for g, k in factors:
        for equation, multiplicity in torus_factors(initial_form(g, t)):
            if _reaches_origin(equation, t):
                owners.setdefault(equation, []).append((g, k, multiplicity))
    # A single condition is the equation itself; beyond it, smooth points can be lifted.
    if depth == 1:
        return [Piece(t, sum(t) + 1, equation, f, 1) for equation in owners]
    if owners and not is_smooth_union(owners):
        raise Degenerate((prod(owners),))
    pieces = []
    for equation, ((g, k, multiplicity), *others) in owners.items():
        contact = -(-depth // k)
        if not others and multiplicity == 1:
            pieces.append(Piece(t, sum(t) + contact, equation, g, contact))
        elif depth > 2:
            raise Degenerate((equation**2,))
        elif _second_condition_is_void(f, equation, t):
            pieces.append(Piece(t, sum(t) + 1, equation, equation, 1))
    return pieces


def _second_condition_is_void(f: PolyElement, equation: PolyElement, t: Exponents) -> bool:
    """Whether order one along a multiple factor of the initial form gives order two, rather than being impossible.

    With u = u₀ + τu₁ the second condition is d in(f)(u₀)·u₁ + f₁(u₀) = 0, where f₁ is the part of f of the next
    height and the differential is 0 along the factor.
    """
    following = initial_form(f, t, height(f, t) + 1)
    if torus_meets(equation, following) and following.rem(equation):
        raise Degenerate((equation**2,))
    return not following.rem(equation)


def local_factors(f: PolyElement) -> Factors:
    """Irreducible factors over QQ that vanish at the origin, with multiplicities.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> R, x, y = ring("x, y", QQ)
    >>> local_factors((x + 1) * (x - y) ** 2)
    [(x - y, 2)]
    """
    return [(g, k) for g, k in f.factor_list()[1] if not g.coeff(1)]


def _reaches_origin(equation: PolyElement, t: Exponents) -> bool:
    """Whether zeros of the equation on the torus come near the origin along the coordinates with t_i = 0.

    They do for every value of these coordinates if the equation has two monomials in the others.
    """
    still = [i for i, order in enumerate(t) if order == 0]
    moving = {tuple(k for i, k in enumerate(a) if i not in still) for a in equation.monoms()}
    return len(moving) > 1 or all(any(a[i] for i in still) for a in equation.monoms())


def _confines(q: Piece, piece: Piece) -> bool:
    """Whether {ord x ≥ s, ord g ≥ h_g(s) + e}, which q spans, contains the piece."""
    if q.germ is None or any(s > t for s, t in zip(q.orders, piece.orders, strict=True)):
        return False
    order = height(q.germ, piece.orders)
    if piece.equation is not None and not initial_form(q.germ, piece.orders).rem(piece.equation):
        order += piece.contact if q.germ == piece.germ else 1
    return order >= height(q.germ, q.orders) + q.contact


def _below(t: Exponents) -> Iterator[Exponents]:
    """The order vectors that are t with one entry lowered by one."""
    for i, k in enumerate(t):
        if k:
            yield (*t[:i], k - 1, *t[i + 1 :])
