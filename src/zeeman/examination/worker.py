"""Run one unit: the place where models, samplers and the store meet."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from zeeman.examination.ablations import run_ablation
from zeeman.examination.files import told
from zeeman.examination.inheritance import inherit_observed, inherit_walk, observed_before
from zeeman.examination.store import Store
from zeeman.examination.subject import DATA, Subject
from zeeman.examination.unit import Unit
from zeeman.examination.unit_store import UnitStore
from zeeman.sampling import (
    Block,
    ChainState,
    Hessian,
    LocalPosterior,
    MetropolisSampler,
    Observable,
    Overdamped,
    forward_draws,
    lanczos,
    language_model_hits,
    language_model_loss,
    match_energy,
    run_chain,
    run_chains,
)
from zeeman.sampling.posterior import masked, parts_of, rows_at_once, rows_of
from zeeman.sampling.walk import Walk

BLOCK_STEPS = 60
CHAINS_TOGETHER = 4
"""Chains of one batched walk: the default number, so that none is computed for nothing."""


def run_unit(subject: Subject, store: Store, unit: Unit, parent: int | None = None, known: Sequence[Unit] = ()) -> None:
    """Compute a unit into the store, going on from where an earlier run stopped.

    Parameters
    ----------
    subject : Subject
    store : Store
    unit : Unit
    parent : int or None
        Process that wants the unit; a worker whose parent has died stops after its block.
    known : sequence of Unit
        Finished units of the same walk, whose readings are taken over.
    """
    place = store.unit(unit)
    if place.complete:
        return
    with told("write", store.path):
        if unit.kind == "reference":
            _run_reference(subject, store, unit, known)
        elif unit.kind == "curvature":
            _run_curvature(subject, place, unit)
        elif unit.kind == "ablation":
            run_ablation(subject, place, unit, *observed_before(store, unit, known))
        elif unit.kind == "unloaded":
            _run_unloaded(subject, store, unit, parent, known)
        else:
            _run_walk(subject, store, unit, parent, known)
        place.finish()


def _run_reference(subject: Subject, store: Store, unit: Unit, known: Sequence[Unit]) -> None:
    """Losses, and for language models hits, of every scored token at the checkpoint itself."""
    arrays, taken = observed_before(store, unit, known)
    model = subject.model(subject.series.at(unit.step))
    for name in sorted(dict(unit.observed).keys() - taken):
        arrays[f"observed_{name}"] = _losses(subject, model, subject.observable(name))
        foils = subject.foils(name)
        if foils is not None:
            arrays[f"foils_{name}"] = _losses(subject, model, foils)
        if subject.loss is language_model_loss:
            item = subject.observable(name)
            with torch.no_grad():
                hits = [language_model_hits(model, rows_of(item.batch, p)) for p in _parts(subject, model, item)]
            arrays[f"hits_{name}"] = torch.cat(hits)[item.scored].float().numpy()
    place = store.unit(unit)
    place.prepare(unit, {n: v.shape for n, v in arrays.items()}, {n: len(v) for n, v in arrays.items()})
    for name, values in arrays.items():
        place.write_array(name, values)


def _parts(subject: Subject, model: torch.nn.Module, item: Observable) -> list[torch.Tensor]:
    return parts_of(torch.arange(len(item.scored)), rows_at_once(subject.loss, model, item.batch).reading)


def _losses(subject: Subject, model: torch.nn.Module, item: Observable) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        parts = _parts(subject, model, item)
        losses = [masked(subject.loss(model, rows_of(item.batch, part)))[0] for part in parts]
        found: np.ndarray[Any, Any] = torch.cat(losses)[item.scored].numpy()
    return found


def run_together(
    subject: Subject, store: Store, units: Sequence[Unit], parent: int | None = None, known: Sequence[Unit] = ()
) -> None:
    """Compute loaded units that differ in their chain alone, in one batched walk, going on from where they stopped.

    Chains always walk in blocks of `CHAINS_TOGETHER`, each in its own place, whichever of them are wanted: the shape of
    every sum, and so every bit, is the same however many chains there are and wherever a run was killed.

    Parameters
    ----------
    subject : Subject
    store : Store
    units : sequence of Unit
        Of one block of chains.
    parent, known : int or None, sequence of Unit
        As for `run_unit`.
    """
    missing = [unit for unit in units if not store.unit(unit).complete]
    with told("write", store.path):
        # A kill may leave some chains a block ahead of the others, and some may have been read before.
        alike: dict[tuple[int, tuple[str, ...]], dict[Unit, ChainState | None]] = {}
        places = {unit: store.unit(unit) for unit in missing}
        for unit, place in places.items():
            state = _begin(subject, store, place, unit, known)
            where = state.step if state else 0, tuple(sorted(place.inherited))
            alike.setdefault(where, {})[unit] = state
        for _, standing in sorted(alike.items()):
            _walk_together(subject, places, standing, parent)


def _walk_together(
    subject: Subject, places: Mapping[Unit, UnitStore], standing: Mapping[Unit, ChainState | None], parent: int | None
) -> None:
    one, begun = next(iter(standing.items()))
    assert one.settings is not None
    posterior, observables = _felt(subject, one), _unread(subject, places[one], one)
    first = one.chain // CHAINS_TOGETHER * CHAINS_TOGETHER
    by_chain = {unit.chain: state for unit, state in standing.items()}
    chains = range(first, first + CHAINS_TOGETHER)
    walk = run_chains(
        posterior,
        one.sampler,
        one.schedule,
        seed=one.settings.seed,
        chains=chains,
        observables=observables,
        block_steps=BLOCK_STEPS,
        # Places whose chain is not wanted are filled with any state.
        states=[by_chain.get(chain) or begun for chain in chains] if begun else None,
    )
    for blocks in walk:
        for unit in standing:
            _keep(places[unit], unit, blocks[unit.chain - first])
        if parent is not None:
            stop_if_orphan(parent)
    for unit in standing:
        places[unit].finish()


def _run_curvature(subject: Subject, place: UnitStore, unit: Unit) -> None:
    """Lanczos coefficients of the Hessian on the observed rows, from one probe vector."""
    hessian = Hessian(subject.sample(subject.series.at(unit.step), unit.component))
    found = lanczos(hessian, hessian.probe(unit.chain), unit.lanczos_steps)
    arrays = {"diagonal": found.diagonal, "off_diagonal": found.off_diagonal}
    place.prepare(unit, {n: v.shape for n, v in arrays.items()}, {n: len(v) for n, v in arrays.items()})
    place.set_attributes(num_parameters=hessian.dimension)
    for name, values in arrays.items():
        place.write_array(name, values)


def _run_unloaded(subject: Subject, store: Store, unit: Unit, parent: int | None, known: Sequence[Unit]) -> None:
    """Differences of every scored token at independent draws of the energy of the loaded chains, forward passes only.

    A unit is written an observable at a time and has no state to go on from: a killed one begins again.
    """
    assert unit.settings is not None
    place = store.unit(unit)
    posterior = _matched(subject, store, unit)
    place.prepare(unit, *_layout(subject, unit, posterior))
    place.set_attributes(num_parameters=posterior.num_parameters, localization=posterior.localization)
    inherit_observed(store, unit, known)
    for name, item in _unread(subject, place, unit).items():
        tiles = []
        for tile in forward_draws(
            [posterior], item, seed=unit.settings.seed, chains=[unit.chain], num_draws=unit.schedule.num_draws
        ):
            tiles.append(tile.differences[0])
            if parent is not None:
                stop_if_orphan(parent)
        place.write_array(f"observed_{name}", np.concatenate(tiles, axis=1))


def _matched(subject: Subject, store: Store, unit: Unit) -> LocalPosterior:
    """The posterior at nβ = 0 with the energy of the loaded chains, found once for all chains of a component."""
    assert unit.settings is not None
    drawn = [store.walked(key, f"observed_{DATA}").array(f"observed_{DATA}") for key in unit.matched]
    energy = float(np.mean([each.mean(dtype=np.float64) for each in drawn]))
    start = subject.posterior(
        subject.series.at(unit.step), unit.component, n_beta=0.0, localization=max(unit.settings.localization, 1.0)
    )
    known = subject.localizations
    key = (unit.step, unit.component, unit.settings.seed, start.localization, energy)
    if key not in known:
        known[key] = match_energy(start, subject.observable(DATA), energy, seed=unit.settings.seed).localization
    return replace(start, localization=known[key])


def _run_walk(subject: Subject, store: Store, unit: Unit, parent: int | None, known: Sequence[Unit]) -> None:
    assert unit.settings is not None
    place = store.unit(unit)
    state = _begin(subject, store, place, unit, known)
    chain = run_chain(
        _felt(subject, unit),
        unit.sampler,
        unit.schedule,
        seed=unit.settings.seed,
        chain=unit.chain,
        observables=_unread(subject, place, unit),
        block_steps=BLOCK_STEPS,
        state=state,
    )
    for block in chain:
        _keep(place, unit, block)
        if parent is not None:
            stop_if_orphan(parent)


def _begin(subject: Subject, store: Store, place: UnitStore, unit: Unit, known: Sequence[Unit]) -> ChainState | None:
    """Lay a loaded unit out with what is known of its walk, or pick up where it stopped; gives where to go on."""
    posterior = _felt(subject, unit)
    state = place.prepare(unit, *_layout(subject, unit, posterior))
    if state is None:
        place.set_attributes(num_parameters=posterior.num_parameters, localization=posterior.localization)
        state = inherit_walk(store, unit, [u for u in known if u.walk_key == unit.walk_key], BLOCK_STEPS)
    return state or _departure(subject, unit)


def _departure(subject: Subject, unit: Unit) -> ChainState | None:
    """Where a chain begins that begins at another checkpoint than it is held to; None for all others."""
    if unit.start is None:
        return None
    walk = Walk(subject.posterior(subject.series.at(unit.start[0]), unit.component))
    weights = [w.clone() for w in walk.center]
    walk.close()
    return ChainState(0, weights, unit.sampler.init(weights))


def _felt(subject: Subject, unit: Unit) -> LocalPosterior:
    """What a loaded chain samples."""
    settings = unit.settings
    assert settings is not None
    return subject.posterior(
        subject.series.at(unit.step),
        unit.component,
        n_beta=settings.n_beta,
        localization=settings.localization,
        batch_size=settings.batch_size,
    )


def _unread(subject: Subject, place: UnitStore, unit: Unit) -> dict[str, Observable]:
    """The observables that were not taken over from another unit."""
    inherited = place.inherited
    return {name: subject.observable(name) for name, _ in unit.observed if name not in inherited}


def _keep(place: UnitStore, unit: Unit, block: Block) -> None:
    draws_before = sum(unit.schedule.is_draw(step) for step in range(block.first_step))
    starts = {f"observed_{name}": draws_before for name in block.observed} | {"rows": block.first_step}
    starts |= dict.fromkeys(_block_figures(unit), block.first_step // BLOCK_STEPS)
    # What is kept is a state at the end of a whole block, from which a longer chain has the same blocks.
    place.write(block, starts, keep_state=block.state.step % BLOCK_STEPS == 0)


def _block_figures(unit: Unit) -> list[str]:
    """Figures that are kept of each block: those that mean something for the unit's sampler."""
    if unit.kind != "loaded":
        return []
    own = (("heat", Overdamped), ("acceptance", MetropolisSampler))
    return ["distance", "virial", *(name for name, kind in own if isinstance(unit.sampler, kind))]


def stop_if_orphan(parent: int) -> None:
    """End this worker when the process that started it is gone: another run may own the store by now."""
    if os.getppid() != parent:
        raise SystemExit(1)


def _layout(
    subject: Subject, unit: Unit, posterior: LocalPosterior
) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    schedule = unit.schedule
    blocks = math.ceil(schedule.num_steps / BLOCK_STEPS)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_block_figures(unit), (blocks,))
    chunks = dict.fromkeys(shapes, blocks)
    if unit.kind == "loaded":
        shapes["rows"] = (schedule.num_steps, posterior.batch_size or posterior.num_rows)
        chunks["rows"] = BLOCK_STEPS
    for name, _ in unit.observed:
        shapes[f"observed_{name}"] = (schedule.num_draws, int(subject.observable(name).scored.sum()))
        chunks[f"observed_{name}"] = max(1, BLOCK_STEPS // schedule.num_steps_bw_draws)
    return shapes, chunks
