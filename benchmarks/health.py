"""Does the health verdict find what is wrong with a run, and leave good runs alone?

Usage: OMP_NUM_THREADS=1 python benchmarks/health.py [--halves 0 1]

Runs the labelled chains of `health_runs.py`: bare potentials, networks, deep linear nets and language models, good ones
and ones that are spoilt in a known way. The thresholds of `zeeman.sampling.health` were chosen on half 0; half 1 has
other seeds, models, sizes and strengths of what spoils them, and is what counts. A spoilt run is found when its verdict
is not OK or when its loss is refused; it is named rightly when the verdict is one of those that its label allows.
Halves that are not run keep their last result.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from health_runs import Case, cases, walk

from zeeman.errors import ZeemanError
from zeeman.sampling import health as thresholds
from zeeman.sampling import judge
from zeeman.sampling.repeatability import require_repeatable
from zeeman.spectra import minibatch_variance

HALVES = ("chosen on", "held out")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--halves", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = Path(__file__).with_suffix(".json")
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    result |= {"date": datetime.now(UTC).date().isoformat(), "cpu_count": os.cpu_count()}
    result["thresholds"] = {k: v for k, v in vars(thresholds).items() if k.startswith(("MAX_", "MIN_", "SURELY_"))}
    for half in arguments.halves:
        begun = time.process_time()
        runs = [measure(case) for case in cases(half)]
        result[HALVES[half]] = summary(runs) | {"cpu_seconds": time.process_time() - begun, "each": runs}
        path.write_text(json.dumps(result, indent=1, default=float) + "\n")
    for half in HALVES:
        print(half, json.dumps({k: v for k, v in result.get(half, {}).items() if k != "each"}, indent=1, default=float))


def measure(case: Case) -> dict[str, Any]:
    """Run a case and judge it, by its losses and, first, by whether its loss repeats."""
    setup = case.setup
    posterior = setup.posterior()
    shown = {"label": case.label, "subject": setup.subject, "num_parameters": posterior.num_parameters}
    shown |= {name: getattr(setup, name) for name in ("lr", "n_beta", "localization", "batch_size", "noise_level")}
    shown |= {name: getattr(setup, name) for name in ("num_chains", "num_burnin_steps", "num_steps")}
    run = walk(case)
    rows = run.rows[:, setup.num_burnin_steps :]
    energy = setup.n_beta * rows.mean(axis=2, dtype=np.float64)
    begun_here = run.rows[0 if setup.elsewhere is None else 1 :, 0]
    found = judge(
        energy,
        noise_variance=minibatch_variance(rows, setup.n_beta, num_rows=posterior.num_rows),
        num_parameters=posterior.num_parameters,
        distance=run.distance,
        localization=setup.localization,
        virial=run.virial,
        start=setup.n_beta * begun_here,
    )
    verdict = found.verdict.name
    shown["by_chains"] = verdict
    try:
        require_repeatable(setup.model.eval(), setup.loss, posterior.rows(slice(setup.batch_size)))
    except ZeemanError:
        verdict = "REFUSED"
    print(
        f"{case.label:20s} {setup.subject:26s} {verdict:16s} {'' if verdict in case.kinds else case.kinds}", flush=True
    )
    return shown | {
        "verdict": verdict,
        "found": verdict != "OK",
        "named_rightly": verdict in case.kinds,
        "llc": float(energy.mean()) if np.isfinite(energy).all() else None,
        "figures": {name: value if math.isfinite(value) else None for name, value in found.figures.items()},
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    good = [r for r in runs if r["label"] == "good"]
    bad = [r for r in runs if r["label"] != "good"]
    return {
        "runs": len(runs),
        "sensitivity": rate(sum(r["found"] for r in bad), len(bad)),
        "named_rightly": rate(sum(r["named_rightly"] for r in bad), len(bad)),
        "false_alarms": rate(sum(r["found"] for r in good), len(good)),
        "confusion": {
            label: dict(Counter(r["verdict"] for r in runs if r["label"] == label))
            for label in dict.fromkeys(r["label"] for r in runs)
        },
    }


def rate(count: int, total: int) -> dict[str, Any]:
    """A share with Wilson's 95 % interval."""
    z, p = 1.96, count / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    interval = [round(middle - half, 4), round(middle + half, 4)]
    return {"count": count, "of": total, "share": round(p, 4), "interval": interval}


if __name__ == "__main__":
    main()
