"""Chains in a corner w ≥ 0, in the logarithms of the weights: for potentials comparable to a sum of monomials.

There the weights range over decades at every temperature, each about a power of it, and a step that suits one is lost
on the next. In log w a monomial is linear, one length of steps suits all, and chains need no help from hotter ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.moves import Energy
from zeeman.sampling.posterior import check_number

Floats = NDArray[np.float64]

STEP, AT_ONCE = 1.5, 3
"""Standard deviation of a step in log w, and weights that it moves at most."""


@dataclass(frozen=True, eq=False)
class CornerDraws:
    """What chains in a corner met.

    Parameters
    ----------
    n_beta : array, shape (rungs,)
    energy : array, shape (rungs, chains, draws)
        K at the draws; the first half of the chains began anywhere in the box, the others deep in the corner.
    observed : dict of arrays, shape (rungs, chains, draws)
    """

    n_beta: Floats
    energy: Floats
    observed: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def disagreement(self) -> float:
        """Largest difference of ⟨K⟩ between the two halves of the chains, in its standard error; above 4, not mixed."""
        means = self.energy.mean(2)
        half = means.shape[1] // 2
        low, high = means[:, half:], means[:, :half]
        errors = np.sqrt(low.var(1, ddof=1) / low.shape[1] + high.var(1, ddof=1) / half)
        return float(np.max(np.abs(low.mean(1) - high.mean(1)) / errors))


def run_corner_walk(
    energy: Energy,
    dimension: int,
    n_beta: Sequence[float],
    *,
    domain: float = 0.5,
    observables: Mapping[str, Energy] | None = None,
    num_chains: int = 64,
    num_draws: int = 400,
    num_burnin_steps: int = 2000,
    num_steps_bw_draws: int = 10,
    seed: int = 0,
) -> CornerDraws:
    """Sample exp{−nβ K(w)} with a uniform prior on the box 0 ≤ w_i ≤ ``domain``, at several nβ side by side.

    A step adds Gaussians to the logarithms of up to three weights, and Metropolis decides, with the Jacobian ∏ w.

    Parameters
    ----------
    energy : callable
        Maps points (B, d) to K (B,).
    dimension : int
        d.
    n_beta : sequence of float
    domain : float
    observables : dict of callable
        Functions of points (B, d) that are read at the draws.
    num_chains : int
        Of each nβ; at least four.
    num_draws, num_burnin_steps, num_steps_bw_draws, seed : int

    Returns
    -------
    CornerDraws

    Raises
    ------
    ZeemanError
        For numbers that make no sense, or a potential that is not finite.

    Examples
    --------
    K = w₁w₂³ has λ = 1/3:

    >>> draws = run_corner_walk(lambda w: w[:, 0] * w[:, 1] ** 3, 2, [1e6], domain=1.0, num_draws=200)
    >>> bool(abs(1e6 * draws.energy.mean() - 1 / 3) < 0.03)
    True
    """
    for name, value in {"domain": domain, **{f"n_beta[{i}]": t for i, t in enumerate(n_beta)}}.items():
        check_number(name, value, zero=False)
    if dimension < 1 or not n_beta or num_chains < 4 or min(num_draws, num_steps_bw_draws) < 1 or num_burnin_steps < 0:
        raise ZeemanError("expected a weight, an nβ, four chains and a draw at least; give larger numbers.")
    chains = _Chains(energy, dimension, np.asarray(n_beta, np.float64), math.log(domain), num_chains, seed)
    kept = np.empty((*chains.energy.shape, num_draws))
    seen = {name: np.empty_like(kept) for name in observables or {}}
    with torch.no_grad():
        for _ in range(num_burnin_steps):
            chains.advance()
        for k in range(num_draws):
            for _ in range(num_steps_bw_draws):
                chains.advance()
            kept[..., k] = chains.energy.numpy()
            for name, observable in (observables or {}).items():
                seen[name][..., k] = chains.of(observable).numpy()
    return CornerDraws(np.asarray(n_beta, np.float64), kept, seen)


class _Chains:
    """The logarithms of the weights of each chain at each nβ, shape (rungs, chains, d), and K there."""

    def __init__(self, energy: Energy, d: int, n_beta: Floats, top: float, num_chains: int, seed: int) -> None:
        self.potential, self.top, self.t = energy, top, torch.from_numpy(n_beta)[:, None]
        self.noise = np.random.default_rng([seed, 0xC02])
        shape = (len(n_beta), num_chains, d)
        self.logs = top + torch.from_numpy(self.noise.random(shape)).log()
        self.logs[:, num_chains // 2 :] -= torch.log1p(self.t)[..., None]
        self.energy = self.of(energy)
        if not bool(torch.isfinite(self.energy).all()):
            raise ZeemanError("the potential is not finite on the whole box; choose a smaller domain.")

    def of(self, function: Energy) -> torch.Tensor:
        """Evaluate a function at the points of the chains, shape (rungs, chains)."""
        return self._at(self.logs, function)

    def _at(self, logs: torch.Tensor, function: Energy) -> torch.Tensor:
        return function(logs.exp().flatten(0, 1)).view(logs.shape[:-1])

    def advance(self) -> None:
        """Propose a step for every chain, and decide."""
        shape = self.energy.shape
        which = torch.from_numpy(self.noise.integers(0, self.logs.shape[-1], (*shape, AT_ONCE)))
        size = torch.from_numpy(self.noise.normal(0, STEP, (*shape, AT_ONCE)))
        size[..., int(self.noise.integers(1, AT_ONCE + 1)) :] = 0
        proposed = self.logs.scatter_add(-1, which, size)
        value = self._at(proposed.clamp(max=self.top), self.potential)
        gain = self.t * (self.energy - value) + size.sum(-1)
        accept = torch.from_numpy(self.noise.random(tuple(shape))).log() < gain
        accept &= (proposed <= self.top).all(-1)
        self.logs = torch.where(accept[..., None], proposed, self.logs)
        self.energy = torch.where(accept, value, self.energy)
