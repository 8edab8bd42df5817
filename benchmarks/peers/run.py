"""Run a peer over the zoo and keep what it printed: benchmarks/peers/<peer>.json, with versions, date and a summary.

Usage: OMP_NUM_THREADS=1 python benchmarks/peers/run.py --peer devinterp2 --python PYTHON [family or case …]

PYTHON is the interpreter of an environment that holds the peer (torch 2.13.0 in each):

- devinterp1: devinterp==1.3.2 without its dependencies, einops, matplotlib, numpy, pandas, tqdm, cloudpickle
- devinterp2: devinterp==2.0.1, zarr>=3.1,<3.2, datasets, transformers==5.12.1
- canonical: canonical-interp==0.1.5

Each case is run twice: as the peer's authors do it where they test it on known answers, and tuned by hand at the nβ
and γ that all peers share (common.py). Cases that the file already holds are not run again. table.py prints the peers
side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from table import Row, summarize

HERE = Path(__file__).parent
PEERS = ("devinterp1", "devinterp2", "canonical")


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
    print(json.dumps(report(rows)["summary"], indent=1))


def report(rows: list[Row]) -> dict[str, Any]:
    date = datetime.now(UTC).date().isoformat()
    settings = sorted({row["which"] for row in rows})
    summary = {which: summarize([row for row in rows if row["which"] == which]) for which in settings}
    return {"date": date, "cpu_count": os.cpu_count(), "summary": summary, "cases": rows}


def as_json(document: dict[str, Any]) -> str:
    """One case a line."""
    cases = ",\n".join(json.dumps(row, ensure_ascii=False) for row in document["cases"])
    head = json.dumps({key: value for key, value in document.items() if key != "cases"}, indent=1, ensure_ascii=False)
    return f'{head[:-2]},\n "cases": [\n{cases}\n ]\n}}\n'


if __name__ == "__main__":
    main()
