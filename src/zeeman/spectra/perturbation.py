"""Whether draws go so far from the checkpoint, or stay so near, that no token's response can be told from noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zeeman.spectra.response import Susceptibility

STRONG = 0.3
"""Nats a token from which draws are said to be far: on trained language models of two and three layers the share of
tokens that resolve falls from here on."""
AIM = 0.1
"""Nats a token that are proposed instead."""
ROUNDING = 1e-5
"""Spread of a token's loss, in nats, of which single precision leaves a few per cent."""
CHANCE = 2.0
"""Times the tokens of the null, and three Poisson errors, beyond which tokens count as resolved."""


def unresolved(count: int, null: int, energy: float, spread: float, *, n_beta: float, localization: float) -> str:
    """Say why no token's response to a component stands out, and the setting at which some would.

    Near w* unloaded draws have ⟨ΔL⟩ ∝ 1/γ and loaded ones ⟨ΔL⟩ ∝ 1/nβ, and the spread of a token's loss goes as
    γ^{−1/2}; what is proposed is AIM nats a token.

    Parameters
    ----------
    count, null : int
        Tokens with |ρ| > 3 SE, and the same of the null.
    energy : float
        ⟨ΔL⟩ of the draws in nats a token.
    spread : float
        Standard deviation of a token's loss along the draws, in nats (`token_spread`).
    n_beta, localization : float
        Of the draws; nβ = 0 for unloaded ones.

    Returns
    -------
    str
        Empty where clearly more tokens resolve than twice those of the null.

    Examples
    --------
    >>> unresolved(3, 2, 5.0, 8.0, n_beta=0.0, localization=2.0)
    'no token resolves: the draws are too far away (5 nats a token); localization of about 1e+02 would be 0.1 nats'
    >>> unresolved(90, 2, 5.0, 8.0, n_beta=0.0, localization=2.0)
    ''
    """
    if count > CHANCE * null + 3 * math.sqrt(count + null):
        return ""
    knob, now = ("n_beta", n_beta) if n_beta else ("localization", localization)
    if energy > STRONG:
        return (
            f"no token resolves: the draws are too far away ({energy:.2g} nats a token); {knob} of about "
            f"{now * energy / AIM:.1g} would be {AIM:g} nats"
        )
    if 0 < spread < ROUNDING:
        return (
            f"no token resolves: the draws are too near (losses move by {spread:.1g} nats, where rounding begins); "
            f"localization of about {localization * (spread / AIM) ** 2:.1g} would move them by {AIM:g} nats"
        )
    return f"no token resolves at {energy:.2g} nats a token, where draws are neither far nor near: raise num_draws"


def token_spread(chi: Susceptibility, phi: NDArray[np.floating]) -> float:
    """Standard deviation along the draws of the middle token's loss less φ, from Cov = ρ σ_φ σ.

    Parameters
    ----------
    chi : Susceptibility
        One figure a token.
    phi : array, shape (chains, draws)
        ΔL on the data, in nats a token.

    Returns
    -------
    float
        In nats; 0 where nothing moves.

    Examples
    --------
    >>> from zeeman.spectra import respond
    >>> rng = np.random.default_rng(0)
    >>> phi = rng.normal(size=(4, 100))
    >>> round(token_spread(respond(phi, phi + 3 * rng.normal(size=(50, 4, 100))), phi), 1)
    3.0
    """
    moves = np.isfinite(chi.rho) & (chi.rho != 0)
    if not moves.any():
        return 0.0
    return float(np.median(np.abs(chi.covariance[moves] / chi.rho[moves])) / np.std(phi, ddof=1))
