"""What an entry of the dictionary predicts of a measurement: λ with squares added, and how fast spreads shrink."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from zeeman.programs.dictionary import Entry
from zeeman.singularities.newton import newton_rlct
from zeeman.singularities.polynomials import parse_germ
from zeeman.singularities.splitting_lemma import corank

HALF = Fraction(1, 2)


def hessian_rank(entry: Entry) -> int | None:
    """Rank of the Hessian of a germ's or network's polynomial; None of a program.

    K of a program is that of a corner, where its gradient decides and not its Hessian.

    Examples
    --------
    >>> from zeeman.programs.dictionary import find
    >>> [hessian_rank(find(name)) for name in ("A3", "x^4", "reduced rank 2-2-1, rank 0", "latch")]
    [1, 0, 0, None]
    """
    return None if entry.kind == "program" else _rank(entry.source)


def threshold_with_squares(entry: Entry, rank: int | None) -> Fraction | None:
    """λ of an entry with as many plain squares more as bring its Hessian to a rank; each adds 1/2.

    Without a rank, and of a program, λ as it stands.

    Examples
    --------
    >>> from zeeman.programs.dictionary import find
    >>> str(threshold_with_squares(find("x^4"), 3)), str(threshold_with_squares(find("A3"), 3))
    ('7/4', '7/4')
    """
    own = hessian_rank(entry)
    if entry.rlct is None or rank is None or own is None:
        return entry.rlct
    return entry.rlct + HALF * (rank - own)


def spread_exponent(entry: Entry) -> Fraction | None:
    """Give η of ⟨‖w‖²⟩_t ~ t^−η, where K is a sum of squares of monomials; None elsewhere.

    Such a K is comparable to its Newton polyhedron, so that λ_φ of φ = x_i² is the linear program of λ with the density
    x_i² (`newton_rlct`); ‖w‖² is a sum of these, of which the slowest stays: η = min_i λ_{x_i²} − λ. Of isolated germs
    it is twice the least weight.

    Examples
    --------
    >>> from zeeman.programs.dictionary import find
    >>> [str(spread_exponent(find(name))) for name in ("A3", "x^2 y^2", "A2 squared", "latch")]
    ['1/2', '0', 'None', 'None']
    """
    return None if entry.kind == "program" else _exponent(entry.source)


@cache
def _rank(source: str) -> int:
    f = parse_germ(source).polynomial
    return int(f.ring.ngens) - corank(f)


@cache
def _exponent(source: str) -> Fraction | None:
    f = parse_germ(source).polynomial
    if any(c < 0 or any(e % 2 for e in a) for a, c in f.terms()):
        return None
    size, support = f.ring.ngens, f.monoms()
    found = [newton_rlct(support, [2 * int(i == k) for i in range(size)]).value for k in range(size)]
    return min(found) - newton_rlct(support).value
