"""How much each kind of reading speaks for an entry: its density under the entry, and under none of the dictionary.

All densities are of what was measured, noise included, so that they can be multiplied and compared. A reading of which
an entry predicts nothing has the density of "none" under it: it neither gains nor loses against none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from zeeman.programs.dictionary import Entry
from zeeman.programs.predictions import HALF, spread_exponent, threshold_with_squares

FAR = 30.0
"""Standard errors outside of an interval from which on the tail of the normal law has its asymptotic form."""
Measurement = tuple[float, float]
"""A value and its standard error."""


class Evidence(Protocol):
    """One reading, held against entries."""

    @property
    def name(self) -> str:
        """Which reading it is."""
        ...

    def predict(self, entry: Entry) -> Any:
        """What the entry says of it, as something that can be compared; None where it says nothing."""
        ...

    def log_density(self, prediction: Any) -> float:
        """Logarithm of the density of what was measured, where this is the truth."""
        ...

    def log_none(self) -> float:
        """Logarithm of its density under none of the dictionary."""
        ...


@dataclass(frozen=True)
class LearningCoefficient:
    """λ̂ ± σ, where the Hessian's rank r is known or not.

    Under an entry λ̂ ~ N(λ, σ²). Each plain square adds 1/2 to λ, so with r known an entry whose own Hessian has the
    rank r_e is compared with r − r_e squares more: λ = λ_e + (r − r_e)/2. Under none λ is even over (low, high], so
    that p(λ̂) = [Φ((high − λ̂)/σ) − Φ((low − λ̂)/σ)] / (high − low).

    Parameters
    ----------
    measured : (λ̂, σ)
    hessian_rank : int or None
    low, high : float
    """

    measured: Measurement
    hessian_rank: int | None
    low: float
    high: float
    name: str = "llc"

    def predict(self, entry: Entry) -> Fraction | None:
        """λ with its plain squares."""
        return threshold_with_squares(entry, self.hessian_rank)

    def log_density(self, prediction: Fraction) -> float:
        """Log N(λ̂; λ, σ²)."""
        return log_normal(self.measured, float(prediction))

    def log_none(self) -> float:
        """Even over (low, high]."""
        return log_even(self.measured, self.low, self.high)


@dataclass(frozen=True)
class Multiplicity:
    """The chance L(m) that the reading gives to each m, from a posterior under an even prior (or 1 at a known m).

    Under an entry of multiplicity m its likelihood is L(m); under none m is even over 1 … M, with the likelihood
    Σ_{m ≤ M} L(m)/M.

    Parameters
    ----------
    chances : mapping of int to float
    most : int
        M.
    """

    chances: Mapping[int, float]
    most: int
    name: str = "multiplicity"

    def predict(self, entry: Entry) -> int | None:
        """The entry's m; squares do not change it."""
        return entry.multiplicity

    def log_density(self, prediction: int) -> float:
        """Log L(m)."""
        return _log(self.chances.get(prediction, 0.0))

    def log_none(self) -> float:
        """Even over 1 … M."""
        return _log(math.fsum(p for m, p in self.chances.items() if m <= self.most) / self.most)


@dataclass(frozen=True)
class Weights:
    """Exponents α̂_i ± σ_i of the n flattest directions, Var(u_i) ~ (nβ)^{−2α_i}.

    A quasi-homogeneous entry with the weights q predicts its n smallest, with squares (1/2) where it has fewer than n.
    Which direction has which weight is not known, every assignment π being as likely:
    p(α̂) = (1/n!) Σ_π Π_i N(α̂_i; q_π(i), σ_i²), of which the assignment by size is the largest term.

    Under none each direction is a square with probability s and else even over (0, 1/2], s itself being even over
    (0, 1); integrated over s, p(α̂) = Σ_k k!(n−k)!/(n+1)! Σ_{|S|=k} Π_{i∈S} N(α̂_i; 1/2, σ_i²) Π_{i∉S} U(α̂_i), with U
    the even density and its noise. So squares, of which any loss may have many, cost none next to nothing.

    Parameters
    ----------
    measured : sequence of (α̂, σ)
    """

    measured: tuple[Measurement, ...]
    name: str = "weights"

    def predict(self, entry: Entry) -> tuple[Fraction, ...] | None:
        """As many of the smallest weights as were measured, in order."""
        found = entry.invariants["weights"]
        if found is None:
            return None
        squares = [HALF] * len(self.measured)
        return tuple(sorted([*map(Fraction, found.values()), *squares])[: len(self.measured)])

    def log_density(self, prediction: tuple[Fraction, ...]) -> float:
        """Mean over the assignments."""
        values = sorted(set(prediction))
        chances = [[log_normal(one, float(value)) for value in values] for one in self.measured]
        counts = [prediction.count(value) for value in values]
        among_equals = math.fsum(math.lgamma(count + 1) for count in counts)
        return _log_assignments(chances, counts) + among_equals - math.lgamma(len(prediction) + 1)

    def log_none(self) -> float:
        """Squares or even, in an unknown share."""
        n = len(self.measured)
        chances = [[log_normal(one, 0.5), log_even(one, 0.0, 0.5)] for one in self.measured]
        return _log_sum(
            _log_assignments(chances, [k, n - k]) + math.lgamma(k + 1) + math.lgamma(n - k + 1) - math.lgamma(n + 2)
            for k in range(n + 1)
        )


