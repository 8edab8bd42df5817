"""``zeeman classify``: the exact invariants of a singularity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from zeeman.cli.app import Json, app, print_json, print_table
from zeeman.errors import ZeemanError

if TYPE_CHECKING:
    from zeeman.singularities.report import Report


@app.command
def classify(
    polynomial: str | None = None,
    /,
    *,
    ideal: str | None = None,
    potential: bool = False,
    jets: Annotated[int, Parameter(help="Jets up to this order.")] = 5,
    check: bool = False,
    json: Json = False,
) -> None:
    """Say what is known exactly of a singularity at the origin: of a germ, a potential K ≥ 0, or an ideal.

    λ and m are the largest pole of ∫ |f|^z dx and its order; for an ideal, of ∫ (Σ f_i²)^{z/2} dx.

    Parameters
    ----------
    polynomial
        Such as 'x**5 + y**2', with whole powers and rational or decimal coefficients.
    ideal
        Generators with commas between, such as 'a*c, b*c', instead of a polynomial.
    potential
        The polynomial is not negative near the origin.
    check
        Ask Singular, where it is installed, for the complex invariants too.
    """
    from zeeman.singularities.polynomials import parse_germ, parse_ideal
    from zeeman.singularities.report import report
    from zeeman.singularities.singular import second_opinion

    if (polynomial is None) == (ideal is None):
        raise ZeemanError("expected a polynomial such as 'x**5 + y**2', or --ideal 'a*c, b*c', one of both.")
    target = parse_germ(polynomial) if polynomial is not None else parse_ideal(ideal or "")
    found = report(target, potential=potential, jets=jets)
    opinion = second_opinion(target) if check else None
    if json:
        print_json(found.document() | ({"check": opinion} if check else {}))
    else:
        _tell(found, opinion)


def _tell(found: Report, opinion: dict[str, Any] | None) -> None:
    document = found.document()
    names = {
        "rlct": "λ, real",
        "rlct_interval": "λ between",
        "multiplicity": "m",
        "lct": "λ, complex",
        "milnor_number": "Milnor number μ",
        "tjurina_number": "Tjurina number τ",
        "ade": "class",
        "real_form": "real form",
        "weights": "weights",
        "central_charge": "central charge c",
        "spectrum": "spectrum",
        "jets": "components of J_m",
    }
    rows = [(name, _words(key, document[key])) for key, name in names.items() if key in document]
    print_table(("of " + found.name, ""), rows)
    print("Proof: " + document["certificate"] + ".")
    if opinion is not None:
        print("Singular: " + ", ".join(f"{key} {value}" for key, value in opinion.items()) + ".")


def _words(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if key == "jets":
        return "; ".join(f"m = {m}: " + (_components(c) if c else "not decided") for m, c in value.items())
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "not decided" if value == "interval" else str(value)


def _components(components: list[list[int]]) -> str:
    return " + ".join(f"{count} of dimension {dimension}" for dimension, count in components)
