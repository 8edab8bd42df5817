"""Examine a bare potential: sample its ladder, read its density of states and its learning coefficient."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from zeeman.errors import ZeemanError
from zeeman.reading import Reading, Verdict
from zeeman.sampling import Energy, Ladder, LadderDraws, run_ladder
from zeeman.spectra import DensityOfStates, density_of_states, direction_exponents, find_directions, llc_ladder

MAX_SHORT, LEAST_SHORT = 4.0, 0.04
"""How far Σ α and λ may be apart, in errors and as a share of λ."""


@dataclass(frozen=True, eq=False)
class PotentialExamination:
    """What was found around the minimum of a potential.

    Parameters
    ----------
    llc : Reading
        λ with its error; m and its posterior are among the coordinates.
    density : DensityOfStates or None
        None where the rungs that can be trusted do not join.
    directions : tuple of Reading
        Exponents α_i of the directions, the widest first (`direction_exponents`); NO_WEIGHT where they do not sum to λ.
        Empty where the ladder is too short for them.
    draws : LadderDraws
    seconds : float
    """

    llc: Reading
    density: DensityOfStates | None
    directions: tuple[Reading, ...]
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
    return PotentialExamination(llc, density, _directions(draws, llc), draws, time.perf_counter() - started)


def _directions(draws: LadderDraws, llc: Reading) -> tuple[Reading, ...]:
    """Exponents of the directions, held against λ: where they do not sum to it no weights exist along these axes."""
    try:
        found = direction_exponents(draws.places, draws.n_beta, find_directions(draws.places, draws.n_beta))
    except ZeemanError:
        return ()
    total, error = exponent_sum(found)
    short = abs(total - float(llc.value))
    if llc.verdict.trusted and short > max(
        MAX_SHORT * math.hypot(error, float(llc.standard_error)), LEAST_SHORT * float(llc.value)
    ):
        reason = f"the exponents sum to {total:.3f} ± {error:.1g}, and λ is {llc.value:.3f}"
        found = [replace(one, verdict=Verdict.NO_WEIGHT, reasons=(*one.reasons, reason)) for one in found]
    return tuple(found)


def exponent_sum(directions: Sequence[Reading]) -> tuple[float, float]:
    """Sum of the exponents with its error, as far as they err independently.

    Examples
    --------
    >>> exponent_sum([Reading("direction_exponent", 0.25, 0.003, Verdict.OK)] * 2)[0]
    0.5
    """
    total = math.fsum(float(one.value) for one in directions)
    return total, math.sqrt(math.fsum(float(one.standard_error) ** 2 for one in directions))
