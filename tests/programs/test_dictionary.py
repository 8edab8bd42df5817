"""The dictionary: what its entries say is what the exact rooms say, and matches are calibrated."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from fractions import Fraction

import pytest

from zeeman.errors import ZeemanError
from zeeman.programs import catalogue
from zeeman.programs.dictionary import Entry, entries, find, search
from zeeman.programs.dictionary_match import match
from zeeman.programs.singularity import singularity
from zeeman.singularities.polynomials import parse_germ
from zeeman.singularities.report import report


def groups() -> list[tuple[Fraction, int | None]]:
    return sorted({(e.rlct, e.multiplicity) for e in entries() if e.is_loss and e.rlct is not None}, key=str)


def test_the_whole_list_takes_little_time() -> None:
    program = (
        "import time; from zeeman.programs.dictionary import entries; assert entries(); assert time.process_time() < 10"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("one", [e for e in entries() if e.kind != "program"], ids=lambda e: e.name)
def test_germs_say_what_classify_says(one: Entry) -> None:
    told = report(parse_germ(one.source), potential=one.is_loss, jets=0).document()
    found = one.document()
    for key in ("rlct", "multiplicity", "milnor_number", "tjurina_number", "lct", "spectrum", "ade", "central_charge"):
        assert found[key] == told[key]
    if one.deformations:
        assert len(one.deformations) == told["tjurina_number"]


@pytest.mark.parametrize("name", ["A1", "A7", "D4", "D7", "E6", "E7", "E8", "P8", "X9", "J10"])
def test_germs_are_of_the_class_that_they_are_named_by(name: str) -> None:
    found = find(name).document()
    assert found["ade"] == name
    assert found["milnor_number"] == int(name[1:])


@pytest.mark.parametrize("one", [c for c in catalogue.entries() if c.name in ("latch", "refresh", "parity")])
def test_programs_say_what_the_singularity_says(one: catalogue.Entry) -> None:
    told, found = singularity(one.program), find(one.name)
    assert (found.rlct, found.multiplicity) == (told.corner.value, told.corner.multiplicity)
    assert len(found.deformations) == len(told.syndromes)
    assert found.deformations[0].what.startswith("error syndrome of order ")


def test_more_copies_that_vote_are_more_degenerate_for_their_size() -> None:
    shares = [
        found.rlct / found.dimension
        for name in ("parity automaton", "parity automaton, 3 copies", "parity automaton, 5 copies")
        if (found := find(name)).rlct is not None
    ]
    assert shares == [Fraction(1), Fraction(1, 2), Fraction(1, 3)]  # 1/(k+1) of 2k+1 copies


def test_search() -> None:
    assert {e.name for e in search(rlct="1/2", multiplicity=3)} == {"x^2 y^2 z^2", "deep linear 1-1-1-1, rank 0"}
    assert {e.name for e in search(rlct=0.75, kind="germ")} == {"A3"}
    assert not search(ade="A99")


@pytest.mark.parametrize("error", [0.01, 0.1])
def test_probabilities_are_calibrated(error: float) -> None:
    """Truths drawn as the prior says: a probability p is right in a share p of cases, within four binomial errors."""
    noise, known = random.Random(0), groups()
    span = match(1.0, error).span
    stated = right = variance = 0.0
    for _ in range(1500):
        planted = noise.choice(known) if noise.random() < 0.5 else None
        llc = float(planted[0]) if planted else noise.uniform(0, span)
        found = match(max(noise.gauss(llc, error), 1e-6), error)
        best = found.rivals[0]
        p = max(best.probability, found.none)
        hit = (planted is None) if found.none >= best.probability else planted == (best.rlct, best.multiplicity)
        stated, right, variance = stated + p, right + hit, variance + p * (1 - p)
    assert abs(stated - right) < 4 * variance**0.5


def test_planted_entries_are_found_where_the_error_is_small() -> None:
    noise = random.Random(1)
    for rlct, m in groups():
        found = match(noise.gauss(float(rlct), 0.001), 0.001, m).rivals[0]
        assert (found.rlct, found.multiplicity) == (rlct, m)
        assert found.probability > 0.9


def test_none_of_these_wins_far_from_all() -> None:
    found = match(20.3, 0.05)
    assert found.none > 0.999
    assert found.none + sum(r.probability for r in found.rivals) == pytest.approx(1)
    assert match(1000.0, 1.0).none > 0.999


def test_equal_thresholds_are_one_group_and_signed_germs_no_loss() -> None:
    found = match(0.5, 0.01, multiplicity=2, dimension=2)
    assert set(found.rivals[0].names) == {"x^2 y^2", "deep linear 1-1-1, rank 0", "tanh, one unit"}
    assert not any("A2" in r.names for r in match(5 / 6, 0.01).rivals)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((-1.0, 0.1), "coefficient"),
        ((1.0, 0.0), "error"),
        ((1.0, 0.1, 0), "multiplicity"),
        ((9.0, 0.1, 1, 2), "weights"),
    ],
)
def test_impossible_measurements(numbers: tuple[float, ...], said: str) -> None:
    with pytest.raises(ZeemanError, match=said):
        match(*numbers)  # type: ignore[arg-type]


def dictionary(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zeeman.cli", "dictionary", *arguments], capture_output=True, text=True
    )


def test_the_command() -> None:
    shown = json.loads(dictionary("show", "A3", "--json").stdout)
    assert (shown["rlct"], shown["central_charge"]) == ("3/4", "3/2")
    found = json.loads(dictionary("search", "--rlct", "13/2", "--json").stdout)
    assert [e["name"] for e in found["entries"]] == ["refresh"]
    matched = json.loads(dictionary("match", "--llc", "0.75", "--error", "0.02", "--json").stdout)
    assert "A3" in matched["rivals"][0]["names"]
    assert "cannot tell" in dictionary("match", "--llc", "0.5", "--error", "0.02").stdout
    wrong = dictionary("show", "latsch")
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1
    assert "latch" in wrong.stderr
