"""What the singularity of a program says about its algorithm, in plain words."""

from __future__ import annotations

from fractions import Fraction

from zeeman.programs.singularity import Singularity

TABLES = {"w": "writes {2}", "q": "goes to {2}", "d": "moves {2}"}
_MOVES = {"L": "left", "S": "nowhere", "R": "right"}


def in_words(found: Singularity) -> str:
    """Say which errors count, and how.

    Examples
    --------
    >>> from zeeman.programs import TuringProgram, singularity
    >>> from zeeman.programs.catalogue import latch
    >>> print(in_words(singularity(TuringProgram(latch()))))
    Of 16 entries 3 spoil an answer alone and 5 more together with others; 8 never do.
    """
    orders = found.orders()
    alone = orders.get(1, 0)
    if not found.complete:
        return f"Of {found.dimension} entries {alone} spoil an answer alone; the others are too many to list."
    together = found.dimension - alone - (found.inert or 0)
    told = f"Of {found.dimension} entries {alone or 'none'} spoil{'' if alone else 's'} an answer alone"
    if together:
        told += f" and {together} more together with others" if alone else f", and {together} do together with others"
    return told + (f"; {found.inert} never do." if found.inert else ".")


def price(found: Singularity) -> Fraction | None:
    """λ for each entry that can spoil an answer: 1 if each does alone, less where errors must come together."""
    if not found.complete or found.inert is None or found.inert == found.dimension:
        return None
    return found.corner.value / (found.dimension - found.inert)


def syndrome_in_words(names: tuple[tuple[str, int], ...]) -> str:
    """A syndrome in the machine's own terms.

    Examples
    --------
    >>> print(syndrome_in_words((("A|r|q|r", 1), ("A|r|d|L", 2))))
    reading A in r it goes to r; reading A in r it moves left, 2 times
    """
    return "; ".join(_error(name) + (f", {power} times" if power > 1 else "") for name, power in names)


def arc_in_words(names: tuple[tuple[str, int], ...]) -> str:
    """A component of the jets in the machine's own terms: which errors must vanish, and to which order; a line each.

    Examples
    --------
    >>> print(arc_in_words((("A|r|q|r", 1), ("A|a|q|r", 2), ("B|r|w|A", 2))))
    order 1: reading A in r it goes to r
    order 2: reading A in a it goes to r; reading B in r it writes A
    """
    by_order: dict[int, list[str]] = {}
    for name, order in names:
        by_order.setdefault(order, []).append(_error(name))
    return "\n".join(f"order {order}: {'; '.join(errors)}" for order, errors in sorted(by_order.items()))


def packing_in_words(found: Singularity) -> str:
    """The optimal packing of syndromes, whose shares add up to λ: no error is used more than once in all.

    Examples
    --------
    >>> from zeeman.programs import TuringProgram, singularity
    >>> from zeeman.programs.catalogue import refresh
    >>> print(packing_in_words(singularity(TuringProgram(refresh(["A"], steps=2)))))
    1 × reading A in r it writes B
    1 × reading A in r it moves left
    1 × reading A in r it moves right
    1 × reading A in a it goes to r
    1/2 × reading A in r it goes to r, 2 times
    """
    ranked = sorted(found.corner.packing, key=lambda one: (sum(one[0].values()), sorted(one[0].items())))
    return "\n".join(f"{share} × {syndrome_in_words(found.named(syndrome))}" for syndrome, share in ranked)


def _error(name: str) -> str:
    read, state, *rest = name.split("|")
    if rest[0] in TABLES and len(rest) == 2:
        table, outcome = rest
        done = TABLES[table].format(read, state, _MOVES.get(outcome, outcome) if table == "d" else outcome)
        return f"reading {read} in {state} it {done}"
    copy = f" in copy {rest[1]}" if len(rest) > 1 else ""
    return f"reading {read} in {state} it goes to {rest[0]}{copy}"
