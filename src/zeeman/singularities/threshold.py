"""What is known of a real log canonical threshold: a value, or an interval, with what proves either side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class RLCT:
    """The largest pole -λ of ∫ |f|^z dx near the origin, and its order m.

    Attributes
    ----------
    value, multiplicity
        λ and m; None where not decided.
    lower, upper
        Bounds on λ, equal where it is decided.
    lower_certificate, upper_certificate
        What proves them, in words.
    """

    value: Fraction | None
    multiplicity: int | None
    lower: Fraction
    upper: Fraction
    lower_certificate: str
    upper_certificate: str

    @property
    def how(self) -> str:
        """The certificates in one phrase."""
        if self.lower_certificate == self.upper_certificate:
            return self.lower_certificate
        return f"λ ≥ {self.lower}: {self.lower_certificate}; λ ≤ {self.upper}: {self.upper_certificate}"


def exact(value: Fraction, multiplicity: int | None, how: str) -> RLCT:
    """A value that one argument proves from both sides.

    Examples
    --------
    >>> exact(Fraction(1, 2), 2, "a monomial").how
    'a monomial'
    """
    return RLCT(value, multiplicity, value, value, how, how)


def between(lower: tuple[Fraction, str], upper: tuple[Fraction, str]) -> RLCT:
    """Bounds, which decide λ where they meet.

    Examples
    --------
    >>> between((Fraction(1, 2), "its order"), (Fraction(1), "a sign change")).value is None
    True
    """
    value = lower[0] if lower[0] == upper[0] else None
    return RLCT(value, None, lower[0], upper[0], lower[1], upper[1])


def tighten(known: RLCT, other: RLCT) -> RLCT:
    """What two results say together."""
    if other.value is not None and (known.value is None or known.multiplicity is None):
        return other
    if known.value is not None:
        return known
    best = replace(known)
    if other.lower > best.lower:
        best = replace(best, lower=other.lower, lower_certificate=other.lower_certificate)
    if other.upper < best.upper:
        best = replace(best, upper=other.upper, upper_certificate=other.upper_certificate)
    return replace(best, value=best.lower) if best.lower == best.upper else best


def scaled(known: RLCT, factor: Fraction, why: str) -> RLCT:
    """λ times a factor, as for a power of a germ."""
    value = None if known.value is None else known.value * factor
    return RLCT(
        value,
        known.multiplicity,
        known.lower * factor,
        known.upper * factor,
        f"{why}; {known.lower_certificate}",
        f"{why}; {known.upper_certificate}",
    )


def summed(parts: Sequence[RLCT], why: str) -> RLCT:
    """Λ of a sum of non-negative germs, or of an ideal sum, in variables of their own: λ add, and so do m - 1."""
    return _joined(parts, why, lambda values: sum(values, Fraction(0)), lambda ms, _: 1 + sum(m - 1 for m in ms))


def multiplied(parts: Sequence[RLCT], why: str) -> RLCT:
    """Λ of a product in variables of their own: the least λ, and the m of those that have it together."""

    def orders(ms: Sequence[int], values: Sequence[Fraction]) -> int:
        return sum(m for m, value in zip(ms, values, strict=True) if value == min(values))

    return _joined(parts, why, min, orders)


def _joined(
    parts: Sequence[RLCT],
    why: str,
    join: Callable[[Sequence[Fraction]], Fraction],
    orders: Callable[[Sequence[int], Sequence[Fraction]], int],
) -> RLCT:
    values = [part.value for part in parts if part.value is not None]
    ms = [part.multiplicity for part in parts if part.multiplicity is not None]
    lower, upper = join([part.lower for part in parts]), join([part.upper for part in parts])
    low, high = (
        f"{why}: {' | '.join(dict.fromkeys(certificates))}"
        for certificates in ([p.lower_certificate for p in parts], [p.upper_certificate for p in parts])
    )
    decided = lower == upper
    known = decided and len(ms) == len(values) == len(parts)
    return RLCT(lower if decided else None, orders(ms, values) if known else None, lower, upper, low, high)
