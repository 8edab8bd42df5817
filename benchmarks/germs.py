"""How often the class of a germ is told: from noisy Taylor coefficients, and through the weights of planted potentials.

Usage: OMP_NUM_THREADS=1 python benchmarks/germs.py [coefficients] [planted]

``coefficients``: 20 germs of each class in random coordinates, at three levels of noise on coefficients whose largest
is 1; the confusion table, and how often classes claimed with a probability are right. ``planted``: w^{2k}, k = 1 to 4,
through a random rotation of 50 weights, bent into the stiff ones; the flattest direction of the Hessian, the effective
potential, the fit, the class.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from germs import NORMAL_FORMS, noisy_germ
from zeeman.sampling import FlatEnergy, LocalPosterior, effective_potential, flattest_directions
from zeeman.spectra import ball_points, classify_germ, fit_taylor

OUT = Path(__file__).with_suffix(".json")
NOISES = (0.001, 0.01, 0.05)
EACH = 20
BINS = (0.0, 0.5, 0.7, 0.9, 0.97, 1.0)


def coefficients() -> dict[str, object]:
    found: dict[str, object] = {}
    for noise in NOISES:
        rng, start = np.random.default_rng(11), time.process_time()
        table: dict[str, dict[str, int]] = {}
        right, claimed = [], []
        for name in NORMAL_FORMS:
            told = [classify_germ(noisy_germ(name, noise, rng)) for _ in range(EACH)]
            names = [t.name.rstrip("+") if t.name in ("X9+", "P8+") else t.name for t in told]
            table[name] = dict(Counter(names).most_common())
            right += [n == name for n in names]
            claimed += [t.probability for t in told]
        seconds = (time.process_time() - start) / len(right)
        found[str(noise)] = {
            "right": float(np.mean(right)),
            "claimed": float(np.mean(claimed)),
            "calibration": _bins(np.array(right), np.array(claimed)),
            "confusion": table,
            "cpu_s_a_germ": round(seconds, 3),
        }
    return found


def _bins(right: np.ndarray, claimed: np.ndarray) -> list[dict[str, float]]:
    inside = np.clip(np.digitize(claimed, BINS) - 1, 0, len(BINS) - 2)
    return [
        {"from": BINS[i], "count": int(m.sum()), "claimed": float(claimed[m].mean()), "right": float(right[m].mean())}
        for i in range(len(BINS) - 1)
        if (m := inside == i).any()
    ]


def planted(d: int = 50, seeds: int = 15) -> dict[str, object]:
    rows = []
    for k in range(1, 5):
        for seed in range(seeds):
            noise = torch.Generator().manual_seed(1000 * k + seed)
            turn, _ = torch.linalg.qr(torch.randn(d, d, generator=noise, dtype=torch.float64))
            stiff = 0.3 + 3 * torch.rand(d - 1, generator=noise, dtype=torch.float64)
            bent = 0.5 * torch.randn(d - 1, generator=noise, dtype=torch.float64)

            def energy(
                w: torch.Tensor,
                turn: torch.Tensor = turn,
                stiff: torch.Tensor = stiff,
                bent: torch.Tensor = bent,
                k: int = k,
            ) -> torch.Tensor:
                z = turn.to(w.dtype) @ w
                return 0.5 * (stiff.to(w.dtype) * (z[1:] + bent.to(w.dtype) * z[0] ** 2) ** 2).sum() + z[0] ** (2 * k)

            posterior = LocalPosterior.potential(energy, torch.zeros(d))
            points = ball_points(1, 10)
            places = torch.from_numpy(0.7 * points)
            found = effective_potential(FlatEnergy(posterior), flattest_directions(posterior, 1), places)
            germ = classify_germ(fit_taylor(points, found.rows.mean(1).numpy(), 10, 0.7))
            rows.append({"order": 2 * k, "told": germ.name, "probability": germ.probability})
    right = [row["told"] == f"A{row['order'] - 1}" for row in rows]
    return {
        "weights": d,
        "potentials": len(rows),
        "recovered": float(np.mean(right)),
        "missed": [row for row, good in zip(rows, right, strict=True) if not good],
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or ["coefficients", "planted"]
    result = json.loads(OUT.read_text()) if OUT.exists() else {}
    for section in wanted:
        result[section] = {
            "date": date.today().isoformat(),
            **{"coefficients": coefficients, "planted": planted}[section](),
        }
        OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(
        json.dumps(
            {
                k: {n: v.get("right", v) if isinstance(v, dict) else v for n, v in one.items()}
                for k, one in result.items()
            }
        )
    )
