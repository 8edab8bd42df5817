"""The store of an examination: one folder or URL, one writer, resumable after any kill."""

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
from zeeman.examination.files import Damaged, sealed, sweep, told, unsealed, write
from zeeman.examination.remote import Remote, is_url, joined
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
        self.remote = Remote(str(location)) if is_url(location) else None
        self.path = Path(folder or self.remote.folder) if self.remote else Path(location)
        self.location = self.remote.url if self.remote else self.path
        with told("write", self.path):
            (self.path / "units").mkdir(parents=True, exist_ok=True)
            for folder in (self.path, self.path / "units"):
                if not (folder / "zarr.json").exists():
                    write(folder / "zarr.json", GROUP)
        self._pull()

    @classmethod
    def open(cls, location: str | Path, folder: str | Path | None = None) -> Store:
        """Open a store that exists."""
        store = cls(location, folder) if is_url(location) else None
        if not ((store.path if store else Path(location)) / "examination.json").is_file():
            raise ZeemanError(
                f"expected the folder of an examination, but {location} holds no examination.json; "
                "run zeeman examine first."
            )
        return store or cls(location)

    def publish(self, *names: str) -> None:
        """Copy files of the folder to the URL, if the store is at one."""
        for name in names if self.remote else ():
            assert self.remote
            self.remote.write(name, (self.path / name).read_bytes())

    def publish_unit(self, unit: Unit) -> None:
        """Copy a finished unit to the URL, if the store is at one."""
        if self.remote:
            self.remote.push(self.unit(unit))

    def _pull(self) -> None:
        """Copy from the URL what is not in units; what the folder alone knows of the manifest stays."""
        if self.remote is None:
            return
        with told("write", self.path), self._syncing():
            raw = self.remote.read("examination.json")
            if raw is not None:
                self._merge(raw)
            names = [name for name in self.remote.names("readings") if name.endswith(".json")]
            (self.path / "readings").mkdir(exist_ok=True)
            for name in names:
                write(self.path / "readings" / name, self.remote.read(f"readings/{name}") or b"")
            journal = self.path / "events.jsonl"
            if not journal.exists():
                write(journal, self.remote.read(journal.name) or b"")

    def _merge(self, raw: bytes) -> None:
        """Take the manifest of the URL over."""
        here = self.manifest()
        if here is None:
            write(self.path / "examination.json", raw)
            return
        try:
            there = Manifest.model_validate(unsealed(raw))
        except (ValidationError, ValueError):
            return  # what stands here is put in its place when the store is written
        write(self.path / "examination.json", sealed(self._with(here, there).model_dump(mode="json")))

    @contextmanager
    def _syncing(self) -> Iterator[None]:
        """Let one process at a time change files that both a reader and a writer copy."""
        if self.remote is None:
            yield
            return
        with open(self.path / ".remote", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _catch_up(self) -> None:
        """Copy to the URL what a kill kept from it, and take the journal over."""
        if self.remote is None:
            return
        self._pull()
        for path in sorted((self.path / "units").iterdir()):
            if (held := UnitStore(path)).complete:
                self.remote.push(held)
        self._join_journals()

    def _join_journals(self) -> None:
        if self.remote:
            journal = self.path / "events.jsonl"
            write(journal, joined(self.remote.read(journal.name) or b"", journal.read_bytes()))

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
            self._catch_up()
            yield
            self._join_journals()
            self.publish("events.jsonl")

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
            raise Damaged("examination.json", self.location, error) from error
        return found

    def claim(self, manifest: Manifest) -> None:
        """Bind the store to weights and probes, or refuse when it was made for others."""
        self._pull()
        held = self.manifest()
        manifest = self._with(held, manifest) if held else manifest
        with told("write", self.path), self._syncing():
            if held is not None and held.version == 1:
                for path in (self.path / "readings").glob("*.json"):
                    write(path, sealed(unsealed(path.read_bytes(), required=False)))
                    self.publish(f"readings/{path.name}")
            write(self.path / "examination.json", sealed(manifest.model_dump(mode="json")))
            self.publish("examination.json", "zarr.json", "units/zarr.json")

    def _with(self, held: Manifest, manifest: Manifest) -> Manifest:
        """A manifest with what is held besides, or refuse when they are of other weights or probes."""
        self._refuse_other("checkpoint at step", held.weights, manifest.weights)
        self._refuse_other("probe named", held.probes, manifest.probes)
        both = {"weights": held.weights | manifest.weights, "probes": held.probes | manifest.probes}
        return manifest.model_copy(update=both)

    def _refuse_other(self, what: str, mine: Mapping[Any, str], theirs: Mapping[Any, str]) -> None:
        for key in mine.keys() & theirs.keys():
            if mine[key] != theirs[key]:
                raise ZeemanError(f"{self.location} was made for another {what} {key}; examine into another folder.")

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
