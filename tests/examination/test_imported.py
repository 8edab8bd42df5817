"""A real store of devinterp 2.0.1, made by benchmarks/peers/devinterp_store.py, and copies of it with faults."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from zeeman.cli.app import app
from zeeman.errors import ZeemanError
from zeeman.examination import import_devinterp
from zeeman.reading import Reading, Verdict

MADE = Path(__file__).parent / "devinterp"
READ = json.loads((MADE / "read.json").read_text())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MADE / "store.zarr", tmp_path / "store.zarr"))


def changed(store: Path, **settings: Any) -> Path:
    group = zarr.open_group(str(store), mode="r+")
    metadata: Any = group.attrs["metadata"]
    metadata["config"]["sampler"] |= settings
    group.attrs["metadata"] = metadata
    return store


def array(store: Path, name: str) -> Any:
    return zarr.open_array(str(store / name), mode="r+")


def one(readings: list[Reading], name: str, **places: str) -> Reading:
    return next(r for r in readings if r.name == name and r.coordinates == places)


def test_the_steps_after_the_burn_in_are_read_and_with_it_what_devinterp_reads(store: Path) -> None:
    found = one(import_devinterp(store), "llc")
    micro = array(store, "sampling_loss_micro")[:].astype(np.float64)
    assert found.value == pytest.approx(30 * (micro[:, 30:].mean() - READ["init_loss"]), rel=1e-6)
    with_burn_in = one(import_devinterp(changed(store, num_burnin_steps=0)), "llc")
    assert with_burn_in.value == pytest.approx(READ["llc_mean"], rel=1e-6)
    assert abs(float(found.value) - float(with_burn_in.value)) > 2


def test_the_error_is_that_of_chains_and_of_the_reference(store: Path) -> None:
    found = one(import_devinterp(store), "llc")
    rows = array(store, "sampling_loss_micro")[:, 30:].mean(axis=-1)
    spread = math.sqrt(rows.var(axis=2, ddof=1).mean())
    assert float(found.standard_error) > 30 * spread / math.sqrt(64 * 4)
    fewer = one(import_devinterp(changed(store, num_init_loss_batches=4)), "llc")
    added = fewer.standard_error**2 - found.standard_error**2
    assert added == pytest.approx((30 * spread) ** 2 * (1 / 16 - 1 / 256), rel=1e-4)


def test_influences_are_minus_the_covariances_of_observables(store: Path) -> None:
    found = import_devinterp(store)
    means = {name: array(store, f"loss_{name}")[:].astype(np.float64).mean(axis=(2, 3)) for name in ("same", "noise")}
    apart = {name: values - values.mean() for name, values in means.items()}
    for first, second in (("same", "same"), ("same", "noise"), ("noise", "noise")):
        expected = -(apart[first] * apart[second]).mean()
        assert one(found, "influence", first=first, second=second).value == pytest.approx(expected, rel=0.02)


def test_it_says_what_was_not_kept_and_where_it_comes_from(store: Path) -> None:
    found = import_devinterp(store)
    assert {r.verdict for r in found} == {Verdict.UNVOUCHED}
    assert not found[0].verdict.trusted
    assert "all chains saw the same minibatches" in "; ".join(found[0].reasons)
    source = found[0].provenance
    assert source
    assert (source.step, source.weights, source.settings["lr"], source.settings["store"]) == (
        -1,
        "",
        1e-3,
        "store.zarr",
    )
    digests = set(source.probes.values())
    assert source.probes.keys() == {"same", "noise"}
    array(store, "input_ids_same")[0, 0] = 5
    assert len(digests - set(import_devinterp(store)[0].provenance.probes.values())) == 1  # type: ignore[union-attr]


def test_a_chain_that_diverged_gives_no_number(store: Path) -> None:
    """devinterp marks such a store complete and averages what came before."""
    array(store, "sampling_loss_micro")[1, 60:] = np.nan
    found = import_devinterp(store)
    assert {r.verdict for r in found} == {Verdict.DIVERGED}
    assert all(math.isnan(float(r.value)) for r in found)


def test_of_an_interrupted_run_whole_chains_are_read(store: Path) -> None:
    group = zarr.open_group(str(store), mode="r+")
    del group.attrs["completed"]
    for name in ("sampling_loss_micro", "loss_same", "loss_noise"):
        array(store, name)[2, 20:] = np.nan
    array(store, "sampling_input_ids_micro")[2, 20:] = 0
    found = import_devinterp(store)
    assert found[0].verdict is not Verdict.DIVERGED
    assert "2 of 3 chains came to their end" in found[0].reasons
    array(store, "sampling_input_ids_micro")[:, 20:] = 0
    with pytest.raises(ZeemanError, match=r"no chain of .* came to its end"):
        import_devinterp(store)


def test_chains_that_are_copies_are_told(store: Path) -> None:
    losses = array(store, "sampling_loss_micro")
    losses[1] = losses[0]
    assert one(import_devinterp(store), "llc").verdict is Verdict.COPIED_CHAINS


@pytest.mark.parametrize("name", ["nothing", "store.zarr/init_loss", "other"])
def test_what_is_no_such_store_is_said(store: Path, name: str) -> None:
    zarr.create_group(str(store.parent / "other"), attributes={"metadata": 3})
    with pytest.raises(ZeemanError, match="expected the Zarr folder that sample of devinterp 2 wrote"):
        import_devinterp(store.parent / name)


def test_the_command_shows_readings_and_where_they_come_from(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app(["import", "devinterp", str(store)], result_action="return_value")
    assert "unvouched" in capsys.readouterr().out
    app(["import", "devinterp", str(store), "--json"], result_action="return_value")
    told = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in told["readings"]] == ["llc", "llc_variance", "influence", "influence", "influence"]
    assert told["provenance"]["settings"]["n_beta"] == 30.0
