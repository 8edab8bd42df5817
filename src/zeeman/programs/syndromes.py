"""Error syndromes: the smallest sets of wrong table entries that change an answer, as monomials."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from zeeman.programs.rings import Costs, Ideals, Monomial, Packing, TooMuch
from zeeman.programs.runs import Program

BUDGET = 20_000_000
"""Products of monomials after which a list of syndromes is given up: ten to twenty seconds."""


def packing(program: Program) -> Packing:
    """The packing that holds any monomial that a run of the program makes."""
    return Packing(len(program.coordinates), program.width)


def error_syndromes(program: Program, budget: int = BUDGET) -> tuple[list[Monomial], bool]:
    """Find the minimal monomials of the ideal that Σ_x z_x is comparable to, and whether these are all.

    The program is run in the semiring of monomial ideals, up to degree 1, 2, …, each time without the multiples of
    what is known already. Where a degree brings nothing new, it is run again, to see if any monomial is left out for
    its degree alone.

    Parameters
    ----------
    program : Program
    budget : int
        Products of monomials in all.

    Returns
    -------
    list of Monomial
        By degree; those of the last degree that was finished, and all below.
    bool
        Whether there are no others.
    """
    packed = packing(program)
    known: list[Monomial] = []
    degree, careful = 1, False
    while True:
        ring = Ideals(packed, degree, known, budget, careful)
        try:
            new = ring.add(program.failures(ring))
        except TooMuch:
            return known, False
        budget = ring.budget
        if not ring.cut:
            return [*known, *new], True
        known += new
        careful = not new and not careful
        degree += not careful


def cheapest(program: Program, weights: Sequence[Fraction]) -> list[Monomial]:
    """Find for each input the syndrome of least weight, where that is less than 1.

    Parameters
    ----------
    program : Program
    weights : sequence of Fraction
        One for each coordinate. Where nothing is found, a·w ≥ 1 for every syndrome a.

    Returns
    -------
    list of Monomial
    """
    found = program.failures(Costs(packing(program), weights))
    return sorted({cost[1] for cost in found if cost is not None})
