from __future__ import annotations

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
from zeeman.probes import Probe
from zeeman.probes.builtin import builtin_cards, builtin_library, find_card, find_probes
from zeeman.probes.encoding import Encoder, make_encoder
from zeeman.probes.texts import text_probe

CARDS = {card.name: card for card in builtin_cards()}
NAMES = [name for card in builtin_cards() for name in card.probe_names()]
REAL_TEXT = ("code", "prose", "legal", "zen")


@cache
def built(name: str) -> Probe:
    return builtin_library([name], rows=24, length=400)[name]


def hits(probe: Probe, vocabulary: tuple[str, ...], solver: Solver, most: int = 10**9) -> tuple[int, int]:
    """How many scored tokens a solver names that reads the text before them, and how many there are."""
    right = asked = 0
    for tokens, scored in zip(probe.inputs, probe.scored, strict=True):
        words = [vocabulary[token] for token in tokens]
        for at in np.flatnonzero(scored)[:most]:
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
    right, asked = hits(built(name), make_encoder().vocabulary, SOLVERS[find_card(name).name], most=40)
    assert asked >= 24
    assert right >= 0.99 * asked


@pytest.mark.parametrize("name", NAMES)
def test_what_else_could_explain_success_does_not(name: str) -> None:
    card = find_card(name)
    chance = card.chance[card.probe_names().index(name)]
    probe = builtin_library([name], rows=48, length=400)[name]
    for solver in [*CONFOUNDS[card.name], *AT_LEVELS.get(name, [])]:
        right, asked = hits(probe, make_encoder().vocabulary, solver, most=40)
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


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(("noise", *REAL_TEXT))])
def test_the_same_program_answers_in_the_tokens_of_another_tokenizer(name: str) -> None:
    encoder = byte_pairs()
    probe = builtin_library([name], encoder, rows=8, length=128)[name]
    right, asked = hits(probe, encoder.vocabulary, SOLVERS[find_card(name).name])
    assert asked >= 8
    assert right >= 0.99 * asked
