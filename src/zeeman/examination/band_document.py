"""The part of the report's document that shows bands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.reading import Reading

NUM_BINS = 32
"""Bins of the density of tokens over strength."""

_BAND = (
    "id", "size", "name", "tags", "token_ids", "probes", "above_null", "seen_under", "typical", "track",
    "response", "response_se", "contrast", "contrast_se", "ablation",
)  # fmt: skip


def bands_document(readings: list[Reading]) -> dict[str, Any] | None:
    """Lay bands out; None if they were not looked for.

    Parameters
    ----------
    readings : list of Reading

    Returns
    -------
    dict or None
        ``maps``, for each step and loading: ``step``, ``loading``, ``components``, ``left_out``, ``verdict``,
        ``reasons``, ``coverage``, ``agreement`` with its error, ``modes`` (values, errors, p_values, count,
        gap_p_values, groups), ``null_strengths`` of the clusters that permuted draws show, ``density`` of tokens over
        strength (edges, tokens, null) and ``bands``: strength with its error, id, size, name, tags, token ids, mean
        response of each component with errors, the same less the mean token's, the loadings that see it, typical
        tokens in context, track, and the effect of ablations (`band_ablations`) or None. And ``tracks``: loading, id,
        name, steps, members, strength with errors, birth, death, parent, heir.
    """
    agreements = [r for r in readings if r.name == "band_agreement"]
    if not agreements:
        return None
    maps = [_map(r, [o for o in readings if _place(o) == _place(r)]) for r in agreements]
    maps.sort(key=lambda one: (one["step"], one["loading"] != "unloaded"))
    names = {(m["step"], m["loading"], b["id"]): b["name"] for m in maps for b in m["bands"]}
    return {"maps": maps, "tracks": [_track(r, names) for r in readings if r.name == "band_track"]}


def _place(reading: Reading) -> tuple[int | None, str | None]:
    return reading.provenance.step if reading.provenance else None, reading.coordinates.get("loading")


def _map(agreed: Reading, here: list[Reading]) -> dict[str, Any]:
    modes, null = (next((r for r in here if r.name == name), None) for name in ("band_modes", "band_null"))
    bands = [_band(r) for r in here if r.name == "band"]
    step, loading = _place(agreed)
    labels = agreed.coordinates.get("labels")
    return {
        "step": step,
        "loading": loading,
        "components": agreed.coordinates["components"],
        "left_out": agreed.coordinates.get("left_out", {}),
        "verdict": (modes or agreed).verdict.name.lower(),
        "sentence": (modes or agreed).verdict.value,
        "reasons": list((modes or agreed).reasons),
        "coverage": None if labels is None else float((labels >= 0).mean()),
        "agreement": agreed.value,
        "agreement_se": agreed.standard_error,
        "agreement_reasons": list(agreed.reasons),
        "modes": _modes(modes) if modes else None,
        "null_strengths": _plain(null.coordinates["strengths"]) if null else [],
        "density": _density(agreed.coordinates["spread"], null.coordinates["spread"]) if null else None,
        "bands": bands,
    }


def _band(reading: Reading) -> dict[str, Any]:
    kept = {name: _plain(reading.coordinates[name]) for name in _BAND}
    return {"strength": reading.value, "strength_se": reading.standard_error} | kept


def _modes(reading: Reading) -> dict[str, Any]:
    kept = {name: _plain(reading.coordinates[name]) for name in ("p_values", "count", "gap_p_values", "groups")}
    return {"values": _plain(reading.value), "errors": _plain(reading.standard_error)} | kept


def _density(spread: NDArray[np.float64], null: NDArray[np.float64]) -> dict[str, Any]:
    """Counts of tokens in bins of strength, and of the null in the same bins."""
    held = [one[np.isfinite(one)] for one in (spread, null)]
    edges = np.linspace(0.0, max(one.max(initial=0.0) for one in held) or 1.0, NUM_BINS + 1)
    tokens, noise = (np.histogram(one, edges)[0].tolist() for one in held)
    return {"edges": edges.tolist(), "tokens": tokens, "null": noise}


def _track(reading: Reading, names: dict[tuple[int, str, int], str]) -> dict[str, Any]:
    where = reading.coordinates
    last = where["steps"][-1], where["loading"], where["members"][-1]
    return {
        **where,
        "name": names.get(last, "unnamed"),
        "strength": _plain(reading.value),
        "strength_se": _plain(reading.standard_error),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
