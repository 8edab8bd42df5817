"""Whatever byte of a store changes, it is found, said, and nothing else is computed again."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zeeman.errors import ZeemanError
from zeeman.examination import (
    LLC,
    Behaviours,
    Examination,
    SamplerSettings,
    Store,
    Subject,
    Susceptibilities,
    examine,
    fsck,
)
from zeeman.examination.devices import chains
from zeeman.examination.engine import run_units
from zeeman.examination.files import Damaged, sealed, told, unsealed
from zeeman.examination.unit_store import UnitStore
from zeeman.probes import Library
from zeeman.sampling import ChainState
from zeeman.subjects import Series

SETTINGS = SamplerSettings(num_chains=2, num_draws=30, num_burnin_steps=10, num_steps_bw_draws=2, batch_size=8)
DEVICES = (LLC(), Behaviours(), Susceptibilities((150,), ("l0h0",)))


def run(folder: Path, library: Library, store: Path, told: Callable[[object], None] = lambda _: None) -> Examination:
    series = Series.from_folder(folder)
    last = replace(series, checkpoints=series.checkpoints[-1:])
    return examine(last, library, store, settings=SETTINGS, devices=DEVICES, on_progress=told)


@pytest.fixture(scope="module")
def whole(tiny_folder: Path, library: Library, tmp_path_factory: pytest.TempPathFactory) -> Store:
    path = tmp_path_factory.mktemp("fsck") / "examination"
    run(tiny_folder, library, path)
    store = Store.open(path)
    store.write_reading("document", {"llc": [1.0, float("nan")], "name": "ρ"})
    return store


@pytest.fixture
def store(whole: Store, tmp_path: Path) -> Store:
    shutil.copytree(whole.path, tmp_path / "examination")
    return Store.open(tmp_path / "examination")


def files(store: Store) -> dict[str, bytes]:
    journal = (".lock", ".workers", "events.jsonl")
    found = (p for p in sorted(store.path.rglob("*")) if p.is_file() and p.name not in journal)
    return {str(p.relative_to(store.path)): p.read_bytes() for p in found}


def flip(path: Path, at: int, bit: int = 0) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1 << bit
    path.write_bytes(raw)


def test_a_whole_store_has_no_faults(whole: Store) -> None:
    assert fsck(whole) == []


def test_a_flipped_byte_in_any_file_is_found_and_its_place_is_named(whole: Store, store: Store) -> None:
    rng = np.random.default_rng(0)
    for name, raw in files(whole).items():
        if not raw:
            continue
        for at in rng.integers(len(raw), size=2):
            flip(store.path / name, int(at), int(rng.integers(8)))
            found = [f for f in fsck(store) if f.kind == "damaged"]
            parts = Path(name).parts
            path = store.path / ("/".join(parts[:2]) if len(parts) > 2 else name)
            assert [f.path for f in found] == [path], (name, at)
            assert "damaged" in found[0].sentence
            if len(parts) > 3:
                assert parts[2] in found[0].sentence
            (store.path / name).write_bytes(raw)


def test_a_flipped_byte_of_an_array_is_never_read(whole: Store, store: Store) -> None:
    rng = np.random.default_rng(1)
    unit = next(u for u in store.units() if u.kind == "loaded" and u.observed)
    for path in sorted((store.path / "units" / unit.key / "observed_data").rglob("*")):
        if path.is_dir():
            continue
        raw = path.read_bytes()
        for at in rng.integers(len(raw), size=8):
            flip(path, int(at))
            with pytest.raises(Damaged, match=r"observed_data of the unit .* is damaged .*; run zeeman fsck"):
                store.unit(unit).array("observed_data")
            path.write_bytes(raw)
        if "/c/" in str(path):
            path.unlink()
            with pytest.raises(Damaged, match="a chunk is missing"):
                store.unit(unit).array("observed_data")
            path.write_bytes(raw)
    np.testing.assert_array_equal(store.unit(unit).array("observed_data"), whole.unit(unit).array("observed_data"))


def test_repair_removes_what_is_damaged_and_the_next_run_computes_it_alone(
    whole: Store, store: Store, tiny_folder: Path, library: Library
) -> None:
    loaded = next(u for u in store.units() if u.kind == "loaded" and u.observed)
    reference = next(u for u in store.units() if u.kind == "reference")
    flip(store.path / "units" / loaded.key / "rows" / "c" / "0" / "0", 30)
    (store.path / "units" / reference.key / "observed_count" / "c" / "0").unlink()
    flip(store.path / "readings" / "document.json", 20)
    (store.path / "units" / loaded.key / "rows" / "stray").touch()
    (store.path / "examination.json.77.partial").write_bytes(b"{")
    found = fsck(store, repair=True)
    assert sorted(f.kind for f in found) == ["damaged"] * 3 + ["left over"] * 2
    assert store.read_reading("document") is None
    again: list[object] = []
    run(tiny_folder, library, store.path, again.append)
    assert len(again) == 2
    store.write_reading("document", whole.read_reading("document"))
    assert files(store) == files(whole)
    assert fsck(store) == []


def test_torn_foreign_and_left_over_are_told_apart(whole: Store, store: Store) -> None:
    first, second, third, *_ = store.units()
    (store.path / "units" / first.key / "complete").unlink()
    (store.path / "units" / second.key).rename(store.path / "units" / "somewhere")
    (store.path / "units" / "note.txt").touch()
    (store.path / "units" / third.key / "complete").rename(store.path / "units" / third.key / "complete.pending")
    assert {f.path.name: f.kind for f in fsck(store)} == {
        first.key: "torn",
        "somewhere": "foreign",
        "note.txt": "left over",
        third.key: "unfinished",
    }
    fsck(store, repair=True)
    assert not (store.path / "units" / first.key).exists()
    assert (store.path / "units" / "somewhere").exists()
    assert store.unit(third).settle()
    assert files(store).keys() < files(whole).keys() | {f"units/somewhere/{n}" for n in tree_of(whole, second.key)}


def tree_of(store: Store, key: str) -> list[str]:
    place = store.path / "units" / key
    return [str(p.relative_to(place)) for p in place.rglob("*")]


def test_a_damaged_state_is_said_and_never_gone_on_from(
    tiny_folder: Path, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, store = Subject(Series.from_folder(tiny_folder), library), Store(tmp_path / "s")
    unit = chains(subject, subject.series.checkpoints[-1], replace(SETTINGS, num_draws=80), "full")[0]

    def stop(_: UnitStore) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(UnitStore, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            run_units(subject, store, [unit])
    path = store.unit(unit).path / "state.safetensors"
    assert [f.kind for f in fsck(store)] == ["unfinished"]
    good = path.read_bytes()
    for at in np.random.default_rng(0).integers(len(good), size=40):
        flip(path, int(at))
        found = fsck(store)
        if found[0].kind == "damaged":
            assert "the state of the unit" in found[0].sentence
            with pytest.raises(Damaged, match="the state of the unit"):
                run_units(subject, store, [unit])
        else:  # only what says nothing may change: the name of the checksum, or blanks
            state = store.unit(unit).state()
            path.write_bytes(good)
            assert all((a == b).all() for a, b in zip(state.weights, store.unit(unit).state().weights, strict=True))
        path.write_bytes(good)
    flip(store.unit(unit).path / "rows" / "zarr.json", 40)
    with pytest.raises(Damaged, match="laid out otherwise"):
        run_units(subject, store, [unit])


def test_a_store_of_before_checksums_is_read_and_goes_on(store: Store, tiny_folder: Path, library: Library) -> None:
    """Chunks and markers of a unit of an earlier version carry no checksum, nor does the manifest, nor readings."""
    for unit in store.units():
        place = store.unit(unit).path
        (place / "complete").write_bytes(b"")
        group = json.loads((place / "zarr.json").read_bytes())
        del group["attributes"]["checksums"]
        (place / "zarr.json").write_text(json.dumps(group))
    manifest = unsealed((store.path / "examination.json").read_bytes()) | {"version": 1}
    (store.path / "examination.json").write_text(json.dumps(manifest))
    document = store.read_reading("document")
    (store.path / "readings" / "document.json").write_text(json.dumps(document))
    assert str(store.read_reading("document")) == str(document)
    assert fsck(store) == []
    told: list[object] = []
    run(tiny_folder, library, store.path, told.append)
    assert not told
    assert unsealed((store.path / "examination.json").read_bytes())["version"] == 2
    assert (store.path / "readings" / "document.json").read_bytes() == sealed(document)
    unit = next(u for u in store.units() if u.kind == "reference")
    flip(store.unit(unit).path / "observed_count" / "c" / "0", 10)
    assert [f.kind for f in fsck(store)] == ["damaged"]


def test_damage_stops_an_examination_in_a_sentence(store: Store, tiny_folder: Path, library: Library) -> None:
    unit = next(u for u in store.units() if u.kind == "loaded" and u.component == "full")
    flip(store.unit(unit).path / "rows" / "c" / "0" / "0", 30)
    with pytest.raises(ZeemanError, match=rf"rows of the unit .*{unit.key} is damaged"):
        run(tiny_folder, library, store.path)


def test_lines_after_a_torn_one_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.log("first")
    with open(tmp_path / "events.jsonl", "a") as journal:
        journal.write('{"time": "20')
    store.log("second")
    assert [event["event"] for event in store.events()] == ["first", "second"]


def test_what_a_killed_writer_left_beside_manifest_and_readings_goes_with_the_next_run(
    tiny_folder: Path, library: Library, store: Store
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    torn = [store.path / f"examination.json.{gone.pid}.partial", store.path / "readings" / f"a.json.{gone.pid}.partial"]
    living = store.path / "readings" / f"b.json.{os.getpid()}.partial"
    for path in (*torn, living):
        path.touch()
    assert {finding.path for finding in fsck(store)} == {*torn, living}
    run(tiny_folder, library, store.path)
    assert [finding.path for finding in fsck(store)] == [living]


def test_a_state_that_finds_no_room_is_a_failing_disk(tmp_path: Path) -> None:
    """The package that writes it has errors of its own."""
    place = UnitStore(tmp_path / "unit")
    place.path.mkdir()
    (place.path / "zarr.json").touch()
    state, (soft, hard) = ChainState(1, [torch.zeros(10_000)], {}), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with (
            pytest.raises(ZeemanError, match=r"could not write .*unit: File too large; free space"),
            told("write", place.path),
        ):
            place.write_state(state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in place.path.iterdir()] == ["zarr.json"]
