from collections import Counter
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import QQ, ring

from singularities.known import ENTRIES, ideal, polynomials
from zeeman.errors import ZeemanError
from zeeman.singularities.jets import jet_components, jet_equations, jet_fibre_components, lct_upper_bound
from zeeman.singularities.weights import leading_monomials

MATRIX_PRODUCT = "RRR_2_2_2"
small = st.integers(-2, 2)


def as_table(components):
    return [list(pair) for pair in components]


def dimension(generators):
    """Dimension of an affine scheme: most variables such that no leading monomial lies in them alone."""
    supports = [{i for i, k in enumerate(a) if k} for a in leading_monomials(generators)]
    subsets = product([False, True], repeat=generators[0].ring.ngens)
    return max(sum(s) for s in subsets if not any(all(s[i] for i in support) for support in supports))


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e["id"] != MATRIX_PRODUCT], ids=lambda e: str(e["id"]))
def test_components_are_those_of_primary_decomposition(entry):
    generators = ideal(entry)
    for m, expected in entry["jets"].items():
        assert as_table(jet_components(generators, int(m))) == expected
    for m, expected in entry["jets_fibre0"].items():
        assert as_table(jet_fibre_components(generators, int(m))) == expected


def test_what_is_no_complete_intersection_on_the_torus_is_not_decided():
    entry = next(e for e in ENTRIES if e["id"] == MATRIX_PRODUCT)
    assert jet_components(ideal(entry), 1) is None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3).filter(any), min_size=1, max_size=3), st.integers(0, 3))
def test_monomial_ideals_have_minimal_order_vectors(exponents, m):
    domain = ring("x, y, z", QQ)[0]
    generators = [domain.from_dict({a: QQ(1)}) for a in exponents]
    full = [
        t
        for t in product(range(m + 2), repeat=3)
        if all(sum(i * j for i, j in zip(a, t, strict=True)) > m for a in exponents)
    ]
    minimal = [t for t in full if not any(s != t and all(i <= j for i, j in zip(s, t, strict=True)) for s in full)]
    assert dict(jet_components(generators, m)) == Counter(3 * (m + 1) - sum(t) for t in minimal)


@settings(max_examples=20, deadline=None)
@given(st.lists(small, min_size=12, max_size=12), st.integers(0, 2))
def test_dimension_is_that_of_the_equations(coefficients, m):
    domain, x, y = ring("x, y", QQ)
    monomials = [x**2, x * y, y**2, x**3, x**2 * y, x * y**2, y**3, x**4, x**3 * y, x**2 * y**2, x * y**3, y**4]
    f = sum((c * a for c, a in zip(coefficients, monomials, strict=True)), domain.zero)
    new, equations = jet_equations([f], m)
    origin = list(new.gens[:2])
    found = jet_fibre_components([f], m)
    assert found is None or found[0][0] == dimension([*equations, *origin])


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(["x**2 - y**3", "x**2*y + y**4", "x**3 + x*y**3", "x**2*y**2 + x**5 + y**5"]), small, small, small
)
def test_coordinates_do_not_matter(text, shift, bend, scale):
    f = polynomials(["x", "y"], [text])[0]
    x, y = f.ring.gens
    bent = f.compose([(x, x + shift * y + bend * y**2), (y, (scale or 1) * y + bend * x)])
    if (scale or 1) - shift * bend == 0:
        return
    for m in range(5):
        assert jet_components([bent], m) == jet_components([f], m)
        assert jet_fibre_components([bent], m) == jet_fibre_components([f], m)


@pytest.mark.parametrize("m", range(4))
def test_a_free_variable_adds_a_jet_space_and_a_graph_adds_nothing(m):
    cusp = polynomials(["x", "y"], ["x**2 - y**3"])
    cylinder = polynomials(["x", "y", "z"], ["x**2 - y**3"])
    graph = polynomials(["x", "y", "z"], ["x**2 - y**3", "2*z - x**2*y"])
    plain = jet_components(cusp, m)
    assert jet_components(cylinder, m) == tuple((d + m + 1, k) for d, k in plain)
    assert jet_components(graph, m) == plain


def test_conjugate_factors_count_once():
    # (u v = 0) twice, with the two copies exchanged by conjugation: pairs of components up to exchange.
    crossing = polynomials(["a", "b", "c", "d"], ["a*c + b*d", "a*d - b*c"])
    assert [jet_components(crossing, m) for m in range(3)] == [((2, 3),), ((4, 6),), ((6, 10),)]


def test_powers_see_orders_rounded_up():
    cusp, square = polynomials(["x", "y"], ["x**2 - y**3", "(x**2 - y**3)**2"])
    for p in range(1, 7):
        arcs = [
            {2 * m + 2 - d: k for d, k in jet_components([f], m)} for f, m in ((cusp, -(-p // 2) - 1), (square, p - 1))
        ]
        assert arcs[0] == arcs[1]


@pytest.mark.parametrize(
    ("text", "threshold", "m"),
    [("x**2 - y**3", "5/6", 5), ("x**3 + y**4", "7/12", 11), ("x**2*y + y**4", "5/8", 7), ("x**4 + y**4", "1/2", 3)],
)
def test_bound_reaches_the_threshold(text, threshold, m):
    f = polynomials(["x", "y"], [text])
    assert lct_upper_bound(f, m) == Fraction(threshold)
    assert lct_upper_bound(f, m - 1) > Fraction(threshold)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(2, 5), min_size=2, max_size=3))
def test_bound_is_never_below_the_threshold(exponents):
    names = ["x", "y", "z"][: len(exponents)]
    f = polynomials(names, [" + ".join(f"{x}**{a}" for x, a in zip(names, exponents, strict=True))])
    assert lct_upper_bound(f, 4) >= min(1, sum(Fraction(1, a) for a in exponents))


def test_rational_surface_singularities_have_irreducible_jets():
    # Mustață 2001: exactly the canonical complete intersections have them for every m.
    for text in ("x**2 + y**2 + z**4", "x**2 + y**2*z + z**3", "x**2 + y**3 + z**4", "x**2 + y**3 + z**5"):
        f = polynomials(["x", "y", "z"], [text])
        assert [jet_components(f, m) for m in range(6)] == [((2 * m + 2, 1),) for m in range(6)]
    assert jet_components(polynomials(["x", "y", "z"], ["x**2 + y**3 + z**6"]), 5) == ((12, 2),)


def test_zero_smooth_and_wrong_input():
    zero, smooth, unit = polynomials(["x", "y"], ["0", "x + y**2", "1 + x"])
    assert jet_components([zero], 2) == ((6, 1),)
    assert jet_components([smooth], 2) == ((3, 1),)
    assert jet_fibre_components([smooth], 2) == ((2, 1),)
    with pytest.raises(ZeemanError, match="vanish at the origin"):
        jet_components([unit], 1)
    with pytest.raises(ZeemanError, match="m ≥ 0"):
        jet_components([smooth], -1)
    with pytest.raises(ZeemanError, match="at least one"):
        jet_components([], 1)
