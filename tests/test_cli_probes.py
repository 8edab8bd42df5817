from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from zeeman import cli
from zeeman.probes import Library


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


def test_a_built_library_is_examined(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, tmp_path: Path
) -> None:
    """In the twelve tokens that its questions need, of the sixteen that the model knows."""
    (tmp_path / "v.json").write_text(json.dumps([*"0123456789 \n"]))
    (tmp_path / "data.txt").write_text("3 1 4 1 5 9 2 6 5\n" * 20)
    size = ["--rows", 8, "--length", 12, "--tokenizer", tmp_path / "v.json", "--data", tmp_path / "data.txt"]
    base = ["probes", "build", "--out", tmp_path / "built", "--json", *size]
    status, out, _ = run(capsys, monkeypatch, *base, "--concepts", "counting-1", "noise-digits")
    assert status == 0
    assert [probe["name"] for probe in json.loads(out)["probes"]] == ["counting-1", "noise-digits"]
    assert Library.from_folder(tmp_path / "built").vocabulary == (*"0123456789 \n",)
    fast = ["--num-chains", 2, "--num-draws", 6, "--num-burnin-steps", 4, "--batch-size", 8, "--workers", 1, "--json"]
    examine = ["examine", tiny_folder, "--probes", tmp_path / "built", "--out", tmp_path / "store", "--at", 150, *fast]
    status, out, err = run(capsys, monkeypatch, *examine)
    assert status == 0, err
    assert json.loads(out.splitlines()[-1])["checkpoints"] == 5


def test_cards_are_listed_and_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, out, _ = run(capsys, monkeypatch, "probes", "list", "--builtin")
    assert "sorting-letters" in out
    _, listed, _ = run(capsys, monkeypatch, "probes", "list", "--builtin", "--json")
    assert len(json.loads(listed)["families"]) == len(out.splitlines())
    status, out, _ = run(capsys, monkeypatch, "probes", "card", "ioi-2")
    assert status == 0
    assert all(word in out for word in ("indirect object", "Control:", "ioi-3", "33.4%"))
    _, out, _ = run(capsys, monkeypatch, "probes", "card", "ioi", "--json")
    assert json.loads(out)["concept"] == "indirect object"
    status, _, err = run(capsys, monkeypatch, "probes", "card", "ioj")
    assert status == 2
    assert "no built-in probe 'ioj'" in err


def test_a_mistake_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "v.json").write_text("[]")
    for given, said in (
        (["--concepts", "magic"], "no built-in concept or probe 'magic'"),
        (["--tokenizer", tmp_path / "v.json"], "expected a JSON list"),
        (["--rows", 0], "at least one row"),
    ):
        status, out, err = run(capsys, monkeypatch, "probes", "build", "--out", tmp_path / "built", *given)
        assert (status, out) == (2, "")
        assert said in err
    assert not (tmp_path / "built").exists()
