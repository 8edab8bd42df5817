"""The choice of a setting: as a pure function of figures whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeeman.errors import ZeemanError
from zeeman.sampling.heating import quadratic_energy
from zeeman.spectra.calibration import Objective, Pilot, chain_cost, next_lr, objections, pilot_figures, round_lr

CURVATURES = np.logspace(-1, 1, 20)


def pilot(lr: float, **changes: float) -> Pilot:
    """Figures of the quadratic of 20 directions at nβ = 100, in closed form."""
    cold, hot = (quadratic_energy(CURVATURES, 100.0, e, localization=1.0) for e in (1e-12, lr))
    figures = {"llc": hot, "llc_se": 0.1, "bias": hot / cold - 1, "bias_se": 0.0, "ratio": 1.0, "ratio_se": 0.1}
    figures |= {"noise": 0.1, "below": 0.0, "drift": 0.0, "distance": 0.5, "efficiency": 0.1, "spread": 0.1}
    if not math.isfinite(hot):
        figures = dict.fromkeys(figures, math.nan)
    return Pilot(0, lr, 100.0, 1.0, **(figures | changes), length=40)  # type: ignore[arg-type]


@given(lr=st.floats(1e-6, 1.0), bias=st.floats(0.003, 0.1))
def test_the_walk_arrives_within_the_budget_and_no_lower_than_a_quarter_of_it(lr: float, bias: float) -> None:
    lr, seen = round_lr(lr), set()
    while (wanted := next_lr(pilot(lr), bias)) not in {*seen, lr}:
        seen.add(lr)
        lr = wanted
    lr = min(wanted, lr)  # between two neighbours of the grid the smaller one keeps the budget
    assert bias / 4 <= pilot(lr).bias <= bias
    assert len(seen) < 12


@given(st.floats(1e-9, 1e3))
def test_rounding_never_goes_up_and_never_far_down(lr: float) -> None:
    assert lr / 1.51 < round_lr(lr) <= lr * (1 + 1e-6)


def test_rescaling_the_loss_changes_nothing() -> None:
    rows = np.random.default_rng(0).gamma(10.0, size=(1, 100, 4)) / 100
    heat = np.full((1, 50), 0.3)
    one, other = (
        pilot_figures(rows * c, heat, step=0, lr=1e-3, n_beta=100 / c, localization=30.0, distance=1.0)
        for c in (1.0, 1024.0)
    )
    for name in ("llc", "llc_se", "bias", "bias_se", "ratio", "noise", "below", "drift", "efficiency", "spread"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9)


def test_each_fault_is_named() -> None:
    objective = Objective(energy=0.2)
    assert objections([pilot(1e-4)] * 3, 1e-4, objective) == []
    below, moving = pilot(1e-4, llc=-1.0), pilot(1e-4, drift=9.0)
    assert objections([below, pilot(1e-4), pilot(1e-4)], 1e-4, objective) == []  # an early checkpoint may be no minimum
    assert "below the loss of 2 of 3" in objections([below, below, pilot(1e-4)], 1e-4, objective)[0]
    assert "levelled off" in objections([moving], 1e-4, objective)[0]
    assert "noise" in objections([pilot(1e-4, noise=2.0)], 1e-4, objective)[0]
    assert "rises by" in objections([pilot(1e-4, llc=30.0)], 1e-4, objective)[0]
    assert "heat" in objections([pilot(1e-3)], 1e-3, objective)[0]
    assert "cost" in objections([pilot(1e-4, efficiency=1e-3)], 1e-4, objective)[0]
    assert chain_cost((10, 2, 5), 4) == 80


@pytest.mark.parametrize("fault", [{"bias": 0.0}, {"bias": math.nan}, {"num_chains": 1}, {"steps": 10}, {"energy": -1}])
def test_senseless_objectives(fault: dict[str, float]) -> None:
    with pytest.raises(ZeemanError):
        Objective(**fault)  # type: ignore[arg-type]
