"""Calibration of known potentials and of a small real series, and the file between calibrate and examine."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from zeeman import cli
from zeeman.errors import ZeemanError
from zeeman.examination import Calibration, Objective, calibrate, read_settings
from zeeman.probes import Library
from zeeman.sampling import LocalPosterior, quadratic_energy

CURVATURES = np.logspace(-0.3, 1, 20)


def well(scale: float) -> LocalPosterior:
    h = torch.from_numpy(CURVATURES).float()
    return LocalPosterior.potential(lambda w: scale * (h * w**2).sum() / 2, torch.zeros(20))


def of_well(scale: float = 1.0, lr: float | None = None) -> Calibration:
    n_beta = 100.0 / scale
    objective = Objective(steps=4000)
    return calibrate({0: well(scale)}, objective, coldest=n_beta, n_beta=n_beta, localization=10.0, lr=lr)


@pytest.fixture(scope="module")
def found() -> Calibration:
    return of_well()


def test_true_bias_of_a_quadratic_is_within_the_budget_and_not_needlessly_small(found: Calibration) -> None:
    hot, cold = (quadratic_energy(CURVATURES, 100.0, lr, localization=10.0) for lr in (found.settings.lr, 1e-12))
    print("\ntrue bias", hot / cold - 1, found.settings)
    assert 0.02 / 4 <= hot / cold - 1 <= 0.02
    assert found.verdict.trusted


def test_a_start_far_too_large_recovers(found: Calibration) -> None:
    other = of_well(lr=1.0)
    assert any(p.lost for p in other.pilots)
    assert 1 / 1.6 < other.settings.lr / found.settings.lr < 1.6


def test_rescaled_loss_gives_the_same_choice_and_so_does_the_same_seed(found: Calibration) -> None:
    again, rescaled = of_well(), of_well(scale=4.0)
    assert again.as_dict() == found.as_dict()
    names = ("lr", "localization", "num_draws", "num_burnin_steps", "num_steps_bw_draws")
    assert [getattr(rescaled.settings, n) for n in names] == [getattr(found.settings, n) for n in names]


def test_a_place_that_is_no_minimum() -> None:
    slope = LocalPosterior.potential(lambda w: w.sum(), torch.zeros(5))
    with pytest.raises(ZeemanError, match="near a minimum"):
        calibrate({7: slope}, Objective(steps=400), coldest=100.0, n_beta=100.0, localization=100.0)


def test_a_loss_that_is_finite_nowhere() -> None:
    broken = LocalPosterior.potential(lambda w: (w / 0.0).sum(), torch.zeros(5))
    with pytest.raises(ZeemanError, match="finite numbers at every lr"):
        calibrate({7: broken}, Objective(steps=400), coldest=100.0, n_beta=100.0, localization=100.0)


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["zeeman", *map(str, arguments)])
    status = 0
    try:
        cli.main()
    except SystemExit as stop:
        status = int(stop.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture
def probes(library: Library, tmp_path: Path) -> Path:
    library.to_folder(tmp_path / "probes")
    return tmp_path / "probes"


def test_calibrate_writes_what_examine_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    file = tmp_path / "calibration.toml"
    command = ["calibrate", tiny_folder, "--probes", probes, "--out", file, "--steps", 240, "--json"]
    status, out, _ = run(capsys, monkeypatch, *command)
    content = json.loads(out)
    assert status == (0 if content["verdict"] == "ok" else 1)
    assert read_settings(file) == content["settings"]
    page = Path(content["report"]).read_text()
    held = re.findall(r'<script type="application/json" id="document">(.*?)</script>', page, flags=re.DOTALL)
    assert json.loads(held[0])["calibration"]["settings"] == content["settings"]
    options = ["--settings", file, "--num-draws", 6, "--num-burnin-steps", 4, "--num-steps-bw-draws", 1]
    options += ["--num-chains", 2, "--components", "l0h1", "--at", 150, "--workers", 1]
    store = tmp_path / "store"
    status, _, _ = run(capsys, monkeypatch, "examine", tiny_folder, "--probes", probes, "--out", store, *options)
    assert status == 0
    shown = json.dumps(json.loads((store / "readings" / "document.json").read_text())["provenance"])
    assert f'"lr": {content["settings"]["lr"]}' in shown
    assert '"num_draws": 6' in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [("lrr = 1", ("lrr", "num_draws")), ("lr = ", ("TOML",)), ('lr = "x"', ("lr", "float")), (None, ("could not",))],
)
def test_a_settings_file_with_a_fault(tmp_path: Path, text: str | None, words: tuple[str, ...]) -> None:
    file = tmp_path / "run.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ZeemanError) as told:
        read_settings(file)
    assert all(word in str(told.value) for word in words)


def test_batch_larger_than_the_data(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    command = ["calibrate", tiny_folder, "--probes", probes, "--out", tmp_path / "c.toml", "--batch-size", 1000]
    status, _, err = run(capsys, monkeypatch, *command)
    assert status == 2
    assert "48 rows" in err
