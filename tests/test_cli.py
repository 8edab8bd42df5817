"""The command line as a user meets it: what it prints, and one sentence for each mistake."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from zeeman import cli
from zeeman.probes import Library

FAST = ["--num-chains", "2", "--num-draws", "6", "--num-burnin-steps", "4", "--batch-size", "8", "--workers", "1"]


@pytest.fixture
def probes(library: Library, tmp_path: Path) -> Path:
    library.to_folder(tmp_path / "probes")
    return tmp_path / "probes"


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


def assert_one_sentence(status: int, out: str, err: str, *words: str) -> None:
    assert status == 2
    assert "Traceback" not in out + err
    lines = [line for line in err.strip().splitlines() if line.startswith("zeeman: ")]
    assert len(lines) == 1
    assert all(word in err for word in words), err


def test_help_is_quick() -> None:
    start = time.perf_counter()
    out = subprocess.run([sys.executable, "-m", "zeeman.cli", "--help"], capture_output=True, text=True, check=True)
    assert time.perf_counter() - start < 5
    assert "import zeeman" not in out.stderr
    loaded = (
        "import sys; sys.argv = ['zeeman', '--help']; import zeeman.cli\n"
        "try: zeeman.cli.main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'numpy', 'transformers', 'rich.progress') if m in sys.modules])"
    )
    heavy = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert heavy.stdout.rstrip().endswith("[]")


def test_examine_report_and_resume(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    command = ["examine", tiny_folder, "--probes", probes, "--out", tmp_path / "store", *FAST]
    status, out, _ = run(capsys, monkeypatch, *command, "--json")
    assert status == 0
    found = json.loads(out)
    assert found["checkpoints"] == len(found["llc"]) == 5
    assert {row["step"] for row in found["llc"]} == {0, 1, 20, 60, 150}
    assert Path(found["report"]).is_file()
    (tmp_path / "store" / "report.html").unlink()
    status, out, _ = run(capsys, monkeypatch, "report", tmp_path / "store")
    assert status == 0
    plain = (tmp_path / "store" / "report.html").stat().st_size
    (tmp_path / "llc.json").write_text('{"llc": 0.25, "llc_se": 0.01, "verdict": "ok"}')
    status, _, _ = run(capsys, monkeypatch, "report", tmp_path / "store", "--from", tmp_path / "llc.json")
    matched = (tmp_path / "store" / "report.html").read_text()
    assert status == 0
    assert "Curie-Weiss" in matched
    assert 0 < len(matched.encode()) - plain < 20_000
    status, out, _ = run(capsys, monkeypatch, *command)
    assert status == 0
    assert 2 <= len(out.strip().splitlines()) <= 5


def test_pattern_of_an_examination(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    """The loss of what the data is not made of can be moved, and mistakes are told in a sentence each."""
    chains = ["--num-chains", "3", "--num-draws", "30", "--num-burnin-steps", "10", "--num-steps-bw-draws", "1"]
    seen = ["--at", "60", "--components", "l0h0", "--workers", "1"]
    assert (
        run(capsys, monkeypatch, "examine", tiny_folder, "--probes", probes, "--out", tmp_path / "s", *chains, *seen)[0]
        == 0
    )
    status, out, err = run(capsys, monkeypatch, "pattern", tmp_path / "s", "--move", "random=-0.01", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["step"] == 60
    assert found["probes"] == ["count", "late", "random"]
    assert found["predicted"][0] < 0 < found["dh"][2]
    assert set(found["changes"]) == {"random", "data", "count", "late"}
    status, out, err = run(
        capsys, monkeypatch, "pattern", tmp_path / "s", "--move", "random=-0.01", "--move", "count=0"
    )
    assert status == 0
    assert "Shuffled chains" in out
    for moves, words in (
        (["random"], ["name, = and a number"]),
        (["random=-0.1", "random=0.1"], ["name each once"]),
        (["random=0"], ["other than 0"]),
        (["randm=-0.1"], ["count, late, random", "l0h0", "randm"]),
        (["random=-0.1", "--step", "150"], ["choose one of 60"]),
        (["random=-0.1", "--probes", tmp_path / "nowhere"], ["nowhere", "--probes"]),
    ):
        assert_one_sentence(*run(capsys, monkeypatch, "pattern", tmp_path / "s", "--move", *moves), *words)
    assert_one_sentence(*run(capsys, monkeypatch, "pattern", tmp_path / "none", "--move", "a=1"), "examination.json")


def test_extrapolation_is_told_where_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    base = ["examine", tiny_folder, "--probes", probes, "--out", tmp_path / "s", *FAST, "--json", "--at", "150"]
    plain = json.loads(run(capsys, monkeypatch, *base)[1])["llc"]
    status, out, _ = run(capsys, monkeypatch, *base, "--extrapolate")
    assert status == 0
    for row, before in zip(json.loads(out)["llc"], plain, strict=True):
        assert row == before | {name: row[name] for name in row if name.startswith("extrapolated")}
        assert row["extrapolated_se"] > before["se"]
        assert row["extrapolated_verdict"]


def test_plan_probes_and_verify(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path
) -> None:
    status, out, _ = run(capsys, monkeypatch, "plan", tiny_folder, "--probes", probes, "--json")
    assert status == 0
    plain = json.loads(out)
    assert plain["units"] > 0
    status, out, _ = run(capsys, monkeypatch, "plan", tiny_folder, "--probes", probes, "--extrapolate", "--json")
    assert json.loads(out)["gradient_steps"] > 1.5 * plain["gradient_steps"]  # chains at half the step are chains too
    status, out, _ = run(capsys, monkeypatch, "probes", "list", probes, "--json")
    assert [p["name"] for p in json.loads(out)["probes"]] == ["count", "late", "random"]
    status, out, _ = run(capsys, monkeypatch, "probes", "list")
    assert "repeats" in out
    status, out, _ = run(capsys, monkeypatch, "verify", tiny_folder, "--json")
    assert json.loads(out)["checkpoints"] == 5


def test_plan_of_a_model_from_its_config(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Pythia-1.4B, 4.25 million tokens: published at 4,800 hours of an H200."""
    config = {"num_hidden_layers": 24, "hidden_size": 2048, "num_attention_heads": 16, "vocab_size": 50304}
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "gpt_neox"}))
    asked = ("plan", tmp_path / "config.json", "--tokens", 4_250_000, "--num-chains", 4, "--num-draws", 15)
    _, out, _ = run(capsys, monkeypatch, *asked, "--json")
    job = json.loads(out)
    assert (job["components"], job["num_draws"]) == (410, 60)
    assert 50 < job["device_hours"] < 200
    status, out, error = run(capsys, monkeypatch, "plan", tmp_path)
    assert_one_sentence(status, out, error, "--probes")


