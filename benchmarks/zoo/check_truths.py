"""Do the zoo's λ and m hold, by ways that share no code with the instrument?

Usage: python -m benchmarks.zoo.check_truths [--match TEXT] [--seconds 60]

1. Volumes: V(ε) = vol{K < ε} by nested populations (subset simulation) in the case's box, for d ≤ 9. Each level keeps
   the lowest share 1/e of the points, copies them and moves them inside. Then
   log V = C + λ log ε + (m − 1) log(c − log ε) is fitted over the lower levels; the residuals say which m is seen.
2. Semi-analytic: with a Gaussian block a in K = |M(b)a|², Z(t) = E_b det(1 + 2t MᵀM)^(−1/2), a deterministic integral
   over singular values (reduced rank regression of rank 0) or over b (tanh); m is read from Z at t up to 1e24.
Writes check_truths.json beside this script.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from benchmarks.zoo import all_cases

from zeeman.programs.case import Case
from zeeman.programs.linear import reduced_rank
from zeeman.programs.tanh import NODES, WEIGHTS, against_zero

POINTS, MOVES, DEPTH = 3000, 24, 28.0
LOG_T = np.linspace(8, 24, 17) * math.log(10)
LOG_SIZE = np.linspace(-LOG_T[-1] / 2 - 22, 2.3, 1600)  # log of a singular value or weight: all the mass of Z


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--match", default="")
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    path = Path(__file__).with_suffix(".json")
    found = json.loads(path.read_text()) if path.exists() else {"volumes": {}, "semi_analytic": {}}
    found["semi_analytic"] = dict(semi_analytic())
    for case in all_cases():
        wanted = case.domain is not None and case.dimension <= 9 and arguments.match in case.name
        if wanted and case.name not in found["volumes"]:
            found["volumes"][case.name] = volume_check(case, arguments.seconds)
            print(case.name, json.dumps(found["volumes"][case.name]), flush=True)
            path.write_text(json.dumps(found, indent=1) + "\n")


def volume_check(case: Case, seconds: float) -> dict[str, float | int | str]:
    """λ fitted at the true m from three independent populations, and the m that fits best."""
    start, curves = time.process_time(), []
    for seed in range(3):
        curves.append(volumes(case, seed, start + seconds * (seed + 1) / 3))
    fits = [[fit(log_eps, log_volume, m) for m in (1, 2, 3)] for log_eps, log_volume in curves]
    llcs = np.array([one[case.multiplicity - 1][0] for one in fits])
    residuals = np.array([[residual for _, residual in one] for one in fits]).mean(0)
    return {
        "llc": float(case.llc),
        "volume_llc": round(float(llcs.mean()), 5),
        "se": round(float(llcs.std(ddof=1) / math.sqrt(len(llcs))), 5),
        "multiplicity": case.multiplicity,
        "residuals_of_m_1_2_3": [round(float(r), 5) for r in residuals],
        "lowest_log_eps": round(float(min(e.min() for e, _ in curves)), 1),
        "seconds": round(time.process_time() - start, 1),
    }


def volumes(case: Case, seed: int, deadline: float) -> tuple[np.ndarray, np.ndarray]:
    """Levels log ε and log V(ε)/V(box) of one population."""
    generator = torch.Generator().manual_seed(seed)
    assert case.domain is not None
    points = case.domain * (2 * torch.rand(POINTS, case.dimension, generator=generator, dtype=torch.float64) - 1)
    energy = case.energy(case.center + points)
    log_eps, log_volume = [], []
    level = 0.0
    while level > -DEPTH and time.process_time() < deadline:
        order = energy.argsort()
        kept = order[: int(POINTS / math.e)]
        ceiling = energy[kept[-1]]
        level += math.log(len(kept) / POINTS)
        log_eps.append(float(ceiling.log()))
        log_volume.append(level)
        chosen = kept[torch.randint(len(kept), (POINTS,), generator=generator)]
        points, energy = points[chosen], energy[chosen]
        for _ in range(MOVES):
            points, energy = move(case, points, energy, ceiling, generator)
    return np.array(log_eps), np.array(log_volume)


def move(
    case: Case, points: torch.Tensor, energy: torch.Tensor, ceiling: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """One Metropolis step of each point for the uniform law on {K < ceiling} in the box."""
    n, d = points.shape

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    def randn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    some = (rand(n, d) < torch.maximum(rand(n, 1) ** 2, torch.tensor(1 / d))).double()
    stretch = some * randn(n, d) * 2 * rand(n, 1)
    flips = torch.where((rand(n, d) < 0.3) & (some > 0), -1.0, 1.0)
    scaled = points * stretch.exp() * flips
    jumps = points + some * randn(n, d) * 10 ** (-9 * rand(n, 1))
    a, b = (points[torch.randperm(n, generator=generator)] for _ in range(2))
    crossed = points + (a - b) * 10 ** (0.2 - 2 * rand(n, 1))
    which = rand(n)[:, None]
    proposal = torch.where(which < 0.4, scaled, torch.where(which < 0.7, jumps, crossed))
    log_jacobian = torch.where(which[:, 0] < 0.4, stretch.sum(1), 0.0)
    inside = (proposal.abs() <= case.domain).all(1)
    proposed = case.energy(case.center + torch.where(inside[:, None], proposal, points))
    accepted = inside & (proposed < ceiling) & (rand(n).log() < log_jacobian)
    return torch.where(accepted[:, None], proposal, points), torch.where(accepted, proposed, energy)


def fit(log_eps: np.ndarray, log_volume: np.ndarray, m: int) -> tuple[float, float]:
    """λ and the root mean square residual of log V = C + λ log ε + (m − 1) log(c − log ε), upper quarter left out.

    C and λ are linear; c is searched on a grid from just above its least value.
    """
    skip = len(log_eps) // 4
    x, y = log_eps[skip:], log_volume[skip:]
    best = (math.nan, math.inf)
    for offset in np.exp(np.linspace(-3, 6, 181)) if m > 1 else (1.0,):
        rest = y - (m - 1) * np.log(offset + x.max() - x)
        slope, constant = np.polyfit(x, rest, 1)
        best = min(best, (float(slope), float(np.std(rest - slope * x - constant))), key=lambda pair: pair[1])
    return best


def semi_analytic() -> Iterator[tuple[str, dict[str, float | int | list[float]]]]:
    """λ and m from exact evidence on t = 1e8 … 1e24."""
    shapes = ((1, 1, 1), (2, 1, 2), (2, 2, 1), (2, 2, 2), (2, 2, 3), (3, 2, 3), (3, 2, 2), (4, 2, 2))
    for shape in shapes:
        yield (
            "-".join(map(str, shape)) + " rank 0",
            evidence_fit(reduced_rank_evidence(*shape), *reduced_rank(*shape, 0)),
        )
    for hidden, evidence in ((1, tanh_evidence()), (2, two_tanh_evidence())):
        yield f"tanh {hidden} units, truth 0", evidence_fit(evidence, *against_zero(hidden))


def evidence_fit(log_z: list[float], llc: Fraction, m: int) -> dict[str, float | int | list[float]]:
    """λ at the true m from log Z = C − λ log t + (m − 1) log(log t + c), and the residual of each m."""
    fits = [fit(-LOG_T, np.array(log_z), k) for k in (1, 2, 3)]
    return {
        "llc": float(llc),
        "evidence_llc": round(fits[m - 1][0], 7),
        "multiplicity": m,
        "residuals_of_m_1_2_3": [float(f"{residual:.2g}") for _, residual in fits],
    }


def reduced_rank_evidence(inputs: int, hidden: int, outputs: int) -> list[float]:
    """log E ∏ (1 + 2t s_i²)^(−outputs/2) + constant, s the singular values of a Gaussian hidden × inputs matrix."""
    few, many = sorted((inputs, hidden))
    law = (many - few + 1) * LOG_SIZE - np.exp(2 * LOG_SIZE) / 2
    gap = np.abs(np.exp(2 * LOG_SIZE[:, None]) - np.exp(2 * LOG_SIZE[None, :]))
    found = []
    for log_t in LOG_T:
        alone = law - (outputs / 2) * np.logaddexp(0, math.log(2) + log_t + 2 * LOG_SIZE)
        with np.errstate(divide="ignore"):
            terms = alone if few == 1 else alone[:, None] + alone[None, :] + np.log(gap)
        found.append(float(np.logaddexp.reduce(terms.ravel())))
    return found


def tanh_evidence() -> list[float]:
    """log E_b (1 + 2t ∫tanh²(bx))^(−1/2), b ~ N(0, 1)."""
    gram = (np.tanh(np.exp(LOG_SIZE)[:, None] * NODES.numpy()) ** 2 * WEIGHTS.numpy()).sum(1)
    law = LOG_SIZE - np.exp(2 * LOG_SIZE) / 2
    return [float(np.logaddexp.reduce(law - np.logaddexp(0, math.log(2) + t + np.log(gram)) / 2)) for t in LOG_T]


def two_tanh_evidence() -> list[float]:
    """log E det(1 + 2t G)^(−1/2), G the Gram matrix of tanh(bx) and tanh(cx); b, c ~ N(0, 1), by symmetry 0 < c < b.

    Above c = b/2 the grid is one of log(1 − c/b), since the valley b = c would fall between the points of one of c;
    below, of log(c/b).
    """
    grid = np.linspace(-34, math.log(0.5), 800)  # one grid for both halves, so that both have the same spacing
    halves = [_two_tanh_half(grid, np.log(-np.expm1(grid))), _two_tanh_half(np.log(-np.expm1(grid)), grid)]
    return [float(np.logaddexp.reduce([half[i] for half in halves])) for i in range(len(LOG_T))]


def _two_tanh_half(log_gap: np.ndarray, log_ratio: np.ndarray) -> list[float]:
    """One half of the integral over log b and the grid, where log(1 − c/b) and log(c/b) take these values."""
    nodes, weights = NODES.numpy(), WEIGHTS.numpy()
    b = np.exp(LOG_SIZE[::2])[:, None]
    c = b * np.exp(log_ratio)
    f, g = np.tanh(b[..., None] * nodes), np.tanh(c[..., None] * nodes)
    # tanh u − tanh v = sinh(u − v) / (cosh u cosh v), without cancellation
    cosh = np.cosh(b[..., None] * nodes) * np.cosh(c[..., None] * nodes)
    h = np.sinh((b * np.exp(log_gap))[..., None] * nodes) / cosh
    trace, determinant = ((f * f + g * g) * weights).sum(-1), _wedge(f, h, weights)
    law = 2 * np.log(b) + np.minimum(log_gap, log_ratio) - (b**2 + c**2) / 2
    dets = (1 + 2 * np.exp(t) * trace + 4 * np.exp(2 * t) * determinant for t in LOG_T)
    return [float(np.logaddexp.reduce((law - np.log(det) / 2).ravel())) for det in dets]


def _wedge(f: np.ndarray, h: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """|f|²|h|² − (f·h)² as a sum of squares of 2 × 2 minors (Lagrange), each by columns to spare memory."""
    value = np.zeros(h.shape[:-1])
    for i, j in itertools.combinations(range(len(weights)), 2):
        value += weights[i] * weights[j] * (f[..., i] * h[..., j] - f[..., j] * h[..., i]) ** 2
    return value


if __name__ == "__main__":
    main()
