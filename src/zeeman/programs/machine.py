"""Turing machines: states, alphabet, code, and what they are asked to do in so many steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from zeeman.errors import ZeemanError
from zeeman.programs.checks import check_code, check_count, check_member, check_names, check_words, short, spelled

Relaxation = Literal["joint", "naive"]
Line = tuple[str, str, str, str, str]
Tape = tuple[int, ...]
MOVES = ("L", "S", "R")
FIELDS = ("states", "alphabet", "blank", "start", "code", "inputs", "steps", "relaxation")


@dataclass(frozen=True)
class Machine:
    """A Turing machine, the inputs that it is run on, and the steps after which its state is its answer.

    The head starts on the first letter of an input; all other squares are blank, without end on either side.

    Parameters
    ----------
    states, alphabet : tuple of str
    blank, start : str
        A letter of the alphabet, and the first state.
    code : tuple of (read, state, write, next state, move)
        One line for each letter and state; a move is L, S or R. In the naive relaxation the last line that matches
        wins, so its order counts.
    inputs : tuple of tuple of str
        Words; one that comes twice counts twice.
    steps : int
    relaxation : "joint" or "naive"
        How errors enter (`NoisyMachine`).
    tape : int or None
        Squares of the tape, where there is an end to them: the squares that the head can come to read.

    Raises
    ------
    ZeemanError
        Where a field is not of this kind, the code leaves a transition out or gives it twice, or the steps lead
        beyond the tape.

    Examples
    --------
    >>> latch = Machine.build("ra", "AB", "B", "r", ["ArAaS", "BrBrS", "AaAaS", "BaBaS"], ["A", "B"], steps=2)
    >>> latch.dimension, latch.run(("A",)), latch.run(("B",))
    (16, 'a', 'r')
    """

    states: tuple[str, ...]
    alphabet: tuple[str, ...]
    blank: str
    start: str
    code: tuple[Line, ...]
    inputs: tuple[tuple[str, ...], ...]
    steps: int
    relaxation: Relaxation = "joint"
    tape: int | None = None

    @classmethod
    def build(
        cls,
        states: Iterable[str],
        alphabet: Iterable[str],
        blank: str,
        start: str,
        code: Iterable[Sequence[str]],
        inputs: Iterable[Sequence[str]],
        steps: int,
        relaxation: Relaxation = "joint",
        tape: int | None = None,
    ) -> Machine:
        """Build a machine from any sequences; a word may be a string whose characters are letters."""
        lines: Any = tuple(tuple(line) for line in code)
        words = tuple(tuple(word) for word in inputs)
        return cls(tuple(states), tuple(alphabet), blank, start, lines, words, steps, relaxation, tape)

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Machine:
        """Build a machine from the fields of a JSON object; fields of other names are passed over."""
        if not isinstance(content, Mapping):
            raise ZeemanError(f"expected a JSON object with the fields {', '.join(FIELDS)}, got {short(content)}.")
        missing = [name for name in FIELDS if name not in content]
        if missing:
            raise ZeemanError(f"the machine has no field {missing[0]}; give all of {', '.join(FIELDS)}.")
        for name in ("states", "alphabet", "code", "inputs"):
            if not isinstance(content[name], list | tuple):
                raise ZeemanError(f"{name} must be a list, got {short(content[name])}.")
        for name, each in (("code", list | tuple), ("inputs", str | list | tuple)):
            odd = [entry for entry in content[name] if not isinstance(entry, each)]
            if odd:
                kind = "[read, state, write, next state, move]" if name == "code" else "a word"
                raise ZeemanError(f"each entry of {name} must be {kind}, got {short(odd[0])}.")
        return cls.build(**{name: content[name] for name in FIELDS}, tape=content.get("tape"))

    def __post_init__(self) -> None:
        check_names("states", self.states)
        check_names("alphabet", self.alphabet)
        check_member("blank", self.blank, self.alphabet)
        check_member("start", self.start, self.states)
        columns = {"read": self.alphabet, "state": self.states, "write": self.alphabet, "next state": self.states}
        check_code(self.code, columns | {"move": MOVES})
        check_member("relaxation", self.relaxation, get_args(Relaxation))
        check_count("steps", self.steps)
        check_words(self.inputs, self.alphabet)
        if self.tape is not None:
            self._check_tape(self.tape)

    def _check_tape(self, tape: int) -> None:
        check_count("tape", tape)
        long = [word for word in self.inputs if len(word) > tape]
        if long:
            raise ZeemanError(f"inputs: {spelled(long[0])} is longer than the tape of {tape} squares.")
        if tape < self.reach:
            told = f"errors can bring the head to {self.reach} squares, and tape is {tape}"
            steps = (tape + 1) // 2
            raise ZeemanError(f"{self.steps} steps lead beyond the tape: {told}; give a longer one or {steps} steps.")

    @property
    def reach(self) -> int:
        """Squares that the head can come to read: as many to its left as to its right."""
        return 2 * self.steps - 1

    @property
    def dimension(self) -> int:
        """Wrong entries of all tables, |S||Q|(|S| + |Q|)."""
        return len(self.code) * (len(self.alphabet) + len(self.states))

    @property
    def rows(self) -> dict[tuple[int, int], int]:
        """Line of the code for a letter and a state, all by number."""
        return {(self.alphabet.index(a), self.states.index(q)): i for i, (a, q, *_) in enumerate(self.code)}

    @property
    def outcomes(self) -> list[tuple[tuple[int, int, int], tuple[int, int, int]]]:
        """For each line the right letter, state and move, and the number of each that there are."""
        names = (self.alphabet, self.states, MOVES)
        sizes = (len(self.alphabet), len(self.states), len(MOVES))
        found = []
        for line in self.code:
            letter, state, move = (names[k].index(line[2 + k]) for k in range(3))
            found.append(((letter, state, move), sizes))
        return found

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Name of each wrong entry: read|state|table|outcome; tables are w (write), q (next state) and d (move)."""
        tables = (("w", self.alphabet), ("q", self.states), ("d", MOVES))
        return tuple(
            f"{line[0]}|{line[1]}|{table}|{outcome}"
            for line in self.code
            for k, (table, outcomes) in enumerate(tables)
            for outcome in outcomes
            if outcome != line[2 + k]
        )

    def window(self, word: Sequence[str]) -> Tape:
        """Letters, by number, of the squares that the head can come to read, with the head in the middle."""
        blank = self.alphabet.index(self.blank)
        ahead = [self.alphabet.index(letter) for letter in word[: self.steps]]
        return (*[blank] * (self.steps - 1), *ahead, *[blank] * (self.steps - len(ahead)))

    def run(self, word: Sequence[str]) -> str:
        """State after a run without errors."""
        rows, outcomes = self.rows, self.outcomes
        tape, state, head = list(self.window(word)), self.states.index(self.start), self.steps - 1
        for _ in range(self.steps):
            (tape[head], state, move), _sizes = outcomes[rows[tape[head], state]]
            head += move - 1
        return self.states[state]

    @property
    def distinct(self) -> tuple[tuple[str, ...], ...]:
        """One word for each tape that the machine can tell apart within its steps."""
        return tuple({self.window(word): word for word in reversed(self.inputs)}.values())[::-1]
