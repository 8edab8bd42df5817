"""What the live device costs beside the training that it records.

Usage: OMP_NUM_THREADS=1 python benchmarks/recorder_overhead.py [STEPS]

A GPT-NeoX of 128 dimensions and four layers on small batches of 256 tokens, so that what is saved is large beside what
is computed, in a plain loop, transformers' Trainer (needs accelerate) and Lightning's; a loop without its package is
left out. Each is trained twice from one seed, with the recorder and without, in two threads that take turns: stretches
of as many steps each, so that a machine that is busy slows both alike. `paired` is the CPU seconds that the recorded
training took more, as a share of the other's, over all stretches, with its error by the bootstrap over pairs of
stretches, and the median over these; `control` is the same of two trainings that nobody records, a fifth as long: what
it is beyond its error is the machine's. `within` is the time spent in the recorder's calls, as a share of the rest of
the same training: it knows nothing of what a save does to caches, and is far less noisy. Both in CPU seconds, which
leave out the wait for the disk; `wall` is `within` with it. 1000 steps write recorder_overhead.json.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, TrainerCallback

from zeeman.sampling import language_model_loss
from zeeman.subjects import LightningRecorder, Recorder, RecorderCallback, Series, callback, lightning

ROWS, LENGTH, VOCABULARY = 8, 32, 2048
STRETCH = 5
OnStep = Callable[[], None]


class Timed(Recorder):
    """A recorder that adds up the time spent in it."""

    spent: ClassVar[dict[str, float]] = {}
    within = False

    @classmethod
    def timed(cls, call: Callable[[], None]) -> None:
        if cls.within:  # a call within a call
            return call()
        cls.within, wall, cpu = True, time.perf_counter(), time.thread_time()
        try:
            return call()
        finally:
            cls.within = False
            for kind, seconds in (("wall", time.perf_counter() - wall), ("cpu", time.thread_time() - cpu)):
                cls.spent[kind] = cls.spent.get(kind, 0.0) + seconds

    def __init__(self, *given: Any, **options: Any) -> None:
        self.timed(lambda: super(Timed, self).__init__(*given, **options))

    def step(self, step: int, loss: float | torch.Tensor | None = None) -> None:
        self.timed(lambda: super(Timed, self).step(step, loss))

    def close(self) -> None:
        self.timed(super().close)


class Turns:
    """Two trainings that run a stretch of steps at a time, one after the other; which goes first changes each time."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.done: tuple[list[tuple[float, float]], ...] = ([], [])
        self.ended = [False, False]
        self.holder = 0

    def run(self, trainings: tuple[Callable[[OnStep], None], ...]) -> None:
        threads = [threading.Thread(target=self._run, args=(each, i)) for i, each in enumerate(trainings)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run(self, training: Callable[[OnStep], None], me: int) -> None:
        steps, since = 0, (0.0, 0.0)

        def on_step() -> None:
            nonlocal steps, since
            if steps % STRETCH == 0:
                if steps:
                    self.done[me].append((time.thread_time() - since[0], time.perf_counter() - since[1]))
                    self._give(me)
                self._take(me)
                since = time.thread_time(), time.perf_counter()
            steps += 1

        self._take(me)
        try:
            training(on_step)
        finally:
            self.ended[me] = True
            self._give(me)

    def _take(self, me: int) -> None:
        with self.turn:
            self.turn.wait_for(lambda: self.holder == me or self.ended[1 - me])

    def _give(self, me: int) -> None:
        """Pass on, but after every second stretch go on at once: ab ba ab ba."""
        with self.turn:
            if len(self.done[me]) != len(self.done[1 - me]) or self.ended[me]:
                self.holder = 1 - me
            self.turn.notify_all()


def network() -> GPTNeoXForCausalLM:
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY, hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=512,
        max_position_embeddings=LENGTH, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GPTNeoXForCausalLM(config)


def rows(num_steps: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(VOCABULARY, size=(ROWS * num_steps, LENGTH)))


def plain(folder: Path | None, num_steps: int, options: Mapping[str, Any], on_step: OnStep) -> None:
    model, data = network(), rows(num_steps)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    recorder = Timed(folder, model, **options) if folder else None
    for step in range(num_steps):
        on_step()
        if recorder:
            recorder.step(step)
        loss = language_model_loss(model, data[ROWS * step : ROWS * (step + 1)]).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    on_step()
    if recorder:
        recorder.step(num_steps, loss)
        recorder.close()


def with_trainer(folder: Path | None, num_steps: int, options: Mapping[str, Any], on_step: OnStep) -> None:
    from transformers import Trainer, TrainingArguments

    class Before(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            on_step()

    with tempfile.TemporaryDirectory() as out:
        given = TrainingArguments(
            out, num_train_epochs=1, per_device_train_batch_size=ROWS, learning_rate=1e-3, save_strategy="no",
            report_to=[], use_cpu=True, disable_tqdm=True, logging_steps=100,
        )  # fmt: skip
        data = [{"input_ids": row, "labels": row} for row in rows(num_steps)]
        callbacks = [Before(), *([RecorderCallback(folder, **options)] if folder else [])]
        Trainer(network(), given, train_dataset=data, callbacks=callbacks).train()


def with_lightning(folder: Path | None, num_steps: int, options: Mapping[str, Any], on_step: OnStep) -> None:
    import pytorch_lightning

    class Module(pytorch_lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = network()

        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            on_step()
            return language_model_loss(self.model, batch).mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=1e-3)

    trainer = pytorch_lightning.Trainer(
        max_epochs=1, callbacks=[LightningRecorder(folder, "model", **options)] if folder else [], accelerator="cpu",
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Module(), torch.utils.data.DataLoader(list(rows(num_steps)), batch_size=ROWS))


def watch(model: nn.Module) -> Mapping[str, float]:
    """As many tokens as a batch has, in four probes."""
    parts = WATCHED.chunk(4)
    return {f"probe {i}": float(language_model_loss(model, part).mean()) for i, part in enumerate(parts)}


WATCHED = rows(1)
Loop = Callable[[Path | None, int, Mapping[str, Any], OnStep], None]
LOOPS: dict[str, tuple[Loop, str, dict[str, Any]]] = {
    "plain loop": (plain, "torch", {}),
    "plain loop, losses watched": (plain, "torch", {"watch": watch}),
    "transformers Trainer": (with_trainer, "accelerate", {}),
    "Lightning": (with_lightning, "pytorch_lightning", {}),
}


def more(one: NDArray[np.float64], other: NDArray[np.float64]) -> list[float]:
    """CPU seconds of one training beyond another's, as a share, with its error; and the median over stretches."""
    a, b = one[:, 0], other[:, 0]
    picks = np.random.default_rng(0).integers(len(b), size=(2000, len(b)))
    spread = float(np.std(a[picks].sum(1) / b[picks].sum(1)))
    return [round(v, 4) for v in (float(a.sum() / b.sum()) - 1, spread, float(np.median(a / b)) - 1)]


def control(loop: Loop, num_steps: int) -> list[float]:
    """The same of two trainings without a recorder; the first stretches, where memory is first had, are left out."""
    turns = Turns()
    turns.run((lambda on_step: loop(None, num_steps, {}, on_step),) * 2)
    one, other = (np.array(each)[4:] for each in turns.done)
    return more(one, other)


def measure(name: str, num_steps: int) -> dict[str, Any]:
    loop, _, options = LOOPS[name]
    Timed.spent, turns = {}, Turns()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        turns.run(tuple(lambda on_step, at=at: loop(at, num_steps, options, on_step) for at in (run, None)))
        saved = len(Series.from_folder(run, nn.Identity).steps)
    recorded, bare = (np.array(each) for each in turns.done)
    whole = {"cpu": recorded[:, 0].sum(), "wall": recorded[:, 1].sum()}
    within = {kind: Timed.spent[kind] / (whole[kind] - Timed.spent[kind]) for kind in whole}
    return {
        "loop": name,
        "steps": num_steps,
        "checkpoints": saved,
        "cpu_seconds_a_step": round(float(bare[:, 0].mean() / STRETCH), 4),
        "paired": more(recorded, bare),
        "control": control(loop, num_steps // 5),
        "within": round(within["cpu"], 4),
        "wall": round(within["wall"], 4),
    }


def main(num_steps: int) -> None:
    torch.set_num_threads(1)
    callback.Recorder = lightning.Recorder = Timed  # type: ignore[misc]
    there = [name for name, (_, needs, _) in LOOPS.items() if importlib.util.find_spec(needs)]
    found: dict[str, Any] = {"date": date.today().isoformat(), "torch": torch.__version__, "loops": []}
    found["parameters"] = sum(p.numel() for p in network().parameters())
    plain(None, 20, {}, lambda: None)  # what torch does once
    for name in there:
        found["loops"].append(measure(name, num_steps))
        print(json.dumps(found["loops"][-1]), flush=True)
        if num_steps == 1000:
            Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
