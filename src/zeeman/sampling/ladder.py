"""Replica exchange over a ladder of inverse temperatures: the whole density of states from one run.

Many walkers climb a geometric ladder t₁ < … < t_R together. A walker is one replica exchange of its own: it holds a
point on every rung, moves each by Metropolis steps, and swaps neighbouring rungs. Walkers never meet, so they are
independent copies, and the spread between them is the error of anything that is read from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.moves import MAX_LEAPS, Energy, Field, leap, walk
from zeeman.sampling.posterior import check_number

WALK_DIMENSIONS = 8
"""Up to so many weights the moves without a gradient, which know no scale, still find theirs by chance."""
LEAP_DIMENSIONS = 5
"""From so many weights on a gradient pays for itself."""
COOLING = 60
"""Moves on each rung at the start, before the next colder one begins from there; leaps count as many."""
LONG_STEPS = {"num_walkers": 64, "num_draws": 1000, "num_burnin_steps": 1500}
MAX_RUNGS = 50
HOTTEST = 0.1
"""⟨t K⟩ of free walkers on the first rung, which hence knows nothing of K."""
SPAN = 64.0
"""Length of the longest ladder in log t."""
PRECISION = 0.03
"""A rung is dropped where rounding the weights to floats changes t K by more than this."""
NEGATIVE = -1e-9
"""Below this K is negative in earnest and not by rounding."""
FLOOR = 0.5
"""Where the lowest K is more than this share of its mean on the coldest rung of the pilot, the minimum is not 0."""
FRESH = 0.6
"""A rung is dropped unless at least this share of its draws has come down from the hot end, where walkers forget."""


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
    """

    n_beta: NDArray[np.float64]
    energy: NDArray[np.float64]
    swaps: NDArray[np.float64]
    acceptance: NDArray[np.float64]
    imprecise: int
    stale: int
    lowest: float
    lowest_at: NDArray[np.float64]
    observed: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


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
    with torch.no_grad():
        crowd = _Crowd(held, ladder, _choose_rungs(held, ladder), observables or {})
        crowd.burn_in(ladder.num_burnin_steps, on_progress)
        return crowd.draw(on_progress)


def _check(field: Field) -> None:
    check_number("localization", field.localization, zero=True)
    if field.domain is None and field.localization == 0:
        raise ZeemanError("neither a domain nor a localization holds the walkers: give one of them, such as domain 1.")
    if field.domain is not None:
        check_number("domain", field.domain, zero=False)
    if len(field.center) == 0:
        raise ZeemanError("no weights move, so there is no volume to measure; choose a component that has some.")


def _choose_rungs(field: Field, ladder: Ladder) -> NDArray[np.float64]:
    """Space rungs by 1/√λ in log t, where neighbours of a Gamma(λ) law swap about every other time."""
    if ladder.n_beta:
        return np.asarray(ladder.n_beta)
    free = field.start(256, np.random.default_rng([ladder.seed, 1]))
    values = field.value(free)
    scale = float(values.mean())
    if not bool(torch.isfinite(values).all()):
        raise ZeemanError("the potential is not finite on the whole domain; choose a smaller domain.")
    if scale <= 0 or float(values.max()) <= 0:
        raise ZeemanError(
            f"the potential is nowhere above 0 where walkers start (mean {scale:.3g}), and must be at least 0; "
            "check its sign, or square it."
        )
    first = HOTTEST / scale
    pilot = replace(ladder, num_walkers=16, num_burnin_steps=300, num_draws=64, num_steps_bw_draws=2)
    crowd = _Crowd(field, pilot, first * np.exp(np.linspace(0, 12, 24)), {})
    crowd.burn_in(pilot.num_burnin_steps, lambda *_: None)
    found = crowd.draw(lambda *_: None)
    check_lowest(found.lowest, found.lowest_at)
    _check_zero(found)
    exponent = float((found.n_beta[:, None, None] * found.energy).mean((1, 2)).max())
    spacing = min(1.4, 1 / math.sqrt(max(exponent, 1e-3)))
    count = min(MAX_RUNGS, math.ceil(SPAN / spacing) + 1)
    rungs: NDArray[np.float64] = first * np.exp(spacing * np.arange(count))
    return rungs


