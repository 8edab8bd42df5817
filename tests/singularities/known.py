"""Germs and ideals whose invariants were computed by Singular and Macaulay2, and by hand formulas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sympy import QQ, ring
from sympy.parsing.sympy_parser import parse_expr
from sympy.polys.rings import PolyElement

ENTRIES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "known_jets.json").read_text())


def polynomials(names: list[str], texts: list[str]) -> list[PolyElement]:
    """Read polynomials over QQ in the given variables."""
    domain, *_gens = ring(names, QQ)
    symbols = dict(zip(names, domain.symbols, strict=True))
    return [domain.from_expr(parse_expr(text, local_dict=symbols).expand()) for text in texts]


def germ(entry: dict[str, Any]) -> PolyElement:
    """The polynomial of an entry."""
    return polynomials(entry["vars"], [entry["polynomial"]])[0]


def ideal(entry: dict[str, Any]) -> list[PolyElement]:
    """The ideal of an entry: its own, or that of its polynomial."""
    return polynomials(entry["vars"], entry.get("ideal", [entry["polynomial"]]))
