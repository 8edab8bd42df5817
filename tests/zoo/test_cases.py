"""The zoo's own truths: formulas against each other, losses against quadrature, energies against their ideals."""

import doctest
import itertools
import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from benchmarks.zoo import all_cases, machines

from zeeman.programs import linear, tanh, tms

CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_energy_is_zero_at_the_center_positive_around_it_and_smooth_enough(case):
    generator = torch.Generator().manual_seed(0)
    width = case.domain or case.localization**-0.5
    offsets = width * (2 * torch.rand(64, case.dimension, generator=generator, dtype=torch.float64) - 1)
    for scale in (1e-2, 1.0):
        points = (case.center + scale * offsets).requires_grad_(True)
        energy = case.energy(points)
        assert energy.shape == (64,)
        assert bool((energy > 0).all())
        assert bool(torch.isfinite(torch.autograd.grad(energy.sum(), points)[0]).all())
    assert abs(float(case.energy(case.center[None]))) < 1e-15
    assert 0 < case.llc <= Fraction(case.dimension, 1)


def test_there_are_enough_cases_and_names_are_unique():
    assert len({case.name for case in CASES}) == len(CASES)
    families = [case.family for case in CASES]
    assert families.count("potential") == 15
    assert families.count("squared germ") == 22
    networks = [c for c in CASES if c.family in ("reduced rank regression", "deep linear network")]
    assert sum(c.dimension <= 100 for c in networks) >= 25
    assert sum(100 < c.dimension <= 2000 for c in networks) >= 12


@pytest.mark.parametrize("module", [linear])
def test_examples_hold(module):
    assert doctest.testmod(module).failed == 0


def test_deep_linear_formula_agrees_with_reduced_rank_regression():
    for m, h, n in itertools.product(range(1, 7), repeat=3):
        for rank in range(min(m, h, n) + 1):
            assert linear.deep_linear((m, h, n), rank) == linear.reduced_rank(m, h, n, rank)


def test_product_zero_has_half_the_codimension_and_as_many_components():
    """AB = 0: rank A = s, and B maps into the kernel of A; the largest strata are the components."""
    for m, h, n in itertools.product(range(1, 7), repeat=3):
        codimensions = [(n - s) * (h - s) + s * m for s in range(min(n, h) + 1)]
        llc, multiplicity = linear.reduced_rank(m, h, n, 0)
        assert llc == Fraction(min(codimensions), 2)
        assert multiplicity == codimensions.count(min(codimensions))


def test_networks_have_the_rank_and_the_energy_of_their_product():
    case = linear.network((5, 4, 3, 6), rank=2)
    layers = case.center.split([20, 12, 18])
    shapes = [(4, 5), (3, 4), (6, 3)]
    matrices = [layer.view(shape) for layer, shape in zip(layers, shapes, strict=True)]
    assert [int(torch.linalg.matrix_rank(a)) for a in matrices] == [2, 2, 2]
    moved = [a + 0.1 for a in matrices]
    point = torch.cat([a.flatten() for a in moved])
    gap = moved[2] @ moved[1] @ moved[0] - matrices[2] @ matrices[1] @ matrices[0]
    assert float(case.energy(point)) == pytest.approx(float((gap**2).sum()), rel=1e-12)


LOSSES = {  # Chen et al. 2023 (arXiv 2310.06301), to five digits
    (5, 4, 0): 0.06667,
    (5, 4, 1): 0.05667,
    (5, 5, 0): 0.01583,
    (6, 4, 0): 0.11111,
    (6, 4, 1): 0.10417,
    (6, 5, 0): 0.06874,
    (6, 5, 1): 0.06180,
    (6, 6, 0): 0.04819,
}


@pytest.mark.parametrize("polygon", LOSSES)
def test_polygons_have_the_published_losses(polygon):
    point = tms.critical_point(*polygon)
    assert round(float(tms.tms_loss(point, polygon[0])), 5) == LOSSES[polygon]


@pytest.mark.parametrize(("corners", "length", "bias"), [(5, 1.17046, -0.28230), (6, 1.32053, -0.61814),
                                                         (7, 1.44839, -0.96691), (8, 1.55045, -1.29119)])  # fmt: skip
def test_polygons_have_the_published_shape(corners, length, bias):
    assert tms.polygon_shape(corners) == pytest.approx((length, bias), abs=6e-6)


@pytest.mark.parametrize("polygon", [(6, 5, 1), (7, 6, 0), (8, 8, 0)])
def test_smooth_polygons_hold_twice_llc_directions_at_second_order(polygon):
    columns = polygon[0]
    hessian = torch.autograd.functional.hessian(lambda w: tms.tms_loss(w, columns), tms.critical_point(*polygon))
    values = torch.linalg.eigvalsh(hessian)
    assert int((values > 1e-6).sum()) == 2 * tms.llc(*polygon)
    assert float(values[0]) > -1e-9


def test_tms_loss_agrees_with_quadrature():
    columns, generator = 5, torch.Generator().manual_seed(1)
    points = torch.randn(20, 3 * columns, generator=generator, dtype=torch.float64)
    weights, bias = points[:, : 2 * columns].unflatten(1, (2, columns)), points[:, 2 * columns :]
    size = 4000
    mu = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    inputs = mu[:, None, None] * torch.eye(columns, dtype=torch.float64)
    hidden = torch.einsum("bac,mic->bmia", weights, inputs)
    output = torch.relu(torch.einsum("bac,bmia->bmic", weights, hidden) + bias[:, None, None])
    expected = (inputs - output).square().sum(-1).mean((-1, -2))
    torch.testing.assert_close(tms.tms_loss(points, columns), expected, rtol=1e-5, atol=1e-6)


def test_tms_loss_has_the_derivatives_of_its_differences():
    generator = torch.Generator().manual_seed(2)
    points = torch.randn(4, 12, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: tms.tms_loss(w, 4), points)
    assert torch.autograd.gradgradcheck(lambda w: tms.tms_loss(w, 4), points)


@pytest.mark.parametrize("entry", [e for e in json.loads(machines.TRUTH.read_text()) if "syndromes" in e],
                         ids=lambda e: e["id"])  # fmt: skip
def test_machines_err_as_their_syndromes_say(entry):
    """Along ε_i = s^{w_i} the probability of a wrong end falls as s to the least weight of a syndrome."""
    built = machines.machine(entry)
    assert built.dimension == entry["dimension"]
    names = built.program.coordinates
    rng = np.random.default_rng(0)
    for _ in range(4):
        weights = rng.uniform(0.25, 1.0, built.dimension)
        least = min(sum(k * weights[names.index(c)] for c, k in syndrome) for syndrome in entry["syndromes"])
        scales = np.array([1e-60, 1e-62])  # no term is subtracted, so this is no problem
        errors = torch.from_numpy(scales[:, None] ** weights)
        wrong = built.failures(errors).sum(-1).log()
        slope = float(wrong[0] - wrong[1]) / np.log(scales[0] / scales[1])
        assert slope == pytest.approx(least, abs=1e-2)


def test_joint_and_naive_machines_keep_probabilities():
    for entry in json.loads(machines.TRUTH.read_text()):
        built = machines.machine(entry)
        errors = torch.full((1, built.dimension), 0.2, dtype=torch.float64)
        wrong = built.failures(errors)
        assert bool(((wrong > 0) & (wrong < 1)).all())


def test_tanh_formula_at_its_known_values():
    assert [tanh.against_zero(h) for h in (1, 2, 4)] == [(Fraction(1, 2), 2), (Fraction(2, 3), 1), (Fraction(1), 2)]
