"""Influence read from a store: exact on a quadratic model sampled for it, symmetric, and told by the command."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from zeeman.cli.influence import influence as show
from zeeman.errors import ZeemanError
from zeeman.examination import (
    Draws,
    SamplerSettings,
    Store,
    Subject,
    Susceptibilities,
    Unit,
    examine,
    influence_document,
    stored_influence,
    stored_kernel,
)
from zeeman.probes import Library, Probe
from zeeman.reading import Reading, Verdict
from zeeman.subjects import Series

Array = NDArray[np.float64]
TOKENS, WEIGHTS, N_BETA, GAMMA = 16, 3, 20.0, 3.0


def quadratic_tokens() -> tuple[Array, Array]:
    """Gradients, of mean 0, and curvatures of the loss of each token id; those of the first half are linear."""
    rng = np.random.default_rng(0)
    gradient = rng.normal(size=(TOKENS, WEIGHTS))
    root = rng.normal(size=(TOKENS, WEIGHTS, WEIGHTS))
    curvature = 3 * root @ root.transpose(0, 2, 1)
    curvature[: TOKENS // 2] = 0.0
    return gradient - gradient.mean(axis=0), curvature


class Quadratic(torch.nn.Module):
    """Weights w around w* = 0."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(WEIGHTS))


def quadratic_loss(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """ℓ_z(w) = g_z·w + ½ w·A_z w for each token id z but the first of a row."""
    gradient, curvature = (torch.tensor(each, dtype=torch.float32) for each in quadratic_tokens())
    w = model.w
    assert isinstance(w, torch.Tensor)
    return (gradient @ w + (curvature @ w) @ w / 2)[tokens[:, 1:]]


@dataclass(frozen=True)
class FullAlone:
    """The chains of all weights that susceptibilities of a component take, and nothing else."""

    step: int
    component: str
    name: str = "full alone"

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        wanted = Susceptibilities((self.step,), (self.component,)).units(subject, settings)
        return [unit for unit in wanted if unit.component == "full"]

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        return []


def asked(name: str, rows: list[list[int]]) -> Probe:
    inputs = np.array([[0, *row] for row in rows])
    return Probe(name, inputs, np.arange(inputs.shape[1]) > np.zeros((len(inputs), 1)))


FIRST, SECOND = [[0, 1, 2], [8, 9, 10]], [[3, 4, 11, 12], [13, 5, 14, 8]]


@pytest.fixture(scope="module")
def quadratic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Library]:
    data = asked("train", [list(np.random.default_rng(i).permutation(TOKENS)) for i in range(4)])
    library = Library.from_probes("quadratic", data, [asked("first", FIRST), asked("second", SECOND)])
    settings = SamplerSettings(
        n_beta=N_BETA, localization=GAMMA, num_chains=4, num_draws=250, num_burnin_steps=200, num_steps_bw_draws=4,
        batch_size=4, method="mala", lr=1e-2,
    )  # fmt: skip
    found = examine(
        Series.from_state_dicts([(0, Quadratic().state_dict())], Quadratic),
        library,
        tmp_path_factory.mktemp("quadratic") / "examination",
        settings=settings,
        devices=(FullAlone(0, "w"),),
        loss=quadratic_loss,
    )
    return found.store, library


def damped(loading: str, store: Store) -> tuple[Array, Array]:
    """g·(nβH + γ)⁻¹g' and ½ tr(A(nβH + γ)⁻¹A'(nβH + γ)⁻¹) of the tokens of both probes; without H when unloaded."""
    gradient, curvature = quadratic_tokens()
    precision = N_BETA * curvature.mean(axis=0) + GAMMA * np.eye(WEIGHTS)
    if loading == "unloaded":
        held = [json.loads(file.read_text())["attributes"] for file in store.path.glob("units/*/zarr.json")]
        (gamma,) = {a["localization"] for a in held if a["kind"] == "unloaded" and a["component"] == "full"}
        precision = gamma * np.eye(WEIGHTS)
    sigma = np.linalg.inv(precision)
    ids = [np.ravel(each) for each in (FIRST, SECOND)]
    turned = curvature @ sigma
    return (
        gradient[ids[0]] @ sigma @ gradient[ids[1]].T,
        np.einsum("sij,tji->st", turned[ids[0]], turned[ids[1]]) / 2,
    )


