"""Matching: densities that are densities, conventions of λ, and probabilities that come true."""

from __future__ import annotations

import itertools
import json
import math
import random
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeeman.cli import main
from zeeman.errors import ZeemanError
from zeeman.programs import Entry, Measured, Posterior, entries, find, match, measured_fields
from zeeman.programs.evidence import GermClass, LearningCoefficient, Spread, Weights, log_even
from zeeman.programs.predictions import hessian_rank, spread_exponent
from zeeman.spectra.asymptotics import MULTIPLICITY_PRIOR

SQUARE = 0.5


def losses() -> list[Entry]:
    return [one for one in entries() if one.is_loss]


def groups() -> list[tuple[Fraction, int | None]]:
    return sorted({(e.rlct, e.multiplicity) for e in losses() if e.rlct is not None}, key=str)


# ---- densities


@pytest.mark.parametrize("truth", [None, Fraction(1, 4)])
def test_densities_of_one_number_are_densities(truth: Fraction | None) -> None:
    grid = np.linspace(-1.0, 4.0, 20_001)

    def total(of: Callable[[float], float]) -> float:
        return float(np.trapezoid([math.exp(of(float(x))) for x in grid], grid))

    def density(evidence: Any) -> float:
        return evidence.log_none() if truth is None else evidence.log_density(truth)

    def weight(x: float) -> float:
        one = Weights(((x, 0.02),))
        return one.log_none() if truth is None else one.log_density((truth,))

    assert total(lambda x: density(LearningCoefficient((x, 0.02), None, 0.0, 3.0))) == pytest.approx(1, abs=1e-4)
    assert total(lambda x: density(Spread((x, 0.02)))) == pytest.approx(1, abs=1e-4)
    assert total(weight) == pytest.approx(1, abs=1e-4)


def test_densities_of_weights_are_those_of_all_assignments() -> None:
    """Against brute force: the mean over permutations, and the integral over the share of squares."""
    measured = ((0.24, 0.05), (0.47, 0.03), (0.33, 0.1), (0.5, 0.02))
    truth = (Fraction(1, 6), Fraction(1, 4), Fraction(1, 4), Fraction(1, 2))

    def normal(x: tuple[float, float], mean: float) -> float:
        return math.exp(-0.5 * ((x[0] - mean) / x[1]) ** 2) / (x[1] * math.sqrt(2 * math.pi))

    brute = [
        math.prod(normal(x, float(q)) for x, q in zip(measured, order, strict=True))
        for order in itertools.permutations(truth)
    ]
    assert Weights(measured).log_density(truth) == pytest.approx(math.log(np.mean(brute)))
    shares = (np.arange(2000) + 0.5) / 2000
    mixed = [s * normal(x, SQUARE) + (1 - s) * math.exp(log_even(x, 0.0, 0.5)) for x in measured for s in shares]
    assert Weights(measured).log_none() == pytest.approx(
        math.log(np.mean(np.prod(np.reshape(mixed, (4, -1)), axis=0))), abs=1e-5
    )


def test_classes_of_the_list_share_one_likelihood() -> None:
    """Over all classes that can be the likeliest, densities under a class and under none add up alike."""
    chances = {"A1": 0.1, "A2": 0.2, "A3+": 0.7}
    reading = GermClass(chances)
    assert sum(math.exp(reading.log_density(c)) for c in chances) == pytest.approx(3 * math.exp(reading.log_none()))
    assert [reading.predict(find(name)) for name in ("A2", "A7", "x^4", "D4", "latch")] == [
        "A2",
        "A3+",
        "A3+",
        None,
        None,
    ]


def test_far_tails_stay_numbers() -> None:
    assert log_even((1e4, 0.1), 0.0, 1.0) < -1e9
    assert log_even((-3.01, 0.1), 0.0, 1.0) == pytest.approx(log_even((-2.99, 0.1), 0.0, 1.0), abs=7)


# ---- what entries predict


def test_a_spread_shrinks_as_twice_the_least_weight() -> None:
    for one in losses():
        weights = one.invariants["weights"]
        if weights is not None:
            assert spread_exponent(one) == 2 * min(map(Fraction, weights.values())), one.name


