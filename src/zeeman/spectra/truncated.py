"""Polynomials in a few variables up to a total degree, with coefficients that carry errors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Truncated:
    """The ring R[x_1, …, x_n] modulo monomials of total degree above D; an element is its vector of coefficients.

    Parameters
    ----------
    num_variables : int
    degree : int
        D.

    Attributes
    ----------
    exponents : array of int, shape (monomials, num_variables)
        By total degree, the constant first.

    Examples
    --------
    >>> ring = Truncated(2, 2)
    >>> ring.exponents.tolist()
    [[0, 0], [1, 0], [0, 1], [2, 0], [1, 1], [0, 2]]
    >>> ring.multiply(ring.variable(0), ring.variable(1)).tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    """

    def __init__(self, num_variables: int, degree: int) -> None:
        self.num_variables, self.degree = num_variables, degree
        rows = [
            np.bincount(np.array(chosen, np.int64), minlength=num_variables)
            for total in range(degree + 1)
            for chosen in combinations_with_replacement(range(num_variables), total)
        ]
        self.exponents: NDArray[np.int64] = np.array(rows, np.int64).reshape(len(rows), num_variables)
        self.degrees: NDArray[np.int64] = self.exponents.sum(axis=1)
        self._place = {tuple(row): i for i, row in enumerate(self.exponents.tolist())}

    def __len__(self) -> int:
        """Number of monomials."""
        return len(self.exponents)

    def place(self, *exponent: int) -> int:
        """Index of the monomial x^exponent."""
        return self._place[exponent]

    def one(self) -> Array:
        """The constant 1."""
        out: Array = np.eye(1, len(self))[0]
        return out

    def variable(self, index: int) -> Array:
        """x_index."""
        out: Array = np.eye(1, len(self), 1 + index)[0]
        return out

    @cached_property
    def _products(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of monomials whose product is kept, and where it stands."""
        first, second = np.nonzero(self.degrees[:, None] + self.degrees <= self.degree)
        sums = (self.exponents[first] + self.exponents[second]).tolist()
        return first, second, np.array([self._place[tuple(row)] for row in sums], np.int64)

    def multiply(self, a: Array, b: Array) -> Array:
        """Product of two elements."""
        first, second, target = self._products
        return np.bincount(target, a[first] * b[second], minlength=len(self)).astype(np.float64)

    def derivative(self, a: Array, index: int) -> Array:
        """∂a / ∂x_index; its terms of degree D are unknown and left at 0."""
        out = np.zeros(len(self))
        for i in np.nonzero(self.exponents[:, index])[0]:
            lower = self.exponents[i].copy()
            lower[index] -= 1
            out[self._place[tuple(lower.tolist())]] = a[i] * self.exponents[i, index]
        return out

    def substitution(self, images: Sequence[Array], target: Truncated) -> Array:
        """Matrix of the map that puts an element of ``target`` in the place of each variable.

        Parameters
        ----------
        images : sequence of arrays
            One element of ``target`` for each variable.
        target : Truncated

        Returns
        -------
        array, shape (monomials of target, monomials)
            Its columns are the images of the monomials.

        Examples
        --------
        x² at x = 1 + t is 1 + 2 t + t²:

        >>> ring = Truncated(1, 2)
        >>> ring.substitution([ring.one() + ring.variable(0)], ring)[:, 2].tolist()
        [1.0, 2.0, 1.0]
        """
        columns = np.zeros((len(target), len(self)))
        columns[:, 0] = target.one()
        for i in range(1, len(self)):
            lower = self.exponents[i].copy()
            last = int(np.nonzero(lower)[0][-1])
            lower[last] -= 1
            columns[:, i] = target.multiply(columns[:, self._place[tuple(lower.tolist())]], images[last])
        return columns

    def linear(self, frame: Array) -> Array:
        """Matrix of the map f(x) ↦ f(frame · t), the new variables being t."""
        own = np.stack([self.variable(i) for i in range(frame.shape[1])])
        return self.substitution([row @ own for row in frame], self)

    def hessian(self, a: Array) -> Array:
        """Second derivatives at 0, shape (n, n)."""
        n = self.num_variables
        out = np.zeros((n, n))
        for i in range(n):
            for j in range(i, n):
                exponent = np.bincount([i, j], minlength=n)
                out[i, j] = out[j, i] = a[self._place[tuple(exponent.tolist())]] * (2.0 if i == j else 1.0)
        return out

    def values(self, points: Array) -> Array:
        """Monomials at points of shape (points, n); shape (points, monomials)."""
        powers = np.asarray(points, float)[:, None, :] ** self.exponents
        out: Array = powers.prod(axis=-1)
        return out


@lru_cache(maxsize=64)
def truncated(num_variables: int, degree: int) -> Truncated:
    """Give the ring, made once."""
    return Truncated(num_variables, degree)
