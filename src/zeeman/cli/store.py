"""Commands on the folder of an examination itself."""

from __future__ import annotations

from pathlib import Path

from zeeman.cli.app import Json, StoreAt, app, import_app, print_json, print_table


@app.command
def fsck(store: StoreAt, /, *, repair: bool = False, json: Json = False) -> None:
    """Look for damage in a store: changed or missing bytes, torn, foreign and left-over files.

    Exits with 1 when it finds any. Run it while nothing writes the store.

    Parameters
    ----------
    repair
        Remove what is damaged, torn or left over and nothing else, so that the next examine computes it again.
    """
    from zeeman import examination as room

    found = room.fsck(room.Store.open(store), repair=repair)
    faults = [finding for finding in found if finding.is_fault]
    if json:
        print_json(
            {
                "findings": [{"kind": f.kind, "path": str(f.path), "sentence": f.sentence} for f in found],
                "faults": len(faults),
                "repaired": repair,
            }
        )
    else:
        for finding in found:
            print(finding.sentence)
        removed = len({f.path for f in found if f.removed})
        done = f" {removed} removed; run the examination again." if repair and removed else ""
        print(f"{len(faults)} faults.{done}" if faults else "Nothing is wrong.")
    if faults:
        raise SystemExit(1)


@app.command
def export(store: StoreAt, /, *, arviz: Path, json: Json = False) -> None:
    """Write the draws of an examination for other tools.

    Parameters
    ----------
    arviz
        File to write in ArviZ's layout, by its ending a Zarr folder (.zarr) or netCDF (.nc, which needs h5netcdf).
    """
    from zeeman import examination as room

    tree = room.export_arviz(room.Store.open(store), arviz)
    sizes = {name: dict(node.sizes) for name, node in tree.children.items()}
    if json:
        print_json({"path": str(arviz.resolve()), "groups": sizes})
        return
    for name, each in sizes.items():
        print(f"{name}: " + " × ".join(f"{size} {dim}" for dim, size in each.items()))
    print(f"Written: {arviz.resolve()}")


@import_app.command(name="devinterp")
def import_devinterp(path: Path, /, *, json: Json = False) -> None:
    """Read the chains that sample of devinterp 2 kept, with the errors and the doubts that zeeman has of them.

    Parameters
    ----------
    path
        The Zarr folder that was its output_path.
    """
    from dataclasses import asdict

    from zeeman import examination as room
    from zeeman.examination.document import finite

    readings = room.import_devinterp(path)
    source = readings[0].provenance
    if json:
        rows = [
            {
                "name": r.name, **r.coordinates, "value": r.value, "standard_error": r.standard_error,
                "verdict": r.verdict.name.lower(), "reasons": r.reasons, "health": r.health,
            }
            for r in readings
        ]  # fmt: skip
        print_json(finite({"readings": rows, "provenance": asdict(source) if source else None}))
        return
    shown = ("name", "first", "second", "value", "error", "verdict")
    table = [
        [
            r.name, *(str(r.coordinates.get(at, "")) for at in ("first", "second")),
            f"{r.value:.4g}", f"{r.standard_error:.2g}", r.verdict.name.lower(),
        ]
        for r in readings
    ]  # fmt: skip
    print_table(shown, table, right=(3, 4))
    print(f"{readings[0].verdict.value} ({'; '.join(readings[0].reasons)})")
