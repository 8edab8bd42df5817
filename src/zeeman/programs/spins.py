"""Spins whose critical point is known: Curie–Weiss, which is the A₃ singularity, and the square lattice of Ising.

Temperatures are in units of J/k_B. At the critical point of Curie–Weiss the free energy of the mean spin is N m⁴/12, so
that N plays the part of nβ for the germ m⁴: ⟨m²⟩ ~ N^{−1/2}, and the Binder ratio is that of exp(−x⁴).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Critical:
    """Exact critical temperature and exponents.

    Parameters
    ----------
    temperature : float
    inverse_nu, beta_over_nu, gamma_over_nu : float
        By the linear size for the square lattice, by the number N of spins for Curie–Weiss.
    binder : float
        U₄ = 1 − ⟨m⁴⟩/3⟨m²⟩² at the critical temperature in the limit of large sizes.
    """

    temperature: float
    inverse_nu: float
    beta_over_nu: float
    gamma_over_nu: float
    binder: float


CURIE_WEISS = Critical(1.0, 0.5, 0.25, 0.5, 1 - math.gamma(1.25) * math.gamma(0.25) / (3 * math.gamma(0.75) ** 2))
SQUARE_LATTICE = Critical(2 / math.log(1 + math.sqrt(2)), 1.0, 0.125, 1.75, 0.6107)
"""Onsager 1944, Yang 1952; the Binder ratio is Kamieniarz and Blöte 1993, numerical, of the periodic square."""


def curie_weiss(size: int, temperature: float) -> tuple[Array, Array]:
    """Mean spins of N spins with energy −N m²/2, and their exact probabilities.

    Parameters
    ----------
    size : int
        N.
    temperature : float

    Returns
    -------
    mean, probability : array, shape (N + 1,)

    Raises
    ------
    ZeemanError
        Unless there is a spin and the temperature is positive.

    Examples
    --------
    >>> mean, probability = curie_weiss(400, 4.0)  # far above: variance 1/(N (1 − 1/T))
    >>> round(float(400 * (mean**2 @ probability) * (1 - 1 / 4)), 2)
    1.0
    """
    if size < 1 or not temperature > 0:
        raise ZeemanError(f"expected at least one spin and a positive temperature, got {size} and {temperature}.")
    up = np.arange(size + 1)
    mean = 2 * up / size - 1
    ways = [math.lgamma(size + 1) - math.lgamma(k + 1) - math.lgamma(size - k + 1) for k in up.tolist()]
    log = np.array(ways) + size * mean**2 / (2 * temperature)
    weight = np.exp(log - log.max())
    return mean, weight / weight.sum()


def binder(mean: Array, probability: Array | None = None) -> float:
    """U₄ = 1 − ⟨m⁴⟩/3⟨m²⟩² of mean spins, by a law or of equal weight."""
    law = np.full(len(mean), 1 / len(mean)) if probability is None else probability
    return float(1 - (mean**4 @ law) / (3 * (mean**2 @ law) ** 2))


def ising(side: int, temperature: float, num_draws: int, *, num_flips: int, num_burnin: int, seed: int) -> Array:
    """Mean spins of the periodic square lattice by Wolff's clusters.

    A draw is made every ``num_flips`` clusters: to stop by how many spins have turned would choose states by the size
    of the last cluster, which biases ⟨m²⟩.

    Parameters
    ----------
    side : int
        Linear size L, at least 2.
    temperature : float
    num_draws, num_flips, num_burnin : int
        Draws, clusters between draws, and clusters before the first.
    seed : int

    Returns
    -------
    array, shape (num_draws,)

    Raises
    ------
    ZeemanError
        For sizes and temperatures that make no sense.
    """
    if side < 2 or not temperature > 0 or min(num_draws, num_flips) < 1 or num_burnin < 0:
        raise ZeemanError(f"expected a side of at least 2, T > 0 and draws, got {side}, {temperature}, {num_draws}.")
    rng, size = np.random.default_rng([seed, side]), side * side
    bond = -math.expm1(-2 / temperature)
    spins = [1] * size
    neighbours = [_neighbours(at, side) for at in range(size)]
    found = np.empty(num_draws)
    for _ in range(num_burnin):
        _flip(spins, neighbours, bond, rng)
    for draw in range(num_draws):
        for _ in range(num_flips):
            _flip(spins, neighbours, bond, rng)
        found[draw] = sum(spins) / size
    return found


def _neighbours(at: int, side: int) -> tuple[int, ...]:
    row, column = divmod(at, side)
    pairs = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
    return tuple((r % side) * side + c % side for r, c in pairs)


def _flip(spins: list[int], neighbours: list[tuple[int, ...]], bond: float, rng: np.random.Generator) -> None:
    """Turn the cluster of a random spin."""
    start = int(rng.integers(len(spins)))
    spin = spins[start]
    spins[start] = -spin
    pending = [start]
    while pending:
        ahead = [near for at in pending for near in neighbours[at]]
        chances = rng.random(len(ahead)).tolist()
        pending = []
        for near, chance in zip(ahead, chances, strict=True):
            if spins[near] == spin and chance < bond:
                spins[near] = -spin
                pending.append(near)
