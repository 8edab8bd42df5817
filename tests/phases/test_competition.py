"""Where two states change places, against exact partition functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import gamma, gammainc

from zeeman.errors import ZeemanError
from zeeman.phases import compete, critical_n, phase_weight

FLAT, STEEP = 1 / 8, 1 / 2  # λ of w⁸ and w²


def log_z(n: float, exponent: float) -> float:
    """log ∫_{−1}^{1} e^{−n w^{1/λ}} dw, by the incomplete gamma function."""
    return float(math.log(2 * exponent * gamma(exponent) * gammainc(exponent, n)) - exponent * math.log(n))


CONSTANT = math.log(2 * gamma(1 + FLAT)) - math.log(2 * gamma(1 + STEEP))


@pytest.mark.parametrize(("gap", "leading", "exact"), [(1e-2, 198, 206), (1e-3, 3003, 3072), (1e-4, 39710, 40380)])
def test_crossings_of_exact_partition_functions(gap: float, leading: int, exact: int) -> None:
    def crossing(n: float) -> float:
        return (log_z(n, FLAT) - n * gap) - log_z(n, STEEP)

    found = brentq(crossing, 30, 1e6)
    assert round(found) == exact
    assert critical_n(gap, STEEP - FLAT, CONSTANT) == pytest.approx(found, rel=1e-4)
    assert critical_n(gap, STEEP - FLAT) == pytest.approx(leading, rel=2e-3)


def test_the_weights_cross_there_and_as_slowly_as_said() -> None:
    n = critical_n(1e-3, STEEP - FLAT, CONSTANT)
    assert phase_weight(n, 1e-3, STEEP - FLAT, CONSTANT) == pytest.approx(0.5)
    exact = [1 / (1 + math.exp(log_z(m, FLAT) - m * 1e-3 - log_z(m, STEEP))) for m in (n / 2, 2 * n)]
    assert phase_weight([n / 2, 2 * n], 1e-3, STEEP - FLAT, CONSTANT) == pytest.approx(exact, abs=2e-3)
    step = 1e-4
    low, high = phase_weight([n * math.exp(-step), n * math.exp(step)], 1e-3, STEEP - FLAT, CONSTANT)
    assert 1 / ((high - low) / (2 * step)) == pytest.approx(4 / ((STEEP - FLAT) * (math.log(n) - 1)), rel=0.05)


def test_multiplicity_moves_the_crossing() -> None:
    """ΔL + w⁸ against (w₁w₂)² on [0, 1]², whose λ is ½ and m is 2: Z → (√π/2)(log √n + …) n^{−½}."""
    gap, constant = 1e-6, math.log(gamma(1 + FLAT)) - math.log(math.sqrt(math.pi) / 4)

    def crossing(n: float) -> float:
        whole = quad(lambda u: math.exp(-n * math.exp(-2 * u)) * u * math.exp(-u), 0, 60, limit=400)[0]
        return log_z(n, FLAT) - math.log(2) - n * gap - math.log(whole)

    exact, found = brentq(crossing, 1e5, 1e8), critical_n(gap, STEEP - FLAT, constant, 1)
    assert found * gap == pytest.approx((STEEP - FLAT) * math.log(found) - math.log(math.log(found)) + constant)
    # What is left of log n is log n + 1.96, which no multiplicity tells.
    assert abs(math.log(found / exact)) < 0.15 < math.log(critical_n(gap, STEEP - FLAT, constant) / exact)


@pytest.mark.parametrize("seed", range(3))
def test_the_error_is_the_spread_over_readings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    errors = (0.02, 0.02), (1.5, 2.0)
    drawn = [
        compete(tuple(rng.normal((3.0, 2.5), errors[0])), tuple(rng.normal((40, 102), errors[1])), *errors)
        for _ in range(400)
    ]
    one = compete((3.0, 2.5), (40, 102), *errors)
    assert one.outcome == "from n"
    assert np.std([math.log(each.n) for each in drawn]) == pytest.approx(one.log_n_se, rel=0.12)
    assert math.log(one.n) == pytest.approx(np.mean([math.log(each.n) for each in drawn]), abs=one.log_n_se / 4)


@pytest.mark.parametrize(
    ("loss", "exponent", "outcome"),
    [
        ((3.0, 2.0), (40.0, 30.0), "always"),
        ((2.0, 3.0), (30.0, 40.0), "never"),
        ((2.0, 3.0), (40.0, 30.0), "up to n"),
        ((3.0, 2.0), (30.0, 40.0), "from n"),
        ((3.0, 2.99), (30.0, 40.0), "undetermined"),
        ((3.0, 2.0), (40.0, 40.5), "undetermined"),
        ((9.0, 2.0), (40.0, 41.0), "always"),  # a gain that pays for so little from the first sample on
    ],
)
def test_outcomes(loss: tuple[float, float], exponent: tuple[float, float], outcome: str) -> None:
    found = compete(loss, exponent, (0.01, 0.01), (0.3, 0.3))
    assert found.outcome == outcome
    assert math.isfinite(found.n) is (outcome in ("from n", "up to n"))


def test_order_of_the_states_does_not_matter() -> None:
    there, back = compete((3.0, 2.5), (40, 102)), compete((2.5, 3.0), (102, 40))
    assert (there.outcome, back.outcome) == ("from n", "up to n")
    assert there.n == pytest.approx(back.n)


def test_states_that_do_not_compete_are_refused() -> None:
    with pytest.raises(ZeemanError, match="do not compete"):
        critical_n(-1.0, 0.5)
