"""Run a peer over the zoo and keep what it printed: benchmarks/peers/<peer>.json, with versions, date and a summary.

Usage: OMP_NUM_THREADS=1 python benchmarks/peers/run.py --peer devinterp2 --python PYTHON [family or case …]

PYTHON is the interpreter of an environment that holds the peer (torch 2.13.0 in each):

- devinterp1: devinterp==1.3.2 without its dependencies, einops, matplotlib, numpy, pandas, tqdm, cloudpickle
- devinterp2: devinterp==2.0.1, zarr>=3.1,<3.2, datasets, transformers==5.12.1
- canonical: canonical-interp==0.1.5

Each case is run twice: as the peer's authors do it where they test it on known answers, and tuned by hand at the nβ
and γ that all peers share (common.py). Cases that the file already holds are not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = ("devinterp1", "devinterp2", "canonical")
WITHIN = (0.02, 0.05, 0.10, 0.25)

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="families or cases of the zoo; all of them when none is named")
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds a case for the tuned run")
    parser.add_argument("--which", choices=("tuned", "published"), nargs="*", default=["tuned", "published"])
    parser.add_argument("--zoo", type=Path, default=HERE.parent / "zoo")
    arguments = parser.parse_args()
    kept, running = HERE / f"{arguments.peer}.json", HERE / f"{arguments.peer}.jsonl"
    if kept.exists() and not running.exists():
        running.write_text("".join(json.dumps(row) + "\n" for row in json.loads(kept.read_text())["cases"]))
    command = [arguments.python, str(HERE / f"{arguments.peer}.py"), *arguments.names, "--out", str(running)]
    command += ["--seconds", str(arguments.seconds), "--zoo", str(arguments.zoo)]
    for which in arguments.which:
        subprocess.run([*command, "--which", which], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    rows = [json.loads(line) for line in running.read_text().splitlines()]
    kept.write_text(as_json(report(rows)))
    running.unlink()
    print(table([kept]))


def report(rows: list[Row]) -> dict[str, Any]:
    date = datetime.now(UTC).date().isoformat()
    settings = sorted({row["which"] for row in rows})
    summary = {which: summarize([row for row in rows if row["which"] == which]) for which in settings}
    return {"date": date, "cpu_count": os.cpu_count(), "summary": summary, "cases": rows}


def summarize(rows: list[Row]) -> dict[str, Any]:
    """Errors and coverage; a case that failed counts as missed.

    Coverage is reported for both readings of what the peer prints: its standard deviation over chains as it stands, and
    the standard error that one gets by dividing by √chains.
    """
    good = [row for row in rows if row["failure"] is None]
    errors = [abs(row["relative_error"]) for row in good]

    def share(count: int) -> float:
        return round(count / len(rows), 3)

    def covered(width: float, over_chains: bool) -> float:
        def inside(row: Row) -> bool:
            scale = math.sqrt(row["setting"]["chains"]) if over_chains else 1.0
            return abs(row["llc"] - row["true_llc"]) <= width * row["std"] / scale

        return share(sum(map(inside, good)))

    return {
        "cases": len(rows),
        "failed": len(rows) - len(good),
        "warned": sum(row["warned"] for row in rows),
        "within": {f"{bound:g}": share(sum(error <= bound for error in errors)) for bound in WITHIN},
        "median_relative_error": statistics.median(errors) if errors else None,
        "median_signed_error": statistics.median(row["relative_error"] for row in good) if good else None,
        "covered_by_std": {"1": covered(1, False), "2": covered(2, False)},
        "covered_by_standard_error": {"1": covered(1, True), "2": covered(2, True)},
        "median_seconds": statistics.median(row["seconds"] for row in rows),
        "median_steps_per_second": statistics.median(row["steps_per_second"] for row in rows),
    }


def as_json(document: dict[str, Any]) -> str:
    """One case a line."""
    cases = ",\n".join(json.dumps(row, ensure_ascii=False) for row in document["cases"])
    head = json.dumps({key: value for key, value in document.items() if key != "cases"}, indent=1, ensure_ascii=False)
    return f'{head[:-2]},\n "cases": [\n{cases}\n ]\n}}\n'


def table(files: list[Path]) -> str:
    """The summaries of several peers side by side, in Markdown."""
    titles = ["peer", "setting", "cases", "failed", *(f"≤ {100 * bound:g} %" for bound in WITHIN)]
    titles += ["median error", "signed", "±1 std", "±2 std", "±2 std/√chains", "s"]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for file in files:
        for which, s in json.loads(file.read_text())["summary"].items():
            shares = [f"{share:.0%}" for share in s["within"].values()]
            shares += [f"{s['median_relative_error']:.1%}", f"{s['median_signed_error']:+.1%}"]
            shares += [f"{share:.0%}" for share in s["covered_by_std"].values()]
            shares.append(f"{s['covered_by_standard_error']['2']:.0%}")
            cells = [file.stem, which, str(s["cases"]), str(s["failed"]), *shares, f"{s['median_seconds']:.1f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
