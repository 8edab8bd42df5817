"""Beside the response of a band, what its tokens lose when each head or MLP is replaced by its mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeeman.examination.band_structure import Structure
from zeeman.examination.device import Draws
from zeeman.examination.unit import Unit
from zeeman.probes import Library
from zeeman.spectra import carriers, mean_between_rows


def ablations_of(draws: Draws, library: Library) -> dict[int, Unit]:
    """The finished ablations that read every probe of a library, by step."""
    probes = {name: probe.digest for name, probe in library.probes.items()}
    found = [u for u in draws.units.values() if u.kind == "ablation" and probes.items() <= dict(u.observed).items()]
    return {unit.step: unit for unit in found}


def band_ablations(draws: Draws, library: Library, unit: Unit, found: Structure, band: int) -> dict[str, Any]:
    """Compare a band's contrast in ρ with the effect of ablation on its tokens (`carriers`).

    Parameters
    ----------
    draws : Draws
    library : Library
    unit : Unit
        Ablations at the step of the structure.
    found : Structure
    band : int

    Returns
    -------
    dict
        ``components`` that were ablated, mean ``effect`` on the band's tokens in nats with ``effect_se`` between rows,
        the part of it that goes straight to the logits (``direct`` with ``direct_se``, None where it was not read), and
        for components that have a response too ``evidence``; ``agreement``, Spearman's correlation of the two over
        these components, with ``agreement_p``, None where there are fewer than three.
    """
    names = list(draws.attribute(unit, "components"))
    tokens = np.nonzero(found.labels == band)[0]
    rows = _rows(found)
    effects = _effects(draws, library, unit, "ablated")
    assert effects is not None
    effect, effect_se = mean_between_rows(effects[:, tokens], rows[tokens])
    straight = _effects(draws, library, unit, "direct")
    direct = (None, None) if straight is None else mean_between_rows(straight[:, tokens], rows[tokens])
    shared = [name for name in found.matrix.components if name in names]
    compared: dict[str, Any] = {"evidence": {}, "agreement": None, "agreement_p": None}
    if shared:
        here, there = ([all_names.index(n) for n in shared] for all_names in (found.matrix.components, names))
        # The response of all tokens is taken off as it is in the contrast, since every component has that.
        common = found.means[band][here] - found.contrast[band][here]
        answers, errors = (values[here][:, tokens] for values in (found.matrix.rho, found.matrix.rho_se))
        judged = carriers(
            shared, answers - common[:, None], errors, effects[there][:, tokens], rows[tokens],
            np.arange(len(tokens)), draw_error=found.contrast_se[band][here],
        )  # fmt: skip
        compared["evidence"] = dict(zip(shared, judged.evidence, strict=True))
        if len(shared) > 2:
            compared |= {"agreement": judged.agreement_of_sizes.value, "agreement_p": judged.agreement_of_sizes.p}
    return {
        "components": names,
        "effect": effect,
        "effect_se": effect_se,
        "direct": direct[0],
        "direct_se": direct[1],
        **compared,
    }


def _effects(draws: Draws, library: Library, unit: Unit, kind: str) -> NDArray[np.float64] | None:
    """Effects on all tokens; None where they were not read."""
    if not all(draws.holds(unit, f"{kind}_{name}") for name in library.probes):
        return None
    return np.concatenate([draws.array(unit, f"{kind}_{name}") for name in library.probes], axis=1)


def _rows(found: Structure) -> NDArray[np.int64]:
    """A number for each row of each probe."""
    tokens = found.matrix.tokens
    return np.asarray(tokens.probe * (tokens.row.max(initial=0) + 1) + tokens.row, np.int64)
