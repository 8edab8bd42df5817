"""Steenbrink's spectrum of an isolated critical point, and the complex log canonical threshold that it contains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache

from sympy.polys.rings import PolyElement

from zeeman.errors import ZeemanError
from zeeman.singularities.ade import classify
from zeeman.singularities.local_algebra import determinacy, milnor_algebra, milnor_number, residual
from zeeman.singularities.newton_filtration import facets_of, newton_spectrum
from zeeman.singularities.normal_forms import normal_form
from zeeman.singularities.resolution_graph import resolution_graph
from zeeman.singularities.series import Exponent
from zeeman.singularities.splitting_lemma import germ


def spectrum(f: PolyElement) -> list[Fraction] | None:
    """Give the μ spectral numbers α in (0, n) of the critical point at the origin, sorted, with repetitions.

    exp(-2πi α) are the eigenvalues of the monodromy, and α - 1 the exponents of t in the leading asymptotics of
    oscillating integrals; the numbers are symmetric about n/2, and a square adds 1/2 to each (Thom–Sebastiani). After
    the splitting lemma they are found

    - in two variables by resolving the curve, for every germ;
    - in more by Newton's polyhedron, where Kouchnirenko's number is μ, or by weights, where the part of lowest weight
      has an isolated critical point: then f belongs to a deformation with constant μ, along which the spectrum does not
      change (Varchenko 1982);
    - otherwise from the normal form of the class, where :func:`classify` names one.

    Returns
    -------
    list of Fraction or None
        Empty if the origin is not critical; None if the critical point is not isolated or no way applies.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y, z = ring("x,y,z", QQ)
    >>> [str(alpha) for alpha in spectrum((x + y) ** 3 + y**4 + z**2)]
    ['13/12', '4/3', '17/12', '19/12', '5/3', '23/12']
    >>> spectrum(x**2 * y**2 + z**2) is None
    True
    """
    found = _spectrum(germ(f))
    return None if found is None else list(found)


@lru_cache(maxsize=256)
def _spectrum(f: PolyElement) -> tuple[Fraction, ...] | None:
    mu = milnor_number(f)
    if mu == 0:
        return ()
    split = residual(f)
    if mu is None or split is None:
        return None
    g, half = split.germ, Fraction(f.ring.ngens - split.corank, 2)
    if g is None:
        return (half,)
    if split.corank == 1:
        return tuple(half + Fraction(j, mu + 1) for j in range(1, mu + 1))
    found = _of_plane_curve(g) if split.corank == 2 else _of_many_variables(g, mu)
    return None if found is None else tuple(half + alpha for alpha in found)


def _of_plane_curve(g: PolyElement) -> list[Fraction] | None:
    graph = resolution_graph(g)
    return None if graph is None else graph.spectrum()


def _of_many_variables(g: PolyElement, mu: int) -> list[Fraction] | None:
    support = convenient_support(g)
    found = newton_spectrum(support)
    if found is not None and len(found) == mu:
        return found
    for q in facets_of(support) or []:
        weighted = spectrum_of_weights(g, q)
        if weighted is not None:
            return weighted
    name = classify(g).name
    return None if name is None else newton_spectrum(convenient_support(normal_form(name)))


def convenient_support(g: PolyElement) -> list[Exponent]:
    """Exponents of g and of powers of all variables so high that they do not change the germ."""
    power = (determinacy(g) or 0) + 1
    size = g.ring.ngens
    return [*g, *(tuple(power * (i == j) for j in range(size)) for i in range(size))]


def spectrum_of_weights(g: PolyElement, q: Sequence[Fraction]) -> list[Fraction] | None:
    """Give Σ q_i (1 + a_i) over a monomial basis x^a of the Jacobian algebra of the part of weight 1.

    None unless every monomial has weight 1 or more and that part has an isolated critical point.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> [str(a) for a in spectrum_of_weights(x**3 + y**2 + x**2 * y, (Fraction(1, 3), Fraction(1, 2)))]
    ['5/6', '7/6']
    """
    weight = {e: sum(qi * ei for qi, ei in zip(q, e, strict=True)) for e in g}
    if min(weight.values()) < 1:
        return None
    algebra = milnor_algebra(g.ring.from_dict({e: c for e, c in g.items() if weight[e] == 1}))
    if algebra is None:
        return None
    return sorted(_shifted_weights(algebra.monomials, q))


def _shifted_weights(monomials: Sequence[Exponent], q: Sequence[Fraction]) -> Iterator[Fraction]:
    for e in monomials:
        yield sum((qi * (1 + ei) for qi, ei in zip(q, e, strict=True)), Fraction(0))


def complex_lct(f: PolyElement) -> Fraction | None:
    """Give the log canonical threshold min(1, α_min) of the hypersurface f = f(0) over the complex numbers, at 0.

    None where the spectrum is not known.

    Raises
    ------
    ZeemanError
        If f is constant.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x,y", QQ)
    >>> str(complex_lct(x**3 + y**7))
    '10/21'
    """
    if f.is_ground:
        raise ZeemanError(
            "expected a polynomial that is not constant, got one; its log canonical threshold means nothing."
        )
    found = spectrum(f)
    return None if found is None else min([Fraction(1), *found])
