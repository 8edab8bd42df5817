"""The influence of what one probe asks on what another asks, read from the chains that a store holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.examination.contexts import in_context, words
from zeeman.examination.device import Draws, origin_of
from zeeman.examination.devices import chain_health
from zeeman.examination.document import finite
from zeeman.examination.store import Store
from zeeman.examination.stored import chains_of
from zeeman.examination.subject import DATA
from zeeman.examination.unit import Unit
from zeeman.probes import Library, Probe
from zeeman.reading import Reading, Verdict
from zeeman.sampling import Health
from zeeman.spectra import influence, mean_losses, strongest_pairs

By = Literal["token", "row"]
Ints = NDArray[np.int64]

MOST = 10
"""Partners of each sign that are kept of a token or row."""


def stored_influence(
    store: Store,
    library: Library,
    first: str,
    second: str,
    *,
    step: int | None = None,
    component: str = "full",
    loading: str = "loaded",
    by: str = "token",
    most: int = MOST,
) -> list[Reading]:
    """Read the influence of two probes on each other, and of their tokens or rows, from the chains of a store.

    Weights ∝ exp(−Σ_z β_z ℓ_z) answer to more weight on z' by d⟨ℓ_z⟩/dβ_z' = −Cov(ℓ_z, ℓ_z'), the Bayesian influence
    function (arXiv 2509.26544): it is negative where to be asked z' teaches z. No model is run.

    Parameters
    ----------
    store : Store
        Of an examination that read susceptibilities.
    library : Library
        The one that was examined with.
    first, second : str
        Two of its probes, or one twice; also its data.
    step : int or None
        None: the last one with such chains.
    component : str
        What moved.
    loading : {"loaded", "unloaded"}
    by : {"token", "row"}
    most : int
        Partners of each sign that are kept.

    Returns
    -------
    list of Reading
        ``influence``, −Cov of the mean losses in nats², with ``correlation`` ρ, and in ``null`` ρ when each chain of
        the first is put beside another of the second; and ``influence_pairs``, shape (items, 2 most), −Cov of each
        token or row of the first with its strongest partners in the second (see
        :func:`~zeeman.spectra.strongest_pairs` for the coordinates ``partners``, ``correlation``, ``stands_out``,
        ``threshold``, ``count``, ``compared`` and ``null``), with ``at`` and ``partner_at``, the row and position of
        each item. Where the chains diverged, an ``influence`` without a value alone.

    Raises
    ------
    ZeemanError
        For a probe, step, component, loading or kind of item that is not there, and for a single chain.
    """
    chains = _Chains.of(store, library, (first, second), step, component, loading, by)
    if chains.health.verdict is Verdict.DIVERGED:
        return [chains.reading("influence", math.nan, math.nan, {})]
    left, right = (chains.items(name) for name in (first, second))
    return [_mutual(chains, left, right), _pairs(chains, left, None if first == second else right, most)]


def stored_kernel(
    store: Store,
    library: Library,
    first: str,
    second: str,
    *,
    step: int | None = None,
    component: str = "full",
    loading: str = "loaded",
    by: str = "token",
) -> Reading:
    """Read the whole loss kernel Cov(ℓ_z, ℓ_z') of two probes, items × items, all in memory.

    Parameters
    ----------
    store, library, first, second, step, component, loading, by
        As for :func:`stored_influence`.

    Returns
    -------
    Reading
        ``loss_kernel`` in nats², shape (first, second), with ``correlation`` and ``correlation_se``; without a value
        where the chains diverged.

    Raises
    ------
    ZeemanError
        As for :func:`stored_influence`.
    """
    chains = _Chains.of(store, library, (first, second), step, component, loading, by)
    if chains.health.verdict is Verdict.DIVERGED:
        return chains.reading("loss_kernel", math.nan, math.nan, {})
    found = influence(*(chains.items(name).losses for name in (first, second)))
    about = {"correlation": found.correlation, "correlation_se": found.correlation_se}
    return chains.reading("loss_kernel", found.kernel, found.kernel_se, about)


def influence_document(library: Library, readings: list[Reading], top: int = MOST) -> dict[str, Any]:
    """Lay out the influence of two probes as JSON-able values, with the pairs that stand out most.

    Parameters
    ----------
    library : Library
    readings : list of Reading
        Those of :func:`stored_influence`.
    top : int
        Most pairs; those of one token after the same ids in two rows are left out.

    Returns
    -------
    dict
        ``step``, ``first``, ``second``, ``component``, ``loading``, ``by``, ``chains``, ``draws``, ``verdict``,
        ``reasons``; ``influence`` and ``correlation`` of the means with ``_se`` and ``null``; ``pairs`` with
        ``count``, ``compared``, ``null`` and ``threshold``; and ``strongest``, a list.
    """
    told, *more = readings
    where, origin = told.coordinates, told.provenance
    assert origin is not None
    about = {
        "step": origin.step,
        **{name: where[name] for name in ("first", "second", "component", "loading", "by", "chains", "draws")},
        "verdict": told.verdict.name.lower(),
        "sentence": told.verdict.value,
        "reasons": told.reasons,
        "influence": told.value,
        "influence_se": told.standard_error,
        **{name: where.get(name) for name in ("correlation", "correlation_se", "null")},
        "pairs": None,
        "strongest": [],
    }
    for pairs in more:
        counts = {name: pairs.coordinates[name] for name in ("count", "compared", "null", "threshold")}
        about |= {"pairs": counts, "strongest": _strongest(library, pairs, top)}
    laid_out: dict[str, Any] = finite(about)
    return laid_out


@dataclass(frozen=True, eq=False)
class _Items:
    """Losses ℓ(w) − ℓ(w*) of the scored tokens of a probe, or of its rows, shape (items, chains, draws)."""

    losses: NDArray[np.floating]
    mean: NDArray[np.float64]
    """Over the scored tokens, whatever the items are."""
    at: Ints
    """Row and position of each, shape (items, 2); of a row its last scored position."""


@dataclass(frozen=True, eq=False)
class _Chains:
    """The chains of one component, and what is read from them."""

    draws: Draws
    units: list[Unit]
    library: Library
    by: str
    health: Health
    where: dict[str, Any]

    @classmethod
    def of(
        cls, store: Store, library: Library, names: tuple[str, str], step: int | None, component: str, loading: str,
        by: str,
    ) -> _Chains:  # fmt: skip
        if by not in get_args(By):
            raise ZeemanError(f"expected influence by token or by row, got {by!r}; choose one of them.")
        units = chains_of(store, library, names, component, loading, step)
        settings, draws = units[0].settings, Draws(store, {u.chain_key: u for u in units})
        assert settings is not None
        phi = draws.stack(units, f"observed_{DATA}").mean(axis=-1)
        where = {"first": names[0], "second": names[1], "component": component, "loading": loading, "by": by}
        where |= {"chains": phi.shape[0], "draws": phi.shape[1]}
        health = chain_health(draws, units, settings, energy=settings.n_beta * phi)
        return cls(draws, units, library, by, health, where)

    def reading(self, name: str, value: Any, error: Any, more: dict[str, Any]) -> Reading:
        return Reading(
            name, value, error, self.health.verdict, self.health.reasons, origin_of(self.units[0]), self.where | more,
            self.health.figures,
        )  # fmt: skip

    def items(self, name: str) -> _Items:
        """The losses of a probe, in the half precision in which the store holds them."""
        kept = DATA if name == self.library.data.name else name
        # Items come first, one behind the other, as products want them.
        losses = np.stack([self.draws.array(u, f"observed_{kept}").T.astype(np.float16) for u in self.units], axis=1)
        rows = dict(self.units[0].observed)[DATA].split(":")[-1] if kept == DATA else None
        at = np.argwhere(asked_of(self.library, name).scored[: int(rows) if rows else None])
        mean = mean_losses(losses)
        if self.by == "token":
            return _Items(losses, mean, at)
        begins = np.flatnonzero(np.diff(at[:, 0], prepend=-1))
        ends = np.append(begins[1:], len(at)) - 1
        return _Items(np.add.reduceat(losses, begins, axis=0, dtype=np.float32), mean, at[ends])


def asked_of(library: Library, name: str) -> Probe:
    """A probe of the library, or its data."""
    return library.data if name == library.data.name else library[name]


def _mutual(chains: _Chains, left: _Items, right: _Items) -> Reading:
    """Influence of the mean losses, and ρ of those of different chains."""
    found = influence(left.mean[None], right.mean[None])
    moved = np.stack([np.roll(left.mean, -k, axis=0) for k in range(1, len(chains.units))])
    null = influence(moved, right.mean[None]).correlation[:, 0]
    about = {
        "correlation": float(found.correlation[0, 0]),
        "correlation_se": float(found.correlation_se[0, 0]),
        "null": null.tolist(),
    }
    return chains.reading("influence", float(found.influence[0, 0]), float(found.kernel_se[0, 0]), about)


def _pairs(chains: _Chains, left: _Items, right: _Items | None, most: int) -> Reading:
    found = strongest_pairs(left.losses, right.losses if right else None, most=most)
    names = ("partners", "correlation", "correlation_se", "stands_out", "threshold", "count", "compared", "null")
    about = {name: getattr(found, name) for name in names} | {"at": left.at, "partner_at": (right or left).at}
    return chains.reading("influence_pairs", -found.kernel, found.kernel_se, about)


def _strongest(library: Library, pairs: Reading, top: int) -> list[dict[str, Any]]:
    """The pairs with the highest |ρ| of those that stand out, each once, with their tokens in context.

    A token with the same ids before it stands out from itself in another row, which says nothing.
    """
    where = pairs.coordinates
    both = [asked_of(library, where[side]) for side in ("first", "second")]
    items, slots = np.nonzero(where["stands_out"])
    order = np.argsort(-abs(where["correlation"][items, slots]), kind="stable")
    told: dict[Any, dict[str, Any]] = {}
    for item, slot in zip(items[order], slots[order], strict=True):
        partner = where["partners"][item, slot]
        key = frozenset((item, partner)) if where["first"] == where["second"] else (item, partner)
        places = where["at"][item], where["partner_at"][partner]
        ids = [_ids(probe, where["by"], at).tolist() for probe, at in zip(both, places, strict=True)]
        if key in told or ids[0] == ids[1]:
            continue
        told[key] = {
            "influence": np.asarray(pairs.value)[item, slot],
            "influence_se": np.asarray(pairs.standard_error)[item, slot],
            "correlation": where["correlation"][item, slot],
            "correlation_se": where["correlation_se"][item, slot],
            "first": _shown(library, both[0], where["by"], places[0]),
            "second": _shown(library, both[1], where["by"], places[1]),
        }
        if len(told) == top:
            break
    return list(told.values())


def _ids(probe: Probe, by: str, at: Ints) -> Ints:
    """The ids that an item's loss is made of."""
    ids: Ints = probe.inputs[at[0], : at[1] + 1] if by == "token" else probe.inputs[at[0]]
    return ids


def _shown(library: Library, probe: Probe, by: str, at: Ints) -> dict[str, Any]:
    """A token with the ids around it, or a whole row."""
    row, position = map(int, at)
    if by == "token":
        return in_context(library, probe, row, position)
    return {"probe": probe.name, "row": row, **words(library, probe.inputs[row].tolist())}
