"""Units on a Ray cluster: the same bits as here, whatever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from examination.test_engine import SETTINGS, tree
from zeeman.errors import ZeemanError
from zeeman.examination import Store, Subject
from zeeman.examination.devices import chains
from zeeman.examination.engine import run_units
from zeeman.examination.unit import Unit
from zeeman.probes import Library
from zeeman.subjects import Series

pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning")


def many(subject: Subject) -> list[Unit]:
    return [
        unit
        for checkpoint in subject.series.checkpoints[-3:]
        for component in ("l0h0", "unembed", "full")
        for unit in chains(subject, checkpoint, SETTINGS, component)
    ]


def workers_of(driver: int) -> list[psutil.Process]:
    """Processes in which Ray runs tasks, of clusters that this driver began."""
    found = []
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if "ray::_work" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_cluster_stores_the_same_bits_though_its_workers_are_killed(
    tiny_folder: Path, library: Library, tmp_path: Path
) -> None:
    subject = Subject(Series.from_folder(tiny_folder), library)
    units = many(subject)
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    run_units(subject, here, units)
    killed, over = [], threading.Event()

    def kill() -> None:
        while not over.wait(0.2) and len(killed) < 3:
            for process in workers_of(os.getpid())[:1]:
                process.send_signal(signal.SIGKILL)
                killed.append(process.pid)
                time.sleep(0.5)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        with there.locked():
            run_units(subject, there, units, num_workers=2, engine="ray")
    finally:
        over.set()
        thread.join()
    assert killed
    assert tree(there) == tree(here)


def test_a_driver_that_is_killed_is_gone_on_from(tiny_folder: Path, library: Library, tmp_path: Path) -> None:
    subject = Subject(Series.from_folder(tiny_folder), library)
    library.to_folder(tmp_path / "library")
    units = many(subject)
    here = Store(tmp_path / "here")
    run_units(subject, here, units)
    script = (
        "import sys; from pathlib import Path\n"
        "from examination.test_ray import many\n"
        "from zeeman.examination import Store, Subject\n"
        "from zeeman.examination.engine import run_units\n"
        "from zeeman.probes import Library\n"
        "from zeeman.subjects import Series\n"
        "subject = Subject(Series.from_folder(sys.argv[1]), Library.from_folder(sys.argv[2]))\n"
        "store = Store(sys.argv[3])\n"
        "with store.locked():\n"
        "    run_units(subject, store, many(subject), num_workers=2, engine='ray')\n"
    )
    command = [sys.executable, "-c", script, str(tiny_folder), str(tmp_path / "library"), str(tmp_path / "there")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    there = Store(tmp_path / "there")
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as driver:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not any((there.path / "units").glob("*/complete")):
            time.sleep(0.05)
        driver.kill()
    assert any((there.path / "units").glob("*/complete"))
    with there.locked():  # waits for what is left of the workers
        run_units(subject, there, units)
    assert tree(there) == tree(here)


def test_a_cluster_that_is_not_there_is_told_in_a_sentence(tiny_folder: Path, library: Library, tmp_path: Path) -> None:
    subject = Subject(Series.from_folder(tiny_folder), library)
    units = many(subject)[:2]
    store = Store(tmp_path / "store")
    with store.locked(), pytest.raises(ZeemanError, match="no Ray cluster answers"):
        run_units(subject, store, units, engine="ray", address="127.0.0.1:1")
    with pytest.raises(ZeemanError, match="engine must be one of processes, ray"):
        run_units(subject, store, units, engine="slurm")  # type: ignore[arg-type]
