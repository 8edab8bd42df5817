"""Counter-based noise: standard normal, independent in every index, the same numbers for a part as for the whole."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from zeeman.sampling import Noise, minibatch

MANY = 200_000


def normals(seed: int = 0, chain: int = 0, step: int = 0, name: str = "w", count: int = MANY) -> np.ndarray:
    return Noise(seed, chain).normal(step, [(name, 0, count)])[0].double().numpy()


def test_moments_are_those_of_a_standard_normal() -> None:
    x = normals()
    # Standard errors of the first four moments of N(0, 1) in MANY draws.
    for power, expected, spread in ((1, 0.0, 1.0), (2, 1.0, 2**0.5), (3, 0.0, 15**0.5), (4, 3.0, 96**0.5)):
        assert abs((x**power).mean() - expected) < 4 * spread / MANY**0.5
    assert abs((x[:-1] * x[1:]).mean()) < 4 / MANY**0.5


@pytest.mark.parametrize(
    ("seed", "chain", "step", "name"), [(0, 0, 0, "w"), (7, 3, 10**6, "h.1.bias"), (2**63, 0, 1, "")]
)
def test_distribution_is_normal_by_kolmogorov_smirnov(seed: int, chain: int, step: int, name: str) -> None:
    x = normals(seed, chain, step, name)
    assert stats.kstest(x, "norm").pvalue > 1e-3
    assert stats.kstest(x[::2] ** 2 + x[1::2] ** 2, "chi2", args=(2,)).pvalue > 1e-3
    assert np.isfinite(x).all()


def test_seed_chain_step_and_name_each_give_independent_numbers() -> None:
    streams = [
        normals(),
        normals(seed=1),
        normals(chain=1),
        normals(step=1),
        normals(name="v"),
        normals(seed=1, chain=1),
    ]
    for a, b in combinations(streams, 2):
        assert abs((a * b).mean()) < 4.5 / MANY**0.5
        assert abs((a**2 * b**2).mean() - 1) < 4.5 * 8**0.5 / MANY**0.5


def test_seed_and_chain_are_not_interchangeable() -> None:
    assert not np.array_equal(normals(seed=1, chain=2, count=8), normals(seed=2, chain=1, count=8))


WHOLE = Noise(3, 1).normal(5, [("w", 0, 4_000)])[0]


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 3_999), st.integers(1, 4_000), st.integers(0, 70), st.integers(0, 70))
def test_a_slice_holds_the_very_bits_of_the_whole(start: int, count: int, before: int, after: int) -> None:
    count = min(count, 4_000 - start)
    wanted = [("u", 3, before), ("w", start, count), ("v", 0, after)]
    _, part, _ = Noise(3, 1).normal(5, wanted)
    assert torch.equal(part, WHOLE[start : start + count])


def test_asking_twice_or_in_another_order_gives_the_same() -> None:
    noise = Noise(0, 0)
    late, early = noise.normal(9, [("w", 0, 33)])[0], noise.normal(1, [("w", 0, 33)])[0]
    assert torch.equal(early, Noise(0, 0).normal(1, [("w", 0, 33)])[0])
    assert torch.equal(late, Noise(0, 0).normal(9, [("w", 0, 33)])[0])


def test_no_global_generator_is_touched() -> None:
    def states() -> tuple[bytes, str, str]:
        return torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state()), repr(random.getstate())  # noqa: NPY002

    before = states()
    Noise(0, 0).normal(0, [("w", 0, 1000)])
    minibatch(0, 0, 0, 1000, 10)
    assert states() == before


@settings(deadline=None)
@given(st.integers(1, 60), st.data())
def test_minibatches_are_the_stretches_of_epochs_that_are_permutations(rows: int, data: st.DataObject) -> None:
    batch = data.draw(st.integers(1, rows))
    seed, chain = data.draw(st.integers(0, 2**63)), data.draw(st.integers(0, 5))
    order = np.concatenate([minibatch(seed, chain, step, rows, batch) for step in range(3 * rows)])
    for epoch in order[: len(order) // rows * rows].reshape(-1, rows):
        assert sorted(epoch) == list(range(rows))


def test_epochs_chains_and_seeds_have_orders_of_their_own() -> None:
    orders = [
        minibatch(seed, chain, epoch, 50, 50).tolist() for seed in range(3) for chain in range(3) for epoch in range(3)
    ]
    assert len({tuple(order) for order in orders}) == 27


def test_every_row_is_equally_likely_in_every_place() -> None:
    first = np.concatenate([minibatch(0, chain, epoch * 5, 10, 2) for chain in range(20) for epoch in range(100)])
    assert stats.chisquare(np.bincount(first, minlength=10)).pvalue > 1e-3
