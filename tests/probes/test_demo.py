from __future__ import annotations

import keyword
import re
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes import (
    CONTEXT,
    HELD_OUT_PERIODS,
    TRAINING_PERIODS,
    VOCABULARY,
    Library,
    Probe,
    demo_library,
    held_out_text,
    repeat_windows,
    standard_library_text,
    text_windows,
    training_text,
    training_windows,
)

PAIRS = {")": "(", "]": "[", "}": "{"}


@pytest.fixture(scope="module")
def library() -> Library:
    return demo_library(rows=48)


def as_bytes(tokens: NDArray[np.int64]) -> bytes:
    return tokens.astype(np.uint8).tobytes()


def rows_of(probe: Probe) -> list[tuple[str, list[int]]]:
    return [
        (as_bytes(tokens).decode("ascii"), np.flatnonzero(mask).tolist())
        for tokens, mask in zip(probe.inputs, probe.scored, strict=True)
    ]


def repeats_with(tokens: NDArray[np.int64], period: int) -> bool:
    return bool((tokens[period:] == tokens[:-period]).all())


def test_text_is_ascii_source_in_two_parts() -> None:
    whole, training, held_out = standard_library_text(), training_text(), held_out_text()
    assert whole.dtype == np.int64
    assert 0 <= whole.min() <= whole.max() < VOCABULARY
    assert len(whole) <= 8_000_000
    assert len(whole) == len(training) + len(held_out)
    assert 0.02 < len(held_out) / len(whole) < 0.3
    np.testing.assert_array_equal(np.bincount(whole), np.bincount(training) + np.bincount(held_out, minlength=127))


def test_held_out_text_is_not_in_the_training_text() -> None:
    training, held_out = as_bytes(training_text()), as_bytes(held_out_text())
    chunk = 2000
    chunks = [held_out[first : first + chunk] for first in range(0, len(held_out) - chunk, 5 * chunk)]
    assert len(chunks) > 20
    assert not any(each in training for each in chunks)


def test_few_held_out_windows_are_known_from_training() -> None:
    # What remains are licences and idioms that many files share.
    training = as_bytes(training_text())
    windows = text_windows(np.random.default_rng(8), 400, held_out=True)
    assert sum(as_bytes(window) in training for window in windows) < 20


def test_windows_come_from_their_part() -> None:
    for held_out, text in ((False, as_bytes(training_text())), (True, as_bytes(held_out_text()))):
        for window in text_windows(np.random.default_rng(1), 8, held_out=held_out):
            assert as_bytes(window) in text


def test_repeats_repeat_printable_strings_with_their_period() -> None:
    tokens, period = repeat_windows(np.random.default_rng(2), 500)
    assert set(period.tolist()) == set(TRAINING_PERIODS) == set(range(6, 32)) - set(HELD_OUT_PERIODS)
    assert tokens.min() == 32
    assert tokens.max() == 126
    for row, each in zip(tokens, period, strict=True):
        assert repeats_with(row, each)
        assert not any(repeats_with(row, shorter) for shorter in range(1, each))


def test_no_training_window_repeats_with_a_held_out_period() -> None:
    windows = training_windows(np.random.default_rng(3), 2000)
    # A run of one character has every period, so only windows with many different ones can tell.
    varied = [row for row in windows if len(np.unique(row)) >= 5]
    assert len(varied) > 1500
    shortest = {next((p for p in range(1, CONTEXT) if repeats_with(row, p)), None) for row in varied}
    assert shortest > set(TRAINING_PERIODS)
    assert shortest.isdisjoint(HELD_OUT_PERIODS)


def test_a_quarter_of_the_training_windows_repeat() -> None:
    windows = training_windows(np.random.default_rng(4), 400)
    varied = [len(np.unique(row)) >= 5 and any(repeats_with(row, p) for p in TRAINING_PERIODS) for row in windows]
    assert windows.shape == (400, CONTEXT)
    assert sum(varied) == 100
    assert 10 < sum(varied[:100]) < 40


def test_generators_read_their_own_state_alone() -> None:
    before = repr(np.random.get_state(legacy=False))  # noqa: NPY002 - the global state is what must not move
    first, second = (training_windows(np.random.default_rng(5), 16) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, training_windows(np.random.default_rng(6), 16))
    demo_library(rows=2)
    assert repr(np.random.get_state(legacy=False)) == before  # noqa: NPY002


