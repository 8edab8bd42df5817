"""Curvature of the data loss: products with its Hessian, and the Lanczos process that they drive."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel

from zeeman.errors import ZeemanError
from zeeman.sampling.noise import Noise
from zeeman.sampling.posterior import LocalPosterior, masked, walker

LARGEST_WHOLE = 4096
"""Weights whose Hessian is computed whole: 128 MiB, a head of the demo."""
BREAKDOWN = 1e-5
"""A residual below this share of the largest coefficient is rounding: the Krylov space is exhausted."""


@dataclass(frozen=True, eq=False)
class Tridiagonal:
    """What the Lanczos process leaves of a symmetric operator and a starting vector.

    Parameters
    ----------
    diagonal : array, shape (steps,)
        α_j = q_j·H q_j; NaN after the Krylov space was exhausted.
    off_diagonal : array, shape (steps,)
        β_j = ‖H q_j − α_j q_j − β_{j−1} q_{j−1}‖; the last one bounds the error of the Ritz values.
    """

    diagonal: NDArray[np.float64]
    off_diagonal: NDArray[np.float64]


class Hessian:
    """H v for the Hessian H of the mean loss of the data at w*, over the weights of the posterior's component.

    Exact differentiation (Pearlmutter 1994): the gradient of g·v, summed over batches of rows. The model is a copy.

    Parameters
    ----------
    posterior : LocalPosterior
        Its data, loss, component and ``batch_size`` are used; nβ and γ are not.

    Examples
    --------
    >>> posterior = LocalPosterior.potential(lambda w: w[0] ** 2 + 3 * w[0] * w[1], torch.ones(2))
    >>> Hessian(posterior)(torch.tensor([1.0, 0.0])).tolist()
    [2.0, 3.0]
    """

    def __init__(self, posterior: LocalPosterior) -> None:
        self.posterior = posterior
        self.model, moving = walker(posterior)
        self.names, self.parameters = list(moving), list(moving.values())
        boxes = posterior.component.slices
        self.boxes = [(i, box) for i, name in enumerate(self.names) for box in boxes[name]]

    @property
    def dimension(self) -> int:
        """Number of weights that move."""
        return self.posterior.num_parameters

    def __call__(self, vector: torch.Tensor) -> torch.Tensor:
        """Multiply a flat vector, shape (d,), by H."""
        direction = self._spread(vector)
        total, weight = torch.zeros_like(vector), 0.0
        size = self.posterior.batch_size or self.posterior.num_rows
        # The fused attention of the CPU has no second derivative.
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            for start in range(0, self.posterior.num_rows, size):
                losses, weights = masked(
                    self.posterior.loss(self.model, self.posterior.rows(slice(start, start + size)))
                )
                total += self._flat(self._product((losses * weights).sum(), direction))
                weight += float(weights.sum())
        return total / weight

    def _product(self, loss: torch.Tensor, direction: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        gradient = torch.autograd.grad(
            loss, self.parameters, create_graph=True, allow_unused=True, materialize_grads=True
        )
        along = sum((g * v).sum() for g, v in zip(gradient, direction, strict=True))
        assert isinstance(along, torch.Tensor)
        if along.grad_fn is None:  # a loss that is linear in the weights
            return tuple(torch.zeros_like(p) for p in self.parameters)
        return torch.autograd.grad(along, self.parameters, allow_unused=True, materialize_grads=True)

    def _spread(self, vector: torch.Tensor) -> list[torch.Tensor]:
        out = [torch.zeros_like(p) for p in self.parameters]
        at = 0
        for i, box in self.boxes:
            part = out[i][box]
            part.copy_(vector[at : at + part.numel()].view(part.shape))
            at += part.numel()
        return out

    def _flat(self, tensors: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return torch.cat([tensors[i][box].reshape(-1) for i, box in self.boxes]).detach()

    def probe(self, index: int) -> torch.Tensor:
        """Give a vector of random signs, a function of the index and the names of the parameters alone."""
        wanted = [(f"curvature {name}", 0, p.numel()) for name, p in zip(self.names, self.parameters, strict=True)]
        noise = Noise(0, index).normal(0, wanted)
        whole = tuple(n.view(p.shape) for n, p in zip(noise, self.parameters, strict=True))
        return torch.where(self._flat(whole) < 0, -1.0, 1.0).to(self.parameters[0].dtype)


def flattest_directions(posterior: LocalPosterior, count: int) -> torch.Tensor:
    """Directions in which the Hessian of the data loss is least in absolute value, least first.

    The whole Hessian is computed, so the component must be small.

    Parameters
    ----------
    posterior : LocalPosterior
    count : int

    Returns
    -------
    Tensor of float64, shape (d, count)
        Orthonormal columns.

    Raises
    ------
    ZeemanError
        If more than 4,096 weights move, or fewer than ``count``.

    Examples
    --------
    >>> posterior = LocalPosterior.potential(lambda w: (w[0] + w[1]) ** 2, torch.zeros(2))
    >>> flattest_directions(posterior, 1).abs().round(decimals=4).tolist()
    [[0.7071], [0.7071]]
    """
    product = Hessian(posterior)
    if not count <= product.dimension <= LARGEST_WHOLE:
        raise ZeemanError(
            f"the whole Hessian of {product.dimension} weights was asked for {count} directions; choose a component "
            f"of at least {count} and at most {LARGEST_WHOLE} weights, such as a head."
        )
    identity = torch.eye(product.dimension, dtype=product.parameters[0].dtype)
    whole = torch.stack([product(row) for row in identity]).double()
    values, vectors = torch.linalg.eigh((whole + whole.T) / 2)
    chosen: torch.Tensor = vectors[:, values.abs().argsort()[:count]]
    return chosen


def lanczos(product: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor, num_steps: int) -> Tridiagonal:
    """Run the Lanczos process with full reorthogonalization.

    H Q = Q T + β_k q_{k+1} e_kᵀ with orthonormal Q: the quadrature of T is that of the spectral measure of H seen from
    the starting vector, exact for polynomials up to degree 2k − 1 (Golub and Meurant 2010).

    Parameters
    ----------
    product : callable
        v ↦ H v.
    start : Tensor, shape (d,)
        Its length does not matter.
    num_steps : int
        k, at least 1; stops early where the Krylov space is exhausted.

    Returns
    -------
    Tridiagonal

    Raises
    ------
    ZeemanError
        If ``num_steps`` is below 1, or the products are not finite.

    Examples
    --------
    >>> values = torch.tensor([1.0, 2.0, 5.0])
    >>> found = lanczos(lambda v: values * v, torch.ones(3), 3)
    >>> round(float(found.diagonal.sum()), 4)
    8.0
    """
    if num_steps < 1:
        raise ZeemanError(f"num_steps must be at least 1, got {num_steps}; choose a larger one.")
    alpha, beta = np.full(num_steps, np.nan), np.full(num_steps, np.nan)
    basis = torch.zeros(min(num_steps, len(start)) + 1, len(start), dtype=start.dtype)
    basis[0] = start / torch.linalg.vector_norm(start)
    for j in range(min(num_steps, len(start))):
        image = product(basis[j])
        alpha[j] = float(image @ basis[j])
        for _ in range(2):  # twice is enough (Kahan and Parlett)
            image = image - basis[: j + 1].T @ (basis[: j + 1] @ image)
        beta[j] = float(torch.linalg.vector_norm(image))
        if not math.isfinite(beta[j]):
            raise ZeemanError("the curvature of the loss is not finite here; look at the losses of this checkpoint.")
        if beta[j] <= BREAKDOWN * max(np.nanmax(np.abs(alpha)), np.nanmax(beta), 1e-30):
            beta[j] = 0.0
            break
        basis[j + 1] = image / beta[j]
    return Tridiagonal(alpha, beta)
