"""What a new unit takes over from units that walked the same chain, so that nothing is computed twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from zeeman.examination.store import Store
from zeeman.examination.unit import Unit
from zeeman.examination.unit_store import BLOCK_FIGURES, STATE, UnitStore
from zeeman.sampling import ChainState

Arrays = dict[str, NDArray[np.generic]]
PER_PROBE = ("observed", "hits", "foils", "ablated", "direct")
"""Arrays that a unit has one each of for every observable."""


def relatives(store: Store, units: Iterable[Unit]) -> dict[str, list[Unit]]:
    """For each walk of some units, the finished units that walked it, or less or more of it."""
    found: dict[str, list[Unit]] = {unit.walk_key: [] for unit in units}
    for held in store.units() if found else ():
        if held.walk_key in found:
            found[held.walk_key].append(held)
    return found


def inherit_walk(store: Store, unit: Unit, known: Sequence[Unit], block_steps: int) -> ChainState | None:
    """Take over what the walk of a unit that was just laid out has in common with others; gives where to go on.

    The draws of a shorter chain, up to the state that it kept; or else whatever observables another unit read.
    """
    place = store.unit(unit)
    shorter = [u for u in known if _draws(u) < _draws(unit) and set(unit.observed) <= set(u.observed)]
    for one in sorted(shorter, key=_draws, reverse=True):
        held = store.unit(one)
        if (held.path / STATE).exists():
            state = held.state()
            place.inherit(_beginning(held, one, state.step, block_steps), ())
            place.write_state(state)
            return state
    inherit_observed(store, unit, known)
    return None


def inherit_observed(store: Store, unit: Unit, known: Sequence[Unit]) -> None:
    """Take over what other units read of the observables of one that was just laid out."""
    store.unit(unit).inherit(*observed_before(store, unit, known))


def observed_before(store: Store, unit: Unit, known: Sequence[Unit]) -> tuple[Arrays, set[str]]:
    """What other units read of the observables of one, draw by draw the same, and which observables these are."""
    arrays: Arrays = {}
    taken: set[str] = set()
    for pair in unit.observed:
        one = next((u for u in known if pair in u.observed and _draws(u) >= _draws(unit)), None)
        if one is not None:
            held = store.unit(one)
            names = [f"{kind}_{pair[0]}" for kind in PER_PROBE if held.holds(f"{kind}_{pair[0]}")]
            arrays |= {name: held.array(name)[: _draws(unit) or None] for name in names}
            taken.add(pair[0])
    return arrays, taken


def covered(store: Store, units: Sequence[Unit]) -> list[Unit]:
    """Put in the place of each unit that is missing a finished one that walked the same chain and saw as much."""
    missing = {unit.chain_key for unit in units if not store.unit(unit).settle()}
    held: dict[str, list[Unit]] = {key: [] for key in missing}
    for one in store.units() if missing else ():
        if one.chain_key in held:
            held[one.chain_key].append(one)
    return [next((h for h in held.get(u.chain_key, ()) if set(u.observed) <= set(h.observed)), u) for u in units]


def _draws(unit: Unit) -> int:
    """Draws of a chain; 0 for what has none."""
    return unit.settings.num_draws if unit.settings else 0


def _beginning(held: UnitStore, unit: Unit, step: int, block_steps: int) -> Arrays:
    """The arrays of a chain before some step."""
    draws = sum(unit.schedule.is_draw(i) for i in range(step))
    arrays: Arrays = {"rows": held.array("rows")[:step]}
    arrays |= {name: held.array(name)[: step // block_steps] for name in BLOCK_FIGURES if held.holds(name)}
    return arrays | {f"observed_{name}": held.array(f"observed_{name}")[:draws] for name, _ in unit.observed}
