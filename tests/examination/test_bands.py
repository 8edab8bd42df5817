"""Bands planted in a store: found, named, invariant, tracked, and absent where nothing was planted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zeeman.bands import adjusted_rand_index, cluster_tokens, unite
from zeeman.cli.bands import bands as show
from zeeman.cli.bands import responding
from zeeman.console import render_report
from zeeman.errors import ZeemanError
from zeeman.examination import (
    Bands,
    SamplerSettings,
    Store,
    Unit,
    kept_bands,
    read_bands,
    response_matrix,
    stored_bands,
)
from zeeman.examination.band_document import bands_document
from zeeman.examination.band_names import describe
from zeeman.examination.device import Draws
from zeeman.examination.document import finite
from zeeman.examination.responses import Place, Tokens
from zeeman.examination.store import Manifest
from zeeman.probes import Library, Probe
from zeeman.reading import Reading, Verdict

COMPONENTS = ("embed", "l0h0", "l0h1", "l0h2", "unembed")
SETTINGS = SamplerSettings(num_chains=4, num_draws=40, num_burnin_steps=0)
ROWS, LENGTH = 6, 26
TOKENS = ROWS * (LENGTH - 1)


def planted_library() -> Library:
    """Three probes of one row of token ids each; that of the data comes fourth."""
    rng = np.random.default_rng(0)
    scored = np.ones((ROWS, LENGTH), bool)
    scored[:, 0] = False

    def probe(number: int, name: str) -> Probe:
        return Probe(name, rng.integers(20, size=(ROWS, LENGTH)) + 20 * number, scored, (f"concept of {name}",))

    return Library.from_probes("planted", probe(3, "train"), [probe(i, f"p{i}") for i in range(3)])


def write_unit(store: Store, unit: Unit, arrays: dict[str, np.ndarray]) -> None:
    held = store.unit(unit)
    arrays = arrays | {name: np.ones(1) for name in ("distance", "virial", "heat")}
    held.prepare(unit, {n: a.shape for n, a in arrays.items()}, {n: len(a) for n, a in arrays.items()})
    for name, values in arrays.items():
        held.write_array(name, values)
    held.set_attributes(num_parameters=10, localization=100.0)
    held.finish()


def claimed_store(folder: Path, library: Library, steps: Iterable[int]) -> tuple[Store, tuple[tuple[str, str], ...]]:
    """A store that belongs to the library, and what its units observe."""
    store = Store(folder)
    probes = {name: probe.digest for name, probe in library.probes.items()} | {"(data)": library.data.digest}
    store.claim(Manifest(series="planted", library=library.name, weights={s: str(s) for s in steps}, probes=probes))
    return store, tuple(sorted({"data": "d", **{p.name: p.digest for p in library}}.items()))


def planted_store(folder: Path, library: Library, steps: tuple[int, ...], strength: float, count: int = 5) -> Store:
    """Losses that follow φ of a component as the planted pattern of their probe says, and noise of their own."""
    store, observed = claimed_store(folder, library, steps)
    pattern = np.array([(1, -1, -1), (-1, 1, -1), (-1, -1, 1), (1, 1, -1), (-1, 1, 1)])
    rng = np.random.default_rng(2)
    for step in steps:
        for c, component in enumerate(COMPONENTS[:count]):
            for chain in range(SETTINGS.num_chains):
                unit = Unit("unloaded", step, str(step), component, chain, SETTINGS, observed=observed)
                phi = 0.1 + 0.02 * rng.standard_normal(SETTINGS.num_draws)
                arrays = {"observed_data": np.repeat(phi[:, None], 8, axis=1)}
                for i, probe in enumerate(library):
                    noise = 0.02 * rng.standard_normal((SETTINGS.num_draws, TOKENS))
                    answer = strength * pattern[c, i] * (phi - 0.1)[:, None]
                    arrays[f"observed_{probe.name}"] = 0.1 + (phi - 0.1)[:, None] - answer + noise
                write_unit(store, unit, arrays)
    return store


@pytest.fixture(scope="module")
def library() -> Library:
    return planted_library()


@pytest.fixture(scope="module")
def store(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return planted_store(tmp_path_factory.mktemp("planted") / "examination", library, (10, 20), strength=1.0)


@pytest.fixture(scope="module")
def readings(store: Store, library: Library) -> list[Reading]:
    return stored_bands(store, library)


def of(readings: list[Reading], name: str, step: int = 10) -> list[Reading]:
    return [r for r in readings if r.name == name and r.provenance and r.provenance.step == step]


def chains_of(store: Store) -> tuple[Draws, dict[str, list[Unit]]]:
    observed = tuple(sorted({"data": "d", **{p.name: p.digest for p in planted_library()}}.items()))
    chains = {
        c: [Unit("unloaded", 10, "10", c, chain, SETTINGS, observed=observed) for chain in range(SETTINGS.num_chains)]
        for c in COMPONENTS
    }
    return Draws(store, {u.chain_key: u for units in chains.values() for u in units}), chains


def test_planted_bands_are_found_with_their_strength_and_carriers(readings: list[Reading]) -> None:
    truth = np.repeat(np.arange(3), TOKENS)
    (agreed,) = of(readings, "band_agreement")
    assert adjusted_rand_index(truth, agreed.coordinates["labels"]) > 0.95
    assert float(agreed.value) > 0.8
    assert {name: value > 0.9 for name, (value, _) in agreed.coordinates["stability"].items()} == {
        "tokens": True,
        "neighbours": True,
    }
    bands = of(readings, "band")
    assert len(bands) == 3
    for band in bands:
        where = band.coordinates
        probe = max(where["probes"], key=where["probes"].get)
        assert where["name"].startswith(probe)
        assert where["above_null"]
        # ρ of a loss 0.02 (±z + noise) is ±1/√2 in its own component
        own = where["response"][int(probe[1])]
        assert abs(own - 0.5**0.5) < 4 * where["response_se"][int(probe[1])] + 0.02
        assert responding({"components": list(COMPONENTS)}, where | {"contrast": where["contrast"]})
        rms = np.sqrt((where["contrast"] ** 2).mean())
        assert float(band.value) == pytest.approx(rms)
        assert 0 < float(band.standard_error) < 0.1
    (modes,) = of(readings, "band_modes")
    assert modes.coordinates["count"] == 2


def test_bands_are_tracked_along_the_steps(readings: list[Reading]) -> None:
    tracks = [r for r in readings if r.name == "band_track"]
    assert [t.coordinates["steps"] for t in tracks] == [[10, 20]] * 3
    assert {(t.coordinates["birth"], t.coordinates["death"]) for t in tracks} == {("start", "end")}
    names = {(r.provenance.step, r.coordinates["track"]): r.coordinates["name"][:2] for r in readings
             if r.name == "band" and r.provenance}  # fmt: skip
    assert all(names[10, track] == names[20, track] for track in range(3))


def test_tokens_without_a_response_form_no_band(library: Library, tmp_path: Path) -> None:
    store = planted_store(tmp_path / "examination", library, (10,), strength=0.0)
    readings = stored_bands(store, library)
    assert not [r for r in readings if r.name == "band" and r.coordinates["above_null"]]
    (null,) = of(readings, "band_null")
    assert float(null.value) == 0


def test_permuted_draws_of_planted_bands_show_nothing_as_strong(readings: list[Reading]) -> None:
    (null,) = of(readings, "band_null")
    weakest = min(float(band.value) for band in of(readings, "band"))
    assert null.coordinates["strengths"].max(initial=0.0) < weakest / 3


def test_a_cloud_cut_by_noise_is_made_whole_and_a_real_border_stays() -> None:
    rng = np.random.default_rng(1)
    kinds = np.repeat([0, 1], 200)
    halves = np.array([[0.3, -0.3], [0.3, -0.3], [0.0, 0.0]])[:, kinds] + 0.15 * rng.standard_normal((2, 3, 400))
    cut = 2 * kinds + (halves.mean(axis=0)[2] > 0)  # what noise happens to spread
    assert adjusted_rand_index(unite(cut, halves), kinds) == 1.0


def test_matrix_gives_the_response_with_its_error(store: Store, library: Library) -> None:
    draws, chains = chains_of(store)
    matrix = response_matrix(draws, library, chains)
    assert matrix.rho.shape == (len(COMPONENTS), 3 * TOKENS)
    assert np.isnan(matrix.shift).all()
    truth = 0.5**0.5 * np.array([1, -1, -1])[matrix.tokens.probe]
    scaled = (matrix.rho[0] - truth) / matrix.rho_se[0]
    assert 0.7 < np.sqrt(np.mean(scaled**2)) < 1.6
    assert np.abs(matrix.null).mean() < 0.2
    assert matrix.left_out == {}


def test_diverged_components_are_left_out_and_named(store: Store, library: Library, tmp_path: Path) -> None:
    draws, chains = chains_of(store)
    broken = Unit("unloaded", 10, "10", "l1h0", 0, SETTINGS, observed=chains["embed"][0].observed)
    units = [replace(broken, chain=chain) for chain in range(SETTINGS.num_chains)]
    for unit in units:
        shape = (SETTINGS.num_draws, 8)
        arrays = {"observed_data": np.full(shape, np.nan)}
        arrays |= {f"observed_{p.name}": np.full((SETTINGS.num_draws, TOKENS), np.nan) for p in library}
        write_unit(Store(tmp_path / "other"), unit, arrays)
        (tmp_path / "other" / "units" / unit.key).rename(store.path / "units" / unit.key)
    draws = Draws(store, draws.units | {u.chain_key: u for u in units})
    matrix = response_matrix(draws, library, chains | {"l1h0": units})
    assert matrix.components == COMPONENTS
    assert matrix.left_out == {"l1h0": Verdict.DIVERGED.value}
    with pytest.raises(ZeemanError, match="diverged"):
        response_matrix(draws, library, {"l1h0": units})
    for unit in units:
        (store.path / "units" / unit.key / "complete").unlink()


def test_order_of_tokens_and_components_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    planted = np.repeat([0, 1, 2], 150)
    responses = rng.standard_normal((6, 3))[:, planted] + 0.4 * rng.standard_normal((6, 450))
    labels, _ = cluster_tokens(responses)
    tokens, components = rng.permutation(450), rng.permutation(6)
    moved, _ = cluster_tokens(responses[components][:, tokens])
    assert adjusted_rand_index(labels[tokens], moved) > 0.98


def test_names_say_what_is_in_excess(library: Library) -> None:
    tokens = Tokens.of(library)
    inside = (tokens.probe == 1) & (tokens.ids < 30)
    told = describe(library, tokens, inside)
    assert told["tags"][0]["what"] == "p1"
    assert told["tags"][0]["enrichment"] == pytest.approx(3.0)
    held = {one["what"] for one in told["token_ids"] if one["kind"] == "token"}
    assert held <= set(range(20, 30))
    random = describe(library, tokens, np.random.default_rng(0).random(len(tokens)) < 0.1)
    assert random["name"] == "unnamed"


def test_modes_have_strengths_in_units_of_bands(readings: list[Reading]) -> None:
    """All modes together are the spread of tokens, so that both may stand on one axis."""
    for modes in (r for r in readings if r.name == "band_modes"):
        strengths = modes.coordinates["strengths"]
        (agreed,) = (r for r in readings if r.name == "band_agreement" and r.provenance == modes.provenance)
        spread = (agreed.coordinates["spread"] ** 2).mean()
        assert len(strengths) == modes.coordinates["count"] >= 2
        assert 0.5 * spread < (strengths**2).sum() < spread
        assert (np.diff(strengths) < 0).all()


def test_the_document_is_json_and_the_page_draws_it(readings: list[Reading], library: Library) -> None:
    found = finite(bands_document(readings, library))
    again = json.loads(json.dumps(found, allow_nan=False))
    assert [one["step"] for one in again["maps"]] == [10, 20]
    assert sum(again["maps"][0]["density"]["tokens"]) == 3 * TOKENS
    band = again["maps"][0]["bands"][0]
    shown = band["typical"][0]
    assert library_id(shown) == shown["ids"][shown["at"]]
    tokens, places = again["tokens"], again["maps"][0]["places"]
    assert tokens["count"] == len(tokens["probe"]) == len(places["x"]) == 3 * TOKENS
    assert places["band"].count(band["id"]) == band["size"]
    assert tokens["rows"]["p1"][tokens["row"][TOKENS]][tokens["position"][TOKENS]] in range(60)
    assert "unfinished" not in render_report({"bands": again})
    assert bands_document([], planted_library()) is None


def library_id(shown: dict[str, int]) -> int:
    probe = planted_library()[str(shown["probe"])]
    return int(probe.inputs[shown["row"], shown["position"]])


def test_bad_input_is_refused_in_a_sentence(store: Store, library: Library) -> None:
    draws, chains = chains_of(store)
    single = {name: units[:1] for name, units in chains.items()}
    with pytest.raises(ZeemanError, match="one chain shows no error bar"):
        response_matrix(draws, library, single)
    with pytest.raises(ZeemanError, match="at least two chains"):
        read_bands(draws, library, {Place(10, "unloaded", 0.0): single}, 100.0)
    with pytest.raises(ZeemanError, match="besides full"):
        response_matrix(draws, library, {})
    few = Library.from_probes("few", library.data, [Probe("p", np.ones((2, 9), int), np.arange(9) > np.zeros((2, 1)))])
    with pytest.raises(ZeemanError, match="at least 90 scored tokens"):
        stored_bands(store, few)
    other = Library.from_probes("other", library.data, [replace(library["p0"], inputs=library["p0"].inputs + 1)])
    with pytest.raises(ZeemanError, match="was not examined with the probe p0"):
        stored_bands(store, other)


def test_too_few_components_leave_a_reading_that_says_why(store: Store, library: Library) -> None:
    draws, chains = chains_of(store)
    (found,) = read_bands(draws, library, {Place(10, "unloaded", 0.0): {"embed": chains["embed"]}}, SETTINGS.n_beta)
    assert found.name == "band_agreement"
    assert np.isnan(found.value)
    assert "at least 2 components" in found.reasons[0]


def test_a_store_keeps_its_bands_until_it_grows(library: Library, tmp_path: Path) -> None:
    store = planted_store(tmp_path / "examination", library, (10,), strength=1.0, count=1)
    first = kept_bands(store, library)
    assert "at least 2 components" in first["maps"][0]["agreement_reasons"][0]
    written = (store.path / "readings" / "bands.json").stat().st_mtime_ns
    assert kept_bands(store, library) == first
    assert (store.path / "readings" / "bands.json").stat().st_mtime_ns == written
    planted_store(tmp_path / "examination", library, (20,), strength=1.0, count=1)
    assert [one["step"] for one in kept_bands(store, library)["maps"]] == [10, 20]


def test_the_command_tells_what_was_found(
    readings: list[Reading], library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = planted_store(tmp_path / "examination", library, (), strength=1.0)
    found = finite(bands_document(readings, library))
    store.write_reading("document", {"title": "planted", "bands": found})
    show(store.path, out=tmp_path / "page.html")
    told = capsys.readouterr().out
    assert "unloaded" in told
    assert all(band["name"] in told for band in found["maps"][0]["bands"])
    assert "planted" in (tmp_path / "page.html").read_text()
    show(store.path, json=True)
    assert json.loads(capsys.readouterr().out) == found


def test_the_command_shows_brackets_as_they_are(
    readings: list[Reading], library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = planted_store(tmp_path / "examination", library, (), strength=1.0)
    found = finite(bands_document(readings, library)) or {}
    found["maps"][0]["bands"][0]["name"] = "token '[bold]'"
    store.write_reading("document", {"bands": found})
    show(store.path)
    assert "token '[bold]'" in capsys.readouterr().out


def test_the_command_reads_anew_with_a_named_library(
    readings: list[Reading], library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the store holds of its bands was found with the library of then: another one is not answered with it."""
    store = planted_store(tmp_path / "examination", library, (10,), strength=1.0, count=1)
    store.write_reading("document", {"bands": finite(bands_document(readings, library))})
    library.to_folder(tmp_path / "same")
    show(store.path, probes=tmp_path / "same", json=True)
    assert [one["step"] for one in json.loads(capsys.readouterr().out)["maps"]] == [10]
    changed = replace(library["p0"], inputs=library["p0"].inputs + 1)
    Library.from_probes(library.name, library.data, [changed]).to_folder(tmp_path / "other")
    with pytest.raises(ZeemanError, match="was not examined with the probe p0"):
        show(store.path, probes=tmp_path / "other")


