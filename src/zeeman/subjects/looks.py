"""What verification keeps of each checkpoint after its weights are let go."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from zeeman.subjects.checkpoint import tensor_digest

if TYPE_CHECKING:
    from zeeman.subjects.series import Series

_SAMPLE = 4096
_SKETCH = 256
_DISTINCT = 16
"""Values that a sample needs so that their precision is no accident, as it is with zeros and ones."""


@dataclass(frozen=True)
class Part:
    """One matrix at a checkpoint: its norm, and its distances to itself one and two checkpoints before.

    Parameters
    ----------
    size : int
    norm, to_previous, to_one_before : float
    """

    size: int
    norm: float
    to_previous: float
    to_one_before: float


@dataclass(frozen=True)
class Look:
    """What is kept of a checkpoint; distances are NaN where they make no sense.

    Parameters
    ----------
    step : int
    tensors : dict of str
        Digest by name.
    shapes, dtypes : dict
        By name.
    coarse : str or None
        Half precision that holds all values, though they are stored wider; empty where there is none, None where it
        can't be told.
    sick : str
        Name of a tensor that is not finite, or empty.
    log_norm, to_previous, to_one_before, to_last : float
        Of all weights; distances are ‖a − b‖ / √(‖a‖ ‖b‖).
    parts : dict of Part
        Matrices by name; empty where they can't be compared with the checkpoints before.
    sketch : Tensor
        A few weights of each tensor, scaled so that distances of sketches estimate distances ‖a − b‖ between any two
        checkpoints; empty where weights are not finite.
    """

    step: int
    tensors: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    coarse: str | None
    sick: str
    log_norm: float
    to_previous: float
    to_one_before: float
    to_last: float
    parts: dict[str, Part]
    sketch: torch.Tensor


class _Weights:
    """A state dict with its norm, for distances."""

    def __init__(self, state: Mapping[str, torch.Tensor], constants: Collection[str]) -> None:
        self.state = state
        self.shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        self.moving = {name: t for name, t in state.items() if t.is_floating_point() and name not in constants}
        self.sick = next((name for name, t in sorted(self.moving.items()) if not bool(torch.isfinite(t).all())), "")
        self.norms = {} if self.sick else {name: _norm(tensor) for name, tensor in self.moving.items()}
        self.norm = math.nan if self.sick else math.hypot(*self.norms.values())

    def distances(self, other: _Weights | None) -> dict[str, float]:
        """‖a − b‖ of each tensor; nothing where the two can't be compared."""
        if other is None or self.sick or other.sick or self.shapes != other.shapes:
            return {}
        return {name: _norm(a.double() - other.moving[name].double()) for name, a in self.moving.items()}

    def relative(self, distances: Mapping[str, float], other: _Weights | None) -> float:
        """‖a − b‖ / √(‖a‖ ‖b‖): grows with the angle and with the ratio of the norms alike."""
        if other is None or not distances:
            return math.nan
        return math.hypot(*distances.values()) / max(math.sqrt(self.norm * other.norm), 1e-300)

    def coarse(self) -> str | None:
        """The half precision that a sample of values fits, empty for none, None where too few values differ."""
        wide = [t for t in self.moving.values() if t.dtype in (torch.float32, torch.float64)]
        parts = [t.reshape(-1)[:: max(1, t.numel() // _SAMPLE)] for t in wide]
        sample = torch.cat([part.double() for part in parts]) if parts else torch.zeros(0)
        if int((sample[sample != 0].sort().values.diff() != 0).sum()) < _DISTINCT:
            return None
        fits = (d for d in (torch.bfloat16, torch.float16) if bool((sample.to(d).double() == sample).all()))
        return str(next(fits, "")).removeprefix("torch.")

    def sketch(self) -> torch.Tensor:
        """Some weights of each tensor, scaled to the norm of all."""
        if self.sick:
            return torch.zeros(0)
        # An odd stride: one that divides the rows of a matrix would take a single column of it.
        flat = [(t.numel(), t.reshape(-1)[:: t.numel() // _SKETCH | 1]) for t in self.moving.values() if t.numel()]
        return torch.cat([torch.zeros(0), *(math.sqrt(size / len(part)) * part.float() for size, part in flat)])


def _norm(tensor: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor, dtype=torch.float64))


def look_at(series: Series) -> Iterator[Look]:
    """Look at every checkpoint once, holding four at a time.

    Parameters
    ----------
    series : Series

    Yields
    ------
    Look
        In the order of the series.

    Raises
    ------
    ZeemanError
        If a checkpoint can't be read.
    """
    end = series.checkpoints[-1].load()
    begin = series.checkpoints[0].load() if len(series) > 1 else end
    constants = _constants(begin, end)
    last = _Weights(end, constants)
    previous: _Weights | None = None
    one_before: _Weights | None = None
    for place, checkpoint in enumerate(series):
        if place == 0:
            now, begin = _Weights(begin, constants), {}
        else:
            now = last if checkpoint is series.checkpoints[-1] else _Weights(checkpoint.load(), constants)
        near, far = now.distances(previous), now.distances(one_before)
        yield Look(
            step=checkpoint.step,
            tensors={name: tensor_digest(tensor) for name, tensor in now.state.items()},
            shapes=now.shapes,
            dtypes={name: str(tensor.dtype).removeprefix("torch.") for name, tensor in now.state.items()},
            coarse=now.coarse(),
            sick=now.sick,
            log_norm=math.log(max(now.norm, 1e-300)),
            to_previous=now.relative(near, previous),
            to_one_before=now.relative(far, one_before),
            to_last=now.relative(now.distances(last), last),
            parts=dict(_parts(now, near, far)),
            sketch=now.sketch(),
        )
        one_before, previous = previous, now


def _constants(begin: Mapping[str, torch.Tensor], end: Mapping[str, torch.Tensor]) -> set[str]:
    """Names of infinities that are meant, as masks hold them: single numbers that stay what they are."""
    same = (name for name, t in end.items() if t.numel() == 1 and name in begin and begin[name].numel() == 1)
    return {name for name in same if bool(end[name].isinf()) and bool(begin[name] == end[name])}


def _parts(now: _Weights, near: Mapping[str, float], far: Mapping[str, float]) -> Iterable[tuple[str, Part]]:
    """Matrices alone: vectors may begin at zero and turn by any angle in a sound training."""
    for name, norm in now.norms.items():
        if now.moving[name].ndim >= 2:
            part = Part(now.moving[name].numel(), norm, near.get(name, math.nan), far.get(name, math.nan))
            yield name, part
