from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import QQ, ring
from sympy.polys.matrices import DomainMatrix

from singularities.germs import CLASSES, TABLE, changed, of_class, read, with_squares
from singularities.known import polynomials
from zeeman.errors import ZeemanError
from zeeman.singularities.ade import classify
from zeeman.singularities.local_algebra import (
    determinacy,
    is_quasihomogeneous,
    milnor_algebra,
    milnor_number,
    residual,
    tjurina_number,
)
from zeeman.singularities.normal_forms import milnor_number_of
from zeeman.singularities.series import multiply, substitute, truncate
from zeeman.singularities.splitting_lemma import corank, gradient, hessian, split
from zeeman.singularities.standard_basis import local_algebra, quotient_dimension
from zeeman.singularities.truncated_basis import Undecided

PLANE = [name for name in CLASSES if read(CLASSES[name]).ring.ngens == 2]


@pytest.mark.parametrize("entry", TABLE, ids=lambda e: str(e["id"]))
def test_numbers_of_the_table(entry):
    f = polynomials(entry["vars"], [entry["polynomial"]])[0]
    assert milnor_number(f) == entry["mu"]
    assert tjurina_number(f) == entry["tau"]
    if entry["corank"] is not None:
        assert corank(f) == entry["corank"]


@pytest.mark.parametrize("name", CLASSES)
def test_milnor_number_of_a_class_is_that_of_its_indices(name):
    assert milnor_number(of_class(name)) == milnor_number_of(name)


@given(st.lists(st.integers(2, 5), min_size=1, max_size=3))
@settings(max_examples=30)
def test_brieskorn_pham(exponents):
    domain = ring([f"x{i}" for i in range(len(exponents))], QQ)[0]
    f = sum(x**a for x, a in zip(domain.gens, exponents, strict=True))
    assert milnor_number(f) == tjurina_number(f) == prod(a - 1 for a in exponents)
    assert determinacy(f) <= max(2, sum(a - 2 for a in exponents) + 2)


def rank_of_truncation(generators, power):
    """dim O/(I + m^power) by brute force: all multiples of the generators below that degree."""
    size = generators[0].ring.ngens
    below = [e for e in product(range(power), repeat=size) if sum(e) < power]
    shifted = [g * g.ring.from_dict({e: QQ(1)}) for g in generators for e in below]
    rows = [[g.get(e, QQ(0)) for e in below] for g in shifted]
    return len(below) - DomainMatrix(rows, (len(rows), len(below)), QQ).rank()


coefficients = st.integers(-2, 2)


@given(st.lists(st.lists(coefficients, min_size=6, max_size=6), min_size=2, max_size=3), st.integers(2, 6))
@settings(max_examples=40)
def test_dimensions_modulo_powers_are_those_of_linear_algebra(rows, power):
    _, x, y = ring("x,y", QQ)
    monomials = [x**2, x * y, y**3, x**2 * y, x**4, y]
    generators = [sum(c * m for c, m in zip(row, monomials, strict=True)) for row in rows]
    generators = [g for g in generators if g]
    if generators:
        assert quotient_dimension(generators, power) == rank_of_truncation(generators, power)


@given(st.data())
@settings(max_examples=30)
def test_normal_form_is_a_homomorphism_that_kills_the_ideal(data):
    f = data.draw(changed(of_class("E7")))
    algebra = milnor_algebra(f)
    _x, y = f.ring.gens
    one, other = (data.draw(changed(1 + y + y**3)) for _ in range(2))
    assert algebra.normal_form(one * other) == algebra.normal_form(algebra.normal_form(one) * other)
    assert not any(algebra.normal_form(slope * one) for slope in gradient(f))
    assert len(algebra.coordinates(one)) == 7


@given(st.data(), st.sampled_from(["A4", "D5", "E6", "E8", "P8", "X9", "T(3,3,4)", "T(2,4,5)", "Z11", "Q10"]))
@settings(max_examples=20)
def test_numbers_do_not_depend_on_coordinates_or_squares(data, name):
    f = of_class(name)
    g = data.draw(changed(f))
    assert (milnor_number(g), tjurina_number(g), corank(g)) == (milnor_number(f), tjurina_number(f), corank(f))
    h = data.draw(changed(with_squares(f, [1, -2]), quadratic=False))
    assert (milnor_number(h), tjurina_number(h), corank(h)) == (milnor_number(f), tjurina_number(f), corank(f))


@given(st.data(), st.sampled_from(["D5", "E7", "X9", "Z13", "W#(1,1)", "T(2,3,8)"]))
@settings(max_examples=20)
def test_tjurina_and_milnor_numbers_agree_for_quasihomogeneous_germs_alone(data, name):
    f = data.draw(changed(of_class(name)))
    assert tjurina_number(f) <= milnor_number(f)
    assert is_quasihomogeneous(f) == (name in ("D5", "E7", "X9"))