@pytest.mark.parametrize("loading", ["loaded", "unloaded"])
def test_influence_is_the_damped_influence_function_of_a_quadratic_model(
    quadratic: tuple[Store, Library], loading: str
) -> None:
    store, library = quadratic
    linear, bent = damped(loading, store)
    found = stored_kernel(store, library, "first", "second", loading=loading)
    assert found.verdict is Verdict.OK, found.reasons
    z = (found.value - linear - bent) / found.standard_error
    assert abs(z).max() < 4  # of 48 with 19 degrees of freedom each
    assert np.median(abs(z)) < 1.5
    # Sharp enough to see the curvatures' part, where both losses have one.
    both = bent > 0
    assert (abs(found.value - linear)[both] / np.asarray(found.standard_error)[both]).max() > 5
    rows = stored_kernel(store, library, "first", "second", loading=loading, by="row")
    of_rows = (linear + bent).reshape(2, 3, 2, 4).sum(axis=(1, 3))
    assert (abs(rows.value - of_rows) < 3.5 * rows.standard_error).all()
    means, pairs = stored_influence(store, library, "first", "second", loading=loading, most=8)
    assert abs(means.value + (linear + bent).mean()) < 3.5 * means.standard_error
    assert max(map(abs, means.coordinates["null"])) < 0.2
    partners = pairs.coordinates["partners"]
    kernel = np.where(partners >= 0, found.value[np.arange(6)[:, None], partners], np.nan)
    np.testing.assert_allclose(pairs.value, -kernel, rtol=1e-4, atol=1e-7)


def test_the_kernel_is_symmetric(quadratic: tuple[Store, Library]) -> None:
    store, library = quadratic
    for by in ("token", "row"):
        there, back = (
            stored_kernel(store, library, *names, by=by) for names in (("first", "second"), ("second", "first"))
        )
        np.testing.assert_allclose(there.value, back.value.T, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(there.standard_error, back.standard_error.T, rtol=1e-3)
    itself = stored_kernel(store, library, "first", "first").value
    np.testing.assert_allclose(itself, itself.T, rtol=1e-5, atol=1e-8)
    assert np.linalg.eigvalsh(itself).min() > -1e-5 * np.trace(itself)


def test_the_data_is_asked_like_a_probe(quadratic: tuple[Store, Library]) -> None:
    store, library = quadratic
    found = stored_kernel(store, library, "train", "first", by="row").value
    # Each row of the data holds every token once.
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), rtol=0.02, atol=1e-4)
    other = replace(library, data=asked("train", FIRST))
    with pytest.raises(ZeemanError, match="holds no chains that observed train"):
        stored_influence(store, other, "train", "first")


SMALL = SamplerSettings(num_chains=2, num_draws=30, num_burnin_steps=30, num_steps_bw_draws=2, batch_size=16)


