"""``zeeman pattern``: which mixture of data would move a reading."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from zeeman.cli.app import Json, StoreAt, app, library_beside, print_json, print_table
from zeeman.errors import ZeemanError

if TYPE_CHECKING:
    from zeeman.examination import StoredPattern


@app.command
def pattern(
    store: StoreAt,
    /,
    *,
    move: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")],
    probes: Path | None = None,
    step: int | None = None,
    json: Json = False,
) -> None:
    """Propose the data mixture that would move losses as wished, from what an examination holds; no model is run.

    Parameters
    ----------
    move
        What is to change and by how many nats, such as repeats=-0.1, with text=0 for what is to stay: a probe's loss,
        that of the data, or the loss of a component that moves alone.
    probes
        Folder of the library that the examination was made with; by default the folder probes beside the store.
    step
        Which checkpoint; by default the last one with loaded chains.
    """
    from zeeman.examination import Store, stored_pattern

    target = dict(_move(text) for text in move)
    if len(target) < len(move):
        raise ZeemanError(f"expected one change of each loss, got {', '.join(move)}; name each once.")
    found = stored_pattern(Store.open(store), library_beside(store, probes), target, step=step)
    if json:
        from zeeman.examination.document import finite

        print_json(finite(found.document()))
    else:
        _tell(found)


def _move(text: str) -> tuple[str, float]:
    """Split name=change.

    Examples
    --------
    >>> _move("l0 mlp=-0.5")
    ('l0 mlp', -0.5)
    """
    name, _, value = text.rpartition("=")
    try:
        change = float(value)
    except ValueError:
        change = math.nan
    if not name or not math.isfinite(change):
        raise ZeemanError(f"expected a change such as repeats=-0.1, got {text!r}; give a name, = and a number of nats.")
    return name, change


def _tell(found: StoredPattern) -> None:
    print_table(
        ("probe", "dh"),
        [[name, _pm(*pair)] for name, *pair in zip(found.probes, found.pattern.dh, found.pattern.dh_se, strict=True)],
    )
    part = f"{found.checked:g} dh"
    rows = []
    for i, (name, change) in enumerate(found.changes.items()):
        asked = name in found.target
        rows.append([
            name,
            f"{found.target[name]:+.3g}" if asked else "",
            _pm(found.pattern.predicted[i], found.pattern.predicted_se[i]) if asked else "",
            _pm(change.linear, change.linear_se),
            _pm(change.reweighted, change.reweighted_se),
        ])  # fmt: skip
    print_table(("loss", "wanted", "predicted", f"of {part}", "by weights"), rows)
    print("\n".join(sentences(found.document())))


def sentences(found: dict[str, Any]) -> list[str]:
    """Say what a proposal rests on and how far it reaches.

    Parameters
    ----------
    found : dict
        As ``StoredPattern.document``.

    Examples
    --------
    >>> null = [{"rank": 0, "largest": 0.4, "threshold": 1.0}]
    >>> found = {"step": 3, "rank": 1, "observables": ["a"], "singular_values": [5.0], "threshold": 1.0, "khat": 0.2}
    >>> found |= {"data": 1.2, "dh": [-0.2], "checked": 0.5, "shuffled": null, "verdict": "ok", "reasons": []}
    >>> for line in sentences(found | {"target": [-0.1], "out_of_reach": [0.0]}):
    ...     print(line)
    Step 3, the data itself at weight 1.2; rank 1 of 1, largest singular value 5 times the size of its error.
    Weights of the same draws reach to 0.5 dh (k̂ 0.20): the prediction for the whole of it is first order alone.
    A negative weight thins the data out, as far as it holds such rows.
    Shuffled chains: 0 of 1 pairings propose anything (largest singular value 0.4 times the size of its error).
    """
    ratio = max((one["largest"] / one["threshold"] for one in found["shuffled"]), default=0.0)
    return [
        f"Step {found['step']}, the data itself at weight {found['data']:.3g}; rank {found['rank']} of "
        f"{len(found['observables'])}, largest singular value {found['singular_values'][0] / found['threshold']:.3g} "
        "times the size of its error.",
        _reach(found),
        *(["A negative weight thins the data out, as far as it holds such rows."] if min(found["dh"]) < 0 else []),
        *_out_of_reach(found),
        f"Shuffled chains: {sum(one['rank'] > 0 for one in found['shuffled'])} of {len(found['shuffled'])} pairings "
        f"propose anything (largest singular value {ratio:.2g} times the size of its error).",
        *_doubt(found),
    ]


def _reach(found: dict[str, Any]) -> str:
    if not found["checked"]:
        return "Weights of the same draws reach to no part of dh that was tried, so this is first order and unchecked."
    reach = f"Weights of the same draws reach to {found['checked']:g} dh (k̂ {found['khat']:.2f})"
    if found["checked"] == 1:
        return f"{reach}: the last column is exact in the size of dh."
    return f"{reach}: the prediction for the whole of it is first order alone."


def _out_of_reach(found: dict[str, Any]) -> list[str]:
    rows = zip(found["observables"], found["out_of_reach"], strict=True)
    rounding = 1e-6 * max(map(abs, found["target"]))
    missed = [f"{name} {rest:+.3g}" for name, rest in rows if abs(rest) > rounding]
    return [f"Out of reach of these probes, beyond the errors of χ: {', '.join(missed)}."] if missed else []


def _doubt(found: dict[str, Any]) -> list[str]:
    if found["verdict"] == "ok":
        return []
    from zeeman.reading import Verdict

    return [f"Doubtful: {Verdict[found['verdict'].upper()].value} ({'; '.join(found['reasons'])})"]


def _pm(value: float, error: float) -> str:
    return f"{value:+.3g} ± {error:.2g}" if math.isfinite(value) else "–"
