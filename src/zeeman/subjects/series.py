"""A series of checkpoints: one network along its training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.subjects.checkpoint import Checkpoint
from zeeman.subjects.huggingface import open_huggingface
from zeeman.subjects.shelf import Shelf, cache_folder
from zeeman.subjects.sources import open_folder
from zeeman.subjects.weights import State, copy_state, preserved_randomness
from zeeman.subjects.wrappers import plain_name, unwrapped

if TYPE_CHECKING:
    from zeeman.subjects.verification import Verification


@dataclass(frozen=True, eq=False)
class Series:
    """Checkpoints of one training run, in the order of their steps.

    Parameters
    ----------
    name : str
    checkpoints : tuple of Checkpoint
        Not empty, no step twice; sorted by step here.
    make_model : callable
        Gives a fresh instance of the architecture; picklable.
    record : tuple of dict
        What the live device wrote: ``{"step", "loss", "signals", "saved"}``.

    Raises
    ------
    ZeemanError
        If there is no checkpoint or a step occurs twice.

    Examples
    --------
    >>> make = partial(nn.Linear, 2, 1)
    >>> series = Series.from_state_dicts([(1, make().state_dict()), (0, make().state_dict())], make)
    >>> series.steps, series.model(series.at(1)).training
    ([0, 1], False)
    """

    name: str
    checkpoints: tuple[Checkpoint, ...]
    make_model: Callable[[], nn.Module]
    record: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Sort the checkpoints and refuse what is no series."""
        if not self.checkpoints:
            raise ZeemanError(f"A series needs at least one checkpoint, {self.name!r} has none; give some.")
        found = tuple(sorted(self.checkpoints, key=lambda checkpoint: checkpoint.step))
        for one, other in pairwise(found):
            if one.step == other.step:
                raise ZeemanError(
                    f"Step {one.step} of series {self.name!r} is there twice, in {one.source} and in {other.source}; "
                    "remove one."
                )
        object.__setattr__(self, "checkpoints", found)

    @property
    def steps(self) -> list[int]:
        """Steps of the checkpoints, ascending."""
        return [checkpoint.step for checkpoint in self.checkpoints]

    def __len__(self) -> int:
        return len(self.checkpoints)

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self.checkpoints)

    def at(self, step: int) -> Checkpoint:
        """Give the checkpoint of a step.

        Raises
        ------
        ZeemanError
            If there is none; lists the steps that exist.
        """
        for checkpoint in self.checkpoints:
            if checkpoint.step == step:
                return checkpoint
        raise ZeemanError(
            f"Series {self.name!r} has no checkpoint at step {step}; it has {', '.join(map(str, self.steps))}."
        )

    def model(self, checkpoint: Checkpoint) -> nn.Module:
        """Make a fresh model with the weights of a checkpoint: in eval mode, without gradients.

        Raises
        ------
        ZeemanError
            If the weights do not fit the architecture, or can't be read.
        """
        state = checkpoint.load()
        with preserved_randomness():
            model = unwrapped(self.make_model())
        expected = model.state_dict()
        state = _under_names_of(expected, state)
        fault = _misfit(state, expected)
        if fault:
            raise ZeemanError(
                f"The checkpoint at step {checkpoint.step} ({checkpoint.source}) does not fit the model: {fault}; "
                "give checkpoints of one architecture, with the make_model that belongs to it."
            )
        model.load_state_dict(state)
        return model.eval().requires_grad_(False)

    def verify(self) -> Verification:
        """Look for faults in the series; see :func:`zeeman.subjects.verification.verify`."""
        from zeeman.subjects.verification import verify

        return verify(self)

    @classmethod
    def from_folder(cls, path: str | Path, make_model: Callable[[], nn.Module] | None = None) -> Series:
        """Read a folder of checkpoints: a zeeman run, or Hugging Face's ``checkpoint-500/``, ``step1000/``.

        Parameters
        ----------
        path : path
        make_model : callable, optional
            Gives the architecture when the folder does not know it or should not be asked.

        Raises
        ------
        ZeemanError
            If the folder does not exist, has no checkpoints, or holds a damaged one or different shapes.
        """
        return cls(*open_folder(Path(path).expanduser(), make_model))

    @classmethod
    def from_huggingface(
        cls, repo: str | Path, revisions: str | Sequence[str], disk_budget: int | None = None
    ) -> Series:
        """Read revisions of a Hugging Face repository; each is fetched when it is loaded.

        Parameters
        ----------
        repo : str
            Such as ``EleutherAI/pythia-14m``, or a local folder with one subfolder a revision.
        revisions : str or sequence of str
            Names; or ``step{0..143000}``: all that exist with a number in that range; or ``step{0,1,512}``.
        disk_budget : int or None
            Bytes of disk that fetched revisions may take: the longest unused are evicted, and fetched again when they
            are wanted again. None: all stay in the client's own cache.

        Raises
        ------
        ZeemanError
            If the repository can't be reached or has no such revisions.
        """
        if disk_budget is None:
            return cls(*open_huggingface(str(repo), revisions))
        return cls(*open_huggingface(str(repo), revisions, Shelf(cache_folder(), disk_budget).load))

    @classmethod
    def from_state_dicts(
        cls,
        states: Iterable[tuple[int, Mapping[str, torch.Tensor]]],
        make_model: Callable[[], nn.Module],
        name: str = "series",
    ) -> Series:
        """Take state dicts from memory; they are copied, since a live model's state dict changes under training.

        Parameters
        ----------
        states : iterable of (step, state dict)
        make_model : callable
            Gives a fresh instance of the architecture.
        name : str
        """
        found = tuple(
            Checkpoint(step, partial(copy_state, copy_state(state)), f"state dict of step {step}")
            for step, state in states
        )
        return cls(name, found, make_model)

    @classmethod
    def from_spec(cls, text: str, disk_budget: int | None = None) -> Series:
        """Read what a user wrote on the command line: a folder, or ``repository@revisions``.

        Parameters
        ----------
        text : str
            ``runs/one`` or ``EleutherAI/pythia-14m@step{0..143000}``.
        disk_budget : int or None
            As for `from_huggingface`.

        Raises
        ------
        ZeemanError
            If it is neither.
        """
        repo, at, revisions = text.rpartition("@")
        if Path(text).expanduser().exists() or not at:
            return cls.from_folder(text)
        if not repo or not revisions:
            raise ZeemanError(
                f"Expected a folder or repository@revisions, got {text!r}; write for example "
                "EleutherAI/pythia-14m@step{0..143000}."
            )
        return cls.from_huggingface(repo, revisions, disk_budget)


def _under_names_of(expected: Mapping[str, torch.Tensor], state: State) -> State:
    """Weights under the names of a model, in which a bridge may have put something, or the same tensor twice."""
    plain = {plain_name(name): tensor for name, tensor in state.items()}
    wanted = {plain_name(name) for name in expected}
    found = {name: plain[plain_name(name)] for name in expected if plain_name(name) in plain}
    return found | {name: tensor for name, tensor in state.items() if plain_name(name) not in wanted}


def _misfit(state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> str:
    """Say the first thing that keeps a state dict from fitting, or nothing."""
    for name in sorted(expected.keys() | state.keys()):
        if name not in state:
            return f"it has no {name!r}"
        if name not in expected:
            return f"the model has no {name!r}"
        have, want = tuple(state[name].shape), tuple(expected[name].shape)
        if have != want:
            return f"{name!r} has shape {have} in the checkpoint and {want} in the model"
    return ""
