"""λ and m on the corner ε ≥ 0, by linear programming over the error syndromes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from zeeman.singularities.newton import minimal_exponents, newton_rlct, rank
from zeeman.singularities.simplex import PackingTableau

Exponents = dict[int, int]
Weights = dict[int, Fraction]
Oracle = Callable[[Weights], list[Exponents]]


@dataclass(frozen=True)
class Corner:
    """The optimum of min Σ_i w_i subject to a·w ≥ 1 for every syndrome a, w ≥ 0, and of its dual.

    Parameters
    ----------
    value : Fraction
        λ of −mean log p on the corner; half of it is that of Σ z².
    multiplicity : int
        1 + the dimension of the face of optimal weights.
    weights : dict of int to Fraction
        Optimal weight of each coordinate whose weight is not 0: the orders of vanishing along a divisor that computes
        λ.
    packing : list of (exponents, Fraction)
        Optimal shares y of syndromes, Σ_a y_a a ≤ 1 in each coordinate and Σ y = λ: the certificate from below.
    """

    value: Fraction
    multiplicity: int
    weights: Weights
    packing: list[tuple[Exponents, Fraction]]


def corner(syndromes: Sequence[Exponents], violated: Oracle | None = None) -> Corner:
    """Solve the program for syndromes that are all, or that an oracle adds to.

    Parameters
    ----------
    syndromes : sequence of exponents
    violated : callable, optional
        Gives syndromes with a·w < 1, and none if there are none; where left out, ``syndromes`` are all. Constraints
        are added until weights hold them all, and the optimal face is spanned by weights that do.

    Returns
    -------
    Corner
    """
    every = {key(a): dict(a) for a in syndromes}

    def broken(weights: Weights) -> list[Exponents]:
        found = [a for a in every.values() if _order(a, weights) < 1]
        return found or ([] if violated is None else violated(weights))

    used: dict[tuple[tuple[int, int], ...], Exponents] = {}
    while True:
        solution = optimum(list(used.values()))
        new = broken(solution.weights)
        if not new and solution.multiplicity > 1:
            new = next((found for w in _spanning(list(used.values()), solution) if (found := broken(w))), [])
        if not new:
            return solution
        used |= {key(a): a for a in _fewest(new)}


def _fewest(syndromes: list[Exponents], most: int = 200) -> list[Exponents]:
    """The smallest ones: all single errors, which do not couple, and at most so many others."""
    ranked = sorted(syndromes, key=lambda a: (sum(a.values()), sorted(a)))
    singles = [a for a in ranked if sum(a.values()) == 1]
    return singles + ranked[len(singles) : len(singles) + most]


def key(exponents: Exponents) -> tuple[tuple[int, int], ...]:
    """What a set of exponents is known by."""
    return tuple(sorted(exponents.items()))


def _order(exponents: Exponents, weights: Weights) -> Fraction:
    return sum((n * weights.get(k, Fraction(0)) for k, n in exponents.items()), Fraction(0))


def optimum(syndromes: list[Exponents], densities: Weights | None = None) -> Corner:
    """Solve the program exactly, min Σ_i (1 + h_i) w_i for the density ∏ ε_i^{h_i}, over syndromes that are all.

    Block by block: λ adds up over syndromes without a coordinate in common, and so does m − 1.

    Parameters
    ----------
    syndromes : list of exponents
    densities : dict of int to Fraction, optional
        h, 0 where left out.

    Examples
    --------
    >>> [str(optimum([{0: 1, 1: 1}], h).value) for h in (None, {0: Fraction(1)})]
    ['1', '1']
    """
    value, faces = Fraction(0), 0
    weights: Weights = {}
    shares: list[tuple[Exponents, Fraction]] = []
    for names, exponents in _blocks(syndromes):
        shifts = None if densities is None else [densities.get(k, Fraction(0)) for k in names]
        found = newton_rlct(exponents, shifts)
        value += found.value
        faces += found.multiplicity - 1
        weights |= {k: w for k, w in zip(names, found.weights, strict=True) if w}
        shares += [({k: n for k, n in zip(names, a, strict=True) if n}, y) for a, y in found.packing]
    return Corner(value, 1 + faces, weights, shares)


def _tilted(syndromes: list[Exponents], tilt: Weights) -> Weights:
    """Weights that are optimal where coordinate k costs 1 + tilt_k."""
    weights: Weights = {}
    for names, exponents in _blocks(syndromes):
        prices = PackingTableau(minimal_exponents(exponents), [1 + tilt[k] for k in names]).prices()
        weights |= {k: w for k, w in zip(names, prices, strict=True) if w}
    return weights


def _blocks(syndromes: list[Exponents]) -> Iterator[tuple[list[int], list[tuple[int, ...]]]]:
    """Groups of syndromes that have no coordinate in common with another group, each with its coordinates."""
    groups: list[tuple[set[int], list[Exponents]]] = []
    for syndrome in syndromes:
        support, members = set(syndrome), [syndrome]
        apart = []
        for names, group in groups:
            if names & support:
                support |= names
                members = group + members
            else:
                apart.append((names, group))
        groups = [*apart, (support, members)]
    for coordinates, group in groups:
        ordered = sorted(coordinates)
        yield ordered, [tuple(a.get(k, 0) for k in ordered) for a in group]


def _spanning(syndromes: list[Exponents], solution: Corner) -> Iterator[Weights]:
    """Optimal weights that span the face, found by tilting the objective; ends when their span has its dimension."""
    names = sorted({k for a in syndromes for k in a})
    points = [solution.weights]
    draw = random.Random(0)
    for attempt in itertools.count():
        if _dimension(points, names) == solution.multiplicity - 1:
            return
        tilt = Fraction(1, 10 ** (4 + attempt // 100))
        found = _tilted(syndromes, {k: tilt * draw.randint(-99, 99) / 99 for k in names})
        if sum(found.values()) == solution.value:
            points.append(found)
            yield found


def _dimension(points: Sequence[Weights], names: Sequence[int]) -> int:
    first = points[0]
    zero = Fraction(0)
    return rank([[p.get(k, zero) - first.get(k, zero) for k in names] for p in points[1:]])
