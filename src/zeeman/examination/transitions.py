"""Transitions of a series from its readings: when, seen by what, and which probes and components moved."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeeman.phases import Match, Pulse, find_pulses, group, match_windows
from zeeman.phases import Transition as Dated
from zeeman.reading import Reading

Array = NDArray[np.float64]

SIGNIFICANT = 4.0
"""Standard errors that a susceptibility must change by to be named, allowing for some hundred looks."""


LEAST_SUPPORT = 0.5
"""Share of its own bootstrap that must find a pulse again for it to count."""


@dataclass(frozen=True)
class ComponentMove:
    """Change of a component's correlation ρ with a probe over a transition."""

    component: str
    probe: str
    loading: str
    before: float
    after: float
    standard_error: float

    @property
    def change(self) -> float:
        """After minus before."""
        return self.after - self.before


@dataclass(frozen=True)
class Transition:
    """A phase transition of the series.

    Parameters
    ----------
    interval : (int, int)
        Steps between which it lies.
    date : float
        Step at which the leading signal is half-way.
    signals : dict of Pulse
        What saw it, strongest first; ``llc`` or names of probes.
    components : tuple of ComponentMove
        Strongest first; empty where no susceptibilities were read on both sides.
    flagged : bool
        Whether it crosses an edge of the series that verification flagged.
    matches : dict of Match
        What every probe did between the ends of the leading pulse, and how often it does as much elsewhere.
    """

    interval: tuple[int, int]
    date: float
    signals: dict[str, Pulse]
    components: tuple[ComponentMove, ...]
    flagged: bool
    matches: dict[str, Match]

    @property
    def probes(self) -> list[str]:
        """Probes that moved, strongest first."""
        return [name for name in self.signals if name != "llc"]


def find_transitions(readings: Iterable[Reading], flagged: set[tuple[int, int]]) -> list[Transition]:
    """Find transitions in the learning coefficient and in the behaviour of every probe.

    Readings whose verdict is not ok are left out.

    Parameters
    ----------
    readings : iterable of Reading
    flagged : set of (int, int)
        Edges of the series that verification flagged.

    Returns
    -------
    list of Transition
        In the order of training.
    """
    held = list(readings)
    signals = _signals(held)
    pulses = {
        name: [pulse for pulse in find_pulses(*series) if pulse.support >= LEAST_SUPPORT]
        for name, series in signals.items()
    }
    dated = group({"llc": [], **pulses}, anchor="llc", flagged=flagged)
    leaders = [t.signals.get("llc", next(iter(t.signals.values()))) for t in dated]
    curves = {name: series for name, series in signals.items() if name != "llc" and len(series[0]) > 1}
    matches = match_windows([(pulse.start, pulse.end) for pulse in leaders], curves)
    return sorted((_transition(t, held, match) for t, match in zip(dated, matches, strict=True)), key=lambda t: t.date)


def _signals(readings: list[Reading]) -> dict[str, tuple[Array, Array, Array]]:
    points: dict[str, list[tuple[int, float, float]]] = {}
    for reading in readings:
        name = {"llc": "llc", "behaviour": reading.coordinates.get("probe", "")}.get(reading.name)
        if name and reading.verdict.trusted and reading.provenance:
            error = float(reading.standard_error)
            points.setdefault(name, []).append(
                (reading.provenance.step, float(reading.value), error if math.isfinite(error) else 0.0)
            )
    return {name: _columns(rows) for name, rows in points.items()}


def _columns(rows: list[tuple[int, float, float]]) -> tuple[Array, Array, Array]:
    steps, values, errors = np.array(sorted(rows), float).T
    # Rows that agree exactly have no spread, and a curve can't be weighted by an error of zero.
    return steps, values, np.maximum(errors, 1e-3 * (np.ptp(values) or 1.0))


def _transition(dated: Dated, readings: list[Reading], matches: dict[str, Match]) -> Transition:
    maps = [r for r in readings if r.name == "rho" and r.provenance and r.verdict.trusted]
    steps = sorted({r.provenance.step for r in maps if r.provenance})
    before = [s for s in steps if s <= dated.interval[0]]
    after = [s for s in steps if s >= dated.interval[1]]
    moves = _moves(maps, before[-1], after[0]) if before and after else []
    return Transition(dated.interval, dated.date, dict(dated.signals), tuple(moves), dated.flagged, matches)


def _moves(maps: list[Reading], before: int, after: int) -> list[ComponentMove]:
    at = {(r.provenance.step, r.coordinates["loading"], r.coordinates["component"]): r for r in maps if r.provenance}
    moves = []
    for (step, loading, component), late in at.items():
        early = at.get((before, loading, component))
        if step != after or early is None:
            continue
        change = np.asarray(late.value) - np.asarray(early.value)
        error = np.hypot(late.standard_error, early.standard_error)
        for i, probe in enumerate(late.coordinates["probes"]):
            if abs(change[i]) > SIGNIFICANT * error[i]:
                moves.append(
                    ComponentMove(
                        component,
                        probe,
                        loading,
                        float(np.asarray(early.value)[i]),
                        float(np.asarray(late.value)[i]),
                        float(error[i]),
                    )
                )
    return sorted(moves, key=lambda m: -abs(m.change) / m.standard_error)


def telling_steps(transitions: list[Transition], steps: list[int]) -> tuple[int, ...]:
    """Choose checkpoints before, in and after the strongest transition; first, middle and last where there is none.

    One that has checkpoints on both sides comes before a stronger one that has not: early ones are often at steps where
    no chain can be trusted, and nothing could be told of their components.

    Examples
    --------
    >>> telling_steps([], [0, 10, 100, 1000])
    (0, 100, 1000)
    """
    if not transitions:
        return tuple(sorted({steps[0], steps[len(steps) // 2], steps[-1]}))
    between = [t for t in transitions if steps[0] <= t.interval[0] and t.interval[1] <= steps[-1]]
    main = max(between or transitions, key=lambda t: ("llc" in t.signals, max(p.z for p in t.signals.values())))
    before = max((s for s in steps if s <= main.interval[0]), default=steps[0])
    after = min((s for s in steps if s >= main.interval[1]), default=steps[-1])
    # Where no checkpoint lies inside, the nearest outside stands in for it.
    others = [s for s in steps if before < s < after] or [s for s in steps if s not in (before, after)]
    middle = min(others, key=lambda s: abs(math.log1p(s) - math.log1p(main.date)), default=before)
    return tuple(sorted({before, middle, after}))
