"""Runs of a program in any ring: the probability z_x that the answer to each input is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from zeeman.errors import ZeemanError
from zeeman.programs.machine import Machine, Tape
from zeeman.programs.rings import Ring

T = TypeVar("T")
Laws = list[tuple[list[T], ...]]
HOLE = -1  # a square whose new letter is not drawn yet
MOST_STEPS = 64
"""Runs with errors multiply at each step, and beyond this they take hours."""


class Program(Protocol):
    """What can be run with errors."""

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Name of each wrong entry of a table."""
        ...

    @property
    def width(self) -> int:
        """Bits that hold the largest exponent that a run can make, and one more."""
        ...

    def failures(self, ring: Ring[T]) -> list[T]:
        """z_x for each of the inputs that can be told apart."""
        ...


def laws(machine: Machine, ring: Ring[T]) -> Laws[T]:
    """Give for each line of the code the probabilities of each letter, each state and each move."""
    found, first = [], 0
    for rights, sizes in machine.outcomes:
        line = []
        for right, size in zip(rights, sizes, strict=True):
            wrong = list(range(first, first + size - 1))
            law = [ring.wrong(k) for k in wrong]
            law.insert(right, ring.right(wrong))
            line.append(law)
            first += size - 1
        found.append(tuple(line))
    return found


class Joint(Generic[T]):
    """The exact Markov chain on (tape, head, state), with fresh errors at each step.

    A step moves first, then writes what is still within reach, then changes the state: so runs meet again soonest.
    """

    def __init__(self, machine: Machine, ring: Ring[T]) -> None:
        self.machine, self.ring = machine, ring
        self.rows, self.laws = machine.rows, laws(machine, ring)

    def failure(self, word: Sequence[str]) -> T:
        """Probability that the run on a word ends in a wrong state."""
        answer = self.machine.states.index(self.machine.run(word))
        masses = {(self.machine.window(word), self.machine.states.index(self.machine.start)): self.ring.one}
        for _ in range(self.machine.steps - 1):
            for branch in (self._move, self._write, self._change):
                masses = self._spread(masses, branch)
        masses = self._spread(masses, self._change_at_last)
        return self.ring.add(mass for (_, state), mass in masses.items() if state != answer)

    def _spread(self, masses: dict[Any, T], branch: Callable[[Any], Iterable[tuple[Any, T]]]) -> dict[Any, T]:
        flows: dict[Any, list[T]] = {}
        for place, mass in masses.items():
            for following, chance in branch(place):
                if chance != self.ring.zero:
                    flows.setdefault(following, []).append(self.ring.multiply(mass, chance))
        sums = ((place, self.ring.add(flow)) for place, flow in flows.items())
        return {place: mass for place, mass in sums if mass != self.ring.zero}

    def _move(self, place: tuple[Tape, int]) -> Iterator[tuple[tuple[Tape, int], T]]:
        tape, state = place
        middle = len(tape) // 2
        row = self.rows[tape[middle], state]
        written = (*tape[:middle], HOLE, *tape[middle + 1 :])
        for move, chance in enumerate(self.laws[row][2]):
            yield (written[move : len(tape) - 2 + move], row), chance

    def _write(self, place: tuple[Tape, int]) -> Iterator[tuple[tuple[Tape, int], T]]:
        tape, row = place
        if HOLE not in tape:
            yield place, self.ring.one
            return
        at = tape.index(HOLE)
        for letter, chance in enumerate(self.laws[row][0]):
            yield ((*tape[:at], letter, *tape[at + 1 :]), row), chance

    def _change(self, place: tuple[Tape, int]) -> Iterator[tuple[tuple[Tape, int], T]]:
        tape, row = place
        for state, chance in enumerate(self.laws[row][1]):
            yield (tape, state), chance

    def _change_at_last(self, place: tuple[Tape, int]) -> Iterator[tuple[tuple[Tape, int], T]]:
        (letter,), state = place
        return self._change(((), self.rows[letter, state]))