@dataclass(frozen=True)
class Spread:
    """The exponent η̂ ± σ of the squared distance, ⟨‖w − w*‖²⟩ ~ (nβ)^{−η}.

    An entry that can compute it says η = λ_φ − λ for φ = ‖w‖². Under none η is 0 with probability 1/2 (a direction
    stays free or is lost by a logarithm alone, as in most networks) and else even over (0, 1], 1 being that of a
    plain square.

    Parameters
    ----------
    measured : (η̂, σ)
    """

    measured: Measurement
    name: str = "spread"

    def predict(self, entry: Entry) -> Fraction | None:
        """λ_φ − λ."""
        return spread_exponent(entry)

    def log_density(self, prediction: Fraction) -> float:
        """Log N(η̂; η, σ²)."""
        return log_normal(self.measured, float(prediction))

    def log_none(self) -> float:
        """Half at 0, half even over (0, 1]."""
        return _log_sum([log_normal(self.measured, 0.0), log_even(self.measured, 0.0, 1.0)]) - math.log(2)


@dataclass(frozen=True)
class GermClass:
    """A posterior P(c) over C classes that were equally likely before, so that the likelihood of a class is ∝ P(c).

    Under an entry of class c it is C P(c), the odds against the open mean over classes; under none every class is
    as likely, and it is Σ P = 1. A name with ``+`` (A7+) stands for the class and what is worse. Of a class that was
    not held against the germ, and of entries without one, nothing is said.

    Parameters
    ----------
    chances : mapping of str to float
    """

    chances: Mapping[str, float]
    name: str = "class"

    def predict(self, entry: Entry) -> str | None:
        """The class of the list that the entry falls in."""
        known = entry.invariants["ade"]
        return None if known is None else next((c for c in self.chances if _covers(c, known)), None)

    def log_density(self, prediction: str) -> float:
        """Log C P(c)."""
        return _log(self.chances[prediction] * len(self.chances))

    def log_none(self) -> float:
        """Every class alike."""
        return _log(math.fsum(self.chances.values()))


def log_normal(measured: Measurement, mean: float) -> float:
    """Log density of a normal reading where this is the truth."""
    value, error = measured
    return -0.5 * ((value - mean) / error) ** 2 - math.log(error * math.sqrt(2 * math.pi))


def log_even(measured: Measurement, low: float, high: float) -> float:
    """Log density of a normal reading where the truth is even over (low, high].

    Examples
    --------
    >>> round(math.exp(log_even((0.3, 0.01), 0.0, 0.5)), 6)
    2.0
    """
    value, error = measured
    start, end = (low - value) / error, (high - value) / error
    if start > 0:  # mirrored, so that a small chance is no difference of large ones
        start, end = -end, -start
    if end < -FAR:
        return -0.5 * end**2 - math.log(-end * math.sqrt(2 * math.pi) * (high - low))
    inside = math.erfc(-end / math.sqrt(2)) - math.erfc(-start / math.sqrt(2))
    return math.log(inside / 2 / (high - low))


def _log_assignments(chances: Sequence[Sequence[float]], counts: Sequence[int]) -> float:
    """Log of the sum over all ways to give each reading a value, each value as often as it counts."""
    ways: dict[tuple[int, ...], float] = {(0,) * len(counts): 0.0}
    for row in chances:
        following: dict[tuple[int, ...], list[float]] = {}
        for used, so_far in ways.items():
            for k, chance in enumerate(row):
                if used[k] < counts[k]:
                    place = (*used[:k], used[k] + 1, *used[k + 1 :])
                    following.setdefault(place, []).append(so_far + chance)
        ways = {place: _log_sum(terms) for place, terms in following.items()}
    return ways[tuple(counts)]


def _log_sum(terms: Iterable[float]) -> float:
    """Log of a sum of exponentials."""
    known = list(terms)
    top = max(known)
    return top if math.isinf(top) else top + math.log(math.fsum(math.exp(term - top) for term in known))


def _log(chance: float) -> float:
    return math.log(chance) if chance > 0 else -math.inf


def _covers(name: str, known: str) -> bool:
    """Whether a class of the list is this one, or this one and worse."""
    worse = name.endswith("+") and name[0] == known[0] and name[1:-1].isdigit() and known[1:].isdigit()
    return name == known or (worse and int(known[1:]) >= int(name[1:-1]))
