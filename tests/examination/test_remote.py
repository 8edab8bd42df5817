"""A store at a URL holds the bits of one in a folder, whatever stops the copying and whichever machine goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from zeeman.cli.app import app
from zeeman.errors import ZeemanError
from zeeman.examination import (
    LLC,
    Behaviours,
    SamplerSettings,
    Store,
    Susceptibilities,
    document,
    examine,
    fsck,
    to_arviz,
    watch,
)
from zeeman.examination.files import Damaged, sealed
from zeeman.examination.remote import Remote
from zeeman.probes import Library
from zeeman.subjects import Series

FAST = SamplerSettings(num_chains=2, num_draws=6, num_burnin_steps=4, batch_size=8)
MORE = replace(FAST, num_draws=90, num_chains=3)
URL = "memory://bucket/examination"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A machine with a cache of its own; gives how to sit down at another."""

    def sit_at(name: str) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))

    sit_at("first")
    MemoryFileSystem.store.clear()
    yield sit_at
    MemoryFileSystem.store.clear()


@pytest.fixture
def run(tiny_series: Series, library: Library) -> Callable[..., int]:
    def examined(store: str | Path, settings: SamplerSettings = FAST, at: tuple[int, ...] = (150,)) -> int:
        """Examine some steps; gives how many units were computed."""
        told: list[object] = []
        chosen = replace(tiny_series, checkpoints=tuple(c for c in tiny_series if c.step in at))
        options: dict[str, Any] = {"devices": (LLC(), Behaviours()), "on_progress": told.append}
        found = examine(chosen, library, store, settings=settings, **options)
        found.store.write_reading("document", document(found) | {"created": ""})
        return len(told)

    return examined


def here(store: Path) -> dict[str, bytes]:
    own = {".lock", ".workers", "events.jsonl"}
    return {str(p.relative_to(store)): p.read_bytes() for p in store.rglob("*") if p.is_file() and p.name not in own}


def there(root: str = "/bucket/examination/") -> dict[str, bytes]:
    held = {path.removeprefix(root): file.getvalue() for path, file in MemoryFileSystem.store.items()}
    return {name: raw for name, raw in held.items() if name != "events.jsonl"}


def put(name: str, raw: bytes) -> None:
    Remote(URL).write(name, raw)


def test_the_url_holds_the_bits_of_a_folder_and_other_machines_extend_it(
    run: Callable[..., int], machine: Callable[[str], None], tmp_path: Path
) -> None:
    assert run(tmp_path / "local") == run(URL) > 0
    assert there() == here(tmp_path / "local")
    machine("second")
    assert run(URL) == 0
    assert run(tmp_path / "local", MORE) == run(URL, MORE) > 0
    assert there() == here(tmp_path / "local")
    machine("first")
    assert run(URL, MORE) == 0
    assert fsck(Store.open(URL)) == []
    assert [event["event"] for event in Store.open(URL).events()].count("plan") == 4


def test_workers_find_what_another_machine_walked(
    tiny_series: Series, library: Library, machine: Callable[[str], None], tmp_path: Path
) -> None:
    last = replace(tiny_series, checkpoints=tiny_series.checkpoints[-1:])
    for place, workers in ((tmp_path / "local", 1), (URL, 2)):
        few = Library.from_probes("tiny", library.data, list(library.probes.values())[:1])
        devices: Any = (Susceptibilities((150,), ("l0h0", "l0h1")), Behaviours())
        examine(last, few, place, settings=FAST, devices=devices)
        machine("second")
        examine(last, library, place, settings=FAST, devices=devices, num_workers=workers)
    assert there() == here(tmp_path / "local")


def test_a_watch_goes_on_at_another_machine(
    tiny_folder: Path, library: Library, machine: Callable[[str], None], tmp_path: Path
) -> None:
    steps = []
    options: dict[str, Any] = {"settings": FAST, "once": True, "poll": 0.01}
    for found in watch(tiny_folder, library, URL, **options):
        steps.append(found.step)
        if len(steps) == 2:
            break
    machine("second")
    steps += [found.step for found in watch(tiny_folder, library, URL, **options) if found.step is not None]
    list(watch(tiny_folder, library, tmp_path / "local", **options))
    assert sorted(steps) == [0, 1, 20, 60, 150]
    assert there() == here(tmp_path / "local")


