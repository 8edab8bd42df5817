"""The command that examines checkpoints while a training writes them."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from zeeman.cli.app import Json, Sampling, Workers, app, clock, count_workers, print_json, progress_bars, write_page

if TYPE_CHECKING:
    from zeeman.examination import Device, Examination, Round

_SHOWN = 12


@app.command
def watch(
    folder: Path,
    /,
    *,
    probes: Path,
    out: str = "examination",
    budget: float | None = None,
    poll: float = 10.0,
    once: bool = False,
    at: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (),
    components: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    sampling: Sampling = Sampling(),  # noqa: B008
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Examine checkpoints as they arrive, and write the report anew after each.

    What was examined is kept: give the command again after any stop, and it catches up.

    Parameters
    ----------
    folder
        Where a training writes its checkpoints; need not be there yet.
    probes
        Folder of the library, or the name of one that an installed package publishes.
    out
        Folder of the examination, or a URL such as s3://bucket/examination.
    budget
        Minutes of work at most. Newest and log-spaced checkpoints come first, and what was left out is told.
    poll
        Seconds between looks at the folder.
    once
        Examine what is there, then end.
    at
        Steps at which susceptibilities are read too.
    components
        What they are read of, such as l0h1 or "l0 attn"; by default embed, every head and unembed.
    """
    from zeeman import examination as room
    from zeeman.probes import open_library

    devices: list[Device] = [room.LLC(), room.Behaviours()]
    if at:
        devices.append(room.Susceptibilities(at, components))
    with progress_bars(json) as show:
        rounds = room.watch(
            folder,
            open_library(probes),
            out,
            settings=sampling.chosen(),
            devices=devices,
            num_workers=count_workers(workers),
            budget=math.inf if budget is None else 60 * budget,
            poll=poll,
            once=once,
            on_progress=show.units,
        )
        with closing(rounds):
            for found in rounds:
                report = _write(found.examination) if found.examination else None
                _tell(found, report, json)


def _write(examination: Examination) -> str:
    from zeeman.examination import document

    content = document(examination)
    examination.store.write_reading("document", content)
    return write_page(content, examination.store)


def _tell(found: Round, report: str | None, as_json: bool) -> None:
    reading = _llc(found)
    if as_json:
        print_json(
            {
                "step": found.step,
                "seconds": round(found.seconds, 1),
                "llc": reading,
                "waiting": list(found.waiting),
                "news": list(found.news),
                "report": report,
            }
        )
        return
    for sentence in found.news:
        print(sentence)
    waiting = _listed(found.waiting)
    if found.step is not None:
        value = (
            "no figure"
            if reading is None or reading["mean"] is None
            else f"{reading['mean']:.1f} ± {reading['se']:.1f}"
        )
        doubt = f" ({reading['verdict']})" if reading and reading["verdict"] != "ok" else ""
        print(f"Step {found.step}: λ̂ = {value}{doubt} in {clock(found.seconds)}; waiting: {waiting}.", flush=True)
    elif found.waiting:
        print(f"Left out for want of time: {waiting}. Give the command again to go on.")


def _llc(found: Round) -> dict[str, Any] | None:
    from zeeman.examination import llc_table

    rows = llc_table(found.examination) if found.examination else []
    return next(({k: row[k] for k in ("mean", "se", "verdict")} for row in rows if row["step"] == found.step), None)


def _listed(steps: tuple[int, ...]) -> str:
    shown = [*map(str, steps[:_SHOWN]), *([f"… {steps[-1]}"] if len(steps) > _SHOWN else [])]
    return ", ".join(shown) or "none"
