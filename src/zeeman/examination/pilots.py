"""Short chains at a few checkpoints, kept with their record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from zeeman.examination.unit import SamplerSettings
from zeeman.reading import Verdict
from zeeman.sampling import SGLD, Block, ChainState, LocalPosterior, Schedule, judge, run_chain
from zeeman.spectra import minibatch_variance
from zeeman.spectra.calibration import Candidate, Objective, Pilot, pilot_figures

_BLOCK = 2
"""Steps between readings of the heat."""


@dataclass(eq=False)
class Pilots:
    """Runs pilots, each from where the last one of its checkpoint stopped, and keeps the record."""

    posteriors: dict[int, LocalPosterior]
    objective: Objective
    seed: int
    limit: int
    lr: float | None
    on_progress: Callable[[int, int], None]
    done: list[Pilot] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    states: dict[int, ChainState] = field(default_factory=dict)
    steps: int = 0

    @property
    def length(self) -> int:
        """Steps of a pilot: two fifths of what a chain may have, since a slower chain could not be afforded."""
        return max(30, 2 * self.objective.steps // self.objective.num_chains // 5)

    @property
    def spent(self) -> bool:
        """Whether another pair of nβ and γ would go beyond the limit."""
        return self.steps + 2 * self.length * len(self.posteriors) > self.limit

    def run(self, step: int, lr: float, n_beta: float, localization: float) -> Pilot:
        """Run one warm chain; a quarter of it is burn-in."""
        posterior = replace(self.posteriors[step], n_beta=n_beta, localization=localization)
        burn_in = self.length // 4 // _BLOCK * _BLOCK
        # The state's step goes on, so that no noise is used twice.
        state = self.states.get(step)
        first = state.step if state else 0
        schedule = Schedule(first + self.length)
        blocks = list(
            run_chain(posterior, SGLD(lr), schedule, seed=self.seed, chain=0, block_steps=_BLOCK, state=state)
        )
        self._count(self.length)
        pilot = _summary([blocks], burn_in, posterior, step, lr)
        if not pilot.lost:
            self.states[step] = blocks[-1].state
        self.done.append(pilot)
        return pilot

    def check(self, step: int, settings: SamplerSettings) -> tuple[Pilot, Verdict, tuple[str, ...]]:
        """Run two chains from the checkpoint at a setting, with its burn-in, and judge what comes after."""
        posterior = replace(self.posteriors[step], n_beta=settings.n_beta, localization=settings.localization)
        burn_in = settings.num_burnin_steps // _BLOCK * _BLOCK
        schedule = Schedule(burn_in + self.length)
        chains = [
            list(run_chain(posterior, SGLD(settings.lr), schedule, seed=self.seed, chain=c, block_steps=_BLOCK))
            for c in (1, 2)
        ]
        self._count(2 * schedule.num_steps)
        rows = _rows(chains, burn_in)
        health = judge(
            settings.n_beta * rows.mean(axis=2, dtype=np.float64),
            noise_variance=minibatch_variance(rows, settings.n_beta, num_rows=posterior.num_rows),
            num_parameters=posterior.num_parameters,
            distance=np.array([[b.distance for b in blocks] for blocks in chains]),
            localization=settings.localization,
            virial=np.array([[b.virial for b in blocks[burn_in // _BLOCK :]] for blocks in chains]),
        )
        return _summary(chains, burn_in, posterior, step, settings.lr), health.verdict, health.reasons

    def _count(self, steps: int) -> None:
        self.steps += steps
        self.on_progress(min(self.steps, self.limit), self.limit)


def _rows(chains: Sequence[Sequence[Block]], burn_in: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.stack([np.concatenate([b.rows for b in blocks])[burn_in:] for blocks in chains])


def _summary(chains: Sequence[Sequence[Block]], burn_in: int, posterior: LocalPosterior, step: int, lr: float) -> Pilot:
    late = [blocks[burn_in // _BLOCK :] for blocks in chains]
    return pilot_figures(
        _rows(chains, burn_in),
        np.array([[b.heat for b in blocks] for blocks in late]),
        step=step,
        lr=lr,
        n_beta=posterior.n_beta,
        localization=posterior.localization,
        distance=float(np.mean([blocks[-1].distance for blocks in chains])),
        num_rows=posterior.num_rows,
    )
