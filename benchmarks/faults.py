"""What kills, full disks, read-only folders, flipped bytes and a second writer do to a store.

Usage: OMP_NUM_THREADS=1 python benchmarks/faults.py [SECTION …] [--count N]
Sections: kills, full, limited, readonly, flips, two. Named ones are measured, the others stay in the JSON as they were.

Real examinations of a model of 640 weights in four stages: losses at the checkpoint, and loaded and unloaded chains
of a head in three blocks; then more draws and a chain more; then a probe more; then a watch of the folder, which holds
two more checkpoints. Each run is forked from a warm process. Kills are SIGKILL: after a random time, or just before a
random operation on a file (an audit hook counts them), so that every gap between two operations is met. Full disks and
read-only ones are a small tmpfs, which needs the right to mount. Flips are of one random bit. Of the kills before an
operation half are before any, and half before one on a random kind of file, so that markers and states get their share.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from tiny import tiny_library, train_tiny
from zeeman.errors import ZeemanError
from zeeman.examination import Draws, Examination, SamplerSettings, Store, Subject, Unit, examine, fsck, watch
from zeeman.examination.devices import chains
from zeeman.examination.subject import DATA
from zeeman.examination.unit_store import STATE, UnitStore
from zeeman.probes import Library
from zeeman.reading import Reading, Verdict
from zeeman.subjects import Series

OUT = Path(__file__).with_suffix(".json")
SETTINGS = SamplerSettings(num_chains=2, num_draws=50, num_burnin_steps=30, num_steps_bw_draws=2, batch_size=8)
MORE = replace(SETTINGS, num_draws=80, num_chains=3)
STAGES = (SETTINGS, MORE, MORE, MORE)
PHASES = ("first examination", "more draws and chains", "more probes", "watch")
PROBES = (1, 1, 2, 2)
WATCHED = 3
KINDS = {"complete": "the marker", "state": "the state", "inherited": "what is inherited", "zarr": "the layout"}
KINDS |= {"examination": "the manifest", "document": "a reading", "events": "the journal"}
REFUSED = 3
WRITES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree")


@dataclass(frozen=True)
class Energies:
    """The mean change of each probe at the draws of a head: small, but of every kind of unit that is walked."""

    name: str = "energies"

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        observed, found = subject.observed([DATA, *subject.library.probes]), []
        for checkpoint in subject.series:
            loaded = [replace(u, observed=observed) for u in chains(subject, checkpoint, settings, "l0h0")]
            keys = tuple(u.chain_key for u in loaded[:2])
            unloaded = [replace(u, kind="unloaded", data="", matched=keys) for u in loaded]
            found += [Unit("reference", checkpoint.step, checkpoint.digest, observed=observed), *loaded, *unloaded]
        return found

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        return [
            Reading("energy", float(draws.array(unit, f"observed_{name}").mean()), 0.0, Verdict.OK)
            for unit in self.units(subject, settings)
            for name, _ in unit.observed
        ]


def run(trained: Path, store: Path, stage: int, message: Path | None = None) -> int:
    """Examine, or in the last stage watch; gives the status that a command would end with."""
    whole = tiny_library()
    library = Library.from_probes("tiny", whole.data, list(whole.probes.values())[: PROBES[stage]])
    told: list[object] = []
    try:
        found = _examined(trained, library, store, stage, told)
        found.store.write_reading("document", {str(i): repr(r.value) for i, r in enumerate(found.readings)})
    except ZeemanError as error:
        if message:
            message.write_text(str(error))
        return REFUSED
    if message:
        message.write_text(str(len(told)))
    return 0


def _examined(trained: Path, library: Library, store: Path, stage: int, told: list[object]) -> Examination:
    devices, settings = (Energies(),), STAGES[stage]
    if PHASES[stage] != "watch":
        series = Series.from_folder(trained)
        series = replace(series, checkpoints=series.checkpoints[-1:])
        return examine(series, library, store, settings=settings, devices=devices, on_progress=told.append)
    options: dict[str, Any] = {"settings": settings, "devices": devices, "on_progress": told.append}
    rounds = list(watch(trained, library, store, once=True, poll=0.01, **options))
    seen = [found.examination for found in rounds if found.examination]
    if seen:
        return seen[-1]
    # All was examined before a kill: what is left is to read it.
    return examine(Series.from_folder(trained), library, store, settings=settings, devices=devices)


def forked(work: Callable[[], int]) -> int:
    """Do something in a child; gives its process."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            torch.set_num_threads(1)
            status = work()
        finally:
            os._exit(status)
    return child


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def tree(store: Path) -> dict[str, bytes]:
    found = (p for top in ("units", "readings") for p in sorted((store / top).rglob("*")) if p.is_file())
    return {str(p.relative_to(store)): p.read_bytes() for p in [*found, store / "examination.json"]}


