"""Stores of devinterp 2: what its chains say, with the errors and the doubts that zeeman has of its own."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.examination.device import versions
from zeeman.reading import Provenance, Reading, Verdict
from zeeman.sampling import Health, judge
from zeeman.spectra.influence import influence
from zeeman.spectra.llc import llc_mean, llc_variance, minibatch_variance

NO_STEP = -1
"""Step of a checkpoint that a store does not tell."""
_TOLD = (Verdict.DIVERGED, Verdict.COPIED_CHAINS, Verdict.BELOW_REFERENCE, Verdict.NOT_MIXED, Verdict.DRIFTING)
"""What energies alone tell, even of rows that the reference was not taken on."""


def import_devinterp(path: str | Path) -> list[Reading]:
    """Read the chains that ``sample`` of devinterp 2 kept under ``output_path``.

    - ``llc``: nβ (⟨L_B(w)⟩ − L_init) over the steps after the burn-in, which ``compute_llc`` counts in. L_init is an
      average over other rows, so its own error is part of the standard error.
    - ``llc_variance``: (nβ)² Var_w L(w), which needs no reference.
    - ``influence``: −Cov of the mean losses on each two observables over the draws, in nats².

    No reading is ``ok``: the store holds neither the losses of the checkpoint on the rows of the chains, nor how hot
    these are, nor what weights they are of. What the energies tell of a worse fault comes before.

    Parameters
    ----------
    path : path
        A Zarr folder. Of a run that was interrupted the chains that came to their end are read.

    Returns
    -------
    list of Reading
        Their provenance holds the sampler's configuration, a digest of the token ids of each observable, ``""`` for
        the weights and −1 for the step.

    Raises
    ------
    ZeemanError
        If it is not such a store, or no chain came to its end.
    """
    group, config = _opened(Path(path))
    whole = _whole_chains(group)
    if not whole:
        raise ZeemanError(f"no chain of {path} came to its end; run devinterp's sample again, to another output_path.")
    settings, n_beta = config["sampler"], float(config["sampler"]["n_beta"])
    names = [str(one["obs_id"]) for one in config["observables"]]
    rows = np.stack([_array(group, "sampling_loss_micro", c).mean(axis=-1) for c in whole])
    rows = rows[:, int(settings["num_burnin_steps"]) :] - float(_array(group, "init_loss", ...)[whole].mean())
    health = _judged(rows, n_beta)
    mean = llc_mean(rows, n_beta, health)
    error = math.hypot(float(mean.standard_error), n_beta * _error_of_reference(rows, settings))
    found = [replace(mean, standard_error=error), llc_variance(rows, n_beta, health)]
    found += _influences({name: _observed(group, name, whole) for name in names}, health)
    source = Provenance(
        NO_STEP,
        "",
        {name: _digest(_array(group, f"input_ids_{name}", ...)) for name in names},
        settings | {"store": Path(path).name, "chains_read": len(whole)},
        versions() | {"devinterp": "2"},
    )
    doubts = _doubts(settings, len(whole))
    return [replace(r, reasons=r.reasons + doubts, provenance=source, health=health.figures) for r in found]


def _opened(path: Path) -> tuple[zarr.Group, dict[str, Any]]:
    """The group and what it says of how it was made."""
    try:
        group = zarr.open_group(str(path), mode="r")
        config: Any = group.attrs["metadata"]
        config = config["config"]
        if not {"n_beta", "num_burnin_steps", "num_chains"} <= config["sampler"].keys() or "init_loss" not in group:
            raise KeyError("sampler")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ZeemanError(
            f"expected the Zarr folder that sample of devinterp 2 wrote, but {path} is none; name its output_path."
        ) from error
    return group, config


def _array(group: zarr.Group, name: str, index: Any) -> NDArray[Any]:
    found = group[name]
    assert isinstance(found, zarr.Array)
    return np.asarray(found[index])


def _whole_chains(group: zarr.Group) -> list[int]:
    """The chains whose last minibatch was written: what was not is filled with 0, which is one token throughout."""
    ids = group["sampling_input_ids_micro"]
    assert isinstance(ids, zarr.Array)
    return [chain for chain in range(ids.shape[0]) if np.any(np.asarray(ids[chain, -1]))]


def _judged(rows: NDArray[np.floating], n_beta: float) -> Health:
    """The health of the energies, never better than unvouched for."""
    with np.errstate(invalid="ignore"):
        health = judge(n_beta * rows.mean(axis=2), noise_variance=minibatch_variance(rows, n_beta))
    return health if health.verdict in _TOLD else replace(health, verdict=Verdict.UNVOUCHED, reasons=())


def _error_of_reference(rows: NDArray[np.floating], settings: dict[str, Any]) -> float:
    """Standard error of the initial loss, from how much rows differ and how many it was taken over."""
    count = int(settings["num_init_loss_batches"]) * int(settings["gradient_accumulation_steps"])
    spread = math.sqrt(float(np.asarray(rows, np.float64).var(axis=2, ddof=1).mean())) if rows.shape[2] > 1 else 0.0
    return spread / math.sqrt(count * int(settings["batch_size"]))


def _observed(group: zarr.Group, name: str, chains: list[int]) -> NDArray[np.float64]:
    """Mean loss on an observable, shape (chains, draws)."""
    return np.stack([_array(group, f"loss_{name}", c).mean(axis=(1, 2), dtype=np.float64) for c in chains])


def _influences(observed: dict[str, NDArray[np.float64]], health: Health) -> list[Reading]:
    if not observed:
        return []
    names = list(observed)
    lost = health.verdict is Verdict.DIVERGED
    found = None if lost else influence(np.stack(list(observed.values())))
    readings = []
    for i, j in combinations_with_replacement(range(len(names)), 2):
        value, error = (math.nan, math.nan) if found is None else (-found.kernel[i, j], found.kernel_se[i, j])
        places = {"first": names[i], "second": names[j]}
        readings.append(Reading("influence", float(value), float(error), health.verdict, health.reasons, None, places))
    return readings


def _doubts(settings: dict[str, Any], whole: int) -> tuple[str, ...]:
    """What the store does not hold, in words."""
    found = ["the loss of the checkpoint was taken on other rows than those of the chains"]
    found.append("how hot the chains are was not kept")
    if settings.get("match_sampling_input_ids_across_chains") and whole > 1:
        found.append("all chains saw the same minibatches, so their disagreement leaves that chance out")
    if whole < int(settings["num_chains"]):
        found.append(f"{whole} of {settings['num_chains']} chains came to their end")
    return tuple(found)


def _digest(ids: NDArray[Any]) -> str:
    return hashlib.sha256(repr(ids.shape).encode() + np.ascontiguousarray(ids, "<i8").tobytes()).hexdigest()
