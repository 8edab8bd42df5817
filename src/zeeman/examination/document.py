"""The examination as one plain document: what reports and consoles draw, with nothing left to compute."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from zeeman.examination.band_document import bands_document
from zeeman.examination.density_document import density_document, hessian_document
from zeeman.examination.device import versions
from zeeman.examination.grades import WORDS, word_for
from zeeman.examination.orders import order_of
from zeeman.examination.run import Examination
from zeeman.examination.transitions import Transition
from zeeman.examination.unit import Unit
from zeeman.phases import Match
from zeeman.probes.probe import SHARES
from zeeman.reading import Reading
from zeeman.spectra import split_half

MAX_TRACE = 200
"""Points of a chain's trace that the document keeps."""
BEYOND_CHANCE = 0.05
"""False discovery rate below which a change of behaviour counts as more than any such stretch would show."""


def document(examination: Examination) -> dict[str, Any]:
    """Lay an examination out as JSON-able values; figures that are not finite become None.

    Parameters
    ----------
    examination : Examination

    Returns
    -------
    dict
        ``headline``, ``series``, ``training``, ``transitions``, ``behaviour_changes``, ``llc``, ``behaviours``,
        ``susceptibility``, ``bands``, ``density``, ``hessian``, ``health`` and ``provenance``.
    """
    series = examination.subject.series
    flags = [asdict(flag) for flag in examination.verification.flags]
    found: dict[str, Any] = finite(
        {
            "title": f"{series.name}: {len(series)} checkpoints examined",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "headline": headline(examination),
            "series": {"name": series.name, "steps": series.steps, "flags": flags},
            "training": _training(series.record),
            "transitions": [_transition(t, examination) for t in examination.transitions],
            "behaviour_changes": [
                {
                    "interval": list(t.interval),
                    "date": t.date,
                    "probes": t.probes,
                    "summary": _summary(t, examination),
                    "matches": {name: asdict(match) for name, match in t.matches.items()},
                }
                for t in examination.behaviour_changes
            ],
            "llc": llc_table(examination),
            "behaviours": _behaviours(examination),
            "susceptibility": _susceptibility(examination),
            "bands": bands_document(list(examination.readings), examination.subject.library),
            "density": density_document(list(examination.readings)),
            "hessian": hessian_document(list(examination.readings)),
            "health": _health(examination),
            "provenance": _provenance(examination),
        }
    )
    return found


def llc_table(examination: Examination) -> list[dict[str, Any]]:
    """One row a checkpoint: both estimators of the local learning coefficient, with errors and verdict.

    With ``extrapolated``, ``extrapolated_se`` and ``extrapolated_verdict`` where that was read.
    """
    spread = {_step(r): r for r in examination.of("llc_variance")}
    cold = {_step(r): r for r in examination.of("llc_extrapolated")}
    rows = []
    for reading in examination.of("llc"):
        other = spread[_step(reading)]
        rows.append(
            {
                "step": _step(reading),
                "mean": reading.value,
                "se": reading.standard_error,
                "variance": other.value,
                "variance_se": other.standard_error,
                **_verdict(reading),
                **(_extrapolated(cold[_step(reading)]) if cold else {}),
            }
        )
    found: list[dict[str, Any]] = finite(rows)
    return found


def _extrapolated(reading: Reading) -> dict[str, Any]:
    return {
        "extrapolated": reading.value,
        "extrapolated_se": reading.standard_error,
        "extrapolated_verdict": reading.verdict.name.lower(),
    }


def headline(examination: Examination) -> list[str]:
    """Say in at most five sentences what was found."""
    llc = [r for r in examination.of("llc") if r.verdict.trusted]
    doubtful = len(examination.of("llc")) - len(llc)
    found = examination.transitions
    lines = [_count(found, examination.behaviour_changes)]
    if found:
        main = max(found, key=lambda t: ("llc" in t.signals, max(p.z for p in t.signals.values())))
        lines.append(_main_transition(main, examination))
        lines.append(_components(main))
    if llc:
        first, last = llc[0], llc[-1]
        lines.append(
            f"The local learning coefficient goes from {_pm(first)} at step {_step(first)} to {_pm(last)} at step "
            f"{_step(last)}{f'; {doubtful} readings are marked as not to be trusted' if doubtful else ''}."
        )
    flags = examination.verification.flags
    lines.append(
        f"Verification flagged {len(flags)} oddities in the series: {flags[0].sentence}"
        if flags
        else f"All {len(examination.subject.series)} checkpoints passed verification."
    )
    return lines


