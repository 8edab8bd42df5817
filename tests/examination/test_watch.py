"""A watch examines what arrives, whatever happens to the folder, and gives what an examination afterwards gives."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from zeeman.errors import ZeemanError
from zeeman.examination import PER_CHECKPOINT, Round, SamplerSettings, Store, Susceptibilities, document, examine, watch
from zeeman.examination.watch import next_step
from zeeman.probes import Library
from zeeman.subjects import Series
from zeeman.subjects.arrivals import Arrivals

FAST = SamplerSettings(num_chains=2, num_draws=6, num_burnin_steps=4, batch_size=8)
OPTIONS = ["--num-chains", "2", "--num-draws", "6", "--num-burnin-steps", "4", "--batch-size", "8", "--workers", "1"]
STEPS = [0, 1, 20, 60, 150]


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_folder, tmp_path / "run")
    return tmp_path / "run"


def run(folder: Path, library: Library, store: Path, **options: Any) -> list[Round]:
    given = {"settings": FAST, "once": True, "poll": 0.02} | options
    return list(watch(folder, library, store, **given))


def examined(rounds: list[Round]) -> list[int]:
    return [found.step for found in rounds if found.step is not None]


def tree(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted((store / "units").rglob("*")) if p.is_file()}


def readings(found: Round) -> dict[tuple[str, int, str], float]:
    assert found.examination is not None
    return {
        (r.name, r.provenance.step, r.coordinates.get("probe", "")): float(r.value)
        for r in found.examination.readings
        if r.provenance
    }


def last(rounds: list[Round]) -> Round:
    return [found for found in rounds if found.examination][-1]


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=40, unique=True), st.integers(2, 12))
def test_what_is_examined_first_is_the_newest_and_spread_in_log_steps(steps: list[int], count: int) -> None:
    done: list[int] = []
    while len(done) < min(count, len(steps)):
        done.append(next_step([s for s in steps if s not in done], done))
    assert done[0] == max(steps)
    assert done[1] == min(steps)
    logs = sorted(math.log1p(s) for s in done)
    left = [math.log1p(s) for s in steps if s not in done]
    # Each was chosen as the farthest, so what is left is no farther from those chosen than they are from each other.
    assert all(min(abs(x - y) for y in logs) <= min(b - a for a, b in pairwise(logs)) + 1e-9 for x in left)


def test_with_a_training_in_progress_it_stays_with_the_newest_and_fills_in() -> None:
    done: list[int] = []
    for now in range(10, 200, 10):
        done.append(next_step([s for s in range(now) if s not in done], done))
    assert sum(step % 10 == 9 and step >= 9 for step in done) >= len(done) // 2
    assert {0, 1, 2} <= set(done)


def test_it_finds_what_an_examination_afterwards_finds(folder: Path, library: Library, tmp_path: Path) -> None:
    devices = (*PER_CHECKPOINT, Susceptibilities((60,), ("l0h0",)))
    rounds = run(folder, library, tmp_path / "live", devices=devices)
    assert examined(rounds) == [150, 0, 20, 1, 60] or sorted(examined(rounds)) == STEPS
    assert examined(rounds)[:2] == [150, 0]
    assert rounds[-1].waiting == ()
    after = examine(Series.from_folder(folder), library, tmp_path / "after", settings=FAST, devices=devices)
    assert tree(tmp_path / "live") == tree(tmp_path / "after")
    found = last(rounds).examination
    assert found is not None
    one, other = document(found), document(after)
    assert {k: v for k, v in one.items() if k != "created"} == {k: v for k, v in other.items() if k != "created"}
    # Nothing is left to do for another watch.
    assert examined(run(folder, library, tmp_path / "live", devices=devices)) == []


def test_half_written_checkpoints_are_left_until_they_are_whole(folder: Path, library: Library, tmp_path: Path) -> None:
    whole = (folder / "step00000060" / "model.safetensors").read_bytes()
    torn = folder / "step00000060" / "model.safetensors"
    for content in (b"", whole[:5], whole[: len(whole) // 2], whole[:-1]):
        torn.write_bytes(content)
        rounds = run(folder, library, tmp_path / "store")
        assert 60 not in examined(rounds)
        assert any("step00000060 is not whole" in sentence for found in rounds for sentence in found.news)
    torn.unlink()
    assert any(
        "has no model.safetensors" in s for found in run(folder, library, tmp_path / "store") for s in found.news
    )
    torn.write_bytes(whole)
    assert examined(run(folder, library, tmp_path / "store")) == [60]


def test_a_file_of_full_length_that_still_changes_is_not_whole(folder: Path) -> None:
    """As where space is reserved before the bytes come."""
    file = folder / "step00000060" / "model.safetensors"
    arrivals, content = Arrivals(folder), bytearray(file.read_bytes())
    arrivals.look()
    for place in range(len(content) - 40, len(content), 8):
        with open(file, "r+b") as handle:
            handle.seek(place)
            handle.write(b"\0" * 8)
        os.utime(file, ns=(0, place))  # a clock that is decades off, but moves
        look = arrivals.look()
        assert 60 not in look.whole
        assert list(look.unsettled) == [file.parent]
    assert sorted(arrivals.look().whole) == STEPS


def test_parts_and_indices_of_hugging_face(tmp_path: Path) -> None:
    import torch

    place = tmp_path / "checkpoint-7"
    place.mkdir()
    arrivals = Arrivals(tmp_path)

    def fault() -> str:
        arrivals.look()
        look = arrivals.look()
        return look.faults.get(place, "") if 7 not in look.whole else "whole"

    assert "has no weights" in fault()
    (place / "config.json").write_text('{"a"')
    assert "cut short" in fault()
    (place / "config.json").write_text("{}")
    for part in ("1", "2"):
        save_file({part: torch.zeros(2)}, place / f"model-0000{part}-of-00002.safetensors")
        assert "index of its parts is missing" in fault()
    index = {"weight_map": {str(i): f"model-0000{i}-of-00002.safetensors" for i in (1, 2)}}
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    assert fault() == "whole"
    (place / "model-00002-of-00002.safetensors").unlink()
    assert "has no model-00002-of-00002.safetensors" in fault()
    shutil.rmtree(place)
    place.mkdir()
    torch.save({"a": torch.zeros(99)}, place / "pytorch_model.bin")
    assert fault() == "whole"
    content = (place / "pytorch_model.bin").read_bytes()
    (place / "pytorch_model.bin").write_bytes(content[:-30])
    assert "cut short" in fault()


def test_a_budget_leaves_out_and_says_what(folder: Path, library: Library, tmp_path: Path) -> None:
    first = run(folder, library, tmp_path / "store", budget=1e-6)
    assert examined(first) == []
    assert first[-1].waiting == tuple(STEPS)
    # The first unit was kept: a store that is given little time again and again gets there.
    passes = 0
    while run(folder, library, tmp_path / "store", budget=1e-6)[-1].waiting:
        passes += 1
        assert passes < 40
    assert Store.open(tmp_path / "store").events()[-1]["event"] == "read"
    few = run(folder, library, tmp_path / "timed", budget=600.0)
    seconds = max(found.seconds for found in few)
    some = run(folder, library, tmp_path / "other", budget=2.2 * seconds)
    assert sum(found.seconds for found in some) < 3.5 * seconds
    assert sorted([*examined(some), *some[-1].waiting]) == STEPS


def test_names_and_times_of_files_do_not_matter(folder: Path, library: Library, tmp_path: Path) -> None:
    before = last(run(folder, library, tmp_path / "store"))
    units = tree(tmp_path / "store")
    rng = random.Random(0)
    for number, step in enumerate(STEPS):
        (folder / f"step{step:08d}").rename(folder / ("checkpoint-{}", "iter_{}")[number % 2].format(step))
    for path in folder.rglob("*"):
        os.utime(path, (rng.uniform(0, 4e9), rng.uniform(0, 4e9)))
    folder.rename(tmp_path / "moved")
    assert examined(run(tmp_path / "moved", library, tmp_path / "store")) == []
    again = examine(Series.from_folder(tmp_path / "moved"), library, tmp_path / "store", settings=FAST,
                    devices=PER_CHECKPOINT)  # fmt: skip
    assert tree(tmp_path / "store") == units
    assert {float(r.value) for r in again.readings} == set(readings(before).values())


def test_readings_outlive_checkpoints_that_the_training_deletes(folder: Path, library: Library, tmp_path: Path) -> None:
    whole = readings(last(run(folder, library, tmp_path / "whole")))
    shutil.move(folder / "step00000150", tmp_path / "later")
    run(folder, library, tmp_path / "store")
    for step in (0, 20):
        shutil.rmtree(folder / f"step{step:08d}")
    shutil.move(tmp_path / "later", folder / "step00000150")
    rounds = run(folder, library, tmp_path / "store")
    assert examined(rounds) == [150]
    assert readings(last(rounds)) == whole


def test_other_weights_under_an_examined_step_are_refused(folder: Path, library: Library, tmp_path: Path) -> None:
    before = readings(last(run(folder, library, tmp_path / "store")))
    file = folder / "step00000020" / "model.safetensors"
    save_file({name: 1.5 * t for name, t in load_file(file).items()}, file)
    shutil.copytree(folder / "step00000060", folder / "checkpoint-60")
    rounds = run(folder, library, tmp_path / "store")
    news = " ".join(sentence for found in rounds for sentence in found.news)
    assert "step00000020 holds other weights than when it was examined" in news
    assert "Step 60 is there twice" in news
    assert examined(rounds) == []
    shutil.rmtree(folder / "checkpoint-60")
    shutil.copytree(folder / "step00000060", folder / "step00000100")
    rounds = run(folder, library, tmp_path / "store")
    assert examined(rounds) == [100]
    assert readings(last(rounds)).items() > before.items()


def test_another_architecture_and_weights_that_do_not_load(folder: Path, library: Library, tmp_path: Path) -> None:
    state = load_file(folder / "step00000060" / "model.safetensors")
    (folder / "step00000061").mkdir()
    save_file(
        {n: t.repeat(2, *[1] * (t.ndim - 1)) for n, t in state.items()}, folder / "step00000061" / "model.safetensors"
    )
    rounds = run(folder, library, tmp_path / "store")
    assert sorted(examined(rounds)) == STEPS
    assert "step00000061 has other tensors than most" in " ".join(s for found in rounds for s in found.news)


def test_a_folder_that_is_not_there_yet_or_comes_back(folder: Path, library: Library, tmp_path: Path) -> None:
    rounds = run(tmp_path / "later", library, tmp_path / "store")
    assert [found.step for found in rounds] == [None]
    assert "can't be read now" in rounds[0].news[0]
    live = watch(tmp_path / "later", library, tmp_path / "store", settings=FAST, poll=0.02)
    assert next(live).step is None
    folder.rename(tmp_path / "later")
    assert [next(live).step for _ in STEPS][:2] == [150, 0]
    with pytest.raises(ZeemanError, match="another process is writing"):
        next(watch(tmp_path / "later", library, tmp_path / "store"))
    live.close()


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_folder_that_is_renamed_while_it_is_examined(
    folder: Path, library: Library, tmp_path: Path, comes_back: bool
) -> None:
    """Until the watch has told it, or again and again for a moment."""
    away, moves = tmp_path / "away", []

    def rename(_: object) -> None:
        if len(moves) < (4 if comes_back else 1) and folder.is_dir():
            moves.append(folder.rename(away))
            if comes_back:
                threading.Timer(0.05, away.rename, [folder]).start()

    live = watch(folder, library, tmp_path / "store", settings=FAST, poll=0.02, on_progress=rename)
    steps: list[int] = []
    for found in live:
        steps += [found.step] * (found.step is not None)
        if any("can't be read now" in sentence for sentence in found.news) and not comes_back:
            break
        if len(steps) == len(STEPS):
            break
    live.close()
    assert moves
    if not comes_back:
        away.rename(folder)
    while not folder.is_dir():
        time.sleep(0.01)
    rounds = run(folder, library, tmp_path / "store")
    assert sorted([*steps, *examined(rounds)]) == STEPS
    examine(Series.from_folder(folder), library, tmp_path / "after", settings=FAST, devices=PER_CHECKPOINT)
    assert tree(tmp_path / "store") == tree(tmp_path / "after")


def test_what_a_killed_recorder_leaves_is_no_checkpoint(folder: Path, library: Library, tmp_path: Path) -> None:
    """A temporary folder with half of the weights, and half a line of the record."""
    torn = folder / ".step00000200.4711"
    torn.mkdir()
    whole = (folder / "step00000150" / "model.safetensors").read_bytes()
    (torn / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    shutil.copytree(folder / "step00000150", folder / "tmp-checkpoint-160")
    with open(folder / "record.jsonl", "a") as record:
        record.write('{"step": 200, "los')
    rounds = run(folder, library, tmp_path / "store")
    assert sorted(examined(rounds)) == STEPS
    assert [sentence for found in rounds for sentence in found.news] == []
    (folder / "tmp-checkpoint-160").rename(folder / "checkpoint-160")
    assert examined(run(folder, library, tmp_path / "store")) == [160]


def test_other_weights_of_the_same_size_and_time_are_noticed(folder: Path) -> None:
    """As a copy that keeps times brings them, or a clock that was set back."""
    file = folder / "step00000060" / "model.safetensors"
    arrivals, times = Arrivals(folder), file.stat()
    arrivals.look()
    before = arrivals.look().signatures[60]
    content = bytearray(file.read_bytes())
    content[-4:] = b"\0\0\0\0"
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert list(arrivals.look().unsettled) == [file.parent]
    assert arrivals.look().signatures[60] != before


def test_settings_that_make_no_sense(folder: Path, library: Library, tmp_path: Path) -> None:
    for options in ({"poll": 0.0}, {"budget": -1.0}):
        with pytest.raises(ZeemanError, match="must be positive"):
            run(folder, library, tmp_path / "store", **options)
    with pytest.raises(ZeemanError, match="at steps that are named"):
        run(folder, library, tmp_path / "store", devices=(Susceptibilities(()),))


# A loop without any care: no temporary name, in small pieces, and killed in the middle of the last one.
TRAINER = """
import json, shutil, sys, time
from pathlib import Path
source, target = map(Path, sys.argv[1:])
target.mkdir()
shutil.copy(source / "series.json", target)
for child in sorted(source.glob("step*")):
    place = target / child.name
    place.mkdir()
    content = (child / "model.safetensors").read_bytes()
    with open(place / "model.safetensors", "wb", buffering=0) as file:
        for start in range(0, len(content), len(content) // 8):
            file.write(content[start:start + len(content) // 8])
            time.sleep(0.05)
            if child.name.endswith("150") and start:
                print("dies", flush=True)
                time.sleep(60)
"""


def command(folder: Path, probes: Path, store: Path, *more: str) -> list[str]:
    start = [sys.executable, "-m", "zeeman.cli", "watch", str(folder), "--probes", str(probes), "--out", str(store)]
    return [*start, "--poll", "0.1", "--json", *OPTIONS, *more]


def kill_at_random(arguments: list[str], rng: random.Random, kills: int) -> Iterator[int]:
    """Start a process again and again, and kill it a moment after it did something."""
    store = Path(arguments[arguments.index("--out") + 1]) / "units"

    def files() -> int:
        return sum(len(names) for _, _, names in os.walk(store))

    for number in range(kills):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, start_new_session=True)
        before, until = files(), time.monotonic() + 60
        while files() == before and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        yield number


def test_a_training_and_its_watch_are_killed(tiny_folder: Path, library: Library, tmp_path: Path) -> None:
    """The training writes carelessly and dies; the watch is killed again and again; nothing is lost or wrong."""
    library.to_folder(tmp_path / "probes")
    target, store = tmp_path / "target", tmp_path / "store"
    with subprocess.Popen(
        [sys.executable, "-c", TRAINER, str(tiny_folder), str(target)], stdout=subprocess.PIPE, text=True
    ) as trainer:
        assert trainer.stdout is not None
        arguments = command(target, tmp_path / "probes", store)
        assert len(list(kill_at_random(arguments, random.Random(0), 3))) == 3
        assert trainer.stdout.readline() == "dies\n"
        trainer.kill()
    done = subprocess.run([*arguments, "--once"], stdout=subprocess.PIPE, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert any("step00000150 is not whole" in sentence for line in lines for sentence in line["news"])
    assert lines[-1]["waiting"] == []
    kept = tmp_path / "kept"
    shutil.copytree(tiny_folder, kept, ignore=shutil.ignore_patterns("*150"))
    examine(Series.from_folder(kept), library, tmp_path / "after", settings=FAST, devices=PER_CHECKPOINT)
    assert tree(store) == tree(tmp_path / "after")
    assert (store / "report.html").is_file()
    assert Store.open(store).read_reading("document")["series"]["steps"] == [0, 1, 20, 60]
