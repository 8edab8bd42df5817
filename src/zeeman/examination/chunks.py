"""Arrays laid out as version 3 of Zarr's format has them, one file a chunk, written without Zarr's event loop."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import google_crc32c
import numpy as np
from numcodecs.zstd import Zstd
from numpy.typing import NDArray

from zeeman.examination.files import replacing, write

METADATA = "zarr.json"
_BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
_ZSTD = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
_CRC32C = {"name": "crc32c"}
_zstd = Zstd(level=0)


@dataclass(frozen=True)
class ChunkedArray:
    """An array of real numbers in a folder: its layout, and a file for each chunk that was written.

    Chunks are compressed by zstd and end with their CRC-32C; those of stores of before may lack the checksum. What was
    not written is NaN. Each file is whole or not there, so a kill leaves chunks of before or of after.

    Parameters
    ----------
    path : Path
    shape, chunks : tuple of int
        Of the array, and of a chunk.
    dtype : str
        ``"float16"`` or ``"float32"``.
    checked : bool
        Whether chunks end with a checksum.

    Examples
    --------
    >>> import tempfile, zarr
    >>> held = ChunkedArray.create(Path(tempfile.mkdtemp()) / "a", (5, 2), (2, 2), "float32", ["draw", "token"])
    >>> held.write(np.ones((3, 2)), start=1)
    >>> zarr.open_array(str(held.path), mode="r")[:, 0]
    array([nan,  1.,  1.,  1., nan], dtype=float32)
    """

    path: Path
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str
    checked: bool = True

    @classmethod
    def create(
        cls, path: Path, shape: Sequence[int], chunks: Sequence[int], dtype: str, dimensions: Sequence[str]
    ) -> Self:
        """Lay an array out in a new folder."""
        layout = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(shape),
            "data_type": dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": "NaN",
            "codecs": [_BYTES, _ZSTD, _CRC32C],
            "dimension_names": list(dimensions),
            "attributes": {},
        }
        path.mkdir()
        write(path / METADATA, json.dumps(layout).encode())
        return cls(path, tuple(shape), tuple(chunks), dtype)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Find an array that was laid out.

        Raises
        ------
        ValueError
            If it is laid out in a way that no version of the store had.
        """
        layout = json.loads((path / METADATA).read_bytes())
        if layout["codecs"] not in ([_BYTES, _ZSTD], [_BYTES, _ZSTD, _CRC32C]):
            raise ValueError(f"its codecs are {layout['codecs']}")
        chunks = layout["chunk_grid"]["configuration"]["chunk_shape"]
        checked = layout["codecs"][-1] == _CRC32C
        return cls(path, tuple(layout["shape"]), tuple(chunks), layout["data_type"], checked)

    def write(self, values: NDArray[Any], start: int = 0) -> None:
        """Write values from some place of the first axis on."""
        for file, inside, outside, whole in self._parts(start, start + len(values)):
            chunk = self._empty() if whole or not file.exists() else self._decoded(file.read_bytes())
            chunk[inside] = values[outside]
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as temporary:
                temporary.write_bytes(self._encoded(chunk))

    def _parts(self, start: int, stop: int) -> Iterator[tuple[Path, tuple[slice, ...], tuple[slice, ...], bool]]:
        """Chunks that a stretch of the first axis touches: the file, places in it and in the stretch, if all of it."""
        bounds = [(start, stop), *((0, size) for size in self.shape[1:])]
        spans = [range(low // size, -(-high // size)) for (low, high), size in zip(bounds, self.chunks, strict=True)]
        for index in itertools.product(*spans):
            inside, outside = [], []
            for place, (low, high), size in zip(index, bounds, self.chunks, strict=True):
                first, last = max(low, place * size), min(high, (place + 1) * size)
                inside.append(slice(first - place * size, last - place * size))
                outside.append(slice(first - low, last - low))
            whole = inside[0].start == 0 and stop >= min((index[0] + 1) * self.chunks[0], self.shape[0])
            yield self.path.joinpath("c", *map(str, index)), tuple(inside), tuple(outside), whole

    def _empty(self) -> NDArray[Any]:
        return np.full(self.chunks, np.nan, self._stored)

    @property
    def _stored(self) -> np.dtype[Any]:
        return np.dtype(self.dtype).newbyteorder("<")

    def _encoded(self, chunk: NDArray[Any]) -> bytes:
        packed = bytes(_zstd.encode(chunk))
        return packed + checksum_of(packed) if self.checked else packed

    def _decoded(self, raw: bytes) -> NDArray[Any]:
        if self.checked and not ends_with_checksum(raw):
            raise ValueError("a chunk changed")
        found = np.frombuffer(_zstd.decode(raw[:-4] if self.checked else raw), self._stored)
        return found.reshape(self.chunks).copy()


def ends_with_checksum(raw: bytes) -> bool:
    """Whether a chunk ends with the CRC-32C of the rest."""
    return checksum_of(raw[:-4]) == raw[-4:]


def checksum_of(raw: bytes) -> bytes:
    """The CRC-32C of some bytes, as Zarr's codec puts it after them."""
    return int(google_crc32c.value(raw)).to_bytes(4, "little")
