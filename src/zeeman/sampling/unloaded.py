"""Draws that do not feel the loss: the nβ = 0 side of every reading."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from zeeman.sampling.driver import Schedule, run_chain
from zeeman.sampling.posterior import LocalPosterior, check_number
from zeeman.sampling.samplers import Vectors
from zeeman.sampling.watching import Observable


@dataclass(frozen=True)
class Unloaded:
    """w = w* + γ^{−1/2} ξ: independent draws of N(w*, 1/γ), the local posterior at nβ = 0.

    Forward passes only. At a minimum Cov(φ, ℓ) is about ½ γ⁻² tr(H_φ H_ℓ): it reads the isotropic local geometry.

    Examples
    --------
    >>> w = torch.zeros(1)
    >>> Unloaded().update([w], [torch.ones(1)], [], [torch.ones(1)], {}, n_beta=0.0, localization=4.0, step=0)
    >>> w.item()
    1.5
    """

    needs_gradient: ClassVar[bool] = False

    def init(self, weights: Vectors) -> dict[str, Vectors]:
        """Nothing is kept beside the weights."""
        return {}

    def update(
        self,
        weights: Vectors,
        center: Vectors,
        gradient: Vectors,
        noise: Vectors,
        state: dict[str, Vectors],
        n_beta: float,
        localization: float,
        step: int,
    ) -> None:
        """Replace the weights by a fresh draw."""
        check_number("localization", localization, zero=False)
        for weight, middle, xi in zip(weights, center, noise, strict=True):
            torch.add(middle, xi, alpha=localization**-0.5, out=weight)


def match_energy(
    posterior: LocalPosterior,
    observable: Observable,
    energy: float,
    *,
    seed: int,
    num_draws: int = 8,
    num_rounds: int = 5,
) -> LocalPosterior:
    """Find the localization γ at which unloaded draws have a given mean energy ⟨L(w) − L(w*)⟩.

    Near w* the energy is tr(H)/2γ, so γ ← γ ⟨ΔL⟩_γ / energy converges in a few rounds. The same noise serves each.

    Parameters
    ----------
    posterior : LocalPosterior
        Its localization is where the search starts.
    observable : Observable
        On what the energy is read.
    energy : float
        Target in nats; where it is not positive there is nothing to match and the localization stays.
    seed : int
    num_draws, num_rounds : int
        Draws a round, and rounds at most.

    Returns
    -------
    LocalPosterior
        At nβ = 0 with the localization found.

    Examples
    --------
    For K = w², ⟨K⟩ = 1/γ:

    >>> start = LocalPosterior.potential(lambda w: (w**2).sum(), torch.zeros(500), n_beta=0.0, localization=1.0)
    >>> item = Observable(torch.zeros(1), torch.ones(1, dtype=torch.bool))
    >>> found = match_energy(start, item, 5.0, seed=0)
    >>> 95 < found.localization < 105
    True
    """
    for _ in range(num_rounds if energy > 0 else 0):
        chain = run_chain(
            posterior, Unloaded(), Schedule(num_draws), seed=seed, chain=0, observables={"it": observable},
            block_steps=num_draws,
        )  # fmt: skip
        found = float(next(chain).observed["it"].mean())
        if not (math.isfinite(found) and found > 0):
            break
        posterior = replace(posterior, localization=posterior.localization * found / energy)
        if abs(found / energy - 1) < 0.02:
            break
    return posterior
