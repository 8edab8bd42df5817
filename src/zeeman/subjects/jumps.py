"""Weights that do not belong where they stand: a step that its neighbours contradict, or ways to other weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from zeeman.subjects.flags import Flag
from zeeman.subjects.looks import Look, Part

SHARED = 0.05
"""Share of the weights from which on a part is told."""
_DETOUR = 3.0  # a walk gives at most 2: there and back to a fixed mean
_LESS, _ABOVE = 1.5, 2.5  # a shorter detour counts where those around are shorter still
_TURNED = math.cos(math.radians(70))  # cosine below which two matrices have nothing to do with each other
_KEPT = 0.7  # cosine of neighbours that agree
_STRANGE = 1.0  # relative distance: an angle of 60 degrees; weights of two runs are about 1.4 apart
_JUMP = (math.log(4), math.log(8))  # above the trend, with neighbours on both sides and on one
_SCALES = 6.0


def contradicted(looks: list[Look], known: set[int]) -> list[Flag]:
    """Flag steps that are far from both neighbours, which are close to each other.

    Parameters
    ----------
    looks : list of Look
    known : set of int
        Steps that are flagged already; ways to them are not looked at.

    Returns
    -------
    list of Flag
    """
    usable = [not {a.step, b.step} & known for a, b in pairwise(looks)]
    ways = [b.to_previous if ok else math.nan for (_, b), ok in zip(pairwise(looks), usable, strict=True)]
    turns = [math.nan, math.nan, *(look.to_one_before for look in looks[2:])]
    found: list[Flag] = []
    for i in range(1, len(looks) - 1):
        out = min(ways[i - 1], ways[i])
        if _is_detour(ways, turns, i):
            what = f"it is {out:.2g} away from both"
        elif (swing := _swing(looks, usable, i)) > 0:
            what = f"it is {math.expm1(swing):.0%} off both in norm"
        elif usable[i - 1] and usable[i] and (share := _contradicted_share(looks, usable, i)) >= SHARED:
            what = f"{share:.0%} of its weights are away from both"
        else:
            continue
        sentence = f"Step {looks[i].step} is out of line with its neighbours, which agree: {what}."
        found.append(Flag(looks[i].step, None, "jump", sentence))
    return found


def _is_detour(ways: Sequence[float], turns: Sequence[float], i: int) -> bool:
    """Whether step i is farther from both neighbours than they are from each other, beyond what steps around are.

    ``ways[i]`` leads from step i to the next, ``turns[i]`` from the one before the last to step i.
    """
    out, across = min(ways[i - 1], ways[i]), turns[i + 1]
    usual = _middle([*ways[max(0, i - 4) : i - 1], *ways[i + 1 : i + 4]])
    if not out > max(_LESS * across, 2 * usual):
        return False
    others = [k for k in range(max(1, i - 4), min(len(ways), i + 5)) if abs(k - i) >= 2]
    around = [min(ways[k - 1], ways[k]) / turns[k + 1] for k in others if turns[k + 1] > 0]
    return out > _DETOUR * across or (len(_finite(around)) >= 2 and out > _ABOVE * _middle(around) * across)


def _swing(looks: list[Look], usable: Sequence[bool], i: int) -> float:
    """How far the norm of step i lies off both neighbours on one side, 0 where steps around do so too."""
    norms = [b.log_norm - a.log_norm if ok else math.nan for (a, b), ok in zip(pairwise(looks), usable, strict=True)]
    swing = min(abs(norms[i - 1]), abs(norms[i])) if norms[i - 1] * norms[i] < 0 else 0.0
    around = [abs(n) for n in norms[max(0, i - 4) : i - 1] + norms[i + 1 : i + 4]]
    return swing if swing > max(0.05, 5 * _middle(around), 5 * abs(norms[i - 1] + norms[i])) else 0.0


def _contradicted_share(looks: list[Look], usable: Sequence[bool], i: int) -> float:
    """Share of the weights in matrices that alone are out of line with both neighbours."""
    names = looks[i].parts
    near = range(max(0, i - 6), min(len(looks), i + 7))
    wrong = 0
    for name, part in names.items():
        parts = {k: looks[k].parts.get(name) for k in near}
        here, after = parts[i], parts[i + 1]
        before = parts[i - 1]
        if here is None or after is None or before is None:
            continue
        ways = [_at(parts, k + 1, lambda p: p.to_previous) if usable[k] else math.nan for k in range(len(usable))]
        turns = [_at(parts, k, lambda p: p.to_one_before) for k in range(len(looks))]
        across = _cosine(before.norm, after.norm, after.to_one_before)
        turned = max(
            _cosine(before.norm, here.norm, here.to_previous), _cosine(here.norm, after.norm, after.to_previous)
        )
        if (turned < _TURNED and across > _KEPT) or _is_detour(ways, turns, i):
            wrong += part.size
    return wrong / max(1, sum(part.size for part in names.values()))


def _at(parts: dict[int, Part | None], index: int, of: Callable[[Part], float]) -> float:
    part = parts.get(index)
    return math.nan if part is None else of(part)


def _cosine(a: float, b: float, distance: float) -> float:
    """Cosine between two vectors from their norms and distance; 0 with nothing, 1 between nothing and nothing."""
    if not a or not b:
        return float(a == b) if math.isfinite(distance) else math.nan
    return (a / b + b / a - distance**2 / (a * b)) / 2


def jumps(looks: list[Look], known: set[int]) -> list[Flag]:
    """Flag ways to other weights that leave the trend of the ways around.

    Length alone is no fault: a phase transition that is fast against the spacing of checkpoints is a long way too. But
    it keeps an angle to where it began, which weights of another run do not, and turns, which rescaled ones do not.

    Parameters
    ----------
    looks : list of Look
    known : set of int
        As for `contradicted`.

    Returns
    -------
    list of Flag
    """
    pairs = list(pairwise(looks))
    usable = [not {a.step, b.step} & known and b.to_previous > 0 for a, b in pairs]
    ways = [math.log(b.to_previous) if ok else math.nan for (_, b), ok in zip(pairs, usable, strict=True)]
    rates = [way - math.log(math.log((b.step + 1) / (a.step + 1))) for way, (a, b) in zip(ways, pairs, strict=True)]
    turns = [_turn(a, b) if ok else math.nan for (a, b), ok in zip(pairs, usable, strict=True)]
    growths = [_pure_growth(a, b) if ok else math.nan for (a, b), ok in zip(pairs, usable, strict=True)]
    found = []
    for i, (a, b) in enumerate(pairs):
        scaled = b.to_previous > 0.3 and growths[i] > 0.3 * b.to_previous
        far = (b.to_previous > _STRANGE or scaled) and _stands_out(ways, i) and _stands_out(rates, i)
        turned = turns[i] > math.radians(70) and _exceeds(turns, i, 2.0)
        if far or turned or (scaled and _exceeds(growths, i, 4.0)):
            sentence = (
                f"Between steps {a.step} and {b.step} the weights jump by {b.to_previous:.2g} of their norm, out of "
                "line with the steps around."
            )
            found.append(Flag(a.step, b.step, "jump", sentence))
    return found


def _pure_growth(a: Look, b: Look) -> float:
    """Change of the norm beyond half the way: a training that grows turns too, rescaled weights do not."""
    return max(0.0, abs(b.log_norm - a.log_norm) - b.to_previous / 2)


def _turn(a: Look, b: Look) -> float:
    """Angle between the matrices of neighbouring checkpoints, in radians."""
    shared = [(a.parts[name], part) for name, part in b.parts.items() if name in a.parts]
    one, other = (math.hypot(*(pair[k].norm for pair in shared)) for k in (0, 1))
    distance = math.hypot(*(part.to_previous for _, part in shared))
    return math.acos(min(1.0, max(-1.0, _cosine(one, other, distance)))) if shared else math.nan


def _exceeds(values: Sequence[float], i: int, factor: float) -> bool:
    """Whether a value is twice those next to it, and the median of four around times a factor; needs both sides."""
    left, right = _finite(values[max(0, i - 2) : i]), _finite(values[i + 1 : i + 3])
    if not left or not right:
        return False
    return values[i] > max(2 * left[-1], 2 * right[0], factor * median([*left, *right]))


def _stands_out(values: Sequence[float], index: int) -> bool:
    """Whether a value lies above a line through its neighbours by more than their scatter explains."""
    if not math.isfinite(values[index]):
        return False
    left = [(k, v) for k, v in enumerate(values[:index]) if math.isfinite(v)][-4:]
    right = [(k, v) for k, v in enumerate(values[index + 1 :], index + 1) if math.isfinite(v)][:4]
    slope, level, floor = 0.0, 0.0, _JUMP[0]
    if len(left) >= 2 and len(right) >= 2:
        (x0, y0), (x1, y1) = _center(left), _center(right)
        slope = (y1 - y0) / (x1 - x0)
        level = y0 + slope * (index - x0)
    elif len(left) + len(right) >= 3:
        # No trend can be told from one side: only much larger ways count.
        level, floor = _center(left + right)[1], _JUMP[1]
    else:
        return False
    scatter = 1.4826 * median(abs(v - level - slope * (k - index)) for k, v in left + right)
    return values[index] - level > max(floor, _SCALES * scatter)


def _center(points: list[tuple[int, float]]) -> tuple[float, float]:
    return median(x for x, _ in points), median(y for _, y in points)


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _middle(values: Sequence[float]) -> float:
    """Median of the finite values, 0 without any."""
    found = _finite(values)
    return median(found) if found else 0.0
