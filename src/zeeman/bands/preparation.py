"""Make rows of responses comparable: columns z-scored, rows centred, principal axes whitened on demand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError

Floats = NDArray[np.float64]

SMALLEST_SPREAD = 1e-12
"""Spread relative to size below which a row or column counts as constant, and an axis as null."""
SHOWN = 5


def prepare(matrix: NDArray[np.floating], names: Sequence[str] | None = None, whiten: bool = False) -> Floats:
    """Z-score the columns of a response matrix and centre its rows.

    Z_ij = (M_ij − mean_j)/sd_j takes away the unknown factor and offset of each component, X_ij = Z_ij − mean_i Z the
    uniform mode in which all components answer alike. Whitening then divides the scores on the principal axes of X by
    their spread and leaves out the axes without any, such as the one that centring removed.

    Parameters
    ----------
    matrix : array, shape (rows, columns)
        One row a token, one column a component; at least 2 × 2.
    names : sequence of str, optional
        Names of the columns for the messages; their numbers if not given.
    whiten : bool
        Return uncorrelated scores of variance 1, largest axis first, in place of the columns.

    Returns
    -------
    array, shape (rows, columns), or (rows, rank) if whitened

    Raises
    ------
    ZeemanError
        For rows or columns that are not finite or have no spread; the sentence names them.

    Examples
    --------
    >>> x = prepare(np.array([[1.0, 20.0, 3.0], [2.0, 10.0, 5.0], [3.0, 30.0, 9.0]]))
    >>> bool(np.allclose(x.sum(axis=1), 0))
    True
    >>> prepare(np.array([[1.0, 2.0], [1.0, 3.0]]), names=["l0h0", "l0h1"])
    Traceback (most recent call last):
    ...
    zeeman.errors.ZeemanError: expected columns that vary between rows, got constant columns l0h0; leave them out.
    """
    prepared = center_rows(standardize(matrix, names))
    return _whitened(prepared) if whiten else prepared


def standardize(matrix: NDArray[np.floating], names: Sequence[str] | None = None) -> Floats:
    """Z-score the columns, after refusing what has no scale; see :func:`prepare`."""
    values = np.array(matrix, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2:
        raise ZeemanError(
            f"expected a matrix of at least 2 rows and 2 columns, got shape {values.shape}; "
            "give one row a token and one column a component."
        )
    columns = [str(number) for number in range(values.shape[1])] if names is None else list(names)
    if len(columns) != values.shape[1]:
        raise ZeemanError(f"expected {values.shape[1]} names, one a column, got {len(columns)}; name every column.")
    _refuse_not_finite(values, columns)
    _refuse_rows(np.ptp(values, axis=1) <= SMALLEST_SPREAD * np.abs(values).max(axis=1))
    size = np.abs(values).max(axis=0)
    values /= np.where(size > 0, size, 1.0)
    values -= values.mean(axis=0)
    spread = values.std(axis=0)
    constant = spread <= SMALLEST_SPREAD
    if constant.any():
        flat = _listed([columns[j] for j in np.flatnonzero(constant)])
        raise ZeemanError(f"expected columns that vary between rows, got constant columns {flat}; leave them out.")
    values /= spread
    return values


def center_rows(standardized: Floats) -> Floats:
    """Take the mean over columns out of each row, in place; rows that vanish are refused."""
    standardized -= standardized.mean(axis=1, keepdims=True)
    _refuse_rows(np.abs(standardized).max(axis=1) <= SMALLEST_SPREAD)
    return standardized


def _refuse_rows(constant: NDArray[np.bool_]) -> None:
    if constant.any():
        rows = _listed([str(i) for i in np.flatnonzero(constant)])
        raise ZeemanError(f"expected rows that vary between columns, got constant rows {rows}; leave them out.")


def _refuse_not_finite(values: Floats, columns: list[str]) -> None:
    broken = ~np.isfinite(values)
    if not broken.any():
        return
    if broken.all(axis=0).any():
        kind, found = "columns", [columns[j] for j in np.flatnonzero(broken.all(axis=0))]
    else:
        kind, found = "rows", [str(i) for i in np.flatnonzero(broken.any(axis=1))]
    raise ZeemanError(f"expected finite values, got NaN or infinity in {kind} {_listed(found)}; leave them out.")


def _listed(found: list[str]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def _whitened(prepared: Floats) -> Floats:
    prepared = prepared - prepared.mean(axis=0)
    variances, axes = np.linalg.eigh(prepared.T @ prepared / len(prepared))
    kept = np.flatnonzero(variances > SMALLEST_SPREAD * variances[-1])[::-1]
    # an axis has no sign of its own: its largest loading is made positive
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    whitened: Floats = prepared @ (axes * signs)[:, kept] / np.sqrt(variances[kept])
    return whitened
