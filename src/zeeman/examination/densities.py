"""Devices that read a series along scale: the density of states along a ladder in nβ, and the Hessian beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.examination.device import Draws, provenance
from zeeman.examination.devices import chain_health, chains
from zeeman.examination.subject import DATA, Subject
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.reading import Reading, Verdict
from zeeman.spectra import (
    VolumeCurve,
    count_above,
    heat_capacity,
    llc_mean,
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

LADDER = (0.1, 0.3, 1.0, 3.0, 8.0)
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
        """Readings ``density`` a rung, ``heat_capacity`` and ``volume`` a checkpoint, and one ``path_volume``."""
        readings: list[Reading] = []
        curves: dict[int, VolumeCurve] = {}
        for checkpoint in chosen(subject, self.steps):
            rungs = [_read_rung(subject, checkpoint, s, draws) for s in self._rungs(settings)]
            readings += rungs
            held = [r for r in rungs if np.isfinite(r.value)]
            if len(held) >= 3:
                curves[checkpoint.step], found = _along_ladder(held)
                readings += found
        return readings + _along_path(subject, curves, settings.localization)


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
            for reading in _read_spectrum(settings, draws, self._vectors(subject, checkpoint))
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
    where it is hotter; the burn-in goes the other way, so that it is as long in time. Cold rungs mix slower and
    get more draws.

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
        num_burnin_steps=math.ceil(settings.num_burnin_steps * stretch),
        num_chains=2,
        num_draws=min(settings.num_draws, 16 if factor < 1 else 24),
    )


def _reference(subject: Subject, checkpoint: Checkpoint) -> Unit:
    return Unit("reference", checkpoint.step, checkpoint.digest, observed=subject.observed([DATA]))


def _read_rung(subject: Subject, checkpoint: Checkpoint, settings: SamplerSettings, draws: Draws) -> Reading:
    """λ = nβ⟨ΔL⟩ of one rung."""
    units = chains(subject, checkpoint, settings, "full")
    rows = draws.stack(units, "rows")[:, settings.num_burnin_steps :]
    health = chain_health(draws, units, settings, rows=rows, num_rows=len(subject.library.data.inputs))
    found = llc_mean(rows, settings.n_beta, health)
    start = float(draws.array(_reference(subject, checkpoint), f"observed_{DATA}").mean())
    where = {"n_beta": settings.n_beta, "reference_loss": start, "loss": start + float(found.value) / settings.n_beta}
    origin = provenance(units[0], settings)
    return replace(found, name="density", provenance=origin, coordinates=where, health=health.figures)


def _along_ladder(rungs: list[Reading]) -> tuple[VolumeCurve, list[Reading]]:
    """Heat capacity and volume at the loss of each rung, from those that have a figure."""
    n_beta = np.array([r.coordinates["n_beta"] for r in rungs])
    exponent = np.array([float(r.value) for r in rungs])
    error = np.array([float(r.standard_error) for r in rungs])
    heat, heat_se = heat_capacity(n_beta, exponent, error)
    curve = volume_curve(n_beta, exponent, error, heat, reference=rungs[0].coordinates["reference_loss"])
    doubts = [r for r in rungs if not r.verdict.trusted and r.verdict not in FAULTS_OF_ONE_CENTRE]
    verdict = doubts[0].verdict if doubts else Verdict.OK
    reasons = tuple(f"at n_beta {r.coordinates['n_beta']:g}: {why}" for r in doubts for why in r.reasons)
    where = {"n_beta": n_beta.tolist(), "loss": curve.loss.tolist()}
    origin = rungs[0].provenance
    return curve, [
        Reading("heat_capacity", heat, heat_se, verdict, reasons, origin, where),
        Reading("volume", curve.log_volume, curve.log_volume_se, verdict, reasons, origin, where),
    ]


def _along_path(subject: Subject, curves: dict[int, VolumeCurve], localization: float) -> list[Reading]:
    """The volume under the mean of all windows, and whose window holds it at each loss."""
    if len(curves) < 2:
        return []
    path = path_volume(list(curves.values()))
    steps = list(curves)
    where = {"loss": path.loss.tolist(), "steps": steps, "share": path.share.tolist()}
    where["separation"] = _separations(subject, steps, localization)
    return [Reading("path_volume", path.log_volume, np.zeros_like(path.log_volume), Verdict.OK, coordinates=where)]


def _separations(subject: Subject, steps: list[int], localization: float) -> list[float]:
    """Distance between neighbouring centres in standard deviations of a window, √γ ‖w_k − w_{k+1}‖.

    Windows overlap (in the sense of Bhattacharyya, ∫√(N_k N_{k+1})) by exp(−s²/8): above 4 or so they hardly do.
    """
    found, before = [], None
    for step in steps:
        weights = [p.double() for p in subject.series.model(subject.series.at(step)).parameters()]
        if before is not None:
            gaps = [float(torch.linalg.vector_norm(a - b)) for a, b in zip(weights, before, strict=True)]
            found.append(math.sqrt(localization) * math.hypot(*gaps))
        before = weights
    return found


def _read_spectrum(settings: SamplerSettings, draws: Draws, units: list[Unit]) -> list[Reading]:
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
    origin = provenance(units[0], None)
    where = {"lowest": float(found.nodes.min()), "highest": float(found.nodes.max()), "parameters": dimension}
    return [
        Reading(f"hessian_{name}", value, error, Verdict.OK, (), origin, where | more)
        for name, (value, error, more) in figures.items()
    ]
