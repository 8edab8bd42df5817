"""Where units run: in this process, or on worker processes with one thread each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch

from zeeman.errors import ZeemanError
from zeeman.examination.inheritance import relatives
from zeeman.examination.ray_engine import on_ray
from zeeman.examination.store import Store
from zeeman.examination.subject import Subject
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.examination.worker import CHAINS_TOGETHER, run_together, run_unit, stop_if_orphan
from zeeman.sampling import LocalPosterior, better_together

EngineName = Literal["processes", "ray"]
IDLE_SECONDS = 20.0
"""A worker that waits longer for work ends, so that none outlives a run that was killed."""


@dataclass(frozen=True)
class Progress:
    """One unit has ended.

    Parameters
    ----------
    done, total : int
        Units so far and in all.
    unit : Unit
    """

    done: int
    total: int
    unit: Unit


@dataclass(frozen=True)
class Job:
    """What one worker runs at a time: a unit, or the chains of a block together."""

    together: bool
    units: list[Unit]
    known: list[Unit] = field(default_factory=list)
    """Finished units of the same walks."""


def run_units(
    subject: Subject,
    store: Store,
    units: list[Unit],
    *,
    num_workers: int = 1,
    engine: EngineName = "processes",
    address: str | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Run the units that the store does not hold yet; the caller has locked it.

    Every unit is a pure function of its key, so neither the number of workers nor the order changes what is stored.
    Chains of small models run together (`better_together`), others one by one.

    Parameters
    ----------
    subject : Subject
    store : Store
    units : list of Unit
    num_workers : int
        1 runs here; more run in processes of their own.
    engine : {"processes", "ray"}
        Worker processes of this machine, or tasks of a Ray cluster.
    address : str or None
        Of a running Ray cluster; None begins one here.
    on_progress : callable
        Told of every unit that ends.

    Raises
    ------
    ZeemanError
        If a worker dies, or for another engine.
    """
    if engine not in get_args(EngineName):
        raise ZeemanError(f"engine must be one of {', '.join(get_args(EngineName))}, got {engine!r}; choose one.")
    missing = [unit for unit in units if not store.unit(unit).settle()]
    done, known = len(units) - len(missing), relatives(store, missing)
    for unit in (one for each in known.values() for one in each):
        store.unit(unit)  # so that it is on this machine, where workers look
    for unit in set(units) - set(missing):
        store.publish_unit(unit)  # settled only now
    # Unloaded draws take their energy from the loaded ones, so they come after.
    for stage in (("reference", "loaded", "curvature", "ablation"), ("unloaded",)):
        jobs = _jobs(subject, [unit for unit in missing if unit.kind in stage], known)
        if engine == "ray":
            finished = on_ray(subject, store, jobs, num_workers, address)
        elif num_workers == 1 or len(jobs) <= 1:
            finished = _here(subject, store, jobs)
        else:
            finished = _in_processes(subject, store, jobs, num_workers)
        for unit in finished:
            store.publish_unit(unit)
            done += 1
            on_progress(Progress(done, len(units), unit))


def first_posterior(subject: Subject, settings: SamplerSettings, component: str = "full") -> LocalPosterior:
    """The posterior at the first checkpoint, whose shapes are those of the whole series."""
    return subject.posterior(
        subject.series.checkpoints[0],
        component,
        n_beta=settings.n_beta,
        localization=settings.localization,
        batch_size=settings.batch_size,
    )


def _jobs(subject: Subject, units: list[Unit], known: Mapping[str, list[Unit]]) -> list[Job]:
    """Group chains of one setting that run together; every other unit is a job of its own."""
    ways: dict[str, bool] = {}
    jobs: dict[Unit, Job] = {}
    for unit in units:
        if unit.kind == "loaded" and unit.settings and unit.component not in ways:
            posterior = first_posterior(subject, unit.settings, unit.component)
            ways[unit.component] = better_together(posterior, unit.sampler)
        together = unit.kind == "loaded" and ways[unit.component]
        name = replace(unit, chain=unit.chain // CHAINS_TOGETHER) if together else unit
        job = jobs.setdefault(name, Job(together, []))
        job.units.append(unit)
        job.known.extend(known[unit.walk_key])
    return list(jobs.values())


def run_job(subject: Subject, store: Store, job: Job, parent: int | None = None) -> None:
    """Run the units of a job."""
    if job.together:
        run_together(subject, store, job.units, parent, job.known)
    else:
        run_unit(subject, store, job.units[0], parent, job.known)


def _here(subject: Subject, store: Store, jobs: list[Job]) -> Iterator[Unit]:
    with one_thread():
        for job in jobs:
            run_job(subject, store, job)
            yield from job.units


def _in_processes(subject: Subject, store: Store, jobs: list[Job], num_workers: int) -> Iterator[Unit]:
    import cloudpickle
    from loky import as_completed
    from loky.process_executor import ProcessPoolExecutor, TerminatedWorkerError

    executor = ProcessPoolExecutor(
        max_workers=min(num_workers, len(jobs)),
        initializer=_join,
        initargs=(cloudpickle.dumps(subject), str(store.path), os.getpid()),
        timeout=IDLE_SECONDS,
        env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )
    try:
        waiting = {executor.submit(_work, job): job for job in jobs}
        for future in as_completed(waiting):
            future.result()
            yield from waiting[future].units
    except TerminatedWorkerError as error:
        raise ZeemanError(
            "a worker process died, most often for want of memory; run again with fewer workers, "
            "and it goes on from there."
        ) from error
    finally:
        executor.shutdown(wait=True, kill_workers=True)


_worker: dict[str, Any] = {}


def _join(subject: bytes, store: str, parent: int) -> None:
    import cloudpickle

    torch.set_num_threads(1)
    opened = Store(store)
    _worker.update(subject=cloudpickle.loads(subject), store=opened, parent=parent)


def _work(job: Job) -> None:
    store: Store = _worker["store"]
    with store.shared():
        stop_if_orphan(_worker["parent"])
        run_job(_worker["subject"], store, job, _worker["parent"])


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one torch thread, so that sums come out in the same order everywhere, and give back what was set."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
