"""Noisy Turing machines and automata: codes whose tables err with small probabilities ε ≥ 0.

Two conventions, which give different λ: K = −mean_x log(1 − z_x) at the corner ε ≥ 0, reflected to all signs, and
K = Σ_x z_x² on a full neighbourhood of ε = 0.
"""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from zeeman.programs.automaton import Automaton
from zeeman.programs.case import Case
from zeeman.programs.machine import Machine
from zeeman.programs.noisy import Corner, NoisyProgram, OpenSquares

TRUTH = Path(__file__).parent / "truth" / "machines.json"


def machine(entry: dict[str, Any]) -> NoisyProgram:
    """Build what an entry of the truth file describes."""
    if entry["relaxation"] != "automaton":
        return NoisyProgram(Machine.read(entry))
    letters, states = entry["alphabet"], entry["states"]
    shortest, longest = entry["lengths"]
    words = [word for n in range(shortest, longest + 1) for word in itertools.product(letters, repeat=n)]
    return NoisyProgram(Automaton.build(states, letters, states[0], entry["code"], words, entry["copies"]))


def cases() -> list[Case]:
    """Every machine at its corner, and the Turing machines on an open neighbourhood."""
    found = []
    for entry in json.loads(TRUTH.read_text()):
        built = machine(entry)
        center = torch.zeros(built.dimension, dtype=torch.float64)
        corner, m = Fraction(entry["llc_corner"]), entry["multiplicity_corner"]
        how = "Newton polyhedron of the error syndromes"
        found.append(Case(f"{entry['id']} corner", "machine", Corner(built), center, corner, m, 0.25, 0.0, how))
        if "llc_open" in entry:
            free, m, how = Fraction(entry["llc_open"]), entry["multiplicity_open"], entry["how_open"]
            found.append(
                Case(f"{entry['id']} open", "machine, open", OpenSquares(built), center, free, m, 0.25, 0.0, how)
            )
    return found
