"""The one driver: draws are a function of seed, chain and settings alone, and the user's model is left as it was."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nets import WATCHED, by_position, cross_entropy, masked, network, regression, seeded, squared
from zeeman.errors import ZeemanError
from zeeman.sampling import (
    BAOAB,
    HMC,
    MALA,
    SGLD,
    AnySampler,
    Block,
    ChainState,
    LocalPosterior,
    MetropolisSampler,
    Observable,
    PreconditionedSGLD,
    RMSPropSGLD,
    Schedule,
    Unloaded,
    language_model_loss,
    match_energy,
    minibatch,
    run_chain,
)
from zeeman.sampling.driver import _look
from zeeman.sampling.walk import Walk, reference_of

CORRECTED = [MALA(1e-3, 3), MALA(1e-2), HMC(1e-3, 4, num_leapfrog=3)]
SAMPLERS = [
    SGLD(1e-3), RMSPropSGLD(1e-4), RMSPropSGLD(1e-4, devinterp=True), PreconditionedSGLD(1e-4, 3), BAOAB(1e-3),
    *CORRECTED, Unloaded(),
]  # fmt: skip
SCHEDULE = Schedule(num_draws=5, num_burnin_steps=4, num_steps_bw_draws=3)


def blocks(posterior: LocalPosterior, sampler: AnySampler = SGLD(1e-3), **changes: Any) -> list[Block]:  # noqa: B008
    if isinstance(sampler, MetropolisSampler):
        posterior = replace(posterior, batch_size=None)
    settings = {"seed": 3, "chain": 1, "observables": WATCHED, "schedule": SCHEDULE, **changes}
    return list(run_chain(posterior, sampler, settings.pop("schedule"), **settings))


def rows(found: list[Block]) -> np.ndarray:
    return np.concatenate([b.rows for b in found])


def observed(found: list[Block]) -> np.ndarray:
    return np.concatenate([b.observed["probe"] for b in found])


def same(a: list[Block], b: list[Block]) -> bool:
    ends = zip(a[-1].state.weights, b[-1].state.weights, strict=True)
    return (
        np.array_equal(rows(a), rows(b), equal_nan=True)
        and np.array_equal(observed(a), observed(b))
        and all(torch.equal(x, y) for x, y in ends)
        and a[-1].distance == b[-1].distance
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("block_steps", [1, 7, 1000])
def test_draws_do_not_depend_on_the_blocks(sampler: AnySampler, block_steps: int) -> None:
    whole, cut = blocks(regression(), sampler), blocks(regression(), sampler, block_steps=block_steps)
    assert same(whole, cut)
    assert [b.first_step for b in cut] == list(range(0, SCHEDULE.num_steps, block_steps))
    assert len(observed(cut)) == SCHEDULE.num_draws


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(deadline=None, max_examples=12)
@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_a_chain_resumed_anywhere_is_the_uninterrupted_chain(sampler: AnySampler, cuts: list[int]) -> None:
    whole = blocks(regression(), sampler)
    state: ChainState | None = None
    pieces: list[Block] = []
    for cut in [*cuts, SCHEDULE.num_steps]:
        # Only the first block of each run is kept, as after a kill; what follows would be thrown away.
        batch_size = None if isinstance(sampler, MetropolisSampler) else 4
        chain = run_chain(
            regression(batch_size=batch_size), sampler, SCHEDULE, seed=3, chain=1, observables=WATCHED,
            block_steps=cut, state=state,
        )  # fmt: skip
        piece = next(chain, None)
        if piece is not None:
            pieces.append(piece)
            state = piece.state
    assert same(whole, pieces)


def test_a_state_is_not_changed_by_going_on_from_it() -> None:
    first = next(
        run_chain(regression(), RMSPropSGLD(1e-3), SCHEDULE, seed=0, chain=0, observables=WATCHED, block_steps=5)
    )
    kept = [first.state.weights[0].clone(), first.state.sampler["second_moment"][0].clone()]
    blocks(regression(), RMSPropSGLD(1e-3), state=first.state)
    assert torch.equal(first.state.weights[0], kept[0])
    assert torch.equal(first.state.sampler["second_moment"][0], kept[1])


def test_a_chain_alone_is_the_same_chain_among_others() -> None:
    posterior = regression()
    chains = [
        run_chain(posterior, SGLD(1e-3), SCHEDULE, seed=3, chain=c, observables=WATCHED, block_steps=2)
        for c in range(3)
    ]
    together = list(zip(*chains, strict=True))  # the three take turns
    for chain in range(3):
        assert same([turn[chain] for turn in together], blocks(posterior, chain=chain))
    assert not np.array_equal(rows([t[0] for t in together]), rows([t[1] for t in together]))


def test_the_draws_are_the_last_steps_of_each_spacing_after_the_burn_in() -> None:
    # Reading the data as observable: at a draw it must equal the rows read in the same step.
    posterior = regression(batch_size=None)
    every = {"probe": Observable(posterior.data, torch.ones(11, dtype=torch.bool))}
    found = blocks(posterior, observables=every)
    at = [step for step in range(SCHEDULE.num_steps) if SCHEDULE.is_draw(step)]
    assert at == [6, 9, 12, 15, 18]
    np.testing.assert_allclose(observed(found), rows(found)[at], atol=1e-6)


def brute_force(posterior: LocalPosterior, model: nn.Module, index: Any) -> torch.Tensor:
    """Mean weighted losses of rows, a row's losses summed, in units of the mean weight of a row over all the data."""
    everything = posterior.loss(model, posterior.data)
    losses, weight = everything if isinstance(everything, tuple) else (everything, torch.ones_like(everything))
    summed = [sum((losses[i] * weight[i]).flatten()) for i in range(11)]
    return torch.stack([summed[i] for i in index]) / (weight.double().sum() / 11)


