"""Turing machines: states, alphabet, code, and what they are asked to do in so many steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from zeeman.errors import ZeemanError

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
            raise ZeemanError(f"expected a JSON object with the fields {', '.join(FIELDS)}, got {_short(content)}.")
        missing = [name for name in FIELDS if name not in content]
        if missing:
            raise ZeemanError(f"the machine has no field {missing[0]}; give all of {', '.join(FIELDS)}.")
        for name in ("states", "alphabet", "code", "inputs"):
            if not isinstance(content[name], list | tuple):
                raise ZeemanError(f"{name} must be a list, got {_short(content[name])}.")
        for name, each in (("code", list | tuple), ("inputs", str | list | tuple)):
            odd = [entry for entry in content[name] if not isinstance(entry, each)]
            if odd:
                kind = "[read, state, write, next state, move]" if name == "code" else "a word"
                raise ZeemanError(f"each entry of {name} must be {kind}, got {_short(odd[0])}.")
        return cls.build(**{name: content[name] for name in FIELDS}, tape=content.get("tape"))

    def __post_init__(self) -> None:
        self._check_names()
        self._check_code()
        self._check_run()

    def _check_names(self) -> None:
        for field in ("states", "alphabet"):
            names = getattr(self, field)
            odd = [name for name in names if not isinstance(name, str) or not name]
            if odd or not names:
                raise ZeemanError(f"{field} must be names, at least one, got {_short(odd[0] if odd else [])}.")
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise ZeemanError(f"{field} must be different names, but {twice[0]!r} is there twice.")
        if self.blank not in self.alphabet:
            raise ZeemanError(
                f"blank must be a letter of the alphabet {_listed(self.alphabet)}, got {_short(self.blank)}."
            )
        if self.start not in self.states:
            raise ZeemanError(f"start must be one of the states {_listed(self.states)}, got {_short(self.start)}.")

    def _check_code(self) -> None:
        columns = (("read", self.alphabet), ("state", self.states), ("write", self.alphabet),
                   ("next state", self.states), ("move", MOVES))  # fmt: skip
        seen = set()
        for line in self.code:
            if len(line) != 5:
                raise ZeemanError(f"a line of code must be [read, state, write, next state, move], got {list(line)}.")
            for name, (column, allowed) in zip(line, columns, strict=True):
                if name not in allowed:
                    told = f"{column} must be one of {_listed(allowed)}, got {_short(name)}"
                    raise ZeemanError(f"code: in the line {list(line)} {told}.")
            if line[:2] in seen:
                raise ZeemanError(f"code has two lines for {line[0]!r} read in state {line[1]!r}; keep one.")
            seen.add(line[:2])
        undefined = [(read, state) for state in self.states for read in self.alphabet if (read, state) not in seen]
        if undefined:
            read, state = undefined[0]
            raise ZeemanError(
                f"code has no line for {read!r} read in state {state!r} ({len(undefined)} of "
                f"{len(self.states) * len(self.alphabet)} transitions are undefined); add one, if only to stay."
            )

    def _check_run(self) -> None:
        if self.relaxation not in get_args(Relaxation):
            raise ZeemanError(f"relaxation must be joint or naive, got {_short(self.relaxation)}.")
        for field, least in (("steps", 1), ("tape", 1)):
            value = getattr(self, field)
            if field == "tape" and value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ZeemanError(f"{field} must be a whole number of at least {least}, got {_short(value)}.")
        if not self.inputs:
            raise ZeemanError("inputs must hold at least one word, got none.")
        for word in self.inputs:
            odd = [letter for letter in word if letter not in self.alphabet]
            if odd:
                told = f"{_short(odd[0])}, which is not in the alphabet {_listed(self.alphabet)}"
                raise ZeemanError(f"inputs: {_written(word)} has {told}.")
            if self.tape is not None and len(word) > self.tape:
                raise ZeemanError(f"inputs: {_written(word)} is longer than the tape of {self.tape} squares.")
        if self.tape is not None and self.tape < self.reach:
            raise ZeemanError(
                f"{self.steps} steps lead beyond the tape: errors can bring the head to {self.reach} squares, and tape "
                f"is {self.tape}; give a longer tape or at most {(self.tape + 1) // 2} steps."
            )

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
        """Name of each wrong entry: read|state|table|outcome, with the tables w (write), q (next state) and d (move)."""
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


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _written(word: Sequence[str]) -> str:
    return repr("".join(word))
