"""Devices that read a series along scale: the density of states along a ladder in nβ, and the Hessian beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.examination.device import Draws, provenance
from zeeman.examination.devices import chain_health, chains
from zeeman.examination.subject import DATA, Subject
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.reading import Reading, Verdict
from zeeman.spectra import (
    VolumeCurve,
    count_above,
    llc_mean,
    llc_variance,
    path_volume,
    quadratic_exponent,
    quadrature,
    rank_with_gap,
    spectral_density,
    trace,
    volume_curve,
)
from zeeman.subjects import Checkpoint

Array = NDArray[np.float64]

LADDER = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Rungs as multiples of the setting's nβ."""

FAULTS_OF_ONE_CENTRE = (Verdict.BELOW_REFERENCE, Verdict.TOO_ANHARMONIC)
"""Verdicts about the checkpoint as a minimum, which the volume around it does not suppose."""


@dataclass(frozen=True)
class Density:
    """λ, heat capacity and volume at each rung of a ladder in nβ, at some checkpoints, and along their path.

    Parameters
    ----------
    steps : tuple of int
        Checkpoints to read; empty for eight, evenly spaced in the series.
    ladder : tuple of float
        Rungs as multiples of the setting's nβ, ascending, at least three.
    """

    steps: tuple[int, ...] = ()
    ladder: tuple[float, ...] = LADDER
    name: str = "density"

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        """Full chains at each rung of each checkpoint, and the losses there."""
        return [
            unit
            for checkpoint in chosen(subject, self.steps)
            for unit in (
                _reference(subject, checkpoint),
                *(u for s in self._rungs(settings) for u in chains(subject, checkpoint, s, "full")),
            )
        ]

    def _rungs(self, settings: SamplerSettings) -> list[SamplerSettings]:
        return [rung(settings, factor) for factor in self.ladder]

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        """Readings ``density`` and ``heat_capacity`` a rung, ``volume`` a checkpoint, and one ``path_volume``."""
        readings: list[Reading] = []
        curves: dict[int, VolumeCurve] = {}
        for checkpoint in chosen(subject, self.steps):
            rungs = [_read_rung(subject, checkpoint, s, draws) for s in self._rungs(settings)]
            readings += [reading for pair in rungs for reading in pair]
            volume = _volume(rungs)
            if volume:
                curves[checkpoint.step] = volume[0]
                readings.append(volume[1])
        return readings + _along_path(curves)


@dataclass(frozen=True)
class HessianSpectrum:
    """Spectral density of the Hessian on the observed rows of the data, with trace, count and rank.

    Parameters
    ----------
    steps : tuple of int
        As for `Density`.
    num_steps, num_vectors : int
        Lanczos steps, and random probe vectors for the error bars.
    """

    steps: tuple[int, ...] = ()
    num_steps: int = 32
    num_vectors: int = 3
    name: str = "hessian"

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        """One unit a probe vector at each checkpoint."""
        return [u for checkpoint in chosen(subject, self.steps) for u in self._vectors(subject, checkpoint)]

    def _vectors(self, subject: Subject, checkpoint: Checkpoint) -> list[Unit]:
        data = subject.digest(DATA)
        return [
            Unit(
                "curvature", checkpoint.step, checkpoint.digest, "full", index, data=data, lanczos_steps=self.num_steps
            )
            for index in range(self.num_vectors)
        ]

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        """Readings ``hessian_trace``, ``_count``, ``_llc``, ``_rank`` and ``_density`` of each checkpoint."""
        return [
            reading
            for checkpoint in chosen(subject, self.steps)
            for reading in _read_spectrum(subject, settings, draws, self._vectors(subject, checkpoint))
        ]


def chosen(subject: Subject, steps: tuple[int, ...], count: int = 8) -> list[Checkpoint]:
    """Give the checkpoints at ``steps``, or ``count`` evenly spaced ones with the first and the last."""
    if steps:
        return [subject.series.at(step) for step in steps]
    places = np.unique(np.linspace(0, len(subject.series) - 1, min(count, len(subject.series))).round().astype(int))
    return [subject.series.checkpoints[place] for place in places]


def rung(settings: SamplerSettings, factor: float) -> SamplerSettings:
    """Settings of the rung at ``factor`` times nβ.

    The step shrinks where the rung is colder, so that ε nβ stays what it is, and grows towards ε (nβ + γ) constant
    where it is hotter; the burn-in grows as the step shrinks, so that it is as long in time.

    Examples
    --------
    >>> cold = rung(SamplerSettings(lr=1e-3, n_beta=100.0, num_burnin_steps=50), 10.0)
    >>> cold.n_beta, round(cold.lr, 6), cold.num_burnin_steps
    (1000.0, 0.0001, 500)
    """
    if factor == 1.0:
        return settings
    n_beta, gamma = settings.n_beta * factor, settings.localization
    stretch = max(factor, (n_beta + gamma) / (settings.n_beta + gamma))
    return replace(
        settings,
        n_beta=n_beta,
        lr=settings.lr / stretch,
        num_burnin_steps=round(settings.num_burnin_steps * max(1.0, stretch)),
        num_chains=2,
        num_draws=min(settings.num_draws, 24),
    )


