"""The few directions that the germ of a checkpoint is read on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from zeeman.errors import ZeemanError
from zeeman.examination.subject import Subject
from zeeman.examination.unit import SamplerSettings
from zeeman.sampling import FlatEnergy, LocalPosterior, Spread, flattest_directions, widest_directions

Along = Literal["chord", "flat", "posterior"]


@dataclass(frozen=True, eq=False)
class Subspace:
    """Directions in the weights of a component.

    Parameters
    ----------
    frame : Tensor of float64, shape (d, k)
        Orthonormal columns.
    length : float
        How far to look, in units of the weights.
    spread : Spread or None
        What the chains showed, where they chose the directions.
    """

    frame: torch.Tensor
    length: float
    spread: Spread | None = None


def choose_subspace(
    subject: Subject, step: int, settings: SamplerSettings, along: Along, posterior: LocalPosterior, dimension: int
) -> Subspace:
    """Choose directions at a checkpoint.

    Parameters
    ----------
    subject : Subject
    step : int
    settings : SamplerSettings
        Chains that ``posterior`` runs; its γ gives the length of all but chords, γ^{−1/2}.
    along : {"chord", "flat", "posterior"}
        Towards the next checkpoints; where the Hessian is least; where draws spread most.
    posterior : LocalPosterior
        The component on the observed rows.
    dimension : int

    Raises
    ------
    ZeemanError
        For a chord that does not exist, a Hessian that is too large, or chains that are lost.
    """
    if along == "chord":
        return Subspace(*_chords(subject, step, posterior, dimension))
    length = settings.localization**-0.5
    if along == "flat":
        return Subspace(flattest_directions(posterior, dimension), length)
    spread = _spread(subject, step, posterior.component.name, settings, dimension)
    return Subspace(spread.frame, length, spread)


def _chords(subject: Subject, step: int, posterior: LocalPosterior, dimension: int) -> tuple[torch.Tensor, float]:
    """Orthonormal directions towards the next checkpoints, the nearest first, and the length of the first chord."""
    steps = subject.series.steps
    at = steps.index(step)
    others = [*steps[at + 1 :], *reversed(steps[:at])][:dimension]
    if len(others) < dimension:
        raise ZeemanError(
            f"{dimension} chords need as many other checkpoints, the series has {len(others)}; choose fewer dimensions."
        )
    component = posterior.component.name
    there = [FlatEnergy(subject.sample(subject.series.at(other), component)) for other in others]
    center = FlatEnergy(posterior).center.double()
    chords = [energy.center.double() - center for energy in there]
    frame, triangle = torch.linalg.qr(torch.stack(chords, dim=1))
    if float(triangle.diagonal().abs().min()) <= 1e-9 * float(triangle.abs().max()):
        raise ZeemanError(
            f"the weights of {component} do not move from step {step} to the next checkpoints, so there is no chord; "
            "choose another component or --along flat."
        )
    return frame * triangle.diagonal().sign(), float(triangle[0, 0].abs())


def _spread(subject: Subject, step: int, component: str, settings: SamplerSettings, dimension: int) -> Spread:
    """Run the chains that an examination would run, and see where they spread."""
    posterior = subject.posterior(
        subject.series.at(step),
        component,
        n_beta=settings.n_beta,
        localization=settings.localization,
        batch_size=min(settings.batch_size, len(subject.library.data.inputs)),
    )
    return widest_directions(
        posterior,
        settings.sampler,
        settings.schedule,
        dimension,
        seed=settings.seed,
        num_chains=settings.num_chains,
    )
