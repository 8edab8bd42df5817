"""What an examination at an S3 URL costs, and what kills, flipped bits and a second machine do to it.

Usage: OMP_NUM_THREADS=1 python benchmarks/remote.py [SECTION …] [--count N]
Sections: kills, machines, flips, opening. Needs: pip install s3fs 'moto[server]'.

The server is moto's, on this machine, so that seconds are those of its Python and not of a network. Examinations are
those of faults.py. Kills are SIGKILL after a random time, or just before a random upload; the next run sits at the same
machine (the same cache) or, every other time, at a new one. Every figure is of bits at the URL against those of a store
in a folder that nothing disturbed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from faults import Bench, forked, run, status_of

from zeeman.examination import SamplerSettings, Store, Unit, fsck
from zeeman.examination.files import checksum, sealed
from zeeman.examination.remote import Remote
from zeeman.examination.store import Manifest

OUT = Path(__file__).with_suffix(".json")
BUCKET, PORT = "zeeman", 5123
SERVE = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{PORT}'])"
OWN = ("events.jsonl", "zarr.json", "units/zarr.json")


@contextmanager
def server() -> Iterator[Any]:
    """An S3 server with a bucket, which fsspec finds by the environment; gives a client that forks stay clear of."""
    account = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= account | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}"}
    process = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        client = boto3.client("s3")
        for _ in range(100):
            try:
                client.create_bucket(Bucket=BUCKET)
                break
            except Exception:
                time.sleep(0.3)
        yield client
    finally:
        process.terminate()
        process.wait()


def objects(client: Any, name: str) -> dict[str, bytes]:
    """Everything of a store at the URL but its journal and constant files."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{name}/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    held = {key.removeprefix(f"{name}/"): client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
    return {key: raw for key, raw in held.items() if key not in OWN}


def expected(bench: Bench, stage: int) -> dict[str, bytes]:
    return {name: raw for name, raw in bench.wholes[stage].items() if name not in OWN}


