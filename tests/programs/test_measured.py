"""What was read of the dictionary's entries is of these entries, and what is read again agrees with theory."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from fractions import Fraction

import pytest
import torch
from benchmarks.dictionary_measured import measure, small_entries, target_of

from zeeman.programs import measured
from zeeman.programs.catalogue import latch, refresh
from zeeman.programs.dictionary import Entry, find
from zeeman.programs.measured import Sampled, reading, records
from zeeman.reading import Verdict
from zeeman.sampling import Ladder

QUICK = Ladder(num_walkers=32, num_draws=150, num_burnin_steps=300, n_beta=tuple(4.0**k for k in range(18)), seed=7)
KEYS = {"llc", "standard_error", "verdict", "multiplicity", "multiplicity_probability", "z", "exact", "seed", "date"}


def test_another_potential_another_box_or_another_name_has_no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    a3 = find("A3")
    assert a3.measured is not None
    assert dataclasses.replace(a3, sampled=Sampled.of_polynomial("x^4 + 2*y^2", True)).measured is None
    assert dataclasses.replace(a3, sampled=Sampled.of_polynomial(a3.source, False)).measured is None
    assert dataclasses.replace(a3, name="A3 renamed").measured is None
    monkeypatch.setitem(measured.DOMAIN, "K", 0.5)
    assert a3.measured is None


def test_programs_that_differ_in_a_line_or_an_input_have_digests_of_their_own() -> None:
    machines = (latch(), refresh(), latch(steps=3), latch(inputs=("A",)), latch(relaxation="naive"))
    assert len({Sampled.of_program(one).digest for one in machines}) == len(machines)


@pytest.mark.parametrize("name", records())
def test_records_are_of_entries_and_their_z_follows_from_theory_today(name: str) -> None:
    entry = find(name)
    found = entry.document()["measured"]
    assert found is not None, "the entry has changed since it was sampled"
    assert found.keys() >= KEYS
    assert Verdict[found["verdict"].upper()]
    assert not {"z", "exact"} & records()[name].keys()
    assert entry.rlct is not None
    exact = entry.rlct if entry.is_loss else entry.rlct / 2  # |f|² is below ε where |f| is below √ε
    assert Fraction(found["exact"]) == exact
    if found["llc"] is None:
        assert found["z"] is found["standard_error"] is found["multiplicity"] is None
        return
    assert found["z"] == pytest.approx((found["llc"] - float(exact)) / found["standard_error"], abs=1e-9)
    posterior = found["multiplicity_posterior"]
    assert found["multiplicity_probability"] == posterior[str(found["multiplicity"])]
    assert sum(posterior.values()) == pytest.approx(1, abs=0.01)


def test_a_reading_without_a_value_has_no_z(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled = find("A3").sampled
    kept = records()["A3"] | {"llc": None, "standard_error": None, "verdict": "not_mixed"}
    monkeypatch.setitem(records(), "A3", kept)
    assert reading("A3", sampled, Fraction(3, 4)) == kept | {"exact": "3/4", "z": None}


@pytest.mark.parametrize("one", small_entries(), ids=lambda one: one.name)
def test_what_is_sampled_is_a_potential_with_its_zero_at_the_center(one: Entry) -> None:
    target = target_of(one)
    generator = torch.Generator().manual_seed(0)
    offsets = target.domain * (2 * torch.rand(32, one.dimension, generator=generator, dtype=torch.float64) - 1)
    energy = target.energy(target.center + offsets)
    assert bool((energy > 0).all())
    assert abs(float(target.energy(target.center[None]))) < 1e-15
    if one.kind != "program":
        names = target.energy.variables
        values = eval(one.sampled.potential.replace("^", "**"), {}, dict(zip(names, offsets.T.numpy(), strict=True)))
        torch.testing.assert_close(energy, torch.from_numpy(values), rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", ["x^2 y^2", "E6"])
def test_sampling_again_agrees_with_the_exact_answer(name: str) -> None:
    one = find(name)
    row = measure(one, QUICK)
    exact = float(one.rlct) * (1 if one.is_loss else 0.5)
    assert row["digest"] == one.sampled.digest
    assert math.isfinite(row["llc"])
    assert abs(row["llc"] - exact) < 3 * row["standard_error"]
    assert row["standard_error"] < 0.1 * exact


def test_the_commands_show_it() -> None:
    def told(*arguments: str) -> str:
        command = [sys.executable, "-m", "zeeman.cli", "dictionary", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    kept = find("A3").measured
    assert kept is not None
    read = f"{kept['llc']:.4f} ± {kept['standard_error']:.1g} ({kept['verdict']}), m {kept['multiplicity']}"
    assert read in told("show", "A3")
    assert json.loads(told("show", "A3", "--json"))["measured"] == kept
    (listed,) = [line for line in told("list", "--kind", "germ").splitlines() if line.split()[:1] == ["A3"]]
    assert f"{kept['llc']:.3f} ± " in listed
