"""Plain overdamped Langevin walkers on a potential, at many temperatures at once: how they relax and when they leave.

dw = −∇K dt + √(2T) dB, T = 1/nβ, by steps of Euler and Maruyama: w ← w − δ ∇K + √(2Tδ) ξ.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.moves import Energy, Field
from zeeman.sampling.posterior import check_number

Floats = NDArray[np.float64]

BETWEEN_STEPS = 0.5826
"""−ζ(½)/√2π: a walk that is seen at steps of standard deviation σ alone leaves a region as one that is watched all the
time leaves a region wider by so many σ (Broadie, Glasserman and Kou 1997)."""


def langevin_paths(
    energy: Energy,
    center: torch.Tensor,
    places: Floats,
    n_beta: Floats,
    *,
    step: float,
    num_frames: int,
    num_steps_bw_frames: int = 1,
    seed: int = 0,
) -> Floats:
    """Follow walkers from given places by Langevin dynamics.

    Parameters
    ----------
    energy : callable
        Maps points (B, d) to K (B,), differentiable.
    center : Tensor, shape (d,)
        w*.
    places : array, shape (rungs, walkers, d)
        w − w* at the start; draws of exp(−K/T), such as those of a ladder, need no burn-in.
    n_beta : array, shape (rungs,)
        1/T.
    step : float
        δ; of the order of 0.1 over the largest curvature of K.
    num_frames, num_steps_bw_frames : int
    seed : int

    Returns
    -------
    array, shape (rungs, walkers, frames, d)
        w − w*.

    Raises
    ------
    ZeemanError
        For a step that is not positive, or walkers that leave the finite numbers.

    Examples
    --------
    Along a parabola walkers forget as exp(−t):

    >>> start = np.random.default_rng(0).normal(size=(1, 4000, 1)) * 0.1
    >>> def half_square(w):
    ...     return 0.5 * (w**2).sum(-1)
    >>> paths = langevin_paths(half_square, torch.zeros(1), start, np.array([100.0]), step=0.05, num_frames=21)
    >>> bool(abs((paths[0, :, 0] * paths[0, :, -1]).mean() / 0.01 - np.exp(-1)) < 0.05)
    True
    """
    walk = _walk(energy, center, n_beta, step, seed)
    w = torch.from_numpy(places.copy())
    out = np.empty((*places.shape[:2], num_frames, places.shape[2]))
    for k in range(num_frames * num_steps_bw_frames - num_steps_bw_frames + 1):
        if k % num_steps_bw_frames == 0:
            out[:, :, k // num_steps_bw_frames] = w.numpy()
        w = walk(w, k)
    if not np.isfinite(out).all():
        raise ZeemanError(f"some walkers left the finite numbers at a step of {step:g}; give a smaller one.")
    return out


def first_passage_times(
    energy: Energy,
    center: torch.Tensor,
    radius: Floats,
    n_beta: Floats,
    *,
    step: Floats,
    num_walkers: int = 256,
    max_steps: int = 100_000,
    seed: int = 0,
) -> Floats:
    """Time until walkers that start at w* leave the ball ‖w − w*‖ < r, at each temperature.

    Parameters
    ----------
    energy, center
        As for `langevin_paths`.
    radius, n_beta, step : arrays, shape (rungs,)
        r, 1/T and δ; δ well below r²/2T.
    num_walkers, max_steps, seed : int

    Returns
    -------
    array, shape (rungs, walkers)
        NaN for walkers that never left; their share biases a mean.

    Raises
    ------
    ZeemanError
        For steps or radii that are not positive.

    Examples
    --------
    Where nothing holds them, after r²/2dT on average:

    >>> one = np.ones(1)
    >>> times = first_passage_times(lambda w: 0 * w.sum(-1), torch.zeros(2), one, one, step=0.002 * one)
    >>> bool(abs(times.mean() - 0.25) < 0.05)
    True
    """
    for value in radius.tolist():
        check_number("radius", value, zero=False)
    walk = _walk(energy, center, n_beta, step, seed)
    w = torch.zeros(len(radius), num_walkers, len(center), dtype=torch.float64)
    inside = torch.from_numpy(radius - BETWEEN_STEPS * np.sqrt(2 * step / n_beta))[:, None]
    times = torch.full(w.shape[:2], torch.nan, dtype=torch.float64)
    for k in range(max_steps):
        w = walk(w, k)
        left = (w.norm(dim=-1) >= inside) & times.isnan()
        times = torch.where(left, torch.from_numpy((k + 1) * step)[:, None], times)
        if k % 50 == 0 and not bool(times.isnan().any()):
            break
        w = torch.where(times.isnan()[..., None], w, 0.0)  # who has left waits at w*
    return np.asarray(times.numpy(), np.float64)


def _walk(
    energy: Energy, center: torch.Tensor, n_beta: Floats, step: float | Floats, seed: int
) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """One step of all walkers; noise is a function of the seed and the number of the step."""
    sizes = torch.from_numpy(np.broadcast_to(np.asarray(step, np.float64), n_beta.shape).copy())
    for value in sizes.tolist():
        check_number("step", value, zero=False)
    size, width = sizes[:, None, None], (2 * sizes / torch.from_numpy(n_beta)).sqrt()[:, None, None]
    field = Field(energy, center.detach().to(torch.float64), None, 0.0)

    def walk(w: torch.Tensor, k: int) -> torch.Tensor:
        key, counter = np.array([seed, 0x1A9E], np.uint64), np.array([0, 0, k, 0], np.uint64)
        noise = np.random.Generator(np.random.Philox(key=key, counter=counter)).standard_normal(tuple(w.shape))
        _, slope = field.slope(field.center + w)
        return w - size * slope + width * torch.from_numpy(noise)

    return walk