def test_another_machine_reads_it(
    run: Callable[..., int], machine: Callable[[str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "local")
    run(URL)
    machine("second")
    opened, local = Store.open(URL), Store.open(tmp_path / "local")
    assert opened.units() == local.units()
    assert opened.read_reading("document") == local.read_reading("document")
    assert not list(opened.path.glob("fetched/*"))
    assert to_arviz(opened).equals(to_arviz(local))
    app(["report", URL], result_action="return_value")
    assert capsys.readouterr().out.strip() == f"{URL}/report.html"
    assert there()["report.html"].startswith(b"<!")


@pytest.mark.parametrize("again", ["first", "second"])
def test_stopped_between_two_uploads_nothing_is_lost(
    run: Callable[..., int],
    machine: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    again: str,
) -> None:
    run(tmp_path / "local")
    left = [0]

    def stopping(call: Callable[..., Any]) -> Callable[..., Any]:
        def stops(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return call(*arguments, **options)

        return stops

    for name in ("put_file", "pipe_file"):
        monkeypatch.setattr(MemoryFileSystem, name, stopping(getattr(MemoryFileSystem, name)))
    stops = 0
    for uploads in (0, 2, 5, 9, 17, 28, 10**6):
        left[0] = uploads
        try:
            run(URL)
        except KeyboardInterrupt:
            stops += 1
            machine(again)
    assert stops > 3
    left[0] = 10**6
    run(URL)
    assert there() == here(tmp_path / "local")


def test_a_flipped_bit_is_found_and_its_unit_alone_computed_again(
    run: Callable[..., int], machine: Callable[[str], None]
) -> None:
    run(URL)
    whole = there()
    for name in [n for n in sorted(whole) if n.startswith("units/")][1::9]:
        raw = bytearray(whole[name])
        raw[len(raw) // 2] ^= 4
        put(name, bytes(raw))
        machine(f"reader of {name}".replace("/", "-"))
        found = fsck(Store.open(URL))
        assert len(found) == 1
        assert f"{URL}/units" in found[0].sentence
        opened = Store.open(URL)
        if not name.endswith(("complete", "zarr.json")) or name.count("/") > 2:
            with pytest.raises(Damaged, match=URL):
                [opened.unit(unit) for unit in opened.units()]
        assert [f.removed for f in fsck(opened, repair=True)] == [True]
        assert run(URL) == 1
        assert there() == whole


@pytest.mark.parametrize("repairing", ["first", "third"])
@pytest.mark.parametrize("name", ["examination.json", "readings/document.json"])
def test_a_flipped_manifest_or_reading_is_written_anew(
    run: Callable[..., int], machine: Callable[[str], None], name: str, repairing: str
) -> None:
    """Also where the machine that goes on has a copy of the damaged file, and another has repaired the URL."""
    run(URL)
    whole = there()
    raw = bytearray(whole[name])
    raw[-5] ^= 1
    put(name, bytes(raw))
    machine("second")
    with pytest.raises(Damaged, match=f"fsck {URL} --repair"):
        Store.open(URL).read_reading("document")
    machine(repairing)
    assert [f.removed for f in fsck(Store.open(URL), repair=True)] == [True]
    machine("second")
    assert run(URL) == 0
    assert there() == whole


def test_a_torn_marker_is_no_marker(run: Callable[..., int], machine: Callable[[str], None]) -> None:
    run(URL)
    whole = there()
    torn = next(name for name in sorted(whole) if name.endswith("/complete"))
    put(torn, whole[torn][:50])
    machine("second")
    assert run(URL) == 1
    assert there() == whole


def test_two_machines_at_once_lose_nothing_of_each_other(
    run: Callable[..., int], machine: Callable[[str], None], tmp_path: Path, tiny_series: Series, library: Library
) -> None:
    """The second one begins and ends while the first examines: a unit is the same bits whoever writes it."""
    steps = tuple(tiny_series.steps[-2:])
    nested = []

    def meanwhile(_: object) -> None:
        if not nested:
            machine("second")
            nested.append(run(URL, at=steps[:1]))

    chosen = replace(tiny_series, checkpoints=tiny_series.checkpoints[-1:])
    examine(chosen, library, URL, settings=FAST, devices=(LLC(), Behaviours()), on_progress=meanwhile)
    run(tmp_path / "local", at=steps)
    assert {n: raw for n, raw in there().items() if n.startswith("units/")} == {
        n: raw for n, raw in here(tmp_path / "local").items() if n.startswith("units/")
    }
    manifest = Store.open(URL).manifest()
    assert manifest
    assert set(manifest.weights) == set(steps)


def test_a_store_of_other_weights_is_refused(run: Callable[..., int], machine: Callable[[str], None]) -> None:
    run(URL)
    manifest = Store.open(URL).manifest()
    assert manifest
    put("examination.json", sealed(manifest.model_copy(update={"weights": {150: "0" * 64}}).model_dump(mode="json")))
    with pytest.raises(ZeemanError, match="was made for another checkpoint at step 150"):
        run(URL)


def test_file_urls_are_urls(run: Callable[..., int], tmp_path: Path) -> None:
    run(tmp_path / "local")
    run(f"file://{tmp_path}/there")
    assert here(tmp_path / "there") == here(tmp_path / "local")


@pytest.mark.parametrize("url", ["nowhere://bucket/x", "memory://nothing/here"])
def test_what_is_no_store_is_said_in_a_sentence(url: str) -> None:
    with pytest.raises(ZeemanError, match=r"nowhere|holds no examination\.json"):
        Store.open(url)


def test_a_url_that_became_a_path_is_refused() -> None:
    with pytest.raises(ZeemanError, match="expected a URL as text, got the path s3:/bucket/x"):
        Store(Path("s3://bucket/x"))


def test_a_place_that_cannot_be_reached_is_said(run: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ZeemanError, match="could not read file://"):
        run(f"file://{tmp_path}/file/x")
