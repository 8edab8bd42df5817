"""The part of the report's document that shows scale: density of states and the spectrum of the Hessian."""

from __future__ import annotations

from typing import Any

import numpy as np

from zeeman.reading import Reading


def density_document(readings: list[Reading]) -> dict[str, Any] | None:
    """Lay out the density of states; None if it was not read.

    Returns
    -------
    dict or None
        ``localization``; ``checkpoints``, for each its ``step``, ``reference_loss`` and ``rungs`` (n_beta, loss,
        exponent and heat capacity with errors, log volume with its error, verdict); and ``path``: loss levels, log
        volume, the step of the checkpoint whose window holds most of it, with its share, and the distances between
        neighbouring windows in standard deviations.
    """
    rungs = [r for r in readings if r.name == "density" and r.provenance]
    if not rungs:
        return None
    along = {
        (r.name, r.provenance.step, n_beta): (r, i)
        for r in readings
        if r.name in ("volume", "heat_capacity") and r.provenance
        for i, n_beta in enumerate(r.coordinates["n_beta"])
    }
    rows: dict[int, dict[str, Any]] = {}
    for reading in rungs:
        step, n_beta = _place(reading)
        row = rows.setdefault(
            step, {"step": step, "reference_loss": reading.coordinates["reference_loss"], "rungs": []}
        )
        row["rungs"].append(_rung(reading, *(along.get((name, step, n_beta)) for name in ("heat_capacity", "volume"))))
    assert rungs[0].provenance is not None
    return {
        "localization": rungs[0].provenance.settings.get("localization"),
        "checkpoints": list(rows.values()),
        "path": _path(readings),
    }


def _place(reading: Reading) -> tuple[int, float]:
    assert reading.provenance is not None
    return reading.provenance.step, reading.coordinates["n_beta"]


def _rung(mean: Reading, heat: tuple[Reading, int] | None, volume: tuple[Reading, int] | None) -> dict[str, Any]:
    return {
        "n_beta": mean.coordinates["n_beta"],
        "loss": mean.coordinates["loss"],
        "exponent": mean.value,
        "exponent_se": mean.standard_error,
        **_entry("heat_capacity", heat),
        **_entry("log_volume", volume),
        "volume_verdict": volume[0].verdict.name.lower() if volume else None,
        "verdict": mean.verdict.name.lower(),
        "sentence": mean.verdict.value,
        "reasons": list(mean.reasons),
    }


def _entry(name: str, found: tuple[Reading, int] | None) -> dict[str, float | None]:
    if found is None:
        return {name: None, f"{name}_se": None}
    reading, at = found
    return {name: float(np.asarray(reading.value)[at]), f"{name}_se": float(np.asarray(reading.standard_error)[at])}


def _path(readings: list[Reading]) -> dict[str, Any] | None:
    found = next((r for r in readings if r.name == "path_volume"), None)
    if found is None:
        return None
    share = np.array(found.coordinates["share"])
    steps = np.array(found.coordinates["steps"])
    return {
        "loss": found.coordinates["loss"],
        "log_volume": np.asarray(found.value).tolist(),
        "owner": steps[share.argmax(axis=0)].tolist(),
        "share": share.max(axis=0).tolist(),
        "separation": found.coordinates["separation"],
    }


def hessian_document(readings: list[Reading]) -> list[dict[str, Any]]:
    """One row a checkpoint: the smeared spectral density, with trace, count above γ/nβ, rank and extremes."""
    rows: dict[int, dict[str, Any]] = {}
    for reading in readings:
        if not reading.name.startswith("hessian_") or reading.provenance is None:
            continue
        name, where = reading.name.removeprefix("hessian_"), reading.coordinates
        row = rows.setdefault(reading.provenance.step, {"step": reading.provenance.step})
        row |= {key: value for key, value in where.items() if key not in ("width", "linear")}
        value, error = np.asarray(reading.value).tolist(), np.asarray(reading.standard_error).tolist()
        row |= {name: value, f"{name}_se": error}
        if name == "density":
            row |= {"linear": where["linear"], "width": where["width"]}
    return list(rows.values())
