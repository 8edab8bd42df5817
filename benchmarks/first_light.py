"""Does the instrument date the demo's transition rightly, and do seeds agree?

Usage: python benchmarks/first_light.py FOLDER [--seeds 0 1 2]

Runs `zeeman demo --json` for each seed into FOLDER and sets the transitions that it finds beside the behavioural date,
which the instrument does not know: the step at which the dense record of the live device shows the loss on repeats of
held-out periods half-way between its highest and its final value, and the steps between which it falls from 75 % to
25 % of that. Two seeds agree when each interval covers its own date and both name the same leading probe.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    rows = [one(arguments.folder / f"seed{seed}", seed) for seed in arguments.seeds]
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "all_cover": all(row["llc_interval_covers_date"] for row in rows),
        "same_leading_probe": len({row["leading_probe"] for row in rows}) == 1,
        "seeds": rows,
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(path.read_text())


def one(folder: Path, seed: int) -> dict[str, object]:
    command = [sys.executable, "-m", "zeeman.cli", "demo", str(folder), "--seed", str(seed), "--json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    date, fall = behavioural_date(folder / "run" / "record.jsonl")
    main_one = [t for t in found["transitions"] if "llc" in t["signals"]]
    covering = [t for t in main_one if t["interval"][0] <= date <= t["interval"][1]]
    return {
        "seed": seed,
        "seconds": found["seconds"],
        "checkpoints": found["checkpoints"],
        "behavioural_date": date,
        "behavioural_fall": fall,
        "llc_interval_covers_date": bool(covering),
        "leading_probe": covering[0]["probes"][0] if covering and covering[0]["probes"] else None,
        "transitions": found["transitions"],
        "llc": found["llc"],
    }


def behavioural_date(record: Path) -> tuple[int, list[int]]:
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    curve = [(row["step"], row["signals"]["repeats"]) for row in rows if row.get("signals")]
    top, end = max(loss for _, loss in curve), curve[-1][1]

    def last_above(share: float) -> int:
        return max(step for step, loss in curve if loss > end + share * (top - end))

    return last_above(0.5), [last_above(0.75), last_above(0.25)]


if __name__ == "__main__":
    main()