def standing(store: Path) -> dict[str, float]:
    """How far each unit is: steps of its state, or infinitely far."""
    places = (UnitStore(p) for p in (store / "units").iterdir() if p.is_dir()) if (store / "units").exists() else ()
    return {p.path.name: (np.inf if p.complete else p.state().step if (p.path / STATE).exists() else 0) for p in places}


def kill_before(operation: int, kind: str, told: int) -> None:
    """Kill this process before some operation on a kind of file, or on any, and tell what kind it was."""
    left = [operation]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in WRITES and (event != "open" or (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)):
            found = _kind(str(arguments[0]))
            left[0] -= kind in ("any", found)
            if left[0] < 0:
                os.write(told, found.encode() + b"\n")
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _kind(path: str) -> str:
    """What a file of a store is for."""
    name = Path(path).name.split(".")[0]
    if "/c/" in path:
        return "a chunk"
    return KINDS.get(name, "a folder or lock")


class Bench:
    """A trained model, and the stores that nothing disturbed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.trained = folder, folder / "trained"
        train_tiny(self.trained)
        for place in sorted(self.trained.glob("step*"))[:-WATCHED]:
            shutil.rmtree(place)
        assert run(self.trained, folder / "warm", 0) == 0  # so that a fork finds every module read
        self.wholes, self.seconds = [], []
        for stage in range(len(STAGES)):
            started = time.perf_counter()
            assert status_of(forked(lambda stage=stage: run(self.trained, folder / "whole", stage))) == 0
            self.seconds.append(time.perf_counter() - started)
            self.wholes.append(tree(folder / "whole"))
            if stage == 0:
                shutil.copytree(folder / "whole", folder / "flipped")

    def end(self, store: Path, stage: int) -> bool:
        """Run to the end; whether the store is bit for bit that of an undisturbed run."""
        assert status_of(forked(lambda: run(self.trained, store, stage))) == 0
        return tree(store) == self.wholes[stage] and fsck(Store(store)) == []


def kills(bench: Bench, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Kill until the examination ends, extend it, kill again, and at last start anew."""
    store, stage, done, before_what = bench.folder / "killed", 0, Counter[str](), Counter[str]()
    reads, told = os.pipe()
    os.set_blocking(reads, False)
    lost = wrong = ended = same = 0
    while done.total() < count:
        before = standing(store)
        by_time = bool(rng.integers(2))
        at, kind = float(rng.uniform(0, bench.seconds[stage] / 2)), str(rng.choice(list(KINDS.values())))
        kind = kind if rng.integers(2) else "any"
        operation = int(rng.exponential(100 if kind == "any" else 3))

        def work(by_time: bool = by_time, before: tuple[int, str] = (operation, kind), stage: int = stage) -> int:
            if not by_time:
                kill_before(*before, told)
            return run(bench.trained, store, stage)

        child = forked(work)
        if by_time:
            until = time.monotonic() + at
            while time.monotonic() < until and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                time.sleep(0.001)
            os.kill(child, signal.SIGKILL)
        if status_of(child) != -signal.SIGKILL:  # ended before the kill
            ended += 1
            same += bench.end(store, stage)
            stage = (stage + 1) % len(STAGES)
            if stage == 0:
                shutil.rmtree(store)
            continue
        done[f"{PHASES[stage]}, {'at a time' if by_time else 'before an operation on a file'}"] += 1
        if not by_time:
            before_what[os.read(reads, 99).decode().split("\n")[0]] += 1
        after = standing(store)
        lost += any(after.get(name, 0) < steps for name, steps in before.items())
        wrong += store.exists() and any(f.kind in ("damaged", "foreign") for f in fsck(Store(store)))
        if done.total() % 50 == 0:
            print(done.total(), lost, wrong, f"{same} of {ended}", flush=True)
    same += bench.end(store, stage)
    return {
        "kills": dict(sorted(done.items())), "kills_in_all": done.total(),
        "of_those_before_an_operation": dict(before_what.most_common()),
        "lost_completed_blocks": lost, "wrong_bytes": wrong, "examinations_ended": ended + 1,
        "same_bit_for_bit": same,
    }  # fmt: skip


