"""Files that are whole or not there, and that know when a byte of them has changed."""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zeeman.errors import ZeemanError

_SEAL = re.compile(rb'\{\n "crc32": "([0-9a-f]{8})",?')


class Damaged(ZeemanError):
    """A file that is not what was written."""

    def __init__(self, what: str, store: Path | str, why: object) -> None:
        self.what, self.why = what, str(why)
        super().__init__(
            f"{what} is damaged ({why}); run zeeman fsck {store} --repair, then the examination again, which computes "
            "what is lost."
        )


@contextmanager
def told(action: str, path: Path) -> Iterator[None]:
    """Turn a failing disk into one sentence."""
    try:
        yield
    except OSError as error:
        raise ZeemanError(
            f"could not {action} {path}: {error.strerror or error}; free space or choose a folder that can be written."
        ) from error


def write(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside the path that takes its place once it is whole."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left in a folder."""
    for path in folder.glob("*.partial"):
        process = path.name.split(".")[-2]
        if process.isdigit() and not _runs(int(process)):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def checksum(*parts: bytes | memoryview) -> str:
    """CRC-32 of some bytes one after another, as eight digits.

    Examples
    --------
    >>> checksum(b"123456789")
    'cbf43926'
    """
    found = 0
    for part in parts:
        found = zlib.crc32(part, found)
    return f"{found:08x}"


def sealed(content: Mapping[str, Any]) -> bytes:
    """Lay out an object as JSON whose first entry is the checksum of the rest.

    Examples
    --------
    >>> print(sealed({"a": 1}).decode())
    {
     "crc32": "45f095c3",
     "a": 1
    }
    >>> unsealed(sealed({"a": 1}))
    {'a': 1}
    """
    body = json.dumps(content, indent=1).encode()
    return b'{\n "crc32": "%s"%s%s' % (checksum(body).encode(), b"," if content else b"", body[1:])


def unsealed(raw: bytes, *, required: bool = True) -> dict[str, Any]:
    """Read an object that was sealed, or where it is not ``required`` also one of before there were checksums.

    Raises
    ------
    ValueError
        If it is not what was written.
    """
    found = _SEAL.match(raw)
    if found is None and required:
        raise ValueError("it has no checksum")
    body = b"{" + raw[found.end() :] if found else raw
    if found and checksum(body).encode() != found[1]:
        raise ValueError("its checksum is another")
    content = json.loads(body)
    if not isinstance(content, dict):
        raise ValueError("it is no object")
    return content
