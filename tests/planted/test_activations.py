"""The baseline: its indices and clusters against brute force and shapes that are known."""

from itertools import combinations

import numpy as np
import pytest
import torch
from benchmarks.planted.activations import activations, adjusted_rand, choose, k_means, nearest, readout, spectral
from benchmarks.planted.grammar import RULES, Grammar
from benchmarks.planted.training import initial_model


def test_adjusted_rand_is_the_share_of_agreeing_pairs_above_chance():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 3, 40), rng.integers(0, 4, 40)
    other[:25] = one[:25]
    pairs = list(combinations(range(40), 2))
    first = np.array([one[i] == one[j] for i, j in pairs])
    second = np.array([other[i] == other[j] for i, j in pairs])
    chance = first.sum() * second.sum() / len(pairs)
    expected = ((first & second).sum() - chance) / ((first.sum() + second.sum()) / 2 - chance)
    assert adjusted_rand(one, other) == pytest.approx(expected)
    assert adjusted_rand(one, (one + 1) % 3) == 1
    drawn = [adjusted_rand(one, rng.permutation(other)) for _ in range(400)]
    assert abs(np.mean(drawn)) < 4 * np.std(drawn) / 20


def test_k_means_finds_blobs_and_the_graph_finds_rings():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(3), 100)
    blobs = rng.standard_normal((300, 4)) + 20 * np.eye(4)[labels]
    assert adjusted_rand(k_means(blobs, 3, rng), labels) == 1
    angle, radius = rng.uniform(0, 2 * np.pi, 600), np.repeat([1.0, 4.0], [200, 400])
    rings = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.standard_normal((600, 2))
    ring = (radius > 2).astype(np.int64)
    assert adjusted_rand(spectral(rings, 2, rng, neighbours=8), ring) == 1
    assert adjusted_rand(k_means(rings, 2, rng), ring) < 0.5


def test_nearest_are_the_nearest_others():
    x = np.random.default_rng(2).standard_normal((1500, 3))
    found = nearest(x, 5)
    for row in (0, 700, 1499):
        distances = np.linalg.norm(x - x[row], axis=1)
        assert set(found[row].tolist()) == set(np.argsort(distances)[1:6].tolist())


def test_readout_is_tested_on_windows_it_was_not_fitted_on():
    rng = np.random.default_rng(3)
    labels, rows = rng.integers(0, 2, 400), np.arange(400)
    assert readout(np.eye(2)[labels] + 0.0, labels, rows) == 1
    # As many columns as rows could say anything of what they were fitted on.
    assert abs(readout(rng.standard_normal((400, 300)), labels, rows) - 0.5) < 4 * np.sqrt(0.25 / 200)


def test_chosen_tokens_are_settled_and_of_every_mode_alike():
    windows = Grammar.from_seed(0).balanced_windows(np.random.default_rng(4), 140)
    rows, columns = choose(windows, np.random.default_rng(5), shams=True)
    assert windows.settled[rows, columns].all()
    counts = np.bincount((windows.rule + len(RULES) * windows.sham)[rows, columns], minlength=2 * len(RULES))
    assert counts.min() == counts.max() > 0
    assert len({*zip(rows.tolist(), columns.tolist(), strict=True)}) == len(rows)
    rows, columns = choose(windows, np.random.default_rng(5), shams=False)
    assert not windows.sham[rows, columns].any()


def test_activations_are_what_passes_between_the_layers():
    model = initial_model(0).eval()
    tokens = Grammar.from_seed(0).windows(np.random.default_rng(6), 3).tokens
    layers = activations(model, tokens)
    assert list(layers) == ["embedding", "layer 0", "layer 1", "last, normalized"]
    embedded = model.gpt_neox.embed_in(torch.from_numpy(tokens)).detach().numpy()
    np.testing.assert_array_equal(layers["embedding"], embedded)
    with torch.no_grad():
        logits = model.get_output_embeddings()(torch.from_numpy(layers["last, normalized"]))
        torch.testing.assert_close(logits, model(torch.from_numpy(tokens)).logits)
