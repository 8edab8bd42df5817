"""Singularities of programs against known answers, brute force, their own certificates, and each other."""

import dataclasses
import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings

from programs.machines import TRUTH, TURING, any_machine, program, words
from zeeman.programs import Automaton, Machine, TuringProgram, singularity

IDS = [entry["id"] for entry in TRUTH]


@pytest.mark.parametrize("entry", TRUTH, ids=IDS)
def test_known_answers_are_found_exactly(entry):
    found = singularity(program(entry))
    assert found.dimension == entry["dims"]
    assert float(found.corner.value) == entry["lambda_corner"]
    assert found.corner.multiplicity == entry["m_corner"]
    assert float(found.corner_squares) == entry["lambda_corner_sq"]
    if entry["hessian_rank"] is not None:
        assert found.squares.hessian_rank == entry["hessian_rank"]
    if "lambda_open_sq" in entry:
        assert float(found.squares.value) == entry["lambda_open_sq"]
        assert found.squares.multiplicity == entry["m_open_sq"]
    assert found.complete
    if entry["kind"] != "voted_dfa":
        known = {frozenset((name, power) for name, power in syndrome) for syndrome in entry["syndromes"]}
        assert {frozenset(found.named(a)) for a in found.syndromes} == known
    else:  # all subsets of a majority, at each of the four lines
        assert found.orders() == {entry["syndrome_order"]: len(found.syndromes)}
    if "n_free_coords" in entry:
        assert found.inert == entry["n_free_coords"]


@pytest.mark.parametrize("entry", TURING, ids=[e["id"] for e in TURING])
def test_known_optimal_weights_are_found_where_there_is_one_optimum(entry):
    known = {name: Fraction(weight) for name, weight in entry["optimal_weights"]}
    found = singularity(program(entry))
    if entry["m_corner"] == 1:
        assert found.weights() == known
    orders = [sum(known.get(name, 0) * n for name, n in found.named(a)) for a in found.syndromes]
    assert min(orders) >= 1
    assert sum(known.values()) == found.corner.value


@settings(max_examples=40, deadline=None)
@given(any_machine())
def test_weights_and_packing_prove_the_value(machine):
    found = singularity(TuringProgram(machine))
    weights, value = found.corner.weights, found.corner.value
    assert all(w > 0 for w in weights.values())
    assert sum(weights.values(), Fraction(0)) == value
    assert all(sum(n * weights.get(k, 0) for k, n in a.items()) >= 1 for a in found.syndromes)
    assert all(a in found.syndromes and share > 0 for a, share in found.corner.packing)
    assert sum((share for _, share in found.corner.packing), Fraction(0)) == value
    for k in range(found.dimension):
        assert sum(a.get(k, 0) * share for a, share in found.corner.packing) <= 1


@settings(max_examples=40, deadline=None)
@given(any_machine())
def test_a_program_asked_for_syndromes_one_by_one_has_the_same_value(machine):
    listed, asked = (singularity(TuringProgram(machine), budget) for budget in (10**7, 0))
    assert listed.complete
    assert asked.corner.value == listed.corner.value
    assert asked.corner.multiplicity == listed.corner.multiplicity
    assert all(sum(n * asked.corner.weights.get(k, 0) for k, n in a.items()) >= 1 for a in listed.syndromes)


def brute_force(machine):
    """Minimal monomials of all wrong runs of the chain: every choice of every table at every step."""
    rows, outcomes, names = machine.rows, machine.outcomes, machine.coordinates
    first = [0]
    for _, sizes in outcomes:
        first.append(first[-1] + sum(sizes) - 3)

    def name(row, table, outcome):
        right, sizes = outcomes[row]
        at = first[row] + sum(sizes[:table]) - table + outcome - (outcome > right[table])
        return () if outcome == right[table] else (names[at],)

    ends = {}
    for word in machine.distinct:
        wrong = machine.states.index(machine.run(word))
        places = [
            (dict(enumerate(machine.window(word), 1 - machine.steps)), 0, machine.states.index(machine.start), ())
        ]
        for _ in range(machine.steps):
            following = []
            for tape, head, state, errors in places:
                row = rows[tape[head], state]
                for w, q, d in itertools.product(*map(range, outcomes[row][1])):
                    made = errors + name(row, 0, w) + name(row, 1, q) + name(row, 2, d)
                    following.append(({**tape, head: w}, head + d - 1, q, made))
            places = following
        ends |= {tuple(sorted(errors)): None for _, _, state, errors in places if state != wrong}
    monomials = [{k: a.count(k) for k in a} for a in ends]
    return [a for a in monomials if not any(b != a and all(a.get(k, 0) >= n for k, n in b.items()) for b in monomials)]


