"""``zeeman dictionary``: germs, networks and programs as singularities, and what a measured λ speaks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyclopts import App

from zeeman.cli.app import Json, app, print_json, print_table
from zeeman.errors import ZeemanError

if TYPE_CHECKING:
    from zeeman.programs.dictionary import Entry

dictionary_app = App(name="dictionary", help="Look singularities up: of germs, networks and programs.")
app.command(dictionary_app)


@dictionary_app.command(name="list")
def list_(*, kind: str | None = None, json: Json = False) -> None:
    """List the entries with λ and m, and λ̂ of those that were sampled.

    Parameters
    ----------
    kind
        germ, network or program.
    """
    from zeeman.programs.dictionary import entries

    _tell(entries(kind), json)


@dictionary_app.command
def show(name: str, /, *, json: Json = False) -> None:
    """Show all that is known of an entry, with how it is proved."""
    from zeeman.programs.dictionary import find

    found = find(name).document()
    if json:
        print_json(found)
        return
    long = ("name", "deformations")
    said = found | {"measured": _measured(found["measured"])}
    print_table((name, ""), [(key, "–" if v in (None, []) else str(v)) for key, v in said.items() if key not in long])
    rows = [[d["what"], d["y"] or "–", d["crossover_exponent"] or "–"] for d in found["deformations"]]
    if rows:
        print_table(("deformation", "y", "crossover exponent"), rows[:40])
    if len(rows) > 40:
        print(f"… and {len(rows) - 40} more, with --json.")


@dictionary_app.command
def search(
    *,
    rlct: str | None = None,
    multiplicity: int | None = None,
    milnor_number: int | None = None,
    ade: str | None = None,
    central_charge: str | None = None,
    kind: str | None = None,
    json: Json = False,
) -> None:
    """Find entries by their exact invariants, such as --rlct 3/4 --multiplicity 1."""
    from zeeman.programs.dictionary import search as look

    asked = {"rlct": rlct, "multiplicity": multiplicity, "milnor_number": milnor_number, "ade": ade,
             "central_charge": central_charge, "kind": kind}  # fmt: skip
    wanted = {key: value for key, value in asked.items() if value is not None}
    if not wanted:
        raise ZeemanError("expected an invariant to search by, such as --rlct 3/4, got none.")
    _tell(look(**wanted), json)


def _tell(found: list[Entry], json: bool) -> None:
    if json:
        print_json({"entries": [one.document() for one in found]})
        return
    rows = [
        [e.name, e.kind, "not decided" if e.rlct is None else str(e.rlct), str(e.multiplicity or "–"),
         _read(e.measured), e.story]
        for e in found
    ]  # fmt: skip
    print_table(("name", "kind", "λ", "m", "λ̂", "what it is"), rows)


def _read(measured: dict[str, Any] | None) -> str:
    """λ̂ ± error in short, with what was sampled where that is not K, and the verdict where it is not ok."""
    if measured is None:
        return "–"
    what = "f²: " if measured["convention"] == "f^2" else ""
    value = "–" if measured["llc"] is None else f"{measured['llc']:.3f} ± {measured['standard_error']:.1g}"
    return what + value + ("" if measured["verdict"] == "ok" else f" ({measured['verdict']})")


def _measured(measured: dict[str, Any] | None) -> str | None:
    """All that a line can say of a reading."""
    if measured is None or measured["llc"] is None:
        return None if measured is None else f"no value ({measured['verdict']})"
    what = "of f², " if measured["convention"] == "f^2" else ""
    read = f"{what}λ̂ {measured['llc']:.4f} ± {measured['standard_error']:.1g} ({measured['verdict']})"
    m = f"m {measured['multiplicity']} ({measured['multiplicity_probability']:.0%})"
    return f"{read}, {m}, z {measured['z']:+.1f} against {measured['exact']}"