@pytest.mark.parametrize("name", ["A5", "X9", "x^2 y^4", "D4 squared"])
def test_a_spread_shrinks_as_the_integral_says(name: str) -> None:
    """⟨x² + y²⟩ on the unit box by quadrature in log x and log y, at two cold temperatures."""
    nodes = np.exp(np.linspace(math.log(1e-13), 0.0, 1000))
    x, y = nodes[:, None], nodes[None, :]
    potential = {
        "A5": x**6 + y**2,
        "X9": x**4 + y**4 + x**2 * y**2,
        "x^2 y^4": x**2 * y**4,
        "D4 squared": (x**2 * y + y**3) ** 2,
    }[name]

    def mean(t: float) -> float:
        density = np.exp(-t * potential) * x * y
        return float((density * (x**2 + y**2)).sum() / density.sum())

    slope = -math.log(mean(1e14) / mean(1e12)) / math.log(100)
    exponent = spread_exponent(find(name))
    assert exponent is not None
    assert slope == pytest.approx(float(exponent), abs=0.01)


def test_squares_more_change_nothing() -> None:
    """λ + k/2 with a Hessian of rank r + k is the same singularity, whatever k."""
    among = [one for one in entries() if one.kind != "program"]
    found = [
        match(Measured(llc=(1.26 + k / 2, 0.03), hessian_rank=2 + k, weights=((0.25, 0.02),)), among) for k in range(40)
    ]
    for one in found[1:]:
        assert one.none == pytest.approx(found[0].none)
        assert [r.probability for r in one.rivals] == pytest.approx([r.probability for r in found[0].rivals])
    assert {r.names for r in found[0].rivals} == {r.names for r in found[-1].rivals}


def test_a_hessian_of_a_smaller_rank_rules_out() -> None:
    found = match(Measured(llc=(0.75, 0.01), hessian_rank=0))
    assert not any("A3" in r.names for r in found.rivals)
    assert "A3" in match(Measured(llc=(0.75, 0.01), hessian_rank=1)).rivals[0].names


def test_the_prior_of_the_sampler_is_taken_out() -> None:
    """m by m, what the sampler printed is its prior times a likelihood; only the likelihood may count."""
    likelihood = np.array([0.2, 0.7, 0.1])
    printed = likelihood * MULTIPLICITY_PRIOR ** np.arange(3)
    printed /= printed.sum()
    content = {
        "llc": 0.5, "llc_se": 0.01, "verdict": "ok",
        "multiplicity_posterior": {str(m + 1): float(p) for m, p in enumerate(printed)},
    }  # fmt: skip
    found = measured_fields(content)["multiplicity"]
    assert [found[m] for m in (1, 2, 3)] == pytest.approx(list(likelihood))


# ---- calibration


def can_be_read(kinds: set[str], rank: int | None) -> list[Entry]:
    return [
        one
        for one in losses()
        if one.rlct is not None and (rank is None or (hessian_rank(one) or 0) <= rank)
        and (kinds & {"llc", "multiplicity"} or ("weights" in kinds and one.invariants["weights"]) or (
            "spread" in kinds and spread_exponent(one) is not None) or ("classes" in kinds and one.invariants["ade"]))
    ]  # fmt: skip


