"""Task files in the YAML form of lm-evaluation-harness, with data that lie beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import yaml

from zeeman.errors import ZeemanError

Kind = Literal["multiple_choice", "loglikelihood", "loglikelihood_rolling"]
Doc = dict[str, Any]

_USED = (
    *("task", "dataset_path", "dataset_kwargs", "validation_split", "test_split", "output_type", "doc_to_text"),
    *("doc_to_target", "doc_to_choice", "description", "target_delimiter", "metric_list", "tag", "include"),
)
# These change no score where no examples are shown and nothing is generated.
_WITHOUT_EFFECT = (
    *("task_alias", "group", "dataset_name", "training_split", "fewshot_split", "fewshot_delimiter", "fewshot_config"),
    *("metadata", "should_decontaminate", "doc_to_decontamination_query", "generation_kwargs", "unsafe_code"),
)
_KNOWN = {*_USED, *_WITHOUT_EFFECT}
_ALLOWED = {"num_fewshot": (0,), "repeats": (1,)}
_REMEDIES = {
    "num_fewshot": "must be 0, since examples are drawn by chance; write them in description",
    "repeats": "must be 1, since a likelihood is the same every time",
}
_DEPTH = 10


class _Code(NamedTuple):
    """What a task file wants a Python function for."""

    name: str


# Plain data only; a ``!function`` is kept as a name, so that the error can say where it stands.
_Loader: Any = type("_Loader", (yaml.SafeLoader,), {})
_Loader.add_constructor("!function", lambda loader, node: _Code(str(node.value)))


@dataclass(frozen=True)
class TaskFile:
    """A task file, with what it includes: its fields, and errors that name file, field and line.

    Parameters
    ----------
    path : Path
    fields : dict
    lines : dict
        File and line of each field.
    """

    path: Path
    fields: dict[str, Any]
    lines: dict[str, str]

    @classmethod
    def open(cls, path: Path) -> TaskFile:
        """Read a task file.

        Parameters
        ----------
        path : Path

        Raises
        ------
        ZeemanError
            If it can't be read, or asks for what can't be taken over.
        """
        fields, lines = _read(path, 0)
        task = cls(path, fields, lines)
        for name, value in fields.items():
            if isinstance(value, _Code):
                raise task.error(name, f"asks for the Python function {value.name}, which is not run; use a template")
            if value not in (None, *_ALLOWED.get(name, (value,) if name in _KNOWN else ())):
                raise task.error(name, _REMEDIES.get(name, f"can't be imported; what can is {', '.join(_USED)}"))
        return task

    @property
    def name(self) -> str:
        """What the task is called; by default as its file."""
        return str(self.field("task", (str,), self.path.stem))

    @property
    def kind(self) -> Kind:
        """What is asked of the model."""
        given: Any = self.fields.get("output_type")
        if given not in get_args(Kind):
            raise self.error("output_type", f"must be one of {', '.join(get_args(Kind))}, got {given!r:.60}")
        kind: Kind = given
        return kind

    def error(self, field: str, problem: str) -> ZeemanError:
        """Say what is wrong with a field, and where it stands."""
        return ZeemanError(f"{self.lines.get(field, self.path)}: field {field!r} {problem}.")

    def field(self, name: str, kinds: tuple[type, ...], default: Any = None) -> Any:
        """Give a field, checked to be of one of these types; where there is no default it must be there."""
        value = self.fields.get(name, default)
        if value is None and default is None:
            raise self.error(name, "is missing")
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise self.error(name, f"must be of type {wanted}, got {value!r:.60}")
        return value

    def docs(self) -> list[Doc]:
        """Read the documents that the task asks about: of its test split, otherwise of the one for validation.

        Returns
        -------
        list of dict
            All with the same keys; None where a document lacks one.

        Raises
        ------
        ZeemanError
            If the task names no local JSON file, or one that can't be read.
        """
        if self.fields.get("dataset_path") != "json":
            raise self.error(
                "dataset_path", "must be json, with data_files in dataset_kwargs: only local data are read"
            )
        given = self.field("dataset_kwargs", (dict,))
        files = given.get("data_files")
        if set(given) != {"data_files"}:
            raise self.error(
                "dataset_kwargs", f"must hold data_files alone, got {', '.join(map(str, given)) or 'none'}"
            )
        split = self.fields.get("test_split") or self.fields.get("validation_split")
        if split is None:
            raise self.error("test_split", "is missing, and so is validation_split; name the one to ask about")
        files = files if isinstance(files, dict) else {"train": files}
        if split not in files:
            raise self.error("dataset_kwargs", f"has no data_files for the split {split!r}, only {', '.join(files)}")
        listed = files[split] if isinstance(files[split], list) else [files[split]]
        docs = [doc for file in listed for doc in _documents(self._beside(file))]
        if not docs:
            raise self.error("dataset_kwargs", f"names files for the split {split!r} that hold no document")
        keys = dict.fromkeys(key for doc in docs for key in doc)
        return [{key: doc.get(key) for key in keys} for doc in docs]

    def _beside(self, file: object) -> Path:
        if not isinstance(file, str):
            raise self.error("dataset_kwargs", f"must name files in data_files, got {file!r:.60}")
        beside = self.path.parent / file
        return beside if beside.exists() else Path(file)


def _read(path: Path, depth: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Fields of a file over those of the files that it includes, and where each stands."""
    try:
        loader = _Loader(path.read_text(encoding="utf-8-sig"))
        node = loader.get_single_node()
        own = loader.construct_document(node) if node else None
    except OSError as error:
        raise ZeemanError(f"{path} cannot be read ({error.strerror}); expected a task file in YAML.") from error
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}, line {mark.line + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or str(error).split("\n")[0]
        raise ZeemanError(f"{place}: expected a task file in YAML, got a syntax error: {reason}.") from error
    if not isinstance(own, dict) or not all(isinstance(key, str) for key in own):
        raise ZeemanError(f"{path}: expected a task file with fields such as task and output_type, got {own!r:.60}.")
    lines = {key.value: f"{path}, line {key.start_mark.line + 1}" for key, _ in node.value}
    fields: dict[str, Any] = {}
    where: dict[str, str] = {}
    included = own.pop("include", None) or []
    for name in included if isinstance(included, list) else [included]:
        if depth == _DEPTH or not isinstance(name, str):
            raise ZeemanError(f"{lines['include']}: field 'include' must name a file that does not include this one.")
        base, places = _read(path.parent / name, depth + 1)
        fields |= base
        where |= places
    return fields | own, where | lines


def _documents(file: Path) -> Iterator[Doc]:
    """Documents of a file: one JSON object a line, or one list of them."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ZeemanError(f"the documents in {file} cannot be read ({reason}).") from error
    if text.lstrip().startswith("["):
        lines = [(f"{file}, document {number}", doc) for number, doc in enumerate(_parsed(str(file), text))]
    else:
        numbered = enumerate(text.split("\n"), start=1)
        lines = [(f"{file}, line {n}", _parsed(f"{file}, line {n}", line)) for n, line in numbered if line.strip()]
    for where, doc in lines:
        if not isinstance(doc, dict):
            raise ZeemanError(f"{where}: expected a JSON object, got {doc!r:.60}.")
        yield doc


def _parsed(where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ZeemanError(f"{where}: expected JSON, got none: {error}.") from error
