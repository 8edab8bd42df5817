"""Do finite-n readings at TMS k-gons lead to their λ?

Usage: python -m benchmarks.zoo.tms_finite_n

At n = 5e3 and nβ = n/log n, as in the published protocol, the mean estimator nβ⟨L − L*⟩ overshoots λ, since the k-gon
is not harmonic over its posterior. Here it is read at sixteen n between 5e3 and 5e6 on the exact loss (one ladder,
γ = 0.1, in a box of half-width 0.4, or 1/(2c) where a dead bias of that size must stay positive: beyond lies another
critical point). Below n = 3e4 the posterior feels the box, seen by a variance below the mean. Through the readings
above it, a polynomial in 1/nβ is fitted for each walker, and the mean over walkers of its constant is the
extrapolation. It is given for the second and the third degree, whose difference is the error of the form; the standard
error is over walkers. Writes tms_finite_n.json.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeeman.programs import tms
from zeeman.sampling import Ladder, run_ladder

POLYGONS = ((5, 5, 0), (6, 5, 0), (6, 5, 1), (6, 6, 0), (7, 7, 0), (8, 8, 0))
N = np.geomspace(5e3, 5e6, 16)
FITTED_FROM = 3e4
N_BETA = N / np.log(N)
WALKERS, DRAWS, BURNIN = 64, 400, 300


def main() -> None:
    torch.set_num_threads(1)
    path = Path(__file__).with_suffix(".json")
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for polygon in POLYGONS:
        name = tms.name(*polygon)
        if name not in found:
            found[name] = read(polygon)
            path.write_text(json.dumps(found, indent=1) + "\n")
            print(name, json.dumps(found[name]), flush=True)


def read(polygon: tuple[int, int, int]) -> dict[str, Any]:
    """Readings at each n and where they lead."""
    start = time.process_time()
    center = tms.critical_point(*polygon)
    loss = float(tms.tms_loss(center, polygon[0]))
    ladder = Ladder(WALKERS, num_draws=DRAWS, num_burnin_steps=BURNIN, n_beta=tuple(N_BETA.tolist()))
    domain = 1 / (2 * polygon[0]) if polygon[2] else 0.4
    draws = run_ladder(tms.Excess(polygon[0], loss), center, ladder, domain=domain, localization=0.1)
    values = (draws.n_beta[:, None] * draws.energy.mean(2)).T
    free = N[: len(draws.n_beta)] >= FITTED_FROM
    limits = {degree: extrapolate(draws.n_beta[free], values[:, free], degree) for degree in (2, 3)}
    variance = draws.n_beta**2 * draws.energy.var(axis=(1, 2))
    return {
        "loss": round(loss, 5),
        "llc": float(tms.llc(*polygon)),
        "extrapolated": {degree: round(float(found.mean()), 4) for degree, found in limits.items()},
        "se": {degree: round(float(found.std(ddof=1) / np.sqrt(WALKERS)), 4) for degree, found in limits.items()},
        "n": [round(float(n)) for n in N[: len(draws.n_beta)]],
        "readings": [round(float(v), 3) for v in values.mean(0)],
        "readings_se": [round(float(v), 3) for v in values.std(0, ddof=1) / np.sqrt(WALKERS)],
        "variance_over_mean": [round(float(v), 3) for v in variance / values.mean(0)],
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def extrapolate(n_beta: np.ndarray, values: np.ndarray, degree: int) -> np.ndarray:
    """Constants of polynomials in 1/nβ through the readings (walkers, rungs), each weighed as it scatters."""
    powers = (n_beta[0] / n_beta[:, None]) ** np.arange(degree + 1)
    weights = 1 / values.std(0, ddof=1)
    constants: np.ndarray = np.linalg.lstsq(powers * weights[:, None], (values * weights).T, rcond=None)[0][0]
    return constants


if __name__ == "__main__":
    main()
