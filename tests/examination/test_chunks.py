"""Arrays in files: Zarr is the judge of the layout, plain arrays of what is in them."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import Crc32cCodec, ZstdCodec

from zeeman.examination.chunks import ChunkedArray, ends_with_checksum


def zarrs(path: Path, shape: tuple[int, ...], chunks: tuple[int, ...], *, checked: bool = True) -> zarr.Array:
    compressors = (ZstdCodec(level=0), Crc32cCodec()) if checked else (ZstdCodec(level=0),)
    options = {"dtype": "float16", "compressors": compressors, "fill_value": np.nan}
    return zarr.create_array(str(path), shape=shape, chunks=chunks, **options)


def files(path: Path) -> dict[str, bytes]:
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted((path / "c").rglob("*")) if p.is_file()}


@st.composite
def writes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], list[tuple[int, int]]]:
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=2)))
    chunks = tuple(draw(st.integers(1, size)) for size in shape)
    stretches = st.integers(0, shape[0]).flatmap(lambda a: st.tuples(st.just(a), st.integers(a, shape[0])))
    return shape, chunks, draw(st.lists(stretches, max_size=4))


@settings(max_examples=60, deadline=None)
@given(case=writes(), seed=st.integers(0, 99))
def test_zarr_reads_what_was_written(tmp_path_factory: pytest.TempPathFactory, case, seed: int) -> None:
    shape, chunks, stretches = case
    folder = tmp_path_factory.mktemp("arrays")
    held, same = ChunkedArray.create(folder / "a", shape, chunks, "float16", "xy"[: len(shape)]), np.full(shape, np.nan)
    rng = np.random.default_rng(seed)
    for start, stop in stretches:
        same[start:stop] = rng.integers(-99, 99, size=(stop - start, *shape[1:]))
        held.write(same[start:stop], start)
    found = zarr.open_array(str(folder / "a"), mode="r")
    assert (found.dtype, found.metadata.dimension_names) == (np.float16, tuple("xy"[: len(shape)]))
    np.testing.assert_array_equal(found[...], same)


def test_chunks_are_those_that_zarr_writes(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(7, 5))
    zarrs(tmp_path / "theirs", (7, 5), (3, 2))[:] = values
    held = ChunkedArray.create(tmp_path / "ours", (7, 5), (3, 2), "float16", "xy")
    held.write(values[:4])
    held.write(values[4:], 4)
    assert files(tmp_path / "ours") == files(tmp_path / "theirs")
    assert all(ends_with_checksum(raw) for raw in files(tmp_path / "ours").values())


@pytest.mark.parametrize("checked", [True, False], ids=["with checksums", "of before checksums"])
def test_an_array_that_zarr_began_goes_on(tmp_path: Path, checked: bool) -> None:
    values = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float16)
    theirs = zarrs(tmp_path / "a", (8, 3), (3, 3), checked=checked)
    theirs[:4] = values[:4]
    ChunkedArray.open(tmp_path / "a").write(values[4:], 4)
    np.testing.assert_array_equal(zarr.open_array(str(tmp_path / "a"), mode="r")[...], values)


def test_a_changed_chunk_is_not_written_into(tmp_path: Path) -> None:
    held = ChunkedArray.create(tmp_path / "a", (4,), (4,), "float32", ["block"])
    held.write(np.ones(2))
    file = tmp_path / "a" / "c" / "0"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(ValueError, match="a chunk changed"):
        held.write(np.ones(1), 2)


def test_a_layout_of_another_program_is_refused(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a"), shape=(4,), dtype="float32", compressors=None)
    with pytest.raises(ValueError, match="its codecs are"):
        ChunkedArray.open(tmp_path / "a")
