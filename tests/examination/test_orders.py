"""Orders of transitions of deep linear networks, which are known, through plan, store and report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.examination import (
    LLC,
    Examination,
    Order,
    SamplerSettings,
    Subject,
    Transition,
    Unit,
    document,
    examine,
    planned_units,
)
from zeeman.examination.store import Store, unit_of
from zeeman.examination.unit import SAMPLER_VERSION
from zeeman.examination.worker import run_together, run_unit
from zeeman.phases import Pulse
from zeeman.probes import Library, Probe
from zeeman.reading import Provenance, Reading, Verdict
from zeeman.subjects import Series

SETTINGS = SamplerSettings(
    lr=1e-3, n_beta=150.0, localization=50.0, num_chains=4, num_draws=50, num_burnin_steps=100, num_steps_bw_draws=5,
    batch_size=2,
)  # fmt: skip
KEY = "8148e06d80dd8db3cabbff3a-8f9b72c6"
SHORT = replace(SETTINGS, num_draws=6, num_burnin_steps=10, num_steps_bw_draws=2)
Energy = Callable[[torch.Tensor], torch.Tensor]


class Weights(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(size))


class Loss:
    """A potential as the loss of every token."""

    def __init__(self, energy: Energy) -> None:
        self.energy = energy

    def __call__(self, model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
        return self.energy(model.get_parameter("w")).expand(len(tokens), tokens.shape[1] - 1)


def product(w: torch.Tensor) -> torch.Tensor:
    """A deep linear network of width one that is to learn 1."""
    return (w.prod() - 1) ** 2 / 2


def trained(energy: Energy, start: torch.Tensor, steps: tuple[int, ...], lr: float = 0.05) -> Series:
    """Checkpoints of gradient descent."""
    w, kept = start.clone().requires_grad_(), []
    for step in range(steps[-1] + 1):
        if step in steps:
            kept.append((step, {"w": w.detach().clone()}))
        (gradient,) = torch.autograd.grad(energy(w), w)
        w = (w - lr * gradient).detach().requires_grad_()
    return Series.from_state_dicts(kept, lambda: Weights(len(start)))


def library() -> Library:
    rows = np.zeros((4, 3), int)
    scored = np.tile([False, True, True], (4, 1))
    return Library.from_probes("potential", Probe("train", rows, scored), [Probe("all", rows, scored)])


def judged(energy: Energy, series: Series, store: Path, settings: SamplerSettings = SETTINGS) -> Examination:
    pair = series.steps[0], series.steps[-1]
    return examine(series, library(), store, settings=settings, devices=[Order((pair,))], loss=Loss(energy))


def deep(layers: int) -> Series:
    return trained(product, torch.full((layers,), 0.05), (0, 1200))


@pytest.fixture(scope="module")
def three_layers(tmp_path_factory: pytest.TempPathFactory) -> Examination:
    return judged(product, deep(3), tmp_path_factory.mktemp("three") / "s")


def test_a_network_of_three_layers_leaves_the_origin_at_first_order(three_layers: Examination) -> None:
    """The origin is a minimum at any n: the loss is flat to third order there, and the localization holds it."""
    (found,) = three_layers.of("order")
    assert found.coordinates["order"] == "first", found.coordinates
    assert found.value < 0.01
    assert {e["name"]: e["says"] for e in found.coordinates["evidence"]}["hysteresis"] == "first"
    # The two minima have one height at n = 2.52 γ, between rungs.
    ratios = np.array(found.coordinates["n_beta"]) / found.coordinates["localization"]
    assert ratios[1] < 2.52 < ratios[3]


def test_a_network_of_two_layers_leaves_it_continuously(tmp_path: Path) -> None:
    """At n = γ the origin turns from a minimum to a saddle: along the diagonal that is w⁴ + t w²."""
    (found,) = judged(product, deep(2), tmp_path / "s").of("order")
    assert found.coordinates["order"] == "second", found.coordinates
    # γ = 2 nβ (L₁ − L₂)/‖w₂ − w₁‖², which is nβ/2 for a start at the origin.
    assert found.coordinates["localization"] == pytest.approx(150 * (1 - 0.05**2) ** 2 / (2 * 0.95**2), rel=1e-2)


def test_chains_begin_where_they_are_sent_from_and_are_held_to_the_earlier_checkpoint(tmp_path: Path) -> None:
    series = deep(3)
    subject = Subject(series, library(), Loss(product))
    device = Order(((0, 1200),), ladder=(1.0, 2.0, 3.0))
    units = [u for u in device.units(subject, SHORT) if u.kind == "loaded" and u.settings.n_beta == 150.0]
    from_before, from_after = ([u for u in units if u.start[0] == step] for step in (0, 1200))
    assert len(from_before) == len(from_after) == 4
    assert {u.step for u in units} == {0}
    assert len({u.chain_key for u in units}) == 8
    together, alone = Store(tmp_path / "together"), Store(tmp_path / "alone")
    for some in (from_before, from_after):
        run_together(subject, together, some)
        for unit in some:
            run_unit(subject, alone, unit)
    for unit in units:
        rows = together.unit(unit).array("rows")
        fallen = 0.0 if unit in from_before else float(product(torch.full((3,), 0.05)))
        assert rows[0].mean() == pytest.approx(-fallen, abs=1e-5)
        np.testing.assert_allclose(rows, alone.unit(unit).array("rows"), atol=1e-4)
    # Were they held to the later one, chains that begin there would be near it: ‖w − w₁‖ is that of both checkpoints.
    apart = float(np.linalg.norm(series.at(1200).load()["w"].numpy() - series.at(0).load()["w"].numpy()))
    assert together.unit(from_after[0]).array("distance")[0] == pytest.approx(apart, rel=0.3)


def test_the_keys_of_other_units_are_what_they_were() -> None:
    """A digest that is held by stores of this version of the samplers."""
    assert SAMPLER_VERSION == 4
    unit = Unit("loaded", 5, "w", "full", 1, SamplerSettings(), "data")
    assert unit.key == KEY
    assert replace(unit, start=(7, "v")).key != unit.key
    assert unit_of(json.loads(json.dumps(asdict(replace(unit, start=(7, "v")))))) == replace(unit, start=(7, "v"))


def test_what_was_asked_is_kept_and_not_asked_again(three_layers: Examination) -> None:
    told: list[object] = []
    series, store = three_layers.subject.series, three_layers.store.path
    again = examine(
        series, library(), store, settings=SETTINGS, devices=[Order(((0, 1200),))], loss=Loss(product),
        on_progress=told.append,
    )  # fmt: skip
    assert not told
    assert [r.value for r in again.of("order")] == [r.value for r in three_layers.of("order")]


def test_a_loss_that_does_not_fall_has_no_order(tmp_path: Path) -> None:
    def rising(w: torch.Tensor) -> torch.Tensor:
        return -product(w)

    found = examine(
        deep(2), library(), tmp_path / "s", settings=SHORT, devices=[Order(((0, 1200),))], loss=Loss(rising)
    )
    (reading,) = found.of("order")
    assert reading.coordinates["reason"] == "the loss does not fall from the earlier to the later checkpoint"
    assert len(found.draws.units) == 2


def pulse(z: float, start: int = 0, end: int = 1200) -> Pulse:
    return Pulse(start, end, (start, end), 300.0, 62.0, 3.0, z, 1.0)


def transition(z: float, start: int = 0, end: int = 1200) -> Transition:
    return Transition((start, end), 300.0, {"llc": pulse(z, start, end)}, (), flagged=False, matches={})


def test_the_strongest_transitions_are_asked_within_a_fifth_of_the_steps(three_layers: Examination) -> None:
    found = [transition(z, int(z), int(z) + 1) for z in (5.0, 30.0, 9.0)]
    one = Order(((0, 1200),)).units(three_layers.subject, SETTINGS)
    assert Order().asked(found, SETTINGS, []).pairs == ((30, 31),)
    assert Order().asked(found, SETTINGS, one * 11).pairs == ((30, 31), (9, 10))
    assert Order().asked([], SETTINGS, one).pairs == ()


def test_the_document_says_order_and_which_state_more_data_prefers(three_layers: Examination) -> None:
    llc = [
        Reading("llc", value, 0.05, Verdict.OK, (), Provenance(step, "w")) for step, value in ((0, 0.4), (1200, 2.4))
    ]
    spread = [replace(r, name="llc_variance") for r in llc]
    told = replace(three_layers, readings=(*three_layers.readings, *llc, *spread), transitions=(transition(9.0),))
    (row,) = json.loads(json.dumps(document(told)))["transitions"]
    assert row["order"]["order"] == "first"
    assert row["summary"].startswith("Steps 0–1200: LLC +62 ± 3; first order (p ")
    # n ΔL = Δλ log n, with a loss that falls from ½ to 0.
    n = row["order"]["competition"]["n"]
    assert row["order"]["competition"]["outcome"] == "from n"
    assert n > 4
    assert n * 0.4999 == pytest.approx(2.0 * np.log(n), rel=1e-2)
    assert "the later state is preferred from n ≈" in row["order"]["competition"]["sentence"]
    silent = replace(told, readings=tuple(r for r in told.readings if r.name != "order"))
    (row,) = document(silent)["transitions"]
    assert row["order"] == {"order": "not asked", "sentence": "order: not asked"}
    assert row["summary"].endswith("; order: not asked.")


def test_examine_asks_for_the_transitions_that_it_finds(tmp_path: Path) -> None:
    """Without one, nothing is run; the plan counts one."""
    series = deep(2)
    subject = Subject(series, library(), Loss(product))
    assert len(planned_units(subject, SHORT, [Order()])) == 2 + 5 * 2 * 4
    found = examine(series, library(), tmp_path / "s", settings=SHORT, devices=[LLC(), Order()], loss=Loss(product))
    assert found.of("order") == []
    assert len(found.draws.units) == 2 * 4


def test_a_ladder_needs_three_rungs() -> None:
    with pytest.raises(ZeemanError, match="three or more rising"):
        Order(ladder=(1.0, 2.0))
