"""What an examination will cost, before it runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from zeeman.examination.device import Device
from zeeman.examination.engine import one_thread
from zeeman.examination.run import DEVICES, planned_units
from zeeman.examination.subject import Subject
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.sampling import SGLD, Schedule, run_chain

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
    """

    units: int
    gradient_steps: int
    forward_rows: int
    seconds: float
    bytes: int

    def as_dict(self) -> dict[str, float]:
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
    steps = sum(u.schedule.num_steps for u in units if u.kind == "loaded")
    steps += sum(GRADIENTS_A_PRODUCT * u.lanczos_steps for u in units)
    rows = sum(_forward_rows(subject, u) for u in units)
    step_seconds, row_seconds = _measure(subject, settings)
    seconds = (steps * step_seconds + rows * row_seconds) / num_workers
    return Plan(len(units), steps, rows, seconds, sum(_bytes(subject, u) for u in units))


def _draws(unit: Unit) -> int:
    return 1 if unit.kind in ("reference", "curvature") else unit.schedule.num_draws


def _forward_rows(subject: Subject, unit: Unit) -> int:
    observed = sum(len(subject.observable(name).batch) for name, _ in unit.observed)
    reference = len(subject.library.data.inputs) if unit.kind == "loaded" else 0
    return observed * _draws(unit) + reference


def _bytes(subject: Subject, unit: Unit) -> int:
    tokens = sum(int(subject.observable(name).scored.sum()) for name, _ in unit.observed)
    size = 4 if unit.kind == "reference" else 2
    rows = unit.schedule.num_steps * unit.settings.batch_size * 4 if unit.kind == "loaded" and unit.settings else 0
    return tokens * size * _draws(unit) + rows


def _measure(subject: Subject, settings: SamplerSettings) -> tuple[float, float]:
    """Seconds a gradient step and seconds a row forward, on one thread."""
    checkpoint = subject.series.checkpoints[0]
    posterior = subject.posterior(
        checkpoint, "full", n_beta=settings.n_beta, localization=settings.localization, batch_size=settings.batch_size
    )
    with one_thread(), torch.no_grad():
        batch = posterior.rows(slice(0, settings.batch_size))
        posterior.loss(posterior.model, batch)
        start = time.perf_counter()
        posterior.loss(posterior.model, batch)
        row = (time.perf_counter() - start) / settings.batch_size
        chain = run_chain(posterior, SGLD(1e-12), Schedule(4), seed=0, chain=0, block_steps=2)
        next(chain)
        start = time.perf_counter()
        next(chain)
        return (time.perf_counter() - start) / 2, row
