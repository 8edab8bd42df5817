"""Rank-one tensors u ⊗ v ⊗ w against 0: a product of ideals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch

from zeeman.programs.case import Case


@dataclass(frozen=True, eq=False)
class RankOneLoss:
    """‖u_1 ⊗ … ⊗ u_k‖² = ∏_j ‖u_j‖² of flat points (u_1, …, u_k).

    Parameters
    ----------
    sizes : tuple of int
        Length of each factor.
    """

    sizes: tuple[int, ...]

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Give the loss of each point."""
        parts = torch.split(points, list(self.sizes), dim=-1)
        return torch.stack([part.square().sum(-1) for part in parts]).prod(0)


def against_zero(sizes: Sequence[int]) -> tuple[Fraction, int]:
    """λ = min_j d_j / 2 and m = how many factors are that short: K = ∏ r_j² with densities r_j^{d_j − 1}.

    Examples
    --------
    >>> against_zero((2, 3, 2))
    (Fraction(1, 1), 2)
    """
    least = min(sizes)
    return Fraction(least, 2), list(sizes).count(least)


def cases() -> list[Case]:
    """Tensors of two to four factors."""
    found = []
    for sizes in ((2, 2), (2, 3), (1, 2, 3), (2, 2, 3), (3, 3, 3), (2, 2, 2, 2)):
        llc, multiplicity = against_zero(sizes)
        name, center = "rank one " + "x".join(map(str, sizes)), torch.zeros(sum(sizes), dtype=torch.float64)
        source = "product of the ideals of the factors, by hand"
        found.append(Case(name, "rank-one tensor", RankOneLoss(sizes), center, llc, multiplicity, None, 1.0, source))
    return found
