"""The singularity of a program at its code: λ and m in three conventions, with syndromes and certificates."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from zeeman.programs.corner import Corner, Exponents, Weights, corner
from zeeman.programs.runs import Program
from zeeman.programs.squares import Squares, open_squares
from zeeman.programs.syndromes import BUDGET, cheapest, error_syndromes, packing

Named = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Singularity:
    """A program's code as a singular point of its loss.

    Three conventions, which give different λ: ``corner``, K = −mean_x log(1 − z_x) with a uniform density on wrong
    entries ε ≥ 0; its half, K = Σ_x z_x² on the same corner; and ``squares``, Σ_x z_x² on an open neighbourhood.

    Parameters
    ----------
    coordinates : tuple of str
    corner : Corner
    squares : Squares
    syndromes : list of exponents
        Minimal error syndromes, by degree.
    complete : bool
        Whether these are all. If not, λ and m are exact nevertheless: the program itself was asked for syndromes that
        the weights do not hold.
    """

    coordinates: tuple[str, ...]
    corner: Corner
    squares: Squares
    syndromes: list[Exponents]
    complete: bool

    @property
    def dimension(self) -> int:
        """Number of wrong entries."""
        return len(self.coordinates)

    @property
    def corner_squares(self) -> Fraction:
        """λ of Σ_x z_x² on the corner."""
        return self.corner.value / 2

    def named(self, exponents: Exponents) -> Named:
        """A syndrome by names of its entries."""
        return tuple((self.coordinates[k], n) for k, n in sorted(exponents.items()))

    def weights(self) -> dict[str, Fraction]:
        """Optimal weights that are not 0, by name."""
        return {self.coordinates[k]: w for k, w in sorted(self.corner.weights.items())}

    def orders(self) -> dict[int, int]:
        """How many minimal syndromes there are of each order."""
        sizes = [sum(a.values()) for a in self.syndromes]
        return {order: sizes.count(order) for order in sorted(set(sizes))}

    @property
    def inert(self) -> int | None:
        """Number of entries that are in no minimal syndrome, where all are known."""
        return self.dimension - len({k for a in self.syndromes for k in a}) if self.complete else None


def singularity(program: Program, budget: int = BUDGET) -> Singularity:
    """Find the singularity of a program at its code, exactly.

    Parameters
    ----------
    program : Program
    budget : int
        Products of monomials that the list of syndromes may cost (`error_syndromes`).

    Returns
    -------
    Singularity
    """
    packed = packing(program)
    monomials, complete = error_syndromes(program, budget)
    syndromes = [packed.exponents(monomial) for monomial in monomials]

    def violated(weights: Weights) -> list[Exponents]:
        every = [weights.get(k, Fraction(0)) for k in range(packed.size)]
        return [packed.exponents(monomial) for monomial in cheapest(program, every)]

    solved = corner(syndromes, None if complete else violated)
    return Singularity(program.coordinates, solved, open_squares(program, packed), syndromes, complete)
