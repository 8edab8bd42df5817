"""Bare potentials: polynomials K ≥ 0, and squares f² of germs f."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch

from zeeman.programs.case import Case

TRUTH = Path(__file__).parent / "truth" / "potentials.json"


@dataclass(frozen=True)
class Polynomial:
    """A polynomial written in Python, of our own data: batched over points of shape (batch, d)."""

    expression: str
    variables: tuple[str, ...]

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        named = dict(zip(self.variables, points.unbind(-1), strict=True))
        value: torch.Tensor = eval(self.expression, {"__builtins__": {}}, named)
        return value


def cases() -> list[Case]:
    """15 potentials K with the pole of ∫K^z, and 22 germs f as K = f², where λ(f²) = rlct(f)/2 and m stays."""
    return [_case(entry) for entry in json.loads(TRUTH.read_text())]


def _case(entry: dict[str, object]) -> Case:
    variables = tuple(str(v) for v in entry["variables"])  # type: ignore[attr-defined]
    germ = entry["kind"] == "germ"
    expression = f"({entry['polynomial']})**2" if germ else str(entry["polynomial"])
    return Case(
        name=f"{entry['id']} squared" if germ else str(entry["id"]),
        family="squared germ" if germ else "potential",
        energy=Polynomial(expression, variables),
        center=torch.zeros(len(variables), dtype=torch.float64),
        llc=Fraction(str(entry["rlct"])) / (2 if germ else 1),
        multiplicity=int(str(entry["multiplicity"])),
        domain=1.0,
        localization=0.0,
        source=str(entry["how"]),
        expression=expression,
        variables=variables,
    )