def test_a_damaged_store_is_no_reading(library: Library, tmp_path: Path) -> None:
    store = planted_store(tmp_path / "examination", library, (10,), strength=1.0, count=2)
    chunk = next(file for file in store.path.glob("units/*/observed_p1/c/**/*") if file.is_file())
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(ZeemanError, match="damaged"):
        stored_bands(store, library)


def test_the_command_asks_for_the_library(library: Library, tmp_path: Path) -> None:
    store = planted_store(tmp_path / "examination", library, (10,), strength=1.0, count=1)
    with pytest.raises(ZeemanError, match="name it with --probes"):
        show(store.path)


def test_a_store_without_components_is_refused(library: Library, tmp_path: Path) -> None:
    store = planted_store(tmp_path / "examination", library, (), strength=1.0)
    with pytest.raises(ZeemanError, match="no chains of components"):
        stored_bands(store, library)


def test_the_device_is_named_and_asks_for_steps() -> None:
    assert Bands().name == "bands"
    assert Bands().steps == ()


def test_ablations_stand_beside_the_response_of_a_band(library: Library, tmp_path: Path) -> None:
    """Without l0h0 the tokens of p0 lose 2 nats: its band says so, and where response and ablation agree."""
    store = planted_store(tmp_path / "examination", library, (10,), strength=1.0)
    rng = np.random.default_rng(5)
    observed = tuple(sorted((p.name, p.digest) for p in library))
    unit = Unit("ablation", 10, "10", data="d", observed=observed)
    arrays = {f"ablated_{p.name}": 0.05 * rng.standard_normal((2, TOKENS)) for p in library}
    arrays["ablated_p0"][0] += 2.0
    arrays |= {name.replace("ablated", "direct"): effects / 2 for name, effects in arrays.items()}
    held = store.unit(unit)
    held.prepare(unit, {n: a.shape for n, a in arrays.items()}, {n: len(a) for n, a in arrays.items()})
    held.set_attributes(components=["l0h0", "l0 mlp"])
    for name, values in arrays.items():
        held.write_array(name, values)
    held.finish()
    bands = [r.coordinates for r in stored_bands(store, library) if r.name == "band"]
    for band in bands:
        found = band["ablation"]
        expected = 2.0 * band["probes"]["p0"] / band["size"]
        assert found["components"] == ["l0h0", "l0 mlp"]
        np.testing.assert_allclose(found["effect"], [expected, 0.0], atol=0.03)
        np.testing.assert_allclose(found["direct"], found["effect"] / 2, atol=1e-6)
        assert found["evidence"].keys() == {"l0h0"}
    assert {band["ablation"]["evidence"]["l0h0"] for band in bands} >= {"both"}
    document = finite(bands_document(stored_bands(store, library), library) or {})
    json.dumps(document, allow_nan=False)
    assert render_report({"bands": document}).count("ablation (nats)") == 1
