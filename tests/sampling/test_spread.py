"""Directions of largest spread against Gaussians whose covariance is known."""

import pytest
import torch

from zeeman.errors import ZeemanError
from zeeman.sampling import SGLD, LocalPosterior, Schedule, widest_directions


def well(curvatures: torch.Tensor, seed: int) -> tuple[LocalPosterior, torch.Tensor]:
    """½ Σ h_i z_i² in turned weights z = Q w, and Q."""
    d = len(curvatures)
    turn = torch.linalg.qr(torch.randn(d, d, generator=torch.Generator().manual_seed(seed)))[0]
    loss = lambda w: 0.5 * (curvatures.to(w.dtype) * (turn.to(w.dtype) @ w) ** 2).sum()  # noqa: E731
    return LocalPosterior.potential(loss, torch.zeros(d), n_beta=100.0, localization=1.0), turn.double()


def test_two_flat_directions_are_found_with_their_variances() -> None:
    """γ times the variance is 1/(1 + nβ h/γ): 1 and 1/2 along the flat ones, below 1/50 elsewhere."""
    posterior, turn = well(torch.tensor([0.0, 0.01] + [0.5 + i / 10 for i in range(38)]), 0)
    found = widest_directions(posterior, SGLD(5e-3), Schedule(80, 500, 50), 2, seed=1, num_chains=12)
    assert found.agreement.min() > 0.9
    assert torch.linalg.svdvals(turn[:2] @ found.frame).min() > 0.95
    assert torch.allclose(found.variances, torch.tensor([1.0, 0.5], dtype=torch.float64), rtol=0.4)
    assert torch.allclose(found.frame.T @ found.frame, torch.eye(2, dtype=torch.float64), atol=1e-9)


def test_where_all_is_flat_the_halves_do_not_agree() -> None:
    posterior, _ = well(torch.zeros(60), 1)
    found = widest_directions(posterior, SGLD(1e-1), Schedule(30, 50, 10), 1, seed=0, num_chains=4)
    assert found.agreement.max() < 0.8


def test_more_weights_than_a_hessian_may_have() -> None:
    """One flat direction among 5,000 weights, and draws by the hundred."""
    d = 5000
    flat = torch.nn.functional.normalize(torch.randn(d, generator=torch.Generator().manual_seed(0)), dim=0)

    def loss(w: torch.Tensor) -> torch.Tensor:
        return 0.5 * (w.square().sum() - (flat.to(w.dtype) @ w) ** 2)

    posterior = LocalPosterior.potential(loss, torch.zeros(d), n_beta=300.0, localization=1.0)
    found = widest_directions(posterior, SGLD(5e-3), Schedule(40, 400, 50), 1, seed=0, num_chains=8)
    assert found.agreement[0] > 0.8
    assert abs(float(found.frame[:, 0] @ flat.double())) > 0.9


def test_what_shows_nothing_is_refused() -> None:
    posterior, _ = well(torch.ones(3), 0)
    with pytest.raises(ZeemanError, match="fewer directions"):
        widest_directions(posterior, SGLD(1e-3), Schedule(2), 2, seed=0, num_chains=2)
    with pytest.raises(ZeemanError, match="lower lr"):
        widest_directions(posterior, SGLD(1e3), Schedule(40), 1, seed=0, num_chains=2)
