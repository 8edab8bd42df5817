"""Arcs of errors that nobody notices: the jet schemes of a program's error syndromes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zeeman.errors import ZeemanError
from zeeman.programs.corner import Exponents, key
from zeeman.programs.singularity import Singularity

MOST_ARCS = 2_000
"""Arcs looked at for one syndrome: seconds in all."""


def unnoticed_arcs(found: Singularity, m: int) -> list[Exponents]:
    """Find the irreducible components of the scheme J_m of m-jets of the syndrome ideal.

    Along an arc of errors ε_i(s) of order t_i a syndrome a vanishes to order a·t, and K to the least of these. The
    component of t are the arcs with ord ε_i ≥ t_i; t runs over the minimal vectors with a·t ≥ m + 1 for every syndrome
    a. Nothing that the program is asked for shows errors along such an arc before the order m + 1. The component has
    dimension d(m + 1) − |t|, and |t| ≥ λ(m + 1), with equality for some m (Mustață 2002, for monomial ideals).

    Parameters
    ----------
    found : Singularity
    m : int
        Order of the jets.

    Returns
    -------
    list of exponents
        t of each component, the largest component first.

    Raises
    ------
    ZeemanError
        For a negative m, a list of syndromes that was given up, or too many components.

    Examples
    --------
    >>> from zeeman.programs import TuringProgram, singularity
    >>> from zeeman.programs.catalogue import refresh
    >>> found = singularity(TuringProgram(refresh(steps=1)))
    >>> [found.named(t) for t in unnoticed_arcs(found, 1)]
    [(('A|r|q|r', 2), ('B|r|q|a', 2))]
    """
    if m < 0:
        raise ZeemanError(f"expected jets of order m ≥ 0, got {m}; m = 0 is the set of codes itself.")
    if not found.complete:
        raise ZeemanError("not all error syndromes are listed, so that jets are not known; raise the budget.")
    components: list[Exponents] = [{}]
    for syndrome in found.syndromes:
        every = [
            raised
            for arc in components
            for raised in _raised(arc, list(syndrome.items()), m + 1 - order_along([syndrome], arc))
        ]
        if len(every) > MOST_ARCS:
            raise ZeemanError(f"the jets of order {m} have too many components to list; lower the order.")
        components = _minimal(list({key(arc): arc for arc in every}.values()))
    return sorted(components, key=lambda arc: (_size(arc), key(arc)))


def order_along(syndromes: Sequence[Exponents], arc: Exponents) -> int:
    """Order to which the loss with these syndromes vanishes along arcs of orders t: the least a·t.

    Raises
    ------
    ZeemanError
        Where there is no syndrome, so that no error is ever seen.

    Examples
    --------
    >>> order_along([{0: 1, 1: 1}, {2: 2}], {0: 1, 1: 2, 2: 1})
    2
    """
    if not syndromes:
        raise ZeemanError("no error can change an answer, so that the loss is 0 along every arc; choose other inputs.")
    return min(sum(n * arc.get(k, 0) for k, n in a.items()) for a in syndromes)


def _raised(arc: Exponents, syndrome: Sequence[tuple[int, int]], lacking: int) -> Iterator[Exponents]:
    """Raise an arc in every way by which the order of a syndrome rises by what it lacks."""
    if lacking <= 0:
        yield arc
    elif syndrome:
        (entry, power), *others = syndrome
        for more in range(-(-lacking // power) + 1):
            higher = arc | {entry: arc.get(entry, 0) + more} if more else arc
            yield from _raised(higher, others, lacking - more * power)


def _minimal(arcs: Sequence[Exponents]) -> list[Exponents]:
    kept: list[Exponents] = []
    for arc in sorted(arcs, key=_size):
        if not any(all(arc.get(k, 0) >= n for k, n in low.items()) for low in kept):
            kept.append(arc)
    return kept


def _size(arc: Exponents) -> int:
    return sum(arc.values())
