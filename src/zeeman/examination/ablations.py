"""An independent reading of components, without draws: what each probe loses without them, and where heads look."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.examination.device import Draws, provenance
from zeeman.examination.subject import DATA, Subject
from zeeman.examination.unit import SamplerSettings, Unit
from zeeman.examination.unit_store import UnitStore
from zeeman.reading import Reading, Verdict
from zeeman.sampling import attention_patterns, language_model_loss, mean_ablation, path_patching
from zeeman.spectra import mean_between_rows

REPEAT_ROWS = 16
"""Random strings, said twice, on which heads are seen to look back."""
KINDS = ("previous", "induction")
EFFECTS = {"ablated": "ablation", "direct": "ablation_direct"}
"""Readings by the arrays that they are made of."""


@dataclass(frozen=True)
class Ablations:
    """Mean ablation of every head and MLP on every probe, and the attention scores of the heads.

    Parameters
    ----------
    steps : tuple of int
        Checkpoints to read; as for `Susceptibilities`.
    """

    steps: tuple[int, ...] = ()
    name: str = "ablations"

    def units(self, subject: Subject, settings: SamplerSettings) -> list[Unit]:
        """One a step; none where the model has no heads or MLPs whose contribution can be replaced."""
        return [ablation_unit(subject, step) for step in self.steps] if subject.sites() else []

    def read(self, subject: Subject, settings: SamplerSettings, draws: Draws) -> list[Reading]:
        """Readings ``ablation`` and ``ablation_direct`` of each probe in nats, and the attention scores of heads.

        These are ``attention_previous`` and ``attention_induction``. The direct effect is what is left when all other
        heads and MLPs are held: path patching to the logits.
        """
        return [
            reading
            for unit in self.units(subject, settings)
            for reading in (*_ablations(subject, draws, unit), *_attention(draws, unit))
        ]


def ablation_unit(subject: Subject, step: int) -> Unit:
    """The ablations at a step, read on every probe, with means over the observed rows of the data."""
    observed = subject.observed(list(subject.library.probes))
    weights = subject.series.at(step).digest
    return Unit("ablation", step, weights, data=subject.digest(DATA), observed=observed)


def _ablations(subject: Subject, draws: Draws, unit: Unit) -> Iterator[Reading]:
    names = list(draws.attribute(unit, "components"))
    for (name, probe), (kind, reading) in itertools.product(subject.library.probes.items(), EFFECTS.items()):
        if draws.holds(unit, f"{kind}_{name}"):
            effects = draws.array(unit, f"{kind}_{name}")
            value, error = mean_between_rows(effects, np.nonzero(probe.scored[:, 1:])[0])
            verdict = Verdict.OK if np.isfinite(value).all() else Verdict.DIVERGED
            where = {"probe": name, "components": names}
            yield Reading(reading, value, error, verdict, (), provenance(unit, None), where)


def _attention(draws: Draws, unit: Unit) -> Iterator[Reading]:
    for kind in KINDS:
        if not draws.holds(unit, f"attention_{kind}"):
            continue
        rows = draws.array(unit, f"attention_{kind}")
        where = {"components": list(draws.attribute(unit, "heads")), "chance": draws.attribute(unit, f"{kind}_chance")}
        error = rows.std(axis=1, ddof=1) / math.sqrt(rows.shape[1])
        origin = provenance(unit, None)
        yield Reading(f"attention_{kind}", rows.mean(axis=1), error, Verdict.OK, (), origin, where)


def run_ablation(
    subject: Subject, place: UnitStore, unit: Unit, before: Mapping[str, NDArray[Any]], taken: Collection[str]
) -> None:
    """Compute the unit: effects, total and direct (components, tokens) of each probe, and attention (heads, rows).

    Effects on the probes ``taken`` are known from before.
    """
    checkpoint = subject.series.at(unit.step)
    model, names = subject.model(checkpoint), subject.sites(checkpoint)
    reference = subject.observable(DATA).batch
    arrays: dict[str, NDArray[Any]] = {
        f"ablated_{name}": mean_ablation(
            model, subject.observable(name), names, reference=reference, loss=subject.loss
        ).effects
        for name, _ in unit.observed
        if name not in taken
    }
    arrays |= before
    notes: dict[str, object] = {"components": names}
    try:
        arrays |= {
            f"direct_{name}": path_patching(
                model, subject.observable(name), names, reference=reference, loss=subject.loss
            ).effects
            for name, _ in unit.observed
            if f"direct_{name}" not in before
        }
    except ZeemanError as error:  # some models have parts that cannot be held
        notes["paths"] = str(error)
    if subject.loss is language_model_loss:
        try:
            scores = attention_patterns(model, _repeated(reference))
            arrays |= {"attention_previous": scores.previous, "attention_induction": scores.induction}
            notes |= {"heads": list(scores.components), "attention": ""}
            notes |= {"previous_chance": scores.previous_chance, "induction_chance": scores.induction_chance}
        except ZeemanError as error:  # some models do not show their attention; ablations stand without it
            notes["attention"] = str(error)
    place.prepare(unit, {n: v.shape for n, v in arrays.items()}, {n: len(v) for n, v in arrays.items()})
    place.set_attributes(**notes)
    for name, values in arrays.items():
        place.write_array(name, values.astype(np.float32))


def _repeated(data: torch.Tensor) -> torch.Tensor:
    """Random strings of tokens of the data, each said twice."""
    length, seen = data.shape[1] // 2, torch.unique(data)
    picks = np.random.Generator(np.random.Philox(key=np.array([0, 0xAB1A7E], np.uint64)))
    half = seen[torch.from_numpy(picks.integers(0, len(seen), (REPEAT_ROWS, length)))]
    return torch.cat([half, half], dim=1)
