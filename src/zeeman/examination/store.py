"""The store of an examination: one folder or URL, one writer, resumable after any kill."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.examination.files import Damaged, sealed, sweep, told, unsealed, write
from zeeman.examination.manifest import NAME, read_manifest
from zeeman.examination.manifest import Manifest as Manifest
from zeeman.examination.mirror import JOURNAL, Mirror
from zeeman.examination.remote import Remote, is_url
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.examination.unit_store import UnitStore

GROUP = b'{"zarr_format": 3, "node_type": "group", "attributes": {}}'
"""What ``zarr.json`` of a folder without attributes holds."""


class Store:
    """A folder that holds units, or a URL with a folder of this machine where it is worked on (ADR 19).

    Parameters
    ----------
    location : path or str
        A folder, made if it does not exist, or a URL that fsspec knows, such as ``s3://bucket/examination``.
    folder : path or None
        Where a URL is worked on; None: in the user's cache.

    Raises
    ------
    ZeemanError
        If the folder can't be written, or the URL not be reached.

    Examples
    --------
    >>> import tempfile
    >>> store = Store(Path(tempfile.mkdtemp()) / "examination")
    >>> with store.locked():
    ...     store.log("opened", by="example")
    >>> [event["event"] for event in store.events()]
    ['opened']
    """

    def __init__(self, location: str | Path, folder: str | Path | None = None) -> None:
        self.mirror = Mirror(str(location), folder) if is_url(location) else None
        self.path = self.mirror.folder if self.mirror else Path(location)
        with told("write", self.path):
            (self.path / "units").mkdir(parents=True, exist_ok=True)
            for place in (self.path, self.path / "units"):
                if not (place / "zarr.json").exists():
                    write(place / "zarr.json", GROUP)
        if self.mirror:
            self.mirror.pull()

    @classmethod
    def open(cls, location: str | Path, folder: str | Path | None = None) -> Store:
        """Open a store that exists."""
        store = cls(location, folder) if is_url(location) else None
        if not ((store.path if store else Path(location)) / NAME).is_file():
            raise ZeemanError(
                f"expected the folder of an examination, but {location} holds no examination.json; "
                "run zeeman examine first."
            )
        return store or cls(location)

    @property
    def remote(self) -> Remote | None:
        """The URL's files, if the store is at one."""
        return self.mirror.remote if self.mirror else None

    @property
    def location(self) -> Path | str:
        """The folder or the URL."""
        return self.remote.url if self.remote else self.path

    def publish(self, *names: str) -> None:
        """Copy files of the folder to the URL, if the store is at one."""
        if self.mirror:
            self.mirror.publish(*names)

    def publish_unit(self, unit: Unit) -> None:
        """Copy a finished unit to the URL, if the store is at one."""
        if self.remote:
            self.remote.push(self.unit(unit))

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
            for name in (".", "units", "readings", "fetched"):
                sweep(self.path / name)
            if self.mirror:
                self.mirror.catch_up()
            yield
            if self.mirror:
                self.mirror.conclude()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold a worker's share of the lock while it writes a unit."""
        with open(self.path / ".workers") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield

    def manifest(self) -> Manifest | None:
        """What the store was made for; None while it is new."""
        return read_manifest(self.path, self.location)

    def claim(self, manifest: Manifest) -> None:
        """Bind the store to weights and probes, or refuse when it was made for others."""
        if self.mirror:
            self.mirror.pull()
        held = self.manifest()
        manifest = manifest.beside(held, self.location) if held else manifest
        with told("write", self.path), self._syncing():
            if held is not None and held.version == 1:
                for path in (self.path / "readings").glob("*.json"):
                    write(path, sealed(unsealed(path.read_bytes(), required=False)))
                    self.publish(f"readings/{path.name}")
            write(self.path / NAME, manifest.content)
            self.publish(NAME, "zarr.json", "units/zarr.json")

    def _syncing(self) -> AbstractContextManager[None]:
        return self.mirror.syncing() if self.mirror else nullcontext()

    def log(self, event: str, **details: Any) -> None:
        """Append what happened to ``events.jsonl``, on a line of its own whatever a kill left of the last one."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, **details})
        with told("write", self.path), open(self.path / JOURNAL, "a+b") as handle:
            if handle.tell():
                handle.seek(-1, 2)
                line = line if handle.read(1) == b"\n" else "\n" + line
            handle.write(line.encode() + b"\n")

    def events(self) -> list[dict[str, Any]]:
        """Everything logged; torn lines are left out."""
        found = []
        for line in (self.path / JOURNAL).read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def unit(self, unit: Unit) -> UnitStore:
        """The place of one unit."""
        return self._place(unit.key)

    def _place(self, key: str) -> UnitStore:
        """Where a unit is or is to be written, after copying it here if the URL holds it."""
        place = UnitStore(self.path / "units" / key)
        if place.complete:
            return place
        # Beside the units, since some process may be writing one of the same key.
        fetched = UnitStore(self.path / "fetched" / key)
        if not fetched.complete and self.remote and key in self.remote.finished:
            with told("write", self.path):
                self.remote.fetch(key, fetched.path)
        return fetched if fetched.complete else place

    def _held(self) -> dict[str, UnitStore]:
        """The finished units of this machine by their keys, in their order."""
        paths = [*self.path.glob("fetched/*"), *(self.path / "units").iterdir()]
        held = {path.name: place for path in paths if (place := UnitStore(path)).complete}
        return dict(sorted(held.items()))

    def units(self) -> list[Unit]:
        """The finished units that this version could have run, in the order of their keys.

        Raises
        ------
        Damaged
            If what one of them says of itself is not what was written.
        """
        found = {key: unit for key, place in self._held().items() if (unit := _unit(place))}
        for key, attributes in self.remote.finished.items() if self.remote else ():
            unit = unit_of(attributes) if key not in found else None
            if unit and unit.key == key:
                found[key] = unit
        return [found[key] for key in sorted(found)]

    def walked(self, chain_key: str, name: str) -> UnitStore:
        """A finished unit that walked a chain and holds an array."""
        keys = {*self._held(), *(self.remote.finished if self.remote else ())}
        for key in sorted(k for k in keys if k.startswith(f"{chain_key}-")):
            if (place := self._place(key)).holds(name):
                return place
        raise ZeemanError(f"{self.location} holds no finished unit {chain_key} with {name}; run the examination again.")

    def write_reading(self, name: str, content: Mapping[str, Any]) -> Path:
        """Write a derived table to ``readings/`` as JSON."""
        path = self.path / "readings" / f"{name}.json"
        with told("write", self.path), self._syncing():
            path.parent.mkdir(exist_ok=True)
            write(path, sealed(content))
            self.publish(f"readings/{name}.json")
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
            raise Damaged(f"the reading {name}", self.location, error) from error


def unit_of(attributes: Mapping[str, Any]) -> Unit | None:
    """The unit that some attributes tell of; None if they are none that this version knows."""
    values = {field.name: attributes[field.name] for field in fields(Unit) if field.name in attributes}
    try:
        settings = values.get("settings")
        values["settings"] = SamplerSettings(**settings) if settings else None
        values["observed"] = tuple((name, digest) for name, digest in values["observed"])
        values["matched"] = tuple(values["matched"])
        values["start"] = tuple(values["start"]) if values.get("start") else None
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
