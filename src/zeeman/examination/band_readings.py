"""The bands of one place as readings: each with its verdict, its components, its tokens, and who else sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zeeman.bands import Band, match_clusters
from zeeman.examination.band_names import describe
from zeeman.examination.band_structure import Structure
from zeeman.examination.contexts import in_context
from zeeman.examination.responses import ResponseMatrix, Tokens
from zeeman.probes import Library
from zeeman.reading import Provenance, Reading, Verdict

LOADINGS = ("unloaded", "reweighted", "loaded")
"""The first gives its names to the bands of the others."""
SEEN = 0.5
"""Jaccard overlap of tokens from which a band is said to be seen under another loading too."""
TYPICAL = 12
"""Typical tokens that are kept of a band."""
STANDS_OUT = 3.0
"""Standard errors from which a component counts as carrying a band."""


@dataclass(frozen=True, eq=False)
class Tracks:
    """The paths that a place lies on.

    Parameters
    ----------
    steps : list of Band, or None
        Along the steps; None where it lies aside of them.
    ladder : list of Band
        Along log nβ at its step; empty without further rungs.
    """

    steps: list[Band] | None
    ladder: list[Band]


def of_structure(
    library: Library,
    found: Structure,
    origin: Provenance,
    others: Mapping[str, Structure],
    tracks: Tracks,
    causes: Callable[[int], dict[str, Any]] | None,
) -> list[Reading]:
    """Lay the structure of one place out as readings.

    Parameters
    ----------
    library : Library
    found : Structure
    origin : Provenance
    others : mapping of str to Structure
        The same step under other loadings.
    tracks : Tracks
    causes : callable or None
        Gives what ablation says of a band.

    Returns
    -------
    list of Reading
        ``band_modes``, ``band_null``, ``band_agreement`` and one ``band`` each. A band is doubtful where the chains of
        a component are that stands out in it; the others where those of any component are.
    """
    place, modes, agreed, null = found.matrix.place, found.modes, found.agreement, found.null_strengths
    judged, reasons = _judged(found.matrix, range(len(found.matrix.components)))
    where = {
        "loading": place.loading,
        "n_beta": place.n_beta,
        "aside": tracks.steps is None,
        "components": list(found.matrix.components),
        "statistic": found.statistic,
    }

    def reading(name: str, value: Any, error: Any, more: dict[str, Any]) -> Reading:
        return Reading(name, value, error, judged, reasons, origin, where | more)

    about = {
        "p_values": modes.p_values,
        "count": modes.count,
        "gap_p_values": modes.gap_p_values,
        "groups": [list(group) for group in modes.bands],
        "strengths": found.mode_strengths,
        "loadings": modes.loadings.T,
    }
    verdict = agreed.verdict if judged.trusted else judged
    return [
        reading("band_modes", modes.values, modes.errors, about),
        reading("band_null", float(len(null)), np.nan, {"strengths": null, "spread": found.null_spread}),
        Reading("band_agreement", agreed.value, agreed.standard_error, verdict, (*agreed.reasons, *reasons), origin,
                where | {"labels": found.labels, "places": found.places, "spread": found.spread,
                         "left_out": found.matrix.left_out, "unresolved": found.matrix.unresolved,
                         "stability": {n: [r.value, r.standard_error] for n, r in found.stability.items()}}),
        *(
            Reading("band", float(found.strength[band]), float(found.strength_se[band]),
                    *_judged(found.matrix, found.carriers(band, STANDS_OUT)), origin,
                    where | _about(library, found, band, others, tracks)
                    | {"ablation": causes(band) if causes else None})
            for band in range(len(found.strength))
        ),
    ]  # fmt: skip


def _about(
    library: Library, found: Structure, band: int, others: Mapping[str, Structure], tracks: Tracks
) -> dict[str, Any]:
    """What a page shows of a band."""
    place, tokens, inside = found.matrix.place, found.matrix.tokens, found.labels == band
    seen = {
        loading: (there, overlap)
        for loading, other in others.items()
        for here, there, overlap in match_clusters(found.labels, other.labels)
        if here == band and overlap >= SEEN
    }
    told = describe(library, tokens, inside)
    named_by = next((loading for loading in LOADINGS if loading in seen or loading == place.loading), None)
    if named_by in seen:
        told["name"] = describe(library, tokens, others[named_by].labels == seen[named_by][0])["name"]
    return {
        "id": band,
        "size": int(inside.sum()),
        **told,
        "response": found.means[band],
        "response_se": found.means_se[band],
        "contrast": found.contrast[band],
        "contrast_se": found.contrast_se[band],
        "above_null": bool(found.above_null[band]),
        "seen_under": {place.loading: 1.0} | {loading: overlap for loading, (_, overlap) in seen.items()},
        "typical": [_typical(library, tokens, int(i)) for i in found.typical[band][:TYPICAL]],
        "track": _path_through(tracks.steps or [], place.step, band),
        "ladder": _path_through(tracks.ladder, place.n_beta, band),
    }


def _path_through(paths: list[Band], at: float, band: int) -> int | None:
    passing = (i for i, one in enumerate(paths) if (at, band) in zip(one.axis.tolist(), one.members, strict=True))
    return next(passing, None)


def _typical(library: Library, tokens: Tokens, index: int) -> dict[str, Any]:
    probe = library[tokens.probes[tokens.probe[index]]]
    return in_context(library, probe, int(tokens.row[index]), int(tokens.position[index]))


def _judged(matrix: ResponseMatrix, components: range | list[int]) -> tuple[Verdict, tuple[str, ...]]:
    """The first doubt about the chains of some components, and whose they are."""
    doubts = [(matrix.components[i], matrix.verdicts[i]) for i in components if not matrix.verdicts[i].trusted]
    left = tuple(f"{name} was left out: {why}" for name, why in matrix.left_out.items())
    if not doubts:
        return Verdict.OK, left
    names = tuple(f"the chains of {name} are {v.name.lower().replace('_', ' ')}" for name, v in doubts)
    return doubts[0][1], (*names, *left)
