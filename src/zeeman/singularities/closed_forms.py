"""Learning coefficients of networks that are known in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import isqrt

from zeeman.errors import ZeemanError


@dataclass(frozen=True)
class ClosedForm:
    """λ and m of a model by a formula of the literature.

    Attributes
    ----------
    value, multiplicity
        λ and m.
    source
        Where the formula is from, and how far it was checked.
    """

    value: Fraction
    multiplicity: int
    source: str


def reduced_rank(inputs: int, hidden: int, outputs: int, rank: int = 0) -> ClosedForm:
    """Reduced rank regression y = B A x, where the true map has rank r: Aoyagi and Watanabe 2005.

    Parameters
    ----------
    inputs, hidden, outputs
        Sizes M, H, N of the layers.
    rank
        r ≤ min(M, H, N).

    Raises
    ------
    ZeemanError
        If a size is not positive, or the rank does not fit.

    Examples
    --------
    >>> found = reduced_rank(2, 2, 2)
    >>> str(found.value), found.multiplicity
    ('3/2', 1)
    """
    _check((inputs, hidden, outputs), rank)
    m, h, n, r = inputs, hidden, outputs, rank
    source = "Aoyagi and Watanabe 2005"
    if m + h < n + r:
        return ClosedForm(Fraction(h * m - h * r + n * r, 2), 1, source)
    if n + h < m + r:
        return ClosedForm(Fraction(h * n - h * r + m * r, 2), 1, source)
    if m + n < h + r:
        return ClosedForm(Fraction(m * n, 2), 1, source)
    q = -((h + r) ** 2) - m**2 - n**2 + 2 * (h + r) * (m + n) + 2 * m * n
    if (m + h + n + r) % 2 == 0:
        return ClosedForm(Fraction(q, 8), 1, source)
    return ClosedForm(Fraction(q + 1, 8), 2, source)


def deep_linear(sizes: Sequence[int], rank: int = 0) -> ClosedForm:
    """Deep linear network of layers H_1, …, H_{L+1}, where the true map has rank r: Aoyagi 2024.

    With M_i = H_i - r there is one set S of layers, l = |S| - 1, with max_S M < min_{not S} M, Σ_S M ≥ l max_S M and
    Σ_S M < l min_{not S} M. With s = Σ_S M and a = s - (⌈s/l⌉ - 1) l, m = a (l - a) + 1 and

        λ = (r (H_1 + H_{L+1}) - r²)/2 + a (l - a)/(4 l) - l (l - 1)/4 (s/l)² + ½ Σ_{i<j in S} M_i M_j.

    Raises
    ------
    ZeemanError
        If there are fewer than two layers, a size is not positive, or the rank does not fit.

    Examples
    --------
    >>> found = deep_linear([1, 1, 1, 1])
    >>> str(found.value), found.multiplicity
    ('1/2', 3)
    """
    if len(sizes) < 2:
        raise ZeemanError(f"expected the sizes of at least two layers, got {list(sizes)}; give such as [2, 2, 2].")
    _check(sizes, rank)
    excess = [size - rank for size in sizes]
    chosen = sorted(_bottleneck(excess))
    depth, total = len(chosen) - 1, sum(excess[i] for i in chosen)
    above = total - (-(-total // depth) - 1) * depth
    pairs = sum(excess[i] * excess[j] for i, j in combinations(chosen, 2))
    value = (
        Fraction(rank * (sizes[0] + sizes[-1]) - rank**2, 2)
        + Fraction(above * (depth - above), 4 * depth)
        - Fraction((depth - 1) * total**2, 4 * depth)
        + Fraction(pairs, 2)
    )
    checked = "checked for three layers, and for rank 0" if len(sizes) > 3 and rank else "checked"
    return ClosedForm(value, above * (depth - above) + 1, f"Aoyagi 2024 ({checked})")


def _bottleneck(excess: Sequence[int]) -> tuple[int, ...]:
    """The set S of layers; layers of one size are in or out together."""
    for most in sorted(set(excess)):
        chosen = tuple(i for i, m in enumerate(excess) if m <= most)
        depth, total = len(chosen) - 1, sum(excess[i] for i in chosen)
        rest = [m for m in excess if m > most]
        if depth >= 1 and total >= depth * most and (not rest or total < depth * min(rest)):
            return chosen
    raise AssertionError("there is always one such set")


def tanh_network(hidden: int) -> ClosedForm:
    """One input, H hidden tanh units without bias, one output, where the true function is zero.

    λ = (H + i² + i)/(4 i + 2) with i = ⌊√H⌋; m = 2 if H = i², else 1.

    Raises
    ------
    ZeemanError
        Without hidden units.

    Examples
    --------
    >>> str(tanh_network(2).value), tanh_network(3).source
    ('2/3', 'Aoyagi and Watanabe; checked for H = 1 and 2, not checked here')
    """
    if hidden < 1:
        raise ZeemanError(f"expected at least one hidden unit, got {hidden}.")
    i = isqrt(hidden)
    source = "Aoyagi and Watanabe; checked for H = 1 and 2" + ("" if hidden <= 2 else ", not checked here")
    return ClosedForm(Fraction(hidden + i * i + i, 4 * i + 2), 2 if hidden == i * i else 1, source)


def _check(sizes: Sequence[int], rank: int) -> None:
    if min(sizes) < 1 or not 0 <= rank <= min(sizes):
        raise ZeemanError(
            f"expected positive sizes and a rank between 0 and the least of them, got {list(sizes)} and rank {rank}."
        )
