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
from collections.abc import Callable, Iterator
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
        wrong = self.machine.wrong(points.abs())
        return torch.log1p(-wrong).sum(-1) / -wrong.shape[-1]


@dataclass(frozen=True, eq=False)
class Open:
    """Σ_x z_x(w)²."""

    machine: Machine

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        return self.machine.wrong(points).square().sum(-1)


class Laws:
    """Laws of noisy tables, affine in the errors; the batch comes last, so that a probability is a row of memory."""

    def __init__(self, tables: list[tuple[int, int]]) -> None:
        """Give the right outcome and the number of outcomes of each table; each has an error per wrong outcome."""
        blocks, ends = [], []
        for right, outcomes in tables:
            law = torch.eye(outcomes, dtype=torch.float64)
            ends.append(law[:, right].clone())
            law[right] = -1
            blocks.append(law[:, [i for i in range(outcomes) if i != right]])
        self.matrix, self.end = torch.block_diag(*blocks), torch.cat(ends)[:, None]

    def __call__(self, errors: torch.Tensor) -> torch.Tensor:
        """Outcomes of the first table, of the second, … (outcomes, batch) from errors (batch, d)."""
        return torch.addmm(self.end, self.matrix, errors.T)


class Turing:
    """A Turing machine's code; each row (read, state) has a table to write, one for the next state and one to move."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.alphabet, self.states = entry["alphabet"], entry["states"]
        self.steps, self.inputs = entry["steps"], entry["inputs"]
        self.blank, self.start = self.alphabet.index(entry["blank"]), self.states.index(entry["start"])
        code = entry["code"]
        self.rows = [(self.alphabet.index(read), self.states.index(state)) for read, state, *_ in code]
        self.right = [
            tuple(names.index(line[at]) for at, names in ((2, self.alphabet), (3, self.states), (4, MOVES)))
            for line in code
        ]
        self.sizes = (len(self.alphabet), len(self.states), len(MOVES))
        self.laws = Laws([table for right in self.right for table in zip(right, self.sizes, strict=True)])
        self.dimension = len(code) * (sum(self.sizes) - 3)

    def tape(self, word: str) -> tuple[int, ...]:
        """Letters of the cells that can be read, from ``steps`` − 1 left of the head to ``steps`` − 1 right of it."""
        cells = [self.blank] * (self.steps - 1) + [self.alphabet.index(letter) for letter in word]
        return tuple((cells + [self.blank] * (2 * self.steps))[: 2 * self.steps - 1])

    def row(self, tape: tuple[int, ...], state: int) -> int:
        """Row of the code that is read."""
        return self.rows.index((tape[len(tape) // 2], state))

    def answer(self, word: str) -> int:
        """State after a run without errors."""
        tape, state = self.tape(word), self.start
        for _ in range(self.steps):
            written, after, move = self.right[self.row(tape, state)]
            tape, state = _moved(_written(tape, written), move), after
        return state


def _written(tape: tuple[int, ...], letter: int) -> tuple[int, ...]:
    middle = len(tape) // 2
    return (*tape[:middle], letter, *tape[middle + 1 :])


def _moved(tape: tuple[int, ...], move: int) -> tuple[int, ...]:
    """The tape around the head after a move; one cell on each side goes out of reach."""
    return tape[move : len(tape) - 2 + move]


Place = tuple[Any, ...]


class Stage:
    """One draw of a Markov chain: the mass of each ``source`` goes to a ``target`` with the probability ``outcome``.

    Rows are gathered and added up whole, which is several times as fast as a broadcast product and its sums.
    """

    def __init__(self, places: dict[Place, int], branch: Callable[..., Iterator[tuple[int, Place]]]) -> None:
        """Give the places with their rows, and what gives out the outcome and the next place of each branch."""
        self.places: dict[Place, int] = {}
        links = [
            (source, outcome, self.places.setdefault(following, len(self.places)))
            for place, source in places.items()
            for outcome, following in branch(*place)
        ]
        self.source, self.outcome, self.target = torch.tensor(links).T.contiguous()

    def __call__(self, mass: torch.Tensor, laws: torch.Tensor) -> torch.Tensor:
        """Mass of the next places (places, batch)."""
        flow = mass.index_select(0, self.source) * laws.index_select(0, self.outcome)
        if len(self.places) == len(flow):  # one branch to each place, in order
            return flow
        return flow.new_zeros(len(self.places), flow.shape[1]).index_add(0, self.target, flow)


HOLE = -1  # a cell whose new letter is not drawn yet


class Joint(Turing):
    """The exact Markov chain on (tape, head, state), with fresh errors at each read.

    A step moves first, then writes what is still within reach, then changes the state: runs meet again soonest.
    """

    def __init__(self, entry: dict[str, Any]) -> None:
        super().__init__(entry)
        self.sure = len(self.laws.end)
        self.answers = [self.answer(word) for word in self.inputs]
        places: dict[Place, int] = {(i, self.tape(word), self.start): i for i, word in enumerate(self.inputs)}
        self.stages: list[Stage] = []
        for branch in [self._move, self._write, self._change] * (self.steps - 1) + [self._fail]:
            self.stages.append(Stage(places, branch))
            places = self.stages[-1].places

    def _outcomes(self, row: int, table: int) -> range:
        """Where the law of a table stands."""
        first = row * sum(self.sizes) + sum(self.sizes[:table])
        return range(first, first + self.sizes[table])

    def _move(self, word: int, tape: tuple[int, ...], state: int) -> Iterator[tuple[int, Place]]:
        row = self.row(tape, state)
        for move, outcome in enumerate(self._outcomes(row, 2)):
            yield outcome, (word, _moved(_written(tape, HOLE), move), row)

    def _write(self, word: int, tape: tuple[int, ...], row: int) -> Iterator[tuple[int, Place]]:
        if HOLE not in tape:
            yield self.sure, (word, tape, row)
            return
        for letter, outcome in enumerate(self._outcomes(row, 0)):
            yield outcome, (word, tuple(letter if cell == HOLE else cell for cell in tape), row)

    def _change(self, word: int, tape: tuple[int, ...], row: int) -> Iterator[tuple[int, Place]]:
        for state, outcome in enumerate(self._outcomes(row, 1)):
            yield outcome, (word, tape, state)

    def _fail(self, word: int, tape: tuple[int, ...], state: int) -> Iterator[tuple[int, Place]]:
        for after, outcome in enumerate(self._outcomes(self.row(tape, state), 1)):
            if after != self.answers[word]:
                yield outcome, (word,)

    def wrong(self, errors: torch.Tensor) -> torch.Tensor:
        laws = torch.cat([self.laws(errors), errors.new_ones(1, len(errors))])
        mass = errors.new_ones(len(self.inputs), len(errors))
        for stage in self.stages:
            mass = stage(mass, laws)
        return mass.T


class Naive(Turing):
    """Independent laws of each cell, of the state and of the move; where several rows match, the last one wins."""

    def __init__(self, entry: dict[str, Any]) -> None:
        super().__init__(entry)
        tapes = [self.tape(word) for word in self.inputs]
        self.first = torch.tensor([self.row(tape, self.start) for tape in tapes])  # certain: nothing has erred yet
        self.cells = _one_hot(tapes, len(self.alphabet))[..., None]  # (inputs, cells, letters, 1)
        self.letter, self.state = (torch.tensor(part) for part in zip(*self.rows, strict=True))
        self.other_letter = 1 - _one_hot(self.letter, len(self.alphabet))
        self.other_state = 1 - _one_hot(self.state, len(self.states))
        self.fails = 1 - _one_hot([self.answer(word) for word in self.inputs], len(self.states))

    def wrong(self, errors: torch.Tensor) -> torch.Tensor:
        laws = self.laws(errors).unflatten(0, (len(self.rows), -1))  # (rows, outcomes, batch)
        cells, law = self.cells.expand(-1, -1, -1, len(errors)), laws.index_select(0, self.first)
        change = self.fails @ laws.split(self.sizes, dim=1)[1]  # to a state that is wrong for each input
        failed = (self.fails[..., None] * law.split(self.sizes, dim=1)[1]).sum(1)
        for step in range(1, self.steps):
            written, state, move = law.split(self.sizes, dim=1)
            cells = _shifted(cells, written, move)
            head = cells[:, cells.shape[1] // 2]
            shares, none = self._matches(head, state)
            if step < self.steps - 1:
                stay = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)[:, None].expand(len(head), -1, len(errors))
                unread = none[:, None] * torch.cat([head, state, stay], dim=1)
                law = unread + (shares[:, :, None] * laws).sum(1)
            else:
                failed = none * (self.fails[..., None] * state).sum(1) + (shares * change.transpose(0, 1)).sum(1)
        return failed.T

    def _matches(self, head: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Probability that each row is the last to match, and that none does; complements are sums, not differences."""
        letter = head.index_select(1, self.letter)  # (inputs, rows, batch)
        matches = letter * state.index_select(1, self.state)
        misses = self.other_letter @ head + letter * (self.other_state @ state)
        kept = [torch.ones_like(head[:, 0])]
        for miss in reversed(misses.unbind(1)):
            kept.append(kept[-1] * miss)
        return matches * torch.stack(kept[-2::-1], dim=1), kept[-1]


