"""What must vanish for a germ to be of a class: the conditions of each class, on the split-off part of a germ.

Each function gives a matrix M: M g is 0 on the class and its degenerations and moves away from 0 across it, and M has
as many rows as the class has codimension (Arnold 1972; the steps of his determinator). M depends on g by the frame
that it is written in, but on the class itself the conditions do not change when the frame turns, nor when the critical
sheet moves (it is stationary), so M is their derivative too. The gradient and the Hessian come first everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zeeman.spectra.truncated import truncated

Array = NDArray[np.float64]
Conditions = Callable[[Array, int], Array]
"""(coefficients of g, degree) -> matrix of the conditions."""

_SMALL, _FAR = 1e-9, 100.0


def up_to_order(corank: int, order: int) -> Conditions:
    """No terms of orders 1 to ``order``: 2 for a corank alone (D4, P8), 3 for X_9 or worse, k for A_k."""

    def conditions(g: Array, degree: int) -> Array:
        degrees = truncated(corank, degree).degrees
        rows: Array = np.eye(len(g))[(degrees >= 1) & (degrees <= order)]
        return rows

    return conditions


def umbilic(k: int) -> Conditions:
    """D_k, k ≥ 5: the cubic has a double root, x² y + h(y), and h is of order k − 1."""

    def conditions(g: Array, degree: int) -> Array:
        turn = _double_root(g, degree)
        root = turn[truncated(2, degree).place(0, 3)]
        return np.vstack([up_to_order(2, 2)(g, degree), root, (_tail(turn @ g, degree) @ turn)[4 : k - 1]])

    return conditions


def exceptional(k: int) -> Conditions:
    """E_6, E_7, E_8: the cubic is a cube x³; then no y⁴, then no x y³, and for k = 9 (J_10 or worse) no y⁵."""

    def conditions(g: Array, degree: int) -> Array:
        ring, turn = truncated(2, degree), _cube(g, degree)
        wanted = [(1, 2), (0, 3), (0, 4), (1, 3), (0, 5)][: k - 4]
        return np.vstack([up_to_order(2, 2)(g, degree), *(turn[ring.place(*e)] for e in wanted)])

    return conditions


def fourth_power(g: Array, degree: int) -> Array:
    """W_12 or worse: no cubic, and the quartic is a fourth power x⁴."""
    ring, form = truncated(2, degree), _form(g, degree, 4)
    best = max(_stationary_angles(form), key=lambda angle: abs(_at_angle(form, angle)))
    turn = _turn(degree, float(best) + math.pi / 2)
    wanted = [(2, 2), (1, 3), (0, 4)]
    return np.vstack([up_to_order(2, 3)(g, degree), *(turn[ring.place(*e)] for e in wanted)])


def normal_frame(name: str, g: Array, degree: int) -> Array:
    """Matrix to the frame in which a class has its normal form to leading order: x² y + … for D_k, x³ + … for E_k.

    The identity for other classes.
    """
    if name[0] == "D" and name != "D4":
        return _double_root(g, degree)
    same: Array = np.eye(len(g))
    return _cube(g, degree) if name[0] in "EJ" else same


def cubic_discriminant(g: Array, degree: int) -> float:
    """Discriminant of the binary cubic a x³ + b x² y + c x y² + d y³: positive for three real lines (D4−)."""
    ring = truncated(2, degree)
    a, b, c, d = (g[ring.place(3 - j, j)] for j in range(4))
    return float(b * b * c * c - 4 * a * c**3 - 4 * b**3 * d - 27 * a * a * d * d + 18 * a * b * c * d)


def _turn(degree: int, angle: float) -> Array:
    """Matrix to the frame whose y axis points along an angle."""
    x, y = math.sin(angle), math.cos(angle)
    return truncated(2, degree).linear(np.array([[x, y], [-y, x]]))


def _form(g: Array, degree: int, order: int) -> Array:
    """Coefficients of x^order, x^(order−1) y, …, y^order."""
    ring = truncated(2, degree)
    return np.array([g[ring.place(order - j, j)] for j in range(order + 1)])


def _stationary_angles(form: Array) -> Array:
    """Angles in [0, π) at which a binary form is stationary on the circle: the real roots of x ∂_y q − y ∂_x q."""
    order, j = len(form) - 1, np.arange(len(form))
    along = np.append((j * form)[1:], 0.0) - np.append(0.0, ((order - j) * form)[:-1])
    angles = [math.atan2(t, 1.0) for t in _real_roots(along[::-1])]
    if abs(along[-1]) <= 1e-14 * max(1e-300, float(np.abs(along).max())):
        angles.append(math.pi / 2)
    folded: Array = np.mod(np.array(angles), math.pi)
    return folded


def _real_roots(descending: Array) -> list[float]:
    roots = np.roots(descending)
    return [float(r.real) for r in roots if abs(r.imag) <= 1e-7 * (1 + abs(r))]


def _at_angle(form: Array, angle: float) -> float:
    j = np.arange(len(form))
    return float(form @ (math.cos(angle) ** j[::-1] * math.sin(angle) ** j))


def _double_root(g: Array, degree: int) -> Array:
    """Matrix to the frame whose y axis is nearest to a double root of the cubic: its x y² term is 0 there."""
    cubic = _form(g, degree, 3)
    best = min(_stationary_angles(cubic), key=lambda angle: abs(_at_angle(cubic, angle)))
    return _turn(degree, float(best))


def _cube(g: Array, degree: int) -> Array:
    """Matrix to the frame whose x axis is where the cubic is largest: its x² y term is 0 there."""
    cubic = _form(g, degree, 3)
    best = max(_stationary_angles(cubic), key=lambda angle: abs(_at_angle(cubic, angle)))
    return _turn(degree, float(best) + math.pi / 2)


def _tail(turned: Array, degree: int) -> Array:
    """Matrix to h(y) = g(x(y), y) with ∂g/∂x = 0 at x(y) = O(y²), where the cubic is x² (β y + α x).

    With x = y ξ the condition is 2 β ξ + … = 0 after division by y², regular where β ≠ 0; ξ(y) follows by iteration.
    Terms y³, x y² of the cubic and all of lower order are taken for 0.
    """
    ring, line = truncated(2, degree), truncated(1, degree)
    kept = ring.degrees >= 3
    kept[[ring.place(0, 3), ring.place(1, 2)]] = False
    f = np.where(kept, turned, 0.0)
    beta = f[ring.place(2, 1)]
    beta = beta if abs(beta) > _SMALL else math.copysign(_SMALL, beta)
    slope = ring.derivative(f, 0)
    x = np.zeros(len(line))
    for _ in range(degree):
        value = ring.substitution([x, line.variable(0)], line) @ slope
        x[2:-1] -= value[3:] / (2 * beta)  # divided by 2 β y
        if np.abs(x).max() > _FAR:
            x = np.zeros(len(line))  # the sheet leaves the ball: this is no D
            break
    return ring.substitution([x, line.variable(0)], line) * kept
