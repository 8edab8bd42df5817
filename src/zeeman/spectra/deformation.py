"""How a probe deforms a germ: its loss near the critical sheet, projected onto the versal unfolding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.spectra.splitting import Split
from zeeman.spectra.strata import normal_frame
from zeeman.spectra.taylor import Taylor

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Deformed:
    """ℓ = Σ_α t_α x^α modulo the Jacobian ideal of the germ: which directions of the unfolding a loss turns on.

    Parameters
    ----------
    exponents : tuple of tuples
        α, a basis of the local algebra without the constant.
    values, standard_errors : array, shape (α,)
        t_α in nats, x in units of the radius.
    frame : array, shape (n, corank)
        Directions of the x in the variables of the fit.
    """

    exponents: tuple[tuple[int, ...], ...]
    values: Array
    standard_errors: Array
    frame: Array


def deform(name: str, germ: Split, loss: Taylor, basis: Sequence[tuple[int, ...]]) -> Deformed:
    r"""Project a loss onto the local algebra R[x]/(∂g) of the split-off germ.

    .. math:: \ell(x, y(x)) = \sum_\alpha t_\alpha x^\alpha + \sum_i a_i(x)\, \partial_i g(x)

    What a change of coordinates could undo goes to the second sum; it is solved for in the truncated ring. The error
    is that of the loss alone.

    Parameters
    ----------
    name : str
        Class of the germ, whose normal frame the basis is written in.
    germ : Split
    loss : Taylor
        Of the probe's loss, in the variables and the radius of the germ.
    basis : sequence of exponents
        Of the local algebra of the normal form; the constant is passed over.

    Raises
    ------
    ZeemanError
        If the loss was fitted in other variables or to another degree than the germ, or the basis is of another
        number of variables.

    Examples
    --------
    x² + x³ deforms x⁴ by x² alone, for x³ is in its Jacobian ideal:

    >>> from zeeman.spectra.taylor import ball_points, fit_taylor
    >>> from zeeman.spectra.splitting import split
    >>> x = ball_points(1, 4)
    >>> g = split(fit_taylor(x, x[:, 0] ** 4, 4), 1)
    >>> found = deform("A3", g, fit_taylor(x, 2 * x[:, 0] ** 2 + x[:, 0] ** 3, 4), [(0,), (1,), (2,)])
    >>> found.exponents, (found.values.round(6) + 0.0).tolist()
    (((1,), (2,)), [0.0, 2.0])
    """
    if (loss.num_variables, loss.degree) != (germ.frame.shape[0], germ.degree):
        raise ZeemanError("the loss was fitted in other variables or to another degree than the germ; fit both alike.")
    chosen = tuple(e for e in basis if any(e))
    if any(len(e) != germ.corank for e in chosen):
        raise ZeemanError(f"the basis must be of {germ.corank} variables, those that the splitting leaves.")
    ring, turn = germ.ring, normal_frame(name, germ.coefficients, germ.degree)
    g = turn @ germ.coefficients
    ideal = [
        ring.multiply(ring.derivative(g, i), np.eye(1, len(ring), j)[0])
        for i in range(germ.corank)
        for j in range(len(ring))
    ]
    own = np.stack([np.eye(1, len(ring), ring.place(*e))[0] for e in chosen], axis=1)
    columns = np.concatenate([own, np.stack(ideal, axis=1)], axis=1)[ring.degrees >= 1]
    solve = np.linalg.pinv(columns, rcond=1e-9)[: len(chosen)]
    through = solve @ (turn @ germ.map)[ring.degrees >= 1]
    values = through @ loss.coefficients * loss.scale
    errors = np.sqrt(np.maximum(0.0, np.diag(through @ loss.covariance @ through.T))) * loss.scale
    linear = np.stack([turn[1 + i, 1 : 1 + germ.corank] for i in range(germ.corank)])
    return Deformed(chosen, values, errors, germ.frame[:, : germ.corank] @ linear.T)


def mixture(deformations: Array, errors: Array, wanted: Array) -> tuple[Array, Array, Array]:
    """Weights of probes whose mixture turns on a wanted deformation, with what they give.

    h minimizes ‖Σ_p h_p t_p − wanted‖² in errors of the t plus ‖h‖²: the ridge keeps probes out that only fit noise.

    Parameters
    ----------
    deformations, errors : array, shape (probes, α)
        t of each probe, and its standard errors.
    wanted : array, shape (α,)

    Returns
    -------
    weights : array, shape (probes,)
    given, given_errors : array, shape (α,)
        What the mixture turns on.

    Examples
    --------
    >>> t = np.array([[1.0, 0.0], [1.0, 1.0]])
    >>> h, given, _ = mixture(t, np.full((2, 2), 1e-3), np.array([0.0, 1.0]))
    >>> h.round(3).tolist(), (given.round(3) + 0.0).tolist()
    ([-1.0, 1.0], [0.0, 1.0])
    """
    noise = np.sqrt((errors**2).mean(axis=0)) + 1e-12
    scaled = (deformations / noise).T
    weights = np.linalg.solve(scaled.T @ scaled + np.eye(len(deformations)), scaled.T @ (wanted / noise))
    return weights, weights @ deformations, np.sqrt(weights**2 @ errors**2)
