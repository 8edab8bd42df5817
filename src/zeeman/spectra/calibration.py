"""The choice of step size, temperature and localization from the figures of short pilot chains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.health import MAX_BELOW, MAX_DRIFT, MIN_ESS, drift, effective_draws
from zeeman.sampling.heating import force_excess
from zeeman.spectra.llc import batch_means, minibatch_variance

_ROUND = (1.0, 1.5, 2.2, 3.3, 4.7, 6.8)
"""Six step sizes a decade, each about 1.47 times the one before."""
PRECISION = 0.05
"""Relative standard error of λ̂ that a reading aims at."""


@dataclass(frozen=True)
class Objective:
    """What a setting is chosen for.

    Parameters
    ----------
    bias : float
        Largest share of λ̂ that may be heat of step size and minibatch.
    steps : int
        Gradient steps that a reading of one checkpoint may cost, over all its chains.
    num_chains : int
    energy : float or None
        Largest mean rise ⟨ΔL⟩ of the loss above the checkpoint, in the loss's own unit; None sets no bound.

    Raises
    ------
    ZeemanError
        For numbers that make no sense.
    """

    bias: float = 0.02
    steps: int = 1000
    num_chains: int = 4
    energy: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.bias < 1:
            raise ZeemanError(f"bias must lie between 0 and 1, a share of the reading, got {self.bias}; try 0.02.")
        if self.num_chains < 2 or self.steps < 60 * self.num_chains:
            raise ZeemanError(
                f"expected two chains or more and at least 60 steps for each, got num_chains {self.num_chains} and "
                f"steps {self.steps}; raise them."
            )
        if self.energy is not None and not (math.isfinite(self.energy) and self.energy > 0):
            raise ZeemanError(f"energy must be a positive finite number, got {self.energy}; choose one that is.")


@dataclass(frozen=True)
class Pilot:
    """Figures of one short run at one checkpoint; NaN where its chains were lost.

    Parameters
    ----------
    step : int
        Training step of the checkpoint.
    lr, n_beta, localization : float
    llc, llc_se : float
        nβ⟨ΔL⟩ with its Monte Carlo error.
    bias, bias_se : float
        Heat over what is left of λ̂ without it.
    ratio, ratio_se : float
        Variance over mean of nβ ΔL, without the minibatch's variance; 1 in the asymptotic regime.
    noise : float
        Standard deviation that the minibatch gives nβ ΔL, over λ̂.
    below : float
        Share of steps clearly below the loss of the checkpoint.
    drift : float
        Last third minus first, in standard errors.
    distance : float
        ‖w − w*‖ at the end.
    efficiency : float
        Effective draws of nβ ΔL a gradient step.
    spread : float
        Variance of nβ ΔL, minibatch and all, over λ̂².
    length : int
        Steps of a chain that were seen.
    """

    step: int
    lr: float
    n_beta: float
    localization: float
    llc: float
    llc_se: float
    bias: float
    bias_se: float
    ratio: float
    ratio_se: float
    noise: float
    below: float
    drift: float
    distance: float
    efficiency: float
    spread: float
    length: int

    @property
    def lost(self) -> bool:
        """Whether a chain left the finite numbers."""
        return not math.isfinite(self.llc)

    @property
    def under(self) -> bool:
        """Whether the chains found lower loss than the checkpoint, so that it is no minimum at this scale."""
        return not self.lost and (self.llc <= 2 * self.llc_se or self.below > MAX_BELOW)

    @property
    def relaxation(self) -> float:
        """Steps in which the energy forgets: half its autocorrelation time, or 1/(εγ) where that is more.

        No direction of a minimum relaxes more slowly than those that γ alone holds. They hardly show in the energy,
        so that a pilot which has levelled off bounds what they can do to it: to a quarter of its length.
        """
        flat = 1 / (self.lr * self.localization) if self.localization else math.inf
        flat = min(flat, self.length / 4)
        return max(0.5 / self.efficiency if self.efficiency else math.inf, flat)

    def as_dict(self) -> dict[str, Any]:
        """The figures by name."""
        return asdict(self) | {"lost": self.lost, "under": self.under}


@dataclass(frozen=True)
class Candidate:
    """One (nβ, γ), the step size that its pilots lead to, and what speaks against it."""

    n_beta: float
    localization: float
    lr: float
    pilots: tuple[Pilot, ...]
    objections: tuple[str, ...]


def pilot_figures(
    rows: NDArray[np.floating],
    heat: NDArray[np.floating],
    *,
    step: int,
    lr: float,
    n_beta: float,
    localization: float,
    distance: float,
    num_rows: int | None = None,
) -> Pilot:
    """Sum a pilot up.

    Parameters
    ----------
    rows : array, shape (chains, steps, batch)
        Loss of each row minus its loss at the checkpoint, after burn-in.
    heat : array, shape (chains, times)
        `Block.heat` of the same stretch.
    step : int
    lr, n_beta, localization, distance : float
    num_rows : int or None
        Rows of the whole data.

    Returns
    -------
    Pilot

    Examples
    --------
    >>> energy = np.random.default_rng(0).gamma(10.0, size=(2, 200, 1)) / 50
    >>> found = pilot_figures(
    ...     energy, np.full((2, 100), 0.2), step=0, lr=1e-3, n_beta=50.0, localization=100.0, distance=1.0
    ... )
    >>> round(found.bias, 2), found.under
    (0.02, False)
    """
    energy = n_beta * batch_means(rows)
    if not (np.isfinite(energy).all() and np.isfinite(heat).all()):
        x = math.nan
        return Pilot(step, lr, n_beta, localization, x, x, x, x, x, x, x, x, x, x, x, x, energy.shape[1])
    ess = min(max(effective_draws(energy), 1.0), energy.size)
    mean, variance = float(energy.mean()), float(energy.var(ddof=1))
    batch = minibatch_variance(rows, n_beta, num_rows=num_rows)
    excess = force_excess(heat)
    cold = max(mean - excess.value, 1e-9 * max(abs(mean), 1.0))
    return Pilot(
        step=step,
        lr=lr,
        n_beta=n_beta,
        localization=localization,
        llc=mean,
        llc_se=math.sqrt(variance / ess),
        bias=excess.value / cold,
        bias_se=math.hypot(excess.standard_error / cold, excess.value * math.sqrt(variance / ess) / cold**2),
        ratio=(variance - batch) / mean,
        ratio_se=math.sqrt(2 / ess) * variance / abs(mean),
        noise=math.sqrt(batch) / abs(mean),
        below=float((energy < -2 * math.sqrt(batch)).mean()),
        drift=drift(energy),
        distance=distance,
        efficiency=ess / energy.size,
        spread=variance / mean**2,
        length=energy.shape[1],
    )


def round_lr(lr: float) -> float:
    """Give the largest step size of the grid, six a decade, that is at most ``lr``.

    Examples
    --------
    >>> round_lr(1.4e-3), round_lr(1.5e-3), round_lr(0.99)
    (0.001, 0.0015, 0.68)
    """
    power = math.floor(math.log10(lr) + 1e-9)
    scale = lr / 10.0**power * (1 + 1e-9)
    return float(f"{max(x for x in _ROUND if x <= max(scale, 1.0))}e{power}")


def next_lr(pilot: Pilot, bias: float) -> float:
    """Step size at which the bias, taken as proportional to ε, would just keep to its budget.

    Heat is linear in ε where the step is small, and grows faster where it is large, so that from above the walk falls
    short on the first try and from below it arrives. A standard error is added to the bias, so that chance does not
    make the step too large. A lost pilot is a boundary: a quarter of its step comes next.

    Parameters
    ----------
    pilot : Pilot
    bias : float
        The budget.

    Returns
    -------
    float
        On the grid of `round_lr`, within a factor of 10 of the pilot's.
    """
    if pilot.lost:
        return round_lr(pilot.lr / 4)
    if pilot.under:
        return pilot.lr
    found = max(pilot.bias + pilot.bias_se, 1e-12)
    return round_lr(pilot.lr * min(10.0, max(0.1, bias / found)))


def chain_length(pilots: Sequence[Pilot], lr: float, objective: Objective) -> tuple[int, int, int]:
    """Burn-in, spacing and number of draws of chains at step size ``lr``, for the slowest of several checkpoints.

    A start at w* is forgotten as e^{−s/τ}, so that τ log(1/bias) steps leave less than the budget of it. Draws stand τ
    apart, and are as many as a relative error of `PRECISION` and the health check need over all chains.

    Parameters
    ----------
    pilots : sequence of Pilot
        Healthy ones, at step sizes near ``lr``; relaxation times go as 1/ε.
    lr : float
    objective : Objective

    Returns
    -------
    num_burnin_steps, num_steps_bw_draws, num_draws : int
    """
    slow = max(p.relaxation * p.lr / lr for p in pilots)
    burn_in = math.ceil(slow * math.log(1 / objective.bias))
    spacing = max(1, round(slow))
    # Draws a relaxation time apart are worth half as many independent ones, or less.
    effective = max(MIN_ESS, max(p.spread for p in pilots) / PRECISION**2)
    draws = math.ceil(2 * effective / objective.num_chains)
    return burn_in, spacing, max(draws, 8)


def chain_cost(length: tuple[int, int, int], num_chains: int) -> int:
    """Gradient steps of all chains of one checkpoint."""
    burn_in, spacing, draws = length
    return num_chains * (burn_in + spacing * draws)


def objections(pilots: Sequence[Pilot], lr: float, objective: Objective) -> list[str]:
    """Say what speaks against a setting, from one pilot of each checkpoint; nothing where it may be used.

    Parameters
    ----------
    pilots : sequence of Pilot
        One a checkpoint, all at the same nβ and γ.
    lr : float
        Step size that serves all of them.
    objective : Objective

    Returns
    -------
    list of str
        Clauses, each with its figures.
    """
    found = []
    under = [p for p in pilots if p.under]
    fit = [p for p in pilots if not p.under and not p.lost]
    if len(under) > len(pilots) // 3:
        found.append(f"the chains fall below the loss of {len(under)} of {len(pilots)} checkpoints")
    if not fit:
        return found or ["a chain left the finite numbers"]
    moving = max(fit, key=lambda p: abs(p.drift))
    if abs(moving.drift) > MAX_DRIFT:
        found.append(f"the energy had not levelled off at step {moving.step} ({moving.drift:+.0f} standard errors)")
    loud = max(fit, key=lambda p: p.noise)
    if loud.noise > 1:
        found.append(f"the minibatch's noise is {loud.noise:.1f} times the signal at step {loud.step}")
    high = max(fit, key=lambda p: p.llc / p.n_beta)
    if objective.energy is not None and high.llc / high.n_beta > objective.energy:
        found.append(f"the loss rises by {high.llc / high.n_beta:.2g} at step {high.step}, above {objective.energy:g}")
    hot = max(fit, key=lambda p: p.bias * lr / p.lr)
    if hot.bias * lr / hot.lr > 1.2 * objective.bias + 2 * hot.bias_se:
        found.append(f"{hot.bias * lr / hot.lr:.1%} of the reading is heat at step {hot.step}")
    cost = chain_cost(chain_length(fit, lr, objective), objective.num_chains)
    if cost > objective.steps:
        found.append(f"a reading would cost {cost} gradient steps, above {objective.steps}")
    return found
