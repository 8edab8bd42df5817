"""The germ of a checkpoint as plain data, for a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zeeman.errors import ZeemanError
from zeeman.examination.document import finite
from zeeman.examination.germ_arcs import arcs_document
from zeeman.examination.germs import GermReading
from zeeman.examination.store import Store
from zeeman.examination.unit import SamplerSettings
from zeeman.spectra import REGULAR, mixture

VARIABLES = ("x", "y", "z", "w")


def settings_of(store: Store, step: int) -> SamplerSettings:
    """Settings of the loaded chains that a store holds at a step, or at any step where there are none.

    Raises
    ------
    ZeemanError
        If the store holds no chains.
    """
    found = [u for u in store.units() if u.kind == "loaded" and u.settings is not None]
    if not found:
        raise ZeemanError(f"{store.path} holds no chains, whose nβ and γ set the scale; run zeeman examine first.")
    best = min(found, key=lambda u: (abs(u.step - step), u.key))
    assert best.settings is not None
    return best.settings


def germ_document(reading: GermReading, wanted: str | None = None) -> dict[str, Any]:
    """Lay out a germ: classes, coefficients, arcs, what each probe turns on, and a mixture for a wanted deformation.

    Parameters
    ----------
    reading : GermReading
    wanted : str or None
        A monomial of the unfolding, such as ``x^2``: probes are ranked by it and mixed to turn on it alone.

    Raises
    ------
    ZeemanError
        If the monomial is not one of the unfolding.
    """
    taylor, germ = reading.taylor, reading.posterior
    names = [monomial(exponent) for exponent, _ in reading.basis]
    document = {
        "step": reading.provenance.step,
        "class": germ.name,
        "real_form": germ.real_form,
        "probability": germ.probability,
        "verdict": reading.verdict.name.lower(),
        "sentence": reading.verdict.value,
        "reasons": list(reading.reasons),
        "classes": [
            {"class": c.name, "probability": c.probability, "chi2": c.chi2, "codimension": c.codimension}
            for c in germ.candidates
        ],
        "radius": taylor.radius,
        "scale": taylor.scale,
        "tolerance": germ.tolerance,
        "critical_distance": germ.critical_distance,
        "critical_distance_error": germ.critical_distance_error,
        "gradient_errors": germ.gradient_errors,
        "offset": reading.offset,
        "regular": germ.of(REGULAR),
        "spread": None
        if reading.spread is None
        else {"variances": reading.spread.variances.tolist(), "agreement": reading.spread.agreement.tolist()},
        "disagreement": taylor.disagreement,
        "eigenvalues": germ.eigenvalues.tolist(),
        "eigenvalue_errors": germ.eigenvalue_errors.tolist(),
        "coefficients": {
            monomial(tuple(e)): [taylor.coefficients[i], float(np.sqrt(taylor.covariance[i, i]))]
            for i, e in enumerate(taylor.ring.exponents.tolist())
            if i
        },
        "unfolding": [{"monomial": name, "exponent": y} for name, (_, y) in zip(names, reading.basis, strict=True)],
        "probes": [
            {
                "probe": probe,
                "deformation": [
                    {"monomial": name, "value": value, "standard_error": error}
                    for name, value, error in zip(names, found.values, found.standard_errors, strict=True)
                ],
            }
            for probe, found in reading.deformations.items()
        ],
        "arcs": arcs_document(reading.arcs, germ.name),
        "provenance": reading.provenance.settings,
        "versions": reading.provenance.versions,
    }
    if wanted is not None:
        document["wanted"] = _mixed(reading, names, wanted)
    plain: dict[str, Any] = finite(document)
    return plain


def monomial(exponent: Sequence[int]) -> str:
    """Write a monomial.

    Examples
    --------
    >>> monomial((2, 1)), monomial((0,))
    ('x^2 y', '1')
    """
    named = zip(VARIABLES, exponent, strict=False)
    return " ".join(v if e == 1 else f"{v}^{e}" for v, e in named if e) or "1"


def _mixed(reading: GermReading, names: list[str], wanted: str) -> dict[str, Any]:
    """Probes by how surely they turn on a monomial, and the mixture that turns on it and nothing else."""
    if wanted not in names:
        raise ZeemanError(
            f"expected a deformation of {reading.posterior.name} ({', '.join(names) or 'none is known'}), "
            f"got {wanted!r}; name one of them."
        )
    at, probes = names.index(wanted), list(reading.deformations)
    values = np.stack([reading.deformations[p].values for p in probes])
    errors = np.stack([reading.deformations[p].standard_errors for p in probes])
    ratio = values[:, at] / np.maximum(errors[:, at], 1e-300)
    target = np.zeros(len(names))
    target[at] = np.abs(values[:, at]).max()
    weights, given, given_errors = mixture(values, errors, target)
    return {
        "monomial": wanted,
        "ranked": [{"probe": probes[i], "errors": ratio[i]} for i in np.argsort(-np.abs(ratio))],
        "mixture": dict(zip(probes, weights.tolist(), strict=True)),
        "given": {n: [g, e] for n, g, e in zip(names, given, given_errors, strict=True)},
    }
