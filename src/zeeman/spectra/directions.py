"""The weights that noise sees: directions of tempered draws, found and straightened, and how each shrinks with T."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.reading import Reading, Verdict
from zeeman.spectra.exponents import MIN_RUNGS, observable_exponent
from zeeman.spectra.scatter import contraction_point, log_size, principal_axes

Floats = NDArray[np.float64]
Word = tuple[int, ...]

DRAWS_A_WEIGHT = 20
"""Fewer draws of a rung for each weight leave its axes to chance."""
NARROWER = 0.1
"""Sum over directions of the mean of log|u| by which another centre must be the better one."""
BENT_BY, LARGEST_DEGREE = 6, 4
"""A direction is straightened by monomials of so many flatter ones, up to this degree."""
MARGIN = 0.03
"""What is left between two exponents that count as the same."""
TYPICAL = 4.0
"""Draws beyond so many medians in some direction have no say in how it bends: a heavy tail would decide alone."""
EXPLAINED = 0.1
"""Least share of the variance for which a bend is taken out."""
MAX_BEND, LEAST_BEND = 4.0, 0.03
"""Of the exponents on the hotter and the colder rungs, in standard errors and in itself."""
MAX_WIDENING, LEAST_WIDENING = 4.0, 0.03
"""Of the standard deviation of log|u| for each unit of log t, in standard errors and in itself."""


@dataclass(frozen=True, eq=False)
class Directions:
    """Coordinates u_i = a_i·(w − c) − p_i(u_1, …, u_{i−1}), the widest first.

    Parameters
    ----------
    center : array, shape (d,)
        c less the reference point w*; 0 where nothing says that the minimum lies elsewhere.
    axes : array, shape (d, d)
        Rows a_i, orthonormal.
    bends : tuple of dict
        p_i: indices of the flatter directions whose product is taken, with its coefficient; empty where straight.
    """

    center: Floats
    axes: Floats
    bends: tuple[dict[Word, float], ...]

    def __call__(self, places: Floats) -> Floats:
        """Coordinates of w − w*, shape (..., d)."""
        out: Floats = (places - self.center) @ self.axes.T
        for i, bend in enumerate(self.bends):
            for word, coefficient in bend.items():
                out[..., i] -= coefficient * out[..., word].prod(axis=-1)
        return out


def find_directions(places: Floats, n_beta: Floats) -> Directions:
    """Find the directions of the coldest rung, and take out how flatter ones bend stiffer ones.

    The axes are the principal ones of Tyler's shape matrix S = d/N Σ w wᵀ/(wᵀS⁻¹w), which no heavy tail tilts. Of a
    direction u_i the regression on flatter ones and their products is taken out, if it explains a tenth of its
    variance there; only what shrinks no faster than u_i itself may enter, since the rest would take over on hotter
    rungs. On the coldest rung what is left of a tilt or a bend is smaller than the direction, and on hotter rungs even
    more so. Where the draws contract to a point beside w* the directions are those about it, if the coldest draws
    are narrower in them: a checkpoint need not have reached its minimum.

    Parameters
    ----------
    places : array, shape (rungs, walkers, draws, d)
        w − w* at draws of exp(−t K).
    n_beta : array, shape (rungs,)
        t, ascending.

    Raises
    ------
    ZeemanError
        If there are too few rungs, walkers or draws.

    Examples
    --------
    K = x⁴ + (y + 2x²)²/2 has the coordinates x and y + 2x²:

    >>> rng, t = np.random.default_rng(0), np.geomspace(1, 1e6, 8)[:, None, None]
    >>> x = rng.gamma(0.25, size=(8, 16, 60)) ** 0.25 * rng.choice([-1, 1], (8, 16, 60)) / t**0.25
    >>> y = rng.normal(size=(8, 16, 60)) / t**0.5 - 2 * x**2
    >>> found = find_directions(np.stack([x, y], axis=-1), t.ravel())
    >>> round(abs(found.bends[1][0, 0]))
    2
    """
    _check(places, n_beta)
    half = len(n_beta) // 2
    places, log_t = places[half:], np.log(n_beta[half:])
    found, beside = _about(np.zeros(places.shape[-1]), places, log_t), contraction_point(places)
    if beside.any():
        moved = _about(beside, places, log_t)
        # The right one of two points and frames is that in which the coldest draws are narrower.
        volumes = [float(log_size(one(places[-1])).mean(axis=(0, 1)).sum()) for one in (moved, found)]
        if volumes[0] < volumes[1] - NARROWER:
            return moved
    return found


def direction_exponents(places: Floats, n_beta: Floats, directions: Directions) -> list[Reading]:
    """Read the weight α_i of each direction, |u_i| ~ T^{α_i} with T = 1/t, on the colder half of a ladder.

    α_i is the slope of E log|u_i| against log T. For a quasi-homogeneous minimum all moments shrink alike, and the
    slope of Var(u_i), 2α_i, says the same; where they differ the variance is that of a heavy tail, and is given beside
    it. With one divisor (m = 1) the α_i are its weights and Σ α_i = λ. Where a whole face of weights competes (m > 1)
    log|u_i| is spread over it, and its standard deviation grows with log t: no weight exists.

    Parameters
    ----------
    places : array, shape (rungs, walkers, draws, d)
    n_beta : array, shape (rungs,)
    directions : Directions

    Returns
    -------
    list of Reading
        ``direction_exponent`` of each, α with an error between walkers and from how log|u| widens; coordinates
        ``axis``, ``variance_exponent`` (half the slope of log Var) with its ``variance_exponent_se``, and ``widening``.
        NO_WEIGHT or TOO_ANHARMONIC where there is no power law.

    Raises
    ------
    ZeemanError
        If there are too few rungs, walkers or draws.

    Examples
    --------
    >>> rng, t = np.random.default_rng(0), np.geomspace(1, 1e6, 12)
    >>> w = rng.normal(size=(12, 16, 60, 2)) * t[:, None, None, None] ** np.array([-0.5, -0.25])
    >>> read = direction_exponents(w, t, find_directions(w, t))
    >>> [round(4 * float(r.value)) / 4 for r in read], [r.verdict.name for r in read]
    ([0.25, 0.5], ['OK', 'OK'])
    """
    _check(places, n_beta)
    u = directions(places)
    half = len(n_beta) // 2
    return [_read(u[..., i], n_beta, np.log(n_beta[half:]), axis) for i, axis in enumerate(directions.axes)]


def _check(places: Floats, n_beta: Floats) -> None:
    if places.ndim != 4 or len(places) != len(n_beta) or len(n_beta) < MIN_RUNGS or places.shape[1] < 4:
        raise ZeemanError(
            f"expected weights of shape (rungs, walkers, draws, d) with at least {MIN_RUNGS} rungs and 4 walkers, "
            f"got {places.shape} for {len(n_beta)} rungs; run a longer ladder."
        )
    draws, d = places.shape[1] * places.shape[2], places.shape[3]
    if draws < DRAWS_A_WEIGHT * d:
        raise ZeemanError(
            f"{draws} draws of a rung do not show the axes of {d} weights, which takes {DRAWS_A_WEIGHT * d}; "
            "run more walkers, or choose fewer weights."
        )


def _about(center: Floats, places: Floats, log_t: Floats) -> Directions:
    """Directions of the coldest rung about a point."""
    places = places - center
    axes = principal_axes(places[-1].reshape(-1, places.shape[-1]))
    turned = places @ axes.T
    exponents: list[float] = []
    bends: list[dict[Word, float]] = []
    for i in range(len(axes)):
        alpha, bend = _straighten(turned, i, exponents, log_t)
        exponents.append(alpha)
        bends.append(bend)
    return Directions(center, axes, tuple(bends))


def _halves(of_walkers: Floats, log_t: Floats) -> list[tuple[float, float]]:
    """Exponents with their errors on the hotter and on the colder half."""
    middle = len(log_t) // 2
    return [_slope(of_walkers[part], log_t[part]) for part in (slice(None, middle), slice(middle, None))]


def _straighten(turned: Floats, i: int, exponents: list[float], log_t: Floats) -> tuple[float, dict[Word, float]]:
    """Exponent of direction i after its bends are taken out, in place, and the bends."""
    bend: dict[Word, float] = {}
    for _ in range(LARGEST_DEGREE):
        alpha = -float((log_size(turned[..., i]).mean(axis=(1, 2)) @ _slope_weights(log_t)).item())
        words = _words(exponents, alpha)
        if not words:
            break
        cold = turned[-1].reshape(-1, turned.shape[-1])[:, : i + 1]
        cold = cold[(np.abs(cold) < TYPICAL * np.median(np.abs(cold), axis=0)).all(axis=1)]
        columns = np.stack([cold[:, word].prod(axis=1) for word in words], axis=1)
        if len(cold) <= len(words):
            break
        units, target = np.sqrt((columns**2).mean(axis=0)) + 1e-300, cold[:, i]
        found = np.linalg.lstsq(columns / units, target, rcond=1e-8)[0] / units
        left = float(((target - columns @ found) ** 2).sum() / (target**2).sum())
        if left > 1 - EXPLAINED:
            break
        for word, coefficient in zip(words, found.tolist(), strict=True):
            turned[..., i] -= coefficient * turned[..., word].prod(axis=-1)
            bend[word] = bend.get(word, 0.0) + coefficient
    return alpha, bend


def _words(exponents: list[float], alpha: float) -> list[Word]:
    """Flatter directions and their products that shrink no faster than T^alpha."""
    return [
        word
        for degree in range(1, LARGEST_DEGREE + 1)
        for word in combinations_with_replacement(range(min(len(exponents), BENT_BY)), degree)
        if sum(exponents[j] for j in word) <= alpha + MARGIN
    ]


def _slope_weights(log_t: Floats) -> Floats:
    centered = log_t - log_t.mean()
    out: Floats = centered / float(centered @ centered)
    return out


def _read(u: Floats, n_beta: Floats, log_t: Floats, axis: Floats) -> Reading:
    size = log_size(u[-len(log_t) :])
    of_walkers = size.mean(axis=2)
    alpha, error = _slope(of_walkers, log_t)
    (hot, hot_error), (cold, cold_error) = _halves(of_walkers, log_t)
    # The spread about the mean of all walkers: each has its own share of it.
    spread = np.sqrt(((size - size.mean(axis=(1, 2), keepdims=True)) ** 2).mean(axis=2))
    narrowing, narrowing_error = _slope(spread, log_t)
    variance = observable_exponent(u**2, n_beta)
    bend, widening = abs(hot - cold), -narrowing
    # Where several weights compete their mean drifts no faster than they part.
    error = float(np.hypot(error, max(0.0, widening - 2 * narrowing_error)))
    reasons, verdict = [], Verdict.OK
    if bend > max(MAX_BEND * float(np.hypot(hot_error, cold_error)), LEAST_BEND):
        verdict = Verdict.TOO_ANHARMONIC
        reasons.append(f"the exponent is {hot:.3g} on the hotter and {cold:.3g} on the colder quarter")
    if widening > max(MAX_WIDENING * narrowing_error, LEAST_WIDENING):
        verdict = Verdict.NO_WEIGHT
        reasons.append(f"log|u| spreads by {widening:.2g} for each unit of log n_beta, as over a face of weights")
    coordinates = {
        "axis": axis.tolist(),
        "variance_exponent": float(variance.value) / 2,
        "variance_exponent_se": float(variance.standard_error) / 2,
        "widening": widening,
    }
    return Reading("direction_exponent", alpha, error, verdict, tuple(reasons), coordinates=coordinates)


def _slope(values: Floats, log_t: Floats) -> tuple[float, float]:
    """Minus the slope of each walker's values (rungs, walkers) against log t: mean and standard error."""
    slopes = -_slope_weights(log_t) @ values
    return float(slopes.mean()), float(slopes.std(ddof=1) / np.sqrt(len(slopes)))
