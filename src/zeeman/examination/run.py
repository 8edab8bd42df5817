"""The main flow: verify, plan, run, read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.examination.ablations import Ablations
from zeeman.examination.bands import Bands
from zeeman.examination.device import Device, Draws
from zeeman.examination.devices import LLC, Behaviours, Susceptibilities
from zeeman.examination.engine import EngineName, Progress, run_units
from zeeman.examination.inheritance import covered
from zeeman.examination.orders import Order
from zeeman.examination.store import Manifest, Store
from zeeman.examination.subject import Subject
from zeeman.examination.transitions import Transition, find_transitions, telling_steps
from zeeman.examination.unit import SamplerSettings, Unit, union
from zeeman.probes import Library
from zeeman.reading import Reading
from zeeman.sampling import Loss, language_model_loss, require_reach
from zeeman.subjects import Series, Verification

Stepwise = Susceptibilities | Bands | Ablations
"""Devices that wait for the transitions where they are given no steps; `Order` waits for its pairs."""
DEVICES: tuple[Device, ...] = (LLC(), Behaviours(), Susceptibilities(()))


@dataclass(frozen=True, eq=False)
class Examination:
    """What an examination found.

    Parameters
    ----------
    subject : Subject
    settings : SamplerSettings
    store : Store
    verification : Verification
        What is odd about the series itself.
    readings : tuple of Reading
    transitions : tuple of Transition
        Where the geometry changes: the learning coefficient takes part (or was not read).
    behaviour_changes : tuple of Transition
        Where only probes move.
    draws : Draws
        The units behind the readings.
    """

    subject: Subject
    settings: SamplerSettings
    store: Store
    verification: Verification
    readings: tuple[Reading, ...]
    transitions: tuple[Transition, ...]
    behaviour_changes: tuple[Transition, ...]
    draws: Draws

    def of(self, name: str) -> list[Reading]:
        """Readings of one name, for example ``llc``."""
        return [reading for reading in self.readings if reading.name == name]


def examine(
    series: Series,
    library: Library,
    store: str | Path,
    *,
    settings: SamplerSettings | None = None,
    devices: Sequence[Device] = DEVICES,
    loss: Loss = language_model_loss,
    num_workers: int = 1,
    engine: EngineName = "processes",
    address: str | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Examination:
    """Examine a series of checkpoints with a library of probes.

    Everything is kept in ``store``; a run that was killed goes on from there, and one that is whole is only read.

    Parameters
    ----------
    series : Series
    library : Library
    store : path
        Folder of the examination.
    settings : SamplerSettings or None
        None: the defaults.
    devices : sequence of Device
        What to measure. `Susceptibilities` without steps reads before, in and after the main transition.
    loss : callable
        ``(model, batch) -> losses``.
    num_workers : int
        Processes, one thread each.
    engine : {"processes", "ray"}
        Where units run; what they give is the same bit for bit.
    address : str or None
        Of a running Ray cluster, whose nodes see ``store`` under the same path; None begins one on this machine.
    on_progress : callable
        Told of every unit that ends.

    Returns
    -------
    Examination

    Raises
    ------
    ZeemanError
        For a series, library, setting or store that can't be used.
    """
    if num_workers < 1:
        raise ZeemanError(f"num_workers must be at least 1, got {num_workers}; use one for each core.")
    subject, settings = Subject(series, library, loss), settings or SamplerSettings()
    total = check(subject, settings, devices)
    session = Session(subject, settings, Store(store), (num_workers, engine, address), on_progress)
    with session.store.locked():
        flags = series.verify()  # first, since it takes every digest on its one pass over the weights
        session.claim()
        now, later = _split(devices)
        readings, draws = session.measure(now, total)
        if later:
            transitions = find_transitions(readings, flags.flagged_edges)
            trusted = _trusted_steps(readings)
            steps = telling_steps(transitions, trusted if len(trusted) >= 3 else series.steps)
            told = [*now, *(replace(device, steps=steps) for device in later if isinstance(device, Stepwise))]
            others = planned_units(subject, settings, told)
            asked = [
                d.asked(_geometric(transitions, readings), settings, others) for d in later if isinstance(d, Order)
            ]
            readings, draws = session.measure([*told, *asked])
        return session.conclude(flags, readings, draws)


def planned_units(subject: Subject, settings: SamplerSettings, devices: Sequence[Device] = DEVICES) -> list[Unit]:
    """List the units that an examination would run; devices that wait for transitions are counted at three steps."""
    now, later = _split(devices)
    steps = subject.series.steps
    guessed: list[Device] = [
        replace(d, pairs=((steps[0], steps[-1]),))
        if isinstance(d, Order)
        else replace(d, steps=telling_steps([], steps))
        for d in later
    ]
    return union([unit for device in (*now, *guessed) for unit in device.units(subject, settings)])


def check(subject: Subject, settings: SamplerSettings, devices: Sequence[Device]) -> int:
    """Refuse what can't work before anything is written; gives how many units there will be, about."""
    subject.check()
    rows = len(subject.library.data.inputs)
    if settings.batch_size > rows:
        raise ZeemanError(
            f"batch_size must be at most the {rows} rows of the data, got {settings.batch_size}; lower it."
        )
    units = planned_units(subject, settings, devices)
    for component in sorted({unit.component for unit in units}):
        require_reach(subject.posterior(subject.series.checkpoints[0], component))
    return len(units)


