from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes import Probe

TOKENS = np.array([[5, 1, 2], [3, 4, 0]])
SCORED = np.array([[False, True, False], [False, False, True]])


@st.composite
def probes(draw: st.DrawFn) -> Probe:
    rows, length = draw(st.integers(1, 4)), draw(st.integers(2, 6))
    tokens = draw(st.lists(st.integers(0, 9), min_size=rows * length, max_size=rows * length))
    scored = np.zeros((rows, length), dtype=bool)
    bits = draw(st.lists(st.booleans(), min_size=rows * (length - 1), max_size=rows * (length - 1)).filter(any))
    scored[:, 1:] = np.reshape(bits, (rows, length - 1))
    return Probe("p", np.reshape(tokens, (rows, length)), scored)


def test_arrays_are_read_only_copies() -> None:
    tokens, scored = TOKENS.copy(), SCORED.copy()
    probe = Probe("p", tokens, scored)
    tokens[0, 1], scored[0, 2] = 9, True
    assert probe.inputs[0, 1] == 1
    assert not probe.scored[0, 2]
    for array in (probe.inputs, probe.scored):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 1] = 0


def test_pickling_keeps_digest_and_protection() -> None:
    probe = Probe("p", TOKENS, SCORED, ("a",), "accuracy", chance=0.25)
    again = pickle.loads(pickle.dumps(probe))
    assert (again.digest, again.concepts, again.metric, again.chance) == (probe.digest, ("a",), "accuracy", 0.25)
    assert not again.inputs.flags.writeable
    assert not again.scored.flags.writeable


@given(probes(), st.data())
def test_any_token_or_scored_bit_changes_the_digest(probe: Probe, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, probe.inputs.shape[0] - 1))
    position = data.draw(st.integers(1, probe.inputs.shape[1] - 1))
    tokens, scored = probe.inputs.copy(), probe.scored.copy()
    tokens[row, position] += data.draw(st.sampled_from([-1, 1, 2**40]))
    assert Probe("p", tokens, probe.scored).digest != probe.digest
    scored[row, position] ^= True
    if scored.any():
        assert Probe("p", probe.inputs, scored).digest != probe.digest


def test_digest_depends_on_what_is_measured_and_on_nothing_else() -> None:
    digest = Probe("p", TOKENS, SCORED).digest
    assert Probe("p", TOKENS, SCORED, ("tag",)).digest == digest
    assert Probe("p", TOKENS.astype(np.int16), SCORED).digest == digest
    assert Probe("p", np.asfortranarray(TOKENS), np.asfortranarray(SCORED)).digest == digest
    assert Probe("q", TOKENS, SCORED).digest != digest
    shares = Probe("p", TOKENS, SCORED, metric="accuracy")
    assert shares.digest != digest
    assert Probe("p", TOKENS, SCORED, metric="accuracy", chance=0.5).digest == shares.digest


def test_shape_is_part_of_the_digest() -> None:
    wide = Probe("p", np.zeros((1, 8), int), np.arange(8)[None] == 5)
    tall = Probe("p", np.zeros((2, 4), int), np.arange(8).reshape(2, 4) == 5)
    assert wide.inputs.tobytes() == tall.inputs.tobytes()
    assert wide.scored.tobytes() == tall.scored.tobytes()
    assert wide.digest != tall.digest


@pytest.mark.parametrize(
    ("tokens", "scored", "message"),
    [
        (TOKENS[0], SCORED[0], "2-d array of integers"),
        (TOKENS.astype(float), SCORED, "got float64"),
        (TOKENS > 2, SCORED, "got bool"),
        (TOKENS.astype(np.uint64), SCORED, "fit in int64"),
        ([[1, 2], [3]], SCORED, "ragged"),
        (TOKENS, SCORED[:1], r"shape \(2, 3\), got bool of shape \(1, 3\)"),
        (TOKENS, SCORED.astype(int), "got int64"),
        (TOKENS, SCORED | (np.arange(3) == 0), "position 0 .* in row 0"),
        (TOKENS[:0], SCORED[:0], "empty probe: expected at least one row"),
        (TOKENS[:, :0], SCORED[:, :0], "empty probe"),
        (TOKENS, np.zeros_like(SCORED), "empty probe: expected at least one scored position"),
    ],
)
def test_unfit_arrays_are_refused_by_name(tokens: Any, scored: NDArray[np.bool_], message: str) -> None:
    with pytest.raises(ZeemanError, match=message) as caught:
        Probe("mine", tokens, scored)
    assert "probe mine" in str(caught.value)


@pytest.mark.parametrize("name", ["", ".", "a/b", "../a", "a b", "a\n", "é", "x" * 101, 3])
def test_names_that_no_file_can_have_are_refused(name: Any) -> None:
    with pytest.raises(ZeemanError, match="a probe's name must be"):
        Probe(name, TOKENS, SCORED)


@pytest.mark.parametrize("concepts", ["induction", ("",), (1,), ("a\nb",), None])
def test_concepts_are_tags(concepts: Any) -> None:
    with pytest.raises(ZeemanError, match="concepts must be a tuple"):
        Probe("p", TOKENS, SCORED, concepts)


def test_metric_is_one_of_those_known() -> None:
    with pytest.raises(ZeemanError, match=r"one of loss, accuracy, .*, got 'auc'"):
        Probe("p", TOKENS, SCORED, metric="auc")  # type: ignore[arg-type]


def test_vocabulary_is_checked_at_both_ends() -> None:
    Probe("p", TOKENS, SCORED).check_vocabulary(6)
    with pytest.raises(ZeemanError, match=r"probe p: .* from 0 to 4, got 5 in row 0 at position 0"):
        Probe("p", TOKENS, SCORED).check_vocabulary(5)
    with pytest.raises(ZeemanError, match="got -4 in row 1 at position 1"):
        Probe("p", np.where(TOKENS == 4, -4, TOKENS), SCORED).check_vocabulary(6)
