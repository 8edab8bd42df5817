"""The dictionary and what was matched against it as one plain document, for the console."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.programs.dictionary import Entry, entries
from zeeman.programs.dictionary_match import match
from zeeman.programs.measured_singularity import Measured, measured_fields

MOST_DEFORMATIONS = 40
"""That are listed of an entry; of programs there can be hundreds."""
LIKELY = 0.005


def dictionary_document(matches: Iterable[dict[str, Any]] = (), likely: bool = False) -> dict[str, Any]:
    """Lay out the dictionary, and matches as `match_document` gives them.

    Parameters
    ----------
    matches : iterable of dict
    likely : bool
        Keep those entries alone that have a half percent of a match, so that a report stays small.

    Returns
    -------
    dict
        ``matches`` and ``entries``; ``total``, the number of entries there are.
    """
    matched, every = list(matches), entries()
    named = {name for one in matched for rival in one.get("rivals", ()) for name in rival["names"]}
    return {
        "total": len(every),
        "entries": [_entry(one) for one in every if not likely or one.name in named],
        "matches": matched,
    }


def match_document(what: str, measured: Measured) -> dict[str, Any]:
    """What was measured, and the rivals that have a half percent of the match."""
    found = match(measured).document()
    rivals = [one for one in found["rivals"] if one["probability"] >= LIKELY]
    return {"what": what, "measured": measured.told(), **found, "rivals": rivals}


def printed_document(what: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Match what ``zeeman density`` or ``zeeman germ`` printed; what is not to be trusted comes with the reason alone.

    Examples
    --------
    >>> printed_document("mine", {"classes": [], "verdict": "diverged", "reasons": ["a chain exploded"]})["sentence"]
    'Not matched: expected a reading to be trusted, got the verdict diverged: a chain exploded.'
    """
    if "step" in content:
        how = content["provenance"]
        where = f"{how['dimension']} directions, {how['along']}, {how['component']}"
        what = f"{what}: the germ at step {content['step']} ({where})"
    try:
        return match_document(what, Measured(**measured_fields(content)))
    except ZeemanError as error:
        return {"what": what, "sentence": f"Not matched: {error}"}


def _entry(one: Entry) -> dict[str, Any]:
    keys = ("rlct", "multiplicity", "ade", "milnor_number", "weights", "central_charge")
    return {
        "name": one.name, "kind": one.kind, "story": one.story, "source": one.source, "dimension": one.dimension,
        "is_loss": one.is_loss, "certificate": one.certificate, **{key: one.invariants[key] for key in keys},
        "deformations": [d.document() for d in one.deformations[:MOST_DEFORMATIONS]],
        "deformations_in_all": len(one.deformations), "neighbours": list(one.neighbours), "measured": one.measured,
    }  # fmt: skip
