"""Noisy Turing machines and automata: codes whose tables err with small probabilities ε ≥ 0.

A weight is the probability of one wrong entry of one table; the right entry has what is left. z_x is the probability
that the run on input x ends in a wrong state. It is computed as a sum of positive terms, with no cancellation. Two
conventions, which give different λ:

- corner: K = −mean_x log(1 − z_x) with a uniform density on ε ≥ 0, here reflected to all signs: K(|w|);
- open: K = Σ_x z_x² on a full neighbourhood of ε = 0, negative ε included.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import torch

from .case import Case

TRUTH = Path(__file__).parent / "truth" / "machines.json"
MOVES = ("L", "S", "R")


class Machine(Protocol):
    """Anything that maps error probabilities (batch, d) to z of each input (batch, inputs)."""

    dimension: int

    def wrong(self, errors: torch.Tensor) -> torch.Tensor:
        """Probability of a wrong final state."""
        ...


@dataclass(frozen=True, eq=False)
class Corner:
    """−mean_x log(1 − z_x(|w|))."""

    machine: Machine

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        return -torch.log1p(-self.machine.wrong(points.abs())).mean(-1)


@dataclass(frozen=True, eq=False)
class Open:
    """Σ_x z_x(w)²."""

    machine: Machine

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        return self.machine.wrong(points).square().sum(-1)


def _table(errors: torch.Tensor, right: list[int], outcomes: int) -> torch.Tensor:
    """Laws (batch, rows, outcomes) from the errors of each row (batch, rows, outcomes − 1) and the right outcomes."""
    rows = []
    for row, at in enumerate(right):
        wrong = errors[..., row, :]
        rows.append(torch.cat([wrong[..., :at], 1 - wrong.sum(-1, keepdim=True), wrong[..., at:]], dim=-1))
    return torch.stack(rows, dim=-2)


class Turing:
    """A Turing machine's code; each row (read, state) has a table to write, one for the next state and one to move."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.alphabet, self.states = entry["alphabet"], entry["states"]
        self.steps, self.inputs = entry["steps"], entry["inputs"]
        self.blank, self.start = self.alphabet.index(entry["blank"]), self.states.index(entry["start"])
        code = entry["code"]
        self.rows = [(self.alphabet.index(read), self.states.index(state)) for read, state, *_ in code]
        self.right = [
            [names.index(line[at]) for line in code]
            for at, names in ((2, self.alphabet), (3, self.states), (4, list(MOVES)))
        ]
        self.sizes = (len(self.alphabet), len(self.states), 3)
        self.dimension = len(code) * (sum(self.sizes) - 3)

    def tables(self, errors: torch.Tensor) -> list[torch.Tensor]:
        """Laws of what is written, of the next state and of the move, each (batch, rows, outcomes)."""
        by_row = errors.unflatten(-1, (len(self.rows), -1))
        parts = by_row.split([size - 1 for size in self.sizes], dim=-1)
        return [_table(part, right, size) for part, right, size in zip(parts, self.right, self.sizes, strict=True)]

    def tape(self, word: str) -> tuple[int, ...]:
        """Letters from ``steps`` cells left of the head to ``steps`` cells right of it."""
        cells = [self.blank] * self.steps + [self.alphabet.index(letter) for letter in word]
        return tuple((cells + [self.blank] * (2 * self.steps))[: 2 * self.steps + 1])

    def answer(self, word: str) -> int:
        """State after a run without errors."""
        tape, state = self.tape(word), self.start
        for _ in range(self.steps):
            row = self.rows.index((tape[len(tape) // 2], state))
            tape, state = _moved(tape, *(right[row] for right in (self.right[0], self.right[2]))), self.right[1][row]
        return state


def _moved(tape: tuple[int, ...], written: int, move: int) -> tuple[int, ...]:
    """The tape around the head after writing and moving; one cell on each side goes out of reach."""
    middle = len(tape) // 2
    tape = (*tape[:middle], written, *tape[middle + 1 :])
    return tape[move : len(tape) - 2 + move]


class Joint(Turing):
    """The exact Markov chain on (tape, head, state), with fresh errors at each read."""

    def __init__(self, entry: dict[str, Any]) -> None:
        super().__init__(entry)
        self.stages: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]] = []
        places = {(word, self.tape(word), self.start): i for i, word in enumerate(self.inputs)}
        outcomes = list(itertools.product(*map(range, self.sizes)))
        for _ in range(self.steps - 1):
            following: dict[tuple[str, tuple[int, ...], int], int] = {}
            links = []
            for (word, tape, state), place in places.items():
                row = self.rows.index((tape[len(tape) // 2], state))
                for k, (written, after, move) in enumerate(outcomes):
                    target = following.setdefault((word, _moved(tape, written, move), after), len(following))
                    links.append((place, row * len(outcomes) + k, target))
            source, event, target = torch.tensor(links).T
            self.stages.append((source, event, target, len(following)))
            places = following
        rows = [self.rows.index((tape[len(tape) // 2], state)) for _, tape, state in places]
        words = [self.inputs.index(word) for word, _, _ in places]
        answers = [self.answer(word) for word in self.inputs]
        self.last = torch.tensor(rows), torch.tensor(words)
        self.fails = torch.tensor([[s != answers[w] for s in range(len(self.states))] for w in words])

    def wrong(self, errors: torch.Tensor) -> torch.Tensor:
        write, after, move = self.tables(errors)
        joint = write[..., :, None, None] * after[..., None, :, None] * move[..., None, None, :]
        events = joint.flatten(-4)
        mass = errors.new_ones(*errors.shape[:-1], len(self.inputs))
        for source, event, target, count in self.stages:
            flow = mass[..., source] * events[..., event]
            mass = errors.new_zeros(*errors.shape[:-1], count).index_add(-1, target, flow)
        rows, words = self.last
        failed = mass * (after[..., rows, :] * self.fails).sum(-1)
        return errors.new_zeros(*errors.shape[:-1], len(self.inputs)).index_add(-1, words, failed)


class Naive(Turing):
    """Independent laws of each cell, of the state and of the move; where several rows match, the last one wins."""

    def __init__(self, entry: dict[str, Any]) -> None:
        super().__init__(entry)
        tapes = torch.tensor([self.tape(word) for word in self.inputs])
        self.first = torch.nn.functional.one_hot(tapes, len(self.alphabet)).double()
        self.middle = self.steps
        answers = torch.tensor([self.answer(word) for word in self.inputs])
        self.fails = torch.nn.functional.one_hot(answers, len(self.states)) == 0

    def wrong(self, errors: torch.Tensor) -> torch.Tensor:
        tables = [table[..., None, :, :] for table in self.tables(errors)]  # (batch, 1, rows, outcomes)
        shape = (*errors.shape[:-1], len(self.inputs))
        tape = self.first.expand(*shape, *self.first.shape[1:])
        state = errors.new_zeros(*shape, len(self.states))
        state[..., self.start] = 1
        for _ in range(self.steps):
            tape, state = self._step(tape, state, *tables)
        return (state * self.fails).sum(-1)

    def _step(
        self, tape: torch.Tensor, state: torch.Tensor, write: torch.Tensor, after: torch.Tensor, move: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        head = tape[..., self.middle, :]
        shares, none = self._matches(head, state)
        written = none[..., None] * head + (shares[..., None] * write).sum(-2)
        state = none[..., None] * state + (shares[..., None] * after).sum(-2)
        left, stay, right = (shares[..., None] * move).sum(-2).unbind(-1)
        cells = torch.cat([tape[..., : self.middle, :], written[..., None, :], tape[..., self.middle + 1 :, :]], dim=-2)
        blank = torch.nn.functional.one_hot(torch.tensor(self.blank), len(self.alphabet)).to(cells)
        edge = blank.expand(*cells.shape[:-2], 1, -1)
        padded = torch.cat([edge, cells, edge], dim=-2)
        ways = ((left, padded[..., :-2, :]), (stay + none, cells), (right, padded[..., 2:, :]))
        return sum(share[..., None, None] * there for share, there in ways), state  # type: ignore[return-value]

    def _matches(self, head: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Probability that each row is the last to match, and that none does; complements are sums, not differences."""
        letters, states = head.shape[-1], state.shape[-1]
        kept = torch.ones_like(head[..., 0])
        shares = []
        for s, q in reversed(self.rows):
            shares.append(kept * head[..., s] * state[..., q])
            other_letter = head[..., [i for i in range(letters) if i != s]].sum(-1)
            other_state = state[..., [i for i in range(states) if i != q]].sum(-1)
            kept = kept * (other_letter + head[..., s] * other_state)
        return torch.stack(shares[::-1], dim=-1), kept


class Automaton:
    """A finite automaton of noisy tables of the next state; with ``copies`` > 1 the majority of as many tables decides.

    Copies vote at every step, each with a table of its own; only automata of two states may vote.
    """

    def __init__(self, entry: dict[str, Any]) -> None:
        letters, states = entry["alphabet"], entry["states"]
        self.letters, self.states, self.copies = len(letters), len(states), entry["copies"]
        code = {(letters.index(a), states.index(q)): states.index(after) for a, q, after in entry["code"]}
        self.right = [code[a, q] for a in range(self.letters) for q in range(self.states)]
        self.lengths = entry["lengths"]
        self.dimension = self.copies * len(self.right) * (self.states - 1)

    def wrong(self, errors: torch.Tensor) -> torch.Tensor:
        by_row = errors.unflatten(-1, (len(self.right), self.copies, self.states - 1))
        voted = _outvoted(by_row[..., 0])[..., None] if self.copies > 1 else by_row[..., 0, :]
        table = _table(voted, self.right, self.states).unflatten(-2, (self.letters, self.states))
        law = errors.new_zeros(*errors.shape[:-1], 1, self.states)
        law[..., 0] = 1  # every code starts in its first state
        answers = torch.zeros(1, dtype=torch.long)
        right = torch.tensor(self.right).view(self.letters, self.states)
        found = []
        for length in range(1, self.lengths[1] + 1):
            law = torch.einsum("...nq,...aqp->...nap", law, table).flatten(-3, -2)
            answers = right[:, answers].T.flatten()
            if length >= self.lengths[0]:
                fails = torch.nn.functional.one_hot(answers, self.states) == 0
                found.append((law * fails).sum(-1))
        return torch.cat(found, dim=-1)


def _outvoted(errors: torch.Tensor) -> torch.Tensor:
    """Probability that more than half of the copies (last axis) err."""
    copies = errors.shape[-1]
    total = torch.zeros_like(errors[..., 0])
    for who in itertools.product((False, True), repeat=copies):
        if 2 * sum(who) > copies:
            chosen = torch.tensor(who)
            total = total + torch.where(chosen, errors, 1 - errors).prod(-1)
    return total


def machine(entry: dict[str, Any]) -> Machine:
    """Build what an entry of the truth file describes."""
    kinds = {"joint": Joint, "naive": Naive, "automaton": Automaton}
    return kinds[entry["relaxation"]](entry)


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
            found.append(Case(f"{entry['id']} open", "machine, open", Open(built), center, free, m, 0.25, 0.0, how))
    return found
