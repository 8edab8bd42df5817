"""A store at a URL: what is finished in a folder of this machine is copied there, and what is there is copied here."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec

from zeeman.errors import ZeemanError
from zeeman.examination.files import Damaged, checksum, unsealed
from zeeman.examination.unit_store import COMPLETE, UnitStore

_FLATTENED = re.compile(r"[a-z0-9]{2,}:/(?!/)")


def is_url(location: str | Path) -> bool:
    """Whether a store is at a URL, such as ``s3://bucket/examination``, and not in a folder.

    Raises
    ------
    ZeemanError
        For a URL that became a path, which would be a folder named by its protocol.

    Examples
    --------
    >>> is_url("s3://bucket/examination"), is_url("examination")
    (True, False)
    """
    if isinstance(location, Path) and _FLATTENED.match(str(location)):
        raise ZeemanError(f"expected a URL as text, got the path {location}, which has lost a slash; leave out Path.")
    return "://" in str(location)


class Remote:
    """The files of a store at a URL that fsspec knows.

    A unit is copied file by file, its marker last, so that whoever finds the marker finds the unit whole; a unit
    without its marker is not there yet.

    Parameters
    ----------
    url : str

    Raises
    ------
    ZeemanError
        For a protocol that is not known here, or whose package is not installed.

    Examples
    --------
    >>> there = Remote("memory://example")
    >>> there.write("a/b.json", b"{}")
    >>> there.read("a/b.json"), there.read("c"), there.names("a")
    (b'{}', None, ['b.json'])
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        options = {"auto_mkdir": True} if url.startswith(("file:", "local:")) else {}
        with self._reached("open"):
            self.fs, root = fsspec.core.url_to_fs(self.url, **options)
            self.fs.invalidate_cache()
        self.root = root.rstrip("/")

    @property
    def folder(self) -> Path:
        """Where it is worked on here unless a folder is named: in the user's cache, by the URL."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        return cache / "zeeman" / "stores" / hashlib.sha256(self.url.encode()).hexdigest()[:16]

    def read(self, name: str) -> bytes | None:
        """Read a file; None if there is none."""
        with self._reached("read"):
            try:
                return bytes(self.fs.cat_file(f"{self.root}/{name}"))
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file, as one object where the protocol has objects."""
        with self._reached("write"):
            self.fs.pipe_file(f"{self.root}/{name}", content)

    def remove(self, name: str) -> None:
        """Remove a file or a folder; of a unit its marker first."""
        with self._reached("write"):
            for path in (f"{name}/{COMPLETE}", name):
                if self.fs.exists(f"{self.root}/{path}"):
                    self.fs.rm(f"{self.root}/{path}", recursive=True)

    def names(self, name: str) -> list[str]:
        """Names in a folder, in their order; none if there is no folder."""
        with self._reached("read"):
            try:
                found = self.fs.ls(f"{self.root}/{name}", detail=False)
            except FileNotFoundError:
                return []
        return sorted({path.rstrip("/").rsplit("/", 1)[-1] for path in found} - {""})

    @cached_property
    def finished(self) -> dict[str, dict[str, Any]]:
        """The attributes of each whole unit by its key, looked up once."""
        keys = [name for name in self.names("units") if not name.endswith(".json")]
        asked = [f"units/{key}/{name}" for key in keys for name in (COMPLETE, "zarr.json")]
        with self._reached("read"):
            got = self.fs.cat([f"{self.root}/{name}" for name in asked], on_error="return") if asked else {}
            for raw in got.values():
                if isinstance(raw, Exception) and not isinstance(raw, FileNotFoundError):
                    raise raw
        held = {path.rsplit("/units/", 1)[-1]: raw for path, raw in got.items() if isinstance(raw, bytes)}
        told = {key: _attributes(held.get(f"{key}/{COMPLETE}"), held.get(f"{key}/zarr.json")) for key in keys}
        return {key: attributes for key, attributes in told.items() if attributes is not None}

    def fetch(self, key: str, place: Path) -> None:
        """Copy a whole unit here; it is there at once or not.

        Raises
        ------
        Damaged
            If it is not what was written.
        """
        place.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, suffix=f".{os.getpid()}.partial") as folder:
            here = Path(folder) / key
            self._get(f"{self.root}/units/{key}", here)
            for name, why in UnitStore(here).faults():
                raise Damaged(f"{name} of the unit {self.url}/units/{key}", self.url, why)
            try:
                here.rename(place)
            except OSError:  # another process was faster
                if not UnitStore(place).complete:
                    raise

    def fetch_all(self, folder: Path) -> None:
        """Copy everything here, whatever it is."""
        self._get(self.root, folder)

    def push(self, held: UnitStore) -> None:
        """Copy a whole unit there, the marker last."""
        if held.path.name in self.finished:
            return
        names = [p.relative_to(held.path).as_posix() for p in sorted(held.path.rglob("*")) if p.is_file()]
        names = [name for name in names if name != COMPLETE]
        there = f"units/{held.path.name}"
        with self._reached("write"):
            self.fs.put([str(held.path / name) for name in names], [f"{self.root}/{there}/{name}" for name in names])
        self.write(f"{there}/{COMPLETE}", (held.path / COMPLETE).read_bytes())
        self.finished[held.path.name] = held.attributes

    def _get(self, root: str, folder: Path) -> None:
        with self._reached("read"):
            paths = self.fs.find(root)
            into = [folder / path[len(root) :].lstrip("/") for path in paths]
            for parent in {path.parent for path in into}:
                parent.mkdir(parents=True, exist_ok=True)
            self.fs.get(paths, [str(path) for path in into])

    @contextmanager
    def _reached(self, action: str) -> Iterator[None]:
        """Say what failed in one sentence: each protocol's package has exceptions of its own."""
        try:
            yield
        except ZeemanError:
            raise
        except Exception as error:
            raise ZeemanError(
                f"could not {action} {self.url}: {str(error) or type(error).__name__}; what was computed stays in the "
                "folder of this machine, so give the command again once it can be reached."
            ) from error


def _attributes(marker: bytes | None, raw: bytes | None) -> dict[str, Any] | None:
    """The attributes of a unit whose marker is whole and tells of them; None of any other."""
    if marker is None or raw is None:
        return None
    try:
        sealed_in = unsealed(marker)["files"]["zarr.json"] if marker else checksum(raw)
        return dict(json.loads(raw)["attributes"]) if sealed_in == checksum(raw) else None
    except (ValueError, KeyError, TypeError):
        return None
