"""What an examination will cost, before it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from zeeman.examination.device import Device
from zeeman.examination.engine import first_posterior, one_thread
from zeeman.examination.run import DEVICES, planned_units
from zeeman.examination.subject import Subject
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.examination.worker import CHAINS_TOGETHER
from zeeman.sampling import (
    SGLD,
    FlatEnergy,
    LocalPosterior,
    Schedule,
    better_together,
    run_chain,
    run_chains,
    work_of_step,
)

_MOST_TRIED = 2**27
"""Parameters times positions of a minibatch beyond which chains are not tried together: it could want much memory."""

GRADIENTS_A_PRODUCT = 4
"""Gradient steps that a product with the Hessian costs, about."""


@dataclass(frozen=True)
class Plan:
    """Cost of an examination.

    Parameters
    ----------
    units : int
    gradient_steps : int
        Sampler steps with a backward pass.
    forward_rows : int
        Rows of tokens read forward only.
    seconds : float
        Wall time, crude: one measured step and one measured forward pass, spread over the workers.
    bytes : int
        What the store will hold before compression.
    together : bool
        Whether chains run in one batched walk (a rule, so that results do not depend on a clock), or one by one.
    step_seconds_alone, step_seconds_together : float or None
        Measured seconds of a step of one chain, either way; None where the batched way was not tried, since the model
        is far too large or can't be batched.
    """

    units: int
    gradient_steps: int
    forward_rows: int
    seconds: float
    bytes: int
    together: bool
    step_seconds_alone: float
    step_seconds_together: float | None

    def as_dict(self) -> dict[str, float | None]:
        """The figures by name."""
        return asdict(self)


def plan(
    subject: Subject, settings: SamplerSettings, *, devices: Sequence[Device] = DEVICES, num_workers: int = 1
) -> Plan:
    """Count units and bytes, and time one step on the first checkpoint.

    Parameters
    ----------
    subject : Subject
    settings : SamplerSettings
    devices : sequence of Device
    num_workers : int

    Returns
    -------
    Plan
    """
    units = planned_units(subject, settings, devices)
    steps = settings.gradients_a_step * sum(u.schedule.num_steps for u in units if u.kind == "loaded")
    steps += sum(GRADIENTS_A_PRODUCT * u.lanczos_steps for u in units)
    rows = sum(_forward_rows(subject, u) for u in units)
    posterior = first_posterior(subject, settings)
    alone, batched, row_seconds = _measure(posterior)
    together = better_together(posterior, settings.sampler)
    step_seconds = batched if together and batched else alone
    seconds = (steps * step_seconds + rows * row_seconds) / num_workers
    size = sum(_bytes(subject, u) for u in units)
    return Plan(len(units), steps, rows, seconds, size, together, alone, batched)


def _draws(subject: Subject, unit: Unit) -> int:
    if unit.kind == "ablation":
        return 3 * len(subject.sites()) + 1  # a path is two passes, an ablation one
    return 1 if unit.kind in ("reference", "curvature") else unit.schedule.num_draws


def _forward_rows(subject: Subject, unit: Unit) -> int:
    observed = sum(len(subject.observable(name).batch) for name, _ in unit.observed)
    reference = len(subject.library.data.inputs) if unit.kind == "loaded" else 0
    return observed * _draws(subject, unit) + reference


def _bytes(subject: Subject, unit: Unit) -> int:
    tokens = sum(int(subject.observable(name).scored.sum()) for name, _ in unit.observed)
    size = 4 if unit.kind in ("reference", "ablation") else 2
    rows = unit.schedule.num_steps * unit.settings.batch_size * 4 if unit.kind == "loaded" and unit.settings else 0
    return tokens * size * _draws(subject, unit) + rows


def _measure(posterior: LocalPosterior) -> tuple[float, float | None, float]:
    """Seconds a gradient step of a chain, alone and together with others, and seconds a row forward, on one thread."""
    size, sampler, schedule = posterior.batch_size or posterior.num_rows, SGLD(1e-12), Schedule(4)
    with one_thread(), torch.no_grad():
        batch = posterior.rows(slice(0, size))
        posterior.loss(posterior.model, batch)
        row = _seconds(lambda: posterior.loss(posterior.model, batch)) / size
        chain = run_chain(posterior, sampler, schedule, seed=0, chain=0, block_steps=2)
        next(chain)
        alone = _seconds(lambda: next(chain)) / 2
        if work_of_step(posterior) > _MOST_TRIED or FlatEnergy(posterior).way == "loop":
            return alone, None, row
        chains = range(CHAINS_TOGETHER)
        walk = run_chains(posterior, sampler, schedule, seed=0, chains=chains, block_steps=2)
        next(walk)
        return alone, _seconds(lambda: next(walk)) / 2 / CHAINS_TOGETHER, row


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
