"""The heat of step size and minibatch in stored chains, and the settings of chains that take it away."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.examination.device import Draws
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.examination.worker import BLOCK_STEPS
from zeeman.reading import Reading, Verdict
from zeeman.sampling import Health, MetropolisSampler, extrapolate, force_excess

OTHER_SEED = 2**32
"""What the seed of chains at half the step differs by: readings to extrapolate must not share their noise."""


def heat_figures(draws: Draws, units: list[Unit]) -> dict[str, float]:
    """Say how hot the chains are by their own forces, or how often they accept.

    Parameters
    ----------
    draws : Draws
    units : list of Unit
        Loaded chains of one component.

    Returns
    -------
    dict
        ``heat_excess`` and ``heat_excess_se``, by how much step size and minibatch raise nβ⟨ΔL⟩
        (`sampling.force_excess`), for samplers of the SGLD family; ``acceptance``, the share of proposals accepted, for
        those with Metropolis correction. Without the figures that units of earlier versions do not hold.
    """
    figures: dict[str, float] = {}
    heat, acceptance = (_after_burnin(draws, units, name) for name in ("heat", "acceptance"))
    if heat is not None:
        excess = force_excess(heat) if np.isfinite(heat).all() else (math.nan, math.nan)
        figures |= dict(zip(("heat_excess", "heat_excess_se"), excess, strict=True))
    if acceptance is not None:
        figures["acceptance"] = float(acceptance.mean())
    return figures


def _after_burnin(draws: Draws, units: list[Unit], name: str) -> NDArray[np.float64] | None:
    """A figure of the blocks that end after the burn-in, shape (chains, blocks)."""
    if not all(draws.holds(unit, name) for unit in units):
        return None
    schedule, figures = units[0].schedule, draws.stack(units, name)
    last = np.minimum(BLOCK_STEPS * np.arange(1, figures.shape[1] + 1), schedule.num_steps) - 1
    return figures[:, last >= schedule.num_burnin_steps]


def at_half_the_step(settings: SamplerSettings) -> SamplerSettings:
    """Settings of chains that go as far at half the step size: twice the steps to burn in and between draws.

    Raises
    ------
    ZeemanError
        For samplers that step size does not heat.

    Examples
    --------
    >>> half = at_half_the_step(SamplerSettings(lr=1e-3, num_draws=10, num_burnin_steps=5, num_steps_bw_draws=3))
    >>> half.lr, half.schedule.num_steps
    (0.0005, 70)
    """
    if isinstance(settings.sampler, MetropolisSampler):
        raise ZeemanError(
            "expected a sampler whose step size heats it, to extrapolate that away, got the exact method "
            f"{settings.method}; leave extrapolation out, or choose sgld."
        )
    return replace(
        settings,
        lr=settings.lr / 2,
        num_burnin_steps=2 * settings.num_burnin_steps,
        num_steps_bw_draws=2 * settings.num_steps_bw_draws,
        seed=settings.seed + OTHER_SEED,
    )


def without_heat(readings: list[Reading], lrs: list[float], health: Health) -> Reading:
    """Read what is left at a step size of zero, 2v(ε/2) − v(ε) for two readings at ε and ε/2.

    Parameters
    ----------
    readings : list of Reading
        Of one quantity.
    lrs : list of float
        Step size of each.
    health : Health
        Of the chains at the smallest.

    Returns
    -------
    Reading
        Named after the first with ``_extrapolated``, with the first verdict among the readings that is not ok; NaN
        where one has no value or no error.
    """
    values, errors = [float(r.value) for r in readings], [float(r.standard_error) for r in readings]
    known = all(math.isfinite(v) and math.isfinite(e) and e > 0 for v, e in zip(values, errors, strict=True))
    value, error = extrapolate(values, errors, lrs) if known else (math.nan, math.nan)
    worst = next((r for r in readings if r.verdict is not Verdict.OK), readings[0])
    return Reading(
        f"{readings[0].name}_extrapolated",
        value,
        error,
        worst.verdict,
        worst.reasons,
        readings[0].provenance,
        {"lrs": lrs, "values": values, "standard_errors": errors},
        health.figures,
    )
