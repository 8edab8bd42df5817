"""The behaviour of a checkpoint on a probe, by the metric that the probe asks for."""

from __future__ import annotations

import numpy as np

from zeeman.examination.device import Draws
from zeeman.examination.unit import Unit
from zeeman.probes import Probe
from zeeman.spectra import behaviour
from zeeman.spectra.grading import bits_per_unit, chosen_rows, exact_rows, perplexity, sums_by_row


def graded(probe: Probe, draws: Draws, unit: Unit) -> tuple[float, float]:
    """Read what a reference unit holds of a probe.

    Parameters
    ----------
    probe : Probe
    draws : Draws
    unit : Unit
        A reference that observed it.

    Returns
    -------
    value, standard_error : float
        The metric of `Probe`, with the error between its rows.
    """
    rows, count = np.nonzero(probe.scored)[0], len(probe.inputs)
    if probe.metric in ("loss", "accuracy"):
        return behaviour(
            draws.array(unit, f"{'hits' if probe.metric == 'accuracy' else 'observed'}_{probe.name}"), rows
        )
    if probe.metric == "exact":
        return behaviour(exact_rows(draws.array(unit, f"hits_{probe.name}"), rows, count), np.arange(count))
    losses = sums_by_row(draws.array(unit, f"observed_{probe.name}"), rows, count)
    sizes = np.ones(count) if probe.sizes is None else probe.sizes
    if probe.foils is None:
        return perplexity(losses, sizes) if probe.metric == "perplexity" else bits_per_unit(losses, sizes)
    foils = probe.foils
    wrong = draws.array(unit, f"foils_{probe.name}")
    wrong = sums_by_row(wrong, np.nonzero(foils.scored)[0], len(foils.inputs))
    wrong = wrong if foils.sizes is None else wrong / foils.sizes
    return behaviour(chosen_rows(losses / sizes, wrong, foils.against), np.arange(count))
