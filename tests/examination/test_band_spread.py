"""Bands by how far losses move: planted and found, blind to how loud a token is, and absent where only noise is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from examination.test_bands import COMPONENTS, SETTINGS, TOKENS, claimed_store, planted_library, write_unit
from zeeman.bands import adjusted_rand_index
from zeeman.cli.bands import bands as show
from zeeman.examination import Store, Unit, stored_bands
from zeeman.probes import Library
from zeeman.reading import Reading

LEAN = np.array([(0.3, -0.3, 0.0), (-0.3, 0.3, 0.0), (0.0, -0.3, 0.3), (0.0, 0.3, -0.3), (0.0, 0.0, 0.0)])
"""By how much the log spread of each probe's losses under a component is above that of the mean component."""
COUNT = 3 * TOKENS


def store_of_spreads(folder: Path, library: Library, lean: np.ndarray, shared: float, steps: int, seed: int) -> Store:
    """Losses of tokens a hundredfold as loud as others; ``shared`` of the draws move many tokens at once."""
    taken = range(10, 10 + steps)
    store, observed = claimed_store(folder, library, taken)
    rng = np.random.default_rng(seed)
    for step in taken:
        loud, patterns = 0.1 * np.exp(1.5 * rng.standard_normal(COUNT)), rng.standard_normal((3, COUNT))
        for c, component in enumerate(COMPONENTS):
            for chain in range(SETTINGS.num_chains):
                unit = Unit("unloaded", step, str(step), component, chain, SETTINGS, observed=observed)
                moved = shared * rng.standard_normal((SETTINGS.num_draws, 3)) @ patterns
                moved += rng.standard_normal(moved.shape)
                losses = loud * np.exp(np.repeat(lean[c], TOKENS)) * moved
                arrays = {"observed_data": np.repeat(losses.mean(axis=1)[:, None], 8, axis=1)}
                parts = np.split(losses, len(library), axis=1)
                arrays |= {f"observed_{probe.name}": part for probe, part in zip(library, parts, strict=True)}
                write_unit(store, unit, arrays)
    return store


@pytest.fixture(scope="module")
def library() -> Library:
    return planted_library()


@pytest.fixture(scope="module")
def store(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store_of_spreads(tmp_path_factory.mktemp("spreads") / "examination", library, LEAN, 1.0, 1, 7)


@pytest.fixture(scope="module")
def readings(store: Store, library: Library) -> list[Reading]:
    return stored_bands(store, library, "spread")


def test_what_tokens_lean_on_is_found_with_its_strength_and_error(readings: list[Reading]) -> None:
    (agreed,) = (r for r in readings if r.name == "band_agreement")
    assert adjusted_rand_index(np.repeat(np.arange(3), TOKENS), agreed.coordinates["labels"]) > 0.95
    assert float(agreed.value) > 0.8
    assert all(value > 0.8 for value, _ in agreed.coordinates["stability"].values())
    bands = [r for r in readings if r.name == "band"]
    assert len(bands) == 3
    deviations = []
    for band in bands:
        where = band.coordinates
        probe = max(where["probes"], key=where["probes"].get)
        truth = LEAN[:, int(probe[1])] - LEAN.mean(axis=1)
        assert where["name"].startswith(probe)
        assert where["above_null"]
        deviations += ((where["contrast"] - truth) / where["contrast_se"]).tolist()
        assert float(band.value) == pytest.approx(np.sqrt((truth**2).mean()), abs=0.02)
    # A few tokens in the wrong band pull means towards each other by a hundredth.
    assert np.sqrt(np.mean(np.square(deviations))) < 3


def test_rho_does_not_see_them(store: Store, library: Library) -> None:
    (agreed,) = (r for r in stored_bands(store, library) if r.name == "band_agreement")
    assert adjusted_rand_index(np.repeat(np.arange(3), TOKENS), agreed.coordinates["labels"]) < 0.5


@pytest.mark.parametrize("shared", [0.0, 1.0, 3.0])
def test_noise_has_no_bands(shared: float, library: Library, tmp_path: Path) -> None:
    """None in 24: tokens that differ in loudness alone, whatever their losses share."""
    store = store_of_spreads(tmp_path / "examination", library, 0 * LEAN, shared, 8, int(shared))
    found = stored_bands(store, library, "spread")
    assert sum(r.name == "band_modes" for r in found) == 8
    assert not [r for r in found if r.name == "band" and r.coordinates["above_null"]]


def test_the_command_keeps_either_kind_apart(
    store: Store, library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library.to_folder(tmp_path / "probes")
    told = {}
    for statistic in ("rho", "spread", "rho"):
        show(store.path, probes=tmp_path / "probes", statistic=statistic, json=True)
        (one,) = json.loads(capsys.readouterr().out)["maps"]
        assert one["statistic"] == statistic
        told[statistic] = one
    assert len(told["spread"]["bands"]) == 3
    assert told["rho"]["bands"] != told["spread"]["bands"]
    show(store.path, probes=tmp_path / "probes", statistic="spread", out=tmp_path / "page.html")
    assert "log nats" in capsys.readouterr().out
    assert told["spread"]["bands"][0]["name"] in (tmp_path / "page.html").read_text()
