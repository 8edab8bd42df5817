"""Which entries of the dictionary a measured learning coefficient speaks for, and whether none does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.programs.dictionary import Entry, entries


@dataclass(frozen=True)
class Rival:
    """Entries of one (λ, m), which these readings cannot tell apart.

    Parameters
    ----------
    names : tuple of str
    rlct : Fraction
    multiplicity : int or None
    probability : float
        Of the whole group.
    """

    names: tuple[str, ...]
    rlct: Fraction
    multiplicity: int | None
    probability: float


@dataclass(frozen=True)
class Posterior:
    """Rivals, most probable first, and ``none``, the probability that none of them is meant.

    Parameters
    ----------
    rivals : list of Rival
    none : float
    span : float
        "None of these" spreads λ evenly over (0, span].
    """

    rivals: list[Rival]
    none: float
    span: float

    def document(self) -> dict[str, Any]:
        """As plain values."""
        rivals = [
            {"names": list(r.names), "rlct": str(r.rlct), "multiplicity": r.multiplicity, "probability": r.probability}
            for r in self.rivals
        ]
        return {"rivals": rivals, "none_of_these": self.none, "span": self.span}


def match(
    llc: float,
    error: float,
    multiplicity: int | None = None,
    dimension: int | None = None,
    among: Sequence[Entry] | None = None,
) -> Posterior:
    """Weigh the entries by a measured λ ± standard error, and m where it was measured.

    p(λ̂ | entry) is normal about the entry's λ; under "none of these" λ is even over (0, span] and m over those of the
    dictionary. Half the prior is on none, half shared evenly by the groups of equal (λ, m). Entries that are no losses
    (germs that change sign) are left out. Each direction in which a loss is a plain square adds 1/2 to λ: take it away
    before.

    Parameters
    ----------
    llc, error
        Measured λ and its standard error.
    multiplicity
        m, taken as certain.
    dimension
        Weights of what was measured: entries with more are left out, and the span is the dimension d (λ is at most d/2
        at a point inside, d at a corner). Without it the span is twice the largest λ, of the entries or measured.
    among
        The entries; by default all.

    Raises
    ------
    ZeemanError
        For an error that is not positive, or another number that cannot be.
    """
    _check(llc, error, multiplicity, dimension)
    groups: dict[tuple[Fraction, int | None], list[str]] = {}
    for one in entries() if among is None else among:
        if one.rlct is not None and one.is_loss and (dimension is None or one.dimension <= dimension):
            groups.setdefault((one.rlct, one.multiplicity), []).append(one.name)
    most = max([float(value) for value, _ in groups], default=0.0)
    span = float(dimension) if dimension is not None else 2 * max(most, llc)
    orders = max([m or 1 for _, m in groups], default=1)
    chances = [_log_density(llc, float(v), error) if multiplicity in (None, m) else -math.inf for v, m in groups]
    chances = [chance - math.log(2 * len(groups)) for chance in chances]
    none = _log_even(llc, error, span) - math.log(2) - (math.log(orders) if multiplicity else 0.0)
    top = max([*chances, none])
    total = math.fsum(math.exp(chance - top) for chance in [*chances, none])
    rivals = [
        Rival(tuple(names), value, m, math.exp(chance - top) / total)
        for ((value, m), names), chance in zip(groups.items(), chances, strict=True)
    ]
    return Posterior(sorted(rivals, key=lambda r: -r.probability), math.exp(none - top) / total, span)


def _check(llc: float, error: float, multiplicity: int | None, dimension: int | None) -> None:
    if not (math.isfinite(llc) and llc > 0):
        raise ZeemanError(f"expected a learning coefficient above 0, got {llc:g}.")
    if not (math.isfinite(error) and error > 0):
        raise ZeemanError(f"expected a standard error above 0, got {error:g}.")
    if multiplicity is not None and multiplicity < 1:
        raise ZeemanError(f"expected a multiplicity from 1 on, got {multiplicity}.")
    if dimension is not None and (dimension < 1 or llc > dimension + 5 * error):
        raise ZeemanError(f"expected a number of weights that λ = {llc:g} is below, got {dimension}.")


def _log_density(value: float, mean: float, error: float) -> float:
    return -0.5 * ((value - mean) / error) ** 2 - math.log(error * math.sqrt(2 * math.pi))


def _log_even(value: float, error: float, span: float) -> float:
    normal = NormalDist(value, error)
    return math.log(max(normal.cdf(span) - normal.cdf(0.0), 1e-300) / span)
