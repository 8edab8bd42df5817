"""Behaviours by every metric, against the model's own log-probabilities row by row."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny import CONTEXT, VOCABULARY, tiny_tokens
from zeeman import cli
from zeeman.errors import ZeemanError
from zeeman.examination import Behaviours, SamplerSettings, document, examine, results_documents
from zeeman.examination.grades import word_for
from zeeman.probes import Foils, Library, Probe
from zeeman.subjects import Series


def ends(rows: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Score the last tokens of each row, of a number that differs between rows."""
    return np.arange(CONTEXT) >= CONTEXT - lengths[:, None]


@pytest.fixture(scope="module")
def graded_library() -> Library:
    rng = np.random.default_rng(5)
    rows, lengths = tiny_tokens(rng, 12), rng.integers(1, 4, 12)
    against = np.repeat(np.arange(12), 3)
    wrong = rows[against].copy()
    wrong[:, -2:] = rng.integers(VOCABULARY, size=(36, 2))
    scored, sizes = ends(rows, lengths), lengths.astype(float) + 0.5
    plain = Foils(wrong, ends(wrong, np.full(36, 2)), against)
    sized = Foils(wrong, plain.scored, against, rng.uniform(1, 3, 36))
    probes = [
        Probe("exact", rows, scored, metric="exact"),
        Probe("choice", rows, scored, metric="choice", foils=plain),
        Probe("sized", rows, scored, metric="choice", sizes=sizes, foils=sized),
        Probe("perplexity", rows, scored, metric="perplexity"),
        Probe("words", rows, scored, metric="perplexity", sizes=sizes),
        Probe("bits", rows, scored, metric="bits", sizes=sizes),
    ]
    data = Probe("train", tiny_tokens(rng, 8), ends(np.zeros((8, CONTEXT)), np.full(8, CONTEXT - 1)))
    return Library.from_probes("graded", data, probes)