@settings(max_examples=25, deadline=None)
@given(any_machine(max_steps=2))
def test_joint_syndromes_are_those_of_all_wrong_runs(machine):
    machine = dataclasses.replace(machine, relaxation="joint")
    found = singularity(TuringProgram(machine))
    expected = {frozenset(a.items()) for a in brute_force(machine)}
    assert {frozenset(found.named(a)) for a in found.syndromes} == expected


def invariants(machine):
    found = singularity(TuringProgram(machine))
    squares = found.squares
    return found.corner.value, found.corner.multiplicity, squares.hessian_rank, squares.value, found.orders()


@settings(max_examples=25, deadline=None)
@given(any_machine())
def test_names_do_not_matter(machine):
    new = {"p": "r", "q": "p", "r": "q", "_": "x", "A": "_", "B": "A", "L": "L", "S": "S", "R": "R"}
    renamed = Machine.build(
        [new[q] for q in machine.states], [new[a] for a in machine.alphabet], new[machine.blank], new[machine.start],
        [[new[name] for name in line] for line in machine.code],
        [[new[a] for a in word] for word in machine.inputs], machine.steps, machine.relaxation,
    )  # fmt: skip
    assert invariants(renamed) == invariants(machine)


@settings(max_examples=25, deadline=None)
@given(any_machine())
def test_inputs_that_come_twice_change_nothing(machine):
    assert invariants(dataclasses.replace(machine, inputs=machine.inputs * 2)) == invariants(machine)


@settings(max_examples=25, deadline=None)
@given(any_machine(max_steps=2))
def test_a_state_that_errors_alone_can_reach_keeps_what_there_was(machine):
    """Syndromes that avoid the new entries are those of the smaller machine; new ones only add to λ."""
    lines = [(a, "extra", a, machine.start, "S") for a in machine.alphabet]
    larger = dataclasses.replace(machine, states=(*machine.states, "extra"), code=(*machine.code, *lines))
    before, after = (singularity(TuringProgram(m)) for m in (machine, larger))
    old = {frozenset(before.named(a)) for a in before.syndromes}
    kept = {s for s in (frozenset(after.named(a)) for a in after.syndromes) if not any("extra" in n for n, _ in s)}
    assert kept == old
    assert after.corner.value >= before.corner.value


def test_a_list_that_is_given_up_leaves_the_value():
    latch = Machine.build("ra", "AB", "B", "r", ["ArAaS", "BrBrS", "AaAaS", "BaBaS"], ["A", "B"], 5, "naive")
    listed, given_up = (singularity(TuringProgram(latch), budget) for budget in (10**7, 10**4))
    assert listed.complete
    assert len(listed.syndromes) > 200
    assert not given_up.complete
    assert listed.corner.value == given_up.corner.value == Fraction(9, 2)
    assert listed.corner.multiplicity == given_up.corner.multiplicity == 1


def test_squares_of_many_inputs_that_generate_the_ideal_of_few_entries():
    """Thirty words of parity, four entries: every z_x lies in (ε_1, …, ε_4), and four of them are coordinates."""
    parity = Automaton.build("eo", "AB", "e", ["Aeo", "Aoe", "Bee", "Boo"], words("AB", 1, 4))
    squares = singularity(parity).squares
    assert (squares.hessian_rank, squares.value, squares.multiplicity) == (4, 2, 1)


def test_squares_without_a_linear_part_are_left_open():
    voted = Automaton.build("eo", "AB", "e", ["Aeo", "Aoe", "Bee", "Boo"], words("AB", 1, 2), copies=3)
    squares = singularity(voted).squares
    assert squares.value is None
    assert "not decided" in squares.how


def test_a_machine_of_one_state_cannot_err():
    idle = Machine.build("p", "AB", "B", "p", ["ApApS", "BpBpS"], ["A"], 3)
    found = singularity(TuringProgram(idle))
    assert (found.corner.value, found.corner.multiplicity, found.squares.value, found.syndromes) == (0, 1, 0, [])
