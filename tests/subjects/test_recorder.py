"""What is recorded, that nothing of the user's changes, and that a killed training leaves a readable series."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.subjects import Recorder, RecorderCallback, Series

SIZES = {"in_features": 3, "out_features": 2}


def record(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "record.jsonl").read_text().splitlines()]


def make(folder: Path, model: nn.Module | None = None, **options: Any) -> Recorder:
    return Recorder(
        folder, nn.Linear(3, 2) if model is None else model, **{"factory": nn.Linear, "config": SIZES} | options
    )


class Falling:
    """A watched loss that falls from 4 to 0.5 between steps 100 and 110, as an induction circuit forms."""

    def __init__(self) -> None:
        self.step = 0

    def __call__(self, model: nn.Module) -> Mapping[str, float]:
        assert not model.training
        assert not torch.is_grad_enabled()
        return {"repeats": 4 - 0.35 * min(max(self.step - 100, 0), 10), "text": 2.0}


def run(folder: Path, num_steps: int, **options: Any) -> list[dict[str, Any]]:
    watch = options.get("watch")
    with make(folder, **options) as recorder:
        for step in range(num_steps + 1):
            if watch is not None:
                watch.step = step
            recorder.step(step, 1 / (step + 1))
    return record(folder)


@pytest.mark.parametrize("ratio", [1.1, 1.35, 2.0])
def test_steps_are_log_spaced_with_the_first_and_the_last(tmp_path: Path, ratio: float) -> None:
    run(tmp_path, 300, ratio=ratio)
    steps = Series.from_folder(tmp_path).steps
    assert (steps[0], steps[-1]) == (0, 300)
    for last, step in pairwise(steps[:-1]):
        assert step == max(last + 1, math.ceil(last * ratio))


def test_checkpoints_are_denser_where_a_watched_loss_moves(tmp_path: Path) -> None:
    rows = run(tmp_path, 200, watch=Falling(), watch_every=2, ratio=4.0, sensitivity=0.5)
    steps = Series.from_folder(tmp_path).steps
    assert steps == [0, 1, 4, 16, 64, 102, 104, 106, 108, 110, 200]
    assert [row["step"] for row in rows if row["saved"]] == steps
    assert {row["step"] for row in rows} == set(range(0, 201, 2)) | {1}
    assert len(rows) == len({row["step"] for row in rows})
    assert rows[-2] == {"step": 198, "loss": 1 / 199, "signals": {"repeats": 0.5, "text": 2.0}, "saved": False}
    assert rows[-1] == {"step": 200, "loss": 1 / 201, "signals": {"repeats": 0.5, "text": 2.0}, "saved": True}


def test_a_loop_with_strides_and_tensor_losses(tmp_path: Path) -> None:
    with make(tmp_path) as recorder:
        for step in range(10, 100, 30):
            recorder.step(np.int64(step), torch.tensor(float(step), requires_grad=True))  # type: ignore[arg-type]
    assert Series.from_folder(tmp_path).steps == [10, 40, 70]
    assert [row["loss"] for row in record(tmp_path)] == [10.0, 40.0, 70.0]


def test_losses_that_are_not_finite_are_news_and_valid_json(tmp_path: Path) -> None:
    values = iter([1.0, math.nan, math.nan, math.inf])
    with make(tmp_path, watch=lambda _: {"a": next(values)}, watch_every=1, ratio=1000.0) as recorder:
        for step in range(1, 5):
            recorder.step(step, math.nan)
    assert [row["saved"] for row in record(tmp_path)] == [True, True, False, True]
    assert record(tmp_path)[1]["signals"] == {"a": None}
    assert record(tmp_path)[1]["loss"] is None


def test_weights_are_those_of_the_step(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    with make(tmp_path, model) as recorder:
        for step in range(6):
            with torch.no_grad():
                model.weight.fill_(step)
            recorder.step(step)
    series = Series.from_folder(tmp_path)
    assert [float(series.model(checkpoint).get_parameter("weight")[0, 0]) for checkpoint in series] == series.steps


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.unembed = nn.Linear(4, 5, bias=False)
        self.unembed.weight = self.embed.weight
        self.register_buffer("view", torch.arange(12.0).reshape(3, 4).T)
        self.register_buffer("part", self.get_buffer("view")[1])
        self.register_buffer("empty", torch.zeros(0))
        self.register_buffer("none", torch.zeros(0))


def test_tied_strided_and_empty_tensors(tmp_path: Path) -> None:
    model = Tied()
    with Recorder(tmp_path, model) as recorder:
        recorder.step(0)
    assert model.unembed.weight is model.embed.weight
    series = Series.from_folder(tmp_path, Tied)
    again = series.model(series.at(0))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert again.get_parameter("embed.weight") is again.get_submodule("unembed").weight


def test_wrappers_are_taken_off(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    for number, wrapped in enumerate([torch.compile(model, backend="eager"), nn.DataParallel(model)]):
        with make(tmp_path / str(number), wrapped) as recorder:
            recorder.step(0)
        series = Series.from_folder(tmp_path / str(number))
        assert torch.equal(series.model(series.at(0)).get_parameter("weight"), model.weight)


def test_nothing_of_the_users_changes(tmp_path: Path) -> None:
    """Mode of each module, gradients, buffers, optimizer and all random generators are as without a recorder."""

    def train(recorder_folder: Path | None) -> tuple[list[Any], nn.Module]:
        torch.manual_seed(3)
        random.seed(3)
        np.random.seed(3)  # noqa: NPY002
        model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
        model[1].eval()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)

        def watch(model: nn.Module) -> Mapping[str, float]:
            random.random(), np.random.rand()  # noqa: NPY002
            return {"a": float(model(torch.randn(4, 3)).sum())}

        recorder = Recorder(recorder_folder, model, watch=watch, watch_every=1) if recorder_folder else None
        for step in range(8):
            optimizer.zero_grad()
            model(torch.randn(4, 3)).square().mean().backward()
            if recorder:
                recorder.step(step)
            optimizer.step()
        if recorder:
            recorder.close()
        gradients = [p.grad for p in model.parameters()]
        flags: list[Any] = [m.training for m in model.modules()] + [p.requires_grad for p in model.parameters()]
        drawn = [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002
        return [*flags, *drawn, *[g.tolist() for g in gradients if g is not None]], model

    plain, one = train(None)
    recorded, other = train(tmp_path / "run")
    assert recorded == plain
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])
    assert torch.is_grad_enabled()


def test_mode_and_randomness_survive_a_watch_that_fails(tmp_path: Path) -> None:
    def watch(model: nn.Module) -> Mapping[str, float]:
        torch.rand(3)
        raise RuntimeError("the user's own")

    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout())
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="the user's own"):
        Recorder(tmp_path, model, watch=watch).step(0)
    assert all(module.training for module in model.modules())
    assert torch.is_grad_enabled()
    assert torch.equal(state, torch.get_rng_state())


KILLED = """
import sys, torch
from torch import nn
from zeeman.subjects import Recorder
model = nn.Sequential(*[nn.Linear(300, 300) for _ in range(4)])
recorder = Recorder(sys.argv[1], model, watch=lambda _: {"a": 1.0}, watch_every=1, ratio=1.0000001)
print("ready", flush=True)
for step in range(100000):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(step)
    recorder.step(step)
