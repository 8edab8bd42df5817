"""The command line's one app, and what its commands share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from zeeman.examination import Progress

app = App(
    name="zeeman",
    help="A spectroscope for neural networks: reads how degenerate a model is along its training, "
    "and dates its transitions.",
    version_flags=["--version"],
)
probes_app = App(name="probes", help="Look at libraries of probes.")
app.command(probes_app)

Json = Annotated[bool, Parameter(help="Print one JSON object and nothing else.")]
Workers = Annotated[int | None, Parameter(help="Processes, one thread each; by default one a core.")]


def count_workers(given: int | None) -> int:
    """Give the number of processes asked for, or one for each core."""
    if given is not None:
        return given
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object on a line."""
    print(json.dumps(content))


def clock(seconds: float) -> str:
    """Say a duration in the unit that fits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Show:
    """Progress bars for training and for units."""

    def __init__(self, bars: Any) -> None:
        self.bars = bars
        self.tasks: dict[str, Any] = {}

    def training(self, done: int, total: int) -> None:
        """Show how far training is."""
        self._update("training", done, total)

    def units(self, progress: Progress) -> None:
        """Show how many units are done."""
        self._update("examining", progress.done, progress.total)

    def steps(self, done: int, total: int) -> None:
        """Show how far a sampler is."""
        self._update("sampling", done, total)

    def _update(self, name: str, done: int, total: int) -> None:
        if name not in self.tasks:
            self.tasks[name] = self.bars.add_task(name, total=total)
        self.bars.update(self.tasks[name], completed=done, total=total)


@contextmanager
def progress_bars(quiet: bool) -> Iterator[Show]:
    """Draw progress bars on stderr while a command runs, unless ``quiet``."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bars:
        yield Show(bars)
