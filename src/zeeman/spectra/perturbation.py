"""Whether draws go so far from the checkpoint, or stay so near, that no token's response can be told from noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zeeman.spectra.quality import resolved
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


def unresolved(chi: Susceptibility, phi: NDArray[np.floating], *, n_beta: float, localization: float) -> str:
    """Say why no token's response to a component stands out, and the setting at which some would.

    Near w* unloaded draws have ⟨ΔL⟩ ∝ 1/γ and loaded ones ⟨ΔL⟩ ∝ 1/nβ, and the spread of a token's loss goes as
    γ^{−1/2}; what is proposed is AIM nats a token.

    Parameters
    ----------
    chi : Susceptibility
        One figure a token.
    phi : array, shape (chains, draws)
        ΔL of the draws on the data, in nats a token.
    n_beta, localization : float
        Of the draws; nβ = 0 for unloaded ones.

    Returns
    -------
    str
        Empty where clearly more tokens have |ρ| > 3 SE than twice those of the null, or where there are no errors.

    Examples
    --------
    >>> from zeeman.spectra import respond
    >>> rng = np.random.default_rng(0)
    >>> phi, noise = 5.0 + rng.normal(size=(4, 100)), rng.normal(size=(200, 4, 100))
    >>> unresolved(respond(phi, noise + phi), phi, n_beta=0.0, localization=2.0)
    'no token resolves: the draws are too far away (5 nats a token); localization of about 1e+02 would be 0.1 nats'
    >>> unresolved(respond(phi, noise), phi, n_beta=0.0, localization=2.0)
    ''
    """
    finite = np.isfinite(chi.rho_se) & np.isfinite(chi.null_se)
    if not finite.any():
        return ""
    count, null = (
        int(resolved(value[finite], error[finite]).sum())
        for value, error in ((chi.rho, chi.rho_se), (chi.null, chi.null_se))
    )
    if count > CHANCE * null + 3 * math.sqrt(count + null):
        return ""
    energy, spread = float(np.mean(phi)), _spread(chi, phi)
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


def _spread(chi: Susceptibility, phi: NDArray[np.floating]) -> float:
    """Standard deviation of the middle token's loss, from Cov = ρ σ_φ σ_ℓ; 0 where nothing moves."""
    moves = np.isfinite(chi.rho) & (chi.rho != 0)
    if not moves.any():
        return 0.0
    return float(np.median(np.abs(chi.covariance[moves] / chi.rho[moves])) / np.std(phi, ddof=1))