def _one_hot(classes: Any, count: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.as_tensor(classes), count).double()


def _shifted(cells: torch.Tensor, written: torch.Tensor, move: torch.Tensor) -> torch.Tensor:
    """Laws of the cells (inputs, cells, letters, batch) within reach after writing and moving."""
    middle = cells.shape[1] // 2
    cells = torch.cat([cells[:, :middle], written[:, None], cells[:, middle + 1 :]], dim=1)
    left, stay, right = move[:, :, None, None].unbind(1)
    return left * cells[:, :-2] + stay * cells[:, 1:-1] + right * cells[:, 2:]


class Automaton:
    """A finite automaton of noisy tables of the next state; with ``copies`` > 1 the majority of as many tables decides.

    Copies vote at every step, each with a table of its own; only automata of two states may vote.
    """

    def __init__(self, entry: dict[str, Any]) -> None:
        letters, states = entry["alphabet"], entry["states"]
        self.letters, self.states, self.copies = len(letters), len(states), entry["copies"]
        code = {(letters.index(a), states.index(q)): states.index(after) for a, q, after in entry["code"]}
        self.right = [code[a, q] for a in range(self.letters) for q in range(self.states)]
        self.laws = Laws([(after, self.states) for after in self.right])
        self.dimension = self.copies * len(self.right) * (self.states - 1)
        self.others = 1 - torch.eye(self.states, dtype=torch.float64)
        shortest, longest = entry["lengths"]
        places: dict[Place, int] = {((), 0, 0): 0}  # word, state and right state; every code starts in its first one
        self.reads: list[Stage] = []
        self.fails: list[Stage] = []  # at the last letter of the words of each length
        for length in range(1, longest + 1):
            if length >= shortest:
                self.fails.append(Stage(places, self._fail))
            if length < longest:
                self.reads.append(Stage(places, self._read))
                places = self.reads[-1].places

    def _read(self, word: tuple[int, ...], state: int, answer: int) -> Iterator[tuple[int, Place]]:
        for letter, after in itertools.product(range(self.letters), range(self.states)):
            outcome = (letter * self.states + state) * self.states + after
            yield outcome, ((*word, letter), after, self.right[letter * self.states + answer])

    def _fail(self, word: tuple[int, ...], state: int, answer: int) -> Iterator[tuple[int, Place]]:
        for letter in range(self.letters):
            row = letter * self.states
            yield (row + state) * self.states + self.right[row + answer], ((*word, letter),)

    def wrong(self, errors: torch.Tensor) -> torch.Tensor:
        voted = errors
        if self.copies > 1:
            voted = _outvoted(errors.T.contiguous().unflatten(0, (len(self.right), self.copies))).T
        laws = self.laws(voted)
        others = (self.others @ laws.unflatten(0, (-1, self.states))).flatten(0, 1)  # that it is not this outcome
        masses = [errors.new_ones(1, len(errors))]
        for read in self.reads:
            masses.append(read(masses[-1], laws))
        ends = zip(self.fails, masses[-len(self.fails) :], strict=True)
        return torch.cat([fail(mass, others) for fail, mass in ends]).T


def _outvoted(errors: torch.Tensor) -> torch.Tensor:
    """Probability (rows, batch) that more than half of the copies (rows, copies, batch) err."""
    majority = errors.shape[1] // 2 + 1
    counts = [torch.ones_like(errors[:, 0])] + [torch.zeros_like(errors[:, 0])] * majority  # law of how many have erred
    for error in errors.unbind(1):
        raised = [count * error for count in counts[:-1]]
        stayed = [count * (1 - error) for count in counts[:-1]]
        counts = [stayed[0], *map(torch.add, stayed[1:], raised), counts[-1] + raised[-1]]
    return counts[-1]


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
