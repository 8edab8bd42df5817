"""Does the instrument read the dictionary's entries of up to 60 weights as theory computes them?

Usage: python -m benchmarks.dictionary_measured [--match TEXT] [--part K N] [--table]

Each entry is read by `examine_potential` from its potential, singular point and box alone, by a ladder cut to less than
40 CPU seconds (`benchmarks.zoo.run.fitting`), with a seed made from its name. A germ that changes sign is no loss: its
square is sampled, whose λ is half that of |f| and whose m is the same. A program is sampled at its corner, as the zoo
samples machines. Each reading goes into src/zeeman/programs/measured.json at once; one that stands there for the same
potential is not made again. --part K N takes every N-th entry, so that N processes can share the work. --table writes
the agreement into docs/dictionary.md and samples nothing.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import re
import statistics
import time
import zlib
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from benchmarks.zoo.run import fitting
from benchmarks.zoo.table import share, table

from zeeman.examination import examine_potential
from zeeman.examination.unit import SAMPLER_VERSION
from zeeman.programs import catalogue
from zeeman.programs.case import Energy
from zeeman.programs.dictionary import Entry, entries
from zeeman.programs.measured import records
from zeeman.programs.noisy import Corner, NoisyProgram
from zeeman.sampling import Ladder
from zeeman.sampling.crowd import LEAP_DIMENSIONS
from zeeman.subjects import Potential

LARGEST = 60
SECONDS = (16, 36)
"""What `fitting` is allowed without and with gradients; it takes less, but trying the speed of steps takes up to 10."""
LEAST_DRAWS = 80
ROOT = Path(__file__).parents[1]
KEPT = ROOT / "src" / "zeeman" / "programs" / "measured.json"
PAGE = ROOT / "docs" / "dictionary.md"
BETWEEN = re.compile(r"(<!-- agreement -->\n).*(<!-- end of agreement -->)", re.DOTALL)
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Target:
    """What the instrument is given of an entry."""

    energy: Energy
    center: torch.Tensor
    domain: float
    localization: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="", help="only entries whose kind and name contain this")
    parser.add_argument("--part", type=int, nargs=2, default=(1, 1), metavar=("K", "N"))
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        PAGE.write_text(BETWEEN.sub(lambda found: found[1] + agreement() + "\n" + found[2], PAGE.read_text()))
        return
    torch.set_num_threads(1)
    part, parts = arguments.part
    wanted = [one for one in small_entries() if arguments.match in f"{one.kind} {one.name}"]
    for one in wanted[part - 1 :: parts]:
        records.cache_clear()  # another process may have read it meanwhile
        if one.measured is None:
            row = measure(one)
            keep(one.name, row)
            shown = ("llc", "standard_error", "multiplicity", "multiplicity_probability", "verdict", "cpu_seconds")
            print(one.name, {key: row[key] for key in shown}, flush=True)


def small_entries() -> list[Entry]:
    """Entries of up to `LARGEST` weights, the heaviest last."""
    return sorted((one for one in entries() if one.dimension <= LARGEST), key=lambda one: one.dimension)


def target_of(one: Entry) -> Target:
    """Build the potential of an entry: a polynomial as it is written, or the loss of a program at its corner."""
    energy: Energy
    if one.kind == "program":
        energy = Corner(NoisyProgram(next(each.source for each in catalogue.entries() if each.name == one.name)))
    else:
        energy = Potential.parse(one.sampled.potential)
    return Target(energy, torch.zeros(one.dimension, dtype=torch.float64), one.sampled.domain)


def measure(one: Entry, ladder: Ladder | None = None) -> Row:
    """Read an entry, and say what was sampled and how."""
    start, target, seconds = time.process_time(), target_of(one), SECONDS[one.dimension >= LEAP_DIMENSIONS]
    ladder = ladder or fitting(target, zlib.crc32(one.name.encode()), seconds, LEAST_DRAWS)
    found = examine_potential(target.energy, target.center, domain=target.domain, ladder=ladder).llc
    posterior = found.coordinates.get("multiplicity_posterior", {})
    m, fine = found.coordinates.get("multiplicity"), math.isfinite(found.value)
    return {
        "potential": one.sampled.potential,
        "convention": one.sampled.convention,
        "digest": one.sampled.digest,
        "domain": target.domain,
        "llc": significant(found.value) if fine else None,
        "standard_error": significant(found.standard_error) if fine else None,
        "verdict": found.verdict.name.lower(),
        "reasons": list(found.reasons),
        "multiplicity": m,
        "multiplicity_probability": None if m is None else round(posterior[m], 3),
        "multiplicity_posterior": {str(each): round(p, 3) for each, p in posterior.items()},
        "cpu_seconds": round(time.process_time() - start, 1),
        "seed": ladder.seed,
        "ladder": {key: asdict(ladder)[key] for key in ("num_walkers", "num_draws", "num_burnin_steps")},
        "date": datetime.date.today().isoformat(),
        "sampler_version": SAMPLER_VERSION,
    }


def significant(value: float) -> float:
    return float(f"{value:.7g}")


def keep(name: str, row: Row) -> None:
    """Add a record to the file, in the order of the dictionary, one a line."""
    rows: Row = json.loads(KEPT.read_text()) | {name: row}
    names = [one.name for one in entries() if one.name in rows]
    lines = [f"{json.dumps(each, ensure_ascii=False)}: {json.dumps(rows[each], ensure_ascii=False)}" for each in names]
    part = KEPT.with_suffix(f".{os.getpid()}")
    part.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    part.replace(KEPT)


def agreement() -> str:
    """Give the summary and a line an entry, in the order of the dictionary."""
    rows = [(one, one.measured) for one in entries() if one.dimension <= LARGEST and one.measured]
    titles = ["entry", "d", "λ exact", "λ̂ ± error", "z", "m exact", "m̂ (posterior)", "verdict"]
    return f"{summary(rows)}\n\n{table(titles, [line(one, row) for one, row in rows])}"


def summary(rows: list[tuple[Entry, Row]]) -> str:
    """Shares of the readings that agree; one without a value agrees in nothing."""
    z = [math.inf if row["z"] is None else abs(row["z"]) for _, row in rows]
    gaps = [math.inf if row["llc"] is None else abs(row["llc"] / float(Fraction(row["exact"])) - 1) for _, row in rows]
    figures = {
        "entries": len(rows),
        "λ within 1 error": share(each <= 1 for each in z),
        "2 errors": share(each <= 2 for each in z),
        "λ within 2 %": share(gap <= 0.02 for gap in gaps),
        "5 %": share(gap <= 0.05 for gap in gaps),
        "median gap": f"{statistics.median(gaps):.2%}",
        "m right": share(row["multiplicity"] == one.multiplicity for one, row in rows),
        "verdict not `ok`": sum(row["verdict"] != "ok" for _, row in rows),
        "CPU minutes": f"{sum(row['cpu_seconds'] for _, row in rows) / 60:.0f}",
    }
    return table(figures, [figures.values()])


def line(one: Entry, row: Row) -> list[object]:
    """One entry; the two λ are those of what was sampled."""
    name = f"{one.name}, f²" if row["convention"] == "f^2" else one.name
    if row["llc"] is None:
        return [name, one.dimension, row["exact"], "–", "–", one.multiplicity, "–", row["verdict"]]
    m = f"{row['multiplicity']} ({row['multiplicity_probability']:.0%})"
    read = f"{row['llc']:.4f} ± {row['standard_error']:.1g}"
    return [name, one.dimension, row["exact"], read, f"{row['z']:+.1f}", one.multiplicity, m, row["verdict"]]


if __name__ == "__main__":
    main()
