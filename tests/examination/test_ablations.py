"""Ablations of an examination are those of the model, and heads that were made to look back are seen to."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray
from tests.tiny import tiny_library

from zeeman.errors import ZeemanError
from zeeman.examination import LLC, Examination, Store, Subject, examine, plan
from zeeman.examination.ablations import Ablations
from zeeman.examination.subject import DATA
from zeeman.examination.unit import SamplerSettings
from zeeman.sampling import mean_ablation, path_patching
from zeeman.subjects import Series

QUICK = SamplerSettings(num_chains=2, num_draws=4, num_burnin_steps=4)


@pytest.fixture(scope="module")
def ablated(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Examination:
    folder = tmp_path_factory.mktemp("ablations") / "store"
    return examine(Series.from_folder(tiny_folder), tiny_library(), folder, settings=QUICK, devices=[Ablations((150,))])


def test_readings_are_the_means_of_what_ablation_does_to_the_model(ablated: Examination) -> None:
    subject = ablated.subject
    model, sites = subject.model(subject.series.at(150)), subject.sites()
    reference = subject.observable(DATA).batch
    assert len(ablated.of("ablation")) == 3
    for reading in ablated.of("ablation"):
        direct = mean_ablation(model, subject.observable(reading.coordinates["probe"]), sites, reference=reference)
        assert reading.coordinates["components"] == sites
        np.testing.assert_allclose(reading.value, direct.effects.mean(axis=1), rtol=1e-5, atol=1e-6)
        assert (reading.standard_error > 0).all()


def test_direct_effects_are_those_of_paths_to_the_logits(ablated: Examination) -> None:
    subject = ablated.subject
    model, sites = subject.model(subject.series.at(150)), subject.sites()
    reference = subject.observable(DATA).batch
    assert len(ablated.of("ablation_direct")) == 3
    for reading in ablated.of("ablation_direct"):
        item = subject.observable(reading.coordinates["probe"])
        paths = path_patching(model, item, sites, reference=reference)
        np.testing.assert_allclose(reading.value, paths.effects.mean(axis=1), rtol=1e-5, atol=1e-6)
        # What comes last in the stream has no other way than the direct one.
        last = [i for i, name in enumerate(sites) if name.startswith("l0")]
        whole = mean_ablation(model, item, sites, reference=reference).effects.mean(axis=1)
        np.testing.assert_allclose(np.asarray(reading.value)[last], whole[last], rtol=1e-4, atol=1e-5)


def test_heads_have_attention_scores_with_errors(ablated: Examination) -> None:
    for kind in ("previous", "induction"):
        (reading,) = ablated.of(f"attention_{kind}")
        assert len(reading.value) == len(reading.coordinates["components"])
        assert ((reading.value >= 0) & (reading.value <= 1)).all()
        assert 0 < reading.coordinates["chance"] < 1


@pytest.mark.filterwarnings("ignore:Object at .* is not recognized as a component of a Zarr hierarchy")
def test_the_store_opens_with_names_and_is_read_again_without_a_run(ablated: Examination, tiny_folder: Path) -> None:
    with xarray.open_datatree(ablated.store.path, engine="zarr", consolidated=False) as tree:
        (unit,) = tree["units"].children.values()
        assert unit["ablated_count"].dims == ("component", "token_count")
    before = sorted(ablated.store.path.glob("units/*"))
    again = examine(
        Series.from_folder(tiny_folder), tiny_library(), ablated.store.path, settings=QUICK, devices=[Ablations((150,))]
    )
    assert sorted(ablated.store.path.glob("units/*")) == before
    np.testing.assert_array_equal(again.of("ablation")[0].value, ablated.of("ablation")[0].value)


def test_ablations_are_counted_in_a_plan(tiny_folder: Path) -> None:
    subject = Subject(Series.from_folder(tiny_folder), tiny_library())
    without = plan(subject, QUICK, devices=[LLC()]).forward_rows
    assert plan(subject, QUICK, devices=[LLC(), Ablations((150,))]).forward_rows == without + 24 * (
        3 * len(subject.sites()) + 1
    )


def test_without_steps_they_are_read_where_susceptibilities_are(tiny_folder: Path, tmp_path: Path) -> None:
    found = examine(
        Series.from_folder(tiny_folder), tiny_library(), tmp_path / "s", settings=QUICK, devices=[Ablations()]
    )
    steps = {reading.provenance.step for reading in found.of("ablation") if reading.provenance}
    assert len(steps) == 3
    assert steps <= set(found.subject.series.steps)


def test_a_damaged_array_is_named(ablated: Examination, tmp_path: Path) -> None:
    shutil.copytree(ablated.store.path, tmp_path / "torn")
    chunk = next(file for file in (tmp_path / "torn/units").glob("*/ablated_count/c/**/*") if file.is_file())
    chunk.write_bytes(chunk.read_bytes()[:20])
    (unit,) = ablated.draws.units.values()
    with pytest.raises(ZeemanError, match=f"ablated_count.*{unit.key}.*damaged.*fsck"):
        Store.open(tmp_path / "torn").unit(unit).array("ablated_count")
