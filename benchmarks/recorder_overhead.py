"""What the live device costs: seconds in the recorder beside seconds of training, in one and the same run.

The demo's training, as `zeeman demo` does it, and the same with checkpoints alone; every call of the recorder is timed
within the run, so that a machine that is busy slows both sides alike. CPU seconds leave out the wait for the disk.
`python benchmarks/recorder_overhead.py [STEPS]` writes recorder_overhead.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from zeeman.demo import training
from zeeman.probes import demo_library
from zeeman.subjects import Recorder, Series

SPENT = {"wall": 0.0, "cpu": 0.0}


class Timed(Recorder):
    """A recorder that adds up the time spent in it."""

    watched = True

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options if self.watched else options | {"watch": None})

    def step(self, step: int, loss: float | torch.Tensor | None = None) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        super().step(step, loss)
        SPENT["wall"] += time.perf_counter() - wall
        SPENT["cpu"] += time.process_time() - cpu


def measure(num_steps: int, watched: bool) -> dict[str, Any]:
    SPENT.update(wall=0.0, cpu=0.0)
    Timed.watched = watched
    training.Recorder = Timed  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        training.train(Path(folder) / "run", demo_library(), training.TrainingSettings(num_steps=num_steps))
        whole = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        steps = Series.from_folder(Path(folder) / "run").steps
    shares = {f"{kind} share": SPENT[kind] / (whole[kind] - SPENT[kind]) for kind in whole}
    return {"watched": watched, "steps": num_steps, "checkpoints": len(steps), **whole, **shares}


def main(num_steps: int) -> None:
    torch.set_num_threads(1)
    found = [measure(num_steps, watched) for watched in (True, False)]
    if num_steps == 3000:
        Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
