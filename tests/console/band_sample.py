"""Bands as a report gets them: two loadings, three steps and a ladder at the last, one band that chance reaches."""

from __future__ import annotations

from typing import Any

import numpy as np

NAMES = ("repeats, token 53", "indentation, token 32", "brackets, after 40")


def sample_bands(steps: tuple[int, ...], components: tuple[str, ...]) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    maps = [_map(rng, step, loading, components) for step in steps for loading in ("unloaded", "loaded")]
    tracks = [_track(maps, loading, i) for loading in ("unloaded", "loaded") for i in range(3)]
    rungs = [_map(rng, steps[-1], "reweighted", components, n_beta) for n_beta in (10.0, 100.0)]
    return {
        "maps": maps + rungs,
        "tracks": tracks,
        "ladders": [_ladder(rungs, i) for i in range(3)],
        "tokens": _tokens(),
    }


def _tokens(rows: int = 10, length: int = 30) -> dict[str, Any]:
    row, position = np.divmod(np.arange(rows * length), length)
    return {
        "count": rows * length,
        "probes": ["repeats"],
        "probe": [0] * (rows * length),
        "row": row.tolist(),
        "position": position.tolist(),
        "rows": {"repeats": np.random.default_rng(6).integers(33, 126, (rows, length)).tolist()},
        "texts": {str(code): chr(code) for code in range(33, 126)},
    }


def _map(
    rng: np.random.Generator, step: int, loading: str, components: tuple[str, ...], n_beta: float = 0.0
) -> dict[str, Any]:
    edges = np.linspace(0, 1, 33)
    return {
        "step": step,
        "loading": loading,
        "n_beta": 100.0 if loading == "loaded" else n_beta,
        "aside": loading == "reweighted",
        "components": list(components),
        "left_out": {"l9h9": "At least one chain exploded."},
        "verdict": "ok",
        "sentence": "The reading is healthy.",
        "reasons": [],
        "coverage": 0.4,
        "agreement": 0.6,
        "agreement_se": 0.05,
        "agreement_reasons": [],
        "stability": {"tokens": [0.7, 0.04], "neighbours": [0.8, 0.03]},
        "modes": {"values": [9.0, 5.0, 2.0], "errors": [0.1, 0.1, 0.1], "p_values": [0.01, 0.02, 1.0], "count": 2,
                  "gap_p_values": [0.001], "groups": [[0], [1]], "strengths": [0.6, 0.3],
                  "loadings": [[0.9] + [-0.1] * (len(components) - 1), [0.0] * (len(components) - 1) + [1.0]]},
        "null_strengths": [0.1],
        "density": {"edges": edges.tolist(), "tokens": (900 * np.exp(-6 * edges[:-1])).astype(int).tolist(),
                    "null": (900 * np.exp(-20 * edges[:-1])).astype(int).tolist()},
        "places": {"x": [*rng.normal(size=299).round(3).tolist(), None], "y": rng.normal(size=300).round(3).tolist(),
                   "band": (np.arange(300) % 4 - 1).tolist()},
        "bands": [_band(rng, i, loading, len(components)) for i in range(3)],
    }  # fmt: skip


def _band(rng: np.random.Generator, number: int, loading: str, count: int) -> dict[str, Any]:
    response = rng.normal(size=count).clip(-0.9, 0.9)
    return {
        "strength": 0.3 + 0.2 * number + 0.05 * rng.random(),
        "strength_se": 0.02,
        "id": number,
        "track": number,
        "ladder": number,
        "verdict": "ok",
        "size": 300 - 90 * number,
        "name": NAMES[number],
        "tags": [{"kind": "probe", "what": "repeats", "count": 200, "enrichment": 3.1, "p_value": 1e-9}],
        "token_ids": [],
        "probes": {"repeats": 200, "text": 100 - 20 * number},
        "above_null": number != 2,
        "seen_under": {loading: 1.0},
        "typical": [{"probe": "repeats", "row": 3, "position": 9, "ids": [5, 6, 7, 53, 8], "at": 3}],
        "response": response.tolist(),
        "response_se": [0.08] * count,
        "contrast": (response - 0.1).tolist(),
        "contrast_se": [0.08] * count,
    }


def _ladder(rungs: list[dict[str, Any]], number: int) -> dict[str, Any]:
    path = _track(rungs, "reweighted", number)
    del path["steps"]
    return path | {"step": rungs[0]["step"], "n_betas": [one["n_beta"] for one in rungs]}


def _track(maps: list[dict[str, Any]], loading: str, number: int) -> dict[str, Any]:
    mine = [one for one in maps if one["loading"] == loading]
    strengths = [one["bands"][number]["strength"] for one in mine]
    return {
        "loading": loading,
        "id": number,
        "name": NAMES[number],
        "steps": [one["step"] for one in mine],
        "members": [number] * len(mine),
        "strength": strengths,
        "strength_se": [0.02] * len(mine),
        "birth": "start",
        "death": "end",
        "parent": None,
        "heir": None,
    }
