"""Preparation: what it fixes, what it leaves, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeeman.bands import prepare
from zeeman.errors import ZeemanError


@given(st.integers(0, 10**6), st.integers(2, 12))
@settings(max_examples=30, deadline=None)
def test_scale_and_offset_of_a_column_leave_no_trace(seed: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((50, columns))
    changed = matrix * np.exp(rng.uniform(-8, 8, columns)) + rng.uniform(-5, 5, columns)
    assert np.allclose(prepare(changed), prepare(matrix), atol=1e-9)


def test_whitened_scores_are_uncorrelated_and_one_axis_short() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((300, 6)) @ rng.standard_normal((6, 6))
    scores = prepare(matrix, whiten=True)
    assert scores.shape == (300, 5)
    assert np.allclose(scores.T @ scores / 300, np.eye(5), atol=1e-9)


@pytest.mark.parametrize(
    ("row", "column", "value", "named"),
    [
        (slice(None), 2, 7.0, "constant columns mlp"),
        (4, slice(None), 0.0, "constant rows 4"),
        (4, 1, np.nan, "rows 4"),
        (slice(None), 1, np.inf, "columns l0h1"),
    ],
)
def test_what_has_no_scale_is_refused_by_name(row: object, column: object, value: float, named: str) -> None:
    matrix = np.random.default_rng(0).standard_normal((20, 3))
    matrix[row, column] = value  # type: ignore[index]
    with pytest.raises(ZeemanError, match=named):
        prepare(matrix, names=["l0h0", "l0h1", "mlp"])


@pytest.mark.parametrize("shape", [(5,), (1, 5), (5, 1)])
def test_too_little_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ZeemanError, match="at least 2 rows"):
        prepare(np.random.default_rng(0).standard_normal(shape))
    with pytest.raises(ZeemanError, match="names"):
        prepare(np.random.default_rng(0).standard_normal((5, 3)), names=["one"])
