from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from zeeman.errors import ZeemanError
from zeeman.probes import Library

TOML = [
    'name = "tiny"',
    'data = "train"',
    'vocabulary = "v.json"',
    "",
    "[probes.train]",
    'file = "train.jsonl"',
    "",
    "[probes.a]",
    'file = "a.jsonl"',
    'concepts = ["letters"]',
    'metric = "accuracy"',
    "",
    "[probes.c]",
    'file = "c.jsonl"',
    'metric = "choice"',
]
ROWS = [{"tokens": [1, 2, 3, 4], "scored": [1, 3]}, {"tokens": [5, 6, 7, 8], "scored": [2]}, {"tokens": [4, 3, 2, 1]}]
CHOICES = [
    {
        "tokens": [1, 2, 3, 4],
        "scored": [2, 3],
        "size": 2,
        "foils": [
            {"tokens": [1, 2, 5, 4], "scored": [2, 3], "size": 1.5},
            {"tokens": [1, 2, 6, 4], "scored": [2], "size": 3},
        ],
    },
    {"tokens": [5, 6, 7, 8], "size": 1, "foils": [{"tokens": [5, 6, 7, 9], "scored": [3], "size": 1e-3}]},
    {"tokens": [4, 3, 2, 1], "scored": [3], "size": 7, "foils": [{"tokens": [4, 3, 2, 0], "size": 7.25}]},
]
NO_LISTS = [None, True, 3, -1.5, "1", "", {}, {"0": 1}, float("nan"), float("inf")]
NO_IDS = [None, True, False, 1.0, 2.5, "1", [], [1], {}, -1, -(2**63), 2**63, 10**400, float("nan"), float("-inf")]
NO_SIZES = [None, True, False, 0, 0.0, -1, -0.5, "1", "", [], [1], {}, 10**400, *map(float, ("nan", "inf", "-inf"))]
NO_STRINGS = ["3", "true", "1.5", "[]", '["a"]', "{}", "{ a = 1 }", "1979-05-27", "inf", "nan"]


@dataclass(frozen=True)
class Fault:
    """A changed file, and what the error must name."""

    file: str
    content: bytes
    line: int
    field: str


def choose(rng: np.random.Generator, values: list) -> object:
    return values[int(rng.integers(len(values)))]


def word(rng: np.random.Generator) -> str:
    return "".join(chr(97 + code) for code in rng.integers(0, 26, int(rng.integers(4, 9)))) + "_"


def rows_with(rng: np.random.Generator, change: Callable[[dict], str]) -> tuple[str, bytes, int]:
    """A file of rows in which the line of one is changed; empty lines stand between."""
    file = str(choose(rng, ["a.jsonl", "train.jsonl"]))
    lines = ["\n" * int(rng.integers(0, 2)) + json.dumps(row) for row in ROWS]
    at = int(rng.integers(len(ROWS)))
    lines[at] = lines[at][: len(lines[at]) - len(lines[at].lstrip("\n"))] + change(json.loads(json.dumps(ROWS[at])))
    text = "\n".join(lines) + "\n" * int(rng.integers(0, 3))
    return file, text.encode("utf-8", "surrogateescape"), "\n".join(lines[: at + 1]).count("\n") + 1


def wrong_field(rng: np.random.Generator) -> Fault:
    field = str(choose(rng, ["tokens", "scored"]))
    return Fault(*rows_with(rng, lambda row: json.dumps({**row, field: choose(rng, NO_LISTS)})), field)


def wrong_number(rng: np.random.Generator) -> Fault:
    field = str(choose(rng, ["tokens", "scored"]))
    wrong = choose(rng, [*NO_IDS, *([0, 4, 5] if field == "scored" else [])])

    def change(row: dict) -> str:
        numbers = row.get(field, [1, 2])
        numbers[int(rng.integers(len(numbers)))] = wrong
        return json.dumps({**row, field: numbers})

    return Fault(*rows_with(rng, change), field)


def wrong_length(rng: np.random.Generator) -> Fault:
    file, content, line = rows_with(rng, json.dumps)
    lines = content.split(b"\n")
    lines[line - 1] = json.dumps({"tokens": list(range(int(choose(rng, [1, 2, 3, 5, 9]))))}).encode()
    # Where the first row is the one that is changed, the second one is the first that differs from it.
    filled = [number for number, each in enumerate(lines, 1) if each]
    return Fault(file, b"\n".join(lines), filled[1] if line == filled[0] else line, "tokens")


