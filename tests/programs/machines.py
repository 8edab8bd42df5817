"""The known answers, as machines and automata, and machines at random."""

import itertools
import json
from pathlib import Path

from hypothesis import strategies as st

from zeeman.programs import Automaton, Machine, TuringProgram

TRUTH = json.loads((Path(__file__).parent / "truth.json").read_text())
TURING = [entry for entry in TRUTH if entry["kind"] == "turing"]


def words(letters, shortest, longest):
    return [word for n in range(shortest, longest + 1) for word in itertools.product(letters, repeat=n)]


def program(entry):
    if entry["kind"] == "turing":
        return TuringProgram(Machine.read(entry))
    voted = entry["kind"] == "voted_dfa"
    copies = int(entry["id"].rpartition("_r")[2]) if voted else 1
    inputs = words(entry["alphabet"], 2 if voted else 1, 4)
    states = entry["states"]
    return Automaton.build(states, entry["alphabet"], states[0], entry["code"], inputs, copies)


@st.composite
def any_machine(draw, max_steps=3):
    states, alphabet = "pqr"[: draw(st.integers(1, 3))], "_AB"[: draw(st.integers(1, 3))]
    lines = [(a, q, draw(st.sampled_from(alphabet)), draw(st.sampled_from(states)), draw(st.sampled_from("LSR")))
             for a in alphabet for q in states]  # fmt: skip
    lines = draw(st.permutations(lines))
    inputs = draw(st.lists(st.text(alphabet, max_size=3), min_size=1, max_size=3))
    steps, relaxation = draw(st.integers(1, max_steps)), draw(st.sampled_from(["joint", "naive"]))
    return Machine.build(states, alphabet, "_", "p", lines, inputs, steps, relaxation)
