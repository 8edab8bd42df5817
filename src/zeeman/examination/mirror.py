"""A folder of this machine and the URL whose store is worked on in it, kept alike."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from zeeman.errors import ZeemanError
from zeeman.examination.files import told, unsealed, write
from zeeman.examination.manifest import NAME, Manifest, read_manifest
from zeeman.examination.remote import Remote
from zeeman.examination.unit_store import UnitStore

JOURNAL = "events.jsonl"


class Mirror:
    """What passes between a folder and a URL besides single units.

    Parameters
    ----------
    url : str
    folder : path or None
        None: in the user's cache.
    """

    def __init__(self, url: str, folder: str | Path | None) -> None:
        self.remote = Remote(url)
        self.folder = Path(folder or self.remote.folder)

    def pull(self) -> None:
        """Copy here what is not in units; what the folder alone knows of the manifest stays."""
        with told("write", self.folder), self.syncing():
            self._pull_manifest()
            self._pull_readings()
            if not (self.folder / JOURNAL).exists():
                write(self.folder / JOURNAL, self.remote.read(JOURNAL) or b"")

    def _pull_manifest(self) -> None:
        place, raw = self.folder / NAME, self.remote.read(NAME)
        try:
            here = read_manifest(self.folder, self.remote.url)
        except ZeemanError:
            here = None
        try:
            there = Manifest.model_validate(unsealed(raw)) if raw is not None else None
        except (ValidationError, ValueError):
            there = None
        if there and here:
            write(place, there.beside(here, self.remote.url).content)
        elif raw is not None and here is None:
            write(place, raw)  # also a damaged one, so that who reads it is told
        elif here is None:
            place.unlink(missing_ok=True)  # a copy of a damaged one, which was removed there

    def _pull_readings(self) -> None:
        """Copy readings here, and drop copies of damaged ones that were removed there."""
        folder = self.folder / "readings"
        folder.mkdir(exist_ok=True)
        names = {name for name in self.remote.names("readings") if name.endswith(".json")}
        for name in names:
            write(folder / name, self.remote.read(f"readings/{name}") or b"")
        for path in folder.glob("*.json"):
            if path.name not in names and not _is_sound(path):
                path.unlink()

    def publish(self, *names: str) -> None:
        """Copy files there."""
        for name in names:
            self.remote.write(name, (self.folder / name).read_bytes())

    def catch_up(self) -> None:
        """Copy there what a kill kept from it, and here what others have written meanwhile."""
        self.pull()
        for path in sorted((self.folder / "units").iterdir()):
            if (held := UnitStore(path)).complete:
                self.remote.push(held)
        self._join_journals()

    def conclude(self) -> None:
        """Copy the journal there."""
        self._join_journals()
        self.publish(JOURNAL)

    def _join_journals(self) -> None:
        here = self.folder / JOURNAL
        write(here, joined(self.remote.read(JOURNAL) or b"", here.read_bytes()))

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """Let one process at a time change files that both a reader and a writer copy."""
        with open(self.folder / ".remote", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_sound(path: Path) -> bool:
    try:
        unsealed(path.read_bytes())
    except ValueError:
        return False
    return True


def joined(there: bytes, here: bytes) -> bytes:
    r"""Put two journals together that began as one: what is there, then what was written here since.

    Examples
    --------
    >>> joined(b"begun\nthere\n", b"begun\nhere\n").split()
    [b'begun', b'there', b'here']
    """
    one, other = there.splitlines(), here.splitlines()
    common = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return b"".join(line + b"\n" for line in [*one, *other[common:]])
