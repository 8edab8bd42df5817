"""Modes above noise: singular values of a response matrix that permuted columns do not reach, and gaps between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zeeman.bands.preparation import prepare
from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]

NUM_PERMUTATIONS = 99


@dataclass(frozen=True)
class Modes:
    """Singular values of the prepared matrix, tested from the largest down.

    Parameters
    ----------
    values : array, shape (columns − 1,)
        Singular values s of the prepared matrix, falling.
    errors : array, shape (columns − 1,)
        Standard error of each from the scatter of its scores over rows.
    p_values : array, shape (columns − 1,)
        Chance that noise reaches the value once the larger modes are taken out; never smaller than that of a larger
        mode, and 1 after the first mode that failed.
    count : int
        Significant modes.
    gap_p_values : array, shape (max(count − 1, 0),)
        Chance that two neighbouring significant modes differ so much although they are degenerate.
    scores : array, shape (rows, count)
        Left singular vectors.
    loadings : array, shape (columns, count)
        Right singular vectors, the largest entry of each positive.
    level : float
        What counted as significant.
    """

    values: Floats
    errors: Floats
    p_values: Floats
    count: int
    gap_p_values: Floats
    scores: Floats
    loadings: Floats
    level: float

    @property
    def bands(self) -> list[range]:
        """Groups of significant modes that no significant gap separates."""
        edges = [0, *(np.flatnonzero(self.gap_p_values < self.level) + 1).tolist(), self.count]
        return [range(start, stop) for start, stop in pairwise(edges) if stop > start]


def significant_modes(
    matrix: NDArray[np.floating],
    nulls: Sequence[NDArray[np.floating]] | None = None,
    *,
    names: Sequence[str] | None = None,
    num_permutations: int = NUM_PERMUTATIONS,
    level: float = 0.05,
    seed: int = 0,
) -> Modes:
    """Test the singular values of a response matrix against noise, one after the other (parallel analysis).

    To test mode i, the larger modes are taken out of the prepared matrix, the columns of the rest are permuted
    independently of each other, freed again of the axes taken out and of the uniform mode, and scaled to the energy of
    the rest; p = (1 + number of permutations whose largest singular value reaches s_i)/(1 + permutations). So every
    mode meets noise of the columns' own laws and no more energy than is left. Responses of many tokens to the same
    draws err alike, though: their noise has axes of its own, which permuted columns do not know, and each counts as a
    mode. ``nulls`` that come from the same draws know them: they are brought to the scale of the matrix's columns once
    and keep their size, so p is the chance that the noise alone reaches s_i. Two modes are degenerate if their scores
    (a, b) could be turned by any angle: with w = a² + b², R = (s_i² − s_{i+1}²)/(s_i² + s_{i+1}²), turning each row at
    random gives p = exp(−R² (Σw)²/Σw²).

    Parameters
    ----------
    matrix : array, shape (rows, columns)
        As for :func:`~zeeman.bands.preparation.prepare`.
    nulls : sequence of arrays of the same shape, optional
        Noise in the units of the matrix, in place of permuted columns: for example the same responses computed between
        draws that do not belong together.
    names : sequence of str, optional
        Names of the columns, for messages.
    num_permutations : int
    level : float
    seed : int

    Returns
    -------
    Modes

    Raises
    ------
    ZeemanError
        For what cannot be prepared, too few nulls for the level, or nulls of another shape or not finite.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> pattern = np.array([1.0, -1, 1, -1, 0, 0])
    >>> matrix = rng.standard_normal((400, 1)) * pattern + rng.standard_normal((400, 6))
    >>> significant_modes(matrix).count
    1
    """
    rounds = num_permutations if nulls is None else len(nulls)
    prepared = prepare(matrix, names)
    _refuse_nulls(nulls, prepared.shape, rounds, level)
    given = None if nulls is None else [_to_scale(null, matrix) for null in nulls]
    left, values, right = np.linalg.svd(prepared, full_matrices=False)
    values, left, right = values[:-1], left[:, :-1], right[:-1].T
    p_values = _p_values(prepared, values, right, given, rounds, level, seed)
    count = int((p_values <= level).sum())
    signs = np.sign(right[np.abs(right).argmax(axis=0), np.arange(right.shape[1])])
    weights = (left * values) ** 2
    errors = np.sqrt(len(left)) * weights.std(axis=0) / (2 * np.maximum(values, np.finfo(float).tiny))
    return Modes(
        values, errors, p_values, count, _gap_p_values(weights[:, :count]), left[:, :count] * signs[:count],
        right[:, :count] * signs[:count], level,
    )  # fmt: skip


def _refuse_nulls(
    nulls: Sequence[NDArray[np.floating]] | None, shape: tuple[int, ...], rounds: int, level: float
) -> None:
    """Refuse too few nulls for the level, and nulls of another shape or not finite."""
    if (rounds + 1) * level < 1:
        raise ZeemanError(
            f"expected at least {int(np.ceil(1 / level)) - 1} nulls for level {level}, got {rounds}; give more."
        )
    if nulls is not None and any(null.shape != shape for null in nulls):
        raise ZeemanError(f"expected nulls of the matrix's shape {shape}; make them from the same tokens.")
    if nulls is not None and not all(np.isfinite(null).all() for null in nulls):
        raise ZeemanError("expected finite nulls, got NaN or infinity; leave the same rows and columns out of all.")


def _p_values(
    prepared: Floats, values: Floats, right: Floats, given: list[Floats] | None, rounds: int, level: float, seed: int
) -> Floats:
    p_values = np.ones(len(values))
    taken, rest = np.full((len(right), 1), len(right) ** -0.5), prepared
    for mode, value in enumerate(values):
        noise = _permuted(rest, rounds, seed, mode) if given is None else given
        energy = float((rest**2).sum()) if given is None else None
        reached = sum(_largest(null - (null @ taken) @ taken.T, energy) >= value for null in noise)
        p_values[mode] = max((1 + reached) / (1 + rounds), p_values[mode - 1] if mode else 0.0)
        if p_values[mode] > level:
            break
        axis = right[:, mode : mode + 1]
        taken, rest = np.hstack([taken, axis]), rest - (rest @ axis) @ axis.T
    return p_values


def _permuted(rest: Floats, rounds: int, seed: int, mode: int) -> Iterator[Floats]:
    for number in range(rounds):
        yield np.random.default_rng([seed, 3, mode, number]).permuted(rest, axis=0)


def _to_scale(null: NDArray[np.floating], matrix: NDArray[np.floating]) -> Floats:
    """Centre the columns of noise, in units of the spread of those of the matrix."""
    noise = np.asarray(null, np.float64)
    scaled: Floats = (noise - noise.mean(axis=0)) / np.asarray(matrix, np.float64).std(axis=0)
    return scaled


def _largest(noise: Floats, energy: float | None) -> float:
    """Largest singular value of the noise, once it has the given sum of squares if there is one."""
    gram = noise.T @ noise
    scale = 1.0 if energy is None else energy / np.trace(gram)
    return float(np.sqrt(scale * np.linalg.eigvalsh(gram)[-1]))


def _gap_p_values(weights: Floats) -> Floats:
    """Chance of each gap, from the squared scores of neighbouring modes."""
    both = weights[:, :-1] + weights[:, 1:]
    difference = (weights[:, :-1] - weights[:, 1:]).sum(axis=0)
    p_values: Floats = np.exp(-(difference**2) / (both**2).sum(axis=0))
    return p_values
