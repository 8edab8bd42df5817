"""A germ as squares and a residual germ that stands for it, isolated or not."""

from __future__ import annotations

from dataclasses import dataclass

from sympy.polys.rings import PolyElement

from zeeman.singularities.forms import substitute
from zeeman.singularities.local_algebra import residual
from zeeman.singularities.splitting_lemma import corank, critical_sheet
from zeeman.singularities.truncated_basis import Undecided

ORDERS = (4, 8, 12)
"""To which y(x) is followed, twice over, to see whether it breaks off."""


@dataclass(frozen=True)
class Split:
    """f ~ Σ ± y_i² + g(x), after a change of coordinates.

    Attributes
    ----------
    plus, minus
        Numbers of squares of either sign.
    residual
        g, of order three at least, in the remaining variables; None where there are none.
    """

    plus: int
    minus: int
    residual: PolyElement | None


def split(f: PolyElement) -> Split | None:
    """Split off the squares; None where the residual germ is not settled by finitely many terms that were looked at.

    An isolated germ is determined by finitely many terms of g (`local_algebra.residual`). Any other is g only where
    the series y(x) that solves ∂f/∂y = 0 breaks off.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, x, y = ring("x, y", QQ)
    >>> split(x**2 + 2 * x * y + y**2 + x**3)
    Split(plus=1, minus=0, residual=-y**3)
    """
    if corank(f) == f.ring.ngens:
        return Split(0, 0, f)
    try:
        found = residual(f)
    except Undecided:
        found = None
    return _where_it_breaks_off(f) if found is None else Split(*found.signature, found.germ)


def _where_it_breaks_off(f: PolyElement) -> Split | None:
    degree = max(sum(a) for a in f)
    for order in ORDERS:
        sheet = critical_sheet(f, max(order, degree))
        if not any(substitute(slope, sheet.images) for slope in sheet.slopes):
            g = substitute(sheet.turned, sheet.images)
            return Split(*sheet.signature, g) if g else None
    return None
