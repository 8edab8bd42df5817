"""What was measured of a singularity, and what of it stands in what a command printed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zeeman.errors import ZeemanError
from zeeman.programs.evidence import Measurement

LEAST_CHANCE = 5e-5
"""Chances are printed to four places: less than this is printed as 0."""
READABLE = ("ok", "no_signal")
"""Verdicts under which a posterior may be used: no_signal says of a germ's that no class has half of it."""


@dataclass(frozen=True)
class Measured:
    """What was measured; what is left out was not. Errors are standard errors.

    Parameters
    ----------
    llc : (λ̂, error) or None
    multiplicity : int, mapping of int to float, or None
        m taken as certain, or a posterior under an even prior.
    hessian_rank : int or None
        Number of directions in which the loss is a plain square, taken as certain.
    weights : sequence of (α̂, error)
        Of the flattest directions, Var(u_i) ~ (nβ)^{−2α_i}: 1/2 of a plain square.
    spread : (η̂, error) or None
        Of the squared distance, ⟨‖w − w*‖²⟩ ~ (nβ)^{−η} (`observable_exponent`).
    classes : mapping of str to float
        Posterior of the germ's class, each equally likely before; A7+ is A7 and worse.
    dimension : int or None
        Number of weights.

    Raises
    ------
    ZeemanError
        For numbers that cannot be, or if nothing was measured.
    """

    llc: Measurement | None = None
    multiplicity: int | Mapping[int, float] | None = None
    hessian_rank: int | None = None
    weights: tuple[Measurement, ...] = ()
    spread: Measurement | None = None
    classes: Mapping[str, float] = field(default_factory=dict)
    dimension: int | None = None

    def __post_init__(self) -> None:
        if not (self.llc or self.chances or self.weights or self.spread or self.classes):
            raise ZeemanError(
                "expected a reading to match (λ, m, weights, a spread or a posterior of classes), got none."
            )
        for what, (value, error) in self._named():
            if not (math.isfinite(value) and math.isfinite(error) and error > 0):
                raise ZeemanError(f"expected a finite {what} with an error above 0, got {value:g} and {error:g}.")
        if self.llc:
            self._check_llc(*self.llc)
        for what, chances in (("multiplicity", self.chances), ("class", self.classes)):
            if chances and not (min(chances.values()) >= 0 and abs(math.fsum(chances.values()) - 1) < 0.01):
                raise ZeemanError(f"expected probabilities of each {what} that add up to 1, got {dict(chances)}.")
        if any(m < 1 for m in self.chances):
            raise ZeemanError(f"expected a multiplicity from 1 on, got {min(self.chances)}.")

    @property
    def chances(self) -> Mapping[int, float]:
        """The posterior of m, 1 at an m that is certain; empty where m was not measured."""
        if self.multiplicity is None:
            return {}
        return {self.multiplicity: 1.0} if isinstance(self.multiplicity, int) else self.multiplicity

    @property
    def of_a_loss(self) -> bool:
        """Whether anything was measured that only a loss has: any reading of a posterior over weights."""
        return bool(self.llc or self.chances or self.weights or self.spread)

    def told(self) -> list[str]:
        """Each reading as a short text.

        Examples
        --------
        >>> Measured(llc=(0.25, 0.01), multiplicity={1: 0.8, 2: 0.2}, hessian_rank=0).told()
        ['λ = 0.250 ± 0.010', 'm = 1 (80%), 2 (20%)', 'Hessian of rank 0']
        """
        ranked = sorted(self.classes.items(), key=lambda one: -one[1])
        parts = [
            f"λ = {_with_error(self.llc)}" if self.llc else "",
            f"m = {_shares(self.chances.items())}" if self.chances else "",
            f"Hessian of rank {self.hessian_rank}" if self.hessian_rank is not None else "",
            f"weights {', '.join(map(_with_error, self.weights))}" if self.weights else "",
            f"spread (nβ)^−{_with_error(self.spread)}" if self.spread else "",
            f"class {_shares(ranked)}" if ranked else "",
            f"{self.dimension} weights in all" if self.dimension else "",
        ]
        return [part for part in parts if part]

    def _named(self) -> Iterable[tuple[str, Measurement]]:
        yield from [("learning coefficient", self.llc)] if self.llc else []
        yield from [("exponent of the spread", self.spread)] if self.spread else []
        yield from (("weight", one) for one in self.weights)

    def _check_llc(self, value: float, error: float) -> None:
        rank, most = self.hessian_rank or 0, self.dimension
        if value <= 0:
            raise ZeemanError(f"expected a learning coefficient above 0, got {value:g}.")
        if rank < 0 or value < rank / 2 - 5 * error:
            raise ZeemanError(
                f"expected a Hessian of a rank from 0 to 2λ = {2 * value:g}, each square adding 1/2 to λ, got {rank}."
            )
        if most is not None and (most < max(1, rank) or value > most + 5 * error):
            raise ZeemanError(f"expected a number of weights that λ = {value:g} is below, got {most}.")


def measured_fields(content: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Measured` in the JSON of ``zeeman density`` or ``zeeman germ``.

    The sampler's posterior of m has a prior that falls with m; it is taken out.

    Raises
    ------
    ZeemanError
        If it is neither, or a reading that is not to be trusted.

    Examples
    --------
    >>> measured_fields({"verdict": "ok", "classes": [{"class": "A3", "probability": 1.0}]})
    {'classes': {'A3': 1.0}}
    """
    if not ("classes" in content or {"llc", "llc_se"} <= set(content)):
        raise ZeemanError("expected what zeeman density K --json or zeeman germ --json prints, got neither.")
    if content.get("verdict") not in READABLE or content.get("llc", 1) is None:
        told = "; ".join(content.get("reasons") or ["nothing more is said"])
        raise ZeemanError(f"expected a reading to be trusted, got the verdict {content.get('verdict')}: {told}.")
    if "classes" in content:
        return {"classes": {one["class"]: one["probability"] for one in content["classes"]}}
    printed = {int(m): p for m, p in (content.get("multiplicity_posterior") or {}).items()}
    return {"llc": (content["llc"], content["llc_se"]), "multiplicity": _under_an_even_prior(printed) or None}


def _under_an_even_prior(posterior: Mapping[int, float]) -> dict[int, float]:
    from zeeman.spectra.asymptotics import MULTIPLICITY_PRIOR

    odds = {m: max(p, LEAST_CHANCE) / MULTIPLICITY_PRIOR**m for m, p in posterior.items()}
    return {m: one / math.fsum(odds.values()) for m, one in odds.items()}


def _with_error(measured: Measurement) -> str:
    value, error = measured
    places = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{places}f} ± {error:.{places}f}".replace("-", "−")


def _shares(chances: Iterable[tuple[Any, float]]) -> str:
    return ", ".join(f"{one} ({p:.0%})" for one, p in chances if p >= 0.005)


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object that a command printed.

    Raises
    ------
    ZeemanError
        If there is none that can be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ZeemanError(f"expected a JSON file at {path}, got none that can be read ({error}).") from error
    if not isinstance(content, dict):
        raise ZeemanError(f"expected one JSON object in {path}, got something else.")
    return content
