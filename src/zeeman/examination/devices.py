"""The first three devices: the local learning coefficient, behaviours and susceptibilities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.examination.device import Draws, provenance
from zeeman.examination.grades import graded
from zeeman.examination.heat import at_half_the_step, heat_figures, without_heat
from zeeman.examination.subject import DATA, Subject
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.reading import Reading, Verdict
from zeeman.sampling import Health, judge
from zeeman.spectra import llc_mean, llc_variance, minibatch_variance, susceptibility
from zeeman.subjects import Checkpoint

Array = NDArray[np.float64]

MATCHED_CHAINS = 4
"""Loaded chains, of the first, whose mean energy unloaded draws take: the default number."""
FULL_DIVERGED = "the chains of all weights, or the loss of a probe, left the finite numbers"


@dataclass(frozen=True)
class LLC:
    """The local learning coefficient at every checkpoint, by the mean and by the variance of the energy.

    Parameters
    ----------
    extrapolate : bool
        Run chains at half the step size too, and read what is left of the mean at a step size of zero. They are worth
        as many draws and take twice the steps.
    """

    extrapolate: bool = False
    name: str = "llc"

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        """Full chains at every checkpoint."""
        each = [settings, at_half_the_step(settings)] if self.extrapolate else [settings]
        return [u for checkpoint in subject.series for one in each for u in chains(subject, checkpoint, one, "full")]

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        """Two readings a checkpoint, ``llc`` and ``llc_variance``, and ``llc_extrapolated`` where it is asked for."""
        readings = []
        for checkpoint in subject.series:
            mean, spread, _ = self._read_chains(subject, settings, draws, checkpoint)
            readings += [mean, spread]
            if self.extrapolate:
                half = at_half_the_step(settings)
                colder, _, health = self._read_chains(subject, half, draws, checkpoint)
                readings.append(without_heat([mean, colder], [settings.lr, half.lr], health))
        return readings

    @staticmethod
    def _read_chains(
        subject: Subject, settings: SamplerSettings, draws: Draws, checkpoint: Checkpoint
    ) -> tuple[Reading, Reading, Health]:
        units = chains(subject, checkpoint, settings, "full")
        walked = draws.stack(units, "rows")
        start, rows = settings.n_beta * walked[:, 0], walked[:, settings.num_burnin_steps :]
        total = len(subject.library.data.inputs)
        health = chain_health(draws, units, settings, rows=rows, num_rows=total, start=start)
        mean, spread = (
            replace(
                reading,
                provenance=provenance(units[0], settings),
                health=health.figures | heat_figures(draws, units),
            )
            for reading in (
                llc_mean(rows, settings.n_beta, health),
                llc_variance(rows, settings.n_beta, health, num_rows=total),
            )
        )
        return mean, spread, health


@dataclass(frozen=True)
class Behaviours:
    """The score of every probe at every checkpoint."""

    name: str = "behaviours"

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        """One reference a checkpoint."""
        return [self._unit(subject, checkpoint) for checkpoint in subject.series]

    @staticmethod
    def _unit(subject: Subject, checkpoint: Checkpoint) -> Unit:
        observed = subject.observed(list(subject.library.probes))
        return Unit("reference", checkpoint.step, checkpoint.digest, observed=observed)

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        """One ``behaviour`` reading for each checkpoint and probe, by the probe's metric."""
        readings = []
        for checkpoint in subject.series:
            unit = self._unit(subject, checkpoint)
            for name, probe in subject.library.probes.items():
                value, error = graded(probe, draws, unit)
                verdict = Verdict.OK if np.isfinite(value) else Verdict.DIVERGED
                readings.append(
                    Reading("behaviour", value, error, verdict, (), provenance(unit, None), {"probe": name})
                )
        return readings


