"""Arnold's classes of modality two and less: names, Milnor numbers, normal forms, signs of real forms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from sympy import QQ, ring
from sympy.polys.rings import PolyElement

from zeeman.errors import ZeemanError
from zeeman.singularities.series import Coefficient, Exponent

_, T = ring("x", QQ)
_, X, Y = ring("x,y", QQ)
_, U, V, W = ring("x,y,z", QQ)


def parse_name(name: str) -> tuple[str, tuple[int, ...]]:
    """Take the name of a class apart: its letter and its indices.

    Raises
    ------
    ZeemanError
        If the name is not of the form D5, T(2,3,7), W#(1,2).

    Examples
    --------
    >>> parse_name("T(2,3,7)"), parse_name("E12")
    (('T', (2, 3, 7)), ('E', (12,)))
    """
    found = re.fullmatch(r"([A-Z]#?)(?:(\d+)|\((\d+(?:,\d+)*)\))", name)
    if found is None:
        raise ZeemanError(f"expected the name of a class such as D5, T(2,3,7) or W#(1,2), got {name!r}.")
    return found[1], tuple(int(i) for i in (found[2] or found[3]).split(","))


def milnor_number_of(name: str) -> int:
    """Give μ of a class from its indices.

    Examples
    --------
    >>> [milnor_number_of(name) for name in ("E6", "T(2,3,7)", "J(3,1)", "Z(1,0)", "S#(1,2)")]
    [6, 11, 17, 15, 16]
    """
    letter, indices = parse_name(name)
    if letter == "T":
        return sum(indices) - 1
    if len(indices) == 1:
        return indices[0]
    k, i = indices
    first = {"J": 6 * k - 2, "Z": 6 * k + 9, "Q": 6 * k + 2, "W": 15, "W#": 15, "S": 14, "S#": 14, "U": 14}[letter]
    return first + i


def normal_form(name: str) -> PolyElement:
    """Give a germ of a class, with modulus 1 where it has one, without squares.

    Known are the classes of Arnold's lists of simple, unimodal and bimodal germs.

    Raises
    ------
    ZeemanError
        If the class is not among them.

    Examples
    --------
    >>> normal_form("E7"), normal_form("T(3,3,4)")
    (x**3 + x*y**3, x**3 + x*y*z + y**3 + z**4)
    """
    letter, indices = parse_name(name)
    form = _cubic_tail_form(letter, indices)
    if form is None:
        form = _other_form(letter, indices)
    if form is None:
        raise ZeemanError(f"expected a simple, unimodal or bimodal class, got {name!r}; see the list of Arnold.")
    return form


def _cubic_tail_form(letter: str, indices: tuple[int, ...]) -> PolyElement | None:
    """E, J, Z and Q: one factor or summand beside x³ + b(y) x + c(y), whose μ is 0, 5 or 4 lower."""
    less = {"E": 0, "J": 0, "Z": 5, "Q": 4}.get(letter)
    if less is None:
        return None
    x, y = (U, V) if letter == "Q" else (X, Y)
    if len(indices) == 1:
        k, kind = divmod(indices[0] - less, 6)
        tails = {0: y ** (3 * k + 1), 1: x * y ** (2 * k + 1), 2: y ** (3 * k + 2), 4: x**2 * y ** (k + 1)}
        if kind not in tails or k < 1 or (kind == 4) != (letter == "J"):
            return None
        cubic = x**3 + tails[kind] + (y ** (3 * k + 3) if kind == 4 else 0)
    else:
        k = indices[0] + (letter == "Z")
        cubic = x**3 + x**2 * y**k + y ** (3 * k + indices[1])
    if letter == "Z":
        return cubic * y
    return cubic + V * W**2 if letter == "Q" else cubic


def _other_form(letter: str, indices: tuple[int, ...]) -> PolyElement | None:
    k, i = indices[0], indices[-1]
    half, even = (i + 1) // 2, i % 2 == 0
    match letter:
        case "A" if k >= 1:
            return T ** (k + 1)
        case "D" if k >= 4:
            return X**2 * Y + Y ** (k - 1)
        case "X" if k == 9:
            return X**4 + X**2 * Y**2 + Y**4
        case "P" if k == 8:
            return U**3 + V**3 + W**3
        case "T" if indices[0] == 2:
            return X**2 * Y**2 + X ** indices[1] + Y ** indices[2]
        case "T":
            return U * V * W + U ** indices[0] + V ** indices[1] + W ** indices[2]
        case "W" if len(indices) == 2:
            return X**4 + X**2 * Y**3 + Y ** (6 + i)
        case "W#":
            return (X**2 + Y**3) ** 2 + (X**2 * Y ** (3 + half) if even else X * Y ** (4 + half))
        case "W":
            return {12: X**4 + Y**5, 13: X**4 + X * Y**4, 17: X**4 + X * Y**5, 18: X**4 + Y**7}.get(k)
        case "S" if len(indices) == 2:
            return U**2 * W + V * W**2 + U**2 * V**2 + V ** (5 + i)
        case "S#":
            return U**2 * W + V * W**2 + W * V**3 + (U**2 * V ** (2 + half) if even else U * V ** (3 + half))
        case "S":
            tail = {11: V**4, 12: U * V**3, 16: U * V**4, 17: V**6}.get(k)
            return None if tail is None else U**2 * W + V * W**2 + tail
        case "U" if len(indices) == 2:
            more = V ** (3 + half) * W if even else V ** (1 + half) * W**2
            return U**3 + U * W**2 + U * V**3 + (more if i else V**3 * W)
        case "U":
            power = {12: V**4, 16: V**5}.get(k)
            return None if power is None else U**3 + U * W**2 + power
    return None


def real_sign(terms: Sequence[tuple[Exponent, Coefficient]]) -> str:
    """Signs of a real normal form that no reflection x_i → -x_i removes, in the order of the terms.

    Examples
    --------
    >>> real_sign([((2, 1), 1), ((0, 3), -1)]), real_sign([((3, 0), -1), ((0, 5), -1)])
    ('-', '')
    """
    signs = tuple(c > 0 for _, c in terms)
    reflections = [
        tuple(sum(e for e, flipped in zip(exponent, flips, strict=True) if flipped) % 2 == 1 for exponent, _ in terms)
        for flips in product((False, True), repeat=len(terms[0][0]))
    ]
    orbit = [tuple(s != r for s, r in zip(signs, reflection, strict=True)) for reflection in reflections]
    best = max(orbit)
    fixed = [any(r[i] and not any(r[:i]) for r in reflections) for i in range(len(terms))]
    return "".join("+" if s else "-" for s, removable in zip(best, fixed, strict=True) if not removable)


@dataclass(frozen=True)
class Recognition:
    """What was recognized: the class, its real form and modality, and why; None for what is beyond the lists."""

    name: str | None
    real_form: str | None
    modality: int | None
    reason: str


def beyond(reason: str) -> Recognition:
    """Give the answer for a germ that is worse than the classes of the lists."""
    return Recognition(None, None, None, reason)
