"""``zeeman calibrate``: find a sampler setting that serves a whole series."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeeman.cli.app import Json, app, clock, print_json, progress_bars

if TYPE_CHECKING:
    from zeeman.examination import Calibration


@app.command
def calibrate(
    series: str,
    /,
    *,
    probes: Path,
    out: Path = Path("calibration.toml"),
    report: Path | None = None,
    bias: float = 0.02,
    steps: int = 1000,
    energy: float | None = None,
    lr: float | None = None,
    n_beta: float | None = None,
    localization: float | None = None,
    num_chains: int = 4,
    batch_size: int = 32,
    seed: int = 0,
    json: Json = False,
) -> None:
    """Find lr, n_beta, localization and the length of chains by short pilots, and say why.

    The setting goes to a file that examine takes as --settings. Exits with 1 when it can't be trusted.

    Parameters
    ----------
    series
        As for examine.
    probes
        Folder of the library, or the name of one that an installed package publishes.
    out
        TOML file of the setting.
    report
        HTML file of the picture; by default beside the setting.
    bias
        Largest share of a learning coefficient that may be heat of step size and minibatch.
    steps
        Gradient steps that a reading of one checkpoint may cost, over all its chains.
    energy
        Largest rise of the loss above a checkpoint that chains may take on average; by default no bound.
    lr
        Step size of the first pilot.
    n_beta
        Keep this one and choose the rest.
    localization
        Keep this one and choose the rest.
    """
    started = time.monotonic()
    from zeeman.console import write_report
    from zeeman.examination import Objective, Subject, calibrate_series, write_settings
    from zeeman.examination.engine import one_thread
    from zeeman.probes import open_library
    from zeeman.subjects import Series

    subject = Subject(Series.from_spec(series), open_library(probes))
    with progress_bars(json) as show, one_thread():
        found = calibrate_series(
            subject,
            Objective(bias, steps, num_chains, energy),
            n_beta=n_beta,
            localization=localization,
            lr=lr,
            batch_size=batch_size,
            seed=seed,
            on_progress=show.steps,
        )
    write_settings(out, found.settings, [f"Verdict: {found.verdict.name.lower()}.", *found.reasons])
    page = write_report(_document(subject.series.name, found), report or out.with_suffix(".html"))
    _tell(found, out, page, time.monotonic() - started, json)
    if not found.verdict.trusted:
        raise SystemExit(1)


def _document(name: str, found: Calibration) -> dict[str, Any]:
    return {
        "title": f"{name}: one setting for the series",
        "headline": list(found.reasons),
        "calibration": found.as_dict(),
    }


def _tell(found: Calibration, out: Path, page: Path, seconds: float, as_json: bool) -> None:
    content = found.as_dict()
    share = found.share_of_examination
    if as_json:
        names = ("settings", "objective", "verdict", "reasons", "gradient_steps")
        files = {"out": str(out.resolve()), "report": str(page)}
        print_json(
            {**{n: content[n] for n in names}, "share_of_examination": share, "seconds": round(seconds, 1), **files}
        )
        return
    for reason in found.reasons:
        print(reason)
    if not found.verdict.trusted:
        print(f"zeeman: {found.verdict.value}", file=sys.stderr)
    print(
        f"{found.gradient_steps} gradient steps, {share:.0%} of what the learning coefficients of the series take "
        f"({clock(seconds)}). Setting: {out} [{content['verdict']}]. Picture: {page}"
    )
