from __future__ import annotations

import json
import math
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from confounds import AT_LEVELS, CONFOUNDS
from solvers import SOLVERS, Solver
from zeeman.errors import ZeemanError
from zeeman.probes import Library, Probe, text_probe
from zeeman.probes.builtin import builtin_cards, builtin_library, find_card, find_probes, minimal_pairs
from zeeman.probes.builtin.pairs import has_rivals
from zeeman.probes.encoding import Encoder, make_encoder

CARDS = {card.name: card for card in builtin_cards()}
NAMES = [name for card in builtin_cards() for name in card.probe_names()]
REAL_TEXT = ("code", "prose", "legal", "zen")


@cache
def library() -> Library:
    return builtin_library(rows=32, length=300)


def built(name: str) -> Probe:
    return library()[name]


def hits(probe: Probe, vocabulary: tuple[str, ...], solver: Solver, most: int = 100) -> tuple[int, int]:
    """How many scored tokens, of at most so many drawn in each row, a solver names that reads the text before."""
    right = asked = 0
    rng = np.random.default_rng(9)  # a regular choice would fall in step with answers of regular length
    for tokens, scored in zip(probe.inputs, probe.scored, strict=True):
        words = [vocabulary[token] for token in tokens]
        for at in rng.permutation(np.flatnonzero(scored))[:most]:
            before, word = "".join(words[:at]), words[at]
            if word.startswith(" ") and len(word) > 1:
                # The space before an answer is given; only the rest of a token that begins with one is asked for.
                before, word = before + " ", word[1:]
            right += solver(before).startswith(word)
            asked += 1
    return right, asked


def share_allowed(chance: float, asked: int) -> float:
    """Chance and four standard errors of a binomial share."""
    return chance + 4 * math.sqrt(chance * (1 - chance) / asked)


def test_there_are_many_probes_of_many_concepts_and_each_has_its_card() -> None:
    assert len(NAMES) >= 50
    assert len({card.concept for card in CARDS.values()}) >= 15
    assert set(CARDS) - set(SOLVERS) == {name for name in CARDS if name.startswith("noise")}
    assert set(CARDS) == set(CONFOUNDS)
    for card in CARDS.values():
        assert card.catches
        assert card.confound
        assert len(card.chance) == len(card.levels) in (1, 3)
        assert card.control.partition(":")[0] in set(CARDS) - {card.name}


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("noise")])
def test_a_program_that_has_the_concept_answers(name: str) -> None:
    right, asked = hits(built(name), make_encoder().vocabulary, SOLVERS[find_card(name).name], most=12)
    assert asked >= 24
    assert right >= 0.99 * asked


@pytest.mark.parametrize("name", NAMES)
def test_what_else_could_explain_success_does_not(name: str) -> None:
    card = find_card(name)
    chance = card.chance[card.probe_names().index(name)]
    probe = built(name)
    for solver in [*CONFOUNDS[card.name], *AT_LEVELS.get(name, [])]:
        right, asked = hits(probe, make_encoder().vocabulary, solver, most=30)
        assert right / asked <= share_allowed(chance, asked)


@pytest.mark.parametrize("name", NAMES)
def test_no_constant_answer_does_better_than_chance(name: str) -> None:
    card = find_card(name)
    probe = built(name)
    answers = np.bincount(probe.inputs[probe.scored])
    chance = card.chance[card.probe_names().index(name)]
    assert answers.max() / answers.sum() <= share_allowed(chance, int(answers.sum()))


