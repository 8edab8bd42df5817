"""Finite automata, and automata whose copies vote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from zeeman.errors import ZeemanError
from zeeman.programs.checks import check_code, check_count, check_member, check_names, check_words
from zeeman.programs.rings import Ring

T = TypeVar("T")


@dataclass(frozen=True)
class Automaton:
    """A finite automaton that reads each word to its end; the state it is in then is its answer.

    Only the tables of the next state err. With ``copies`` > 1 there are as many tables for each letter and state, each
    with errors of its own, and the majority of them decides at every step.

    Parameters
    ----------
    states, alphabet : tuple of str
    start : str
    code : tuple of (read, state, next state)
    inputs : tuple of tuple of str
    copies : int
        Odd; more than one needs two states.

    Raises
    ------
    ZeemanError
        Where a field is not of this kind.

    Examples
    --------
    >>> parity = Automaton.build("eo", "AB", "e", ["Aeo", "Aoe", "Bee", "Boo"], ["ABA", "BAB"])
    >>> parity.run(("A", "B", "A")), parity.coordinates
    ('e', ('A|e|e', 'A|o|o', 'B|e|o', 'B|o|e'))
    """

    states: tuple[str, ...]
    alphabet: tuple[str, ...]
    start: str
    code: tuple[tuple[str, str, str], ...]
    inputs: tuple[tuple[str, ...], ...]
    copies: int = 1

    @classmethod
    def build(
        cls,
        states: Iterable[str],
        alphabet: Iterable[str],
        start: str,
        code: Iterable[Sequence[str]],
        inputs: Iterable[Sequence[str]],
        copies: int = 1,
    ) -> Automaton:
        """Build an automaton from any sequences."""
        lines: Any = tuple(tuple(line) for line in code)
        return cls(tuple(states), tuple(alphabet), start, lines, tuple(tuple(word) for word in inputs), copies)

    def __post_init__(self) -> None:
        check_names("states", self.states)
        check_names("alphabet", self.alphabet)
        check_member("start", self.start, self.states)
        check_code(self.code, {"read": self.alphabet, "state": self.states, "next state": self.states})
        check_words(self.inputs, self.alphabet)
        check_count("copies", self.copies)
        if self.copies % 2 == 0 or (self.copies > 1 and len(self.states) > 2):
            told = f"{self.copies} copies of {len(self.states)} states"
            raise ZeemanError(f"copies must be odd, and one where there are more than two states, got {told}.")

    @property
    def rows(self) -> dict[tuple[str, str], int]:
        """Line of the code for a letter and a state."""
        return {(read, state): i for i, (read, state, _) in enumerate(self.code)}

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Name of each wrong entry: read|state|outcome, and the copy where there are several."""
        return tuple(
            f"{read}|{state}|{other}" + (f"|{copy}" if self.copies > 1 else "")
            for read, state, after in self.code
            for copy in range(1, self.copies + 1)
            for other in self.states
            if other != after
        )

    @property
    def width(self) -> int:
        """Bits of an exponent: a step multiplies one entry of each copy at most."""
        steps = max(map(len, self.inputs))
        return (self.copies * steps + 1).bit_length() + 1

    def run(self, word: Sequence[str]) -> str:
        """State after a word without errors."""
        rows, state = self.rows, self.start
        for letter in word:
            state = self.code[rows[letter, state]][2]
        return state

    def failures(self, ring: Ring[T]) -> list[T]:
        """z_x for each different word."""
        laws = [self._law(ring, row) for row in range(len(self.code))]
        return [self._failure(ring, laws, word) for word in dict.fromkeys(self.inputs)]

    def _failure(self, ring: Ring[T], laws: list[dict[str, T]], word: Sequence[str]) -> T:
        masses = {state: ring.one if state == self.start else ring.zero for state in self.states}
        for letter in word:
            read = [(masses[state], laws[self.rows[letter, state]]) for state in self.states]
            masses = {after: ring.add(ring.multiply(m, law[after]) for m, law in read) for after in self.states}
        answer = self.run(word)
        return ring.add(mass for state, mass in masses.items() if state != answer)

    def _law(self, ring: Ring[T], row: int) -> dict[str, T]:
        """Probability of each next state, by majority of the copies."""
        after = self.code[row][2]
        others = [state for state in self.states if state != after]
        each = self.copies * len(others)
        if self.copies == 1:
            wrong = [row * each + k for k in range(each)]
            return {state: ring.wrong(k) for state, k in zip(others, wrong, strict=True)} | {after: ring.right(wrong)}
        counts = [ring.one]  # law of how many copies err
        for k in range(row * each, (row + 1) * each):
            stay = [ring.multiply(count, ring.right([k])) for count in counts]
            rise = [ring.multiply(count, ring.wrong(k)) for count in counts]
            counts = [ring.add(pair) for pair in zip([*stay, ring.zero], [ring.zero, *rise], strict=True)]
        majority = self.copies // 2 + 1
        law = {after: ring.add(counts[:majority])}
        return law | {state: ring.add(counts[majority:]) for state in others}
