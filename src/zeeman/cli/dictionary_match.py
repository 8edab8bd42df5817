"""``zeeman dictionary match`` and ``page``: which entries a measured singularity speaks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from zeeman.cli.app import Json, print_json, print_table
from zeeman.cli.dictionary import dictionary_app
from zeeman.errors import ZeemanError

if TYPE_CHECKING:
    from zeeman.programs import Measured, Posterior


@Parameter(name="*")
@dataclass(frozen=True)
class Readings:
    """What was measured of a singularity.

    Parameters
    ----------
    llc
        Measured λ; without --hessian-rank less 1/2 for each direction in which the loss is a plain square.
    error
        Its standard error.
    multiplicity
        m, where it is certain.
    hessian_rank
        Number of directions in which the loss is a plain square.
    weights
        Exponents α of the flattest directions, Var(u) ~ nβ^(−2α), each with its error: 0.25:0.01,0.5:0.01.
    dimension
        Weights of what was measured.
    from_
        What zeeman density K --json or zeeman germ STORE --json printed; options given here come before it.
    """

    llc: float | None = None
    error: float | None = None
    multiplicity: int | None = None
    hessian_rank: int | None = None
    weights: str | None = None
    dimension: int | None = None
    from_: Annotated[tuple[Path, ...], Parameter(name="--from", negative=(), consume_multiple=True)] = ()

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self != Readings()

    def measured(self) -> Measured:
        """Put the options over what the files say."""
        from zeeman.programs import Measured, measured_fields
        from zeeman.programs.measured_singularity import read_json

        found: dict[str, Any] = {}
        for path in self.from_:
            found |= measured_fields(read_json(path))
        value, error = found.get("llc", (None, None))
        value, error = (value if self.llc is None else self.llc), (error if self.error is None else self.error)
        if (value is None) != (error is None):
            raise ZeemanError("expected --llc and --error together, got one of them.")
        told = {
            "llc": None if value is None else (value, error),
            "multiplicity": self.multiplicity,
            "hessian_rank": self.hessian_rank,
            "weights": None if self.weights is None else _pairs(self.weights),
            "dimension": self.dimension,
        }
        return Measured(**found | {key: one for key, one in told.items() if one is not None})


@dictionary_app.command
def match(*, readings: Readings = Readings(), json: Json = False) -> None:
    """Say which entries a measured singularity speaks for, or that none does."""
    from zeeman.programs import match as weigh

    measured = readings.measured()
    found = weigh(measured)
    if json:
        print_json({"measured": measured.told(), **found.document()})
    else:
        print("; ".join(measured.told()))
        _tell_match(found)


def _tell_match(found: Posterior) -> None:
    likely = [r for r in found.rivals if r.probability >= 0.005]
    kinds = list(likely[0].evidence) if likely else []
    rows = [
        [
            "; ".join(r.names), str(r.rlct or "–"), str(r.multiplicity or "–"),
            *(f"{r.evidence[kind]:+.1f}" for kind in kinds), f"{r.probability:.3f}",
        ]
        for r in likely
    ]  # fmt: skip
    where = f" (λ anywhere from {found.span[0]:g} to {found.span[1]:g})" if found.span else ""
    rows.append([f"none of these{where}", "–", "–", *("0" for _ in kinds), f"{found.none:.3f}"])
    heads = [f"{kind}, nats" for kind in kinds]
    print_table(("entries", "λ", "m", *heads, "probability"), rows, right=range(3, 4 + len(kinds)))
    if any(len(r.names) > 1 for r in likely):
        print("These readings cannot tell apart entries on one line.")


@dictionary_app.command
def page(*, readings: Readings = Readings(), out: Path) -> None:
    """Write the dictionary as a page to search and sort, with what was measured beside it.

    Parameters
    ----------
    out
        File to write.
    """
    from zeeman.console import write_report
    from zeeman.programs.dictionary_document import dictionary_document, match_document

    matches = [match_document("What was measured", readings.measured())] if readings.given else []
    found = dictionary_document(matches)
    headline = [f"{found['total']} germs, networks and programs, each with its exact learning coefficient."]
    content = {"title": "The dictionary of singularities", "headline": headline, "dictionary": found}
    print(write_report(content, out))


def _pairs(text: str) -> tuple[tuple[float, float], ...]:
    try:
        pairs = [tuple(map(float, one.split(":"))) for one in text.split(",")]
        return tuple((value, error) for value, error in pairs)
    except ValueError:
        raise ZeemanError(f"expected --weights as 0.25:0.01,0.5:0.01, got {text}.") from None
