import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from germs import NORMAL_FORMS, noisy_germ
from zeeman.errors import ZeemanError
from zeeman.spectra import Taylor, ball_points, classify_germ, compare_radii, deform, fit_taylor, mixture
from zeeman.spectra.splitting import split
from zeeman.spectra.truncated import truncated


@pytest.mark.parametrize("name", NORMAL_FORMS)
def test_classes_are_told_in_random_coordinates(name: str) -> None:
    rng = np.random.default_rng(7)
    found = [classify_germ(noisy_germ(name, 1e-3, rng)).name.rstrip("+") for _ in range(3)]
    assert found.count(name) >= 2, found


def test_probabilities_are_shares() -> None:
    """Of classes given with probability p about a share p is right, at a noise that leaves many open."""
    rng = np.random.default_rng(3)
    names = ["A1", "A2", "A3", "A4", "D4", "D5", "E6", "X9", "P8"]
    told = [(name, classify_germ(noisy_germ(name, 0.05, rng))) for name in names for _ in range(6)]
    right = np.array([germ.name.rstrip("+") == name for name, germ in told])
    claimed = np.array([germ.probability for _, germ in told])
    assert abs(right.mean() - claimed.mean()) < 3 * np.sqrt(0.25 / len(told))


def test_a_perturbed_germ_is_of_its_class_within_a_tolerance_only() -> None:
    """x⁸ + t x² is A7 where t is below the tolerance, and A1 above it."""
    x = ball_points(1, 10)
    for t, name in ((1e-4, "A7"), (0.2, "A1")):
        assert classify_germ(fit_taylor(x, x[:, 0] ** 8 + t * x[:, 0] ** 2, 10)).name == name


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_squares_and_turns_change_no_class(seed: int) -> None:
    """A germ of one variable keeps its class when squares are added and all is turned."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 6))
    ring = truncated(3, 6)
    form = np.zeros(len(ring))
    form[ring.place(k + 1, 0, 0)] = 1.0
    form[ring.place(0, 2, 0)], form[ring.place(0, 0, 2)] = rng.choice([-1.0, 1.0], 2)
    c = ring.linear(np.linalg.qr(rng.normal(size=(3, 3)))[0]) @ form
    found = classify_germ(Taylor(3, 6, c / np.abs(c).max(), np.zeros((len(c), len(c)))))
    assert found.name == (f"A{k}" if k < 6 else "A6+")


def test_the_splitting_is_stationary() -> None:
    """∂f/∂y vanishes on the sheet to the order known, and errors pass by substitution alone: checked by resampling."""
    rng = np.random.default_rng(0)
    ring = truncated(2, 5)
    c = 0.3 * rng.normal(size=len(ring)) * (ring.degrees >= 2)
    c[ring.place(0, 2)], c[ring.place(2, 0)], c[ring.place(1, 1)] = 1.0, 0.0, 0.0
    sigma = 1e-4
    covariance = sigma**2 * np.diag((ring.degrees >= 2).astype(float))
    exact = split(Taylor(2, 5, c, covariance), 1)
    drawn = []
    for _ in range(400):
        moved = c + sigma * rng.normal(size=len(c)) * (ring.degrees >= 2)
        one = split(Taylor(2, 5, moved, covariance), 1)
        flip = np.sign(one.frame[0, 0] * exact.frame[0, 0])
        drawn.append(one.coefficients[3:] * flip ** np.arange(3, 6))
    spread = np.std(drawn, axis=0)
    # The frame turns with the Hessian, which the linear map leaves out: the third order is off by what it mixes.
    assert np.allclose(spread, np.sqrt(np.diag(exact.covariance))[3:], rtol=0.35)


def test_real_forms() -> None:
    """Three real lines are D4−, one is D4+; the sign of x⁴ is that of the germ."""
    x = ball_points(2, 5)
    for sign, form in ((-1.0, "-"), (1.0, "+")):
        found = classify_germ(fit_taylor(x, x[:, 0] ** 2 * x[:, 1] + sign * x[:, 1] ** 3, 5))
        assert (found.name, found.real_form) == ("D4", form)
        one = classify_germ(fit_taylor(x, sign * x[:, 0] ** 4 + x[:, 1] ** 2, 5))
        assert (one.name, one.real_form) == ("A3", form)


def test_taylor_errors_cover() -> None:
    """Jackknife errors over groups of rows are those of the mean: coefficients within them as often as they should."""
    rng = np.random.default_rng(1)
    x, inside = ball_points(1, 4), []
    truth = np.array([0.3, -0.2, 0.5, 1.0])
    design = truncated(1, 4).values(x)[:, 1:]
    for _ in range(200):
        found = fit_taylor(x, (truth + 0.1 * rng.normal(size=(24, 4))) @ design.T, 4)
        error = np.sqrt(np.diag(found.covariance))[1:] * found.scale
        inside.append(np.abs(found.coefficients[1:] * found.scale - truth) < error)
    assert 0.6 < np.mean(inside) < 0.74


def test_radii_disagree_where_the_degree_does_not_suffice() -> None:
    x = ball_points(1, 4)
    enough = [fit_taylor(x, (r * x[:, 0]) ** 4, 4, r) for r in (1.0, 0.5)]
    short = [fit_taylor(x, np.cos(4 * r * x[:, 0]), 4, r) for r in (1.0, 0.5)]
    assert compare_radii(*enough).disagreement < compare_radii(*short).disagreement
    assert compare_radii(*short).covariance.trace() > short[0].covariance.trace()


def test_what_coordinates_undo_deforms_nothing() -> None:
    """ℓ = a ∂f/∂x + b ∂f/∂y is in the Jacobian ideal: all its t are 0, and adding it to a loss changes none."""
    x = ball_points(2, 5)
    a, b = x[:, 0], x[:, 1]
    germ = classify_germ(fit_taylor(x, a**3 + b**4, 5))
    basis = [(i, j) for i in range(2) for j in range(3)]
    undone = 0.4 * (1 + b) * 3 * a**2 - 0.3 * a * 4 * b**3
    plain = deform("E6", germ.split, fit_taylor(x, 0.7 * a * b**2 + 0.1 * b, 5), basis)
    moved = deform("E6", germ.split, fit_taylor(x, 0.7 * a * b**2 + 0.1 * b + undone, 5), basis)
    assert np.allclose(moved.values, plain.values, atol=1e-6)
    assert np.allclose(np.abs(plain.values), [0.1, 0, 0, 0, 0.7], atol=1e-6)


def test_a_mixture_turns_on_what_was_wanted() -> None:
    rng = np.random.default_rng(2)
    t = rng.normal(size=(6, 3))
    weights, given_, _ = mixture(t, np.full((6, 3), 1e-4), np.array([0.0, 1.0, 0.0]))
    assert np.allclose(given_, [0, 1, 0], atol=1e-3)
    assert np.allclose(weights @ t, given_)


def test_bad_input_is_said() -> None:
    x = ball_points(1, 4)
    with pytest.raises(ZeemanError, match="not finite"):
        fit_taylor(x, np.full(len(x), np.nan), 4)
    with pytest.raises(ZeemanError, match="more points"):
        fit_taylor(x[:3], np.zeros(3), 4)
    with pytest.raises(ZeemanError, match="tolerance"):
        classify_germ(fit_taylor(x, x[:, 0] ** 2, 4), tolerance=0.0)


@pytest.mark.parametrize("distance", [0.0, 0.3, 0.48, 0.9])
def test_the_doubt_that_a_germ_is_here_is_the_share_beyond_half_the_radius(distance: float) -> None:
    """x² − 2 s x with an error on s is A1 at s: here with the probability that |s| < ½."""
    error = 0.05
    covariance = np.diag([0.0, (2 * error) ** 2 - 0.01**2, 0.0, 0.0, 0.0])
    found = classify_germ(Taylor(1, 4, np.array([0.0, -2 * distance, 1.0, 0.0, 0.0]), covariance))
    beyond = 0.5 * math.erfc((0.5 - distance) / error / math.sqrt(2))
    assert found.of("A0") == pytest.approx(beyond, abs=0.03)
    assert found.of("A0") + found.of("A1") == pytest.approx(1.0, abs=1e-3)
    assert found.critical_distance == pytest.approx(distance)
    assert found.gradient_errors == pytest.approx(distance / error)
    if distance:
        assert found.critical_distance_error == pytest.approx(error, rel=0.1)


@pytest.mark.parametrize(("form", "name"), [((4, 6), "W12+"), ((6, 6), "N16+"), ((4, 4), "X9+")])
def test_sums_of_even_powers_in_turned_variables(form: tuple[int, int], name: str) -> None:
    x = ball_points(2, 8)
    a, b = (x @ np.linalg.qr(np.random.default_rng(sum(form)).normal(size=(2, 2)))[0]).T
    assert classify_germ(fit_taylor(x, a ** form[0] + 0.7 * b ** form[1], 8)).name == name


def test_a_degenerate_germ_beside_the_centre_is_in_doubt_too() -> None:
    """x⁴ + (y − s)²: the stiff direction says where the germ sits."""
    x = ball_points(2, 5)
    for s, name in ((0.1, "A3"), (0.8, "A0")):
        assert classify_germ(fit_taylor(x, x[:, 0] ** 4 + (x[:, 1] - s) ** 2, 5)).name == name
