"""Faults of a series that would pass for phase transitions: duplicates, final-era weights, jumps, gaps."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Literal

import torch

from zeeman.subjects.checkpoint import state_digest, tensor_digest

if TYPE_CHECKING:
    from zeeman.subjects.series import Series

Kind = Literal["non_finite", "shape", "duplicate", "final_era", "jump", "gap"]

_SHARED = 0.05  # of the weights that move at all; less may coincide by chance, as biases at zero do
_FINAL = 4.0  # times closer to the last checkpoint than checkpoints before and after
_DETOUR = 3.0  # a walk gives at most 2: there and back to a fixed mean
_STRANGE = 1.0  # relative distance: an angle of 60 degrees; weights of two runs are about 1.4 apart
_JUMP = (math.log(4), math.log(8))  # above the trend, with neighbours on both sides and on one
_SCALES = 6.0


@dataclass(frozen=True)
class Flag:
    """One fault.

    Parameters
    ----------
    step : int
    other_step : int or None
        The other step of a pair: of a duplicate, of a jump or gap between neighbours.
    kind : str
        ``non_finite``, ``shape``, ``duplicate``, ``final_era``, ``jump`` or ``gap``.
    sentence : str
        What was seen.
    """

    step: int
    other_step: int | None
    kind: Kind
    sentence: str


@dataclass(frozen=True)
class Verification:
    """What a look at every checkpoint of a series found.

    Parameters
    ----------
    steps : tuple of int
    digests : tuple of str
        Of the weights at each step.
    flags : tuple of Flag
        Empty for a healthy series.

    Examples
    --------
    >>> flag = Flag(20, None, "non_finite", "Step 20 has weights that are not finite.")
    >>> sorted(Verification((10, 20, 30, 40), ("a", "b", "c", "d"), (flag,)).flagged_edges)
    [(10, 20), (20, 30)]
    """

    steps: tuple[int, ...]
    digests: tuple[str, ...]
    flags: tuple[Flag, ...]

    @cached_property
    def flagged_edges(self) -> set[tuple[int, int]]:
        """Pairs of neighbouring steps between which a change can't be trusted."""
        edges = list(pairwise(self.steps))
        found: set[tuple[int, int]] = set()
        for flag in self.flags:
            pair = (flag.step, flag.other_step)
            if pair in edges and flag.kind in ("jump", "gap"):
                found.add((flag.step, flag.other_step or 0))
                continue
            # Of a duplicate either step may be the wrong one; of other kinds it is known which.
            blamed = set(pair) if flag.kind == "duplicate" else {flag.step}
            found |= {edge for edge in edges if blamed & set(edge)}
        return found


@dataclass(frozen=True)
class _Look:
    """What is kept of a checkpoint after its weights are let go; distances are NaN where they make no sense."""

    step: int
    tensors: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    sick: str
    log_norm: float
    to_previous: float
    to_one_before: float
    to_last: float


class _Weights:
    """A state dict with its norm, for distances."""

    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        self.state = state
        self.shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        self.moving = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
        self.sick = next((name for name, t in sorted(self.moving.items()) if not bool(torch.isfinite(t).all())), "")
        self.norm = math.nan if self.sick else _total(self.moving.values())

    def distance(self, other: _Weights | None) -> float:
        """‖a − b‖ / √(‖a‖ ‖b‖): grows with the angle and with the ratio of the norms alike."""
        if other is None or self.sick or other.sick or self.shapes != other.shapes:
            return math.nan
        scale = max(math.sqrt(self.norm * other.norm), 1e-300)
        return _total(a.double() - other.moving[name].double() for name, a in self.moving.items()) / scale


def _total(tensors: Iterable[torch.Tensor]) -> float:
    return math.hypot(*(float(torch.linalg.vector_norm(tensor, dtype=torch.float64)) for tensor in tensors))


def verify(series: Series) -> Verification:
    """Look for faults in a series; holds four checkpoints at a time.

    Flagged are weights that are not finite; names or shapes unlike the others'; identical weights, all or a good
    part, under two steps; weights much closer to the last checkpoint than those before and after; jumps: a step that
    its neighbours contradict, or a way to unrelated or rescaled weights that is out of line with the ways around it,
    both as such and per unit of log step; and gaps in otherwise regular steps.

    Parameters
    ----------
    series : Series

    Returns
    -------
    Verification

    Raises
    ------
    ZeemanError
        If a checkpoint can't be read.

    Examples
    --------
    >>> from zeeman.subjects.series import Series
    >>> states = [(step, {"weight": torch.full((2, 2), float(min(step, 3)))}) for step in range(1, 5)]
    >>> [flag.sentence for flag in verify(Series.from_state_dicts(states, torch.nn.Identity)).flags]
    ['Steps 3 and 4 have identical weights.']
    """
    looks = list(_looks(series))
    flags = [*_sick(looks), *_misshapen(looks), *_duplicates(looks)]
    flags += _final_era(looks, _blamed(flags))
    flags += _contradicted(looks, _blamed(flags))
    flags += _jumps(looks, _blamed(flags))
    flags += _gaps(series)
    digests = tuple(state_digest(look.tensors) for look in looks)
    for checkpoint, digest in zip(series, digests, strict=True):
        # Where cached_property keeps it: to load every checkpoint a second time for the same hash is hours on a hub.
        checkpoint.__dict__.setdefault("digest", digest)
    return Verification(tuple(series.steps), digests, tuple(sorted(flags, key=lambda flag: flag.step)))


