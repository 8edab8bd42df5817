"""Libraries from text: what is cut, from where, and that nothing is in both a probe and the data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zeeman.errors import ZeemanError
from zeeman.probes import Encoder, Library, make_encoder
from zeeman.probes.windows import library_from_text

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 .\n"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """One token a letter, and an end of text."""
    from tokenizers import Regex, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as Raw
    from transformers import PreTrainedTokenizerFast

    raw = Raw(models.WordLevel({"<end>": 0, **{letter: n + 1 for n, letter in enumerate(LETTERS)}}, unk_token="<end>"))
    raw.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    raw.decoder = decoders.Fuse()
    folder = tmp_path_factory.mktemp("tokenizer")
    PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>").save_pretrained(folder)
    return make_encoder(folder)


def made(source: Path, tokenizer: Encoder, **options: int) -> Library:
    return library_from_text(source, tokenizer, **{"context": 16, "rows": 4, "data_rows": 12} | options)  # type: ignore[arg-type]


def words(seed: int, count: int) -> str:
    rng = np.random.default_rng(seed)
    return " ".join("".join(rng.choice(list("abcdef"), 5)) for _ in range(count))


def texts(library: Library, rows: np.ndarray) -> list[str]:
    return ["".join(library.vocabulary[token] for token in row) for row in rows]


def test_each_kind_of_text_is_a_probe_of_its_own_windows(tmp_path: Path, tokenizer: Encoder) -> None:
    (tmp_path / "digits.txt").write_text("".join(str(n) for n in range(400)))
    (tmp_path / "letters").mkdir()
    for n in range(3):
        (tmp_path / "letters" / f"{n}.md").write_text(words(n, 60))
    rows = [{"text": words(9, 40), "split": split} for split in ("train", "val")]
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    library = made(tmp_path, tokenizer)
    assert [p.name for p in library] == ["digits", "letters", "lines"]
    assert [p.concepts for p in library] == [("digits",), ("letters",), ("lines",)]
    assert all(p.inputs.shape == (4, 16) for p in library)
    assert library.data.inputs.shape == (12, 16)
    assert all(set(text) <= set("0123456789") | set("<end>") for text in texts(library, library["digits"].inputs))
    assert library["letters"].scored.sum() == 4 * 15
    assert made(tmp_path, tokenizer).digest == library.digest != made(tmp_path, tokenizer, seed=1).digest


@pytest.mark.parametrize("split", [True, False])
def test_no_window_is_in_both_a_probe_and_the_data(tmp_path: Path, tokenizer: Encoder, split: bool) -> None:
    """Every text is of words of its own, so that a window tells where it is from."""
    documents = [" ".join(f"{n}x{k}" for k in range(300)) for n in range(6)]
    rows = [
        {"text": text} | ({"split": "val" if n < 2 else "train"} if split else {}) for n, text in enumerate(documents)
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    library = made(tmp_path, tokenizer, rows=20, data_rows=40)
    asked = {word for text in texts(library, library["a"].inputs) for word in text.split()[1:-1] if "<" not in word}
    rest = {word for text in texts(library, library.data.inputs) for word in text.split()[1:-1] if "<" not in word}
    assert asked
    assert rest
    assert not asked & rest
    if split:
        assert {word.split("x")[0] for word in asked} == {"0", "1"}
        assert {word.split("x")[0] for word in rest} <= {"2", "3", "4", "5"}


def test_short_text_gives_fewer_windows_and_too_short_text_is_refused(tmp_path: Path, tokenizer: Encoder) -> None:
    (tmp_path / "a.txt").write_text("a" * 60)
    library = made(tmp_path / "a.txt", tokenizer, rows=2, data_rows=2)
    assert (len(library["a"].inputs), len(library.data.inputs)) == (2, 1)
    (tmp_path / "a.txt").write_text("a" * 20)
    with pytest.raises(ZeemanError, match="the text of a is too short for two windows of 16 tokens"):
        made(tmp_path, tokenizer)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (None, b"", "none is none; check the path"),
        ("a.txt", b"  \n", "holds no text"),
        ("a.txt", b"\xff\xfe", r"a\.txt: expected text in UTF-8"),
        ("a.jsonl", b'{"text": "a"}\n{', r"a\.jsonl, line 2: expected a JSON object .* got no JSON"),
        ("a.jsonl", b'{"body": "a"}', r"a\.jsonl, line 1: field 'text' must be a string"),
        ("a.jsonl", b'{"text": 3}', r"a\.jsonl, line 1: field 'text' must be a string"),
        ("a.jsonl", b"[1]", r"a\.jsonl, line 1: field 'text' must be a string"),
    ],
)
def test_what_is_no_text_is_told_in_a_sentence(
    tmp_path: Path, tokenizer: Encoder, file: str | None, content: bytes, message: str
) -> None:
    if file:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ZeemanError, match=message) as caught:
        made(tmp_path if file else tmp_path / "none", tokenizer)
    assert "\n" not in str(caught.value)


def test_options_are_checked(tmp_path: Path, tokenizer: Encoder) -> None:
    for option in ("context", "rows", "data_rows"):
        with pytest.raises(ZeemanError, match=f"{option} must be at least"):
            made(tmp_path, tokenizer, **{option: 0})


def test_a_data_set_saved_by_hugging_face_is_read(tmp_path: Path, tokenizer: Encoder) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {part: datasets.Dataset.from_dict({"text": [words(n, 200)]}) for n, part in enumerate(("train", "test"))}
    datasets.DatasetDict(rows).save_to_disk(str(tmp_path / "saved"))
    library = made(tmp_path / "saved", tokenizer)
    again = [library.vocabulary.index(letter) for letter in words(1, 200)]
    stream = "".join(map(chr, again))
    assert all("".join(map(chr, row[1:])) in stream for row in library["saved"].inputs)
