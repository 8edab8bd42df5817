"""Control variates for t⟨K⟩: functions of the draws whose mean is 0 by Stein's identity, and which follow t K."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.sampling.moves import Field

Floats = NDArray[np.float64]

MOST = 64
"""So many controls at most; more weights share one."""
WALLS = (2, 8)
"""In a box fields are u(1 − u^p), which vanish at its walls, with these powers p."""
FOLDS = 4
"""Coefficients for a quarter of the walkers come from the others, so that they add no bias."""
NEIGHBOURS = 6
"""Rungs on either side that decide together how far the controls are to be followed."""
SMALLEST = 1e-9
"""Directions among the normalized controls with less than this share of their variance are left out."""


def controls(field: Field, points: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Evaluate the controls at points.

    For a vector field v that vanishes on the walls, integration by parts of div(v exp{−t K − (γ/2)‖u‖²}) gives

        E[t v·∇K + γ v·u − div v] = 0,    u = w − w*.

    With v_i = u_i on one weight, or u_i (1 − (u_i/domain)^p) in a box, t v·∇K follows t K wherever K is nearly
    homogeneous in some weights: on w₁² w₂² the two together leave 2 % of the variance of t K. (Zero-variance or Stein
    control variates: Assaraf and Caffarel 1999; Mira, Solgi and Imparato 2013; Oates, Girolami and Chopin 2017.)

    Parameters
    ----------
    field : Field
    points : Tensor, shape (rungs, walkers, d)
    t : Tensor, shape (rungs, 1)

    Returns
    -------
    Tensor, shape (rungs, walkers, k)
        With k ≤ 64: neighbouring weights are added up where there are more.

    Examples
    --------
    >>> import torch
    >>> field = Field(lambda w: (w**2).sum(-1), torch.zeros(1), None, 1.0)
    >>> w = torch.randn(1, 10**5, 1, generator=torch.Generator().manual_seed(0)) / 7**0.5  # t = 3: precision 2t + γ
    >>> abs(float(controls(field, w, torch.tensor([[3.0]])).mean())) < 0.02
    True
    """
    _, gradient = field.slope(points)
    u = points - field.center
    force = (t[..., None] * gradient + field.localization * u) * u
    if field.domain is None:
        return _shared(force - 1, MOST)
    wall = u / field.domain
    kinds = [force * (1 - wall**p) - (1 - (p + 1) * wall**p) for p in WALLS]
    return torch.cat([_shared(kind, MOST // len(WALLS)) for kind in kinds], -1)


def _shared(values: torch.Tensor, most: int) -> torch.Tensor:
    """Add up neighbours along the last axis until there are at most so many."""
    count = values.shape[-1]
    if count <= most:
        return values
    group = torch.arange(count) * most // count
    return torch.zeros(*values.shape[:-1], most, dtype=values.dtype).index_add_(-1, group, values)


class ControlSums:
    """Sums over draws from which t⟨K⟩ of each walker is read with its controls.

    Parameters
    ----------
    field : Field
    t : Tensor, shape (rungs, 1)
    num_draws : int

    Examples
    --------
    >>> import torch
    >>> field, t = Field(lambda w: (w**2).sum(-1), torch.zeros(1), None, 1.0), torch.tensor([[3.0]])
    >>> sums, noise = ControlSums(field, t, 50), torch.Generator().manual_seed(0)
    >>> for _ in range(50):
    ...     w = torch.randn(1, 16, 1, generator=noise, dtype=torch.float64) / 7**0.5
    ...     sums.add(w, (w**2).sum(-1))
    >>> sums.level().shape, bool(np.allclose(sums.level(), 3 / 7))  # K is quadratic, so that the control is exact
    ((2, 16, 1), True)
    """

    def __init__(self, field: Field, t: torch.Tensor, num_draws: int) -> None:
        self.field, self.t, self.half = field, t, num_draws // 2
        self.count = [self.half, num_draws - self.half]
        self.seen = 0
        self.means, self.products = torch.zeros(0), torch.zeros(0)

    def add(self, points: torch.Tensor, energy: torch.Tensor) -> None:
        """Take in the next draw: points (rungs, walkers, d) and K there."""
        both = torch.cat([controls(self.field, points, self.t), (self.t * energy)[..., None]], -1)
        if not self.seen:
            rungs, walkers, k = both.shape
            self.means = torch.zeros(2, rungs, walkers, k, dtype=both.dtype)
            self.products = torch.zeros(FOLDS, rungs, k, k, dtype=both.dtype)
        which = int(self.seen >= self.half)
        self.means[which] += both / self.count[which]
        for fold in range(FOLDS):
            part = both[:, fold::FOLDS]
            self.products[fold].baddbmm_(part.transpose(1, 2), part)
        self.seen += 1

    def level(self) -> Floats:
        """t⟨K⟩ of the walkers in the first and in the second half of the draws, shape (2, walkers, rungs)."""
        plain, means = self.means[..., -1].numpy(), self._means_of_fit()
        share = _shares(*(np.tensordot(np.asarray(self.count) / self.seen, x, axes=1) for x in (plain, means)))
        return np.asarray((plain - share[:, None] * means).transpose(0, 2, 1), np.float64)

    def _means_of_fit(self) -> Floats:
        """Mean of the combination of controls that follows t K from draw to draw, shape (2, rungs, walkers).

        For a quarter of the walkers its coefficients come from the others.
        """
        means, products = self.means.numpy(), self.products.numpy()
        overall = np.tensordot(np.asarray(self.count) / self.seen, means, axes=1)
        found, walkers = np.empty(means.shape[:-1]), np.arange(means.shape[2])
        for fold in range(FOLDS):
            others = walkers % FOLDS != fold
            second = (products.sum(axis=0) - products[fold]) / (self.seen * others.sum())
            middle = overall[:, others].mean(axis=1)
            second -= middle[:, :, None] * middle[:, None, :]
            for rung in range(len(middle)):
                weights = _coefficients(second[rung, :-1, :-1], second[rung, :-1, -1])
                found[:, rung, ~others] = means[:, rung][:, ~others, :-1] @ weights
        return found


def _shares(plain: Floats, means: Floats) -> Floats:
    """Share of the fitted controls to subtract on each rung, so that walkers differ least; both (rungs, walkers).

    Controls hold where a walker stands on the zero set, which t K may not feel and which takes long to forget: then the
    fit follows t K from draw to draw, but its mean wanders more than that of t K, or is not 0 at all since walkers have
    not been everywhere. The share Cov(plain, means)/(Var means + max(0, N mean² − 4 Var means)) over N walkers, taken
    together with some neighbouring rungs, is the best one in the first case, and small in the second, where the mean is
    beyond two of its standard errors.
    """
    centred = means - means.mean(axis=1, keepdims=True)
    scale = np.maximum(plain.var(axis=1), np.finfo(np.float64).tiny)
    common = (plain * centred).mean(axis=1) / scale
    apart = (centred**2).mean(axis=1) / scale
    offset = means.shape[1] * means.mean(axis=1) ** 2 / scale
    window = [slice(max(rung - NEIGHBOURS, 0), rung + NEIGHBOURS + 1) for rung in range(len(scale))]
    size = np.array([apart[near].sum() + max(0.0, offset[near].sum() - 4 * apart[near].sum()) for near in window])
    together = np.array([common[near].sum() for near in window])
    shares: Floats = np.clip(np.divide(together, size, out=np.zeros_like(size), where=size > 0), 0.0, 1.0)
    return shares


def _coefficients(variance: Floats, covariance: Floats) -> Floats:
    """Coefficients that take most of the variance away; 0 for controls that are not finite."""
    size = np.sqrt(np.diagonal(variance))
    if not np.isfinite(variance).all() or not np.isfinite(covariance).all():
        return np.zeros_like(covariance)
    size = np.where(size > 0, size, 1.0)
    roots, vectors = np.linalg.eigh(variance / np.outer(size, size))
    inverse = np.where(roots > SMALLEST * roots[-1], 1 / np.maximum(roots, 1e-300), 0.0)
    return np.asarray((vectors * inverse) @ (vectors.T @ (covariance / size)) / size, np.float64)
