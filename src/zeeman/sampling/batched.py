"""Many chains in one batched evaluation: what the driver does, with a leading axis of chains."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

import torch

from zeeman.errors import ZeemanError
from zeeman.sampling.chain_noise import ChainNoise, Minibatches
from zeeman.sampling.driver import Block, ChainState, Schedule, check_fit
from zeeman.sampling.flat import FlatEnergy
from zeeman.sampling.posterior import LocalPosterior
from zeeman.sampling.samplers import AnySampler, Overdamped, Sampler, Vectors
from zeeman.sampling.watching import Observable

_WEIGHTS_AT_ONCE, _FEWEST_CHAINS = 2**17, 16
"""Chains go on together by as many as have so many weights in all, so that what a step touches stays in the cache."""
_MOST_WORK = 2**21
"""Parameters times positions in a minibatch up to which a step costs more in calls than in arithmetic (ADR 6)."""


def run_chains(
    posterior: LocalPosterior,
    sampler: AnySampler,
    schedule: Schedule,
    *,
    seed: int,
    chains: Sequence[int],
    observables: Mapping[str, Observable] | None = None,
    block_steps: int = 50,
    states: Sequence[ChainState] | None = None,
) -> Iterator[list[Block]]:
    """Run many chains together; each gives the blocks that `run_chain` gives, up to the order of sums.

    Every chain has the noise and the minibatches that it has alone. A chain that is lost is NaN alone. The last bits
    may depend on how many chains there are, since that is the shape of the sums.

    Parameters
    ----------
    posterior : LocalPosterior
    sampler : Sampler
        One that moves by the gradient and acts on each weight alone, as every `Sampler` with an ``update`` does.
    schedule : Schedule
    seed : int
    chains : sequence of int
        Numbers of the chains, in any order.
    observables : dict of Observable
        What is read at every draw.
    block_steps : int
        Steps a block.
    states : sequence of ChainState or None
        Where each chain is to go on, all at one step; None starts at the reference point.

    Yields
    ------
    list of Block
        One of each chain, for the blocks that are still to come.

    Raises
    ------
    ZeemanError
        For a sampler that can't be batched or does not fit the schedule, or states that do not fit the chains.

    Examples
    --------
    >>> from zeeman.sampling import SGLD
    >>> posterior = LocalPosterior.potential(lambda w: (w**2).sum(), torch.zeros(3), n_beta=10.0, localization=1.0)
    >>> blocks = list(run_chains(posterior, SGLD(1e-2), Schedule(4), seed=0, chains=range(5), block_steps=2))
    >>> len(blocks), len(blocks[0]), blocks[0][0].rows.shape
    (2, 5, (2, 1))
    """
    if not _acts_on_each_weight(sampler):
        raise ZeemanError(
            "expected a sampler that moves each weight alone by its gradient, to run chains together, got "
            f"{type(sampler).__name__}; run its chains one by one."
        )
    if not chains or (states is not None and (len(states) != len(chains) or len({s.step for s in states}) != 1)):
        raise ZeemanError("expected one or more chains, with one state each, all at one step, or no states; "
                          "group the chains by where they stand.")  # fmt: skip
    check_fit(posterior, sampler, schedule)
    energy = FlatEnergy(posterior)
    size = max(_FEWEST_CHAINS, _WEIGHTS_AT_ONCE // energy.num_parameters)
    parts = [slice(a, a + size) for a in range(0, len(chains), size)]
    walks = [
        _Walks(energy, sampler, seed, list(chains[p]), observables or {}, states[p] if states else None) for p in parts
    ]
    for first in range(states[0].step if states else 0, schedule.num_steps, block_steps):
        steps = range(first, min(first + block_steps, schedule.num_steps))
        yield [block for some in walks for block in some.block(steps, schedule)]


def work_of_step(posterior: LocalPosterior) -> int:
    """Parameters of the model times the positions (tokens, or samples) of a minibatch.

    A sixth of the floating-point operations of a step, about.

    Examples
    --------
    >>> work_of_step(LocalPosterior.potential(lambda w: (w**2).sum(), torch.zeros(3)))
    3
    """
    data = posterior.data[0] if isinstance(posterior.data, tuple) else posterior.data
    positions = 1 if data.is_floating_point() else math.prod(data.shape[1:])
    rows = posterior.batch_size or posterior.num_rows
    return sum(p.numel() for p in posterior.model.parameters()) * positions * rows


def better_together(posterior: LocalPosterior, sampler: AnySampler) -> bool:
    """Say whether chains are to run together rather than one by one: a function of model, batch and sampler alone.

    True for a sampler that acts on each weight alone, a model that can be batched, and a step with so little arithmetic
    that the calls cost more (`work_of_step` up to 2²¹). The rule comes from measurement, but none is made here: the
    choice shows in the last bits of what is stored, and they are to be the same on every run.

    Parameters
    ----------
    posterior : LocalPosterior
    sampler : Sampler

    Examples
    --------
    >>> from zeeman.sampling import SGLD
    >>> better_together(LocalPosterior.potential(lambda w: (w**2).sum(), torch.zeros(3)), SGLD(1e-3))
    True
    """
    small = _acts_on_each_weight(sampler) and work_of_step(posterior) <= _MOST_WORK
    return small and FlatEnergy(posterior).way == "vmap"


def _acts_on_each_weight(sampler: AnySampler) -> TypeGuard[Sampler]:
    return isinstance(sampler, Sampler) and sampler.needs_gradient


class _Walks:
    """The weights of all walks as one matrix, what is kept beside them, and the readings of a block.

    Each chain walks once, or ``copies`` times with the same noise and minibatches: all chains, and all chains again.
    """

    def __init__(
        self,
        energy: FlatEnergy,
        sampler: Sampler,
        seed: int,
        chains: list[int],
        observables: Mapping[str, Observable],
        states: Sequence[ChainState] | None,
        copies: int = 1,
    ) -> None:
        self.energy, self.posterior, self.sampler, self.observables = energy, energy.posterior, sampler, observables
        self.copies, self.dtype = copies, self.energy.center.dtype
        self.center = self.energy.center.repeat(len(chains) * copies, 1)
        self.points = self.filled(self.center, [s.weights for s in states]) if states else self.center.clone()
        self.beside: dict[str, Vectors] = sampler.init([self.points])
        for name in self.beside if states else ():
            self.beside[name] = [self.filled(self.beside[name][0], [s.sampler[name] for s in states or ()])]
        self.lost = ~torch.isfinite(self.points).all(1)
        self.noise = ChainNoise(seed, chains, self.energy.pieces)
        size = self.posterior.batch_size
        self.minibatches = Minibatches(seed, chains, self.posterior.num_rows, size) if size else None
        with torch.no_grad():
            self.expected = {name: self.scored(self.energy.center[None], item) for name, item in observables.items()}

    def filled(self, start: torch.Tensor, vectors: Sequence[Vectors]) -> torch.Tensor:
        """Lay out what the states hold as rows, in the shape of ``start``."""
        return torch.stack([torch.cat([part.reshape(-1) for part in parts]) for parts in vectors])

    def cut(self, row: torch.Tensor, walk: int) -> Vectors:
        """Give the entries of a row as a state holds them."""
        return self.energy.unflatten(row)

    def gradient(self, index: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        return self.energy.gradient(self.points, index)

    def scored(self, points: torch.Tensor, item: Observable) -> torch.Tensor:
        return self.energy.losses(points, item.batch)[:, item.scored]

    @torch.no_grad()
    def block(self, steps: range, schedule: Schedule) -> list[Block]:
        rows = torch.empty(len(steps), len(self.points), self.posterior.batch_size or self.posterior.num_rows)
        seen: dict[str, list[torch.Tensor]] = {name: [] for name in self.observables}
        virial = heat = torch.full((len(self.points),), math.nan)
        index = self.minibatches.rows(steps).repeat(1, self.copies, 1) if self.minibatches else None
        reference = self.energy.reference(self.dtype)
        for start in range(steps.start, steps.stop, self.noise.steps_ahead):
            some = range(start, min(start + self.noise.steps_ahead, steps.stop))
            xi = self.noise.normal(some).to(self.dtype)
            for i, step in enumerate(some):
                mine = None if index is None else index[step - steps.start]
                found, gradient = self.gradient(mine)
                self.lose(found)
                torch.sub(found, reference if mine is None else reference[mine], out=rows[step - steps.start])
                if step == steps[-1]:
                    virial, heat = self.virial(gradient), self.heat(gradient, step)
                if schedule.is_draw(step):
                    self.observe(seen)
                self.move(gradient, xi[i], step)
        return self.blocks(steps, rows, (virial, heat), seen)

    def lose(self, found: torch.Tensor) -> None:
        """Give up for good the chains whose loss is not finite; their rows and weights become NaN."""
        if math.isfinite(float(found.sum())) and not self.lost.any():
            return
        self.lost |= ~torch.isfinite(found.mean(1))
        found[self.lost] = math.nan
        self.points[self.lost] = math.nan

    def observe(self, seen: dict[str, list[torch.Tensor]]) -> None:
        for name, item in self.observables.items():
            difference = self.scored(self.points, item) - self.expected[name]
            difference[self.lost] = math.nan
            seen[name].append(difference)

    def move(self, gradient: torch.Tensor, xi: torch.Tensor, step: int) -> None:
        beside, posterior = self.beside, self.posterior
        self.sampler.update(
            [self.points], [self.center], [gradient], [xi], beside, posterior.n_beta, posterior.localization, step
        )

    def force(self, gradient: torch.Tensor) -> torch.Tensor:
        return (self.points - self.center) * self.posterior.localization + gradient * self.posterior.n_beta

    def virial(self, gradient: torch.Tensor) -> torch.Tensor:
        return ((self.points - self.center) * self.force(gradient)).mean(1)

    def heat(self, gradient: torch.Tensor, step: int) -> torch.Tensor:
        if not isinstance(self.sampler, Overdamped):
            return torch.full((len(self.points),), math.nan)
        sizes = self.sampler.step_sizes(self.beside, step)
        each = sizes if isinstance(sizes, float) else sizes[0]
        return (self.force(gradient) * gradient * each).sum(1) * (self.posterior.n_beta / 8)

    def blocks(
        self,
        steps: range,
        rows: torch.Tensor,
        figures: tuple[torch.Tensor, torch.Tensor],
        seen: Mapping[str, list[torch.Tensor]],
    ) -> list[Block]:
        virial, heat = figures
        distance = (self.points - self.center).double().norm(dim=1)
        empty = {name: self.expected[name].expand(0, len(self.points), -1) for name in seen}
        observed = {name: (torch.stack(v) if v else empty[name]).float().numpy() for name, v in seen.items()}
        return [
            Block(
                steps.start,
                rows[:, c].numpy().copy(),
                float(distance[c]),
                float(virial[c]),
                {name: values[:, c].copy() for name, values in observed.items()},
                ChainState(
                    steps.stop,
                    self.cut(self.points[c], c),
                    {name: self.cut(vectors[0][c], c) for name, vectors in self.beside.items()},
                ),
                float(heat[c]),
            )
            for c in range(len(self.points))
        ]
