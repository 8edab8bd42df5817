"""``zeeman bands``: the bands that an examination holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from zeeman.cli.app import Json, StoreAt, app, library_beside, print_json, print_table


@app.command
def bands(
    store: StoreAt,
    /,
    *,
    probes: Path | None = None,
    statistic: Literal["rho", "spread"] = "rho",
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Show the bands in the response of tokens, found from what an examination holds; no model is run.

    Parameters
    ----------
    probes
        Folder of the library that it was made with, to read them anew; by default what stands in the store, else the
        folder probes beside it.
    statistic
        What tokens are compared by: how their loss goes along with that of the data (rho), or the log of how far it
        moves (spread).
    out
        File to write a report with the bands to.
    """
    from zeeman.examination import Store, kept_bands

    opened = Store.open(store)
    document = opened.read_reading("document") or {}
    found = document.get("bands") if probes is None and statistic == "rho" else None
    found = found or kept_bands(opened, library_beside(store, probes), statistic)
    if json:
        print_json(found)
    else:
        _tell(found)
    if out is not None:
        from zeeman.console import write_report

        path = write_report(document | {"bands": found}, out)
        if not json:
            print(f"Report: {path}")


def _tell(found: dict[str, Any]) -> None:
    columns = (
        "step",
        "loading",
        "band",
        "size",
        "strength",
        "name",
        "components",
        "ablation",
        "seen under",
        "stability",
    )
    rows = []
    for one in found["maps"]:
        stability = _pm(one["agreement"], one["agreement_se"])
        loading = _draws(one)
        for band in one["bands"]:
            mark = "" if band["above_null"] and band["verdict"] == "ok" else " ×"
            rows.append((
                str(one["step"]), loading, _number(band), str(band["size"]),
                _pm(band["strength"], band["strength_se"]) + mark, band["name"], responding(one, band), lost(band),
                ", ".join(band["seen_under"]), stability,
            ))  # fmt: skip
        if not one["bands"]:
            why = one["agreement_reasons"] if one["modes"] is None else ["no band"]
            rows.append((str(one["step"]), loading, "", "", "", "; ".join(why), "", "", "", stability))
    print_table(columns, rows, right=(0, 2, 3))
    for one in found["maps"]:
        for name, why in one["unresolved"].items():
            print(f"Step {one['step']}, {_draws(one)}, {name}: {why}.")
    nulls = [len(one["null_strengths"]) for one in found["maps"]]
    by_spread = any(one.get("statistic") == "spread" for one in found["maps"])
    of, unit = ("what differs between halves", "log nats") if by_spread else ("permuted draws", "ρ")
    print(f"Strengths are in {unit}.")
    print(f"Clusters of {of}: {', '.join(map(str, nulls))}. × marks bands that these reach, or doubtful chains.")


def _draws(one: dict[str, Any]) -> str:
    """What draws a map is read from."""
    return f"{one['loading']} nβ {one['n_beta']:g}" if one["n_beta"] else str(one["loading"])


def _number(band: dict[str, Any]) -> str:
    """Number of the band along the steps, or of its path along nβ in brackets."""
    return str(band["track"]) if band["track"] is not None else f"({band['ladder']})"


def responding(one: dict[str, Any], band: dict[str, Any], most: int = 4) -> str:
    """The components whose mean over the band stands out from that over all tokens, the strongest first.

    Examples
    --------
    >>> band = {"contrast": [0.1, -0.3, 0.01], "contrast_se": [0.01, 0.02, 0.02]}
    >>> responding({"components": ["embed", "l0h0", "l0h1"]}, band)
    'l0h0 -0.30, embed +0.10'
    """
    rows = zip(one["components"], band["contrast"], band["contrast_se"], strict=True)
    standing = [(name, value) for name, value, error in rows if abs(value) > 3 * error]
    standing.sort(key=lambda row: -abs(row[1]))
    return ", ".join(f"{name} {value:+.2f}" for name, value in standing[:most])


def lost(band: dict[str, Any], most: int = 4) -> str:
    """The heads and MLPs without which the band's tokens lose most, in nats, beyond three standard errors.

    Examples
    --------
    >>> lost({"ablation": {"components": ["l0h0", "l0h1"], "effect": [0.5, 0.01], "effect_se": [0.1, 0.02]}})
    'l0h0 +0.50'
    """
    found = band.get("ablation")
    if not found:
        return ""
    rows = [
        (name, value)
        for name, value, error in zip(found["components"], found["effect"], found["effect_se"], strict=True)
        if value is not None and error is not None and abs(value) > 3 * error
    ]
    return ", ".join(f"{name} {value:+.2f}" for name, value in sorted(rows, key=lambda row: -abs(row[1]))[:most])


def _pm(value: float | None, error: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f} ± {error:.3f}" if error is not None else f"{value:.3f}"
