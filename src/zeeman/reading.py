"""The currency of zeeman: a value with its standard error, verdict and provenance."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Verdict(Enum):
    """Whether a reading can be trusted; each member's value is the sentence and the remedy.

    Examples
    --------
    >>> Verdict.OK.trusted, Verdict.DIVERGED.trusted
    (True, False)
    >>> Verdict["NOT_MIXED"].value
    'The chains do not agree with each other: run them longer or raise lr.'
    """

    OK = "The reading is healthy."
    NOT_MIXED = "The chains do not agree with each other: run them longer or raise lr."
    DRIFTING = "The chains had not settled: lengthen the burn-in or raise localization."
    DIVERGED = "At least one chain exploded or left the finite numbers: lower lr or n_beta."
    BELOW_REFERENCE = (
        "The chains found lower loss than the checkpoint, which is no local minimum at this scale, so the reading is "
        "of the region that they found: raise n_beta or localization, or read a later checkpoint."
    )
    NOT_CRITICAL = (
        "The loss still falls across the checkpoint, which is no critical point at this scale, so a class would be one "
        "of another place: read a later checkpoint, or other directions."
    )
    HEATED = "The chains are hotter than they should be, which biases the reading: lower lr or enlarge batch_size."
    TOO_COLD = (
        "The chains have not spread as far as they should: raise lr or localization, or lengthen the burn-in, with "
        "noise_level at 1."
    )
    WRONG_REFERENCE = (
        "The loss of the checkpoint itself is not the reference: take both with the same weights and rows, by a loss "
        "without chance of its own such as dropout."
    )
    COPIED_CHAINS = "Some chains are copies of one another: give each chain a number or seed of its own."
    NO_SIGNAL = "The loss is not felt: raise n_beta or batch_size, or lower localization."
    TOO_ANHARMONIC = "The spread of the energy does not fit a local asymptotic law: raise n_beta or localization."
    NO_WEIGHT = (
        "No single power describes this: read the learning coefficient and its multiplicity instead, or go further "
        "down in temperature or scale."
    )
    BEYOND_PRECISION = (
        "Too little of the ladder lies within the machine's precision: "
        "write the potential so that small values do not come from cancelling large ones."
    )
    REWEIGHTED_TOO_FAR = (
        "A few draws carry nearly all the weight: lower n_beta, add draws, or sample at this n_beta instead."
    )
    UNVOUCHED = (
        "The draws come from another program, and what would vouch for them was not kept: run zeeman examine on the "
        "weights."
    )
    TOO_FEW_DRAWS = "Too few independent draws for an error bar: raise num_draws or num_chains."

    @property
    def trusted(self) -> bool:
        """Whether downstream may use the reading without marking it."""
        return self is Verdict.OK


@dataclass(frozen=True)
class Provenance:
    """Everything that determined a reading, so that it can be made again.

    Parameters
    ----------
    step : int
        Training step of the checkpoint.
    weights : str
        Digest of its weights.
    probes : dict
        Digest of each probe read, by name.
    settings : dict
        Sampler settings and the seed.
    versions : dict
        Versions of the code and libraries.
    """

    step: int
    weights: str
    probes: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """One measured quantity.

    Parameters
    ----------
    name : str
        What was measured, for example ``llc``.
    value, standard_error : float or array
        Same shape; the unit is the quantity's own.
    verdict : Verdict
        Health of the draws behind it.
    reasons : tuple of str
        Figures behind the verdict, in words.
    provenance : Provenance or None
        None for a reading of bare arrays.
    coordinates : dict
        What was read: component, loading, probe names along an axis.
    health : dict
        Figures behind the verdict: R-hat, effective sample size, drift and others.

    Examples
    --------
    >>> print(Reading("llc", 10.02, 0.11, Verdict.OK))
    llc 10.02 ± 0.11 [ok]
    """

    name: str
    value: float | NDArray[np.float64]
    standard_error: float | NDArray[np.float64]
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    provenance: Provenance | None = None
    coordinates: dict[str, Any] = field(default_factory=dict)
    health: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """Show a scalar in full and an array by its shape."""
        if isinstance(self.value, np.ndarray):
            shown = f"array of shape {self.value.shape}"
        else:
            shown = f"{self.value:.4g} ± {self.standard_error:.2g}"
        return f"{self.name} {shown} [{self.verdict.name.lower()}]"
