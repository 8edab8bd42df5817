"""Jets of programs and the probes that see them: against brute force, the jets of polynomials, arcs and quadrature."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from sympy import QQ, ring

from programs.machines import any_machine
from zeeman.errors import ZeemanError
from zeeman.programs import Automaton, Corner, NoisyProgram, TuringProgram, singularity
from zeeman.programs.catalogue import latch, refresh, voted_parity, words
from zeeman.programs.corner import corner
from zeeman.programs.probing import asked, decay, seen_by, telling_words, word_probe
from zeeman.programs.unnoticed import order_along, unnoticed_arcs
from zeeman.singularities.jets import jet_components


def errable(machine):
    found = singularity(TuringProgram(machine))
    names = {k for a in found.syndromes for k in a}
    assume(found.syndromes and len(names) <= 6)
    return found, sorted(names)


@settings(max_examples=25, deadline=None)
@given(any_machine(max_steps=2))
def test_components_are_the_minimal_orders_of_all_arcs(machine):
    found, names = errable(machine)
    for m in (0, 1, 2):
        every = [dict(zip(names, t, strict=True)) for t in itertools.product(range(m + 2), repeat=len(names))]
        hidden = [t for t in every if order_along(found.syndromes, t) > m]
        smaller = lambda t: [t | {k: n - 1} for k, n in t.items() if n]  # noqa: E731
        minimal = [t for t in hidden if all(order_along(found.syndromes, s) <= m for s in smaller(t))]
        expected = {frozenset((k, n) for k, n in t.items() if n) for t in minimal}
        assert {frozenset(arc.items()) for arc in unnoticed_arcs(found, m)} == expected


@settings(max_examples=10, deadline=None)
@given(any_machine(max_steps=2))
def test_components_are_those_of_the_ideal_as_polynomials(machine):
    found, names = errable(machine)
    _, *gens = ring([f"e{k}" for k in names], QQ)
    generators = [np.prod([gens[names.index(k)] ** n for k, n in a.items()]) for a in found.syndromes]
    for m in (0, 1):
        sizes = [len(names) * (m + 1) - sum(arc.values()) for arc in unnoticed_arcs(found, m)]
        expected = jet_components(generators, m)
        assert expected == tuple((size, sizes.count(size)) for size in sorted(set(sizes), reverse=True))


@settings(max_examples=25, deadline=None)
@given(any_machine(max_steps=2))
def test_jets_bound_the_coefficient_and_meet_it(machine):
    found, _ = errable(machine)
    meets = max(w.denominator for w in found.corner.weights.values())  # often the least common one
    bounds = [Fraction(sum(unnoticed_arcs(found, m)[0].values()), m + 1) for m in range(max(3, meets))]
    assert min(bounds) >= found.corner.value
    if all((w * meets).denominator == 1 for w in found.corner.weights.values()):
        assert bounds[meets - 1] == found.corner.value


def test_voting_hides_errors_to_the_order_of_its_distance():
    found = singularity(voted_parity(3, ["A", "AB"]))
    assert min(sum(t.values()) for t in unnoticed_arcs(found, 1)) / 2 == found.corner.value
    everywhere = {k: 1 for a in found.syndromes for k in a}
    assert order_along(found.syndromes, everywhere) == 2


@settings(max_examples=25, deadline=None)
@given(any_machine(max_steps=2))
def test_the_words_together_see_what_the_machine_sees(machine):
    found = singularity(TuringProgram(machine))
    apart = seen_by(machine, ["".join(word) for word in machine.inputs])
    every = [a for syndromes in apart.values() for a in syndromes]
    least = [a for a in every if not any(b != a and all(a.get(k, 0) >= n for k, n in b.items()) for b in every)]
    assert {frozenset(a.items()) for a in least} == {frozenset(a.items()) for a in found.syndromes}


@pytest.mark.parametrize("make", [latch, refresh])
def test_the_loss_on_a_word_vanishes_along_a_component_as_said(make):
    found, seen = singularity(TuringProgram(make(["AA", "BB"]))), seen_by(make(), words("AB", 2))
    for arc, word in itertools.product(unnoticed_arcs(found, 1), seen):
        model = NoisyProgram(make([word]))
        points = torch.zeros(2, model.dimension, dtype=torch.float64)
        for k in range(model.dimension):  # entries that nothing holds stay of order 0
            points[:, k] = 0.1 * torch.tensor([1e-5, 1e-6], dtype=torch.float64) ** arc.get(k, 0)
        high, low = Corner(model)(points).log10().tolist()
        assert high - low == pytest.approx(order_along(seen[word], arc), abs=1e-3)


def test_no_word_is_told_where_there_is_none():
    found, seen = singularity(TuringProgram(refresh(["AA", "BB"]))), seen_by(refresh(), words("AB", 2))
    (arc,) = unnoticed_arcs(found, 1)
    assert telling_words(seen, found, sees=arc, blind=arc) == []


def mean_loss(machine, word, used, n_beta):
    """⟨loss on a word⟩ under exp(−nβ K) and a uniform density on [0, ½] in some coordinates, by quadrature in logs."""
    grid = torch.exp(torch.linspace(-26, np.log(0.5), 60, dtype=torch.float64))
    mesh = torch.cartesian_prod(*[grid] * len(used))
    points = torch.zeros(len(mesh), machine.dimension, dtype=torch.float64)
    points[:, [machine.coordinates.index(name) for name in used]] = mesh
    weight = mesh.prod(1) * (-n_beta * Corner(NoisyProgram(machine))(points)).exp()
    return float((weight * Corner(NoisyProgram(asked(machine, [word])))(points)).sum() / weight.sum())


@pytest.mark.parametrize(
    ("machine", "used", "exponent"),
    [
        (refresh(["AA", "BB"]), ("A|r|q|r", "A|r|d|R"), Fraction(0)),
        (latch(["AA", "BB"]), ("A|r|q|r", "A|r|d|R", "A|r|w|B"), Fraction(1, 2)),
    ],
)
def test_the_loss_of_a_probe_falls_as_said(machine, used, exponent):
    """Quadrature with the entries that matter; for the latch those whose block alone has the exponent."""
    found, seen = singularity(TuringProgram(machine)), seen_by(machine, ["AB"])["AB"]
    assert decay(found, seen).exponent == exponent
    kept = {machine.coordinates.index(name) for name in used}
    within = dataclasses.replace(found, syndromes=[a for a in found.syndromes if set(a) <= kept])
    within = dataclasses.replace(within, corner=corner(within.syndromes))
    told = decay(within, [b for b in seen if set(b) <= kept])
    high, low = (mean_loss(machine, "AB", used, n_beta) for n_beta in (1e8, 1e10))
    slope = np.log(high / low) / np.log(100)
    logs = told.log_power * np.log(np.log(1e10) / np.log(1e8)) / np.log(100)
    assert slope == pytest.approx(float(told.exponent) - logs, abs=0.02)


@settings(max_examples=20, deadline=None)
@given(any_machine(max_steps=2))
def test_the_data_holds_its_own_inputs_at_least_as_one_over_the_temperature(machine):
    found = singularity(TuringProgram(machine))
    assume(found.syndromes)
    assert decay(found, found.syndromes).exponent == 1
    for word in machine.inputs:
        syndromes = seen_by(machine, ["".join(word)])["".join(word)]
        if syndromes:
            assert decay(found, syndromes).exponent >= 1


def test_probes_ask_for_what_the_machine_answers():
    probe = word_probe("all", latch(steps=3), ["A", "BA", "AAB"])
    names = [*"AB", *"ra"]
    assert ["".join(names[token] for token in row) for row in probe.inputs] == ["ABBa", "BABr", "AABa"]
    assert probe.scored.tolist() == [[False, False, False, True]] * 3


def test_what_makes_no_sense_is_told():
    found = singularity(TuringProgram(latch()))
    with pytest.raises(ZeemanError, match="m ≥ 0"):
        unnoticed_arcs(found, -1)
    with pytest.raises(ZeemanError, match="budget"):
        unnoticed_arcs(dataclasses.replace(found, complete=False), 1)
    with pytest.raises(ZeemanError, match="too many components"):
        unnoticed_arcs(singularity(voted_parity(7, ["A", "AB"])), 9)
    with pytest.raises(ZeemanError, match="not in the alphabet"):
        seen_by(latch(), ["AC"])
    idle = Automaton.build("p", "A", "p", ["App"], ["A"])
    assert unnoticed_arcs(singularity(idle), 3) == [{}]
    with pytest.raises(ZeemanError, match="can err"):
        decay(found, [])
