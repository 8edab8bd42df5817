"""Walk through a store and say what is not what was written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from zeeman.errors import ZeemanError
from zeeman.examination.files import Damaged
from zeeman.examination.remote import Remote
from zeeman.examination.store import GROUP, Store, unit_of
from zeeman.examination.unit import SAMPLER_VERSION
from zeeman.examination.unit_store import PENDING, STATE, UnitStore

Kind = Literal["damaged", "torn", "foreign", "left over", "unfinished", "earlier"]


@dataclass(frozen=True)
class Finding:
    """Something in a store that is not a whole unit or reading.

    Parameters
    ----------
    kind : {"damaged", "torn", "foreign", "left over", "unfinished", "earlier"}
        Changed or missing bytes; a unit without a state to go on from; a unit whose name is not that of what it says
        it is; a file that nothing tells of. The last two are no faults: a unit that the next run goes on with, and one
        of an earlier version of the samplers.
    path : Path
        What a repair removes: a whole unit, since its numbers depend on each other, or a file.
    sentence : str
    removed : bool
        Whether a repair removed it.
    """

    kind: Kind
    path: Path
    sentence: str
    removed: bool = False

    @property
    def is_fault(self) -> bool:
        """Whether something is wrong."""
        return self.kind not in ("unfinished", "earlier")


def fsck(store: Store, *, repair: bool = False) -> list[Finding]:
    """Check every byte of a store that has a checksum, and read whatever has none; all of a URL's is copied here first.

    Parameters
    ----------
    store : Store
        That no examination is writing.
    repair : bool
        Remove what is damaged, torn or left over, and nothing else: the next examination computes what is lost. Foreign
        units stay.

    Returns
    -------
    list of Finding

    Raises
    ------
    ZeemanError
        Where the folder can't be read, or a repair finds another process at work.

    Examples
    --------
    >>> import tempfile
    >>> store = Store(Path(tempfile.mkdtemp()) / "examination")
    >>> (store.path / "units" / "stray").touch()
    >>> [finding.kind for finding in fsck(store)]
    ['left over']
    """
    if store.remote:
        return _at_url(store.remote, repair=repair)
    if not repair:
        return list(_findings(store))
    with store.locked():
        found = [_repaired(finding) for finding in list(_findings(store))]
        Store(store.path)  # lays damaged groups out again
        store.log("repaired", removed=[str(f.path.relative_to(store.path)) for f in found if f.removed])
    return found


def _at_url(remote: Remote, *, repair: bool) -> list[Finding]:
    """Check, and repair, what a URL holds by a copy of all of it."""
    with tempfile.TemporaryDirectory() as folder:
        remote.fetch_all(Path(folder))
        copy = Store(folder)
        found = fsck(copy, repair=repair)
        for finding in found:
            if finding.removed:
                remote.remove(finding.path.relative_to(folder).as_posix())
        for name in ("zarr.json", "units/zarr.json", "events.jsonl") if repair else ():
            remote.write(name, (copy.path / name).read_bytes())
        return [
            replace(f, path=f.path.relative_to(folder), sentence=f.sentence.replace(folder, remote.url)) for f in found
        ]


def _repaired(finding: Finding) -> Finding:
    if finding.kind not in ("damaged", "torn", "left over"):
        return finding
    _remove(finding.path)
    return replace(finding, removed=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _findings(store: Store) -> Iterator[Finding]:
    for folder in (store.path, store.path / "units"):
        if (folder / "zarr.json").read_bytes() != GROUP:
            yield _damaged(folder / "zarr.json", f"{folder / 'zarr.json'} is damaged: it is another group's.")
    yield from _unreadable(store.path / "examination.json", store.manifest)
    for path in sorted((store.path / "readings").glob("*")):
        if path.suffix == ".json":
            name = path.stem
            yield from _unreadable(path, lambda name=name: store.read_reading(name))  # type: ignore[misc]
        else:
            yield _left(path)
    for path in sorted(store.path.glob("*.partial")):
        yield _left(path)
    for path in sorted([*(store.path / "units").iterdir(), *store.path.glob("fetched/*")]):
        if path.is_dir():
            yield from _of_unit(UnitStore(path))
        elif path.name != "zarr.json":
            yield _left(path)


def _unreadable(path: Path, read: Callable[[], object]) -> Iterator[Finding]:
    try:
        read()
    except Damaged as error:
        if error.what in (path.name, f"the reading {path.stem}"):
            yield _damaged(path, f"{path} is damaged: {error.why}.")
    except ZeemanError as error:
        yield _damaged(path, str(error))


def _of_unit(held: UnitStore) -> Iterator[Finding]:
    if not held.complete:
        yield _unfinished(held)
        return
    faults = list(held.faults())
    for name, why in faults:
        array, _, file = name.partition("/")
        of = f"{array} of the unit" if file else f"{name} of the unit"
        if why == held.STRAY:
            yield _left(held.path / name)
        else:
            yield _damaged(held.path, f"{of} {held.path} is damaged: {why}{f' ({file})' if file else ''}.")
    if not faults:
        yield from _foreign(held)


def _unfinished(held: UnitStore) -> Finding:
    if (held.path / PENDING).exists():
        return Finding("unfinished", held.path, f"{held.path} waits for its marker; the next run sets it.")
    if not (held.path / STATE).exists():
        return Finding("torn", held.path, f"{held.path} was begun and holds no state to go on from.")
    try:
        step = held.state().step
    except Damaged as error:
        return _damaged(held.path, f"{error.what} is damaged: {error.why}.")
    return Finding("unfinished", held.path, f"{held.path} stands at step {step}; the next run goes on from there.")


def _foreign(held: UnitStore) -> Iterator[Finding]:
    unit, name = unit_of(held.attributes), held.path.name
    if unit is None:
        yield Finding("foreign", held.path, f"{held.path} says nothing of a unit that this version knows.")
    elif unit.key != name:
        if name in (unit.key_of(version) for version in range(1, SAMPLER_VERSION)):
            yield Finding("earlier", held.path, f"{held.path} is {unit}, of an earlier version of the samplers.")
        else:
            yield Finding("foreign", held.path, f"{held.path} says that it is {unit}, whose place is {unit.key}.")


def _damaged(path: Path, sentence: str) -> Finding:
    return Finding("damaged", path, sentence)


def _left(path: Path) -> Finding:
    return Finding("left over", path, f"{path} is left over: nothing tells of it.")
