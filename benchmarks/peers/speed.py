"""Chain-steps a second of zeeman and its peers on the same problems, one thread, in one run: speed.json.

Usage: OMP_NUM_THREADS=1 python benchmarks/peers/speed.py --python devinterp1=PYTHON --python devinterp2=PYTHON …

Every contestant runs in a process of its own, in turns; all times are CPU seconds of that process. A run of many steps
less a run of few gives the cost of a step; what is left of the short run is what a reading costs before its first
step; what the first run of a problem costs beyond later ones is counted as compiling or tracing. The committed figures
are medians over the rounds.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from common import Problem, Setting

HERE = Path(__file__).parent
Run = Callable[[Problem, Setting], object]

CONTESTANTS = {  # name: environment, function, numbers of chains
    "zeeman, one by one": ("zeeman", "zeeman_alone", (4,)),
    "zeeman, batched": ("zeeman", "zeeman_batched", (8, 64)),
    "devinterp 1.3.2": ("devinterp1", "peer", (4,)),
    "devinterp 2.0.1": ("devinterp2", "peer", (4,)),
    "canonical-interp 0.1.5": ("canonical", "peer", (8, 64)),
    "canonical-interp 0.1.5, compiled": ("canonical", "canonical_compiled", (64,)),
}
SHORT = 20
SECONDS = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", default=[], metavar="ENVIRONMENT=PYTHON")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=CONTESTANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(side(arguments.side)))
        return
    pythons = {"zeeman": sys.executable} | dict(item.split("=", 1) for item in arguments.python)
    present = [name for name, (environment, *_) in CONTESTANTS.items() if environment in pythons]
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in present}
    for _ in range(arguments.rounds):
        for name in present:
            rounds[name].append(run(pythons[CONTESTANTS[name][0]], name))
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu_count": os.cpu_count(),
        "rounds": arguments.rounds,
        "versions": {name: found[0]["versions"] for name, found in rounds.items()},
        "problems": {name: middle([one["problems"] for one in found]) for name, found in rounds.items()},
    }
    (HERE / "speed.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(table(result["problems"]))


def run(python: str, name: str) -> dict[str, Any]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    command = [python, str(HERE / "speed.py"), "--side", name]
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def side(name: str) -> dict[str, Any]:
    """One contestant on all problems, in this process."""
    from problems import problems

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    environment, function, counts = CONTESTANTS[name]
    execute: Run = peer(environment) if function == "peer" else globals()[function]()
    found = {
        problem: {chains: cost(execute, work, chains) for chains in counts} for problem, work in problems().items()
    }
    package = {"devinterp1": "devinterp", "devinterp2": "devinterp", "canonical": "canonical-interp"}
    names = (package.get(environment, "zeeman"), "torch")
    return {"versions": {key: importlib.metadata.version(key) for key in names}, "problems": found}


def cost(execute: Run, work: Problem, chains: int) -> dict[str, float]:
    """Cost of a step, of a reading before its first step, and of the first reading beyond others."""

    def seconds(steps: int) -> float:
        begun = time.process_time()
        execute(work, Setting(1e-5, 100.0, 100.0, chains, draws=steps))
        return time.process_time() - begun

    first, short = seconds(SHORT), seconds(SHORT)
    pilot = seconds(10 * SHORT)
    step = max(pilot - short, 1e-4) / (9 * SHORT)
    steps = SHORT + max(10 * SHORT, int(SECONDS / step))
    step = (seconds(steps) - short) / (steps - SHORT)
    return {
        "chain_steps_per_second": round(chains / step, 1),
        "seconds_before_first_step": round(max(short - SHORT * step, 0.0), 3),
        "seconds_to_compile": round(max(first - short, 0.0), 3),
    }


def peer(environment: str) -> Run:
    estimate = importlib.import_module(environment).estimate
    return lambda work, setting: estimate(work, setting, 1)


def canonical_compiled() -> Run:
    estimate = importlib.import_module("canonical").estimate
    return lambda work, setting: estimate(work, setting, 1, compile=True)


def zeeman_alone() -> Run:
    from zeeman.sampling import SGLD, Schedule, run_chain

    def execute(work: Problem, setting: Setting) -> None:
        posterior = posterior_of(work, setting)
        for chain in range(setting.chains):
            for _ in run_chain(posterior, SGLD(setting.lr), Schedule(setting.draws), seed=1, chain=chain):
                pass

    return execute


def zeeman_batched() -> Run:
    from zeeman.sampling import SGLD, Schedule, run_chains

    def execute(work: Problem, setting: Setting) -> None:
        chains = range(setting.chains)
        for _ in run_chains(
            posterior_of(work, setting), SGLD(setting.lr), Schedule(setting.draws), seed=1, chains=chains
        ):
            pass

    return execute


def posterior_of(work: Problem, setting: Setting) -> Any:
    """A new posterior for each reading, so that nothing is kept from one to the next."""
    from common import Potential

    from zeeman.sampling import LocalPosterior

    kwargs: dict[str, Any] = {"n_beta": setting.n_beta, "localization": setting.localization}
    if isinstance(work.model, Potential):
        energy = work.model.energy
        return LocalPosterior.potential(lambda w: energy(w[None])[0], work.model.w.detach(), **kwargs)

    def loss(model: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return work.loss(model(batch[0]), batch[1])

    return LocalPosterior(work.model, (work.inputs, work.targets), loss, batch_size=work.batch_size, **kwargs)


def middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Median over rounds of each figure, with all rounds of the speed beside it."""
    found: dict[str, Any] = {}
    for problem, by_chains in rounds[0].items():
        for chains, figures in by_chains.items():
            each = [one[problem][chains] for one in rounds]
            line: dict[str, Any] = {key: statistics.median(entry[key] for entry in each) for key in figures}
            line["rounds"] = [entry["chain_steps_per_second"] for entry in each]
            found.setdefault(problem, {})[chains] = line
    return found


def table(found: dict[str, Any]) -> str:
    """Chain-steps a CPU second in Markdown; in brackets the seconds to compile, where they are more than a tenth."""
    names = list(next(iter(found.values())))
    lines = ["| contestant | chains | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
    for contestant, problems in found.items():
        for chains in problems[names[0]]:
            cells = []
            for name in names:
                figures = problems[name][chains]
                more = figures["seconds_to_compile"]
                cells.append(f"{figures['chain_steps_per_second']:,.0f}" + (f" ({more:.1f} s)" if more > 0.1 else ""))
            lines.append("| " + " | ".join([contestant, chains, *cells]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
