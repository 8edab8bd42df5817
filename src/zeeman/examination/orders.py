"""The device that asks for the order of transitions: chains from before and after in one posterior, along nβ."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.examination.densities import rung
from zeeman.examination.device import Draws, provenance
from zeeman.examination.devices import chains
from zeeman.examination.heat import OTHER_SEED
from zeeman.examination.subject import DATA, Subject
from zeeman.examination.transitions import Transition
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.phases import Competition, Sweep, compete, judge_order
from zeeman.phases import Order as Judged
from zeeman.reading import Reading, Verdict
from zeeman.sampling import LocalPosterior
from zeeman.sampling.walk import Walk
from zeeman.spectra.behaviour import behaviour

Array = NDArray[np.float64]
Pair = tuple[int, int]

LADDER = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Rungs as multiples of the setting's nβ, at which the two states weigh about the same."""
SHARE = 0.2
"""Part of the sampler steps of an examination that orders of transitions may add, beyond those of the first."""
DIGITS = 3
"""Digits to which the localization is rounded, so that no last bit of a sum enters the keys of units."""


@dataclass(frozen=True)
class Order:
    """The order of transitions: first, second or undetermined.

    For each pair of checkpoints on either side, chains begin at both, in the one posterior
    exp(−nβ L(w) − (γ/2)‖w − w₁‖²) around the earlier one, along a ladder in nβ. The localization is where the pull back
    pays for what the loss gains, γ = 2 nβ (L₁ − L₂)/‖w₂ − w₁‖²: there the two states weigh about the same, below the
    earlier one wins and above the later one. A state that has another beside it keeps its chains on both sides of that
    (hysteresis); one that deforms into the other does not.

    Parameters
    ----------
    pairs : tuple of (int, int)
        Steps before and after each transition; empty for those that an examination finds, the strongest first, as many
        as take a fifth of its sampler steps, and at least one.
    component : str
        The weights that move.
    ladder : tuple of float
        At least three, ascending.
    """

    pairs: tuple[Pair, ...] = ()
    component: str = "full"
    ladder: tuple[float, ...] = LADDER
    name: str = "order"

    def __post_init__(self) -> None:
        if len(self.ladder) < 3 or list(self.ladder) != sorted(set(self.ladder)) or self.ladder[0] <= 0:
            raise ZeemanError(f"ladder must hold three or more rising positive factors, got {self.ladder}; add rungs.")

    def asked(self, transitions: Sequence[Transition], settings: SamplerSettings, units: Iterable[Unit]) -> Order:
        """Ask for the strongest transitions that the units of the other devices leave room for."""
        spent = sum(u.schedule.num_steps for u in units if u.kind == "loaded")
        one = sum(2 * s.num_chains * s.schedule.num_steps for s in self._rungs(settings, 1.0))
        strongest = sorted(transitions, key=lambda t: -max(p.z for p in t.signals.values()))
        return replace(self, pairs=tuple(pair_of(t) for t in strongest[: max(1, int(SHARE * spent / one))]))

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        """The losses at both checkpoints of each pair, and where they fall, chains from both on each rung."""
        found: list[Unit] = []
        for pair in self.pairs:
            found += [_reference(subject, step) for step in pair]
            for chosen in self._chosen(subject, settings, pair):
                found += [unit for side in (0, 1) for unit in self._chains(subject, chosen, pair, side)]
        return found

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        """A reading ``order`` a pair, its value the p-value of the verdict."""
        return [self._read_pair(subject, settings, draws, pair) for pair in self.pairs]

    def _chosen(self, subject: Subject, settings: SamplerSettings, pair: Pair) -> list[SamplerSettings]:
        """The settings of the rungs; none where the loss does not fall, so that no localization balances it."""
        gain, distance = _gain_and_distance(subject, pair, self.component)
        if not (gain > 0 and distance > 0):
            return []
        localization = 2 * settings.n_beta * gain / distance**2
        return self._rungs(settings, float(f"{localization:.{DIGITS}g}"))

    def _rungs(self, settings: SamplerSettings, localization: float) -> list[SamplerSettings]:
        """As `rung`, with as many chains and draws on each."""
        held = replace(settings, localization=localization)
        chains, draws = settings.num_chains, settings.num_draws
        return [replace(rung(held, factor), num_chains=chains, num_draws=draws) for factor in self.ladder]

    def _chains(self, subject: Subject, settings: SamplerSettings, pair: Pair, side: int) -> list[Unit]:
        """Chains around the earlier checkpoint that begin at the earlier or the later one, with noise of their own."""
        start = subject.series.at(pair[side])
        own = replace(settings, seed=settings.seed + side * OTHER_SEED)
        held = chains(subject, subject.series.at(pair[0]), own, self.component)
        observed = subject.observed([DATA])
        return [replace(unit, observed=observed, start=(start.step, start.digest)) for unit in held]

    def _read_pair(self, subject: Subject, settings: SamplerSettings, draws: Draws, pair: Pair) -> Reading:
        gap, error = _loss_gap(subject, draws, pair)
        rungs = self._chosen(subject, settings, pair)
        energy = np.array(
            [
                [
                    s.n_beta * draws.stack(self._chains(subject, s, pair, side), f"observed_{DATA}").mean(axis=-1)
                    for side in (0, 1)
                ]
                for s in rungs
            ]
        )
        judged = _judged(rungs, energy)
        where: dict[str, Any] = {
            "pair": list(pair),
            "component": self.component,
            "order": judged.order,
            "reason": judged.reason,
            "sentence": judged.sentence,
            "evidence": [asdict(e) for e in judged.evidence],
            "loss_gap": gap,
            "loss_gap_se": error,
            "n_beta": [s.n_beta for s in rungs],
            "localization": rungs[0].localization if rungs else math.nan,
            "energy": energy.mean(axis=(2, 3)).tolist() if rungs else [],
        }
        lost = Verdict.OK if np.isfinite(energy).all() else Verdict.DIVERGED
        origin = provenance(_reference(subject, pair[0]), rungs[0] if rungs else settings)
        return Reading("order", judged.p_value, math.nan, lost, (), origin, where)


