"""Commands on the folder of an examination itself."""

from __future__ import annotations

from pathlib import Path

from zeeman.cli.app import Json, app, print_json


@app.command
def fsck(store: Path, /, *, repair: bool = False, json: Json = False) -> None:
    """Look for damage in a store: changed or missing bytes, torn, foreign and left-over files.

    Exits with 1 when it finds any. Run it while nothing writes the store.

    Parameters
    ----------
    store
        Folder of the examination.
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
        removed = len({f.path for f in found if not f.path.exists()})
        done = f" {removed} removed; run the examination again." if repair and removed else ""
        print(f"{len(faults)} faults.{done}" if faults else "Nothing is wrong.")
    if faults:
        raise SystemExit(1)


@app.command
def export(store: Path, /, *, arviz: Path, json: Json = False) -> None:
    """Write the draws of an examination for other tools.

    Parameters
    ----------
    store
        Folder of the examination.
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
