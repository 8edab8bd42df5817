"""What the terms of a component's susceptibility mean: responses of Gaussian posteriors to tilted data, exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from zeeman.spectra import probe_losses, respond, susceptibility

Array = NDArray[np.float64]
N_BETA, GAMMA, D, PROBES = 30.0, 20.0, 6, 5
STEP = 1e-5


class Tilted:
    """Probe k has loss ½ δᵀA_kδ + g_k·δ, the data their mean with a gradient of their own; half of δ may move alone."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        roots = self.rng.normal(size=(PROBES, D, 2 * D)) / math.sqrt(2 * D)
        self.curvature, self.gradient = roots @ roots.swapaxes(1, 2), self.rng.normal(size=(PROBES, D)) / 3

    def loss(self, k: int, h: float, moving: int) -> tuple[Array, Array]:
        """Curvature and gradient of (1 − h) L + h ℓ_k where the first ``moving`` weights move."""
        weights = (1 - h) / PROBES + h * (np.arange(PROBES) == k)
        return np.tensordot(weights, self.curvature, 1)[:moving, :moving], (weights @ self.gradient)[:moving]

    def posterior(self, k: int, h: float, moving: int) -> tuple[Array, Array, float]:
        """Mean, covariance and log Z, up to a constant."""
        curvature, gradient = self.loss(k, h, moving)
        covariance = np.linalg.inv(N_BETA * curvature + GAMMA * np.eye(moving))
        mean = -N_BETA * covariance @ gradient
        return mean, covariance, float(np.linalg.slogdet(covariance)[1] - N_BETA * gradient @ mean) / 2

    def phi(self, k: int, h: float, moving: int) -> float:
        """⟨L⟩ under the tilted data."""
        mean, covariance, _ = self.posterior(k, h, moving)
        curvature, gradient = self.loss(k, 0, moving)
        return float(np.trace(curvature @ (covariance + np.outer(mean, mean))) / 2 + gradient @ mean)

    def losses(self, moving: int, draws: int = 4000) -> Array:
        """ℓ_k at independent draws of the posterior on the data, shape (probes, 4, draws)."""
        mean, covariance, _ = self.posterior(0, 0, moving)
        delta = self.rng.multivariate_normal(mean, covariance, size=(4, draws))
        square = np.einsum("kij,...i,...j->k...", self.curvature[:, :moving, :moving], delta, delta) / 2
        answer: Array = square + np.tensordot(self.gradient[:, :moving], delta, (1, -1))
        return answer


def slope(of: dict[float, float]) -> float:
    return (of[STEP] - of[-STEP]) / (2 * STEP)


@pytest.mark.parametrize("seed", range(4))
def test_both_terms_are_responses_of_a_component_to_tilted_data(seed: int) -> None:
    model, own = Tilted(seed), D // 2
    part, full = model.losses(own), model.losses(D)
    phi = part.mean(axis=0)
    chi = respond(phi, part, full.mean(axis=0), full)
    level = model.phi(0, 0, own)
    for k in range(PROBES):
        moved = slope({h: model.phi(k, h, own) for h in (STEP, -STEP)})
        # How likely it is that the other weights stay: Z_C/Z.
        stays = slope({h: model.posterior(k, h, own)[2] - model.posterior(k, h, D)[2] for h in (STEP, -STEP)})
        assert abs(N_BETA * chi.covariance[k] - moved) < 4 * N_BETA * chi.covariance_se[k]
        assert abs(N_BETA * chi.shift[k] - level * stays) < 4 * N_BETA * chi.shift_se[k]
        # ⟨δ(v − v*) φ⟩ / ⟨δ(v − v*)⟩₀ as one function of h.
        ratio = {
            h: model.phi(k, h, own)
            * math.exp(
                model.posterior(k, h, own)[2]
                - model.posterior(k, h, D)[2]
                - model.posterior(k, 0, own)[2]
                + model.posterior(k, 0, D)[2]
            )
            for h in (STEP, -STEP)
        }
        assert abs(N_BETA * chi.total[k] - slope(ratio)) < 4 * N_BETA * chi.total_se[k]


def test_the_mean_over_tokens_is_the_response_of_tilted_data_from_other_draws() -> None:
    """Slope 1/δh between draws that share nothing, within 3 %, and r of at least .97."""
    model, own, share = Tilted(0), D // 2, 0.1
    members = np.eye(PROBES, dtype=bool) | np.roll(np.eye(PROBES, dtype=bool), 1, axis=1)
    tokens, full = model.losses(own, 20_000), model.losses(D, 20_000)
    per_token = respond(tokens.mean(axis=0), tokens, full.mean(axis=0), full)
    summed = members @ per_token.total / members.sum(axis=1)
    other, other_full = model.losses(own, 20_000), model.losses(D, 20_000)
    tilts, tilts_full = (share * (probe_losses(x, members) - x.mean(axis=0)) for x in (other, other_full))
    dataset = susceptibility(other.mean(axis=0), tilts, tilts_full).total
    assert summed @ dataset / (dataset @ dataset) == pytest.approx(1 / share, rel=0.03)
    assert np.corrcoef(summed, dataset)[0, 1] >= 0.97
