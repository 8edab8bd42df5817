"""Train a small transformer on the planted grammar and record a series of checkpoints.

Usage: python -m benchmarks.planted.training --seed 0 --out FOLDER

The seed gives the tables of the grammar, the initial weights and the data. The folder is a series that
`zeeman.Series.from_folder` opens; its record holds, at every checkpoint and in between, the loss on the settled tokens
of each rule (``words``) and of each sham (``words_sham``) in nats, over windows that the training never saw; that of a
sham can't fall below ln 24 = 3.178 but by chance. What became of each seed is kept in training.json: losses at the end
beside the entropy of the rule, and the first step from which on half, and nine tenths, of the way from ln 24 to the
entropy have been gone.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.planted.grammar import CONTEXT, RULES, SYMBOLS, VOCABULARY, Floats, Grammar, Integers, Mask
from torch import nn
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from zeeman.sampling import language_model_loss
from zeeman.subjects import Recorder, Series

STEPS, WARMUP, BATCH, LR, WEIGHT_DECAY = 4000, 100, 32, 3e-3, 0.01
WATCHED_WINDOWS, WATCH_EVERY = 280, 50
SHARES = (0.5, 0.9)
MODES = (*RULES, *(f"{rule}_sham" for rule in RULES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.process_time()
    model = train(arguments.out, arguments.seed, arguments.steps)
    found = outcome(model, Series.from_folder(arguments.out), Grammar.from_seed(arguments.seed), arguments.seed)
    found["cpu_seconds"] = round(time.process_time() - begun)
    path = Path(__file__).with_suffix(".json")
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[str(arguments.seed)] = found
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n")
    print(json.dumps(found, indent=1))


def initial_model(seed: int) -> GPTNeoXForCausalLM:
    """Make the network; its weights are a function of the seed, whatever the global generators hold."""
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=384,
        max_position_embeddings=CONTEXT,
        # With rotations of a quarter of 24 dimensions and wavelengths up to 60,000 heads can hardly tell distances.
        rope_parameters={"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 1.0},
        # 1/√width: with the usual 0.02, made for wide nets, attention stays even for longer.
        initializer_range=0.1,
        use_cache=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return GPTNeoXForCausalLM(config)


def train(folder: Path, seed: int, steps: int = STEPS) -> GPTNeoXForCausalLM:
    """Train with AdamW, the learning rate rising linearly and then falling as a cosine to a tenth, and record."""
    grammar, model = Grammar.from_seed(seed), initial_model(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _lr_factor(step, steps))
    rng = np.random.default_rng([seed, *b"training"])
    # Saved by the ratio alone: what is compared with the record must not have been placed by it.
    watch = Watch(grammar, seed)
    name = f"planted-{seed}"
    with Recorder(folder, model, watch=watch, watch_every=WATCH_EVERY, sensitivity=1e9, name=name) as recorder:
        for step in range(steps):
            recorder.step(step)
            loss = language_model_loss(model, torch.from_numpy(grammar.windows(rng, BATCH).tokens)).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        recorder.step(steps, loss)
    return model


def _lr_factor(step: int, steps: int) -> float:
    if step < WARMUP:
        return (step + 1) / WARMUP
    return 0.55 + 0.45 * math.cos(math.pi * (step - WARMUP) / max(steps - WARMUP, 1))


@dataclass(frozen=True, eq=False)
class Held:
    """Windows held out, and where each mode's settled tokens are; without column 0, as losses are."""

    tokens: Integers
    where: Mapping[str, Mask]
    surprisal: Floats


def held_out(grammar: Grammar, seed: int, n: int, purpose: str) -> Held:
    """Draw windows from a generator of their own, every rule and sham as often as any other."""
    windows = grammar.balanced_windows(np.random.default_rng([seed, *purpose.encode()]), n)
    where = {
        mode: (windows.settled & (windows.rule == index % len(RULES)) & (windows.sham == (index >= len(RULES))))[:, 1:]
        for index, mode in enumerate(MODES)
    }
    return Held(windows.tokens, where, windows.surprisal[:, 1:])


class Watch:
    """Mean loss of every mode on windows held out."""

    def __init__(self, grammar: Grammar, seed: int) -> None:
        self.held = held_out(grammar, seed, WATCHED_WINDOWS, "watched")

    def __call__(self, model: nn.Module) -> Mapping[str, float]:
        losses = losses_of(model, self.held)
        return {mode: float(losses[where].mean()) for mode, where in self.held.where.items()}


def losses_of(model: nn.Module, held: Held) -> Floats:
    """Loss of each token but the first in nats, shape (n, CONTEXT − 1)."""
    with torch.no_grad():
        rows = [language_model_loss(model, chunk) for chunk in torch.from_numpy(held.tokens).split(BATCH)]
    found: Floats = torch.cat(rows).double().numpy()
    return found


def outcome(model: nn.Module, series: Series, grammar: Grammar, seed: int, windows: int = 2000) -> dict[str, Any]:
    """What became of a training: sizes, losses at the end with their errors, and when each rule was learned."""
    held = held_out(grammar, seed, windows, "final")
    losses = losses_of(model.eval(), held)
    modes: dict[str, Any] = {}
    for mode, where in held.where.items():
        # Tokens of one window are not independent; windows are.
        counts, excess = where.sum(axis=1), ((losses - held.surprisal) * where).sum(axis=1)
        mean = excess.sum() / counts.sum()
        error = float(np.sqrt(((excess - mean * counts) ** 2).sum()) / counts.sum())
        modes[mode] = {
            "loss": round(float(losses[where].mean()), 4),
            "entropy": round(float(held.surprisal[where].mean()), 4),
            "excess": round(float(mean), 4),
            "error": round(error, 4),
        }
        if mode in RULES:
            modes[mode]["learned"] = {str(share): _learned(series, mode, held, share) for share in SHARES}
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "steps": series.steps[-1],
        "checkpoints": series.steps,
        "tokens_trained": series.steps[-1] * BATCH * CONTEXT,
        "modes": modes,
    }


def _learned(series: Series, mode: str, held: Held, share: float) -> int | None:
    """First watched step after which the loss stays below the given share of the way to the entropy."""
    entropy = held.surprisal[held.where[mode]].mean()
    limit = (1 - share) * math.log(SYMBOLS) + share * entropy
    late = [row["step"] for row in series.record if row["signals"] and row["signals"][mode] > limit]
    below = [row["step"] for row in series.record if row["signals"] and row["step"] > max(late, default=-1)]
    return below[0] if below else None


if __name__ == "__main__":
    main()
