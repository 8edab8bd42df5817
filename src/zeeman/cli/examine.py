"""Commands that examine a series and tell what was found."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from zeeman.cli.app import Json, Measured, Sampling, Workers, app, clock, count_workers, print_json, progress_bars
from zeeman.errors import ZeemanError

if TYPE_CHECKING:
    from zeeman.examination import Examination, SamplerSettings


_LLC_FIGURES = ("step", "mean", "se", "verdict", "extrapolated", "extrapolated_se", "extrapolated_verdict")


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
        print("Training takes about a minute, examining some eight more on two cores.", file=sys.stderr)
    with progress_bars(json) as show:
        examination = run_demo(
            folder,
            training=TrainingSettings(num_steps=steps, seed=seed),
            settings=_with_seed(SETTINGS, seed),
            num_workers=count_workers(workers),
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
    measured: Measured = Measured(),  # noqa: B008
    sampling: Sampling = Sampling(),  # noqa: B008
    workers: Workers = None,
    engine: Literal["processes", "ray"] = "processes",
    address: str | None = None,
    json: Json = False,
) -> None:
    """Examine a series of checkpoints with a library of probes.

    Parameters
    ----------
    series
        Folder of checkpoints, or repo@revisions such as EleutherAI/pythia-14m@step{0..143000}.
    probes
        Folder of the library, or the name of one that an installed package publishes.
    out
        Folder of the examination; one that was stopped goes on from there.
    engine
        Where units run: processes of this machine, or ray, a cluster whose nodes see the same folders.
    address
        Of a running Ray cluster; by default one is begun here.
    """
    started = time.monotonic()
    from zeeman import examination as room
    from zeeman.probes import open_library
    from zeeman.subjects import Series

    with progress_bars(json) as show:
        found = room.examine(
            Series.from_spec(series),
            open_library(probes),
            out,
            settings=sampling.chosen(),
            devices=measured.devices(),
            num_workers=count_workers(workers),
            engine=engine,
            address=address,
            on_progress=show.units,
        )
    _conclude(found, out / "report.html", started, json)


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

    print(write_report(_document(store), out or store / "report.html"))


@app.command
def results(
    store: Path,
    /,
    *,
    out: Path,
    at: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (),
) -> None:
    """Write the behaviours of an examination as results of lm-evaluation-harness, one JSON file a checkpoint.

    Parameters
    ----------
    store
        Folder of the examination.
    out
        Folder that gets results_<step>.json.
    at
        Steps to write; by default all.
    """
    from json import dumps

    from zeeman.examination import results_documents

    found = results_documents(_document(store), at)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for step, content in found.items():
            (out / f"results_{step}.json").write_text(dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ZeemanError(f"{out} could not be written ({error.strerror}); choose another folder.") from error
    print(f"{out}: results of {len(found)} checkpoints.")


def _document(store: Path) -> dict[str, Any]:
    """What a finished examination laid out."""
    from zeeman.examination import Store

    document: dict[str, Any] | None = Store.open(store).read_reading("document")
    if document is None:
        raise ZeemanError(
            f"the examination in {store} was not finished; run zeeman examine again, and it goes on from there."
        )
    return document


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
        print_json(
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
                "llc": [{k: row[k] for k in _LLC_FIGURES if k in row} for row in content["llc"]],
                "report": str(path.resolve()),
            }
        )
        return
    print(f"Report: {path.resolve()} ({clock(seconds)})")
    print("\n".join(content["headline"][:4]))
