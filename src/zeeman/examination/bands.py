"""The device of bands: which tokens answer alike, under which loading, carried by what, along steps and along nβ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from zeeman.bands import Band, token_overlap, track
from zeeman.errors import NothingToRead, ZeemanError
from zeeman.examination.ablations import Ablations
from zeeman.examination.band_ablations import ablations_of, band_ablations
from zeeman.examination.band_readings import LOADINGS, Tracks, of_structure
from zeeman.examination.band_structure import MIN_TOKENS, Structure, find_structure
from zeeman.examination.densities import rung
from zeeman.examination.device import Draws, origin_of
from zeeman.examination.devices import Susceptibilities
from zeeman.examination.responses import Place, Statistic, place_of, refuse_single_chains, response_matrix
from zeeman.examination.subject import Subject
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.probes import Library
from zeeman.reading import Reading, Verdict

Chains = Mapping[str, list[Unit]]
"""Chains of each component."""


@dataclass(frozen=True)
class Bands:
    """Bands in the response of tokens, from the units that `Susceptibilities` asks for, and what ablation says of them.

    Parameters
    ----------
    steps : tuple of int
        Checkpoints to read; as for `Susceptibilities`.
    components : tuple of str
        Empty for embed, every head and unembed.
    rungs : tuple of float
        Multiples of the setting's nβ at which bands are looked for too, by loaded chains of each component and by
        unloaded draws reweighted to it.
    statistic : {"rho", "spread"}
        What tokens are compared by; see `find_structure`.

    Raises
    ------
    ZeemanError
        For rungs that are not positive, or are 1 or twice the same.
    """

    steps: tuple[int, ...] = ()
    components: tuple[str, ...] = ()
    rungs: tuple[float, ...] = ()
    statistic: Statistic = "rho"
    name: str = "bands"

    def __post_init__(self) -> None:
        if not all(0 < r < math.inf and r != 1 for r in self.rungs) or len(set(self.rungs)) < len(self.rungs):
            raise ZeemanError(
                f"expected rungs as different positive multiples of n_beta other than 1, got {list(self.rungs)}; give "
                "for example 0.1 0.3 3."
            )

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        """Ask for what `Susceptibilities` and `Ablations` ask for, after refusing a library without enough tokens."""
        refuse_few_tokens(subject.library)
        return self._chains(subject, settings) + Ablations(self.steps).units(subject, settings)

    def _chains(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        wanted = Susceptibilities(self.steps, self.components)
        colder = [u for r in self.rungs for u in wanted.units(subject, _rung(settings, r)) if u.kind == "loaded"]
        return wanted.units(subject, settings) + colder

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        """Readings ``band``, ``band_agreement``, ``band_modes``, ``band_null``, ``band_track`` and ``band_ladder``."""
        chains = by_place(self._chains(subject, settings))
        return read_bands(draws, subject.library, chains, settings.n_beta, self.statistic)


def _rung(settings: SamplerSettings, factor: float) -> SamplerSettings:
    """Settings at a multiple of nβ, with as many chains and draws, so that noise is alike on all rungs."""
    return replace(rung(settings, factor), num_chains=settings.num_chains, num_draws=settings.num_draws)


def by_place(units: list[Unit]) -> dict[Place, dict[str, list[Unit]]]:
    """Sort chains by where they are read, and by component."""
    chains: dict[Place, dict[str, list[Unit]]] = {}
    for unit in units:
        chains.setdefault(place_of(unit), {}).setdefault(unit.component, []).append(unit)
    return chains


def refuse_few_tokens(library: Library) -> None:
    """Refuse a library that scores too few tokens for a band."""
    count = sum(int(probe.scored.sum()) for probe in library)
    if count < MIN_TOKENS:
        raise ZeemanError(
            f"expected at least {MIN_TOKENS} scored tokens to look for bands, got {count} in library {library.name}; "
            "add rows to its probes."
        )


def read_bands(
    draws: Draws,
    library: Library,
    chains: Mapping[Place, Chains],
    n_beta: float,
    statistic: Statistic = "rho",
) -> list[Reading]:
    """Find bands at each place, match them between loadings, and connect them along the steps and along log nβ.

    Where a step has loaded chains on several rungs, its unloaded draws are reweighted to each of them.

    Parameters
    ----------
    draws : Draws
    library : Library
    chains : mapping of Place to mapping of str to list of Unit
        The chains of each component, which observed the data and every probe.
    n_beta : float
        The rung of the loaded chains that are compared along steps.
    statistic : {"rho", "spread"}
        What tokens are compared by; see `find_structure`.

    Returns
    -------
    list of Reading
        For each place ``band_modes`` (singular values), ``band_null`` (how many clusters permuted draws
        show), ``band_agreement`` and one ``band`` each, its strength, with ``ablation`` among its coordinates where
        the step was ablated (`band_ablations`); then one ``band_track`` for each path along the steps, and one
        ``band_ladder`` for each along log nβ. Where nothing can be found, a ``band_agreement`` without a value says
        why.

    Raises
    ------
    ZeemanError
        For fewer than two chains of a component.
    """
    for each in chains.values():
        refuse_single_chains(each)
    everywhere = {**chains, **_reweighted(chains)}
    along = {place for place in chains if place.n_beta == (n_beta if place.loading == "loaded" else 0.0)}
    readings: list[Reading] = []
    found: dict[Place, Structure] = {}
    for place in sorted(everywhere, key=lambda at: (at.step, LOADINGS.index(at.loading), at.n_beta)):
        structure = _structure(draws, library, everywhere[place], place, statistic, aside=place not in along)
        if isinstance(structure, Structure):
            found[place] = structure
        else:
            readings.append(structure)
    tracks = {
        loading: _connect([at for at in found if at in along and at.loading == loading], found, "step")
        for loading in LOADINGS
    }
    ladders = _ladders(found)
    ablated = ablations_of(draws, library)
    for place, structure in found.items():
        others = {at.loading: found[at] for at in found if at in along and _is_other_loading(at, place)}
        ablation = ablated.get(place.step)
        causes = partial(band_ablations, draws, library, ablation, structure) if ablation else None
        readings += of_structure(
            library,
            structure,
            origin_of(next(iter(everywhere[place].values()))[0]),
            others,
            Tracks(tracks[place.loading] if place in along else None, ladders.get((place.step, place.loading), [])),
            causes,
        )
    readings += [_track_reading(name, i, band) for name, bands in tracks.items() for i, band in enumerate(bands)]
    return readings + [_ladder_reading(at, i, band) for at, bands in ladders.items() for i, band in enumerate(bands)]


def _is_other_loading(at: Place, place: Place) -> bool:
    return at.step == place.step and at.loading != place.loading


def _reweighted(chains: Mapping[Place, Chains]) -> dict[Place, Chains]:
    """The unloaded chains again, for each rung of a step that has several."""
    found: dict[Place, Chains] = {}
    for step in {place.step for place in chains}:
        rungs = [place.n_beta for place in chains if place.step == step and place.loading == "loaded"]
        unloaded = chains.get(Place(step, "unloaded", 0.0))
        if unloaded is not None and len(rungs) > 1:
            found |= {Place(step, "reweighted", n_beta): unloaded for n_beta in rungs}
    return found


def _structure(
    draws: Draws, library: Library, chains: Chains, place: Place, statistic: Statistic, *, aside: bool
) -> Structure | Reading:
    """The structure, or a reading without a value that says why there is none."""
    reweighted = place.loading == "reweighted"
    verdict = Verdict.REWEIGHTED_TOO_FAR if reweighted else Verdict.DIVERGED
    try:
        matrix = response_matrix(draws, library, chains, place.n_beta if reweighted else 0.0)
        verdict = Verdict.NO_SIGNAL
        return find_structure(draws, library, chains, matrix, statistic)
    except NothingToRead as error:
        components = [name for name in chains if name != "full"]
        where = {"loading": place.loading, "n_beta": place.n_beta, "aside": aside, "components": components,
                 "statistic": statistic}  # fmt: skip
        origin = origin_of(next(iter(chains.values()))[0])
        return Reading("band_agreement", np.nan, np.nan, verdict, (str(error),), origin, where)


def _ladders(found: Mapping[Place, Structure]) -> dict[tuple[int, str], list[Band]]:
    """Bands along log nβ, for each step and loading with more than one rung."""
    ladders: dict[tuple[int, str], list[Place]] = {}
    for place in found:
        if place.n_beta:
            ladders.setdefault((place.step, place.loading), []).append(place)
    return {at: _connect(places, found, "n_beta") for at, places in ladders.items() if len(places) > 1}


def _connect(places: list[Place], found: Mapping[Place, Structure], axis: str) -> list[Band]:
    """Connect bands along a rising axis by the tokens that they share."""
    if not places:
        return []
    structures = [found[place] for place in places]
    overlaps = [token_overlap(one.labels, other.labels) for one, other in pairwise(structures)]
    at = np.array([getattr(place, axis) for place in places], np.float64)
    return track(at, overlaps, [s.strength for s in structures], [s.strength_se for s in structures])


def _track_reading(loading: str, number: int, band: Band) -> Reading:
    where = {"loading": loading, "steps": band.axis.astype(int).tolist(), **_path(number, band)}
    return Reading("band_track", band.strength, band.errors, Verdict.OK, (), None, where)


def _ladder_reading(at: tuple[int, str], number: int, band: Band) -> Reading:
    where = {"step": at[0], "loading": at[1], "n_betas": band.axis.tolist(), **_path(number, band)}
    return Reading("band_ladder", band.strength, band.errors, Verdict.OK, (), None, where)


def _path(number: int, band: Band) -> dict[str, Any]:
    ends = {"birth": band.birth, "death": band.death, "parent": band.parent, "heir": band.heir}
    return {"id": number, "members": list(band.members), **ends}
