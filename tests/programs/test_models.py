"""Models with exact answers: spins against enumeration and the A₃ germ, tensors against radial integrals."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from zeeman.errors import ZeemanError
from zeeman.programs import spins, tensors


def test_curie_weiss_is_what_enumeration_gives():
    states = np.array(list(itertools.product((-1, 1), repeat=8)))
    mean = states.mean(1)
    weight = np.exp(8 * mean**2 / (2 * 1.3))
    values, probability = spins.curie_weiss(8, 1.3)
    assert (mean**4 @ weight) / weight.sum() == pytest.approx(values**4 @ probability, rel=1e-12)


def test_curie_weiss_at_its_critical_point_is_the_germ_of_fourth_order():
    """U₄ tends to that of exp(−x⁴), and ⟨m²⟩ falls as N^{−1/2}: N is the nβ of m⁴."""
    top = quad(lambda x: x**4 * math.exp(-(x**4)), 0, np.inf)[0] * quad(lambda x: math.exp(-(x**4)), 0, np.inf)[0]
    bottom = quad(lambda x: x**2 * math.exp(-(x**4)), 0, np.inf)[0] ** 2
    assert pytest.approx(1 - top / (3 * bottom), rel=1e-7) == spins.CURIE_WEISS.binder
    laws = [spins.curie_weiss(size, 1.0) for size in (4000, 16000)]
    assert spins.binder(*laws[1]) == pytest.approx(spins.CURIE_WEISS.binder, abs=0.003)
    slope = math.log((laws[0][0] ** 2 @ laws[0][1]) / (laws[1][0] ** 2 @ laws[1][1])) / math.log(4)
    assert slope == pytest.approx(2 * spins.CURIE_WEISS.beta_over_nu, abs=0.005)


def test_ising_on_a_small_square_is_what_enumeration_gives():
    states = np.array(list(itertools.product((-1, 1), repeat=9))).reshape(-1, 3, 3)
    energy = -(states * np.roll(states, 1, 1)).sum((1, 2)) - (states * np.roll(states, 1, 2)).sum((1, 2))
    weight = np.exp(-energy / 2.5)
    exact = (states.mean((1, 2)) ** 2 @ weight) / weight.sum()
    drawn = spins.ising(3, 2.5, 4000, num_flips=2, num_burnin=50, seed=0) ** 2
    blocks = drawn.reshape(20, -1).mean(1)
    assert abs(drawn.mean() - exact) < 4 * blocks.std(ddof=1) / math.sqrt(20)


def test_the_square_lattice_is_critical_where_onsager_says():
    assert math.sinh(2 / spins.SQUARE_LATTICE.temperature) == pytest.approx(1)


def test_spins_refuse_what_makes_no_sense():
    with pytest.raises(ZeemanError, match="positive temperature"):
        spins.curie_weiss(10, 0.0)
    with pytest.raises(ZeemanError, match="side of at least 2"):
        spins.ising(1, 2.0, 10, num_flips=1, num_burnin=0, seed=0)


@pytest.mark.parametrize("case", tensors.cases(), ids=lambda case: case.name)
def test_rank_one_tensors_are_zero_where_a_factor_is(case):
    point = torch.ones(1, case.dimension, dtype=torch.float64)
    assert float(case.energy(point)) == pytest.approx(math.prod(case.energy.sizes))
    point[:, : case.energy.sizes[0]] = 0
    assert float(case.energy(point)) == 0


@pytest.mark.parametrize(("sizes", "betas"), [((2, 3), (1e6, 1e8)), ((2, 2), (1e6, 1e8))])
def test_rank_one_tensors_have_the_volume_of_their_exponents(sizes, betas):
    """t⟨K⟩ = λ − (m − 1)/log t + …, by quadrature over log ‖u‖ and log ‖v‖ in balls."""
    llc, m = tensors.against_zero(sizes)
    r = np.linspace(-16, 0, 1600)
    u, v = np.meshgrid(r, r)
    log_density = sizes[0] * u + sizes[1] * v
    for beta in betas:
        energy = beta * np.exp(2 * u + 2 * v)
        weight = np.exp(log_density - energy)
        level = (energy * weight).sum() / weight.sum()
        assert level == pytest.approx(float(llc) - (m - 1) / math.log(beta), abs=0.02)
