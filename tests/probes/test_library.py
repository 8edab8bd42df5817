from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zeeman.errors import ZeemanError
from zeeman.probes import Library, Probe

TOML = """name = "tiny"
data = "train"

[probes.train]
file = "train.jsonl"

[probes.a]
file = "a.jsonl"
concepts = ["letters"]
metric = "accuracy"
"""
ROW = '{"tokens": [1, 2, 3]}\n'


def probe(name: str, token: int = 1) -> Probe:
    return Probe(name, np.array([[0, token, 2]]), np.array([[False, True, False]]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "library.toml").write_text(TOML)
    (tmp_path / "train.jsonl").write_text(ROW * 2)
    (tmp_path / "a.jsonl").write_text('{"tokens": [4, 5], "scored": [1]}\n\n{"tokens": [6, 7], "scored": []}\n')
    return tmp_path


@st.composite
def libraries(draw: st.DrawFn) -> Library:
    names = draw(st.lists(st.from_regex(r"[a-z0-9_][a-z0-9_.\-]{0,7}", fullmatch=True), min_size=2, unique=True))
    printable = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=9).filter(str.isprintable)
    made = []
    for name in names:
        rows, length = draw(st.integers(1, 3)), draw(st.integers(2, 5))
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        scored = rng.random((rows, length)) < 0.5
        scored[:, 0], scored[0, 1] = False, True
        tokens = rng.integers(0, 2**63, (rows, length))
        tags = tuple(draw(st.lists(printable, max_size=2)))
        metric = draw(st.sampled_from(["loss", "accuracy"]))
        chance = draw(st.none() | st.floats(0, 1)) if metric == "accuracy" else None
        made.append(Probe(name, tokens, scored, tags, metric, chance=chance))
    return Library.from_probes(draw(printable), made[0], made[1:])


@settings(deadline=None, max_examples=50)
@given(libraries())
def test_folder_round_trip_is_exact(library: Library) -> None:
    with TemporaryDirectory() as folder:
        library.to_folder(f"{folder}/lib")
        again = Library.from_folder(f"{folder}/lib")
        assert sorted(os.listdir(folder)) == ["lib"]
    assert (again.name, again.digest, list(again.probes)) == (library.name, library.digest, list(library.probes))
    for old, new in zip((library.data, *library), (again.data, *again), strict=True):
        assert (old.digest, old.concepts, old.metric, old.chance) == (new.digest, new.concepts, new.metric, new.chance)


