"""A library of probes, and the folder it lives in."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tomllib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.probes.faults import header_keys, syntax_error
from zeeman.probes.probe import METRICS, NAME, Probe, fault_of_chance
from zeeman.probes.rows import read_probe, write_rows
from zeeman.probes.vocabulary import read_vocabulary

_VOCABULARY = "vocabulary.json"


@dataclass(frozen=True, eq=False)
class Library:
    """Probes in their order, and a sample of the data that they tilt away from.

    Parameters
    ----------
    name : str
        Printable and not empty.
    probes : mapping of str to Probe
        At least one, each under its own name; names differ in more than case and are not that of the data.
    data : Probe
        A sample of the training distribution, on which chains are sampled.
    vocabulary : tuple of str
        What each token id stands for, to show it; empty if that is not known. No part of the digest.

    Raises
    ------
    ZeemanError
        If a field does not fit this description.

    Examples
    --------
    >>> import numpy as np
    >>> def probe(name):
    ...     return Probe(name, np.array([[0, 1]]), np.array([[False, True]]))
    >>> library = Library.from_probes("tiny", probe("train"), [probe("a"), probe("b")])
    >>> len(library), [each.name for each in library], library.data.name
    (2, ['a', 'b'], 'train')
    >>> library["c"]
    Traceback (most recent call last):
    zeeman.errors.ZeemanError: library tiny has no probe 'c'; it has a, b.
    """

    name: str
    probes: Mapping[str, Probe]
    data: Probe
    vocabulary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check names and keep a mapping of our own."""
        if not isinstance(self.name, str) or not self.name or not self.name.isprintable():
            raise ZeemanError(f"a library's name must be a printable string that is not empty, got {self.name!r}.")
        if not self.probes:
            raise ZeemanError(f"library {self.name}: expected at least one probe besides its data, got none.")
        for key, probe in self.probes.items():
            if key != probe.name:
                raise ZeemanError(f"library {self.name}: probe {probe.name} is listed under another name, {key!r}.")
        _check_distinct(self.name, [self.data, *self.probes.values()])
        object.__setattr__(self, "probes", dict(self.probes))

    @classmethod
    def from_probes(cls, name: str, data: Probe, probes: Iterable[Probe], vocabulary: Sequence[str] = ()) -> Library:
        """Build a library of probes that are in memory; see `Library` for what is checked.

        Parameters
        ----------
        name : str
        data : Probe
            A sample of the training distribution.
        probes : iterable of Probe
            In the order that they will be shown in.
        vocabulary : sequence of str
            What each token id stands for.

        Examples
        --------
        >>> import numpy as np
        >>> probe = Probe("p", np.array([[0, 1]]), np.array([[False, True]]))
        >>> Library.from_probes("twice", probe, [probe])
        Traceback (most recent call last):
        zeeman.errors.ZeemanError: library twice: the names p and p are the same when case is ignored; rename one probe.
        """
        listed = list(probes)
        _check_distinct(name, [data, *listed])
        return cls(name, {probe.name: probe for probe in listed}, data, tuple(vocabulary))

    @classmethod
    def from_folder(cls, path: str | os.PathLike[str]) -> Library:
        """Read a library from a folder.

        The folder holds ``library.toml`` with ``name``, ``data`` (which of the probes is the data), if wanted
        ``vocabulary`` (a file for :func:`~zeeman.probes.vocabulary.read_vocabulary`) and a table
        ``[probes.<name>]`` for each probe with ``file``, and if wanted ``concepts``, ``metric`` and ``chance``. The
        file holds a JSON object on each line: ``tokens``, and if wanted ``scored``, a list of positions (default: all
        but 0), ``size``, a number, and ``foils``, a list of rows of tokens, scored and size; see `Probe`.

        Parameters
        ----------
        path : path

        Raises
        ------
        ZeemanError
            If something is missing, unknown or of the wrong type; names file, field and line.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> probes = [Probe(name, np.array([[0, 1]]), np.array([[False, True]])) for name in ("train", "a")]
        >>> library = Library.from_probes("tiny", probes[0], probes[1:])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     library.to_folder(f"{folder}/tiny")
        ...     Library.from_folder(f"{folder}/tiny").digest == library.digest
        True
        """
        file = Path(path) / "library.toml"
        index = _Index(file)
        index.only((), ("name", "data", "vocabulary", "probes"))
        name, data = index.field((), "name", str), index.field((), "data", str)
        if not name or not name.isprintable():
            raise index.error((), "name", f"gives no name: a library's name must be printable, got {name!r}")
        tables = index.field((), "probes", dict)
        _check_names(index, tables)
        probes = {key: _read_probe(index, key) for key in tables}
        if data not in probes:
            raise index.error((), "data", f"must name one of the probes ({', '.join(probes) or 'none'}), got {data!r}")
        sample = probes.pop(data)
        if not probes:
            raise index.error((), "probes", f"must hold at least one probe besides the data {data!r}, got none")
        words = index.field((), "vocabulary", str, "")
        try:
            return cls(name, probes, sample, read_vocabulary(file.parent / words) if words else ())
        except ZeemanError as error:
            raise index.error((), "vocabulary", f"names none: {str(error).rstrip('.')}") from error

    def to_folder(self, path: str | os.PathLike[str]) -> None:
        """Write the library to a folder, which appears complete or not at all.

        Parameters
        ----------
        path : path
            A folder that does not exist yet or is empty. If it holds this very library, nothing is done.

        Raises
        ------
        ZeemanError
            If the folder holds anything else, or cannot be written.
        """
        target = Path(os.path.abspath(path))
        files = {
            "library.toml": self._toml(),
            **{f"{probe.name}.jsonl": write_rows(probe) for probe in (self.data, *self)},
        }
        if self.vocabulary:
            files[_VOCABULARY] = json.dumps(self.vocabulary, ensure_ascii=False, indent=0) + "\n"
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            there = {path.name: path for path in target.iterdir()} if target.exists() else {}
            if there.keys() == files.keys() and all(
                path.is_file() and path.read_bytes() == files[name].encode() for name, path in there.items()
            ):
                return
            if there:
                raise ZeemanError(f"expected a new or empty folder, but {target} holds files; choose another folder.")
            part.mkdir(parents=True)
            for name, text in files.items():
                (part / name).write_bytes(text.encode())
            os.replace(part, target)
        except OSError as error:
            raise ZeemanError(
                f"library {self.name} could not be written to {target} ({error.strerror}); choose a folder with space "
                "that you may write to."
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    @cached_property
    def digest(self) -> str:
        """The sha256 of the library's name and the digests of its data and its probes in order, in hex."""
        parts = [self.name, self.data.digest, *(probe.digest for probe in self)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def check_vocabulary(self, size: int) -> None:
        """Check that a model with this vocabulary can read the data and every probe.

        Parameters
        ----------
        size : int
            Number of token ids that the model knows.

        Raises
        ------
        ZeemanError
            At the first token id that it does not know; see `Probe.check_vocabulary`.
        """
        for probe in (self.data, *self):
            probe.check_vocabulary(size)

    def text(self, token: int) -> str:
        """What a token id stands for, in quotes, or the id where that is not known.

        Examples
        --------
        >>> import numpy as np
        >>> probe = Probe("p", np.array([[0, 1]]), np.array([[False, True]]))
        >>> library = Library.from_probes("two", Probe("d", probe.inputs, probe.scored), [probe], ["a", " b"])
        >>> library.text(1), library.text(2)
        ("' b'", '2')
        """
        return repr(self.vocabulary[token]) if token < len(self.vocabulary) else str(token)

    def __iter__(self) -> Iterator[Probe]:
        """Iterate over the probes, without the data."""
        return iter(self.probes.values())

    def __len__(self) -> int:
        """Count the probes, without the data."""
        return len(self.probes)

    def __getitem__(self, name: str) -> Probe:
        """Return a probe by its name."""
        if name not in self.probes:
            raise ZeemanError(f"library {self.name} has no probe {name!r}; it has {', '.join(self.probes)}.")
        return self.probes[name]

    def _toml(self) -> str:
        # Printable text in JSON's quotes is a TOML string too, and an array of them a TOML array.
        lines = [f"name = {_quoted(self.name)}", f"data = {_quoted(self.data.name)}"]
        if self.vocabulary:
            lines.append(f"vocabulary = {_quoted(_VOCABULARY)}")
        for probe in (self.data, *self):
            lines += ["", f"[probes.{_quoted(probe.name)}]", f"file = {_quoted(probe.name + '.jsonl')}"]
            lines += [f"concepts = {_quoted(list(probe.concepts))}", f"metric = {_quoted(probe.metric)}"]
            lines += [] if probe.chance is None else [f"chance = {float(probe.chance)}"]
        return "\n".join(lines) + "\n"


def _quoted(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _check_distinct(library: str, probes: Sequence[Probe]) -> None:
    """Names must differ in more than case, because each is a file's name on disks that ignore case."""
    seen: dict[str, str] = {}
    for probe in probes:
        folded = probe.name.casefold()
        if folded in seen:
            raise ZeemanError(
                f"library {library}: the names {seen[folded]} and {probe.name} are the same when case is ignored; "
                "rename one probe."
            )
        seen[folded] = probe.name


class _Index:
    """A library.toml: its fields, and errors that name file, field and line.

    A table is addressed by its keys: ``()`` is the top and ``("probes", "a")`` the table ``[probes.a]``.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        if not file.parent.is_dir():
            raise ZeemanError(f"expected the folder of a library, but {file.parent} is no folder; check the path.")
        try:
            raw = file.read_bytes()
        except FileNotFoundError as error:
            raise ZeemanError(
                f"{file.parent} holds no library.toml; a library needs one that lists its probes."
            ) from error
        except OSError as error:
            raise ZeemanError(
                f"{file} cannot be read ({error.strerror}); check the path and its permissions."
            ) from error
        try:
            self.text = raw.decode("utf-8-sig").replace("\r\n", "\n")
            self.content = tomllib.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise syntax_error(file, raw, error) from error

    def error(self, table: tuple[str, ...], field: str, problem: str) -> ZeemanError:
        """Say what is wrong with a field, and where it stands."""
        line = self._line(table, field) or (self._line(table[:-1], table[-1]) if table else None)
        where = f"{self.file}, line {line}" if line else str(self.file)
        return ZeemanError(f"{where}: field {'.'.join((*table, field))!r} {problem}.")

    def _line(self, table: tuple[str, ...], field: str) -> int | None:
        """Find the line of a field; None if it is missing or written in a way that has no line of its own."""
        current: tuple[str, ...] = ()
        for number, line in enumerate(self.text.split("\n"), start=1):
            stripped = line.strip()
            if re.match(r"\[.+\]", stripped):
                current = header_keys(stripped)
                if current == (*table, field):
                    return number
            elif current == table and stripped.partition("=")[0].strip().strip("\"'") == field:
                return number
        return None

    def table(self, table: tuple[str, ...]) -> dict[str, Any]:
        """Return the fields of a table that must be one."""
        content: Any = self.content
        for key in table:
            content = content[key]
        if not isinstance(content, dict):
            raise self.error(table[:-1], table[-1], f"must be a table with the field file, got {content!r}")
        return content

    def field(self, table: tuple[str, ...], field: str, kind: type[Any], default: Any = None) -> Any:
        """Return a field of a table; one without a default must be there."""
        value = self.table(table).get(field, default)
        if value is None:
            raise self.error(table, field, "is missing")
        if not isinstance(value, kind):
            expected = {"str": "a string", "list": "a list of strings", "dict": "a table"}
            raise self.error(table, field, f"must be {expected[kind.__name__]}, got {value!r}")
        return value

    def only(self, table: tuple[str, ...], known: tuple[str, ...]) -> None:
        """Refuse fields that nothing reads, which are most often misspelt."""
        for field in self.table(table):
            if field not in known:
                raise self.error(table, field, f"is unknown; a table of this kind has {', '.join(known)}")


def _check_names(index: _Index, names: Iterable[str]) -> None:
    """Refuse names of probes that are none, or the same when case is ignored."""
    seen: dict[str, str] = {}
    for name in names:
        if not NAME.fullmatch(name):
            raise index.error(
                ("probes",),
                name,
                "is no name: a probe's name must be 1 to 100 letters, digits, '_', '-' or '.', not starting with '-' "
                "or '.'",
            )
        if (other := seen.setdefault(name.casefold(), name)) != name:
            raise index.error(
                ("probes",), name, f"is no new name: the names {other} and {name} are the same when case is ignored"
            )


def _read_probe(index: _Index, name: str) -> Probe:
    """Read the probe that a table of library.toml describes."""
    table = ("probes", name)
    index.only(table, ("file", "concepts", "metric", "chance"))
    file = index.file.parent / index.field(table, "file", str)
    concepts, metric = index.field(table, "concepts", list, []), index.field(table, "metric", str, "loss")
    if not all(isinstance(concept, str) and concept and concept.isprintable() for concept in concepts):
        raise index.error(table, "concepts", f"must be a list of strings that can be printed, got {concepts!r:.60}")
    if metric not in METRICS:
        raise index.error(table, "metric", f"must be one of {', '.join(METRICS)}, got {metric!r}")
    chance = index.table(table).get("chance")
    if chance is not None and (problem := fault_of_chance(chance, metric)):
        raise index.error(table, "chance", problem)
    try:
        lines = file.read_bytes().split(b"\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise index.error(table, "file", f"names {file}, which cannot be read ({reason})") from error
    return read_probe(file, lines, name, tuple(concepts), metric, chance)
