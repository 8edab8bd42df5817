"""Whether the Newton polyhedron tells everything: real zeros of face polynomials on the torus (R*)^n."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import combinations, product

from sympy import QQ
from sympy.polys.euclidtools import dup_gcd
from sympy.polys.groebnertools import groebner
from sympy.polys.orderings import grevlex
from sympy.polys.rings import PolyElement, PolyRing

from zeeman.singularities.faces import compact_faces
from zeeman.singularities.forms import on_face, value_at
from zeeman.singularities.newton import Exponent, minimal_exponents
from zeeman.singularities.real_roots import Dense, RealField, count_real_roots, factors

MOST_VARIABLES = 5
MOST_FACES = 400
LARGEST_GROEBNER = 60


@dataclass(frozen=True)
class FaceReport:
    """What is known of the face polynomials of a germ or an ideal on the real torus.

    Attributes
    ----------
    nondegenerate
        Whether every compact face is certified to be non-degenerate.
    reason
        The certificate, or what stands against it, in words.
    zeros
        For a germ: the compact faces whose polynomial has a zero on the torus; None where that is not decided.
    """

    nondegenerate: bool
    reason: str
    zeros: tuple[frozenset[Exponent], ...] | None = ()


def positive_even(f: PolyElement) -> bool:
    """Whether every term that no other divides has even exponents and a positive coefficient.

    Then f is bounded below by a multiple of the sum of its minimal monomials near the origin.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x, y", QQ)
    >>> positive_even(x**2 + y**4 - x**3), positive_even(x**2 * y + y**2)
    (True, False)
    """
    return all(f[a] > 0 and not any(e % 2 for e in a) for a in minimal_exponents(list(f)))


def germ_faces(f: PolyElement) -> FaceReport:
    """Look for points of (R*)^n where a face polynomial f_τ and its gradient vanish together (Varchenko's condition).

    In order, for each compact face: all terms positive and even; one dimension: multiple real roots by Sturm;
    otherwise a Gröbner basis of f_τ and x_i ∂_i f_τ on the torus.
    """
    if positive_even(f):
        return FaceReport(True, "every minimal term is positive and even")
    found = _faces_of([f])
    if isinstance(found, str):
        return FaceReport(False, found, None)
    zeros: list[frozenset[Exponent]] = []
    undecided = False
    for face in found:
        form = on_face(f, face)
        reduced = on_torus([form])[0]
        if _singular(reduced):
            return FaceReport(False, f"the face {form.as_expr()} is not certified to be non-degenerate", None)
        met = has_zero(reduced)
        undecided |= met is None
        zeros += [face] if met else []
    reason = f"each of {len(found)} compact faces is non-degenerate on the real torus"
    return FaceReport(True, reason, None if undecided else tuple(zeros))


def degenerate_forms(f: PolyElement) -> list[PolyElement]:
    """Face polynomials that may have a singular zero on the real torus.

    Examples
    --------
    >>> from sympy import ring
    >>> _, x, y = ring("x, y", QQ)
    >>> degenerate_forms((x - y**2) ** 2 + y**5)
    [x**2 - 2*x*y**2 + y**4]
    """
    found = _faces_of([f])
    forms = [] if isinstance(found, str) else [on_face(f, face) for face in found]
    return [form for form in forms if _singular(on_torus([form])[0])]


def crosses_at_worst(f: PolyElement) -> bool:
    """Whether every singular zero of a face polynomial on the torus has a Hessian of rank two or more.

    Its log canonical threshold there is then 1, as that of a crossing. By inversion of adjunction on the divisors of a
    toric modification the Newton polyhedron gives λ of f, and m, where it says λ < 1.
    """
    return not any(_bends_at_most_once(on_torus([form])[0]) for form in degenerate_forms(f))


def _bends_at_most_once(form: PolyElement) -> bool:
    """Whether a form may have a singular zero with a Hessian of rank at most one; False only where that is certain."""
    gens = form.ring.gens
    slopes = [x * form.diff(x) for x in gens]
    bends = [[x * slope.diff(x) for x in gens] for slope in slopes]
    minors = [
        bends[i][k] * bends[j][n] - bends[i][n] * bends[j][k]
        for i, j in combinations(range(len(gens)), 2)
        for k, n in combinations(range(len(gens)), 2)
    ]
    return not any(minors) or _may_meet_on_torus([form, *slopes, *minors])


def ideal_faces(generators: Sequence[PolyElement]) -> FaceReport:
    """Look for common zeros of the generators' face polynomials on (R*)^n.

    Without any, Σ f_i² is bounded by multiples of the sum of its squared minimal monomials from both sides.
    """
    if all(len(minimal_exponents(list(g))) == 1 for g in generators):
        return FaceReport(True, "every generator is a monomial times a unit")
    found = _faces_of(generators)
    if isinstance(found, str):
        return FaceReport(False, found, None)
    for face in found:
        forms = [form for form in (on_face(g, face) for g in generators) if form]
        if may_meet(on_torus(forms)):
            names = ", ".join(str(form.as_expr()) for form in forms)
            return FaceReport(False, f"the face ({names}) is not certified to be free of real zeros", None)
    return FaceReport(True, f"on each of {len(found)} compact faces the generators have no common real zero")


def _faces_of(generators: Sequence[PolyElement]) -> list[frozenset[Exponent]] | str:
    exponents = sorted({a for g in generators for a in g})
    used = sum(any(a[i] for a in exponents) for i in range(len(exponents[0])))
    if used > MOST_VARIABLES:
        return f"{used} variables are more than the {MOST_VARIABLES} that faces are enumerated for"
    faces = compact_faces(exponents)
    return faces if len(faces) <= MOST_FACES else f"more than {MOST_FACES} compact faces"


def on_torus(forms: Sequence[PolyElement]) -> list[PolyElement]:
    """Write forms on one face in as few variables as the face has dimensions, by a unimodular change of monomials.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x, y", QQ)
    >>> on_torus([x**4 - 2 * x**2 * y**3 + y**6])
    [u0**2 - 2*u0 + 1]
    """
    exponents = sorted({a for form in forms for a in form})
    rows = {a: [e - b for e, b in zip(a, exponents[0], strict=True)] for a in exponents}
    dimension = _column_echelon(list(rows.values()))
    ring = PolyRing([f"u{i}" for i in range(max(dimension, 1))], QQ)
    reduced = []
    for form in forms:
        least = [min(rows[a][i] for a in form) for i in range(dimension)]
        terms = {tuple(rows[a][i] - least[i] for i in range(dimension)) or (0,): c for a, c in form.terms()}
        reduced.append(ring.from_dict(terms))
    return reduced


def _column_echelon(rows: list[list[int]]) -> int:
    """Bring integer rows to column echelon form in place by unimodular column operations; give the rank."""
    done = 0
    for row in rows:
        while True:
            live = [j for j in range(done, len(row)) if row[j]]
            if not live:
                break
            pivot = min(live, key=lambda j: abs(row[j]))
            _swap(rows, pivot, done)
            if len(live) == 1:
                done += 1
                break
            for j in range(done + 1, len(row)):
                factor = row[j] // row[done]
                if factor:
                    for other in rows:
                        other[j] -= factor * other[done]
    return done


def _swap(rows: list[list[int]], i: int, j: int) -> None:
    for row in rows:
        row[i], row[j] = row[j], row[i]


def _dense(form: PolyElement) -> Dense:
    top = max(a[0] for a in form)
    return [form.get((e,), QQ(0)) for e in range(top, -1, -1)]


def _singular(form: PolyElement) -> bool:
    """Whether a form may have a singular zero on the real torus; False only where that is certain."""
    if form.ring.ngens == 1:
        return any(k > 1 and count_real_roots(g, RealField()) for g, k in factors(_dense(form), RealField()))
    if _one_sign(form, (1,) * form.ring.ngens) and not any(e % 2 for a in form for e in a):
        return False
    return _may_meet_on_torus([form, *(x * form.diff(x) for x in form.ring.gens)])


def may_meet(forms: Sequence[PolyElement]) -> bool:
    """Whether forms may have a common zero on the real torus; False only where that is certain.

    Examples
    --------
    >>> from sympy import ring
    >>> _, u = ring("u", QQ)
    >>> may_meet([u**2 - 2]), may_meet([u**2 + 2]), may_meet([u - 1, u + 1])
    (True, False, False)
    """
    forms = [form for form in forms if form]
    if any(len(form) == 1 for form in forms):
        return False
    if forms[0].ring.ngens == 1:
        common = reduce(lambda a, b: dup_gcd(a, b, QQ), map(_dense, forms))
        return count_real_roots(common, RealField()) > 0
    return _may_meet_on_torus(forms)


def _may_meet_on_torus(equations: Sequence[PolyElement]) -> bool:
    """Whether equations may have a common zero on the torus: a Gröbner basis other than 1 on it."""
    if sum(sum(a) for f in equations for a in f) > LARGEST_GROEBNER * len(equations):
        return True
    names = [*(str(s) for s in equations[0].ring.symbols), "inverse"]
    ring = PolyRing(names, QQ, grevlex)
    lifted = [ring.from_dict({(*a, 0): c for a, c in f.terms()}) for f in equations if f]
    torus = ring.one - reduce(lambda a, b: a * b, ring.gens)
    basis = groebner([*lifted, torus], ring)
    return not (len(basis) == 1 and basis[0].is_ground)


def has_zero(form: PolyElement) -> bool | None:
    """Whether a form without singular zeros has a zero on the real torus: whether it changes sign on an orthant."""
    if len(form) == 1:
        return False
    if form.ring.ngens == 1:
        return count_real_roots(_dense(form), RealField()) > 0
    orthants = [signs for signs in product((1, -1), repeat=form.ring.ngens) if not _one_sign(form, signs)]
    if any(_changes_sign(form, signs) for signs in orthants):
        return True
    return None if orthants else False


def _one_sign(form: PolyElement, signs: Sequence[int]) -> bool:
    """Whether all terms have one sign on an orthant."""
    found = {(c > 0) == (sum(e for e, s in zip(a, signs, strict=True) if s < 0) % 2 == 0) for a, c in form.terms()}
    return len(found) == 1


def _changes_sign(form: PolyElement, signs: Sequence[int], tries: int = 60) -> bool:
    """Whether both signs are met on an orthant, at rational points on rays to its ends and at some between."""
    rng, met = random.Random(0), set()
    for attempt in range(tries):
        scale = 1 if attempt % 2 else 8
        powers = [rng.randint(-3, 3) * scale for _ in signs]
        point = [s * Fraction(2) ** p * Fraction(rng.randint(5, 11), 8) for s, p in zip(signs, powers, strict=True)]
        value = value_at(form, point)
        met.add(value > 0) if value else None
        if len(met) == 2:
            return True
    return False
