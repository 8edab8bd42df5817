"""``zeeman program``: known answers as JSON, a table for people, and one sentence for what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TRUTH = Path(__file__).parent / "programs" / "truth.json"
LATCH = {
    "states": ["r", "a"], "alphabet": ["A", "B"], "blank": "B", "start": "r",
    "code": [list(line) for line in ("ArAaS", "BrBrS", "AaAaS", "BaBaS")],
    "inputs": ["A", "B"], "steps": 2, "relaxation": "naive", "note": "passed over",
}  # fmt: skip


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "zeeman.cli", "program", *arguments], capture_output=True, text=True)


def test_a_latch_as_json(tmp_path: Path) -> None:
    file = tmp_path / "latch.json"
    file.write_text(json.dumps(LATCH))
    out = program(str(file), "--json")
    assert out.returncode == 0, out.stderr
    assert not out.stderr
    found = json.loads(out.stdout)
    expected = {"dims": 16, "hessian_rank": 2, "rlct_corner": "9/2", "multiplicity_corner": 1, "rlct_corner_sq": "9/4",
                "rlct_open_sq": "1"}  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert dict(found["optimal_weights"])["B|r|w|A"] == "1/2"
    truth = next(e for e in json.loads(TRUTH.read_text()) if e["id"] == "firstA_latch_t2_naive")
    assert sorted(map(sorted, found["syndromes"])) == sorted(map(sorted, truth["syndromes"]))


def test_a_latch_for_people(tmp_path: Path) -> None:
    file = tmp_path / "latch.json"
    file.write_text(json.dumps(LATCH))
    out = program(str(file))
    assert out.returncode == 0, out.stderr
    assert "9/2" in out.stdout
    assert "(B|r|w|A)^2" in out.stdout


@pytest.mark.parametrize(
    ("content", "told"),
    [("{", "is not JSON"), ("[]", "expected a JSON object"), ("{}", "no field states"), (None, "can't read")],
)
def test_what_is_no_machine_is_told_in_one_sentence(tmp_path: Path, content: str | None, told: str) -> None:
    file = tmp_path / "bad.json"
    if content is not None:
        file.write_text(content)
    out = program(str(file), "--json")
    assert out.returncode == 2
    assert told in out.stderr
    assert out.stderr.count("\n") == 1
    assert not out.stdout