def examined(bench: Bench, url: str, stage: int, machine: str, upload: int | None = None) -> int:
    """Examine at a machine; before some upload comes the kill."""
    os.environ["XDG_CACHE_HOME"] = str(bench.folder / machine)
    if upload is not None:
        from s3fs import S3FileSystem

        left = [upload]
        for name in ("_put_file", "_pipe_file"):
            call = getattr(S3FileSystem, name)

            async def counted(*arguments: Any, call: Any = call, **options: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return await call(*arguments, **options)

            setattr(S3FileSystem, name, counted)
    return run(bench.trained, url, stage)  # type: ignore[arg-type]


def kills(bench: Bench, client: Any, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Kill until an examination ends, extend it, and at last start anew; units at the URL never become fewer."""
    done, ended, same, lost, number, stage, machine = Counter[str](), 0, 0, 0, 0, 0, 0
    while done.total() < count:
        url, before = f"s3://{BUCKET}/k{number}", _markers(client, f"k{number}")
        upload = int(rng.exponential(60)) if rng.integers(2) else None
        child = forked(lambda url=url, stage=stage, at=f"m{machine}", u=upload: examined(bench, url, stage, at, u))
        if upload is None:
            until = time.monotonic() + float(rng.uniform(0, 2 * bench.seconds[stage]))
            while time.monotonic() < until and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                time.sleep(0.002)
            os.kill(child, signal.SIGKILL)
        status = status_of(child)
        lost += not before <= _markers(client, f"k{number}")
        if status == -signal.SIGKILL:
            done["at a time" if upload is None else "before an upload"] += 1
            machine += done.total() % 2
            continue
        assert status == 0, status
        ended += 1
        same += objects(client, f"k{number}") == expected(bench, stage)
        stage = (stage + 1) % 3
        number += stage == 0
        print(done, f"{same} of {ended}", flush=True)
    return {
        "kills": dict(done), "machines": machine + 1, "lost_units": lost,
        "examinations_ended": ended, "same_bit_for_bit": same,
    }  # fmt: skip


def _markers(client: Any, name: str) -> set[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{name}/units/")
    return {e["Key"] for page in pages for e in page.get("Contents", ()) if e["Key"].endswith("/complete")}


def machines(bench: Bench, client: Any, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Two machines examine into one URL at the same time."""
    same, ends = 0, Counter[str]()
    for i in range(count):
        url = f"s3://{BUCKET}/two{i}"
        first = forked(lambda url=url, i=i: examined(bench, url, 0, f"a{i}"))
        time.sleep(float(rng.uniform(0, bench.seconds[0])))
        second = forked(lambda url=url, i=i: examined(bench, url, 0, f"b{i}"))
        ends[f"first {status_of(first)}, second {status_of(second)}"] += 1
        same += objects(client, f"two{i}") == expected(bench, 0)
    return {"pairs": count, "ends": dict(ends), "same_bit_for_bit": same}


def flips(bench: Bench, client: Any, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """A bit of a random object: fsck finds, names and repairs it, and another machine's run computes what is lost."""
    name, found, named, repaired = "flips", 0, 0, 0
    url = f"s3://{BUCKET}/{name}"
    assert status_of(forked(lambda: examined(bench, url, 0, "flips"))) == 0
    whole = expected(bench, 0)
    for i in range(count):
        key = sorted(whole)[int(rng.integers(len(whole)))]
        raw = bytearray(whole[key])
        raw[int(rng.integers(len(raw)))] ^= 1 << int(rng.integers(8))
        client.put_object(Bucket=BUCKET, Key=f"{name}/{key}", Body=bytes(raw))
        message = bench.folder / "message"

        def work(i: int = i, message: Path = message) -> int:
            os.environ["XDG_CACHE_HOME"] = str(bench.folder / f"f{i}")
            seen = fsck(Store.open(url), repair=True)
            message.write_text("\n".join(f.sentence for f in seen))
            return len(seen)

        found += status_of(forked(work)) > 0
        parts = Path(key).parts
        mark = parts[2] if len(parts) > 3 else parts[-1]
        named += mark.removesuffix(".safetensors") in message.read_text()
        assert status_of(forked(lambda i=i: examined(bench, url, 0, f"f{i}"))) == 0
        repaired += objects(client, name) == whole
    return {"flips": count, "found": found, "named": named, "repaired_bit_for_bit": repaired}


def opening(bench: Bench, client: Any, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Units with their two small files each: how long another machine takes to know of all of them."""
    observed = tuple((f"p{i}", f"{i:064d}") for i in range(12))
    base = Unit("loaded", 0, "w" * 64, "l0h0", 0, SamplerSettings(), "d" * 64, observed)

    def work() -> int:
        os.environ["XDG_CACHE_HOME"] = str(bench.folder / "opening")
        there, files = Remote(f"s3://{BUCKET}/opening"), {}
        for step in range(count):
            unit = replace(base, step=step)
            raw = json.dumps({"zarr_format": 3, "node_type": "group", "attributes": asdict(unit)}).encode()
            files[f"units/{unit.key}/zarr.json"] = raw
            files[f"units/{unit.key}/complete"] = sealed({"files": {"zarr.json": checksum(raw)}})
        there.fs.pipe({f"{there.root}/{name}": raw for name, raw in files.items()})
        manifest = Manifest(series="", library="", weights={}, probes={})
        there.write("examination.json", sealed(manifest.model_dump(mode="json")))
        started, cpu = time.perf_counter(), time.process_time()
        assert len(Store.open(f"s3://{BUCKET}/opening").units()) == count
        figures = {"seconds": time.perf_counter() - started, "cpu_seconds_here": time.process_time() - cpu}
        (bench.folder / "figures").write_text(json.dumps(figures))
        return 0

    assert status_of(forked(work)) == 0
    figures = json.loads((bench.folder / "figures").read_text())
    return {"units": count, **{name: round(value, 2) for name, value in figures.items()}}


SECTIONS: dict[str, tuple[Callable[..., dict[str, Any]], int]] = {
    "kills": (kills, 60),
    "machines": (machines, 10),
    "flips": (flips, 30),
    "opening": (opening, 1000),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sections", nargs="*", default=list(SECTIONS))
    parser.add_argument("--count", type=int)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    results = json.loads(OUT.read_text()) if OUT.exists() else {}
    with tempfile.TemporaryDirectory() as folder, server() as client:
        bench = Bench(Path(folder))
        for name in asked.sections:
            measure, count = SECTIONS[name]
            found = measure(bench, client, asked.count or count, np.random.default_rng(0))
            results[name] = {"date": date.today().isoformat()} | found
            print(name, json.dumps(results[name], indent=1), flush=True)
            if asked.count is None:
                OUT.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
