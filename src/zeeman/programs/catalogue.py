"""Programs that people understand, each with a sentence on what its code does."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from zeeman.programs.automaton import Automaton
from zeeman.programs.machine import Machine, Relaxation
from zeeman.programs.runs import Program, TuringProgram


@dataclass(frozen=True)
class Entry:
    """A program of the catalogue.

    Parameters
    ----------
    name : str
    function : str
        What it computes; programs of the same function and inputs differ in their algorithm alone.
    story : str
        How its code does it.
    source : Machine or Automaton
    """

    name: str
    function: str
    story: str
    source: Machine | Automaton

    @property
    def program(self) -> Program:
        """What `singularity` takes."""
        return TuringProgram(self.source) if isinstance(self.source, Machine) else self.source


def words(letters: str, length: int) -> list[str]:
    """All words of a length."""
    return ["".join(word) for word in itertools.product(letters, repeat=length)]


def words_up_to(letters: str, longest: int) -> list[str]:
    """All words of a length from one up to this."""
    return [word for length in range(1, longest + 1) for word in words(letters, length)]


def latch(inputs: Sequence[str] = ("A", "B"), steps: int = 2, relaxation: Relaxation = "joint") -> Machine:
    """Is the first letter A? Looks once, and keeps what it found whatever it reads later."""
    code = ["ArAaS", "BrBrS", "AaAaS", "BaBaS"]
    return Machine.build("ra", "AB", "B", "r", code, inputs, steps, relaxation)


def refresh(inputs: Sequence[str] = ("A", "B"), steps: int = 2, relaxation: Relaxation = "joint") -> Machine:
    """Is the first letter A? Looks anew at every step, and so corrects what it had found before."""
    code = ["ArAaS", "BrBrS", "AaAaS", "BaBrS"]
    return Machine.build("ra", "AB", "B", "r", code, inputs, steps, relaxation)


def detect_a(inputs: Sequence[str], steps: int, relaxation: Relaxation = "joint") -> Machine:
    """Is there an A? Walks to the right over B, and stops where it reads A or nothing."""
    code = ["_r_rS", "ArAaS", "BrBrR", "_a_aS", "AaAaS", "BaBaS"]
    return Machine.build("ra", "_AB", "_", "r", code, inputs, steps, relaxation)


def parity(inputs: Sequence[str], steps: int, relaxation: Relaxation = "joint") -> Machine:
    """Is the number of A odd? Flips its state at each A on its way to the right."""
    code = ["_e_eS", "AeAoR", "BeBeR", "_o_oS", "AoAeR", "BoBoR"]
    return Machine.build("eo", "_AB", "_", "e", code, inputs, steps, relaxation)


def parity_by_writing(inputs: Sequence[str], steps: int, relaxation: Relaxation = "joint") -> Machine:
    """Is the number of A odd? As `parity`, but blanks each letter that it has counted."""
    code = ["_e_eS", "Ae_oR", "Be_eR", "_o_oS", "Ao_eR", "Bo_oR"]
    return Machine.build("eo", "_AB", "_", "e", code, inputs, steps, relaxation)


def brackets(inputs: Sequence[str], steps: int, relaxation: Relaxation = "joint") -> Machine:
    """Do brackets match? Crosses out pairs from the inside: the first ), then the ( to its left, and so on.

    On the blank behind the input it goes back, and fails where it meets a bracket that is left.
    """
    code = [
        "_s_cL", "(s(sR", ")sxbL", "xsxsR",  # seek the first )
        "_b_nS", "(bxsR", ")b)nS", "xbxbL",  # back to the ( that it closes
        "_c_yS", "(c(nS", ")c)nS", "xcxcL",  # check that nothing is left
        "_y_yS", "(y(yS", ")y)yS", "xyxyS", "_n_nS", "(n(nS", ")n)nS", "xnxnS",
    ]  # fmt: skip
    return Machine.build("sbcyn", "_()x", "_", "s", code, inputs, steps, relaxation)


def shallow_brackets(inputs: Sequence[str], steps: int, relaxation: Relaxation = "joint") -> Machine:
    """Do brackets match, none within another? Keeps in its state whether one is open."""
    code = ["_s_yS", "(s(iR", ")s)nS", "_i_nS", "(i(nS", ")i)sR",
            "_y_yS", "(y(yS", ")y)yS", "_n_nS", "(n(nS", ")n)nS"]  # fmt: skip
    return Machine.build("siyn", "_()", "_", "s", code, inputs, steps, relaxation)


def increment(inputs: Sequence[str], steps: int, relaxation: Relaxation = "joint") -> Machine:
    """Does adding one to a binary number, lowest digit first, overflow it? Turns 1 to 0 and carries until a 0."""
    code = ["_c_oS", "0c1dS", "1c0cR", "_d_dS", "0d0dS", "1d1dS", "_o_oS", "0o0oS", "1o1oS"]
    return Machine.build("cdo", "_01", "_", "c", code, inputs, steps, relaxation)


def busy_beaver(steps: int = 6, relaxation: Relaxation = "joint") -> Machine:
    """The two-state busy beaver: from an empty tape it halts (h) at its sixth step, with four 1."""
    code = ["0a1bR", "1a1bL", "0b1aL", "1b1hR", "0h0hS", "1h1hS"]
    return Machine.build("abh", "01", "0", "a", code, [""], steps, relaxation)


def voted_parity(copies: int, inputs: Sequence[str]) -> Automaton:
    """Is the number of A odd? A finite automaton whose every step is decided by the majority of its copies."""
    return Automaton.build("eo", "AB", "e", ["Aeo", "Aoe", "Bee", "Boo"], inputs, copies)


def entries() -> list[Entry]:
    """Give the whole catalogue."""
    pairs, short = words("AB", 2), words_up_to("AB", 4)
    brace = words("()", 2)
    machines = [
        ("latch", "is the first letter A", "looks once and keeps it", latch()),
        ("latch, four steps", "is the first letter A", "looks once and keeps it for longer", latch(steps=4)),
        ("refresh", "is the first letter A", "looks anew at every step", refresh()),
        ("refresh, four steps", "is the first letter A", "looks anew four times", refresh(steps=4)),
        ("detectA", "is there an A in two letters", "walks until it meets one", detect_a(pairs, 2)),
        ("detectA, one step more", "is there an A in two letters", "has a step to spare", detect_a(pairs, 3)),
        ("parity", "is the number of A odd in two letters", "flips its state on the way", parity(pairs, 2)),
        ("parity, one step more", "is the number of A odd in two letters", "then rests on a blank", parity(pairs, 3)),
        ("parity, blanking", "is the number of A odd in two letters", "blanks what it counted",
         parity_by_writing(pairs, 3)),
        ("brackets, by state", "do two brackets match", "remembers that one is open", shallow_brackets(brace, 3)),
        ("brackets, crossed out", "do two brackets match", "crosses out pairs on the tape", brackets(brace, 8)),
        ("increment", "does x + 1 overflow two digits", "carries to the right", increment(words("01", 2), 3)),
        ("busy beaver", "halt", "four 1 in six steps", busy_beaver()),
        ("busy beaver, late", "halt", "rests for two steps after", busy_beaver(8)),
    ]  # fmt: skip
    found = [Entry(*each) for each in machines]
    found += [
        dataclasses.replace(one, name=f"{one.name} (naive)", source=dataclasses.replace(one.source, relaxation="naive"))
        for one in found
        if isinstance(one.source, Machine) and one.source.steps <= 3
    ]
    for copies in (1, 3, 5):
        story = "one table" if copies == 1 else f"{copies} tables vote at each step"
        name = "parity automaton" if copies == 1 else f"parity automaton, {copies} copies"
        found.append(Entry(name, "is the number of A odd, up to four letters", story, voted_parity(copies, short)))
    contains = Automaton.build("ra", "AB", "r", ["Ara", "Brr", "Aaa", "Baa"], short)
    last = Automaton.build("ra", "AB", "r", ["Ara", "Brr", "Aaa", "Bar"], short)
    thirds = Automaton.build("012", "AB", "0", ["A01", "A12", "A20", "B00", "B11", "B22"], short)
    found += [
        Entry("contains A", "is there an A, up to four letters", "latches at the first", contains),
        Entry("last is A", "is the last letter A, up to four letters", "forgets all but the last", last),
        Entry("count mod 3", "number of A modulo 3, up to four letters", "turns a wheel of three states", thirds),
    ]
    return found
