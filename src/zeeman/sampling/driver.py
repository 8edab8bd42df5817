"""The one loop that everything which samples passes through."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.noise import Noise, minibatch
from zeeman.sampling.posterior import LocalPosterior
from zeeman.sampling.samplers import AnySampler, MetropolisSampler, Overdamped, Position, Sampler, Vectors
from zeeman.sampling.walk import Reference, Walk, reference_of, rows_and_gradient
from zeeman.sampling.watching import Observable, Watching


@dataclass(frozen=True)
class Schedule:
    """How long a chain is: burn-in, then ``num_draws`` draws ``num_steps_bw_draws`` steps apart.

    Examples
    --------
    >>> Schedule(num_draws=3, num_burnin_steps=10, num_steps_bw_draws=2).num_steps
    16
    """

    num_draws: int = 200
    num_burnin_steps: int = 0
    num_steps_bw_draws: int = 1

    def __post_init__(self) -> None:
        for name, low in (("num_draws", 1), ("num_burnin_steps", 0), ("num_steps_bw_draws", 1)):
            if getattr(self, name) < low:
                raise ZeemanError(f"{name} must be at least {low}, got {getattr(self, name)}; choose a larger one.")

    @property
    def num_steps(self) -> int:
        """Steps of one chain."""
        return self.num_burnin_steps + self.num_draws * self.num_steps_bw_draws

    def is_draw(self, step: int) -> bool:
        """Whether the weights before this step's move are a draw (the last of each spacing is)."""
        after = step - self.num_burnin_steps + 1
        return after > 0 and after % self.num_steps_bw_draws == 0


@dataclass
class ChainState:
    """All that a chain needs to go on as if it had never stopped."""

    step: int
    weights: Vectors
    sampler: dict[str, Vectors] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Block:
    """What a stretch of a chain read.

    Parameters
    ----------
    first_step : int
    rows : array, shape (steps, batch)
        Loss of each row minus its loss at the reference point, before the step's move; NaN once a chain is lost.
    distance : float
        ‖w − w*‖ at the end of the block.
    virial : float
        (w − w*)·∇U / d with U = nβ L_B + (γ/2)‖w − w*‖², at the last step of the block. Its mean is 1 under exp(−U),
        whatever the shape of U (integrate by parts); what exceeds 1 is heating by step size and minibatch. NaN for
        draws that do not feel the loss.
    observed : dict of arrays, shape (draws, scored)
        Loss minus reference loss of each scored token.
    state : ChainState
        Where the chain stands after the block.
    heat : float
        (1/8) Σ ε_i ∇U_i nβ ∇L_i at the last step of the block, for samplers of the SGLD family: by how much step size
        and minibatch raise nβ ΔL (`heating.force_excess`). NaN for others.
    acceptance : float
        Share of proposals accepted in the block; NaN for samplers without Metropolis correction.
    """

    first_step: int
    rows: NDArray[np.float32]
    distance: float
    virial: float
    observed: Mapping[str, NDArray[np.float32]]
    state: ChainState
    heat: float = math.nan
    acceptance: float = math.nan


def run_chain(
    posterior: LocalPosterior,
    sampler: AnySampler,
    schedule: Schedule,
    *,
    seed: int,
    chain: int,
    observables: Mapping[str, Observable] | None = None,
    block_steps: int = 50,
    state: ChainState | None = None,
) -> Iterator[Block]:
    """Run one chain and give it out block by block.

    A step reads a minibatch at the present weights, observes if the step is a draw, and moves. Losses are differences
    from the reference point on the same tokens, which removes most of the variance of the minibatch. A chain that
    leaves the finite numbers is lost: it and its remaining figures are NaN.

    Parameters
    ----------
    posterior : LocalPosterior
    sampler : Sampler or MetropolisSampler
    schedule : Schedule
    seed, chain : int
        All randomness is a function of these, the step and the parameter's name.
    observables : dict of Observable
        What is read at every draw.
    block_steps : int
        Steps a block.
    state : ChainState or None
        Where to go on; None starts at the reference point.

    Yields
    ------
    Block
        The blocks that are still to come.

    Raises
    ------
    ZeemanError
        Where a sampler would still adapt when draws are taken, or a Metropolis correction is asked of a minibatch.
    """
    check_fit(posterior, sampler, schedule)
    walk = Walk(posterior)
    watching = Watching(walk, observables or {})
    try:
        yield from _blocks(walk, watching, sampler, schedule, seed, chain, block_steps, state)
    finally:
        watching.close()
        walk.close()


