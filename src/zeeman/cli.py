"""The command line: the only room, with the console, that talks to people."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from zeeman.errors import ZeemanError

if TYPE_CHECKING:
    from zeeman.examination import Examination, Progress, SamplerSettings

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


@app.command
def demo(
    folder: Path = Path("zeeman-demo"),
    /,
    *,
    seed: int = 0,
    steps: int = 3000,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Train a small language model with the live device attached, examine it, and write the report.

    Parameters
    ----------
    folder
        Where everything goes; a demo that was stopped goes on from there.
    seed
        Seed of the model, its data and the chains.
    steps
        Training steps.
    """
    started = time.monotonic()
    from zeeman.demo import TrainingSettings, run_demo
    from zeeman.demo.run import SETTINGS

    if not json:
        print("Training takes about a minute, examining some six more on two cores.", file=sys.stderr)
    with _progress(json) as show:
        examination = run_demo(
            folder,
            training=TrainingSettings(num_steps=steps, seed=seed),
            settings=_with_seed(SETTINGS, seed),
            num_workers=_workers(workers),
            on_step=show.training,
            on_progress=show.units,
        )
    _conclude(examination, folder / "report.html", started, json)


@app.command
def examine(
    series: str,
    /,
    *,
    probes: Path,
    out: Path = Path("examination"),
    at: tuple[int, ...] = (),
    components: tuple[str, ...] = (),
    lr: float | None = None,
    n_beta: float | None = None,
    localization: float | None = None,
    num_chains: int | None = None,
    num_draws: int | None = None,
    num_burnin_steps: int | None = None,
    num_steps_bw_draws: int | None = None,
    batch_size: int | None = None,
    method: str | None = None,
    seed: int | None = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Examine a series of checkpoints with a library of probes.

    Parameters
    ----------
    series
        Folder of checkpoints, or repo@revisions such as EleutherAI/pythia-14m@step{0..143000}.
    probes
        Folder of the library.
    out
        Folder of the examination; one that was stopped goes on from there.
    at
        Steps at which susceptibilities are read; by default before, in and after the main transition.
    components
        What they are read of, such as l0h1 or "l0 attn"; by default embed, every head and unembed.
    """
    started = time.monotonic()
    from zeeman import examination as room
    from zeeman.probes import Library
    from zeeman.subjects import Series

    settings = room.settings_from(
        {
            "lr": lr,
            "n_beta": n_beta,
            "localization": localization,
            "num_chains": num_chains,
            "num_draws": num_draws,
            "num_burnin_steps": num_burnin_steps,
            "num_steps_bw_draws": num_steps_bw_draws,
            "batch_size": batch_size,
            "method": method,
            "seed": seed,
        }
    )
    devices = (room.LLC(), room.Behaviours(), room.Susceptibilities(tuple(at), tuple(components)))
    with _progress(json) as show:
        found = room.examine(
            Series.from_spec(series),
            Library.from_folder(probes),
            out,
            settings=settings,
            devices=devices,
            num_workers=_workers(workers),
            on_progress=show.units,
        )
    _conclude(found, out / "report.html", started, json)


@app.command
def verify(series: str, /, *, json: Json = False) -> None:
    """Look for faults in a series: duplicates, final-era weights under an early step, jumps, gaps.

    Exits with 1 when it finds any.
    """
    from dataclasses import asdict

    from zeeman.subjects import Series

    opened = Series.from_spec(series)
    flags = opened.verify().flags
    if json:
        _print_json({"series": opened.name, "checkpoints": len(opened), "flags": [asdict(flag) for flag in flags]})
    else:
        for flag in flags:
            print(flag.sentence)
        print(f"{len(opened)} checkpoints, {len(flags)} flagged.")
    if flags:
        raise SystemExit(1)


@app.command
def plan(
    series: str,
    /,
    *,
    probes: Path,
    num_chains: int | None = None,
    num_draws: int | None = None,
    batch_size: int | None = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Say what an examination would cost: units, time and bytes.

    Parameters
    ----------
    series
        As for examine.
    probes
        Folder of the library.
    """
    from zeeman import examination as room
    from zeeman.probes import Library
    from zeeman.subjects import Series

    settings = room.settings_from({"num_chains": num_chains, "num_draws": num_draws, "batch_size": batch_size})
    subject = room.Subject(Series.from_spec(series), Library.from_folder(probes))
    subject.check()
    cost = room.plan(subject, settings, num_workers=_workers(workers))
    if json:
        _print_json(cost.as_dict())
    else:
        print(f"{cost.units} units: {cost.gradient_steps} gradient steps and {cost.forward_rows} rows forward.")
        print(f"About {_clock(cost.seconds)} on {_workers(workers)} workers, and {cost.bytes / 1e6:.0f} MB at most.")


@app.command
def report(store: Path, /, *, out: Path | None = None) -> None:
    """Draw the report of an examination again.

    Parameters
    ----------
    store
        Folder of the examination.
    out
        File to write; by default report.html in the store.
    """
    from zeeman.console import write_report
    from zeeman.examination import Store

    document = Store.open(store).read_reading("document")
    if document is None:
        raise ZeemanError(
            f"the examination in {store} was not finished; run zeeman examine again, and it goes on from there."
        )
    print(write_report(document, out or store / "report.html"))


@probes_app.command(name="list")
def list_probes(library: Path | None = None, /, *, json: Json = False) -> None:
    """List the probes of a library; without a folder, those of the demo."""
    from zeeman.probes import Library, demo_library

    held = Library.from_folder(library) if library else demo_library()
    rows: list[dict[str, Any]] = [
        {
            "name": p.name,
            "rows": len(p.inputs),
            "scored": int(p.scored.sum()),
            "metric": p.metric,
            "concepts": list(p.concepts),
        }
        for p in held.probes.values()
    ]
    if json:
        _print_json({"library": held.name, "probes": rows})
        return
    for row in rows:
        concepts = ", ".join(row["concepts"])
        print(f"{row['name']:<16} {row['rows']:>5} rows {row['scored']:>7} scored  {row['metric']:<9} {concepts}")


def main() -> None:
    """Run the command line; a mistake of the user is one sentence on stderr and status 2."""
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False, error_formatter=str)
    except (ZeemanError, CycloptsError) as error:
        print(f"zeeman: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("zeeman: stopped; run the same command again, and it goes on from there.", file=sys.stderr)
        raise SystemExit(130) from None


def _workers(given: int | None) -> int:
    if given is not None:
        return given
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _with_seed(settings: SamplerSettings, seed: int) -> SamplerSettings:
    from dataclasses import replace

    return replace(settings, seed=seed)


def _conclude(examination: Examination, path: Path, started: float, as_json: bool) -> None:
    """Write the readings and the report, and tell what was found."""
    from zeeman.console import write_report
    from zeeman.examination import document

    content = document(examination)
    examination.store.write_reading("document", content)
    write_report(content, path)
    seconds = time.monotonic() - started
    if as_json:
        _print_json(
            {
                "seconds": round(seconds, 1),
                "checkpoints": len(examination.subject.series),
                "transitions": [
                    {
                        "interval": t["interval"],
                        "date": t["date"],
                        "probes": [p["name"] for p in t["probes"]],
                        "components": list(dict.fromkeys(c["name"] for c in t["components"])),
                        "signals": t["signals"],
                    }
                    for t in content["transitions"]
                ],
                "behaviour_changes": content["behaviour_changes"],
                "llc": [{k: row[k] for k in ("step", "mean", "se", "verdict")} for row in content["llc"]],
                "report": str(path.resolve()),
            }
        )
        return
    print(f"Report: {path.resolve()} ({_clock(seconds)})")
    print("\n".join(content["headline"][:4]))


def _print_json(content: dict[str, Any]) -> None:
    print(json.dumps(content))


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Show:
    """Progress bars for training and for units."""

    def __init__(self, bars: Any) -> None:
        self.bars = bars
        self.tasks: dict[str, Any] = {}

    def training(self, done: int, total: int) -> None:
        self._update("training", done, total)

    def units(self, progress: Progress) -> None:
        self._update("examining", progress.done, progress.total)

    def _update(self, name: str, done: int, total: int) -> None:
        if name not in self.tasks:
            self.tasks[name] = self.bars.add_task(name, total=total)
        self.bars.update(self.tasks[name], completed=done, total=total)


@contextmanager
def _progress(quiet: bool) -> Iterator[_Show]:
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
        yield _Show(bars)


if __name__ == "__main__":
    main()
