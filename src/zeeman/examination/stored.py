"""The chains that a store holds, found by what stands in it, without the series that they were run on."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import fields
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.examination.band_document import bands_document
from zeeman.examination.bands import read_bands, refuse_few_tokens
from zeeman.examination.device import Draws
from zeeman.examination.document import finite
from zeeman.examination.store import Store, UnitStore
from zeeman.examination.subject import DATA
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.probes import Library
from zeeman.reading import Reading

_LAYOUT = "2"
"""Changes when the document of bands does, so that kept ones are laid out anew."""


def kept_bands(store: Store, library: Library) -> dict[str, Any]:
    """Lay out the bands of a store, which keeps them: they are looked for again only when it has grown.

    Parameters
    ----------
    store : Store
    library : Library

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
    chains = [u for each in stored_chains(store, library).values() for one in each.values() for u in one]
    keys = sorted(u.key for u in chains + stored_ablations(store))
    made_of = hashlib.sha256("\n".join([_LAYOUT, *keys, library.digest, *library.vocabulary]).encode()).hexdigest()
    held: dict[str, Any] | None = store.read_reading("bands")
    if held and held.get("made_of") == made_of:
        return held
    found = finite(bands_document(stored_bands(store, library), library) or {})
    content: dict[str, Any] = {"made_of": made_of, **found}
    store.write_reading("bands", content)
    return content


def stored_bands(store: Store, library: Library) -> list[Reading]:
    """Find bands from what a store holds; see :func:`~zeeman.examination.bands.read_bands`.

    Parameters
    ----------
    store : Store
        Of an examination that read susceptibilities.
    library : Library
        The one that was examined with.

    Returns
    -------
    list of Reading

    Raises
    ------
    ZeemanError
        For another library, one without enough tokens, or a store without chains of components that observed it.
    """
    refuse_few_tokens(library)
    chains = stored_chains(store, library)
    units = {u.chain_key: u for u in stored_ablations(store)}
    units |= {u.chain_key: u for each in chains.values() for one in each.values() for u in one}
    return read_bands(Draws(store, units), library, chains)


def stored_chains(store: Store, library: Library) -> dict[tuple[int, str], dict[str, list[Unit]]]:
    """For each step and loading the chains of each component; of several settings, those with most chains."""
    _refuse_other(store, library)
    names = {DATA, *library.probes}
    units = [u for u in stored_units(store) if u.kind in ("loaded", "unloaded") and names <= dict(u.observed).keys()]
    counts = Counter(u.settings for u in units if u.component != "full")
    if not counts:
        raise ZeemanError(
            f"{store.path} holds no chains of components that observed the probes of {library.name}; run zeeman "
            "examine first, and if it was stopped, again: it goes on from there."
        )
    chosen = counts.most_common(1)[0][0]
    chains: dict[tuple[int, str], dict[str, list[Unit]]] = {}
    for unit in sorted(units, key=lambda u: (u.step, u.component, u.chain)):
        if unit.settings == chosen:
            chains.setdefault((unit.step, unit.kind), {}).setdefault(unit.component, []).append(unit)
    return {key: each for key, each in chains.items() if set(each) - {"full"}}


def stored_ablations(store: Store) -> list[Unit]:
    """The finished ablations of a store."""
    return [unit for unit in stored_units(store) if unit.kind == "ablation"]


def stored_units(store: Store) -> list[Unit]:
    """The finished units of a store that this version could have run."""
    found = []
    for path in sorted((store.path / "units").iterdir()):
        if path.is_dir() and UnitStore(path).complete:
            unit = _unit(UnitStore(path))
            if unit.key == path.name:
                found.append(unit)
    return found


def _unit(held: UnitStore) -> Unit:
    values = {field.name: held.attribute(field.name) for field in fields(Unit)}
    settings = values["settings"]
    return Unit(
        **values
        | {
            "settings": SamplerSettings(**settings) if settings else None,
            "observed": tuple((name, digest) for name, digest in values["observed"]),
            "matched": tuple(values["matched"]),
        }
    )


def _refuse_other(store: Store, library: Library) -> None:
    manifest = store.manifest()
    held = manifest.probes if manifest else {}
    other = [name for name, probe in library.probes.items() if held.get(name) != probe.digest]
    if other:
        raise ZeemanError(
            f"{store.path} was not examined with the probe {other[0]} of {library.name}; name the folder of the "
            "library that it was examined with."
        )
