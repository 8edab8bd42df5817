"""The behaviour of a checkpoint on a probe, by the metric that the probe asks for, and what its change is called."""

from __future__ import annotations

import numpy as np

from zeeman.examination.device import Draws
from zeeman.examination.unit import Unit
from zeeman.probes import Probe
from zeeman.probes.probe import SHARES
from zeeman.spectra import behaviour
from zeeman.spectra.grading import bits_per_unit, chosen_rows, exact_rows, perplexity, sums_by_row

BEYOND_ERROR = 3.0
"""Errors by which a share must exceed the chance of its probe."""
WORDS = ("learned", "rose to chance", "lost", "fell from chance")
"""What a change of behaviour is called."""


def word_for(probe: Probe, change: float, before: tuple[float, float], after: tuple[float, float]) -> str:
    """Say what a change of behaviour is: one of `WORDS`.

    A share of hits is learned only if it ends above the chance of its probe by `BEYOND_ERROR` errors: to answer always
    the same is no knowledge of the answer. It is lost only if it was above. Where no chance is known, and where less is
    better, the direction decides.

    Parameters
    ----------
    probe : Probe
    change : float
        Its sign is the direction.
    before, after : (float, float)
        Value and error; an error that is not known is exceeded by nothing.

    Examples
    --------
    >>> probe = Probe("is-or-are", np.array([[0, 1]]), np.array([[False, True]]), metric="accuracy", chance=0.5)
    >>> word_for(probe, 0.5, (0.03, 0.01), (0.56, 0.03)), word_for(probe, 0.9, (0.03, 0.01), (0.95, 0.02))
    ('rose to chance', 'learned')
    """
    better = (change > 0) is (probe.metric in SHARES)
    value, error = after if better else before
    known = probe.chance is None or value - probe.chance > BEYOND_ERROR * error
    return WORDS[2 * (not better) + (not known)]


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