def no_tokens(rng: np.random.Generator) -> Fault:
    def change(row: dict) -> str:
        if rng.integers(2):
            return json.dumps({**row, "tokens": []})
        del row["tokens"]
        return json.dumps(row)

    return Fault(*rows_with(rng, change), "tokens")


def unknown_field(rng: np.random.Generator) -> Fault:
    name = word(rng)
    return Fault(*rows_with(rng, lambda row: json.dumps({**row, name: choose(rng, NO_IDS)})), name)


def repeated_field(rng: np.random.Generator) -> Fault:
    field = str(choose(rng, ["tokens", "scored"]))

    def change(row: dict) -> str:
        return json.dumps({"scored": [1], **row})[:-1] + f', "{field}": [1, 2, 3, 4]}}'

    return Fault(*rows_with(rng, change), field)


def cut_row(rng: np.random.Generator) -> Fault:
    def change(row: dict) -> str:
        text = json.dumps(row)
        return text[: int(rng.integers(len('{"tokens": ['), len(text)))]

    return Fault(*rows_with(rng, change), "tokens|scored")


def spoilt_row(rng: np.random.Generator) -> Fault:
    """A byte that stands nowhere in a row, at any place of it."""

    def change(row: dict) -> str:
        text = json.dumps(row)
        at = int(rng.integers(1, len(text)))
        return (
            text[:at]
            + str(choose(rng, ["\x00", "\x1b", "\udcff", "\udc80", "{", "\u2028", '"', "\\", "@"]))
            + text[at:]
        )

    return Fault(*rows_with(rng, change), "")


def no_row(rng: np.random.Generator) -> Fault:
    wrong = ["[]", "[1, 2]", "1", '"tokens"', "null", "tokens", "}", "[" * 5000, "\ufeff\ufeff{}", "1e999", "-", "'a'"]
    return Fault(*rows_with(rng, lambda row: str(choose(rng, wrong))), "tokens")


def nothing_asked(rng: np.random.Generator) -> Fault:
    rows = [{**row, "scored": []} for row in ROWS[: int(rng.integers(0, 4))]]
    text = "\n" * int(rng.integers(3)) + "\n".join(json.dumps(row) for row in rows)
    return Fault(str(choose(rng, ["a.jsonl", "train.jsonl"])), text.encode(), 0, "scored" if rows else "tokens")


def choices_with(
    rng: np.random.Generator, change: Callable[[dict], object], foil: bool, at: int | None = None
) -> tuple[str, bytes, int]:
    """A file of rows with foils in which one row, or one of its foils, is another."""
    rows = json.loads(json.dumps(CHOICES))
    at = int(rng.integers(len(rows))) if at is None else at
    if foil:
        foils = rows[at]["foils"]
        number = int(rng.integers(len(foils)))
        foils[number] = change(foils[number])
    else:
        rows[at] = change(rows[at])
    lines = ["\n" * int(rng.integers(0, 2)) + json.dumps(row) for row in rows]
    return "c.jsonl", "\n".join(lines).encode(), "\n".join(lines[: at + 1]).count("\n") + 1


def without(row: dict, field: str) -> dict:
    return {name: value for name, value in row.items() if name != field}


def coin(rng: np.random.Generator) -> bool:
    return bool(rng.integers(2))


def wrong_size(rng: np.random.Generator) -> Fault:
    return Fault(*choices_with(rng, lambda row: {**row, "size": choose(rng, NO_SIZES)}, coin(rng)), "size")


def size_missing(rng: np.random.Generator) -> Fault:
    """In one row or foil; without it in the first row, the others are those that differ."""
    foil = coin(rng)
    at = int(rng.integers(0 if foil else 1, len(CHOICES)))
    return Fault(*choices_with(rng, lambda row: without(row, "size"), foil, at), "size")


def size_unused(rng: np.random.Generator) -> Fault:
    """By the metric of the probe."""
    sizes = [float(size) for size in rng.uniform(1, 9, len(ROWS))]
    lines = [json.dumps({**row, "size": size}) for row, size in zip(ROWS, sizes, strict=True)]
    begin = "\n" * int(rng.integers(3))
    return Fault("a.jsonl", (begin + "\n".join(lines)).encode(), 1 + len(begin), "size")


def wrong_foils(rng: np.random.Generator) -> Fault:
    return Fault(*choices_with(rng, lambda row: {**row, "foils": choose(rng, NO_LISTS)}, False), "foils")


def foils_missing(rng: np.random.Generator) -> Fault:
    def change(row: dict) -> dict:
        return {**row, "foils": []} if coin(rng) else without(row, "foils")

    return Fault(*choices_with(rng, change, False), "foils")