def mounted(bench: Bench, size: str) -> Path:
    place = bench.folder / "disk"
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    return place


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def full(bench: Bench, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """A disk that is full at a random point; then there is room, and the examination goes on."""
    pages = sum(-(-len(raw) // 4096) + 1 for raw in bench.wholes[0].values())
    said, same, whole_lost, message = Counter[str](), 0, 0, bench.folder / "message"
    while said.total() < count:
        place = mounted(bench, f"{4 * int(rng.integers(4, pages))}k")
        try:
            store = place / "store"
            status = status_of(forked(lambda store=store: run(bench.trained, store, 0, message)))
            if status == 0:  # there was room for all of it
                continue
            said[_sentence(message) if status == REFUSED else "traceback"] += 1
            whole = {p.parent for p in store.glob("units/*/complete")}
            whole_lost += any(UnitStore(p).faults() and list(UnitStore(p).faults()) for p in whole)
            remount(place, "size=64m")
            same += bench.end(store, 0)
        finally:
            subprocess.run(["umount", str(place)], check=True)
    return {"points": count, "said": dict(said), "whole_units_with_faults": whole_lost, "same_bit_for_bit": same}


def limited(bench: Bench, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """No file may grow beyond a random size: a disk that is full, without the right to mount."""
    said, same, message = Counter[str](), 0, bench.folder / "message"
    most = max(map(len, bench.wholes[0].values()))
    for _ in range(count):
        store, size = bench.folder / "limited", int(rng.integers(100, most))

        def work(size: int = size, store: Path = store) -> int:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            return run(bench.trained, store, 0, message)

        status = status_of(forked(work))
        limit = status == REFUSED and "File too large" in message.read_text()
        said["File too large" if limit else f"status {status}"] += 1
        same += bench.end(store, 0)
        shutil.rmtree(store)
    return {"points": count, "said": dict(said), "same_bit_for_bit": same}


def _sentence(message: Path) -> str:
    text = message.read_text()
    return "No space left on device" if text.startswith("could not") and "No space left" in text else text


def readonly(bench: Bench, *_: Any) -> dict[str, Any]:
    """A disk that is mounted for reading only: a whole store is read, an unfinished one is refused in a sentence."""
    place, message = mounted(bench, "64m"), bench.folder / "message"
    try:
        shutil.copytree(bench.folder / "whole", place / "store")
        remount(place, "ro")
        store = Store.open(place / "store")
        read = len(store.units()), len(fsck(store)), len(store.read_reading("document"))
        status = status_of(forked(lambda: run(bench.trained, place / "store", 2, message)))
    finally:
        subprocess.run(["umount", str(place)], check=True)
    said = message.read_text().replace(str(bench.folder), "")
    return {"units_faults_and_rows_read": read, "writing_is_refused": status == REFUSED, "said": said}


def flips(bench: Bench, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """One bit of a random file: whether it is found with its place, and what is computed again."""
    path, message = bench.folder / "flipped", bench.folder / "message"
    whole, found, named, repaired, alone = bench.wholes[0], 0, 0, 0, 0
    names = sorted(whole)
    for i in range(count):
        name = names[int(rng.integers(len(names)))]
        raw = bytearray(whole[name])
        raw[int(rng.integers(len(raw)))] ^= 1 << int(rng.integers(8))
        (path / name).write_bytes(raw)
        parts = Path(name).parts
        seen = fsck(Store(path), repair=i % 10 == 0)
        found += bool(seen)
        mark = parts[2] if len(parts) > 3 else parts[-1]
        named += len(seen) == 1 and mark.removesuffix(".safetensors") in seen[0].sentence
        if i % 10 == 0:
            status = status_of(forked(lambda: run(bench.trained, path, 0, message)))
            repaired += status == 0 and tree(path) == whole
            alone += message.read_text() == ("1" if parts[0] == "units" and len(parts) > 2 else "0")
        (path / name).write_bytes(whole[name])
    tried = len(range(0, count, 10))
    return {
        "flips": count, "found": found, "named": named,
        "repairs": tried, "repaired_bit_for_bit": repaired, "only_the_lost_unit_computed": alone,
    }  # fmt: skip


def two(bench: Bench, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """A second examination while the first writes, which is killed every other time."""
    ends, same, said = Counter[str](), 0, set()
    for i in range(count):
        store, message = bench.folder / f"two{i}", bench.folder / "message"
        first = forked(lambda store=store: run(bench.trained, store, 0))
        time.sleep(float(rng.uniform(0, bench.seconds[0])))
        second = forked(lambda store=store, message=message: run(bench.trained, store, 0, message))
        if i % 2:
            time.sleep(float(rng.uniform(0, bench.seconds[0] / 4)))
            os.kill(first, signal.SIGKILL)
        a, b = status_of(first), status_of(second)
        ends[f"first {a}, second {b}"] += 1
        if b == REFUSED:
            said.add(message.read_text().replace(str(store), "STORE"))
        same += bench.end(store, 0)
        shutil.rmtree(store)
    return {"pairs": count, "ends": dict(ends), "said": sorted(said), "same_bit_for_bit": same}


SECTIONS: dict[str, tuple[Callable[..., dict[str, Any]], int]] = {
    "kills": (kills, 500),
    "full": (full, 50),
    "limited": (limited, 20),
    "readonly": (readonly, 1),
    "flips": (flips, 200),
    "two": (two, 10),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sections", nargs="*", default=list(SECTIONS))
    parser.add_argument("--count", type=int)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    results = json.loads(OUT.read_text()) if OUT.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for name in asked.sections:
            measure, count = SECTIONS[name]
            found = measure(bench, asked.count or count, np.random.default_rng(0))
            results[name] = {"date": date.today().isoformat()} | found
            print(name, json.dumps(results[name], indent=1), flush=True)
            if asked.count is None:
                OUT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
