import pytest
import torch

from zeeman.errors import ZeemanError
from zeeman.sampling.lbfgs import Curvature, minimize


def valley(x: torch.Tensor, which: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rosenbrock's, with the minimum at (1, 1) and a floor of 3."""
    a, b = x[:, 0], x[:, 1]
    value = (1 - a) ** 2 + 100 * (b - a**2) ** 2 + 3
    slope = torch.stack([-2 * (1 - a) - 400 * a * (b - a**2), 200 * (b - a**2)], 1)
    return value[:, None], slope


STARTS = torch.tensor([[-1.2, 1.0], [0.0, 0.0], [2.0, 3.0], [1.0, 1.0]], dtype=torch.float64)


def tiny(values: torch.Tensor) -> torch.Tensor:
    return torch.full_like(values, 1e-16)


def test_a_bent_valley_is_followed_to_its_end() -> None:
    found = minimize(valley, STARTS, tiny, 200)
    assert torch.allclose(found.points, torch.ones(4, 2, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(found.rows, torch.full((4, 1), 3.0, dtype=torch.float64))


def test_points_do_not_see_each_other() -> None:
    together = minimize(valley, STARTS, tiny, 7)
    for i in range(4):
        alone = minimize(valley, STARTS[i : i + 1], tiny, 7)
        assert torch.allclose(alone.points[0], together.points[i], rtol=0, atol=1e-12)


def test_only_points_that_move_are_evaluated() -> None:
    asked: list[int] = []

    def counted(x: torch.Tensor, which: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        asked.extend(which.tolist())
        return valley(x, which)

    minimize(counted, STARTS, tiny, 200)
    assert asked.count(3) == 1  # it starts at the minimum


def test_a_bowl_is_known_at_its_bottom() -> None:
    """On the way to the minimum of a quadratic its inverse Hessian is learned, to a percent."""
    stiff = torch.tensor([1.0, 5.0, 30.0], dtype=torch.float64)

    def bowl(x: torch.Tensor, which: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 0.5 * (stiff * x**2).sum(1, keepdim=True), stiff * x

    first = minimize(bowl, torch.ones(1, 3, dtype=torch.float64), tiny, 100)
    g = torch.tensor([[1.0, -2.0, 3.0]], dtype=torch.float64)
    assert torch.allclose(first.curvature.apply(g), g / stiff, rtol=0.01)
    assert torch.equal(Curvature.unknown(g).apply(g), g / g.norm())


def test_a_start_beyond_the_finite_numbers_is_refused() -> None:
    with pytest.raises(ZeemanError, match="not finite"):
        minimize(valley, torch.full((1, 2), torch.inf, dtype=torch.float64), tiny, 5)