"""


def make_killed() -> nn.Module:
    return nn.Sequential(*[nn.Linear(300, 300) for _ in range(4)])


def test_a_killed_training_leaves_a_readable_series(tmp_path: Path) -> None:
    """Killed at random moments, while it does nothing but save."""
    rng = random.Random(0)
    for attempt in range(6):
        folder = tmp_path / str(attempt)
        with subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            while not (folder / "step00000002").exists():
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
        series = Series.from_folder(folder, make_killed)
        assert series.steps == list(range(len(series)))
        for checkpoint in series:
            assert all(bool((tensor == checkpoint.step).all()) for tensor in checkpoint.load().values())
        saved = [row["step"] for row in series.record]
        # The weights come first: at most the last one's line is missing.
        assert series.steps[: len(saved)] == saved
        assert len(series) - len(saved) <= 1
        with pytest.raises(ZeemanError, match="already holds a series"):
            Recorder(folder, make_killed())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"watch_every": 0}, "watch_every must be at least 1, got 0"),
        ({"ratio": 1.0}, "ratio must be a finite number above 1, got 1.0"),
        ({"ratio": math.nan}, "ratio must be"),
        ({"sensitivity": -0.5}, "sensitivity must be a positive finite number, got -0.5"),
        ({"sensitivity": math.inf}, "sensitivity must be"),
        ({"factory": "no_such_module:make"}, "'no_such_module:make' can't be imported"),
        ({"factory": "torch.nn:NoSuch"}, "can't be imported"),
        ({"factory": "os:system"}, "must be a torch.nn.Module class"),
        ({"config": {"a": torch.zeros(1)}}, "must hold JSON values"),
    ],
)
def test_settings_out_of_range_leave_nothing(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ZeemanError, match=said):
        make(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_series_is_refused_and_untouched(tmp_path: Path) -> None:
    run(tmp_path, 5)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(ZeemanError, match="already holds a series; choose another folder"):
        make(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_steps_must_grow_and_the_recorder_be_open(tmp_path: Path) -> None:
    recorder = make(tmp_path)
    recorder.step(3)
    for step in (3, 2, -1):
        with pytest.raises(ZeemanError, match=f"must be at least 0 and grow, got {step} after 3"):
            recorder.step(step)
    recorder.close()
    recorder.close()
    with pytest.raises(ZeemanError, match="is closed"):
        recorder.step(4)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ZeemanError, match="can't be written"):
        make(tmp_path / "file" / "run")
    (tmp_path / "closed").mkdir(mode=0o500)
    if not os.access(tmp_path / "closed", os.W_OK):  # root writes everywhere
        with pytest.raises(ZeemanError, match="can't be written"):
            make(tmp_path / "closed" / "run")


FULL = """
import resource, signal, sys
from torch import nn
from zeeman.errors import ZeemanError
from zeeman.subjects import Recorder
sizes = {"in_features": 100, "out_features": 100}
recorder = Recorder(sys.argv[1], nn.Linear(**sizes), factory=nn.Linear, config=sizes)
recorder.step(0)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    with recorder:
        recorder.step(1)
