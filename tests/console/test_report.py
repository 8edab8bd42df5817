from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from console.sample_document import COMPONENTS, DENSITY_STEPS, LADDER, PROBES, STEPS, sample_document
from zeeman.console import render_report, write_report
from zeeman.errors import ZeemanError

PARTS = [
    "series",
    "training",
    "transitions",
    "llc",
    "density",
    "hessian",
    "behaviours",
    "susceptibility",
    "bands",
    "health",
    "provenance",
    "headline",
]
HOSTILE = "</script><script>alert(1)</script><!-- <!--zeeman:style--> /*zeeman:script*/ \\1 & \" ' λ̂ 🧲 \u2028"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def embedded(page: str) -> Any:
    found = re.findall(r'<script type="application/json" id="document">(.*?)</script>', page, flags=re.DOTALL)
    assert len(found) == 1
    return json.loads(found[0])


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return sample_document()


def test_document_comes_back_from_the_page(document: dict[str, Any]) -> None:
    assert embedded(render_report(document)) == document


def test_page_fetches_nothing(document: dict[str, Any]) -> None:
    page = render_report(document)
    assert not re.search(r"https?://|//cdn|@import|url\((?!#)|\bfetch\(|XMLHttpRequest|\bimport\(|WebSocket", page)
    assert not re.search(r"\ssrc\s*=|<link(?![^>]*href=\"data:)", page)
    assert all(link.startswith("#") for link in re.findall(r"<a[^>]*href=\"([^\"]*)\"", page))
    assert "default-src 'none'" in page


@pytest.mark.parametrize("place", ["title", "headline", "provenance"])
def test_hostile_strings_stay_data(place: str) -> None:
    document = {"title": "t", place: {"title": HOSTILE, "headline": [HOSTILE], "provenance": {HOSTILE: HOSTILE}}[place]}
    page = render_report(document)
    plain = render_report({"title": "t"})
    assert embedded(page) == document
    for tag in ("<script", "</script", "<style", "<!--"):
        assert page.count(tag) == plain.count(tag)


def test_no_slot_is_left_open() -> None:
    assert "zeeman:" not in render_report({})
    assert "</" not in json.dumps(embedded(render_report({})))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("value", [None, "absent", "empty"])
def test_parts_may_be_missing(document: dict[str, Any], part: str, value: str | None) -> None:
    changed = {key: item for key, item in document.items() if key != part}
    if value != "absent":
        changed[part] = None if value is None else type(document[part])()
    assert embedded(render_report(changed)) == changed


def test_every_part_has_a_panel_with_caption_and_method() -> None:
    page = render_report({})
    panels = re.findall(r'<section class="panel" id="(\w+)">(.*?)</section>', page, flags=re.DOTALL)
    order = [
        "training",
        "llc",
        "density",
        "behaviours",
        "susceptibility",
        "bands",
        "health",
        "transitions",
        "provenance",
    ]
    assert [name for name, _ in panels] == order
    assert all('class="caption"' in body and '<details class="how">' in body for _, body in panels)


def test_numbers_json_does_not_know_become_null() -> None:
    page = render_report(
        {"llc": [{"step": 1, "mean": math.nan, "se": math.inf, "variance": 2.5}], "rows": (1, -math.inf)}
    )
    back = embedded(page)
    assert back["llc"] == [{"step": 1, "mean": None, "se": None, "variance": 2.5}]
    assert back["rows"] == [1, None]


def test_what_is_no_json_is_told_in_a_sentence() -> None:
    with pytest.raises(ZeemanError, match="JSON"):
        render_report({"provenance": {"model": object()}})


def test_writes_whole_pages(document: dict[str, Any], tmp_path: Path) -> None:
    written = write_report(document, tmp_path / "new" / "report.html")
    assert written == tmp_path / "new" / "report.html"
    assert written.read_text(encoding="utf-8") == render_report(document)
    assert [path.name for path in written.parent.iterdir()] == ["report.html"]


