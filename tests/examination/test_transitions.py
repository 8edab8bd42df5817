"""Transitions are found where they were planted, and nothing that is not to be trusted takes part."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from zeeman.examination.transitions import find_transitions, telling_steps
from zeeman.reading import Provenance, Reading, Verdict

STEPS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 400, 600, 800, 900, 1000, 1100, 1200, 1500, 2000, 3000]


def reading(name: str, step: int, value: float, se: float, verdict: Verdict = Verdict.OK, **where: object) -> Reading:
    return Reading(name, value, se, verdict, (), Provenance(step, "w"), dict(where))


def planted(rng: np.random.Generator, *, jump: float = 50.0) -> list[Reading]:
    """An LLC that grows with log step and jumps half-way at 950; one probe falls there, another does not."""
    found = []
    for step in STEPS:
        inside = 1 / (1 + np.exp(-(np.log(step) - np.log(950)) / 0.04))
        found.append(reading("llc", step, 10 * np.log(step + 1) + jump * inside + rng.normal(), 1.0))
        found.append(reading("behaviour", step, 4 - 3 * inside + 0.02 * rng.normal(), 0.02, probe="repeats"))
        found.append(reading("behaviour", step, 5 - 0.3 * np.log(step + 1) + 0.02 * rng.normal(), 0.02, probe="text"))
    return found


def test_a_planted_transition_is_dated_and_attributed() -> None:
    for seed in range(5):
        found = [t for t in find_transitions(planted(np.random.default_rng(seed)), set()) if "llc" in t.signals]
        assert len(found) == 1
        low, high = found[0].interval
        assert low <= 950 <= high
        assert 600 <= found[0].signals["llc"].start < found[0].signals["llc"].end <= 1500
        assert found[0].probes == ["repeats"]


def test_smooth_growth_has_no_transition() -> None:
    smooth = [r for r in planted(np.random.default_rng(0), jump=0.0) if r.coordinates.get("probe") != "repeats"]
    assert find_transitions(smooth, set()) == []


def test_readings_that_are_not_trusted_are_left_out() -> None:
    readings = planted(np.random.default_rng(0), jump=0.0)
    spoilt = [
        reading("llc", r.provenance.step, 1e4, 1.0, Verdict.DIVERGED)
        if r.name == "llc" and r.provenance.step > 900
        else r
        for r in readings
        if r.provenance
    ]
    assert all("llc" not in t.signals for t in find_transitions(spoilt, set()))


@pytest.mark.parametrize("count", range(7))
def test_few_readings_that_can_be_trusted_have_no_transition(count: int) -> None:
    readings = [r for r in planted(np.random.default_rng(0), jump=0.0) if r.name == "llc"]
    doubtful = [replace(r, verdict=Verdict.DRIFTING) for r in readings[count:]]
    assert find_transitions([*readings[:count], *doubtful], set()) == []


def test_a_transition_across_a_flagged_edge_says_so() -> None:
    readings = planted(np.random.default_rng(0))
    edges = set(pairwise(STEPS))
    assert all(t.flagged for t in find_transitions(readings, edges))
    assert not any(t.flagged for t in find_transitions(readings, {(1, 2)}))


def test_components_are_named_when_they_change_beyond_error() -> None:
    maps = []
    for step, value in ((800, 0.0), (1500, 0.6)):
        for component, rho in (("l0h0", 0.01), ("l1h2", value)):
            maps.append(
                Reading(
                    "rho",
                    np.array([rho, 0.02]),
                    np.array([0.05, 0.05]),
                    Verdict.OK,
                    (),
                    Provenance(step, "w"),
                    {"component": component, "loading": "loaded", "probes": ["repeats", "text"]},
                )
            )
    found = find_transitions([*planted(np.random.default_rng(0)), *maps], set())
    main = next(t for t in found if "llc" in t.signals)
    assert [(m.component, m.probe) for m in main.components] == [("l1h2", "repeats")]
    assert main.components[0].change == 0.6


def test_telling_steps_surround_the_transition() -> None:
    found = find_transitions(planted(np.random.default_rng(2)), set())
    low, high = next(t for t in found if "llc" in t.signals).interval
    tight = [s for s in STEPS if not low < s < high]
    assert len(telling_steps(found, tight)) == 3
    before, middle, after = telling_steps(found, STEPS)
    main = next(t for t in found if "llc" in t.signals)
    assert before <= main.interval[0] < middle < main.interval[1] <= after


def test_telling_steps_leave_out_a_transition_that_no_trusted_step_comes_before() -> None:
    (late,) = [t for t in find_transitions(planted(np.random.default_rng(2)), set()) if "llc" in t.signals]
    pulse = replace(late.signals["llc"], start=2, end=16, interval=(2, 16), z=1e3)
    early = replace(late, interval=(2, 16), date=6.0, signals={"llc": pulse})
    trusted = [step for step in STEPS if step >= 4]
    assert telling_steps([early, late], STEPS)[0] <= 2
    assert telling_steps([early, late], trusted) == telling_steps([late], trusted)
    assert telling_steps([early], trusted) == (4, 8, 16)


def test_a_probe_that_moves_there_alone_is_told_from_one_that_moves_everywhere() -> None:
    drifting = []
    for seed in range(7):
        found = next(t for t in find_transitions(planted(np.random.default_rng(seed)), set()) if "llc" in t.signals)
        pulse = found.signals["llc"]
        share = np.log((pulse.end + 1) / (pulse.start + 1)) / np.log((STEPS[-1] + 1) / (STEPS[0] + 1))
        assert found.matches["repeats"].p_value < 2 * share
        assert found.matches["repeats"].z < -30
        drifting.append(found.matches["text"].p_value)
    assert np.median(drifting) > 0.3
