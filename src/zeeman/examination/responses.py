"""The responses of tokens to components, read from the units of a store a tile of tokens at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import NothingToRead, ZeemanError
from zeeman.examination.device import Draws
from zeeman.examination.devices import chain_health
from zeeman.examination.subject import DATA
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.examination.unit_store import CHUNK_TOKENS
from zeeman.probes import Library
from zeeman.reading import Verdict
from zeeman.spectra import (
    ResponseSums,
    Susceptibility,
    importance_weights,
    resolved,
    shifted_nulls,
    token_spread,
    unresolved,
)

Array = NDArray[np.float64]
_FIGURES = {name: name for name in ("rho", "rho_se", "null", "covariance", "covariance_se", "shift")} | {
    "halves": "rho_halves"
}
"""Arrays of the matrix, and what they are of a susceptibility."""
_ALL = (*_FIGURES, "amplitude", "amplitude_halves")
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Statistic = Literal["rho", "spread"]
"""What tokens are compared by: how their loss goes along with φ, or the log of how far it moves."""

TILE = CHUNK_TOKENS
"""Tokens at once: those of a chunk of the store, so that each is read once."""


class Place(NamedTuple):
    """Where a response matrix is read.

    Parameters
    ----------
    step : int
    loading : {"unloaded", "reweighted", "loaded"}
    n_beta : float
        Inverse temperature of the posterior; 0 for unloaded draws.
    """

    step: int
    loading: str
    n_beta: float


@dataclass(frozen=True, eq=False)
class Tokens:
    """The scored tokens of a library's probes, in the order of the probes.

    Parameters
    ----------
    probes : tuple of str
    probe, row, position : array of int, shape (tokens,)
        Number of the probe, row in it, and position in the row.
    ids, before : array of int, shape (tokens,)
        Token id, and that of the token before it.

    Examples
    --------
    >>> from zeeman.probes import Library, Probe
    >>> probe = Probe("p", np.array([[5, 6, 7]]), np.array([[False, False, True]]))
    >>> tokens = Tokens.of(Library.from_probes("one", Probe("d", probe.inputs, probe.scored), [probe]))
    >>> tokens.ids.tolist(), tokens.before.tolist(), tokens.position.tolist()
    ([7], [6], [2])
    """

    probes: tuple[str, ...]
    probe: Ints
    row: Ints
    position: Ints
    ids: Ints
    before: Ints

    @classmethod
    def of(cls, library: Library) -> Tokens:
        """List the tokens of a library in the order in which units hold their losses."""
        places = [np.nonzero(probe.scored) for probe in library]
        ids = [p.inputs[place] for p, place in zip(library, places, strict=True)]
        before = [p.inputs[row, at - 1] for p, (row, at) in zip(library, places, strict=True)]
        number = np.repeat(np.arange(len(library)), [len(row) for row, _ in places])
        rows, positions = (np.concatenate([place[axis] for place in places]) for axis in (0, 1))
        return cls(tuple(library.probes), number, rows, positions, np.concatenate(ids), np.concatenate(before))

    def __len__(self) -> int:
        """Count the tokens."""
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class ResponseMatrix:
    """How each token's loss answers to each component at one place; arrays (components, tokens).

    Parameters
    ----------
    place : Place
    components : tuple of str
    tokens : Tokens
    rho, rho_se, null : array
        Correlation, its standard error, and the same between draws of different chains.
    covariance, covariance_se, shift : array
        Both terms of the susceptibility, in nats squared; the shift is NaN where the chains of all weights diverged.
    halves : array, shape (2, components, tokens)
        ρ from either half of the chains.
    amplitude, amplitude_halves : array
        Log of how far the loss moves, in log nats, and the same from either half of the chains.
    floors : array, shape (components,)
        1/√ESS, the noise of ρ.
    verdicts : tuple of Verdict
        Of each component's chains, and of the weights where they are reweighted.
    left_out : dict of str
        Why, for each component that is not there.
    unresolved : dict of str
        Why, for each component to which no token's response stands out, with the setting at which some would.
    """

    place: Place
    components: tuple[str, ...]
    tokens: Tokens
    rho: Floats
    rho_se: Floats
    null: Floats
    covariance: Floats
    covariance_se: Floats
    shift: Floats
    halves: Floats
    amplitude: Floats
    amplitude_halves: Floats
    floors: Array
    verdicts: tuple[Verdict, ...]
    left_out: dict[str, str]
    unresolved: dict[str, str]

    @property
    def total(self) -> Floats:
        """χ, the sum of covariance and shift."""
        return self.covariance + self.shift


def response_matrix(
    draws: Draws, library: Library, chains: Mapping[str, list[Unit]], reweighted_to: float = 0.0
) -> ResponseMatrix:
    """Read the response matrix of one place from finished units.

    Parameters
    ----------
    draws : Draws
    library : Library
    chains : mapping of str to list of Unit
        Chains of each component, which observed the data and every probe; those of ``full`` give the shift.
    reweighted_to : float
        Inverse temperature to which importance weights carry unloaded draws; their localization stays.

    Returns
    -------
    ResponseMatrix
        Without the components whose chains diverged, or whose weights rest on a few draws.

    Raises
    ------
    ZeemanError
        For fewer than two chains or no component.
    NothingToRead
        Where no component is left.
    """
    components = [name for name in chains if name != "full"]
    refuse_single_chains(chains)
    judged = {name: _judge(draws, chains[name], reweighted_to) for name in components}
    left_out = {name: verdict.value for name, (verdict, phi) in judged.items() if phi is None}
    kept = [name for name in components if name not in left_out]
    if not kept:
        place = place_of(chains[components[0]][0], reweighted_to)
        lost = f"diverged at step {place.step}; lower lr or n_beta"
        if reweighted_to:
            lost = (
                f"diverged or can't be reweighted to n_beta {reweighted_to:g} at step {place.step}; choose a lower one"
            )
        raise NothingToRead(f"the chains of all {len(components)} components {lost}.")
    full = _judge(draws, chains["full"], reweighted_to)[1] if "full" in chains else None
    place, tokens = place_of(chains[kept[0]][0], reweighted_to), Tokens.of(library)
    rows = {name: _Row(judged[name][1], len(tokens)) for name in kept}
    for probe, where in _tiles(library):
        everything = None if full is None else _sums(draws, chains["full"], full, probe, where, reweighted_to)
        for name, row in rows.items():
            sums = _sums(draws, chains[name], row.phi, probe, where, reweighted_to)
            row.add(sums.respond(everything), sums)
    n_beta = place.n_beta if place.loading == "loaded" else 0.0
    silent = {name: row.silence(n_beta, draws.attribute(chains[name][0], "localization")) for name, row in rows.items()}
    return ResponseMatrix(
        place,
        tuple(rows),
        tokens,
        **{name: np.stack([row.figures[name] for row in rows.values()], axis=-2) for name in _ALL},
        floors=np.array([row.floor for row in rows.values()]),
        verdicts=tuple(judged[name][0] for name in kept),
        left_out=left_out,
        unresolved={name: why for name, why in silent.items() if why},
    )


class _Row:
    """The figures of one component, filled a tile of tokens after the other, in single precision."""

    def __init__(self, phi: Array | None, tokens: int) -> None:
        assert phi is not None
        self.phi, self.floor = phi, np.nan
        self.figures = {n: np.empty((2, tokens) if n.endswith("halves") else tokens, np.float32) for n in _ALL}
        self._filled = self._count = self._null = 0
        self._spreads: list[float] = []

    def add(self, chi: Susceptibility, sums: ResponseSums) -> None:
        where = slice(self._filled, self._filled + len(chi.rho))
        for name, source in _FIGURES.items():
            self.figures[name][..., where] = getattr(chi, source)
        self.figures["amplitude"][where] = sums.log_amplitude()
        self.figures["amplitude_halves"][:, where] = sums.log_amplitude_halves()
        self._filled, self.floor = where.stop, chi.floor
        self._count += int(resolved(chi.rho, chi.rho_se).sum())
        self._null += int(resolved(chi.null, chi.null_se).sum())
        self._spreads.append(token_spread(chi, self.phi))

    def silence(self, n_beta: float, localization: float) -> str:
        energy, spread = float(self.phi.mean()), float(np.median(self._spreads))
        return unresolved(self._count, self._null, energy, spread, n_beta=n_beta, localization=localization)


def place_of(unit: Unit, reweighted_to: float = 0.0) -> Place:
    """Where the chain of a unit is read."""
    if reweighted_to:
        return Place(unit.step, "reweighted", reweighted_to)
    return Place(unit.step, unit.kind, _settings(unit).n_beta if unit.kind == "loaded" else 0.0)


def means_left_out(
    draws: Draws,
    library: Library,
    chains: Mapping[str, list[Unit]],
    components: tuple[str, ...],
    groups: Array,
    reweighted_to: float = 0.0,
    statistic: Statistic = "rho",
) -> list[Array]:
    """Mean ρ or log amplitude over groups of tokens with each stretch of chains left out, for a jackknife.

    Parameters
    ----------
    draws, library, chains
        As for :func:`response_matrix`.
    components : tuple of str
    groups : array, shape (tokens, groups)
        Weight of each token in each mean; tokens of no weight may be broken.
    reweighted_to : float
        As for :func:`response_matrix`.
    statistic : {"rho", "spread"}

    Returns
    -------
    list of arrays, shape (stretches, groups), one a component
    """
    found = []
    for name in components:
        phi, start, total = _phi(draws, chains[name]), 0, np.zeros(())
        for probe, where in _tiles(library):
            sums = _sums(draws, chains[name], phi, probe, where, reweighted_to)
            kept = sums.leave_one_out_rho() if statistic == "rho" else sums.leave_one_out_log_amplitude()
            weights = groups[start : start + kept.shape[1]]
            start += kept.shape[1]
            total = total + np.where(weights.any(axis=1), kept, 0.0) @ weights
        found.append(total)
    return found


def null_matrices(
    draws: Draws,
    library: Library,
    chains: Mapping[str, list[Unit]],
    components: tuple[str, ...],
    chosen: NDArray[np.bool_],
    reweighted_to: float = 0.0,
    statistic: Statistic = "rho",
) -> Floats:
    """What noise makes of some tokens, in many ways: ρ from permuted draws, or log amplitudes from differing halves.

    Parameters
    ----------
    draws, library, chains, reweighted_to
        As for :func:`response_matrix`.
    components : tuple of str
    chosen : array of bool, shape (tokens,)
    statistic : {"rho", "spread"}
        See `shifted_nulls` and `ResponseSums.log_amplitude_noise`.

    Returns
    -------
    array of float32, shape (pairings, chosen tokens, components)
    """
    found = []
    for name in components:
        phi, start, parts = _phi(draws, chains[name]), 0, []
        weights = importance_weights(phi, reweighted_to).weights if reweighted_to else None
        for probe, where in _tiles(library):
            held = chosen[start : start + where.stop - where.start]
            start += len(held)
            if held.any() and statistic == "rho":
                losses = np.moveaxis(draws.stack(chains[name], f"observed_{probe}", where), -1, 0)
                parts.append(shifted_nulls(phi, losses[held], weights))
            elif held.any():
                sums = _sums(draws, chains[name], phi, probe, where, reweighted_to)
                parts.append(sums.log_amplitude_noise()[:, held].astype(np.float32))
        found.append(np.concatenate(parts, axis=1))
    return np.stack(found, axis=-1)


def refuse_single_chains(chains: Mapping[str, list[Unit]]) -> None:
    """Refuse chains from which no error bar can be made."""
    components = [name for name in chains if name != "full"]
    if not components:
        raise ZeemanError("expected chains of at least one component besides full, got none; name components.")
    for name in components:
        if len(chains[name]) < 2:
            raise ZeemanError(
                f"expected at least two chains of {name}, got {len(chains[name])}: one chain shows no error bar; "
                "raise num_chains."
            )


def _judge(draws: Draws, units: list[Unit], reweighted_to: float) -> tuple[Verdict, Array | None]:
    """Verdict on the chains of a component and their weights, and φ of each draw if there is anything to read."""
    phi = _phi(draws, units)
    health = chain_health(draws, units, _settings(units[0]), energy=_settings(units[0]).n_beta * phi)
    if health.verdict is Verdict.DIVERGED or not np.isfinite(phi).all():
        return Verdict.DIVERGED, None
    weighted = importance_weights(phi, reweighted_to).verdict if reweighted_to else Verdict.OK
    if weighted is Verdict.REWEIGHTED_TOO_FAR:
        return weighted, None
    return (health.verdict if weighted.trusted else weighted), phi


def _settings(unit: Unit) -> SamplerSettings:
    assert unit.settings is not None
    return unit.settings


def _phi(draws: Draws, units: list[Unit]) -> Array:
    phi: Array = draws.stack(units, f"observed_{DATA}").mean(axis=-1)
    return phi


def _tiles(library: Library) -> Iterator[tuple[str, slice]]:
    for probe in library:
        count = int(probe.scored.sum())
        for low in range(0, count, TILE):
            yield probe.name, slice(low, min(low + TILE, count))


def _sums(draws: Draws, units: list[Unit], phi: Array, probe: str, where: slice, reweighted_to: float) -> ResponseSums:
    losses = np.moveaxis(draws.stack(units, f"observed_{probe}", where), -1, 0)
    sums = ResponseSums(len(losses), phi, importance_weights(phi, reweighted_to).weights if reweighted_to else None)
    sums.add(losses)
    return sums