def simulated(
    draw: random.Random, kinds: set[str], rank: int | None, taking_part: list[Entry]
) -> tuple[str | None, Measured]:
    """Draw a truth as the prior says, an entry or none, and measure it with the errors that are claimed."""
    pairs = sorted({(one.rlct, one.multiplicity) for one in taking_part}, key=str)
    pair = draw.choice(pairs)
    entry = draw.choice([one for one in taking_part if (one.rlct, one.multiplicity) == pair])
    truth = None if draw.random() < 0.5 else entry
    given: dict[str, Any] = {"hessian_rank": rank}
    orders = max(one.multiplicity or 1 for one in taking_part)
    most = 76.0 if rank is None else 76.0 - rank / 2
    low = (rank or 0) / 2
    if "llc" in kinds:
        error = draw.choice([0.005, 0.05])
        value = draw.uniform(low, low + 2 * most)
        if truth is not None:
            own = hessian_rank(truth)
            value = float(truth.rlct or 0) + (0.0 if rank is None or own is None else (rank - own) / 2)
        given["llc"] = (max(draw.gauss(value, error), low + 1e-6), error)
    if "multiplicity" in kinds:
        m = draw.randint(1, orders) if truth is None else truth.multiplicity or 1
        seen = draw.choice([m, m, m, *range(1, orders + 1)])  # seen right with 3 more chances than each wrong one
        given["multiplicity"] = {k: (1 + 3 * (k == seen)) / (orders + 3) for k in range(1, orders + 1)}
    if "weights" in kinds:
        squares = draw.random()
        true = [SQUARE if draw.random() < squares else draw.uniform(0, SQUARE) for _ in range(3)]
        known = None if truth is None else truth.invariants["weights"]
        if known:
            true = sorted([*(float(Fraction(q)) for q in known.values()), SQUARE, SQUARE, SQUARE])[:3]
            draw.shuffle(true)
        errors = [draw.choice([0.01, 0.06]) for _ in range(3)]
        given["weights"] = tuple((draw.gauss(q, e), e) for q, e in zip(true, errors, strict=True))
    if "spread" in kinds:
        eta = None if truth is None else spread_exponent(truth)
        true_eta = (draw.uniform(0, 1) if draw.random() < 0.5 else 0.0) if eta is None else float(eta)
        given["spread"] = (draw.gauss(true_eta, 0.05), 0.05)
    if "classes" in kinds:
        names = ["A1", "A2", "A3", "A4", "A5", "A6+", "D4", "D5", "X9+"]
        cell = None if truth is None else GermClass(dict.fromkeys(names, 1.0)).predict(truth)
        at = draw.choice(names) if cell is None else cell
        seen_class = draw.choice([at] * 9 + names)
        given["classes"] = {c: (1 + 9 * (c == seen_class)) / (9 + len(names)) for c in names}
    return None if truth is None else truth.name, Measured(**given)


def best(found: Posterior) -> tuple[float, set[str] | None]:
    rival = found.rivals[0]
    return (found.none, None) if found.none >= rival.probability else (rival.probability, set(rival.names))


@pytest.mark.parametrize(
    ("kinds", "rank"),
    [
        ("llc", None), ("llc", 3), ("llc multiplicity", None), ("weights", None), ("weights spread", None),
        ("llc classes", None), ("llc multiplicity weights spread classes", 2),
    ],
)  # fmt: skip
def test_claimed_probabilities_come_true(kinds: str, rank: int | None) -> None:
    """The likeliest answer with probability p is right in a share p of draws: over all, and among sure and unsure."""
    draw = random.Random(kinds)
    rows = []
    taking_part = can_be_read(set(kinds.split()), rank)
    for _ in range(600):
        name, measured = simulated(draw, set(kinds.split()), rank, taking_part)
        p, names = best(match(measured))
        rows.append((p, name is None if names is None else name in names))
    for part in (rows, [r for r in rows if r[0] > 0.9], [r for r in rows if r[0] <= 0.9]):
        claimed, right = sum(p for p, _ in part), sum(hit for _, hit in part)
        assert abs(claimed - right) < 3.5 * math.sqrt(sum(p * (1 - p) for p, _ in part)) + 1


def test_planted_entries_are_found_where_the_error_is_small() -> None:
    noise = random.Random(1)
    for rlct, m in groups():
        found = match(Measured(llc=(noise.gauss(float(rlct), 0.001), 0.001), multiplicity=m)).rivals[0]
        assert (found.rlct, found.multiplicity) == (rlct, m)
        assert found.probability > 0.9


@pytest.mark.parametrize(
    "measured",
    [
        Measured(llc=(20.3, 0.05)),
        Measured(llc=(1000.0, 1.0)),
        Measured(llc=(0.25, 0.005), multiplicity=5),
        Measured(llc=(0.59, 0.005), weights=((0.41, 0.01), (0.18, 0.01))),
        Measured(llc=(0.25, 0.005), spread=(0.8, 0.01), dimension=1),
        Measured(weights=((0.41, 0.005), (0.5, 0.005))),
        Measured(llc=(3.87, 0.005), hessian_rank=7),
    ],
)
def test_what_nothing_explains_is_none_of_these(measured: Measured) -> None:
    found = match(measured)
    assert found.none > 0.9
    assert found.none + sum(r.probability for r in found.rivals) == pytest.approx(1)


