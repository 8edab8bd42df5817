"""Does the instrument read λ and m rightly where they are known, and are its error bars true?

Usage: python -m benchmarks.zoo.run [--match TEXT] [--seeds 0 1 2] [--seconds 60] [--stop-after 540]

Each case is read by `examine_potential`, the call behind `zeeman density`, from its energy, centre and prior alone, by
a ladder whose length and number of walkers are cut to the CPU seconds allowed. Each reading is a line of results.jsonl;
those that stand there are not made again. Seeds after the first are for cases that take less than a third of the time.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from benchmarks.zoo import all_cases

from zeeman.errors import ZeemanError
from zeeman.examination import examine_potential
from zeeman.programs.case import Case, Energy
from zeeman.sampling import Ladder
from zeeman.sampling.crowd import Crowd
from zeeman.sampling.ladder import CLIMB, LEAST_FRESH, MAX_RUNGS
from zeeman.sampling.moves import Field

RESULTS = Path(__file__).with_name("results.jsonl")
PROBE_WALKERS, PROBE_STEPS = 32, 40
LEAST_WALKERS, LEAST_DRAWS = 32, 250
HOT_RUNGS = 10
"""About so many rungs lie before t K has levelled off."""


class Target(Protocol):
    """What the instrument is given: no λ is in it."""

    energy: Energy
    center: torch.Tensor
    domain: float | None
    localization: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="", help="only cases whose family and name contain this")
    parser.add_argument("--largest", type=int, default=100, help="only cases of up to so many weights")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--stop-after", type=float, default=math.inf, help="begin no case after so many seconds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start, done = time.perf_counter(), {(row["name"], row["seed"]): row for row in read(RESULTS)}
    cases = [c for c in all_cases() if arguments.match in f"{c.family} {c.name}" and c.dimension <= arguments.largest]
    for seed in arguments.seeds:
        for case in sorted(cases, key=lambda case: case.dimension):
            first = done.get((case.name, arguments.seeds[0]))
            slow = seed != arguments.seeds[0] and (first is None or first["cpu_seconds"] > arguments.seconds / 3)
            if (case.name, seed) in done or slow:
                continue
            if time.perf_counter() - start > arguments.stop_after:
                return
            done[case.name, seed] = row = measure(case, seed, arguments.seconds)
            with RESULTS.open("a") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            shown = ("dimension", "llc", "llc_hat", "se", "multiplicity", "m_hat", "verdict", "cpu_seconds")
            print(case.family, case.name, seed, {key: row[key] for key in shown}, flush=True)


def read(path: Path) -> list[dict[str, Any]]:
    """Rows that stand in a file, if it does."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def measure(case: Case, seed: int, seconds: float) -> dict[str, Any]:
    """One reading beside its truth."""
    row: dict[str, Any] = {
        "name": case.name,
        "family": case.family,
        "dimension": case.dimension,
        "llc": float(case.llc),
        "multiplicity": case.multiplicity,
        "seed": seed,
    }
    ladder, start = fitting(case, seed, seconds), time.process_time()
    try:
        found = examine_potential(
            case.energy, case.center, domain=case.domain, localization=case.localization, ladder=ladder
        )
    except ZeemanError as error:
        refused = {"llc_hat": None, "se": None, "m_hat": None, "m_posterior": {}, "verdict": "refused"}
        return row | refused | {"reasons": [str(error)], "cpu_seconds": round(time.process_time() - start, 1)}
    llc = found.llc
    kept = {key: asdict(ladder)[key] for key in ("num_walkers", "num_draws", "num_burnin_steps")}
    return row | {
        "llc_hat": None if math.isnan(llc.value) else round(float(llc.value), 6),
        "se": None if math.isnan(llc.value) else round(float(llc.standard_error), 6),
        "m_hat": llc.coordinates.get("multiplicity"),
        "m_posterior": {str(m): round(p, 3) for m, p in llc.coordinates.get("multiplicity_posterior", {}).items()},
        "verdict": llc.verdict.name.lower(),
        "reasons": list(llc.reasons),
        "health": {key: float(f"{value:.4g}") for key, value in llc.health.items()},
        "cpu_seconds": round(time.process_time() - start, 1),
        **kept,
        "least_fresh": LEAST_FRESH,
    }


def fitting(case: Target, seed: int, seconds: float, least_draws: int = LEAST_DRAWS) -> Ladder:
    """The default ladder, with fewer walkers and then fewer steps where it would not fit into the time."""
    whole, step = Ladder.fitting(len(case.center), seed=seed), step_seconds(case) / PROBE_WALKERS
    steps, walkers = whole.num_burnin_steps + whole.num_draws * whole.num_steps_bw_draws, whole.num_walkers
    while walkers > LEAST_WALKERS and step * walkers * steps > seconds:
        walkers //= 2
    step *= min(1.0, (HOT_RUNGS + math.sqrt(CLIMB * 0.8 * seconds / (step * walkers))) / MAX_RUNGS)
    share = min(1.0, 0.8 * seconds / (step * walkers * steps))
    draws, burnin = (max(least_draws, int(share * n)) for n in (whole.num_draws, whole.num_burnin_steps))
    return Ladder(num_walkers=walkers, num_draws=draws, num_burnin_steps=burnin, seed=seed)


def step_seconds(case: Target) -> float:
    """CPU seconds of a step of `PROBE_WALKERS` walkers on the longest ladder."""
    rungs, field = 10.0 ** np.linspace(0, 9, MAX_RUNGS), Field(case.energy, case.center, case.domain, case.localization)
    with torch.no_grad():
        crowd = Crowd(field, rungs, PROBE_WALKERS, 0)
        start = time.process_time()
        crowd.burn_in(PROBE_STEPS, lambda _: None)
    return (time.process_time() - start) / PROBE_STEPS


if __name__ == "__main__":
    main()
