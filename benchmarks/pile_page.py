"""Write docs/pile.md and docs/pile.svg from pile_series.json.

Usage: python -m benchmarks.pile_page
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from zeeman.probes import find_card

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
Row = dict[str, Any]

WIDTH, LEFT, RIGHT, PANEL, GAP, TOP = 880, 62, 150, 210, 46, 34
COLOURS = ("#1f6fb4", "#c8553d", "#2e8b57", "#7a4fb5", "#b8860b", "#5b6770")
NAMED = ("formal_metamath", "tables", "code_rust", "spanish", "novels", "essays")
"""Kinds of text that are drawn in colour; the others are grey."""
SHOWN = 8
"""Probes of a stage that its table lists."""
LIMIT = 0.05


def main() -> None:
    kept = json.loads((HERE / "pile_series.json").read_text())
    (DOCS / "pile.svg").write_text(picture(kept))
    parts = [head(kept), (HERE / "pile_findings.md").read_text().strip()]
    parts += ["![Loss by kind of text, learning coefficient and probes along training](pile.svg)"]
    parts += ["## Stages", STAGES, *(stage(kept, number, one) for number, one in enumerate(kept["stages"], 1))]
    if kept["susceptibility"]:
        parts += ["## Components", components(kept)]
    parts += ["## Health", health(kept)]
    (DOCS / "pile.md").write_text("\n\n".join(parts) + "\n")
    print((DOCS / "pile.md").read_text())


def head(kept: Row) -> str:
    trained, whole, parts = kept["trained"], kept["settings"]["whole"], kept["settings"]["parts"]
    steps, cpu = kept["behaviours"]["steps"], kept["cpu_seconds"]
    said = HEAD.format(
        date=kept["date"], weights=trained["weights"] / 1e6, steps=trained["steps"], tokens=trained["tokens"] / 1e6,
        minutes=trained["seconds"] / 60, count=len(steps), probes=len(kept["behaviours"]["probes"]),
        whole=cpu["whole"] / 60, chains=whole["num_chains"], draws=whole["num_draws"], beta=whole["n_beta"],
        gamma=whole["localization"],
        responses=RESPONSES.format(
            parts=cpu["parts"] / 60, at=" and ".join(map(str, kept["susceptibility_steps"])),
            gamma=parts["localization"], draws=parts["num_chains"] * parts["num_draws"],
        ) if kept["susceptibility"] else "Susceptibilities of components were not read yet.",
    )  # fmt: skip
    title, body = said.split("\n\n")
    return title + "\n\n" + fill(" ".join(body.split()), 119, break_on_hyphens=False)


HEAD = """# A small Pythia on the mini-pile, examined