def _count(found: Iterable[Transition], others: Sequence[Transition]) -> str:
    dates = [f"{t.interval[0]}–{t.interval[1]}" for t in found]
    beyond = sum(any(t.matches[name].q_value < BEYOND_CHANCE for name in t.probes) for t in others)
    chance = f"{beyond or 'none'} beyond chance (q < {BEYOND_CHANCE:g})"
    besides = f"; {len(others)} more in behaviour alone, {chance}" if others else ""
    if not dates:
        return f"No phase transition was found in this series{besides}."
    kind = "phase transition was" if len(dates) == 1 else "phase transitions were"
    return f"{len(dates)} {kind} found, at steps {', '.join(dates)}{besides}."


def _main_transition(main: Transition, examination: Examination) -> str:
    strongest = main.probes[0] if main.probes else None
    text = f"The main one is half-way at step {main.date:.0f}"
    if "llc" in main.signals:
        text += f", where the local learning coefficient changes by {main.signals['llc'].change:+.0f}"
    if strongest:
        metric = examination.subject.library[strongest].metric
        unit = "share of hits" if metric in SHARES else metric
        text += f" and the {unit} on “{strongest}” by {main.signals[strongest].change:+.2f}"
    return text + "."


def _components(main: Transition) -> str:
    names = list(dict.fromkeys(move.component for move in main.components))
    if not names:
        return "No component's susceptibility changed beyond its error across it."
    return f"The components that changed most across it: {', '.join(names[:4])}."


def _pm(reading: Reading) -> str:
    return f"{reading.value:.0f} ± {reading.standard_error:.1f}"


def _training(record: tuple[dict[str, Any], ...]) -> dict[str, Any] | None:
    rows = [row for row in record if row.get("signals")]
    if not rows:
        return None
    names = list(rows[0]["signals"])
    signals = [{"name": n, "values": [row["signals"].get(n, math.nan) for row in rows]} for n in names]
    return {"steps": [row["step"] for row in rows], "signals": signals}


def _transition(found: Transition, examination: Examination) -> dict[str, Any]:
    probes = [
        {
            "name": n,
            **_ends(examination, n, found),
            "change": found.signals[n].change,
            "se": found.signals[n].change_se,
            "p_value": found.matches[n].p_value,
            "q_value": found.matches[n].q_value,
        }
        for n in found.probes
    ]
    moves = [
        {
            "name": m.component,
            "probe": m.probe,
            "loading": m.loading,
            "before": m.before,
            "after": m.after,
            "change": m.change,
            "se": m.standard_error,
        }
        for m in found.components
    ]
    sentence, order = _sentence(found), order_of(found, examination.readings)
    return {
        "interval": list(found.interval),
        "date": found.date,
        "signals": list(found.signals),
        "probes": probes,
        "components": moves,
        "verdict": "flagged" if found.flagged else "ok",
        "sentence": sentence,
        "summary": _summary(found, examination, order["sentence"]),
        "order": order,
        "matches": {name: asdict(match) for name, match in found.matches.items()},
        "support": {name: pulse.support for name, pulse in found.signals.items()},
    }


def _sentence(found: Transition) -> str:
    if found.flagged:
        return "It crosses an edge of the series that verification flagged, so it may be a fault of the files."
    if "llc" not in found.signals:
        return "Only behaviours were read."
    pulse = found.signals["llc"]
    return f"The local learning coefficient changes by {pulse.change:+.1f} ± {pulse.change_se:.1f}."


def _summary(found: Transition, examination: Examination, order: str = "") -> str:
    """One line: when, what was learned and lost, with its chance, which components moved, geometry and order."""
    words = {n: _ends(examination, n, found)["word"] for n in found.probes}
    parts = [
        f"{', '.join(_with_p(found.matches[n], n) for n in found.probes if words[n] == word)} {word}"
        for word in WORDS
        if word in words.values()
    ]
    names = list(dict.fromkeys(move.component for move in found.components))[:4]
    if names:
        parts.append(f"{', '.join(names)} respond otherwise")
    if "llc" in found.signals:
        pulse = found.signals["llc"]
        parts.append(f"LLC {pulse.change:+.0f} \u00b1 {pulse.change_se:.0f}")
    parts += [order] if order else []
    return f"Steps {found.interval[0]}–{found.interval[1]}: {'; '.join(parts)}."


def _with_p(match: Match, name: str) -> str:
    return f"{name} (p {match.p_value:.2g}, q {match.q_value:.2g})"


def _ends(examination: Examination, name: str, found: Transition) -> dict[str, Any]:
    """A probe on either side of its pulse, with its chance and the word for what it did."""
    probe, pulse = examination.subject.library[name], found.signals[name]
    at = {_step(r): r for r in examination.of("behaviour") if r.coordinates["probe"] == name}
    before, after = ((float(at[s].value), float(at[s].standard_error)) for s in (int(pulse.start), int(pulse.end)))
    word = word_for(probe, pulse.change, before, after)
    return {"before": before[0], "after": after[0], "chance": probe.chance, "word": word}


