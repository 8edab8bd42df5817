"""What a known answer is: an exact loss, a point of it, and the learning coefficient there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import torch

Energy = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Case:
    """An exact loss K ≥ 0 with K(center) = 0 and its learning coefficient λ with multiplicity m at the centre.

    The prior is uniform on the box of half-width ``domain`` around the centre, or, where ``domain`` is None, Gaussian
    with precision ``localization``. No noise enters K, so any inverse temperature is meaningful up to the precision of
    float64.

    Parameters
    ----------
    name, family : str
    energy : callable
        Maps float64 points of shape (batch, d) to K of shape (batch,); differentiable almost everywhere.
    center : Tensor, shape (d,)
    llc : Fraction
    multiplicity : int
    domain : float or None
    localization : float
    source : str
        Where λ and m come from, and in which convention.
    expression : str or None
        K as a polynomial in the variables ``variables``, where it is one that people write.
    variables : tuple of str
    """

    name: str
    family: str
    energy: Energy
    center: torch.Tensor
    llc: Fraction
    multiplicity: int
    domain: float | None
    localization: float
    source: str
    expression: str | None = None
    variables: tuple[str, ...] = ()

    @property
    def dimension(self) -> int:
        """Number d of weights."""
        return len(self.center)
