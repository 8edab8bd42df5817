"""Sizes and foils: what they must fit, and that folders keep them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from zeeman.errors import ZeemanError
from zeeman.probes import Foils, Library, Probe

ROWS = np.array([[1, 2, 3], [1, 2, 4]])
SCORED = np.array([[False, False, True]] * 2)


def foils(against: tuple[int, ...] = (0, 0, 1), sizes: object = None, length: int = 3) -> Foils:
    inputs = np.full((len(against), length), 5)
    scored = np.zeros(inputs.shape, bool)
    scored[:, -1] = True
    return Foils(inputs, scored, np.array(against), sizes)  # type: ignore[arg-type]


def choice(**fields: object) -> Probe:
    return Probe("p", ROWS, SCORED, metric="choice", **{"foils": foils()} | fields)  # type: ignore[arg-type]


def test_a_folder_keeps_sizes_and_foils(tmp_path: Path) -> None:
    made = [
        choice(sizes=[1.5, 2], foils=foils(sizes=[1, 2.25, 3])),
        Probe("plain", ROWS, SCORED, metric="perplexity"),
        Probe("words", ROWS, SCORED, metric="bits", sizes=np.array([3.0, 4.0])),
    ]
    library = Library.from_probes("l", Probe("train", ROWS, SCORED), made)
    library.to_folder(tmp_path / "l")
    again = Library.from_folder(tmp_path / "l")
    assert again.digest == library.digest
    assert [p.metric for p in again] == ["choice", "perplexity", "bits"]
    assert pickle.loads(pickle.dumps(made[0])).digest == made[0].digest


def test_a_digest_covers_what_grades_and_is_as_before_without_it() -> None:
    made = [
        choice(),
        choice(foils=foils((0, 1, 1))),
        choice(sizes=[1, 2], foils=foils(sizes=[1, 1, 1])),
        choice(sizes=[1, 2], foils=foils(sizes=[1, 1, 2])),
        choice(sizes=[1, 3], foils=foils(sizes=[1, 1, 2])),
    ]
    assert len({p.digest for p in made}) == len(made)
    # What stores hold under this name was read before there were foils.
    before = "891660a9d85e13958bea6a7c9424b2cae55e35706473e275c026f10e3ad5c005"
    assert Probe("p", ROWS, SCORED).digest == before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"foils": None}, "foils go with the metric choice, and only with it"),
        ({"metric": "loss"}, "foils go with the metric choice, and only with it"),
        ({"metric": "loss", "foils": None, "sizes": [1, 1]}, "the metric loss uses no sizes"),
        ({"sizes": [1, 1]}, "either both its rows and their foils have sizes or none"),
        ({"sizes": [1, 0], "foils": foils(sizes=[1, 1, 1])}, "sizes must be 2 positive finite numbers"),
        ({"sizes": [1, 1, 1]}, "sizes must be 2 positive finite numbers"),
        ({"sizes": ["a", "b"]}, "sizes must be numbers"),
        ({"foils": foils((0, 0))}, "each of its 2 rows needs a foil"),
        ({"foils": foils((0, 1, 2))}, "each of its 2 rows needs a foil, and no other row"),
        ({"foils": foils(length=4)}, "foils must be as long as its rows, 3 tokens, got 4"),
        ({"scored": np.array([[False, False, True], [False] * 3])}, "needs a scored position in each row"),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, object], message: str) -> None:
    whole = {"inputs": ROWS, "scored": SCORED, "metric": "choice", "foils": foils()} | fields
    with pytest.raises(ZeemanError, match=message) as caught:
        Probe("p", **whole)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_foils_must_be_rows_against_rows() -> None:
    for against in ([0], [-1, 0, 0], [0.5, 0, 0]):
        with pytest.raises(ZeemanError, match="the row that it stands against"):
            Foils(foils().inputs, foils().scored, np.array(against))
    with pytest.raises(ZeemanError, match="each foil needs a scored position"):
        Foils(ROWS, np.array([[False, True, True], [False] * 3]), np.array([0, 0]))


def test_a_vocabulary_must_hold_the_foils_too() -> None:
    choice().check_vocabulary(6)
    with pytest.raises(ZeemanError, match=r"probe p \(foils\): .* got 5 in row 0 at position 0"):
        choice().check_vocabulary(5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ('{"tokens": [1, 2], "foils": 3}', r"line 1: field 'foils' must be a list of rows, got 3"),
        ('{"tokens": [1, 2], "foils": [3]}', r"line 1, foil 1: expected a JSON object .*got 3"),
        ('{"tokens": [1, 2], "foils": [{"tokens": [1]}]}', r"line 1, foil 1: field 'tokens' must have one length"),
        ('{"tokens": [1, 2], "foils": [{"tokens": [1, 3], "foils": []}]}', r"foil 1: field 'foils' is unknown"),
        ('{"tokens": [1, 2], "size": 0}', r"line 1: field 'size' must be a positive finite number, got 0"),
        ('{"tokens": [1, 2], "size": Infinity}', r"field 'size' must be a positive finite number, got Infinity"),
        (f'{{"tokens": [1, 2], "size": {10**400}}}', r"field 'size' must be a positive finite number"),
        ('{"tokens": [1, 2], "size": true}', r"field 'size' must be a positive finite number, got true"),
        ('{"tokens": [1, 2], "size": 2}\n{"tokens": [1, 2]}', r"line 2: field 'size' must stand in every row"),
        ('{"tokens": [1, 2]}', r"foils go with the metric choice"),
        (
            '{"tokens": [1, 2], "foils": [{"tokens": [1, 3], "scored": []}]}',
            r"foil 1: field 'scored' must name a position",
        ),
    ],
)
def test_mistakes_in_a_file_name_line_and_field(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "library.toml").write_text(
        'name = "l"\ndata = "t"\n[probes.t]\nfile = "t.jsonl"\n[probes.a]\nfile = "a.jsonl"\nmetric = "choice"\n'
    )
    (tmp_path / "t.jsonl").write_text('{"tokens": [1, 2]}')
    (tmp_path / "a.jsonl").write_text(rows)
    with pytest.raises(ZeemanError, match=message) as caught:
        Library.from_folder(tmp_path)
    assert "\n" not in str(caught.value)