def _behaviours(examination: Examination) -> dict[str, Any]:
    readings, steps = examination.of("behaviour"), examination.subject.series.steps
    probes = examination.subject.library.probes
    at = {(r.coordinates["probe"], _step(r)): r for r in readings}
    return {
        "probes": list(probes),
        "steps": steps,
        "metric": [p.metric for p in probes.values()],
        "value": [[at[name, s].value for s in steps] for name in probes] if at else [],
        "se": [[at[name, s].standard_error for s in steps] for name in probes] if at else [],
    }


def _susceptibility(examination: Examination) -> list[dict[str, Any]]:
    maps: dict[tuple[int, str], dict[str, Any]] = {}
    for name in ("covariance", "shift", "rho", "null"):
        label = {"covariance": "raw"}.get(name, name)
        for r in examination.of(name):
            where = r.coordinates
            one = maps.setdefault(
                (_step(r), where["loading"]),
                {
                    "step": _step(r),
                    "loading": where["loading"],
                    "components": [],
                    "probes": where["probes"],
                    "verdicts": [],
                },
            )
            if where["component"] not in one["components"]:
                one["components"].append(where["component"])
                one["verdicts"].append(_verdict(r)["verdict"])
            one.setdefault(label, []).append(np.asarray(r.value).tolist())
            one.setdefault(f"{label}_se", []).append(np.asarray(r.standard_error).tolist())
            if "halves" in where:
                one.setdefault(f"{label}_halves", []).append(np.asarray(where["halves"]))
    for one in maps.values():
        for label in ("raw", "rho"):
            one[f"{label}_reliability"] = list(split_half(np.stack(one.pop(f"{label}_halves"), axis=1)))
    return [maps[key] for key in sorted(maps)]


def _health(examination: Examination) -> list[dict[str, Any]]:
    traces = _traces(examination)
    rows = []
    own = examination.settings.n_beta
    rungs = [r for r in examination.of("density") if r.coordinates["n_beta"] != own or not examination.of("llc")]
    for r in (*examination.of("llc"), *examination.of("rho"), *rungs):
        component, loading = r.coordinates.get("component", "full"), r.coordinates.get("loading", "loaded")
        n_beta = r.coordinates.get("n_beta", own)
        rows.append(
            {
                "step": _step(r),
                "component": component if n_beta == own else f"{component} at n\u03b2 {n_beta:g}",
                "loading": loading,
                **_verdict(r),
                **r.health,
                "traces": traces.get((_step(r), component, loading)) if n_beta == own else None,
                "trace_every": _stride(examination.settings.schedule.num_steps),
                "num_burnin_steps": examination.settings.num_burnin_steps,
            }
        )
    return rows


def _traces(examination: Examination) -> dict[tuple[int, str, str], list[list[float]]]:
    """Energy nβ ΔL of each chain of all weights, every step from the start."""
    found: dict[tuple[int, str, str], list[list[float]]] = {}
    for unit in sorted(examination.draws.units.values(), key=lambda u: u.chain):
        if unit.kind == "loaded" and unit.component == "full" and unit.settings == examination.settings:
            found.setdefault((unit.step, unit.component, unit.kind), []).append(_trace(examination, unit))
    return found


def _trace(examination: Examination, unit: Unit) -> list[float]:
    energy = examination.settings.n_beta * examination.draws.array(unit, "rows").mean(axis=1)
    thin = energy[:: _stride(len(energy))]
    return [round(float(value), 2) for value in thin]


def _stride(steps: int) -> int:
    return max(1, steps // MAX_TRACE)


def _provenance(examination: Examination) -> dict[str, Any]:
    subject = examination.subject
    return {
        "sampler": asdict(examination.settings),
        "weights": {str(c.step): c.digest for c in subject.series},
        "library": subject.library.name,
        "probes": {name: probe.digest for name, probe in subject.library.probes.items()},
        "data": subject.library.data.digest,
        "units": len(examination.draws.units),
        "versions": versions(),
    }


def _verdict(reading: Reading) -> dict[str, Any]:
    return {
        "verdict": reading.verdict.name.lower(),
        "sentence": reading.verdict.value,
        "reasons": list(reading.reasons),
    }


def _step(reading: Reading) -> int:
    assert reading.provenance is not None
    return reading.provenance.step


def finite(value: Any) -> Any:
    """Lay values out plainly, with None for what is not finite, which JSON can't say."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
