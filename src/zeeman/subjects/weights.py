"""Weights on the disk and in memory, and the peace of the random generators."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from zeeman.errors import ZeemanError

WEIGHTS = "model.safetensors"

State = dict[str, torch.Tensor]


@contextlib.contextmanager
def preserved_randomness() -> Iterator[None]:
    """Put the global random generators of Python, numpy and torch (all devices) back as they were.

    Examples
    --------
    >>> before = torch.get_rng_state()
    >>> with preserved_randomness():
    ...     _ = torch.rand(3)
    >>> torch.equal(before, torch.get_rng_state())
    True
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        # Every device in use: a watch may draw on any of them. A device that was never used has no state to lose.
        used = torch.cuda.is_available() and bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
        with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if used else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def copy_state(state: Mapping[str, torch.Tensor]) -> State:
    """Copy a state dict to the CPU.

    Examples
    --------
    >>> state = {"w": torch.zeros(1)}
    >>> copy_state(state)["w"].add_(1), state["w"]
    (tensor([1.]), tensor([0.]))
    """
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}


def load_weights(path: Path) -> State:
    """Read one safetensors file.

    Raises
    ------
    ZeemanError
        If it is missing or damaged.
    """
    try:
        loaded: State = load_file(path)
    except (SafetensorError, OSError) as error:
        raise damaged(path, error) from None
    return loaded


def check_weights(folders: list[Path]) -> None:
    """Read the headers of safetensors files alone, so that a fault is told before hours of work.

    Parameters
    ----------
    folders : list of Path
        One a checkpoint.

    Raises
    ------
    ZeemanError
        If a file is damaged, or a tensor has another shape than in an earlier folder.
    """
    seen: dict[str, tuple[list[int], Path]] = {}
    for folder in folders:
        for name, shape in header_shapes(folder).items():
            first, where = seen.setdefault(name, (shape, folder))
            if first != shape:
                raise ZeemanError(
                    f"The checkpoints are not of one architecture: {name!r} has shape {tuple(first)} in {where} and "
                    f"{tuple(shape)} in {folder}; keep one architecture in a folder."
                )


def header_shapes(folder: Path) -> dict[str, list[int]]:
    """Read the shapes of all tensors in a folder's safetensors files, from the headers alone.

    Raises
    ------
    ZeemanError
        If a file is damaged or shorter than its header says.
    """
    found: dict[str, list[int]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "pt") as opened:
                found |= {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise damaged(file, error) from None
    return found


def damaged(path: Path | str, error: Exception) -> ZeemanError:
    """Tell that a file or folder can't be read."""
    said = " ".join(str(error).split()).rstrip(".")
    return ZeemanError(
        f"{path} is damaged or cut short ({said[:200]}); fetch it again, or delete that checkpoint to go on without it."
    )
