"""The dictionary: what its entries say is what the exact rooms say."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction

import pytest

from zeeman.programs import catalogue
from zeeman.programs.dictionary import Entry, entries, find, search
from zeeman.programs.singularity import singularity
from zeeman.singularities.polynomials import parse_germ
from zeeman.singularities.report import report


def test_the_whole_list_takes_little_time() -> None:
    program = (
        "import time; from zeeman.programs.dictionary import entries; assert entries(); assert time.process_time() < 5"
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


def dictionary(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zeeman.cli", "dictionary", *arguments], capture_output=True, text=True
    )


def test_the_command() -> None:
    shown = json.loads(dictionary("show", "A3", "--json").stdout)
    assert (shown["rlct"], shown["central_charge"]) == ("3/4", "3/2")
    found = json.loads(dictionary("search", "--rlct", "13/2", "--json").stdout)
    assert [e["name"] for e in found["entries"]] == ["refresh"]
    wrong = dictionary("show", "latsch")
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1
    assert "latch" in wrong.stderr
