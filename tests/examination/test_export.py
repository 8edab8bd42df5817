"""What is exported is what the store holds, in the layout that ArviZ reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray
from arviz_stats.base import array_stats

from zeeman.errors import ZeemanError
from zeeman.examination import (
    LLC,
    Examination,
    SamplerSettings,
    Store,
    Susceptibilities,
    examine,
    export_arviz,
    to_arviz,
)
from zeeman.examination.devices import chains
from zeeman.probes import Library
from zeeman.subjects import Series

SETTINGS = SamplerSettings(num_chains=2, num_draws=6, num_burnin_steps=4, num_steps_bw_draws=2, batch_size=8)


@pytest.fixture(scope="module")
def examination(tiny_folder: Path, library: Library, tmp_path_factory: pytest.TempPathFactory) -> Examination:
    series = Series.from_folder(tiny_folder)
    two = replace(series, checkpoints=series.checkpoints[-2:])
    devices = (LLC(), Susceptibilities((150,), ("l0h0",)))
    return examine(two, library, tmp_path_factory.mktemp("export") / "s", settings=SETTINGS, devices=devices)


def test_draws_are_exported_as_they_stand(examination: Examination, tmp_path: Path) -> None:
    export_arviz(examination.store, tmp_path / "draws.zarr")
    with xarray.open_datatree(tmp_path / "draws.zarr", engine="zarr") as tree:
        loss, stats = tree["posterior/loss"].load(), tree["sample_stats"].to_dataset().load()
        assert tree.attrs["creation_library"] == "zeeman"
    assert loss.dims == ("chain", "draw", "walk", "probe")
    assert loss.shape == (2, 6, 4, 4)
    assert stats["minibatch"].dims == ("chain", "draw", "loaded")
    assert sorted(stats["loaded_step"].values.tolist()) == [60, 150, 150]
    assert not stats["diverging"].any()
    subject = examination.subject
    for unit in chains(subject, subject.series.at(150), SETTINGS, "l0h0"):
        where = {"chain": unit.chain, "walk": "step 150, l0h0, loaded, n_beta 100"}
        expected = examination.draws.array(unit, "observed_count").mean(axis=1)
        np.testing.assert_allclose(loss.sel(probe="count", **where), expected, rtol=1e-12)
        rows = examination.draws.array(unit, "rows")[[5, 7, 9, 11, 13, 15]]
        picked = stats["minibatch"].sel(chain=unit.chain, loaded=where["walk"])
        np.testing.assert_allclose(picked, rows.mean(axis=1), rtol=1e-12)
    assert float(array_stats.ess(loss.sel(probe="data", walk=where["walk"]).values)) > 0


def test_files_that_can_not_be_written_are_refused(examination: Examination, tmp_path: Path) -> None:
    for name, words in (("draws.csv", r"ends in \.zarr or \.nc"), (".", r"ends in \.zarr")):
        with pytest.raises(ZeemanError, match=words):
            export_arviz(examination.store, tmp_path / name)
    (tmp_path / "there.zarr").mkdir()
    with pytest.raises(ZeemanError, match="exists"):
        export_arviz(examination.store, tmp_path / "there.zarr")
    with pytest.raises(ZeemanError, match="no two chains"):
        to_arviz(Store(tmp_path / "empty"))