def foils_unused(rng: np.random.Generator) -> Fault:
    def change(row: dict) -> str:
        return json.dumps({**row, "foils": [row] * int(rng.integers(1, 3))})

    return Fault(*rows_with(rng, change), "foils")


def no_foil(rng: np.random.Generator) -> Fault:
    return Fault(
        *choices_with(rng, lambda _: choose(rng, [None, True, 3, 0.5, "", "a", [], [1, 2], {}]), True), "tokens"
    )


def foil_of_foils(rng: np.random.Generator) -> Fault:
    """A field that a row has, and a foil has not, or that nothing has."""
    name = str(choose(rng, ["foils", word(rng)]))
    return Fault(*choices_with(rng, lambda row: {**row, name: choose(rng, [[], [row], None, 1])}, True), name)


def wrong_in_foil(rng: np.random.Generator) -> Fault:
    field = str(choose(rng, ["tokens", "scored"]))

    def change(row: dict) -> dict:
        if coin(rng):
            return {**row, field: choose(rng, NO_LISTS)}
        numbers = list(row.get(field, [1, 2]))
        wrong = [*NO_IDS, *([0, 4, 5] if field == "scored" else [])]
        numbers[int(rng.integers(len(numbers)))] = choose(rng, wrong)
        return {**row, field: numbers}

    return Fault(*choices_with(rng, change, True), field)


def foil_length(rng: np.random.Generator) -> Fault:
    length = int(choose(rng, [2, 3, 5, 9]))
    change = lambda row: {**row, "tokens": list(range(length)), "scored": [1]}  # noqa: E731
    return Fault(*choices_with(rng, change, True), "tokens")


def no_answer(rng: np.random.Generator) -> Fault:
    """A row or a foil none of whose tokens is scored."""
    return Fault(*choices_with(rng, lambda row: {**row, "scored": []}, coin(rng)), "scored")


def repeated_in_foil(rng: np.random.Generator) -> Fault:
    field = str(choose(rng, ["tokens", "scored", "size"]))
    file, content, line = choices_with(rng, lambda row: {**row, "tokens": "@"}, True)
    twice = b'[1, 2, 3, 4], "scored": [1], "size": 1, "%s": [1, 2]' % field.encode()
    return Fault(file, content.replace(b'"@"', twice), line, "tokens|scored|size")


def index_with(at: int, *lines: str) -> bytes:
    """The index with other lines in the place of one."""
    return "\n".join([*TOML[: at - 1], *lines, *TOML[at:]]).encode("utf-8", "surrogateescape")


def wrong_type(rng: np.random.Generator) -> Fault:
    at = int(choose(rng, [1, 2, 3, 6, 9, 11]))
    field = TOML[at - 1].split(" ")[0]
    return Fault("library.toml", index_with(at, f"{field} = {choose(rng, NO_STRINGS)}"), at, field)


def wrong_value(rng: np.random.Generator) -> Fault:
    at, value = choose(
        rng,
        [
            (1, '""'),
            (1, '"a\\u0007b"'),
            (2, '"b"'),
            (2, '""'),
            (3, '"none.json"'),
            (3, '"train.jsonl"'),
            (3, '"."'),
            (9, '"none.jsonl"'),
            (9, '"."'),
            (9, '""'),
            (9, '"a\\u0000b"'),
            (9, f'"{"x" * 300}"'),
            (10, '"letters"'),
            (10, "[1]"),
            (10, '["a", ""]'),
            (10, '["\\u0001"]'),
            (10, "[[]]"),
            (10, "3"),
            (11, '"auc"'),
            (11, '""'),
        ],
    )
    field = TOML[at - 1].split(" ")[0]
    return Fault("library.toml", index_with(at, f"{field} = {value}"), at, field)


def missing_key(rng: np.random.Generator) -> Fault:
    at, line, field = choose(rng, [(1, 0, "name"), (2, 0, "data"), (6, 5, "file"), (9, 8, "file")])
    return Fault("library.toml", index_with(at), line, field)


def unknown_key(rng: np.random.Generator) -> Fault:
    at, name = int(choose(rng, [1, 2, 3, 6, 9, 10, 11])), word(rng)
    return Fault("library.toml", index_with(at, TOML[at - 1], f"{name} = {choose(rng, NO_STRINGS)}"), at + 1, name)


def repeated_key(rng: np.random.Generator) -> Fault:
    at = int(choose(rng, [1, 2, 3, 6, 9, 10, 11]))
    field = TOML[at - 1].split(" ")[0]
    return Fault("library.toml", index_with(at, TOML[at - 1], TOML[at - 1]), at + 1, field)


