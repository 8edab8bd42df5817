"""Examine checkpoints while they arrive: what is whole and not examined yet is, one checkpoint after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median

from torch import Tensor, nn

from zeeman.errors import ZeemanError
from zeeman.examination.device import Device
from zeeman.examination.devices import LLC, Behaviours, Susceptibilities
from zeeman.examination.engine import Progress
from zeeman.examination.run import Examination, Session, check
from zeeman.examination.store import Store
from zeeman.examination.subject import Subject
from zeeman.examination.unit import SamplerSettings
from zeeman.probes import Library
from zeeman.sampling import Loss, language_model_loss
from zeeman.subjects import Checkpoint, Series
from zeeman.subjects.arrivals import Arrivals, Look, Signature
from zeeman.subjects.sources import open_folder

SETTLE_SECONDS = 1.0
"""Wait at most between the two looks that one pass needs to tell whole checkpoints from those being written."""

PER_CHECKPOINT: tuple[Device, ...] = (LLC(), Behaviours())


@dataclass(frozen=True, eq=False)
class Round:
    """What a watch tells: a checkpoint was examined, or news about the folder, or that it ends.

    Parameters
    ----------
    step : int or None
        Checkpoint that was examined in this round.
    examination : Examination or None
        Of all checkpoints examined so far.
    seconds : float
        How long the round took.
    waiting : tuple of int
        Steps that are whole and not examined; in the last round those that are left out.
    news : tuple of str
        Sentences about what can't be examined, each told once.
    """

    step: int | None
    examination: Examination | None
    seconds: float
    waiting: tuple[int, ...]
    news: tuple[str, ...]


def next_step(waiting: Sequence[int], examined: Collection[int]) -> int:
    """Choose what to examine next when not all can be.

    The newest of all, and in turn with it the step whose log(1 + step) is farthest from those examined: a watch that
    keeps up examines all, one that does not stays with the training and fills in log-spaced.

    Examples
    --------
    >>> chosen = []
    >>> while len(chosen) < 5:
    ...     chosen.append(next_step([s for s in (0, 1, 3, 7, 15, 31, 63, 127) if s not in chosen], chosen))
    >>> chosen
    [127, 0, 15, 3, 63]
    """
    if not examined or (len(examined) % 2 == 0 and max(waiting) > max(examined)):
        return max(waiting)
    return max(waiting, key=lambda s: (min(abs(math.log1p(s) - math.log1p(t)) for t in examined), s))


def watch(
    folder: str | Path,
    library: Library,
    store: str | Path,
    *,
    settings: SamplerSettings | None = None,
    devices: Sequence[Device] = PER_CHECKPOINT,
    loss: Loss = language_model_loss,
    make_model: Callable[[], nn.Module] | None = None,
    num_workers: int = 1,
    budget: float = math.inf,
    poll: float = 10.0,
    once: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Generator[Round, None, None]:
    """Examine the checkpoints of a folder while a training fills it.

    What was examined stays in the store, which is locked meanwhile: a watch that was killed goes on where it stood, and
    readings outlive checkpoints that the training deletes. A checkpoint is looked at once it is whole.

    Parameters
    ----------
    folder : path
        What a `Recorder`, a Trainer or a loop writes; need not be there yet.
    library : Library
    store : path
    settings : SamplerSettings or None
        None: the defaults.
    devices : sequence of Device
        Those that read each checkpoint for itself; `Susceptibilities` need steps.
    loss : callable
    make_model : callable or None
        Gives the architecture where the folder does not.
    num_workers : int
    budget : float
        Seconds of work, without waiting; kept to within a unit. The first checkpoint is always begun.
    poll : float
        Seconds between looks.
    once : bool
        End when nothing is left to examine, instead of waiting for more.
    on_progress : callable

    Yields
    ------
    Round

    Raises
    ------
    ZeemanError
        For settings, a library or a store that can't be used.
    """
    if not poll > 0 or not budget > 0:
        raise ZeemanError(f"poll and budget must be positive, got {poll} and {budget}; give seconds and minutes.")
    if any(isinstance(device, Susceptibilities) and not device.steps for device in devices):
        raise ZeemanError(
            "a watch reads susceptibilities at steps that are named, got none; name some, or leave them out."
        )
    held = _Watch(
        Arrivals(folder), make_model, library, loss, tuple(devices), settings or SamplerSettings(), Store(store),
        num_workers, _Clock(budget), on_progress,
    )  # fmt: skip
    with held.store.locked():
        yield from held.rounds(poll, once)


@dataclass
class _Clock:
    """Seconds of work, which a budget bounds."""

    budget: float
    spent: float = 0.0
    rounds: list[float] = field(default_factory=list)
    since: float | None = None

    def start(self) -> None:
        """Begin a round."""
        self.since = time.monotonic()

    def stop(self, whole: bool) -> float:
        """End what was begun, a whole round or less; gives its seconds."""
        seconds = time.monotonic() - (self.since or 0.0)
        self.spent, self.since = self.spent + seconds, None
        if whole:
            self.rounds.append(seconds)
        return seconds

    @property
    def over(self) -> bool:
        """Whether the budget is spent."""
        running = 0.0 if self.since is None else time.monotonic() - self.since
        return self.spent + running > self.budget

    @property
    def has_time(self) -> bool:
        """Whether a round as long as those before would fit; the first always does."""
        return not self.rounds or self.spent + median(self.rounds) <= self.budget


class _OutOfTimeError(Exception):
    pass


@dataclass(eq=False)
class _Watch:
    arrivals: Arrivals
    make_model: Callable[[], nn.Module] | None
    library: Library
    loss: Loss
    devices: tuple[Device, ...]
    settings: SamplerSettings
    store: Store
    num_workers: int
    clock: _Clock
    on_progress: Callable[[Progress], None]
    told: set[str] = field(default_factory=set)
    digests: dict[tuple[Path, Signature], str] = field(default_factory=dict)
    unreadable: dict[tuple[Path, Signature], str] = field(default_factory=dict)
    finished: dict[tuple[int, str], bool] = field(default_factory=dict)
    components: tuple[str, ...] = ()
    failure: tuple[str, dict[int, Signature]] | None = None

    def rounds(self, poll: float, once: bool) -> Iterator[Round]:
        """Examine what arrives until time runs out or, for one pass, nothing is left."""
        if once:
            self.arrivals.look()
            time.sleep(min(poll, SETTLE_SECONDS))
        ends = False
        while not ends:
            self.clock.start()
            look = self.arrivals.look()
            try:
                present, faults = self._present(look)
                done = {c.step for c in present or () if self._is_finished(c)}
                waiting = tuple(c.step for c in present or () if c.step not in done)
                works = bool(waiting) and self.clock.has_time
                step, found = self._attempt(present, done, waiting) if present and works else (None, None)
            except ZeemanError as error:
                self._raise_what_stays(error, look)
                self.clock.stop(whole=False)
                time.sleep(min(poll, SETTLE_SECONDS))
                continue
            seconds = self.clock.stop(found is not None)
            ends = self.clock.over or (not works and (once or bool(waiting)))
            news = self._news(faults | look.unsettled if ends else faults)
            if found or ends or news:
                yield Round(step, found, seconds, tuple(s for s in waiting if s != step), news)
            if not (works or ends):
                time.sleep(poll)

    def _raise_what_stays(self, error: ZeemanError, look: Look) -> None:
        """Raise an error at its second time; at the first, checkpoints may have vanished that are back by now."""
        before, self.failure = self.failure, (str(error), look.signatures)
        if before == self.failure and all(place.is_dir() for place in look.whole.values()):
            raise error

    def _news(self, faults: Mapping[Path, str]) -> tuple[str, ...]:
        found = tuple(sentence for sentence in faults.values() if sentence not in self.told)
        self.told.update(found)
        return found

    def _present(self, look: Look) -> tuple[Series | None, dict[Path, str]]:
        """The whole checkpoints whose weights are those that the store knows, with digests; and what is wrong."""
        faults = dict(look.faults)
        if not look.whole:
            return None, faults
        opened = Series(*open_folder(self.arrivals.folder, self.make_model, list(look.whole.values())))
        held = self.store.manifest()
        kept = []
        for checkpoint in opened:
            place, key = look.whole[checkpoint.step], (look.whole[checkpoint.step], look.signatures[checkpoint.step])
            if fault := self._digest(checkpoint, key):
                faults[place] = fault
            elif held and held.weights.get(checkpoint.step, checkpoint.digest) != checkpoint.digest:
                faults[place] = (
                    f"{place.name} holds other weights than when it was examined; it is left out, examine it into "
                    "another folder."
                )
            else:
                kept.append(checkpoint)
        if not kept:
            return None, faults
        series = replace(opened, checkpoints=tuple(kept))
        if not self.components and any(isinstance(device, Susceptibilities) for device in self.devices):
            self.components = tuple(self._session(series).subject.heads())
        return series, faults

    def _digest(self, checkpoint: Checkpoint, key: tuple[Path, Signature]) -> str:
        """Set the digest of a checkpoint, computed once for as long as its files stay; gives what is wrong with it."""
        if key in self.digests:
            checkpoint.__dict__["digest"] = self.digests[key]
        elif key not in self.unreadable:
            try:
                self.digests[key] = checkpoint.digest
            except ZeemanError as error:
                self.unreadable[key] = str(error)
        return self.unreadable.get(key, "")

    def _devices(self, steps: Collection[int]) -> list[Device]:
        """The devices with those of their steps that are there."""
        found: list[Device] = []
        for device in self.devices:
            if isinstance(device, Susceptibilities):
                at = tuple(step for step in device.steps if step in steps)
                if at:
                    found.append(replace(device, steps=at, components=device.components or self.components))
            else:
                found.append(device)
        return found

    def _session(self, series: Series) -> Session:
        return Session(
            Subject(series, self.library, self.loss),
            self.settings,
            self.store,
            (self.num_workers, "processes", None),
            self._on_progress,
        )

    def _on_progress(self, progress: Progress) -> None:
        self.on_progress(progress)
        if self.clock.over and progress.done < progress.total:
            raise _OutOfTimeError

    def _is_finished(self, checkpoint: Checkpoint) -> bool:
        """Whether the store holds all units of a checkpoint."""
        key = checkpoint.step, checkpoint.digest
        if not self.finished.get(key):
            session = self._session(_alone(checkpoint))
            units = session.units(self._devices([checkpoint.step]))
            self.finished[key] = all(self.store.unit(unit).complete for unit in units)
        return self.finished[key]

    def _gone(self, present: Series) -> list[Checkpoint]:
        """Checkpoints that were examined and are not there any more."""
        held = self.store.manifest()
        others = [(s, digest) for s, digest in (held.weights if held else {}).items() if s not in present.steps]
        found = [Checkpoint(step, partial(_no_weights, step), "the store") for step, _ in others]
        for checkpoint, (_, digest) in zip(found, others, strict=True):
            checkpoint.__dict__["digest"] = digest
        return [checkpoint for checkpoint in found if self._is_finished(checkpoint)]

    def _attempt(
        self, present: Series, done: Collection[int], waiting: Sequence[int]
    ) -> tuple[int | None, Examination | None]:
        """Examine one more; nothing when time runs out."""
        step = next_step(waiting, {*done, *(c.step for c in self._gone(present))})
        try:
            return step, self._examine(present, {*done, step})
        except _OutOfTimeError:
            return None, None

    def _examine(self, present: Series, steps: Collection[int]) -> Examination:
        chosen = replace(present, checkpoints=tuple(c for c in present if c.step in steps))
        session = self._session(chosen)
        check(session.subject, self.settings, self._devices(chosen.steps))
        flags = present.verify()
        session.claim()
        session.measure(self._devices(chosen.steps))
        everything = self._session(replace(chosen, checkpoints=(*chosen.checkpoints, *self._gone(present))))
        return everything.conclude(flags, *everything.read(self._devices(everything.subject.series.steps)))


def _alone(checkpoint: Checkpoint) -> Series:
    return Series("one", (checkpoint,), nn.Identity)


def _no_weights(step: int) -> dict[str, Tensor]:
    raise ZeemanError(f"The weights of step {step} are gone; what was read of them is in the store.")
