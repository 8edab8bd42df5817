"""Which entries of the dictionary what was measured speaks for, and whether none does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from zeeman.programs.dictionary import Entry, entries
from zeeman.programs.evidence import Evidence, GermClass, LearningCoefficient, Multiplicity, Spread, Weights
from zeeman.programs.measured_singularity import Measured
from zeeman.programs.predictions import hessian_rank, threshold_with_squares


@dataclass(frozen=True)
class Rival:
    """Entries of which these readings say the same, so that they cannot tell them apart.

    Parameters
    ----------
    names : tuple of str
    rlct, multiplicity
        λ, with the plain squares that a Hessian's rank asks for, and m; None where the entries differ in it.
    probability : float
        Of the whole group.
    evidence : mapping of str to float
        For each reading, log of its density under the group over that under none, in nats; −∞ where it rules it out.
    """

    names: tuple[str, ...]
    rlct: Fraction | None
    multiplicity: int | None
    probability: float
    evidence: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """As plain values; evidence that is −∞ is null."""
        return {
            "names": list(self.names), "rlct": None if self.rlct is None else str(self.rlct),
            "multiplicity": self.multiplicity, "probability": self.probability,
            "evidence": {name: nats if math.isfinite(nats) else None for name, nats in self.evidence.items()},
        }  # fmt: skip


@dataclass(frozen=True)
class Posterior:
    """Rivals, most probable first, and ``none``, the probability that none of them is meant.

    Parameters
    ----------
    rivals : list of Rival
    none : float
    span : (float, float) or None
        "None of these" spreads λ evenly over it; None where λ was not measured.
    """

    rivals: list[Rival]
    none: float
    span: tuple[float, float] | None

    def document(self) -> dict[str, Any]:
        """As plain values."""
        rivals = [rival.document() for rival in self.rivals]
        return {"rivals": rivals, "none_of_these": self.none, "span": None if self.span is None else list(self.span)}


def match(measured: Measured, among: Sequence[Entry] | None = None) -> Posterior:
    """Weigh the entries by what was measured of a singularity.

    The posterior is the prior times the densities of all readings (`zeeman.programs.evidence`), which are taken to err
    independently. Half the prior is on none; half is shared evenly by the pairs (λ, m) of the entries, and within a
    pair evenly by its entries, whichever readings tell them apart. Entries that all readings say the same of are one
    group.

    Entries take part that can have been measured: losses alone (K ≥ 0) where anything but a class was read; none with
    a Hessian of a larger rank; none with more weights than there are; none that say nothing of any reading. λ of a
    program is that of a corner, to which squares are not added. Without a Hessian's rank entries stand as they are:
    then take 1/2 for each plain square from λ before.

    Parameters
    ----------
    measured : Measured
    among : sequence of Entry, optional
        By default all.

    Returns
    -------
    Posterior

    Examples
    --------
    >>> found = match(Measured(llc=(5.75, 0.01), hessian_rank=11, weights=((0.26, 0.01), (0.5, 0.01))))
    >>> found.rivals[0].names, str(found.rivals[0].rlct), found.rivals[0].probability > 0.9
    (('A3', 'x^4', 'Curie-Weiss'), '23/4', True)
    """
    candidates = [one for one in (entries() if among is None else among) if _takes_part(one, measured)]
    readings = _readings(measured, candidates)
    groups = _grouped(candidates, readings)
    told = [
        {reading.name: _evidence(reading, p) for reading, p in zip(readings, predicted, strict=True)}
        for predicted in groups
    ]
    priors = _priors(list(groups.values()))
    logs = [math.log(p) + math.fsum(one.values()) for p, one in zip((0.5, *priors), ({}, *told), strict=True)]
    total = math.fsum(math.exp(one - max(logs)) for one in logs)
    none, *shares = [math.exp(one - max(logs)) / total for one in logs]
    rivals = [
        Rival(tuple(one.name for one in members), *_common(members, measured.hessian_rank), share, evidence)
        for members, share, evidence in zip(groups.values(), shares, told, strict=True)
    ]
    span = next(((one.low, one.high) for one in readings if isinstance(one, LearningCoefficient)), None)
    return Posterior(sorted(rivals, key=lambda r: -r.probability), none, span)


def _grouped(candidates: Sequence[Entry], readings: Sequence[Evidence]) -> dict[tuple[Any, ...], list[Entry]]:
    """Entries by what they say of all readings, without those that say nothing."""
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for one in candidates:
        groups.setdefault(tuple(reading.predict(one) for reading in readings), []).append(one)
    groups.pop((None,) * len(readings), None)
    return groups


def _priors(groups: Sequence[Sequence[Entry]]) -> list[float]:
    """Half, shared by the pairs (λ, m), and within a pair by its entries."""
    pairs = Counter((one.rlct, one.multiplicity) for members in groups for one in members)
    return [math.fsum(0.5 / len(pairs) / pairs[one.rlct, one.multiplicity] for one in members) for members in groups]


def _takes_part(entry: Entry, measured: Measured) -> bool:
    rank, own = measured.hessian_rank, hessian_rank(entry)
    squares = 0 if rank is None or own is None else rank - own
    fits = measured.dimension is None or entry.dimension + squares <= measured.dimension
    known = entry.rlct is not None or measured.llc is None
    return fits and squares >= 0 and known and (entry.is_loss or not measured.of_a_loss)


def _readings(measured: Measured, candidates: Sequence[Entry]) -> list[Evidence]:
    found: list[Evidence] = []
    if measured.llc:
        found.append(_learning_coefficient(measured.llc, measured, candidates))
    if measured.chances:
        orders = [*measured.chances, *(one.multiplicity or 1 for one in candidates)]
        found.append(Multiplicity(measured.chances, max(orders)))
    if measured.weights:
        found.append(Weights(tuple(measured.weights)))
    if measured.spread:
        found.append(Spread(measured.spread))
    if measured.classes:
        found.append(GermClass(measured.classes))
    return found


def _learning_coefficient(
    llc: tuple[float, float], measured: Measured, candidates: Sequence[Entry]
) -> LearningCoefficient:
    """λ with what none spreads it over: from r/2 to the dimension, or to twice the largest rest, predicted or read."""
    rank = measured.hessian_rank
    low = (rank or 0) / 2
    values = [llc[0], *(float(threshold_with_squares(one, rank) or 0) for one in candidates)]
    high = low + 2 * (max(values) - low) if measured.dimension is None else float(measured.dimension)
    return LearningCoefficient(llc, rank, low, high)


def _evidence(reading: Evidence, predicted: Any) -> float:
    """Log of the density over that under none; 0 where the entry says nothing."""
    return 0.0 if predicted is None else reading.log_density(predicted) - reading.log_none()


def _common(members: Sequence[Entry], rank: int | None) -> tuple[Fraction | None, int | None]:
    """λ and m of all members, None where they differ."""
    thresholds = {threshold_with_squares(one, rank) for one in members}
    orders = {one.multiplicity for one in members}
    return thresholds.pop() if len(thresholds) == 1 else None, orders.pop() if len(orders) == 1 else None
