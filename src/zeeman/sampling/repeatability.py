"""Whether a loss is a function of weights and rows alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.sampling.posterior import Loss, masked

MAX_CHANGE = 1e-4


def require_repeatable(model: nn.Module, loss: Loss, batch: Any) -> None:
    """Demand that two calls of a loss at the same weights and rows agree up to rounding.

    ΔL = ℓ(w) − ℓ(w*) means nothing when ℓ(w*) changes from call to call. Models are copied in evaluation mode, which
    stills dropout layers; a loss may still draw at random, by ``dropout`` as a function, augmentation or sampling.

    Parameters
    ----------
    model : Module
    loss : callable
        As for `LocalPosterior`.
    batch : Any
        What the loss reads, a minibatch say.

    Raises
    ------
    ZeemanError
        If some loss changes by more than 1e-4 of the largest.

    Examples
    --------
    >>> require_repeatable(nn.Identity(), lambda model, x: model(x) ** 2, torch.arange(3.0))
    >>> noisy = lambda model, x: nn.functional.dropout(model(x))
    >>> require_repeatable(nn.Identity(), noisy, torch.ones(100))
    Traceback (most recent call last):
        ...
    zeeman.errors.ZeemanError: the loss must be a function of weights and rows alone, but two calls at the same ...
    """
    with torch.no_grad():
        first, second = (masked(loss(model, batch))[0] for _ in range(2))
    change, largest = float((first - second).abs().max()), float(first.abs().max())
    if change > MAX_CHANGE * largest:
        raise ZeemanError(
            f"the loss must be a function of weights and rows alone, but two calls at the same ones differ by "
            f"{change:.3g}; turn off its dropout, augmentation or sampling."
        )
