"""Free-energy competition of two states: from how many samples on the later one is preferred, and how sharply."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, lambertw

from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]
Outcome = Literal["from n", "up to n", "always", "never", "undetermined"]

SURE = 2.0
"""Standard errors by which a gap must differ from 0 for its sign to count."""
ROUNDS = 100


@dataclass(frozen=True)
class Competition:
    """Which of two states the free energy F_n = n L + λ log n + C prefers.

    Parameters
    ----------
    outcome : {"from n", "up to n", "always", "never", "undetermined"}
        Where the later state is preferred.
    loss_gap, loss_gap_se : float
        L of the earlier state minus L of the later one.
    exponent_gap, exponent_gap_se : float
        λ of the later state minus λ of the earlier one.
    n : float
        Samples at which the weights of the two cross; NaN where they do not.
    log_n_se : float
        Standard error of log n.
    """

    outcome: Outcome
    loss_gap: float
    loss_gap_se: float
    exponent_gap: float
    exponent_gap_se: float
    n: float = math.nan
    log_n_se: float = math.nan

    @property
    def sentence(self) -> str:
        """Say it in words."""
        if self.outcome in ("from n", "up to n"):
            ends = sorted(self.n * math.exp(sign * self.log_n_se) for sign in (-1, 1))
            where = self.outcome.removesuffix(" n")
            return f"the later state is preferred {where} n ≈ {self.n:.3g} ({ends[0]:.2g} to {ends[1]:.2g})"
        return {
            "always": "the later state is better at no cost, so the two do not compete",
            "never": "the later state is neither better nor simpler",
            "undetermined": "the losses or learning coefficients of the two states do not differ beyond their errors",
        }[self.outcome]


def critical_n(loss_gap: float, exponent_gap: float, constant: float = 0.0, multiplicity_gap: int = 0) -> float:
    """Number of samples n_c from which on the state B of lower loss and larger λ is preferred to A.

    The larger root of n ΔL = Δλ log n − Δm log log n + C, with ΔL = L_A − L_B, Δλ = λ_B − λ_A, Δm = m_B − m_A and
    C = C_B − C_A: for Δm = 0, n_c = −W₋₁(−a e^{−C/Δλ})/a with a = ΔL/Δλ; else that is iterated.

    Parameters
    ----------
    loss_gap, exponent_gap : float
        ΔL and Δλ, both positive.
    constant : float
        C, where C_i = −log c_i for Z_i = c_i n^{−λ_i} e^{−n L_i}. Left out, it is of leading order.
    multiplicity_gap : int
        Δm.

    Returns
    -------
    float
        NaN where A is nowhere preferred.

    Raises
    ------
    ZeemanError
        If a gap is not positive.

    Examples
    --------
    A loss of ΔL + w⁸ against one of w² on [−1, 1], where c = 2Γ(1 + 1/2k):

    >>> from scipy.special import gamma
    >>> constant = np.log(2 * gamma(1 + 1 / 8)) - np.log(2 * gamma(1 + 1 / 2))
    >>> [round(critical_n(gap, 3 / 8, constant)) for gap in (1e-2, 1e-3, 1e-4)]
    [206, 3072, 40380]
    """
    if not (loss_gap > 0 and exponent_gap > 0):
        raise ZeemanError(
            f"expected a positive loss_gap and exponent_gap, got {loss_gap} and {exponent_gap}; give the simpler state "
            "first, and where one is both better and simpler the two do not compete."
        )
    a, found, before = loss_gap / exponent_gap, math.nan, 0.0
    for _ in range(ROUNDS):
        shifted = constant - (multiplicity_gap * math.log(math.log(found)) if found > math.e else 0.0)
        argument = -a * math.exp(-shifted / exponent_gap)
        if argument < -1 / math.e:
            return math.nan
        found, before = float(-lambertw(argument, -1).real / a), found
        if not multiplicity_gap or abs(found - before) <= 1e-12 * found:
            return found
    return math.nan


def phase_weight(n: ArrayLike, loss_gap: float, exponent_gap: float, constant: float = 0.0) -> Floats:
    """Posterior weight of the state B at n samples, 1/(1 + e^{−(n ΔL − Δλ log n − C)}).

    It goes from one to the other within Δlog n ≈ 4/(Δλ (log n_c − 1)), which shrinks like 1/log n alone.

    Parameters
    ----------
    n : array
    loss_gap, exponent_gap, constant : float
        As for `critical_n`.

    Examples
    --------
    >>> from scipy.special import gamma
    >>> constant = np.log(gamma(1 + 1 / 8) / gamma(1 + 1 / 2))
    >>> phase_weight([3072 / 2, 3072, 2 * 3072], 1e-3, 3 / 8, constant).round(2).tolist()
    [0.22, 0.5, 0.94]
    """
    n = np.asarray(n, np.float64)
    weight: Floats = expit(n * loss_gap - exponent_gap * np.log(n) - constant)
    return weight


def compete(
    loss: tuple[float, float],
    exponent: tuple[float, float],
    loss_se: tuple[float, float] = (0.0, 0.0),
    exponent_se: tuple[float, float] = (0.0, 0.0),
    *,
    constant: float = 0.0,
) -> Competition:
    """Compare an earlier and a later state by loss and learning coefficient.

    The error of log n_c is that of first order, √((n σ_ΔL)² + (log n σ_Δλ)²)/(n ΔL − Δλ). The constant is not known
    from these readings: one more in C moves log n_c by 1/(n ΔL − Δλ).

    Parameters
    ----------
    loss, exponent : (float, float)
        L and λ of the earlier and the later state, L a sample.
    loss_se, exponent_se : (float, float)
        Their errors. Losses read on the same samples share most of theirs: give what is left in their difference.
    constant : float

    Examples
    --------
    >>> compete((1.001, 1.0), (0.125, 0.5)).sentence
    'the later state is preferred from n ≈ 3e+03 (3e+03 to 3e+03)'
    >>> compete((1.0, 0.5), (40.0, 30.0)).outcome
    'always'
    """
    gaps = loss[0] - loss[1], exponent[1] - exponent[0]
    errors = math.hypot(*loss_se), math.hypot(*exponent_se)
    gaps_and_errors = gaps[0], errors[0], gaps[1], errors[1]
    better, dearer = (_sign(gap, error) for gap, error in zip(gaps, errors, strict=True))
    if not (better and dearer):
        return Competition("undetermined", *gaps_and_errors)
    if better != dearer:
        return Competition("always" if better > 0 else "never", *gaps_and_errors)
    # Where the later state is the simpler one at a higher loss, the two change places.
    n = critical_n(abs(gaps[0]), abs(gaps[1]), better * constant)
    if math.isnan(n):
        return Competition("always" if better > 0 else "never", *gaps_and_errors)
    slope = n * abs(gaps[0]) - abs(gaps[1])
    error = math.hypot(n * errors[0], math.log(n) * errors[1]) / slope if slope > 0 else math.inf
    return Competition("from n" if better > 0 else "up to n", *gaps_and_errors, n, error)


def _sign(gap: float, error: float) -> int:
    """Sign of a gap, 0 where its error does not tell."""
    return 0 if not abs(gap) > SURE * error else (1 if gap > 0 else -1)
