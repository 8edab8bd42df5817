"""Commands that make libraries of probes from tasks and from text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zeeman.cli.app import Json, print_json, probes_app

if TYPE_CHECKING:
    from zeeman.probes import Library


@probes_app.command(name="import")
def import_tasks(
    task: Path,
    /,
    *more: Path,
    tokenizer: str,
    out: Path,
    context: int = 1024,
    data: Path | None = None,
    json: Json = False,
) -> None:
    """Make a library of task files in the YAML form of lm-evaluation-harness, with local data.

    Parameters
    ----------
    task, more
        Files of tasks: multiple_choice, loglikelihood or loglikelihood_rolling.
    tokenizer
        Folder with the model's tokenizer, a tokenizer.json, a JSON list of strings, or a name on Hugging Face.
    out
        Folder of the library.
    context
        Tokens of a row at most; scores are those of lm-evaluation-harness with a max_length of one less.
    data
        Folder or name of a library whose sample of the training data this one shall have; without it, susceptibilities
        have nothing that they tilt away from but the tasks' own text.
    """
    from zeeman.probes import open_library
    from zeeman.probes.tasks import import_tasks as make

    sample = open_library(data).data if data else None
    made = make([task, *more], tokenizer, name=out.name, context=context, data=sample)
    made.to_folder(out)
    _tell(made, out, json)
    if not data and not json:
        print("No --data was given: behaviours are as they should be, susceptibilities tilt away from the tasks' text.")


@probes_app.command
def from_text(
    source: Path,
    /,
    *,
    tokenizer: str,
    out: Path,
    context: int = 128,
    rows: int = 64,
    data_rows: int = 512,
    seed: int = 0,
    json: Json = False,
) -> None:
    """Make a library of text: windows of tokens, a probe for each kind of text and a mixture of all as the data.

    Parameters
    ----------
    source
        Text file, JSON lines with text, data set of Hugging Face saved to disk, or a folder of such things, each file
        and subfolder a kind of text of its own, such as zeeman corpus build writes.
    tokenizer
        Folder with the model's tokenizer, a tokenizer.json, a JSON list of strings, or a name on Hugging Face.
    out
        Folder of the library.
    context
        Tokens of a window.
    rows, data_rows
        Windows of each probe, and of the data.
    """
    from zeeman.probes.windows import library_from_text

    made = library_from_text(
        source,
        tokenizer,
        name=out.name,
        context=context,
        rows=rows,
        data_rows=data_rows,
        seed=seed,
    )
    made.to_folder(out)
    _tell(made, out, json)


def _tell(library: Library, out: Path, as_json: bool) -> None:
    """Say what a library that was written holds."""
    if as_json:
        print_json({"library": str(out), "data": len(library.data.inputs), "probes": [p.name for p in library]})
        return
    rows = sum(len(p.inputs) for p in library)
    print(f"{out}: {len(library)} probes of {rows} rows, and data of {len(library.data.inputs)}.")
