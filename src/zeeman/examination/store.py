"""The store of an examination: one folder, one writer, resumable after any kill."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import zarr
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from zeeman.errors import ZeemanError
from zeeman.examination.unit import Unit
from zeeman.sampling import Block, ChainState

_COMPLETE = "complete"
_STATE = "state.safetensors"
_HALF = float(np.finfo(np.float16).max)
CHUNK_TOKENS = 8192
"""Tokens of a chunk at most, so that some tokens of all draws can be read without the others."""
_BLOCK_FIGURES = ("distance", "virial", "heat", "acceptance")
"""Figures of which a block has one each."""


class Manifest(BaseModel):
    """What ``examination.json`` holds."""

    format: str = "zeeman-examination"
    version: int = 1
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
                    _write(folder / "zarr.json", b'{"zarr_format": 3, "node_type": "group", "attributes": {}}')

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
            return Manifest.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise ZeemanError(
                f"{path} is not the manifest of an examination ({error.error_count()} faults); "
                "restore it or choose another folder."
            ) from None

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
            _write(self.path / "examination.json", manifest.model_dump_json(indent=1).encode())

    def _refuse_other(self, what: str, mine: Mapping[Any, str], theirs: Mapping[Any, str]) -> None:
        for key in mine.keys() & theirs.keys():
            if mine[key] != theirs[key]:
                raise ZeemanError(f"{self.path} was made for another {what} {key}; examine into another folder.")

    def log(self, event: str, **details: Any) -> None:
        """Append what happened to ``events.jsonl``."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, **details})
        with told("write", self.path), open(self.path / "events.jsonl", "a") as handle:
            handle.write(line + "\n")

    def events(self) -> list[dict[str, Any]]:
        """Everything logged; a torn last line is left out."""
        lines = (self.path / "events.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def unit(self, unit: Unit) -> UnitStore:
        """The place of one unit."""
        return UnitStore(self.path / "units" / unit.key)

    def walked(self, chain_key: str, name: str) -> UnitStore:
        """A finished unit that walked a chain and holds an array."""
        for path in sorted((self.path / "units").glob(f"{chain_key}-*")):
            if UnitStore(path).complete and (path / name).is_dir():
                return UnitStore(path)
        raise ZeemanError(f"{self.path} holds no finished unit {chain_key} with {name}; run the examination again.")

    def write_reading(self, name: str, content: Any) -> Path:
        """Write a derived table to ``readings/`` as JSON."""
        path = self.path / "readings" / f"{name}.json"
        with told("write", self.path):
            path.parent.mkdir(exist_ok=True)
            _write(path, json.dumps(content, indent=1).encode())
        return path

    def read_reading(self, name: str) -> Any:
        """Read a derived table; None if there is none."""
        path = self.path / "readings" / f"{name}.json"
        return json.loads(path.read_bytes()) if path.exists() else None


class UnitStore:
    """One unit: a Zarr group, the state to go on from, and a marker written last.

    The state is replaced after the block's arrays are written, so a kill loses at most a block, and the next run writes
    the same block again. A whole unit keeps no state: it would outweigh the readings many times.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def complete(self) -> bool:
        """Whether the unit is whole."""
        return (self.path / _COMPLETE).exists()

    def prepare(self, unit: Unit, shapes: dict[str, tuple[int, ...]], chunks: dict[str, int]) -> ChainState | None:
        """Lay the arrays out, or pick up where a killed run stopped; gives the state to go on from."""
        for torn in self.path.glob("**/*.partial") if self.path.exists() else ():
            torn.unlink()
        if (self.path / _STATE).exists():
            return self._state()
        shutil.rmtree(self.path, ignore_errors=True)
        group = zarr.create_group(str(self.path), attributes=asdict(unit))
        for name, shape in shapes.items():
            kind = "float16" if len(shape) == 2 and name.startswith("observed_") else "float32"
            group.create_array(
                name,
                shape=shape,
                dtype=kind,
                chunks=(min(chunks[name], shape[0]), *(min(size, CHUNK_TOKENS) for size in shape[1:])),
                fill_value=np.nan,
                dimension_names=_dimensions(name, len(shape)),
            )
        return None

    def write(self, block: Block, starts: dict[str, int]) -> None:
        """Write a block of a chain, then the state after it."""
        group = zarr.open_group(str(self.path), mode="r+")
        arrays = {"rows": block.rows}
        arrays |= {name: np.array([getattr(block, name)], np.float32) for name in _BLOCK_FIGURES}
        # A chain on its way out may leave the range of half precision; it is lost in either case.
        arrays |= {f"observed_{name}": values.clip(-_HALF, _HALF) for name, values in block.observed.items()}
        for name, values in arrays.items():
            # A unit that an earlier version began goes on with the arrays that it was laid out with.
            if name in starts and len(values) and self.holds(name):
                _array(group, name)[starts[name] : starts[name] + len(values)] = values
        tensors = {f"weights/{i}": w.contiguous() for i, w in enumerate(block.state.weights)}
        tensors |= {f"{k}/{i}": v.contiguous() for k, vs in block.state.sampler.items() for i, v in enumerate(vs)}
        with _replacing(self.path / _STATE) as temporary:
            safetensors.torch.save_file(tensors, temporary, {"step": str(block.state.step)})

    def write_array(self, name: str, values: NDArray[Any]) -> None:
        """Write one array whole."""
        _array(zarr.open_group(str(self.path), mode="r+"), name)[:] = values

    def set_attributes(self, **figures: Any) -> None:
        """Keep figures beside the arrays."""
        zarr.open_group(str(self.path), mode="r+").update_attributes(figures)

    def attribute(self, name: str) -> Any:
        """A figure kept beside the arrays."""
        return zarr.open_group(str(self.path), mode="r").attrs[name]

    def finish(self) -> None:
        """Mark the unit whole; the state goes first, so that no kill leaves one beside the marker."""
        (self.path / _STATE).unlink(missing_ok=True)
        _write(self.path / _COMPLETE, b"")

    def holds(self, name: str) -> bool:
        """Whether the unit was laid out with an array."""
        return (self.path / name).is_dir()

    def array(self, name: str, tokens: slice = slice(None)) -> NDArray[Any]:
        """Read an array, or of each draw some tokens alone.

        Raises
        ------
        ZeemanError
            If what stands there can't be decoded.
        """
        held = _array(zarr.open_group(str(self.path), mode="r"), name)
        try:
            return np.asarray(held[..., tokens])
        except (RuntimeError, ValueError) as error:  # what codecs raise
            raise ZeemanError(
                f"{name} of the unit {self.path} is damaged ({error}); delete that folder and run the examination "
                "again."
            ) from error

    def _state(self) -> ChainState:
        with safetensors.safe_open(str(self.path / _STATE), framework="pt") as handle:
            step = int(handle.metadata()["step"])
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 - not a dict
        parts: dict[str, list[torch.Tensor]] = {}
        for name in sorted(tensors, key=lambda n: (n.split("/")[0], int(n.split("/")[1]))):
            parts.setdefault(name.split("/")[0], []).append(tensors[name])
        return ChainState(step, parts.pop("weights"), parts)


@contextmanager
def told(action: str, path: Path) -> Iterator[None]:
    """Turn a failing disk into one sentence."""
    try:
        yield
    except OSError as error:
        raise ZeemanError(
            f"could not {action} {path}: {error.strerror or error}; free space or choose a folder that can be written."
        ) from error


def _write(path: Path, content: bytes) -> None:
    with _replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file beside the path that takes its place once it is whole."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    yield temporary
    os.replace(temporary, path)


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    found = group[name]
    assert isinstance(found, zarr.Array)
    return found


def _dimensions(name: str, count: int) -> list[str]:
    if name == "rows":
        return ["step", "row"]
    if name in _BLOCK_FIGURES:
        return ["block"]
    if name in ("diagonal", "off_diagonal"):
        return ["lanczos_step"]
    if name.startswith("attention_"):
        return ["head", "row"]
    token = "token_" + name.split("_", 1)[1]
    return [token] if count == 1 else ["component" if name.startswith("ablated_") else "draw", token]
