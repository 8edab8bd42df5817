"""All walkers on all rungs of a ladder: how they move, swap, settle and are recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.sampling.controls import ControlSums
from zeeman.sampling.moves import MAX_LEAPS, Energy, Field, Proposal, glide, leap, redraw, walk

Floats = NDArray[np.float64]

LEAP_DIMENSIONS = 5
"""From so many weights on trajectories, which need gradients, pay for themselves."""
COOLING = 60
"""Moves on each rung at the start, before the next colder one begins from there; leaps count as many."""
WALKS = 2
"""Moves without a gradient before each trajectory, a tenth of its cost."""
GLIDES = 0.3
"""Share of the steps that glide along a valley."""
SWEEPS = 6
"""Rounds of swaps after each move: they cost next to nothing. An even number."""
ACCEPTANCE = 0.65
"""Share of trajectories that the step size is adapted to."""
PLACES, LARGEST = 64, 20_000_000
"""Draws of each walker whose weights are kept, as far as they fit into so many numbers (160 MB)."""


class Crowd:
    """Walkers, each with a point on every rung.

    Parameters
    ----------
    field : Field
    rungs : array, shape (rungs,)
        t, ascending.
    num_walkers, seed : int

    Attributes
    ----------
    points, energy : Tensor, shape (rungs, walkers, d) and (rungs, walkers)
    lowest, lowest_at : float, Tensor
        Lowest K that was met, and where.
    """

    def __init__(self, field: Field, rungs: Floats, num_walkers: int, seed: int) -> None:
        self.field, self.rungs, self.seed, self.step = field, rungs, seed, 0
        self.t = torch.from_numpy(rungs)[:, None]
        shape = (len(rungs), num_walkers)
        self.points = field.start(math.prod(shape), self._generator()).view(*shape, -1)
        self.energy = field.value(self.points)
        self._trajectories = len(field.center) >= LEAP_DIMENSIONS
        common = 0.3 * torch.clamp(self.t, min=1.0).rsqrt().expand(shape[0], 1) * field.width
        self._reach = [common / len(field.center) ** 0.25, torch.ones(shape[0], 1, dtype=torch.float64)]
        self._fresh = torch.zeros(shape, dtype=torch.bool)
        self._forget()
        self.lowest, self.lowest_at = math.inf, field.center.clone()
        self._cool()
        # Half from above and half from below: when they agree, neither remembers where it began.
        self.points[:, num_walkers // 2 :] = field.center
        self.energy = field.value(self.points)
        self._note_lowest()

    def burn_in(self, steps: int, on_step: Callable[[int], None]) -> None:
        """Settle, and find the step sizes, which are frozen afterwards."""
        for k in range(steps):
            self._advance(0.5 / math.sqrt(1 + k / 50))
            if k % 50 == 0:
                on_step(k)
        self._forget()

    def record(
        self, num_draws: int, steps_bw: int, observables: Mapping[str, Energy], on_step: Callable[[int], None]
    ) -> tuple[Floats, dict[str, Floats], Floats, Floats]:
        """Walk on; gives energies, observables (rungs, walkers, draws), t⟨K⟩ as `ControlSums.level` has it, and w − w*.

        Of the weights up to 64 draws of each walker are kept, evenly spaced, shape (rungs, walkers, kept, d).
        """
        kept, sums = np.empty((*self.energy.shape, num_draws)), ControlSums(self.field, self.t, num_draws)
        stays = np.unique(np.linspace(0, num_draws - 1, min(PLACES, LARGEST // self.points.numel(), num_draws)).round())
        places = np.empty((*self.energy.shape, len(stays), self.points.shape[-1]))
        seen = {name: np.empty_like(kept) for name in observables}
        for k in range(num_draws):
            for _ in range(steps_bw):
                self._advance(0.0)
            kept[..., k] = self.energy.numpy()
            sums.add(self.points, self.energy)
            for name, observable in observables.items():
                seen[name][..., k] = observable(self.points.flatten(0, 1)).view(self.energy.shape).numpy()
            if k in stays:
                places[:, :, int(np.searchsorted(stays, k))] = (self.points - self.field.center).numpy()
            if k % 50 == 0:
                on_step(k * steps_bw)
        return kept, seen, sums.level(), places

    @property
    def swaps(self) -> torch.Tensor:
        """Share of swaps accepted between neighbours since the burn-in, shape (rungs − 1,)."""
        return self._swapped / self._steps

    @property
    def acceptance(self) -> torch.Tensor:
        """Share of steps on which a point moved, shape (rungs,)."""
        return self._accepted / self._steps

    @property
    def freshness(self) -> torch.Tensor:
        """Share of the states on each rung that had come down from the hottest, shape (rungs,)."""
        return self._freshness / self._steps

    def rounding(self) -> torch.Tensor:
        """Root mean square of what rounding the weights changes in t K, shape (rungs,)."""
        tilt = self._generator().uniform(-1, 1, tuple(self.points.shape))
        # By up to two units in the last place: walkers gather where rounding itself makes a dent, and sit still in it.
        rounded = self.points * (1 + 2.0**-51 * torch.from_numpy(tilt))
        return (self.t * (self.field.value(rounded) - self.energy)).square().mean(1).sqrt()

    def _forget(self) -> None:
        self._steps = 0
        self._accepted, self._freshness, self._swapped = (
            torch.zeros(len(self.rungs) - short, dtype=torch.float64) for short in (0, 0, 1)
        )

    def _generator(self) -> np.random.Generator:
        """Numbers of a step: a function of the seed and the step alone."""
        key = np.array([self.seed, 0x1ADDE5], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, self.step, 0], np.uint64)))

    def _cool(self) -> None:
        """Begin each rung where the hotter one stands; from anywhere, a cold one would take ages to find its valley."""
        for rung in range(1, len(self.rungs)):
            self.points[rung], self.energy[rung] = self.points[rung - 1], self.energy[rung - 1]
            for _ in range(COOLING // MAX_LEAPS if self._trajectories else COOLING):
                self.step += 1
                self._move(slice(rung, rung + 1), self._generator(), 0.0)

    def _advance(self, adapt: float) -> None:
        """Move every point, then swap neighbours."""
        self.step, self._steps = self.step + 1, self._steps + 1
        noise, hottest = self._generator(), slice(0, 1)
        self._take(hottest, redraw(self.field, self.energy[hottest], self.t[hottest], noise))
        self._accepted += self._move(slice(None), noise, adapt).double().mean(1)
        self._swap(noise)
        self._freshness += self._fresh.double().mean(1)
        self._note_lowest()

    def _move(self, rungs: slice, noise: np.random.Generator, adapt: float) -> torch.Tensor:
        """Move the points of some rungs by all kinds of moves that suit their dimension."""
        t, moved = self.t[rungs], torch.zeros(self.energy[rungs].shape, dtype=torch.bool)
        for _ in range(WALKS if self._trajectories else 1):
            moved |= self._take(rungs, walk(self.field, self.points[rungs], self.energy[rungs], t, noise))
        if noise.random() < GLIDES:
            moved |= self._take(rungs, glide(self.field, self.points[rungs], self.energy[rungs], t, noise))
        if self._trajectories:
            local = bool(noise.integers(0, 2))
            reach = self._reach[local][rungs]
            taken = self._take(rungs, leap(self.field, self.points[rungs], self.energy[rungs], t, reach, local, noise))
            share = taken.double().mean(1, keepdim=True)
            self._reach[local][rungs] = reach * torch.exp(adapt * (share - ACCEPTANCE))
            moved |= taken
        return moved

    def _take(self, rungs: slice, proposal: Proposal) -> torch.Tensor:
        accept, points, energy = proposal
        self.points[rungs] = torch.where(accept[..., None], points, self.points[rungs])
        self.energy[rungs] = torch.where(accept, energy, self.energy[rungs])
        return accept

    def _swap(self, noise: np.random.Generator) -> None:
        """Swap neighbours for several rounds, of energies and of who stands where; then the points follow at once."""
        count = len(self.rungs)
        self._fresh[0] = True
        who, energy = torch.arange(count)[:, None].expand_as(self.energy).clone(), self.energy.clone()
        for sweep in range(SWEEPS):
            low = slice((self.step + sweep) % 2, count - 1, 2)
            high = slice(low.start + 1, count, 2)
            gain = (self.t[high] - self.t[low]) * (energy[high] - energy[low])
            swap = torch.from_numpy(noise.random(tuple(gain.shape))).log() < gain
            self._swapped[low] += swap.double().mean(1) * (2 / SWEEPS)
            for values in (who, energy):
                below, above = values[low], values[high]
                values[low], values[high] = torch.where(swap, above, below), torch.where(swap, below, above)
        self.energy, self._fresh = energy, torch.gather(self._fresh, 0, who)
        self.points = torch.gather(self.points, 0, who[..., None].expand_as(self.points))

    def _note_lowest(self) -> None:
        value = float(self.energy.min())
        if value < self.lowest:
            where = int(self.energy.argmin())
            self.lowest, self.lowest_at = value, self.points.view(-1, self.points.shape[-1])[where].clone()
