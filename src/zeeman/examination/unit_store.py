"""The place of one unit in a store."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import zarr
from numpy.typing import NDArray

from zeeman.examination.chunks import METADATA, ChunkedArray, ends_with_checksum
from zeeman.examination.files import Damaged, checksum, replacing, sealed, unsealed, write
from zeeman.examination.unit import Unit
from zeeman.sampling import Block, ChainState

COMPLETE = "complete"
PENDING = "complete.pending"
INHERITED = "inherited"
_NOTES = "zeeman"
STATE = "state.safetensors"
_HALF = float(np.finfo(np.float16).max)
CHUNK_TOKENS = 8192
"""Tokens of a chunk at most, so that some tokens of all draws can be read without the others."""
BLOCK_FIGURES = ("distance", "virial", "heat", "acceptance")
"""Figures of which a block has one each."""
_OS_ERROR = re.compile(r"os error (\d+)")
"""How safetensors tells of a disk that fails."""
_BROKEN = (RuntimeError, ValueError, KeyError, TypeError, FileNotFoundError)
"""What Zarr, its codecs and JSON raise where bytes are not what they were."""


class UnitStore:
    """One unit: a Zarr group, the state to go on from, and a marker written last.

    The state is replaced after the block's arrays are written, so a kill loses at most a block, and the next run writes
    the same block again. A whole unit keeps the state where it is smaller than the readings, so that more draws can go
    on from there. The marker lists the checksum of every file (ADR 17); it is empty in units of before.
    """

    STRAY = "nothing tells of it"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: dict[str, ChunkedArray] = {}

    @property
    def complete(self) -> bool:
        """Whether the unit is whole."""
        return (self.path / COMPLETE).exists()

    def settle(self) -> bool:
        """Say whether the unit is whole, after ending what a kill in its last moment left undone."""
        if (self.path / PENDING).exists():
            self._end()
        return self.complete

    def prepare(self, unit: Unit, shapes: dict[str, tuple[int, ...]], chunks: dict[str, int]) -> ChainState | None:
        """Lay the arrays out, or pick up where a killed run stopped; gives the state to go on from."""
        for torn in self.path.glob("**/*.partial") if self.path.exists() else ():
            torn.unlink()
        if (self.path / STATE).exists():
            return self.state()
        shutil.rmtree(self.path, ignore_errors=True)
        self._open.clear()
        self.path.mkdir(parents=True)
        self._write_attributes(asdict(unit) | {"checksums": "crc32c"})
        for name, shape in shapes.items():
            kind = "float16" if len(shape) == 2 and name.startswith("observed_") else "float32"
            sizes = (min(chunks[name], shape[0]), *(min(size, CHUNK_TOKENS) for size in shape[1:]))
            dimensions = _dimensions(name, len(shape))
            self._open[name] = ChunkedArray.create(self.path / name, shape, sizes, kind, dimensions)
        return None

    def _write_attributes(self, attributes: dict[str, Any]) -> None:
        group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        write(self.path / METADATA, json.dumps(group).encode())
        self.__dict__.pop("attributes", None)

    def write(self, block: Block, starts: dict[str, int], *, keep_state: bool = True) -> None:
        """Write a block of a chain, then the state after it, or keep that of the block before."""
        arrays = {"rows": block.rows}
        arrays |= {name: np.array([getattr(block, name)], np.float32) for name in BLOCK_FIGURES}
        # A chain on its way out may leave the range of half precision; it is lost in either case.
        arrays |= {f"observed_{name}": values.clip(-_HALF, _HALF) for name, values in block.observed.items()}
        with self._sound("a chunk"):
            for name, values in arrays.items():
                # A unit that an earlier version began goes on with the arrays that it was laid out with.
                if name in starts and len(values) and self.holds(name):
                    self._opened(name).write(values, starts[name])
        if keep_state:
            self.write_state(block.state)

    def write_state(self, state: ChainState) -> None:
        """Replace the state to go on from."""
        tensors = {f"weights/{i}": w.contiguous() for i, w in enumerate(state.weights)}
        tensors |= {f"{k}/{i}": v.contiguous() for k, vs in state.sampler.items() for i, v in enumerate(vs)}
        notes = {"step": state.step, "layout": self._layout()}
        # One entry, since their order is not kept.
        told = json.dumps(notes | {"crc32": _checksum_of(tensors, notes)})
        with replacing(self.path / STATE) as temporary:
            try:
                safetensors.torch.save_file(tensors, temporary, {_NOTES: told})
            except safetensors.SafetensorError as error:
                found = _OS_ERROR.search(str(error))
                raise OSError(int(found[1]), os.strerror(int(found[1]))) if found else OSError(str(error)) from error

    def state(self) -> ChainState:
        """Where a chain stood.

        Raises
        ------
        Damaged
            If the state, or the layout of the arrays beside it, is not what was written.
        """
        with self._sound("the state"):
            try:
                with safetensors.safe_open(str(self.path / STATE), framework="pt") as handle:
                    found = handle.metadata()
                    tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 - not a dict
            except safetensors.SafetensorError as error:
                raise ValueError(error) from error
            # A state of before checksums tells its step alone.
            notes = dict(json.loads(found[_NOTES])) if _NOTES in found else {"step": int(found["step"])}
            known = notes.pop("crc32", None)
            if _NOTES in found and known != _checksum_of(tensors, notes):
                raise ValueError("its checksum is another")
            if known is not None and notes["layout"] != self._layout():
                raise ValueError("the arrays beside it are laid out otherwise")
            parts: dict[str, list[torch.Tensor]] = {}
            for name in sorted(tensors, key=lambda n: (n.split("/")[0], int(n.split("/")[1]))):
                parts.setdefault(name.split("/")[0], []).append(tensors[name])
            return ChainState(notes["step"], parts.pop("weights"), parts)

    @property
    def inherited(self) -> frozenset[str]:
        """Names of the observables that were taken over from another unit, while this one is unfinished."""
        path = self.path / INHERITED
        return frozenset(json.loads(path.read_bytes()) if path.exists() else ())

    def inherit(self, arrays: Mapping[str, NDArray[Any]], observables: Iterable[str]) -> None:
        """Take over the beginning of arrays, or all of them, and note which observables need no reading."""
        for name, values in arrays.items():
            if len(values) and self.holds(name):
                self._opened(name).write(values)
        write(self.path / INHERITED, json.dumps(sorted(observables)).encode())

    def write_array(self, name: str, values: NDArray[Any]) -> None:
        """Write one array whole."""
        self._opened(name).write(values)

    def set_attributes(self, **figures: Any) -> None:
        """Keep figures beside the arrays."""
        self._write_attributes(self.peek() | figures)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """What the unit is, and the figures kept beside the arrays.

        Raises
        ------
        Damaged
            If they are not what was written.
        """
        with self._sound("the attributes"):
            raw = (self.path / METADATA).read_bytes()
            found = json.loads(raw)["attributes"]
            if self.complete and self._seal(found).get(METADATA, checksum(raw)) != checksum(raw):
                raise ValueError("their checksum is another")
            return dict(found)

    def peek(self) -> dict[str, Any]:
        """The attributes as they stand, unchecked: quick, for who checks them otherwise."""
        return dict(json.loads((self.path / METADATA).read_bytes())["attributes"])

    def attribute(self, name: str) -> Any:
        """A figure kept beside the arrays."""
        return self.attributes[name]

    def finish(self) -> None:
        """Mark the unit whole.

        Raises
        ------
        Damaged
            If a chunk is no longer what was written.
        """
        marker = b""
        if "checksums" in self.peek():
            found, readings = {}, 0
            for name, raw in self._files():
                found[name], readings = checksum(raw), readings + len(raw) * ("/c/" in name)
            if STATE in found and (self.path / STATE).stat().st_size > readings:
                del found[STATE]
            marker = sealed({"files": found})
        write(self.path / PENDING, marker)
        self._end()

    def _end(self) -> None:
        """Put the marker where it counts; what it does not name goes before, so that no kill leaves it beside it."""
        marker = (self.path / PENDING).read_bytes()
        if not marker or STATE not in unsealed(marker)["files"]:
            (self.path / STATE).unlink(missing_ok=True)
        (self.path / INHERITED).unlink(missing_ok=True)
        (self.path / PENDING).replace(self.path / COMPLETE)

    def _opened(self, name: str) -> ChunkedArray:
        """An array to write to, opened once."""
        if name not in self._open:
            self._open[name] = ChunkedArray.open(self.path / name)
        return self._open[name]

    def holds(self, name: str) -> bool:
        """Whether the unit was laid out with an array."""
        return (self.path / name).is_dir()

    def array(self, name: str, tokens: slice = slice(None)) -> NDArray[Any]:
        """Read an array, or of each draw some tokens alone.

        Raises
        ------
        Damaged
            If what stands there is not what was written.
        """
        with self._sound(name):
            for file, known in self._seal(self.attributes).items() if self.complete else ():
                if file == f"{name}/zarr.json":
                    if checksum((self.path / file).read_bytes()) != known:
                        raise ValueError("the checksum of its layout is another")
                elif file.startswith(f"{name}/") and not (self.path / file).exists():
                    raise ValueError("a chunk is missing")
            return np.asarray(zarr.open_array(str(self.path / name), mode="r")[..., tokens])

    def faults(self) -> Iterator[tuple[str, str]]:
        """What is wrong in a whole unit: for each file its name, and how it differs from what was written."""
        try:
            known = self._seal(self.peek())
        except (*_BROKEN, Damaged) as error:
            yield (COMPLETE if isinstance(error, Damaged) else METADATA), str(getattr(error, "why", error))
            return
        if not known:
            yield from self._undecodable()
            return
        held = dict(self._files(strict=False))
        for name in sorted(known.keys() | held.keys()):
            if name not in held:
                yield name, "it is missing"
            elif name not in known:
                yield name, self.STRAY
            elif checksum(held[name]) != known[name]:
                yield name, "its checksum is another"

    def _undecodable(self) -> Iterator[tuple[str, str]]:
        """Arrays of a unit without checksums that can't be read."""
        for name in sorted(p.name for p in self.path.iterdir() if p.is_dir()):
            try:
                self.array(name)
            except Damaged as error:
                yield name, error.why

    def _seal(self, attributes: dict[str, Any]) -> dict[str, str]:
        """The checksum of every file of a whole unit; none in a unit of before."""
        if "checksums" not in attributes and not (self.path / COMPLETE).stat().st_size:
            return {}
        with self._sound("the marker"):
            return dict(unsealed((self.path / COMPLETE).read_bytes())["files"])

    def _files(self, *, strict: bool = True) -> Iterator[tuple[str, bytes]]:
        """Name and content of every file but the markers; ``strict``, chunks must have their own checksum."""
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if name in (COMPLETE, PENDING, INHERITED) or path.is_dir():
                continue
            raw = path.read_bytes()
            if strict and "/c/" in name and not ends_with_checksum(raw):
                raise Damaged(f"{name.split('/')[0]} of the unit {self.path}", self.path.parents[1], "a chunk changed")
            yield name, raw

    def _layout(self) -> str:
        """Checksum of how the arrays are laid out."""
        files = (self.path / METADATA, *sorted(self.path.glob("*/zarr.json")))
        return checksum(*(path.read_bytes() for path in files))

    @contextmanager
    def _sound(self, what: str) -> Iterator[None]:
        """Say what is damaged where something can't be read."""
        try:
            yield
        except Damaged:
            raise
        except _BROKEN as error:
            raise Damaged(f"{what} of the unit {self.path}", self.path.parents[1], error) from error


def _checksum_of(tensors: dict[str, torch.Tensor], notes: dict[str, Any]) -> str:
    """Checksum of all that a state says."""
    told = json.dumps([notes, {name: [str(t.dtype), list(t.shape)] for name, t in tensors.items()}], sort_keys=True)
    bytes_of = (tensors[name].reshape(-1).view(torch.uint8).numpy().data for name in sorted(tensors))
    return checksum(told.encode(), *bytes_of)


def _dimensions(name: str, count: int) -> list[str]:
    if name == "rows":
        return ["step", "row"]
    if name in BLOCK_FIGURES:
        return ["block"]
    if name in ("diagonal", "off_diagonal"):
        return ["lanczos_step"]
    if name.startswith("attention_"):
        return ["head", "row"]
    token = "token_" + name.split("_", 1)[1]
    return [token] if count == 1 else ["component" if name.startswith(("ablated_", "direct_")) else "draw", token]