def _looks(series: Series) -> Iterator[_Look]:
    last = _Weights(series.checkpoints[-1].load())
    previous: _Weights | None = None
    one_before: _Weights | None = None
    for checkpoint in series:
        now = last if checkpoint is series.checkpoints[-1] else _Weights(checkpoint.load())
        yield _Look(
            step=checkpoint.step,
            tensors={name: tensor_digest(tensor) for name, tensor in now.state.items()},
            shapes=now.shapes,
            sick=now.sick,
            log_norm=math.log(max(now.norm, 1e-300)),
            to_previous=now.distance(previous),
            to_one_before=now.distance(one_before),
            to_last=now.distance(last),
        )
        one_before, previous = previous, now


def _blamed(flags: Iterable[Flag]) -> set[int]:
    """Steps that are explained already, so that no second kind of flag repeats the first."""
    return {
        step
        for flag in flags
        for step in (flag.step, flag.other_step if flag.kind == "duplicate" else None)
        if step is not None
    }


def _sick(looks: list[_Look]) -> list[Flag]:
    return [
        Flag(look.step, None, "non_finite", f"Step {look.step} has weights that are not finite, in {look.sick!r}.")
        for look in looks
        if look.sick
    ]


def _misshapen(looks: list[_Look]) -> list[Flag]:
    kinds = Counter(tuple(sorted(look.shapes.items())) for look in looks)
    common = dict(kinds.most_common(1)[0][0])
    found = []
    for look in looks:
        if look.shapes != common:
            names = sorted(n for n in common.keys() | look.shapes.keys() if common.get(n) != look.shapes.get(n))
            name = names[0]
            found.append(
                Flag(
                    look.step,
                    None,
                    "shape",
                    f"Step {look.step} has another architecture than most steps: {name!r} is "
                    f"{look.shapes.get(name, 'missing')} and not {common.get(name, 'missing')}.",
                )
            )
    return found


def _duplicates(looks: list[_Look]) -> list[Flag]:
    """Identical weights under two steps, and tensors that come back after they had changed (mixed-up shards)."""
    found: list[Flag] = []
    first: dict[str, _Look] = {}
    seen: set[tuple[int, int]] = set()
    for look in looks:
        earlier = first.setdefault(state_digest(look.tensors), look)
        if earlier is not look:
            seen.add((earlier.step, look.step))
            sentence = f"Steps {earlier.step} and {look.step} have identical weights."
            found.append(Flag(look.step, earlier.step, "duplicate", sentence))
    copies = {step for pair in seen for step in pair}
    for (one, other), share in _returned(looks).items():
        if share >= _SHARED and not {looks[one].step, looks[other].step} & copies:
            a, b = looks[one].step, looks[other].step
            sentence = f"Steps {a} and {b} share {share:.0%} of their weights, which differ in between."
            # Published series get the last shards under earlier steps, not the reverse.
            is_last = other == len(looks) - 1
            found.append(Flag(a, b, "final_era", sentence) if is_last else Flag(b, a, "duplicate", sentence))
    return found


def _returned(looks: list[_Look]) -> dict[tuple[int, int], float]:
    """Share of the moving weights that are the same at two checkpoints and other in between, by indices."""
    sizes = {name: math.prod(shape) for look in looks for name, shape in look.shapes.items()}
    moving, counts = 0, defaultdict[tuple[int, int], int](int)
    for name, size in sizes.items():
        places = defaultdict[str, list[int]](list)
        for index, look in enumerate(looks):
            if name in look.tensors:
                places[look.tensors[name]].append(index)
        if len(places) > 1:
            moving += size
        for indices in places.values():
            for one, other in pairwise(indices):
                if other > one + 1:
                    counts[one, other] += size
    return {pair: count / moving for pair, count in counts.items()}


def _final_era(looks: list[_Look], blamed: set[int]) -> list[Flag]:
    """Steps whose way to the last checkpoint is far shorter than that of steps on both sides."""
    found = []
    for index, look in enumerate(looks[:-1]):
        limit = _FINAL * look.to_last
        before = [other.to_last for other in looks[:index] if math.isfinite(other.to_last)]
        after = [other.to_last for other in looks[index + 1 : -1] if math.isfinite(other.to_last)]
        farther = sum(distance > limit for distance in after)
        # One farther step may itself be the wrong one; the first step has only later ones to be compared with.
        enough = farther >= 2 and (any(d > limit / 2 for d in before) if before else farther >= len(after) / 2)
        if enough and look.step not in blamed:
            sentence = (
                f"Step {look.step} holds weights from near the end: their distance to step {looks[-1].step} is "
                f"{look.to_last:.2g}, but {max(after):.2g} later on."
            )
            found.append(Flag(look.step, looks[-1].step, "final_era", sentence))
    return found


