"""Chains of several components of one model in one batched evaluation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from zeeman.errors import ZeemanError
from zeeman.sampling.batched import _FEWEST_CHAINS, _WEIGHTS_AT_ONCE, _acts_on_each_weight, _Walks
from zeeman.sampling.driver import Block, ChainState, Schedule, check_fit
from zeeman.sampling.flat import FlatEnergy
from zeeman.sampling.posterior import LocalPosterior
from zeeman.sampling.samplers import AnySampler, Sampler, Vectors
from zeeman.sampling.watching import Observable
from zeeman.subjects.component import Component


def run_components(
    posteriors: Sequence[LocalPosterior],
    sampler: AnySampler,
    schedule: Schedule,
    *,
    seed: int,
    chains: Sequence[int],
    observables: Mapping[str, Observable] | None = None,
    block_steps: int = 50,
    states: Sequence[Sequence[ChainState]] | None = None,
) -> Iterator[list[list[Block]]]:
    """Run the chains of several components together; each gives the blocks that `run_chain` gives, up to rounding.

    In the chains of component C the weights outside C stay at w*. The noise and the minibatches of a chain are those
    that it has alone, and the same for all components.

    Parameters
    ----------
    posteriors : sequence of LocalPosterior
        They differ in their component alone.
    sampler : Sampler
        One that moves by the gradient and acts on each weight alone, as every `Sampler` with an ``update`` does.
    schedule : Schedule
    seed : int
    chains : sequence of int
    observables : dict of Observable
    block_steps : int
        Steps a block.
    states : sequence of sequences of ChainState or None
        Where each chain of each component is to go on, all at one step; None starts at the reference point.

    Yields
    ------
    list of lists of Block
        Of each component, one of each chain.

    Raises
    ------
    ZeemanError
        For posteriors that differ in more than their component, a sampler that can't be batched or does not fit the
        schedule, or states that do not fit the chains.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    >>> whole = LocalPosterior(model, torch.ones(8, 3), lambda model, x: model(x) ** 2)
    >>> from zeeman.sampling import SGLD
    >>> parts = [whole, replace(whole, component="1.weight")]
    >>> blocks = next(run_components(parts, SGLD(1e-4), Schedule(4), seed=0, chains=range(2)))
    >>> [[len(block.state.weights) for block in component] for component in blocks]
    [[4, 4], [1, 1]]
    """
    if not _acts_on_each_weight(sampler):
        raise ZeemanError(
            "expected a sampler that moves each weight alone by its gradient, to run components together, got "
            f"{type(sampler).__name__}; run their chains one by one."
        )
    _check_alike(posteriors)
    _check_states(posteriors, chains, states)
    check_fit(posteriors[0], sampler, schedule)
    energy = FlatEnergy(replace(posteriors[0], component=_union(posteriors)))
    size = max(1, max(_FEWEST_CHAINS, _WEIGHTS_AT_ONCE // energy.num_parameters) // len(chains))
    walks = []
    for some in (slice(a, a + size) for a in range(0, len(posteriors), size)):
        begun = list(itertools.chain.from_iterable(states[some])) if states else None
        walks.append(_ComponentWalks(energy, posteriors[some], sampler, seed, list(chains), observables or {}, begun))
    for first in range(states[0][0].step if states else 0, schedule.num_steps, block_steps):
        steps = range(first, min(first + block_steps, schedule.num_steps))
        blocks = [block for walk in walks for block in walk.block(steps, schedule)]
        yield [blocks[a : a + len(chains)] for a in range(0, len(blocks), len(chains))]


class _ComponentWalks(_Walks):
    """Walks whose weights outside their component stay; the chains of the first component come first."""

    def __init__(
        self,
        energy: FlatEnergy,
        posteriors: Sequence[LocalPosterior],
        sampler: Sampler,
        seed: int,
        chains: list[int],
        observables: Mapping[str, Observable],
        states: Sequence[ChainState] | None,
    ) -> None:
        self.places = [places for p in posteriors for places in [_places(energy, p.component)] * len(chains)]
        self.outside = torch.ones(len(self.places), energy.num_parameters, dtype=torch.bool)
        for row, places in zip(self.outside, self.places, strict=True):
            for place in places:
                row[place] = False
        self.sizes = (~self.outside).sum(1)
        super().__init__(energy, sampler, seed, chains, observables, states, len(posteriors))

    def filled(self, start: torch.Tensor, vectors: Sequence[Vectors]) -> torch.Tensor:
        rows = start.clone()
        for row, places, parts in zip(rows, self.places, vectors, strict=True):
            for place, part in zip(places, parts, strict=True):
                row[place] = part
        return rows

    def cut(self, row: torch.Tensor, walk: int) -> Vectors:
        return [row[place] for place in self.places[walk]]

    def gradient(self, index: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        found, gradient = super().gradient(index)
        # Filled and not multiplied: a slope that is not finite outside a component is nothing to it.
        return found, gradient.masked_fill(self.outside, 0.0)

    def move(self, gradient: torch.Tensor, xi: torch.Tensor, step: int) -> None:
        super().move(gradient, xi.repeat(self.copies, 1), step)
        torch.where(self.outside, self.center, self.points, out=self.points)

    def virial(self, gradient: torch.Tensor) -> torch.Tensor:
        return super().virial(gradient) * (self.energy.num_parameters / self.sizes)


def _union(posteriors: Sequence[LocalPosterior]) -> Component:
    """Every parameter that some component moves, as a whole: a whole parameter need not be copied at each step."""
    moves = {name for p in posteriors for name in p.component.slices}
    shapes = {name: w.shape for name, w in posteriors[0].model.named_parameters() if name in moves}
    return Component("union", {name: (tuple(slice(0, n) for n in shape),) for name, shape in shapes.items()})


def _places(energy: FlatEnergy, component: Component) -> list[torch.Tensor]:
    """Where the weights of a component lie in a point: one tensor of places for each box, in its shape."""
    shapes = {name: shape for name, shape, _ in energy.pieces}
    starts = dict(zip(shapes, itertools.accumulate(map(math.prod, shapes.values()), initial=0), strict=False))
    whole = {n: torch.arange(starts[n], starts[n] + math.prod(shapes[n])).view(shapes[n]) for n in component.slices}
    return [whole[name][box] for name, boxes in component.slices.items() for box in boxes]


def _check_alike(posteriors: Sequence[LocalPosterior]) -> None:
    if not posteriors:
        raise ZeemanError("expected one posterior or more to run together, got none; give one for each component.")
    first, *others = posteriors
    for name in ("model", "data", "loss", "n_beta", "localization", "batch_size"):
        if not all(_same(getattr(first, name), getattr(other, name)) for other in others):
            raise ZeemanError(
                f"expected posteriors that differ in their component alone, got more than one {name}; make them of one "
                "by dataclasses.replace(posterior, component=...)."
            )


def _same(a: object, b: object) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
    # Two tensors are compared by what they are, everything else by what it says.
    return a is b or (not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor) and a == b)


def _check_states(
    posteriors: Sequence[LocalPosterior], chains: Sequence[int], states: Sequence[Sequence[ChainState]] | None
) -> None:
    fits = states is None or (
        [len(some) for some in states] == [len(chains)] * len(posteriors)
        and len({state.step for some in states for state in some}) == 1
    )
    if not chains or not fits:
        raise ZeemanError(
            "expected one or more chains, with one state for each component and chain, all at one step, or no states; "
            "group the chains by where they stand."
        )