def test_failed_write_keeps_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = write_report({"title": "old"}, tmp_path / "report.html")
    before = target.read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ZeemanError, match="No space left"):
        write_report({"title": "new"}, target)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_unwritable_place_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ZeemanError, match="choose another path"):
        write_report({}, tmp_path / "file" / "report.html")
    (tmp_path / "report.html").mkdir()
    with pytest.raises(ZeemanError, match="choose another path"):
        write_report({}, tmp_path / "report.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "report.html"]


def drawn(page: Path, profile: Path) -> str:
    quiet = "--disable-background-networking --disable-component-update --disable-sync --no-first-run --disable-quic"
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        *quiet.split(),
        f"--user-data-dir={profile}",
    ]
    command += ["--enable-logging=stderr", "--window-size=1280,900", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_every_figure_is_drawn(document: dict[str, Any], tmp_path: Path) -> None:
    dom = drawn(write_report(document, tmp_path / "full.html"), tmp_path / "profile")
    maps = len(document["susceptibility"]) * 2 * len(COMPONENTS) * len(PROBES)  # each beside its null
    densities = len(DENSITY_STEPS) * len(LADDER)
    shown = [one for one in document["bands"]["maps"] if one["loading"] == "unloaded"]
    rungs = [one for one in document["bands"]["maps"] if one["aside"]]
    carried = sum(len(one["bands"]) * len(one["components"]) for one in shown)
    assert len(re.findall(r'class="cell(?: faint)?"', dom)) == maps + len(PROBES) * len(STEPS) + densities + carried
    assert dom.count('class="spectrum"') == len(DENSITY_STEPS)
    assert dom.count('class="gap"') == 1
    estimates = sum(row[name] is not None for row in document["llc"] for name in ("mean", "variance"))
    assert len(re.findall(r'class="reading(?: doubtful)?"', dom)) == estimates + sum(
        len(one["bands"]) for one in shown + rungs
    )
    assert dom.count('class="null-floor"') == len(shown + rungs)
    assert dom.count("Halves of the chains: r = 0.87") == len(document["susceptibility"])
    assert dom.count('class="tokens"') == 1
    modes = dom.split('class="health modes"')[1].split("</table>")[0]
    assert modes.count("<td>") == 2 * 2 * len(shown)
    assert dom.count('class="aside">responds: ') == sum(len(one["bands"]) for one in shown)
    assert (dom.count('class="mode-level"'), dom.count('class="mode-gap"')) == (4, 2)
    assert dom.count('class="band"') == 5 * len(document["transitions"])
    assert dom.count('class="flag"') == 5 * len(document["series"]["flags"])
    assert dom.count('class="unit"') == len(document["health"])
    assert (
        'class="empty"'
        not in dom.split("<main>")[1].replace("<noscript>", "").split("</noscript>")[-1].split("<script")[0]
    )


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_forty_checkpoints_fit_the_page(document: dict[str, Any], tmp_path: Path) -> None:
    steps = [0, *(25 * k for k in range(1, 40))]
    value = [[float(k + n) for n in range(40)] for k in range(2)]
    behaviours = {"probes": ["one", "two"], "steps": steps, "value": value, "se": value, "metric": ["loss"] * 2}
    dom = drawn(write_report({**document, "behaviours": behaviours}, tmp_path / "long.html"), tmp_path / "profile")
    (picture,) = re.findall(r'<svg[^>]*aria-label="Behaviour of each probe[^>]*>', dom)
    (width,) = re.findall(r' width="([0-9.]+)"', picture)
    column = 1026  # what a window of 1280 leaves for a panel
    assert float(width) <= column
    assert dom.count('aria-label="one, step ') == 40


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_empty_and_hostile_documents_are_drawn_as_sentences(tmp_path: Path) -> None:
    document = {"title": HOSTILE, "provenance": None, "series": {"name": HOSTILE, "steps": [], "flags": None}}
    dom = drawn(write_report(document, tmp_path / "empty.html"), tmp_path / "profile")
    assert dom.count('<p class="empty">') >= 7
    assert "<script>alert(1)" not in dom.split("</title>")[1].split('id="document"')[0]
