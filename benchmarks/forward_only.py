"""What forward-only draws cost, and what half precision and antithetic pairs do to ρ.

Usage: OMP_NUM_THREADS=1 python benchmarks/forward_only.py [SECTION …]
Sections: memory, passes, cost, precision, antithetic.

CPU seconds of the process, since the machine may be shared. The model is a GPT-NeoX of 0.4 M parameters (3 layers,
width 96, vocabulary 256): untrained for costs, trained for a minute on a grammar of counting and repeated strings where
figures depend on what it has learned. Named sections are measured, the others stay in the JSON as they were.
"""

from __future__ import annotations

import copy
import itertools
import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from zeeman.sampling import (
    LocalPosterior,
    Noise,
    Observable,
    Schedule,
    Unloaded,
    forward_draws,
    gather,
    language_model_loss,
    match_energy,
    run_chain,
)
from zeeman.sampling.cached import CachedLosses
from zeeman.sampling.walk import Walk

OUT = Path(__file__).with_suffix(".json")
VOCABULARY, LENGTH, WINDOWS = 256, 101, 60
CHAINS, DRAWS, PLAIN_DRAWS = 4, 15, 2
ENERGY = 0.05
"""Nats a token, of every component."""


def neox() -> nn.Module:
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY, hidden_size=96, num_hidden_layers=3, num_attention_heads=4, intermediate_size=384,
        max_position_embeddings=128,
    )  # fmt: skip
    return GPTNeoXForCausalLM(config)


def components() -> list[str]:
    heads = [f"l{i}h{h}" for i, h in itertools.product(range(3), range(4))]
    return [*heads, *(f"l{i} mlp" for i in range(3)), "embed", "unembed"]


def windows(rows: int, seed: int) -> torch.Tensor:
    """Counting by steps of 1 to 3, or a random string of 12 repeated, half and half."""
    rng = np.random.default_rng(seed)
    count = (rng.integers(VOCABULARY, size=(rows, 1)) + rng.integers(1, 4, (rows, 1)) * np.arange(LENGTH)) % VOCABULARY
    repeated = np.tile(rng.integers(VOCABULARY, size=(rows, 12)), 9)[:, :LENGTH]
    return torch.from_numpy(np.where(rng.random((rows, 1)) < 0.5, count, repeated))


def all_of(tokens: torch.Tensor) -> Observable:
    return Observable(tokens, torch.ones(len(tokens), tokens.shape[1] - 1, dtype=torch.bool))


def seconds(what: Callable[[], Any]) -> float:
    start = time.process_time()
    what()
    return time.process_time() - start


def plain(posterior: LocalPosterior, item: Observable, draws: int) -> None:
    """The chain's own way; its reference pass is one draw more."""
    next(run_chain(posterior, Unloaded(), Schedule(draws), seed=0, chain=0, observables={"it": item}))


def cost() -> dict[str, Any]:
    model, tokens = neox(), windows(WINDOWS, 1)
    item, few = all_of(tokens), all_of(tokens[:5])
    start = LocalPosterior(model, tokens, n_beta=0.0, localization=1000.0)
    matched: dict[str, LocalPosterior] = {}
    table, matching = {}, 0.0
    for name in components():
        part = replace(start, component=name)
        matching += seconds(
            lambda part=part, name=name: matched.update({name: match_energy(part, few, ENERGY, seed=0)})
        )
        given: dict[str, Any] = {"seed": 0, "chains": range(CHAINS), "num_draws": DRAWS}
        ours = seconds(lambda name=name, given=given: list(forward_draws([matched[name]], item, **given)))
        theirs = seconds(lambda name=name: plain(matched[name], item, PLAIN_DRAWS))
        table[name] = {"ours": ours, "plain": theirs * CHAINS * DRAWS / (PLAIN_DRAWS + 1)}
        print(name, {k: round(v, 2) for k, v in table[name].items()}, matched[name].localization, flush=True)
    total = {way: sum(row[way] for row in table.values()) for way in ("ours", "plain")}
    return {
        "tokens": int(item.scored.sum()), "draws": CHAINS * DRAWS, "components": len(table),
        "parameters": sum(p.numel() for p in model.parameters()), "matching_cpu_s": matching,
        "total_cpu_s": total["ours"] + matching, "plain_cpu_s": total["plain"],
        "plain_is_scaled_from_passes": PLAIN_DRAWS + 1, "by_component": table,
    }  # fmt: skip


def passes() -> dict[str, Any]:
    """Milliseconds a draw on 10 windows, ours and plain in turns, best of three, and what the whole job would take."""
    model, tokens, table = neox(), windows(10, 1), {}
    for name in components():
        walk = Walk(LocalPosterior(model, tokens, n_beta=0.0, localization=1000.0, component=name))
        noise, took = walk.whole_noise(Noise(0, 0), 0), {"ours": 9e9, "plain": 9e9}
        cached = CachedLosses(walk, tokens)
        ways: dict[str, Callable[[], Any]] = {
            "ours": cached.losses,
            "plain": partial(read_plainly, Walk(walk.posterior)),
        }
        cached.open(tokens)
        walk.place(noise, 0.01)
        for way in list(ways) * 3:
            took[way] = min(took[way], seconds(ways[way]) * 1e3)
        table[name] = took
    job = {way: sum(row[way] for row in table.values()) * WINDOWS / 10 * CHAINS * DRAWS / 1e3 for way in ways}
    print(job, flush=True)
    return {"job_cpu_s_by_these": job, "ms_by_component": table}


