"""Chains that run together store the same bits, whichever of them are missing and wherever a run stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zeeman.examination import SamplerSettings, Store, Subject, engine, plan
from zeeman.examination.devices import chains
from zeeman.examination.engine import run_units
from zeeman.examination.unit import Unit
from zeeman.examination.unit_store import UnitStore
from zeeman.probes import Library
from zeeman.subjects import Series

SETTINGS = SamplerSettings(num_chains=6, num_draws=100, num_burnin_steps=40, num_steps_bw_draws=1, batch_size=8)


@pytest.fixture
def subject(tiny_folder: Path, library: Library) -> Subject:
    return Subject(Series.from_folder(tiny_folder), library)


@pytest.fixture
def units(subject: Subject) -> list[Unit]:
    return chains(subject, subject.series.checkpoints[-1], SETTINGS, "l0h0")


def tree(store: Store) -> dict[str, bytes]:
    files = [p for p in sorted((store.path / "units").rglob("*")) if p.is_file()]
    return {str(p.relative_to(store.path)): p.read_bytes() for p in files}


def run(subject: Subject, folder: Path, units: list[Unit]) -> Store:
    store = Store(folder)
    run_units(subject, store, units)
    return store


def test_chains_asked_for_in_any_portions_are_the_same(subject: Subject, units: list[Unit], tmp_path: Path) -> None:
    whole = run(subject, tmp_path / "whole", units)
    for portion in ([units[5], units[1]], units[:2], units):
        store = run(subject, tmp_path / "portions", portion)
    assert tree(store) == tree(whole)


def test_a_run_stopped_between_two_chains_of_a_block_goes_on_to_the_same(
    subject: Subject, units: list[Unit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(subject, tmp_path / "whole", units)
    write, left = UnitStore.write, [6]

    def stops(place: UnitStore, *arguments: object, **named: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        write(place, *arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(UnitStore, "write", stops)
        with pytest.raises(KeyboardInterrupt):
            run(subject, tmp_path / "torn", units)
    assert tree(run(subject, tmp_path / "torn", units)) == tree(whole)


def test_together_or_alone_differs_by_rounding_alone(
    subject: Subject, units: list[Unit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = run(subject, tmp_path / "together", units[:3])
    monkeypatch.setattr(engine, "better_together", lambda *_: False)
    alone = run(subject, tmp_path / "alone", units[:3])
    for unit in units[:3]:
        a, b = (store.unit(unit).array("rows") for store in (together, alone))
        # Sums of float32 losses of some nats come out differently by 1e-6.
        np.testing.assert_allclose(a, b, atol=2e-5)
        assert np.abs(a).max() > 1e-2


def test_the_plan_says_which_way_is_taken_and_what_both_cost(subject: Subject) -> None:
    cost = plan(subject, SETTINGS)
    assert cost.together
    assert cost.step_seconds_together is not None
    assert 0 < cost.step_seconds_together < 1
    assert 0 < cost.step_seconds_alone < 1
