"""Mixtures from a store whose losses are those of a quadratic posterior, where the answer is known."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from zeeman.cli.pattern import pattern as show
from zeeman.errors import NothingToRead, ZeemanError
from zeeman.examination import SamplerSettings, Store, Unit, stored_pattern
from zeeman.examination.store import Manifest
from zeeman.probes import Library, Probe
from zeeman.reading import Verdict

D, PROBES, STEPS = 3, ("first", "second", "third", "fourth"), (10, 20)
SETTINGS = SamplerSettings(num_chains=4, num_draws=60, num_burnin_steps=0, n_beta=50.0, localization=50.0)
CURVATURE = np.array([(4.0, 1, 1), (1, 4, 1), (1, 1, 4), (2, 2, 2)])
GRADIENT = 0.2 * np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, -1, -1)])
DATA = CURVATURE.mean(axis=0)


def losses_of(delta: np.ndarray) -> np.ndarray:
    """ℓ_k = ½ a_k·δ² + g_k·δ, whose mean over probes is the loss of the data."""
    return np.asarray(np.tensordot(CURVATURE / 2, delta**2, (1, -1)) + np.tensordot(GRADIENT, delta, (1, -1)))


def means(dh: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """⟨ℓ_k⟩ on the tilted data when some weights move, in closed form."""
    share = dh + (1 - dh.sum()) / len(PROBES)
    variance = moving / (SETTINGS.n_beta * share @ CURVATURE + SETTINGS.localization)
    mean = -SETTINGS.n_beta * variance * (share @ GRADIENT)
    return np.asarray(CURVATURE @ (variance + mean**2) / 2 + GRADIENT @ mean)


def make_library() -> Library:
    rng = np.random.default_rng(0)
    scored = np.ones((2, 5), bool)
    scored[:, 0] = False
    made = [Probe(name, rng.integers(20, size=(2, 5)), scored) for name in ("train", *PROBES)]
    return Library.from_probes("quadratic", made[0], made[1:])


def make_store(
    folder: Path,
    library: Library,
    chains: int = 4,
    kind: Literal["loaded", "unloaded"] = "loaded",
    other: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = lambda _: {},
    steps: tuple[int, ...] = STEPS[1:],
) -> Store:
    """Chains of all weights and of the first alone, as draws of the posterior; ``other`` changes what they read."""
    store, rng = Store(folder), np.random.default_rng(1)
    held = {p.name: p.digest for p in library} | {"(data)": library.data.digest}
    store.claim(Manifest(series="quadratic", library=library.name, weights={s: str(s) for s in steps}, probes=held))
    observed = tuple(sorted({"data": "d", **{p.name: p.digest for p in library}}.items()))
    width = 1 / np.sqrt(SETTINGS.n_beta * DATA + SETTINGS.localization)
    for step in steps:
        for component, moving in (("full", np.ones(D)), ("l0", np.array([1.0, 0, 0]))):
            for chain in range(chains):
                delta = rng.normal(size=(SETTINGS.num_draws, D)) * width * moving
                losses = losses_of(delta)
                arrays = {f"observed_{n}": np.repeat(x[:, None], 8, 1) for n, x in zip(PROBES, losses, strict=True)}
                arrays["observed_data"] = np.repeat(losses.mean(axis=0)[:, None], 8, 1)
                figures = {"distance": np.full(1, 0.1), "virial": np.ones(1), "heat": np.zeros(1)}
                unit = Unit(kind, step, str(step), component, chain, SETTINGS, observed=observed)
                write(store, unit, arrays | figures | other(arrays))
    return store


def write(store: Store, unit: Unit, arrays: dict[str, np.ndarray]) -> None:
    held = store.unit(unit)
    held.prepare(unit, {n: a.shape for n, a in arrays.items()}, {n: len(a) for n, a in arrays.items()})
    for name, values in arrays.items():
        held.write_array(name, values)
    held.set_attributes(num_parameters=300, localization=SETTINGS.localization)
    held.finish()


@pytest.fixture(scope="module")
def library() -> Library:
    return make_library()


@pytest.fixture(scope="module")
def store(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("quadratic") / "examination", library, steps=STEPS)


def test_the_mixture_moves_the_losses_as_predicted(store: Store, library: Library) -> None:
    """Wanted and unwanted, those named and those not, against closed forms of the tilted posterior."""
    found = stored_pattern(store, library, {"first": -0.005, "second": 0.0})
    assert found.step == 20
    assert found.pattern.rank == 2
    np.testing.assert_allclose(found.pattern.out_of_reach, 0, atol=1e-9)
    assert found.checked == 1.0
    moved = means(found.pattern.dh, np.ones(D)) - means(np.zeros(4), np.ones(D))
    truth = dict(zip(PROBES, moved, strict=True)) | {"data": moved.mean()}
    assert list(found.changes) == ["first", "second", "data", "third", "fourth"]
    for name, change in found.changes.items():
        assert abs(change.reweighted - truth[name]) < 4 * change.reweighted_se
        assert change.reweighted_se < 0.02
    assert truth["first"] < -0.0025
    assert found.changes["first"].linear == pytest.approx(found.pattern.predicted[0])


def test_a_component_answers_along_its_own_chains(store: Store, library: Library) -> None:
    first = np.array([1.0, 0, 0])
    found = stored_pattern(store, library, {"l0": 0.001}, step=10)
    dh = found.checked * found.pattern.dh
    moved = (means(dh, first) - means(np.zeros(4), first)).mean()
    change = found.changes["l0"]
    assert abs(change.reweighted - moved) < 4 * change.reweighted_se
    assert moved > 0
    assert found.provenance.step == 10
    # The other losses are read along the chains of all weights.
    truth = means(dh, np.ones(D)) - means(np.zeros(4), np.ones(D))
    for name, moved in zip(PROBES, truth, strict=True):
        assert abs(found.changes[name].reweighted - moved) < 4 * found.changes[name].reweighted_se


def test_shuffled_chains_stand_beside_it(store: Store, library: Library) -> None:
    found = stored_pattern(store, library, {"first": -0.005})
    assert len(found.shuffled) == 3
    assert sum(one.rank for one in found.shuffled) <= 1
    assert found.pattern.singular_values[0] > 3 * max(one.singular_values[0] for one in found.shuffled)


def test_doubt_about_the_chains_is_passed_on(store: Store, library: Library, tmp_path: Path) -> None:
    assert stored_pattern(store, library, {"first": -0.005}).verdict is Verdict.OK
    heated = make_store(tmp_path / "heated", library, other=lambda _: {"virial": np.full(8, 1.5)})
    found = stored_pattern(heated, library, {"first": -0.005})
    assert found.verdict is Verdict.HEATED
    assert any(reason.startswith("full: ") for reason in found.reasons)
    lost = make_store(tmp_path / "lost", library, other=lambda _: {"observed_data": np.full((60, 8), np.nan)})
    with pytest.raises(NothingToRead, match="left the finite numbers"):
        stored_pattern(lost, library, {"first": -0.005})


def test_bad_input_is_told_in_a_sentence(store: Store, library: Library, tmp_path: Path) -> None:
    with pytest.raises(ZeemanError, match=r"expected a probe \(first, .*component with loaded chains \(l0\), got 'l1'"):
        stored_pattern(store, library, {"l1": 1.0})
    for target in ({}, {"first": 0.0}, {"first": math.nan}):
        with pytest.raises(ZeemanError, match="change other than 0"):
            stored_pattern(store, library, target)
    with pytest.raises(ZeemanError, match="got 15; choose one of 10, 20"):
        stored_pattern(store, library, {"first": 1.0}, step=15)
    other = Library.from_probes(
        library.name, library.data, [replace(library["first"], inputs=library["first"].inputs + 1)]
    )
    with pytest.raises(ZeemanError, match="was not examined with the probe first"):
        stored_pattern(store, other, {"first": 1.0})
    with pytest.raises(ZeemanError, match="at least two loaded chains of full, got 1"):
        stored_pattern(make_store(tmp_path / "one", library, chains=1), library, {"first": 1.0})
    with pytest.raises(ZeemanError, match="no loaded chains of all weights"):
        stored_pattern(make_store(tmp_path / "unloaded", library, kind="unloaded"), library, {"first": 1.0})


def test_losses_that_know_nothing_of_the_data_get_no_mixture(library: Library, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)

    def noise(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        data = arrays["observed_data"]
        return {f"observed_{name}": data + rng.normal(size=data.shape) / 10 for name in PROBES}

    store = make_store(tmp_path / "examination", library, other=noise)
    with pytest.raises(NothingToRead, match="nothing is proposed at step 20: No singular value"):
        stored_pattern(store, library, {"data": 1.0})


def test_the_command_tells_it(
    store: Store, library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library.to_folder(tmp_path / "probes")
    shutil.copytree(store.path, tmp_path / "examination")
    show(tmp_path / "examination", move=("first=-0.005", "second=0"))
    told = capsys.readouterr().out
    assert all(name in told for name in (*PROBES, "data"))
    assert "rank 2 of 2" in told
    assert "Shuffled chains" in told
    show(tmp_path / "examination", move=("first=-0.005", "second=0"), step=20, json=True)
    found = json.loads(capsys.readouterr().out)
    expected = stored_pattern(store, library, {"first": -0.005, "second": 0.0})
    assert found["dh"] == pytest.approx(expected.pattern.dh.tolist())
    assert found["provenance"]["settings"] == asdict(SETTINGS)
    assert found["data"] == pytest.approx(1 - sum(found["dh"]))
    show(tmp_path / "examination", move=("first=-5",))
    assert "first order alone" in capsys.readouterr().out
