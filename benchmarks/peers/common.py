"""What the peers share: the cases as a module that any of them takes, the tuning by hand, the record of a case.

Each peer runs in a virtual environment of its own that holds torch, numpy and the peer, not zeeman; so nothing here
imports more than those. A peer is one function ``estimate(problem, setting, seed) -> Outcome`` and the setting that its
own authors publish for losses with a known answer.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import importlib.metadata
import itertools
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

SAMPLES = 10_000  # the n of nβ = n/ln n that all peers are given; no case has data of its own
ROWS = 64  # data points of the stand-in data set; K is the same at each of them
PILOT_STEPS = 500  # burn-in, and then as many draws, a chain
LEVELS, FINITE = 8, 4  # step sizes nβ·lr = 1, 10^-½, 10^-1, … until so many pilots, or so many that read a number
DRAWS = 2000


@dataclass(frozen=True)
class Setting:
    """What a peer is asked to run; ``box`` is the half-width of the cube that a peer with a bounding box keeps to."""

    lr: float
    n_beta: float
    localization: float
    chains: int
    draws: int
    burn_in: int = 0
    thin: int = 1
    box: float | None = None

    @property
    def steps(self) -> int:
        """Chain-steps in all."""
        return self.chains * (self.burn_in + self.draws * self.thin)


@dataclass(frozen=True)
class Outcome:
    """What a peer printed: λ̂, its standard deviation over chains, and each chain's λ̂.

    ``trimmed`` is λ̂ without the burn-in, for the peer that counts it.
    """

    llc: float
    std: float
    chains: list[float]
    trimmed: float
    warned: bool = False


Estimate = Callable[["Problem", Setting, int], Outcome]


@dataclass(frozen=True)
class Peer:
    """A peer: its estimate, the setting its authors publish, how many chains a careful user runs."""

    package: str
    estimate: Estimate
    published: Setting
    published_source: str
    chains: int


@dataclass(frozen=True, eq=False)
class Problem:
    """A model with its data; ``loss(output, target)`` gives one loss a row."""

    model: nn.Module
    inputs: torch.Tensor
    targets: torch.Tensor
    batch_size: int
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Potential(nn.Module):
    """A bare potential as a model: its weights are the point, its output is K(w) at every datum."""

    def __init__(self, energy: Callable[[torch.Tensor], torch.Tensor], center: torch.Tensor) -> None:
        super().__init__()
        self.energy = energy
        self.w = nn.Parameter(center.detach().clone())

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.energy(self.w[None]).expand(rows.shape[0])


def bare(energy: Callable[[torch.Tensor], torch.Tensor], center: torch.Tensor) -> Problem:
    """A potential that takes points (batch, d), with a stand-in for data."""
    return Problem(Potential(energy, center), torch.zeros(ROWS, 1), torch.zeros(ROWS), 1, lambda output, _: output)


def prior_precision(case: Any) -> float:
    """γ for a case: its own, or that of the Gaussian with the variance of its box."""
    return float(case.localization) or 3.0 / float(case.domain) ** 2


def tuned(peer: Peer, case: Any, seconds: float, seed: int) -> tuple[Setting, list[dict[str, float]]]:
    """Choose a step size as the peers' guides do, from pilots alone, then as many steps as the budget allows.

    The pilots go down by half decades; the largest step size that reads the same as the next smaller one, within 10 %
    or two standard errors, is left by one more half decade. Where no two agree, the two that differ least do. The truth
    is not looked at.
    """
    n_beta = SAMPLES / math.log(SAMPLES)
    first = Setting(1 / n_beta, n_beta, prior_precision(case), peer.chains, PILOT_STEPS, PILOT_STEPS, 1, case.domain)
    fixed, started, pilots = fixed_cost(peer, first.chains), time.process_time(), []
    for level in range(LEVELS):
        pilot = replace(first, lr=first.lr / 10 ** (level / 2))
        reading = attempt(peer, case, pilot, seed + level)
        error = reading["std"] / math.sqrt(pilot.chains)
        pilots.append({"lr": pilot.lr, "llc": reading["trimmed"], "error": error, "seconds": reading["seconds"]})
        finite = [p for p in pilots if math.isfinite(p["llc"])]
        if (level and agree(pilots[-2], pilots[-1])) or len(finite) == FINITE:
            break
    left = seconds - (time.process_time() - started) - fixed
    step = max(pilots[-1]["seconds"] - fixed, 1e-3) / first.steps
    per_chain = max(PILOT_STEPS, int(left / step / peer.chains))
    burn_in = per_chain // 5
    draws = min(DRAWS, per_chain - burn_in)
    thin = (per_chain - burn_in) // draws
    return replace(first, lr=best_step(pilots), burn_in=burn_in, draws=draws, thin=thin), pilots


def best_step(pilots: list[dict[str, float]]) -> float:
    """Smaller step size of the last two pilots where they agree, or of the two that differ least."""
    if agree(pilots[-2], pilots[-1]):
        return pilots[-1]["lr"]

    def gap(pair: tuple[dict[str, float], dict[str, float]]) -> float:
        larger, smaller = (p["llc"] for p in pair)
        relative = abs(larger - smaller) / max(abs(larger), abs(smaller), 1e-12)
        return relative if math.isfinite(relative) else math.inf

    return min(itertools.pairwise(pilots), key=gap)[1]["lr"]


@functools.cache
def fixed_cost(peer: Peer, chains: int) -> float:
    """CPU seconds of a run that hardly takes a step, after one that compiles whatever the peer compiles."""
    plain = Setting(1e-3, 1.0, 1.0, chains, draws=2)
    for _ in range(2):
        begun = time.process_time()
        peer.estimate(bare(lambda w: w.square().sum(-1), torch.zeros(2)), plain, 0)
    return time.process_time() - begun


def agree(larger: dict[str, float], smaller: dict[str, float]) -> bool:
    gap = abs(larger["llc"] - smaller["llc"])
    return gap <= max(0.1 * abs(smaller["llc"]), 2 * math.hypot(larger["error"], smaller["error"]))


def attempt(peer: Peer, case: Any, setting: Setting, seed: int) -> dict[str, Any]:
    """One run of the peer: what it printed, or the first line of what it raised, and the CPU seconds of it."""
    begun = time.process_time()
    try:
        reading = peer.estimate(bare(case.energy, case.center), setting, seed)
        failure = None if math.isfinite(reading.llc) else "not a finite number"
    except Exception as error:  # whatever a peer raises is its result
        reading = Outcome(math.nan, math.nan, [], math.nan)
        failure = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return asdict(reading) | {"failure": failure, "seconds": time.process_time() - begun}


def record(peer: Peer, case: Any, which: str, seconds: float, seed: int) -> dict[str, Any]:
    """Everything about one case under one of the two settings."""
    begun = time.process_time()
    pilots: list[dict[str, float]] = []
    setting = replace(peer.published, box=case.domain)
    if which == "tuned":
        setting, pilots = tuned(peer, case, seconds, seed)
    reading = attempt(peer, case, setting, seed + 100)
    sampling, true = reading.pop("seconds"), float(case.llc)
    line = {
        "case": case.name,
        "family": case.family,
        "dimension": len(case.center),
        "true_llc": true,
        "true_multiplicity": case.multiplicity,
        "which": which,
        "setting": asdict(setting),
        "relative_error": reading["llc"] / true - 1,
        **reading,
        "budget": seconds,
        "seconds": time.process_time() - begun,
        "steps_per_second": setting.steps / sampling,
        "pilots": pilots,
    }
    return short(line)


def short(value: Any) -> Any:
    """Floats to six digits, and null for what is not finite, so that the file is JSON."""
    if isinstance(value, dict):
        return {key: short(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [short(entry) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def load_cases(zoo: Path, wanted: Iterable[str]) -> list[Any]:
    """Cases of the zoo, all of them or those whose family or name is wanted."""
    sys.path[:0] = [str(zoo.parent), str(zoo.parents[1] / "src")]  # machines are zeeman's, which is not installed here
    names = set(wanted)
    cases = importlib.import_module(zoo.name).all_cases()
    return [case for case in cases if not names or case.family in names or case.name in names]


def versions(package: str) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in (package, "torch", "numpy")}


def main(peer: Peer) -> None:
    """Run a peer over cases, one JSON line each; cases already in the file are not run again."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="families or cases of the zoo; all of them when none is named")
    parser.add_argument("--zoo", type=Path, default=Path(__file__).parents[1] / "zoo")
    parser.add_argument("--which", choices=("tuned", "published"), default="tuned")
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds a case, pilots included")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    done = {(line["case"], line["which"]) for line in map(json.loads, lines)}
    for case in load_cases(arguments.zoo, arguments.names):
        if (case.name, arguments.which) in done:
            continue
        line = record(peer, case, arguments.which, arguments.seconds, arguments.seed) | versions(peer.package)
        with arguments.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{case.name}: {line['llc']} ± {line['std']}, true {line['true_llc']}", flush=True)
