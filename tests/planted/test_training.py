"""Training on the planted grammar: the series opens, its record is true, and a seed gives the same again."""

import math

import numpy as np
import pytest
import torch
from benchmarks.planted.grammar import RULES, SYMBOLS, Grammar
from benchmarks.planted.training import MODES, Watch, held_out, initial_model, outcome, train

from zeeman.sampling import language_model_loss
from zeeman.subjects import Series

STEPS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("planted") / "run"
    train(path, 5, STEPS)
    return path


def test_folder_opens_as_a_series_from_the_first_step_to_the_last(folder):
    series = Series.from_folder(folder)
    assert series.steps[0] == 0
    assert series.steps[-1] == STEPS
    start, first = initial_model(5).state_dict(), series.at(0).load()
    assert all(torch.equal(tensor, first[name]) for name, tensor in start.items())


def test_record_holds_the_loss_of_every_mode_at_every_checkpoint(folder):
    series, grammar = Series.from_folder(folder), Grammar.from_seed(5)
    signals = {row["step"]: row["signals"] for row in series.record if row["saved"]}
    assert list(signals) == series.steps
    assert list(signals[STEPS]) == list(MODES)
    again = Watch(grammar, 5)(series.model(series.at(STEPS)))
    assert again == pytest.approx(signals[STEPS])


def test_losses_held_out_are_those_of_the_settled_tokens_of_each_mode():
    grammar, model = Grammar.from_seed(5), initial_model(5).eval()
    held = held_out(grammar, 5, 28, "watched")
    windows = grammar.balanced_windows(np.random.default_rng([5, *b"watched"]), 28)
    assert (windows.tokens == held.tokens).all()
    with torch.no_grad():
        losses = language_model_loss(model, torch.from_numpy(windows.tokens)).numpy()
    told = outcome(model, Series.from_state_dicts([(0, model.state_dict())], lambda: initial_model(5)), grammar, 5, 140)
    for index, mode in enumerate(MODES):
        where = windows.settled & (windows.rule == index % len(RULES)) & (windows.sham == (index >= len(RULES)))
        assert (held.where[mode] == where[:, 1:]).all()
        entropy = told["modes"][mode]["entropy"]
        if mode.endswith("sham"):
            assert entropy == pytest.approx(math.log(SYMBOLS), abs=1e-4)
        few = losses[where[:, 1:]]
        assert abs(told["modes"][mode]["loss"] - few.mean()) < 5 * few.std() / math.sqrt(len(few) / 8)


def test_a_seed_gives_the_same_weights_again(folder, tmp_path):
    before = torch.get_rng_state()
    train(tmp_path / "again", 5, STEPS)
    assert torch.equal(before, torch.get_rng_state())
    one, other = (Series.from_folder(path).at(STEPS).digest for path in (folder, tmp_path / "again"))
    assert one == other