def row_losses(logits: torch.Tensor, tokens: np.ndarray, scored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Loss of each row, and whether all of it is the first choice."""
    log_p = logits.double().log_softmax(-1).numpy()
    loss, exact = np.zeros(len(tokens)), np.ones(len(tokens))
    for i, t in zip(*np.nonzero(scored), strict=True):
        loss[i] -= log_p[i, t - 1, tokens[i, t]]
        exact[i] *= log_p[i, t - 1].argmax() == tokens[i, t]
    return loss, exact


def test_every_metric_is_what_it_says(tiny_folder: Path, graded_library: Library, tmp_path: Path) -> None:
    series = Series.from_folder(tiny_folder)
    found = examine(
        series, graded_library, tmp_path / "store", devices=[Behaviours()], settings=SamplerSettings(batch_size=8)
    )
    read = {(r.coordinates["probe"], r.provenance.step): r for r in found.of("behaviour") if r.provenance}
    assert len(read) == 6 * len(series.steps)
    for step in series.steps:
        model = series.model(series.at(step))
        for probe in graded_library:
            with torch.no_grad():
                loss, exact = row_losses(model(torch.tensor(probe.inputs)), probe.inputs, probe.scored)
            sizes = np.ones(12) if probe.sizes is None else probe.sizes
            if probe.foils is not None:
                foils = probe.foils
                with torch.no_grad():
                    wrong, _ = row_losses(model(torch.tensor(foils.inputs)), foils.inputs, foils.scored)
                wrong = wrong / (1 if foils.sizes is None else foils.sizes)
                rows = [loss[i] / sizes[i] < wrong[foils.against == i].min() for i in range(12)]
                expected, error = np.mean(rows), np.std(rows, ddof=1) / np.sqrt(12)
            elif probe.metric == "exact":
                expected, error = exact.mean(), exact.std(ddof=1) / np.sqrt(12)
            else:
                ratio = loss.sum() / sizes.sum()
                spread = np.sqrt(12 / 11 * ((loss - ratio * sizes) ** 2).sum()) / sizes.sum()
                power = probe.metric == "perplexity"
                expected = np.exp(ratio) if power else ratio / np.log(2)
                error = expected * spread if power else spread / np.log(2)
            reading = read[probe.name, step]
            # The model's own losses are rounded to single precision, 6e-8 where a token is all but certain.
            assert reading.value == pytest.approx(expected, rel=1e-6, abs=1e-7)
            assert reading.standard_error == pytest.approx(error, rel=1e-5, abs=1e-7)
    shares = [read["choice", step].value for step in series.steps]
    assert shares[0] < shares[-1] == 1.0


def test_results_say_what_was_read_under_the_names_of_tasks(
    tiny_folder: Path, graded_library: Library, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `zeeman results` writes, read back: every value at every step, and its error."""
    series = Series.from_folder(tiny_folder)
    names = {"choice": "quiz.acc", "sized": "quiz.acc_norm", "words": "pages.word_perplexity", "exact": "dots.in.it"}
    probes = [replace(graded_library[old], name=new) for old, new in names.items()]
    library = Library.from_probes("tasks", graded_library.data, probes)
    settings = SamplerSettings(batch_size=8)
    found = examine(series, library, tmp_path / "store", devices=[Behaviours()], settings=settings)
    found.store.write_reading("document", document(found))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["zeeman", "results", str(found.store.path), "--out", str(tmp_path / "r")])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
    for reading in found.of("behaviour"):
        assert reading.provenance is not None
        written = json.loads((tmp_path / "r" / f"results_{reading.provenance.step}.json").read_text())
        assert set(written["results"]) == {"quiz", "pages", "dots.in.it"}
        probe = reading.coordinates["probe"]
        task, metric = ("dots.in.it", "acc") if probe == "dots.in.it" else probe.rsplit(".", 1)
        assert written["results"][task][f"{metric},none"] == pytest.approx(reading.value)
        assert written["results"][task][f"{metric}_stderr,none"] == pytest.approx(reading.standard_error)
        assert written["higher_is_better"][task][metric] is (task != "pages")
    with pytest.raises(ZeemanError, match=r"expected one of the steps .*, got 7"):
        results_documents(document(found), [7])
    with pytest.raises(ZeemanError, match="read no behaviours"):
        results_documents({"behaviours": {"value": []}})


@pytest.mark.parametrize(
    ("metric", "chance", "before", "after", "word"),
    [
        ("accuracy", 0.5, (0.03, 0.01), (0.56, 0.03), "rose to chance"),  # “is” or “are”, but not which
        ("accuracy", 0.5, (0.03, 0.01), (0.60, 0.03), "learned"),
        ("accuracy", None, (0.03, 0.01), (0.06, 0.03), "learned"),
        ("choice", 0.25, (0.9, 0.02), (0.3, 0.03), "lost"),
        ("choice", 0.25, (0.25, 0.02), (0.0, 0.0), "fell from chance"),
        ("exact", 0.0, (0.0, 0.0), (1.0, 0.0), "learned"),
        ("exact", 0.0, (0.0, float("nan")), (1.0, float("nan")), "rose to chance"),  # a single row has no error
        ("loss", None, (4.0, 0.1), (3.0, 0.1), "learned"),
        ("perplexity", None, (40.0, 0.1), (30.0, 0.1), "learned"),
        ("bits", None, (1.0, 0.1), (1.5, 0.1), "lost"),
    ],
)
def test_what_a_change_is_called(
    metric: str, chance: float | None, before: tuple[float, float], after: tuple[float, float], word: str
) -> None:
    rows, scored = np.array([[0, 1]]), np.array([[False, True]])
    foils = Foils(rows + 1, scored, np.zeros(1, int)) if metric == "choice" else None
    probe = Probe("p", rows, scored, metric=metric, foils=foils, chance=chance)
    assert word_for(probe, after[0] - before[0], before, after) == word
