"""The live device inside Lightning's Trainer."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zeeman.subjects.recorder import Recorder


def _base() -> type:
    """Lightning's class of callbacks, under either of its names, or a plain one where it is not installed."""
    for name in ("lightning.pytorch", "pytorch_lightning"):
        try:
            found: type = importlib.import_module(name).Callback
        except ImportError:
            continue
        return found
    return object


if TYPE_CHECKING:
    _Callback = object
else:
    _Callback = _base()


class LightningRecorder(_Callback):
    """Records a series of checkpoints while Lightning's ``Trainer`` trains.

    Weights are looked at after each optimizer step. Only the first process of a distributed training writes.

    Parameters
    ----------
    folder : path
        Where the series goes.
    network : str
        Attribute of the LightningModule that holds the network to record, such as ``"model"``; empty for the
        LightningModule itself.
    **options
        As :class:`~zeeman.subjects.Recorder` takes them: ``watch``, ``ratio``, ``factory``, …

    Examples
    --------
    >>> callback = LightningRecorder("runs/one", network="model", ratio=1.5)  # Trainer(callbacks=[callback])
    """

    def __init__(self, folder: str | Path, network: str = "", **options: Any) -> None:
        super().__init__()
        self.folder = folder
        self.network = network
        self.options = options
        self.recorder: Recorder | None = None

    def on_train_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Open the series with the weights before the first step."""
        if trainer.is_global_zero:
            self.recorder = Recorder(self.folder, pl_module.get_submodule(self.network), **self.options)
            self.recorder.step(trainer.global_step)

    def on_train_batch_end(self, trainer: Any, pl_module: nn.Module, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Show the recorder the weights after a step; batches that are accumulated make none."""
        if self.recorder is not None and trainer.global_step != self.recorder.last_step:
            loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
            self.recorder.step(trainer.global_step, loss if isinstance(loss, torch.Tensor) else None)

    def on_train_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Close the series with the last weights."""
        if self.recorder is not None:
            self.recorder.close()

    def on_exception(self, trainer: Any, pl_module: nn.Module, exception: BaseException) -> None:
        """Close the series of a training that fails."""
        self.on_train_end(trainer, pl_module)