def _split(devices: Iterable[Device]) -> tuple[list[Device], list[Stepwise | Order]]:
    later: list[Stepwise | Order] = [
        d for d in devices if (isinstance(d, Stepwise) and not d.steps) or (isinstance(d, Order) and not d.pairs)
    ]
    return [d for d in devices if d not in later], later


def _geometric(found: list[Transition], readings: list[Reading]) -> list[Transition]:
    """Those that the learning coefficient takes part in, or all where it was not read."""
    return [t for t in found if "llc" in t.signals or not any(r.name == "llc" for r in readings)]


def _trusted_steps(readings: list[Reading]) -> list[int]:
    return [r.provenance.step for r in readings if r.name == "llc" and r.verdict.trusted and r.provenance]


@dataclass(frozen=True, eq=False)
class Session:
    """One subject measured into one store, which the caller has locked; fields as `examine` takes them."""

    subject: Subject
    settings: SamplerSettings
    store: Store
    workers: tuple[int, EngineName, str | None]
    on_progress: Callable[[Progress], None]
    done: dict[str, Unit] = field(default_factory=dict)

    def claim(self) -> None:
        """Bind the store to the weights and probes of the subject."""
        series, library = self.subject.series, self.subject.library
        probes = {name: probe.digest for name, probe in library.probes.items()} | {"(data)": library.data.digest}
        weights = {checkpoint.step: checkpoint.digest for checkpoint in series}
        self.store.claim(Manifest(series=series.name, library=library.name, weights=weights, probes=probes))

    def units(self, devices: Sequence[Device]) -> list[Unit]:
        """The units that devices need together, or finished ones that saw as much of the same chains."""
        wanted = union([unit for device in devices for unit in device.units(self.subject, self.settings)])
        return covered(self.store, wanted)

    def measure(self, devices: Sequence[Device], total: int = 0) -> tuple[list[Reading], Draws]:
        """Run the units that devices need and are not there, and read them; ``total`` units are expected in the end."""
        units = self.units(devices)
        num_workers, engine, address = self.workers
        self.store.log("plan", units=len(units), devices=[device.name for device in devices])
        run_units(
            self.subject,
            self.store,
            units,
            num_workers=num_workers,
            engine=engine,
            address=address,
            on_progress=lambda p: self.on_progress(replace(p, total=max(p.total, total))),
        )
        return self.read(devices)

    def read(self, devices: Sequence[Device]) -> tuple[list[Reading], Draws]:
        """Read finished units."""
        draws = Draws(self.store, {unit.chain_key: unit for unit in self.units(devices)})
        readings: list[Reading] = []
        for device in devices:
            readings += device.read(self.subject, self.settings, draws)
        return readings, draws

    def conclude(self, flags: Verification, readings: list[Reading], draws: Draws) -> Examination:
        """Find the transitions, and put everything together."""
        found = find_transitions(readings, flags.flagged_edges)
        self.store.log("read", readings=len(readings), transitions=len(found))
        geometric = _geometric(found, readings)
        others = tuple(t for t in found if t not in geometric)
        return Examination(
            self.subject, self.settings, self.store, flags, tuple(readings), tuple(geometric), others, draws
        )


def settings_from(*given: dict[str, Any]) -> SamplerSettings:
    """Make settings from options, leaving out those that are None; later options come before earlier ones."""
    return SamplerSettings(**{name: v for options in given for name, v in options.items() if v is not None})