A GPT-NeoX of {weights:.2f} M weights (4 layers, width 128, 4 heads each, 4,096 byte-pair tokens, context 256)
was trained from scratch on the 21 kinds of text of `zeeman corpus build` in equal parts: {steps:,} steps of
8,192 tokens, {tokens:.1f} M in all, {minutes:.0f} min on one core that was shared. `zeeman.Recorder` kept
{count} checkpoints, log-spaced and more where a held-out loss moved. `zeeman.examine` asked {probes} probes at
each (the 21 kinds of held-out text, 24 built-in probes, and random tokens repeated), and read the learning
coefficient of all weights ({chains} chains × {draws} draws, nβ {beta:g}, γ {gamma:g}): {whole:.0f} CPU min.
{responses} Made by
`benchmarks/pile_series.py` and `pile_page.py` (last run on {date}); curves and readings are in
`benchmarks/pile_series.json`."""

RESPONSES = """At steps {at}, the ends of the main stage with healthy chains on both sides, it read the susceptibilities
of 16 heads and 4 perceptrons to 12 of the probes in 3 rows each ({draws} draws, γ {gamma:g}): {parts:.0f} CPU min."""

STAGES = """Found by `zeeman.examine`, none by hand. A pulse is a stretch in which a reading changes faster in log step
than before and after it; pulses that overlap make a stage. *p* is the share of all windows of the same length in which
the probe changes as much, *q* the same after control of false discovery over all probes and stages; support is the
share of bootstrapped curves in which the pulse is found again. Changes are in nats for losses and in share of hits
for the others. Orders (`--order`) were not asked for."""


def stage(kept: Row, number: int, one: Row) -> str:
    pulses = one["pulses"]
    title = f"### {number}. Steps {one['interval'][0]}–{one['interval'][1]}, half-way at {one['date']:.0f}"
    led = "The learning coefficient does not take part."
    if "llc" in pulses:
        pulse = pulses["llc"]
        led = (
            f"Learning coefficient {pulse['change']:+.0f} ± {pulse['change_se']:.0f} between steps {pulse['start']} "
            f"and {pulse['end']} (support {pulse['support']:.2f})."
        )
    metric = dict(zip(kept["behaviours"]["probes"], kept["behaviours"]["metric"], strict=True))
    moved = sorted((n for n in pulses if n != "llc"), key=lambda n: (one["matches"][n]["q_value"], -pulses[n]["z"]))
    beyond = [n for n, m in one["matches"].items() if m["q_value"] < LIMIT]
    led += f" Probes with a pulse here: {len(moved)}; those that change beyond chance (q < {LIMIT}): "
    led += f"{', '.join(beyond) or 'none'}."
    lines = [title, led]
    if moved:
        rows = [_match(n, metric[n], pulses[n], one["matches"][n]) for n in moved[:SHOWN]]
        columns = ("probe", "metric", "chance", "pulse", "change", "z", "p", "q", "support")
        lines.append(table(columns, rows) + (f"\n\nand {len(moved) - SHOWN} more." if len(moved) > SHOWN else ""))
    if one["components"]:
        lines.append("Components whose ρ with a probe moved by more than 4 errors: " + _moves(one["components"]))
    return "\n\n".join(lines)


def _match(name: str, metric: str, pulse: Row, match: Row) -> tuple[str, ...]:
    return (
        name, metric, _chance(name) if metric == "accuracy" else "",
        f"{pulse['start']}–{pulse['end']}", f"{pulse['change']:+.2f} ± {pulse['change_se']:.2f}",
        f"{pulse['z']:.1f}", f"{match['p_value']:.3f}", f"{match['q_value']:.3f}", f"{pulse['support']:.2f}",
    )  # fmt: skip


def _chance(name: str) -> str:
    """What a guess among the answers of a built-in probe scores."""
    card = find_card(name)
    return f"{card.chance[card.probe_names().index(name)]:.2f}"


def _moves(moves: list[Row]) -> str:
    said = [
        f"{m['component']} ({m['loading']}, {m['probe']}: {m['before']:+.2f} → {m['after']:+.2f} "
        f"± {m['standard_error']:.2f})"
        for m in moves[:SHOWN]
    ]
    return "; ".join(said) + (f"; and {len(moves) - SHOWN} more." if len(moves) > SHOWN else ".")


def components(kept: Row) -> str:
    rows = []
    for one in kept["susceptibility"]:
        cells = [
            abs(value) > 3 * error
            for values, errors in zip(one["rho"], one["rho_se"], strict=True)
            for value, error in zip(values, errors, strict=True)
            if value is not None and error
        ]
        halves = one["rho_reliability"]
        rows.append(
            (
                str(one["step"]), one["loading"], f"{sum(cells)} of {len(cells)}", f"{halves[0]:.2f}",
                f"{sum(v == 'ok' for v in one['verdicts'])} of {len(one['verdicts'])}", _strongest(one),
            )
        )  # fmt: skip
    columns = ("step", "loading", "cells with \\|ρ\\| > 3 errors", "r of halves", "healthy", "largest \\|ρ\\|")
    return table(columns, rows)


def _strongest(one: Row) -> str:
    cells = [
        (value, component, probe)
        for component, values in zip(one["components"], one["rho"], strict=True)
        for probe, value in zip(one["probes"], values, strict=True)
        if value is not None
    ]
    best = sorted(cells, key=lambda cell: -abs(cell[0]))[:3]
    return ", ".join(f"{component} on {probe} {value:+.2f}" for value, component, probe in best)


def health(kept: Row) -> str:
    counts = [
        f"{kind}: " + ", ".join(f"{count} {name}" for name, count in sorted(found.items(), key=lambda pair: -pair[1]))
        for kind, found in kept["verdicts"].items()
    ]
    rows = [
        (
            str(row["step"]), f"{row['mean']:.1f} ± {row['se']:.1f}" if row["mean"] is not None else "—",
            f"{row['variance']:.0f} ± {row['variance_se']:.0f}" if row["variance"] is not None else "—", row["verdict"],
        )
        for row in kept["llc"]
    ]  # fmt: skip
    flags = kept["flags"]
    said = f"Verification flagged {len(flags)} edges of the series." if flags else "No edge of the series was flagged."
    columns = ("step", "λ̂ from the mean", "from the variance", "verdict")
    return "\n\n".join([f"{said} Verdicts: {'. '.join(counts)}.", table(columns, rows)])


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def picture(kept: Row) -> str:
    """Three panels over log step: loss of each kind of text, learning coefficient, and the probes that rise most."""
    last = kept["behaviours"]["steps"][-1]
    asked = risen(kept["behaviours"])
    panels = (
        ("Held-out loss by kind of text, nats", _losses(kept["curves"], last)),
        ("Learning coefficient λ̂ ± standard error (hollow: not to be trusted)", _llc(kept["llc"], last)),
        ("Share of hits on built-in probes", _hits(asked, kept["behaviours"]["steps"], last)),
    )
    height = TOP + len(panels) * (PANEL + GAP)
    marks = []
    for number, (title, content) in enumerate(panels):
        y = TOP + number * (PANEL + GAP)
        marks.append(f'<g transform="translate({LEFT},{y})">{_shades(kept["stages"], last)}')
        marks.append(f'<text x="0" y="-8" class="title">{title}</text>{content}{_steps(last)}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        "<style>text{font:12px system-ui,sans-serif;fill:#444}.title{font-weight:600;fill:#222}"
        ".tick{font-size:11px;fill:#666}</style>"
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(marks)}</svg>\n'
    )


def _x(step: float, last: int) -> float:
    return math.log1p(step) / math.log1p(last) * (WIDTH - LEFT - RIGHT)


def _scale(low: float, high: float, value: float) -> float:
    return PANEL * (1 - (value - low) / (high - low))


def _shades(stages: list[Row], last: int) -> str:
    """Intervals of the stages as shades, and above all of them their numbers at their dates."""
    shades, dates = [], []
    for number, one in enumerate(stages, 1):
        begin, end = (_x(step, last) for step in one["interval"])
        fill = "#f3d9b1" if "llc" in one["pulses"] else "#e4e9f0"
        width = max(end - begin, 1)
        shades.append(f'<rect x="{begin:.1f}" width="{width:.1f}" height="{PANEL}" fill="{fill}" opacity=".5"/>')
        x = _x(one["date"], last)
        dates.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="16" y2="{PANEL}" stroke="#8a94a3" stroke-dasharray="1 4"/>'
            f'<text x="{x:.1f}" y="12" text-anchor="middle" class="tick">{number}</text>'
        )
    return "".join(shades + dates)


def _steps(last: int) -> str:
    ticks = [step for step in (0, 1, 3, 10, 30, 100, 300, 1000, 3000) if step <= last]
    return "".join(
        f'<text x="{_x(step, last):.1f}" y="{PANEL + 16}" text-anchor="middle" class="tick">{step}</text>'
        for step in ticks
    )


def _axis(low: float, high: float, ticks: Iterable[float]) -> str:
    marks = []
    for tick in ticks:
        y, end = _scale(low, high, tick), WIDTH - LEFT - RIGHT
        marks.append(
            f'<line x1="0" x2="{end}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="-8" y="{y + 4:.1f}" text-anchor="end" class="tick">{tick:g}</text>'
        )
    return "".join(marks)


def _line(points: Iterable[tuple[float, float]], colour: str, width: float) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _labels(ends: Sequence[tuple[float, str, str]]) -> str:
    """Names at the right end of their curves, pushed apart so that none covers another."""
    marks, floor = [], -math.inf
    for y, name, colour in sorted(ends):
        floor = max(y, floor + 14)
        x = WIDTH - LEFT - RIGHT + 8
        marks.append(f'<text x="{x}" y="{floor + 4:.1f}" style="fill:{colour}">{name}</text>')
    return "".join(marks)


def _losses(curves: Row, last: int) -> str:
    low = math.floor(min(min(s["values"]) for s in curves["signals"]))
    high = math.ceil(max(max(s["values"]) for s in curves["signals"]))
    marks, ends = [_axis(low, high, range(low, high + 1))], []
    for signal in sorted(curves["signals"], key=lambda s: s["name"] in NAMED):
        name = signal["name"]
        colour = COLOURS[NAMED.index(name)] if name in NAMED else "#c9ced6"
        points = [
            (_x(step, last), _scale(low, high, v)) for step, v in zip(curves["steps"], signal["values"], strict=True)
        ]
        marks.append(_line(points, colour, 2 if name in NAMED else 1))
        if name in NAMED:
            ends.append((points[-1][1], name, colour))
    return "".join(marks) + _labels(ends)


def _llc(rows: list[Row], last: int) -> str:
    known = [row for row in rows if row["mean"] is not None]
    low = min(0.0, *(row["mean"] - row["se"] for row in known))
    high = max(row["mean"] + row["se"] for row in known)
    unit = 10 ** math.floor(math.log10(high - low))
    ticks = [unit * n for n in range(math.ceil(low / unit), math.floor(high / unit) + 1)]
    marks = [_axis(low, high, ticks)]
    healthy = [row for row in known if row["verdict"] == "ok"]
    marks.append(_line(((_x(r["step"], last), _scale(low, high, r["mean"])) for r in healthy), COLOURS[0], 1))
    for row in known:
        x, y = _x(row["step"], last), _scale(low, high, row["mean"])
        top, foot = (_scale(low, high, row["mean"] + s * row["se"]) for s in (1, -1))
        fill = COLOURS[0] if row["verdict"] == "ok" else "#fff"
        marks.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{foot:.1f}" stroke="{COLOURS[0]}"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{fill}" stroke="{COLOURS[0]}"/>'
        )
    return "".join(marks)


def risen(found: Row) -> list[tuple[str, list[float]]]:
    """The probes asked by hits that rise most from the first checkpoint to their best."""
    rows = [
        (name, values)
        for name, metric, values in zip(found["probes"], found["metric"], found["value"], strict=True)
        if metric == "accuracy"
    ]
    return sorted(rows, key=lambda row: row[1][0] - max(row[1]))[: len(COLOURS)]


def _hits(asked: list[tuple[str, list[float]]], steps: list[int], last: int) -> str:
    marks, ends = [_axis(0, 1, (0, 0.25, 0.5, 0.75, 1))], []
    for (name, values), colour in zip(asked, COLOURS, strict=False):
        points = [(_x(step, last), _scale(0, 1, v)) for step, v in zip(steps, values, strict=True)]
        marks.append(_line(points, colour, 2))
        ends.append((points[-1][1], name, colour))
    return "".join(marks) + _labels(ends)


if __name__ == "__main__":
    main()
