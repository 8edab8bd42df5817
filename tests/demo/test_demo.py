"""The demo, small: the same flow on a short training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zeeman.demo import TrainingSettings, run_demo
from zeeman.demo.run import SETTINGS
from zeeman.demo.training import initial_model
from zeeman.errors import ZeemanError
from zeeman.examination import DEVICES, Density, HessianSpectrum, document
from zeeman.subjects import Series

FAST = replace(SETTINGS, num_chains=2, num_draws=4, num_burnin_steps=8)
SHORT = TrainingSettings(num_steps=120)
FEW = (*DEVICES, Density((120,), (0.5, 1.0, 2.0)), HessianSpectrum((120,), 3, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo")
    run_demo(path, training=SHORT, settings=FAST, devices=FEW, num_workers=1)
    return path


def test_training_is_recorded_and_learns(folder: Path) -> None:
    series = Series.from_folder(folder / "run")
    assert series.steps[0] == 0
    assert series.steps[-1] == 120
    text = [row["signals"]["text"] for row in series.record if row["signals"]]
    # A uniform guess over 128 characters costs log 128 nats.
    assert text[0] == pytest.approx(np.log(128), abs=0.3)
    assert text[-1] < 3.0


def test_a_finished_demo_is_read_again_without_training(folder: Path) -> None:
    trained: list[int] = []
    found = run_demo(
        folder, training=SHORT, settings=FAST, devices=FEW, num_workers=1, on_step=lambda *a: trained.append(a[0])
    )
    assert not trained
    content = json.loads(json.dumps(document(found), allow_nan=False))
    assert len(content["susceptibility"]) == 6
    assert [len(row["rungs"]) for row in content["density"]["checkpoints"]] == [3]
    assert content["hessian"][0]["parameters"] == 53632
    assert content["susceptibility"][0]["components"] == [
        "embed",
        *[f"l{layer}h{head}" for layer in (0, 1) for head in range(4)],
        "unembed",
    ]
    assert set(content["behaviours"]["probes"]) >= {"text", "repeats", "brackets", "indentation", "digits", "docstring"}


def test_other_settings_and_other_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ZeemanError, match="other settings"):
        run_demo(folder, training=TrainingSettings(num_steps=121), settings=FAST)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ZeemanError, match="something else"):
        run_demo(tmp_path, training=SHORT, settings=FAST)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_the_initial_model_is_a_function_of_the_seed_alone() -> None:
    state = torch.get_rng_state()
    one = initial_model(3)
    torch.rand(5)
    two = initial_model(3)
    torch.set_rng_state(state)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(initial_model(4).parameters()))
    assert torch.equal(state, torch.get_rng_state())
