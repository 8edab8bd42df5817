"""Bands along nβ: planted on some rungs of a ladder, reweighted from unloaded draws, judged by what carries them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from examination.test_bands import COMPONENTS, SETTINGS, TOKENS, chains_of, planted_library, planted_store, write_unit
from zeeman.errors import ZeemanError
from zeeman.examination import Bands, Store, Unit, response_matrix, stored_bands
from zeeman.examination.band_document import bands_document
from zeeman.examination.document import finite
from zeeman.reading import Reading, Verdict
from zeeman.spectra import importance_weights

RUNGS = (4.0, 10.0, 100.0, 1000.0)


def add_rungs(store: Store) -> None:
    """Loaded chains on which p0 and p1 part at every nβ, and p2 parts from both at the coldest alone."""
    library = planted_library()
    observed = tuple(sorted({"data": "d", **{p.name: p.digest for p in library}}.items()))
    rng = np.random.default_rng(4)
    for n_beta in RUNGS:
        settings = replace(SETTINGS, n_beta=n_beta, lr=SETTINGS.lr * min(1.0, 100 / n_beta))
        pattern = np.array([(1, -1, -1), (-1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, 1, 1)], float)
        if n_beta > 500:
            pattern[:, 2] = (1, 1, -1, -1, 1)
        for c, component in enumerate(COMPONENTS):
            for chain in range(settings.num_chains):
                unit = Unit("loaded", 10, "10", component, chain, settings, observed=observed)
                z = rng.standard_normal((settings.num_draws, 1))
                arrays = {"observed_data": np.repeat((5 + z) / n_beta, 8, axis=1)}
                for i, probe in enumerate(library):
                    noise = rng.standard_normal((settings.num_draws, TOKENS))
                    arrays[f"observed_{probe.name}"] = (5 + z - pattern[c, i] * z + noise) / n_beta
                write_unit(store, unit, arrays)


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> list[Reading]:
    store = planted_store(tmp_path_factory.mktemp("ladder") / "examination", planted_library(), (10,), strength=1.0)
    add_rungs(store)
    return stored_bands(store, planted_library())


def test_a_band_that_parts_at_one_rung_is_born_there(readings: list[Reading]) -> None:
    ladders = [r for r in readings if r.name == "band_ladder" and r.coordinates["loading"] == "loaded"]
    born = {tuple(r.coordinates["n_betas"]): r.coordinates["birth"] for r in ladders}
    assert sorted(tuple(r.coordinates["n_betas"]) for r in ladders) == [RUNGS, RUNGS, (1000.0,)]
    assert born[1000.0,] == "split"
    (whole,) = (r for r in ladders if r.coordinates["n_betas"] == [1000.0])
    parent = next(r for r in ladders if r.coordinates["id"] == whole.coordinates["parent"])
    assert parent.coordinates["birth"] == "start"


def test_the_path_along_steps_takes_one_rung(readings: list[Reading]) -> None:
    bands = [r for r in readings if r.name == "band"]
    on_steps = {
        (r.coordinates["loading"], r.coordinates["n_beta"]) for r in bands if r.coordinates["track"] is not None
    }
    assert on_steps == {("unloaded", 0.0), ("loaded", 100.0)}
    loadings = {(r.coordinates["loading"], r.coordinates["n_beta"]) for r in readings if r.name == "band_agreement"}
    assert loadings == {("unloaded", 0.0)} | {(kind, n_beta) for kind in ("loaded", "reweighted") for n_beta in RUNGS}


def test_weights_that_carry_too_far_are_a_verdict_and_no_band(readings: list[Reading]) -> None:
    """nβ ΔL spreads by .2 at 10 and by 20 at 1000."""
    agreed = {r.coordinates["n_beta"]: r for r in readings
              if r.name == "band_agreement" and r.coordinates["loading"] == "reweighted"}  # fmt: skip
    assert agreed[10.0].verdict is Verdict.OK
    assert agreed[1000.0].verdict is Verdict.REWEIGHTED_TOO_FAR
    assert "reweighted to n_beta 1000" in agreed[1000.0].reasons[0]
    ladders = [r.coordinates for r in readings if r.name == "band_ladder" and r.coordinates["loading"] == "reweighted"]
    assert all(max(one["n_betas"]) < 1000 and one["death"] == "end" for one in ladders)


def test_reweighted_response_is_the_weighted_correlation(tmp_path: Path) -> None:
    store = planted_store(tmp_path / "examination", planted_library(), (10,), strength=1.0)
    draws, chains = chains_of(store)
    matrix = response_matrix(draws, planted_library(), chains, 20.0)
    assert matrix.place == (10, "reweighted", 20.0)
    phi = draws.stack(chains["l0h0"], "observed_data").mean(axis=-1)
    losses = draws.stack(chains["l0h0"], "observed_p1")[..., 7] - phi
    weights = importance_weights(phi, 20.0).weights.ravel()
    cov = np.cov(phi.ravel(), losses.ravel(), aweights=weights)
    assert matrix.rho[1, TOKENS + 7] == pytest.approx(-cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]), abs=1e-6)


def test_the_document_names_the_paths(readings: list[Reading]) -> None:
    found = finite(bands_document(readings, planted_library())) or {}
    assert {one["loading"] for one in found["ladders"]} == {"loaded", "reweighted"}
    assert all(one["name"] != "unnamed" for one in found["ladders"] if one["loading"] == "loaded")
    assert [one["places"] is None for one in found["maps"]] == [one["aside"] for one in found["maps"]]


def test_a_band_is_doubtful_where_a_component_that_carries_it_is(tmp_path: Path) -> None:
    """One component whose chains do not agree, and to which all tokens answer alike, leaves the bands as they are."""
    store = planted_store(tmp_path / "examination", planted_library(), (10,), strength=1.0)
    rng = np.random.default_rng(6)
    observed = tuple(sorted({"data": "d", **{p.name: p.digest for p in planted_library()}}.items()))
    for chain in range(SETTINGS.num_chains):
        unit = Unit("unloaded", 10, "10", "l1h0", chain, SETTINGS, observed=observed)
        phi = 0.02 + 0.01 * chain + 0.0001 * rng.standard_normal((SETTINGS.num_draws, 1))
        arrays = {"observed_data": np.repeat(phi, 8, axis=1)}
        for probe in planted_library():
            arrays[f"observed_{probe.name}"] = phi + 0.5 * rng.standard_normal((SETTINGS.num_draws, TOKENS))
        write_unit(store, unit, arrays)
    readings = stored_bands(store, planted_library())
    (modes,) = (r for r in readings if r.name == "band_modes")
    bands = [r for r in readings if r.name == "band"]
    assert modes.verdict is Verdict.NOT_MIXED
    assert len(bands) == 3
    assert {band.verdict for band in bands} == {Verdict.OK}


@pytest.mark.parametrize("rungs", [(1.0,), (0.0, 2.0), (0.5, 0.5), (float("nan"),)])
def test_rungs_that_make_no_ladder_are_refused(rungs: tuple[float, ...]) -> None:
    with pytest.raises(ZeemanError, match="positive multiples"):
        Bands(rungs=rungs)