def test_reads_a_folder_written_by_hand(folder: Path) -> None:
    library = Library.from_folder(folder)
    assert (library.name, len(library), library.data.name) == ("tiny", 1, "train")
    assert library["a"].concepts == ("letters",)
    assert library["a"].metric == "accuracy"
    np.testing.assert_array_equal(library["a"].scored, [[False, True], [False, False]])
    np.testing.assert_array_equal(library.data.scored, [[False, True, True]] * 2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "tiny"', 'name = "tiny', r"library.toml: expected TOML in UTF-8, got a syntax error.*line 1"),
        ('name = "tiny"\n', "", r"library.toml: field 'name' is missing"),
        ('name = "tiny"', 'name = ""', r"library.toml, line 1: field 'name' .* a library's name must be"),
        ('name = "tiny"', "name = 3", r"library.toml, line 1: field 'name' must be a string, got 3"),
        ('data = "train"', 'data = "b"', r"line 2: field 'data' must name one of the probes \(train, a\), got 'b'"),
        ('data = "train"\n', 'data = "train"\nsize = 3\n', r"line 3: field 'size' is unknown"),
        ('concepts = ["l', 'concept = ["l', r"library.toml, line 9: field 'probes.a.concept' is unknown"),
        ('["letters"]', '"letters"', r"line 9: field 'probes.a.concepts' must be a list of strings, got 'letters'"),
        ('["letters"]', "[1]", r"line 9: field 'probes.a.concepts' must be a list of strings"),
        (
            '"accuracy"',
            '"auc"',
            r"line 10: field 'probes.a.metric' must be one of loss, .*bits, got 'auc'",
        ),
        (
            '"accuracy"',
            '"accuracy"\nchance = 1.5',
            r"line 11: field 'probes.a.chance' must be a number from 0 to 1, got 1",
        ),
        ('"accuracy"', '"accuracy"\nchance = "half"', r"line 11: field 'probes.a.chance' must be a number from 0 to 1"),
        (
            '"accuracy"',
            '"loss"\nchance = 0.5',
            r"line 11: field 'probes.a.chance' goes with a metric of accuracy, exact",
        ),
        ('file = "a.jsonl"\n', "", r"line 7: field 'probes.a.file' is missing"),
        ("a.jsonl", "b.jsonl", r"line 8: field 'probes.a.file' names .*b.jsonl, which cannot be read"),
        ("[probes.a]", "[probes.TRAIN]", r"names train and TRAIN are the same when case is ignored"),
        ("[probes.a]", '[probes."a/b"]', r"library.toml, line 7: field 'probes.a/b' .* a probe's name must be"),
        (TOML[TOML.index("[probes.a]") :], "", r"line 4|field 'probes' must hold at least one probe besides"),
        (TOML[TOML.index("[probes.train]") :], "", r"field 'probes' is missing"),
        (TOML[TOML.index("[probes.train]") :], "probes = 1", r"line 4: field 'probes' must be a table, got 1"),
        (TOML[TOML.index("[probes.train]") :], "probes.x = 1", r"field 'probes.x' must be a table with the field file"),
    ],
)
def test_mistakes_in_the_index_name_field_and_line(folder: Path, old: str, new: str, message: str) -> None:
    assert TOML.count(old) == 1
    (folder / "library.toml").write_text(TOML.replace(old, new))
    with pytest.raises(ZeemanError, match=message) as caught:
        Library.from_folder(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", r"a.jsonl: probe a is an empty probe"),
        ("\n\n", r"a.jsonl: probe a is an empty probe"),
        (ROW + "{", r"a.jsonl, line 2: expected a JSON object .* got no JSON"),
        ("\udcff", r"a.jsonl, line 1: expected a JSON object .* got no JSON"),
        ("[" * 100_000, r"a.jsonl, line 1: expected a JSON object .* got no JSON"),
        ("[1, 2]", r"a.jsonl, line 1: expected a JSON object .* got \[1, 2\]"),
        (ROW + '\n{"tokens": [1, 2, 3], "score": [1]}', r"a.jsonl, line 3: field 'score' is unknown"),
        ('{"scored": [1]}', r"a.jsonl, line 1: field 'tokens' is missing"),
        ('{"tokens": []}', r"a.jsonl, line 1: field 'tokens' is empty"),
        ('{"tokens": "abc"}', r"line 1: field 'tokens' must be a list of integers, got \"abc\""),
        ('{"tokens": [1, 2.0]}', r"line 1: field 'tokens' must be a list of integers, got 2.0 at position 1"),
        ('{"tokens": [1, true]}', r"line 1: field 'tokens' must be a list of integers, got true at position 1"),
        ('{"tokens": [1, NaN]}', r"line 1: field 'tokens' must be a list of integers, got NaN"),
        ('{"tokens": [1, -2]}', r"line 1: field 'tokens' must hold integers of at least 0 .* got -2 at position 1"),
        (f'{{"tokens": [1, {2**63}]}}', r"that fit in int64, got 9223372036854775808 at position 1"),
        (ROW + '{"tokens": [1, 2]}', r"line 2: field 'tokens' .* expected 3 as in the first row, found 2"),
        ('{"tokens": [1, 2], "scored": [2]}', r"line 1: field 'scored' must hold integers from 1 to 1, got 2"),
        ('{"tokens": [1, 2], "scored": [0]}', r"line 1: field 'scored' must hold integers from 1 to 1, got 0"),
        ('{"tokens": [1, 2], "scored": [-1]}', r"line 1: field 'scored' must hold integers from 1 to 1, got -1"),
        ('{"tokens": [1, 2], "scored": null}', r"line 1: field 'scored' must be a list of integers, got null"),
        ('{"tokens": [1, 2], "scored": []}', r"a.jsonl: probe a is an empty probe: .* scored position"),
        ('{"tokens": [1]}', r"a.jsonl: probe a is an empty probe: .* scored position"),
    ],
)
def test_mistakes_in_a_file_name_field_and_line(folder: Path, rows: str, message: str) -> None:
    (folder / "a.jsonl").write_text(rows, errors="surrogateescape")
    with pytest.raises(ZeemanError, match=message) as caught:
        Library.from_folder(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_missing_folder_and_index(folder: Path) -> None:
    with pytest.raises(ZeemanError, match="none is no folder"):
        Library.from_folder(folder / "none")
    (folder / "library.toml").unlink()
    with pytest.raises(ZeemanError, match=r"holds no library\.toml"):
        Library.from_folder(folder)


def test_a_vocabulary_is_kept_and_shown_and_no_part_of_the_digest(tmp_path: Path) -> None:
    plain = Library.from_probes("tiny", probe("train"), [probe("a")])
    words = ("\n", " the", "é")
    Library.from_probes("tiny", plain.data, plain, words).to_folder(tmp_path / "l")
    again = Library.from_folder(tmp_path / "l")
    assert again.vocabulary == words
    assert again.digest == plain.digest
    assert [again.text(token) for token in (0, 1, 3)] == ["'\\n'", "' the'", "3"]
    assert plain.text(1) == "1"


def test_a_tokenizer_is_a_vocabulary(folder: Path) -> None:
    """Byte pairs as GPT-2's: what people read is the text of an id, not the letters that stand for its bytes."""
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel
    from tokenizers.models import BPE

    tokenizer = Tokenizer(BPE(vocab={"a": 0, "\u0120": 1, "\u0120a": 2}, merges=[("\u0120", "a")]))
    tokenizer.decoder = ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "library.toml").write_text('vocabulary = "tokenizer.json"\n' + TOML)
    assert Library.from_folder(folder).vocabulary == ("a", " ", " a")