@cache
def byte_pairs() -> Encoder:
    """Byte pairs as GPT-2's, learned from the probes' own texts, so that answers merge with what they can."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    vocabulary = make_encoder().vocabulary
    texts = ["".join(vocabulary[token] for row in built(name).inputs[:6] for token in row) for name in NAMES]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=1500, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return make_encoder(tokenizer)


@cache
def in_byte_pairs() -> Library:
    return builtin_library(tokenizer=byte_pairs(), rows=8, length=128)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(("noise", *REAL_TEXT))])
def test_the_same_program_answers_in_the_tokens_of_another_tokenizer(name: str) -> None:
    encoder = byte_pairs()
    probe = in_byte_pairs()[name]
    right, asked = hits(probe, encoder.vocabulary, SOLVERS[find_card(name).name])
    assert asked >= 8
    assert right >= 0.99 * asked


def test_a_function_that_hides_its_spans_is_called_part_by_part() -> None:
    words = byte_pairs().vocabulary
    encode = lambda text: byte_pairs().encode(text, [])[0]  # noqa: E731
    names = ["ioi-1", "addition-2", "plural-2", "brackets-2", "segmentation-1"]
    hidden = builtin_library(names, encode, rows=8)
    for probe in hidden:
        right, asked = hits(probe, words, SOLVERS[find_card(probe.name).name])
        assert asked >= 8
        assert right == asked


def test_a_list_of_strings_and_a_file_of_them_are_tokenizers(tmp_path: Path) -> None:
    words = [chr(code) for code in range(128)]
    (tmp_path / "v.json").write_text(json.dumps(words))
    plain, listed, read = (
        builtin_library(["copy"], tokenizer, rows=4) for tokenizer in (None, words, tmp_path / "v.json")
    )
    assert plain.digest == listed.digest == read.digest
    with pytest.raises(ZeemanError, match=r"no token for '.'"):
        builtin_library(["copy"], ["a", "b"], rows=4)
    with pytest.raises(ZeemanError, match="a tokenizer must be"):
        builtin_library(["copy"], 3, rows=4)


def test_transformers_tokenizers_are_taken_with_their_spans() -> None:
    from transformers import PreTrainedTokenizerFast

    inner = byte_pairs().encode.args[0]  # type: ignore[attr-defined]
    outer = builtin_library(["ioi-1"], PreTrainedTokenizerFast(tokenizer_object=inner), rows=4)
    assert outer["ioi-1"].digest == builtin_library(["ioi-1"], inner, rows=4)["ioi-1"].digest
    assert outer.vocabulary[:200] == byte_pairs().vocabulary[:200]


def test_probes_depend_on_seed_and_name_alone() -> None:
    some = builtin_library(["tally", "ioi-2"], rows=6, length=300)
    for probe in some:
        np.testing.assert_array_equal(probe.inputs, built(probe.name).inputs[:6])
    assert builtin_library(["tally"], seed=1, rows=6)["tally-1"].digest != some["tally-1"].digest
    code = "from zeeman.probes import *; print(builtin_library(['tally', 'ioi-2', 'code'], rows=6, length=300).digest)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == builtin_library(["tally", "ioi-2", "code"], rows=6, length=300).digest


def test_the_whole_library_goes_through_a_folder(tmp_path: Path) -> None:
    made = builtin_library(rows=2)
    made.to_folder(tmp_path / "library")
    again = Library.from_folder(tmp_path / "library")
    assert again.digest == made.digest
    assert list(again.probes) == NAMES
    again.check_vocabulary(128)


PAIRED = [name for name in NAMES if has_rivals(name)]
# Their rivals are no words: who knows words tells them without the question, and these are knowledge of words.
OF_WORDS = ("plural", "past", "segmentation")


@pytest.mark.parametrize("name", PAIRED)
def test_minimal_pairs_part_at_the_answer(name: str) -> None:
    pairs = minimal_pairs(name, rows=20)
    assert pairs.foils is not None
    np.testing.assert_array_equal(pairs.foils.against, np.arange(20))
    words = make_encoder().vocabulary
    solver = SOLVERS[find_card(name).name]
    for good, bad, scored, also in zip(pairs.inputs, pairs.foils.inputs, pairs.scored, pairs.foils.scored, strict=True):
        first = int(np.argmax(scored))
        assert first == int(np.argmax(also))
        np.testing.assert_array_equal(good[:first], bad[:first])
        assert good[first] != bad[first]
        assert solver("".join(words[token] for token in good[:first])).startswith(words[good[first]])


@pytest.mark.parametrize("name", [name for name in PAIRED if not name.startswith(OF_WORDS)])
def test_no_liking_for_some_answers_tells_the_right_one(name: str) -> None:
    """Such as for digits that are smaller, for what comes first in the alphabet, or for what is short."""
    pairs = minimal_pairs(name, rows=400)
    assert pairs.foils is not None
    smaller, shorter = [], []
    for good, bad, scored, also in zip(pairs.inputs, pairs.foils.inputs, pairs.scored, pairs.foils.scored, strict=True):
        right, wrong = good[scored].tolist(), bad[also].tolist()
        smaller.append(right < wrong)
        shorter.append(np.sign(len(wrong) - len(right)) / 2 + 0.5)
    for share in (np.mean(smaller), np.mean(shorter)):
        assert 1 - share_allowed(0.5, 400) <= share <= share_allowed(0.5, 400)


def test_every_rival_makes_pairs_in_any_tokens() -> None:
    made = builtin_library((), byte_pairs(), rows=2, pairs=True)
    paired = [probe for probe in made if probe.metric == "choice"]
    assert [probe.name for probe in paired] == [f"{name}.pairs" for name in PAIRED]
    assert len(paired) == 96
    assert builtin_library((), byte_pairs(), rows=2).probes.keys() == set(NAMES)
    for probe in paired:
        assert probe.foils is not None
        assert probe.digest == minimal_pairs(probe.name.removesuffix(".pairs"), byte_pairs(), rows=2).digest
    with pytest.raises(ZeemanError, match="answers of probe induction-1 have no rival"):
        minimal_pairs("induction-1")


def test_a_folder_of_text_makes_a_probe_and_the_data(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one " * 100)
    (tmp_path / "b.jsonl").write_text('{"text": "' + "two " * 100 + '"}\n')
    probe = text_probe("counts", tmp_path, rows=20, length=40, concepts=["mine"])
    texts = {bytes(row.astype(np.uint8)).decode() for row in probe.inputs}
    assert {text[:40].replace(" ", "")[3:6] for text in texts} <= {"one", "two", "neo", "eon", "wot", "otw"}
    assert any("one" in text for text in texts)
    assert any("two" in text for text in texts)
    sample = builtin_library(["copy-1"], rows=2, length=40, data=tmp_path).data
    assert all(
        ("one" in text) != ("two" in text) for text in (bytes(row.astype(np.uint8)).decode() for row in sample.inputs)
    )
    (tmp_path / "b.jsonl").write_text('{"text": "two"}\n{"txt": 1}\n')
    with pytest.raises(ZeemanError, match=r"b\.jsonl, line 2: .* field 'text'"):
        text_probe("counts", tmp_path)
    with pytest.raises(ZeemanError, match="cannot be read as text"):
        text_probe("counts", tmp_path / "none")
    with pytest.raises(ZeemanError, match="expected texts that yield 32 windows"):
        text_probe("counts", ["short"])


def test_senseless_requests_are_refused() -> None:
    with pytest.raises(ZeemanError, match="no built-in concept or probe 'inductoin'"):
        builtin_library(["inductoin"])
    with pytest.raises(ZeemanError, match="has a difficulty among"):
        find_probes(["ioi"], [4])
    with pytest.raises(ZeemanError, match="no token of this tokenizer decides"):
        builtin_library(["ioi-3"], length=20)
    with pytest.raises(ZeemanError, match="at least one row"):
        builtin_library(["ioi-3"], rows=0)
    with pytest.raises(ZeemanError, match="no single probe"):
        minimal_pairs("ioi")
    with pytest.raises(ZeemanError, match="ask for rows of at least so many"):
        minimal_pairs("ioi-3", length=20)
    with pytest.raises(ZeemanError, match="no built-in probe 'iou'"):
        find_card("iou")


def test_probes_of_shares_know_the_chance_of_their_card() -> None:
    library = builtin_library(["agreement-1", "parity", "prose"], rows=2, pairs=True)
    for probe in library:
        name = probe.name.removesuffix(".pairs")
        card = find_card(name)
        if probe.metric == "choice":
            assert probe.chance == 0.5
        elif card.metric == "accuracy":
            assert probe.chance == card.chance[card.probe_names().index(name)]
        else:
            assert probe.chance is None
