"""Orders along arcs against exponents, Newton polyhedra and jet schemes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zeeman.errors import ZeemanError
from zeeman.reading import Verdict
from zeeman.singularities.jets import jet_fibre_components
from zeeman.singularities.polynomials import parse_ideal
from zeeman.singularities.rlct import rlct
from zeeman.spectra import (
    ArcOrder,
    arc_bound,
    arc_order,
    arc_points,
    arc_weights,
    ball_points,
    fit_taylor,
    jet_codimension,
    sheet_chart,
)
from zeeman.spectra.splitting import split
from zeeman.subjects import Potential

SCALES = np.geomspace(1e-3, 0.3, 14)


def orders(expression: str, largest: int = 4) -> list[ArcOrder]:
    potential, found = Potential.parse(expression), []
    for k in arc_weights(len(potential.variables), largest, flattest_first=False):
        values = potential(torch.from_numpy(arc_points(k, SCALES, 16))).numpy()
        found.append(arc_order(k, SCALES, values[None]))
    return found


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(any), min_size=1, max_size=3))
def test_orders_of_sums_of_even_monomials_are_least_heights(exponents: list[tuple[int, int]]) -> None:
    """Along weight k the order of Σ x^{2a} y^{2b} is min 2⟨(a, b), k⟩; where two heights are close, within errors."""
    expression = "+".join(f"x**{2 * a}*y**{2 * b}" for a, b in exponents) + "+0*x*y"
    for one in orders(expression, 3):
        if one.verdict.trusted and min(one.weights) > 0:
            least = min(2 * (a * one.weights[0] + b * one.weights[1]) for a, b in exponents)
            assert abs(one.order - least) < 3 * one.standard_error + 0.05, (expression, one)


@pytest.mark.parametrize(
    ("expression", "ideal"),
    [
        ("x**4+y**2", "x^2, y"),
        ("x**4+y**6", "x^2, y^3"),
        ("x**2*y**2", "x*y"),
        ("x**2*y**4", "x*y^2"),
        ("(x**2-y**3)**2", "x^2-y^3"),
        ("(x**3+y**4)**2", "x^3+y^4"),
    ],
)
def test_the_bound_is_the_threshold_and_jets_are_those_of_the_ideal(expression: str, ideal: str) -> None:
    found, known = orders(expression), rlct(parse_ideal(ideal)).value
    assert known is not None
    bound = arc_bound(found)
    assert Fraction(float(bound.value)).limit_denominator(200) == known / 2
    for half in range(4):
        components = jet_fibre_components(list(parse_ideal(ideal).generators), half)
        assert components is not None
        assert jet_codimension(found, 2 * half + 1) == 2 * (half + 1) - components[0][0]


def test_a_bent_germ_needs_bent_arcs() -> None:
    """(y + x²)² + x⁶ has order 4 along straight arcs of weight (1, 3) and 6 along those on its critical sheet."""

    def f(z: np.ndarray) -> np.ndarray:
        values: np.ndarray = (z[..., 1] + z[..., 0] ** 2) ** 2 + z[..., 0] ** 6
        return values

    scales = np.geomspace(0.1, 1, 8)
    straight = arc_points((1, 3), scales, 4)
    ball = ball_points(2, 6)
    chart = sheet_chart(split(fit_taylor(ball, f(ball), 6), 1))
    for points, order in ((straight, 4), (chart(straight), 6)):
        found = arc_order((1, 3), scales, f(points)[None])
        assert abs(found.order - order) < 3 * found.standard_error + 0.02
        assert found.verdict is Verdict.OK


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_a_turn_changes_no_order_on_the_sheet(seed: int) -> None:
    """x³ + y⁴ + z² in turned axes: the sheet finds z, y and x, and weight (3, 4, 6) sees 12."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]

    def f(z: np.ndarray) -> np.ndarray:
        y = z @ turn
        values: np.ndarray = y[..., 0] ** 3 + y[..., 1] ** 4 + y[..., 2] ** 2
        return values

    ball, scales = ball_points(3, 4), np.exp2(-0.5 * np.arange(8)).astype(float)
    chart = sheet_chart(split(fit_taylor(ball, f(ball), 4), 2))
    found = arc_order((3, 4, 6), scales, f(chart(arc_points((3, 4, 6), scales, 8)))[None])
    assert abs(found.order - 12) < 3 * found.standard_error + 0.05


def test_noise_and_kinks_are_told() -> None:
    s = np.geomspace(0.05, 1, 8)
    flat = np.broadcast_to(1e-9 * s**4, (1, 4, 8))
    assert arc_order((1,), s, flat, floor=1e-9).verdict is Verdict.NO_SIGNAL
    curved = np.broadcast_to(np.exp(-1 / s), (1, 4, 8))
    assert arc_order((1,), s, curved).verdict is Verdict.TOO_ANHARMONIC
    rng = np.random.default_rng(0)
    loud = s**2 * rng.lognormal(sigma=2.0, size=(8, 4, 8))
    assert arc_order((1,), s, loud).verdict is not Verdict.OK


def test_errors_are_honest_under_noise() -> None:
    """With noise on each value the order 4 lies within three errors in nearly all of 100 cases."""
    rng, s, far = np.random.default_rng(1), np.geomspace(0.1, 1, 8), 0
    for _ in range(100):
        found = arc_order((1, 2), s, s**4 * (1 + 0.1 * rng.normal(size=(8, 4, 8))))
        assert found.verdict is Verdict.OK
        far += abs(found.order - 4) > 3 * found.standard_error
    assert far <= 5


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ZeemanError, match="scales"):
        arc_order((1,), np.ones(3), np.ones((1, 2, 3)))