def test_lists_follow_their_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path
) -> None:
    base = ("plan", tiny_folder, "--probes", probes, "--json")
    repeated = ("--at", 20, "--at", 150, "--components", "l0h1", "--components", "embed")
    asked = (("--at", 20, 150, "--components", "l0h1", "embed"), repeated, ("--at", 20, "--components", "l0h1"))
    both, again, fewer = (json.loads(run(capsys, monkeypatch, *base, *each)[1])["units"] for each in asked)
    assert both == again > fewer


def test_folder_without_checkpoints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, probes: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    result = run(capsys, monkeypatch, "examine", tmp_path / "empty", "--probes", probes, "--out", tmp_path / "s")
    assert_one_sentence(*result, "checkpoint")
    assert not (tmp_path / "s").exists()


def test_truncated_checkpoint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "run")
    file = tmp_path / "run" / "step00000060" / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    result = run(capsys, monkeypatch, "examine", tmp_path / "run", "--probes", probes, "--out", tmp_path / "s", *FAST)
    assert_one_sentence(*result, "step00000060")


def test_series_whose_shapes_differ(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "run")
    file = tmp_path / "run" / "step00000060" / "model.safetensors"
    tensors = load_file(file)
    tensors["unembed.weight"] = tensors["unembed.weight"][:-1].clone()
    save_file(tensors, file)
    result = run(capsys, monkeypatch, "examine", tmp_path / "run", "--probes", probes, "--out", tmp_path / "s", *FAST)
    assert_one_sentence(*result, "60")


