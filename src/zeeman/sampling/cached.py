"""Losses of a moving model in which whatever no moving weight reaches runs once a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import nn

from zeeman.sampling.noise import Noise
from zeeman.sampling.posterior import rows_of
from zeeman.sampling.walk import Walk

_HELD = 1e4
"""Localization of the trial where the posterior has none."""


class CachedLosses:
    """ℓ(w) of one batch at many points w, without the arithmetic that is the same at all of them.

    A module whose output does not depend on the weights that move gives at every point what it gave at the first: the
    blocks below the lowest moving one, and in that block the branches beside the moving one. Autograd says which these
    are: where the moving weights alone ask for a gradient, they are the modules whose inputs and outputs ask for none.
    No architecture is known by name. What is no module, such as a loss or a bare potential, always runs.

    The remaining arithmetic is that of the plain pass, so the losses are equal bit for bit. That is tried on one row a
    draw away from w*; a model that fails (since it changes a kept output in place, or hides a dependence from autograd)
    runs plainly.

    Parameters
    ----------
    walk : Walk
        A chain at w*. Modules of its model are changed until `close`; the user's model is not. Passes through it that
        are not asked for here run as ever.
    *batches : Any
        Rows of which the first is tried.

    Examples
    --------
    >>> from zeeman.sampling import LocalPosterior
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    >>> last = LocalPosterior(model, torch.ones(4, 3), lambda m, x: m(x)[:, 0], component="l1")
    >>> cached = CachedLosses(Walk(last), last.data)
    >>> cached.num_kept, tuple(cached.open(last.data).shape), cached.kept_bytes
    (2, (4,), 64)
    """

    def __init__(self, walk: Walk, *batches: Any) -> None:
        self.walk = walk
        tried = [rows_of(batch, slice(0, 1)) for batch in batches]
        self._batch = tried[0] if tried else None
        self._stubs = [_Stub(module) for module in _still_modules(walk, self._batch)] if tried else []
        if self._stubs and not all(map(self._is_sound, tried)):
            self.close()

    @property
    def num_kept(self) -> int:
        """Modules whose outputs are kept."""
        return len(self._stubs)

    @property
    def kept_bytes(self) -> int:
        """Memory of what is kept of the open batch."""
        storages = [t.untyped_storage() for stub in self._stubs if stub.kept for t in stub.kept.tensors]
        return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())

    def open(self, batch: Any) -> torch.Tensor:
        """Turn to a batch and give its losses at the weights as they are, by the plain pass."""
        self.turn(batch)
        return self.losses()

    def losses(self) -> torch.Tensor:
        """Give the losses of the open batch at the weights as they are."""
        for stub in self._stubs:
            stub.on = True
        try:
            with torch.no_grad():
                return self.walk.losses(self._batch)[0]
        finally:
            for stub in self._stubs:
                stub.on = False

    def kept(self) -> list[Kept | None]:
        """Give what is kept of the open batch, to come back to it."""
        return [stub.kept for stub in self._stubs]

    def turn(self, batch: Any, kept: Sequence[Kept | None] = ()) -> None:
        """Turn to a batch, with what was kept of it when it was open before."""
        self._batch = batch
        for stub, one in zip_longest(self._stubs, kept):
            stub.kept = one

    def close(self) -> None:
        """Give the modules their own forward pass back, and the memory free."""
        for stub in self._stubs:
            stub.remove()
        self._stubs = []

    def _is_sound(self, batch: Any) -> bool:
        self.open(batch)
        self.walk.place(self.walk.whole_noise(Noise(0, 0), 0), (self.walk.posterior.localization or _HELD) ** -0.5)
        found = self.losses()
        intact = all(stub.is_intact for stub in self._stubs)
        sound = intact and torch.equal(found, self.open(batch))
        self.walk.restore(self.walk.center)
        return sound


@dataclass(frozen=True, eq=False)
class Kept:
    """What a module gave, with its tensors and how often they had been written to."""

    output: Any
    tensors: list[torch.Tensor]
    versions: list[int]


class _Stub:
    """Stands in for a module's forward pass: while on, runs it once, and then returns what it gave."""

    def __init__(self, module: nn.Module) -> None:
        self._module, self._own = module, module.__dict__.get("forward")
        self._run: Callable[..., Any] = module.forward
        self.on = False
        self.kept: Kept | None = None
        module.__dict__["forward"] = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.on:
            return self._run(*args, **kwargs)
        if self.kept is None:
            output = self._run(*args, **kwargs)
            tensors = list(_tensors(output))
            self.kept = Kept(output, tensors, [tensor._version for tensor in tensors])
        return self.kept.output

    @property
    def is_intact(self) -> bool:
        """Whether nobody wrote into the output since it was kept."""
        return self.kept is None or self.kept.versions == [tensor._version for tensor in self.kept.tensors]

    def remove(self) -> None:
        self.kept = None
        del self._module.__dict__["forward"]
        if self._own is not None:
            self._module.__dict__["forward"] = self._own


def _still_modules(walk: Walk, batch: Any) -> list[nn.Module]:
    """Outermost modules that run once in a pass and that no moving weight reaches."""
    calls: Counter[nn.Module] = Counter()
    reached: set[nn.Module] = set()

    def note(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        calls[module] += 1
        if not _is_plain(output) or any(tensor.requires_grad for tensor in _tensors((args, kwargs, output))):
            reached.add(module)

    hooks = [module.register_forward_hook(note, with_kwargs=True) for module in walk.model.modules()]
    try:
        with torch.enable_grad():
            walk.losses(batch)
    finally:
        for hook in hooks:
            hook.remove()
    moving = set(walk.parameters)
    still = [m for m, n in calls.items() if n == 1 and m not in reached and moving.isdisjoint(m.parameters())]
    inner = {inside for module in still for inside in module.modules() if inside is not module}
    return [module for module in still if module not in inner]


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """Tensors in nested containers."""
    if isinstance(value, torch.Tensor):
        yield value
    for part in _parts(value):
        yield from _tensors(part)


def _is_plain(value: Any) -> bool:
    """Whether a value consists of tensors in plain containers, of which a copy is as good."""
    if isinstance(value, tuple | list | dict):
        return all(map(_is_plain, _parts(value)))
    return value is None or isinstance(value, torch.Tensor)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, tuple | list) else ()
