"""Train the demo's network with the live device attached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from zeeman.demo.model import AttentionOnlyTransformer
from zeeman.probes import Library, training_windows
from zeeman.sampling import language_model_loss
from zeeman.subjects import Recorder


@dataclass(frozen=True)
class TrainingSettings:
    """How the demo trains.

    Parameters
    ----------
    num_steps, batch_size : int
    lr : float
        Of AdamW.
    seed : int
        Of the initial weights and of the order of the data.
    """

    num_steps: int = 3000
    batch_size: int = 32
    lr: float = 4e-3
    seed: int = 0


def make_model(**config: Any) -> nn.Module:
    """Make the demo's network, untrained; what a recorded series names as its factory."""
    return AttentionOnlyTransformer(**config)


def initial_model(seed: int) -> nn.Module:
    """Make the network with initial weights that are a function of the seed, whatever the global generators hold."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = make_model()
        for embedding in (model.get_submodule("embed"), model.get_submodule("position")):
            nn.init.normal_(embedding.get_parameter("weight"), std=0.02)
    return model


def train(
    folder: Path, library: Library, settings: TrainingSettings, on_step: Callable[[int, int], None] = lambda *_: None
) -> None:
    """Train and record a series of checkpoints.

    Parameters
    ----------
    folder : Path
        Where the recorder writes the series.
    library : Library
        Its probes are watched: where a loss moves, checkpoints are denser.
    settings : TrainingSettings
    on_step : callable
        Told of each step and of their number.
    """
    model = initial_model(settings.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, betas=(0.9, 0.98))
    rng = np.random.default_rng(settings.seed)
    recorder = Recorder(
        folder,
        model,
        watch=_Watch(library),
        ratio=2.0,
        sensitivity=0.6,
        factory="zeeman.demo.training:make_model",
        config={},
        name="demo",
    )
    for step in range(settings.num_steps):
        recorder.step(step)
        batch = torch.from_numpy(training_windows(rng, settings.batch_size))
        loss = language_model_loss(model, batch).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        on_step(step + 1, settings.num_steps)
    recorder.step(settings.num_steps, float(loss.detach()))
    recorder.close()


_WATCHED_ROWS = 5
"""Rows of each probe that are watched: a look costs a third of a training step, and comes every 25 steps."""


class _Watch:
    """Mean loss of every probe on a few of its rows."""

    def __init__(self, library: Library) -> None:
        self.probes = {
            name: (torch.tensor(probe.inputs[:_WATCHED_ROWS]), torch.tensor(probe.scored[:_WATCHED_ROWS, 1:]))
            for name, probe in library.probes.items()
        }

    def __call__(self, model: nn.Module) -> Mapping[str, float]:
        return {
            name: float(language_model_loss(model, tokens)[scored].mean())
            for name, (tokens, scored) in self.probes.items()
        }
