"""Which class of singularity measured Taylor coefficients show, as a posterior over classes at a stated scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.spectra.criticality import gradient_errors, newton_step, newton_steps
from zeeman.spectra.splitting import Split, principal_frame, split
from zeeman.spectra.strata import (
    Conditions,
    cubic_discriminant,
    exceptional,
    fourth_power,
    umbilic,
    up_to_order,
)
from zeeman.spectra.taylor import Taylor

Array = NDArray[np.float64]
Weighed = tuple[str, float, Array, Array, Split]

_STEPS = 3

TOLERANCE = 0.01
"""Coefficients below this share of the largest one, at the radius of the ball, count as 0."""
TYPICAL = 0.4
"""Standard deviation of a coefficient that nothing makes vanish: that of a Gaussian of whose dozen the largest is 1."""
HERE = 0.5
"""Radii from the centre within which a critical point is one of this checkpoint."""
REGULAR = "A0"
"""Arnold's name of a germ whose gradient is not 0."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A class that the coefficients were held against.

    Parameters
    ----------
    name : str
        Such as ``A3``; ``A7+`` where the degree ends before the first coefficient that is not 0; ``A0`` for no critical
        point within half the radius.
    probability : float
        Among all candidates.
    chi2 : float
        Squared distance of the coefficients from the class, in their errors.
    codimension : int
        Conditions that the class imposes on a germ, its gradient counted in the flat directions.
    conditions, standard_errors : array, shape (codimension,)
        What should vanish, in the units of `Taylor`, and the errors, the tolerance counted in.
    """

    name: str
    probability: float
    chi2: float
    codimension: int
    conditions: Array
    standard_errors: Array


@dataclass(frozen=True, eq=False)
class GermPosterior:
    """The candidates by falling probability, and the split-off part under the first of them.

    Parameters
    ----------
    candidates : tuple of Candidate
    split : Split
        Of the corank of the likeliest class.
    real_form : str
        ``+``, ``-`` or empty where the class has one real form, with ``?`` where the sign is not sure.
    eigenvalues, eigenvalue_errors : array, shape (n,)
        Of the Hessian in the units of `Taylor`, by increasing size.
    tolerance : float
    critical_distance, critical_distance_error : float
        How far from the centre the critical point of the quadratic part lies, in radii, along the stiff directions;
        half of what separates the 16th from the 84th of a hundred.
    gradient_errors : float
        Length of the gradient at the centre in its errors, the tolerance counted in.
    """

    candidates: tuple[Candidate, ...]
    split: Split
    real_form: str
    eigenvalues: Array
    eigenvalue_errors: Array
    tolerance: float
    critical_distance: float
    critical_distance_error: float
    gradient_errors: float

    @property
    def name(self) -> str:
        """The likeliest class."""
        return self.candidates[0].name

    @property
    def probability(self) -> float:
        """That of the likeliest class."""
        return self.candidates[0].probability

    def of(self, name: str) -> float:
        """Probability of a class; 0 for one that was not a candidate."""
        return next((c.probability for c in self.candidates if c.name == name), 0.0)


def classify_germ(taylor: Taylor, tolerance: float = TOLERANCE) -> GermPosterior:
    r"""Weigh A_k, D_k, E_6, E_7, E_8, X_9, W_12, N_16, P_8 and what is worse, by what must vanish for each.

    A class S of codimension s is {T = 0} for s conditions T. With the covariance C of T̂, propagated from the
    coefficients, its evidence against the open set of all germs is the Savage–Dickey ratio

    .. math::
        \frac{p(c \mid S)}{p(c)} =
        \frac{N(\hat T;\, 0,\, C + \epsilon^2 M M^T)}{N(\hat T;\, 0,\, C + (\epsilon^2 + \tau^2) M M^T)}

    with M the derivative of T, ε the tolerance and τ = 0.4 the size of a coefficient that nothing makes vanish, where
    the largest is 1. All ratios share their denominator, so they compare classes of any corank; each class counts as
    equally likely before.

    A class does not ask that the gradient along its stiff directions vanish: there the critical point may lie beside
    the centre, at the Newton step −H⁻¹g. The share of the draws of (g, H) from their errors that put it beyond half the
    radius is taken from each class and given to ``A0``: the polynomial has such a germ, but not at this checkpoint.

    Parameters
    ----------
    taylor : Taylor
        Of at most 4 variables, in balanced units (the largest coefficient is 1).
    tolerance : float
        ε. A germ is of a class *within a tolerance at a scale*: a perturbed E8 is a row of A's below it.

    Returns
    -------
    GermPosterior

    Raises
    ------
    ZeemanError
        For more than 4 variables, a degree below 3, or a tolerance that is not positive.

    Examples
    --------
    >>> from zeeman.spectra.taylor import ball_points, fit_taylor
    >>> x = ball_points(2, 5)
    >>> found = classify_germ(fit_taylor(x, x[:, 0] ** 4 + 0.7 * (x[:, 1] + x[:, 0] ** 2) ** 2, 5))
    >>> found.name, found.real_form
    ('A3', '+')
    """
    if not 1 <= taylor.num_variables <= 4 or taylor.degree < 3:
        raise ZeemanError(
            f"expected 1 to 4 variables and a degree of at least 3, got {taylor.num_variables} and {taylor.degree}; "
            "choose a smaller subspace or a higher degree."
        )
    if not tolerance > 0:
        raise ZeemanError(f"the tolerance must be positive, got {tolerance}; name what counts as zero.")
    weighed = [
        (name, *_evidence(taylor, corank, conditions, tolerance))
        for corank in range(taylor.num_variables + 1)
        for name, conditions in _classes(corank, taylor.degree)
    ]
    weighed.sort(key=lambda row: -row[1])
    odds = np.exp(np.array([row[1] for row in weighed]) - weighed[0][1])
    steps = [newton_steps(taylor, tolerance, corank) for corank in range(taylor.num_variables + 1)]
    near = np.array([float((steps[part.corank] <= HERE).mean()) for *_, part in weighed])
    candidates = _candidates(weighed, odds / odds.sum(), near)
    chosen = next((part for name, *_, part in weighed if name == candidates[0].name), weighed[0][-1])
    low, high = np.quantile(steps[chosen.corank], (0.16, 0.84))
    return GermPosterior(
        candidates,
        chosen,
        _real_form(candidates[0].name, chosen),
        *_eigenvalues(taylor),
        tolerance,
        newton_step(taylor, chosen.corank),
        float(high - low) / 2,
        gradient_errors(taylor, tolerance),
    )


def _classes(corank: int, degree: int) -> Iterator[tuple[str, Conditions]]:
    """Classes of a corank that coefficients up to a degree can tell."""
    if corank == 0:
        yield "A1", up_to_order(0, 0)
    elif corank == 1:
        yield from ((f"A{k}", up_to_order(1, k)) for k in range(2, degree))
        yield f"A{degree}+", up_to_order(1, degree)
    elif corank == 2:
        yield "D4", up_to_order(2, 2)
        yield from ((f"D{k}", umbilic(k)) for k in range(5, degree + 2))
        if degree >= 4:
            yield "E6", exceptional(6)
            yield "E7", exceptional(7)
            yield "X9+", up_to_order(2, 3)
            yield "W12+", fourth_power
        if degree >= 5:
            yield "N16+", up_to_order(2, 4)
            yield "E8", exceptional(8)
            yield "J10+", exceptional(9)
    else:
        yield "P8+" if corank == 3 else f"corank {corank}", up_to_order(corank, 2)


def _candidates(weighed: list[Weighed], chances: Array, near: Array) -> tuple[Candidate, ...]:
    """Classes with what is left of their chances where the critical point lies near, and A0 with the rest."""
    found = [
        Candidate(name, float(p), float(t @ np.linalg.solve(c, t)), len(t), t, np.sqrt(np.diag(c)))
        for p, (name, _, t, c, _) in zip(chances * near, weighed, strict=True)
    ]
    nothing = np.zeros(0)
    found.append(Candidate(REGULAR, float(chances @ (1 - near)), 0.0, 0, nothing, nothing))
    return tuple(sorted(found, key=lambda one: -one.probability))


def _evidence(
    taylor: Taylor, corank: int, conditions: Conditions, tolerance: float
) -> tuple[float, Array, Array, Split]:
    """Log evidence, conditions, their covariance with the tolerance, and the split at the nearest germ of the class.

    Frames and critical sheet are those of the nearest germ of the class, found by Gauss–Newton steps.
    """
    nearest = taylor
    for _ in range(_STEPS):
        part = split(nearest, corank)
        slope = conditions(part.coefficients, part.degree) @ part.map
        t = slope @ taylor.coefficients
        near = slope @ taylor.covariance @ slope.T + tolerance**2 * slope @ slope.T
        moved = taylor.covariance @ slope.T @ np.linalg.solve(near, t)
        nearest = replace(taylor, coefficients=taylor.coefficients - moved)
    if not part.sound:
        return -math.inf, t, near, part
    log = _log_normal(t, near) - _log_normal(t, near + TYPICAL**2 * slope @ slope.T)
    return log, t, near, part


def _log_normal(t: Array, covariance: Array) -> float:
    return float(-0.5 * (t @ np.linalg.solve(covariance, t)) - 0.5 * np.linalg.slogdet(covariance)[1])


def _eigenvalues(taylor: Taylor) -> tuple[Array, Array]:
    values, frame = principal_frame(taylor)
    rotation = taylor.ring.linear(frame)
    covariance = rotation @ taylor.covariance @ rotation.T
    n = taylor.num_variables
    squares = [taylor.ring.place(*(2 if i == j else 0 for j in range(n))) for i in range(n)]
    return values, 2 * np.sqrt(np.maximum(0.0, np.diag(covariance)[squares]))


def _real_form(name: str, part: Split) -> str:
    """Sign of the form that the leading coefficient shows: of x^{k+1} for odd k, of D4 by its discriminant."""
    if name[0] == "A" and name[1:].isdigit() and int(name[1:]) % 2 and part.corank == 1:
        lead = int(name[1:]) + 1
        value, error = part.coefficients[lead], math.sqrt(part.covariance[lead, lead])
        return ("+" if value > 0 else "-") + ("?" if abs(value) < 2 * error else "")
    if name == "A1":
        return "+" if (part.stiff > 0).all() else "-" if (part.stiff < 0).all() else "saddle"
    if name == "D4":
        # D4- has three real lines, as x³ − x y²; D4+ one.
        return "-" if cubic_discriminant(part.coefficients, part.degree) > 0 else "+"
    return ""
