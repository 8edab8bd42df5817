"""Counting, arithmetic by digits, order and dates."""

from __future__ import annotations

import calendar

import numpy as np

from zeeman.probes.builtin.items import (
    Answer,
    Generator,
    Item,
    beside,
    between,
    coin,
    every,
    letters,
    partner,
    settled,
    spaced,
)
from zeeman.probes.builtin.words import ONES, TENS


def counting(rng: np.random.Generator, difficulty: int) -> Item:
    """An arithmetic progression; the last digit of each number after the second is decided."""
    step = 1 if difficulty < 3 else between(rng, 2, 9)
    start = between(rng, *((0, 5), (10, 89), (10, 69))[difficulty - 1])
    numbers = [str(start + step * index) for index in range(4)]
    asked = [Answer(number, (len(number) - 1,)) for number in numbers[2:]]
    return [f"{numbers[0]} {numbers[1]} ", asked[0], " ", asked[1], "\n"]


def tally(rng: np.random.Generator, difficulty: int) -> Item:
    """Marks, and their number; at difficulty 3 there are twelve marks of two kinds."""
    most = 4 if difficulty == 1 else 9
    count = between(rng, 1, most)
    marks = ["x"] * count
    if difficulty == 3:
        marks = [("x" * count + "o" * (12 - count))[index] for index in rng.permutation(12)]
    question = f"{' '.join(marks)} = "
    near = str(1 + beside(count - 1, most, question))
    rival = near if difficulty == 3 else partner("123456789"[:most], count - 1)
    return [question, Answer(str(count), rival=rival), "\n"]


def addition(rng: np.random.Generator, difficulty: int) -> Item:
    """Two numbers with as many digits as the difficulty, and their sum; each digit but the first carry is decided."""
    first, second = (between(rng, 0, 10**difficulty - 1) for _ in range(2))
    question, total = f"{first:0{difficulty}}+{second:0{difficulty}}=", f"{first + second:0{difficulty + 1}}"
    at = 1 + settled(question, difficulty)
    rival = f"{total[:at]}{beside(int(total[at]), 10, total)}{total[at + 1 :]}"
    return [question, Answer(total, tuple(range(1, difficulty + 1)), rival), "\n"]


def carry(rng: np.random.Generator, difficulty: int) -> Item:
    """A sum whose first digit depends on whether the last carries, through a chain of nines; every second one does."""
    first, second = between(rng, 1, 4), between(rng, 1, 4)
    for _ in range(difficulty - 1):
        digit = between(rng, 0, 9)
        first, second = first * 10 + digit, second * 10 + 9 - digit
    low = between(rng, 1, 9)
    carries = coin(rng)
    other = between(rng, 10 - low, 9) if carries else between(rng, 0, 9 - low)
    first, second = first * 10 + low, second * 10 + other
    rival = first + second + (-1 if carries else 1) * 10**difficulty
    return [f"{first}+{second}=", Answer(str(first + second), rival=str(rival)), "\n"]


def parity(rng: np.random.Generator, difficulty: int) -> Item:
    """A number, and whether it is odd."""
    digits = "".join(str(digit) for digit in rng.integers(0, 10, (1, 3, 6)[difficulty - 1]))
    right, wrong = ("odd", "even") if int(digits) % 2 else ("even", "odd")
    return [f"{digits} is ", Answer(right, rival=wrong), "\n"]


def comparison(rng: np.random.Generator, difficulty: int) -> Item:
    """Two numbers that first differ at digit 1, 2 or 3, and which of them is larger."""
    digits = rng.integers(0, 10, difficulty - 1)
    shared = "".join(str(digit) for digit in digits)
    first, second = (str(digit) for digit in rng.permutation(10)[:2])
    tails = rng.integers(0, 10, 2) if difficulty == 3 else ("", "")
    right, wrong = (">", "<") if first > second else ("<", ">")
    return [f"{shared}{first}{tails[0]} and {shared}{second}{tails[1]}: ", Answer(right, rival=wrong), "\n"]


def _sorted(given: list[str]) -> Item:
    return [f"{' '.join(given)} = ", *spaced(sorted(given), [True] * len(given)), "\n"]


def sorting(rng: np.random.Generator, difficulty: int) -> Item:
    """Different digits, and the same in order."""
    return _sorted([str(digit) for digit in rng.permutation(10)[: 2 * difficulty + 1]])


def sorting_letters(rng: np.random.Generator, difficulty: int) -> Item:
    """Different letters, and the same in the order of the alphabet."""
    return _sorted(letters(rng, 2 * difficulty + 1))


def numerals(rng: np.random.Generator, difficulty: int) -> Item:
    """A number in words, and in digits."""
    if difficulty == 1:
        number = between(rng, 0, 9)
        return [f"{ONES[number]} = ", Answer(str(number), rival=partner("0123456789", number)), "\n"]
    hundreds, tens, ones = (between(rng, lowest, 9) for lowest in (1, 2, 1))
    words, digits = f"{TENS[tens]}-{ONES[ones]}", f"{tens}{ones}"
    if difficulty == 3:
        words, digits = f"{ONES[hundreds]} hundred {words}", f"{hundreds}{digits}"
    return [f"{words} = ", every(digits, f"{digits[:-1]}{1 + beside(ones - 1, 9, words)}"), "\n"]


def dates(rng: np.random.Generator, difficulty: int) -> Item:
    """A date and the next day: inside a month, at the 30th, at the 28th of February."""
    year = between(rng, 1904, 2096)
    if difficulty == 1:
        month, day = between(rng, 1, 12), between(rng, 1, 27)
    elif difficulty == 2:
        month, day = int(rng.choice([3, 5, 7, 8] if coin(rng) else [4, 6])), 30
    else:
        year = year // 4 * 4 + (0 if coin(rng) else between(rng, 1, 3))
        month, day = 2, 28
    last = day == calendar.monthrange(year, month)[1]
    after, other = (f"{year}-{month + turn:02}-{1 if turn else day + 1:02}" for turn in (last, not last))
    answer = Answer(after, (9,)) if difficulty == 1 else Answer(after, (6,), other)
    return [f"{year}-{month:02}-{day:02}, then ", answer, "\n"]


GENERATORS: dict[str, Generator] = {
    "counting": counting,
    "tally": tally,
    "addition": addition,
    "carry": carry,
    "parity": parity,
    "comparison": comparison,
    "sorting": sorting,
    "sorting-letters": sorting_letters,
    "numerals": numerals,
    "dates": dates,
}
