"""How often the class of a germ is told: from noisy Taylor coefficients, and through the weights of planted potentials.

Usage: OMP_NUM_THREADS=1 python benchmarks/germs.py [coefficients] [planted] [forms] [networks] [held]

``coefficients``: 20 germs of each class in random coordinates, at three levels of noise on coefficients whose largest
is 1; the confusion table, and how often classes claimed with a probability are right. ``planted``: w^{2k}, k = 1 to 4,
through a random rotation of 50 weights, bent into the stiff ones; the flattest direction of the Hessian, the effective
potential, the fit, the class. ``forms``: the same for two directions, with forms K ≥ 0. ``networks``: modules that are
singular by their architecture, and ``held``: a trained transformer with a germ in its weights (tests/germ_nets.py);
both through `read_germ` with a series and a library.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from germ_nets import Bottleneck, Twins, held, taught, trained
from germs import NORMAL_FORMS, noisy_germ
from zeeman.examination import SamplerSettings, Subject, read_germ
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


FORMS: dict[str, tuple[str, Any]] = {
    "x^4 + y^2/20": ("A3", lambda x, y: x**4 + y**2 / 20),
    "x^6 + y^2/20": ("A5", lambda x, y: x**6 + y**2 / 20),
    "x^6 + (y - x^2)^2/20": ("A5", lambda x, y: x**6 + (y - x**2) ** 2 / 20),
    "x^4 + y^4": ("X9+", lambda x, y: x**4 + y**4),
    "x^4 + y^6": ("W12+", lambda x, y: x**4 + y**6),
    "x^2 y^2 + x^6 + y^6": ("X9+", lambda x, y: x**2 * y**2 + x**6 + y**6),
    "x^6 + y^6": ("N16+", lambda x, y: x**6 + y**6),
}
"""Of two directions, with the class that they have; a + stands for all that is worse and has no name of its own."""


def forms(d: int = 50, seeds: int = 6, radius: float = 0.7) -> dict[str, object]:
    told: dict[str, list[dict[str, Any]]] = {}
    for number, (name, (_, form)) in enumerate(FORMS.items()):
        for seed in range(seeds):
            draw = torch.Generator().manual_seed(5000 + 100 * number + seed)
            turn, _ = torch.linalg.qr(torch.randn(d, d, generator=draw, dtype=torch.float64))
            stiff = 0.3 + 3 * torch.rand(d - 2, generator=draw, dtype=torch.float64)
            bent = 0.3 * torch.randn(3, d - 2, generator=draw, dtype=torch.float64)
            energy = partial(_two_directions, form=form, turn=turn, stiff=stiff, bent=bent)
            posterior = LocalPosterior.potential(energy, torch.zeros(d))
            points = ball_points(2, 8)
            frame = flattest_directions(posterior, 2)
            found = effective_potential(FlatEnergy(posterior), frame, torch.from_numpy(radius * points))
            germ = classify_germ(fit_taylor(points, found.rows.mean(1).numpy(), 8, radius))
            told.setdefault(name, []).append({"told": germ.name, "probability": germ.probability})
    rows = {name: _told(FORMS[name][0], found) for name, found in told.items()}
    return {"weights": d, **_overall(rows.values()), "forms": rows}


def _two_directions(
    w: torch.Tensor, form: Any, turn: torch.Tensor, stiff: torch.Tensor, bent: torch.Tensor
) -> torch.Tensor:
    z = turn.to(w.dtype) @ w
    x, y, rest = z[0], z[1], z[2:]
    b = bent.to(w.dtype)
    return 0.5 * (stiff.to(w.dtype) * (rest + b[0] * x**2 + b[1] * x * y + b[2] * y**2) ** 2).sum() + form(x, y)


def networks() -> dict[str, object]:
    rows = {}
    settings = (
        *((noise, count, 1e4) for noise in (0.0, 0.1, 0.3, 1.0) for count in (8, 32, 64)),
        *((0.1, 32, n_beta) for n_beta in (10.0, 100.0, 1e3)),
    )
    for i, (noise, count, n_beta) in enumerate(settings):
        subjects = [taught(Twins, 7000 + 100 * i + seed, noise, count) for seed in range(12)]
        label = f"twin tanh units, d = 51, noise {noise:g}, {count} rows, n_beta {n_beta:g}, flat"
        rows[label] = _told("A3", _readings(subjects, n_beta=n_beta, along="flat"))
    for n_beta in (100.0, 1e3, 1e4):
        subjects = [taught(Twins, 70000 + int(n_beta) + seed, 0.1) for seed in range(6)]
        label = f"twin tanh units, d = 51, noise 0.1, 32 rows, n_beta {n_beta:g}, posterior"
        rows[label] = _told("A3", _readings(subjects, n_beta=n_beta, along="posterior"))
    for noise in (0.0, 0.1, 0.3):
        for depth, missing, right in ((2, 0.0, "X9+"), (3, 1.0, "P8+")):
            subjects = [
                taught(partial(Bottleneck, depth, missing), seed + int(100 * noise), noise) for seed in range(8)
            ]
            label = f"linear net of depth {depth} and width 1 at 0, missing {missing:g}, d = 50, noise {noise:g}, flat"
            options = {"along": "flat", "dimension": depth, "degree": 8 - 2 * (depth - 1)}
            rows[label] = _told(right, _readings(subjects, n_beta=1e4, **options))
    return {**_overall(rows.values()), "networks": rows}


def held_networks() -> dict[str, object]:
    rows, network = {}, trained()
    for order in (4, 6):
        for force, n_beta in ((0.0, 1e4), (0.3, 1e4), (1.0, 1e4), (0.3, 100.0)):
            subjects = [held(network, order, seed, force) for seed in range(3)]
            label = f"u^{order} in a transformer, d = {len(network[1])}, force {force:g}, n_beta {n_beta:g}, chord"
            rows[label] = _told(f"A{order - 1}", _readings(subjects, n_beta=n_beta))
        for along in ("flat", "posterior"):
            subjects = [held(network, order, seed, 0.3) for seed in range(2)]
            label = f"u^{order} in a transformer, d = {len(network[1])}, force 0.3, n_beta 10000, {along}"
            rows[label] = _told(f"A{order - 1}", _readings(subjects, n_beta=1e4, along=along, radius=1.0))
    return {**_overall(rows.values()), "networks": rows}


def _readings(subjects: list[Subject], n_beta: float, **options: Any) -> list[dict[str, Any]]:
    lr = min(1e-2, 0.5 / n_beta)
    chains = SamplerSettings(lr, n_beta, 4.0, num_draws=50, num_burnin_steps=200, num_steps_bw_draws=20)
    found = []
    for subject in subjects:
        start = time.process_time()
        reading = read_germ(subject, 0, chains, **options)
        found.append(
            {
                "told": reading.posterior.name,
                "probability": reading.posterior.probability,
                "verdict": reading.verdict.name.lower(),
                "cpu_s": time.process_time() - start,
            }
        )
    return found


def _told(right: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    figures = {
        "count": len(found),
        "right": float(np.mean([one["told"] == right for one in found])),
        "claimed": float(np.mean([one["probability"] for one in found])),
        "told": dict(Counter(one["told"] for one in found)),
    }
    if "verdict" in found[0]:
        figures["verdicts"] = dict(Counter(one["verdict"] for one in found))
        trusted = [one["told"] == right for one in found if one["verdict"] == "ok"]
        figures["right_of_ok"] = float(np.mean(trusted)) if trusted else None
        figures["cpu_s"] = round(float(np.mean([one["cpu_s"] for one in found])), 2)
    return figures


def _overall(rows: Any) -> dict[str, float]:
    rows = list(rows)
    count = sum(row["count"] for row in rows)
    return {"count": count, "recovered": sum(row["right"] * row["count"] for row in rows) / count}


SECTIONS = {
    "coefficients": coefficients,
    "planted": planted,
    "forms": forms,
    "networks": networks,
    "held": held_networks,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or list(SECTIONS)
    result = json.loads(OUT.read_text()) if OUT.exists() else {}
    for section in wanted:
        result[section] = {
            "date": date.today().isoformat(),
            **SECTIONS[section](),
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
