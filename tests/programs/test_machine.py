"""What machines and automata refuse, each in a sentence that names the field, and what catalogued ones answer."""

import itertools
import re

import pytest

from programs.machines import TURING
from zeeman.errors import ZeemanError
from zeeman.programs import Automaton, Machine, TuringProgram, catalogue

GOOD = {
    "states": ["r", "a"], "alphabet": ["A", "B"], "blank": "B", "start": "r",
    "code": [list(line) for line in ("ArAaS", "BrBrS", "AaAaS", "BaBaS")],
    "inputs": ["A", "B"], "steps": 2, "relaxation": "joint",
}  # fmt: skip
CODE = GOOD["code"]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("code", CODE[:3], "no line for 'B' read in state 'a'"),
        ("code", [*CODE, CODE[0]], "two lines for 'A' read in state 'r'"),
        ("code", [*CODE[:3], ["B", "a", "C", "a", "S"]], "write must be one of A, B, got 'C'"),
        ("code", [*CODE[:3], ["B", "a", "B", "halt", "S"]], "next state must be one of r, a, got 'halt'"),
        ("code", [*CODE[:3], ["B", "a", "B", "a", "U"]], "move must be one of L, S, R, got 'U'"),
        ("code", [*CODE[:3], ["B", "a", "B", "a"]], "line of code must be"),
        ("code", [*CODE[:3], 5], "each entry of code"),
        ("code", "ArAaS", "code must be a list"),
        ("inputs", ["A", "AC"], "inputs: 'AC' has 'C', which is not in the alphabet"),
        ("inputs", [], "at least one word"),
        ("inputs", [3], "each entry of inputs"),
        ("blank", "_", "blank must be one of A, B, got '_'"),
        ("start", "q0", "start must be one of r, a, got 'q0'"),
        ("relaxation", "smooth", "relaxation must be one of joint, naive, got 'smooth'"),
        ("steps", 0, "steps must be a whole number of at least 1, got 0"),
        ("steps", 2.5, "steps must be a whole number"),
        ("steps", "2", "steps must be a whole number"),
        ("states", ["r", "r"], "'r' is there twice"),
        ("states", [], "states must be names"),
        ("alphabet", ["A", 1], "alphabet must be names"),
        ("tape", 2, "2 steps lead beyond the tape"),
        ("tape", 0, "tape must be a whole number"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(field, value, told):
    with pytest.raises(ZeemanError, match=re.escape(told)) as error:
        Machine.read(GOOD | {field: value})
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("field", GOOD)
def test_missing_fields_are_named(field):
    with pytest.raises(ZeemanError, match=f"no field {field};"):
        Machine.read({name: value for name, value in GOOD.items() if name != field})


def test_other_fields_are_passed_over():
    assert Machine.read(GOOD | {"id": 7, "comment": None}) == Machine.read(GOOD)


def test_words_beyond_the_tape_are_refused():
    with pytest.raises(ZeemanError, match="longer than the tape of 3 squares"):
        Machine.read(GOOD | {"inputs": ["AAAA"], "tape": 3})


def test_more_steps_than_errors_can_be_followed_for_are_refused():
    with pytest.raises(ZeemanError, match="at most 64 steps, got 100000"):
        TuringProgram(Machine.read(GOOD | {"steps": 100_000}))


@pytest.mark.parametrize("copies", [0, 2, 3])
def test_automata_vote_with_odd_copies_of_two_states(copies):
    code = [(a, q, q) for a in "AB" for q in "012"]
    with pytest.raises(ZeemanError, match="copies must be"):
        Automaton.build("012", "AB", "0", code, ["A"], copies)


def test_dimension_is_that_of_the_tables():
    for entry in TURING:
        machine = Machine.read(entry)
        assert machine.dimension == len(machine.coordinates) == entry["dims"]


def words(letters, length):
    return list(itertools.product(letters, repeat=length))


def test_catalogued_machines_compute_their_functions():
    for word in words("AB", 3):
        assert catalogue.latch([word], 3).run(word) == ("a" if word[0] == "A" else "r")
        assert catalogue.refresh([word], 3).run(word) == ("a" if word[0] == "A" else "r")
        assert catalogue.detect_a([word], 3).run(word) == ("a" if "A" in word else "r")
        for machine in (catalogue.parity, catalogue.parity_by_writing):
            assert machine([word], 4).run(word) == "eo"[word.count("A") % 2]
    for word in words("01", 3):
        carries = int("".join(word[::-1]), 2) == 7
        assert catalogue.increment([word], 4).run(word) == ("o" if carries else "d")
    assert catalogue.busy_beaver(5).run(()) != "h"
    assert catalogue.busy_beaver(6).run(()) == "h"


@pytest.mark.parametrize("length", [2, 4, 6])
def test_brackets_are_checked(length):
    for word in words("()", length):
        text = "".join(word)
        shallow, rest = text.replace("()", "") == "", text
        while "()" in rest:
            rest = rest.replace("()", "")
        assert catalogue.brackets([text], 60).run(text) == ("y" if not rest else "n")
        assert catalogue.shallow_brackets([text], length + 1).run(text) == ("y" if shallow else "n")