@pytest.mark.parametrize("loss", [squared, by_position, masked])
@pytest.mark.parametrize("batch_size", [None, 4])
def test_rows_are_same_batch_differences_by_brute_force(loss: Any, batch_size: int | None) -> None:
    posterior = regression(loss=loss, batch_size=batch_size)
    found = blocks(posterior, observables={}, block_steps=1)
    moved = network(3, 5, 2)
    names = list(posterior.component.slices)
    for before, block in itertools.pairwise(found):
        weights = dict(zip(names, before.state.weights, strict=True))
        moved.load_state_dict(weights)
        step = block.first_step
        index = range(11) if batch_size is None else minibatch(3, 1, step, 11, batch_size).tolist()
        expected = brute_force(posterior, moved, index) - brute_force(posterior, posterior.model, index)
        np.testing.assert_allclose(block.rows[0], expected.detach().numpy(), atol=2e-6)
    assert (found[0].rows == 0).all()  # the chain starts at the reference point


@pytest.mark.parametrize("loss", [squared, by_position, masked])
def test_the_first_step_follows_the_gradient_of_the_mean_loss(loss: Any) -> None:
    posterior = regression(loss=loss, batch_size=None, n_beta=50.0)
    state = blocks(posterior, SGLD(1e-2, noise_level=0.0), observables={}, block_steps=1)[0].state
    losses = posterior.loss(posterior.model, posterior.data)
    mean = (losses[0] * losses[1]).sum() / losses[1].sum() if isinstance(losses, tuple) else losses.mean()
    gradient = torch.autograd.grad(mean, list(posterior.model.parameters()))
    for weight, start, g in zip(state.weights, posterior.model.parameters(), gradient, strict=True):
        torch.testing.assert_close(weight, start.detach() - 0.25 * g, atol=1e-6, rtol=1e-5)