def test_readings_tell_apart_what_they_speak_of_alone() -> None:
    """x^4 and Curie-Weiss are one polynomial; x²y⁴ has the same λ and m, and spreads otherwise."""
    alike = {"x^4", "Curie-Weiss", "x^2 y^4"}
    by_llc = match(Measured(llc=(0.25, 0.01))).rivals[0]
    assert set(by_llc.names) == alike
    by_spread = match(Measured(llc=(0.25, 0.01), spread=(0.0, 0.02))).rivals[0]
    assert by_spread.names == ("x^2 y^4",)
    by_weights = match(Measured(llc=(0.25, 0.01), weights=((0.25, 0.01),))).rivals[0]
    assert set(by_weights.names) == alike - {"x^2 y^4"}
    assert set(match(Measured(llc=(0.5, 0.01), multiplicity=2, dimension=2)).rivals[0].names) == {
        "x^2 y^2", "deep linear 1-1-1, rank 0", "tanh, one unit",
    }  # fmt: skip


def test_germs_that_change_sign_are_matched_by_class_alone() -> None:
    classes = {"A1": 0.01, "A2": 0.01, "D4": 0.97, "E6": 0.01}
    assert match(Measured(classes=classes)).rivals[0].names == ("D4",)
    assert not any("A2" in r.names for r in match(Measured(llc=(5 / 6, 0.01), classes=classes)).rivals)


def test_what_says_nothing_of_any_reading_takes_no_part() -> None:
    found = match(Measured(weights=((0.25, 0.01),)))
    assert all(find(name).invariants["weights"] for r in found.rivals for name in r.names)


# ---- bad input


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "expected a reading"),
        ({"hessian_rank": 2}, "expected a reading"),
        ({"llc": (-1.0, 0.1)}, "coefficient"),
        ({"llc": (1.0, 0.0)}, "error"),
        ({"llc": (math.nan, 0.1)}, "finite"),
        ({"llc": (1.0, 0.1), "multiplicity": 0}, "multiplicity"),
        ({"llc": (1.0, 0.1), "multiplicity": {1: 0.5, 2: 0.3}}, "add up to 1"),
        ({"llc": (9.0, 0.1), "multiplicity": 1, "dimension": 2}, "weights"),
        ({"llc": (1.0, 0.1), "hessian_rank": 9}, "rank"),
        ({"weights": ((0.25, -1.0),)}, "weight"),
        ({"classes": {"A3": 0.5}}, "add up to 1"),
    ],
)
def test_impossible_measurements(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ZeemanError, match=said):
        Measured(**given)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"transitions": []}, "got neither"),
        ({"llc": None, "llc_se": None, "verdict": "not_mixed", "reasons": ["too few rungs"]}, "too few rungs"),
        ({"classes": [], "verdict": "below_reference", "reasons": []}, "below_reference"),
    ],
)
def test_files_that_are_no_reading(content: dict[str, Any], said: str) -> None:
    with pytest.raises(ZeemanError, match=said):
        measured_fields(content)


# ---- the commands


def test_the_commands(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def dictionary(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["zeeman", "dictionary", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        return status, *capsys.readouterr()

    printed, page = tmp_path / "density.json", tmp_path / "page.html"
    content = {"llc": 0.2513, "llc_se": 0.002, "multiplicity": 1, "multiplicity_posterior": {"1": 0.98, "2": 0.02}}
    printed.write_text(json.dumps(content | {"verdict": "ok", "reasons": [], "seconds": 1.0}))
    _, out, _ = dictionary("match", "--from", printed, "--weights", "0.25:0.01", "--json")
    assert set(json.loads(out)["rivals"][0]["names"]) == {"x^4", "Curie-Weiss"}
    assert "cannot tell apart" in dictionary("match", "--llc", 0.5, "--error", 0.02)[1]
    assert dictionary("page", "--out", page, "--llc", 0.75, "--error", 0.01)[0] == 0
    assert page.stat().st_size < 400_000
    for wrong, said in ((("match", "--llc", 1), "--error"), (("match", "--weights", "a:b"), "--weights")):
        status, _, err = dictionary(*wrong)
        assert (status, err.count("\n")) == (2, 1)
        assert said in err
