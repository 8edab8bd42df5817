"""The store of an examination: one folder, one writer, resumable after any kill."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from zeeman.errors import ZeemanError
from zeeman.examination.files import Damaged, sealed, told, unsealed, write
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.examination.unit_store import UnitStore

GROUP = b'{"zarr_format": 3, "node_type": "group", "attributes": {}}'
"""What ``zarr.json`` of a folder without attributes holds."""


class Manifest(BaseModel):
    """What ``examination.json`` holds; from version 2 on, it and every reading have a checksum."""

    format: str = "zeeman-examination"
    version: int = 2
    series: str
    library: str
    weights: dict[int, str]
    probes: dict[str, str]


class Store:
    """A folder that holds units.

    Parameters
    ----------
    path : path
        Made if it does not exist.

    Raises
    ------
    ZeemanError
        If the folder can't be written.

    Examples
    --------
    >>> import tempfile
    >>> store = Store(Path(tempfile.mkdtemp()) / "examination")
    >>> with store.locked():
    ...     store.log("opened", by="example")
    >>> [event["event"] for event in store.events()]
    ['opened']
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with told("write", self.path):
            (self.path / "units").mkdir(parents=True, exist_ok=True)
            for folder in (self.path, self.path / "units"):
                if not (folder / "zarr.json").exists():
                    write(folder / "zarr.json", GROUP)

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Open a store that exists."""
        if not (Path(path) / "examination.json").is_file():
            raise ZeemanError(
                f"expected the folder of an examination, but {path} holds no examination.json; "
                "run zeeman examine first."
            )
        return cls(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while this one writes."""
        with told("write", self.path):
            lock, workers = open(self.path / ".lock", "w"), open(self.path / ".workers", "w")  # noqa: SIM115
        with lock, workers:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ZeemanError(
                    f"another process is writing {self.path}; wait for it to end, or choose another folder."
                ) from None
            # Workers of a killed run end with their block; nothing is written until they have.
            fcntl.flock(workers, fcntl.LOCK_EX)
            fcntl.flock(workers, fcntl.LOCK_UN)
            yield

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold a worker's share of the lock while it writes a unit."""
        with open(self.path / ".workers") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield

    def manifest(self) -> Manifest | None:
        """What the store was made for; None while it is new."""
        path = self.path / "examination.json"
        if not path.exists():
            return None
        try:
            raw = path.read_bytes()
            found = Manifest.model_validate(unsealed(raw, required=False))
            unsealed(raw, required=found.version > 1)
        except ValidationError as error:
            raise ZeemanError(
                f"{path} is not the manifest of an examination ({error.error_count()} faults); "
                "restore it or choose another folder."
            ) from None
        except ValueError as error:
            raise Damaged("examination.json", self.path, error) from error
        return found

    def claim(self, manifest: Manifest) -> None:
        """Bind the store to weights and probes, or refuse when it was made for others."""
        held = self.manifest()
        if held is not None:
            self._refuse_other("checkpoint at step", held.weights, manifest.weights)
            self._refuse_other("probe named", held.probes, manifest.probes)
            manifest = manifest.model_copy(
                update={"weights": held.weights | manifest.weights, "probes": held.probes | manifest.probes}
            )
        with told("write", self.path):
            if held is not None and held.version == 1:
                for path in (self.path / "readings").glob("*.json"):
                    write(path, sealed(unsealed(path.read_bytes(), required=False)))
            write(self.path / "examination.json", sealed(manifest.model_dump(mode="json")))

    def _refuse_other(self, what: str, mine: Mapping[Any, str], theirs: Mapping[Any, str]) -> None:
        for key in mine.keys() & theirs.keys():
            if mine[key] != theirs[key]:
                raise ZeemanError(f"{self.path} was made for another {what} {key}; examine into another folder.")

    def log(self, event: str, **details: Any) -> None:
        """Append what happened to ``events.jsonl``, on a line of its own whatever a kill left of the last one."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, **details})
        with told("write", self.path), open(self.path / "events.jsonl", "a+b") as handle:
            if handle.tell():
                handle.seek(-1, 2)
                line = line if handle.read(1) == b"\n" else "\n" + line
            handle.write(line.encode() + b"\n")

    def events(self) -> list[dict[str, Any]]:
        """Everything logged; torn lines are left out."""
        found = []
        for line in (self.path / "events.jsonl").read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def unit(self, unit: Unit) -> UnitStore:
        """The place of one unit."""
        return UnitStore(self.path / "units" / unit.key)

    def units(self) -> list[Unit]:
        """The finished units that this version could have run, in the order of their keys.

        Raises
        ------
        Damaged
            If what one of them says of itself is not what was written.
        """
        held = (UnitStore(path) for path in sorted((self.path / "units").iterdir()))
        return [unit for one in held if one.complete and (unit := _unit(one))]

    def walked(self, chain_key: str, name: str) -> UnitStore:
        """A finished unit that walked a chain and holds an array."""
        for path in sorted((self.path / "units").glob(f"{chain_key}-*")):
            if UnitStore(path).complete and (path / name).is_dir():
                return UnitStore(path)
        raise ZeemanError(f"{self.path} holds no finished unit {chain_key} with {name}; run the examination again.")

    def write_reading(self, name: str, content: Mapping[str, Any]) -> Path:
        """Write a derived table to ``readings/`` as JSON."""
        path = self.path / "readings" / f"{name}.json"
        with told("write", self.path):
            path.parent.mkdir(exist_ok=True)
            write(path, sealed(content))
        return path

    def read_reading(self, name: str) -> Any:
        """Read a derived table; None if there is none.

        Raises
        ------
        Damaged
            If it is not what was written.
        """
        path, manifest = self.path / "readings" / f"{name}.json", self.manifest()
        try:
            return unsealed(path.read_bytes(), required=bool(manifest and manifest.version > 1))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise Damaged(f"the reading {name}", self.path, error) from error


def unit_of(attributes: Mapping[str, Any]) -> Unit | None:
    """The unit that some attributes tell of; None if they are none that this version knows."""
    values = {field.name: attributes[field.name] for field in fields(Unit) if field.name in attributes}
    try:
        settings = values.get("settings")
        values["settings"] = SamplerSettings(**settings) if settings else None
        values["observed"] = tuple((name, digest) for name, digest in values["observed"])
        values["matched"] = tuple(values["matched"])
        return Unit(**values)
    except (KeyError, TypeError, ValueError, ZeemanError):
        return None


def _unit(held: UnitStore) -> Unit | None:
    """What a place says it holds, if that is what its name is the hash of."""
    try:
        unit = unit_of(held.peek())
        if unit is not None and unit.key == held.path.name:
            return unit
    except ValueError:
        pass
    # Another version's, or damaged: then this raises. Where the hash is right there is no need to look.
    _ = held.attributes
    return None
