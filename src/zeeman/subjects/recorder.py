"""The live device: records a series of checkpoints, and watched losses, during a training."""

from __future__ import annotations

import contextlib
import json
import math
import operator
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from zeeman.errors import ZeemanError
from zeeman.subjects.huggingface import config_dict
from zeeman.subjects.sources import FORMAT, VERSION, find_factory
from zeeman.subjects.weights import WEIGHTS, preserved_randomness
from zeeman.subjects.wrappers import plain_name, unwrapped

Watch = Callable[[nn.Module], Mapping[str, float]]


class Recorder:
    """Saves log-spaced checkpoints, and more where watched losses move.

    A step is saved when it is the first, when ``step >= max(last + 1, ceil(last · ratio))`` with ``last`` the
    step saved before, when a watched loss has moved by more than ``sensitivity`` since then, and when it
    is the last. A checkpoint appears in the folder whole or not at all, so that a killed training leaves
    a readable series. The model's weights, mode and gradients and all random generators stay as they are.

    Parameters
    ----------
    folder : path
        New, or without a series in it.
    model : Module
        The network in training; wrappers of ``torch.compile``, data parallelism, nnsight and TransformerLens are
        taken off.
    watch : callable, optional
        Gives losses by name; called without gradients and in eval mode.
    watch_every : int
        The watch is called at multiples of this, and at every saved step.
    ratio : float
        Of one saved step to the one before, above 1.
    sensitivity : float
        In the unit of the watched losses, positive.
    factory : str or callable, optional
        Importable maker of the architecture, ``"module:function"``, called as ``factory(**config)``; annotated to
        return a ``torch.nn.Module``. Not needed for models of transformers.
    config : mapping, optional
        Its keyword arguments, of JSON values.
    name : str, optional
        Of the series; otherwise that of the folder.

    Raises
    ------
    ZeemanError
        For a setting out of range, a folder that holds a series or can't be written, a factory that
        can't be imported.

    Examples
    --------
    >>> import tempfile
    >>> from zeeman.subjects import Series
    >>> folder, model = tempfile.mkdtemp(), nn.Linear(2, 1)
    >>> with Recorder(folder, model, factory=nn.Linear, config={"in_features": 2, "out_features": 1}) as recorder:
    ...     for step in range(11):
    ...         recorder.step(step)
    >>> Series.from_folder(folder).steps
    [0, 1, 2, 3, 5, 7, 10]
    """

    def __init__(
        self,
        folder: str | Path,
        model: nn.Module,
        *,
        watch: Watch | None = None,
        watch_every: int = 25,
        ratio: float = 1.35,
        sensitivity: float = 0.5,
        factory: str | Callable[..., nn.Module] | None = None,
        config: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        _check_settings(watch_every, ratio, sensitivity)
        self.folder = Path(folder).expanduser()
        self.model = unwrapped(model)
        self.last_step: int | None = None
        self._watch, self._watch_every = watch, watch_every
        self._ratio, self._sensitivity = ratio, sensitivity
        self._saved_step: int | None = None
        self._saved_signals: dict[str, float] = {}
        self._loss: float | torch.Tensor | None = None
        # News of the last step, held back until it is known that it is not the last one, which close() saves:
        # the record has one line a step.
        self._pending: dict[str, float] | None = None
        self._open = True
        self._start(*_architecture(self.model, factory, config), name or self.folder.resolve().name)

    def step(self, step: int, loss: float | torch.Tensor | None = None) -> None:
        """Look at the model as it is after ``step`` updates; save it when that is due.

        Parameters
        ----------
        step : int
            Larger than at the call before.
        loss : float or scalar tensor, optional
            Training loss, for the record alone.

        Raises
        ------
        ZeemanError
            If the step does not grow, the recorder is closed, or writing fails.
        """
        step = operator.index(step)
        self._check_step(step)
        self._write_pending()
        self.last_step = step
        self._loss = loss.detach() if isinstance(loss, torch.Tensor) else loss
        looked = step % self._watch_every == 0
        due = self._is_due(step)
        signals = self._signals() if looked or due else {}
        saved = due or self._has_moved(signals)
        if saved:
            self._save(step, signals)
            self._append(step, self._loss, signals, True)
        elif signals or (looked and loss is not None):
            self._pending = signals

    def close(self) -> None:
        """Save the last step if it was not; a second call does nothing.

        Raises
        ------
        ZeemanError
            If writing fails.
        """
        if self._open and self.last_step is not None and self.last_step != self._saved_step:
            signals = self._signals() if self._pending is None else self._pending
            self._save(self.last_step, signals)
            self._append(self.last_step, self._loss, signals, True)
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_step(self, step: int) -> None:
        if not self._open:
            raise ZeemanError(f"The recorder of {self.folder} is closed; make a new one in another folder.")
        if step < 0 or (self.last_step is not None and step <= self.last_step):
            raise ZeemanError(
                f"Steps must be at least 0 and grow, got {step} after {self.last_step}; count optimizer updates."
            )

    def _write_pending(self) -> None:
        if self._pending is not None and self.last_step is not None:
            self._append(self.last_step, self._loss, self._pending, False)
        self._pending = None

    def _is_due(self, step: int) -> bool:
        last = self._saved_step
        return last is None or step >= max(last + 1, math.ceil(last * self._ratio))

    def _has_moved(self, signals: Mapping[str, float]) -> bool:
        """Whether a watched loss moved since the last save; one that leaves the finite numbers did."""
        pairs = [(value, self._saved_signals[name]) for name, value in signals.items() if name in self._saved_signals]
        return any(
            math.isfinite(value) != math.isfinite(before) or abs(value - before) > self._sensitivity
            for value, before in pairs
        )

    def _signals(self) -> dict[str, float]:
        if self._watch is None:
            return {}
        with _examined(self.model):
            return {str(name): _number(value) for name, value in self._watch(self.model).items()}

    def _start(self, factory: str | None, config: Mapping[str, Any], name: str) -> None:
        about = {"format": FORMAT, "version": VERSION, "name": name, "factory": factory, "config": dict(config)}
        try:
            text = json.dumps(about, indent=1)
        except (TypeError, ValueError) as error:
            raise ZeemanError(f"The config must hold JSON values alone ({error}); give numbers and strings.") from None
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            used = [child for child in self.folder.iterdir() if child.name.startswith("step") and child.is_dir()]
            if used or (self.folder / "series.json").exists():
                raise _occupied(self.folder)
            try:
                # Exclusive: of two recorders that start on one folder at once, one is refused.
                (self.folder / "record.jsonl").touch(exist_ok=False)
            except FileExistsError:
                raise _occupied(self.folder) from None
            temporary = self.folder / f".series.json.{os.getpid()}"
            temporary.write_text(text + "\n")
            _sync(temporary)
            os.replace(temporary, self.folder / "series.json")
            _sync(self.folder)

    def _save(self, step: int, signals: dict[str, float]) -> None:
        final = self.folder / f"step{step:08d}"
        temporary = self.folder / f".{final.name}.{os.getpid()}"
        state = _savable(self.model)
        try:
            with self._writing():
                temporary.mkdir()
                save_file(state, temporary / WEIGHTS)
                _sync(temporary / WEIGHTS)
                _sync(temporary)
                os.replace(temporary, final)
                _sync(self.folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        self._saved_step, self._saved_signals = step, signals

    def _append(self, step: int, loss: float | torch.Tensor | None, signals: Mapping[str, float], saved: bool) -> None:
        """Add a line; JSON has no NaN, so what is not finite becomes null."""
        value = None if loss is None else _number(loss)
        finite = {name: signal if math.isfinite(signal) else None for name, signal in signals.items()}
        row = {
            "step": step,
            "loss": value if value is not None and math.isfinite(value) else None,
            "signals": finite,
            "saved": saved,
        }
        with self._writing(), open(self.folder / "record.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            if saved:
                os.fsync(file.fileno())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell a failed write in one sentence, and write no more after it."""
        try:
            yield
        except (OSError, SafetensorError) as error:
            self._open = False
            said = getattr(error, "strerror", None) or str(error)
            raise ZeemanError(
                f"{self.folder} can't be written ({said}); free space there or choose another folder."
            ) from error


def _check_settings(watch_every: int, ratio: float, sensitivity: float) -> None:
    if watch_every < 1:
        raise ZeemanError(f"watch_every must be at least 1, got {watch_every}; try 25.")
    if not 1 < ratio < math.inf:
        raise ZeemanError(f"ratio must be a finite number above 1, got {ratio}; try 1.35.")
    if not 0 < sensitivity < math.inf:
        raise ZeemanError(f"sensitivity must be a positive finite number, got {sensitivity}; try 0.5.")


def _occupied(folder: Path) -> ZeemanError:
    return ZeemanError(f"{folder} already holds a series; choose another folder or empty it.")


def _architecture(
    model: nn.Module, factory: str | Callable[..., nn.Module] | None, config: Mapping[str, Any] | None
) -> tuple[str | None, Mapping[str, Any]]:
    """What to write down so that the folder alone can make the model again."""
    if factory is None:
        # A model of transformers can exist only if it was imported; importing it here would cost seconds.
        transformers = sys.modules.get("transformers")
        plain = all(plain_name(name) == name for name in model.state_dict())  # a bridge adds weights of its own
        if config is None and plain and transformers is not None and isinstance(model, transformers.PreTrainedModel):
            named = {**config_dict(model.config), "architectures": [type(model).__name__]}
            return "zeeman.subjects.sources:model_from_config", named
        return None, config or {}
    if not isinstance(factory, str):
        factory = f"{factory.__module__}:{factory.__qualname__}"
    if factory.startswith("__main__:"):
        raise ZeemanError(
            f"The factory {factory!r} is defined in the script that runs, where no other process finds it; move it to "
            "a module."
        )
    find_factory(factory)
    return factory, config or {}


def _savable(model: nn.Module) -> dict[str, torch.Tensor]:
    """State dict as safetensors takes it: on the CPU, contiguous, no memory shared by two names."""
    found: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, value in model.state_dict().items():
        if not isinstance(value, torch.Tensor):
            raise ZeemanError(
                f"{name!r} of the model's state dict is a {type(value).__name__} and no tensor, which can't be saved; "
                "record the part of the model without it."
            )
        tensor = value.detach().cpu().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        found[plain_name(name)] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    return found


def _number(value: float | torch.Tensor) -> float:
    return float(value.detach()) if isinstance(value, torch.Tensor) else float(value)


@contextlib.contextmanager
def _examined(model: nn.Module) -> Iterator[None]:
    """Eval mode without gradients; every module's mode and all random generators are put back."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        with preserved_randomness(), torch.no_grad():
            model.eval()
            yield
    finally:
        for module, training in modes:
            module.training = training


def _sync(path: Path) -> None:
    """Bring a file or the entries of a folder to the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
