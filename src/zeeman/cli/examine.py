"""Commands that examine a series and tell what was found."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from zeeman.cli.app import (
    Disk,
    Json,
    Measured,
    Sampling,
    StoreAt,
    Workers,
    app,
    bytes_of,
    clock,
    count_workers,
    print_json,
    progress_bars,
    write_page,
)
from zeeman.errors import ZeemanError

if TYPE_CHECKING:
    from zeeman.examination import Examination, SamplerSettings, Store


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
    out: str = "examination",
    measured: Measured = Measured(),  # noqa: B008
    sampling: Sampling = Sampling(),  # noqa: B008
    workers: Workers = None,
    engine: Literal["processes", "ray"] = "processes",
    address: str | None = None,
    disk: Disk = None,
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
        Folder of the examination, or a URL such as s3://bucket/examination; one that was stopped goes on from there.
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
            Series.from_spec(series, bytes_of(disk)),
            open_library(probes),
            out,
            settings=sampling.chosen(),
            devices=measured.devices(),
            num_workers=count_workers(workers),
            engine=engine,
            address=address,
            on_progress=show.units,
        )
    _conclude(found, None, started, json)


@app.command
def report(
    store: StoreAt,
    /,
    *,
    out: Path | None = None,
    from_: Annotated[tuple[Path, ...], Parameter(name="--from", negative=(), consume_multiple=True)] = (),
) -> None:
    """Draw the report of an examination again.

    Parameters
    ----------
    out
        File to write; by default report.html in the store.
    from_
        What zeeman germ STORE --json or zeeman density K --json printed: the report says what of the dictionary it is.
    """
    from zeeman.console import write_report
    from zeeman.examination import Store

    opened = Store.open(store)
    document = _document(opened)
    if from_:
        document["dictionary"] = _dictionary(from_)
    print(write_report(document, out) if out else write_page(document, opened))


@app.command
def results(
    store: StoreAt,
    /,
    *,
    out: Path,
    at: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (),
) -> None:
    """Write the behaviours of an examination as results of lm-evaluation-harness, one JSON file a checkpoint.

    Parameters
    ----------
    out
        Folder that gets results_<step>.json.
    at
        Steps to write; by default all.
    """
    from json import dumps

    from zeeman.examination import Store, results_documents

    found = results_documents(_document(Store.open(store)), at)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for step, content in found.items():
            (out / f"results_{step}.json").write_text(dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ZeemanError(f"{out} could not be written ({error.strerror}); choose another folder.") from error
    print(f"{out}: results of {len(found)} checkpoints.")


def _dictionary(paths: Sequence[Path]) -> dict[str, Any]:
    """Match what commands printed against the dictionary."""
    from zeeman.programs.dictionary_document import dictionary_document, printed_document
    from zeeman.programs.measured_singularity import read_json

    return dictionary_document([printed_document(path.stem, read_json(path)) for path in paths], likely=True)


def _document(store: Store) -> dict[str, Any]:
    """What a finished examination laid out."""
    document: dict[str, Any] | None = store.read_reading("document")
    if document is None:
        raise ZeemanError(
            f"the examination in {store.location} was not finished; run zeeman examine again, and it goes on from "
            "there."
        )
    return document


def _with_seed(settings: SamplerSettings, seed: int) -> SamplerSettings:
    from dataclasses import replace

    return replace(settings, seed=seed)


def _conclude(examination: Examination, path: Path | None, started: float, as_json: bool) -> None:
    """Write the readings and the report, and tell what was found."""
    from zeeman.console import write_report
    from zeeman.examination import document

    content = document(examination)
    examination.store.write_reading("document", content)
    page = str(write_report(content, path)) if path else write_page(content, examination.store)
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
                        "order": t["order"],
                        "summary": t["summary"],
                    }
                    for t in content["transitions"]
                ],
                "behaviour_changes": content["behaviour_changes"],
                "llc": [{k: row[k] for k in _LLC_FIGURES if k in row} for row in content["llc"]],
                "report": page,
            }
        )
        return
    print(f"Report: {page} ({clock(seconds)})")
    print("\n".join([*content["headline"][:4], *(t["summary"] for t in content["transitions"])]))
