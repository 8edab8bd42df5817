"""The planted grammar: its rules hold, its shams are empty, and no token tells by itself which rule made it."""

from itertools import pairwise

import numpy as np
import pytest
from benchmarks.planted.activations import choose, readout
from benchmarks.planted.grammar import (
    CONTEXT,
    DEPTHS,
    KIND_OF_RULE,
    KINDS,
    LENGTH,
    PERIODS,
    RULES,
    SEGMENT,
    SETTLED,
    STRIDES,
    SYMBOLS,
    USUAL,
    VOCABULARY,
    Grammar,
)
from scipy.stats import chi2

from zeeman.errors import ZeemanError

GRAMMAR = Grammar.from_seed(0)
ROWS = 6000


def rng(*seed):
    return np.random.default_rng([7, *seed])


def obeys_words(row):
    """Cut the segment into words from its beginning; give where a word's later letters are."""
    later, rest = [], row.tolist()
    while rest:
        word = GRAMMAR.words[rest[0]].tolist()
        assert rest[: len(word)] == word[: len(rest)]
        later += [False, *[True] * (len(word) - 1)]
        rest = rest[len(word) :]
    return later[:LENGTH]


def obeys_brackets(row):
    """Run a stack machine; give where it pops: always when as many are open as in the beginning, and then all."""
    stack, pops = [], []
    for symbol in row.tolist():
        pops.append(bool(stack) and symbol == GRAMMAR.partner[stack[-1]])
        if pops[-1]:
            stack.pop()
        else:
            stack.append(symbol)
    depth = pops.index(True)
    assert depth in DEPTHS
    assert pops == [t % (2 * depth) >= depth for t in range(LENGTH)]
    return pops


def obeys_induction(row):
    """Find the first symbol again; what follows has the period that this tells."""
    period = row.tolist()[1:].index(row[0]) + 1
    assert period in PERIODS
    assert len(set(row[:period].tolist())) == period
    assert (row[period:] == row[:-period]).all()
    return [t > period for t in range(LENGTH)]


def obeys_bigrams(table):
    def check(row):
        assert all(new in GRAMMAR.successors[table, :, old] for old, new in pairwise(row))
        return [t > 0 for t in range(LENGTH)]

    return check


def obeys_agreement(row):
    assert (row[5:] == GRAMMAR.agrees[row[:-5]]).all()
    return [t >= 5 for t in range(LENGTH)]


def obeys_counting(row):
    """The place of each symbol in the hidden order grows by one stride, which the first two symbols tell."""
    places = np.argsort(GRAMMAR.order)[row]
    strides = np.diff(places) % SYMBOLS
    assert len(set(strides.tolist())) == 1
    assert strides[0] in STRIDES
    return [t >= 2 for t in range(LENGTH)]


OBEYS = {
    "words": obeys_words,
    "brackets": obeys_brackets,
    "induction": obeys_induction,
    "bigrams_a": obeys_bigrams(0),
    "bigrams_b": obeys_bigrams(1),
    "agreement": obeys_agreement,
    "counting": obeys_counting,
}


@pytest.mark.parametrize("rule", RULES)
def test_rule_holds_in_every_segment_and_predictable_says_where_it_determines_the_symbol(rule):
    written = GRAMMAR.write(rule, rng(1), 500)
    for row, predictable in zip(written.tokens, written.predictable, strict=True):
        assert OBEYS[rule](row) == predictable.tolist()
    if not rule.startswith("bigrams"):
        assert (written.fixed == written.tokens)[written.predictable].all()


@pytest.mark.parametrize("rule", RULES)
def test_surprisal_is_the_rules_own_and_zero_where_nothing_is_predictable(rule):
    written = GRAMMAR.write(rule, rng(2), ROWS)
    here = written.surprisal[written.predictable]
    assert (written.surprisal[~written.predictable] == 0).all()
    if rule.startswith("bigrams"):
        usual = (written.fixed == written.tokens)[written.predictable]
        np.testing.assert_allclose(np.exp(-here), np.where(usual, USUAL, 1 - USUAL))
        assert abs(usual.mean() - USUAL) < 4 * np.sqrt(USUAL * (1 - USUAL) / usual.size)
    elif rule == "brackets":
        depth = written.predictable.argmax(axis=1)
        assert chi2.sf(((np.bincount(depth)[1:] - ROWS / 3) ** 2).sum() / (ROWS / 3), 2) > 1e-4
        told = written.surprisal[np.arange(ROWS), depth]
        np.testing.assert_allclose(np.exp(-told), 1 / (4 - depth))
        assert written.surprisal.sum() == pytest.approx(told.sum())
    else:
        assert (here == 0).all()


