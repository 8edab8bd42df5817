"""Weights of two steps in each other's places, where one of them alone is out of line enough to be told by itself."""

from __future__ import annotations

import math

import torch

from zeeman.subjects.flags import Flag
from zeeman.subjects.looks import Look

_SHORTER = 1.5  # times that the ways to both neighbours are shorter with the weights of the other step


def swapped(looks: list[Look], flags: list[Flag]) -> list[Flag]:
    """Flag the other half of a swap: a step that fits where a flagged one stands, whose weights fit in its place.

    Parameters
    ----------
    looks : list of Look
    flags : list of Flag
        Those at one step say which weights are looked for elsewhere.

    Returns
    -------
    list of Flag
    """
    strays = {flag.step for flag in flags if flag.kind == "final_era" or (flag.kind == "jump" and not flag.other_step)}
    known = {flag.step for flag in flags}
    found = []
    for i in (i for i, look in enumerate(looks) if look.step in strays):
        fits = {k: _fit(looks, i, k) for k, look in enumerate(looks) if abs(k - i) > 1 and look.step not in known}
        k = max(fits, key=lambda k: fits[k], default=i)
        if fits.get(k, 0.0) > _SHORTER:
            a, b = sorted((looks[i].step, looks[k].step))
            sentence = f"Steps {a} and {b} fit each in the place of the other: their weights seem to be swapped."
            found.append(Flag(looks[k].step, None, "jump", sentence))
    return found


def _fit(looks: list[Look], i: int, k: int) -> float:
    """How many times shorter the ways at both steps get by a swap, the lesser of the two; 0 where it can't be told."""
    if not (0 < i < len(looks) - 1 and 0 < k < len(looks) - 1):
        return 0.0
    ratios = [_ways(looks, at, at) / max(_ways(looks, at, other), 1e-300) for at, other in ((i, k), (k, i))]
    return min(ratios) if all(map(math.isfinite, ratios)) else 0.0


def _ways(looks: list[Look], place: int, weights: int) -> float:
    """Length of the way through a place with the weights of a step in it, by the sketches."""
    here = looks[weights].sketch
    near = (looks[place - 1].sketch, looks[place + 1].sketch)
    if any(sketch.shape != here.shape for sketch in near):
        return math.nan
    return sum(float(torch.linalg.vector_norm(sketch - here)) for sketch in near)
