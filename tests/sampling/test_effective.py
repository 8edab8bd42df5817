"""The effective potential against potentials whose minimum over the stiff weights is known in closed form."""

import numpy as np
import pytest
import torch

from zeeman.errors import ZeemanError
from zeeman.sampling import FlatEnergy, LocalPosterior, effective_potential, flattest_directions
from zeeman.spectra import ball_points, classify_germ, fit_taylor


def planted(order: int, seed: int, d: int = 50) -> LocalPosterior:
    """½ Σ κ_i (z_i + b_i z_0²)² + z_0^order in randomly turned weights z = Q w."""
    noise = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(d, d, generator=noise, dtype=torch.float64))
    stiff = 0.3 + 3 * torch.rand(d - 1, generator=noise, dtype=torch.float64)
    bent = 0.5 * torch.randn(d - 1, generator=noise, dtype=torch.float64)

    def energy(w: torch.Tensor) -> torch.Tensor:
        z = turn.to(w.dtype) @ w
        return 0.5 * (stiff.to(w.dtype) * (z[1:] + bent.to(w.dtype) * z[0] ** 2) ** 2).sum() + z[0] ** order

    return LocalPosterior.potential(energy, torch.zeros(d))


@pytest.mark.parametrize("order", [4, 6, 8])
def test_a_planted_direction_is_found_and_named(order: int) -> None:
    posterior = planted(order, seed=order)
    frame = flattest_directions(posterior, 1)
    points = ball_points(1, 10)
    found = effective_potential(FlatEnergy(posterior), frame, torch.from_numpy(0.7 * points))
    values = found.rows.mean(1).numpy()
    assert np.allclose(values, (0.7 * points[:, 0]) ** order, atol=1e-6)
    assert classify_germ(fit_taylor(points, values, 10, 0.7)).name == f"A{order - 1}"


def test_a_restraint_is_part_of_the_minimum() -> None:
    """min_y ½ (y + x)² + ½ μ y² = ½ x² μ/(1 + μ)."""
    posterior = LocalPosterior.potential(lambda w: 0.5 * (w[0] + w[1]) ** 2, torch.zeros(2))
    x = torch.tensor([[0.0], [1.0], [2.0]])
    found = effective_potential(FlatEnergy(posterior), torch.tensor([[1.0], [0.0]]), x, restraint=0.5)
    assert torch.allclose(found.rows.mean(1), 0.5 * x[:, 0].double() ** 2 / 3, atol=1e-7)


def test_the_way_to_a_point_does_not_matter() -> None:
    """Points that are reached along a ray, with what was learned on it, lie where each lies when found alone."""
    energy, frame = FlatEnergy(planted(6, 3)), torch.eye(50, 2, dtype=torch.float64)
    points = 0.3 * torch.from_numpy(ball_points(2, 4))
    together = effective_potential(energy, frame, points, restraint=0.1)
    for i in (0, 7, len(points) - 1):
        alone = effective_potential(energy, frame, points[i : i + 1], restraint=0.1)
        assert torch.allclose(alone.rows, together.rows[i : i + 1], atol=1e-8)


def test_points_come_in_any_order_and_twice() -> None:
    energy, frame = FlatEnergy(planted(4, 1)), torch.eye(50, 2, dtype=torch.float64)
    points = torch.tensor([[0.2, 0.0], [0.0, 0.1], [0.1, 0.0], [0.0, 0.0], [0.2, 0.0]], dtype=torch.float64)
    found = effective_potential(energy, frame, points)
    assert torch.equal(found.rows[0], found.rows[4])
    assert torch.allclose(found.places @ frame, points, atol=1e-12)


def test_a_crooked_frame_is_refused() -> None:
    energy = FlatEnergy(planted(4, 0, d=5))
    with pytest.raises(ZeemanError, match="orthonormal"):
        effective_potential(energy, torch.ones(5, 1), torch.zeros(1, 1))
