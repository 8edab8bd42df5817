"""``zeeman dictionary``: germs, networks and programs as singularities, and what a measured λ speaks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from zeeman.cli.app import Json, app, print_json, print_table
from zeeman.errors import ZeemanError

if TYPE_CHECKING:
    from zeeman.programs.dictionary import Entry

dictionary_app = App(name="dictionary", help="Look singularities up: of germs, networks and programs.")
app.command(dictionary_app)


@dictionary_app.command(name="list")
def list_(*, kind: str | None = None, json: Json = False) -> None:
    """List the entries with λ and m.

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
    print_table((name, ""), [(key, "–" if v in (None, []) else str(v)) for key, v in found.items() if key not in long])
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
        [e.name, e.kind, "not decided" if e.rlct is None else str(e.rlct), str(e.multiplicity or "–"), e.story]
        for e in found
    ]
    print_table(("name", "kind", "λ", "m", "what it is"), rows)