FAULTS = {
    "wrong field": ('{"tokens": [1, 2, 3], "score": [1]}', ("score", "2")),
    "ragged": ('{"tokens": [1, 2]}', ("2",)),
    "beyond the vocabulary": ('{"tokens": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 99]}', ("99",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_probe_file_with_a_fault(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tiny_folder: Path,
    probes: Path,
    tmp_path: Path,
    fault: str,
) -> None:
    line, words = FAULTS[fault]
    file = probes / "count.jsonl"
    rows = file.read_text().splitlines()
    file.write_text("\n".join([rows[0], line, *rows[2:]]) + "\n")
    result = run(capsys, monkeypatch, "examine", tiny_folder, "--probes", probes, "--out", tmp_path / "s", *FAST)
    assert_one_sentence(*result, *words, "count")
    assert not any((tmp_path / "s").glob("units/*/rows"))


def test_empty_probe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    (probes / "count.jsonl").write_text("")
    result = run(capsys, monkeypatch, "examine", tiny_folder, "--probes", probes, "--out", tmp_path / "s", *FAST)
    assert_one_sentence(*result, "count")


@pytest.mark.parametrize("option", ["--lr", "--n-beta", "--localization"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf"])
def test_senseless_numbers(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tiny_folder: Path,
    probes: Path,
    tmp_path: Path,
    option: str,
    value: str,
) -> None:
    arguments = ("examine", tiny_folder, "--probes", probes, "--out", tmp_path / "s", f"{option}={value}")
    assert_one_sentence(*run(capsys, monkeypatch, *arguments), option[2:].replace("-", "_"))
    assert not (tmp_path / "s").exists()


def test_store_of_other_weights(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    base = ["--probes", probes, "--out", tmp_path / "s", *FAST]
    assert run(capsys, monkeypatch, "examine", tiny_folder, *base)[0] == 0
    shutil.copytree(tiny_folder, tmp_path / "other")
    file = tmp_path / "other" / "step00000020" / "model.safetensors"
    save_file({name: 1.5 * t for name, t in load_file(file).items()}, file)
    assert_one_sentence(*run(capsys, monkeypatch, "examine", tmp_path / "other", *base), "20", "another")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full to stand for a full disk")
def test_full_disk(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    store = tmp_path / "s"
    base = ["examine", tiny_folder, "--probes", probes, "--out", store, *FAST]
    store.mkdir()
    (store / "events.jsonl").symlink_to("/dev/full")
    assert_one_sentence(*run(capsys, monkeypatch, *base), "could not write", "space")
    (store / "events.jsonl").unlink()
    assert run(capsys, monkeypatch, *base)[0] == 0


def test_folder_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    # A file in the way refuses everyone, also the superuser, whom permissions do not stop.
    (tmp_path / "file").write_text("mine")
    result = run(
        capsys, monkeypatch, "examine", tiny_folder, "--probes", probes, "--out", tmp_path / "file" / "s", *FAST
    )
    assert_one_sentence(*result, "could not write")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not stop the superuser")
def test_read_only_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    result = run(
        capsys, monkeypatch, "examine", tiny_folder, "--probes", probes, "--out", tmp_path / "locked" / "s", *FAST
    )
    assert_one_sentence(*result, "could not write")


def test_exploding_chains_print_no_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    base = ["examine", tiny_folder, "--probes", probes, "--out", tmp_path / "s", *FAST, "--lr", "50", "--json"]
    status, out, err = run(capsys, monkeypatch, *base)
    assert status == 0, err
    rows = json.loads(out)["llc"]
    assert {row["verdict"] for row in rows} == {"diverged"}
    assert all(row["mean"] is None and row["se"] is None for row in rows)


def test_a_command_that_does_not_exist(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, err = run(capsys, monkeypatch, "examin")
    assert status == 2
    assert "Traceback" not in out + err


@pytest.mark.parametrize(("option", "words"), [("--components=l9h9", ("l0h1", "l9h9")), ("--batch-size=1000", ("48",))])
def test_what_does_not_fit_the_model_or_the_data(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tiny_folder: Path,
    probes: Path,
    tmp_path: Path,
    option: str,
    words: tuple[str, ...],
) -> None:
    arguments = ("examine", tiny_folder, "--probes", probes, "--out", tmp_path / "s", option)
    assert_one_sentence(*run(capsys, monkeypatch, *arguments), *words)
    assert not (tmp_path / "s").exists()


def test_workers_must_be_positive(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, probes: Path, tmp_path: Path
) -> None:
    arguments = ("examine", tiny_folder, "--probes", probes, "--out", tmp_path / "s", "--workers", "0")
    assert_one_sentence(*run(capsys, monkeypatch, *arguments), "workers")


def test_a_reader_that_has_had_enough_is_no_fault() -> None:
    """As in ``zeeman … | head -1``: nothing on stderr."""
    code = "import sys; from zeeman.cli import main; sys.argv = ['zeeman', 'classify', 'x**5 + y**2']; main()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b""
