"""Probabilities of wrong answers as batched tensors: positive terms alone, so that nothing is lost near the code.

Tensors have the batch last, so that a probability is a row of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from zeeman.programs.automaton import Automaton
from zeeman.programs.machine import Machine

Place = tuple[Any, ...]
HOLE = -1  # a cell whose new letter is not drawn yet


class Laws:
    """Laws of noisy tables, affine in the errors."""

    def __init__(self, tables: Sequence[tuple[int, int]]) -> None:
        """Give the right outcome and the number of outcomes of each table; each has an error per wrong outcome."""
        blocks, ends = [], []
        for right, outcomes in tables:
            law = torch.eye(outcomes, dtype=torch.float64)
            ends.append(law[:, right].clone())
            law[right] = -1
            blocks.append(law[:, [i for i in range(outcomes) if i != right]])
        self.matrix, self.end = _block_diagonal(blocks), torch.cat(ends)[:, None]

    def __call__(self, errors: torch.Tensor) -> torch.Tensor:
        """Outcomes of the first table, of the second, … (outcomes, batch) from errors (batch, d)."""
        return torch.addmm(self.end.to(errors), self.matrix.to(errors), errors.T)


def _block_diagonal(blocks: list[torch.Tensor]) -> torch.Tensor:
    whole: torch.Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    return whole


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


class Ends:
    """What ends of runs share: for each different word, the probability of each last state."""

    def __call__(self, errors: torch.Tensor) -> torch.Tensor:
        """Probabilities (words, states, batch) from errors (batch, d)."""
        raise NotImplementedError


class TuringEnds(Ends):
    """A Turing machine's tables, by number."""

    def __init__(self, machine: Machine) -> None:
        self.steps, self.num_states = machine.steps, len(machine.states)
        self.tapes = [machine.window(word) for word in machine.distinct]
        self.start, self.rows = machine.states.index(machine.start), machine.rows
        self.sizes = [len(machine.alphabet), len(machine.states), 3]
        tables = [table for line in machine.outcomes for table in zip(*line, strict=True)]
        self.laws = Laws(tables)


def _written(tape: tuple[int, ...], letter: int) -> tuple[int, ...]:
    middle = len(tape) // 2
    return (*tape[:middle], letter, *tape[middle + 1 :])


def _moved(tape: tuple[int, ...], move: int) -> tuple[int, ...]:
    """The tape around the head after a move; one cell on each side goes out of reach."""
    return tape[move : len(tape) - 2 + move]


