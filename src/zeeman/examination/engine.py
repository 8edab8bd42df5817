"""Where units run: in this process, or on worker processes with one thread each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from zeeman.errors import ZeemanError
from zeeman.examination.store import Store
from zeeman.examination.subject import Subject
from zeeman.examination.unit import Unit
from zeeman.examination.worker import run_unit, stop_if_orphan

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


def run_units(
    subject: Subject,
    store: Store,
    units: list[Unit],
    *,
    num_workers: int = 1,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Run the units that the store does not hold yet; the caller has locked it.

    Every unit is a pure function of its key, so neither the number of workers nor the order changes what is stored.

    Parameters
    ----------
    subject : Subject
    store : Store
    units : list of Unit
    num_workers : int
        1 runs here; more run in processes of their own.
    on_progress : callable
        Told of every unit that ends.

    Raises
    ------
    ZeemanError
        If a worker dies.
    """
    missing = [unit for unit in units if not store.unit(unit).complete]
    done = len(units) - len(missing)
    # Unloaded draws take their energy from the loaded ones, so they come after.
    for stage in (("reference", "loaded", "curvature"), ("unloaded",)):
        batch = [unit for unit in missing if unit.kind in stage]
        finished = _here if num_workers == 1 or len(batch) <= 1 else _in_processes
        for unit in finished(subject, store, batch, num_workers):
            done += 1
            on_progress(Progress(done, len(units), unit))


def _here(subject: Subject, store: Store, units: list[Unit], _: int) -> Iterator[Unit]:
    with one_thread():
        for unit in units:
            run_unit(subject, store, unit)
            yield unit


def _in_processes(subject: Subject, store: Store, units: list[Unit], num_workers: int) -> Iterator[Unit]:
    import cloudpickle
    from loky import as_completed
    from loky.process_executor import ProcessPoolExecutor, TerminatedWorkerError

    executor = ProcessPoolExecutor(
        max_workers=min(num_workers, len(units)),
        initializer=_join,
        initargs=(cloudpickle.dumps(subject), str(store.path), os.getpid()),
        timeout=IDLE_SECONDS,
        env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )
    try:
        waiting = {executor.submit(_work, unit): unit for unit in units}
        for future in as_completed(waiting):
            future.result()
            yield waiting[future]
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


def _work(unit: Unit) -> None:
    store: Store = _worker["store"]
    with store.shared():
        stop_if_orphan(_worker["parent"])
        run_unit(_worker["subject"], store, unit, _worker["parent"])


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one torch thread, so that sums come out in the same order everywhere, and give back what was set."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
