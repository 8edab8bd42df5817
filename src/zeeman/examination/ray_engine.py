"""Jobs as tasks on a Ray cluster, on this machine or many: the scheduling is Ray's, the units are ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zeeman.errors import ZeemanError
from zeeman.examination.store import Store
from zeeman.examination.subject import Subject
from zeeman.examination.unit import Unit

if TYPE_CHECKING:
    from zeeman.examination.engine import Job

MAX_RETRIES = 8
"""Times that a job is begun again when its worker or node is lost; it goes on from its last block."""
PATIENCE = 10.0
"""Seconds that a cluster's port may take to answer."""
WAITING = 4
"""Tasks in flight for each job that can run at once, so that a queue of millions is never laid out."""


def on_ray(
    subject: Subject, store: Store, jobs: list[Job], num_workers: int | None, address: str | None
) -> Iterator[Unit]:
    """Run jobs as Ray tasks of one core each, and give their units as they end.

    Every unit is a pure function of its key and writes its own place in the store, so any worker may run it, and one
    that dies is replaced: the task is begun again and goes on from the unit's last block. The subject is put into the
    object store once. Results are not sent through Ray at all: they are in the store, which every node must see under
    the same path.

    Parameters
    ----------
    subject : Subject
    store : Store
    jobs : list of Job
    num_workers : int or None
        Cores of a cluster that is begun here; not used with an address.
    address : str or None
        Of a running cluster, as ``ray.init`` takes it; None begins one on this machine and ends it.

    Raises
    ------
    ZeemanError
        Without Ray, without the cluster, or if a job fails or loses its worker too often.
    """
    ray = _ray()
    begun = not ray.is_initialized()
    if begun:
        _begin(ray, num_workers, address)
    try:
        yield from _run(ray, subject, store, jobs)
    finally:
        if begun:
            ray.shutdown()


def _run(ray: Any, subject: Subject, store: Store, jobs: list[Job]) -> Iterator[Unit]:
    import cloudpickle

    shared, path = ray.put(cloudpickle.dumps(subject)), str(store.path.absolute())
    task = ray.remote(num_cpus=1, max_retries=MAX_RETRIES)(_work)
    left = list(reversed(jobs))
    waiting: dict[Any, Job] = {}
    while left or waiting:
        room = WAITING * max(1, int(ray.cluster_resources().get("CPU", 1)))
        while left and len(waiting) < room:
            job = left.pop()
            waiting[task.remote(shared, path, cloudpickle.dumps(job))] = job
        for done in ray.wait(list(waiting), num_returns=1)[0]:
            job = waiting.pop(done)
            _confirm(ray, done, job)
            yield from job.units


def _confirm(ray: Any, done: Any, job: Job) -> None:
    try:
        ray.get(done)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ZeemanError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise ZeemanError(
            f"the worker of {job.units[0]} was lost {MAX_RETRIES} times over, most often for want of memory; give "
            "nodes more of it, and run again: it goes on from there."
        ) from error


_worker: dict[bytes, Subject] = {}


def _work(subject: bytes, path: str, job: bytes) -> None:
    """Run in a worker: one thread, and the subject laid out once a process."""
    import hashlib

    import cloudpickle
    import torch

    from zeeman.examination.engine import run_job

    torch.set_num_threads(1)
    key = hashlib.sha256(subject).digest()
    if key not in _worker:
        _worker.clear()
        _worker[key] = cloudpickle.loads(subject)
    store = Store(path)
    with store.shared():
        run_job(_worker[key], store, cloudpickle.loads(job))


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ZeemanError(
            "the engine ray needs the package ray, which is not installed: pip install 'zeeman[ray]'."
        ) from error
    return ray


def _begin(ray: Any, num_workers: int | None, address: str | None) -> None:
    options: dict[str, Any] = {"address": address} if address else {"num_cpus": num_workers, "include_dashboard": False}
    environment = {"env_vars": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}}
    try:
        _knock(address)
        ray.init(**options, runtime_env=environment, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError) as error:
        raise ZeemanError(
            f"no Ray cluster answers at {address or 'this machine'}: start one with ray start --head, or leave the "
            "address out."
        ) from error


def _knock(address: str | None) -> None:
    """Try the port of an address, for which Ray itself waits many minutes."""
    place = urlsplit(address if address and "//" in address else f"//{address or ''}")
    if place.hostname and place.port:
        with socket.create_connection((place.hostname, place.port), timeout=PATIENCE):
            pass