def one_a_row(written, seed):
    """One settled predictable token of each segment that has one: these are independent."""
    where = written.predictable & (np.arange(LENGTH) + 1 >= SETTLED)
    rows = np.flatnonzero(where.any(axis=1))
    return rows, np.argmax(where[rows] * rng(seed).random((len(rows), LENGTH)), axis=1)


@pytest.mark.parametrize("sham", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_every_symbol_is_as_frequent_as_any_other_where_predictable(rule, sham):
    written = (GRAMMAR.sham if sham else GRAMMAR.write)(rule, rng(3), ROWS)
    counts = np.bincount(written.tokens[one_a_row(written, 4)], minlength=SYMBOLS)
    expected = counts.sum() / SYMBOLS
    assert chi2.sf(((counts - expected) ** 2 / expected).sum(), SYMBOLS - 1) > 1e-4


def dependence(one, other):
    """Mutual information in nats by counts, and how improbable it is for independent ones (G-test)."""
    table = np.zeros((SYMBOLS, SYMBOLS))
    np.add.at(table, (one, other), 1)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    information = (table[table > 0] * np.log(table[table > 0] / expected[table > 0])).sum() / table.sum()
    return information, chi2.sf(2 * table.sum() * information, (SYMBOLS - 1) ** 2)


@pytest.mark.parametrize("rule", RULES)
def test_what_the_rule_would_fix_tells_all_in_the_rule_and_nothing_in_its_sham(rule):
    real, sham = GRAMMAR.write(rule, rng(5), 20000), GRAMMAR.sham(rule, rng(6), 20000)
    there = one_a_row(real, 7)
    entropy = -(USUAL * np.log(USUAL) + (1 - USUAL) * np.log(1 - USUAL)) if rule.startswith("bigrams") else 0.0
    assert dependence(real.fixed[there], real.tokens[there])[0] == pytest.approx(np.log(SYMBOLS) - entropy, abs=0.03)
    there = one_a_row(sham, 8)
    assert dependence(sham.fixed[there], sham.tokens[there])[1] > 1e-4


def from_prefix(rule, tokens, t):
    """What the rule says of column t, given what really stands before it in a sham."""
    places = np.argsort(GRAMMAR.order)[tokens]
    return {
        "bigrams_a": lambda: GRAMMAR.successors[0, 0, tokens[:, t - 1]],
        "bigrams_b": lambda: GRAMMAR.successors[1, 0, tokens[:, t - 1]],
        "agreement": lambda: GRAMMAR.agrees[tokens[:, t - 5]],
        "counting": lambda: GRAMMAR.order[(2 * places[:, t - 1] - places[:, t - 2]) % SYMBOLS],
        "induction": lambda: tokens[:, t - 3],
    }[rule]()


@pytest.mark.parametrize("rule", ["bigrams_a", "bigrams_b", "agreement", "counting", "induction"])
def test_a_sham_does_not_follow_the_rule_from_its_own_symbols_either(rule):
    tokens = GRAMMAR.sham(rule, rng(9), 20000).tokens
    assert dependence(from_prefix(rule, tokens, 10), tokens[:, 10])[1] > 1e-4
    real = GRAMMAR.write(rule, rng(9), 20000).tokens
    assert dependence(from_prefix(rule, real, 10), real[:, 10])[1] < 1e-100


def test_sham_and_rule_share_layout_markers_and_what_is_not_predictable():
    windows = GRAMMAR.balanced_windows(rng(10), 7000)
    for index, rule in enumerate(RULES):
        real, sham = ((windows.rule == index) & (windows.sham == which) for which in (False, True))
        assert real.sum() == sham.sum() == 1000 * SEGMENT
        assert set(windows.tokens[real & (windows.position == 0)].tolist()) == {SYMBOLS + index}
        assert set(windows.tokens[sham & (windows.position == 0)].tolist()) == {SYMBOLS + len(RULES) + index}
        one, other = GRAMMAR.write(rule, rng(11), 50), GRAMMAR.sham(rule, rng(11), 50)
        assert (one.predictable == other.predictable).all()
        assert (one.tokens == other.tokens)[~one.predictable].all()
        assert (other.surprisal[other.predictable] == np.log(SYMBOLS)).all()


def test_labels_say_where_a_token_stands_and_what_made_it():
    windows = GRAMMAR.windows(rng(12), 300)
    assert windows.tokens.shape == (300, CONTEXT)
    assert windows.tokens.max() < VOCABULARY
    marker = windows.position == 0
    assert (marker == (windows.tokens >= SYMBOLS)).all()
    assert (windows.tokens[marker] == SYMBOLS + windows.rule[marker] + len(RULES) * windows.sham[marker]).all()
    assert not windows.predictable[marker].any()
    assert (windows.position[:, 1:] - windows.position[:, :-1] == np.where(marker[:, 1:], 1 - SEGMENT, 1)).all()
    assert [KINDS[kind] for kind in KIND_OF_RULE] == [rule.removesuffix("_a").removesuffix("_b") for rule in RULES]
    for row in range(0, 300, 20):
        for first in range(0, CONTEXT, SEGMENT):
            if not windows.sham[row, first]:
                segment = slice(first + 1, first + SEGMENT)
                rule = RULES[windows.rule[row, first]]
                assert OBEYS[rule](windows.tokens[row, segment]) == windows.predictable[row, segment].tolist()


def accuracies(seed):
    """Of linear readouts of the kind on windows they were not fitted on, by what they read; as many of every kind."""
    windows = Grammar.from_seed(seed).balanced_windows(rng(13, seed), 2000)
    rows, columns = choose(windows, rng(14, seed), shams=False)
    single = windows.rule[rows, columns] != RULES.index("bigrams_b")
    rows, columns = rows[single], columns[single]
    marker = columns - windows.position[rows, columns]
    one_hot = np.eye(VOCABULARY)[windows.tokens]
    read = {
        "token": one_hot[rows, columns],
        "bag of two before": np.minimum(one_hot[rows, columns - 1] + one_hot[rows, columns - 2], 1),
        "position": np.eye(SEGMENT)[windows.position[rows, columns]],
        "marker": one_hot[rows, marker],
    }
    return {name: readout(features, windows.kind[rows, columns], rows) for name, features in read.items()}


def test_neither_a_token_nor_the_bag_of_the_two_before_it_tells_the_kind():
    found = [accuracies(seed) for seed in range(8)]
    chance = 1 / len(KINDS)
    for name in ("token", "bag of two before"):
        assert np.mean([each[name] for each in found]) < chance + 0.03
        assert max(each[name] for each in found) < 1.5 * chance
    assert max(each["position"] for each in found) < 1.5 * chance
    assert min(each["marker"] for each in found) == 1


def test_tables_of_the_grammar_never_agree():
    maps = np.array([np.arange(SYMBOLS), GRAMMAR.partner, GRAMMAR.agrees, *GRAMMAR.successors.reshape(4, SYMBOLS)])
    assert all(len(set(column)) == len(maps) for column in maps.T.tolist())
    assert (np.sort(maps, axis=1) == np.arange(SYMBOLS)).all()
    for place in (slice(0, 1), slice(1, -2), slice(-2, -1), slice(-1, None)):
        assert (np.bincount(np.concatenate([word[place] for word in GRAMMAR.words])) == 1).all()
    assert [word[0] for word in GRAMMAR.words] == list(range(SYMBOLS))


def test_seeds_give_the_same_again_others_do_not_and_global_generators_rest():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, same, other = (Grammar.from_seed(seed) for seed in (3, 3, 4))
    assert (one.successors == same.successors).all()
    assert not (one.successors == other.successors).all()
    assert (one.windows(rng(15), 5).tokens == same.windows(rng(15), 5).tokens).all()
    assert not (one.windows(rng(15), 5).tokens == same.windows(rng(16), 5).tokens).all()
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    with pytest.raises(ZeemanError, match="seed from 0"):
        Grammar.from_seed(-1)


def test_library_asks_for_the_settled_tokens_of_each_rule_and_each_sham():
    library = GRAMMAR.library(0, rows=28)
    assert [probe.name for probe in library] == [*RULES, *(f"{rule}_sham" for rule in RULES)]
    assert library["bigrams_b_sham"].concepts == ("bigrams", "sham")
    library.check_vocabulary(VOCABULARY)
    probe = library["agreement"]
    assert (probe.inputs[probe.scored] == GRAMMAR.agrees[np.roll(probe.inputs, 5, axis=1)[probe.scored]]).all()
