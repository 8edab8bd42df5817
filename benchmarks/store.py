"""What the store costs: its share of the demo's time, and how long a store of ten thousand units takes to open.

Usage: OMP_NUM_THREADS=1 python benchmarks/store.py [cost] [checkpoint] [opening]

`cost` is the whole demo, `checkpoint` one checkpoint of a training of 200 steps: by what the demo reads at every
checkpoint, and by all that it reads at three of them. The share of the whole demo lies between the two.

CPU seconds of the process, since the machine may be shared; the demo is examined on one worker in this process, so that
those of Zarr's own thread count too. What counts as store is every call into it: laying out, chunks, states, markers,
checksums, readings, and the reading back by devices.
"""

from __future__ import annotations

import functools
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from zeeman.demo import TrainingSettings, run_demo
from zeeman.demo.run import MEASURED, SETTINGS
from zeeman.demo.training import train
from zeeman.examination import Examination, SamplerSettings, Store, Susceptibilities, Unit, document, examine
from zeeman.examination.files import checksum, sealed, unsealed
from zeeman.examination.store import Manifest
from zeeman.examination.unit_store import UnitStore
from zeeman.probes import demo_library
from zeeman.subjects import Series

OUT = Path(__file__).with_suffix(".json")
CALLS = {
    UnitStore: (
        "prepare",
        "write",
        "write_array",
        "set_attributes",
        "finish",
        "array",
        "attribute",
        "inherit",
        "settle",
    ),
    Store: ("units", "log", "claim", "walked", "write_reading", "read_reading", "manifest"),
}


def shares(examined: Callable[[Path], Examination]) -> dict[str, Any]:
    """CPU seconds of an examination, and of every call into the store within it."""
    spent: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    depth = [0]

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapper(*arguments: Any, **options: Any) -> Any:
            started, outer = time.process_time(), not depth[0]
            depth[0] += 1
            try:
                return call(*arguments, **options)
            finally:
                depth[0] -= 1
                if outer:
                    spent[name] += time.process_time() - started
                    calls[name] += 1

        return wrapper

    known = {(kind, name): getattr(kind, name) for kind, names in CALLS.items() for name in names}
    for (kind, name), call in known.items():
        setattr(kind, name, timed(f"{kind.__name__}.{name}", call))
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        found = examined(Path(folder))
        found.store.write_reading("document", document(found))
        total = time.process_time() - started
        size = sum(p.stat().st_size for p in found.store.path.rglob("*") if p.is_file())
        units = len(found.store.units())
    for (kind, name), call in known.items():
        setattr(kind, name, call)
    return {
        "cpu_seconds": round(total, 1),
        "store_cpu_seconds": round(sum(spent.values()), 1),
        "share": round(sum(spent.values()) / total, 4),
        "units": units,
        "megabytes": round(size / 1e6, 1),
        "by_call": {k: [calls[k], round(v, 2)] for k, v in sorted(spent.items(), key=lambda x: -x[1])},
    }


def cost() -> dict[str, Any]:
    return shares(lambda folder: run_demo(folder / "demo", num_workers=1))


def checkpoint() -> dict[str, Any]:
    library = demo_library()
    everywhere = tuple(device for device in MEASURED if not isinstance(device, Susceptibilities))
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder) / "run", library, TrainingSettings(num_steps=200))
        series = Series.from_folder(Path(folder) / "run")
        series = replace(series, checkpoints=series.checkpoints[-1:])
        measured = partial(examine, series, library, settings=SETTINGS)
        return {
            "at every checkpoint": shares(partial(measured, devices=everywhere)),
            "at three": shares(partial(measured, devices=MEASURED)),
        }


def opening(count: int = 10_000) -> dict[str, Any]:
    """Units that observe twelve probes, as their folders stand; the chunks are left out, since opening reads none."""
    observed = tuple((f"p{i}", f"{i:064d}") for i in range(12))
    base = Unit("loaded", 0, "w" * 64, "l0h0", 0, SamplerSettings(), "d" * 64, observed)
    shapes = {"rows": (195, 32), "distance": (4,)} | {f"observed_{name}": (40, 500) for name, _ in observed}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        place = store.unit(base)
        place.prepare(base, shapes, dict.fromkeys(shapes, 20))
        place.finish()
        group = json.loads((place.path / "zarr.json").read_bytes())
        files = unsealed((place.path / "complete").read_bytes())["files"]
        for step in range(1, count):
            unit = replace(base, step=step)
            path = store.unit(unit).path
            path.mkdir()
            raw = json.dumps(group | {"attributes": asdict(unit) | {"checksums": "crc32c"}}).encode()
            (path / "zarr.json").write_bytes(raw)
            (path / "complete").write_bytes(sealed({"files": files | {"zarr.json": checksum(raw)}}))
        store.claim(Manifest(series="", library="", weights={}, probes={}))
        seconds, wall = [], []
        for _ in range(5):
            started, at = time.process_time(), time.perf_counter()
            assert len(Store.open(folder).units()) == count
            seconds.append(round(time.process_time() - started, 2))
            wall.append(round(time.perf_counter() - at, 2))
    return {"units": count, "cpu_seconds": seconds, "wall_seconds_on_a_shared_machine": wall}


if __name__ == "__main__":
    results = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name in sys.argv[1:] or ("cost", "checkpoint", "opening"):
        measured = {"cost": cost, "checkpoint": checkpoint, "opening": opening}[name]()
        results[name] = {"date": date.today().isoformat()} | measured
        print(name, json.dumps(results[name], indent=1), flush=True)
        OUT.write_text(json.dumps(results, indent=1) + "\n")
