from functools import cache

import pytest

from singularities.known import polynomials
from zeeman.errors import ZeemanError
from zeeman.singularities.arcs import arc_series
from zeeman.singularities.characters import andrews_gordon, virasoro_character
from zeeman.singularities.jets import jet_equations
from zeeman.singularities.weights import leading_monomials


@cache
def standard_monomials(text, degree):
    """Hilbert series by weight from a Gröbner basis of the jet equations, counted monomial by monomial."""
    f = polynomials(["x"], [text])[0]
    new, equations = jet_equations([f], degree)
    at_origin = [e.compose(new.gens[0], new.zero).drop(0) for e in equations]
    leading = leading_monomials([e for e in at_origin if e])
    counts = [0] * (degree + 1)

    def walk(exponents, j, weight):
        if j > degree:
            counts[weight] += not any(all(a <= b for a, b in zip(lead, exponents, strict=True)) for lead in leading)
            return
        for k in range((degree - weight) // j + 1):
            walk((*exponents, k), j + 1, weight + j * k)

    walk((), 1, 0)
    return tuple(counts)


@pytest.mark.parametrize(("k", "degree"), [(2, 13), (3, 11), (4, 10), (5, 9)])
def test_arcs_of_a_fat_point_are_virasoro_modules(k, degree):
    power = polynomials(["x"], [f"x**{k}"])
    assert list(arc_series(power, degree).coefficients) == andrews_gordon(k, k, degree)
    assert list(arc_series(power, degree, order=2).coefficients) == andrews_gordon(k, 1, degree)


@pytest.mark.parametrize("k", range(2, 6))
def test_products_are_the_virasoro_characters(k):
    for i in range(1, k + 1):
        assert andrews_gordon(k, i, 25) == virasoro_character(2, 2 * k + 1, 1, i, 25)


@pytest.mark.parametrize("text", ["x**2", "x**3"])
def test_linear_algebra_counts_standard_monomials(text):
    assert arc_series(polynomials(["x"], [text]), 7).coefficients == standard_monomials(text, 7)


def test_jacobian_arcs_of_d4():
    series = arc_series(polynomials(["x", "y"], ["x*y", "x**2 - 3*y**2"]), 7)
    assert series.coefficients == (1, 2, 3, 4, 7, 10, 15, 20)
    assert "agree" in series.certificate


def test_arcs_of_a_product_multiply():
    # x² = y² = 0 is a product of schemes, so its series is the square.
    one = arc_series(polynomials(["x"], ["x**2"]), 6).coefficients
    two = arc_series(polynomials(["x", "y"], ["x**2", "y**2"]), 6).coefficients
    assert two == tuple(sum(one[i] * one[w - i] for i in range(w + 1)) for w in range(7))


def test_linear_coordinates_do_not_matter():
    plain, turned = (
        arc_series(polynomials(["x", "y"], texts), 5).coefficients
        for texts in (["x*y", "x**2 - y**2"], ["(x + 2*y)*(y - x/3)", "(x + 2*y)**2 - (y - x/3)**2"])
    )
    assert plain == turned


def test_bad_input():
    with pytest.raises(ZeemanError, match="vanish at the origin"):
        arc_series(polynomials(["x"], ["x + 1"]), 3)
    with pytest.raises(ZeemanError, match="order ≥ 1"):
        arc_series(polynomials(["x"], ["x"]), 3, order=0)
    with pytest.raises(ZeemanError, match="1 ≤ i ≤ k"):
        andrews_gordon(2, 3, 4)
