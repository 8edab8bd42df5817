"""The heat of step size and minibatch: stored beside the draws, told with their health, and taken away where asked."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zeeman.errors import ZeemanError
from zeeman.examination import LLC, Examination, SamplerSettings, Store, Subject, document, examine
from zeeman.examination.devices import chains
from zeeman.examination.heat import at_half_the_step, without_heat
from zeeman.examination.worker import BLOCK_STEPS, run_unit
from zeeman.probes import Library
from zeeman.reading import Reading, Verdict
from zeeman.sampling import force_excess, judge, language_model_loss, run_chain
from zeeman.subjects import Series

SETTINGS = SamplerSettings(num_chains=2, num_draws=40, num_burnin_steps=75, batch_size=16, num_steps_bw_draws=2)
HEALTH = judge(np.random.default_rng(0).gamma(10.0, size=(4, 500)))


@pytest.fixture(scope="module")
def extrapolated(tiny_folder: Path, library: Library, tmp_path_factory: pytest.TempPathFactory) -> Examination:
    series = Series.from_folder(tiny_folder)
    last = replace(series, checkpoints=series.checkpoints[-2:])
    store = tmp_path_factory.mktemp("store") / "s"
    return examine(last, library, store, settings=SETTINGS, devices=(LLC(extrapolate=True),))


def test_chains_at_half_the_step_are_planned_beside_the_others(extrapolated: Examination) -> None:
    subject = extrapolated.subject
    units = LLC(extrapolate=True).units(subject, SETTINGS)
    assert set(LLC().units(subject, SETTINGS)) < set(units)
    assert len({unit.key for unit in units}) == len(units) == 2 * len(LLC().units(subject, SETTINGS))
    half = [unit for unit in units if unit.settings != SETTINGS]
    for unit in half:
        assert unit.settings is not None
        assert unit.settings.lr == SETTINGS.lr / 2
        # As far and as many draws; other noise, since the readings are to be independent.
        assert unit.schedule.num_steps == 2 * SETTINGS.schedule.num_steps
        assert unit.schedule.num_draws == SETTINGS.num_draws
        assert unit.settings.seed != SETTINGS.seed


def test_the_extrapolated_coefficient_is_read_from_both(extrapolated: Examination) -> None:
    found = extrapolated.of("llc_extrapolated")
    assert len(found) == len(extrapolated.of("llc")) == len(extrapolated.subject.series) == 2
    half = at_half_the_step(SETTINGS)
    for hot, cold in zip(extrapolated.of("llc"), found, strict=True):
        assert hot.provenance is not None
        checkpoint = extrapolated.subject.series.at(hot.provenance.step)
        units = chains(extrapolated.subject, checkpoint, half, "full")
        energy = half.n_beta * extrapolated.draws.stack(units, "rows")[:, half.num_burnin_steps :].mean()
        assert cold.value == pytest.approx(2 * energy - float(hot.value), rel=1e-6)
        assert float(cold.standard_error) > float(hot.standard_error)
        assert cold.provenance == hot.provenance


def test_the_document_shows_it_where_it_was_read(extrapolated: Examination) -> None:
    rows = json.loads(json.dumps(document(extrapolated), allow_nan=False))
    for row, reading in zip(rows["llc"], extrapolated.of("llc_extrapolated"), strict=True):
        assert row["extrapolated"] == reading.value
        assert row["extrapolated_verdict"] == reading.verdict.name.lower()
    for row in rows["health"]:
        assert len(row["traces"]) == SETTINGS.num_chains
        assert row["heat_excess"] > 0
    plain = replace(extrapolated, readings=tuple(r for r in extrapolated.readings if r.name != "llc_extrapolated"))
    assert all("extrapolated" not in row for row in document(plain)["llc"])


def test_the_heat_is_that_of_the_chains(extrapolated: Examination) -> None:
    subject = extrapolated.subject
    reading = extrapolated.of("llc")[0]
    assert reading.provenance is not None
    checkpoint = subject.series.at(reading.provenance.step)
    posterior = subject.posterior(
        checkpoint, "full", n_beta=SETTINGS.n_beta, localization=SETTINGS.localization, batch_size=SETTINGS.batch_size
    )
    heat = []
    for chain in range(SETTINGS.num_chains):
        blocks = list(
            run_chain(posterior, SETTINGS.sampler, SETTINGS.schedule, seed=0, chain=chain, block_steps=BLOCK_STEPS)
        )
        # The first block of 60 steps ends in the burn-in of 75.
        heat.append([b.heat for b in blocks[1:]])
    value, error = force_excess(np.array(heat))
    assert reading.health["heat_excess"] == pytest.approx(value, rel=1e-4)
    assert reading.health["heat_excess_se"] == pytest.approx(error, rel=1e-3)
    assert "acceptance" not in reading.health


def test_units_without_heat_are_read_as_they_are(extrapolated: Examination, library: Library, tmp_path: Path) -> None:
    shutil.copytree(extrapolated.store.path, tmp_path / "s")
    for path in (tmp_path / "s" / "units").glob("*/heat"):
        shutil.rmtree(path)
    told: list[object] = []
    found = examine(
        extrapolated.subject.series, library, tmp_path / "s", settings=SETTINGS, devices=(LLC(),),
        on_progress=told.append,
    )  # fmt: skip
    assert not told
    assert [r.value for r in found.of("llc")] == [r.value for r in extrapolated.of("llc")]
    assert all("heat_excess" not in r.health and "heating" in r.health for r in found.of("llc"))


def test_a_unit_begun_without_heat_is_finished_without(tiny_folder: Path, library: Library, tmp_path: Path) -> None:
    subject, store = Subject(Series.from_folder(tiny_folder), library, language_model_loss), Store(tmp_path / "s")
    unit = chains(subject, subject.series.at(150), SETTINGS, "full")[0]
    steps = SETTINGS.schedule.num_steps
    shapes = {"rows": (steps, 16), "distance": (3,), "virial": (3,)}
    store.unit(unit).prepare(unit, shapes, dict.fromkeys(shapes, 60))
    posterior = subject.posterior(
        subject.series.at(150), "full", n_beta=SETTINGS.n_beta, localization=SETTINGS.localization, batch_size=16
    )
    blocks = run_chain(posterior, SETTINGS.sampler, SETTINGS.schedule, seed=0, chain=0, block_steps=BLOCK_STEPS)
    first = next(blocks)
    store.unit(unit).write(first, dict.fromkeys((*shapes, "heat"), 0))
    run_unit(subject, store, unit)
    assert store.unit(unit).complete
    assert not store.unit(unit).holds("heat")
    rest = np.concatenate([first.rows, *(block.rows for block in blocks)])
    assert np.array_equal(store.unit(unit).array("rows"), rest)


def test_exact_methods_tell_how_often_they_accept(tiny_series: Series, library: Library, tmp_path: Path) -> None:
    settings = replace(SETTINGS, method="mala", num_draws=5, num_burnin_steps=60, batch_size=48, lr=1e-3)
    one = replace(tiny_series, checkpoints=tiny_series.checkpoints[-1:])
    found = examine(one, library, tmp_path / "s", settings=settings, devices=(LLC(),))
    figures = found.of("llc")[0].health
    assert 0 < figures["acceptance"] <= 1
    assert "heat_excess" not in figures
    with pytest.raises(ZeemanError, match="exact method mala"):
        examine(one, library, tmp_path / "t", settings=settings, devices=(LLC(extrapolate=True),))
    assert not (tmp_path / "t").exists()


def test_what_can_not_be_trusted_is_not_extrapolated_into_trust() -> None:
    good, bad = Reading("llc", 10.0, 0.1, Verdict.OK), Reading("llc", 10.5, 0.1, Verdict.NOT_MIXED, ("why",))
    assert without_heat([good, bad], [2e-3, 1e-3], HEALTH).verdict is Verdict.NOT_MIXED
    assert without_heat([bad, good], [2e-3, 1e-3], HEALTH).reasons == ("why",)
    lost = Reading("llc", math.nan, math.nan, Verdict.DIVERGED)
    found = without_heat([good, lost], [2e-3, 1e-3], HEALTH)
    assert math.isnan(float(found.value))
    assert found.verdict is Verdict.DIVERGED
