"""Commands that look at a series before anything is sampled."""

from __future__ import annotations

from pathlib import Path

from zeeman.cli.app import Disk, Json, Measured, Sampling, Workers, app, bytes_of, clock, count_workers, print_json


@app.command
def verify(series: str, /, *, disk: Disk = None, json: Json = False) -> None:
    """Look for faults in a series: duplicates, final-era weights or shards, other precision, jumps, gaps.

    Exits with 1 when it finds any.
    """
    from dataclasses import asdict

    from zeeman.subjects import Series

    opened = Series.from_spec(series, bytes_of(disk))
    flags = opened.verify().flags
    if json:
        print_json({"series": opened.name, "checkpoints": len(opened), "flags": [asdict(flag) for flag in flags]})
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
    probes: Path | None = None,
    measured: Measured = Measured(),  # noqa: B008
    sampling: Sampling = Sampling(),  # noqa: B008
    workers: Workers = None,
    tokens: int = 1_000_000,
    context: int = 1024,
    hardware: str = "h200",
    json: Json = False,
) -> None:
    """Say what an examination would cost: units, time and bytes.

    Parameters
    ----------
    series
        As for examine; or the config.json of a language model of any size, for the cost of unloaded draws of all its
        heads, perceptrons, embedding and unembedding.
    probes
        Folder of the library, or the name of one that an installed package publishes.
    tokens, context
        For a config.json: how many tokens are read, in windows of how many.
    hardware
        For a config.json: a100, h100 or h200.
    """
    if series.endswith(".json"):
        _forecast(Path(series), sampling, tokens, context, hardware, json)
        return
    if probes is None:
        from zeeman.errors import ZeemanError

        raise ZeemanError("a plan for a series needs the library that it is asked with: give --probes FOLDER.")
    from zeeman import examination as room
    from zeeman.probes import open_library
    from zeeman.subjects import Series

    subject = room.Subject(Series.from_spec(series), open_library(probes))
    subject.check()
    cost = room.plan(subject, sampling.chosen(), devices=measured.devices(), num_workers=count_workers(workers))
    if json:
        print_json(cost.as_dict())
    else:
        print(f"{cost.units} units: {cost.gradient_steps} gradient steps and {cost.forward_rows} rows forward.")
        way = "together, in one batch" if cost.together else "one by one"
        other = cost.step_seconds_together
        tried = "not tried" if other is None else f"{other * 1e3:.2g} ms"
        print(f"Chains run {way}: a step takes {cost.step_seconds_alone * 1e3:.2g} ms alone, {tried} in a batch.")
        print(
            f"About {clock(cost.seconds)} on {count_workers(workers)} workers, and {cost.bytes / 1e6:.0f} MB at most."
        )


def _forecast(path: Path, sampling: Sampling, tokens: int, context: int, hardware: str, as_json: bool) -> None:
    from dataclasses import asdict

    from zeeman.examination import Shape, forecast

    settings = sampling.chosen()
    draws = settings.num_chains * settings.num_draws
    job = forecast(Shape.from_file(path), tokens=tokens, num_draws=draws, context=context, hardware=hardware)
    if as_json:
        print_json(asdict(job) | {"num_draws": draws, "hardware": hardware})
        return
    print(
        f"{job.components} components, {tokens} tokens and {draws} unloaded draws: {job.operations:.2g} operations, "
        f"{job.share_of_plain:.0%} of plain passes."
    )
    print(
        f"About {job.device_hours:.3g} hours of one {hardware}; {job.bytes_of_draws / 1e9:.3g} GB if every difference "
        f"is kept, {job.bytes_of_sums / 1e9:.3g} GB for the responses and their errors."
    )
