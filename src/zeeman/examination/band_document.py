"""The part of the report's document that shows bands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.examination.band_readings import LOADINGS
from zeeman.examination.responses import Tokens
from zeeman.probes import Library
from zeeman.reading import Reading

Ints = NDArray[np.int64]

MAX_TOKENS = 100_000
"""Tokens that the maps show at most; of more, evenly spaced ones."""
NUM_BINS = 32
"""Bins of the density of tokens over strength."""

_BAND = (
    "id", "size", "ladder", "name", "tags", "token_ids", "probes", "above_null", "seen_under", "typical", "track",
    "response", "response_se", "contrast", "contrast_se", "ablation",
)  # fmt: skip
_MODES = ("p_values", "count", "gap_p_values", "groups", "strengths", "loadings")


def bands_document(readings: list[Reading], library: Library) -> dict[str, Any] | None:
    """Lay bands out; None if they were not looked for.

    Parameters
    ----------
    readings : list of Reading
    library : Library
        The one that they were read with.

    Returns
    -------
    dict or None
        ``maps``, for each step, loading and nβ: ``step``, ``loading``, ``n_beta``, ``aside`` (whether it lies on a
        ladder alone, and not on the path along the steps), ``statistic`` (what tokens are compared by),
        ``components``, ``left_out``, ``unresolved`` (why nothing
        answers to a component), ``verdict``, ``reasons``, ``coverage``, ``agreement`` of halves of the chains with its
        error, ``stability`` (the same of halves of the tokens and of other neighbours), ``modes`` (values, errors,
        p_values, count, gap_p_values, groups, strengths, loadings of the components), ``null_strengths`` of the
        clusters that permuted draws show, ``density`` of tokens over strength (edges, tokens, null), ``places`` of the
        shown tokens in the two strongest modes (x, y, band, −1 for none; None where nothing was found, and aside) and
        ``bands``: strength with its error and verdict, id, size, name, tags, token ids, mean response of each
        component with errors, the same less the mean token's, the loadings that see it, typical tokens in context,
        track, ladder, and the effect of ablations (`band_ablations`) or None. And
        ``tracks``: loading, id, name, steps, members, strength with errors, birth, death, parent, heir; ``ladders``:
        the same along nβ, with step and n_betas in place of steps. And ``tokens``: how many there are (count), probe,
        row and position of those shown, the ids of each row, and the text of ids where it is known.
    """
    agreements = [r for r in readings if r.name == "band_agreement"]
    if not agreements:
        return None
    tokens = Tokens.of(library)
    shown = np.unique(np.linspace(0, len(tokens) - 1, min(len(tokens), MAX_TOKENS)).astype(np.int64))
    paths = [r for r in readings if r.name in ("band_track", "band_ladder")]
    maps = [_map(r, [o for o in readings if _place(o) == _place(r)], shown) for r in agreements]
    maps.sort(key=lambda one: (one["step"], LOADINGS.index(one["loading"]), one["n_beta"]))
    return {
        "maps": maps,
        "tracks": [_path(r, maps) for r in paths if r.name == "band_track"],
        "ladders": [_path(r, maps) for r in paths if r.name == "band_ladder"],
        "tokens": _tokens(library, tokens, shown),
    }


def _place(reading: Reading) -> tuple[int | None, str | None, float | None]:
    where = reading.coordinates
    return reading.provenance.step if reading.provenance else None, where.get("loading"), where.get("n_beta")


def _map(agreed: Reading, here: list[Reading], shown: Ints) -> dict[str, Any]:
    modes, null = (next((r for r in here if r.name == name), None) for name in ("band_modes", "band_null"))
    bands = [_band(r) for r in here if r.name == "band"]
    step, loading, n_beta = _place(agreed)
    aside = agreed.coordinates["aside"]
    labels = agreed.coordinates.get("labels")
    return {
        "step": step,
        "loading": loading,
        "n_beta": n_beta,
        "aside": aside,
        "statistic": agreed.coordinates["statistic"],
        "components": agreed.coordinates["components"],
        "left_out": agreed.coordinates.get("left_out", {}),
        "unresolved": agreed.coordinates.get("unresolved", {}),
        "verdict": (modes or agreed).verdict.name.lower(),
        "sentence": (modes or agreed).verdict.value,
        "reasons": list((modes or agreed).reasons),
        "coverage": None if labels is None else float((labels >= 0).mean()),
        "agreement": agreed.value,
        "agreement_se": agreed.standard_error,
        "agreement_reasons": list(agreed.reasons),
        "stability": agreed.coordinates.get("stability", {}),
        "modes": _modes(modes) if modes else None,
        "null_strengths": _plain(null.coordinates["strengths"]) if null else [],
        "density": _density(agreed.coordinates["spread"], null.coordinates["spread"]) if null else None,
        "places": None if aside or labels is None else _places(agreed.coordinates["places"][shown], labels[shown]),
        "bands": bands,
    }


def _band(reading: Reading) -> dict[str, Any]:
    kept = {name: _plain(reading.coordinates[name]) for name in _BAND}
    told = {"verdict": reading.verdict.name.lower(), "reasons": list(reading.reasons)}
    return {"strength": reading.value, "strength_se": reading.standard_error} | told | kept


def _modes(reading: Reading) -> dict[str, Any]:
    kept = {name: _plain(reading.coordinates[name]) for name in _MODES}
    return {"values": _plain(reading.value), "errors": _plain(reading.standard_error)} | kept


def _density(spread: NDArray[np.float64], null: NDArray[np.float64]) -> dict[str, Any]:
    """Counts of tokens in bins of strength, and of the null in the same bins."""
    held = [one[np.isfinite(one)] for one in (spread, null)]
    edges = np.linspace(0.0, max(one.max(initial=0.0) for one in held) or 1.0, NUM_BINS + 1)
    tokens, noise = (np.histogram(one, edges)[0].tolist() for one in held)
    return {"edges": edges.tolist(), "tokens": tokens, "null": noise}


def _places(places: NDArray[np.float64], labels: Ints) -> dict[str, Any]:
    x, y = places.round(3).T.tolist()
    return {"x": x, "y": y, "band": labels.tolist()}


def _tokens(library: Library, tokens: Tokens, shown: Ints) -> dict[str, Any]:
    rows = {probe.name: probe.inputs.tolist() for probe in library}
    ids = {token for each in rows.values() for row in each for token in row}
    where = {name: getattr(tokens, name)[shown].tolist() for name in ("probe", "row", "position")}
    texts = {str(token): library.vocabulary[token] for token in sorted(ids) if token < len(library.vocabulary)}
    return {"count": len(tokens), "probes": list(tokens.probes), **where, "rows": rows, "texts": texts}


def _path(reading: Reading, maps: list[dict[str, Any]]) -> dict[str, Any]:
    """A path of bands, with the name of its last one."""
    where = reading.coordinates
    kind, last = ("ladder", {"n_beta": where["n_betas"][-1]}) if "n_betas" in where else ("track", {})
    last |= {"loading": where["loading"], "step": where["step"] if "step" in where else where["steps"][-1]}
    ends = [m["bands"] for m in maps if all(m[name] == value for name, value in last.items())]
    names = [band["name"] for bands in ends for band in bands if band[kind] == where["id"]]
    found = {"strength": _plain(reading.value), "strength_se": _plain(reading.standard_error)}
    return where | found | {"name": names[0] if names else "unnamed"}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
