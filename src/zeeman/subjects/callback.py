"""The live device inside transformers.Trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from zeeman.subjects.recorder import Recorder


class RecorderCallback(TrainerCallback):  # type: ignore[misc]
    """Records a series of checkpoints while ``transformers.Trainer`` trains.

    Every global step is looked at when the next one begins: weights are still the same then, and the
    Trainer has logged the step's loss. Only the first process of a distributed training writes.

    Parameters
    ----------
    folder : path
        Where the series goes.
    **options
        As :class:`~zeeman.subjects.Recorder` takes them: ``watch``, ``ratio``, …

    Examples
    --------
    >>> callback = RecorderCallback("runs/one", ratio=1.5)  # Trainer(..., callbacks=[callback])
    """

    def __init__(self, folder: str | Path, **options: Any) -> None:
        self.folder = folder
        self.options = options
        self.recorder: Recorder | None = None
        self._loss: tuple[int, float | None] = (-1, None)

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Open the series."""
        if state.is_world_process_zero:
            self.recorder = Recorder(self.folder, model, **self.options)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Keep the loss of the step that was just logged."""
        if logs and "loss" in logs:
            self._loss = (state.global_step, float(logs["loss"]))

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show the recorder the weights after the last step."""
        self._look(state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show the last weights and close the series."""
        self._look(state.global_step)
        if self.recorder is not None:
            self.recorder.close()

    def _look(self, step: int) -> None:
        # A batch that the Trainer skips begins a step without having ended one.
        if self.recorder is not None and step != self.recorder.last_step:
            self.recorder.step(step, self._loss[1] if self._loss[0] == step else None)
