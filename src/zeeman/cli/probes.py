"""Commands about libraries of probes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zeeman.cli.app import Json, print_json, probes_app


@probes_app.command(name="list")
def list_probes(library: Path | None = None, /, *, json: Json = False) -> None:
    """List the probes of a library; without a folder, those of the demo."""
    from zeeman.probes import Library, demo_library

    held = Library.from_folder(library) if library else demo_library()
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
        print_json({"library": held.name, "probes": rows})
        return
    for row in rows:
        concepts = ", ".join(row["concepts"])
        print(f"{row['name']:<16} {row['rows']:>5} rows {row['scored']:>7} scored  {row['metric']:<9} {concepts}")
