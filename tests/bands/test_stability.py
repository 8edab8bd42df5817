"""Agreement of partitions against counting pairs, and its errors against repetition."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeeman.bands import adjusted_rand_index, agreement, half_agreement, match_clusters, mean_agreement
from zeeman.errors import ZeemanError
from zeeman.reading import Verdict


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=14))
@settings(max_examples=60, deadline=None)
def test_index_is_that_of_counted_pairs(labels: list[tuple[int, int]]) -> None:
    one, other = np.array(labels).T
    pairs = list(combinations(range(len(one)), 2))
    in_one = np.array([one[i] == one[j] for i, j in pairs])
    in_other = np.array([other[i] == other[j] for i, j in pairs])
    expected = in_one.sum() * in_other.sum() / len(pairs)
    most = (in_one.sum() + in_other.sum()) / 2
    counted = 1.0 if most == expected else ((in_one & in_other).sum() - expected) / (most - expected)
    assert adjusted_rand_index(one, other) == pytest.approx(counted, abs=1e-9)
    assert adjusted_rand_index(other, one) == pytest.approx(counted, abs=1e-9)


def test_rows_left_out_are_alone() -> None:
    one = np.array([0, 0, 0, 1, 1, 1, -1, -1])
    apart = np.array([0, 0, 0, 1, 1, 1, 2, 3])
    assert adjusted_rand_index(one, apart) == 1.0
    assert adjusted_rand_index(one, np.array([0, 0, 0, 1, 1, 1, 2, 2])) < 1.0


def test_unrelated_partitions_agree_by_zero_on_average() -> None:
    rng = np.random.default_rng(0)
    values = [adjusted_rand_index(rng.integers(4, size=200), rng.integers(5, size=200)) for _ in range(200)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)


def test_bootstrap_error_is_the_scatter_over_samples() -> None:
    rng = np.random.default_rng(1)

    def sample() -> tuple[np.ndarray, np.ndarray]:
        one = rng.integers(4, size=400)
        return one, np.where(rng.uniform(size=400) < 0.7, one, rng.integers(4, size=400))

    scatter = np.std([adjusted_rand_index(*sample()) for _ in range(300)])
    errors = [float(agreement(*sample()).standard_error) for _ in range(10)]
    assert np.mean(errors) == pytest.approx(scatter, rel=0.2)


def test_mean_over_partitions_has_the_error_of_a_jackknife() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(4, size=300)
    noisy = [np.where(rng.uniform(size=300) < 0.8, truth, rng.integers(4, size=300)) for _ in range(6)]
    reading = mean_agreement(noisy)
    pairs = [adjusted_rand_index(a, b) for a, b in combinations(noisy, 2)]
    assert reading.value == pytest.approx(np.mean(pairs))
    assert 0 < reading.standard_error < 0.1
    two = mean_agreement(noisy[:2])
    assert two.verdict is Verdict.TOO_FEW_DRAWS
    assert np.isnan(two.standard_error)
    with pytest.raises(ZeemanError, match="two partitions"):
        mean_agreement(noisy[:1])


def test_halves_agree_where_the_rule_is_the_same_and_not_where_it_is_chance() -> None:
    rows = np.random.default_rng(3).standard_normal((200, 2))
    assert half_agreement(rows, lambda part: (part[:, 0] > 0).astype(np.int64)).value == 1.0
    rng = np.random.default_rng(4)
    assert abs(float(half_agreement(rows, lambda part: rng.integers(3, size=len(part))).value)) < 0.1


def test_matching_undoes_a_renaming() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(6, size=500)
    names = rng.permutation(6) + 3
    matched = match_clusters(labels, names[labels])
    assert [(i, j) for i, j, _ in matched] == [(i, names[i]) for i in range(6)]
    assert all(overlap == 1.0 for *_, overlap in matched)


def test_other_rows_are_refused() -> None:
    with pytest.raises(ZeemanError, match="same rows"):
        adjusted_rand_index(np.zeros(3, dtype=np.int64), np.zeros(4, dtype=np.int64))
