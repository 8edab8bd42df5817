"""The device of bands: which tokens answer alike, under which loading, carried by what, and along which steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.bands import Band, match_clusters, token_overlap, track
from zeeman.errors import NothingToRead, ZeemanError
from zeeman.examination.ablations import Ablations
from zeeman.examination.band_ablations import ablations_of, band_ablations
from zeeman.examination.band_names import describe
from zeeman.examination.band_structure import MIN_TOKENS, Structure, find_structure
from zeeman.examination.contexts import in_context
from zeeman.examination.device import Draws, origin_of
from zeeman.examination.devices import Susceptibilities
from zeeman.examination.responses import ResponseMatrix, Tokens, refuse_single_chains, response_matrix
from zeeman.examination.subject import Subject
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.probes import Library
from zeeman.reading import Provenance, Reading, Verdict

Ints = NDArray[np.int64]
Chains = Mapping[str, list[Unit]]
"""Chains of each component."""

LOADINGS = ("unloaded", "loaded")
"""The first gives its names to the bands of the others."""
SEEN = 0.5
"""Jaccard overlap of tokens from which a band is said to be seen under another loading too."""
TYPICAL = 12
"""Typical tokens that are kept of a band."""


@dataclass(frozen=True)
class Bands:
    """Bands in the response of tokens, from the units that `Susceptibilities` asks for, and what ablation says of them.

    Parameters
    ----------
    steps : tuple of int
        Checkpoints to read; as for `Susceptibilities`.
    components : tuple of str
        Empty for embed, every head and unembed.
    """

    steps: tuple[int, ...] = ()
    components: tuple[str, ...] = ()
    name: str = "bands"

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        """Ask for what `Susceptibilities` and `Ablations` ask for, after refusing a library without enough tokens."""
        refuse_few_tokens(subject.library)
        chains = Susceptibilities(self.steps, self.components).units(subject, settings)
        return chains + Ablations(self.steps).units(subject, settings)

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        """Readings ``band``, ``band_agreement``, ``band_modes``, ``band_null`` and ``band_track``."""
        chains: dict[tuple[int, str], dict[str, list[Unit]]] = {}
        for unit in Susceptibilities(self.steps, self.components).units(subject, settings):
            chains.setdefault((unit.step, unit.kind), {}).setdefault(unit.component, []).append(unit)
        return read_bands(draws, subject.library, chains)


def refuse_few_tokens(library: Library) -> None:
    """Refuse a library that scores too few tokens for a band."""
    count = sum(int(probe.scored.sum()) for probe in library)
    if count < MIN_TOKENS:
        raise ZeemanError(
            f"expected at least {MIN_TOKENS} scored tokens to look for bands, got {count} in library {library.name}; "
            "add rows to its probes."
        )


def read_bands(draws: Draws, library: Library, chains: Mapping[tuple[int, str], Chains]) -> list[Reading]:
    """Find bands at each step and loading, match them between loadings, and connect them along the steps.

    Parameters
    ----------
    draws : Draws
    library : Library
    chains : mapping of (int, str) to mapping of str to list of Unit
        For each step and loading, the chains of each component, which observed the data and every probe.

    Returns
    -------
    list of Reading
        For each step and loading ``band_modes`` (singular values), ``band_null`` (how many clusters permuted draws
        show), ``band_agreement`` and one ``band`` each, its strength, with ``ablation`` among its coordinates where
        the step was ablated (`band_ablations`); then one ``band_track`` for each path. Where
        nothing can be found, a ``band_agreement`` without a value says why.

    Raises
    ------
    ZeemanError
        For fewer than two chains of a component.
    """
    for each in chains.values():
        refuse_single_chains(each)
    readings: list[Reading] = []
    found: dict[tuple[int, str], Structure] = {}
    for key in sorted(chains, key=lambda key: (key[0], LOADINGS.index(key[1]))):
        structure = _structure(draws, library, chains[key])
        if isinstance(structure, Structure):
            found[key] = structure
        else:
            readings.append(structure)
    tracks = {
        loading: connect(
            [s for s, other in found if other == loading], [v for k, v in found.items() if k[1] == loading]
        )
        for loading in LOADINGS
    }
    ablated = ablations_of(draws, library)
    for (step, loading), structure in found.items():
        others = {k[1]: v for k, v in found.items() if k[0] == step and k[1] != loading}
        origin = origin_of(next(iter(chains[step, loading].values()))[0])
        causes = partial(band_ablations, draws, library, ablated[step], structure) if step in ablated else None
        readings += _of_structure(library, structure, origin, others, tracks[loading], causes)
    return readings + [
        _track_reading(loading, i, band) for loading in LOADINGS for i, band in enumerate(tracks[loading])
    ]


def _structure(draws: Draws, library: Library, chains: Chains) -> Structure | Reading:
    """The structure, or a reading without a value that says why there is none."""
    unit = next(iter(chains.values()))[0]
    verdict = Verdict.DIVERGED
    try:
        matrix = response_matrix(draws, library, chains)
        verdict = Verdict.NO_SIGNAL
        return find_structure(draws, library, chains, matrix)
    except NothingToRead as error:
        where = {"loading": unit.kind, "components": [name for name in chains if name != "full"]}
        return Reading("band_agreement", np.nan, np.nan, verdict, (str(error),), origin_of(unit), where)


def connect(axis: list[int], structures: list[Structure]) -> list[Band]:
    """Connect bands along a rising axis by the tokens that they share."""
    if not axis:
        return []
    overlaps = [token_overlap(one.labels, other.labels) for one, other in pairwise(structures)]
    return track(
        np.array(axis, np.float64), overlaps, [s.strength for s in structures], [s.strength_se for s in structures]
    )


def _of_structure(
    library: Library,
    found: Structure,
    origin: Provenance,
    others: dict[str, Structure],
    tracks: list[Band],
    causes: Callable[[int], dict[str, Any]] | None,
) -> list[Reading]:
    judged, reasons = _judged(found.matrix)
    where = {"loading": found.matrix.loading, "components": list(found.matrix.components)}
    modes, agreed, null = found.modes, found.agreement, found.null_strengths

    def reading(name: str, value: Any, error: Any, more: dict[str, Any]) -> Reading:
        return Reading(name, value, error, judged, reasons, origin, where | more)

    about = {
        "p_values": modes.p_values,
        "count": modes.count,
        "gap_p_values": modes.gap_p_values,
        "groups": [list(group) for group in modes.bands],
        "strengths": found.mode_strengths,
    }
    verdict = agreed.verdict if judged.trusted else judged
    return [
        reading("band_modes", modes.values, modes.errors, about),
        reading("band_null", float(len(null)), np.nan, {"strengths": null, "spread": found.null_spread}),
        Reading("band_agreement", agreed.value, agreed.standard_error, verdict, (*agreed.reasons, *reasons), origin,
                where | {"labels": found.labels, "places": found.places, "spread": found.spread,
                         "left_out": found.matrix.left_out}),
        *(
            reading("band", float(found.strength[band]), float(found.strength_se[band]),
                    _about(library, found, band, others, tracks) | {"ablation": causes(band) if causes else None})
            for band in range(len(found.strength))
        ),
    ]  # fmt: skip


def _about(
    library: Library, found: Structure, band: int, others: dict[str, Structure], tracks: list[Band]
) -> dict[str, Any]:
    """What a page shows of a band."""
    tokens, inside = found.matrix.tokens, found.labels == band
    seen = {
        loading: (there, overlap)
        for loading, other in others.items()
        for here, there, overlap in match_clusters(found.labels, other.labels)
        if here == band and overlap >= SEEN
    }
    told = describe(library, tokens, inside)
    named_by = next((loading for loading in LOADINGS if loading in seen or loading == found.matrix.loading), None)
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
        "seen_under": {found.matrix.loading: 1.0} | {loading: overlap for loading, (_, overlap) in seen.items()},
        "typical": [_typical(library, tokens, int(i)) for i in found.typical[band][:TYPICAL]],
        "track": _track_of(found.matrix.step, band, tracks),
    }


def _track_of(step: int, band: int, tracks: list[Band]) -> int:
    return next(i for i, one in enumerate(tracks) if (step, band) in zip(one.axis.tolist(), one.members, strict=True))


def _typical(library: Library, tokens: Tokens, index: int) -> dict[str, Any]:
    probe = library[tokens.probes[tokens.probe[index]]]
    return in_context(library, probe, int(tokens.row[index]), int(tokens.position[index]))


def _judged(matrix: ResponseMatrix) -> tuple[Verdict, tuple[str, ...]]:
    """The first doubt about the chains of a component, and whose they are."""
    doubts = [(name, v) for name, v in zip(matrix.components, matrix.verdicts, strict=True) if not v.trusted]
    left = tuple(f"{name} was left out: {why}" for name, why in matrix.left_out.items())
    if not doubts:
        return Verdict.OK, left
    names = tuple(f"the chains of {name} are {v.name.lower().replace('_', ' ')}" for name, v in doubts)
    return doubts[0][1], (*names, *left)


def _track_reading(loading: str, number: int, band: Band) -> Reading:
    where = {"loading": loading, "id": number, "steps": band.axis.astype(int).tolist(), "members": list(band.members)}
    ends = {"birth": band.birth, "death": band.death, "parent": band.parent, "heir": band.heir}
    return Reading("band_track", band.strength, band.errors, Verdict.OK, (), None, where | ends)