@dataclass(frozen=True)
class Susceptibilities:
    """The susceptibility of components to every probe, loaded and unloaded, at some checkpoints.

    Parameters
    ----------
    steps : tuple of int
        Checkpoints to read.
    components : tuple of str
        Empty for embed, every head and unembed.
    """

    steps: tuple[int, ...]
    components: tuple[str, ...] = ()
    name: str = "susceptibilities"

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        """Chains of every component and of all weights, loaded, and unloaded at the same energy."""
        return [
            unit
            for step in self.steps
            for component in ("full", *self._components(subject))
            for loading in ("loaded", "unloaded")
            for unit in self._chains(subject, subject.series.at(step), settings, component, loading)
        ]

    def _components(self, subject: Subject) -> tuple[str, ...]:
        return self.components or tuple(subject.heads())

    @staticmethod
    def _chains(
        subject: Subject, checkpoint: Checkpoint, settings: SamplerSettings, component: str, loading: str
    ) -> list[Unit]:
        observed = subject.observed([DATA, *subject.library.probes])
        loaded = [replace(unit, observed=observed) for unit in chains(subject, checkpoint, settings, component)]
        if loading == "loaded":
            return loaded
        # The energy is that of the first chains, so that more of them leave it as it is.
        keys = tuple(unit.chain_key for unit in loaded[:MATCHED_CHAINS])
        return [replace(unit, kind="unloaded", data="", matched=keys) for unit in loaded]

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        """Readings ``covariance``, ``shift``, ``rho`` and ``null`` of each component, probes along the axis.

        ``halves`` among the coordinates of ``covariance`` and ``rho`` are the same from either half of the chains.
        """
        readings = []
        for step in self.steps:
            checkpoint = subject.series.at(step)
            for loading in ("loaded", "unloaded"):
                everything = self._energies(
                    subject, draws, self._chains(subject, checkpoint, settings, "full", loading)
                )
                for component in self._components(subject):
                    units = self._chains(subject, checkpoint, settings, component, loading)
                    readings += self._read_component(subject, settings, draws, units, everything)
        return readings

    def _read_component(
        self,
        subject: Subject,
        settings: SamplerSettings,
        draws: Draws,
        units: list[Unit],
        everything: Array,
    ) -> list[Reading]:
        energies = self._energies(subject, draws, units)
        phi = energies[0]
        health = chain_health(draws, units, settings, energy=settings.n_beta * phi)
        judged = health.verdict, health.reasons
        lost = judged if health.verdict is not Verdict.OK else (Verdict.DIVERGED, (FULL_DIVERGED,))
        where: dict[str, Any] = {
            "component": units[0].component,
            "loading": units[0].kind,
            "probes": list(subject.library.probes),
        }
        origin = provenance(units[0], settings)
        return [
            Reading(
                name,
                value,
                error,
                *(judged if np.isfinite(value).all() else lost),
                origin,
                where if halves is None else where | {"halves": halves},
                health.figures | heat_figures(draws, units),
            )
            for name, (value, error, halves) in susceptibility_figures(energies, everything).items()
        ]

    @staticmethod
    def _energies(subject: Subject, draws: Draws, units: list[Unit]) -> Array:
        """Mean loss difference on the data and on each probe, shape (1 + probes, chains, draws)."""
        names = [DATA, *subject.library.probes]
        return np.stack([draws.stack(units, f"observed_{name}").mean(axis=-1) for name in names])


def susceptibility_figures(energies: Array, everything: Array) -> dict[str, tuple[Array, Array, Array | None]]:
    """Both terms, ρ and its null with their errors; NaN where chains diverged, and the shift where those of all did.

    Parameters
    ----------
    energies, everything : array, shape (1 + probes, chains, draws)
        Loss differences on the data and on each probe when a component moves, and when all weights do.

    Returns
    -------
    dict of (value, error, halves)
        Shape (probes,), and (2, probes) from either half of the chains for the covariance and ρ.
    """
    names = {"covariance": "covariance_halves", "shift": None, "rho": "rho_halves", "null": None}
    if not np.isfinite(energies[0]).all():
        unknown = np.full(len(energies) - 1, np.nan)
        return {name: (unknown, unknown, np.stack([unknown] * 2) if halves else None) for name, halves in names.items()}
    with np.errstate(invalid="ignore"):
        chi = susceptibility(energies[0], energies[1:] - energies[0], everything[1:] - everything[0])
    return {
        name: (getattr(chi, name), getattr(chi, f"{name}_se"), getattr(chi, halves) if halves else None)
        for name, halves in names.items()
    }


def chains(subject: Subject, checkpoint: Checkpoint, settings: SamplerSettings, component: str) -> list[Unit]:
    """The loaded chains of a component at a checkpoint, observing nothing yet."""
    data = subject.library.data.digest
    return [
        Unit("loaded", checkpoint.step, checkpoint.digest, component, chain, settings, data)
        for chain in range(settings.num_chains)
    ]


def chain_health(
    draws: Draws,
    units: list[Unit],
    settings: SamplerSettings,
    *,
    rows: Array | None = None,
    num_rows: int | None = None,
    energy: Array | None = None,
    start: Array | None = None,
) -> Health:
    """Judge chains by their minibatch losses ``rows`` or by the energy nβ ΔL on fixed tokens.

    ``start`` holds nβ times the first step's losses, which are those of the checkpoint.
    """
    noise, feels = 0.0, units[0].kind == "loaded"
    if energy is None:
        assert rows is not None
        noise = minibatch_variance(rows, settings.n_beta, num_rows=num_rows)
        energy = settings.n_beta * rows.mean(axis=2)
    return judge(
        energy,
        noise_variance=noise,
        num_parameters=draws.attribute(units[0], "num_parameters"),
        distance=draws.stack(units, "distance") if feels else None,
        localization=draws.attribute(units[0], "localization"),
        virial=draws.stack(units, "virial") if feels else None,
        start=start,
    )