def test_observables_read_the_scored_losses_alone() -> None:
    posterior = regression(loss=by_position)
    scored = seeded(6, 2, seed=4) > 0
    watched = {"probe": Observable((seeded(6, 3, seed=5), seeded(6, 2, seed=6)), scored)}
    found = blocks(posterior, observables=watched, schedule=Schedule(3), block_steps=1)
    moved = network(3, 5, 2)
    moved.load_state_dict(dict(zip(posterior.component.slices, found[1].state.weights, strict=True)))
    batch = watched["probe"].batch
    expected = (by_position(moved, batch) - by_position(posterior.model, batch))[scored]
    np.testing.assert_allclose(found[2].observed["probe"][0], expected.detach().numpy(), atol=2e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_component_moves_its_own_weights_and_nothing_else(sampler: AnySampler) -> None:
    def corner(name: str, tensor: torch.Tensor) -> torch.Tensor | None:
        mask = torch.zeros(tensor.shape, dtype=torch.bool)
        if name == "0.weight":
            mask[1:3, 1:] = True
            mask[4, :1] = True
        return mask if name in ("0.weight", "2.bias") else None

    for which in ("0.bias", "l1", corner):
        posterior = regression(component=which)
        walk = Walk(posterior)
        before = {name: p.detach().clone() for name, p in walk.model.named_parameters()}
        walk.restore(blocks(posterior, sampler)[-1].state.weights)
        for name, parameter in walk.model.named_parameters():
            expected = torch.zeros(parameter.shape, dtype=torch.bool)
            for box in posterior.component.slices.get(name, ()):
                expected[box] = True
            assert torch.equal(parameter != before[name], expected), name


def test_the_full_component_is_no_restriction() -> None:
    whole = blocks(regression())
    assert same(whole, blocks(regression(component="full")))
    assert same(whole, blocks(regression(component=lambda name, tensor: torch.ones_like(tensor, dtype=torch.bool))))


def test_a_restricted_chain_gets_the_noise_of_the_full_one() -> None:
    final = {
        which: blocks(regression(component=which, n_beta=0.0), SGLD(1e-3))[-1].state for which in ("full", "0.bias")
    }
    names = [name for name, _ in network(3, 5, 2).named_parameters()]
    assert torch.equal(final["full"].weights[names.index("0.bias")], final["0.bias"].weights[0])


class Untouchable(nn.Module):
    """A model in training mode with dropout, batch statistics, frozen weights and gradients of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.register_buffer("offset", torch.ones(2))
        self.layers[0].bias.requires_grad_(False)
        for i, parameter in enumerate(self.parameters()):
            parameter.data = seeded(*parameter.shape, seed=i)
            parameter.grad = torch.full_like(parameter, 7.0) if parameter.requires_grad else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x) * self.scale + self.offset


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("component", ["full", "layers.0.weight", "layers.0.bias", "scale"])
def test_the_model_and_the_global_generators_are_left_as_they_were(sampler: AnySampler, component: str) -> None:
    model = Untouchable().train()
    model.layers[1].eval()

    def snapshot() -> tuple[Any, ...]:
        return (
            {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()},
            [
                (p.data_ptr(), p.requires_grad, p.grad if p.grad is None else p.grad.tolist())
                for p in model.parameters()
            ],
            [module.training for module in model.modules()],
            (torch.get_rng_state().tolist(), repr(np.random.get_state()), random.getstate()),  # noqa: NPY002
            torch.is_grad_enabled(),
        )

    before = snapshot()
    with torch.no_grad():  # a caller's own setting hinders nothing
        first = blocks(regression(model=model, component=component), sampler)
    assert same(first, blocks(regression(model=model, component=component), sampler))
    assert snapshot() == before


def test_weights_that_stay_get_no_gradient_and_no_memory() -> None:
    model = network(400, 2, 1000, 1)
    walk = Walk(LocalPosterior(model, (seeded(4, 400), seeded(4, 1)), squared, component="2.bias"))
    loss = walk.rows(walk.posterior.data)[0].mean()
    assert [g.numel() for g in walk.gradient(loss)] == [1000]
    assert sum(p.requires_grad for p in walk.model.parameters()) == 1
    original = {p.untyped_storage().data_ptr() for p in model.parameters()}
    own = [p for p in walk.model.parameters() if p.untyped_storage().data_ptr() not in original]
    assert [p.numel() for p in own] == [1000]


def test_classifiers_language_models_and_potentials_are_sampled_alike() -> None:
    labels = torch.arange(11) % 2
    classifier = LocalPosterior(network(3, 4, 2), (seeded(11, 3), labels), cross_entropy, batch_size=5)
    tokens = torch.arange(24).reshape(4, 6) % 7
    language = LocalPosterior(nn.Sequential(nn.Embedding(7, 7)), tokens, language_model_loss, batch_size=2)
    potential = LocalPosterior.potential(lambda w: (w[:2] ** 4).sum(), torch.zeros(3), n_beta=10.0, localization=1.0)
    for posterior in (classifier, language, potential):
        found = blocks(posterior, SGLD(1e-4), observables={})
        assert rows(found).shape == (SCHEDULE.num_steps, posterior.batch_size or posterior.num_rows)
        assert np.isfinite(rows(found)).all()
        assert found[-1].distance > 0


def explosive(w: torch.Tensor) -> torch.Tensor:
    return torch.exp((w * 10) ** 2).sum()


@pytest.mark.parametrize("sampler", [SGLD(0.5), RMSPropSGLD(0.5)])
def test_a_lost_chain_is_nan_from_there_on(sampler: AnySampler) -> None:
    posterior = LocalPosterior.potential(explosive, torch.full((3,), 0.5), n_beta=100.0, localization=1.0)
    watched = {"probe": Observable(torch.zeros(1), torch.ones(1, dtype=torch.bool))}
    found = blocks(posterior, sampler, observables=watched, schedule=Schedule(30), block_steps=5)
    lost = np.isnan(rows(found)[:, 0])
    first = int(lost.argmax())
    assert 0 < first < 10
    assert lost[first:].all()
    assert not lost[:first].any()
    assert np.isnan(observed(found)[first:]).all()
    assert np.isnan(found[-1].distance)


def test_a_chain_that_one_row_loses_stays_lost_on_the_other_rows_and_when_resumed() -> None:
    def loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return torch.where(
            batch == 3, torch.tensor(float("inf")), model.get_parameter("weight").sum().expand(len(batch))
        )

    model = nn.Linear(1, 1, bias=False)
    posterior = LocalPosterior(model, torch.arange(6), loss, batch_size=1)
    found = blocks(posterior, SGLD(1e-3), observables={}, schedule=Schedule(12), block_steps=1)
    bad = next(step for step in range(6) if minibatch(3, 1, step, 6, 1)[0] == 3)
    assert np.isfinite(rows(found)[:bad]).all()
    assert np.isnan(rows(found)[bad:]).all()
    resumed = blocks(posterior, SGLD(1e-3), observables={}, schedule=Schedule(12), state=found[bad].state)
    assert np.isnan(rows(resumed)).all()
    assert torch.isfinite(model.weight).all()


@pytest.mark.parametrize("sampler", CORRECTED)
def test_a_refused_proposal_leaves_the_weights_and_their_rows(sampler: AnySampler) -> None:
    found = blocks(regression(n_beta=100.0), sampler, schedule=Schedule(300, 4), block_steps=1)
    ends = [block.state.weights for block in found]
    stayed = [all(map(torch.equal, a, b)) for a, b in itertools.pairwise(ends)]
    assert any(stayed)
    assert not all(stayed)
    for before, block, after, same_place in zip(found, found[1:], found[2:], stayed, strict=False):
        assert block.acceptance == (0.0 if same_place else 1.0)
        if same_place:
            assert np.array_equal(block.rows, after.rows)
        assert before.observed["probe"].shape == (before.first_step >= 4, 4)


def test_an_energy_is_that_of_the_stored_weights_by_brute_force() -> None:
    posterior = regression(batch_size=None, loss=masked)
    walk = Walk(posterior)
    with torch.no_grad():
        reference = reference_of(walk, {})
        for w in walk.weights:
            w.add_(0.1)
    position = _look(walk, reference)
    moved = network(3, 5, 2)
    moved.load_state_dict({name: p + 0.1 for name, p in posterior.model.state_dict().items()})
    with torch.no_grad():
        change = (
            brute_force(posterior, moved, range(11)) - brute_force(posterior, posterior.model, range(11))
        ).double()
    count = sum(p.numel() for p in moved.parameters())
    assert position.energy == pytest.approx(30 * float(change.mean()) + 10 * 0.01 * count, rel=1e-5)


def test_metropolis_chains_reject_what_has_no_energy_and_live_on() -> None:
    # A wall of NaN at |w| = 1: the law is the Gaussian cut off there, and no chain is lost.
    def walled(w: torch.Tensor) -> torch.Tensor:
        return torch.where(w.abs() < 1, w**2 / 2, torch.nan).sum()

    posterior = LocalPosterior.potential(walled, torch.zeros(1), n_beta=1.0, localization=0.0001)
    for sampler in (MALA(1.0), HMC(0.3, num_leapfrog=3)):
        found = blocks(posterior, sampler, observables={}, schedule=Schedule(3000))
        # ⟨w²⟩ of the normal law between −1 and 1 is 1 − 2φ(1)/(Φ(1) − Φ(−1)) = 0.2911.
        assert 2 * rows(found).mean() == pytest.approx(0.2911, abs=0.03)


def test_a_metropolis_chain_that_starts_without_an_energy_is_lost() -> None:
    posterior = LocalPosterior.potential(lambda w: (w / 0).sum(), torch.ones(2), n_beta=1.0, localization=1.0)
    found = blocks(posterior, MALA(0.1), observables={}, schedule=Schedule(4))
    assert np.isnan(rows(found)).all()
    assert np.isnan(found[-1].acceptance)


@pytest.mark.parametrize("sampler", CORRECTED)
def test_metropolis_needs_all_the_rows(sampler: MetropolisSampler) -> None:
    with pytest.raises(ZeemanError, match="set batch_size to 11"):
        next(run_chain(regression(batch_size=4), sampler, SCHEDULE, seed=0, chain=0))
    whole, named = (regression(batch_size=n) for n in (None, 11))
    assert same(blocks(whole, sampler), blocks(named, sampler))


@pytest.mark.parametrize("sampler", [PreconditionedSGLD(1e-4, 5), MALA(1e-3, 5), HMC(1e-3, 5)])
def test_no_draw_is_taken_while_a_sampler_adapts(sampler: AnySampler) -> None:
    with pytest.raises(ZeemanError, match="set num_burnin_steps to 5 or more"):
        blocks(regression(), sampler)


def test_what_adapts_is_frozen_when_draws_begin() -> None:
    for sampler, key in ((PreconditionedSGLD(1e-4, 4), "second_moment"), (MALA(1e-3, 4), "adaptation")):
        found = blocks(regression(), sampler, block_steps=1)
        kept = [torch.cat([v.flatten() for v in block.state.sampler[key]]) for block in found]
        assert all(torch.equal(kept[3], later) for later in kept[4:])
        assert not torch.equal(kept[2], kept[3])


def test_unloaded_chains_read_no_rows() -> None:
    found = blocks(regression(), Unloaded())
    assert np.isnan(rows(found)).all()
    assert np.isfinite(observed(found)).all()


@pytest.mark.parametrize("target", [0.5, 20.0])
def test_matching_the_energy_finds_the_localization(target: float) -> None:
    # ⟨Σ h w²/2⟩ = Σ h / 2γ exactly.
    h = torch.linspace(0.1, 2.0, 400)
    start = LocalPosterior.potential(lambda w: (h * w**2).sum() / 2, torch.zeros(400), n_beta=5.0, localization=3.0)
    item = Observable(torch.zeros(1), torch.ones(1, dtype=torch.bool))
    found = match_energy(start, item, target, seed=0)
    assert found.localization == pytest.approx(float(h.sum()) / 2 / target, rel=0.1)
    assert match_energy(start, item, -1.0, seed=0).localization == 3.0


@pytest.mark.parametrize("field", ["num_draws", "num_burnin_steps", "num_steps_bw_draws"])
def test_schedules_without_meaning_are_refused(field: str) -> None:
    with pytest.raises(ZeemanError, match=f"{field} must be at least"):
        Schedule(**{field: -1})


@pytest.mark.parametrize("batch_size", [None, 5])
@pytest.mark.parametrize("loss", [squared, by_position, masked])
def test_rows_that_go_through_in_parts_give_the_same_chain(
    loss: Any, batch_size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = blocks(regression(loss=loss, batch_size=batch_size), observables={})
    # So few bytes that every row is a part of its own.
    monkeypatch.setattr("zeeman.sampling.posterior._BYTES_AT_ONCE", 1)
    monkeypatch.setattr("zeeman.sampling.posterior._BYTES_READ_AT_ONCE", 1)
    cut = blocks(regression(loss=loss, batch_size=batch_size), observables={})
    np.testing.assert_allclose(rows(cut), rows(whole), atol=2e-6)
    for one, other in zip(cut[-1].state.weights, whole[-1].state.weights, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_weights_that_move_tensor_by_tensor_are_the_same_chain_bit_for_bit(
    sampler: AnySampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = blocks(regression(), sampler)
    monkeypatch.setattr("zeeman.sampling.samplers._TOGETHER", 1)
    assert same(whole, blocks(regression(), sampler))


def test_one_reference_serves_batches_of_any_size() -> None:
    # A whole epoch at weights that stay: the mean over its minibatches is that over all rows.
    found = [blocks(regression(batch_size=size), SGLD(1e-30), observables={}, schedule=Schedule(11)) for size in (1, 4)]
    assert all(abs(rows(chain)).max() < 1e-6 for chain in found)
    shared: dict[str, Any] = {}
    for size in (1, 4, None):
        blocks(replace(regression(batch_size=size), shared=shared), observables={})
    assert len(shared) == 1


def test_an_observable_that_goes_through_in_parts_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = blocks(regression())
    monkeypatch.setattr("zeeman.sampling.posterior._BYTES_AT_ONCE", 1)
    monkeypatch.setattr("zeeman.sampling.posterior._BYTES_READ_AT_ONCE", 1)
    np.testing.assert_allclose(observed(blocks(regression())), observed(whole), atol=2e-6)


def test_a_component_that_the_loss_does_not_see_is_refused() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 1), "spare": nn.Linear(2, 1)})

    def loss(model: nn.ModuleDict, x: torch.Tensor) -> torch.Tensor:
        return model["used"](x)[:, 0].square()

    posterior = LocalPosterior(model, torch.ones(4, 2), loss, component="spare.weight", n_beta=1.0, localization=1.0)
    with pytest.raises(ZeemanError, match=r"no weight of the component spare.weight reaches the loss"):
        next(run_chain(posterior, SGLD(1e-3), Schedule(2), seed=0, chain=0))
