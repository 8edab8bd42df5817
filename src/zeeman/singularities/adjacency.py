"""Which simple singularities are near which: vertices deleted from Dynkin diagrams."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

from zeeman.errors import ZeemanError
from zeeman.singularities.normal_forms import parse_name

Arms = tuple[int, int, int]  # lengths of the three chains that leave one vertex
Collection = tuple[str, ...]


def adjacent(name: str) -> frozenset[Collection]:
    """Give all collections of critical points on one level into which a simple singularity can split.

    They are the diagrams that are left when vertices are deleted from its Dynkin diagram (Grothendieck, Brieskorn):
    each component stands for one critical point at that level, over the complex numbers. Pairs such as A2 + A1 are
    sorted; the smooth level is left out.

    Parameters
    ----------
    name
        ``A1``, ``A2``, …, ``D4``, …, ``E6``, ``E7``, ``E8``.

    Raises
    ------
    ZeemanError
        If the class is not simple.

    Examples
    --------
    >>> sorted(adjacent("D4"))
    [('A1',), ('A1', 'A1'), ('A1', 'A1', 'A1'), ('A2',), ('A3',)]
    """
    found: set[Collection] = set()
    fresh: set[Collection] = {(name,)} if _arms(name) else set()
    while fresh:
        fresh = {smaller for collection in fresh for smaller in _one_less(collection)} - found
        found |= fresh
    return frozenset(found - {()})


def is_adjacent(name: str, other: str) -> bool:
    """Whether a singularity of class ``name`` deforms into one of class ``other``.

    Examples
    --------
    >>> is_adjacent("E7", "D6"), is_adjacent("A5", "D4"), is_adjacent("E6", "D5")
    (True, False, True)
    """
    return any(other in collection for collection in adjacent(name))


def describe(collection: Collection) -> str:
    """Write a collection as a sum.

    Examples
    --------
    >>> describe(("A1", "A1", "A3"))
    '2A1+A3'
    """
    return "+".join(f"{count}{name}" if count > 1 else name for name, count in Counter(collection).items())


@lru_cache(maxsize=4096)
def _one_less(collection: Collection) -> frozenset[Collection]:
    result = set()
    for i, name in enumerate(collection):
        others = collection[:i] + collection[i + 1 :]
        for parts in _deletions(name):
            result.add(tuple(sorted([*others, *parts], key=parse_name)))
    return frozenset(result)


@lru_cache(maxsize=256)
def _deletions(name: str) -> frozenset[Collection]:
    """What is left of a diagram without one of its vertices."""
    p, q, r = _arms(name)
    result = {_chains(p, q, r)}
    for arm, one, other in ((p, q, r), (q, p, r), (r, p, q)):
        for j in range(1, arm + 1):
            result.add((_tree((j - 1, one, other)), *_chains(arm - j)))
    return frozenset(result)


def _chains(*lengths: int) -> Collection:
    return tuple(f"A{length}" for length in lengths if length)


def _tree(arms: Arms) -> str:
    low, middle, high = sorted(arms)
    if low == 0:
        return f"A{middle + high + 1}"
    return f"D{high + 3}" if middle == 1 else f"E{high + 4}"


def _arms(name: str) -> Arms:
    letter, indices = parse_name(name)
    k = indices[0]
    if letter == "A" and k >= 1:
        return 0, 0, k - 1
    if letter == "D" and k >= 4:
        return 1, 1, k - 3
    if letter == "E" and k in (6, 7, 8):
        return 1, 2, k - 4
    raise ZeemanError(
        f"expected a simple singularity (A1, A2, …, D4, …, E6, E7, E8), got {name!r}; others have no diagram."
    )
