"""Examine a bare potential: sample its ladder, read its density of states and its learning coefficient."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from zeeman.errors import ZeemanError
from zeeman.reading import Reading
from zeeman.sampling import Energy, Ladder, LadderDraws, run_ladder
from zeeman.spectra import DensityOfStates, density_of_states, llc_ladder


@dataclass(frozen=True, eq=False)
class PotentialExamination:
    """What was found around the minimum of a potential.

    Parameters
    ----------
    llc : Reading
        λ with its error; m and its posterior are among the coordinates.
    density : DensityOfStates or None
        None where the rungs that can be trusted do not join.
    draws : LadderDraws
    seconds : float
    """

    llc: Reading
    density: DensityOfStates | None
    draws: LadderDraws
    seconds: float


def examine_potential(
    energy: Energy,
    center: torch.Tensor,
    *,
    domain: float | None = None,
    localization: float = 0.0,
    ladder: Ladder | None = None,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> PotentialExamination:
    """Measure (λ, m) and the density of states of a potential K ≥ 0 around a point.

    Parameters
    ----------
    energy : callable
        Maps points (B, d) to K (B,), differentiable; 0 at its minimum.
    center : Tensor, shape (d,)
    domain, localization : float
        What holds the walkers (`run_ladder`).
    ladder : Ladder or None
    on_progress : callable
        Told of steps done and in all.

    Returns
    -------
    PotentialExamination

    Raises
    ------
    ZeemanError
        If K is negative somewhere, or nothing bounds the walkers.

    Examples
    --------
    >>> quick = Ladder(num_walkers=32, num_draws=100, num_burnin_steps=300)
    >>> found = examine_potential(lambda w: (w**4).sum(-1), torch.zeros(2), domain=1.0, ladder=quick)
    >>> found.llc.coordinates["multiplicity"], bool(abs(found.llc.value - 0.5) < 4 * found.llc.standard_error)
    (1, True)
    """
    started = time.perf_counter()
    draws = run_ladder(energy, center, ladder, domain=domain, localization=localization, on_progress=on_progress)
    llc = llc_ladder(draws, len(center))
    try:
        density = density_of_states(draws.energy, draws.n_beta) if len(draws.n_beta) > 1 else None
    except ZeemanError:
        density = None
    return PotentialExamination(llc, density, draws, time.perf_counter() - started)
