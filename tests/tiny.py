"""A small real series that several rooms' tests examine: a counting model, trained for a moment."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch

from zeeman.demo.model import AttentionOnlyTransformer
from zeeman.probes import Library, Probe
from zeeman.sampling import language_model_loss
from zeeman.subjects import Recorder

VOCABULARY, CONTEXT = 16, 12
CONFIG = {"vocabulary": VOCABULARY, "context": CONTEXT, "width": 8, "num_heads": 2, "num_layers": 1}
make_tiny = partial(AttentionOnlyTransformer, **CONFIG)


def tiny_tokens(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Counting upwards from a random start: each token but the first is certain."""
    return (rng.integers(VOCABULARY, size=(rows, 1)) + np.arange(CONTEXT)) % VOCABULARY


def tiny_library(seed: int = 0) -> Library:
    rng = np.random.default_rng(seed)
    scored = np.ones((8, CONTEXT), bool)
    scored[:, 0] = False
    late = scored.copy()
    late[:, :6] = False
    probes = [
        Probe("count", tiny_tokens(rng, 8), scored),
        Probe("late", tiny_tokens(rng, 8), late, metric="accuracy"),
        Probe("random", rng.integers(VOCABULARY, size=(8, CONTEXT)), scored),
    ]
    data = Probe("train", tiny_tokens(rng, 48), np.ones((48, CONTEXT), bool) & (np.arange(CONTEXT) > 0))
    return Library.from_probes("tiny", data, probes)


def train_tiny(folder: Path, steps: tuple[int, ...] = (20, 60, 150)) -> None:
    """Record a short training with exactly these checkpoints, and the first."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make_tiny()
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    with RecorderAt(folder, model, steps) as recorder:
        for step in range(steps[-1] + 1):
            recorder.step(step)
            loss = language_model_loss(model, torch.from_numpy(tiny_tokens(rng, 16))).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


class RecorderAt:
    """A recorder whose watch moves exactly at the wanted steps."""

    def __init__(self, folder: Path, model: torch.nn.Module, steps: tuple[int, ...]) -> None:
        self.now = 0
        self.recorder = Recorder(
            folder,
            model,
            watch=lambda _: {"passed": float(sum(s <= self.now for s in steps))},
            watch_every=1,
            ratio=1e9,
            factory="zeeman.demo.training:make_model",
            config=CONFIG,
            name="tiny",
        )

    def step(self, step: int) -> None:
        self.now = step
        self.recorder.step(step)

    def __enter__(self) -> RecorderAt:
        return self

    def __exit__(self, *_: object) -> None:
        self.recorder.close()
