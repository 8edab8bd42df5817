"""Exact packing programs: maximize Σ y subject to A y ≤ b, y ≥ 0, in whole numbers (simplex without fractions)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm


class PackingTableau:
    """Simplex tableau of: maximize Σ_j y_j subject to Σ_j A_ij y_j ≤ b_i, y ≥ 0, with b > 0.

    All entries are kept as integers over one common denominator (integer pivoting), so that nothing is rounded.

    Parameters
    ----------
    columns
        The columns of A, non-negative integers, none of them zero (so that the program is bounded).
    bounds
        b, positive.
    """

    def __init__(self, columns: Sequence[Sequence[int]], bounds: Sequence[Fraction]) -> None:
        self.num_rows, self.num_columns = len(bounds), len(columns)
        self.scale = lcm(*(bound.denominator for bound in bounds))
        self.rows = [
            [column[i] for column in columns]
            + [int(i == k) for k in range(self.num_rows)]
            + [int(bounds[i] * self.scale)]
            for i in range(self.num_rows)
        ]
        self.basis = [self.num_columns + i for i in range(self.num_rows)]
        self.objective = [-1] * self.num_columns + [0] * (self.num_rows + 1)
        self.denominator = 1
        self._climb(self.objective, range(self.num_columns + self.num_rows))

    @property
    def value(self) -> Fraction:
        """The optimum."""
        return Fraction(self.objective[-1], self.denominator * self.scale)

    def prices(self) -> list[Fraction]:
        """Optimal solution of the covering program that is dual: one price for each bound."""
        return [Fraction(one, self.denominator) for one in self.objective[self.num_columns : -1]]

    def packing(self) -> list[Fraction]:
        """Optimal y."""
        y = [Fraction(0)] * (self.num_columns + self.num_rows)
        for row, variable in zip(self.rows, self.basis, strict=True):
            y[variable] = Fraction(row[-1], self.denominator * self.scale)
        return y[: self.num_columns]

    def positive_somewhere(self) -> set[int]:
        """Variables (columns, then slacks) that are positive in some optimal solution.

        By strict complementarity their constraints of the dual program are tight on its whole optimal face. The
        search moves along the optimal face only: it enters columns whose reduced cost is zero.
        """
        allowed = [j for j, cost in enumerate(self.objective[:-1]) if cost == 0]
        found = self._positive_now()
        while True:
            unknown = [j for j in allowed if j not in found]
            row = [0] * (self.num_columns + self.num_rows + 1)
            for j in unknown:
                row[j] = -self.denominator
            for tableau_row, variable in zip(self.rows, self.basis, strict=True):
                if row[variable]:
                    row = [a + b for a, b in zip(row, tableau_row, strict=True)]
            self._climb(row, allowed)
            new = self._positive_now() - found
            if not new:
                return found
            found |= new

    def _positive_now(self) -> set[int]:
        return {variable for row, variable in zip(self.rows, self.basis, strict=True) if row[-1] > 0}

    def _climb(self, objective: list[int], allowed: Sequence[int] | range) -> None:
        """Pivot until no allowed column has a negative reduced cost in ``objective``.

        Steepest columns first; where a step does not move, the smallest index (Bland), which cannot cycle.
        """
        careful = False
        while True:
            improving = [j for j in allowed if objective[j] < 0]
            if not improving:
                return
            column = improving[0] if careful else min(improving, key=objective.__getitem__)
            row = self._leaving(column)
            careful = self.rows[row][-1] == 0
            self._pivot(row, column, objective)

    def _leaving(self, column: int) -> int:
        best: tuple[Fraction, int, int] | None = None
        for i, row in enumerate(self.rows):
            if row[column] > 0:
                here = (Fraction(row[-1], row[column]), self.basis[i], i)
                best = here if best is None else min(best, here)
        assert best is not None, "a packing program is bounded"
        return best[2]

    def _pivot(self, row: int, column: int, objective: list[int]) -> None:
        pivot_row, pivot, last = self.rows[row], self.rows[row][column], self.denominator
        filled = [(j, b) for j, b in enumerate(pivot_row) if b]
        targets = [target for i, target in enumerate(self.rows) if i != row] + [self.objective]
        for target in targets if objective is self.objective else [*targets, objective]:
            factor = target[column]
            if factor and pivot == last:  # most rows are sparse and keep their denominator
                for j, b in filled:
                    target[j] -= factor * b // last
            elif factor:
                target[:] = [(a * pivot - factor * b) // last for a, b in zip(target, pivot_row, strict=True)]
            elif pivot != last:
                target[:] = [a * pivot // last if a else 0 for a in target]
        self.denominator = pivot
        self.basis[row] = column
