"""The density of states and the Hessian's spectrum of a small real series, against brute force."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny import make_tiny
from zeeman.cli.density_series import density_of_series
from zeeman.console import render_report
from zeeman.errors import ZeemanError
from zeeman.examination import (
    LLC,
    Density,
    Examination,
    HessianSpectrum,
    SamplerSettings,
    Subject,
    document,
    examine,
    plan,
    planned_units,
)
from zeeman.examination.densities import LADDER, chosen, rung
from zeeman.examination.engine import run_units
from zeeman.examination.store import Store
from zeeman.probes import Library
from zeeman.reading import Verdict
from zeeman.sampling import Hessian
from zeeman.subjects import Series

SETTINGS = SamplerSettings(lr=2e-3, num_chains=2, num_draws=24, num_burnin_steps=10, num_steps_bw_draws=2, batch_size=8)
DEVICES = (LLC(), Density((60, 150)), HessianSpectrum((60,), num_steps=24, num_vectors=8))


@pytest.fixture(scope="module")
def examination(tiny_folder: Path, library: Library, tmp_path_factory: pytest.TempPathFactory) -> Examination:
    store = tmp_path_factory.mktemp("store") / "examination"
    return examine(Series.from_folder(tiny_folder), library, store, settings=SETTINGS, devices=DEVICES)


def eigenvalues(subject: Subject, step: int) -> np.ndarray:
    """All of them, by one product with each unit vector."""
    product = Hessian(subject.sample(subject.series.at(step), "full"))
    matrix = torch.stack([product(row) for row in torch.eye(product.dimension)]).double()
    return np.linalg.eigvalsh(matrix.numpy())


def test_the_rung_of_the_setting_is_the_learning_coefficient(examination: Examination) -> None:
    llc = {r.provenance.step: r for r in examination.of("llc") if r.provenance}
    own = [r for r in examination.of("density") if r.coordinates["n_beta"] == SETTINGS.n_beta]
    assert len(own) == 2
    for reading in own:
        assert reading.provenance is not None
        assert reading.value == llc[reading.provenance.step].value
        assert reading.standard_error == llc[reading.provenance.step].standard_error


def test_no_chain_of_the_setting_is_walked_twice(examination: Examination) -> None:
    units = planned_units(examination.subject, SETTINGS, DEVICES)
    checkpoints = len(examination.subject.series)
    assert sum(u.kind == "loaded" for u in units) == 2 * checkpoints + 2 * 2 * (len(LADDER) - 1)
    assert sum(u.kind == "curvature" for u in units) == 8
    assert len(examination.draws.units) == len(units)


def test_colder_rungs_lie_lower_and_hold_less(examination: Examination) -> None:
    for reading in examination.of("volume"):
        loss, volume = np.array(reading.coordinates["loss"]), np.asarray(reading.value)
        assert len(loss) == len(LADDER)
        assert (np.diff(loss) < 0).all()
        assert (np.diff(volume) < 3 * np.asarray(reading.standard_error)[1:]).all()
        assert (volume <= 0).all()
    assert all((np.asarray(r.value) >= 0).all() for r in examination.of("heat_capacity"))


def test_the_volume_is_the_share_of_the_window(examination: Examination) -> None:
    # What the hottest rung says, counted: draws of the window whose loss rises by less than on that rung.
    subject = examination.subject
    for reading in examination.of("volume"):
        assert reading.provenance is not None
        model = subject.series.model(subject.series.at(reading.provenance.step))
        centre = torch.nn.utils.parameters_to_vector(model.parameters())
        rows = torch.tensor(subject.library.data.inputs)
        generator = torch.Generator().manual_seed(0)
        drawn = []
        with torch.no_grad():
            start = float(subject.loss(model, rows).mean())
            for _ in range(300):
                step = torch.randn(len(centre), generator=generator) / SETTINGS.localization**0.5
                torch.nn.utils.vector_to_parameters(centre + step, model.parameters())
                drawn.append(float(subject.loss(model, rows).mean()) - start)
        hottest = next(r for r in examination.of("density") if r.provenance == reading.provenance)
        share = np.mean(np.array(drawn) < hottest.value / hottest.coordinates["n_beta"])
        error = np.sqrt(share * (1 - share) / 300) / share
        found, claimed = np.asarray(reading.value)[0], np.asarray(reading.standard_error)[0]
        assert abs(found - np.log(share)) < 4 * np.hypot(error, claimed)


def test_the_path_belongs_to_the_window_that_holds_most(examination: Examination) -> None:
    (path,) = examination.of("path_volume")
    share = np.array(path.coordinates["share"])
    assert share.sum(axis=0) == pytest.approx(1.0)
    one, two = (
        torch.nn.utils.parameters_to_vector(
            examination.subject.series.model(examination.subject.series.at(s)).parameters()
        )
        for s in (60, 150)
    )
    separation = SETTINGS.localization**0.5 * float((one - two).norm())
    assert path.coordinates["separation"] == pytest.approx([separation], rel=1e-5)
    # Only the later checkpoint comes near the lowest loss.
    assert share[-1, -1] > 0.99
    assert (np.asarray(path.value) <= 0).all()


def test_the_spectrum_is_that_of_the_dense_hessian(examination: Examination) -> None:
    exact = eigenvalues(examination.subject, 60)
    found = {r.name: r for r in examination.readings if r.name.startswith("hessian")}
    positive = SETTINGS.n_beta * np.maximum(exact, 0)
    known = {
        "hessian_trace": exact.sum(),
        "hessian_count": (exact > SETTINGS.localization / SETTINGS.n_beta).sum(),
        "hessian_llc": (0.5 * positive / (positive + SETTINGS.localization)).sum(),
    }
    for name, value in known.items():
        assert abs(float(found[name].value) - value) < 4.5 * float(found[name].standard_error) + 1e-9, name
    where = found["hessian_density"].coordinates
    assert where["highest"] == pytest.approx(exact[-1], rel=1e-3)
    assert where["lowest"] == pytest.approx(exact[0], rel=0.05)
    assert where["parameters"] == len(exact) == sum(p.numel() for p in make_tiny().parameters())
    # A spectrum that runs on has no gap, and then no rank.
    gap = found["hessian_rank"].coordinates["gap"]
    sizes = np.abs(exact)
    assert np.isnan(gap).all() or not ((sizes > 1.01 * gap[0]) & (sizes < 0.99 * gap[1])).any()


def test_chains_that_fail_leave_no_volume(tiny_series: Series, library: Library, tmp_path: Path) -> None:
    hot = replace(SETTINGS, lr=50.0, localization=1e-3, num_draws=8)
    found = examine(tiny_series, library, tmp_path / "s", settings=hot, devices=(Density((150,)),))
    assert all(r.verdict is Verdict.DIVERGED for r in found.of("density"))
    assert not found.of("volume")
    assert not found.of("path_volume")
    row = document(found)["density"]["checkpoints"][0]
    assert all(entry["exponent"] is None and entry["log_volume"] is None for entry in row["rungs"])


def test_rungs_keep_time_and_stability() -> None:
    for factor in (0.01, *LADDER, 100.0):
        one = rung(SETTINGS, factor)
        assert one.n_beta == pytest.approx(factor * SETTINGS.n_beta)
        # The drift's step, ε(nβ h + γ), is nowhere larger than at the setting for h ≥ 1.
        assert (
            one.lr * (one.n_beta + one.localization) <= SETTINGS.lr * (SETTINGS.n_beta + SETTINGS.localization) * 1.001
        )
        assert one.lr * one.num_burnin_steps >= 0.999 * SETTINGS.lr * SETTINGS.num_burnin_steps
    assert rung(SETTINGS, 1.0) is SETTINGS


def test_eight_checkpoints_are_chosen_with_both_ends(tiny_series: Series, library: Library) -> None:
    steps = [(k, tiny_series.checkpoints[0].load()) for k in range(30)]
    long = Subject(Series.from_state_dicts(steps, tiny_series.make_model), library)
    taken = [c.step for c in chosen(long, ())]
    assert (len(taken), taken[0], taken[-1]) == (8, 0, 29)
    assert [c.step for c in chosen(long, (3, 5))] == [3, 5]
    assert len(chosen(Subject(tiny_series, library), ())) == len(tiny_series)


def test_units_come_out_the_same_on_more_workers(tiny_series: Series, library: Library, tmp_path: Path) -> None:
    subject = Subject(tiny_series, library)
    units = HessianSpectrum((150,), 6, 2).units(subject, SETTINGS)
    for workers in (1, 2):
        store = Store(tmp_path / str(workers))
        with store.locked():
            run_units(subject, store, units, num_workers=workers)
    one, two = ([Store(tmp_path / w).unit(u).array("diagonal") for u in units] for w in "12")
    np.testing.assert_array_equal(one, two)
    assert all(np.isfinite(a).all() for a in one)


def test_the_plan_counts_products_with_the_hessian(examination: Examination) -> None:
    cost = plan(examination.subject, SETTINGS, devices=DEVICES)
    assert cost.units == len(examination.draws.units)
    walked = sum(u.schedule.num_steps for u in examination.draws.units.values() if u.kind == "loaded")
    assert cost.gradient_steps == walked + 4 * 24 * 8


def test_the_command_reads_a_series(
    tiny_folder: Path, library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library.to_folder(tmp_path / "probes")
    settings = {"num_chains": 2, "num_draws": 8, "num_burnin_steps": 5, "batch_size": 8}
    options = {"probes": tmp_path / "probes", "out": tmp_path / "s", "at": (150,), "settings": settings, "workers": 1}
    density_of_series(str(tiny_folder), **options, json=True)
    found = json.loads(capsys.readouterr().out)
    assert [row["step"] for row in found["checkpoints"]] == [150]
    assert [r["n_beta"] for r in found["checkpoints"][0]["rungs"]] == [100.0 * f for f in LADDER]
    assert found["hessian"][0]["trace"] > 0
    assert Path(found["report"]).is_file()
    density_of_series(str(tiny_folder), **options)
    assert "λ(nβ=100)" in capsys.readouterr().out


def test_one_command_serves_potentials_and_series(tiny_folder: Path, tmp_path: Path) -> None:
    from zeeman.cli.density import density
    from zeeman.cli.density_series import is_series

    assert not any(is_series(text) for text in ("x**2*y**2", "(x^2 - y^3)^2", "x^4"))
    # Seen by what each refuses: a series wants a library that exists, a potential wants a polynomial.
    with pytest.raises(ZeemanError, match="folder of a library"):
        density(str(tiny_folder), probes=tmp_path / "nowhere", out=tmp_path / "s")
    with pytest.raises(ZeemanError, match="x"):
        density("x**", probes=tmp_path / "nowhere")


def test_the_document_holds_the_picture(examination: Examination) -> None:
    content = json.loads(json.dumps(document(examination), allow_nan=False))
    assert [row["step"] for row in content["density"]["checkpoints"]] == [60, 150]
    for row in content["density"]["checkpoints"]:
        assert [r["n_beta"] for r in row["rungs"]] == pytest.approx([f * SETTINGS.n_beta for f in LADDER])
        assert all(r["exponent"] is not None and r["log_volume"] is not None for r in row["rungs"])
    assert [row["step"] for row in content["hessian"]] == [60]
    assert set(content["density"]["path"]["owner"]) <= {60, 150}
    assert sum("nβ" in row["component"] for row in content["health"]) == 2 * (len(LADDER) - 1)
    assert all(row["traces"] is None for row in content["health"] if "nβ" in row["component"])
    assert "density" in render_report(content)
