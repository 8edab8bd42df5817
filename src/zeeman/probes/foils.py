"""Wrong answers that a right one must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.probes.arrays import checked_rows, checked_sizes


@dataclass(frozen=True, eq=False)
class Foils:
    """Rows that end in a wrong answer, each set against a row of a probe that ends in the right one.

    Parameters
    ----------
    inputs : integer array, shape (m, T)
        Token ids, in rows as long as the probe's; kept as a read-only copy.
    scored : bool array, shape (m, T)
        The tokens of each answer.
    against : integer array, shape (m,)
        The row of the probe that each stands against.
    sizes : array, shape (m,), or None
        What the log-likelihood of each answer is divided by before answers are compared, as for the probe.

    Raises
    ------
    ZeemanError
        If a field does not fit this description.

    Examples
    --------
    >>> foils = Foils(np.array([[0, 2], [0, 3]]), np.array([[False, True]] * 2), np.array([0, 0]))
    >>> len(foils.inputs), foils.against.tolist()
    (2, [0, 0])
    """

    inputs: NDArray[np.int64]
    scored: NDArray[np.bool_]
    against: NDArray[np.int64]
    sizes: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Check every field and freeze the arrays."""
        inputs, scored = checked_rows("(foils)", self.inputs, self.scored)
        against = np.array(self.against)
        if against.shape != (len(inputs),) or against.dtype.kind not in "iu" or (against < 0).any():
            raise ZeemanError(
                f"foils must say for each of their {len(inputs)} rows the row that it stands against, "
                f"got {self.against!r:.60}."
            )
        against = against.astype(np.int64)
        against.setflags(write=False)
        if not scored.any(axis=1).all():
            raise ZeemanError("each foil needs a scored position; score the tokens of its answer.")
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "scored", scored)
        object.__setattr__(self, "against", against)
        if self.sizes is not None:
            object.__setattr__(self, "sizes", checked_sizes("(foils)", self.sizes, len(inputs)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild through the constructor, because a pickled array forgets that it is read-only."""
        return Foils, (self.inputs, self.scored, self.against, self.sizes)

    def to_bytes(self) -> bytes:
        """All that determines what is measured, for a digest."""
        sizes = b"" if self.sizes is None else self.sizes.astype("<f8").tobytes()
        head = f"foils {self.inputs.shape}{'' if self.sizes is None else ' sized'}".encode()
        return head + self.inputs.astype("<i8").tobytes() + self.scored.tobytes() + self.against.tobytes() + sizes
