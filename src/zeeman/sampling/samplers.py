"""What a sampler is: a frozen object that says how one step moves the weights."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import torch

Vectors = list[torch.Tensor]


@runtime_checkable
class Sampler(Protocol):
    """One step of a Markov chain on a list of tensors.

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
        """Move ``weights`` and ``state`` in place, given the loss gradient and N(0, 1) noise of the same shapes."""
        ...