def test_library_is_the_same_in_another_process(library: Library) -> None:
    code = "from zeeman.probes import demo_library; print(demo_library(rows=48).digest)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == library.digest
    assert demo_library(seed=1, rows=48).digest != library.digest


def test_library_holds_what_it_promises(library: Library) -> None:
    expected = ["text", "repeats", "brackets", "indentation", "digits", "docstring", "keywords"]
    assert [probe.name for probe in library] == expected
    assert library.data.name == "train"
    assert library.data.inputs.shape == (512, CONTEXT)
    assert library.data.scored[:, 1:].all()
    library.check_vocabulary(VOCABULARY)
    for probe in library:
        assert probe.inputs.shape == (48, CONTEXT)
        assert probe.concepts
        assert probe.scored.sum(axis=1).min() >= 3
    assert library["text"].scored[:, 1:].all()


def test_text_probes_read_held_out_text_without_repetition(library: Library) -> None:
    held_out = as_bytes(held_out_text())
    for probe in library:
        if probe.name != "repeats":
            assert all(as_bytes(row) in held_out for row in probe.inputs)
            assert len(np.unique(probe.inputs, axis=0)) > 40


def test_repeats_are_of_held_out_periods_and_scored_where_predictable(library: Library) -> None:
    for tokens, scored in zip(library["repeats"].inputs, library["repeats"].scored, strict=True):
        period = next(period for period in HELD_OUT_PERIODS if repeats_with(tokens, period))
        np.testing.assert_array_equal(scored, np.arange(CONTEXT) >= period + 1)


def balanced(code: str) -> bool:
    code = re.sub(r"\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''", "", code)
    code = re.sub(r"#[^\n]*|\"(\\.|[^\"\\\n])*\"|'(\\.|[^'\\\n])*'", "", code)
    code = re.sub(r"[^()\[\]{}]", "", code)
    while (shorter := re.sub(r"\(\)|\[\]|\{\}", "", code)) != code:
        code = shorter
    return not code


def test_scored_brackets_close_one_in_the_window(library: Library) -> None:
    for window, positions in rows_of(library["brackets"]):
        for position in positions:
            opener = PAIRS[window[position]]
            begins = [start for start in range(position) if window[start] == opener]
            assert any(balanced(window[start + 1 : position]) for start in begins)


def test_scored_indentation_begins_a_line(library: Library) -> None:
    for window, positions in rows_of(library["indentation"]):
        expected: list[int] = []
        for match in re.finditer(r"\n( +[^ \n]|(?: +$))", window):
            expected += range(*match.span(1))
        # Spaces at the very end of a window may be those of a line that holds nothing else.
        assert positions == [position for position in expected if position <= max(positions)]


def test_scored_digits_continue_a_number(library: Library) -> None:
    for window, positions in rows_of(library["digits"]):
        assert positions == [t for t in range(1, CONTEXT) if window[t].isdigit() and re.match(r"[0-9.]", window[t - 1])]


def test_docstring_windows_are_prose_without_delimiter(library: Library) -> None:
    for window, positions in rows_of(library["docstring"]):
        assert '"""' not in window
        assert positions == [t for t in range(1, CONTEXT) if window[t].isalpha()]
        assert len(positions) >= CONTEXT // 2


def test_scored_keywords_are_whole_words(library: Library) -> None:
    for window, positions in rows_of(library["keywords"]):
        first = [position for position in positions if position - 1 not in positions]
        for start in first:
            word = re.match(r"\w+", window[start - 1 :])
            assert word is not None
            assert not re.match(r"\w", window[start - 2])
            assert start >= 2
            cut = start - 1 + len(word[0]) == CONTEXT
            assert word[0] in keyword.kwlist or (cut and any(each.startswith(word[0]) for each in keyword.kwlist))
            assert set(range(start, start - 1 + len(word[0]))) <= set(positions)


@pytest.mark.parametrize(("seed", "rows"), [(0, 0), (-1, 4)])
def test_senseless_requests_are_refused(seed: int, rows: int) -> None:
    with pytest.raises(ZeemanError, match="at least one row a probe and a seed from 0"):
        demo_library(seed, rows)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(ZeemanError, match="probe brackets: expected 100000 windows"):
        demo_library(rows=100_000)
