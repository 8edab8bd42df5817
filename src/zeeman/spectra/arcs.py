"""The order of a potential along arcs w(s) = (s^{k_1} u_1, …, s^{k_n} u_n), and what it bounds.

Arcs with ord w_i ≥ k_i are a set of codimension |k| = Σ k_i among all arcs through the point, and on almost all of them
V has one order p_k. Hence {arcs : ord V > m} has codimension at most |k| for every k with p_k > m, which is n(m + 1)
less the dimension of the scheme of m-jets where the least |k| is attained; and λ ≤ |k|/p_k, since V < ε where
|w_i| < ε^{k_i/p_k}.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.reading import Reading, Verdict

Floats = NDArray[np.float64]
Weights = tuple[int, ...]
Values = Callable[[Floats], Floats]

LEAST_POINTS, LEAST_RANGE = 4, math.log(2.5)
"""Scales in a row, and the range of log s (in the slowest coordinate), over which an order must be constant."""
BEND = 0.08
"""Slopes of the two halves of a range may differ by so much of the order, or by three of their errors."""
SHARP = 0.06
"""Error of an order that tells it from the next one, as a share of 1 + the order."""
FLOOR = 30.0
"""Values of so many times the noise floor count."""
SMALLEST = 0.5
"""The entries of u lie between this and 1 in absolute value."""


@dataclass(frozen=True, eq=False)
class ArcOrder:
    """Order of a potential along the arcs of one weight.

    Parameters
    ----------
    weights : tuple of int
        k.
    order, standard_error : float
        p_k; NaN where no range of scales shows one.
    scales : tuple of float
        Range of s^{min k}, the share of the radius at which the slowest coordinate stands, on which it is constant.
    verdict : Verdict
    reasons : tuple of str
    """

    weights: Weights
    order: float
    standard_error: float
    scales: tuple[float, float]
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def codimension(self) -> int:
        """Σ k_i."""
        return sum(self.weights)


def arc_weights(num_variables: int, largest: int = 3, flattest_first: bool = True) -> list[Weights]:
    """Primitive weights up to a size.

    Parameters
    ----------
    num_variables, largest : int
    flattest_first : bool
        Only weights that rise, for variables in the order of falling flatness, none of them 0: arcs that start at the
        point. Otherwise all, of which those with a 0 start at a general point of a coordinate plane.

    Examples
    --------
    >>> arc_weights(2)
    [(1, 1), (1, 2), (1, 3), (2, 3)]
    >>> arc_weights(2, 2, flattest_first=False)
    [(0, 1), (1, 0), (1, 1), (1, 2), (2, 1)]
    """
    every = product(range(int(flattest_first), largest + 1), repeat=num_variables)
    return [k for k in every if math.gcd(*k) == 1 and (not flattest_first or list(k) == sorted(k))]


def arc_points(weights: Weights, scales: Floats, num_directions: int, seed: int = 0) -> Floats:
    """Points of arcs (s^{k_i/k} u_i) with k the least positive weight, u of random size in all orthants.

    Parameters
    ----------
    weights : tuple of int
    scales : array, shape (scales,)
        s^k: where the slowest coordinate stands.
    num_directions : int
        Arcs, in pairs ±u.
    seed : int

    Returns
    -------
    array, shape (directions, scales, n)

    Examples
    --------
    >>> arc_points((1, 2), np.array([1.0, 0.5]), 4).shape
    (4, 2, 2)
    """
    n = len(weights)
    picks = np.random.Generator(np.random.Philox(key=np.array([seed, 0xA4C5], np.uint64)))
    half = picks.uniform(SMALLEST, 1.0, (max(1, num_directions // 2), n))
    signs = np.array([[-1.0 if i >> j & 1 else 1.0 for j in range(n)] for i in range(len(half))])
    u = np.concatenate([half * signs, -half * signs])
    slowest = min(k for k in weights if k > 0)
    out: Floats = u[:, None, :] * scales[:, None] ** (np.array(weights) / slowest)
    return out


def arc_order(weights: Weights, scales: Floats, values: Floats, floor: float = 0.0) -> ArcOrder:
    """Read the order of a potential from its values along arcs of one weight.

    The mean of |V| over arcs falls as s^p with the least order p, that of almost all arcs. Among the ranges of scales
    on which d log|V| / d log s is constant one that is wide and tells it closely is taken, by least squares. What the
    slope changes from the middle of the range to its lower end is part of the error: terms of higher order raise it.

    Parameters
    ----------
    weights : tuple of int
        k.
    scales : array, shape (scales,)
        s to the least positive weight, in any order.
    values : array, shape (copies, directions, scales)
        V less its value at s = 0; copies are parts of the data, whose mean V is. Errors are jackknives over both.
    floor : float
        Noise of a value.

    Returns
    -------
    ArcOrder
        NO_SIGNAL where too few values stand out of the noise or their order is not told from the next one,
        TOO_ANHARMONIC where no range has a constant slope.

    Raises
    ------
    ZeemanError
        If shapes do not fit.

    Examples
    --------
    >>> s = np.geomspace(0.1, 1, 8)
    >>> found = arc_order((1, 2), s, np.broadcast_to(3 * s**4, (1, 4, 8)))
    >>> round(found.order, 6), found.verdict.name
    (4.0, 'OK')
    """
    if values.ndim != 3 or values.shape[2] != len(scales) or len(scales) < LEAST_POINTS:
        raise ZeemanError(
            f"expected values of shape (copies, directions, scales) with at least {LEAST_POINTS} scales, "
            f"got {values.shape} for {len(scales)}; measure more of them."
        )
    order = np.argsort(scales)
    log_s, values, slowest = np.log(scales[order]), values[..., order], min(k for k in weights if k > 0)
    mean = np.abs(values.mean(axis=0)).mean(axis=0)
    heard = mean > FLOOR * floor if floor else mean > 0
    first = len(heard) - int(np.argmin(heard[::-1])) if not heard.all() else 0
    unknown = math.nan, math.nan, (math.nan, math.nan)
    if len(mean) - first < LEAST_POINTS:
        reason = f"V stands out of its noise of {floor:.1g} at {len(mean) - first} scales only"
        return ArcOrder(weights, *unknown, Verdict.NO_SIGNAL, (reason,))
    copies = [np.log(np.abs(one) + 1e-300) for one in _left_out(values)]
    fits = [(part, *_slope(log_s, np.log(mean), copies, part)) for part in _ranges(log_s, first)]
    steady = [one for one in fits if one[3] < max(BEND * abs(one[1]), 3 * one[2])]
    if not steady:
        slopes = np.diff(np.log(mean[first:])) / np.diff(log_s[first:]) * slowest
        reason = f"the slope goes from {slopes[0]:.3g} at the smallest scale to {slopes[-1]:.3g} at the largest"
        return ArcOrder(weights, *unknown, Verdict.TOO_ANHARMONIC, (reason,))
    sharp = [one for one in steady if slowest * math.hypot(one[2], one[3]) < SHARP * (1 + abs(slowest * one[1]))]
    if not sharp:
        error = slowest * min(math.hypot(one[2], one[3]) for one in steady)
        return ArcOrder(weights, *unknown, Verdict.NO_SIGNAL, (f"the order is known to ± {error:.1g} at best",))
    # Wide and sure: the error beside the width of the range.
    part, slope, error, bend = min(
        sharp, key=lambda one: (1e-9 + math.hypot(one[2], one[3])) / (log_s[one[0]][-1] - log_s[one[0]][0])
    )
    error = slowest * math.hypot(error, bend)
    between = float(np.exp(log_s[part.start])), float(np.exp(log_s[part.stop - 1]))
    return ArcOrder(weights, slowest * slope, error, between, Verdict.OK, ())


def _ranges(log_s: Floats, first: int) -> list[slice]:
    """Stretches of scales from the first that is heard on, with points and width enough for a slope."""
    return [
        slice(a, b)
        for a in range(first, len(log_s))
        for b in range(a + LEAST_POINTS, len(log_s) + 1)
        if log_s[b - 1] - log_s[a] >= LEAST_RANGE - 1e-9
    ]


def arc_bound(orders: Sequence[ArcOrder]) -> Reading:
    """Give the least |k|/p_k over the weights that are resolved: λ is no larger.

    Equal to λ where the weights of the divisor are among those tried, in coordinates in which the potential is
    nondegenerate.

    Returns
    -------
    Reading
        ``arc_bound``, with ``weights`` among its coordinates; NO_SIGNAL where no order is resolved.

    Examples
    --------
    >>> orders = [ArcOrder(k, p, 0.1, (0.1, 1.0), Verdict.OK, ()) for k, p in (((1, 1), 2.0), ((1, 2), 4.0))]
    >>> print(arc_bound(orders))
    arc_bound 0.75 ± 0.019 [ok]
    """
    known = [one for one in orders if one.verdict.trusted and one.order > 0]
    if not known:
        return Reading("arc_bound", math.nan, math.nan, Verdict.NO_SIGNAL, ("no order along arcs is resolved",))
    best = min(known, key=lambda one: one.codimension / one.order * (1 + one.standard_error / one.order))
    value = best.codimension / best.order
    error = value * best.standard_error / best.order
    return Reading("arc_bound", value, error, Verdict.OK, coordinates={"weights": list(best.weights)})


def jet_codimension(orders: Sequence[ArcOrder], m: int) -> int | None:
    """Give the least Σ k_i over arcs through the point with p_k > m: the codimension of the jets that vanish beyond m.

    p is the least ⟨a, k⟩ over the exponents a of V, hence p_{k+l} ≥ p_k + p_l, so that sums of the weights that were
    tried count as well; an order counts as the whole number next to its lower error bar. What vanishes beyond p_k on
    special arcs of weight k (u_1² = u_2³ of a cusp) is not seen, so that the true codimension may be smaller.

    Returns
    -------
    int or None
        None where no order is resolved.

    Examples
    --------
    >>> orders = [ArcOrder(k, p, 0.1, (0.1, 1.0), Verdict.OK, ()) for k, p in (((1, 1), 2.0), ((1, 2), 4.0))]
    >>> [jet_codimension(orders, m) for m in (1, 3, 5)]
    [2, 3, 5]
    """
    known = [
        (one.codimension, round(one.order - one.standard_error))
        for one in orders
        if one.verdict.trusted and min(one.weights) > 0
    ]
    if not any(order > 0 for _, order in known):
        return None
    least = [0]
    for reached in range(1, m + 2):
        least.append(min(size + least[max(0, reached - order)] for size, order in known if order > 0))
    return least[-1]


def _left_out(values: Floats) -> list[Floats]:
    """Mean of |V| over arcs with one copy of the data, or one pair of arcs ±u, left out; one list for each, stacked."""
    found = []
    if len(values) > 1:
        rest = (values.sum(axis=0) - values) / (len(values) - 1)
        found.append(np.abs(rest).mean(axis=1))
    of_arcs = np.abs(values.mean(axis=0))
    pairs = of_arcs[: len(of_arcs) // 2] + of_arcs[len(of_arcs) // 2 :] if len(of_arcs) % 2 == 0 else of_arcs
    if len(pairs) > 1:
        found.append((pairs.sum(axis=0) - pairs) / (len(pairs) - 1))
    return found


def _slope(log_s: Floats, line: Floats, copies: Sequence[Floats], part: slice) -> tuple[float, float, float]:
    """Slope on a range, its jackknife error, and by how much it changes between the two halves of the range."""
    x, y = log_s[part] - log_s[part].mean(), line[part]
    weight = x / float(x @ x)
    variance = 0.0
    for one in copies:
        slopes = one[:, part] @ weight
        variance += (len(slopes) - 1) / len(slopes) * float(((slopes - slopes.mean()) ** 2).sum())
    # Of a parabola the slopes at the middles of the halves differ by its second derivative times half of the range.
    second = 2 * float(np.polyfit(x, y, 2)[0])
    return float(weight @ y), math.sqrt(variance), abs(second) * float(x[-1] - x[0]) / 2
