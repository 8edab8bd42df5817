"""The one loop that everything which samples passes through."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.noise import Noise, minibatch, room
from zeeman.sampling.posterior import LocalPosterior, masked, parts_of, rows_at_once, rows_of, walker
from zeeman.sampling.repeatability import require_repeatable
from zeeman.sampling.samplers import AnySampler, MetropolisSampler, Overdamped, Position, Sampler, Vectors


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


@dataclass(frozen=True, eq=False)
class Observable:
    """Tokens (or samples) whose losses are read at every draw.

    Parameters
    ----------
    batch : Any
        Goes to the loss as it is.
    scored : Tensor of bool
        Which of the losses count, in the shape that the loss returns.
    """

    batch: Any
    scored: torch.Tensor


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


@dataclass(frozen=True, eq=False)
class _Reference:
    """Losses of all rows at w*, in units of the mean weight of a row, so that their mean is the loss a token."""

    rows: torch.Tensor
    unit: float


class _Walk:
    """A chain's copy of the model, the views of it that move, and where they started."""

    def __init__(self, posterior: LocalPosterior) -> None:
        self.posterior = posterior
        self.model, moving = walker(posterior)
        self.parameters = list(moving.values())
        self.boxes = [(i, box) for i, name in enumerate(moving) for box in posterior.component.slices[name]]
        names = list(moving)
        self.weights = [self.parameters[i].detach()[box] for i, box in self.boxes]
        still = [posterior.model.get_parameter(name).detach() for name in names]  # w* itself, which nobody changes
        self.center = [still[i][box] for i, box in self.boxes]
        self.wanted = [_flat_range(names[i], self.parameters[i], box) for i, box in self.boxes]
        self.held = torch.empty(room(self.wanted))
        self.at_once = rows_at_once(posterior.loss, self.model, posterior.data)

    def losses(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return masked(self.posterior.loss(self.model, batch))

    def rows(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed loss and weight of each row."""
        losses, weight = self.losses(batch)
        if losses.dim() == 1:
            return losses * weight, weight
        return (losses * weight).flatten(1).sum(1), weight.flatten(1).sum(1)

    def close(self) -> None:
        """Give the memory back at once: a model is often part of a circle that only the garbage collector frees."""
        self.weights, self.held = [], torch.empty(0)
        for parameter in self.parameters:
            parameter.data = torch.empty(0)

    def parts(self, index: torch.Tensor) -> list[torch.Tensor]:
        """Rows that go through the model together."""
        return parts_of(index, self.at_once)

    def gradient(self, loss: torch.Tensor | None = None) -> Vectors:
        """Gradient of the losses that were added, and of this one."""
        if loss is not None:
            self.add_gradient(loss)
        # A potential may not depend on every weight; such weights feel no force.
        whole = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        return [whole[i][box] for i, box in self.boxes]

    def add_gradient(self, loss: torch.Tensor) -> None:
        torch.autograd.backward(loss, inputs=self.parameters)

    def noise(self, source: Noise, step: int) -> Vectors:
        """Noise of a step, in memory that the next step writes anew."""
        flat = source.normal(step, self.wanted, self.held)
        return [
            f.view(-1, *self.parameters[i].shape[1:])[(slice(None), *box[1:])] if box else f.view(())
            for f, (i, box) in zip(flat, self.boxes, strict=True)
        ]

    def restore(self, weights: Vectors) -> None:
        for mine, stored in zip(self.weights, weights, strict=True):
            mine.copy_(stored)
        self.lost = not all(bool(torch.isfinite(w).all()) for w in weights)

    def lose(self) -> None:
        """Give the chain up for good: NaN weights are lost wherever it is resumed."""
        self.lost = True
        for mine in self.weights:
            mine.fill_(math.nan)

    def virial(self, gradient: Vectors) -> float:
        total, count = 0.0, 0
        for w, middle, g in zip(self.weights, self.center, gradient, strict=True):
            gap = w - middle
            force = gap * self.posterior.localization + g * self.posterior.n_beta
            total, count = total + float((gap * force).sum()), count + gap.numel()
        return total / count

    def heat(self, sizes: Vectors | float, gradient: Vectors) -> float:
        """(1/8) Σ ε_i ∇U_i nβ ∇L_i."""
        total, n_beta = 0.0, self.posterior.n_beta
        steps: list[torch.Tensor | float] = [sizes] * len(gradient) if isinstance(sizes, float) else list(sizes)
        for w, middle, g, size in zip(self.weights, self.center, gradient, steps, strict=True):
            force = (w - middle) * self.posterior.localization + g * n_beta
            total += float((force * g * size).sum()) * n_beta / 8
        return total

    def distance(self) -> float:
        gaps = torch._foreach_norm(torch._foreach_sub(self.weights, self.center))
        return math.sqrt(sum(float(g) ** 2 for g in gaps))


def _flat_range(name: str, parameter: torch.Tensor, box: tuple[slice, ...]) -> tuple[str, int, int]:
    """Flat offset and length of the rows (first axis) that a box touches."""
    if not box:
        return name, 0, 1
    stride = math.prod(parameter.shape[1:])
    return name, box[0].start * stride, (box[0].stop - box[0].start) * stride


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
    walk = _Walk(posterior)
    try:
        yield from _blocks(walk, sampler, schedule, seed, chain, observables or {}, block_steps, state)
    finally:
        walk.close()


def _blocks(
    walk: _Walk,
    sampler: AnySampler,
    schedule: Schedule,
    seed: int,
    chain: int,
    watched: Mapping[str, Observable],
    block_steps: int,
    state: ChainState | None,
) -> Iterator[Block]:
    posterior = walk.posterior
    with torch.no_grad():
        reference = _reference(walk, posterior.shared) if sampler.needs_gradient else None
        expected = {name: _scored(walk, item) for name, item in watched.items()}
    state = state or ChainState(0, walk.center, sampler.init(walk.weights))
    walk.restore(state.weights)
    beside = {name: [v.clone() for v in vectors] for name, vectors in state.sampler.items()}
    mover = _mover(walk, sampler, reference, beside, seed, chain)
    for first in range(state.step, schedule.num_steps, block_steps):
        steps = range(first, min(first + block_steps, schedule.num_steps))
        rows = np.full((len(steps), posterior.batch_size or posterior.num_rows), np.nan, np.float32)
        seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in watched}
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
                with torch.no_grad():
                    for name, item in watched.items():
                        seen[name].append(_difference(walk, item, expected[name]))
            if reference is not None and not walk.lost:
                mover.move(gradient, step)
        gradient = []  # its memory serves the copy of the weights
        after = _snapshot(walk, beside, steps.stop)
        yield Block(
            first, rows, walk.distance(), virial, _stacked(seen, expected), after, heat, mover.acceptance(len(steps))
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

    walk: _Walk
    sampler: Sampler
    reference: _Reference | None
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

    walk: _Walk
    sampler: MetropolisSampler
    reference: _Reference
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
        xi, uniform = walk.noise(self.noise, step), _uniform(self.noise, step)
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
    walk: _Walk, sampler: AnySampler, reference: _Reference | None, beside: dict[str, Vectors], seed: int, chain: int
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


def _look(walk: _Walk, reference: _Reference) -> Position:
    """Read all rows at the weights as they are."""
    posterior = walk.posterior
    rows, gradient = _rows_and_gradient(walk, reference, torch.arange(posterior.num_rows))
    if not gradient:
        return Position(math.inf, [], np.full(posterior.num_rows, np.nan, np.float32))
    change = rows.double() - reference.rows
    energy = posterior.n_beta * float(change.mean())
    for w, middle in zip(walk.weights, walk.center, strict=True):
        energy += posterior.localization / 2 * float((w - middle).double().square().sum())
    return Position(energy, gradient, change.to(torch.float32).numpy())


def _snapshot(walk: _Walk, beside: Mapping[str, Vectors], step: int) -> ChainState:
    copies = {name: [v.clone() for v in vectors] for name, vectors in beside.items()}
    return ChainState(step, [w.clone() for w in walk.weights], copies)


def _stacked(
    seen: Mapping[str, list[NDArray[np.float32]]], expected: Mapping[str, torch.Tensor]
) -> dict[str, NDArray[np.float32]]:
    """Draws of each observable, shape (draws, scored), also where a block holds none."""
    return {name: np.stack(v) if v else np.empty((0, len(expected[name])), np.float32) for name, v in seen.items()}


def _read(walk: _Walk, reference: _Reference, out: NDArray[np.float32], seed: int, chain: int, step: int) -> Vectors:
    """Read a minibatch into ``out`` and give its gradient; a chain whose loss is not finite is lost."""
    posterior = walk.posterior
    if posterior.batch_size is None:
        index = torch.arange(posterior.num_rows)
    else:
        index = torch.from_numpy(minibatch(seed, chain, step, posterior.num_rows, posterior.batch_size))
    rows, gradient = _rows_and_gradient(walk, reference, index)
    if not gradient:
        walk.lose()
        return []
    out[:] = (rows - reference.rows[index]).numpy()
    return gradient


def _rows_and_gradient(walk: _Walk, reference: _Reference, index: torch.Tensor) -> tuple[torch.Tensor, Vectors]:
    """Loss of each row and the gradient of their mean; no gradient where the loss is not finite."""
    found: list[torch.Tensor] = []
    for part in walk.parts(index):
        with torch.enable_grad():
            rows = walk.rows(walk.posterior.rows(part))[0] / reference.unit
            loss = rows.mean() * (len(part) / len(index))
        found.append(rows.detach())
        if not torch.isfinite(loss):
            return torch.cat(found), []
        walk.add_gradient(loss)
    return torch.cat(found), walk.gradient()


def _move(
    walk: _Walk, sampler: Sampler, gradient: Vectors, noise: Noise, beside: dict[str, Vectors], step: int
) -> None:
    posterior = walk.posterior
    xi = walk.noise(noise, step)
    with torch.no_grad():
        sampler.update(walk.weights, walk.center, gradient, xi, beside, posterior.n_beta, posterior.localization, step)


def _reference(walk: _Walk, shared: dict[Any, Any]) -> _Reference:
    """Read every row at the reference point, once for all chains, in batches of the chain's own size."""
    size = walk.posterior.batch_size or walk.posterior.num_rows
    if size not in shared:
        shared[size] = _read_reference(walk, size)
    found: _Reference = shared[size]
    return found


def _read_reference(walk: _Walk, size: int) -> _Reference:
    everything = torch.arange(walk.posterior.num_rows)
    require_repeatable(walk.model, walk.posterior.loss, walk.posterior.rows(everything[: min(size, 8)]))
    batches = [everything[a : a + size] for a in range(0, len(everything), size)]
    parts = [walk.rows(walk.posterior.rows(part)) for batch in batches for part in walk.parts(batch)]
    unit = float(torch.cat([weight for _, weight in parts]).mean())
    return _Reference(torch.cat([losses for losses, _ in parts]) / unit, unit)


def _difference(walk: _Walk, item: Observable, expected: torch.Tensor) -> NDArray[np.float32]:
    found = torch.full_like(expected, math.nan) if walk.lost else _scored(walk, item) - expected
    difference: NDArray[np.float32] = found.numpy()
    return difference


def _scored(walk: _Walk, item: Observable) -> torch.Tensor:
    parts = walk.parts(torch.arange(len(item.scored)))
    if len(parts) == 1:
        return walk.losses(item.batch)[0][item.scored]
    return torch.cat([walk.losses(rows_of(item.batch, part))[0][item.scored[part]] for part in parts])
