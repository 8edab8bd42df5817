"""Behaviours in the JSON form of lm-evaluation-harness's results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.probes.probe import SHARES

_NAMES = {
    "loss": "loss",
    "accuracy": "acc",
    "exact": "acc",
    "choice": "acc",
    "perplexity": "perplexity",
    "bits": "bits",
}
_THEIRS = {"acc", "acc_norm", "acc_bytes", "exact_match", "perplexity"}
_THEIRS |= {"word_perplexity", "byte_perplexity", "bits_per_byte"}


def results_documents(document: dict[str, Any], steps: Sequence[int] = ()) -> dict[int, dict[str, Any]]:
    """Lay out the behaviours of an examination as lm-evaluation-harness lays out its results, one document a step.

    A probe ``task.metric``, as `import_tasks` makes them, is the metric of the task; any other probe is a task of its
    own, with the metric that its behaviour is most like (``acc``, ``perplexity``, ``loss``). A value that is not finite
    is None.

    Parameters
    ----------
    document : dict
        As :func:`~zeeman.examination.document.document` makes it.
    steps : sequence of int
        Checkpoints to lay out; all if empty.

    Returns
    -------
    dict of int to dict
        For each step ``results``, ``versions``, ``n-shot``, ``higher_is_better``, ``configs`` and ``config``.

    Raises
    ------
    ZeemanError
        If no behaviours were read, or not at a step.

    Examples
    --------
    >>> read = {"probes": ["t.acc"], "steps": [7], "metric": ["choice"], "value": [[0.5]], "se": [[0.1]]}
    >>> made = results_documents({"series": {"name": "s"}, "behaviours": read})[7]
    >>> made["results"], made["higher_is_better"]
    ({'t': {'alias': 't', 'acc,none': 0.5, 'acc_stderr,none': 0.1}}, {'t': {'acc': True}})
    """
    read = document["behaviours"]
    if not read["value"]:
        raise ZeemanError("the examination read no behaviours; run zeeman examine with a library of probes first.")
    for step in steps:
        if step not in read["steps"]:
            raise ZeemanError(f"expected one of the steps {', '.join(map(str, read['steps']))}, got {step}.")
    return {step: _at(document, read["steps"].index(step)) for step in steps or read["steps"]}


def _at(document: dict[str, Any], column: int) -> dict[str, Any]:
    read = document["behaviours"]
    results: dict[str, dict[str, Any]] = {}
    higher: dict[str, dict[str, bool]] = {}
    for row, (probe, kind) in enumerate(zip(read["probes"], read["metric"], strict=True)):
        task, _, metric = probe.rpartition(".")
        task, metric = (task, metric) if task and metric in _THEIRS else (probe, _NAMES.get(kind, kind))
        entry = results.setdefault(task, {"alias": task})
        error = read["se"][row][column]
        entry[f"{metric},none"] = read["value"][row][column]
        entry[f"{metric}_stderr,none"] = "N/A" if error is None else error
        higher.setdefault(task, {})[metric] = kind in SHARES
    name, step = document["series"]["name"], read["steps"][column]
    return {
        "results": results,
        "group_subtasks": {task: [] for task in results},
        "configs": {task: {"task": task, "metadata": {"series": name, "step": step}} for task in results},
        "versions": dict.fromkeys(results, "zeeman"),
        "n-shot": dict.fromkeys(results, 0),
        "higher_is_better": higher,
        "config": {"model": "zeeman", "model_args": {"series": name, "step": step}},
        "model_source": "zeeman",
        "model_name": f"{name}@{step}",
    }