def _blocks(
    walk: Walk,
    watching: Watching,
    sampler: AnySampler,
    schedule: Schedule,
    seed: int,
    chain: int,
    block_steps: int,
    state: ChainState | None,
) -> Iterator[Block]:
    posterior = walk.posterior
    with torch.no_grad():
        reference = reference_of(walk, posterior.shared) if sampler.needs_gradient else None
    state = state or ChainState(0, walk.center, sampler.init(walk.weights))
    walk.restore(state.weights)
    beside = {name: [v.clone() for v in vectors] for name, vectors in state.sampler.items()}
    mover = _mover(walk, sampler, reference, beside, seed, chain)
    for first in range(state.step, schedule.num_steps, block_steps):
        steps = range(first, min(first + block_steps, schedule.num_steps))
        rows = np.full((len(steps), posterior.batch_size or posterior.num_rows), np.nan, np.float32)
        seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in watching.expected}
        virial = heat = math.nan
        for step in steps:
            gradient: Vectors = []
            if reference is None:
                mover.move(gradient, step)
            elif not walk.lost:
                gradient = mover.read(rows[step - first], step)
            if gradient and step == steps[-1]:
                virial = walk.virial(gradient)
                if isinstance(sampler, Overdamped):
                    heat = walk.heat(sampler.step_sizes(beside, step), gradient)
            if schedule.is_draw(step):
                for name, differences in seen.items():
                    differences.append(watching.differences(name))
            if reference is not None and not walk.lost:
                mover.move(gradient, step)
        gradient = []  # its memory serves the copy of the weights
        after = _snapshot(walk, beside, steps.stop)
        yield Block(
            first,
            rows,
            walk.distance(),
            virial,
            _stacked(seen, watching.expected),
            after,
            heat,
            mover.acceptance(len(steps)),
        )


def check_fit(posterior: LocalPosterior, sampler: AnySampler, schedule: Schedule) -> None:
    """Demand a sampler that no longer adapts at the first draw, and that can do with the minibatch.

    Raises
    ------
    ZeemanError
    """
    adapts = getattr(sampler, "freeze_after", 0)
    if adapts > schedule.num_burnin_steps:
        raise ZeemanError(
            f"{type(sampler).__name__} adapts for {adapts} steps, and draws begin after "
            f"{schedule.num_burnin_steps}; set num_burnin_steps to {adapts} or more."
        )
    if isinstance(sampler, MetropolisSampler) and posterior.batch_size not in (None, posterior.num_rows):
        raise ZeemanError(
            f"{type(sampler).__name__} compares energies of all {posterior.num_rows} rows of the data, got a batch_size"
            f" of {posterior.batch_size}; set batch_size to {posterior.num_rows}, or choose another method."
        )


@dataclass
class _Free:
    """Moves a chain by whatever the sampler says."""

    walk: Walk
    sampler: Sampler
    reference: Reference | None
    noise: Noise
    beside: dict[str, Vectors]
    seed: int
    chain: int

    def read(self, out: NDArray[np.float32], step: int) -> Vectors:
        assert self.reference is not None
        return _read(self.walk, self.reference, out, self.seed, self.chain, step)

    def move(self, gradient: Vectors, step: int) -> None:
        _move(self.walk, self.sampler, gradient, self.noise, self.beside, step)

    def acceptance(self, num_steps: int) -> float:
        return math.nan


