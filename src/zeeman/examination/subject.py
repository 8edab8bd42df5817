"""What an examination looks at: a series, a library, and how losses are made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from zeeman.errors import ZeemanError
from zeeman.probes import Library, Probe
from zeeman.sampling import LocalPosterior, Loss, Observable, language_model_loss
from zeeman.subjects import Checkpoint, Series, list_components
from zeeman.subjects.sites import contribution_sites

DATA = "data"
"""Name under which the sample of the training data is observed along chains."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A series of checkpoints with the library that asks them.

    Parameters
    ----------
    series : Series
    library : Library
        Its ``data`` is what chains feel and susceptibilities tilt away from.
    loss : callable
        ``(model, batch) -> losses``; for language models the losses of tokens 1 … T − 1.
    num_data_rows : int
        Rows of the data that are observed along chains, for φ = L(w) − L(w*).
    localizations : dict
        What unloaded draws of an energy were found to need, so that it is looked for once in a process.

    Raises
    ------
    ZeemanError
        If a token id exceeds the vocabulary of the model.
    """

    series: Series
    library: Library
    loss: Loss = language_model_loss
    num_data_rows: int = 32
    localizations: dict[tuple[Any, ...], float] = field(default_factory=dict, repr=False)
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    def check(self) -> None:
        """Refuse probes that the model can't read, before anything runs."""
        model = self.model(self.series.checkpoints[0])
        embeddings = [m for m in model.modules() if isinstance(m, torch.nn.Embedding)]
        get = getattr(model, "get_input_embeddings", None)
        if embeddings:
            size = (get() if callable(get) else embeddings[0]).num_embeddings
            self.library.check_vocabulary(size)

    def model(self, checkpoint: Checkpoint) -> torch.nn.Module:
        """The network at a checkpoint; the last one is kept, since many units share it."""
        if self._cache.get("step") != checkpoint.step:
            self._cache.update(step=checkpoint.step, model=self.series.model(checkpoint), shared={})
        model: torch.nn.Module = self._cache["model"]
        return model

    def posterior(self, checkpoint: Checkpoint, component: str, **settings: Any) -> LocalPosterior:
        """The local posterior of a component at a checkpoint, on the data."""
        data = torch.tensor(self.library.data.inputs)
        model = self.model(checkpoint)
        return LocalPosterior(model, data, self.loss, component=component, shared=self._cache["shared"], **settings)

    def sample(self, checkpoint: Checkpoint, component: str) -> LocalPosterior:
        """The posterior on the rows of the data that are observed, whose loss is exact there."""
        whole = self.posterior(checkpoint, component)
        rows = whole.rows(slice(0, self.num_data_rows))
        return replace(whole, data=rows, batch_size=min(32, whole.num_rows, self.num_data_rows), shared={})

    def observable(self, name: str) -> Observable:
        """A probe, or the data, as what a chain observes."""
        if name != DATA:
            return _observable(self.library[name])
        data, n = self.library.data, self.num_data_rows
        return _observable(Probe(DATA, data.inputs[:n], data.scored[:n]))

    def foils(self, name: str) -> Observable | None:
        """The wrong answers of a probe, as what a chain could observe."""
        foils = self.library[name].foils if name != DATA else None
        return None if foils is None else Observable(torch.tensor(foils.inputs), torch.tensor(foils.scored[:, 1:]))

    def digest(self, name: str) -> str:
        """Digest of a probe or of the observed part of the data."""
        if name != DATA:
            return self.library[name].digest
        return f"{self.library.data.digest}:{self.num_data_rows}"

    def observed(self, names: list[str]) -> tuple[tuple[str, str], ...]:
        """Names with digests, as a unit holds them."""
        return tuple(sorted((name, self.digest(name)) for name in names))

    def heads(self) -> list[str]:
        """Components that a susceptibility map shows by default: embed, every head, unembed."""
        found = list_components(self.model(self.series.checkpoints[-1]))
        heads = [name for name in found if "h" in name and name.startswith("l") and " " not in name]
        chosen = [n for n in found if n != "full" and " " not in n]
        if heads:
            chosen = [n for n in ("embed", *heads, "unembed") if n in found]
        if not chosen:
            raise ZeemanError(f"no heads or layers were found in the model; name components, of {', '.join(found)}.")
        return chosen

    def sites(self, checkpoint: Checkpoint | None = None) -> list[str]:
        """Heads and MLPs whose contribution can be replaced; none where the model does not show them as modules."""
        model = self.model(checkpoint or self.series.checkpoints[-1])
        return [name for name in contribution_sites(model) if not name.endswith(" attn")]


def _observable(probe: Probe) -> Observable:
    return Observable(torch.tensor(probe.inputs), torch.tensor(probe.scored[:, 1:]))
