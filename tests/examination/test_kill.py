"""A store survives kill -9 at any moment: what is resumed is what would have been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from zeeman.examination import Store
from zeeman.probes import Library

SCRIPT = """
import sys
from pathlib import Path
from zeeman.examination import LLC, Behaviours, SamplerSettings, Susceptibilities, examine
from zeeman.probes import Library
from zeeman.subjects import Series

folder, library, store, workers = sys.argv[1:]
settings = SamplerSettings(num_chains=2, num_draws=150, num_burnin_steps=60, num_steps_bw_draws=2, batch_size=8,
                           method="rmsprop_sgld")
examine(Series.from_folder(folder), Library.from_folder(library), Path(store), settings=settings,
        devices=(LLC(), Behaviours(), Susceptibilities((60, 150), ("l0h0", "embed"))), num_workers=int(workers))
"""


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], env=environment, start_new_session=True)


def tree(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted((store / "units").rglob("*")) if p.is_file()}


def test_twenty_kills_leave_the_store_of_an_uninterrupted_run(
    tiny_folder: Path, library: Library, tmp_path: Path
) -> None:
    library.to_folder(tmp_path / "library")
    common = [str(tiny_folder), str(tmp_path / "library")]
    assert start([*common, str(tmp_path / "whole"), "1"]).wait() == 0
    rng = np.random.default_rng(0)
    torn, kills = tmp_path / "torn", 0
    while kills < 20:
        process = start([*common, str(torn), "2" if kills % 5 == 4 else "1"])
        before = progress(torn)
        while process.poll() is None and progress(torn) == before:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15))
        if process.poll() is not None:
            break
        # Only the process itself: its workers are to notice on their own.
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    assert start([*common, str(torn), "1"]).wait() == 0
    assert kills == 20
    assert tree(torn) == tree(tmp_path / "whole")
    # The journal is readable whatever line a kill tore.
    assert Store.open(torn).events()[-1]["event"] == "read"


def progress(store: Path) -> int:
    """Number of files of units so far."""
    return sum(len(files) for _, _, files in os.walk(store / "units"))
