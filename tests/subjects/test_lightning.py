"""What the Lightning callback records; the real Trainer where Lightning is installed, its calls where it is not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from zeeman.subjects import LightningRecorder, Series

SIZES = {"in_features": 3, "out_features": 2}


class Wrapped(nn.Module):
    """As a LightningModule: the network is an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(3, 2)


def drive(callback: Any, module: nn.Module, num_steps: int, *, accumulate: int = 2, first: bool = True) -> None:
    """Call the hooks in Lightning's order, with two batches a step."""
    trainer = SimpleNamespace(is_global_zero=first, global_step=0)
    callback.on_train_start(trainer, module)
    for batch in range(num_steps * accumulate):
        if batch % accumulate == accumulate - 1:
            trainer.global_step += 1
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.fill_(trainer.global_step)
        outputs = {"loss": torch.tensor(10.0 + trainer.global_step)}
        callback.on_train_batch_end(trainer, module, outputs, None, batch)
    callback.on_train_end(trainer, module)


def test_every_optimizer_step_is_seen_once(tmp_path: Path) -> None:
    module = Wrapped()
    initial = module.model.weight.detach().clone()
    drive(LightningRecorder(tmp_path, "model", ratio=2.0, factory=nn.Linear, config=SIZES), module, 11)
    series = Series.from_folder(tmp_path)
    assert series.steps == [0, 1, 2, 4, 8, 11]
    assert torch.equal(series.at(0).load()["weight"], initial)
    for checkpoint in series.checkpoints[1:]:
        assert all(bool((tensor == checkpoint.step).all()) for tensor in checkpoint.load().values())
    assert [row["loss"] for row in series.record] == [None, 11.0, 12.0, 14.0, 18.0, 21.0]


def test_the_whole_module_by_default_and_the_first_process_alone(tmp_path: Path) -> None:
    drive(LightningRecorder(tmp_path / "whole"), Wrapped(), 2)
    assert set(Series.from_folder(tmp_path / "whole", Wrapped).at(2).load()) == {"model.weight", "model.bias"}
    drive(LightningRecorder(tmp_path / "other"), Wrapped(), 2, first=False)
    assert not (tmp_path / "other").exists()


def test_a_training_that_fails_leaves_its_last_weights(tmp_path: Path) -> None:
    callback, module = LightningRecorder(tmp_path, ratio=100.0), Wrapped()
    trainer = SimpleNamespace(is_global_zero=True, global_step=0)
    callback.on_train_start(trainer, module)
    for step in (1, 2, 3):
        trainer.global_step = step
        callback.on_train_batch_end(trainer, module, None, None, step)
    callback.on_exception(trainer, module, RuntimeError("the user's own"))
    assert Series.from_folder(tmp_path, Wrapped).steps == [0, 1, 3]


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # Lightning's own, of torch's trees
def test_a_real_trainer(tmp_path: Path) -> None:
    lightning = pytest.importorskip("pytorch_lightning", reason="Lightning is not a dependency")

    class Module(lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Linear(3, 2)

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            return self.model(batch[0]).square().mean()  # type: ignore[no-any-return]

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    rows = torch.utils.data.TensorDataset(torch.randn(24, 3))
    callback = LightningRecorder(tmp_path / "run", "model", ratio=2.0, factory=nn.Linear, config=SIZES)
    trainer = lightning.Trainer(
        max_epochs=2, accumulate_grad_batches=2, callbacks=[callback], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    module = Module()
    trainer.fit(module, torch.utils.data.DataLoader(rows, batch_size=2))
    series = Series.from_folder(tmp_path / "run")
    assert series.steps == [0, 1, 2, 4, 8, 12]
    assert torch.equal(series.at(12).load()["weight"], module.model.weight.detach())
    assert len({checkpoint.digest for checkpoint in series}) == 6
    assert all(row["loss"] > 0 for row in series.record[1:])
