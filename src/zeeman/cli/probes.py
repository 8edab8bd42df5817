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
    from zeeman.probes import demo_library, open_library

    if builtin:
        _list_cards(json)
    else:
        _list(open_library(library) if library else demo_library(), json, published=library is None)


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
    pairs: bool = False,
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
    pairs
        Also make minimal pairs, in which a right answer must beat a wrong one, of each probe that allows it.
    data
        File or folder of text like what the model was trained on, which chains feel; by default Python's own library.
    """
    from zeeman.probes import builtin_library

    library = builtin_library(
        concepts, tokenizer, seed=seed, rows=rows, length=length, difficulties=difficulties, pairs=pairs, data=data
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


def _list(library: Library, as_json: bool, *, published: bool = False) -> None:
    from zeeman.probes import published_libraries

    packages = {name: point.dist for name, point in published_libraries().items()} if published else {}
    others = [
        {"name": name, "package": dist.name if dist else "", "version": dist.version if dist else ""}
        for name, dist in packages.items()
    ]
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
        print_json({"library": library.name, "probes": rows, "published": others})
        return
    for row in rows:
        concepts = ", ".join(row["concepts"])
        print(f"{row['name']:<18} {row['rows']:>5} rows {row['scored']:>7} scored  {row['metric']:<10} {concepts}")
    for one in others:
        print(f"{one['package']} {one['version']} publishes the library {one['name']}: --probes {one['name']}")


def _list_cards(as_json: bool) -> None:
    from zeeman.probes import builtin_cards

    if as_json:
        print_json({"families": [asdict(found) for found in builtin_cards()]})
        return
    for found in builtin_cards():
        levels = " | ".join(found.levels)
        print(f"{found.name:<18} {found.concept:<16} {found.metric:<9} {levels}")