def _contradicted(looks: list[_Look], blamed: set[int]) -> list[Flag]:
    """Steps that are far from both neighbours, which are close to each other."""
    ways = [math.nan if {a.step, b.step} & blamed else b.to_previous for a, b in _pairs(looks)]
    norms = [math.nan if {a.step, b.step} & blamed else b.log_norm - a.log_norm for a, b in _pairs(looks)]
    found: list[Flag] = []
    for i in range(1, len(looks) - 1):
        near = slice(max(0, i - 4), i - 1), slice(i + 1, i + 4)
        usual = _middle(ways[near[0]] + ways[near[1]])
        out = min(ways[i - 1], ways[i])
        detour = out > _DETOUR * looks[i + 1].to_one_before and out > 2 * usual
        swing = min(abs(norms[i - 1]), abs(norms[i])) if norms[i - 1] * norms[i] < 0 else 0.0
        usual_swing = max(_middle([abs(n) for n in norms[near[0]] + norms[near[1]]]), abs(norms[i - 1] + norms[i]))
        if detour or (swing > 0.05 and swing > 5 * usual_swing):
            what = f"{out:.2g} away from both" if detour else f"{math.expm1(swing):.0%} off both in norm"
            sentence = f"Step {looks[i].step} is out of line with its neighbours, which agree: it is {what}."
            found.append(Flag(looks[i].step, None, "jump", sentence))
    return found


def _jumps(looks: list[_Look], blamed: set[int]) -> list[Flag]:
    """Ways to strange weights, that leave the trend of the ways around both as such and per unit of log step.

    Length alone is no fault: a phase transition that is fast against the spacing of checkpoints is a long way too. But
    it keeps an angle to where it began, which weights of another run or another scale do not.
    """
    ways, rates = [], []
    for a, b in _pairs(looks):
        usable = not {a.step, b.step} & blamed and b.to_previous > 0
        way = math.log(b.to_previous) if usable else math.nan
        ways.append(way)
        rates.append(way - math.log(math.log((b.step + 1) / (a.step + 1))))
    found = []
    for index, (a, b) in enumerate(_pairs(looks)):
        rescaled = b.to_previous > 0.3 and abs(b.log_norm - a.log_norm) > 0.8 * b.to_previous
        strange = b.to_previous > _STRANGE or rescaled
        if strange and _stands_out(ways, index) and _stands_out(rates, index):
            sentence = (
                f"Between steps {a.step} and {b.step} the weights jump by {b.to_previous:.2g} of their norm, out of "
                "line with the steps around."
            )
            found.append(Flag(a.step, b.step, "jump", sentence))
    return found


def _stands_out(values: list[float], index: int) -> bool:
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


def _middle(values: list[float]) -> float:
    """Median of the finite values, 0 without any."""
    finite = [value for value in values if math.isfinite(value)]
    return median(finite) if finite else 0.0


def _pairs(looks: list[_Look]) -> list[tuple[_Look, _Look]]:
    return list(pairwise(looks))


def _gaps(series: Series) -> list[Flag]:
    """Saved steps that are missing, by the record; without one, holes in evenly or evenly log-spaced steps."""
    steps = series.steps
    edges = list(pairwise(steps))
    saved = [row["step"] for row in series.record if row["saved"]]
    found = []
    for index, (a, b) in enumerate(edges):
        lost = [step for step in saved if a < step < b]
        if lost:
            said = f"step {lost[0]} was" if len(lost) == 1 else f"steps {', '.join(map(str, lost))} were"
            sentence = f"Between steps {a} and {b} {said} saved, but {'is' if len(lost) == 1 else 'are'} missing."
        elif not saved and _is_hole(edges, index):
            sentence = f"Between steps {a} and {b} checkpoints are missing from an otherwise regular spacing."
        else:
            continue
        found.append(Flag(a, b, "gap", sentence))
    return found


def _is_hole(edges: list[tuple[int, int]], index: int) -> bool:
    """Whether the ways around are alike, in steps or in log steps, and this one is about twice as long."""
    near = edges[max(0, index - 3) : index], edges[index + 1 : index + 4]
    if min(map(len, near)) < 2:
        return False
    around = near[0] + near[1]
    even = [b - a for a, b in around]
    a, b = edges[index]
    if _are_alike(even, 0.05) and b - a > 1.8 * median(even):
        return True
    logs = [math.log(end / start) for start, end in around if start > 0]
    return a > 0 and len(logs) >= 4 and _are_alike(logs, 0.25) and math.log(b / a) > 1.8 * median(logs)


def _are_alike(values: list[float] | list[int], tolerance: float) -> bool:
    """Whether at least two thirds are near the median: a second hole nearby must not hide the first."""
    center = median(values)
    return sum(abs(value - center) <= tolerance * center for value in values) >= 2 / 3 * len(values)
