"""The network inside what others put around it."""

from __future__ import annotations

from typing import Any

from torch import nn

from zeeman.errors import ZeemanError

_INSERTED = "._original_component"
"""What a bridge of TransformerLens puts into the names of parameters where it has wrapped a module in place."""


def unwrapped(model: Any) -> nn.Module:
    """Take off what torch.compile, data parallelism, nnsight and TransformerLens' bridge put around a network.

    Parameters
    ----------
    model : Module or object
        A network, or a wrapper that holds it as ``_orig_mod``, ``module``, ``_module`` or ``original_model``.

    Returns
    -------
    Module
        The same object that the wrapper holds, no copy.

    Raises
    ------
    ZeemanError
        If there is no network in it, or a bridge keeps projections twice.

    Examples
    --------
    >>> model = nn.Linear(2, 1)
    >>> unwrapped(nn.DataParallel(model)) is model
    True
    """
    inner = _inside(model)
    if inner is not None:
        return unwrapped(inner)
    if not isinstance(model, nn.Module):
        raise ZeemanError(
            f"Expected a torch.nn.Module, or an object of nnsight or TransformerLens around one, got "
            f"{type(model).__name__}; give the network itself."
        )
    if any("JointQKV" in type(module).__name__ for module in model.modules()):
        raise ZeemanError(
            "A TransformerBridge keeps fused projections a second time, split, so that it can't be told which weights "
            "act; give the Hugging Face model that it was made from."
        )
    return model


def _inside(model: Any) -> nn.Module | None:
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        found: Any = model.module
    elif isinstance(model, nn.Module):
        found = getattr(model, "_orig_mod", None) or getattr(model, "original_model", None)
    else:
        found = getattr(model, "_module", None)
    return found if isinstance(found, nn.Module) else None


def plain_name(name: str) -> str:
    """Name of a parameter without what a bridge put into it.

    Examples
    --------
    >>> plain_name("h.0._original_component.mlp.weight")
    'h.0.mlp.weight'
    """
    return name.replace(_INSERTED, "")
