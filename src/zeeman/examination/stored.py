"""The chains that a store holds, found by what stands in it, without the series that they were run on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.examination.band_document import bands_document
from zeeman.examination.bands import by_place, read_bands, refuse_few_tokens
from zeeman.examination.device import Draws
from zeeman.examination.document import finite
from zeeman.examination.responses import Place, Statistic
from zeeman.examination.store import Store
from zeeman.examination.subject import DATA
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.probes import Library
from zeeman.reading import Reading

_LAYOUT = "8"
"""Changes when the document of bands does, so that kept ones are laid out anew."""


def kept_bands(store: Store, library: Library, statistic: Statistic = "rho") -> dict[str, Any]:
    """Lay out the bands of a store, which keeps them: they are looked for again only when it has grown.

    Parameters
    ----------
    store : Store
    library : Library
    statistic : {"rho", "spread"}
        What tokens are compared by; those of either are kept.

    Returns
    -------
    dict
        As :func:`~zeeman.examination.band_document.bands_document`, with ``made_of``, a digest of the units.

    Raises
    ------
    ZeemanError
        As for :func:`stored_bands`.
    """
    refuse_few_tokens(library)
    chains = [u for each in stored_chains(store, library)[0].values() for one in each.values() for u in one]
    keys = sorted(u.key for u in chains + stored_ablations(store))
    made_of = hashlib.sha256("\n".join([_LAYOUT, *keys, library.digest, *library.vocabulary]).encode()).hexdigest()
    name = "bands" if statistic == "rho" else f"bands-{statistic}"
    held: dict[str, Any] | None = store.read_reading(name)
    if held and held.get("made_of") == made_of:
        return held
    found = finite(bands_document(stored_bands(store, library, statistic), library) or {})
    content: dict[str, Any] = {"made_of": made_of, **found}
    store.write_reading(name, content)
    return content


def stored_bands(store: Store, library: Library, statistic: Statistic = "rho") -> list[Reading]:
    """Find bands from what a store holds; see :func:`~zeeman.examination.bands.read_bands`.

    Parameters
    ----------
    store : Store
        Of an examination that read susceptibilities.
    library : Library
        The one that was examined with.
    statistic : {"rho", "spread"}

    Returns
    -------
    list of Reading

    Raises
    ------
    ZeemanError
        For another library, one without enough tokens, or a store without chains of components that observed it.
    """
    refuse_few_tokens(library)
    chains, n_beta = stored_chains(store, library)
    units = {u.chain_key: u for u in stored_ablations(store)}
    units |= {u.chain_key: u for each in chains.values() for one in each.values() for u in one}
    return read_bands(Draws(store, units), library, chains, n_beta, statistic)


def stored_chains(store: Store, library: Library) -> tuple[dict[Place, dict[str, list[Unit]]], float]:
    """For each place the chains of each component, and the nβ that most of them have.

    Of several settings those with most chains, and those that differ from them in nβ alone.
    """
    _refuse_other(store, library, list(library.probes))
    units = _observing(store, {DATA, *library.probes})
    if all(u.component == "full" for u in units):
        raise ZeemanError(
            f"{store.path} holds no chains of components that observed the probes of {library.name}; run zeeman "
            "examine first, and if it was stopped, again: it goes on from there."
        )
    chosen = _most([u for u in units if u.component != "full"], _walk)[0]
    assert chosen.settings is not None
    alike = [u for u in units if _walk(u) == _walk(chosen) or (u.kind == "loaded" and _other_heat(u, chosen))]
    found: dict[Place, dict[str, list[Unit]]] = {}
    for place, each in by_place(alike).items():
        walk = _walk(_most([u for one in each.values() for u in one], _walk)[0])
        found[place] = {name: _most([u for u in one if _walk(u) == walk], _matched) for name, one in each.items()}
    return {place: each for place, each in found.items() if set(each) - {"full"}}, chosen.settings.n_beta


def chains_of(
    store: Store, library: Library, names: Sequence[str], component: str, loading: str, step: int | None = None
) -> list[Unit]:
    """The chains of one component at one step that observed some probes; of several settings, those with most chains.

    Parameters
    ----------
    store : Store
    library : Library
    names : sequence of str
        Probes of the library, or its data.
    component, loading : str
    step : int or None
        None: the last one that has such chains.

    Returns
    -------
    list of Unit
        One a chain, in their order.

    Raises
    ------
    ZeemanError
        For a probe, component, loading or step that the store does not hold, and for a single chain.
    """
    asked = [library[name].name for name in names if name != library.data.name]
    _refuse_other(store, library, asked)
    observing = [u for u in _observing(store, {DATA, *asked}) if library.data.name not in names or _of_data(u, library)]
    told = f"that observed {' and '.join(dict.fromkeys(names))}"
    if not observing:
        raise ZeemanError(
            f"{store.path} holds no chains {told}; run zeeman examine with the library {library.name} first, and if it "
            "was stopped, again: it goes on from there."
        )
    units = [u for u in observing if u.component == component and u.kind == loading]
    if not units:
        held = ", ".join(sorted({f"{u.component} ({u.kind})" for u in observing}))
        raise ZeemanError(f"{store.path} holds no {loading} chains of {component} {told}, but of {held}; name one.")
    steps = sorted({u.step for u in units})
    if step is not None and step not in steps:
        raise ZeemanError(
            f"{store.path} holds no {loading} chains of {component} {told} at step {step}; choose one of "
            f"{', '.join(map(str, steps))}."
        )
    units = [u for u in units if u.step == (steps[-1] if step is None else step)]
    found = _most(_most(units, _walk), _matched)
    if len(found) < 2:
        raise ZeemanError(
            f"expected at least two chains of {component} at step {found[0].step}, got {len(found)}: one chain shows "
            "no error bar; raise num_chains."
        )
    return found


def _observing(store: Store, names: set[str]) -> list[Unit]:
    """Chains that observed all of some probes, each once; not those that were sent out from somewhere else."""
    asked = ("loaded", "unloaded")
    units = [u for u in store.units() if u.kind in asked and not u.start and names <= dict(u.observed).keys()]
    once = {u.chain_key: u for u in units}
    return sorted(once.values(), key=lambda u: (u.step, u.component, u.chain))


def _walk(unit: Unit) -> SamplerSettings | None:
    """How a chain walks, which does not depend on how many others there are."""
    return unit.settings and replace(unit.settings, num_chains=2)


def _other_heat(unit: Unit, chosen: Unit) -> bool:
    """Whether a chain is on another rung of the ladder in nβ than the chosen one, and else alike."""
    one, other = unit.settings, chosen.settings
    if one is None or other is None or one.n_beta == other.n_beta:
        return False
    same = ("localization", "num_draws", "num_steps_bw_draws", "batch_size", "method", "seed")
    return all(getattr(one, name) == getattr(other, name) for name in same)


def _matched(unit: Unit) -> tuple[str, ...]:
    """Whose energy unloaded draws have: a store that got more chains holds both those of before and of after."""
    return unit.matched


def _most(units: list[Unit], by: Callable[[Unit], Any]) -> list[Unit]:
    """The largest set of units that are alike in something."""
    chosen = Counter(map(by, units)).most_common(1)[0][0]
    return [u for u in units if by(u) == chosen]


def _of_data(unit: Unit, library: Library) -> bool:
    """Whether what a unit holds of the data is that of this library."""
    return dict(unit.observed)[DATA].split(":")[0] == library.data.digest


def stored_ablations(store: Store) -> list[Unit]:
    """The finished ablations of a store; of those at one step, the one of most probes comes last."""
    return sorted((u for u in store.units() if u.kind == "ablation"), key=lambda u: len(u.observed))


def _refuse_other(store: Store, library: Library, names: Sequence[str]) -> None:
    manifest = store.manifest()
    held = manifest.probes if manifest else {}
    other = [name for name in names if held.get(name) != library[name].digest]
    if other:
        raise ZeemanError(
            f"{store.path} was not examined with the probe {other[0]} of {library.name}; name the folder of the "
            "library that it was examined with."
        )
