"""Texts by group, from folders, files of JSON lines, and data sets of Hugging Face that were saved locally."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from zeeman.errors import ZeemanError

_TRAIN = "train"


class Text(NamedTuple):
    """A document, and whether it is held out from training, where that is known."""

    text: str
    held_out: bool | None = None


def read_texts(source: Path) -> dict[str, list[Text]]:
    """Read documents, by the kind of text that they are.

    Parameters
    ----------
    source : Path
        A text file, a file of JSON lines (``.jsonl``) with ``text`` and if wanted ``split``, a data set of Hugging Face
        written by ``save_to_disk``, or a folder of such things: each file and subfolder is a group of its own, whatever
        files a plain subfolder holds at any depth.

    Returns
    -------
    dict of str to list of Text
        By the name of file or folder, sorted; empty documents and hidden files are left out.

    Raises
    ------
    ZeemanError
        If there is nothing to read, or a file that can't be read.
    """
    if not source.exists():
        raise ZeemanError(f"expected a file or folder of text, but {source} is none; check the path.")
    plain = source.is_dir() and not _is_dataset(source)
    entries = sorted(p for p in source.iterdir() if not p.name.startswith(".")) if plain else [source]
    groups: dict[str, list[Text]] = {}
    for entry in entries:
        if plain and entry.name == "manifest.json":
            continue  # what zeeman corpus build says of the texts beside it
        name = entry.name if entry.is_dir() else entry.stem
        groups.setdefault(name, []).extend(text for text in _of_entry(entry) if text.text.strip())
    groups = {name: texts for name, texts in groups.items() if texts}
    if not groups:
        raise ZeemanError(f"{source} holds no text; expected text files, JSON lines with text, or subfolders of such.")
    return groups


def _of_entry(entry: Path) -> Iterator[Text]:
    if _is_dataset(entry):
        yield from _of_dataset(entry)
    elif entry.is_dir():
        for path in sorted(p for p in entry.rglob("*") if p.is_file() and not p.name.startswith(".")):
            yield from _of_file(path)
    else:
        yield from _of_file(entry)


def _of_file(path: Path) -> Iterator[Text]:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ZeemanError(f"{path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise ZeemanError(f"{path}: expected text in UTF-8, got other bytes ({error}).") from error
    if path.suffix != ".jsonl":
        yield Text(content)
        return
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield _of_line(f"{path}, line {number}", line)


def _of_line(where: str, line: str) -> Text:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ZeemanError(f'{where}: expected a JSON object such as {{"text": "…"}}, got no JSON: {error}.') from error
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise ZeemanError(f"{where}: field 'text' must be a string, in a JSON object, got {line!r:.60}.")
    return Text(row["text"], row["split"] != _TRAIN if "split" in row else None)


def _is_dataset(path: Path) -> bool:
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


def _of_dataset(path: Path) -> Iterator[Text]:
    """Rows of a saved data set: of its column ``text``, or of the one column that holds strings."""
    try:
        import datasets
    except ImportError as error:
        raise ZeemanError(f"{path} is a data set of Hugging Face; pip install datasets to read it.") from error
    held: Any = datasets.load_from_disk(str(path))
    parts = dict(held) if isinstance(held, datasets.DatasetDict) else {"": held}
    for split, rows in parts.items():
        kinds = {name: getattr(kind, "dtype", None) for name, kind in rows.features.items()}
        columns = [name for name, kind in kinds.items() if kind in ("string", "large_string")]
        column = "text" if "text" in columns else columns[0] if len(columns) == 1 else None
        if column is None:
            raise ZeemanError(f"{path} has no column 'text' and {len(columns)} columns of strings; name one 'text'.")
        for text in rows[column]:
            yield Text(text or "", split != _TRAIN if split else None)
