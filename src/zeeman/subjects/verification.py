"""Faults of a series that would pass for phase transitions: duplicates, final-era weights, jumps, gaps."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from zeeman.subjects.checkpoint import state_digest
from zeeman.subjects.flags import Flag as Flag
from zeeman.subjects.flags import blamed
from zeeman.subjects.jumps import SHARED, contradicted, jumps
from zeeman.subjects.looks import Look, look_at
from zeeman.subjects.swaps import swapped

if TYPE_CHECKING:
    from zeeman.subjects.series import Series


_FINAL = 4.0  # times closer to the last checkpoint than checkpoints before and after


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


def verify(series: Series) -> Verification:
    """Look for faults in a series; holds four checkpoints at a time.

    Flagged are weights that are not finite; names, shapes, dtypes or a precision of the values unlike the others';
    identical weights, all or a good part, under two steps; weights much closer to the last checkpoint than those before
    and after; jumps: a step that its neighbours contradict, in all weights or in a good part of the matrices, a step
    whose weights and those of a flagged one fit in each other's places, or a way to unrelated or rescaled weights that
    is out of line with the ways around it; and gaps in otherwise regular steps.

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
    >>> import torch
    >>> from zeeman.subjects.series import Series
    >>> states = [(step, {"weight": torch.full((2, 2), float(min(step, 3)))}) for step in range(1, 5)]
    >>> [flag.sentence for flag in verify(Series.from_state_dicts(states, torch.nn.Identity)).flags]
    ['Steps 3 and 4 have identical weights.']
    """
    looks = list(look_at(series))
    flags = [*_sick(looks), *_misshapen(looks), *_other_precision(looks), *_duplicates(looks)]
    flags += _final_era(looks, blamed(flags))
    flags += contradicted(looks, blamed(flags))
    flags += jumps(looks, blamed(flags))
    flags += swapped(looks, flags)
    flags += _gaps(series)
    digests = tuple(state_digest(look.tensors) for look in looks)
    for checkpoint, digest in zip(series, digests, strict=True):
        # Where cached_property keeps it: to load every checkpoint a second time for the same hash is hours on a hub.
        checkpoint.__dict__.setdefault("digest", digest)
    return Verification(tuple(series.steps), digests, tuple(sorted(flags, key=lambda flag: flag.step)))


def _sick(looks: list[Look]) -> list[Flag]:
    return [
        Flag(look.step, None, "non_finite", f"Step {look.step} has weights that are not finite, in {look.sick!r}.")
        for look in looks
        if look.sick
    ]


def _misshapen(looks: list[Look]) -> list[Flag]:
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


def _other_precision(looks: list[Look]) -> list[Flag]:
    """Dtypes unlike the others', and values that were rounded to half precision where those of others were not.

    The first checkpoint may be coarser: a training often begins from weights that were published in half precision.
    """
    found = []
    kinds = {name: Counter(look.dtypes.get(name) for look in looks).most_common(1)[0][0] for name in looks[-1].dtypes}
    known = [look.coarse for look in looks if look.coarse is not None]
    coarse = Counter(known).most_common(1)[0][0] if known else ""
    for look in looks:
        names = [name for name in sorted(look.dtypes) if kinds.get(name) not in (look.dtypes[name], None)]
        if names:
            sentence = f"{names[0]!r} is {look.dtypes[names[0]]} and {kinds[names[0]]} at most steps"
        elif look.coarse not in (coarse, None) and look is not looks[0]:
            sentence = (
                f"its values are those of {look.coarse or 'full precision'}, and of {coarse or 'full'} at most steps"
            )
        else:
            continue
        found.append(
            Flag(look.step, None, "dtype", f"Step {look.step} has another precision than most steps: {sentence}.")
        )
    return found


def _duplicates(looks: list[Look]) -> list[Flag]:
    """Identical weights under two steps, and tensors that come back after they had changed (mixed-up shards)."""
    found: list[Flag] = []
    first: dict[str, Look] = {}
    seen: set[tuple[int, int]] = set()
    for look in looks:
        earlier = first.setdefault(state_digest(look.tensors), look)
        if earlier is not look:
            seen.add((earlier.step, look.step))
            sentence = f"Steps {earlier.step} and {look.step} have identical weights."
            found.append(Flag(look.step, earlier.step, "duplicate", sentence))
    copies = {step for pair in seen for step in pair}
    for (one, other), share in _returned(looks).items():
        if share >= SHARED and not {looks[one].step, looks[other].step} & copies:
            a, b = looks[one].step, looks[other].step
            sentence = f"Steps {a} and {b} share {share:.0%} of their weights, which differ in between."
            # Published series get the last shards under earlier steps, not the reverse.
            is_last = other == len(looks) - 1
            found.append(Flag(a, b, "final_era", sentence) if is_last else Flag(b, a, "duplicate", sentence))
    return found


def _returned(looks: list[Look]) -> dict[tuple[int, int], float]:
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


def _final_era(looks: list[Look], known: set[int]) -> list[Flag]:
    """Steps whose way to the last checkpoint is far shorter than that of steps on both sides."""
    found = []
    for index, look in enumerate(looks[:-1]):
        limit = _FINAL * look.to_last
        before = [other.to_last for other in looks[:index] if math.isfinite(other.to_last)]
        after = [other.to_last for other in looks[index + 1 : -1] if math.isfinite(other.to_last)]
        farther = sum(distance > limit for distance in after)
        # One farther step may itself be the wrong one; the first step has only later ones to be compared with.
        enough = farther >= 2 and (any(d > limit / 2 for d in before) if before else farther >= len(after) / 2)
        if enough and look.step not in known:
            sentence = (
                f"Step {look.step} holds weights from near the end: their distance to step {looks[-1].step} is "
                f"{look.to_last:.2g}, but {max(after):.2g} later on."
            )
            found.append(Flag(look.step, looks[-1].step, "final_era", sentence))
    return found


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
    """Whether the ways around are alike, in steps or in log steps, and this one is as long as two or more."""
    near = edges[max(0, index - 3) : index], edges[index + 1 : index + 4]
    if min(map(len, near)) < 2:
        return False
    around = near[0] + near[1]
    even = [b - a for a, b in around]
    a, b = edges[index]
    if _are_alike(even, 0.05) and _is_multiple((b - a) / median(even), 0.05):
        return True
    logs = [math.log(end / start) for start, end in around if start > 0]
    return a > 0 and len(logs) >= 4 and _are_alike(logs, 0.25) and _is_multiple(math.log(b / a) / median(logs), 0.2)


def _is_multiple(ratio: float, tolerance: float) -> bool:
    """Whether whole steps are missing; where two spacings meet, the ratio is any number."""
    return ratio > 2 - tolerance and abs(ratio - round(ratio)) <= tolerance


def _are_alike(values: list[float] | list[int], tolerance: float) -> bool:
    """Whether at least two thirds are near the median: a second hole nearby must not hide the first."""
    center = median(values)
    return sum(abs(value - center) <= tolerance * center for value in values) >= 2 / 3 * len(values)
