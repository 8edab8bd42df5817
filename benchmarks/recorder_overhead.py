"""What the live device costs: seconds in the recorder beside seconds of training, in one and the same run.

The demo's training as `zeeman demo` does it, the same loop with checkpoints alone, and trainings of transformers'
Trainer and of Lightning with its network or GPT-2's layers, all with log-spaced and adaptive checkpoints. Everything
that the recorder does is timed within the run, its start and its end too, so that a machine that is busy slows both
sides alike. CPU seconds leave out the wait for the disk.
`python benchmarks/recorder_overhead.py [STEPS]` writes recorder_overhead.json; Trainer needs accelerate, and Lightning
itself, and a loop without them is left out.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from zeeman.demo import training
from zeeman.probes import demo_library, training_windows
from zeeman.sampling import language_model_loss
from zeeman.subjects import Recorder, RecorderCallback, Series, callback, lightning

BATCH = 32


class Timed(Recorder):
    """A recorder that adds up the time spent in it."""

    spent: ClassVar[dict[str, float]] = {}
    within = False

    @classmethod
    def timed(cls, call: Callable[[], None]) -> None:
        if cls.within:  # a call within a call
            return call()
        cls.within, wall, cpu = True, time.perf_counter(), time.process_time()
        try:
            return call()
        finally:
            cls.within = False
            for kind, seconds in (("wall", time.perf_counter() - wall), ("cpu", time.process_time() - cpu)):
                cls.spent[kind] = cls.spent.get(kind, 0.0) + seconds

    def __init__(self, *given: Any, **options: Any) -> None:
        self.timed(lambda: super(Timed, self).__init__(*given, **options))

    def step(self, step: int, loss: float | torch.Tensor | None = None) -> None:
        self.timed(lambda: super(Timed, self).step(step, loss))

    def close(self) -> None:
        self.timed(super().close)


class Unwatched(Timed):
    """The same without losses that are watched."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options | {"watch": None})


Training = Callable[[], object]


def plain(folder: Path, num_steps: int) -> Training:
    training.Recorder = Timed  # type: ignore[misc]
    return partial(training.train, folder, demo_library(), training.TrainingSettings(num_steps=num_steps))


def checkpoints_alone(folder: Path, num_steps: int) -> Training:
    training.Recorder = Unwatched  # type: ignore[misc]
    return partial(training.train, folder, demo_library(), training.TrainingSettings(num_steps=num_steps))


def rows(num_steps: int) -> list[torch.Tensor]:
    return list(torch.from_numpy(training_windows(np.random.default_rng(0), BATCH * num_steps)))


def options() -> dict[str, Any]:
    return {"watch": training._Watch(demo_library()), "ratio": 2.0, "sensitivity": 0.6}


def with_trainer(folder: Path, num_steps: int) -> Training:
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    callback.Recorder = Timed  # type: ignore[misc]
    config = GPT2Config(vocab_size=256, n_positions=64, n_embd=64, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)
    given = TrainingArguments(
        str(folder.parent / "out"), num_train_epochs=1, per_device_train_batch_size=BATCH, learning_rate=1e-3,
        save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True, logging_steps=100,
    )  # fmt: skip
    data = [{"input_ids": row, "labels": row} for row in rows(num_steps)]
    device = RecorderCallback(folder, **options())
    return Trainer(GPT2LMHeadModel(config), given, train_dataset=data, callbacks=[device]).train  # type: ignore[no-any-return]


def with_lightning(folder: Path, num_steps: int) -> Training:
    import pytorch_lightning

    lightning.Recorder = Timed  # type: ignore[misc]

    class Module(pytorch_lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = training.initial_model(0)

        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            return language_model_loss(self.model, batch).mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=4e-3)

    made = {"factory": "zeeman.demo.training:make_model", "config": {}}
    trainer = pytorch_lightning.Trainer(
        max_epochs=1, callbacks=[lightning.LightningRecorder(folder, "model", **made, **options())], accelerator="cpu",
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    return partial(trainer.fit, Module(), torch.utils.data.DataLoader(rows(num_steps), batch_size=BATCH))


LOOPS: dict[str, tuple[Callable[[Path, int], Training], str]] = {
    "plain loop": (plain, "torch"),
    "plain loop, nothing watched": (checkpoints_alone, "torch"),
    "transformers Trainer": (with_trainer, "accelerate"),
    "Lightning": (with_lightning, "pytorch_lightning"),
}


def measure(name: str, num_steps: int) -> dict[str, Any]:
    loop, _ = LOOPS[name]
    Timed.spent = {}
    with tempfile.TemporaryDirectory() as folder:
        train = loop(Path(folder) / "run", num_steps)
        wall, cpu = time.perf_counter(), time.process_time()
        train()
        whole = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        steps = Series.from_folder(Path(folder) / "run", nn.Identity).steps
    shares = {f"{kind} share": Timed.spent[kind] / (whole[kind] - Timed.spent[kind]) for kind in whole}
    return {"loop": name, "steps": num_steps, "checkpoints": len(steps), **whole, **shares}


def main(num_steps: int) -> None:
    torch.set_num_threads(1)
    there = [name for name, (_, needs) in LOOPS.items() if importlib.util.find_spec(needs)]
    found = {
        "date": date.today().isoformat(),
        "torch": torch.__version__,
        "loops": [measure(name, num_steps) for name in there],
    }
    if num_steps == 3000:
        Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