class JointEnds(TuringEnds):
    """The exact Markov chain on (tape, head, state), with fresh errors at each read.

    A step moves first, then writes what is still within reach, then changes the state: runs meet again soonest.
    """

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.sure = len(self.laws.end)
        places: dict[Place, int] = {(i, tape, self.start): i for i, tape in enumerate(self.tapes)}
        self.stages: list[Stage] = []
        for branch in [self._move, self._write, self._change] * (self.steps - 1) + [self._end]:
            self.stages.append(Stage(places, branch))
            places = self.stages[-1].places
        self.order = torch.tensor([places[i, q] for i in range(len(self.tapes)) for q in range(self.num_states)])

    def _outcomes(self, row: int, table: int) -> range:
        """Where the law of a table stands."""
        first = row * sum(self.sizes) + sum(self.sizes[:table])
        return range(first, first + self.sizes[table])

    def _row(self, tape: tuple[int, ...], state: int) -> int:
        return self.rows[tape[len(tape) // 2], state]

    def _move(self, word: int, tape: tuple[int, ...], state: int) -> Iterator[tuple[int, Place]]:
        row = self._row(tape, state)
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

    def _end(self, word: int, tape: tuple[int, ...], state: int) -> Iterator[tuple[int, Place]]:
        for after, outcome in enumerate(self._outcomes(self._row(tape, state), 1)):
            yield outcome, (word, after)

    def __call__(self, errors: torch.Tensor) -> torch.Tensor:
        """Probabilities (words, states, batch)."""
        laws = torch.cat([self.laws(errors), errors.new_ones(1, len(errors))])
        mass = errors.new_ones(len(self.tapes), len(errors))
        for stage in self.stages:
            mass = stage(mass, laws)
        return mass.index_select(0, self.order).reshape(len(self.tapes), self.num_states, len(errors))


class NaiveEnds(TuringEnds):
    """Independent laws of each cell, of the state and of the move; where several lines match, the last one wins."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.first = torch.tensor([self.rows[tape[len(tape) // 2], self.start] for tape in self.tapes])  # certain
        self.cells = _one_hot(self.tapes, len(machine.alphabet))[..., None]  # (words, cells, letters, 1)
        self.letter, self.state = (torch.tensor(part) for part in zip(*self.rows, strict=True))
        self.other_letter = 1 - _one_hot(self.letter, len(machine.alphabet))
        self.other_state = 1 - _one_hot(self.state, len(machine.states))

    def __call__(self, errors: torch.Tensor) -> torch.Tensor:
        """Probabilities (words, states, batch)."""
        laws = self.laws(errors).reshape(len(self.rows), sum(self.sizes), len(errors))  # (rows, outcomes, batch)
        cells = self.cells.to(errors).expand(-1, -1, -1, len(errors))
        law = laws.index_select(0, self.first)
        stay = torch.tensor([0.0, 1.0, 0.0]).to(errors)[:, None].expand(len(law), -1, len(errors))
        for _ in range(1, self.steps):
            written, state, move = torch.split(law, self.sizes, dim=1)
            cells = _shifted(cells, written, move)
            head = cells[:, cells.shape[1] // 2]
            shares, none = self._matches(head, state)
            unread = none[:, None] * torch.cat([head, state, stay], dim=1)
            law = unread + (shares[:, :, None] * laws).sum(1)
        return torch.split(law, self.sizes, dim=1)[1]

    def _matches(self, head: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Probability that each row is the last to match, and that none does; complements are sums, not differences."""
        letter = head.index_select(1, self.letter)  # (words, rows, batch)
        matches = letter * state.index_select(1, self.state)
        misses = self.other_letter.to(head) @ head + letter * (self.other_state.to(head) @ state)
        kept = [torch.ones_like(head[:, 0])]
        for miss in reversed(misses.unbind(1)):
            kept.append(kept[-1] * miss)
        return matches * torch.stack(kept[-2::-1], dim=1), kept[-1]


def _one_hot(classes: Any, count: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.as_tensor(classes), count).double()


def _shifted(cells: torch.Tensor, written: torch.Tensor, move: torch.Tensor) -> torch.Tensor:
    """Laws of the cells (words, cells, letters, batch) within reach after writing and moving."""
    middle = cells.shape[1] // 2
    cells = torch.cat([cells[:, :middle], written[:, None], cells[:, middle + 1 :]], dim=1)
    left, stay, right = move[:, :, None, None].unbind(1)
    return left * cells[:, :-2] + stay * cells[:, 1:-1] + right * cells[:, 2:]


class AutomatonEnds(Ends):
    """Words of a finite automaton that begin alike are read once."""

    def __init__(self, automaton: Automaton) -> None:
        states, self.copies = automaton.states, automaton.copies
        self.num_states, self.num_rows = len(states), len(automaton.code)
        self.laws = Laws([(states.index(after), len(states)) for _, _, after in automaton.code])
        rows = automaton.rows
        words = list(dict.fromkeys(automaton.inputs))
        places: dict[Place, int] = {((), states.index(automaton.start)): 0}
        self.stages: list[Stage] = []
        stands = dict(places)
        for length in range(1, max(map(len, words)) + 1):
            prefixes = {word[:length] for word in words if len(word) >= length}

            def read(prefix: Place, state: int, wanted: set[Place] = prefixes) -> Iterator[tuple[int, Place]]:
                for letter in automaton.alphabet:
                    if (*prefix, letter) in wanted:
                        for after in range(len(states)):
                            outcome = rows[letter, states[state]] * len(states) + after
                            yield outcome, ((*prefix, letter), after)

            self.stages.append(Stage(places, read))
            places = self.stages[-1].places
            first = len(stands)
            stands |= {place: first + at for place, at in places.items()}
        nowhere = len(stands)  # a state that a word of no letters can't be in
        self.order = torch.tensor([stands.get((word, q), nowhere) for word in words for q in range(self.num_states)])
        self.num_words = len(words)

    def __call__(self, errors: torch.Tensor) -> torch.Tensor:
        """Probabilities (words, states, batch)."""
        voted = errors
        if self.copies > 1:
            voted = _outvoted(errors.T.reshape(self.num_rows, self.copies, len(errors))).T
        laws = self.laws(voted)
        masses = [errors.new_ones(1, len(errors))]
        for stage in self.stages:
            masses.append(stage(masses[-1], laws))
        every = torch.cat([*masses, errors.new_zeros(1, len(errors))])
        return every.index_select(0, self.order).reshape(self.num_words, self.num_states, len(errors))


def _outvoted(errors: torch.Tensor) -> torch.Tensor:
    """Probability (rows, batch) that more than half of the copies (rows, copies, batch) err."""
    majority = errors.shape[1] // 2 + 1
    counts = [torch.ones_like(errors[:, 0])] + [torch.zeros_like(errors[:, 0])] * majority  # law of how many have erred
    for error in errors.unbind(1):
        raised = [count * error for count in counts[:-1]]
        stayed = [count * (1 - error) for count in counts[:-1]]
        counts = [stayed[0], *map(torch.add, stayed[1:], raised), counts[-1] + raised[-1]]
    return counts[-1]
