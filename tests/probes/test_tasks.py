"""Task files of lm-evaluation-harness: the scores that it gave, what becomes of texts, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks import lm_eval
from hypothesis import given
from hypothesis import strategies as st

from zeeman import cli
from zeeman.errors import ZeemanError
from zeeman.probes import Encoder, Library, Probe, make_encoder
from zeeman.probes.tasks import _windows, import_tasks


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models, tokenizers and tasks that lm-evaluation-harness was run on."""
    folder = tmp_path_factory.mktemp("peer")
    lm_eval.make(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(peer: Path) -> Encoder:
    """One token a byte."""
    return make_encoder(peer / "gpt2" / "step0")


def test_scores_are_those_of_lm_evaluation_harness(peer: Path) -> None:
    kept = json.loads(Path(lm_eval.__file__).with_suffix(".json").read_text())
    assert kept["largest_relative_difference"] < 1e-6
    found = lm_eval.ours(peer, "gpt_neox", ("by_text", "cloze", "pages"))
    for task, metrics in found.items():
        for metric, value in metrics.items():
            row = kept["models"]["gpt_neox"].get(f"{task} {metric}")
            if row is not None:
                assert value == pytest.approx(row["lm_eval"], rel=1e-6), (task, metric)
    assert sum(len(metrics) for metrics in found.values()) == 14


def counting(text: str, cuts: object) -> tuple[list[int], list[tuple[int, int]]]:
    """Of a text, the numbers that stand in it; where is not asked for."""
    return [int(word) for word in text.split()], []


@given(st.integers(1, 60), st.integers(2, 17))
def test_windows_score_each_token_once_with_all_the_context_there_is(count: int, context: int) -> None:
    rows = _windows(Encoder(counting, ("^",), prefix=0), " ".join(str(n) for n in range(1, count + 1)), context)
    scored = [token for row in rows for token in row.tokens[-row.num_scored :]]
    assert scored == list(range(1, count + 1))
    for row in rows:
        assert row.tokens == list(range(row.tokens[0], row.tokens[-1] + 1))
        assert row.num_scored < len(row.tokens) <= context
        assert len(row.tokens) == min(context, row.tokens[-1] + 1)


def write(folder: Path, docs: object, text: str) -> Path:
    (folder / "docs.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in docs))  # type: ignore[attr-defined]
    head = "task: t\ndataset_path: json\ndataset_kwargs: {data_files: {test: docs.jsonl}}\ntest_split: test\n"
    (folder / "t.yaml").write_text(head + text)
    return folder / "t.yaml"


def spoken(tokenizer: Encoder, probe: Probe) -> list[tuple[str, str]]:
    """What is given and what is asked for in each row."""
    found = []
    for row, mask in zip(probe.inputs, probe.scored, strict=True):
        words = [tokenizer.vocabulary[token] for token in row]
        first, last = np.flatnonzero(mask)[[0, -1]]
        found.append(("".join(words[:first]), "".join(words[first : last + 1])))
    return found


CHOICE = """output_type: multiple_choice
doc_to_text: q
doc_to_target: "{{a}}"
doc_to_choice: ["yes", "no", "maybe"]
"""
DOCS = [{"q": "Is it?  ", "a": 1}, {"q": "Why", "a": 2}]


def test_right_answers_are_rows_and_wrong_ones_foils(tmp_path: Path, tokenizer: Encoder) -> None:
    library = import_tasks([write(tmp_path, DOCS, "tag: [logic, questions]\n" + CHOICE)], tokenizer)
    assert [(p.name, p.metric, p.concepts) for p in library] == [
        ("t.acc", "choice", ("logic", "questions")),
        ("t.acc_norm", "choice", ("logic", "questions")),
    ]
    probe = library["t.acc_norm"]
    assert spoken(tokenizer, probe) == [("Is it?", "   no"), ("Why", " maybe")]
    assert probe.foils is not None
    foils = Probe("f", probe.foils.inputs, probe.foils.scored)
    assert [text for _, text in spoken(tokenizer, foils)] == ["   yes", "   maybe", " yes", " no"]
    assert probe.foils.against.tolist() == [0, 0, 1, 1]
    assert probe.chance == 1 / 3
    assert probe.sizes is not None
    assert probe.foils.sizes is not None
    assert (probe.sizes.tolist(), probe.foils.sizes.tolist()) == ([2, 5], [3, 5, 3, 2])
    library.to_folder(tmp_path / "l")
    assert Library.from_folder(tmp_path / "l").digest == library.digest


def test_fields_of_documents_come_before_templates_and_digits_are_places_only_there(
    tmp_path: Path, tokenizer: Encoder
) -> None:
    text = "output_type: multiple_choice\ndoc_to_text: q\ndoc_to_target: a\ndoc_to_choice: c\n"
    docs = [{"q": "7", "a": "9", "c": ["8", "9"]}]
    library = import_tasks([write(tmp_path, docs, text)], tokenizer)
    assert spoken(tokenizer, library["t.acc"]) == [("7", " 9")]


def test_a_task_may_include_another_and_its_own_fields_win(tmp_path: Path, tokenizer: Encoder) -> None:
    base = write(tmp_path, DOCS, CHOICE)
    (tmp_path / "more.yaml").write_text(
        "include: t.yaml\ntask: more\ndescription: 'Say: '\nmetric_list: [{metric: acc}]\n"
    )
    library = import_tasks([base, tmp_path / "more.yaml"], tokenizer)
    assert [p.name for p in library] == ["t.acc", "t.acc_norm", "more.acc"]
    assert spoken(tokenizer, library["more.acc"])[1] == ("Say: Why", " maybe")


def test_long_contexts_lose_their_beginning(tmp_path: Path, tokenizer: Encoder) -> None:
    docs = [{"q": "abcdefghijklmnopqrstuvwxyz", "a": 0}]
    probe = import_tasks([write(tmp_path, docs, CHOICE)], tokenizer, context=10)["t.acc"]
    assert spoken(tokenizer, probe) == [("uvwxyz", " yes")]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("output_type: multiple_choice", "output_type: generate_until", r"line 5: field 'output_type' must be one of"),
        ("output_type: multiple_choice\n", "", r"t\.yaml: field 'output_type' must be one of .* got None"),
        ("doc_to_text: q", "doc_to_text: !function utils.f", r"line 6: .* asks for the Python function utils\.f"),
        ("doc_to_text: q", "process_docs: !function utils.f", r"line 6: field 'process_docs' asks for the Python"),
        ("doc_to_text: q", "doc_to_image: q", r"line 6: field 'doc_to_image' can't be imported"),
        ("doc_to_text: q", "num_fewshot: 3", r"line 6: field 'num_fewshot' must be 0"),
        (
            "doc_to_text: q",
            "doc_to_text: '{{r}}'",
            r"'doc_to_text' .*can't be filled in: 'r' is undefined \(document 0\)",
        ),
        ("doc_to_text: q", "doc_to_text: '{{'", r"line 6: field 'doc_to_text' is a template that can't be filled in"),
        ("doc_to_text: q", "doc_to_text: '{{1/0}}'", r"'doc_to_text' is a template that fails: ZeroDivisionError"),
        ("doc_to_text: q", "doc_to_text: '{{q.__class__.__mro__}}'", r"can't be filled in: access to attribute"),
        ("doc_to_text: q", "", r"field 'doc_to_text' is missing"),
        ('"{{a}}"', '"7"', r"line 7: .*one answer or its place, from 0 to 2, got 7 \(document 0\)"),
        ('"{{a}}"', "[1, 2]", r"line 7: .*one answer or its place"),
        ('["yes", "no", "maybe"]', '["yes"]', r"line 8: .*two or more texts, got \['yes'\]"),
        ('["yes", "no", "maybe"]', '["yes", ""]', r"line 8: .*two or more texts"),
        ('["yes", "no", "maybe"]', "'{{q}}'", r"line 8: .*two or more texts, got 'Is it"),
        ("doc_to_text: q", "metric_list: [{metric: f1}]", r"'metric_list' must hold metrics of acc, .* got 'f1'"),
        ("doc_to_text: q", "metric_list: 3", r"'metric_list' must be of type list, got 3"),
        ("dataset_path: json", "dataset_path: squad", r"line 2: field 'dataset_path' must be json"),
        ("docs.jsonl", "none.jsonl", r"documents in .*none\.jsonl cannot be read"),
        ("{test: docs", "{train: docs", r"line 3: .*no data_files for the split 'test', only train"),
        ("test_split: test\n", "", r"field 'test_split' is missing"),
        ("{data_files: {test: docs.jsonl}}", "{data_dir: x}", r"must hold data_files alone, got data_dir"),
        ("task: t", "task: [", r"expected a task file in YAML, got a syntax error"),
        ("task: t", "include: t.yaml", r"field 'include' must name a file that does not include this one"),
        ("task: t", "include: none.yaml", r"none\.yaml cannot be read"),
    ],
)
def test_what_cannot_be_imported_is_told_with_file_line_and_field(
    tmp_path: Path, tokenizer: Encoder, old: str, new: str, message: str
) -> None:
    path = write(tmp_path, DOCS, CHOICE)
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(ZeemanError, match=message) as caught:
        import_tasks([path], tokenizer)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"hold no document"),
        ("{", r"docs\.jsonl, line 1: expected JSON"),
        ('{"q": "a", "a": 1}\n3\n', r"docs\.jsonl, line 2: expected a JSON object, got 3"),
        ('[{"q": "a", "a": 1}, 3]', r"docs\.jsonl, document 1: expected a JSON object, got 3"),
        ('{"q": null, "a": 1}\n', r"'doc_to_text' must give a text, got None \(document 0\)"),
    ],
)
def test_documents_that_are_none_are_told(tmp_path: Path, tokenizer: Encoder, content: str, message: str) -> None:
    path = write(tmp_path, DOCS, CHOICE)
    (tmp_path / "docs.jsonl").write_text(content)
    with pytest.raises(ZeemanError, match=message):
        import_tasks([path], tokenizer)


@given(st.binary(max_size=80))
def test_no_bytes_make_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "t.yaml"
    path.write_bytes(content)
    with pytest.raises(ZeemanError):
        import_tasks([path], Encoder(counting))


def test_the_command_writes_a_library(
    peer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, DOCS, CHOICE)
    options = ["--tokenizer", str(peer / "gpt2" / "step0"), "--out", str(tmp_path / "l"), "--json"]
    monkeypatch.setattr(sys, "argv", ["zeeman", "probes", "import", str(path), *options])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    assert json.loads(capsys.readouterr().out)["probes"] == ["t.acc", "t.acc_norm"]
    assert len(Library.from_folder(tmp_path / "l").vocabulary) == 257
    monkeypatch.setattr(
        sys, "argv", ["zeeman", "probes", "import", str(path), "--tokenizer", str(tmp_path), "--out", "l"]
    )
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "holds no tokenizer" in capsys.readouterr().err
