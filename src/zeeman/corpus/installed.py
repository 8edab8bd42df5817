"""A small corpus of text that every machine with Python has, without any package being fetched."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

from zeeman.corpus.build import Corpus, Document, _concluded, _folder, write_domain
from zeeman.corpus.domains import PYTHON_SOURCE, by_length

SUBSET_CAP = 400_000
_LICENCE = re.compile(r"(?i)(?:^|/)(?:licen[cs]e|copying)[^/]*(?<!\.py)(?<!\.pyc)$")


def build_subset(folder: str | os.PathLike[str], *, cap: int = SUBSET_CAP) -> Corpus:
    """Build the domains that need no package: Python's own code and documentation, and licences.

    The files are as for :func:`~zeeman.corpus.build.build_corpus`, but not the same on every machine.

    Parameters
    ----------
    folder : path
    cap : int
        Bytes of text of a domain at most.

    Returns
    -------
    Corpus

    Raises
    ------
    ZeemanError
        If the folder can't be written.
    """
    target, seen = _folder(folder), set[bytes]()
    found = {
        name: {**write_domain(target, name, list(read()), seen, cap), "licence": licence, "packages": {}}
        for name, licence, read in _DOMAINS
    }
    return _concluded(target, found, {}, cap)


def _code() -> Iterator[Document]:
    home, cut = Path(sysconfig.get_path("stdlib")), by_length(30_000)
    for folder, below, files in os.walk(home):
        # Left out here already, since what is installed beside the library may be a thousand times as much.
        below[:] = sorted(
            name for name in below if name not in ("site-packages", "dist-packages", "test", "__pycache__")
        )
        for path in (Path(folder) / name for name in sorted(files)):
            name = f"lib/{path.relative_to(home).as_posix()}"
            if re.search(PYTHON_SOURCE, name):
                yield from _pieces(name, path, cut)


def _topics() -> Iterator[Document]:
    from pydoc_data.topics import topics

    for name, text in sorted(topics.items()):
        if len(text) > 200:
            yield Document(f"topics:{name}", text.strip())


def _licences() -> Iterator[Document]:
    cut = by_length(30_000)
    for path in sorted(Path("/usr/share/common-licenses").glob("*")):
        if path.is_file() and not path.is_symlink():
            yield from _pieces(f"common-licenses/{path.name}", path, cut)
    for distribution in sorted(importlib.metadata.distributions(), key=lambda d: d.name or ""):
        for file in distribution.files or ():
            if re.search(r"(?i)(?:^|/)(?:licen[cs]e|copying)[^/]*$", file.as_posix()) and file.suffix not in (
                ".py",
                ".pyc",
            ):
                yield from _pieces(f"{distribution.name}:{file.as_posix()}", Path(str(file.locate())), cut)
    for name in ("LICENSE.txt", "LICENSE"):
        path = Path(sysconfig.get_path("stdlib")) / name
        if path.is_file():
            yield from _pieces(f"lib/{name}", path, cut)


def _pieces(name: str, path: Path, cut: Callable[[str], list[str]]) -> Iterator[Document]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return  # not there after all, or in another encoding: the subset is what can be read
    for number, piece in enumerate(cut(text)):
        if len(piece.strip()) >= 64:
            yield Document(f"{name}:{number}", piece.strip())


_DOMAINS: tuple[tuple[str, str, Callable[[], Iterator[Document]]], ...] = (
    ("code_python", "PSF-2.0", _code),
    ("tech_docs", "PSF-2.0", _topics),
    ("legal", "verbatim copies of licence texts", _licences),
)