def check_lowest(lowest: float, where: NDArray[np.float64]) -> None:
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


def _check_zero(pilot: LadderDraws) -> None:
    """Refuse a potential whose minimum is above 0: the colder, the closer K is to it."""
    coldest = float(pilot.energy[-1].mean()) if len(pilot.energy) else math.inf
    if pilot.lowest > FLOOR * coldest:
        raise ZeemanError(
            f"a potential must be 0 at its minimum, and the lowest value of this one is about {pilot.lowest:.6g}; "
            "subtract it, or choose a domain that holds a zero."
        )


class _Crowd:
    """All walkers on all rungs."""

    def __init__(
        self, field: Field, ladder: Ladder, rungs: NDArray[np.float64], observables: Mapping[str, Energy]
    ) -> None:
        self.observables = observables
        self.field, self.ladder, self.step = field, ladder, 0
        self.rungs = rungs
        self.t = torch.from_numpy(rungs)[:, None]
        shape = (len(rungs), ladder.num_walkers)
        start = field.start(math.prod(shape), self._generator()).view(*shape, -1)
        self.points = start
        self.energy = field.value(start)
        self.reach = 0.3 * torch.clamp(self.t, min=1.0).rsqrt().expand(shape[0], 1).clone() * field.width
        self.reach /= len(field.center) ** 0.25
        self.accepted = torch.zeros(shape[0], dtype=torch.float64)
        self.swapped = torch.zeros(shape[0] - 1, dtype=torch.float64)
        self.fresh = torch.zeros(shape, dtype=torch.bool)
        self.freshness = torch.zeros(shape[0], dtype=torch.float64)
        self.lowest, self.lowest_at = math.inf, field.center.clone()
        self._cool()
        # Half from above and half from below: when they agree, neither remembers where it began.
        self.points[:, ladder.num_walkers // 2 :] = field.center
        self.energy = field.value(self.points)
        self._note_lowest()

    def _generator(self) -> np.random.Generator:
        """Numbers of a step: a function of the seed and the step alone."""
        key = np.array([self.ladder.seed, 0x1ADDE5], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, self.step, 0], np.uint64)))

    def _cool(self) -> None:
        """Begin each rung where the hotter one stands; from anywhere, a cold one would take ages to find its valley."""
        for rung in range(1, len(self.rungs)):
            self.points[rung], self.energy[rung] = self.points[rung - 1], self.energy[rung - 1]
            for _ in range(COOLING if len(self.field.center) < LEAP_DIMENSIONS else COOLING // MAX_LEAPS):
                self.step += 1
                self._move(slice(rung, rung + 1), self._generator(), 0.0)

    def advance(self, adapt: float) -> None:
        """Move every point, then swap neighbours."""
        self.step += 1
        noise = self._generator()
        moved = self._move(slice(None), noise, adapt)
        self.accepted += moved.double().mean(1)
        self._swap(noise)
        self._note_lowest()

    def _move(self, rungs: slice, noise: np.random.Generator, adapt: float) -> torch.Tensor:
        """Move the points of some rungs by all kinds of moves that suit their dimension."""
        dimension, t = len(self.field.center), self.t[rungs]
        moved = torch.zeros(self.energy[rungs].shape, dtype=torch.bool)
        if dimension <= WALK_DIMENSIONS:
            moved |= self._take(rungs, *walk(self.field, self.points[rungs], self.energy[rungs], t, noise))
        if dimension >= LEAP_DIMENSIONS:
            reach = self.reach[rungs]
            taken = self._take(rungs, *leap(self.field, self.points[rungs], self.energy[rungs], t, reach, noise))
            self.reach[rungs] = reach * torch.exp(adapt * (taken.double().mean(1, keepdim=True) - 0.65))
            moved |= taken
        return moved

    def _take(self, rungs: slice, accept: torch.Tensor, points: torch.Tensor, energy: torch.Tensor) -> torch.Tensor:
        self.points[rungs] = torch.where(accept[..., None], points, self.points[rungs])
        self.energy[rungs] = torch.where(accept, energy, self.energy[rungs])
        return accept

    def _swap(self, noise: np.random.Generator) -> None:
        low = torch.arange(self.step % 2, len(self.rungs) - 1, 2)
        gain = (self.t[low + 1] - self.t[low]) * (self.energy[low + 1] - self.energy[low])
        swap = torch.from_numpy(noise.random(tuple(gain.shape))).log() < gain
        self.swapped[low] += 2 * swap.double().mean(1)
        self.fresh[0] = True
        for name in ("points", "energy", "fresh"):
            values = getattr(self, name)
            chosen = swap[..., None] if values.dim() == 3 else swap
            below, above = values[low], values[low + 1]
            values[low], values[low + 1] = torch.where(chosen, above, below), torch.where(chosen, below, above)
        self.freshness += self.fresh.double().mean(1)

    def _note_lowest(self) -> None:
        value = float(self.energy.min())
        if value < self.lowest:
            where = int(self.energy.argmin())
            self.lowest, self.lowest_at = value, self.points.view(-1, self.points.shape[-1])[where].clone()

    def burn_in(self, steps: int, on_progress: Callable[[int, int], None]) -> None:
        """Settle, and find the step sizes, which are frozen afterwards."""
        for k in range(steps):
            self.advance(0.5 / math.sqrt(1 + k / 50))
            if k % 50 == 0:
                on_progress(k, self.num_steps)
        self.accepted.zero_()
        self.swapped.zero_()
        self.freshness.zero_()

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self.ladder.num_burnin_steps + self.ladder.num_draws * self.ladder.num_steps_bw_draws

    def draw(self, on_progress: Callable[[int, int], None]) -> LadderDraws:
        """Walk on and keep the energies."""
        steps = self.ladder.num_draws * self.ladder.num_steps_bw_draws
        kept = np.empty((*self.energy.shape, self.ladder.num_draws))
        seen = {name: np.empty_like(kept) for name in self.observables}
        for k in range(self.ladder.num_draws):
            for _ in range(self.ladder.num_steps_bw_draws):
                self.advance(0.0)
            kept[..., k] = self.energy.numpy()
            for name, observable in self.observables.items():
                flat = observable(self.points.reshape(-1, self.points.shape[-1]))
                seen[name][..., k] = flat.reshape(self.energy.shape).numpy()
            if k % 50 == 0:
                on_progress(self.step, self.num_steps)
        precise = self._within_precision()
        check_lowest(self.lowest, self.lowest_at.numpy())
        good = min(precise, _leading(self.freshness / steps >= FRESH))
        return LadderDraws(
            self.rungs[:good],
            kept[:good],
            (self.swapped[: good - 1] / steps).numpy(),
            (self.accepted[:good] / steps).numpy(),
            len(self.rungs) - precise,
            precise - good,
            self.lowest,
            self.lowest_at.numpy(),
            {name: values[:good] for name, values in seen.items()},
        )

    def _within_precision(self) -> int:
        """Count the rungs, from the hot end, on which rounding does not matter."""
        tilt = self._generator().uniform(-1, 1, tuple(self.points.shape))
        # By up to two units in the last place: walkers gather where rounding itself makes a dent, and sit still in it.
        rounded = self.points * (1 + 2.0**-51 * torch.from_numpy(tilt))
        change = (self.t * (self.field.value(rounded) - self.energy)).square().mean(1).sqrt()
        return _leading(change < PRECISION)


def _leading(good: torch.Tensor) -> int:
    """Count the rungs from the hot end up to the first that is not good."""
    bad = torch.nonzero(~good)
    return int(bad[0]) if len(bad) else len(good)
