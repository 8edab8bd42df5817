"""How much a finite step size and a noisy minibatch raise nβ⟨ΔL⟩, and how to take it away."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zeeman.errors import ZeemanError
from zeeman.sampling.health import effective_draws


class Estimate(NamedTuple):
    """A figure with its standard error."""

    value: float
    standard_error: float


def quadratic_energy(
    curvatures: ArrayLike, n_beta: float, lr: ArrayLike, *, localization: float = 0.0, noise: ArrayLike = 0.0
) -> float:
    """Stationary nβ⟨ΔL⟩ of SGLD on L = Σ h_i w_i²/2, in closed form.

    Σ ½ (nβ h_i/a_i) (1 + ε nβ² σ_i²/4) / (1 − ε a_i/4) with a_i = nβ h_i + γ: the first bracket is what localization
    leaves, the second the minibatch's heat, the third the step's. At ε → 0 it is the truth.

    Parameters
    ----------
    curvatures : array, shape (d,)
        h_i.
    n_beta : float
    lr : float or array, shape (d,)
        ε, or ε_i under a frozen metric.
    localization : float
        γ.
    noise : float or array, shape (d,)
        σ_i, standard deviation of the gradient of the minibatch's loss.

    Returns
    -------
    float
        Infinite where a step is unstable, ε a_i ≥ 4.

    Examples
    --------
    >>> h = np.logspace(-1, 1, 20)
    >>> [round(quadratic_energy(h, 100.0, lr), 2) for lr in (1e-9, 1e-4, 1e-3)]
    [10.0, 10.06, 10.68]
    >>> round(quadratic_energy(h, 100.0, 1e-3, noise=0.3), 1)
    13.1
    """
    h, sizes = np.asarray(curvatures, np.float64), np.asarray(lr, np.float64)
    force = n_beta * h + localization
    left = 1 - sizes * force / 4
    if (left <= 0).any():
        return math.inf
    warmth = 1 + sizes * n_beta**2 * np.square(noise) / 4
    return float((n_beta * h / force * warmth / left).sum() / 2)


def force_excess(heat: NDArray[np.floating]) -> Estimate:
    """Excess of nβ⟨ΔL⟩ in the SGLD family, from the forces that the chain feels.

    In equilibrium ⟨‖w' − w*‖²⟩ = ⟨‖w − w*‖²⟩, and for w' = w − (ε/2)F + √ε ξ with F = ∇U_B that is, coordinate by
    coordinate and for any potential and minibatch, ⟨(w − w*)_i F_i⟩ = 1 + (ε_i/4)⟨F_i²⟩. The last term is the heat of
    step and minibatch together. In a quadratic well half of it, times the loss's share of the force, is the excess of
    nβ⟨ΔL⟩: (1/8) Σ ε_i F_i nβ g_i. A sum of squares that only stiff directions feel, it is far less noisy than
    the virial of all weights.

    It is an upper estimate elsewhere: along rays on which ΔL grows with the power k, it is k/2 times the excess; and
    where γ rivals the curvature nβ h, the minibatch's share is counted as if the loss held alone.

    Parameters
    ----------
    heat : array, shape (chains, times)
        `Block.heat` after burn-in.

    Returns
    -------
    Estimate
        Subtract it from nβ⟨ΔL⟩ to correct in first order where the well is quadratic.

    Examples
    --------
    >>> force_excess(np.array([[0.5, 0.7], [0.6, 0.6]])).value
    0.6
    """
    return _mean(np.asarray(heat, np.float64))


def virial_excess(virial: NDArray[np.floating], num_parameters: int) -> Estimate:
    """Excess of nβ⟨ΔL⟩ from the virial, (d/2)(⟨(w − w*)·∇U⟩/d − 1), for any sampler.

    Unbiased for the heat of a quadratic well, whatever its cause, but with the noise of the thermal motion of all
    weights: √(d/2) over the root of the times seen, so that it tells little for many weights. It counts the heat in
    localization's share of the energy too.

    Parameters
    ----------
    virial : array, shape (chains, times)
        `Block.virial` after burn-in.
    num_parameters : int
        d.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> round(virial_excess(np.array([[1.02, 1.04], [1.03, 1.03]]), 20).value, 6)
    0.3
    """
    mean, error = _mean(np.asarray(virial, np.float64))
    return Estimate((mean - 1) * num_parameters / 2, error * num_parameters / 2)


def _mean(values: NDArray[np.float64]) -> Estimate:
    """Mean over chains and times, with the larger of the error along chains and the one between them."""
    if values.ndim != 2 or values.size < 2:
        raise ZeemanError(f"expected figures of shape (chains, times), two or more, got {values.shape}; stack chains.")
    along = float(values.std(ddof=1)) / math.sqrt(max(effective_draws(values), 1.0))
    between = float(values.mean(axis=1).std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Estimate(float(values.mean()), max(along, between))


def extrapolate(values: ArrayLike, errors: ArrayLike, lrs: ArrayLike, *, order: int = 1) -> Estimate:
    """Value at ε = 0 from readings at two step sizes or more, by a weighted fit of value = v₀ + b ε^order.

    For ε and ε/2 and order 1 it is 2v(ε/2) − v(ε). Any reading will do; what is left is the next order, and the
    heat of a minibatch goes with the step's since both are of order ε. Readings must have independent errors.

    Parameters
    ----------
    values, errors : array, shape (k,)
        Readings and their standard errors.
    lrs : array, shape (k,)
        ε, all positive and not all the same.
    order : int
        1 for the SGLD family, and for BAOAB where its friction is low; 2 for BAOAB at high friction.

    Returns
    -------
    Estimate

    Raises
    ------
    ZeemanError
        If there are fewer than two step sizes, or errors that are not positive.

    Examples
    --------
    >>> h = np.logspace(-1, 1, 20)
    >>> pair = [quadratic_energy(h, 100.0, lr) for lr in (1e-3, 5e-4)]
    >>> found = extrapolate(pair, [0.03, 0.04], [1e-3, 5e-4])
    >>> [round(float(x), 3) for x in (*pair, *found)]
    [10.677, 10.311, 9.944, 0.085]
    """
    y, e, x = (np.asarray(v, np.float64) for v in (values, errors, lrs))
    if not (y.shape == e.shape == x.shape and y.ndim == 1 and len(np.unique(x)) > 1 and (x > 0).all()):
        raise ZeemanError(f"expected readings at two or more positive step sizes, got lr = {x.tolist()}; add one.")
    if not (np.isfinite(e) & (e > 0)).all():
        raise ZeemanError(f"expected positive standard errors, got {e.tolist()}; take more draws.")
    design = np.stack([np.ones_like(x), (x / x.max()) ** order], axis=1) / e[:, None]
    covariance = np.linalg.inv(design.T @ design)
    found = covariance @ design.T @ (y / e)
    return Estimate(float(found[0]), math.sqrt(float(covariance[0, 0])))
