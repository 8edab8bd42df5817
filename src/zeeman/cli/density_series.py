"""The density of states of a series: what ``zeeman density SERIES`` does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from zeeman.cli.app import clock, count_workers, print_json, progress_bars, write_page


def is_series(spec: str) -> bool:
    """Say whether an argument names a series: a path that exists, or a repository with revisions.

    Examples
    --------
    >>> is_series("."), is_series("EleutherAI/pythia-14m@step{0..1000}"), is_series("x**2*y**4")
    (True, True, False)
    """
    return "@" in spec or Path(spec).exists()


def density_of_series(
    series: str,
    *,
    probes: Path | None,
    out: str,
    at: tuple[int, ...] = (),
    settings: dict[str, Any] | None = None,
    workers: int | None = None,
    json: bool = False,
) -> None:
    """Read the density of states and the Hessian's spectrum along a series, and write the report.

    Parameters
    ----------
    series
        Folder of checkpoints, or repo@revisions.
    probes
        Folder of the library, whose data chains feel; None for the demo's.
    out
        Folder of the examination, or a URL such as s3://bucket/examination; one that was stopped goes on from there.
    at
        Steps to read; by default eight, evenly spaced in the series.
    settings
        Sampler settings that differ from the default, by name.
    workers
        Processes; None for one a core.
    json
        Print one JSON object and nothing else.
    """
    started = time.monotonic()
    from zeeman import examination as room
    from zeeman.probes import demo_library, open_library
    from zeeman.subjects import Series

    devices = (room.Density(tuple(at)), room.HessianSpectrum(tuple(at)))
    with progress_bars(json) as show:
        found = room.examine(
            Series.from_spec(series),
            open_library(probes) if probes else demo_library(),
            out,
            settings=room.settings_from(settings or {}),
            devices=devices,
            num_workers=count_workers(workers),
            on_progress=show.units,
        )
    content = room.document(found)
    found.store.write_reading("document", content)
    path = write_page(content, found.store)
    if json:
        print_json(
            {
                "seconds": round(time.monotonic() - started, 1),
                **{name: content["density"][name] for name in ("localization", "checkpoints", "path")},
                "hessian": [_without_grid(row) for row in content["hessian"]],
                "report": path,
            }
        )
        return
    for row in content["density"]["checkpoints"]:
        print(f"step {row['step']:>8}  " + "  ".join(_told(rung) for rung in row["rungs"]))
    print(f"Report: {path} ({clock(time.monotonic() - started)})")


def _without_grid(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("eigenvalues", "density", "density_se")}


def _told(rung: dict[str, Any]) -> str:
    mark = "" if rung["verdict"] == "ok" else f" ({rung['verdict'].replace('_', ' ')})"
    value = "no value" if rung["exponent"] is None else f"{rung['exponent']:.1f} ± {rung['exponent_se']:.1f}"
    return f"λ(nβ={rung['n_beta']:g}) {value}{mark}"
