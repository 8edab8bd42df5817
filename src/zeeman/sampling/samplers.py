"""What a sampler is: a frozen object that says how one step moves the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

Vectors = list[torch.Tensor]

_TOGETHER = 2**16
"""Weights that move in one call, unless a tensor has more."""


@runtime_checkable
class Sampler(Protocol):
    """One step of a Markov chain on a list of tensors, element by element.

    So a leading axis may hold many chains, and a long list may move stretch by stretch.

    Attributes
    ----------
    needs_gradient : bool
        False for samplers that only need the reference point.
    """

    needs_gradient: ClassVar[bool]

    def init(self, weights: Vectors) -> dict[str, Vectors]:
        """Make the state beside the weights; it is stored and resumed with them."""
        ...

    def update(
        self,
        weights: Vectors,
        center: Vectors,
        gradient: Vectors,
        noise: Vectors,
        state: dict[str, Vectors],
        n_beta: float,
        localization: float,
        step: int,
    ) -> None:
        """Move ``weights`` and ``state`` in place, given the loss gradient and N(0, 1) noise of the same shapes.

        The gradient's memory is the sampler's to use.
        """
        ...


@runtime_checkable
class Overdamped(Protocol):
    """A sampler of the form w ← w − (ε_i/2)∇U + √ε_i ξ, whose heat the driver can read off the force."""

    def step_sizes(self, state: dict[str, Vectors], step: int) -> Vectors | float:
        """ε_i of each weight at a step, or one ε for all."""
        ...


@dataclass(frozen=True, eq=False)
class Position:
    """What the whole data say at one set of weights.

    Parameters
    ----------
    energy : float
        U(w) − U(w*) with U = nβ L + (γ/2)‖w − w*‖², summed in double precision; +inf where it is not finite.
    gradient : list of Tensor
        ∇L(w); empty where the energy is not finite.
    rows : array, shape (rows,)
        Loss of each row minus its loss at w*.
    """

    energy: float
    gradient: Vectors
    rows: NDArray[np.float32]


@runtime_checkable
class MetropolisSampler(Protocol):
    """One step of a chain that proposes and then accepts or refuses, so that exp(−U) is exactly stationary.

    Attributes
    ----------
    needs_gradient : bool
        True.
    metropolis : bool
        True: every energy is that of the whole data.
    freeze_after : int
        Steps during which the step size adapts; draws come later.
    """

    needs_gradient: ClassVar[bool]
    metropolis: ClassVar[bool]

    @property
    def freeze_after(self) -> int:
        """Steps during which the step size adapts."""
        ...

    def init(self, weights: Vectors) -> dict[str, Vectors]:
        """Make the state beside the weights; it is stored and resumed with them."""
        ...

    def move(
        self,
        weights: Vectors,
        center: Vectors,
        here: Position,
        look: Callable[[], Position],
        noise: Vectors,
        uniform: tuple[float, float],
        state: dict[str, Vectors],
        n_beta: float,
        localization: float,
        step: int,
    ) -> Position:
        """Move ``weights`` and ``state`` in place.

        ``here`` belongs to the present weights and ``look()`` reads at whatever they hold. The result belongs to the
        weights that are left in place: ``here`` itself where the proposal is refused.
        """
        ...


AnySampler = Sampler | MetropolisSampler


def together(weights: Vectors) -> Iterator[slice]:
    """Cut a list of tensors into stretches that fit in the cache, so that small tensors share the cost of a call.

    Examples
    --------
    >>> list(together([torch.zeros(size) for size in (3, 4, 10**6, 5)]))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    first, held = 0, 0
    for i, weight in enumerate(weights):
        if held and held + weight.numel() > _TOGETHER:
            yield slice(first, i)
            first, held = i, 0
        held += weight.numel()
    yield slice(first, len(weights))
