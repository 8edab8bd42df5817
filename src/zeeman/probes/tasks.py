"""Libraries from task files of lm-evaluation-harness: probes whose behaviours are its scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes.encoding import Encoder, Tokenizer, make_encoder
from zeeman.probes.foils import Foils
from zeeman.probes.library import Library
from zeeman.probes.probe import Metric, Probe
from zeeman.probes.task_file import Kind, TaskFile
from zeeman.probes.task_requests import Question, Templates

Size = Callable[[str], float]


@dataclass(frozen=True)
class Row:
    """Tokens of which the last ones are scored."""

    tokens: list[int]
    num_scored: int
    size: float = 1.0


def _count_words(text: str) -> float:
    return len(re.split(r"\s+", text))


def _count_bytes(text: str) -> float:
    return len(text.encode())


_METRICS: dict[Kind, dict[str, tuple[Metric, Size | None]]] = {
    "multiple_choice": {
        "acc": ("choice", None),
        "acc_norm": ("choice", len),
        "acc_bytes": ("choice", _count_bytes),
        "exact_match": ("exact", None),
    },
    "loglikelihood": {"perplexity": ("perplexity", None), "acc": ("exact", None)},
    "loglikelihood_rolling": {
        "word_perplexity": ("perplexity", _count_words),
        "byte_perplexity": ("perplexity", _count_bytes),
        "bits_per_byte": ("bits", _count_bytes),
    },
}
_DEFAULTS = {"multiple_choice": ("acc", "acc_norm")}


def import_tasks(
    paths: Iterable[str | Path],
    tokenizer: Tokenizer,
    *,
    name: str = "tasks",
    context: int = 1024,
    data: Probe | None = None,
) -> Library:
    """Make a library of task files in the YAML form of lm-evaluation-harness, with local data.

    Each metric of each task becomes a probe, ``task.metric``, whose behaviour is the score that lm-evaluation-harness
    gives to the same model with ``max_length`` = ``context`` − 1, up to rounding; where two answers are exactly as
    likely, it takes the first and a probe neither. The subdistribution of a probe is its right answers, or the text.

    Parameters
    ----------
    paths : iterable of path
    tokenizer
        As for :func:`~zeeman.probes.encoding.make_encoder`.
    name : str
        Of the library.
    context : int
        No row is longer; contexts lose their beginning, and documents are cut into windows.
    data : Probe or None
        A sample of the training data. None: the right answers with their contexts, which is a sample of nothing that
        the model was trained on; behaviours do not depend on it.

    Returns
    -------
    Library

    Raises
    ------
    ZeemanError
        If a file asks for what can't be imported, such as code, generated text or data from elsewhere.
    """
    if context < 2:
        raise ZeemanError(f"context must be at least 2 tokens, one to read and one to predict, got {context}.")
    tasks = [TaskFile.open(Path(path)) for path in paths]
    if not tasks:
        raise ZeemanError("expected at least one task file, got none.")
    encoder = make_encoder(tokenizer)
    probes = [probe for task in tasks for probe in task_probes(task, encoder, context)]
    return Library.from_probes(name, data or _whole_rows(probes[0]), probes, encoder.vocabulary)


def task_probes(task: TaskFile, encoder: Encoder, context: int) -> list[Probe]:
    """Make a probe of each metric of a task.

    Parameters
    ----------
    task : TaskFile
    encoder : Encoder
    context : int

    Returns
    -------
    list of Probe
    """
    metrics, templates = _metrics(task), Templates(task)
    questions = [templates.question(number, doc) for number, doc in enumerate(task.docs())]
    encoded = [
        _windows(encoder, q.pairs[0][1], context)
        if task.kind == "loglikelihood_rolling"
        else [_row(task, number, encoder, *pair, context) for pair in q.pairs]
        for number, q in enumerate(questions)
    ]
    if not all(encoded):
        raise task.error("doc_to_target", f"gives an empty text (document {[not e for e in encoded].index(True)})")
    stem = re.sub(r"[^A-Za-z0-9_.\-]", "_", task.name).lstrip(".-")[:80]
    return [_probe(f"{stem}.{metric}", task, questions, encoded, *_METRICS[task.kind][metric]) for metric in metrics]


def _metrics(task: TaskFile) -> list[str]:
    """Names of the task's metrics, each of which has a counterpart."""
    known = _METRICS[task.kind]
    listed = task.fields.get("metric_list")
    if listed is None:
        return list(_DEFAULTS.get(task.kind, tuple(known)))
    names = [one.get("metric") if isinstance(one, dict) else one for one in task.field("metric_list", (list,))]
    for metric in names or [None]:
        if metric not in known:
            raise task.error("metric_list", f"must hold metrics of {', '.join(known)}, got {metric!r:.60}")
    return list(dict.fromkeys(map(str, names)))