def _reference(subject: Subject, checkpoint: Checkpoint) -> Unit:
    return Unit("reference", checkpoint.step, checkpoint.digest, observed=subject.observed([DATA]))


def _read_rung(
    subject: Subject, checkpoint: Checkpoint, settings: SamplerSettings, draws: Draws
) -> tuple[Reading, Reading]:
    """λ = nβ⟨ΔL⟩ and the heat capacity (nβ)² Var L of one rung."""
    units = chains(subject, checkpoint, settings, "full")
    rows = draws.stack(units, "rows")[:, settings.num_burnin_steps :]
    total = len(subject.library.data.inputs)
    health = chain_health(draws, units, settings, rows=rows, num_rows=total)
    mean = llc_mean(rows, settings.n_beta, health)
    spread = llc_variance(rows, settings.n_beta, health, num_rows=total)
    start = float(draws.array(_reference(subject, checkpoint), f"observed_{DATA}").mean())
    where = {"n_beta": settings.n_beta, "reference_loss": start, "loss": start + float(mean.value) / settings.n_beta}
    origin = provenance(subject, units[0], settings)
    return (
        replace(mean, name="density", provenance=origin, coordinates=where, health=health.figures),
        replace(spread, name="heat_capacity", provenance=origin, coordinates=where, health=health.figures),
    )


def _volume(rungs: list[tuple[Reading, Reading]]) -> tuple[VolumeCurve, Reading] | None:
    """Volume below the loss of each rung, from the rungs that have a figure; None where fewer than three do."""
    held = [(mean, spread) for mean, spread in rungs if np.isfinite(mean.value) and np.isfinite(spread.value)]
    if len(held) < 3:
        return None
    curve = volume_curve(
        np.array([mean.coordinates["n_beta"] for mean, _ in held]),
        np.array([mean.value for mean, _ in held]),
        np.array([mean.standard_error for mean, _ in held]),
        np.array([spread.value for _, spread in held]),
        reference=held[0][0].coordinates["reference_loss"],
    )
    doubts = [m for m, _ in held if not m.verdict.trusted and m.verdict not in FAULTS_OF_ONE_CENTRE]
    verdict = doubts[0].verdict if doubts else Verdict.OK
    reasons = tuple(f"at n_beta {m.coordinates['n_beta']:g}: {why}" for m in doubts for why in m.reasons)
    where = {"n_beta": curve.n_beta.tolist(), "loss": curve.loss.tolist()}
    reading = Reading("volume", curve.log_volume, curve.log_volume_se, verdict, reasons, held[0][0].provenance, where)
    return curve, reading


def _along_path(curves: dict[int, VolumeCurve]) -> list[Reading]:
    """The volume under the mean of all windows, and whose window holds it at each loss."""
    if len(curves) < 2:
        return []
    path = path_volume(list(curves.values()))
    steps = list(curves)
    where = {"loss": path.loss.tolist(), "steps": steps, "share": path.share.tolist()}
    return [Reading("path_volume", path.log_volume, np.zeros_like(path.log_volume), Verdict.OK, coordinates=where)]


def _read_spectrum(subject: Subject, settings: SamplerSettings, draws: Draws, units: list[Unit]) -> list[Reading]:
    dimension = draws.attribute(units[0], "num_parameters")
    found = quadrature(draws.stack(units, "diagonal"), draws.stack(units, "off_diagonal"), dimension)
    threshold = settings.localization / settings.n_beta
    density = spectral_density(found, linear=threshold / 10 or 0.1)
    rank = rank_with_gap(found)
    figures: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "trace": (*trace(found), {}),
        "count": (*count_above(found, threshold), {"threshold": threshold}),
        "llc": (*quadratic_exponent(found, settings.n_beta, settings.localization), {"n_beta": settings.n_beta}),
        "rank": (rank.value, rank.standard_error, {"gap": [rank.low, rank.high]}),
        "density": (
            density.density,
            density.density_se,
            {"eigenvalues": density.eigenvalues.tolist(), "linear": density.linear, "width": density.width},
        ),
    }
    origin = provenance(subject, units[0], None)
    where = {"lowest": float(found.nodes.min()), "highest": float(found.nodes.max()), "parameters": dimension}
    return [
        Reading(f"hessian_{name}", value, error, Verdict.OK, (), origin, where | more)
        for name, (value, error, more) in figures.items()
    ]
