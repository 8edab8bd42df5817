"""The germ of a network: the effective potential at a checkpoint on few directions, its class, and what deforms it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from zeeman.errors import ZeemanError
from zeeman.examination.device import versions
from zeeman.examination.germ_arcs import measure_arcs
from zeeman.examination.subject import DATA, Subject
from zeeman.examination.subspaces import Along, choose_subspace
from zeeman.examination.unit import SamplerSettings
from zeeman.reading import Provenance, Verdict
from zeeman.sampling import (
    FlatEnergy,
    Observable,
    Spread,
    effective_potential,
)
from zeeman.singularities.normal_forms import normal_form
from zeeman.singularities.unfolding import versal_unfolding
from zeeman.spectra import (
    REGULAR,
    ArcOrder,
    Deformed,
    GermPosterior,
    Taylor,
    ball_points,
    classify_germ,
    compare_radii,
    deform,
    fit_taylor,
)

Array = NDArray[np.float64]
Basis = tuple[tuple[tuple[int, ...], float | None], ...]

GROUPS = 16
"""Parts of the rows whose fits give the errors."""
DISAGREEMENT = 3.0
"""Of the two balls, in errors: from here on the degree does not suffice."""
AGREEMENT = 0.8
"""Least cosine between the subspaces that two halves of the chains give; the whole is then about twice as close."""
KNOWN = 2.0
"""Errors from which on a gradient is one."""
SEEN = 3.0
"""Errors that the largest coefficient must stand above 0; it sets the scale."""
AT_ONCE = 8
ROUNDING = 1e-14
"""Of a mean loss in double precision, as a share of it."""


@dataclass(frozen=True, eq=False)
class GermReading:
    """What the effective potential of a checkpoint shows on a subspace.

    Parameters
    ----------
    taylor : Taylor
        Coefficients at the radius, in units of its ``scale``.
    posterior : GermPosterior
    basis : tuple of (exponent, y)
        The unfolding of the likeliest class: monomials with the weight y of their parameter; None where not known.
    deformations : dict of Deformed
        What each probe turns on, by name; empty where no unfolding is known.
    arcs : tuple of ArcOrder
        Orders of the effective potential along arcs on the critical sheet of the likeliest class.
    verdict : Verdict
    reasons : tuple of str
    provenance : Provenance
    offset : float
        How far the other weights went to minimize the loss above the checkpoint itself, in radii.
    spread : Spread or None
        What the chains showed, where they chose the subspace.
    """

    taylor: Taylor
    posterior: GermPosterior
    basis: Basis
    deformations: dict[str, Deformed]
    arcs: tuple[ArcOrder, ...]
    verdict: Verdict
    reasons: tuple[str, ...]
    provenance: Provenance
    offset: float
    spread: Spread | None = None


def read_germ(
    subject: Subject,
    step: int,
    settings: SamplerSettings,
    *,
    along: Along = "chord",
    component: str = "full",
    dimension: int = 1,
    degree: int = 6,
    radius: float | None = None,
    num_steps: int = 60,
) -> GermReading:
    """Read the germ of the loss at a checkpoint, on a subspace.

    V(u) = min_v L(w* + U u + v) + γ/(2nβ)‖v‖² on the observed rows of the data, at points of the balls of radius r and
    r/2; Taylor coefficients with the jackknife over rows and the disagreement of the balls as errors; a posterior over
    classes; and the loss of each probe on the same weights, projected onto the unfolding of the likeliest class.

    Parameters
    ----------
    subject : Subject
    step : int
    settings : SamplerSettings
        Its nβ and γ set the restraint, and γ the radius along flat and sampled directions, whose chains it describes.
    along : {"chord", "flat", "posterior"}
        ``chord``: towards the next checkpoints (from the last one: back). ``flat``: where the Hessian is least.
        ``posterior``: where draws of the local posterior spread most, for any number of weights.
    component : str
        Weights that move.
    dimension : int
        1 to 4.
    degree : int
        Of the fit.
    radius : float or None
        r, in units of the weights; None: the length of the first chord, or γ^{−1/2}, how far the local posterior goes
        where the loss is flat.
    num_steps : int
        Of the minimization, at most.

    Raises
    ------
    ZeemanError
        For dimensions outside 1 to 4, a chord that does not exist, or losses that are not finite.
    """
    if not 1 <= dimension <= 4:
        raise ZeemanError(f"the subspace must have 1 to 4 dimensions, got {dimension}; choose fewer.")
    posterior = subject.sample(subject.series.at(step), component)
    energy = FlatEnergy(posterior)
    subspace = choose_subspace(subject, step, settings, along, posterior, dimension)
    frame, reach, spread = subspace.frame, radius or subspace.length, subspace.spread
    points = ball_points(dimension, degree)
    restraint = settings.localization / settings.n_beta
    taylor, places = _potential(energy, frame, points, degree, reach, restraint, num_steps)
    offset = float((places[0] - energy.center).norm()) / reach
    germ = classify_germ(taylor)
    basis = _unfolding(germ.name)
    deformations = {
        name: _deformed(energy, subject.observable(name), places, points, germ, basis, degree, reach)
        for name in (subject.library.probes if basis else ())
    }
    chains = asdict(settings) if spread else {"n_beta": settings.n_beta, "localization": settings.localization}
    how = {"along": along, "component": component, "dimension": dimension, "degree": degree, "radius": reach}
    asked = {name: subject.digest(name) for name in (DATA, *deformations)}
    origin = Provenance(step, subject.series.at(step).digest, asked, {**chains, **how}, versions())
    arcs = measure_arcs(lambda at: _values(energy, frame, reach * at, restraint, num_steps), taylor, germ)
    return GermReading(taylor, germ, basis, deformations, arcs, *_judge(taylor, germ, spread), origin, offset, spread)


def _values(
    energy: FlatEnergy, frame: torch.Tensor, points: Array, restraint: float, num_steps: int
) -> tuple[Array, float]:
    """Effective potential of the groups of rows at points, and its noise: of rounding, and of what is left to go.

    A gradient g across the subspace can lower the potential by g²/2μ at most where nothing curves down.
    """
    found = effective_potential(energy, frame, torch.from_numpy(points), restraint=restraint, num_steps=num_steps)
    rows = found.rows.numpy()
    rounding = ROUNDING * float(np.abs(rows.mean(axis=1)).max())
    return _groups(rows.T), rounding + float(found.residual.square().median()) / (2 * restraint)


def _potential(
    energy: FlatEnergy,
    frame: torch.Tensor,
    points: Array,
    degree: int,
    reach: float,
    restraint: float,
    num_steps: int,
) -> tuple[Taylor, torch.Tensor]:
    """Taylor coefficients of the effective potential, and the weights at its points."""
    places = torch.from_numpy(points * reach)
    found = effective_potential(energy, frame, places, restraint=restraint, num_steps=num_steps)
    values, inside = _groups(found.rows.numpy().T), np.linalg.norm(points, axis=1) <= 0.5
    whole = fit_taylor(points, values, degree, reach)
    half = fit_taylor(2 * points[inside], values[:, inside], degree, reach / 2)
    return compare_radii(whole, half), found.places


def _deformed(
    energy: FlatEnergy,
    asked: Observable,
    places: torch.Tensor,
    points: Array,
    germ: GermPosterior,
    basis: Basis,
    degree: int,
    reach: float,
) -> Deformed:
    """What a probe turns on: its loss on the weights of the effective potential, projected onto the unfolding."""
    fit = fit_taylor(points, _groups(_row_losses(energy, asked, places)), degree, reach)
    return deform(germ.name, germ.split, fit, [exponent for exponent, _ in basis])


def _row_losses(energy: FlatEnergy, asked: Observable, places: torch.Tensor) -> Array:
    """Mean loss of each row of a probe at each place, shape (rows, points)."""
    weight = asked.scored.double()
    with torch.no_grad():
        losses = torch.cat([energy.losses(part, asked.batch) for part in torch.split(places, AT_ONCE)])
    kept = weight.sum(1) > 0
    mean = (losses * weight).sum(2)[:, kept] / weight.sum(1)[kept]
    return np.asarray(mean.T.numpy(), np.float64)


def _groups(rows: Array) -> Array:
    """Means of up to 16 parts of rows, shape (groups, points)."""
    parts = np.array_split(rows, min(GROUPS, len(rows)))
    return np.stack([part.mean(axis=0) for part in parts])


def _unfolding(name: str) -> Basis:
    """Monomials of the unfolding of a class and the weights of their parameters; none for classes beyond the list."""
    if "+" in name or " " in name or name in (REGULAR, "A1"):
        return ()
    found = versal_unfolding(normal_form(name))
    if found is None:
        return ()
    return tuple(
        (tuple(int(i) for i in d.exponents), None if d.dimension is None else float(d.dimension))
        for d in found.deformations
        if any(d.exponents)
    )


def _judge(taylor: Taylor, germ: GermPosterior, spread: Spread | None) -> tuple[Verdict, tuple[str, ...]]:
    """The first rule that fails, and in words all that do."""
    agreement = 1.0 if spread is None else float(spread.agreement.min())
    elsewhere, slope = germ.of(REGULAR) >= 0.5, germ.gradient_errors
    place = f"{germ.critical_distance:.2g} ± {germ.critical_distance_error:.1g}"
    largest = int(np.abs(taylor.coefficients).argmax())
    signal = float(abs(taylor.coefficients[largest]) / max(1e-300, taylor.covariance[largest, largest] ** 0.5))
    rules = (
        (
            agreement < AGREEMENT,
            Verdict.NOT_MIXED,
            f"the subspaces of two halves of the chains meet at a cosine of {agreement:.2f} only",
        ),
        (
            elsewhere and slope >= KNOWN,
            Verdict.NOT_CRITICAL,
            f"the nearest critical point lies {place} radii away, and the gradient is {slope:.1f} of its errors: with "
            f"probability {germ.of(REGULAR):.0%} no germ sits here",
        ),
        (
            taylor.disagreement > DISAGREEMENT,
            Verdict.TOO_ANHARMONIC,
            f"the balls of the radius and of half of it disagree by {taylor.disagreement:.1f} errors",
        ),
        (
            elsewhere and slope < KNOWN,
            Verdict.NO_SIGNAL,
            f"whether a critical point sits here is not known: the nearest lies {place} radii away, yet the gradient "
            f"is only {slope:.1f} of its errors",
        ),
        (
            signal < SEEN,
            Verdict.NO_SIGNAL,
            f"the largest coefficient, which sets the scale, is only {signal:.1f} of its errors",
        ),
        (germ.probability < 0.5, Verdict.NO_SIGNAL, f"no class has more than {germ.probability:.0%}"),
    )
    failed = [(verdict, reason) for wrong, verdict, reason in rules if wrong]
    return (failed[0][0] if failed else Verdict.OK), tuple(reason for _, reason in failed)
