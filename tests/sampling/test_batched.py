"""Chains that run together are the chains that run alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nets import WATCHED, by_position, masked, network, regression, seeded, squared
from tiny import make_tiny
from zeeman.demo.model import AttentionOnlyTransformer
from zeeman.errors import ZeemanError
from zeeman.sampling import (
    BAOAB,
    MALA,
    SGLD,
    Block,
    LocalPosterior,
    Observable,
    PreconditionedSGLD,
    RMSPropSGLD,
    Sampler,
    Schedule,
    Unloaded,
    better_together,
    language_model_loss,
    run_chain,
    run_chains,
    work_of_step,
)
from zeeman.sampling import batched as batched_module

SCHEDULE = Schedule(num_draws=5, num_burnin_steps=4, num_steps_bw_draws=3)
SAMPLERS = [
    SGLD(1e-3, weight_decay=0.3),
    RMSPropSGLD(1e-4),
    RMSPropSGLD(1e-4, devinterp=True),
    PreconditionedSGLD(1e-4, freeze_after=4),
    BAOAB(1e-3),
]
CHAINS = [3, 0, 11]


def alone(posterior: LocalPosterior, sampler: Sampler, chain: int, **changes: Any) -> list[Block]:
    return list(run_chain(posterior, sampler, SCHEDULE, seed=3, chain=chain, block_steps=7, **changes))


def together(posterior: LocalPosterior, sampler: Sampler, **changes: Any) -> list[list[Block]]:
    given = {"chains": CHAINS, "block_steps": 7, **changes}
    return list(run_chains(posterior, sampler, SCHEDULE, seed=3, **given))


def compare(found: list[Block], expected: list[Block], tolerance: float) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.first_step, a.state.step, a.rows.dtype) == (b.first_step, b.state.step, b.rows.dtype)
        # Rows are held in float32, whatever the model is.
        np.testing.assert_allclose(a.rows, b.rows, rtol=1e-6, atol=max(tolerance, 1e-7))
        assert a.observed.keys() == b.observed.keys()
        for name in a.observed:
            np.testing.assert_allclose(a.observed[name], b.observed[name], rtol=1e-6, atol=max(tolerance, 1e-7))
        assert a.distance == pytest.approx(b.distance, rel=tolerance, nan_ok=True)
        assert a.virial == pytest.approx(b.virial, rel=1e-5, abs=tolerance, nan_ok=True)
        assert a.heat == pytest.approx(b.heat, rel=max(tolerance, 1e-9), nan_ok=True)
        for v, w in zip(a.state.weights, b.state.weights, strict=True):
            torch.testing.assert_close(v, w, rtol=tolerance, atol=tolerance, equal_nan=True)
        assert a.state.sampler.keys() == b.state.sampler.keys()
        for name, vectors in a.state.sampler.items():
            for v, w in zip(vectors, b.state.sampler[name], strict=True):
                torch.testing.assert_close(v, w, rtol=tolerance, atol=tolerance, equal_nan=True)


def doubled(**changes: Any) -> LocalPosterior:
    """The regression in float64, where what remains of the order of sums is 1e-13."""
    data = (seeded(11, 3, seed=8).double(), seeded(11, 2, seed=9).double())
    given = {"loss": squared, "n_beta": 30.0, "localization": 20.0, "batch_size": 4, **changes}
    return LocalPosterior(network(3, 5, 2).double(), data, **given)


DOUBLE = {"probe": Observable((seeded(6, 3).double(), seeded(6, 2).double()), torch.tensor([1, 0, 1, 1, 0, 1]).bool())}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    "changes", [{}, {"batch_size": None}, {"loss": masked}, {"loss": by_position, "component": "2.weight"}]
)
def test_each_chain_is_what_it_is_alone(sampler: Sampler, changes: dict[str, Any]) -> None:
    watched = {} if "loss" in changes else DOUBLE
    found = together(doubled(**changes), sampler, observables=watched)
    for c, chain in enumerate(CHAINS):
        compare([blocks[c] for blocks in found], alone(doubled(**changes), sampler, chain, observables=watched), 1e-11)


def test_in_single_precision_they_agree_to_its_rounding() -> None:
    found = together(regression(), SGLD(1e-3), observables=WATCHED)
    for c, chain in enumerate(CHAINS):
        compare([b[c] for b in found], alone(regression(), SGLD(1e-3), chain, observables=WATCHED), 2e-5)


def test_bare_potentials_run_together() -> None:
    posterior = LocalPosterior.potential(
        lambda w: w[0] ** 2 * w[1] ** 2, torch.zeros(2, dtype=torch.float64), n_beta=200.0, localization=1.0
    )
    found = together(posterior, SGLD(2e-3))
    for c, chain in enumerate(CHAINS):
        compare([b[c] for b in found], alone(posterior, SGLD(2e-3), chain), 1e-12)


def test_chains_that_exceed_the_cache_go_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = together(doubled(), SGLD(1e-3), chains=range(5))
    monkeypatch.setattr(batched_module, "_WEIGHTS_AT_ONCE", 1)
    monkeypatch.setattr(batched_module, "_FEWEST_CHAINS", 2)
    parts = together(doubled(), SGLD(1e-3), chains=range(5))
    for c in range(5):
        compare([b[c] for b in parts], [b[c] for b in whole], 1e-11)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("blocks", [1, 2])
def test_resumed_chains_are_the_uninterrupted_ones_bit_for_bit(sampler: Sampler, blocks: int) -> None:
    whole = together(regression(), sampler, observables=WATCHED)
    states = [block.state for block in whole[blocks - 1]]
    rest = together(regression(), sampler, observables=WATCHED, states=states)
    assert len(rest) == len(whole) - blocks
    for again, before in zip(rest, whole[blocks:], strict=True):
        for a, b in zip(again, before, strict=True):
            assert np.array_equal(a.rows, b.rows)
            assert np.array_equal(a.observed["probe"], b.observed["probe"])
            assert all(torch.equal(v, w) for v, w in zip(a.state.weights, b.state.weights, strict=True))


def test_a_lost_chain_harms_no_other_and_stays_lost() -> None:
    posterior = doubled()
    good = together(posterior, SGLD(1e-3), observables=DOUBLE)
    states = [block.state for block in good[0]]
    states[1].weights[0].fill_(torch.inf)
    found = together(posterior, SGLD(1e-3), observables=DOUBLE, states=states)
    for blocks, before in zip(found, good[1:], strict=True):
        for c in (0, 2):
            compare([blocks[c]], [before[c]], 1e-12)
        lost = blocks[1]
        assert np.isnan(lost.rows).all()
        assert np.isnan(lost.observed["probe"]).all()
        assert np.isnan(lost.distance)
        assert all(bool(w.isnan().all()) for w in lost.state.weights)


def test_a_step_size_that_blows_up_loses_the_chain_where_it_does_alone() -> None:
    class Quartic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.ones(3))

    def loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return (model.get_parameter("w") ** 4).sum() + batch

    posterior = LocalPosterior(Quartic(), torch.zeros(5), loss, n_beta=100.0, localization=1.0, batch_size=2)
    found = together(posterior, SGLD(0.05))
    for c, chain in enumerate(CHAINS):
        expected = alone(posterior, SGLD(0.05), chain)
        for blocks, one in zip(found, expected, strict=True):
            assert np.array_equal(np.isnan(blocks[c].rows), np.isnan(one.rows))
        assert np.isnan(expected[-1].rows).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_heat_of_step_and_minibatch_is_read_where_it_can_be(sampler: Sampler) -> None:
    for block in (block for blocks in together(doubled(), sampler) for block in blocks):
        assert np.isfinite(block.heat) == (not isinstance(sampler, BAOAB))


def test_what_can_not_run_together_is_refused() -> None:
    with pytest.raises(ZeemanError, match="set num_burnin_steps to 5 or more"):
        together(regression(), PreconditionedSGLD(1e-3, freeze_after=5))
    with pytest.raises(ZeemanError, match="moves each weight alone"):
        together(regression(), MALA(1e-3))
    with pytest.raises(ZeemanError, match="moves each weight alone"):
        together(regression(), Unloaded())
    first = together(regression(), SGLD(1e-3))
    with pytest.raises(ZeemanError, match="all at one step"):
        together(regression(), SGLD(1e-3), states=[first[0][0].state, first[1][1].state, first[0][2].state])
    with pytest.raises(ZeemanError, match="one or more chains"):
        together(regression(), SGLD(1e-3), chains=[])


def test_the_rule_takes_small_models_that_can_be_batched_and_no_others() -> None:
    assert better_together(regression(), RMSPropSGLD(1e-4))
    assert not better_together(regression(), Unloaded())
    tokens = torch.zeros(64, 64, dtype=torch.int64)
    demo = LocalPosterior(AttentionOnlyTransformer(), tokens, language_model_loss, batch_size=32)
    assert work_of_step(demo) == sum(p.numel() for p in demo.model.parameters()) * 32 * 64
    assert not better_together(demo, SGLD(1e-4))
    assert better_together(LocalPosterior(make_tiny(), tokens[:, :12], language_model_loss, batch_size=32), SGLD(1e-4))
    branching = LocalPosterior.potential(lambda w: w.sum() if w[0] > 0 else -w.sum(), torch.ones(2))
    assert not better_together(branching, SGLD(1e-4))