def _judged(rungs: list[SamplerSettings], energy: Array) -> Judged:
    """Judge by the rungs on which no chain was lost."""
    if not rungs:
        return Judged("undetermined", math.nan, (), "the loss does not fall from the earlier to the later checkpoint")
    sound = np.isfinite(energy).all(axis=(1, 2, 3))
    if sound.sum() < 3:
        return Judged("undetermined", math.nan, (), f"chains diverged on {(~sound).sum()} of {len(rungs)} rungs")
    return judge_order(Sweep(np.array([s.n_beta for s in rungs])[sound], energy[sound], in_n=True))


def _reference(subject: Subject, step: int) -> Unit:
    return Unit("reference", step, subject.series.at(step).digest, observed=subject.observed([DATA]))


def _loss_gap(subject: Subject, draws: Draws, pair: Pair) -> tuple[float, float]:
    """Loss of the earlier minus that of the later checkpoint on the same tokens, with its error between rows."""
    before, after = (draws.array(_reference(subject, step), f"observed_{DATA}") for step in pair)
    rows = np.nonzero(subject.observable(DATA).scored.numpy())[0]
    return behaviour(before - after, rows)


def _gain_and_distance(subject: Subject, pair: Pair, component: str) -> tuple[float, float]:
    """How far the loss on the observed data falls, and the component moves, between two checkpoints."""
    known, key = subject.localizations, ("order", *pair, component)
    if ("gain", *key) not in known:
        ends = [_loss_and_weights(subject.sample(subject.series.at(step), component)) for step in pair]
        losses, weights = zip(*ends, strict=True)
        gaps = [float(torch.linalg.vector_norm((b - a).double())) for a, b in zip(*weights, strict=True)]
        known[("gain", *key)], known[("distance", *key)] = losses[0] - losses[1], math.hypot(*gaps)
    return known[("gain", *key)], known[("distance", *key)]


def _loss_and_weights(posterior: LocalPosterior) -> tuple[float, list[torch.Tensor]]:
    walk = Walk(posterior)
    weights = [w.clone() for w in walk.center]
    with torch.no_grad():
        losses, weight = walk.losses(posterior.data)
    walk.close()
    return float((losses * weight).sum() / weight.sum()), weights


def pair_of(transition: Transition) -> Pair:
    """The last checkpoint before a transition and the first after it, by its leading signal."""
    pulse = transition.signals.get("llc") or next(iter(transition.signals.values()))
    return int(pulse.start), int(pulse.end)


def order_of(transition: Transition, readings: Iterable[Reading]) -> dict[str, Any]:
    """What is known of the order of a transition: verdict, evidence, and which state which n prefers.

    Parameters
    ----------
    transition : Transition
    readings : iterable of Reading
        Those of `Order` and of the local learning coefficient.

    Returns
    -------
    dict
        ``order`` is "not asked" where nothing was run.
    """
    pair, held = pair_of(transition), list(readings)
    found = next((r for r in held if r.name == "order" and tuple(r.coordinates["pair"]) == pair), None)
    if found is None:
        return {"order": "not asked", "sentence": "order: not asked"}
    llc = {r.provenance.step: r for r in held if r.name == "llc" and r.provenance and r.verdict.trusted}
    told = {key: value for key, value in found.coordinates.items() if not key.startswith("loss_gap")}
    competition = _competition(found, [llc[step] for step in pair]) if all(step in llc for step in pair) else None
    return told | {"p_value": found.value, "competition": _told(competition)}


def _competition(found: Reading, llc: Sequence[Reading]) -> Competition:
    where = found.coordinates
    exponents, errors = ([float(getattr(r, name)) for r in llc] for name in ("value", "standard_error"))
    return compete(
        (where["loss_gap"], 0.0), (exponents[0], exponents[1]), (where["loss_gap_se"], 0.0), (errors[0], errors[1])
    )


def _told(competition: Competition | None) -> dict[str, Any] | None:
    return None if competition is None else asdict(competition) | {"sentence": competition.sentence}