@pytest.mark.parametrize("name", [name for name in PLANE if name != "A1"])
def test_terms_above_the_determinacy_do_not_matter(name):
    f, k = of_class(name), determinacy(of_class(name))
    x, y = f.ring.gens
    high = sum((x - 2 * y) ** j * y ** (k + 1 - j) for j in range(k + 2)) + 5 * y ** (k + 2)
    assert classify(truncate(f, k) + high).name == name


@given(st.lists(st.integers(-3, 3), min_size=10, max_size=10))
def test_signature_is_that_of_the_hessian(entries):
    domain = ring("x,y,z,w", QQ)[0]
    pairs = [(i, j) for i in range(4) for j in range(i + 1)]
    f = sum(c * domain.gens[i] * domain.gens[j] for c, (i, j) in zip(entries, pairs, strict=True))
    matrix = np.array([[float(e) for e in row] for row in hessian(f + domain.zero)]) if f else np.zeros((4, 4))
    eigenvalues = np.linalg.eigvalsh(matrix)
    found = split(f + domain.zero, 3)
    assert found.signature == (sum(eigenvalues > 1e-9), sum(eigenvalues < -1e-9))
    assert found.corank == sum(abs(eigenvalues) < 1e-9)


@given(st.data())
@settings(max_examples=20)
def test_splitting_gives_the_critical_values_along_the_kernel(data):
    """On f = ±(u - p(x))² ± (v - q(x, u))² + g(x), which is solved by hand, the degenerate part is g."""
    domain, x, u, v = ring("x,u,v", QQ)
    p, q = (data.draw(st.lists(coefficients, min_size=3, max_size=3)) for _ in range(2))
    line, curve = p[0] * x**2 + p[1] * x**3, q[0] * x**2 + q[1] * x * u + q[2] * u**2
    g = x**5 + p[2] * x**6 + 3 * x**7
    found = split(2 * (u - line) ** 2 - (v - curve) ** 2 + g, 7)
    assert dict(found.germ) == {e[:1]: c for e, c in (g + domain.zero).items()}
    assert found.signature == (1, 1)


@given(st.data())
@settings(max_examples=30)
def test_truncated_products_and_substitutions_are_those_of_polynomials(data):
    _, x, y = ring("x,y", QQ)
    f, g = (data.draw(changed(x + y**2 + x * y**2)) for _ in range(2))
    order = data.draw(st.integers(1, 5))
    assert multiply(f, g, order) == truncate(f * g, order)
    assert substitute(f, [g, x * y], order) == truncate(f.compose([(x, g), (y, x * y)]), order)


@pytest.mark.parametrize(
    "text",
    [
        "x**2",
        "x**2*y**2",
        "(x**2 - y**3)**2",
        "x**3 + y**4 + 0*z",
        "x*y*z",
        "x**2*y**2 + z**2",
        "(x + y - z)**3 + (x - z)**2",
    ],
)
def test_what_is_not_isolated_has_no_numbers(text):
    f = read(text)
    assert milnor_number(f) is tjurina_number(f) is determinacy(f) is None


def test_a_hidden_curve_of_critical_points_is_found():
    domain, x, y, z = ring("x,y,z", QQ)
    f = (2 * x + 3 * y + z + z**2) ** 2 + (x - 5 * y + z + x * y) ** 2
    assert milnor_number(f + domain.zero) is None


def test_what_is_out_of_reach_is_said():
    _, x, y, z = ring("x,y,z", QQ)
    u, v, w = 2 * x + 3 * y + z + z**2, x - 5 * y + z + x * y, x + y - z + x**2
    with pytest.raises(Undecided, match="give fewer variables"):
        milnor_number(u**3 + v**4 + 0 * w)


def test_other_points_and_levels_do_not_matter():
    f = read("x**2*(x - 1)**2 + y**2 + 7")
    assert (milnor_number(f), tjurina_number(f)) == (1, 1)
    smooth = read("x + y**2")
    assert (milnor_number(smooth), tjurina_number(smooth), determinacy(smooth)) == (0, 0, 1)


def test_bad_input_is_told_in_a_sentence():
    with pytest.raises(ZeemanError, match="rational coefficients"):
        milnor_number(ring("x", "RR")[1] ** 2)
    with pytest.raises(ZeemanError, match="critical point at the origin"):
        split(read("x + y**2"), 3)
    assert residual(read("x**2*y**2")) is None


def test_algebra_of_a_unit_is_nothing():
    _, x, y = ring("x,y", QQ)
    assert local_algebra([1 + x, y]).dimension == 0
