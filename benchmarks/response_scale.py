"""Reading a response matrix from a store: CPU seconds, memory and bytes against tokens and components.

Usage: OMP_NUM_THREADS=1 python benchmarks/response_scale.py [TOKENS COMPONENTS …]

Each size is a store of its own with random losses of float16 (which compress least), 4 chains of 15 draws, and is read
in a process of its own. The draws themselves are not made by a model here: what sampling costs is told elsewhere.
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from zeeman.examination import SamplerSettings, Store, Unit, response_matrix
from zeeman.examination.device import Draws
from zeeman.examination.store import Manifest
from zeeman.probes import Library, Probe

SIZES = ((10_000, 10), (100_000, 10), (1_000_000, 5), (1_000_000, 20))
LENGTH, CHAINS, DRAWS, DATA = 1001, 4, 15, 1000


def main() -> None:
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(read(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
        return
    given = [int(word) for word in sys.argv[1:]]
    sizes = list(zip(given[::2], given[1::2], strict=True)) or SIZES
    rows = []
    for tokens, components in sizes:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder), tokens, components)
            command = [sys.executable, __file__, "--read", folder, str(tokens), str(components)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout))
            print(rows[-1], flush=True)
    machine = {"numpy": np.__version__, "processor": platform.machine()}
    report = {"date": datetime.now(UTC).date().isoformat(), "machine": machine, "rows": rows}
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


def library(tokens: int) -> Library:
    scored = np.ones((tokens // (LENGTH - 1), LENGTH), bool)
    scored[:, 0] = False
    probe = Probe("p", np.zeros_like(scored, np.int64), scored)
    return Library.from_probes("scale", Probe("train", probe.inputs[:2], scored[:2]), [probe])


def units(probes: Library, components: int) -> dict[str, list[Unit]]:
    settings = SamplerSettings(num_chains=CHAINS, num_draws=DRAWS, num_burnin_steps=0)
    observed = (("data", "d"), ("p", probes["p"].digest))
    return {
        f"c{i}": [Unit("unloaded", 1, "w", f"c{i}", chain, settings, observed=observed) for chain in range(CHAINS)]
        for i in range(components)
    }


def make(folder: Path, tokens: int, components: int) -> None:
    store, probes, rng = Store(folder / "store"), library(tokens), np.random.default_rng(0)
    store.claim(Manifest(series="s", library="scale", weights={1: "w"}, probes={"p": probes["p"].digest}))
    for chains in units(probes, components).values():
        for unit in chains:
            held = store.unit(unit)
            shapes = {"observed_data": (DRAWS, DATA), "observed_p": (DRAWS, tokens)}
            held.prepare(unit, shapes, dict.fromkeys(shapes, DRAWS))
            phi = 0.05 * rng.standard_normal((DRAWS, 1), np.float32) + 0.1
            for name, shape in shapes.items():
                held.write_array(name, phi + 0.1 * rng.standard_normal(shape, np.float32))
            held.set_attributes(num_parameters=1000, localization=100.0)
            held.finish()


def read(folder: Path, tokens: int, components: int) -> dict[str, Any]:
    probes = library(tokens)
    chains = units(probes, components)
    draws = Draws(Store(folder / "store"), {u.chain_key: u for each in chains.values() for u in each})
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    matrix = response_matrix(draws, probes, chains)
    seconds = time.process_time() - begun
    assert matrix.rho.shape == (components, tokens)
    return {
        "tokens": tokens,
        "components": components,
        "cpu_seconds": round(seconds, 1),
        "peak_mb_above_start": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "bytes_a_token_draw": round(size / (tokens * components * CHAINS * DRAWS), 3),
        "microseconds_a_token_draw": round(1e6 * seconds / (tokens * components * CHAINS * DRAWS), 3),
    }


if __name__ == "__main__":
    main()