except ZeemanError as error:
    print(error)
"""


def test_a_disk_that_fills_up_leaves_the_checkpoints_before(tmp_path: Path) -> None:
    """A limit on the size of files makes the write fail half-way, as a full disk does."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "run")], capture_output=True, text=True, check=True
    )
    assert "can't be written" in done.stdout
    assert done.stdout.count("\n") == 1
    assert Series.from_folder(tmp_path / "run").steps == [0]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["record.jsonl", "series.json", "step00000000"]


class Extra(nn.Linear):
    def get_extra_state(self) -> dict[str, int]:
        return {"calls": 1}

    def set_extra_state(self, state: object) -> None: ...


def test_state_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ZeemanError, match="'_extra_state' of the model's state dict is a dict and no tensor"):
        make(tmp_path, Extra(3, 2)).step(0)


def test_importing_the_room_does_not_import_transformers() -> None:
    code = "import sys, zeeman.subjects; assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def tiny_gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"vocab_size": 16, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0))


def test_a_model_of_transformers_is_made_again_from_the_folder_alone(tmp_path: Path) -> None:
    model = tiny_gpt2().eval()
    with Recorder(tmp_path, model) as recorder:
        recorder.step(0)
    about = json.loads((tmp_path / "series.json").read_text())
    assert about["factory"] == "zeeman.subjects.sources:model_from_config"
    assert "_name_or_path" not in about["config"]
    series = Series.from_folder(tmp_path)
    again = series.model(series.at(0))
    tokens = torch.arange(8)[None]
    assert type(again) is type(model)
    with torch.no_grad():
        assert torch.equal(again(tokens).logits, model(tokens).logits)


def drive(callback: Any, model: nn.Module, num_steps: int, *, first: bool = True) -> None:
    """Call the hooks in the order of transformers.Trainer, through its own handler, with its own state."""
    from transformers import TrainerControl, TrainerState, TrainingArguments
    from transformers.trainer_callback import CallbackHandler

    # Made without __init__, which asks for accelerate; the callback reads nothing from the arguments.
    args = object.__new__(TrainingArguments)
    state, control = TrainerState(is_world_process_zero=first), TrainerControl()
    handler = CallbackHandler([callback], model, None, None, None)
    handler.on_train_begin(args, state, control)
    for step in range(1, num_steps + 1):
        handler.on_step_begin(args, state, control)
        handler.on_step_begin(args, state, control)  # a skipped batch begins twice
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(step)
        state.global_step = step
        handler.on_step_end(args, state, control)
        handler.on_log(args, state, control, {"loss": 10.0 + step})
    handler.on_log(args, state, control, {"train_runtime": 1.0})
    handler.on_train_end(args, state, control)


def test_the_callback_records_what_the_trainer_does(tmp_path: Path) -> None:
    model = tiny_gpt2()
    initial = model.get_input_embeddings().weight.detach().clone()
    drive(RecorderCallback(tmp_path, ratio=2.0), model, 11)
    series = Series.from_folder(tmp_path)
    assert series.steps == [0, 1, 2, 4, 8, 11]
    assert torch.equal(series.at(0).load()["transformer.wte.weight"], initial)
    for checkpoint in series.checkpoints[1:]:
        assert all(bool((tensor == checkpoint.step).all()) for tensor in checkpoint.load().values())
    assert [row["loss"] for row in series.record] == [None, 11.0, 12.0, 14.0, 18.0, 21.0]


def test_only_the_first_process_writes(tmp_path: Path) -> None:
    drive(RecorderCallback(tmp_path / "run"), tiny_gpt2(), 3, first=False)
    assert not (tmp_path / "run").exists()


def test_a_real_trainer(tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="transformers.Trainer needs accelerate")
    from transformers import Trainer, TrainingArguments

    rows = [{"input_ids": torch.arange(8), "labels": torch.arange(8)}] * 12
    args = TrainingArguments(
        str(tmp_path / "out"),
        num_train_epochs=2,
        per_device_train_batch_size=2,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    callback = RecorderCallback(tmp_path / "run", ratio=2.0)
    Trainer(tiny_gpt2(), args, train_dataset=rows, callbacks=[callback]).train()
    series = Series.from_folder(tmp_path / "run")
    assert series.steps == [0, 1, 2, 4, 8, 12]
    assert all(row["loss"] > 0 for row in series.record[1:])
    assert len({checkpoint.digest for checkpoint in series}) == 6