@pytest.fixture(scope="module")
def tiny_store(tiny_folder: Path, library: Library, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("tiny")
    library.to_folder(folder / "probes")
    for chains, steps in ((2, (150,)), (3, (60, 150))):  # the second run extends the first
        found = examine(
            Series.from_folder(tiny_folder),
            library,
            folder / "examination",
            settings=replace(SMALL, num_chains=chains),
            devices=(Susceptibilities(steps, ("l0h0",)),),
        )
    return found.store


def test_chains_that_were_added_later_count(tiny_store: Store, library: Library) -> None:
    means, _ = stored_influence(tiny_store, library, "count", "random", loading="unloaded")
    assert means.coordinates["chains"] == 3
    assert means.provenance is not None
    assert means.provenance.step == 150


def test_the_command_tells_what_stands_out(
    tiny_store: Store, library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    show(tiny_store.path, first="count", second="count", step=60, top=3)
    told = capsys.readouterr().out
    show(tiny_store.path, first="count", second="count", step=60, top=3, json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["step"], found["loading"], found["chains"], found["draws"]) == (60, "loaded", 3, 30)
    assert found["influence"] < 0 < found["influence_se"]
    assert found["pairs"]["compared"] == 88 * 87 // 2
    assert found["pairs"]["count"] > 10 * max(found["pairs"]["null"])
    assert len(found["strongest"]) == 3
    for pair in found["strongest"]:
        for side in ("first", "second"):
            shown = pair[side]
            assert shown["ids"][shown["at"]] == library["count"].inputs[shown["row"], shown["position"]]
        assert abs(pair["correlation"]) >= found["pairs"]["threshold"]
    assert f"{found['pairs']['count']:,} of 3,828 pairs of tokens stand out" in told
    assert "Influence of count on count" in told
    assert f"[{found['strongest'][0]['first']['ids'][found['strongest'][0]['first']['at']]}]" in told


def test_the_command_pairs_rows_and_probes(tiny_store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    show(tiny_store.path, first="late", second="train", component="l0h0", loading="unloaded", by="row")
    told = capsys.readouterr().out
    assert "Step 150, l0h0, unloaded: 3 chains of 30 draws." in told
    assert "between different chains" in told
    assert "of 256 pairs of rows" in told


def test_doubtful_chains_are_marked_and_diverged_ones_have_no_value(
    tiny_folder: Path, library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library.to_folder(tmp_path / "probes")
    devices = (Susceptibilities((150,), ("l0h0",)),)
    hot = replace(SMALL, num_draws=6, num_burnin_steps=4, lr=50.0)
    examine(Series.from_folder(tiny_folder), library, tmp_path / "examination", settings=hot, devices=devices)
    show(tmp_path / "examination", first="count", second="late", json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["influence"], found["pairs"], found["strongest"]) == ("diverged", None, None, [])
    show(tmp_path / "examination", first="count", second="late")
    assert "× At least one chain exploded" in capsys.readouterr().out


MISTAKES = {
    "probe": ({"first": "nothing"}, "no probe 'nothing'; it has count, late, random"),
    "step": ({"step": 20}, "at step 20; choose one of 60, 150"),
    "component": ({"component": "l0h1"}, r"of l0h1 .* but of full \(loaded\)"),
    "loading": ({"loading": "heavy"}, "holds no heavy chains"),
    "kind": ({"by": "letter"}, "by token or by row, got 'letter'"),
    "top": ({"top": 0}, "top must be at least 1"),
    "library": ({"probes": Path("nowhere")}, "name it with --probes"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_in_a_sentence(tiny_store: Store, mistake: str) -> None:
    given, words = MISTAKES[mistake]
    with pytest.raises(ZeemanError, match=words):
        show(tiny_store.path, **{"first": "count", "second": "late", **given})


def test_a_store_without_chains_and_a_single_chain_are_refused(
    tiny_store: Store, library: Library, tmp_path: Path
) -> None:
    store = Store(tmp_path / "examination")
    store.claim(tiny_store.manifest())
    with pytest.raises(ZeemanError, match="holds no chains that observed count and late; run zeeman examine"):
        stored_influence(store, library, "count", "late")
    for place in tiny_store.path.glob("units/*/"):
        if json.loads((place / "zarr.json").read_text())["attributes"]["chain"] == 1:
            (store.path / "units" / place.name).symlink_to(place)
    with pytest.raises(ZeemanError, match="at least two chains of full at step 150, got 1"):
        stored_influence(store, library, "count", "late")
    changed = replace(library["late"], inputs=(library["late"].inputs + 1) % 16)
    with pytest.raises(ZeemanError, match="was not examined with the probe late"):
        stored_influence(
            store, Library.from_probes("other", library.data, [library["count"], changed]), "count", "late"
        )


def test_a_token_is_not_shown_beside_itself(tiny_store: Store, library: Library) -> None:
    """Counting rows that begin alike ask the same: their tokens are one and the same item."""
    readings = stored_influence(tiny_store, library, "count", "count")
    for pair in influence_document(library, readings, top=50)["strongest"]:
        ids = [
            library["count"].inputs[shown["row"], : shown["position"] + 1].tolist()
            for shown in (pair["first"], pair["second"])
        ]
        assert ids[0] != ids[1]
