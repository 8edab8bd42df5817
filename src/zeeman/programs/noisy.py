"""Programs whose tables err, as torch models."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zeeman.programs.automaton import Automaton
from zeeman.programs.machine import Machine
from zeeman.programs.stages import AutomatonEnds, Ends, JointEnds, NaiveEnds


class NoisyProgram(torch.nn.Module):
    """A machine or an automaton each of whose table entries errs with a probability of its own.

    Its parameter ``errors`` holds the probability of each wrong entry (`Machine.coordinates`), 0 at the code; the
    right entry of a table has what is left. Negative errors are taken by size, which reflects the corner ε ≥ 0 to all
    signs and leaves λ and m there as they are. In the joint relaxation p(y|x) is exact: the Markov chain on tape, head
    and state with fresh errors at each step. In the naive one squares, state and head are independent (the smooth
    relaxation of Clift, Murfet and Wallbridge): a step with laws Y of the square read, X of the state and tables w, q,
    d of the lines i, which read s_i in state q_i, is

        λ_i = Y(s_i) X(q_i),  μ_i = λ_i ∏_{j>i} (1 − λ_j),  μ = ∏_j (1 − λ_j),
        Y' = Σ_i μ_i w_i + μ Y,  X' = Σ_i μ_i q_i + μ X,  move: Σ_i μ_i d_i + μ at rest.

    Parameters
    ----------
    program : Machine or Automaton

    Examples
    --------
    >>> latch = Machine.build("ra", "AB", "B", "r", ["ArAaS", "BrBrS", "AaAaS", "BaBaS"], ["A", "B"], steps=2)
    >>> model = NoisyProgram(latch)
    >>> model(torch.tensor([0, 1])).tolist(), abs(model.loss().item())
    ([[0.0, 1.0], [1.0, 0.0]], 0.0)
    """

    answers: torch.Tensor

    def __init__(self, program: Machine | Automaton) -> None:
        super().__init__()
        self.program = program
        self.errors = torch.nn.Parameter(torch.zeros(len(program.coordinates), dtype=torch.float64))
        if isinstance(program, Machine):
            seen = [program.window(word) for word in program.distinct]
            kinds = [seen.index(program.window(word)) for word in program.inputs]
        else:
            words = list(dict.fromkeys(program.inputs))
            kinds = [words.index(word) for word in program.inputs]
        answers = [program.states.index(program.run(word)) for word in program.inputs]
        size = len(program.states)
        wrong = [
            [kind * size + q for q in range(size) if q != answer] for kind, answer in zip(kinds, answers, strict=True)
        ]
        self.register_buffer("answers", torch.tensor(answers))
        self._kinds, self._wrong = torch.tensor(kinds), torch.tensor(wrong, dtype=torch.long).flatten()
        self._ends = _ends(program)

    @property
    def dimension(self) -> int:
        """Number of errors."""
        return len(self.errors)

    def failures(self, errors: torch.Tensor) -> torch.Tensor:
        """z_x, the probability of a wrong answer to each input, shape (batch, inputs), from errors (batch, d) as given.

        It is a sum of positive terms where errors are positive, so that it is exact relative to its size.
        """
        wrong = self._ends(errors).flatten(0, 1).index_select(0, self._wrong)
        return wrong.reshape(len(self.answers), len(self.program.states) - 1, len(errors)).sum(1).T

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Probability of each answer, shape (…, states), to the inputs of these numbers, shape (…)."""
        ends = self._ends(self.errors.abs()[None])[..., 0].index_select(0, self._kinds)
        right = torch.nn.functional.one_hot(self.answers, ends.shape[1]).to(ends)
        wrong = ends * (1 - right)
        return (wrong + right * (1 - wrong.sum(-1, keepdim=True)))[inputs]

    def loss(self) -> torch.Tensor:
        """K = −mean_x log p(y(x)|x)."""
        return Corner(self)(self.errors[None])[0]


def _ends(program: Machine | Automaton) -> Ends:
    if isinstance(program, Automaton):
        return AutomatonEnds(program)
    return JointEnds(program) if program.relaxation == "joint" else NaiveEnds(program)


@dataclass(frozen=True, eq=False)
class Corner:
    """K = −mean_x log(1 − z_x(|w|)) of points (batch, d): the corner convention, reflected to all signs.

    Parameters
    ----------
    program : NoisyProgram
    """

    program: NoisyProgram

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Give K of each point."""
        failures = self.program.failures(points.abs())
        return torch.log1p(-failures).sum(-1) / -failures.shape[-1]


@dataclass(frozen=True, eq=False)
class OpenSquares:
    """Σ_x z_x(w)² of points (batch, d), negative errors included: the open convention.

    Parameters
    ----------
    program : NoisyProgram
    """

    program: NoisyProgram

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Give Σ z² of each point."""
        return self.program.failures(points).square().sum(-1)
