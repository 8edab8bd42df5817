"""Volume below a loss from a ladder in nβ whose rungs do not overlap, and along a path of centres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.special import log_ndtr, logsumexp

from zeeman.errors import ZeemanError

Array = NDArray[np.float64]

CLOSURE = math.log(2) / 2
"""What a Gaussian energy leaves open in log V, in nats."""


@dataclass(frozen=True, eq=False)
class VolumeCurve:
    """log V(E) = log P(L(w) < E) for w ~ N(w*, 1/γ), at the mean loss of each rung; all arrays of shape (rungs,).

    Parameters
    ----------
    n_beta : array
        t, ascending.
    loss : array
        Mean loss E of each rung in nats, descending.
    log_partition, log_partition_se : array
        log Z(t) = log ⟨exp(−t ΔL)⟩ over N(w*, 1/γ), with ΔL = L − L(w*).
    log_volume, log_volume_se : array
        In nats: −log V is what it costs to point out weights of a loss below E in the window around w*.
    """

    n_beta: Array
    loss: Array
    log_partition: Array
    log_partition_se: Array
    log_volume: Array
    log_volume_se: Array

    def at(self, loss: Array) -> Array:
        """Read log V at other losses: monotone between the rungs, an upper bound beyond either end.

        Below the coldest rung it is Chernoff's bound from there, V(E) ≤ V(E_R) exp(t_R (E − E_R)); above the hottest it
        is that rung's tangent, cut at V = 1.
        """
        order = np.argsort(self.loss)
        inside = PchipInterpolator(self.loss[order], self.log_volume[order])(
            np.clip(loss, self.loss.min(), self.loss.max())
        )
        cold = self.n_beta[-1] * np.minimum(loss - self.loss.min(), 0.0)
        hot = self.n_beta[0] * np.maximum(loss - self.loss.max(), 0.0)
        return np.asarray(np.minimum(inside + cold + hot, 0.0))


@dataclass(frozen=True, eq=False)
class PathVolume:
    """Volume below a loss under the mean of the windows N(w_k, 1/γ) of several centres w_k.

    Parameters
    ----------
    loss : array, shape (grid,)
        E, descending.
    log_volume : array, shape (grid,)
        log (1/K) Σ_k V_k(E).
    share : array, shape (centres, grid)
        V_k / Σ V: which centre's window holds the weights of a loss below E.
    """

    loss: Array
    log_volume: Array
    share: Array


def volume_curve(
    n_beta: NDArray[np.floating],
    exponent: NDArray[np.floating],
    exponent_se: NDArray[np.floating],
    heat_capacity: NDArray[np.floating],
    *,
    reference: float = 0.0,
) -> VolumeCurve:
    """Integrate the mean energy along a ladder and turn to the volume below each rung's mean loss.

    log Z(t) = −∫₀ᵗ ⟨ΔL⟩ dt' = −∫ u d log t' with u = t⟨ΔL⟩ (thermodynamic integration), monotone cubic in log t; below
    the first rung −u₁ − C₁/2, from the first two cumulants. Then, for an energy that is Gaussian about its mean at
    rung t, V(E) = Z(t) exp(tE) exp(C/2) Φ(−√C) at E = ⟨ΔL⟩, where C = t² Var L: for large C the saddle point
    log Z + tE − ½ log 2πC, for C → 0 one half. Its slope is d log V/d log ΔL = u (1 + O(1/C)), so u is the running
    exponent λ(ε). Unlike reweighting (MBAR) this needs no overlap of rungs, which √C standard deviations divide.

    The error adds to that of the means what the interpolation leaves open, its difference from straight lines, half
    the correction below the first rung, and half of log 2 for the closure: an energy that is skewed to the right may
    lie below its mean with any probability from one half to one.

    Parameters
    ----------
    n_beta : array, shape (rungs,)
        t, positive and ascending; at least 3.
    exponent, exponent_se : array, shape (rungs,)
        u = t⟨L(w) − L(w*)⟩ with its standard error.
    heat_capacity : array, shape (rungs,)
        C.
    reference : float
        L(w*) in nats; losses are given as this plus ΔL.

    Returns
    -------
    VolumeCurve

    Raises
    ------
    ZeemanError
        For a ladder of fewer than 3 rungs or out of order, or figures that are not finite.

    Examples
    --------
    For d quadratic directions of curvature h, u = C = (d/2) th/(th + γ), and Z = (1 + th/γ)^{−d/2}:

    >>> t = np.geomspace(0.1, 1e4, 12)
    >>> u = 20 * t / (t + 1)
    >>> curve = volume_curve(t, u, 0 * u, u**2 / 20)
    >>> bool(abs(curve.log_partition[-1] + 20 * np.log1p(1e4)) < 3 * curve.log_partition_se[-1])
    True
    """
    t, u, se, c = (np.asarray(x, float) for x in (n_beta, exponent, exponent_se, heat_capacity))
    if len(t) < 3 or (np.diff(t) <= 0).any() or t[0] <= 0:
        raise ZeemanError(f"expected at least 3 rungs of ascending, positive n_beta, got {t.tolist()}; sort or add.")
    if not all(np.isfinite(x).all() for x in (u, se, c)):
        raise ZeemanError("a rung of the ladder has no finite energy; leave it out or lower lr.")
    x, c = np.log(t), np.maximum(c, 0.0)
    smooth = PchipInterpolator(x, u).antiderivative()
    area = smooth(x) - smooth(x[0])
    steps = np.diff(x)
    straight = np.append(0.0, np.cumsum(steps * (u[1:] + u[:-1]) / 2))
    start = c[0] / 2
    log_z = -(u[0] + start) - area
    log_z_se = np.sqrt(_propagated(steps, se) + (area - straight) ** 2 + (start / 2) ** 2)
    log_v = log_z + u + c / 2 + log_ndtr(-np.sqrt(c))
    return VolumeCurve(
        t, reference + u / t, log_z, log_z_se, np.minimum(log_v, 0.0), np.sqrt(log_z_se**2 + se**2 + CLOSURE**2)
    )


def heat_capacity(
    n_beta: NDArray[np.floating], exponent: NDArray[np.floating], exponent_se: NDArray[np.floating]
) -> tuple[Array, Array]:
    """Heat capacity C = t² Var L = −dE/d log t · t along a ladder, from how the mean energy E = u/t falls.

    The spread of the energy along chains would give it too, but minibatches add a variance of their own that grows with
    t². The slope is that of a monotone cubic in log t; the error adds to that of the energies the difference to the
    mean of the slopes on either side.

    Parameters
    ----------
    n_beta, exponent, exponent_se : array, shape (rungs,)
        t, u = t⟨ΔL⟩ and its standard error.

    Returns
    -------
    heat, standard_error : array, shape (rungs,)
        Not below 0.

    Examples
    --------
    A harmonic well without a window has u = C = d/2:

    >>> t = np.geomspace(1, 1e4, 9)
    >>> heat, error = heat_capacity(t, np.full(9, 5.0), np.full(9, 0.1))
    >>> bool((abs(heat - 5.0) < 2 * error).all())
    True
    """
    t, u, se = (np.asarray(x, float) for x in (n_beta, exponent, exponent_se))
    x, energy, error = np.log(t), u / t, se / t
    steps = np.diff(x)
    chords, chords_se = np.diff(energy) / steps, np.hypot(error[1:], error[:-1]) / steps
    sides = np.stack([np.append(chords[:1], chords), np.append(chords, chords[-1:])])
    sides_se = np.stack([np.append(chords_se[:1], chords_se), np.append(chords_se, chords_se[-1:])])
    slope = PchipInterpolator(x, energy).derivative()(x)
    open_ = np.abs(slope - sides.mean(axis=0)) + np.abs(sides[0] - sides[1]) / 4
    return np.maximum(-t * slope, 0.0), t * np.hypot(sides_se.max(axis=0), open_)


def _propagated(steps: Array, se: Array) -> Array:
    """Variance of −u₁ − ∫ u d log t up to each rung, by the weights of the trapezoid rule."""
    weights = np.zeros((len(se), len(se)))
    weights[:, 0] = 1.0
    for k, step in enumerate(steps):
        weights[k + 1 :, k] += step / 2
        weights[k + 1 :, k + 1] += step / 2
    return np.asarray((weights**2) @ (se**2))


def path_volume(curves: Sequence[VolumeCurve], *, points: int = 60) -> PathVolume:
    """Volume below each loss in the part of weight space that a path of centres passed.

    The windows of all centres are averaged, μ = (1/K) Σ_k N(w_k, 1/γ), so that μ(L < E) = (1/K) Σ_k V_k(E) holds
    exactly, whether the windows overlap or not. All losses are absolute. Beyond a ladder's ends V_k is a bound from
    above (`VolumeCurve.at`), so a share there is the largest that it may be.

    Parameters
    ----------
    curves : sequence of VolumeCurve
        One a centre.
    points : int
        Losses, equally spaced from the hottest to the coldest rung of any centre.

    Returns
    -------
    PathVolume

    Raises
    ------
    ZeemanError
        Without a curve.

    Examples
    --------
    >>> t = np.geomspace(0.1, 1e4, 12)
    >>> u = 20 * t / (t + 1)
    >>> near, far = (volume_curve(t, u, 0 * u, u**2 / 20, reference=r) for r in (0.0, 5.0))
    >>> round(float(path_volume([near, far]).share[0, -1]), 3)
    1.0
    """
    if not curves:
        raise ZeemanError("a path needs at least one centre whose volume was read; read some.")
    loss = np.linspace(max(c.loss.max() for c in curves), min(c.loss.min() for c in curves), points)
    each = np.stack([curve.at(loss) for curve in curves])
    total = logsumexp(each, axis=0)
    return PathVolume(loss, total - math.log(len(curves)), np.exp(each - total))
