"""Libraries that installed packages publish: real distributions in a folder on the path."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from zeeman import cli
from zeeman.errors import ZeemanError
from zeeman.probes import Library, Probe, open_library, published_libraries

MODULE = """
from pathlib import Path
from zeeman.probes import Library

folder = str(Path(__file__).parent / "pond_data")
library = lambda: Library.from_folder(folder)
ready = Library.from_folder(folder)
number = 3

def broken():
    raise RuntimeError("no pond")
"""


@pytest.fixture
def pond() -> Library:
    def probe(name: str, token: int) -> Probe:
        return Probe(name, np.array([[0, token, 2]]), np.array([[False, True, True]]), ("ponds",))

    return Library.from_probes("pond", probe("train", 1), [probe("fish", 3), probe("frogs", 4)])


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pond: Library) -> Path:
    """What pip leaves of a package: its module, its data and its metadata."""
    site = tmp_path / "site"
    info = site / "pond_probes-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pond-probes\nVersion: 1.2\n")
    names = ("library", "folder", "ready", "number", "broken", "nowhere")
    points = "".join(f"pond-{name} = pond_probes:{name}\n" for name in names)
    (info / "entry_points.txt").write_text(f"[zeeman.probes]\n{points}")
    (site / "pond_probes.py").write_text(MODULE)
    pond.to_folder(site / "pond_data")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "pond_probes", raising=False)
    return site


@pytest.mark.parametrize("kind", ["library", "folder", "ready"])
def test_a_published_library_opens_by_its_name(kind: str, pond: Library) -> None:
    assert open_library(f"pond-{kind}").digest == pond.digest
    assert open_library(Path(f"pond-{kind}")).digest == pond.digest


def test_what_is_published_tells_its_package() -> None:
    point = published_libraries()["pond-library"]
    assert point.dist is not None
    assert (point.dist.name, point.dist.version) == ("pond-probes", "1.2")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pond-number", r"pond-probes publishes pond-number .* is of type int; expected a Library"),
        ("pond-broken", r"pond-broken of pond-probes could not be loaded: RuntimeError\('no pond'\)"),
        ("pond-nowhere", r"pond-nowhere of pond-probes could not be loaded: AttributeError"),
        ("pond", r"name of one that a package publishes, got 'pond'.* Published: .*pond-broken"),
        ("./pond", r"pond is no folder"),
    ],
)
def test_what_is_no_library_is_told_in_a_sentence(name: str, message: str) -> None:
    with pytest.raises(ZeemanError, match=message) as caught:
        open_library(name)
    assert "\n" not in str(caught.value)


def test_a_folder_comes_before_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Path, pond: Library
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = Library.from_probes("mine", pond.data, [pond["fish"]])
    mine.to_folder(tmp_path / "pond-library")
    assert open_library("pond-library").digest == mine.digest


def test_commands_know_published_libraries(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_folder: Path
) -> None:
    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["zeeman", *map(str, arguments)])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
        return capsys.readouterr().out

    assert "pond-probes 1.2 publishes the library pond-library: --probes pond-library" in run("probes", "list")
    assert [p["name"] for p in json.loads(run("probes", "list", "pond-library", "--json"))["probes"]] == [
        "fish",
        "frogs",
    ]
    cost = json.loads(run("plan", tiny_folder, "--probes", "pond-library", "--batch-size", 1, "--json"))
    assert cost["units"] > 0