def read_plainly(walk: Walk) -> torch.Tensor:
    with torch.no_grad():
        return walk.losses(walk.posterior.data)[0]


@cache
def trained() -> nn.Module:
    model = neox()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(160):
        loss = language_model_loss(model, windows(12, 100 + step)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("trained to", loss.item(), flush=True)
    return model.eval()


def covariance(differences: np.ndarray, per_spread: bool = False) -> np.ndarray:
    """−Cov(φ, ℓ_xy − L) of each token over draws (first axis), or ρ: the same over both spreads."""
    phi = differences.mean(1)
    rest = differences - phi[:, None]
    phi, rest = phi - phi.mean(), rest - rest.mean(0)
    scale = np.sqrt((phi @ phi) * (rest * rest).sum(0)) if per_spread else len(phi) - 1
    return -(phi @ rest) / scale


def rho(differences: np.ndarray) -> np.ndarray:
    return covariance(differences, per_spread=True)


def precision() -> dict[str, Any]:
    """Read the same draws in float32 and in bfloat16; logits become float32 before the loss in both."""
    model, tokens = trained(), windows(10, 7)
    item, count, found = all_of(tokens), 32, {}
    for component in ("embed", "l1h1", "l2 mlp"):
        posterior = match_energy(
            LocalPosterior(model, tokens, n_beta=0.0, localization=3000.0, component=component), item, ENERGY, seed=0
        )
        walk, half, noise = Walk(posterior), copy.deepcopy(model).bfloat16(), Noise(1, 0)
        moving = [half.get_parameter(name) for name in posterior.component.slices]

        scale = posterior.localization**-0.5

        def read(xi: Any, scale: float, walk: Walk = walk, half: nn.Module = half, moving: Any = moving) -> Any:
            walk.place(xi, scale)
            for mine, theirs in zip(moving, walk.parameters, strict=True):
                mine.copy_(theirs)
            return walk.losses(tokens)[0], language_model_loss(lambda x: half(x).logits.float(), tokens)

        with torch.no_grad():
            first = read(walk.center, 0.0)
            draws = [read(walk.whole_noise(noise, step), scale) for step in range(count)]
        full, low = (np.stack([(d[i] - first[i]).flatten().double().numpy() for d in draws]) for i in (0, 1))
        shift = rho(low) - rho(full)
        a, b = full - full.mean(0), low - low.mean(0)
        same = (a * b).sum(0) / np.sqrt((a * a).sum(0) * (b * b).sum(0))
        found[component] = {
            "localization": posterior.localization, "energy": float(full.mean()), "energy_bfloat16": float(low.mean()),
            "rms_shift_of_rho_in_errors": float(np.sqrt((shift**2).mean()) * count**0.5),
            "correlation_of_differences": {q: float(np.quantile(same, q)) for q in (0.05, 0.5)},
        }  # fmt: skip
        print(component, found[component], flush=True)
    with torch.no_grad():
        ways = {"float32": model, "bfloat16": half}
        found["ms_a_pass"] = {k: min(seconds(lambda m=m: m(tokens)) for _ in range(3)) * 1e3 for k, m in ways.items()}
    return found


def antithetic() -> dict[str, Any]:
    """Spread of covariance and ρ over blocks of 16 draws, independent or in 8 pairs: the same number of passes."""
    model, tokens = trained(), windows(10, 7)
    item, found = all_of(tokens), {}
    for component in ("l0h0", "l1h1", "l2 mlp"):
        posterior = match_energy(
            LocalPosterior(model, tokens, n_beta=0.0, localization=3000.0, component=component), item, ENERGY, seed=0
        )
        spread = {}
        for paired in (False, True):
            tiles = forward_draws([posterior], item, seed=2, chains=range(12), num_draws=16, antithetic=paired)
            blocks = gather(tiles)[component][1].astype(np.float64)
            spread[paired] = [np.stack([f(b) for b in blocks]).var(0) for f in (covariance, rho)]
            if not paired:
                odd = {"rho_all": float(np.abs(rho(blocks.reshape(192, -1))).mean())}
            else:
                pairs = blocks.reshape(12, 8, 2, -1)
                even, odds = pairs.mean(2), (pairs[:, :, 0] - pairs[:, :, 1]) / 2
                odd["share_of_odd_part"] = float((odds**2).mean() / ((odds**2).mean() + even.var((0, 1)).mean()))
        ratio = [float(np.median(p) / np.median(i)) for p, i in zip(spread[True], spread[False], strict=True)]
        found[component] = {"variance_of_covariance": ratio[0], "variance_of_rho": ratio[1], **odd}
        print(component, found[component], flush=True)
    return found


def memory() -> dict[str, Any]:
    """Peak of the process after more and more tokens, of the component whose tiles keep most."""
    posterior = LocalPosterior(neox(), windows(1, 0), n_beta=0.0, localization=1000.0, component="unembed")
    found = {}
    for rows in (60, 300, 1500):
        for _ in forward_draws([posterior], all_of(windows(rows, 1)), seed=0, chains=[0, 1], num_draws=4):
            pass
        found[str(rows * (LENGTH - 1))] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak_mb_by_tokens": found}


def main() -> None:
    torch.set_num_threads(1)
    sections = {f.__name__: f for f in (memory, passes, cost, precision, antithetic)}
    for name in sys.argv[1:] or sections:
        section = sections[name]()
        found = json.loads(OUT.read_text()) if OUT.exists() else {}
        found[name] = section
        found["machine"] = {"torch": torch.__version__, "processor": platform.processor() or platform.machine()}
        OUT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
