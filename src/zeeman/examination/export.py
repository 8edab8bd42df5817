"""Draws of a store in the layout that ArviZ reads."""

from __future__ import annotations

import importlib.util
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from zeeman.errors import ZeemanError
from zeeman.examination.device import versions
from zeeman.examination.files import told
from zeeman.examination.store import Store
from zeeman.examination.unit import Unit

Walk = tuple[Unit, ...]
"""The chains of one walk, in their order."""


def to_arviz(store: Store) -> xarray.DataTree:
    """Lay out the chains of a store as ArviZ does: groups of variables with dimensions ``chain`` and ``draw`` first.

    ``posterior`` holds ``loss``, the mean difference in nats from the checkpoint on the data and on each probe, along
    ``walk`` (step, component, loading, nβ) and ``probe``; ``sample_stats`` holds of loaded chains ``minibatch``, the
    mean difference on the minibatch of a draw, along ``loaded``, and whether it left the finite numbers, ``diverging``.
    ArviZ wants as many chains and draws everywhere: of several numbers, the one that most walks have.

    Parameters
    ----------
    store : Store

    Returns
    -------
    DataTree

    Raises
    ------
    ZeemanError
        For a store without two chains of anything.
    """
    walks = _walks(store)
    if not walks:
        raise ZeemanError(
            f"{store.path} holds no two chains of one walk; run zeeman examine first, and if it was stopped, again."
        )
    loaded = [walk for walk in walks if walk[0].kind == "loaded"]
    observing = [walk for walk in walks if walk[0].observed]
    probes = sorted({name for walk in observing for name, _ in walk[0].observed})
    places = {"walk": [_name(w) for w in observing], "probe": probes}
    groups: dict[str, xarray.Dataset] = {}
    if observing:
        loss = np.stack([[_losses(store, unit, probes) for unit in walk] for walk in observing], axis=2)
        groups["posterior"] = _dataset({"loss": loss}, ("walk", "probe"), places, observing)
    if loaded:
        minibatch = np.stack([[_minibatch(store, unit) for unit in walk] for walk in loaded], axis=2)
        arrays = {"minibatch": minibatch, "diverging": ~np.isfinite(minibatch)}
        groups["sample_stats"] = _dataset(arrays, ("loaded",), {"loaded": [_name(w) for w in loaded]}, loaded)
    tree = xarray.DataTree.from_dict(groups)
    manifest = store.manifest()
    tree.attrs = {"creation_library": "zeeman", **versions(), "series": manifest.series if manifest else ""}
    return tree


def export_arviz(store: Store, path: Path) -> xarray.DataTree:
    """Write `to_arviz` to a file that does not exist yet, a Zarr folder or netCDF by its ending.

    Parameters
    ----------
    store : Store
    path : Path
        Ends in ``.zarr`` or ``.nc``; the latter needs h5netcdf or netCDF4.

    Returns
    -------
    DataTree
        What was written.

    Raises
    ------
    ZeemanError
        For another ending, a path that exists, or a missing package.
    """
    if path.suffix not in (".zarr", ".nc"):
        raise ZeemanError(f"expected a path that ends in .zarr or .nc, got {path}; name it so.")
    if path.exists():
        raise ZeemanError(f"expected a path where nothing is yet, but {path} exists; name another.")
    if path.suffix == ".nc" and not any(importlib.util.find_spec(name) for name in ("h5netcdf", "netCDF4")):
        raise ZeemanError("netCDF needs a package that is not installed: run pip install h5netcdf, or write a .zarr.")
    tree = to_arviz(store)
    with told("write", path):
        try:
            if path.suffix == ".zarr":
                tree.to_zarr(path, zarr_format=2)  # in format 3 strings have no settled layout yet
            else:
                tree.to_netcdf(path)
        except OSError:
            shutil.rmtree(path, ignore_errors=True)
            raise
    return tree


def _walks(store: Store) -> list[Walk]:
    """Chains that differ in their chain alone, two or more, for each walk the unit that observed most."""
    chains: dict[Unit, dict[int, Unit]] = defaultdict(dict)
    for unit in sorted(store.units(), key=lambda u: len(u.observed)):
        if unit.kind in ("loaded", "unloaded") and unit.settings:
            alike = replace(unit, chain=0, observed=(), settings=replace(unit.settings, num_chains=2))
            chains[alike][unit.chain] = unit
    walks = [tuple(each[chain] for chain in sorted(each)) for each in chains.values()]
    shapes = Counter(_shape(walk) for walk in walks if len(walk) > 1)
    chosen = max(shapes, key=lambda shape: (shapes[shape], shape), default=None)
    return sorted((w for w in walks if _shape(w) == chosen), key=lambda w: (w[0].step, w[0].component, _name(w)))


def _shape(walk: Walk) -> tuple[int, int]:
    return len(walk), walk[0].schedule.num_draws


def _name(walk: Walk) -> str:
    unit = walk[0]
    assert unit.settings is not None
    heat = f", n_beta {unit.settings.n_beta:g}" if unit.kind == "loaded" else ""
    return f"step {unit.step}, {unit.component}, {unit.kind}{heat}"


def _losses(store: Store, unit: Unit, probes: Sequence[str]) -> np.ndarray[Any, Any]:
    """Mean differences, shape (draws, probes); NaN for a probe that the unit did not observe."""
    names = dict(unit.observed).keys()
    found = np.full((unit.schedule.num_draws, len(probes)), np.nan)
    for i, name in enumerate(probes):
        if name in names:
            found[:, i] = store.unit(unit).array(f"observed_{name}").mean(axis=1, dtype=np.float64)
    return found


def _minibatch(store: Store, unit: Unit) -> np.ndarray[Any, Any]:
    """Mean difference on the minibatch of each draw, shape (draws,)."""
    schedule = unit.schedule
    draws = [step for step in range(schedule.num_steps) if schedule.is_draw(step)]
    return np.asarray(store.unit(unit).array("rows")[draws].mean(axis=1, dtype=np.float64))


def _dataset(
    arrays: dict[str, np.ndarray[Any, Any]], dims: tuple[str, ...], places: dict[str, list[str]], walks: Sequence[Walk]
) -> xarray.Dataset:
    one = next(iter(arrays.values()))
    coords: dict[str, Any] = {"chain": np.arange(one.shape[0]), "draw": np.arange(one.shape[1]), **places}
    beside = {"step": [w[0].step for w in walks], "component": [w[0].component for w in walks]}
    beside |= {"loading": [w[0].kind for w in walks]}
    coords |= {f"{dims[0]}_{name}": (dims[0], values) for name, values in beside.items()}
    return xarray.Dataset({name: (("chain", "draw", *dims), values) for name, values in arrays.items()}, coords)
