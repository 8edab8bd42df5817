"""A report document shaped like a real run: an induction-like transition, a second smaller one, some sick chains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from console.band_sample import sample_bands

Array = NDArray[np.float64]
STEPS = [0, 20, 50, 100, 200, 350, 500, 650, 800, 900, 1000, 1100, 1200, 1300, 1400, 1500, 1700, 2000, 2400, 3000]
PROBES = ["text", "repeats", "brackets", "indentation", "digits", "docstrings", "closing quotes"]
COMPONENTS = [f"l{layer}h{head}" for layer in range(2) for head in range(4)] + ["embed", "unembed"]
TRANSITIONS = ((920, 1180, 1460), (1620, 1790, 2050))
DENSITY_STEPS = [0, 50, 500, 900, 1200, 1500, 3000]
LADDER = [10.0, 30.0, 100.0, 300.0, 800.0]
SICK = {0: "too_anharmonic", 20: "below_reference", 800: "not_mixed"}
SENTENCES = {
    "ok": "The reading is healthy.",
    "not_mixed": "The chains do not agree with each other: run them longer or raise lr.",
    "below_reference": "The chains found lower loss than the checkpoint, which is no local minimum at this scale.",
    "too_anharmonic": "The spread of the energy does not fit a local asymptotic law.",
}


def sample_document(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "title": "Demo run: a two-layer attention-only model",
        "created": "2026-11-23T12:40:00+00:00",
        "headline": [
            "Between steps 920 and 1 460 the network learned to copy repeated strings; it became more complex.",
            "The learning coefficient rose from 80 to 141 in that interval.",
            "Heads l1h1 and l0h2 answer to repeats after it, and to nothing else more strongly.",
            "A second, smaller transition at about step 1 790 moved ordinary text.",
            "3 of 20 readings of the learning coefficient should not be trusted.",
        ],
        "series": {"name": "demo", "steps": STEPS, "flags": _flags()},
        "training": _training(rng),
        "transitions": [_transition(interval) for interval in TRANSITIONS],
        "llc": [_llc(rng, step) for step in STEPS],
        "density": _density(),
        "hessian": [_spectrum(step) for step in DENSITY_STEPS],
        "behaviours": _behaviours(rng),
        "susceptibility": [
            _susceptibility(rng, step, how) for step in (600, 1200, 3000) for how in ("loaded", "unloaded")
        ],
        "bands": sample_bands((600, 1200, 3000), tuple(COMPONENTS)),
        "health": [_unit(rng, step, "full", "loaded") for step in STEPS]
        + [
            _unit(rng, step, name, how)
            for step in (600, 1200, 3000)
            for name in COMPONENTS
            for how in ("loaded", "unloaded")
        ],
        "provenance": _provenance(),
    }


def _rise(steps: Any, date: float, width: float = 0.05) -> Array:
    return np.asarray(1 / (1 + np.exp(-(np.log10(np.asarray(steps) + 1.0) - np.log10(date)) / width)))


def _loss(probe: int, steps: Any) -> Array:
    early = 4.8 - (2.5 + 0.25 * probe) * _rise(steps, 60.0, 0.25)
    gain = {1: (1.35, 0.0), 0: (0.02, 0.28)}.get(probe, (0.05 * probe, 0.12))
    return np.asarray(early - gain[0] * _rise(steps, 1180.0, 0.03) - gain[1] * _rise(steps, 1790.0, 0.04))


def _flags() -> list[dict[str, Any]]:
    return [
        {"step": 50, "other_step": 20, "kind": "jump", "sentence": "The norm jumps between steps 20 and 50."},
        {
            "step": 2400,
            "other_step": None,
            "kind": "duplicate",
            "sentence": "Step 2400 repeats weights of another step.",
        },
    ]


def _training(rng: np.random.Generator) -> dict[str, Any]:
    steps = list(range(0, 3001, 5))
    signals = [
        {"name": PROBES[k], "values": (_loss(k, steps) + rng.normal(0, 0.025, len(steps))).tolist()} for k in (0, 1, 2)
    ]
    return {"steps": steps, "signals": signals}


def _transition(interval: tuple[int, int, int]) -> dict[str, Any]:
    first = interval[1] == 1180
    moved = ["repeats", "brackets"] if first else ["text", "docstrings", "indentation"]
    values = {
        name: [float(_loss(PROBES.index(name), [step])[0]) for step in (interval[0], interval[2])] for name in moved
    }
    return {
        "interval": [interval[0], interval[2]],
        "date": interval[1],
        "signals": ["llc", "repeats"] if first else ["text"],
        "probes": [
            {"name": name, "before": a, "after": b, "change": b - a, "se": 0.021} for name, (a, b) in values.items()
        ],
        "components": [
            {"name": "l1h1", "probe": "repeats", "change": -0.52, "se": 0.06},
            {"name": "l0h2", "probe": "repeats", "change": 0.31, "se": 0.05},
        ]
        if first
        else [],
        "order": _order() if first else {"order": "not asked", "sentence": "order: not asked"},
        "verdict": "ok" if first else "not_mixed",
        "sentence": "Repeated strings became copyable: their loss fell by more than a nat within 540 steps."
        if first
        else "Ordinary text moved by a quarter of a nat, but the chains on one side did not agree.",
    }


def _order() -> dict[str, Any]:
    signs = (
        "the dip of its draws from one mode is 0.184 (p 3e-07)",
        "chains from either side differ by -0.4 ± 0.01 at most",
    )
    return {
        "order": "first",
        "sentence": "first order (p 3e-07)",
        "p_value": 3e-7,
        "evidence": [
            {"name": name, "sentence": text} for name, text in zip(("bimodality", "hysteresis"), signs, strict=True)
        ],
        "competition": {
            "outcome": "from n",
            "sentence": "the later state is preferred from n ≈ 805 (7.5e+02 to 8.6e+02)",
        },
    }


def _llc(rng: np.random.Generator, step: int) -> dict[str, Any]:
    truth = float(22 + 45 * _rise([step], 150.0, 0.2)[0] + 62 * _rise([step], 1180.0, 0.03)[0])
    verdict = SICK.get(step, "ok")
    scale = 1.0 if verdict == "ok" else 6.0
    return {
        "step": step,
        "mean": truth + scale * float(rng.normal(0, 1.2)),
        "se": scale * 1.3,
        "variance": truth * 0.96 + scale * float(rng.normal(0, 3.0)) if step != 20 else None,
        "variance_se": scale * 3.4,
        "verdict": verdict,
        "sentence": SENTENCES[verdict],
        "reasons": [] if verdict == "ok" else ["R-hat 1.31 on the energy", "ESS 11 of 450 draws"],
    }


def _density() -> dict[str, Any]:
    rows = []
    for step in DENSITY_STEPS:
        start = 4.8 - 1.8 * float(_rise([step], 400.0, 0.4)[0])
        size = float(30 + 60 * _rise([step], 150.0, 0.2)[0] + 90 * _rise([step], 1180.0, 0.03)[0])
        rungs = []
        for n_beta in LADDER:
            exponent = size * n_beta / (n_beta + 60)
            verdict = "below_reference" if step == 0 and n_beta > 50 else "ok"
            rungs.append(
                {
                    "n_beta": n_beta, "loss": start + exponent / n_beta, "exponent": exponent if step else -exponent,
                    "exponent_se": 0.02 * exponent, "heat_capacity": exponent**2 / size, "heat_capacity_se": 3.0,
                    "log_volume": -size * np.log1p(n_beta / 60), "log_volume_se": 2.0, "volume_verdict": "ok",
                    "verdict": verdict, "sentence": SENTENCES[verdict], "reasons": [],
                }
            )  # fmt: skip
        rows.append({"step": step, "reference_loss": start, "rungs": rungs})
    loss = np.linspace(5.0, 3.1, 30)
    owner = [DENSITY_STEPS[min(6, int(7 * k / 30))] for k in range(30)]
    path: dict[str, Any] = {
        "loss": loss.tolist(),
        "log_volume": (-40 * (5.0 - loss)).tolist(),
        "owner": owner,
        "share": [0.9] * 30,
    }
    path["separation"] = [12.0, 30.5, 41.0, 44.0, 60.0, 120.0]
    return {"localization": 100.0, "checkpoints": rows, "path": path}


def _spectrum(step: int) -> dict[str, Any]:
    place = np.linspace(-4.0, 5.5, 161)
    top = 4.0 + float(_rise([step], 1180.0, 0.03)[0])
    density = 40000 * np.exp(-0.5 * (place / 0.4) ** 2) + 30 * np.exp(-0.5 * ((place - top + 1) / 0.7) ** 2)
    gap = [0.3, 4.0] if step == 900 else [None, None]
    return {
        "step": step, "eigenvalues": (0.1 * np.sinh(place)).tolist(), "linear": 0.1, "width": 0.15,
        "density": density.tolist(), "density_se": (0.1 * density).tolist(), "trace": 500.0, "trace_se": 12.0,
        "threshold": 1.0, "count": 120.0, "count_se": 9.0, "rank": 118.0 if step == 900 else None, "rank_se": 8.0,
        "gap": gap, "llc": 66.0, "llc_se": 2.0, "lowest": -2.5, "highest": 12.0, "parameters": 53632,
    }  # fmt: skip


def _behaviours(rng: np.random.Generator) -> dict[str, Any]:
    value = np.stack([_loss(k, STEPS) for k in range(len(PROBES))]) + rng.normal(0, 0.01, (len(PROBES), len(STEPS)))
    value[-1] = 0.02 + 0.9 * _rise(STEPS, 1200.0, 0.06)
    rows = [[float(x) for x in row] for row in value]
    rows[3][4] = None  # type: ignore[call-overload]
    se = np.full(value.shape, 0.014)
    metric = ["loss"] * (len(PROBES) - 1) + ["accuracy"]
    return {"probes": PROBES, "steps": STEPS, "value": rows, "se": se.tolist(), "metric": metric}


def _susceptibility(rng: np.random.Generator, step: int, loading: str) -> dict[str, Any]:
    shape = (len(COMPONENTS), len(PROBES))
    rho = rng.normal(0, 0.1, shape)
    if step >= 1200:
        rho[5] += [0.12, -0.78, 0.1, 0, 0.2, 0.1, -0.3]
        rho[2] += [0, 0.55, 0.32, 0, 0, 0, 0.2]
    rho[8] += 0.45
    rho[9] -= [0.5, 0.1, 0.3, 0.55, 0.2, 0.6, 0.0]
    rho, se = np.clip(rho, -0.97, 0.97), np.full(shape, 0.07 if loading == "loaded" else 0.045)
    weight = np.exp(rng.normal(-2, 1, (shape[0], 1)))
    shift = np.outer(np.exp(rng.normal(3, 0.4, shape[0])), rng.normal(1, 0.3, shape[1]))
    verdicts = ["not_mixed" if loading == "loaded" and (step, k) == (1200, 3) else "ok" for k in range(shape[0])]
    figures = {
        "raw": rho * weight, "raw_se": se * weight, "shift": shift, "shift_se": 0.1 * np.abs(shift) + 0.5,
        "rho": rho, "rho_se": se, "null": rng.normal(0, 0.06, shape),
    }  # fmt: skip
    return {
        "step": step, "loading": loading, "components": COMPONENTS, "probes": PROBES, "verdicts": verdicts,
        **{name: array.tolist() for name, array in figures.items()},
        "rho_reliability": [0.87, 0.04], "raw_reliability": [None, None],
    }  # fmt: skip


def _unit(rng: np.random.Generator, step: int, component: str, loading: str) -> dict[str, Any]:
    verdict = (
        SICK.get(step, "ok") if component == "full" else "not_mixed" if (step, component) == (1200, "l0h3") else "ok"
    )
    chain = np.arange(150)
    spread = 0.0 if verdict == "ok" else 0.25
    traces = [
        (1 + spread * k) * (0.7 * (1 - np.exp(-chain / 12.0)))
        + np.convolve(rng.normal(0, 0.1, 150), np.ones(4) / 4, "same")
        for k in range(4)
    ]
    return {
        "step": step, "component": component, "loading": loading, "verdict": verdict, "sentence": SENTENCES[verdict],
        "reasons": [] if verdict == "ok" else ["R-hat 1.31 on the energy", "ESS 11 of 450 draws"],
        "rhat": 1.31 if verdict != "ok" else 1.0 + abs(float(rng.normal(0, 0.01))),
        "ess": 11.0 if verdict != "ok" else float(rng.uniform(90, 300)),
        "drift": float(rng.normal(0, 0.02)), "below_reference": 0.0, "ratio": float(rng.normal(1, 0.08)),
        "traces": None if loading == "unloaded" else [[round(float(x), 4) for x in trace] for trace in traces],
        "num_burnin_steps": 0 if loading == "unloaded" else 50,
    }  # fmt: skip


def _provenance() -> dict[str, Any]:
    return {
        "subject": "demo", "seed": 0, "library": "demo",
        "settings": {"sampler": "sgld", "lr": 1e-4, "n_beta": 100.0, "localization": 100.0, "chains": 4, "draws": 100},
        "versions": {"zeeman": "0.1.0", "torch": "2.13.0", "python": "3.11.9"},
        "weights": {str(step): f"{hash((step, 7)) & (2**256 - 1):064x}" for step in STEPS},
        "notes": [],
    }  # fmt: skip
