"""``zeeman density`` on polynomials: figures near the truth, and one sentence for what has no density of states."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SHORT = ["--num-walkers", "32", "--num-draws", "60"]


def density(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "zeeman.cli", "density", *arguments], capture_output=True, text=True)


def test_a_polynomial_is_read_as_json() -> None:
    out = density("x**4 + y**6", "--domain", "1", "--json", *SHORT)
    assert out.returncode == 0, out.stderr
    assert not out.stderr
    found = json.loads(out.stdout)
    assert {"llc", "llc_se", "multiplicity", "multiplicity_posterior", "verdict", "seconds"} <= set(found)
    assert abs(found["llc"] - 5 / 12) < 4 * found["llc_se"]
    assert found["llc_se"] < 0.05
    assert found["multiplicity"] == 1
    assert sum(found["multiplicity_posterior"].values()) == pytest.approx(1, abs=1e-3)
    assert found["verdict"] == "ok"
    assert [set(one) >= {"exponent", "standard_error", "verdict", "axis"} for one in found["direction_exponents"]]
    for one, exact, axis in zip(found["direction_exponents"], (1 / 6, 1 / 4), ((0, 1), (1, 0)), strict=True):
        assert abs(one["exponent"] - exact) < 5 * one["standard_error"] + 0.005
        assert one["axis"] == pytest.approx(axis, abs=0.02)
        assert one["verdict"] == "ok"


def test_directions_without_weights_are_marked() -> None:
    found = json.loads(density("x**2*y**2", "--json", *SHORT).stdout)
    assert [one["verdict"] for one in found["direction_exponents"]] == ["no_weight", "no_weight"]


def test_people_are_shown_the_density_of_states() -> None:
    out = density("x^2", "--localization", "1", *SHORT)
    assert out.returncode == 0, out.stderr
    assert "λ = 0.5" in out.stdout or "λ = 0.4" in out.stdout
    assert "log V(ε)" in out.stdout
    assert "x| ~ T^α, α = 0." in out.stdout


@pytest.mark.parametrize(
    ("potential", "word"),
    [("sin(x)", "polynomial"), ("x*y", "at least 0"), ("x**2 + 1", "0 at its minimum"), ("x**3", "at least 0")],
)
def test_what_has_no_density_is_one_sentence(potential: str, word: str) -> None:
    out = density(potential, "--json", *SHORT)
    assert out.returncode == 2
    assert not out.stdout
    assert "Traceback" not in out.stderr
    assert [line.startswith("zeeman: ") for line in out.stderr.strip().splitlines()] == [True]
    assert word in out.stderr
