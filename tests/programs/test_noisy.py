"""The torch models against the exact runs, their syndromes, and the exponents that their volumes have."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from programs.machines import TRUTH, any_machine, program, words
from zeeman.programs import Automaton, Corner, Machine, NoisyProgram, TuringProgram, singularity
from zeeman.programs.rings import Numbers
from zeeman.sampling import SGLD, LocalPosterior, Schedule, run_chain


def model(entry):
    built = program(entry)
    return NoisyProgram(built.machine if isinstance(built, TuringProgram) else built)


@settings(max_examples=30, deadline=None)
@given(any_machine())
def test_tensors_and_plain_runs_agree(machine):
    noisy = NoisyProgram(machine)
    errors = np.random.default_rng(0).uniform(0, 0.2, noisy.dimension)
    plain = dict(zip(machine.distinct, TuringProgram(machine).failures(Numbers(errors.tolist())), strict=True))
    by_window = {machine.window(word): z for word, z in plain.items()}
    found = noisy.failures(torch.from_numpy(errors)[None])[0]
    expected = [by_window[machine.window(word)] for word in machine.inputs]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10, atol=1e-300)


@pytest.mark.parametrize("copies", [1, 3])
def test_tensors_and_plain_runs_of_automata_agree(copies):
    parity = Automaton.build("eo", "AB", "e", ["Aeo", "Aoe", "Bee", "Boo"], [(), *words("AB", 1, 3)], copies)
    errors = np.random.default_rng(0).uniform(0, 0.2, len(parity.coordinates))
    found = NoisyProgram(parity).failures(torch.from_numpy(errors)[None])[0]
    np.testing.assert_allclose(found.numpy(), parity.failures(Numbers(errors.tolist())), rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(any_machine())
def test_answers_have_probabilities_that_sum_to_one(machine):
    noisy = NoisyProgram(machine)
    with torch.no_grad():
        noisy.errors += 0.1 * torch.rand(noisy.dimension, generator=torch.Generator().manual_seed(0))
    laws = noisy(torch.arange(len(machine.inputs)))
    assert bool((laws >= 0).all())
    torch.testing.assert_close(laws.sum(-1), torch.ones(len(machine.inputs), dtype=torch.float64))
    right = laws[torch.arange(len(machine.inputs)), noisy.answers]
    torch.testing.assert_close(noisy.loss(), -right.log().mean())


@pytest.mark.parametrize("entry", TRUTH, ids=[e["id"] for e in TRUTH])
def test_failures_fall_along_arcs_as_syndromes_say(entry):
    """Along ε_i = s^{w_i} the probability of a wrong answer falls as s to the least weight of a syndrome."""
    noisy, found = model(entry), singularity(program(entry))
    rng = np.random.default_rng(0)
    for _ in range(3):
        weights = rng.uniform(0.25, 1.0, noisy.dimension)
        least = min(sum(n * weights[k] for k, n in syndrome.items()) for syndrome in found.syndromes)
        scales = np.array([1e-60, 1e-62])  # no term is subtracted, so this is no problem
        wrong = noisy.failures(torch.from_numpy(scales[:, None] ** weights)).sum(-1).log()
        slope = float(wrong[0] - wrong[1]) / np.log(scales[0] / scales[1])
        assert slope == pytest.approx(least, abs=1e-2)


@settings(max_examples=30, deadline=None)
@given(any_machine())
def test_failures_are_comparable_to_the_sum_of_syndromes(machine):
    """Between constants that hold at any size of the errors: the theorem that λ rests on."""
    noisy, found = NoisyProgram(machine), singularity(TuringProgram(machine))
    rng = np.random.default_rng(1)
    errors = 10.0 ** rng.uniform(-12, -1.5, (200, noisy.dimension))
    wrong = noisy.failures(torch.from_numpy(errors)).sum(-1).numpy()
    terms = [np.prod([errors[:, k] ** n for k, n in a.items()], axis=0) for a in found.syndromes]
    monomials = np.sum(terms, axis=0) if terms else np.zeros(200)
    assert np.all((wrong == 0) == (monomials == 0))
    ratio = wrong[monomials > 0] / monomials[monomials > 0]
    assert np.all((ratio > 0.1) & (ratio < 1000))


def mean_energy(program, used, n_beta):
    """β⟨K⟩ for a uniform density on [0, ½] in the coordinates that K depends on, by quadrature in their logarithms."""
    noisy = NoisyProgram(program)
    grid = torch.exp(torch.linspace(-26, np.log(0.5), 90, dtype=torch.float64))
    mesh = torch.cartesian_prod(*[grid] * len(used))
    points = torch.zeros(len(mesh), noisy.dimension, dtype=torch.float64)
    points[:, [program.coordinates.index(name) for name in used]] = mesh
    energy = n_beta * Corner(noisy)(points)
    weight = mesh.prod(1) * (-energy).exp()
    return float((energy * weight).sum() / weight.sum())


def test_energy_of_a_latch_by_quadrature():
    latch = Machine.build("ra", "AB", "B", "r", ["ArAaS", "BrBrS", "AaAaS", "BaBaS"], ["A", "B"], 1)
    found = singularity(TuringProgram(latch))
    assert found.weights() == {"A|r|q|r": 1, "B|r|q|a": 1}
    assert mean_energy(latch, found.weights(), 1e6) == pytest.approx(float(found.corner.value), abs=0.01)


def test_energy_of_a_voted_line_by_quadrature():
    """Three copies of one line vote: P(two err) = xy + yz + zx − 2xyz, whose volume falls with λ = 3/2."""
    vote = Automaton.build("eo", "A", "e", ["Aeo", "Aoe"], ["A"], copies=3)
    found = singularity(vote)
    assert (found.corner.value, found.corner.multiplicity) == (1.5, 1)
    assert mean_energy(vote, found.weights(), 1e7) == pytest.approx(1.5, abs=0.02)


def test_chains_run_on_it_as_on_any_model():
    latch = NoisyProgram(Machine.build("ra", "AB", "B", "r", ["ArAaS", "BrBrS", "AaAaS", "BaBaS"], ["A", "B"], 2))

    def loss(model, batch):
        return -model(batch)[torch.arange(len(batch)), model.answers[batch]].log()

    posterior = LocalPosterior(latch, torch.tensor([0, 1]), loss, n_beta=1000.0, localization=1.0)
    blocks = list(run_chain(posterior, SGLD(1e-6), Schedule(20), seed=0, chain=0))
    losses = np.concatenate([np.ravel(block.rows) for block in blocks])
    assert np.isfinite(losses).all()
    assert losses.max() > 0
    assert not bool(latch.errors.any())
