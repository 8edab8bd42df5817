from fractions import Fraction

import numpy as np
import pytest
from scipy.special import kve

from singularities.known import polynomials
from zeeman.errors import ZeemanError
from zeeman.singularities.finite_curve import asymptotic_curve, finite_curve

T = np.array([0.5, 20.0, 1e3, 1e8])


def curve(text, t=T, localization=1.0):
    return finite_curve(polynomials(["x", "y", "z"], [text])[0], t, localization)


@pytest.mark.parametrize("localization", [0.1, 1.0, 30.0])
def test_square_is_gaussian(localization):
    np.testing.assert_allclose(curve("3*x**2", T, localization), 3 * T / (6 * T + localization), rtol=1e-9)


@pytest.mark.parametrize("localization", [0.5, 4.0])
def test_product_of_squares_is_a_bessel_function(localization):
    # ∫ exp(−t x²y² − γ(x² + y²)/2) ~ t^(−½) e^z K₀(z) with z = γ²/(8t).
    z = localization**2 / (8 * T)
    exact = 0.5 + z - z * kve(1, z) / kve(0, z)
    np.testing.assert_allclose(curve("x**2*y**2", T, localization), exact, rtol=1e-7)


def test_blocks_add_and_free_variables_are_silent():
    np.testing.assert_allclose(curve("x**2*y**2 + z**4"), curve("x**2*y**2") + curve("z**4"), rtol=1e-12)


def test_three_coupled_variables_agree_with_two():
    # z is Gaussian given x and y, and nearly decoupled at a small coefficient.
    t = T[1:2]
    np.testing.assert_allclose(curve("x**2*y**2 + y**2*z**2/10**12", t), curve("x**2*y**2", t), rtol=1e-3)


@pytest.mark.parametrize(("text", "rlct"), [("x**4", "1/4"), ("x**4 + y**6", "5/12"), ("x**2*y**4", "1/4")])
def test_large_t_reads_the_learning_coefficient(text, rlct):
    assert curve(text, 1e14) == pytest.approx(asymptotic_curve(Fraction(rlct), 1, 1e14), abs=2e-3)


@pytest.mark.parametrize(("text", "rlct", "m"), [("x**2*y**2", "1/2", 2), ("x**2*y**2*z**2", "1/2", 3)])
def test_logarithmic_corrections_have_the_multiplicity(text, rlct, m):
    # λ − t⟨K⟩ = (m − 1)/(log t + c): its inverse is a straight line in log t of slope 1/(m − 1).
    t = np.array([1e10, 1e12])
    inverse = 1 / (float(Fraction(rlct)) - curve(text, t))
    assert np.diff(inverse)[0] / np.diff(np.log(t))[0] == pytest.approx(1 / (m - 1), rel=0.1)


def test_bad_input():
    with pytest.raises(ZeemanError, match="even exponents"):
        curve("(x**2 - y**3)**2")
    with pytest.raises(ZeemanError, match="positive t"):
        curve("x**2", -1.0)
    f = polynomials(["x", "y", "z", "u"], ["x**2*y**2*z**2*u**2"])[0]
    with pytest.raises(ZeemanError, match="coupled"):
        finite_curve(f, 1.0, 1.0)
