"""Calibrate the demo's series and hold the setting against steps ten times finer, and against the demo's own setting.

Usage: OMP_NUM_THREADS=1 python benchmarks/calibration.py RUN PROBES [--steps 300 3000]

RUN and PROBES are folders that `zeeman demo` makes. At each checkpoint two chains run at the calibrated setting, at the
demo's, and at each of these nβ and γ with a tenth of the step and ten times the length. The relative excess over the
finer run is to be within the bias budget plus two standard errors. Writes calibration.json beside this script.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeeman.demo.run import SETTINGS
from zeeman.examination import SamplerSettings, Subject, calibrate_series
from zeeman.probes import Library
from zeeman.sampling import Schedule, judge, run_chain
from zeeman.spectra import llc_mean, minibatch_variance
from zeeman.subjects import Series

DRAWN, CHAINS, FINER = 160, 2, 10


def read(subject: Subject, step: int, settings: SamplerSettings, stretch: int) -> dict[str, Any]:
    posterior = subject.posterior(
        subject.series.at(step), "full", n_beta=settings.n_beta, localization=settings.localization, batch_size=32
    )
    sampler = replace(settings, lr=settings.lr / stretch).sampler
    burn_in = settings.num_burnin_steps * stretch
    schedule = Schedule(burn_in + DRAWN * stretch)
    chains = [
        np.concatenate([b.rows for b in run_chain(posterior, sampler, schedule, seed=7, chain=c)])[burn_in:]
        for c in range(CHAINS)
    ]
    rows = np.stack(chains)
    noise = minibatch_variance(rows, settings.n_beta, num_rows=posterior.num_rows)
    energy = settings.n_beta * rows.mean(axis=2, dtype=np.float64)
    health = judge(energy, noise_variance=noise, num_parameters=posterior.num_parameters)
    found = llc_mean(rows, settings.n_beta, health)
    return {
        "llc": found.value,
        "se": found.standard_error,
        "verdict": found.verdict.name.lower(),
        "ess": health.ess,
        "effective_draws_a_step": health.ess / energy.size,
    }


def compare(subject: Subject, step: int, settings: SamplerSettings, bias: float) -> dict[str, Any]:
    coarse, fine = read(subject, step, settings, 1), read(subject, step, settings, FINER)
    excess = coarse["llc"] / fine["llc"] - 1
    error = float(np.hypot(coarse["se"], fine["se"])) / abs(fine["llc"])
    row = {"step": step, "coarse": coarse, "fine": fine, "excess": excess, "se": error}
    print(json.dumps(row), flush=True)
    return row | {"within_budget_and_two_errors": excess <= bias + 2 * error}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("probes", type=Path)
    parser.add_argument("--steps", type=int, nargs="*", default=[300, 3000])
    given = parser.parse_args()
    torch.set_num_threads(1)
    subject = Subject(Series.from_folder(given.run), Library.from_folder(given.probes))
    started = time.process_time()
    found = calibrate_series(subject)
    seconds = time.process_time() - started
    print(f"{seconds:.0f} CPU s", *found.reasons, found.settings, sep="\n", flush=True)
    bias = found.objective.bias
    content = {
        "cpu_seconds": seconds,
        "gradient_steps": found.gradient_steps,
        "share_of_llc_readings": found.share_of_examination,
        "settings": asdict(found.settings),
        "verdict": found.verdict.name.lower(),
        "reasons": found.reasons,
        "calibrated": [compare(subject, step, found.settings, bias) for step in given.steps],
        "demo_settings": asdict(SETTINGS),
        "by_hand": [compare(subject, step, SETTINGS, bias) for step in given.steps],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
