"""Planted splits, merges, births and deaths come out as paths."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeeman.bands import Band, subspace_overlap, token_overlap, track
from zeeman.errors import ZeemanError


def follow(partitions: list[np.ndarray]) -> list[Band]:
    members = [int(labels.max(initial=-1)) + 1 for labels in partitions]
    strength = [
        np.bincount(labels[labels >= 0], minlength=m) / len(labels)
        for labels, m in zip(partitions, members, strict=True)
    ]
    overlaps = [token_overlap(one, other) for one, other in pairwise(partitions)]
    return track(np.arange(float(len(partitions))), overlaps, strength, [np.full(m, 0.01) for m in members])


def test_birth_split_merge_and_death() -> None:
    """400 tokens: A splits into A and B; C and D merge; E is born from tokens that were nowhere; F dies."""
    before = np.repeat([0, 1, 2, 3, -1], [120, 80, 60, 60, 80])
    after = np.repeat([4, 0, 1, 1, -1, 2], [70, 50, 80, 60, 60, 80])
    bands = follow([before, after])
    by_start = {(band.first, band.members[0]): band for band in bands}
    kept, split = by_start[(0, 0)], by_start[(1, 0)]
    assert (kept.members, kept.birth, kept.death) == ((0, 4), "start", "end")
    assert (split.birth, split.parent) == ("split", bands.index(kept))
    joined, merged = by_start[(0, 1)], by_start[(0, 2)]
    assert joined.members == (1, 1)
    assert (merged.death, merged.heir) == ("merge", bands.index(joined))
    assert (by_start[(0, 3)].death, by_start[(0, 3)].heir) == ("death", None)
    assert (by_start[(1, 2)].birth, by_start[(1, 2)].parent) == ("birth", None)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_names_of_clusters_do_not_matter(seed: int) -> None:
    """Renamed at each point, five clusters with a tenth of their tokens astray stay five bands from start to end."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(5), 60)
    partitions = []
    for _ in range(6):
        astray = np.where(rng.uniform(size=300) < 0.1, rng.integers(5, size=300), truth)
        partitions.append(rng.permutation(5)[astray])
    bands = follow(partitions)
    assert len(bands) == 5
    assert all(band.lifetime == 5.0 and band.birth == "start" and band.death == "end" for band in bands)
    for band in bands:
        held = [
            np.bincount(truth[labels == member]).argmax()
            for labels, member in zip(partitions, band.members, strict=True)
        ]
        assert len(set(held)) == 1


def test_unrelated_partitions_are_not_connected() -> None:
    rng = np.random.default_rng(0)
    linked = 0
    for _ in range(20):
        bands = follow([rng.integers(2, size=300), rng.integers(2, size=300)])
        linked += sum(len(band.members) > 1 for band in bands)
    # at three standard deviations, a linked pair of the 20 has a chance of a few per cent
    assert linked <= 2


def test_modes_are_followed_by_their_spaces() -> None:
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.standard_normal((200, 8)))[0]
    turned = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    here = [basis[:, :2], basis[:, 2:3]]
    there = [basis[:, 2:3], basis[:, :2] @ turned, basis[:, 5:6]]
    bands = track(
        np.array([0.0, 1.0]), [subspace_overlap(here, there)], [np.ones(2), np.ones(3)], [np.ones(2)] * 1 + [np.ones(3)]
    )
    assert [band.members for band in bands] == [(0, 1), (1, 0), (2,)]
    assert bands[2].birth == "birth"
    # a degenerate band splits under a perturbation: each half lies in it wholly
    bands = track(
        np.array([0.0, 1.0]),
        [subspace_overlap([basis[:, :2]], [basis[:, :1], basis[:, 1:2]])],
        [np.ones(1), np.ones(2)],
        [np.zeros(1), np.zeros(2)],
    )
    assert [band.birth for band in bands] == ["start", "split"]


def test_drift_is_the_slope_within_its_error() -> None:
    rng = np.random.default_rng(2)
    axis, errors = np.linspace(0, 3, 12), np.full(12, 0.05)
    pulls = []
    for _ in range(200):
        band = Band(0, (0,) * 12, axis, 1 + 0.3 * axis + 0.05 * rng.standard_normal(12), errors, "start", "end")
        slope, error = band.drift
        pulls.append((slope - 0.3) / error)
    assert abs(np.mean(pulls)) < 4 / np.sqrt(200)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.2)


def test_an_empty_point_ends_and_begins_everything() -> None:
    labels, nothing = np.repeat([0, 1], 40), np.full(80, -1)
    bands = follow([labels, nothing, labels])
    assert [(band.first, band.birth, band.death) for band in bands] == [
        (0, "start", "death"),
        (0, "start", "death"),
        (2, "birth", "end"),
        (2, "birth", "end"),
    ]


def test_misfits_are_refused() -> None:
    overlap = token_overlap(np.repeat([0, 1], 40), np.repeat([0, 1], 40))
    with pytest.raises(ZeemanError, match="rises"):
        track(np.array([1.0, 1.0]), [overlap], [np.ones(2)] * 2, [np.ones(2)] * 2)
    with pytest.raises(ZeemanError, match="same partitions"):
        track(np.array([0.0, 1.0]), [overlap], [np.ones(2), np.ones(3)], [np.ones(2), np.ones(3)])
