"""How fast observables shrink with temperature: spectral lines beyond the learning coefficient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.reading import Reading, Verdict

Floats = NDArray[np.float64]

MIN_RUNGS = 6
MAX_BEND = 4.0
"""Standard errors by which the exponents of the colder and the hotter half may differ."""


def observable_exponent(values: Floats, n_beta: Floats) -> Reading:
    """Read the exponent α of ⟨φ⟩_t ~ t^−α on the colder half of a ladder.

    With λ_φ the learning coefficient for the density |φ|, α = λ_φ − λ where both have the same multiplicity; a
    difference m_φ − m enters as (log t)^{m_φ − m}, which bends the line. The slope of log⟨φ⟩ against log t is fitted by
    least squares; its error is a jackknife over walkers.

    Parameters
    ----------
    values : array, shape (rungs, walkers, draws)
        φ ≥ 0 at the draws.
    n_beta : array, shape (rungs,)

    Returns
    -------
    Reading
        ``observable_exponent``; TOO_ANHARMONIC where the line is bent.

    Raises
    ------
    ZeemanError
        For fewer than six rungs or two walkers, or an observable that is not positive on average.

    Examples
    --------
    >>> t = np.geomspace(1, 1e6, 16)
    >>> phi = np.random.default_rng(0).gamma(1.0, size=(16, 32, 50)) * t[:, None, None] ** -0.25
    >>> reading = observable_exponent(phi, t)
    >>> bool(abs(reading.value - 0.25) < 4 * reading.standard_error)
    True
    """
    if values.ndim != 3 or len(values) != len(n_beta) or len(n_beta) < MIN_RUNGS or values.shape[1] < 2:
        raise ZeemanError(
            f"expected values of shape (rungs, walkers, draws) with at least {MIN_RUNGS} rungs and 2 walkers, "
            f"got {values.shape} for {len(n_beta)} rungs; run a longer ladder."
        )
    means = values.mean(axis=2)[len(n_beta) // 2 :]
    if (means.mean(axis=1) <= 0).any():
        raise ZeemanError("the observable is not positive on average, so it has no exponent; give its square.")
    log_t, count = np.log(n_beta[len(n_beta) // 2 :]), means.shape[1]
    total = means.sum(axis=1)
    left_out = np.log(np.maximum((total[:, None] - means) / (count - 1), np.finfo(float).tiny))
    line = np.log(total / count)
    half = len(log_t) // 2
    slope, error = _slope(log_t, line, left_out)
    (hot, hot_error), (cold, cold_error) = (
        _slope(log_t[part], line[part], left_out[part]) for part in (slice(None, half), slice(half, None))
    )
    bent = abs(hot - cold) > MAX_BEND * float(np.hypot(hot_error, cold_error))
    reasons = (f"the exponent is {-hot:.3g} on the hotter and {-cold:.3g} on the colder quarter",) if bent else ()
    return Reading("observable_exponent", -slope, error, Verdict.TOO_ANHARMONIC if bent else Verdict.OK, reasons)


def _slope(log_t: Floats, line: Floats, left_out: Floats) -> tuple[float, float]:
    centered = log_t - log_t.mean()
    weights = centered / float(centered @ centered)
    copies = weights @ left_out
    count = len(copies)
    return float(weights @ line), float(np.sqrt((count - 1) / count * ((copies - copies.mean()) ** 2).sum()))
