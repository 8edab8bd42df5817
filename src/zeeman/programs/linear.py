"""Reduced rank regression and deep linear networks: K = ‖W_L … W_1 − A‖² (Gaussian inputs), A of rank r."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from zeeman.programs.case import Case


def reduced_rank(inputs: int, hidden: int, outputs: int, rank: int) -> tuple[Fraction, int]:
    """λ and m of reduced rank regression (Aoyagi and Watanabe 2005).

    Examples
    --------
    >>> reduced_rank(10, 3, 5, 1)
    (Fraction(11, 1), 1)
    """
    m, h, n, r = inputs, hidden, outputs, rank
    if n + r <= m + h and m + r <= n + h and h + r <= m + n:
        q = -((h + r) ** 2) - m**2 - n**2 + 2 * (h + r) * (m + n) + 2 * m * n
        odd = (m + h + n + r) % 2
        return Fraction(q + odd, 8), 1 + odd
    if m + h < n + r:
        return Fraction(h * m - h * r + n * r, 2), 1
    if n + h < m + r:
        return Fraction(h * n - h * r + m * r, 2), 1
    return Fraction(m * n, 2), 1


def deep_linear(widths: Sequence[int], rank: int) -> tuple[Fraction, int]:
    """λ and m of a deep linear network of layer sizes ``widths``, inputs and outputs included (Aoyagi 2024).

    With M_i = H_i − r, take the smallest sizes S, ℓ = |S| − 1, with sum S ≥ ℓ max S and sum S < ℓ min of the rest;
    s = sum S, a = s − (⌈s/ℓ⌉ − 1)ℓ. Then m = a(ℓ − a) + 1 and
    λ = (r(H_0 + H_L) − r²)/2 + a(ℓ − a)/4ℓ − (ℓ − 1)s²/4ℓ + ½ Σ_{i<j∈S} M_i M_j.

    Examples
    --------
    >>> deep_linear([10, 10, 10], 3), deep_linear([1, 1, 1, 1], 0)
    ((Fraction(44, 1), 2), (Fraction(1, 2), 3))
    """
    sizes = sorted(h - rank for h in widths)
    for ell in range(1, len(sizes)):
        chosen, rest = sizes[: ell + 1], sizes[ell + 1 :]
        s = sum(chosen)
        if s >= ell * chosen[-1] and (not rest or s < ell * rest[0]):
            break
    a = s - (math.ceil(Fraction(s, ell)) - 1) * ell
    pairs = sum(x * y for x, y in itertools.combinations(chosen, 2))
    regular = Fraction(rank * (widths[0] + widths[-1]) - rank**2, 2)
    singular = Fraction(a * (ell - a), 4 * ell) - Fraction((ell - 1) * s * s, 4 * ell) + Fraction(pairs, 2)
    return regular + singular, a * (ell - a) + 1


@dataclass(frozen=True, eq=False)
class ProductLoss:
    """‖W_L … W_1 − A‖²_F of flat weights W_1, …, W_L, each stored row by row."""

    widths: tuple[int, ...]
    target: torch.Tensor

    def product(self, points: torch.Tensor) -> torch.Tensor:
        """W_L … W_1 of each point, from the narrower end on."""
        shapes = list(itertools.pairwise(self.widths))
        parts = torch.split(points, [a * b for a, b in shapes], dim=-1)
        layers = [part.reshape(*part.shape[:-1], b, a) for part, (a, b) in zip(parts, shapes, strict=True)]
        if self.widths[-1] < self.widths[0]:
            return functools.reduce(torch.matmul, reversed(layers))
        found: torch.Tensor = functools.reduce(lambda whole, layer: layer @ whole, layers)
        return found

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        """Give the loss of each point."""
        return (self.product(points) - self.target).square().sum((-1, -2))


def singular_point(widths: Sequence[int], rank: int, seed: int) -> torch.Tensor:
    """The most singular weights of a rank-r function: every layer has exactly rank r, with orthonormal factors."""
    rng = np.random.default_rng([seed, *widths, rank])
    frames = [np.linalg.qr(rng.normal(size=(h, h)))[0][:, :rank] for h in widths]
    layers = [(after @ before.T).ravel() for before, after in itertools.pairwise(frames)]
    return torch.from_numpy(np.concatenate(layers))


def network(widths: Sequence[int], rank: int, seed: int = 0) -> Case:
    """A deep linear network at its most singular point; of two layers: reduced rank regression."""
    sizes = tuple(widths)
    center = singular_point(sizes, rank, seed)
    target = ProductLoss(sizes, torch.zeros(1)).product(center)
    two = len(sizes) == 3
    llc, multiplicity = reduced_rank(sizes[0], sizes[1], sizes[2], rank) if two else deep_linear(sizes, rank)
    return Case(
        name="-".join(map(str, sizes)) + f" rank {rank}",
        family="reduced rank regression" if two else "deep linear network",
        energy=ProductLoss(sizes, target),
        center=center,
        llc=llc,
        multiplicity=multiplicity,
        domain=None,
        localization=10.0 if rank else 1.0,
        source="Aoyagi and Watanabe 2005" if two else "Aoyagi 2024",
    )


def random_widths(
    seed: int, layers: tuple[int, int], sizes: tuple[int, int], parameters: tuple[int, int]
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Give out distinct random layer sizes and ranks without end.

    Parameters
    ----------
    seed : int
    layers, sizes, parameters : pair of int
        Least and largest number of layers, size of a layer, and number of weights.
    """
    rng, seen = np.random.default_rng(seed), set()
    while True:
        widths = tuple(int(h) for h in rng.integers(sizes[0], sizes[1] + 1, rng.integers(*layers, endpoint=True) + 1))
        rank = int(rng.integers(0, min(widths)))
        count = sum(a * b for a, b in itertools.pairwise(widths))
        if parameters[0] <= count <= parameters[1] and (widths, rank) not in seen:
            seen.add((widths, rank))
            yield widths, rank


def cases(small: int = 16, middle: int = 7) -> list[Case]:
    """Random widths: ``small`` networks of ≤ 100 and ``middle`` of 101 to 2000 weights, of two layers and of more."""
    wanted = [
        (small, random_widths(1, (2, 2), (1, 8), (2, 100))),
        (small, random_widths(2, (3, 5), (1, 6), (3, 100))),
        (middle, random_widths(3, (2, 2), (5, 30), (101, 2000))),
        (middle, random_widths(4, (3, 6), (4, 22), (101, 2000))),
    ]
    return [network(widths, rank) for count, source in wanted for widths, rank in itertools.islice(source, count)]
