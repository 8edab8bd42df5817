"""What a device is: a name, the units it needs, and a pure function from their draws to readings."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.examination.store import Store
from zeeman.examination.subject import Subject
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.reading import Provenance, Reading


@dataclass(frozen=True, eq=False)
class Draws:
    """The finished units of an examination, found by what they are.

    Parameters
    ----------
    store : Store
    units : dict of Unit
        By chain key; the one that observes most where several walked the same chain.
    """

    store: Store
    units: dict[str, Unit]

    def array(self, unit: Unit, name: str, tokens: slice = slice(None)) -> NDArray[np.float64]:
        """An array of a unit, or some tokens of it, found through any unit that walked the chain and saw as much."""
        return np.asarray(self.store.unit(self.held(unit)).array(name, tokens), np.float64)

    def holds(self, unit: Unit, name: str) -> bool:
        """Whether an array is there: units of earlier versions hold fewer."""
        return self.store.unit(self.held(unit)).holds(name)

    def attribute(self, unit: Unit, name: str) -> Any:
        """A figure kept with a unit."""
        return self.store.unit(self.held(unit)).attribute(name)

    def stack(self, units: Iterable[Unit], name: str, tokens: slice = slice(None)) -> NDArray[np.float64]:
        """The arrays of several chains, shape (chains, ...), or some tokens of them."""
        return np.stack([self.array(unit, name, tokens) for unit in units])

    def held(self, unit: Unit) -> Unit:
        """The stored unit that walked the same chain."""
        found = self.units.get(unit.chain_key)
        if found is None:
            raise ZeemanError(f"the store holds no finished unit for {unit}; run the examination to its end first.")
        return found


@runtime_checkable
class Device(Protocol):
    """One kind of measurement.

    Attributes
    ----------
    name : str
    """

    @property
    def name(self) -> str:
        """Name of the device, as users choose it."""
        ...

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        """Say which units the device needs: a pure function of its arguments."""
        ...

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        """Compute the readings from finished units alone."""
        ...


def provenance(unit: Unit, settings: SamplerSettings | None) -> Provenance:
    """Provenance of what is read from a unit."""
    return Provenance(unit.step, unit.weights, dict(unit.observed), asdict(settings) if settings else {}, versions())


def origin_of(unit: Unit) -> Provenance:
    """Provenance of what is read from the chains of a unit."""
    return provenance(unit, unit.settings)


def versions() -> dict[str, str]:
    """Versions of zeeman, its numerical libraries and the machine."""
    found = {name: importlib.metadata.version(name) for name in ("zeeman", "torch", "numpy", "arviz-stats", "zarr")}
    return found | {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
