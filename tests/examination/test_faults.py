"""A small version of benchmarks/faults.py: kills, full disks, flipped bytes, and two examinations of one store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "faults.py"


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Each section a few times, in one warm process that forks: with the right to mount nothing is needed."""
    command = [sys.executable, str(SCRIPT), "kills", "limited", "flips", "two", "--count", "3"]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    sections, decoder, rest = {}, json.JSONDecoder(), done.stdout
    while rest:
        name, _, rest = rest.partition(" ")
        sections[name], end = decoder.raw_decode(rest)
        rest = rest[end:].lstrip()
    return sections


def test_kills_lose_no_block_and_change_no_bit(found: dict[str, Any]) -> None:
    kills = found["kills"]
    assert kills["kills_in_all"] == 3
    assert kills["lost_completed_blocks"] == kills["wrong_bytes"] == 0
    assert kills["same_bit_for_bit"] == kills["examinations_ended"]


def test_a_disk_that_is_full_is_said_and_gone_on_from(found: dict[str, Any]) -> None:
    assert found["limited"]["same_bit_for_bit"] == 3
    assert set(found["limited"]["said"]) <= {"File too large", "status 0"}
    assert found["limited"]["said"]["File too large"] > 0


def test_flips_are_found_named_and_repaired_alone(found: dict[str, Any]) -> None:
    flips = found["flips"]
    assert flips["found"] == flips["named"] == 3
    assert flips["repairs"] == flips["repaired_bit_for_bit"] == flips["only_the_lost_unit_computed"] == 1


def test_a_second_examination_is_refused_or_finds_all_done(found: dict[str, Any]) -> None:
    two = found["two"]
    assert two["same_bit_for_bit"] == 3
    assert all(end.endswith(("second 3", "second 0")) for end in two["ends"])
    assert all("another process is writing" in sentence for sentence in two["said"])
