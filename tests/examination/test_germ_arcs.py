"""The order ladder of a germ, on potentials in turned weights whose class is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zeeman.examination import arcs_document, class_weights, measure_arcs
from zeeman.sampling import FlatEnergy, LocalPosterior, effective_potential, flattest_directions
from zeeman.spectra import ball_points, classify_germ, fit_taylor


def turned(order: int, seed: int, d: int = 12, away: float = 0.0) -> LocalPosterior:
    """½ Σ κ_i (z_i + b_i z_0²)² + z_0^order, z = Q w − away."""
    noise = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(d, d, generator=noise, dtype=torch.float64))
    stiff = 0.3 + 3 * torch.rand(d - 1, generator=noise, dtype=torch.float64)
    bent = 0.5 * torch.randn(d - 1, generator=noise, dtype=torch.float64)

    def energy(w: torch.Tensor) -> torch.Tensor:
        z = turn.to(w.dtype) @ w - away
        return 0.5 * (stiff.to(w.dtype) * (z[1:] + bent.to(w.dtype) * z[0] ** 2) ** 2).sum() + z[0] ** order

    return LocalPosterior.potential(energy, torch.zeros(d))


def ladder(posterior: LocalPosterior, dimension: int, degree: int) -> tuple[dict, str]:  # type: ignore[type-arg]
    flat, frame = FlatEnergy(posterior), flattest_directions(posterior, dimension)

    def measure(points: np.ndarray) -> tuple[np.ndarray, float]:
        return effective_potential(flat, frame, torch.from_numpy(0.5 * points)).rows.mean(1).numpy()[None], 1e-15

    points = ball_points(dimension, degree)
    taylor = fit_taylor(points, measure(points)[0], degree, 0.5)
    germ = classify_germ(taylor)
    return arcs_document(measure_arcs(measure, taylor, germ), germ.name), germ.name


@pytest.mark.parametrize(("order", "dimension"), [(4, 1), (4, 2), (6, 1), (6, 2)])
def test_arcs_see_the_order_of_the_class(order: int, dimension: int) -> None:
    found, name = ladder(turned(order, order), dimension, 8)
    assert name == f"A{order - 1}"
    first = found["orders"][0]
    assert first["class_order"] == order
    assert abs(first["order"] - order) < 3 * first["standard_error"] + 0.02
    bound = found["bound"]
    assert abs(bound["value"] - found["class_bound"]) < 3 * bound["standard_error"] + 0.01
    assert all(c["measured"] == c["class"] for c in found["jet_codimensions"].values())


def test_where_nothing_is_flat_arcs_start_at_the_critical_point() -> None:
    """x² seen from a point 0.05 beside its minimum."""
    found, name = ladder(turned(2, 5, away=0.02), 1, 4)
    assert name == "A1"
    assert abs(found["orders"][0]["order"] - 2) < 0.05


def test_weights_of_classes() -> None:
    assert class_weights("D5", 3) == ((2, 3, 4), 8)
    assert class_weights("A5+", 2) is None
    assert class_weights("corank 3", 3) is None