def wrong_name(rng: np.random.Generator) -> Fault:
    name = str(choose(rng, ["a/b", "", " ", ".a", "-a", "a b", "é", "a\\u0000", "x" * 101, "../a", "TRAIN", "Train"]))
    return Fault("library.toml", index_with(8, f'[probes."{name}"]'), 8, "probes")


def cut_index(rng: np.random.Generator) -> Fault:
    """A line that ends in the middle of a value."""
    at = int(choose(rng, [1, 2, 3, 6, 9, 10, 11]))
    text = TOML[at - 1]
    cut = int(rng.integers(text.index("=") + 1, len(text) - 1))
    if "[" in text[:cut] and text[:cut].count('"') != 1:
        # A list may go on in the next line, and what stands there is what does not fit.
        return Fault("library.toml", index_with(at, text[:cut]), at + 1, "metric")
    return Fault("library.toml", index_with(at, text[:cut]), at, text.split(" ")[0])


def spoilt_index(rng: np.random.Generator) -> Fault:
    at = int(choose(rng, [1, 2, 3, 6, 9, 10, 11]))
    text = TOML[at - 1]
    cut = int(rng.integers(1, len(text)))
    spoil = str(choose(rng, ["\x00", "\x1b", "\udcff", "\udc80", "\x7f"]))
    return Fault("library.toml", index_with(at, text[:cut] + spoil + text[cut:]), at, "")


def wrong_words(rng: np.random.Generator) -> Fault:
    wrong = [b"", b"[]", b"{}", b"[1]", b'"a"', b"nul", b"\xff", b"[" * 5000, b'["a", 1]', b'{"version": "1.0"}']
    content = wrong[int(rng.integers(len(wrong)))]
    return Fault("v.json", content, 0, "vocabulary")


FAULTS = [
    wrong_field,
    wrong_number,
    wrong_length,
    no_tokens,
    unknown_field,
    repeated_field,
    cut_row,
    spoilt_row,
    no_row,
    nothing_asked,
    wrong_type,
    wrong_value,
    missing_key,
    unknown_key,
    repeated_key,
    wrong_name,
    cut_index,
    spoilt_index,
    wrong_words,
    wrong_size,
    size_missing,
    size_unused,
    wrong_foils,
    foils_missing,
    foils_unused,
    no_foil,
    foil_of_foils,
    wrong_in_foil,
    foil_length,
    no_answer,
    repeated_in_foil,
]
EACH = 120


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    rows = "\n".join(json.dumps(row) for row in ROWS)
    for name, text in (
        ("library.toml", "\n".join(TOML)),
        ("a.jsonl", rows),
        ("train.jsonl", rows),
        ("c.jsonl", "\n".join(json.dumps(row) for row in CHOICES)),
        ("v.json", '["a"]'),
    ):
        (folder / name).write_text(text)
    assert len(Library.from_folder(folder)) == 2
    return folder


def test_there_are_thousands() -> None:
    assert len(FAULTS) * EACH >= 2000


@pytest.mark.parametrize("make", FAULTS)
def test_malformed_files_are_told_by_file_line_and_field(sound: Path, make: Callable[..., Fault]) -> None:
    rng = np.random.default_rng([7, *make.__name__.encode()])
    for _ in range(EACH):
        fault = make(rng)
        path = sound / fault.file
        before = path.read_bytes()
        path.write_bytes(fault.content)
        try:
            with pytest.raises(ZeemanError) as caught:
                Library.from_folder(sound)
        finally:
            path.write_bytes(before)
        message = str(caught.value)
        assert fault.file in message, message
        assert re.search(rf"line {fault.line}\b" if fault.line else r"line \d|library\.toml", message), (fault, message)
        assert re.search(f"field '[^']*({fault.field})", message), (fault, message)
        assert "\n" not in message
        assert len(message) < 600


def test_what_is_spoilt_at_random_is_read_or_refused(sound: Path) -> None:
    """Bytes changed, left out and put in anywhere: whatever comes of it, a library or a sentence."""
    rng = np.random.default_rng(8)
    refused = 0
    for _ in range(600):
        path = sound / str(choose(rng, ["library.toml", "a.jsonl", "c.jsonl", "v.json"]))
        before = path.read_bytes()
        at, width = int(rng.integers(len(before))), int(rng.integers(0, 4))
        path.write_bytes(before[:at] + rng.bytes(int(rng.integers(0, 4))) + before[at + width :])
        try:
            Library.from_folder(sound)
        except ZeemanError as error:
            refused += "\n" not in str(error) or pytest.fail(f"more than a sentence: {error}")
        finally:
            path.write_bytes(before)
    assert refused > 300
