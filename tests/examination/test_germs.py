"""The germ of a trained network, against its own losses and gradients."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from germ_nets import Bottleneck, Twins, held, taught, trained
from zeeman.cli.app import app
from zeeman.errors import ZeemanError
from zeeman.examination import SamplerSettings, Subject, germ_document, read_germ
from zeeman.examination.subspaces import Along
from zeeman.probes import Library
from zeeman.programs import Measured, match, measured_fields
from zeeman.reading import Verdict
from zeeman.sampling import FlatEnergy
from zeeman.subjects import Series

SETTINGS = SamplerSettings(n_beta=100.0, localization=100.0)


@pytest.fixture
def subject(tiny_series: Series, library: Library) -> Subject:
    return Subject(tiny_series, library, num_data_rows=16)


def test_the_fit_is_the_loss_along_a_stiff_chord(subject: Subject) -> None:
    """With nothing else free to follow (a strong restraint) the polynomial is the loss on the chord itself."""
    stiff = SamplerSettings(n_beta=1e-6, localization=1e6)
    step, after = subject.series.steps[1:3]
    reading = read_germ(subject, step, stiff, degree=6)
    energy = FlatEnergy(subject.sample(subject.series.at(step), "full"))
    start = energy.center.double()
    end = FlatEnergy(subject.sample(subject.series.at(after), "full")).center.double()
    assert reading.taylor.radius == pytest.approx(float((end - start).norm()), rel=1e-6)
    with torch.no_grad():
        rise = float((energy(end[None]) - energy(start[None]))[0])
    fitted = reading.taylor.scale * float(reading.taylor.coefficients.sum())
    assert fitted == pytest.approx(rise, rel=0.02)


def test_other_weights_lower_the_effective_potential(subject: Subject) -> None:
    """V at the end of the chord is at most the loss there, and the model and its mode stay as they were."""
    step = subject.series.steps[2]
    model = subject.model(subject.series.at(step))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    free = read_germ(subject, step, SETTINGS, degree=4)
    stiff = read_germ(subject, step, SamplerSettings(n_beta=1e-6, localization=1e6), degree=4)
    ends = [r.taylor.scale * float(r.taylor.coefficients.sum()) for r in (free, stiff)]
    assert ends[0] < ends[1] + 0.05 * abs(ends[1]) + 1e-3
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_checkpoint_in_full_descent_is_no_germ(subject: Subject) -> None:
    reading = read_germ(subject, subject.series.steps[0], SETTINGS, degree=4)
    assert (reading.posterior.name, reading.verdict) == ("A0", Verdict.NOT_CRITICAL)
    assert "no germ sits here" in reading.reasons[0]
    assert not reading.deformations
    assert germ_document(reading)["critical_distance"] > 1
    assert sum(c.probability for c in reading.posterior.candidates) == pytest.approx(1.0)
    # What has a slope has order one along arcs, at scales below its critical point.
    assert all(abs(one.order - 1) < 0.3 for one in reading.arcs if one.verdict is Verdict.OK)


CHAINS = SamplerSettings(
    lr=2e-4, n_beta=1e4, localization=4.0, num_draws=30, num_burnin_steps=200, num_steps_bw_draws=30
)


@pytest.mark.parametrize("along", ["flat", "posterior"])
def test_two_units_that_are_copies_are_a3(along: Along) -> None:
    """Noise on the targets shifts the quadratic part, which the errors know."""
    reading = read_germ(taught(Twins, seed=1, noise=0.05), 0, CHAINS, along=along)
    assert (reading.posterior.name, reading.verdict) == ("A3", Verdict.OK)
    assert set(reading.deformations) == {"some"}


def test_linear_nets_at_zero() -> None:
    """½ x² (t − w_1 … w_L)²: no cubic part for L = 2 and t = 0, three flat directions for L = 3."""
    for depth, missing, degree, name in ((2, 0.0, 6, "X9+"), (3, 1.0, 4, "P8+")):
        subject = taught(partial(Bottleneck, depth, missing))
        reading = read_germ(subject, 0, CHAINS, along="flat", dimension=depth, degree=degree)
        assert reading.posterior.name == name


def test_a_germ_in_a_transformer_is_read_along_the_chord() -> None:
    reading = read_germ(held(trained(20), 4, force=0.3), 0, CHAINS)
    assert (reading.posterior.name, reading.posterior.real_form) == ("A3", "+")
    assert reading.taylor.coefficients[4] * reading.taylor.scale == pytest.approx(1.0, rel=0.02)


def test_a_potential_that_the_rows_do_not_show_has_no_class() -> None:
    """With noise as large as the weights every coefficient is within its errors."""
    reading = read_germ(taught(Twins, noise=3.0, rows=8), 0, CHAINS, along="flat")
    assert reading.verdict is not Verdict.OK


def test_chains_that_show_no_subspace_are_a_verdict(subject: Subject) -> None:
    short = SamplerSettings(num_draws=4, num_burnin_steps=0, num_chains=2)
    reading = read_germ(subject, subject.series.steps[-1], short, along="posterior", degree=4)
    assert reading.verdict is Verdict.NOT_MIXED
    assert germ_document(reading)["spread"]["agreement"][0] < 0.8


def test_the_document_says_all_of_it(subject: Subject) -> None:
    reading = read_germ(
        subject, subject.series.steps[-1], SETTINGS, along="flat", component="l0h0", dimension=2, degree=4
    )
    found = germ_document(reading)
    assert found["class"] == reading.posterior.name
    assert found["provenance"]["along"] == "flat"
    assert len(found["coefficients"]) == 14
    values = np.array([v for v, _ in found["coefficients"].values()])
    assert np.abs(values).max() == pytest.approx(1.0)
    classes = measured_fields(found | {"verdict": "ok"})["classes"]
    assert classes == {c.name: c.probability for c in reading.posterior.candidates}
    assert match(Measured(classes=classes)).rivals
    assert [one["weights"] for one in found["arcs"]["orders"]][-4:] == [[1, 1], [1, 2], [1, 3], [2, 3]]


def test_bad_input_is_said_in_a_sentence(subject: Subject, tmp_path: Path) -> None:
    step, two = subject.series.steps[-1], replace(subject.series, checkpoints=subject.series.checkpoints[:2])
    with pytest.raises(ZeemanError, match="1 to 4"):
        read_germ(subject, step, SETTINGS, dimension=5)
    with pytest.raises(ZeemanError, match="chords need"):
        read_germ(replace(subject, series=two), two.steps[0], SETTINGS, dimension=2)
    with pytest.raises(ZeemanError, match="no checkpoint at step"):
        read_germ(subject, 7, SETTINGS)
    with pytest.raises(ZeemanError):
        app(["germ", str(tmp_path / "none")], exit_on_error=False, print_error=False)