class Naive(Generic[T]):
    """Independent laws of each square, of the state and of the move; where several lines match, the last one wins.

    With Y the law of the square under the head and X that of the state, line i matches with λ_i = Y(s_i) X(q_i) and
    wins with μ_i = λ_i ∏_{j>i} (1 − λ_j); with ∏_j (1 − λ_j) none does, and all stays. 1 − λ = (1 − Y) + Y (1 − X),
    so that nothing is subtracted.
    """

    def __init__(self, machine: Machine, ring: Ring[T]) -> None:
        self.machine, self.ring = machine, ring
        self.lines, self.laws = list(machine.rows), laws(machine, ring)

    def failure(self, word: Sequence[str]) -> T:
        """Probability that the run on a word ends in a wrong state."""
        machine, ring = self.machine, self.ring
        answer = machine.states.index(machine.run(word))
        cells = [self._sure(letter, len(machine.alphabet)) for letter in machine.window(word)]
        state = self._sure(machine.states.index(machine.start), len(machine.states))
        for _ in range(machine.steps - 1):
            head = cells[len(cells) // 2]
            wins, none = self._wins(head, state)
            written, after, move = (self._mean(wins, table) for table in range(3))
            written = self._with(written, none, head)
            cells = self._shifted(cells, written, self._with(move, none, self._sure(1, 3)))
            state = self._with(after, none, state)
        wins, none = self._wins(cells[0], state)
        ends = self._with(self._mean(wins, 1), none, state)
        return ring.add(end for which, end in enumerate(ends) if which != answer)

    def _sure(self, which: int, size: int) -> list[T]:
        return [self.ring.one if k == which else self.ring.zero for k in range(size)]

    def _wins(self, head: list[T], state: list[T]) -> tuple[list[T], T]:
        """Probability that each line is the last to match, and that none does."""
        add, multiply = self.ring.add, self.ring.multiply
        not_read = [add(p for k, p in enumerate(head) if k != letter) for letter in range(len(head))]
        not_in = [add(p for k, p in enumerate(state) if k != which) for which in range(len(state))]
        wins, none = [], self.ring.one
        for letter, which in reversed(self.lines):
            wins.append(multiply(multiply(head[letter], state[which]), none))
            none = multiply(none, add([not_read[letter], multiply(head[letter], not_in[which])]))
        return wins[::-1], none

    def _mean(self, wins: list[T], table: int) -> list[T]:
        """Law of what a table gives, without the case that no line matches."""
        chances = zip(*(line[table] for line in self.laws), strict=True)
        return [self.ring.add(map(self.ring.multiply, wins, each)) for each in chances]

    def _with(self, law: list[T], none: T, old: list[T]) -> list[T]:
        return [self.ring.add([new, self.ring.multiply(none, kept)]) for new, kept in zip(law, old, strict=True)]

    def _shifted(self, cells: list[list[T]], written: list[T], move: list[T]) -> list[list[T]]:
        """Laws of the squares that can still be read after writing and moving."""
        middle = len(cells) // 2
        tape = [*cells[:middle], written, *cells[middle + 1 :]]
        return [
            [self.ring.add(map(self.ring.multiply, move, each)) for each in zip(*tape[at : at + 3], strict=True)]
            for at in range(len(tape) - 2)
        ]


class TuringProgram:
    """A machine as a program of wrong entries.

    Parameters
    ----------
    machine : Machine

    Raises
    ------
    ZeemanError
        For more steps than runs with errors can be followed.
    """

    def __init__(self, machine: Machine) -> None:
        if machine.steps > MOST_STEPS:
            told = f"at most {MOST_STEPS} steps, got {machine.steps}"
            raise ZeemanError(f"runs with errors can be followed for {told}; ask for the answer after fewer steps.")
        self.machine = machine

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Name of each wrong entry of a table."""
        return self.machine.coordinates

    @property
    def width(self) -> int:
        """Bits of an exponent."""
        if self.machine.relaxation == "joint":
            return (3 * self.machine.steps + 1).bit_length() + 1
        # A step multiplies at most the laws of the square, of the state, of a move and what each line says of these.
        largest: int = (2 * len(self.machine.code) + 4) ** self.machine.steps
        return largest.bit_length() + 1

    def failures(self, ring: Ring[T]) -> list[T]:
        """z_x for each of the inputs that can be told apart."""
        run = (Joint if self.machine.relaxation == "joint" else Naive)(self.machine, ring)
        return [run.failure(word) for word in self.machine.distinct]
