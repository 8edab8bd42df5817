"""The local truth of trained linear networks, and how readings are set against truths."""

import itertools

import numpy as np
import pytest
import torch
from benchmarks.zoo import order, table

from zeeman.programs.linear import ProductLoss


@pytest.mark.parametrize(("widths", "rank"), [((6, 5, 4), 2), ((5, 3, 6, 4), 1), ((4, 6, 2, 5), 2)])
def test_rank_of_the_map_agrees_with_its_jacobian(widths, rank):
    net = order.Net.trained(widths, rank)
    product = ProductLoss(widths, torch.zeros(1)).product
    jacobian = torch.autograd.functional.jacobian(lambda w: product(w).flatten(), net.weights)
    assert net.truth["loss"] < 1e-12
    assert net.truth["local_llc"] == int(torch.linalg.matrix_rank(jacobian, rtol=1e-4)) / 2
    assert net.truth["local_llc"] >= net.truth["llc"]


def test_rank_of_generic_weights_is_that_of_all_maps_through_the_bottleneck():
    generator = torch.Generator().manual_seed(0)
    widths = (7, 3, 8, 6)
    layers = [torch.randn(b, a, generator=generator, dtype=torch.float64) for a, b in itertools.pairwise(widths)]
    assert order.jacobian_rank(layers) == 3 * (7 + 6) - 9


def test_order_counts_pairs_of_different_truth_alone():
    found = order.against(np.array([1.0, 3.0, 2.0, 2.5]), np.array([1.0, 2.0, 3.0, 3.0]))
    assert found["pairs"] == 5
    assert found["order_preserved"] == 0.6
    assert found["within_10_percent"] == 0.25


def test_page_counts_a_refusal_as_a_miss():
    truth = {"name": "a", "family": "f", "dimension": 2, "llc": 0.5, "multiplicity": 1, "seed": 0}
    read = {"llc_hat": 0.504, "se": 0.005, "m_hat": 1, "m_posterior": {"1": 0.9}, "verdict": "ok", "reasons": []}
    good = {**truth, **read, "cpu_seconds": 3}
    bad = good | {"name": "b", "llc_hat": None, "se": None, "m_hat": None, "m_posterior": {}, "verdict": "refused"}
    bad["reasons"] = ["K is negative somewhere."]
    line = table.family("f", [good, bad])
    assert line[2] == "50%"
    assert line[9:11] == ["100%", "100%"]
    assert "K is negative somewhere." in table.misses([good, bad])
    assert "a |" not in table.misses([good, bad])
