"""The whole report of a singularity, and the command that prints it."""

from __future__ import annotations

import json
import shutil
import time
from fractions import Fraction
from pathlib import Path

import pytest

from zeeman.cli import main
from zeeman.singularities.polynomials import parse_germ, parse_ideal
from zeeman.singularities.report import report
from zeeman.singularities.singular import second_opinion

KNOWN = json.loads((Path(__file__).parent / "known_thresholds.json").read_text())
GERMS = [case for case in KNOWN if "ideal" not in case]
SMALL = [case for case in KNOWN if "ideal" in case and len(case["vars"]) <= 3]
SIMPLE = ["x^2+y^2", "x^4+y^2", "x^5+y^2", "x^8-y^2", "x^2*y+y^3", "x^2*y-y^5", "x^3+y^4", "x^3+x*y^3", "x^3+y^5"]


@pytest.mark.parametrize("case", GERMS, ids=lambda case: case["id"])
def test_the_report_of_a_germ_agrees_with_known_invariants(case):
    found = report(parse_germ(case["polynomial"], case["vars"]), jets=0).document()
    assert (found["rlct"], found["multiplicity"], found["lct"]) == (case["rlct"], case["multiplicity"], case["lct"])
    assert (found["milnor_number"], found["tjurina_number"]) == (case["mu"], case["tau"])
    assert found["spectrum"] == [alpha for alpha, count in case["spectrum"] for _ in range(count)]
    if case["weights"]:
        assert list(found["weights"].values()) == case["weights"]
        assert found["central_charge"] == case["central_charge"]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case["id"])
def test_complex_thresholds_of_potentials_and_ideals(case):
    ideal = report(parse_ideal(", ".join(case["ideal"]), case["vars"]), jets=0).document()
    assert ideal["lct"] in (None, case["lct_ideal"])
    assert ideal["milnor_number"] is ideal["spectrum"] is ideal["ade"] is None
    potential = report(parse_germ(case["polynomial"], case["vars"]), potential=True, jets=0).document()
    assert potential["rlct"] == case["rlct"]
    assert potential["lct"] in (None, case["lct"])


@pytest.mark.parametrize("text", SIMPLE)
def test_simple_germs_with_jets_take_two_seconds(text):
    start = time.process_time()
    found = report(parse_germ(text)).document()
    assert time.process_time() - start < 2
    assert set(found["jets"]) == set("12345")
    assert all(found["jets"].values())
    assert found["ade"][0] in "ADE"


def run(capsys, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["zeeman", "classify", *arguments])
        try:
            main()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
    out, err = capsys.readouterr()
    return status, out, err


def test_the_command_prints_the_document(capsys):
    status, out, err = run(capsys, "x**5 + y**2", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    expected = {
        "rlct": "7/10",
        "multiplicity": 1,
        "milnor_number": 4,
        "tjurina_number": 4,
        "lct": "7/10",
        "spectrum": ["7/10", "9/10", "11/10", "13/10"],
        "ade": "A4",
        "weights": {"x": "1/5", "y": "1/2"},
        "central_charge": "9/5",
    }
    assert {key: found[key] for key in expected} == expected
    assert found["certificate"]


def test_the_command_takes_ideals_and_says_what_is_not_defined(capsys):
    status, out, _ = run(capsys, "--ideal", "a*c, b*c", "--json", "--jets", "1")
    found = json.loads(out)
    assert (status, found["rlct"], found["multiplicity"], found["ade"]) == (0, "1", 1, None)


def test_an_open_threshold_is_an_interval(capsys):
    status, out, _ = run(capsys, "(x*y + z^3 + w^4)^2*(x - w) + (y^2 - z*w)^5*x + z^11", "--json", "--jets", "0")
    found = json.loads(out)
    assert status == 0
    if found["rlct"] == "interval":
        low, high = map(Fraction, found["rlct_interval"])
        assert low < high
    else:
        assert "rlct_interval" not in found


def test_the_table_tells_the_proof(capsys):
    status, out, _ = run(capsys, "x^3 + y^3 + z^3", "--jets", "2")
    assert status == 0
    assert "P8" in out
    assert "Proof: Newton polyhedron" in out


@pytest.mark.parametrize(
    "arguments",
    [("sin(x)",), ("x + 1",), (), ("x", "--ideal", "y"), ("x^2 - y^2", "--potential"), ("x", "--jets", "-1"), ("7",)],
)
def test_mistakes_are_one_sentence(capsys, arguments):
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith("zeeman: expected")
    assert len(err.strip().splitlines()) == 1


@pytest.mark.skipif(shutil.which("Singular") is None, reason="Singular is not installed")
@pytest.mark.parametrize("text", ["x^3 + y^4 + x*y^3", "x^5 + y^5 + x^2*y^2", "x*y*z + x^4 + y^4 + z^4", "(x^2-y^3)^2"])
def test_singular_agrees(text):
    germ = parse_germ(text)
    ours, theirs = report(germ, jets=0).document(), second_opinion(germ)
    assert {key: ours[key] for key in theirs} == theirs