@dataclass
class _Corrected:
    """Moves a chain with Metropolis correction; what was read at the present weights is not read again."""

    walk: Walk
    sampler: MetropolisSampler
    reference: Reference
    noise: Noise
    beside: dict[str, Vectors]
    here: Position | None = None
    accepted: int = 0

    def read(self, out: NDArray[np.float32], step: int) -> Vectors:
        self.here = self.here or _look(self.walk, self.reference)
        if not self.here.gradient:
            self.walk.lose()
            return []
        out[:] = self.here.rows
        return self.here.gradient

    def move(self, gradient: Vectors, step: int) -> None:
        walk, here, posterior = self.walk, self.here, self.walk.posterior
        assert here is not None
        xi = [x.clone() for _, some in walk.noise(self.noise, step) for x in some]
        uniform = _uniform(self.noise, step)
        with torch.no_grad():
            self.here = self.sampler.move(
                walk.weights, walk.center, here, lambda: _look(walk, self.reference), xi, uniform, self.beside,
                posterior.n_beta, posterior.localization, step,
            )  # fmt: skip
        self.accepted += self.here is not here

    def acceptance(self, num_steps: int) -> float:
        """Share accepted since it was last asked for."""
        share, self.accepted = self.accepted / num_steps, 0
        return math.nan if self.walk.lost else share


def _mover(
    walk: Walk, sampler: AnySampler, reference: Reference | None, beside: dict[str, Vectors], seed: int, chain: int
) -> _Free | _Corrected:
    noise = Noise(seed, chain)
    if isinstance(sampler, MetropolisSampler):
        assert reference is not None
        return _Corrected(walk, sampler, reference, noise, beside)
    return _Free(walk, sampler, reference, noise, beside, seed, chain)


def _uniform(noise: Noise, step: int) -> tuple[float, float]:
    """Two numbers uniform in (0, 1): the normal law's distribution function of two normal numbers."""
    first, second = noise.normal(step, [("acceptance of a proposal", 0, 2)])[0].tolist()
    return math.erfc(-first / math.sqrt(2)) / 2, math.erfc(-second / math.sqrt(2)) / 2


def _look(walk: Walk, reference: Reference) -> Position:
    """Read all rows at the weights as they are."""
    posterior = walk.posterior
    rows, gradient = rows_and_gradient(walk, reference, torch.arange(posterior.num_rows))
    if not gradient:
        return Position(math.inf, [], np.full(posterior.num_rows, np.nan, np.float32))
    change = rows.double() - reference.rows
    energy = posterior.n_beta * float(change.mean())
    for w, middle in zip(walk.weights, walk.center, strict=True):
        energy += posterior.localization / 2 * float((w - middle).double().square().sum())
    return Position(energy, gradient, change.to(torch.float32).numpy())


def _snapshot(walk: Walk, beside: Mapping[str, Vectors], step: int) -> ChainState:
    copies = {name: [v.clone() for v in vectors] for name, vectors in beside.items()}
    return ChainState(step, [w.clone() for w in walk.weights], copies)


def _stacked(
    seen: Mapping[str, list[NDArray[np.float32]]], expected: Mapping[str, torch.Tensor]
) -> dict[str, NDArray[np.float32]]:
    """Draws of each observable, shape (draws, scored), also where a block holds none."""
    return {name: np.stack(v) if v else np.empty((0, len(expected[name])), np.float32) for name, v in seen.items()}


def _read(walk: Walk, reference: Reference, out: NDArray[np.float32], seed: int, chain: int, step: int) -> Vectors:
    """Read a minibatch into ``out`` and give its gradient; a chain whose loss is not finite is lost."""
    posterior = walk.posterior
    if posterior.batch_size is None:
        index = torch.arange(posterior.num_rows)
    else:
        index = torch.from_numpy(minibatch(seed, chain, step, posterior.num_rows, posterior.batch_size))
    rows, gradient = rows_and_gradient(walk, reference, index)
    if not gradient:
        walk.lose()
        return []
    out[:] = (rows - reference.rows[index]).numpy()
    return gradient


def _move(walk: Walk, sampler: Sampler, gradient: Vectors, noise: Noise, beside: dict[str, Vectors], step: int) -> None:
    posterior = walk.posterior
    with torch.no_grad():
        for some, xi in walk.noise(noise, step):
            sampler.update(
                walk.weights[some], walk.center[some], gradient[some], xi,
                {name: vectors[some] for name, vectors in beside.items()},
                posterior.n_beta, posterior.localization, step,
            )  # fmt: skip
