"""Replica exchange over a ladder of inverse temperatures: the whole density of states from one run.

Many walkers climb a geometric ladder t₁ < … < t_R together. A walker is one replica exchange of its own: it holds a
point on every rung, moves each by Metropolis steps, and swaps neighbouring rungs. Walkers never meet, so they are
independent copies, and the spread between them is the error of anything that is read from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.crowd import LEAP_DIMENSIONS, Crowd
from zeeman.sampling.moves import Energy, Field
from zeeman.sampling.posterior import check_number

Floats = NDArray[np.float64]

LONG_STEPS = {"num_walkers": 64, "num_draws": 1000, "num_burnin_steps": 1500}
"""With a gradient a step costs more and is worth more."""
MAX_RUNGS = 50
HOTTEST = 0.1
"""⟨t K⟩ of free walkers on the first rung, which hence knows nothing of K."""
WIDEST, SPACING = 1.4, 1.0
"""Largest distance of two rungs in log t, and its size in units of one over the standard deviation of t K."""
LEAST_SPREAD = 1e-3
"""Where the pilot met nothing but 0, t K has no spread at all."""
SPAN = 64.0
"""Length of the longest ladder in log t."""
CLIMB = 1.5
"""Square of the length of a ladder, in units of the standard deviation of t K, that a step can serve."""
PILOT_RUNGS, PILOT_SPAN, PILOT_WALKERS, PILOT_BURNIN, PILOT_DRAWS = 24, 12.0, 16, 300, 64
PRECISION = 0.03
"""A rung is dropped where rounding the weights to floats changes t K by more than this."""
NEGATIVE = -1e-9
"""Below this K is negative in earnest and not by rounding."""
FLOOR = 0.5
"""Where the lowest K is more than this share of its mean on the coldest rung of the pilot, the minimum is not 0."""
FRESH, LEAST_FRESH, REMEMBERED = 0.6, 0.4, 0.3
"""Share of the draws of a rung that must have come down from the hot end, where walkers forget: `REMEMBERED` / t⟨K⟩
between these bounds. What a walker remembers is where on the zero set it is, and that changes t K by a part of a unit,
whatever the λ."""


@dataclass(frozen=True)
class Ladder:
    """How long the ladder and its walkers are.

    Parameters
    ----------
    num_walkers : int
        Independent copies; half start anywhere in the domain, half at the reference point.
    num_draws, num_burnin_steps, num_steps_bw_draws : int
        Length of each walker.
    n_beta : tuple of float
        Rungs t = nβ, ascending; empty: chosen by a short pilot so that neighbours swap about every other time.
    seed : int

    Raises
    ------
    ZeemanError
        For numbers that make no sense.
    """

    num_walkers: int = 128
    num_draws: int = 3500
    num_burnin_steps: int = 2000
    num_steps_bw_draws: int = 4
    n_beta: tuple[float, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        lows = {"num_walkers": 4, "num_draws": 16, "num_burnin_steps": 1, "num_steps_bw_draws": 1, "seed": 0}
        for name, low in lows.items():
            if getattr(self, name) < low:
                raise ZeemanError(f"{name} must be at least {low}, got {getattr(self, name)}; choose a larger one.")
        for value in self.n_beta:
            check_number("n_beta", value, zero=False)
        rising = all(a < b for a, b in zip(self.n_beta, self.n_beta[1:], strict=False))
        if self.n_beta and (len(self.n_beta) < 4 or not rising):
            raise ZeemanError(f"n_beta must be at least 4 rising values, got {self.n_beta}; list them in order.")

    @classmethod
    def fitting(cls, num_parameters: int, **given: int | None) -> Ladder:
        """Choose a length by the number of weights: with a gradient a step costs more and is worth more.

        Parameters
        ----------
        num_parameters : int
        **given
            Fields that are chosen already; None leaves the choice.

        Examples
        --------
        >>> Ladder.fitting(2, num_draws=100).num_draws, Ladder.fitting(50).num_walkers
        (100, 64)
        """
        chosen: dict[str, int] = {} if num_parameters < LEAP_DIMENSIONS else dict(LONG_STEPS)
        return cls(**chosen | {name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class LadderDraws:
    """What the walkers of a ladder read.

    Parameters
    ----------
    n_beta : array, shape (rungs,)
        t of the rungs that can be trusted.
    energy : array, shape (rungs, walkers, draws)
        K at the draws.
    level : array, shape (2, walkers, rungs)
        t⟨K⟩ of each walker in either half of the draws, with control variates (`ControlSums`).
    swaps : array, shape (rungs − 1,)
        Share of swaps accepted between neighbours.
    acceptance : array, shape (rungs,)
        Share of moves accepted.
    imprecise, stale : int
        Rungs at the cold end that were dropped, since they lie beyond the machine's precision or since too few of
        their draws had ever been at the hot end.
    lowest : float
        Lowest K that was met anywhere.
    lowest_at : array, shape (d,)
        Where.
    observed : dict of arrays, shape (rungs, walkers, draws)
        Observables φ(w) at the draws.
    places : array, shape (rungs, walkers, kept, d)
        w − w* at up to 64 draws of each walker, evenly spaced; none where they would take more than 160 MB.
    """

    n_beta: Floats
    energy: Floats
    level: Floats
    swaps: Floats
    acceptance: Floats
    imprecise: int
    stale: int
    lowest: float
    lowest_at: Floats
    observed: Mapping[str, Floats] = field(default_factory=dict)
    places: Floats = field(default_factory=lambda: np.empty((0, 0, 0, 0)))


def run_ladder(
    energy: Energy,
    center: torch.Tensor,
    ladder: Ladder | None = None,
    *,
    domain: float | None = None,
    localization: float = 0.0,
    observables: Mapping[str, Energy] | None = None,
    on_progress: Callable[[int, int], None] = lambda *_: None,
) -> LadderDraws:
    """Sample exp{−t K(w)} around a point on every rung of a ladder at once.

    The prior is uniform on the box |w_i − w*_i| ≤ ``domain``, or the Gaussian exp{−(γ/2)‖w − w*‖²}, or both.

    Parameters
    ----------
    energy : callable
        Maps points (B, d) to K (B,), differentiable.
    center : Tensor, shape (d,)
        w*; the walkers compute in float64.
    ladder : Ladder or None
    domain : float or None
        Half-width of the box.
    localization : float
        γ.
    observables : dict of callable
        Functions φ of points (B, d) that are read at the draws.
    on_progress : callable
        Told of steps done and in all.

    Returns
    -------
    LadderDraws

    Raises
    ------
    ZeemanError
        If nothing bounds the walkers, K is not finite where they start, or K is negative somewhere.

    Examples
    --------
    >>> quick = Ladder(num_walkers=32, num_draws=100, num_burnin_steps=100, n_beta=(1.0, 4.0, 16.0, 64.0, 256.0))
    >>> draws = run_ladder(lambda w: (w**2).sum(-1), torch.zeros(2), quick, localization=1.0)
    >>> bool(abs(draws.n_beta[-1] * draws.energy[-1].mean() - 1) < 0.1)
    True
    """
    ladder = ladder or Ladder.fitting(len(center))
    held = Field(energy, center.detach().to(torch.float64), domain, localization)
    _check(held)
    steps = ladder.num_burnin_steps + ladder.num_draws * ladder.num_steps_bw_draws
    with torch.no_grad():
        crowd = Crowd(held, _choose_rungs(held, ladder, steps), ladder.num_walkers, ladder.seed)
        crowd.burn_in(ladder.num_burnin_steps, lambda step: on_progress(step, steps))
        kept, seen, level, places = crowd.record(
            ladder.num_draws,
            ladder.num_steps_bw_draws,
            observables or {},
            lambda step: on_progress(ladder.num_burnin_steps + step, steps),
        )
        check_lowest(crowd.lowest, crowd.lowest_at.numpy())
        return _trusted(crowd, kept, seen, level, places)


def _trusted(crowd: Crowd, kept: Floats, seen: dict[str, Floats], level: Floats, places: Floats) -> LadderDraws:
    """Drop the cold rungs that rounding blurs, or that too few walkers reached from the hot end."""
    precise = _leading(crowd.rounding() < PRECISION)
    mean = torch.from_numpy(crowd.rungs * kept.mean(axis=(1, 2)))
    good = min(precise, _leading(crowd.freshness >= (REMEMBERED / mean).clamp(LEAST_FRESH, FRESH)))
    return LadderDraws(
        crowd.rungs[:good],
        kept[:good],
        level[..., :good],
        crowd.swaps[: max(good - 1, 0)].numpy(),
        crowd.acceptance[:good].numpy(),
        len(crowd.rungs) - precise,
        precise - good,
        crowd.lowest,
        crowd.lowest_at.numpy(),
        {name: values[:good] for name, values in seen.items()},
        places[:good],
    )


def _leading(good: torch.Tensor) -> int:
    """Count the rungs from the hot end up to the first that is not good."""
    bad = torch.nonzero(~good)
    return int(bad[0]) if len(bad) else len(good)


def _check(field: Field) -> None:
    check_number("localization", field.localization, zero=True)
    if field.domain is None and field.localization == 0:
        raise ZeemanError("neither a domain nor a localization holds the walkers: give one of them, such as domain 1.")
    if field.domain is not None:
        check_number("domain", field.domain, zero=False)
    if len(field.center) == 0:
        raise ZeemanError("no weights move, so there is no volume to measure; choose a component that has some.")


def _choose_rungs(field: Field, ladder: Ladder, steps: int) -> Floats:
    """Space rungs by the spread of t K, so that neighbours swap about every other time.

    Walkers diffuse along the ladder, so that the time for a way down grows with the square of its length
    Λ = ∫ sd(t K) dlog t; it is made as long as they can go a few times in the steps that they have.
    """
    if ladder.n_beta:
        return np.asarray(ladder.n_beta)
    first = HOTTEST / _free_level(field, ladder.seed)
    pilot = first * np.exp(np.linspace(0, PILOT_SPAN, PILOT_RUNGS))
    crowd = Crowd(field, pilot, PILOT_WALKERS, ladder.seed)
    crowd.burn_in(PILOT_BURNIN, lambda _: None)
    found, *_ = crowd.record(PILOT_DRAWS, 2, {}, lambda _: None)
    check_lowest(crowd.lowest, crowd.lowest_at.numpy())
    _check_zero(crowd.lowest, float(found[-1].mean()))
    spread = np.maximum(np.maximum.accumulate(pilot * found.std(axis=(1, 2))), LEAST_SPREAD)
    place, length = [math.log(first)], 0.0
    while len(place) < MAX_RUNGS and place[-1] < place[0] + SPAN and length < math.sqrt(CLIMB * steps):
        here, step = float(np.interp(place[-1], np.log(pilot), spread)), WIDEST
        for _ in range(2):  # the spread at the far end, which is wider, decides
            step = min(WIDEST, SPACING / here)
            here = float(np.interp(place[-1] + step, np.log(pilot), spread))
        place.append(place[-1] + step)
        length += step * here
    return np.exp(np.asarray(place, np.float64))


def _free_level(field: Field, seed: int) -> float:
    """⟨K⟩ under the prior alone."""
    values = field.value(field.start(256, np.random.default_rng([seed, 1])))
    scale = float(values.mean())
    if not bool(torch.isfinite(values).all()):
        raise ZeemanError("the potential is not finite on the whole domain; choose a smaller domain.")
    if scale <= 0 or float(values.max()) <= 0:
        raise ZeemanError(
            f"the potential is nowhere above 0 where walkers start (mean {scale:.3g}), and must be at least 0; "
            "check its sign, or square it."
        )
    return scale


def check_lowest(lowest: float, where: Floats) -> None:
    """Refuse a potential that is negative somewhere.

    Raises
    ------
    ZeemanError
    """
    if lowest < NEGATIVE:
        place = ", ".join(f"{value:.4g}" for value in where[:8]) + (", …" if len(where) > 8 else "")
        raise ZeemanError(
            f"a potential must be at least 0 around its minimum, and this one is {lowest:.3g} at ({place}); "
            "square it, or choose a smaller domain."
        )


def _check_zero(lowest: float, coldest: float) -> None:
    """Refuse a potential whose minimum is above 0: the colder, the closer K is to it."""
    if lowest > FLOOR * coldest:
        raise ZeemanError(
            f"a potential must be 0 at its minimum, and the lowest value of this one is about {lowest:.6g}; "
            "subtract it, or choose a domain that holds a zero."
        )
