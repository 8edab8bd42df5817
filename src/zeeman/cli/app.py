"""The command line's one app, and what its commands share."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from zeeman.errors import ZeemanError

if TYPE_CHECKING:
    from zeeman.examination import Device, Progress, SamplerSettings, Store
    from zeeman.probes import Library

app = App(
    name="zeeman",
    help="A spectroscope for neural networks: reads how degenerate a model is along its training, "
    "and dates its transitions.",
    version_flags=["--version"],
)
probes_app = App(name="probes", help="Look at libraries of probes.")
app.command(probes_app)
import_app = App(name="import", help="Read what other programs sampled.")
app.command(import_app)

StoreAt = Annotated[str, Parameter(help="Folder of the examination, or a URL such as s3://bucket/examination.")]
Json = Annotated[bool, Parameter(help="Print one JSON object and nothing else.")]
Disk = Annotated[
    float | None,
    Parameter(help="GB of disk that revisions fetched from a hub may take; by default all are kept in its cache."),
]
Workers = Annotated[int | None, Parameter(help="Processes, one thread each; by default one a core.")]


@Parameter(name="*")
@dataclass(frozen=True)
class Sampling:
    """Options of the sampler that commands share; None leaves the choice.

    Parameters
    ----------
    settings
        TOML file of sampler settings, such as calibrate writes; options given here come before it.
    """

    settings: Path | None = None
    lr: float | None = None
    n_beta: float | None = None
    localization: float | None = None
    num_chains: int | None = None
    num_draws: int | None = None
    num_burnin_steps: int | None = None
    num_steps_bw_draws: int | None = None
    batch_size: int | None = None
    method: str | None = None
    seed: int | None = None

    def chosen(self) -> SamplerSettings:
        """Put the options over those of the file."""
        from zeeman import examination as room

        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "settings"}
        return room.settings_from(room.read_settings(self.settings) if self.settings else {}, given)


@Parameter(name="*")
@dataclass(frozen=True)
class Measured:
    """What an examination measures.

    Parameters
    ----------
    at
        Steps at which susceptibilities are read; by default before, in and after the main transition.
    components
        What they are read of, such as l0h1 or "l0 attn"; by default embed, every head and unembed.
    density
        Read the density of states along a ladder in nβ too, and the spectrum of the Hessian.
    bands
        Find bands in the responses of tokens too: no more chains, but minutes of reading.
    rungs
        Multiples of nβ, such as 0.1 0.3 3, at which bands are looked for besides: chains of each component at each.
    order
        Ask whether the strongest transitions are of first or second order, by chains from before and after each.
    extrapolate
        Run chains at half the step size too, and read the learning coefficient at a step size of zero.
    """

    at: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = ()
    components: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ()
    density: bool = False
    bands: bool = False
    rungs: Annotated[tuple[float, ...], Parameter(consume_multiple=True)] = ()
    order: bool = False
    extrapolate: bool = False

    def devices(self) -> list[Device]:
        """The devices that measure it."""
        from zeeman import examination as room

        found: list[Device] = [
            room.LLC(self.extrapolate),
            room.Behaviours(),
            room.Susceptibilities(tuple(self.at), tuple(self.components)),
        ]
        if self.bands or self.rungs:
            found.append(room.Bands(tuple(self.at), tuple(self.components), tuple(self.rungs)))
        if self.order:
            found.append(room.Order())
        return [*found, room.Density(), room.HessianSpectrum()] if self.density else found


def bytes_of(disk: float | None) -> int | None:
    """GB as bytes."""
    return None if disk is None else int(disk * 1e9)


def count_workers(given: int | None) -> int:
    """Give the number of processes asked for, or one for each core."""
    if given is not None:
        return given
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def library_beside(store: str, probes: Path | None) -> Library:
    """Read the library that an examination was made with: the folder probes beside the store, unless another is named.

    Raises
    ------
    ZeemanError
        Where there is none.
    """
    from zeeman.examination.remote import is_url
    from zeeman.probes import open_library, published_libraries

    if probes is None and is_url(store):
        raise ZeemanError(f"no folder is beside {store}; name the folder of the library with --probes.")
    folder = probes or Path(store).absolute().parent / "probes"
    if not folder.is_dir() and str(folder) not in published_libraries():
        raise ZeemanError(f"expected the library's folder in {folder}, but it is none; name it with --probes.")
    return open_library(folder)


def write_page(content: dict[str, Any], store: Store) -> str:
    """Write the report of a store into it; gives where it stands."""
    from zeeman.console import write_report

    path = write_report(content, store.path / "report.html")
    store.publish(path.name)
    return f"{store.location}/{path.name}" if store.remote else str(path)


def print_table(columns: Iterable[str], rows: Iterable[Sequence[str]], right: Collection[int] = ()) -> None:
    """Print a table as wide as the terminal, columns of these numbers flush right, brackets in text as they are."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number in right else "left")
    for row in rows:
        table.add_row(*row)
    Console(width=None if Console().is_terminal else 200, markup=False).print(table)


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

    def domains(self, done: int, total: int) -> None:
        """Show how many domains of text are made."""
        self._update("corpus", done, total)

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
