"""``zeeman influence``: what one probe teaches of another, from the chains that an examination holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from zeeman.cli.app import Json, StoreAt, app, library_beside, print_json, print_table
from zeeman.errors import ZeemanError

BEFORE, AFTER = 7, 2
"""Tokens shown around one."""


@app.command
def influence(
    store: StoreAt,
    /,
    *,
    first: str,
    second: str,
    probes: Path | None = None,
    step: int | None = None,
    component: str = "full",
    loading: Literal["loaded", "unloaded"] = "loaded",
    by: Literal["token", "row"] = "token",
    top: int = 10,
    json: Json = False,
) -> None:
    """Show how the loss on one probe answers to more weight on another, as tokens or rows; no model is run.

    The influence is −Cov of two losses along the chains (the Bayesian influence function), in nats squared: negative
    where the second teaches the first. ρ is the correlation of the losses.

    Parameters
    ----------
    store
        Folder or URL of an examination that read susceptibilities.
    first
        Probe whose losses answer; also the library's data.
    second
        Probe that gets more weight; may be the same.
    probes
        Folder of the library that it was made with; by default the folder probes beside the store.
    step
        Checkpoint; by default the last one with chains.
    component
        What moved: full, or one that was examined, such as l0h1.
    loading
        Draws that feel the loss, or those that do not.
    by
        What pairs are made of.
    top
        Pairs to show, of those that stand out; a token after the same ids in two rows is not shown.
    """
    from zeeman.examination import Store, influence_document, stored_influence

    if top < 1:
        raise ZeemanError(f"top must be at least 1, got {top}; choose how many pairs to show.")
    opened, library = Store.open(store), library_beside(store, probes)
    readings = stored_influence(
        opened, library, first, second, step=step, component=component, loading=loading, by=by, most=top
    )
    found = influence_document(library, readings, top)
    if json:
        print_json(found)
    else:
        _tell(found)


def _tell(found: dict[str, Any]) -> None:
    first, second = found["first"], found["second"]
    print(
        f"Step {found['step']}, {found['component']}, {found['loading']}: "
        f"{found['chains']} chains of {found['draws']} draws."
    )
    if found["influence"] is not None:
        print(_of_means(found))
    if found["verdict"] != "ok":
        print(f"× {found['sentence']} ({'; '.join(found['reasons'])})")
    if found["pairs"]:
        print(_of_pairs(found))
    if found["strongest"]:
        _table(found["strongest"], first, second)


def _of_means(found: dict[str, Any]) -> str:
    told = f"Influence of {found['second']} on {found['first']}, mean losses: {_pm(found, 'influence')} nats²"
    if found["first"] != found["second"]:
        null = ", ".join(f"{value:+.2f}" for value in found["null"])
        told += f", ρ {_pm(found, 'correlation')} (between different chains {null})"
    return f"{told}."


def _of_pairs(found: dict[str, Any]) -> str:
    pairs, kind = found["pairs"], f"pairs of {found['by']}s"
    if pairs["threshold"] is None:
        return f"None of {pairs['compared']:,} {kind} stands out from what pairs of different chains and chance show."
    null = " and ".join(f"{count:,}" for count in pairs["null"])
    return (
        f"{pairs['count']:,} of {pairs['compared']:,} {kind} stand out, by |ρ| from {pairs['threshold']:.2f} on; "
        f"between different chains {null} do."
    )


def _table(strongest: list[dict[str, Any]], first: str, second: str) -> None:
    rows = []
    for pair in strongest:
        sides = [cell for one in (pair["first"], pair["second"]) for cell in (str(one["row"]), around(one))]
        rows.append((_pm(pair, "influence"), _pm(pair, "correlation"), *sides))
    print_table(("influence", "ρ", "row", first, "row", second), rows, right=(0, 1, 2, 4))


def around(shown: dict[str, Any]) -> str:
    r"""A token between its neighbours, or the beginning of a row.

    Examples
    --------
    >>> around({"ids": [3, 1, 4, 1, 5], "at": 2, "position": 8})
    '… 3 1 [4] 1 5'
    >>> around({"ids": [3, 1, 4]})
    '3 1 4'
    >>> around({"ids": [3, 1, 4], "text": ["a", "\n", "c"], "at": 1, "position": 1})
    'a[⏎]c'
    """
    words, at = shown.get("text") or [str(token) for token in shown["ids"]], shown.get("at")
    words, space = [word.replace("\n", "⏎") for word in words], "" if "text" in shown else " "
    if at is None:
        cut = words[: BEFORE + 1 + AFTER]
        return space.join(cut) + (" …" if len(words) > len(cut) else "")
    low = max(0, at - BEFORE)
    told = [f"[{word}]" if i == at else word for i, word in enumerate(words)][low : at + 1 + AFTER]
    return ("… " if shown["position"] > at - low else "") + space.join(told)


def _pm(one: dict[str, Any], name: str) -> str:
    """A figure and its error to the error's second digit."""
    value, error = one[name], one[f"{name}_se"]
    if value is None:
        return "–"
    return f"{value:+.3g} ± {error:.2g}" if error is not None else f"{value:+.3g}"
