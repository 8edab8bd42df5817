"""Planted faults are found and named; a healthy training, however fast, is not flagged."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from torch import nn

from zeeman.subjects import Checkpoint, Flag, Recorder, Series, Verification

State = dict[str, torch.Tensor]
States = dict[int, State]


def make_model(width: int = 48) -> nn.Module:
    return nn.Sequential(nn.Linear(24, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))


def seeded_model(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make_model()


def train(steps: tuple[int, ...], lr: float = 3e-3, seed: int = 0, sgd: bool = False) -> States:
    """Parity of three bits among 24: nothing for long, then fast."""
    model, generator = seeded_model(seed), torch.Generator().manual_seed(seed)
    optimizer = (torch.optim.SGD if sgd else torch.optim.AdamW)(model.parameters(), lr=lr)
    found = {}
    for step in range(steps[-1] + 1):
        if step in steps:
            found[step] = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        inputs = torch.randint(0, 2, (32, 24), generator=generator).float() * 2 - 1
        loss = nn.functional.cross_entropy(model(inputs), (inputs[:, :3].prod(1) > 0).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return found


EVEN = tuple(range(0, 1001, 50))
LOG = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
PYTHIA = (0, 1, 2, 4, 8, 16, 32, 64, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000)
BURSTS = (
    0,
    1,
    2,
    3,
    5,
    7,
    10,
    14,
    19,
    26,
    36,
    49,
    67,
    91,
    100,
    125,
    150,
    175,
    237,
    320,
    432,
    450,
    475,
    500,
    675,
    912,
    1000,
)


@cache
def healthy(steps: tuple[int, ...] = EVEN) -> States:
    return train(steps)


def series(states: States) -> Series:
    return Series.from_state_dicts(states.items(), make_model)


def flags(states: States) -> list[Flag]:
    return list(series(states).verify().flags)


def found(states: States) -> set[tuple[str, int]]:
    return {(flag.kind, flag.step) for flag in flags(states)}


@pytest.mark.parametrize("steps", [EVEN, LOG, PYTHIA, BURSTS], ids=["even", "log", "pythia", "bursts"])
def test_a_real_training_is_not_flagged(steps: tuple[int, ...]) -> None:
    assert flags(healthy(steps)) == []


@pytest.mark.parametrize("steps", [EVEN, LOG, BURSTS], ids=["even", "log", "bursts"])
@pytest.mark.parametrize(("lr", "sgd"), [(3e-2, False), (1e-4, False), (0.3, True), (0.01, True)])
def test_neither_is_a_violent_or_slow_one(steps: tuple[int, ...], lr: float, sgd: bool) -> None:
    assert flags(train(steps, lr=lr, sgd=sgd, seed=1)) == []


def test_identical_weights_under_two_steps() -> None:
    states = healthy() | {300: healthy()[250]}
    assert found(states) == {("duplicate", 300)}
    verification = series(states).verify()
    assert verification.flags[0].other_step == 250
    assert verification.flagged_edges == {(200, 250), (250, 300), (300, 350)}


def test_the_last_weights_under_many_early_steps() -> None:
    spoiled = (100, 150, 350, 400, 450, 700)
    states = healthy() | {step: healthy()[1000] for step in spoiled}
    assert {flag.kind for flag in flags(states)} == {"duplicate"}
    edges = series(states).verify().flagged_edges
    assert all((step - 50, step) in edges and (step, step + 50) in edges for step in spoiled)


@pytest.mark.parametrize("step", [0, 100, 350])
def test_final_era_weights_under_an_early_step(step: int) -> None:
    near_end = train((0, 980))[980]
    assert found(healthy() | {step: near_end}) == {("final_era", step)}


def test_a_shard_of_the_last_checkpoint_under_an_early_step() -> None:
    shard = {name: tensor for name, tensor in healthy()[1000].items() if name.startswith("2.")}
    states = healthy() | {500: healthy()[500] | shard}
    assert ("final_era", 500) in found(states)
    assert {flag.step for flag in flags(states)} == {500}


@pytest.mark.parametrize("step", [50, 500, 950])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: {name: 3 * tensor for name, tensor in state.items()},
        lambda state: seeded_model(9).state_dict(),
        lambda state: {name: tensor.flip(0) for name, tensor in state.items()},
    ],
    ids=["scaled", "other run", "permuted"],
)
def test_a_step_that_its_neighbours_contradict(step: int, spoil: Callable[[State], State]) -> None:
    assert found(healthy() | {step: spoil(healthy()[step])}) == {("jump", step)}
    edges = series(healthy() | {step: spoil(healthy()[step])}).verify().flagged_edges
    assert edges == {(step - 50, step), (step, step + 50)}


@pytest.mark.parametrize("step", [500, 950])
def test_a_step_whose_norm_alone_is_off(step: int) -> None:
    assert found(healthy() | {step: {name: 1.1 * t for name, t in healthy()[step].items()}}) == {("jump", step)}


def test_a_series_that_goes_on_in_another_scale() -> None:
    states = {s: state if s < 600 else {n: 2 * t for n, t in state.items()} for s, state in healthy().items()}
    assert [(f.kind, f.step, f.other_step) for f in flags(states)] == [("jump", 550, 600)]


def test_a_series_that_goes_on_with_another_run() -> None:
    other = train(EVEN, seed=5)
    states = {step: state if step < 600 else other[step] for step, state in healthy().items()}
    verification = series(states).verify()
    assert [(f.kind, f.step, f.other_step) for f in verification.flags] == [("jump", 550, 600)]
    assert verification.flagged_edges == {(550, 600)}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("step", [0, 400, 1000])
def test_weights_that_are_not_finite(step: int, value: float) -> None:
    state = {name: tensor.clone() for name, tensor in healthy()[step].items()}
    state["2.weight"][3, 4] = value
    (flag,) = flags(healthy() | {step: state})
    assert (flag.kind, flag.step) == ("non_finite", step)
    assert "'2.weight'" in flag.sentence


def test_other_shapes_and_names() -> None:
    wide = make_model(50).state_dict()
    less = {name: tensor for name, tensor in healthy()[700].items() if name != "4.bias"}
    states = healthy() | {200: wide, 700: less}
    assert found(states) == {("shape", 200), ("shape", 700)}
    assert "'0.bias' is (50,) and not (48,)" in flags(states)[0].sentence
    assert "'4.bias' is missing" in flags(states)[1].sentence


@pytest.mark.parametrize("steps", [EVEN, LOG])
@pytest.mark.parametrize("place", [4, 6, -5])
def test_a_gap_in_regular_steps(steps: tuple[int, ...], place: int) -> None:
    lost = steps[place]
    kept = {step: state for step, state in healthy(steps).items() if step != lost}
    verification = series(kept).verify()
    before, after = max(s for s in kept if s < lost), min(s for s in kept if s > lost)
    assert [(f.kind, f.step, f.other_step) for f in verification.flags] == [("gap", before, after)]
    assert verification.flagged_edges == {(before, after)}


def test_a_gap_is_known_from_the_record(tmp_path: Path) -> None:
    model = seeded_model(0)
    recorder = Recorder(tmp_path, model)
    for step in range(41):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.01)
        recorder.step(step)
    recorder.close()
    make = partial(make_model, 48)
    assert Series.from_folder(tmp_path, make).verify().flags == ()
    (tmp_path / "step00000019").rename(tmp_path / "elsewhere")
    (flag,) = Series.from_folder(tmp_path, make).verify().flags
    assert (flag.kind, flag.step, flag.other_step) == ("gap", 14, 26)
    assert "step 19 was saved, but is missing" in flag.sentence
    (tmp_path / "step00000026").rename(tmp_path / "elsewhere too")
    (flag,) = Series.from_folder(tmp_path, make).verify().flags
    assert "steps 19, 26 were saved, but are missing" in flag.sentence


def test_few_checkpoints_and_frozen_ones() -> None:
    few = {step: healthy()[step] for step in (0, 50, 1000)}
    assert flags(few) == []
    assert flags({0: healthy()[0]}) == []
    assert {flag.kind for flag in flags(dict.fromkeys(range(5), healthy()[0]))} == {"duplicate"}


def test_integer_buffers_and_low_precision_are_taken() -> None:
    states = {
        step: {name: t.bfloat16() for name, t in state.items()} | {"count": torch.tensor(step)}
        for step, state in healthy().items()
    }
    assert flags(states) == []


def test_memory_is_that_of_a_few_checkpoints() -> None:
    alive = peak = 0

    class Tracked(dict[str, torch.Tensor]):
        def __init__(self, state: State) -> None:
            nonlocal alive, peak
            super().__init__(state)
            alive += 1
            peak = max(peak, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    many = tuple(Checkpoint(step, partial(Tracked, state), "memory") for step, state in healthy().items())
    Series("tracked", many, make_model).verify()
    assert alive == 0
    assert peak <= 4


def test_digests_are_those_of_the_checkpoints() -> None:
    verified, fresh = series(healthy()), series(healthy())
    verification = verified.verify()
    assert list(verification.digests) == [checkpoint.digest for checkpoint in fresh]
    assert [checkpoint.digest for checkpoint in verified] == [checkpoint.digest for checkpoint in fresh]


def test_edges_of_flags_at_the_ends_and_of_pairs_far_apart() -> None:
    steps, digests = (1, 2, 3, 4), ("a", "b", "c", "d")
    for flag, edges in [
        (Flag(1, None, "shape", ""), {(1, 2)}),
        (Flag(4, 1, "duplicate", ""), {(1, 2), (3, 4)}),
        (Flag(2, 4, "final_era", ""), {(1, 2), (2, 3)}),
        (Flag(2, 3, "gap", ""), {(2, 3)}),
    ]:
        assert Verification(steps, digests, (flag,)).flagged_edges == edges
