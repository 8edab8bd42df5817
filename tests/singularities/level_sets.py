"""Volumes of level sets of polynomials by quadrature: an oracle for λ that knows no algebra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sympy.polys.rings import PolyElement

DECADES = 14
BOX = 0.25


def coefficients_in_x(f: PolyElement, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients of f(., y) in x, highest power first, for each y: (points, degree + 1)."""
    top = max(a[0] for a in f)
    table = np.zeros((y.shape[0], top + 1))
    for (i, *rest), c in f.terms():
        powers = np.prod([y[:, k] ** e for k, e in enumerate(rest)], axis=0)
        table[:, top - i] += float(c) * powers
    return table


def length_below(table: NDArray[np.float64], eps: float) -> NDArray[np.float64]:
    """Length of {x in [-BOX, BOX] : |f(x)| < eps} for each row of coefficients, from the real roots of f = ± eps."""
    ends = []
    for level in (eps, -eps):
        shifted = table.copy()
        shifted[:, -1] -= level
        ends.append(real_roots(shifted))
    points = np.concatenate([*ends, np.full((len(table), 1), -BOX), np.full((len(table), 1), BOX)], axis=1)
    points = np.sort(np.clip(np.nan_to_num(points, nan=BOX), -BOX, BOX), axis=1)
    middle = (points[:, 1:] + points[:, :-1]) / 2
    value = np.zeros_like(middle)
    for k in range(table.shape[1]):
        value = value * middle + table[:, k : k + 1]
    return np.sum(np.diff(points, axis=1) * (np.abs(value) < eps), axis=1)


def real_roots(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Real roots of each row, nan where there are fewer than the degree."""
    degree = table.shape[1] - 1
    found = np.full((len(table), max(degree, 1)), np.nan)
    for lead in range(degree):
        rows = np.all(table[:, :lead] == 0, axis=1) & (table[:, lead] != 0)
        n = degree - lead
        if not rows.any():
            continue
        companion = np.zeros((int(rows.sum()), n, n))
        companion[:, np.arange(1, n), np.arange(n - 1)] = 1
        companion[:, 0, :] = -table[rows, lead + 1 :] / table[rows, lead : lead + 1]
        roots = np.linalg.eigvals(companion)
        real = np.abs(roots.imag) < 1e-7 * (1e-12 + np.abs(roots))
        found[np.flatnonzero(rows)[:, None], np.arange(n)] = np.where(real, roots.real, np.nan)
    return found


def volumes(f: PolyElement, eps: NDArray[np.float64], points: int = 1200) -> NDArray[np.float64]:
    """Volume of {|f| < eps} in a small box, the y-integral by the midpoint rule in log |y|."""
    n = f.ring.ngens - 1
    per_axis = points if n == 1 else int(points**0.5 * 2)
    u = (np.arange(per_axis) + 0.5) * 22 / per_axis
    axis = np.concatenate([BOX * np.exp(-u), -BOX * np.exp(-u)])
    weight = np.concatenate([np.abs(axis[:per_axis])] * 2) * 22 / per_axis
    grid = np.stack([one.ravel() for one in np.meshgrid(*[axis] * n, indexing="ij")], axis=1)
    weights = np.prod(np.stack([one.ravel() for one in np.meshgrid(*[weight] * n, indexing="ij")]), axis=0)
    table = coefficients_in_x(f, grid)
    return np.array([float(weights @ length_below(table, e)) for e in eps])


def fitted_exponent(f: PolyElement, multiplicity: int, points: int = 1200) -> tuple[float, float]:
    """Exponent λ of V ~ eps^λ (polynomial of degree m - 1 in log 1/eps), and how far fits to parts of it scatter."""
    eps = np.logspace(-3, -9, DECADES)
    log_eps, log_volume = np.log(eps), np.log(volumes(f, eps, points))
    whole = _fit(log_eps[4:], log_volume[4:], multiplicity)
    late = _fit(log_eps[7:], log_volume[7:], multiplicity)
    return late, 0.004 + abs(whole - late)


def _fit(log_eps: NDArray[np.float64], log_volume: NDArray[np.float64], multiplicity: int) -> float:
    """Λ by least squares: log V = λ log eps + (m - 1) log(log 1/eps + c) + d, c scanned."""
    best = (np.inf, np.nan)
    for shift in [0.0] if multiplicity == 1 else np.linspace(-5, 30, 141):
        target = log_volume - (multiplicity - 1) * np.log(-log_eps + shift)
        design = np.stack([log_eps, np.ones_like(log_eps)], axis=1)
        solution, residual, *_ = np.linalg.lstsq(design, target, rcond=None)
        best = min(best, (float(residual[0]) if len(residual) else 0.0, float(solution[0])))
    return best[1]
