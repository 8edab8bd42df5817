"""The page of the dictionary, and what a report gains by it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from console.sample_document import sample_document
from console.test_report import CHROMIUM, drawn, embedded
from zeeman.console import render_report, write_report
from zeeman.programs import Measured, entries
from zeeman.programs.dictionary_document import dictionary_document, match_document, printed_document

SAMPLED = {
    "llc": 0.7512, "standard_error": 0.0021, "verdict": "ok", "multiplicity": 1, "multiplicity_probability": 0.98,
    "z": 0.57, "exact": "3/4", "convention": "K",
}  # fmt: skip
BAD = {"llc": None, "llc_se": None, "verdict": "diverged", "reasons": ["a chain exploded"]}


@pytest.fixture(scope="module")
def dictionary() -> dict[str, Any]:
    measured = Measured(llc=(0.26, 0.01), multiplicity=1)
    found = dictionary_document([match_document("mine", measured), printed_document("lost", BAD)])
    for entry in found["entries"]:
        entry["measured"] = SAMPLED if entry["name"] == "A3" else None
    return found


def seen(dom: str, panel: str) -> str:
    return re.findall(rf'<section class="panel"[^>]*id="{panel}">.*?</section>', dom, flags=re.DOTALL)[0]


def test_the_document_comes_back_and_names_every_entry(dictionary: dict[str, Any]) -> None:
    assert embedded(render_report({"dictionary": dictionary}))["dictionary"] == dictionary
    assert [entry["name"] for entry in dictionary["entries"]] == [one.name for one in entries()]
    assert dictionary["matches"][1]["sentence"].endswith("a chain exploded.")


def test_a_report_gains_little() -> None:
    """Only entries that matched come with it."""
    small = dictionary_document([match_document("mine", Measured(llc=(0.26, 0.01)))], likely=True)
    assert {entry["name"] for entry in small["entries"]} == {"x^4", "x^2 y^4", "Curie-Weiss", "E8 squared"}
    assert len(render_report({"dictionary": small})) - len(render_report({})) < 20_000


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_alone(dictionary: dict[str, Any], tmp_path: Path) -> None:
    dom = drawn(write_report({"title": "d", "dictionary": dictionary}, tmp_path / "page.html"), tmp_path / "profile")
    panel = seen(dom, "dictionary")
    assert panel.count('class="dictionary-entry"') == len(dictionary["entries"])
    assert panel.count('class="rival"') == len(dictionary["matches"][0]["rivals"]) + 1
    assert "a chain exploded" in panel
    assert "0.7512 ± 0.0021" in panel
    assert re.findall(r'<section class="panel" id="(\w+)">', dom) == ["dictionary"]


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_in_a_report_and_not(dictionary: dict[str, Any], tmp_path: Path) -> None:
    for content, there in ((sample_document() | {"dictionary": dictionary}, True), (sample_document(), False)):
        dom = drawn(write_report(content, tmp_path / "report.html"), tmp_path / "profile")
        assert ('<section class="panel" id="dictionary">' in dom) is there
        assert ('<a href="#dictionary">' in dom) is there
        assert ('class="dictionary-entry"' in dom) is there
        assert '<section class="panel" id="llc">' in dom
