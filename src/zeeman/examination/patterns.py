"""Which mixture of data would move a reading, from the chains that a store holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import NothingToRead, ZeemanError
from zeeman.examination.device import Draws, origin_of
from zeeman.examination.devices import chain_health
from zeeman.examination.store import Store
from zeeman.examination.stored import stored_chains
from zeeman.examination.subject import DATA
from zeeman.examination.unit import Unit
from zeeman.probes import Library
from zeeman.reading import Provenance, Verdict
from zeeman.spectra import Change, Pattern, Proposal, TiltedDraws, propose, tilted_change

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StoredPattern:
    """A mixture of data for a wanted change of readings, what it is predicted to do, and what vouches for it.

    Parameters
    ----------
    step : int
        Of the checkpoint.
    probes : tuple of str
        What dh weighs: the mixture is q + Σ_k dh_k (q_k − q), the data itself at 1 − Σ_k dh_k.
    target : dict of float
        Wanted change of each observable, in nats.
    pattern : Pattern
        Over the observables in the order of ``target``.
    checked : float
        Part of dh up to which weights of the same draws can be trusted (`Proposal`); 0 if there is none.
    khat : float
        Pareto k̂ of these weights.
    changes : dict of Change
        What that part of dh is predicted to do to each observable, then to the data and to every other probe.
    shuffled : tuple of Pattern
        The null: what is proposed when the observables are those of another chain, once for each pairing of chains.
    verdict : Verdict
        Health of the chains.
    reasons : tuple of str
    provenance : Provenance
    """

    step: int
    probes: tuple[str, ...]
    target: dict[str, float]
    pattern: Pattern
    checked: float
    khat: float
    changes: dict[str, Change]
    shuffled: tuple[Pattern, ...]
    verdict: Verdict
    reasons: tuple[str, ...]
    provenance: Provenance

    def document(self) -> dict[str, Any]:
        """Lay it out as plain values."""
        found = self.pattern
        return {
            "step": self.step,
            "probes": list(self.probes),
            "dh": found.dh.tolist(),
            "dh_se": found.dh_se.tolist(),
            "data": 1.0 - float(found.dh.sum()),
            "observables": list(self.target),
            "target": list(self.target.values()),
            "predicted": found.predicted.tolist(),
            "predicted_se": found.predicted_se.tolist(),
            "out_of_reach": found.out_of_reach.tolist(),
            "rank": found.rank,
            "singular_values": found.singular_values.tolist(),
            "threshold": found.threshold,
            "checked": self.checked,
            "khat": self.khat,
            "changes": {name: asdict(change) for name, change in self.changes.items()},
            "shuffled": [
                {"rank": one.rank, "largest": float(one.singular_values[0]), "threshold": one.threshold}
                for one in self.shuffled
            ],
            "verdict": self.verdict.name.lower(),
            "reasons": list(self.reasons),
            "provenance": asdict(self.provenance),
        }


def stored_pattern(
    store: Store, library: Library, target: Mapping[str, float], *, step: int | None = None
) -> StoredPattern:
    """Propose a data mixture that would move losses or components of a checkpoint, from its loaded chains.

    An observable is the mean loss of a probe, or of the ``data``, when all weights move; or else ⟨L(w) − L(w*)⟩ of a
    component when it moves alone. dh = (nβχ)⁺ dμ with χ_ik = −Cov(φ_i, ℓ_k − L) (`propose`), to first order the change
    of the local posterior's means when chains feel q + Σ_k dh_k (q_k − q); L is read on the observed rows of the data.
    Whether a training run that goes on with the mixture follows is another question.

    Parameters
    ----------
    store : Store
        Of an examination that read susceptibilities.
    library : Library
        The one that it was examined with.
    target : mapping of str to float
        Wanted change of each observable, in nats; 0 for one that is to stay.
    step : int or None
        Which checkpoint; None takes the last one that has loaded chains.

    Returns
    -------
    StoredPattern

    Raises
    ------
    ZeemanError
        For observables that the store does not hold, a target of nothing, a step without loaded chains or fewer than
        two of them.
    NothingToRead
        Where chains diverged, or no singular value of χ stands above its error.
    """
    _check_target(target)
    chains = _loaded(store, library, step)
    components = {name: _component_of(name, chains, library) for name in target}
    count = _common_count({name: chains[name] for name in ("full", *components.values())})
    read = _Chains(store, library, {name: units[:count] for name, units in chains.items()})
    observables = [read.observable(name, component) for name, component in components.items()]
    changes = np.array(list(target.values()), np.float64)
    found = propose(observables, changes, read.settings.n_beta)
    unit = chains["full"][0]
    if found.pattern.rank == 0:
        raise NothingToRead(f"nothing is proposed at step {unit.step}: {found.pattern.reason}")
    shuffled = [
        propose([each.shuffled(shift) for each in observables], changes, read.settings.n_beta).pattern
        for shift in range(1, count)
    ]
    return StoredPattern(
        unit.step,
        tuple(library.probes),
        dict(target),
        found.pattern,
        found.checked,
        found.khat,
        dict(zip(target, found.changes, strict=True)) | read.others(found, target),
        tuple(shuffled),
        *read.judged(),
        origin_of(unit),
    )


class _Chains:
    """The chains of each component at a step, read and judged once."""

    def __init__(self, store: Store, library: Library, chains: Mapping[str, list[Unit]]) -> None:
        self.draws = Draws(store, {u.chain_key: u for units in chains.values() for u in units})
        self.chains, self.names = chains, [DATA, *library.probes]
        settings = chains["full"][0].settings
        assert settings is not None
        self.settings = settings
        self._losses: dict[str, Array] = {}
        self._tilts: dict[str, Array] = {}
        self._doubts: dict[str, tuple[Verdict, tuple[str, ...]]] = {}

    def observable(self, name: str, component: str) -> TiltedDraws:
        """The observable of this name along the chains of a component."""
        losses = self._read(component)
        phi = losses[self.names.index(name)] if component == "full" and name in self.names else losses[0]
        return TiltedDraws(phi, self._tilts[component])

    def _read(self, component: str) -> Array:
        """Mean loss differences on the data and on each probe, shape (1 + probes, chains, draws)."""
        if component not in self._losses:
            units = self.chains[component]
            losses = np.stack([self.draws.stack(units, f"observed_{name}").mean(axis=-1) for name in self.names])
            health = chain_health(self.draws, units, self.settings, energy=self.settings.n_beta * losses[0])
            if health.verdict is Verdict.DIVERGED or not np.isfinite(losses).all():
                raise NothingToRead(
                    f"the chains of {component} at step {units[0].step} left the finite numbers; lower lr or n_beta."
                )
            self._losses[component], self._tilts[component] = losses, losses[1:] - losses[0]
            self._doubts[component] = health.verdict, tuple(f"{component}: {reason}" for reason in health.reasons)
        return self._losses[component]

    def others(self, found: Proposal, target: Mapping[str, float]) -> dict[str, Change]:
        """What the checked part of the mixture does to the losses that were not asked for."""
        names = [name for name in self.names if name not in target]
        if not found.checked:
            return dict.fromkeys(names, Change(*(math.nan,) * 4))
        dh = found.checked * found.pattern.dh_kept
        return {name: tilted_change(self.observable(name, "full"), dh, self.settings.n_beta) for name in names}

    def judged(self) -> tuple[Verdict, tuple[str, ...]]:
        """The first doubt about the chains that were read, and all reasons."""
        doubts = [verdict for verdict, _ in self._doubts.values() if not verdict.trusted]
        return doubts[0] if doubts else Verdict.OK, tuple(r for _, reasons in self._doubts.values() for r in reasons)


def _check_target(target: Mapping[str, float]) -> None:
    if not target or not all(math.isfinite(value) for value in target.values()) or not any(target.values()):
        shown = ", ".join(f"{name}={value:g}" for name, value in target.items()) or "nothing"
        raise ZeemanError(f"expected a finite change other than 0 of at least one observable, got {shown}; name one.")


def _loaded(store: Store, library: Library, step: int | None) -> dict[str, list[Unit]]:
    """The loaded chains of each component at a step, those of all weights among them."""
    chains, n_beta = stored_chains(store, library)
    found = {
        place.step: each for place, each in chains.items() if place == (place.step, "loaded", n_beta) and "full" in each
    }
    if not found:
        raise ZeemanError(
            f"{store.path} holds no loaded chains of all weights that observed the probes of {library.name}; run "
            "zeeman examine first, and if it was stopped, again: it goes on from there."
        )
    chosen = max(found) if step is None else step
    if chosen not in found:
        steps = ", ".join(map(str, sorted(found)))
        raise ZeemanError(f"expected a step with loaded chains, got {chosen}; choose one of {steps}.")
    return found[chosen]


def _component_of(name: str, chains: Mapping[str, list[Unit]], library: Library) -> str:
    """The component along whose chains an observable is read."""
    component = "full" if name == DATA or name in library.probes else name
    if component not in chains:
        others = [each for each in chains if each != "full"]
        raise ZeemanError(
            f"expected a probe ({', '.join(library.probes)}), {DATA} or a component with loaded chains "
            f"({', '.join(others)}), got {name!r}; name one of these."
        )
    return component


def _common_count(chains: Mapping[str, list[Unit]]) -> int:
    """How many chains each component has, of which there must be two."""
    name, units = min(chains.items(), key=lambda item: len(item[1]))
    if len(units) < 2:
        raise ZeemanError(
            f"expected at least two loaded chains of {name}, got {len(units)}: one chain shows no error bar; raise "
            "num_chains."
        )
    return len(units)
