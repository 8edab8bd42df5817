"""Thresholds against known answers, under changes of coordinates, sums and products, and against integrals."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import QQ
from sympy.polys.rings import PolyElement, PolyRing, ring

from singularities.level_sets import fitted_exponent
from zeeman.errors import ZeemanError
from zeeman.singularities.bounds import lower_bound, newton_bound
from zeeman.singularities.closed_forms import deep_linear, reduced_rank, tanh_network
from zeeman.singularities.intersections import by_intersections
from zeeman.singularities.linear import change
from zeeman.singularities.newton import newton_rlct, rank
from zeeman.singularities.plane import resolve
from zeeman.singularities.polynomials import parse_germ, parse_ideal
from zeeman.singularities.rlct import rlct

KNOWN = json.loads((Path(__file__).parent / "known_thresholds.json").read_text())


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: case["id"])
def test_known_answers_are_found_in_seconds(case):
    start = time.process_time()
    found = rlct(parse_germ(case["polynomial"], case["vars"]))
    assert (str(found.value), found.multiplicity) == (case["rlct"], case["multiplicity"])
    assert found.lower == found.upper == found.value
    assert time.process_time() - start < 5


@pytest.mark.parametrize("case", [case for case in KNOWN if "ideal" in case], ids=lambda case: case["id"])
def test_a_sum_of_squares_has_half_the_threshold_of_its_ideal(case):
    found = rlct(parse_ideal(", ".join(case["ideal"]), case["vars"]))
    assert found.value == 2 * Fraction(case["rlct"])
    assert found.multiplicity == case["multiplicity"]


POLYNOMIALS = {
    "x^2 + y^2": ("1", 1),
    "x^2 - 2*y^2": ("1", 2),
    "x^2 + x*y + y^2 + z^2": ("3/2", 1),
    "x^2 + y^2 - z^2": ("1", 1),
    "(x^2 - 2*y^2)^2 - y^5": ("1/2", 2),
    "(x^2 + 2*y^2)^2 + y^5": ("1/2", 1),
    "x^4 + y^2 + z^2": ("5/4", 1),
    "x^4 - y^4 + z^2": ("1", 2),
    "x^5 + y^5 + x^2*y^2 + z^2": ("1", 2),
    "x^2*y + y^4 + z^2": ("1", 1),
    "x^3 + y^3 + z^3": ("1", 2),
    "x*y*z + x^4 + y^4 + z^4": ("1", 3),
    "x*y + z*w": ("1", 1),
    "x^2*y^2*z": ("1/2", 2),
    "x^3": ("1/3", 1),
    "x + y^2": ("1", 1),
    "(x^2 - y^3)^2*(1 + x)": ("5/12", 1),
    "y^2*z^2*(x*y + z^2)^2": ("3/10", 1),
    "x^2*y^2 + x^2*z^2 + y^2*z^2": ("3/4", 1),
}


def invertible(size: int):
    entries = st.lists(st.lists(st.integers(-2, 2), min_size=size, max_size=size), min_size=size, max_size=size)
    return entries.filter(lambda m: rank(m) == size).map(lambda m: [[Fraction(x) for x in row] for row in m])


@pytest.mark.parametrize("text", POLYNOMIALS)
def test_linear_coordinates_change_nothing(text):
    value, multiplicity = POLYNOMIALS[text]
    f = parse_germ(text).polynomial

    @settings(deadline=None, max_examples=3)
    @given(invertible(f.ring.ngens))
    def check(matrix):
        found = rlct(change([f], matrix)[0])
        assert (str(found.value), found.multiplicity) == (value, multiplicity)

    check()
    found = rlct(f)
    assert (str(found.value), found.multiplicity) == (value, multiplicity)


def in_plane(terms) -> PolyElement:
    plane, _, _ = ring("x, y", QQ)
    return plane.from_dict({a: QQ(c) for a, c in terms.items()})


plane_germs = st.dictionaries(
    st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda a: sum(a) >= 2),
    st.integers(-2, 2).filter(bool),
    min_size=1,
    max_size=4,
).map(in_plane)


@settings(deadline=None, max_examples=25)
@given(plane_germs, st.integers(-2, 2), st.integers(1, 3))
def test_curved_coordinates_change_nothing(f, slope, power):
    x, y = f.ring.gens
    found, turned = rlct(f), rlct(f.compose(x, x + slope * y**power))
    assert (found.value, found.multiplicity) == (turned.value, turned.multiplicity)


@settings(deadline=None, max_examples=25)
@given(plane_germs)
def test_bounds_hold_and_the_square_halves(f):
    found, squared = rlct(f), rlct(f**2)
    assert found.value is not None
    assert lower_bound([f])[0] <= found.value <= newton_bound([f])[0]
    assert (squared.value, squared.multiplicity) == (found.value / 2, found.multiplicity)


@settings(deadline=None, max_examples=15)
@given(plane_germs)
def test_a_square_more_adds_half_to_a_potential(f):
    space = PolyRing(["x", "y", "z"], QQ)
    lifted = space.from_dict({(*a, 0): c for a, c in f.terms()})
    plain = rlct([f])
    found = rlct([lifted, space.gens[2]])
    assert (found.value, found.multiplicity) == (plain.value + 1, plain.multiplicity)


@settings(deadline=None, max_examples=15)
@given(plane_germs, plane_germs)
def test_sums_and_products_of_variables_of_their_own(f, g):
    space = PolyRing(["x", "y", "z", "w"], QQ)
    first = space.from_dict({(*a, 0, 0): c for a, c in f.terms()})
    second = space.from_dict({(0, 0, *a): c for a, c in g.terms()})
    one, other = rlct(f), rlct(g)
    together = rlct([first, second])
    assert together.value == one.value + other.value
    assert together.multiplicity == one.multiplicity + other.multiplicity - 1
    times = rlct(first * second)
    least = min(one.value, other.value)
    assert times.value == least
    assert times.multiplicity == sum(part.multiplicity for part in (one, other) if part.value == least)


@settings(deadline=None, max_examples=15)
@given(plane_germs, plane_germs)
def test_a_larger_ideal_has_a_larger_threshold(f, g):
    alone, both = rlct([f]), rlct([f, g])
    assert (both.value, -both.multiplicity) >= (alone.value, -alone.multiplicity)


@settings(deadline=None, max_examples=25)
@given(plane_germs, plane_germs)
def test_programs_on_the_fan_agree_with_blow_ups_of_points(f, g):
    by_points, by_fan = resolve([f, g]), by_intersections([f, g])
    if by_fan is not None:
        assert by_fan.lower <= by_points.value <= by_fan.upper
        assert by_fan.multiplicity in (None, by_points.multiplicity)


@pytest.mark.parametrize(
    ("text", "value", "multiplicity"),
    [
        ("x*y - z^2, x^2", "5/4", 1),
        ("x^2 - y^3, y*z", "3/2", 2),
        ("x^2 - y*z, y^2 - x*z", "3/2", 1),
        ("a + b + a*b + c*d, a*c + d^2", "2", 1),
        ("a*b*c, a*d", "1", 1),
        ("x*y, z*w", "2", 3),
        ("a*e + b*g, a*f + b*h, c*e + d*g, c*f + d*h", "3", 1),
    ],
)
def test_ideals_in_more_variables(text, value, multiplicity):
    found = rlct(parse_ideal(text))
    assert (str(found.value), found.multiplicity) == (value, multiplicity)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3).filter(any), min_size=1, max_size=4))
def test_monomial_ideals_are_their_newton_polyhedra(exponents):
    space = PolyRing(["x", "y", "z"], QQ)
    expected = newton_rlct(exponents)
    found = rlct([space.from_dict({a: QQ(1)}) for a in exponents])
    assert (found.value, found.multiplicity) == (expected.value, expected.multiplicity)


@pytest.mark.parametrize(
    "text",
    [
        "x^2 - y^3",
        "x^2*y^2 + y^5 + x^5",
        "(x^2 - y^3)^2",
        "x^3 - x*y^4",
        "x^2*y - y^4",
        "(x - y)^2*(x + y^2)",
        "(x^2 - y^3)*(x^2 - z^3)",
    ],
)
def test_level_sets_shrink_with_this_exponent(text):
    f = parse_germ(text).polynomial
    found = rlct(f)
    value, error = fitted_exponent(f, found.multiplicity)
    assert abs(value - float(found.value)) < 3 * error


@pytest.mark.parametrize(
    ("text", "value", "multiplicity"),
    [
        ("(x^2 - y^3)*(x^2 - z^3)", "7/12", 1),
        ("(x^2 - y^2)*(y^3 - z^3)", "3/5", 1),
        ("(x^2 - y^3)*(x^2 - z^3) + w^9", "25/36", 1),
    ],
)
def test_faces_that_cross_themselves_leave_the_polyhedron_its_word(text, value, multiplicity):
    """The first two are quasi-homogeneous with sheets that cross: the sum of the weights; the third adds 1/9."""
    found = rlct(parse_germ(text))
    assert (str(found.value), found.multiplicity) == (value, multiplicity)


@pytest.mark.parametrize(
    ("text", "value", "multiplicity"),
    [
        ("(x - y*z)^3 + y^8 + z^8", "7/12", 1),
        ("(z - x^2 - y^2)^3 + x^7*y", "10/21", 1),
        ("(x - y*z)^2*(y - x*z)^2 + z^9", "11/18", 2),
        ("(w - x*y*z)^3 + x^8 + y^8 + z^8", "17/24", 1),
    ],
)
def test_sheets_that_touch_are_taken_as_coordinates(text, value, multiplicity):
    """With u = x − yz the first is u³ + y⁸ + z⁸, and the polyhedron said 2/3; the third is u²v² + z⁹."""
    assert newton_rlct(list(parse_germ(text).polynomial)).value >= Fraction(value)
    found = rlct(parse_germ(text))
    assert (str(found.value), found.multiplicity) == (value, multiplicity)


def products(sizes):
    """Entries of a product of matrices of variables, layers of these sizes."""
    names = [f"v{k}_{i}_{j}" for k in range(len(sizes) - 1) for i, j in product(range(sizes[k + 1]), range(sizes[k]))]
    space = PolyRing(names, QQ)
    gens = dict(zip(names, space.gens, strict=True))
    total = [[space.one if i == j else space.zero for j in range(sizes[0])] for i in range(sizes[0])]
    for k in range(len(sizes) - 1):
        layer = [[gens[f"v{k}_{i}_{j}"] for j in range(sizes[k])] for i in range(sizes[k + 1])]
        total = [
            [sum((layer[i][s] * total[s][j] for s in range(sizes[k])), space.zero) for j in range(sizes[0])]
            for i in range(sizes[k + 1])
        ]
    return [entry for row in total for entry in row]


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 1, 1), (1, 2, 1), (2, 2, 1), (2, 1, 2), (1, 1, 1, 1), (3, 1, 2)])
def test_linear_networks_agree_with_their_closed_form(sizes):
    found, known = rlct(products(sizes)), deep_linear(sizes)
    assert (found.value, found.multiplicity) == (2 * known.value, known.multiplicity)


def test_two_formulas_for_three_layers_agree():
    for sizes in product(range(1, 5), repeat=3):
        for r in range(min(sizes) + 1):
            first, second = reduced_rank(*sizes, r), deep_linear(sizes, r)
            assert (first.value, first.multiplicity) == (second.value, second.multiplicity)


def test_tanh_networks_agree_with_their_closed_form():
    for hidden, text in ((1, "a*b"), (2, "a*b + c*d, a*b^3 + c*d^3")):
        found, known = rlct(parse_ideal(text)), tanh_network(hidden)
        assert (found.value, found.multiplicity) == (2 * known.value, known.multiplicity)


def test_what_is_not_decided_is_an_interval_with_proofs():
    found = rlct(parse_germ("(x^2 + y^2 - z^3)^2*x^2 + (x - y*z)^6*y^2 + x^9"))
    if found.value is None:
        assert found.lower < found.upper
        assert found.lower_certificate
        assert found.upper_certificate
    one, other = rlct(parse_germ("x^2*y^2 + (x-z)^2*y^2 + x^2*(x-z)^2")), Fraction(3, 4)
    assert one.lower <= other <= one.upper


def test_mistakes_are_told():
    x = parse_germ("x").polynomial
    for bad in ([], [x + 1], [x - x]):
        with pytest.raises(ZeemanError, match="zero at the origin"):
            rlct(bad)
    with pytest.raises(ZeemanError, match="negative values"):
        rlct(parse_germ("x^2 - y^2"), potential=True)
    for bad in ((1, 0, 1), (2, 2, 2, 3)):
        with pytest.raises(ZeemanError, match="positive sizes"):
            reduced_rank(*bad)
    with pytest.raises(ZeemanError, match="two layers"):
        deep_linear([3])
    with pytest.raises(ZeemanError, match="hidden unit"):
        tanh_network(0)