@pytest.mark.parametrize("content", [None, "[1, 2]", "[]", "{}", "nothing", '"a"'])
def test_a_vocabulary_that_is_none_is_refused(folder: Path, content: str | None) -> None:
    if content is not None:
        (folder / "v.json").write_text(content)
    (folder / "library.toml").write_text('vocabulary = "v.json"\n' + TOML)
    with pytest.raises(ZeemanError, match=r"vocabulary .*v\.json .*expected a JSON list"):
        Library.from_folder(folder)


def test_writing_never_touches_what_is_there(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ZeemanError, match="expected a new or empty folder"):
        Library.from_probes("other", probe("train"), [probe("a")]).to_folder(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_writing_twice_is_writing_once_and_an_empty_folder_will_do(tmp_path: Path) -> None:
    library = Library.from_probes("lib", probe("train"), [probe("a")])
    library.to_folder(tmp_path)
    library.to_folder(tmp_path)
    assert Library.from_folder(tmp_path).digest == library.digest
    with pytest.raises(ZeemanError, match="expected a new or empty folder"):
        Library.from_probes("lib", probe("train"), [probe("a", 3)]).to_folder(tmp_path)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ZeemanError, match=r"could not be written .*Not a directory"):
        Library.from_probes("lib", probe("train"), [probe("a")]).to_folder(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_digest_covers_data_probes_and_order() -> None:
    made = [
        Library.from_probes("lib", probe("train"), [probe("a"), probe("b")]),
        Library.from_probes("lib", probe("train"), [probe("b"), probe("a")]),
        Library.from_probes("lib", probe("train"), [probe("a"), probe("b", 3)]),
        Library.from_probes("lib", probe("train", 3), [probe("a"), probe("b")]),
        Library.from_probes("other", probe("train"), [probe("a"), probe("b")]),
    ]
    assert len({library.digest for library in made}) == len(made)


def test_library_keeps_its_own_mapping() -> None:
    given_probes = {"a": probe("a")}
    library = Library("lib", given_probes, probe("train"))
    given_probes["b"] = probe("b")
    assert [each.name for each in library] == ["a"]
    with pytest.raises(ZeemanError, match="no probe 'b'; it has a"):
        library["b"]


def test_unfit_libraries_are_refused() -> None:
    with pytest.raises(ZeemanError, match="at least one probe besides its data"):
        Library.from_probes("lib", probe("train"), [])
    with pytest.raises(ZeemanError, match="the names train and Train are the same"):
        Library.from_probes("lib", probe("train"), [probe("Train")])
    with pytest.raises(ZeemanError, match="probe a is listed under another name, 'b'"):
        Library("lib", {"b": probe("a")}, probe("train"))


def test_vocabulary_is_checked_in_data_and_probes() -> None:
    Library.from_probes("lib", probe("train"), [probe("a", 9)]).check_vocabulary(10)
    with pytest.raises(ZeemanError, match=r"probe a: .* got 9 in row 0 at position 1"):
        Library.from_probes("lib", probe("train"), [probe("a", 9)]).check_vocabulary(9)
    with pytest.raises(ZeemanError, match=r"probe train: .* got 9"):
        Library.from_probes("lib", probe("train", 9), [probe("a")]).check_vocabulary(9)
