"""One checkpoint of a network and the digest of its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch


def tensor_digest(tensor: torch.Tensor) -> str:
    """Hash the dtype, shape and bytes of a tensor.

    Parameters
    ----------
    tensor : Tensor
        Of any shape and dtype, on any device.

    Returns
    -------
    str
        SHA-256, hexadecimal.

    Examples
    --------
    >>> tensor_digest(torch.zeros(2, 3)) == tensor_digest(torch.zeros(3, 2).T)
    True
    >>> tensor_digest(torch.zeros(2, 3)) == tensor_digest(torch.zeros(3, 2))
    False
    """
    found = hashlib.sha256(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
    # Bytes and not numbers: bfloat16 has no numpy type, and NaN or -0.0 must count as what they are.
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    found.update(flat.view(torch.uint8).numpy().data)
    return found.hexdigest()


def state_digest(tensors: Mapping[str, str]) -> str:
    """Hash a state dict, given the digest of each of its tensors; the order of the names does not matter.

    Parameters
    ----------
    tensors : mapping of str to str
        Digest of each tensor, from :func:`tensor_digest`, by name.

    Returns
    -------
    str
        SHA-256, hexadecimal.

    Examples
    --------
    >>> state_digest({"a": "1", "b": "2"}) == state_digest({"b": "2", "a": "1"})
    True
    """
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(f"{name}\0{tensors[name]}\n".encode())
    return found.hexdigest()


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The weights of a network at one step of its training, loaded when asked for.

    Parameters
    ----------
    step : int
        Training step.
    load : callable
        Gives the state dict on the CPU; must be picklable, so that workers can load it too.
    source : str
        Where it came from, for messages.

    Examples
    --------
    >>> checkpoint = Checkpoint(3, lambda: {"weight": torch.ones(2)}, "memory")
    >>> checkpoint.step, len(checkpoint.digest)
    (3, 64)
    """

    step: int
    load: Callable[[], dict[str, torch.Tensor]]
    source: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the sorted (name, dtype, shape, bytes) of all tensors."""
        return state_digest({name: tensor_digest(tensor) for name, tensor in self.load().items()})
