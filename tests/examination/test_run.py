"""An examination from end to end on a small real series."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

from tiny import tiny_library
from zeeman.errors import ZeemanError
from zeeman.examination import (
    LLC,
    Behaviours,
    Draws,
    Examination,
    SamplerSettings,
    Subject,
    Susceptibilities,
    Transition,
    document,
    examine,
    plan,
    planned_units,
)
from zeeman.examination.devices import chains
from zeeman.examination.store import Store
from zeeman.examination.worker import run_unit
from zeeman.phases import Match, Pulse
from zeeman.probes import Library
from zeeman.reading import Reading, Verdict
from zeeman.sampling import language_model_loss
from zeeman.subjects import Series

SETTINGS = SamplerSettings(num_chains=3, num_draws=30, num_burnin_steps=30, num_steps_bw_draws=2, batch_size=16)


@pytest.fixture(scope="module")
def examination(tiny_folder: Path, library: Library, tmp_path_factory: pytest.TempPathFactory) -> Examination:
    store = tmp_path_factory.mktemp("store") / "examination"
    return examine(Series.from_folder(tiny_folder), library, store, settings=SETTINGS)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted((folder / "units").rglob("*")) if p.is_file()}


def test_every_device_reads_everything_it_promises(examination: Examination) -> None:
    steps = len(examination.subject.series)
    assert len(examination.of("llc")) == len(examination.of("llc_variance")) == steps
    assert len(examination.of("behaviour")) == steps * 3
    heads = examination.subject.heads()
    assert heads == ["embed", "l0h0", "l0h1", "unembed"]
    assert len(examination.of("rho")) == 3 * 2 * len(heads)
    for reading in examination.readings:
        assert reading.provenance is not None
        assert reading.provenance.weights == examination.subject.series.at(reading.provenance.step).digest


def test_llc_is_the_mean_energy_of_the_stored_draws(examination: Examination) -> None:
    for reading in examination.of("llc"):
        assert reading.provenance is not None
        units = chains(examination.subject, examination.subject.series.at(reading.provenance.step), SETTINGS, "full")
        rows = np.stack([examination.draws.array(u, "rows") for u in units])
        assert reading.value == pytest.approx(SETTINGS.n_beta * rows[:, 30:].mean(), rel=1e-6)


def test_behaviours_agree_with_the_model_itself(examination: Examination) -> None:
    subject = examination.subject
    for reading in examination.of("behaviour"):
        assert reading.provenance is not None
        model = subject.series.model(subject.series.at(reading.provenance.step))
        probe = subject.library[reading.coordinates["probe"]]
        tokens = torch.tensor(probe.inputs)
        with torch.no_grad():
            if probe.metric == "loss":
                scores = language_model_loss(model, tokens)
            else:
                scores = (model(tokens)[:, :-1].argmax(-1) == tokens[:, 1:]).float()
        expected = scores[torch.tensor(probe.scored[:, 1:])].mean().item()
        assert reading.value == pytest.approx(expected, abs=1e-6)


def test_susceptibility_is_the_formula_on_the_stored_draws(examination: Examination) -> None:
    step = sorted({r.provenance.step for r in examination.of("rho") if r.provenance})[-1]
    found = next(
        r
        for r in examination.of("covariance")
        if r.provenance and r.provenance.step == step and r.coordinates["component"] == "l0h1"
    )
    units = chains(examination.subject, examination.subject.series.at(step), SETTINGS, "l0h1")
    data = np.concatenate([examination.draws.array(u, "observed_data").mean(1) for u in units])
    for i, name in enumerate(examination.subject.library.probes):
        probe = np.concatenate([examination.draws.array(u, f"observed_{name}").mean(1) for u in units])
        assert np.asarray(found.value)[i] == pytest.approx(-np.cov(data, probe - data)[0, 1], rel=1e-6, abs=1e-12)


def test_unloaded_draws_have_the_energy_of_the_loaded_ones(examination: Examination) -> None:
    step = examination.subject.series.steps[-1]
    energy: dict[tuple[str, str], list[float]] = {}
    for unit in examination.draws.units.values():
        if unit.kind != "reference" and unit.observed and unit.step == step:
            value = examination.draws.array(unit, "observed_data").mean()
            energy.setdefault((unit.component, unit.kind), []).append(float(value))
    for component in ("full", "l0h0", "unembed"):
        loaded, unloaded = (np.mean(energy[component, kind]) for kind in ("loaded", "unloaded"))
        assert unloaded == pytest.approx(loaded, rel=0.25)


def test_a_second_run_computes_nothing_and_reads_the_same(examination: Examination, library: Library) -> None:
    before = {p: p.stat().st_mtime_ns for p in (examination.store.path / "units").rglob("*")}
    told: list[object] = []
    again = examine(
        examination.subject.series, library, examination.store.path, settings=SETTINGS, on_progress=told.append
    )
    assert not told
    assert before == {p: p.stat().st_mtime_ns for p in (examination.store.path / "units").rglob("*")}
    assert [r.value for r in again.of("llc")] == [r.value for r in examination.of("llc")]


def test_more_workers_store_the_same_bytes(tiny_folder: Path, library: Library, tmp_path: Path) -> None:
    devices = (LLC(), Susceptibilities((150,), ("l0h0",)))
    small = replace(SETTINGS, num_draws=6, num_burnin_steps=4)
    for workers in (1, 2):
        examine(
            Series.from_folder(tiny_folder),
            library,
            tmp_path / str(workers),
            settings=small,
            devices=devices,
            num_workers=workers,
        )
    one, two = tree(tmp_path / "1"), tree(tmp_path / "2")
    assert one.keys() == two.keys()
    assert one == two


def test_more_chains_and_checkpoints_extend_a_store(tiny_folder: Path, library: Library, tmp_path: Path) -> None:
    series = Series.from_folder(tiny_folder)
    small = replace(SETTINGS, num_chains=2, num_draws=5, num_burnin_steps=2)
    first = replace(series, checkpoints=series.checkpoints[-1:])
    examine(first, library, tmp_path / "s", settings=small, devices=(LLC(),))
    before = tree(tmp_path / "s")
    examine(series, library, tmp_path / "s", settings=replace(small, num_chains=3), devices=(LLC(),))
    after = tree(tmp_path / "s")
    assert before.items() <= after.items()
    assert [sum(name.endswith("/complete") for name in t) for t in (before, after)] == [2, 3 * len(series)]


def test_exploding_chains_are_a_verdict_and_no_number(tiny_series: Series, library: Library, tmp_path: Path) -> None:
    hot = replace(SETTINGS, lr=50.0, localization=1e-3, num_draws=10)
    found = examine(tiny_series, library, tmp_path / "s", settings=hot, devices=(LLC(), Behaviours()))
    for reading in found.of("llc"):
        assert reading.verdict is Verdict.DIVERGED
        assert np.isnan(reading.value)
        assert reading.reasons
    assert all(row["mean"] is None for row in document(found)["llc"])


def test_a_store_made_for_other_weights_or_probes_is_refused(
    examination: Examination, tiny_folder: Path, library: Library
) -> None:
    series = examination.subject.series
    swapped = [(c.step, other.load()) for c, other in zip(series, reversed(series.checkpoints), strict=True)]
    other = Series.from_state_dicts(swapped, series.make_model)
    with pytest.raises(ZeemanError, match="made for another checkpoint"):
        examine(other, library, examination.store.path, settings=SETTINGS)
    with pytest.raises(ZeemanError, match="made for another probe"):
        examine(series, tiny_library(1), examination.store.path, settings=SETTINGS)


def test_two_processes_on_one_store_are_kept_apart(examination: Examination, library: Library) -> None:
    with examination.store.locked(), pytest.raises(ZeemanError, match="another process"):
        examine(examination.subject.series, library, examination.store.path, settings=SETTINGS)


def test_a_device_of_ones_own_takes_ten_lines(tiny_series: Series, library: Library, tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Distance:
        name: str = "distance"

        def units(self, subject: Subject, settings: SamplerSettings) -> list:
            return [u for c in subject.series for u in chains(subject, c, settings, "full")]

        def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
            far = [draws.array(u, "distance")[-1] for u in self.units(subject, settings)]
            return [Reading("distance", float(np.mean(far)), float(np.std(far)), Verdict.OK)]

    found = examine(
        tiny_series, library, tmp_path / "s", settings=replace(SETTINGS, num_draws=5), devices=(Distance(),)
    )
    parameters = sum(p.numel() for p in tiny_series.make_model().parameters())
    # Settled chains are √(d/γ) away in the directions that the loss leaves free.
    assert 0.3 < found.readings[0].value / (parameters / SETTINGS.localization) ** 0.5 < 1.2


def test_the_plan_counts_what_is_run(examination: Examination) -> None:
    cost = plan(examination.subject, SETTINGS)
    assert cost.units == len(planned_units(examination.subject, SETTINGS)) == len(examination.draws.units)
    stored = sum(len(content) for name, content in tree(examination.store.path).items() if "/c/" in name)
    assert 0.5 * cost.bytes < stored < 1.1 * cost.bytes
    assert 0 < cost.seconds < 600


@pytest.mark.filterwarnings("ignore:Object at .* is not recognized as a component of a Zarr hierarchy")
def test_the_store_opens_as_a_datatree(examination: Examination) -> None:
    unit = next(u for u in examination.draws.units.values() if u.kind == "loaded" and u.observed)
    with xarray.open_datatree(examination.store.path, engine="zarr", consolidated=False) as opened:
        node = opened[f"units/{unit.key}"]
        assert node["observed_data"].dims[0] == "draw"
        assert node.attrs["component"] == unit.component
        np.testing.assert_array_equal(node["rows"].values, examination.draws.array(unit, "rows").astype(np.float32))


def test_the_document_is_plain_json_and_repeats_the_readings(examination: Examination) -> None:
    content = json.loads(json.dumps(document(examination), allow_nan=False))
    assert [row["mean"] for row in content["llc"]] == [r.value for r in examination.of("llc")]
    assert content["provenance"]["sampler"]["n_beta"] == SETTINGS.n_beta
    assert len(content["susceptibility"]) == 6
    assert all(len(m["rho"]) == len(m["components"]) == 4 for m in content["susceptibility"])


@pytest.mark.parametrize(("q", "said"), [(0.3, "none beyond chance"), (0.01, "1 beyond chance")])
def test_changes_of_behaviour_are_told_with_their_chance(examination: Examination, q: float, said: str) -> None:
    probe = next(iter(examination.subject.library.probes))
    pulse = Pulse(20, 60, (20, 60), 30.0, -1.0, 0.1, 9.0, 1.0)
    match = Match(-1.0, 0.1, 0.004, q)
    change = Transition((20, 60), 30.0, {probe: pulse}, (), flagged=False, matches={probe: match})
    content = document(replace(examination, behaviour_changes=(change,)))
    assert f"1 more in behaviour alone, {said} (q < 0.05)" in content["headline"][0]
    (row,) = content["behaviour_changes"]
    assert f"{probe} (p 0.004, q {q:g})" in row["summary"]
    assert row["matches"][probe]["q_value"] == q


@pytest.mark.parametrize("chance", [None, 0.5, 0.99])
def test_a_share_is_learned_only_beyond_the_chance_of_its_probe(examination: Examination, chance: float | None) -> None:
    subject = examination.subject
    probes = [replace(p, chance=chance) if p.name == "late" else p for p in subject.library]
    told = replace(subject, library=Library.from_probes("told", subject.library.data, probes))
    pulse = Pulse(20, 150, (20, 150), 60.0, 0.7, 0.1, 9.0, 1.0)
    change = Transition(
        (20, 150), 60.0, {"late": pulse}, (), flagged=False, matches={"late": Match(0.7, 0.1, 0.01, 0.1)}
    )
    content = document(replace(examination, subject=told, transitions=(change,)))
    (row,) = content["transitions"][0]["probes"]
    error = {
        r.provenance.step: r.standard_error for r in examination.of("behaviour") if r.coordinates["probe"] == "late"
    }
    beyond = chance is None or row["after"] - chance > 3 * error[150]
    assert row["word"] == ("learned" if beyond else "rose to chance")
    assert row["chance"] == chance
    assert content["transitions"][0]["summary"].endswith(f" {row['word']}; order: not asked.")


def test_the_user_sees_no_side_effects(tiny_series: Series, library: Library, tmp_path: Path) -> None:
    model = tiny_series.make_model().train()
    series = replace(tiny_series, make_model=lambda: model)
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the global generator is what must stay untouched
    state, numpy_state, threads = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    examine(series, library, tmp_path / "s", settings=replace(SETTINGS, num_draws=3), devices=(LLC(), Behaviours()))
    assert torch.equal(state, torch.get_rng_state())
    assert (numpy_state == np.random.get_state()[1]).all()  # noqa: NPY002
    assert threads == torch.get_num_threads()


@pytest.mark.parametrize("method", ["preconditioned_sgld", "baoab", "mala", "hmc"])
def test_every_method_examines(tiny_folder: Path, library: Library, tmp_path: Path, method: str) -> None:
    size = len(library.data.inputs) if method in ("mala", "hmc") else 16
    settings = replace(SETTINGS, method=method, num_draws=6, num_burnin_steps=8, batch_size=size)
    subject, store = Subject(Series.from_folder(tiny_folder), library, language_model_loss), Store(tmp_path / "store")
    unit = chains(subject, subject.series.at(150), settings, "full")[0]
    run_unit(subject, store, unit)
    assert np.isfinite(store.unit(unit).array("rows")).all()


def test_a_metropolis_correction_of_a_minibatch_is_refused(tiny_folder: Path, library: Library, tmp_path: Path) -> None:
    settings = replace(SETTINGS, method="mala")
    with pytest.raises(ZeemanError, match="set batch_size to 48"):
        examine(Series.from_folder(tiny_folder), library, tmp_path, settings=settings, devices=(LLC(),))


def test_a_component_that_the_loss_does_not_see_is_refused_before_anything_is_written(
    tiny_folder: Path, library: Library, tmp_path: Path
) -> None:
    def loss(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
        return language_model_loss(model, tokens).detach()

    with pytest.raises(ZeemanError, match="no weight of the component embed reaches the loss"):
        examine(Series.from_folder(tiny_folder), library, tmp_path / "store", settings=SETTINGS, loss=loss)
    assert not (tmp_path / "store").exists()
