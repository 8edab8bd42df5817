"""Characters of minimal models as exact q-series: Virasoro (p, p′), and N=2 at level k with charges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from zeeman.errors import ZeemanError

ChargedSeries = dict[tuple[Fraction, Fraction], int]


def virasoro_weight(p: int, p_prime: int, r: int, s: int) -> Fraction:
    """Conformal weight h_rs = ((p′r − ps)² − (p′ − p)²) / (4pp′), 1 ≤ r < p, 1 ≤ s < p′.

    Examples
    --------
    >>> str(virasoro_weight(2, 5, 1, 2))
    '-1/5'
    """
    return Fraction((p_prime * r - p * s) ** 2 - (p_prime - p) ** 2, 4 * p * p_prime)


def virasoro_character(p: int, p_prime: int, r: int, s: int, degree: int) -> list[int]:
    """Dimensions by level of the irreducible module (r, s) of the Virasoro minimal model (p, p′).

    χ = q^(h − c/24) · Σ_n (q^(n(npp′ + p′r − ps)) − q^((np + r)(np′ + s))) / ∏ (1 − q^n), without the prefactor.

    Parameters
    ----------
    p, p_prime : int
        Coprime, at least 2. The central charge is 1 − 6(p′ − p)²/(pp′).
    r, s : int
        1 ≤ r < p, 1 ≤ s < p′.
    degree : int
        Last level.

    Returns
    -------
    list of int

    Raises
    ------
    ZeemanError
        When the labels are out of range.

    Notes
    -----
    Rocha-Caridi 1985.

    Examples
    --------
    >>> virasoro_character(2, 5, 1, 1, 8)
    [1, 0, 1, 1, 1, 1, 2, 2, 3]
    """
    if gcd(p, p_prime) != 1 or not (1 <= r < p and 1 <= s < p_prime):
        raise ZeemanError(
            f"expected coprime p, p′ with 1 ≤ r < p and 1 ≤ s < p′, got ({p}, {p_prime}) and ({r}, {s}); "
            "take labels in range."
        )
    numerator = [0] * (degree + 1)
    for n in range(-degree - 1, degree + 2):
        for power, sign in ((n * (n * p * p_prime + p_prime * r - p * s), 1), ((n * p + r) * (n * p_prime + s), -1)):
            if 0 <= power <= degree:
                numerator[power] += sign
    return over_product(numerator, range(1, degree + 1))


def andrews_gordon(k: int, i: int, degree: int) -> list[int]:
    """Coefficients of ∏ 1/(1 − q^n) over n ≢ 0, ±i mod 2k + 1: the character (1, i) of the minimal model (2, 2k + 1).

    i = k is the Hilbert series of the arcs of x^k = 0 through the origin, i = 1 that of the arcs of order ≥ 2.

    Examples
    --------
    >>> andrews_gordon(2, 2, 8)
    [1, 1, 1, 1, 2, 2, 3, 3, 4]
    """
    if not 1 <= i <= k:
        raise ZeemanError(f"expected 1 ≤ i ≤ k, got i = {i}, k = {k}; there are k modules.")
    modulus = 2 * k + 1
    one = [1] + [0] * degree
    return over_product(one, (n for n in range(1, degree + 1) if n % modulus not in (0, i, modulus - i)))


def over_product(series: list[int], parts: Iterable[int]) -> list[int]:
    """Divide a truncated series by ∏ (1 − q^n) over the parts n.

    Examples
    --------
    >>> over_product([1, 0, 0, 0, 0], [1, 2])
    [1, 1, 2, 2, 3]
    """
    result = list(series)
    for part in parts:
        for k in range(part, len(result)):
            result[k] += result[k - part]
    return result


@dataclass(frozen=True)
class SuperPrimary:
    """A primary field of the Neveu–Schwarz sector of the N=2 minimal model at level k, 0 ≤ |m| ≤ l ≤ k, l + m even.

    Parameters
    ----------
    level, ell, m : int
        k, l, m.
    """

    level: int
    ell: int
    m: int

    def __post_init__(self) -> None:
        if not (self.level >= 1 and abs(self.m) <= self.ell <= self.level and (self.ell + self.m) % 2 == 0):
            raise ZeemanError(
                f"expected |m| ≤ l ≤ k with l + m even, got l = {self.ell}, m = {self.m}, k = {self.level}; "
                "take one of `super_primaries(k)`."
            )

    @property
    def weight(self) -> Fraction:
        """Conformal weight h = (l(l + 2) − m²) / 4(k + 2)."""
        return Fraction(self.ell * (self.ell + 2) - self.m**2, 4 * (self.level + 2))

    @property
    def charge(self) -> Fraction:
        """Charge Q = m/(k + 2) under U(1)."""
        return Fraction(self.m, self.level + 2)

    @property
    def is_chiral(self) -> bool:
        """Whether h = Q/2, that is l = m: these match the chiral ring of A_(k+1)."""
        return self.ell == self.m


def super_primaries(level: int) -> list[SuperPrimary]:
    """All primary fields of the Neveu–Schwarz sector at level k; their number is (k + 1)(k + 2)/2.

    Examples
    --------
    >>> [(str(field.weight), str(field.charge)) for field in super_primaries(1)]
    [('0', '0'), ('1/6', '-1/3'), ('1/6', '1/3')]
    """
    return [SuperPrimary(level, ell, m) for ell in range(level + 1) for m in range(-ell, ell + 1, 2)]


def super_central_charge(level: int) -> Fraction:
    """Central charge c = 3k/(k + 2).

    Examples
    --------
    >>> str(super_central_charge(2))
    '3/2'
    """
    return Fraction(3 * level, level + 2)


def super_character(field: SuperPrimary, degree: int) -> ChargedSeries:
    """Dimensions of the irreducible N=2 module of a Neveu–Schwarz primary, by weight above h and charge beside Q.

    With u = k + 2, a = (l − m + 1)/2 and b = (l + m + 1)/2, without the prefactor q^(h − c/24) y^Q,

        χ = ∏_n (1 + y q^(n−½))(1 + y⁻¹ q^(n−½)) / (1 − q^n)²
            · ∏_n (1 − q^(u(n−1)+a+b)) (1 − q^(un−a−b)) (1 − q^(un))²
                / ((1 + y⁻¹ q^(un−a)) (1 + y q^(u(n−1)+a)) (1 + y q^(un−b)) (1 + y⁻¹ q^(u(n−1)+b))).

    Parameters
    ----------
    field : SuperPrimary
        The primary field.
    degree : int
        Largest weight above h.

    Returns
    -------
    dict of (Fraction, Fraction) to int
        {(weight above h, charge beside Q): dimension}.

    Notes
    -----
    Matsuo 1987; Dobrev 1987; Kiritsis 1988.

    Examples
    --------
    >>> vacuum = super_character(SuperPrimary(1, 0, 0), 1)
    >>> {(str(weight), str(charge)): count for (weight, charge), count in vacuum.items()}
    {('0', '0'): 1, ('1', '0'): 1}
    """
    top = 2 * degree
    u, a, b = 2 * (field.level + 2), field.ell - field.m + 1, field.ell + field.m + 1
    series = {(0, 0): 1}
    # All exponents are doubled. Factors (1 + sign y^charge q^power), above and below the line.
    for n in range(1, top + 1):
        over = [(1, 1, 2 * n - 1), (1, -1, 2 * n - 1)]
        over += [(-1, 0, u * (n - 1) + a + b), (-1, 0, u * n - a - b), (-1, 0, u * n), (-1, 0, u * n)]
        under = [(-1, 0, 2 * n), (-1, 0, 2 * n)]
        under += [(1, -1, u * n - a), (1, 1, u * (n - 1) + a), (1, 1, u * n - b), (1, -1, u * (n - 1) + b)]
        for factor in over:
            series = _times(series, *factor, top)
        for factor in under:
            series = _over(series, *factor, top)
    return {(Fraction(w, 2), Fraction(charge)): count for (w, charge), count in sorted(series.items()) if count}


def _times(
    series: dict[tuple[int, int], int], sign: int, charge: int, power: int, top: int
) -> dict[tuple[int, int], int]:
    """Multiply by 1 + sign y^charge q^power."""
    result = dict(series)
    for (w, c), count in series.items():
        if w + power <= top:
            key = (w + power, c + charge)
            result[key] = result.get(key, 0) + sign * count
    return result


def _over(
    series: dict[tuple[int, int], int], sign: int, charge: int, power: int, top: int
) -> dict[tuple[int, int], int]:
    """Divide by 1 + sign y^charge q^power, power > 0: solve result + sign y^charge q^power result = series."""
    result = dict(series)
    for w in range(top - power + 1):
        for key in [key for key in result if key[0] == w]:
            above = (w + power, key[1] + charge)
            result[above] = result.get(above, 0) - sign * result[key]
    return result
