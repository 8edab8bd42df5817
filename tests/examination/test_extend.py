"""More of anything in a store computes what is new alone, and leaves a store as if all had been asked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeeman.examination import (
    LLC,
    Ablations,
    Behaviours,
    Density,
    Examination,
    SamplerSettings,
    Store,
    Subject,
    Susceptibilities,
    Unit,
    engine,
    examine,
    fsck,
)
from zeeman.examination.device import Device
from zeeman.examination.devices import chains
from zeeman.examination.engine import run_units
from zeeman.examination.subject import DATA
from zeeman.examination.unit_store import UnitStore
from zeeman.probes import Library
from zeeman.sampling import Block
from zeeman.subjects import Series

SETTINGS = SamplerSettings(num_chains=4, num_draws=28, num_burnin_steps=10, num_steps_bw_draws=2, batch_size=8)
SOME = (Behaviours(), Susceptibilities((150,), ("l0h0",)), Ablations((150,)))


@dataclass
class Asked:
    """What an examination is asked, and what came of it."""

    series: Series
    library: Library
    settings: SamplerSettings = SETTINGS
    devices: Sequence[Device] = SOME
    ran: list[Any] = field(default_factory=list)

    def into(self, store: Path) -> Examination:
        return examine(
            self.series,
            self.library,
            store,
            settings=self.settings,
            devices=self.devices,
            on_progress=lambda progress: self.ran.append(progress.unit),
        )


@pytest.fixture
def asked(tiny_folder: Path, library: Library) -> Asked:
    series = Series.from_folder(tiny_folder)
    return Asked(replace(series, checkpoints=series.checkpoints[-1:]), library)


def tree(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted((store / "units").rglob("*")) if p.is_file()}


def chunks(store: Path) -> dict[str, bytes]:
    """All numbers; attributes also tell how many other chains were asked for."""
    return {name: raw for name, raw in tree(store).items() if "/c/" in name}


def keys(examination: Examination) -> set[str]:
    return {unit.key for unit in examination.draws.units.values()}


def extended(first: Asked, then: Asked, folder: Path) -> list[Any]:
    """Extend a store, hold it against one that was asked for everything at once, and give the units that ran."""
    before = first.into(folder / "extended")
    kept = tree(folder / "extended")
    after = then.into(folder / "extended")
    whole = Asked(then.series, then.library, then.settings, then.devices).into(folder / "whole")
    assert kept.items() <= tree(folder / "extended").items()
    assert chunks(folder / "whole").items() <= chunks(folder / "extended").items()
    assert {unit.key for unit in then.ran} == keys(after) - keys(before)
    for a, b in zip(after.readings, whole.readings, strict=True):
        np.testing.assert_array_equal(a.value, b.value)
        np.testing.assert_array_equal(a.standard_error, b.standard_error)
        assert a.verdict is b.verdict
    assert fsck(after.store) == []
    return then.ran


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Block]:
    """The blocks of chains that are walked."""
    write, blocks = UnitStore.write, []

    def spy(place: UnitStore, block: Block, *arguments: Any, **options: Any) -> None:
        blocks.append(block)
        write(place, block, *arguments, **options)

    monkeypatch.setattr(UnitStore, "write", spy)
    return blocks


def test_more_chains_and_components(asked: Asked, tmp_path: Path) -> None:
    more = replace(asked, devices=(Susceptibilities((150,), ("l0h0", "embed")),), ran=[])
    more = replace(more, settings=replace(SETTINGS, num_chains=5))
    ran = extended(replace(asked, devices=SOME[1:2]), more, tmp_path)
    kinds = ("loaded", "unloaded")
    new = [(k, "embed", c) for k in kinds for c in range(5)] + [(k, n, 4) for k in kinds for n in ("full", "l0h0")]
    assert sorted((u.kind, u.component, u.chain) for u in ran) == sorted(new)


def test_more_checkpoints_and_rungs(asked: Asked, tiny_folder: Path, tmp_path: Path) -> None:
    two = replace(asked.series, checkpoints=Series.from_folder(tiny_folder).checkpoints[-2:])
    more = replace(asked, series=two, devices=(LLC(), Behaviours(), Density((150,))), ran=[])
    ran = extended(replace(asked, devices=(LLC(), Behaviours())), more, tmp_path)
    new = [u for u in ran if u.step == 150]
    assert new
    chosen = (SETTINGS.n_beta, SETTINGS.localization)
    assert all((u.settings.n_beta, u.settings.localization) != chosen for u in new if u.settings)


@pytest.mark.parametrize("together", [True, False])
def test_more_probes_walk_again_and_read_the_new_ones_alone(
    asked: Asked, tmp_path: Path, written: list[Block], monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    if not together:
        monkeypatch.setattr(engine, "better_together", lambda *_: False)
        asked.settings = replace(SETTINGS, num_chains=2)
    few = Library.from_probes("tiny", asked.library.data, list(asked.library.probes.values())[:2])
    more = replace(asked, ran=[])
    ran = extended(replace(asked, library=few), more, tmp_path)
    assert {unit.kind for unit in ran} == {"reference", "loaded", "unloaded", "ablation"}
    observed = {tuple(block.observed) for block in written}
    assert observed == {("count", "data", "late"), ("random",), ("count", "data", "late", "random")}


@pytest.mark.parametrize("method", ["sgld", "preconditioned_sgld"])
def test_more_draws_go_on_from_the_last_whole_block(
    asked: Asked, tmp_path: Path, written: list[Block], method: Any
) -> None:
    subject, settings = Subject(asked.series, asked.library), replace(SETTINGS, method=method, num_chains=2)
    observed = subject.observed(["count", DATA])

    def units(num_draws: int) -> list[Unit]:
        longer = replace(settings, num_draws=num_draws)
        return [replace(u, observed=observed) for u in chains(subject, asked.series.at(150), longer, "l0h0")]

    for folder, lengths in (("extended", (28, 60)), ("whole", (60,))):
        for length in lengths:
            written.clear()
            run_units(subject, Store(tmp_path / folder), units(length))
        # 66 steps were walked, 60 of them in a whole block, of the 130 of now.
        assert {block.first_step for block in written} == ({60, 120} if folder == "extended" else {0, 60, 120})
    assert tree(tmp_path / "whole").items() <= tree(tmp_path / "extended").items()
    assert fsck(Store(tmp_path / "extended")) == []


def test_fewer_probes_or_chains_are_found_in_what_is_there(asked: Asked, tmp_path: Path) -> None:
    asked.devices, asked.settings = SOME[:2], replace(SETTINGS, num_chains=3)
    asked.into(tmp_path)
    few = Library.from_probes("tiny", asked.library.data, list(asked.library.probes.values())[:1])
    less = replace(asked, library=few, ran=[])
    found = less.into(tmp_path)
    assert less.ran == []
    assert len(found.of("behaviour")) == 1
    alone = replace(asked, devices=(LLC(),), settings=replace(SETTINGS, num_chains=2), ran=[])
    assert len(alone.into(tmp_path).of("llc")) == 1
    assert alone.ran == []


def test_a_state_is_kept_where_it_is_smaller_than_the_readings(asked: Asked, tmp_path: Path) -> None:
    """640 weights and 66 steps of 8 rows: 2.6 kB of state, 2.1 kB of readings, unless probes are read too."""
    found = replace(asked, devices=(LLC(), SOME[1])).into(tmp_path / "both")
    found = replace(asked, devices=(LLC(),)).into(tmp_path / "rows")
    assert not list((found.store.path / "units").glob("*/state.safetensors"))
    states = list((tmp_path / "both" / "units").glob("*/state.safetensors"))
    assert len(states) == 2 * SETTINGS.num_chains
