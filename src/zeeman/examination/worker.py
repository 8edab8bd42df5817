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
from zeeman.examination.store import Store, UnitStore, told
from zeeman.examination.subject import DATA, Subject
from zeeman.examination.unit import Unit
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

BLOCK_STEPS = 60
CHAINS_TOGETHER = 4
"""Chains of one batched walk: the default number, so that none is computed for nothing."""


def run_unit(subject: Subject, store: Store, unit: Unit, parent: int | None = None) -> None:
    """Compute a unit into the store, going on from where an earlier run stopped.

    Parameters
    ----------
    subject : Subject
    store : Store
    unit : Unit
    parent : int or None
        Process that wants the unit; a worker whose parent has died stops after its block.
    """
    place = store.unit(unit)
    if place.complete:
        return
    with told("write", store.path):
        if unit.kind == "reference":
            _run_reference(subject, place, unit)
        elif unit.kind == "curvature":
            _run_curvature(subject, place, unit)
        elif unit.kind == "ablation":
            run_ablation(subject, place, unit)
        elif unit.kind == "unloaded":
            _run_unloaded(subject, store, place, unit, parent)
        else:
            _run_walk(subject, place, unit, parent)
        place.finish()


def _run_reference(subject: Subject, place: UnitStore, unit: Unit) -> None:
    """Losses, and for language models hits, of every scored token at the checkpoint itself."""
    model = subject.model(subject.series.at(unit.step))
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for name, _ in unit.observed:
        item = subject.observable(name)
        parts = parts_of(torch.arange(len(item.scored)), rows_at_once(subject.loss, model, item.batch).reading)
        with torch.no_grad():
            losses = [masked(subject.loss(model, rows_of(item.batch, part)))[0] for part in parts]
            arrays[f"observed_{name}"] = torch.cat(losses)[item.scored].numpy()
            if subject.loss is language_model_loss:
                hits = [language_model_hits(model, rows_of(item.batch, part)) for part in parts]
                arrays[f"hits_{name}"] = torch.cat(hits)[item.scored].float().numpy()
    place.prepare(unit, {n: v.shape for n, v in arrays.items()}, {n: len(v) for n, v in arrays.items()})
    for name, values in arrays.items():
        place.write_array(name, values)


def run_together(subject: Subject, store: Store, units: Sequence[Unit], parent: int | None = None) -> None:
    """Compute loaded units that differ in their chain alone, in one batched walk, going on from where they stopped.

    Chains always walk in blocks of `CHAINS_TOGETHER`, each in its own place, whichever of them are wanted: the shape of
    every sum, and so every bit, is the same however many chains there are and wherever a run was killed.

    Parameters
    ----------
    subject : Subject
    store : Store
    units : sequence of Unit
        Of one block of chains.
    parent : int or None
        As for `run_unit`.
    """
    missing = [unit for unit in units if not store.unit(unit).complete]
    with told("write", store.path):
        states = {unit: _prepare(subject, store.unit(unit), unit)[2] for unit in missing}
        # A kill may leave some chains a block ahead of the others.
        for step in sorted({state.step if state else 0 for state in states.values()}):
            standing = {u: state for u, state in states.items() if (state.step if state else 0) == step}
            _walk_together(subject, store, standing, parent)


def _walk_together(
    subject: Subject, store: Store, standing: Mapping[Unit, ChainState | None], parent: int | None
) -> None:
    one, begun = next(iter(standing.items()))
    assert one.settings is not None
    posterior, observables, _ = _prepare(subject, store.unit(one), one)
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
            _keep(store.unit(unit), unit, blocks[unit.chain - first])
        if parent is not None:
            stop_if_orphan(parent)
    for unit in standing:
        store.unit(unit).finish()


def _run_curvature(subject: Subject, place: UnitStore, unit: Unit) -> None:
    """Lanczos coefficients of the Hessian on the observed rows, from one probe vector."""
    hessian = Hessian(subject.sample(subject.series.at(unit.step), unit.component))
    found = lanczos(hessian, hessian.probe(unit.chain), unit.lanczos_steps)
    arrays = {"diagonal": found.diagonal, "off_diagonal": found.off_diagonal}
    place.prepare(unit, {n: v.shape for n, v in arrays.items()}, {n: len(v) for n, v in arrays.items()})
    place.set_attributes(num_parameters=hessian.dimension)
    for name, values in arrays.items():
        place.write_array(name, values)


def _run_unloaded(subject: Subject, store: Store, place: UnitStore, unit: Unit, parent: int | None) -> None:
    """Differences of every scored token at independent draws of the energy of the loaded chains, forward passes only.

    A unit is written an observable at a time and has no state to go on from: a killed one begins again.
    """
    assert unit.settings is not None
    observables = {name: subject.observable(name) for name, _ in unit.observed}
    posterior = _matched(subject, store, unit)
    shapes, chunks = _layout(unit, posterior, observables)
    place.prepare(unit, shapes, chunks)
    place.set_attributes(num_parameters=posterior.num_parameters, localization=posterior.localization)
    for name, item in observables.items():
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


def _run_walk(subject: Subject, place: UnitStore, unit: Unit, parent: int | None) -> None:
    assert unit.settings is not None
    posterior, observables, state = _prepare(subject, place, unit)
    chain = run_chain(
        posterior,
        unit.sampler,
        unit.schedule,
        seed=unit.settings.seed,
        chain=unit.chain,
        observables=observables,
        block_steps=BLOCK_STEPS,
        state=state,
    )
    for block in chain:
        _keep(place, unit, block)
        if parent is not None:
            stop_if_orphan(parent)


def _prepare(
    subject: Subject, place: UnitStore, unit: Unit
) -> tuple[LocalPosterior, dict[str, Observable], ChainState | None]:
    """Lay a loaded unit out, or pick up where it stopped; gives what it needs to go on."""
    settings = unit.settings
    assert settings is not None
    observables = {name: subject.observable(name) for name, _ in unit.observed}
    posterior = subject.posterior(
        subject.series.at(unit.step),
        unit.component,
        n_beta=settings.n_beta,
        localization=settings.localization,
        batch_size=settings.batch_size,
    )
    state = place.prepare(unit, *_layout(unit, posterior, observables))
    place.set_attributes(num_parameters=posterior.num_parameters, localization=posterior.localization)
    return posterior, observables, state


def _keep(place: UnitStore, unit: Unit, block: Block) -> None:
    draws_before = sum(unit.schedule.is_draw(step) for step in range(block.first_step))
    starts = {f"observed_{name}": draws_before for name in block.observed} | {"rows": block.first_step}
    starts |= dict.fromkeys(_block_figures(unit), block.first_step // BLOCK_STEPS)
    place.write(block, starts)


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
    unit: Unit, posterior: LocalPosterior, observables: Mapping[str, Observable]
) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    schedule = unit.schedule
    blocks = math.ceil(schedule.num_steps / BLOCK_STEPS)
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_block_figures(unit), (blocks,))
    chunks = dict.fromkeys(shapes, blocks)
    if unit.kind == "loaded":
        shapes["rows"] = (schedule.num_steps, posterior.batch_size or posterior.num_rows)
        chunks["rows"] = BLOCK_STEPS
    for name, item in observables.items():
        shapes[f"observed_{name}"] = (schedule.num_draws, int(item.scored.sum()))
        chunks[f"observed_{name}"] = max(1, BLOCK_STEPS // schedule.num_steps_bw_draws)
    return shapes, chunks
