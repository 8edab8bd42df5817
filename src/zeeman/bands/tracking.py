"""Bands along an axis: which cluster or mode is which at the next point; births, deaths, splits and merges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from zeeman.bands.stability import shared_rows
from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Birth = Literal["start", "birth", "split"]
Death = Literal["end", "death", "merge"]

MAJORITY = 0.5
CHANCE = 3.0
"""Standard deviations above the overlap of unrelated clusters below which a shared part counts as none."""


@dataclass(frozen=True)
class Overlap:
    """What the members at one point share with those at the next.

    Parameters
    ----------
    forward : array, shape (members here, members there)
        Share of the member here that lies in the member there.
    backward : array, same shape
        Share of the member there that lies in the member here.
    """

    forward: Floats
    backward: Floats

    @property
    def similarity(self) -> Floats:
        """Jaccard overlap |A∩B|/|A∪B| = 1/(1/forward + 1/backward − 1), 0 where nothing is shared."""
        shared = (self.forward > 0) & (self.backward > 0)
        one, other = np.where(shared, self.forward, 1.0), np.where(shared, self.backward, 1.0)
        similarity: Floats = np.where(shared, 1 / (1 / one + 1 / other - 1), 0.0)
        return similarity


@dataclass(frozen=True, eq=False)
class Band:
    """One path of clusters or modes along the axis.

    Parameters
    ----------
    first : int
        Index of the point where it begins.
    members : tuple of int
        Number of the cluster or mode at each of its points.
    axis : array, shape (points,)
        The axis at its points.
    strength, errors : array, shape (points,)
    birth : "start", "birth" or "split"
        "start" at the first point of the axis, "split" if most of it lay in another band before.
    death : "end", "death" or "merge"
        "end" at the last point of the axis, "merge" if most of it lies in another band after.
    parent, heir : int or None
        Index of the band it split from or merged into.
    """

    first: int
    members: tuple[int, ...]
    axis: Floats
    strength: Floats
    errors: Floats
    birth: Birth
    death: Death
    parent: int | None = None
    heir: int | None = None

    @property
    def lifetime(self) -> float:
        """Length of axis from its first to its last point."""
        return float(self.axis[-1] - self.axis[0])

    @property
    def drift(self) -> tuple[float, float]:
        """Slope of strength against the axis by weighted least squares, and its standard error; NaN for one point."""
        if len(self.axis) < 2:
            return float("nan"), float("nan")
        weights = 1 / np.maximum(self.errors, np.finfo(float).tiny) ** 2 if (self.errors > 0).all() else None
        weights = np.ones(len(self.axis)) if weights is None else weights
        centered = self.axis - np.average(self.axis, weights=weights)
        spread = float((weights * centered**2).sum())
        slope = float((weights * centered * self.strength).sum()) / spread
        return slope, float(np.sqrt(((weights * centered * self.errors) ** 2).sum())) / spread


def token_overlap(here: Ints, there: Ints) -> Overlap:
    """Overlap of the clusters of two partitions of the same tokens.

    A shared part within three standard deviations of what unrelated clusters of these sizes share (hypergeometric:
    mean |A||B|/n) counts as none.

    Parameters
    ----------
    here, there : array of int, shape (tokens,)
        Clusters numbered from 0; −1 for none.

    Returns
    -------
    Overlap

    Examples
    --------
    >>> overlap = token_overlap(np.repeat([0, 1], [60, 40]), np.repeat([0, 1, 2], [30, 30, 40]))
    >>> overlap.forward.tolist(), overlap.backward.tolist()
    ([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    """
    shared = shared_rows(here, there)
    count = len(here)
    one = np.bincount(here[here >= 0], minlength=len(shared)).astype(np.float64)[:, None]
    other = np.bincount(there[there >= 0], minlength=shared.shape[1]).astype(np.float64)[None]
    expected = one * other / count
    spread = np.sqrt(expected * (1 - one / count) * (1 - other / count) * count / (count - 1))
    # all tokens in one cluster on either side: nothing is left to chance
    shared = np.where((shared > expected + CHANCE * spread) | (spread == 0), shared, 0.0)
    return Overlap(shared / np.maximum(one, 1), shared / np.maximum(other, 1))


def subspace_overlap(here: Sequence[Floats], there: Sequence[Floats]) -> Overlap:
    """Overlap of bands of modes: ‖U_Aᵀ U_B‖²_F as a share of either dimension.

    Parameters
    ----------
    here, there : sequence of arrays, shape (tokens, dimension)
        Orthonormal columns spanning each band.

    Returns
    -------
    Overlap

    Examples
    --------
    >>> plane, line = np.eye(4)[:, :2], np.eye(4)[:, 1:2]
    >>> subspace_overlap([plane], [line]).forward.tolist(), subspace_overlap([plane], [line]).backward.tolist()
    ([[0.5]], [[1.0]])
    """
    shared = np.array([[float(((a.T @ b) ** 2).sum()) for b in there] for a in here]).reshape(len(here), len(there))
    one = np.array([a.shape[1] for a in here], dtype=np.float64)[:, None]
    other = np.array([b.shape[1] for b in there], dtype=np.float64)[None]
    return Overlap(shared / one, shared / other)


def track(
    axis: Floats, overlaps: Sequence[Overlap], strength: Sequence[Floats], errors: Sequence[Floats]
) -> list[Band]:
    """Connect the members at neighbouring points of an axis to bands.

    Members are linked if one holds at least half of the other. Among linked members the assignment with the largest
    sum of Jaccard overlaps carries bands on. A member left over there begins a band, which split from the band that
    holds most of it, if one does; a band left over here ends, and merged into the one that then holds most of it, if
    one does.

    Parameters
    ----------
    axis : array, shape (points,)
        Rising: training step, or log nβ.
    overlaps : sequence of Overlap, length points − 1
        From :func:`token_overlap` or :func:`subspace_overlap` of neighbours.
    strength, errors : sequences of arrays, length points
        One value a member.

    Returns
    -------
    list of Band
        By first point, then by number of the first member.

    Raises
    ------
    ZeemanError
        For an axis that does not rise or parts that do not fit together.

    Examples
    --------
    >>> labels = [np.repeat([0], 60), np.repeat([0, 1], 30)]
    >>> strength, errors = [np.ones(1), np.ones(2)], [np.zeros(1), np.zeros(2)]
    >>> bands = track(np.array([0.0, 1.0]), [token_overlap(*labels)], strength, errors)
    >>> [(band.members, band.birth, band.parent) for band in bands]
    [((0, 0), 'start', None), ((1,), 'split', 0)]
    """
    _refuse_misfits(axis, overlaps, strength, errors)
    paths = [_Path(0, [member]) for member in range(len(strength[0]))]
    current = list(range(len(paths)))
    for point, overlap in enumerate(overlaps, start=1):
        current = _step(paths, current, overlap, point)
    return [_band(path, axis, strength, errors) for path in paths]


@dataclass
class _Path:
    first: int
    members: list[int] = field(default_factory=list)
    birth: Birth = "start"
    death: Death = "end"
    parent: int | None = None
    heir: int | None = None


def _step(paths: list[_Path], current: list[int], overlap: Overlap, point: int) -> list[int]:
    """Carry the paths on by one point; gives the path of each member there."""
    forward, backward = overlap.forward, overlap.backward
    similarity = np.where(np.maximum(forward, backward) >= MAJORITY, overlap.similarity, 0.0)
    here, there = linear_sum_assignment(-similarity)
    kept = {int(j): int(i) for i, j in zip(here, there, strict=True) if similarity[i, j] > 0}
    after: list[int] = []
    for member in range(forward.shape[1]):
        if member in kept:
            path = current[kept[member]]
            paths[path].members.append(member)
        else:
            path = len(paths)
            holder = int(backward[:, member].argmax()) if len(backward) else 0
            split = bool(len(backward)) and backward[holder, member] >= MAJORITY
            begun = _Path(point, [member], "birth")
            if split:
                begun.birth, begun.parent = "split", current[holder]
            paths.append(begun)
        after.append(path)
    for member in set(range(len(forward))) - set(kept.values()):
        holder = int(forward[member].argmax()) if forward.shape[1] else 0
        merged = bool(forward.shape[1]) and forward[member, holder] >= MAJORITY
        ended = paths[current[member]]
        ended.death, ended.heir = ("merge", after[holder]) if merged else ("death", None)
    return after


def _band(path: _Path, axis: Floats, strength: Sequence[Floats], errors: Sequence[Floats]) -> Band:
    points = range(path.first, path.first + len(path.members))
    own = [np.array([rows[p][m] for p, m in zip(points, path.members, strict=True)]) for rows in (strength, errors)]
    return Band(
        path.first, tuple(path.members), axis[points.start : points.stop], own[0], own[1],
        path.birth, path.death, path.parent, path.heir,
    )  # fmt: skip


def _refuse_misfits(
    axis: Floats, overlaps: Sequence[Overlap], strength: Sequence[Floats], errors: Sequence[Floats]
) -> None:
    if not len(axis) or not (np.diff(axis) > 0).all():
        raise ZeemanError("expected an axis that rises from point to point, got one that does not; sort the points.")
    members = [len(values) for values in strength]
    fits = [len(values) for values in errors] == members and len(members) == len(axis) == len(overlaps) + 1
    pairs = list(pairwise(members))
    if not fits or [overlap.forward.shape for overlap in overlaps] != pairs:
        shapes = [overlap.forward.shape for overlap in overlaps]
        raise ZeemanError(
            f"expected an overlap between neighbours and a strength and error for each member of {len(axis)} points, "
            f"got {members} members and overlaps {shapes}; build all of them from the same partitions."
        )
