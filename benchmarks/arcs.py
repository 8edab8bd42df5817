"""Weights, orders and jets as measured, against what is exact.

Usage: OMP_NUM_THREADS=1 python benchmarks/arcs.py [directions] [arcs] [dynamics] [network] [autoencoder]

``directions``: germs in ten weights, two of which bear the germ and eight are stiff, all turned at random; exponents of
the directions that draws of replica exchange show. ``arcs``: orders along arcs of the germs themselves, and of their
effective potential on the two flattest of the ten turned weights; jets against those of the ideal. ``dynamics``:
relaxation and escape of Langevin walkers. ``network``, ``autoencoder``: tied networks with more units than needed,
trained by gradient descent on all data.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from zeeman.examination import arcs_document, class_weights, exponent_sum, measure_arcs
from zeeman.examination.potential import PotentialExamination, examine_potential
from zeeman.reading import Reading
from zeeman.sampling import (
    FlatEnergy,
    Ladder,
    LocalPosterior,
    effective_potential,
    first_passage_times,
    flattest_directions,
    langevin_paths,
)
from zeeman.singularities.jets import jet_fibre_components
from zeeman.singularities.newton import newton_rlct
from zeeman.singularities.polynomials import parse_ideal
from zeeman.singularities.rlct import rlct
from zeeman.spectra import (
    arc_bound,
    arc_order,
    arc_points,
    arc_weights,
    ball_points,
    classify_germ,
    escape_exponent,
    find_directions,
    fit_taylor,
    jet_codimension,
    mean_exit_time,
    relaxation_exponent,
)
from zeeman.subjects import Potential

OUT = Path(__file__).with_suffix(".json")
Energy = Callable[[torch.Tensor], torch.Tensor]

GERMS = {
    "A3": ("x**4+y**2", "x^2, y"),
    "A5": ("x**6+y**2", "x^3, y"),
    "A5, bent": ("(y+x**2)**2+x**6", "y+x^2, x^3"),
    "X9": ("x**4+y**4", "x^2, y^2"),
    "x⁴+y⁶": ("x**4+y**6", "x^2, y^3"),
    "cusp²": ("(x**2-y**3)**2", "x^2-y^3"),
    "D4²": ("(x**2*y-y**3)**2", "x^2*y-y^3"),
    "E6²": ("(x**3+y**4)**2", "x^3+y^4"),
    "E8²": ("(x**3+y**5)**2", "x^3+y^5"),
    "x²y⁴": ("x**2*y**4", "x*y^2"),
    "x²y²": ("x**2*y**2", "x*y"),
}
"""K, a sum of squares, and the ideal of what is squared: λ(K) = rlct(I)/2, and arcs have ord K = 2 min ord f_i."""
STIFF = 8
QUICK = {"num_walkers": 32, "num_draws": 250, "num_burnin_steps": 400}


def turned(potential: Potential, seed: int) -> Energy:
    """K of the first weights and squares of eight more, by a random rotation."""
    n = len(potential.variables)
    noise = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(n + STIFF, n + STIFF, generator=noise, dtype=torch.float64))
    stiff = 0.3 + 3 * torch.rand(STIFF, generator=noise, dtype=torch.float64)

    def energy(w: torch.Tensor) -> torch.Tensor:
        z = w.double() @ turn.T
        return potential(z[..., :n]) + 0.5 * (stiff * z[..., n:] ** 2).sum(-1)

    return energy


def exact(ideal: str) -> tuple[Fraction, int, list[float] | None]:
    """λ, m and the weights α of the two directions, the flattest first: those of the Newton polyhedron if m = 1."""
    known = rlct(parse_ideal(ideal))
    assert known.value is not None
    found = newton_rlct([a for f in parse_ideal(ideal.replace("y+x^2", "y")).generators for a in f.monoms()])
    alphas = sorted(float(w) / 2 for w in found.weights)
    return known.value / 2, known.multiplicity or 1, alphas if known.multiplicity == 1 else None


def shown(reading: Reading) -> dict[str, object]:
    return {
        "value": round(float(reading.value), 4),
        "se": round(float(reading.standard_error), 4),
        "verdict": reading.verdict.name.lower(),
        "reasons": list(reading.reasons),
    }


def read_directions(found: PotentialExamination) -> dict[str, object]:
    total, error = exponent_sum(found.directions)
    return {
        "llc": shown(found.llc),
        "coldest_n_beta": float(found.draws.n_beta[-1]),
        "sum": [round(total, 4), round(error, 4)],
        "exponents": [
            shown(one) | {"variance_exponent": round(one.coordinates["variance_exponent"], 4)}
            for one in found.directions
        ],
    }


def directions() -> dict[str, object]:
    return {name: in_turned_weights(name) for name in GERMS}


def in_turned_weights(name: str) -> dict[str, object]:
    start, (expression, ideal) = time.process_time(), GERMS[name]
    energy = turned(Potential.parse(expression), list(GERMS).index(name))
    center = torch.zeros(2 + STIFF, dtype=torch.float64)
    found = examine_potential(energy, center, domain=1.0, ladder=Ladder(**QUICK))  # type: ignore[arg-type]
    llc, multiplicity, alphas = exact(ideal)
    return {
        "exact": {"llc": float(llc) + STIFF / 2, "multiplicity": multiplicity, "alphas": alphas},
        **read_directions(found),
        "cpu_s": round(time.process_time() - start, 1),
    }


def arcs() -> dict[str, object]:
    rows: dict[str, object] = {}
    scales = np.geomspace(1e-3, 0.3, 14)
    for seed, (name, (expression, ideal)) in enumerate(GERMS.items()):
        potential, start = Potential.parse(expression), time.process_time()
        orders = []
        for k in arc_weights(2, 5, flattest_first=False):
            values = potential(torch.from_numpy(arc_points(k, scales, 16))).numpy()
            orders.append(arc_order(k, scales, values[None]))
        llc, _, _ = exact(ideal)
        bound = arc_bound(orders)
        rows[name] = {
            "llc": float(llc),
            "bound": shown(bound) | {"weights": bound.coordinates.get("weights")},
            "jets": {m: [jet_codimension(orders, m), codimension(ideal, m)] for m in range(1, 14, 2)},
            "turned": germ_arcs(turned(potential, seed), 2 + STIFF, 8 if name in ("E6²", "E8²") else 6),
            "cpu_s": round(time.process_time() - start, 1),
        }
    return rows


def codimension(ideal: str, m: int) -> int | None:
    """Codimension of the jets with ord K > m through the point: those of the ideal of half the order."""
    half = (m + 1) // 2 - 1
    found = jet_fibre_components(list(parse_ideal(ideal).generators), half)
    return None if not found else 2 * (half + 1) - found[0][0]


def germ_arcs(energy: Energy, d: int, degree: int, dimension: int = 2, reach: float = 0.5) -> dict[str, object]:
    """The path of `zeeman germ`: flattest directions, effective potential, class, arcs on its critical sheet."""
    posterior = LocalPosterior.potential(energy, torch.zeros(d, dtype=torch.float64))
    flat, frame = FlatEnergy(posterior), flattest_directions(posterior, dimension)
    return read_germ_arcs(flat, frame, dimension, degree, reach)


def read_germ_arcs(
    flat: FlatEnergy, frame: torch.Tensor, dimension: int, degree: int, reach: float
) -> dict[str, object]:
    def measure(points: np.ndarray) -> tuple[np.ndarray, float]:
        found = effective_potential(flat, frame, torch.from_numpy(reach * points))
        return found.rows.mean(1).numpy()[None], 1e-16

    points = ball_points(dimension, degree)
    taylor = fit_taylor(points, measure(points)[0], degree, reach)
    germ = classify_germ(taylor)
    orders = measure_arcs(measure, taylor, germ)
    known = class_weights(germ.name, dimension)
    return {
        "class": germ.name,
        "class_weights": known and [list(known[0]), known[1]],
        **{key: value for key, value in arcs_document(orders, germ.name).items() if key != "jet_codimensions"},
    }


def dynamics() -> dict[str, object]:
    return {f"|w|^{p}/{p}": one_dimension(p) for p in (2, 4, 6)} | {"A3, ten turned weights": in_ten(0)}


def one_dimension(p: int) -> dict[str, object]:
    """Relaxation and escape of walkers in |w|^p/p, and the exit times against the backward equation."""
    T, start = np.geomspace(1e-2, 1e-4, 5), time.process_time()
    rng, walkers = np.random.default_rng(p), 256

    def energy(w: torch.Tensor) -> torch.Tensor:
        return w.pow(p).sum(-1) / p

    begin = (p * T[:, None] * rng.gamma(1 / p, size=(5, walkers))) ** (1 / p) * rng.choice([-1, 1], (5, walkers))
    every = {2: 1, 4: 10, 6: 40}[p]
    paths = langevin_paths(
        energy, torch.zeros(1), begin[..., None], 1 / T, step=0.1, num_frames=1500, num_steps_bw_frames=every
    )
    radius = 1.5 * T ** (1 / p)
    times = first_passage_times(
        energy, torch.zeros(1), radius, 1 / T, step=1e-3 * radius**2 / T, num_walkers=2000, seed=p
    )
    theory = np.array([mean_exit_time(lambda y: y**p / p, r, t) for r, t in zip(radius, T, strict=True)])
    ratio, error = times.mean(axis=1) / theory, times.std(axis=1) / theory / np.sqrt(times.shape[1])
    large = (p * 1e-3 * np.array([100.0, 200.0])) ** (1 / p)  # V(r) = 100 T and 200 T
    barrier = np.log([mean_exit_time(lambda y: y**p / p, r, 1e-3, 40_001) for r in large])
    return {
        "exact_exponent": 1 - 2 / p,
        "relaxation": shown(relaxation_exponent(paths[..., 0], 1 / T)),
        "escape": shown(escape_exponent(times, 1 / T)),
        "exit_time_over_theory": np.round(ratio, 3).tolist(),
        "exit_time_over_theory_se": np.round(error, 3).tolist(),
        "order_of_T_log_tau_in_r": round(float(np.diff(np.log(barrier))[0] / np.diff(np.log(large))[0]), 2),
        "cpu_s": round(time.process_time() - start, 1),
    }


def in_ten(seed: int) -> dict[str, object]:
    """Directions found from the draws of a ladder; then the relaxation of the flattest and of a stiff one, and escape.

    The ball is three times as wide as the flattest direction on each rung.
    """
    start = time.process_time()
    energy, center = turned(Potential.parse("x**4+y**2"), seed), torch.zeros(2 + STIFF, dtype=torch.float64)
    found = examine_potential(energy, center, domain=1.0, ladder=Ladder(**QUICK))  # type: ignore[arg-type]
    draws = found.draws
    axes, rungs = find_directions(draws.places, draws.n_beta), np.arange(len(draws.n_beta))[-16::3]
    t = draws.n_beta[rungs]
    begin = draws.places[rungs, :, -4:].reshape(len(rungs), -1, 2 + STIFF)
    paths = langevin_paths(energy, center, begin, t, step=0.1, num_frames=2500, num_steps_bw_frames=8)
    u = axes(paths)
    quick = axes(langevin_paths(energy, center, begin, t, step=0.1, num_frames=800, num_steps_bw_frames=1))
    wide = np.exp(np.log(np.abs(axes(draws.places[rungs])[..., 0])).mean(axis=(1, 2)))
    times = first_passage_times(energy, center, 3 * wide, t, step=np.full(len(t), 0.05), max_steps=40_000)
    return {
        "n_beta": [float(x) for x in t],
        "flattest": {"exact": 0.5, **shown(relaxation_exponent(u[..., 0], t))},
        "stiff": {"exact": 0.0, **shown(relaxation_exponent(quick[..., 3], t))},
        "escape": {"exact": 0.5, **shown(escape_exponent(times, t))},
        "cpu_s": round(time.process_time() - start, 1),
    }


def network(inputs: int = 2, hidden: int = 3) -> dict[str, object]:
    """A tied tanh network x ↦ Wᵀ tanh(W x) with three units where one suffices, on 24 inputs.

    At W = (w; 0; 0) a spare row v enters as v (v·x) at first, which no change of w undoes, so K has squares in w
    (α = ½) and a positive fourth power in the spare rows (α = ¼), and no zero beside.
    """
    noise = torch.Generator().manual_seed(2)
    x = torch.randn(24, inputs, generator=noise, dtype=torch.float64)
    truth = 1.5 * torch.nn.functional.normalize(torch.randn(inputs, generator=noise, dtype=torch.float64), dim=0)
    target = torch.tanh(x @ truth)[:, None] * truth

    def energy(w: torch.Tensor) -> torch.Tensor:
        rows = w.double().unflatten(-1, (hidden, inputs))
        return 0.5 * (torch.tanh(x @ rows.mT) @ rows - target).square().mean(-2).sum(-1)

    alphas = [0.25] * (hidden - 1) * inputs + [0.5] * inputs
    return trained(energy, 0.3 * torch.randn(hidden * inputs, generator=noise, dtype=torch.float64), alphas)


def autoencoder(inputs: int = 4, hidden: int = 2) -> dict[str, object]:
    """A tied linear autoencoder x ↦ WᵀW x with two units whose target has rank one.

    At W = (w; 0) the parts of the spare row across w enter by fourth powers (α = ¼), w by squares (α = ½), and the turn
    of the spare row into w not at all (α = 0): a curved valley.
    """
    noise = torch.Generator().manual_seed(1)
    truth = torch.nn.functional.normalize(torch.randn(inputs, generator=noise, dtype=torch.float64), dim=0)
    target = torch.outer(truth, truth)

    def energy(w: torch.Tensor) -> torch.Tensor:
        rows = w.double().unflatten(-1, (hidden, inputs))
        return 0.5 * (rows.mT @ rows - target).square().sum((-2, -1))

    alphas = [0.0] * (hidden - 1) + [0.25] * (hidden - 1) * (inputs - 1) + [0.5] * inputs
    return trained(energy, 0.1 * torch.randn(hidden * inputs, generator=noise, dtype=torch.float64), alphas)


def trained(energy: Energy, begin: torch.Tensor, alphas: list[float]) -> dict[str, object]:
    """Gradient descent on all data; directions about the point that it reaches, and arcs on the four flattest."""
    start, w = time.process_time(), begin.requires_grad_()
    for _ in range(20_000):
        (gradient,) = torch.autograd.grad(energy(w), w)
        with torch.no_grad():
            w -= 0.1 * gradient
    at = w.detach()
    ladder = Ladder(num_walkers=32, num_draws=300, num_burnin_steps=500)
    found = examine_potential(energy, at, domain=0.5, ladder=ladder)
    posterior = LocalPosterior.potential(energy, at)
    return {
        "weights": len(at),
        "loss": float(energy(at)),
        "hessian": [round(float(x), 6) for x in torch.linalg.eigvalsh(torch.func.hessian(energy)(at))],
        "exact": {"llc": sum(alphas), "alphas": alphas},
        **read_directions(found),
        "arcs": read_germ_arcs(FlatEnergy(posterior), flattest_directions(posterior, 4), 4, 4, 0.5),
        "cpu_s": round(time.process_time() - start, 1),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    sections = {
        "directions": directions, "arcs": arcs, "dynamics": dynamics, "network": network, "autoencoder": autoencoder,
    }  # fmt: skip
    result = json.loads(OUT.read_text()) if OUT.exists() else {}
    for section in sys.argv[1:] or sections:
        result[section] = {"date": date.today().isoformat(), **sections[section]()}
        OUT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
