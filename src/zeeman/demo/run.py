"""The demo: the main job on input that is always there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from zeeman.demo.training import TrainingSettings, train
from zeeman.errors import ZeemanError
from zeeman.examination import (
    DEVICES,
    Density,
    Device,
    Examination,
    HessianSpectrum,
    Progress,
    SamplerSettings,
    examine,
)
from zeeman.examination.engine import one_thread
from zeeman.probes import demo_library
from zeeman.subjects import Series

SETTINGS = SamplerSettings(lr=1.5e-3, num_chains=3, num_draws=32, num_burnin_steps=50, num_steps_bw_draws=5)
MEASURED: tuple[Device, ...] = (*DEVICES, Density(), HessianSpectrum())


def run_demo(
    folder: Path,
    *,
    training: TrainingSettings | None = None,
    settings: SamplerSettings = SETTINGS,
    devices: Sequence[Device] = MEASURED,
    num_workers: int = 2,
    on_step: Callable[[int, int], None] = lambda *_: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Examination:
    """Train a small language model with the recorder attached, then examine its checkpoints.

    A folder that holds a finished training is examined without training again; a torn training is begun anew.

    Parameters
    ----------
    folder : Path
        Gets ``run/`` (the series), ``probes/`` (the library) and ``examination/`` (the store).
    training : TrainingSettings or None
    settings : SamplerSettings
    devices : sequence of Device
        What is measured: everything, by default.
    num_workers : int
    on_step, on_progress : callable
        Told of training steps and of finished units.

    Returns
    -------
    Examination

    Raises
    ------
    ZeemanError
        If the folder holds something else.
    """
    training = training or TrainingSettings()
    library = demo_library()
    run, marker = folder / "run", folder / "trained"
    wanted = repr(training)
    if folder.exists() and any(folder.iterdir()) and not (folder / "probes").is_dir():
        raise ZeemanError(f"{folder} holds something else than a demo; name an empty folder.")
    if not marker.exists():
        library.to_folder(folder / "probes")
        shutil.rmtree(run, ignore_errors=True)
        with one_thread():
            train(run, library, training, on_step)
        marker.write_text(wanted)
    elif marker.read_text() != wanted:
        raise ZeemanError(f"{folder} holds a demo with other settings ({marker.read_text()}); name another folder.")
    return examine(
        Series.from_folder(run),
        library,
        folder / "examination",
        settings=settings,
        devices=devices,
        num_workers=num_workers,
        on_progress=on_progress,
    )
