"""Cost of an LLC reading beside devinterp's, on identical models and data, in one run.

Usage: OMP_NUM_THREADS=1 python benchmarks/llc_vs_devinterp.py --peer-python PYTHON --peer-script devinterp_side.py

PYTHON is the interpreter of a virtual environment that holds devinterp 2.0.1, datasets and transformers; the peer
script builds the models and data, and holds the hand-written SGLD loop that both sides are divided by. Each side runs
in a process of its own, one thread, in turns; the committed result is the median over the rounds. Our side is what a
user runs: `examine` with the LLC device into a store.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SIZES = {  # tokens a sequence, draws a chain, batches of an observable read at each draw
    "nano": (32, 100, 0),
    "micro": (64, 60, 0),
    "pythia14m-smallvocab": (64, 50, 0),
    "pythia14m-smallvocab, 200 draws": (64, 200, 0),
    "pythia14m-smallvocab with an observable": (64, 50, 3),
    "pythia14m": (64, 15, 0),
}
CHAINS, BATCH, LR, N_BETA, LOCALIZATION = 2, 8, 1e-4, 30.0, 300.0
ROWS = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--peer-script", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        print(json.dumps(ours(arguments.ours, arguments.data, arguments.peer_script)))
        return
    result = {"date": datetime.now(UTC).date().isoformat(), "cpu_count": os.cpu_count(), "rounds": arguments.rounds}
    result["sizes"] = {size: compare(size, arguments) for size in SIZES}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(path.read_text())


def compare(size: str, arguments: argparse.Namespace) -> dict[str, object]:
    length, draws, observed = SIZES[size]
    name = size.split()[0].rstrip(",")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/tokens.npy"
        write = f"""
import sys, numpy
sys.path.insert(0, {str(arguments.peer_script.parent)!r})
import devinterp_side as peer
numpy.save({data!r}, peer.make_data({ROWS}, {length}, peer.SIZES[{name!r}][4], 0)[1])
"""
        subprocess.run([arguments.peer_python, "-c", write], check=True, env=environment)
        common = ["--chains", CHAINS, "--draws", draws, "--batch", BATCH, "--lr", LR, "--n-beta", N_BETA]
        peer = [arguments.peer_python, arguments.peer_script, "--size", name, "--seq-len", length, *common]
        peer += ["--localization", LOCALIZATION, "--n-seqs", ROWS, "--obs-batches", observed]
        own = [sys.executable, __file__, "--peer-python", "", "--peer-script", arguments.peer_script]
        own += ["--ours", size, "--data", data]
        pairs = [(run(own, environment), run(peer, environment)) for _ in range(arguments.rounds)]
    mine, theirs = ([pair[i] for pair in pairs] for i in (0, 1))
    return {
        "zeeman": summary(mine),
        "devinterp": summary(theirs),
        "raw": [{"zeeman": m, "devinterp": {k: v for k, v in t.items() if k != "args"}} for m, t in pairs],
    }


def run(command: list[object], environment: dict[str, str]) -> dict[str, float]:
    out = subprocess.run([str(c) for c in command], check=True, env=environment, capture_output=True, text=True)
    return json.loads(out.stdout.splitlines()[-1])


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    names = {
        "ratio_to_hand_written_sgld": "cpu_ratio_vs_min_sgld",
        "cpu_ms_per_chain_step": "cpu_ms_per_step",
        "peak_rss_mb": "peak_rss_mb",
        "rss_before_mb": "rss_before_mb",
        "bytes_per_token": "zarr_bytes_per_token",
        "llc": "llc",
    }
    return {name: round(statistics.median(row[key] for row in rows), 3) for name, key in names.items()}


def ours(size: str, data: str, script: Path) -> dict[str, float]:
    """Measure zeeman in this process."""
    import arviz_stats.base  # noqa: F401  # as the peer's, imports count as start-up and not as steps
    import numpy as np
    import torch

    from zeeman import LLC, Library, Probe, SamplerSettings, Series, examine

    spec = importlib.util.spec_from_file_location("peer", script)
    assert spec is not None
    assert spec.loader is not None
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    torch.set_num_threads(1)
    length, draws, observed = SIZES[size]
    name = size.split()[0].rstrip(",")
    model, _ = peer.build(name, length, 0, "sdpa")
    tokens = np.load(data)
    scored = np.ones(tokens.shape, bool)
    scored[:, 0] = False
    rows = max(1, observed) * BATCH
    library = Library.from_probes(
        "bench", Probe("train", tokens, scored), [Probe("probe", tokens[:rows], scored[:rows])]
    )
    settings = SamplerSettings(
        lr=LR,
        n_beta=N_BETA,
        localization=LOCALIZATION,
        num_chains=CHAINS,
        num_draws=draws,
        num_burnin_steps=0,
        num_steps_bw_draws=1,
        batch_size=BATCH,
    )
    before = peer.rss_mb()
    states = [(0, model.state_dict())]
    del model
    with tempfile.TemporaryDirectory() as folder:
        series = Series.from_state_dicts(states, lambda: peer.build(name, length, 0, "sdpa")[0])
        states.clear()  # the series has its copy, as it would on a disk
        wall, cpu = time.perf_counter(), time.process_time()
        found = examine(
            series, library, Path(folder) / "store", settings=settings, devices=(observing() if observed else LLC(),)
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        size_on_disk = peer.du(folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    steps = CHAINS * draws
    count = min(max(10, draws), 40)
    model, _ = peer.build(name, length, 0, "sdpa")
    _, floor = peer.raw_loop(model, tokens, BATCH, count, True, LR, N_BETA, LOCALIZATION)
    return {
        "cpu_ms_per_step": 1e3 * cpu / steps,
        "floor_sgld_cpu_ms": 1e3 * floor / count,
        "cpu_ratio_vs_min_sgld": (cpu / steps) / (floor / count),
        "wall_s": wall,
        "peak_rss_mb": peak,
        "rss_before_mb": before,
        "zarr_bytes_per_token": size_on_disk / (steps * BATCH * length),
        "llc": float(found.of("llc")[0].value),
    }


def observing() -> Any:
    """The LLC device with chains that read the probe at every draw."""
    from zeeman import LLC

    class Observing(LLC):
        def units(self, subject: Any, settings: Any) -> list[Any]:
            return [replace(u, observed=subject.observed(["probe"])) for u in super().units(subject, settings)]

    return Observing()


if __name__ == "__main__":
    main()
