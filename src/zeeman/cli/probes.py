"""Commands about libraries of probes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from zeeman.cli.app import Json, print_json, probes_app

if TYPE_CHECKING:
    from zeeman.probes import Library

Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True)]
Levels = Annotated[tuple[int, ...], Parameter(consume_multiple=True)]


@probes_app.command(name="list")
def list_probes(library: Path | None = None, /, *, builtin: bool = False, json: Json = False) -> None:
    """List the probes of a library; without one, those of the demo, and which libraries installed packages publish.

    Parameters
    ----------
    library
        Its folder, or the name under which a package publishes it.
    builtin
        List the families that build makes probes of, with concept, difficulties and chance.
    """
    from zeeman.probes import demo_library, open_library, published_libraries

    if builtin:
        _list_cards(json)
        return
    packages = {name: point.dist for name, point in published_libraries().items()}
    published = [
        {"name": name, "package": dist.name if dist else "", "version": dist.version if dist else ""}
        for name, dist in packages.items()
    ]
    _list(open_library(library) if library else demo_library(), json, published=published)
    for one in () if library or json else published:
        print(f"{one['package']} {one['version']} publishes the library {one['name']}: --probes {one['name']}")


@probes_app.command
def build(
    *,
    out: Path,
    concepts: Names = (),
    tokenizer: Path | None = None,
    difficulties: Levels = (1, 2, 3),
    seed: int = 0,
    rows: int = 32,
    length: int = 128,
    data: Path | None = None,
    json: Json = False,
) -> None:
    """Write a library of built-in probes in the tokens of a model, for examine.

    Parameters
    ----------
    out
        New or empty folder.
    concepts
        Concepts, families or probes, such as induction copy ioi-2; by default all.
    tokenizer
        A tokenizer.json or its folder, or a JSON list of strings; by default the bytes of ASCII.
    difficulties
        Levels from 1 to 3.
    seed
        Seed of what is drawn.
    rows
        Rows of each probe.
    length
        Tokens of each row, at most what the model reads.
    data
        File or folder of text like what the model was trained on, which chains feel; by default Python's own library.
    """
    from zeeman.probes import builtin_library

    library = builtin_library(
        concepts, tokenizer, seed=seed, rows=rows, length=length, difficulties=difficulties, data=data
    )
    library.to_folder(out)
    _list(library, json)


@probes_app.command
def card(name: str, /, *, json: Json = False) -> None:
    """Show what a built-in probe catches, what else could explain success, and its control.

    Parameters
    ----------
    name
        A family, such as induction, or one of its probes.
    """
    from zeeman.probes import find_card

    found = find_card(name)
    if json:
        print_json(asdict(found))
        return
    print(f"{found.name} ({found.concept}; behaviour: {found.metric})")
    for title, text in (("Catches", found.catches), ("But", found.confound), ("Control", found.control)):
        print(f"{title + ':':<9} {text}")
    for probe, level, chance in zip(found.probe_names(), found.levels, found.chance, strict=True):
        print(f"  {probe:<20} {level}; chance {chance:.1%}")


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
        Folder with the model's tokenizer, a tokenizer.json, or the name of a model on Hugging Face.
    out
        Folder of the library.
    context
        Tokens of a row at most; scores are those of lm-evaluation-harness with a max_length of one less.
    data
        Folder or name of a library whose sample of the training data this one shall have; without it, susceptibilities
        have nothing that they tilt away from but the tasks' own text.
    """
    from zeeman.probes import Tokenizer, open_library
    from zeeman.probes.tasks import import_tasks as make

    sample = open_library(data).data if data else None
    made = make([task, *more], Tokenizer.open(tokenizer), name=out.name, context=context, data=sample)
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
        Folder with the model's tokenizer, a tokenizer.json, or the name of a model on Hugging Face.
    out
        Folder of the library.
    context
        Tokens of a window.
    rows, data_rows
        Windows of each probe, and of the data.
    """
    from zeeman.probes import Tokenizer
    from zeeman.probes.windows import library_from_text

    made = library_from_text(
        source,
        Tokenizer.open(tokenizer),
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


def _list(library: Library, as_json: bool, **more: Any) -> None:
    rows: list[dict[str, Any]] = [
        {
            "name": p.name,
            "rows": len(p.inputs),
            "scored": int(p.scored.sum()),
            "metric": p.metric,
            "concepts": list(p.concepts),
        }
        for p in library
    ]
    if as_json:
        print_json({"library": library.name, "probes": rows, **more})
        return
    for row in rows:
        concepts = ", ".join(row["concepts"])
        print(f"{row['name']:<18} {row['rows']:>5} rows {row['scored']:>7} scored  {row['metric']:<10} {concepts}")


def _list_cards(as_json: bool) -> None:
    from zeeman.probes import builtin_cards

    if as_json:
        print_json({"families": [asdict(found) for found in builtin_cards()]})
        return
    for found in builtin_cards():
        levels = " | ".join(found.levels)
        print(f"{found.name:<18} {found.concept:<16} {found.metric:<9} {levels}")
