"""The covering program and its dual: certificates hold, and the optimal face is that of brute force."""

from __future__ import annotations

import itertools
import random
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeeman.errors import ZeemanError
from zeeman.singularities.newton import minimal_exponents, newton_rlct, rank

exponents = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(*[st.integers(0, 4)] * n).filter(any), min_size=1, max_size=6),
        st.tuples(*[st.integers(0, 2)] * n),
    )
)


def solve(rows: list[tuple[Fraction, ...]], right: list[Fraction]) -> list[Fraction] | None:
    """Cramer-free elimination of a square system; None where it is singular."""
    size = len(rows)
    table = [[Fraction(x) for x in row] + [Fraction(b)] for row, b in zip(rows, right, strict=True)]
    for k in range(size):
        pivot = next((i for i in range(k, size) if table[i][k]), None)
        if pivot is None:
            return None
        table[k], table[pivot] = table[pivot], table[k]
        table[k] = [x / table[k][k] for x in table[k]]
        for i in range(size):
            if i != k:
                table[i] = [x - table[i][k] * y for x, y in zip(table[i], table[k], strict=True)]
    return [row[-1] for row in table]


def brute(support, shifts):
    """λ and m from all vertices and the rays along which the objective does not grow (none, as 1 + h > 0)."""
    n = len(support[0])
    unit = [tuple(int(i == k) for i in range(n)) for k in range(n)]
    constraints = [(a, 1) for a in support] + [(e, 0) for e in unit]
    vertices = set()
    for chosen in itertools.combinations(constraints, n):
        w = solve([row for row, _ in chosen], [b for _, b in chosen])
        if w is not None and all(sum(x * y for x, y in zip(row, w, strict=True)) >= b for row, b in constraints):
            vertices.add(tuple(w))
    cost = {w: sum((1 + h) * x for h, x in zip(shifts, w, strict=True)) for w in vertices}
    best = [w for w in vertices if cost[w] == min(cost.values())]
    return min(cost.values()), 1 + rank([[x - y for x, y in zip(w, best[0], strict=True)] for w in best])


@settings(deadline=None, max_examples=60)
@given(exponents)
def test_value_and_multiplicity_are_those_of_all_vertices(case):
    support, shifts = case
    found = newton_rlct(support, shifts)
    assert (found.value, found.multiplicity) == brute(support, shifts)


@settings(deadline=None, max_examples=60)
@given(exponents)
def test_both_certificates_hold(case):
    support, shifts = case
    found = newton_rlct(support, shifts)
    assert all(sum(x * w for x, w in zip(a, found.weights, strict=True)) >= 1 for a in support)
    assert min(found.weights) >= 0
    assert sum((1 + h) * w for h, w in zip(shifts, found.weights, strict=True)) == found.value
    assert all(y > 0 and a in support for a, y in found.packing)
    for i, h in enumerate(shifts):
        assert sum(a[i] * y for a, y in found.packing) <= 1 + h
    assert sum(y for _, y in found.packing) == found.value


@settings(deadline=None, max_examples=30)
@given(exponents)
def test_more_monomials_never_lower_it(case):
    support, shifts = case
    whole, less = newton_rlct(support, shifts), newton_rlct(support[:1], shifts)
    assert (whole.value, -whole.multiplicity) >= (less.value, -less.multiplicity)


def test_forty_variables_and_two_hundred_monomials_take_seconds():
    rng = random.Random(3)
    support = []
    for _ in range(200):
        a = [0] * 40
        for i in rng.sample(range(40), 4):
            a[i] = rng.choice([1, 1, 2])
        support.append(tuple(a))
    start = time.process_time()
    found = newton_rlct(support)
    assert time.process_time() - start < 5
    assert sum(y for _, y in found.packing) == sum(found.weights) == found.value


@pytest.mark.parametrize("bad", [[], [(0, 0)], [(1, 0), (1,)], [(-1, 2)]])
def test_no_ideal_of_monomials_is_told_in_a_sentence(bad):
    with pytest.raises(ZeemanError, match="expected"):
        newton_rlct(bad)


def test_shifts_must_leave_the_density_integrable():
    with pytest.raises(ZeemanError, match="above -1"):
        newton_rlct([(1, 1)], [0, -1])


def test_minimal_exponents_generate_the_same_ideal():
    support = [(2, 1), (1, 3), (2, 2), (3, 1), (1, 3)]
    assert minimal_exponents(support) == [(1, 3), (2, 1)]