def _probe(
    name: str,
    task: TaskFile,
    questions: Sequence[Question],
    encoded: Sequence[Sequence[Row]],
    metric: Metric,
    size: Size | None,
) -> Probe:
    tags = task.fields.get("tag") or []
    concepts = tuple(str(tag) for tag in ([tags] if isinstance(tags, str) else tags))
    length = max(len(row.tokens) for rows in encoded for row in rows)
    if task.kind == "loglikelihood_rolling":
        assert size is not None
        # A window counts for its share of the document's words or bytes: only the sums matter.
        parts = [
            size(q.pairs[0][1]) * row.num_scored / sum(each.num_scored for each in rows)
            for q, rows in zip(questions, encoded, strict=True)
            for row in rows
        ]
        rows = [row for each in encoded for row in each]
        return Probe(name, *_arrays(rows, length), concepts, metric, np.array(parts))
    right = [rows[q.right] for q, rows in zip(questions, encoded, strict=True)]
    if metric != "choice":
        return Probe(name, *_arrays(right, length), concepts, metric)
    wrong = [
        (number, row, answer)
        for number, (q, rows) in enumerate(zip(questions, encoded, strict=True))
        for place, (row, answer) in enumerate(zip(rows, q.answers, strict=True))
        if place != q.right
    ]
    against = np.array([number for number, _, _ in wrong])
    sizes = np.array([size(answer) for _, _, answer in wrong]) if size else None
    foils = Foils(*_arrays([row for _, row, _ in wrong], length), against, sizes)
    own = np.array([size(q.answers[q.right]) for q in questions]) if size else None
    chance = float(np.mean([1 / len(q.answers) for q in questions]))
    return Probe(name, *_arrays(right, length), concepts, metric, own, foils, chance)


def _row(task: TaskFile, number: int, encoder: Encoder, before: str, after: str, context: int) -> Row:
    """The tokens of a pair, without the beginning of what is too long."""
    first, last = encoder.encode_pair(before, after)
    if not last or len(last) >= context:
        field = "doc_to_choice" if task.kind == "multiple_choice" else "doc_to_target"
        raise task.error(
            field, f"gives an answer of {len(last)} tokens, where 1 to {context - 1} can be scored (document {number})"
        )
    return Row([*first, *last][-context:], len(last))


def _windows(encoder: Encoder, text: str, context: int) -> list[Row]:
    """Cut a document into windows in which each of its tokens is scored once.

    A window begins with the last token of the one before it, the first one with the prefix; the last window reaches
    back as far as it can.
    """
    tokens = [encoder.begin(), *encoder.tokens(text, whole=True)]
    rows = []
    for start in range(1, len(tokens), context - 1):
        end = min(start + context - 1, len(tokens))
        rows.append(Row(tokens[max(end - context, 0) : end], end - start))
    return rows


def _arrays(rows: Sequence[Row], length: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows filled up at their ends, where a causal model does not look from what is scored."""
    inputs = np.zeros((len(rows), length), np.int64)
    scored = np.zeros((len(rows), length), np.bool_)
    for number, row in enumerate(rows):
        end = len(row.tokens)
        inputs[number, :end] = row.tokens
        scored[number, end - row.num_scored : end] = True
    return inputs, scored


def _whole_rows(probe: Probe) -> Probe:
    """All of a probe's tokens, up to the last that is scored."""
    columns = np.arange(probe.inputs.shape[1])
    last: NDArray[Any] = np.where(probe.scored, columns, 0).max(axis=1)
    return Probe("data", probe.inputs, (columns > 0) & (columns <= last[:, None]))
