"""Commands about libraries of probes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zeeman.cli.app import Json, print_json, probes_app


@probes_app.command(name="list")
def list_probes(library: Path | None = None, /, *, json: Json = False) -> None:
    """List the probes of a library; without one, those of the demo, and which libraries installed packages publish.

    Parameters
    ----------
    library
        Its folder, or the name under which a package publishes it.
    """
    from zeeman.probes import demo_library, open_library, published_libraries

    held = open_library(library) if library else demo_library()
    packages = {name: point.dist for name, point in published_libraries().items()}
    published = [
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
        for p in held.probes.values()
    ]
    if json:
        print_json({"library": held.name, "probes": rows, "published": published})
        return
    for row in rows:
        concepts = ", ".join(row["concepts"])
        print(f"{row['name']:<16} {row['rows']:>5} rows {row['scored']:>7} scored  {row['metric']:<10} {concepts}")
    for one in () if library else published:
        print(f"{one['package']} {one['version']} publishes the library {one['name']}: --probes {one['name']}")
