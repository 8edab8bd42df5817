"""How often each order of a transition is told as what it is: simulated cases whose order is known.

Run: python benchmarks/order.py [repeats]; the last result is order.json.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.phases import Sweep, critical_n, judge_order, phase_weight

Floats = NDArray[np.float64]
Rng = np.random.Generator
CHAINS, DRAWS = 4, 80
POINTS = 9
KINDS = ("first", "second", "undetermined")
CRITICAL_OF_THREE = 2.52
"""The n/γ at which min over x > 0 of n/2 (x³ − 1)² + 3γ/2 x² is that of x = 0."""


def from_grid(rng: Rng, log_density: Floats, values: Floats, shape: tuple[int, ...]) -> Floats:
    """Exact independent draws of a law on a grid."""
    weight = np.cumsum(np.exp(log_density - log_density.max()))
    return values[np.searchsorted(weight / weight[-1], rng.random(shape)).clip(max=len(values) - 1)]


def two_states(rng: Rng, gap: float, keep: float) -> list[Sweep]:
    """ΔL + w⁸ against w², swept in n; a chain stays in its state with probability ``keep`` a draw."""
    constant = math.lgamma(1 + 1 / 8) - math.lgamma(1 + 1 / 2)
    n_c = critical_n(gap, 3 / 8, constant)
    control = n_c * np.geomspace(1 / 6, 6, POINTS)
    draws = np.empty((POINTS, 2, CHAINS, DRAWS))
    for i, n in enumerate(control):
        weight = float(phase_weight(n, gap, 3 / 8, constant))
        for start in (0, 1):
            state = np.full(CHAINS, float(start))
            for k in range(-20, DRAWS):
                state = np.where(rng.random(CHAINS) < keep, state, rng.random(CHAINS) < weight)
                energies = n * gap + rng.gamma(1 / 8, size=CHAINS), rng.gamma(1 / 2, size=CHAINS)
                draws[i, start, :, max(k, 0)] = np.where(state, energies[1], energies[0])
    return [Sweep(control, draws, in_n=True)]


def curie_weiss(rng: Rng, sizes: Sequence[int], temperatures: Floats, fields: Floats, *, of: str) -> list[Sweep]:
    """Exact draws of N spins, E = −N m²/2 − h N m; what is conjugate to 1/T or to h/T."""
    found = []
    for size in sizes:
        up = np.arange(size + 1)
        entropy = np.array([math.lgamma(size + 1) - math.lgamma(k + 1) - math.lgamma(size - k + 1) for k in up])
        m = 2 * up / size - 1
        points = (
            [(t, 0.0) for t in temperatures(size)]
            if of == "T"
            else [(float(temperatures(size)[0]), h) for h in fields(size)]
        )
        draws = []
        for t, h in points:
            x = size * m**2 / 2 if of == "T" else size * m
            draws.append(from_grid(rng, entropy + size * (m**2 / 2 + h * m) / t, x, (2, CHAINS, DRAWS)))
        control = np.array([-1 / t for t, _ in points]) if of == "T" else np.array([h for _, h in points])
        order = np.argsort(control)
        found.append(Sweep(control[order], np.stack(draws)[order], size))
    return found


def deformed(rng: Rng, grids: Sequence[Floats], germ: Callable[..., Floats], term: Callable[..., Floats], y: float,
             sizes: Sequence[float], reach: float, scale: float = 1.0) -> list[Sweep]:  # fmt: skip
    """exp(−n(f + t φ)) with t = u n^{−y}, u from −reach to reach: exact draws of nφ by scaling to n = 1."""
    mesh = np.meshgrid(*grids, indexing="ij")
    f, phi = germ(*mesh).ravel(), term(*mesh).ravel()
    u = np.linspace(-reach, reach, POINTS)
    return [
        Sweep(u * n**-y, np.stack([from_grid(rng, -(f + v * phi), phi, (2, CHAINS, DRAWS)) for v in u]) * n**y, n)
        for n in sizes
    ]


def langevin(rng: Rng, force: Callable[[Floats, float], Floats], energy: Callable[[Floats], Floats], starts: Floats,
             control: Floats, steps: int, size: float) -> list[Sweep]:  # fmt: skip
    """Unadjusted Langevin chains from several starts at every point; X is the energy n L."""
    w = np.broadcast_to(starts[None, :, None], (len(control), len(starts), CHAINS, starts.shape[-1])).copy()
    n = control[:, None, None, None]
    draws, every = [], steps // (DRAWS + 20)
    for step in range(steps):
        w = w + size * force(w, n) + math.sqrt(2 * size) * rng.standard_normal(w.shape)
        if step >= 20 * every and step % every == every - 1:
            draws.append(control[:, None, None] * energy(w))
    return [Sweep(control, np.stack(draws[:DRAWS], axis=-1), in_n=True)]


def deep_linear(rng: Rng, depth: int) -> list[Sweep]:
    """n/2 (Π w − 1)² + γ/2 Σ w², swept in n from the origin and from w = 1 (Ziyin and Ueda 2022).

    With two layers the origin loses its stability at n = γ, continuously: on the diagonal that is w⁴ + t w². With three
    it never does, and another minimum of the same height lies apart from it at n = 2.52 γ.
    """

    def force(w: Floats, n: Floats) -> Floats:
        rest = np.stack([np.delete(w, i, -1).prod(-1) for i in range(depth)], -1)
        return -n * (w.prod(-1, keepdims=True) - 1) * rest - gamma * w

    gamma, critical, size = (20.0, 1.0, 2e-3) if depth == 2 else (60.0, CRITICAL_OF_THREE, 3e-4)
    starts = np.stack([np.full(depth, 0.05), np.full(depth, 1.0)])
    control = gamma * critical * np.geomspace(1 / 4, 4, POINTS)
    return langevin(rng, force, lambda w: (w.prod(-1) - 1) ** 2 / 2, starts, control, 4000, size)


def drifting(rng: Rng) -> list[Sweep]:
    """A Gaussian well that moves with the control: n (w − t)²/2 + n w²/2, swept in t; X = −n (w − t)."""
    found = []
    for n in (1e2, 1e3, 1e4):
        t = np.linspace(-3, 3, POINTS) / math.sqrt(n)
        w = t[:, None, None, None] / 2 + rng.standard_normal((POINTS, 2, CHAINS, DRAWS)) / math.sqrt(2 * n)
        found.append(Sweep(t, -n * (w - t[:, None, None, None]), n))
    return found


def nothing(rng: Rng) -> list[Sweep]:
    """One singular minimum swept in n: n L is Gamma(λ) throughout."""
    return [Sweep(np.geomspace(1, 100, POINTS), rng.gamma(2.0, size=(POINTS, 2, CHAINS, DRAWS)), in_n=True)]


def descent(rng: Rng) -> list[Sweep]:
    """A slope: n s w + ½ w² with the restraint at the earlier state; X = n L = n s w falls smoothly."""
    control = np.geomspace(0.5, 8, POINTS)
    w = -control[:, None, None, None] + rng.standard_normal((POINTS, 2, CHAINS, DRAWS))
    return [Sweep(control, control[:, None, None, None] * w, in_n=True)]


W = np.linspace(-4, 4, 4001)
PLANE = (np.linspace(-4, 4, 201), np.linspace(-4, 4, 201))
SIZES = (1e3, 1e4, 1e5)
CASES: dict[str, tuple[str, Callable[[Rng], list[Sweep]]]] = {
    "ΔL + w⁸ against w², n_c 206, chains hop": ("first", lambda rng: two_states(rng, 1e-2, 0.0)),
    "ΔL + w⁸ against w², n_c 3072, chains hop": ("first", lambda rng: two_states(rng, 1e-3, 0.0)),
    "ΔL + w⁸ against w², n_c 3072, hop in 30 draws": ("first", lambda rng: two_states(rng, 1e-3, 0.967)),
    "ΔL + w⁸ against w², n_c 40380, chains stay": ("first", lambda rng: two_states(rng, 1e-4, 1.0)),
    "Curie–Weiss, T 0.7, in a field": (
        "first",
        lambda rng: curie_weiss(
            rng, (32, 64, 128), lambda n: np.array([0.7]), lambda n: np.linspace(-5, 5, POINTS) / n, of="h"
        ),
    ),
    "deep linear, three layers, Langevin": ("first", lambda rng: deep_linear(rng, 3)),
    "A3: w⁴ + t w²": ("second", lambda rng: deformed(rng, (W,), lambda w: w**4, lambda w: w**2, 0.5, SIZES, 6.0)),
    "Curie–Weiss through T_c, no field": (
        "second",
        lambda rng: curie_weiss(
            rng,
            (256, 1024, 4096),
            lambda n: 1 + np.linspace(-2.5, 2.5, POINTS)[::-1] / math.sqrt(n),
            lambda n: n,
            of="T",
        ),
    ),
    "Curie–Weiss at T_c, in a field": (
        "second",
        lambda rng: curie_weiss(
            rng, (256, 1024, 4096), lambda n: np.array([1.0]), lambda n: np.linspace(-4, 4, POINTS) * n**-0.75, of="h"
        ),
    ),
    "E6: |∇(x³ + y⁴ + t y)|²": (
        "second",
        lambda rng: deformed(rng, PLANE, lambda x, y: 9 * x**4 + 16 * y**6, lambda x, y: 8 * y**3, 0.5, SIZES, 4.0),
    ),
    "D4: |∇(x²y + y³ + t y)|²": (
        "second",
        lambda rng: deformed(
            rng,
            PLANE,
            lambda x, y: (2 * x * y) ** 2 + (x**2 + 3 * y**2) ** 2,
            lambda x, y: 2 * (x**2 + 3 * y**2),
            0.5,
            SIZES,
            3.0,
        ),
    ),
    "deep linear, two layers, Langevin": ("second", lambda rng: deep_linear(rng, 2)),
    "a Gaussian well that drifts": ("second", drifting),
    "descent of a slope": ("second", descent),
    "one minimum, nothing happens": ("undetermined", nothing),
}


def summary(table: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Errors of the first kind: verdicts of the wrong order, over all cases of each truth; and what is left open."""
    found = {}
    for truth, other in (("first", "second"), ("second", "first"), ("undetermined", "first")):
        rows = [row for row in table.values() if row["truth"] == truth]
        total = sum(row[kind] for row in rows for kind in KINDS)
        found[f"{truth} told as {other}"] = sum(row[other] for row in rows) / total
        found[f"{truth} left undetermined"] = sum(row["undetermined"] for row in rows) / total
    return found


def main(repeats: int) -> None:
    """Judge every case many times, and write the table."""
    table: dict[str, dict[str, Any]] = {}
    for name, (truth, make) in CASES.items():
        started, verdicts, says, chances = time.process_time(), Counter(), {}, []
        for seed in range(repeats):
            found = judge_order(make(np.random.default_rng([seed, *name.encode()])))
            verdicts[found.order] += 1
            for e in found.evidence:
                says.setdefault(e.name, Counter())[e.says] += 1
            if found.order != "undetermined":
                chances.append(found.p_value)
        table[name] = {
            "truth": truth,
            **{kind: verdicts[kind] for kind in KINDS},
            "evidence": {key: dict(count) for key, count in says.items()},
            "median_p": float(np.median(chances)) if chances else None,
            "seconds": round(time.process_time() - started, 1),
        }
        print(
            f"{name:<48} {truth:<13}", *(f"{verdicts[kind]:>5}" for kind in KINDS), table[name]["evidence"], flush=True
        )
    content = {"date": "2026-11-25", "repeats": repeats, "summary": summary(table), "cases": table}
    print(content["summary"])
    Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
