"""``zeeman density``: the density of states of a polynomial or of a series."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeeman.cli.app import Json, Workers, app, clock, print_json, progress_bars
from zeeman.cli.density_series import density_of_series, is_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeeman.examination import PotentialExamination
    from zeeman.reading import Reading
    from zeeman.spectra import DensityOfStates


SHOWN = 4
"""Variables of an axis that are printed, the largest first."""


@app.command
def density(
    potential: str,
    /,
    *,
    domain: float | None = None,
    localization: float = 0.0,
    num_walkers: int | None = None,
    num_draws: int | None = None,
    probes: Path | None = None,
    out: str = "density",
    at: tuple[int, ...] = (),
    lr: float | None = None,
    n_beta: float | None = None,
    workers: Workers = None,
    seed: int = 0,
    json: Json = False,
) -> None:
    """Measure the density of states of a potential K ≥ 0, or of a series of checkpoints along its training.

    Of a potential: the learning coefficient and its multiplicity too. Of a series: the Hessian's spectrum too, with a
    report.

    Parameters
    ----------
    potential
        A polynomial that is 0 at its minimum, such as "x**2*y**2" or "(x^2 - y^3)^2"; or a series: a folder of
        checkpoints, or repo@revisions such as EleutherAI/pythia-14m@step{0..143000}.
    domain
        Half-width of the box around the origin on which weights are uniform; 1 where neither this nor a localization
        is given.
    localization
        Precision γ of a Gaussian around the origin, instead of a box or within it.
    num_walkers
        Independent walkers on the ladder; chosen by the number of variables, as the next.
    num_draws
        Draws of each walker, or of each chain of a series.
    probes
        For a series: folder of the library whose data chains feel; by default the demo's.
    out
        For a series: folder of the examination; one that was stopped goes on from there.
    at
        For a series: steps to read; by default eight, evenly spaced.
    lr, n_beta
        For a series: step size and inverse temperature in the middle of the ladder.
    """
    if is_series(potential):
        given = {"lr": lr, "n_beta": n_beta, "localization": localization or None, "num_draws": num_draws, "seed": seed}
        density_of_series(potential, probes=probes, out=out, at=at, settings=given, workers=workers, json=json)
        return
    lengths = {"num_walkers": num_walkers, "num_draws": num_draws, "seed": seed}
    box = 1.0 if domain is None and localization == 0 else domain
    started = time.monotonic()
    found = _examine(potential, box, localization, lengths, quiet=json)
    seconds = time.monotonic() - started
    if json:
        directions = {"direction_exponents": [_direction(one) for one in found.directions]}
        print_json(_content(found.llc) | directions | {"seconds": round(seconds, 2)})
    else:
        _tell(potential, found, seconds)


def _examine(
    potential: str, domain: float | None, localization: float, lengths: dict[str, int | None], *, quiet: bool
) -> PotentialExamination:
    from zeeman.examination import examine_potential
    from zeeman.examination.engine import one_thread
    from zeeman.sampling import Ladder
    from zeeman.subjects import Potential

    parsed = Potential.parse(potential)
    ladder = Ladder.fitting(len(parsed.variables), **lengths)
    with one_thread(), progress_bars(quiet) as show:
        return examine_potential(
            parsed, parsed.origin, domain=domain, localization=localization, ladder=ladder, on_progress=show.steps
        )


def _content(llc: Reading) -> dict[str, Any]:
    posterior = llc.coordinates.get("multiplicity_posterior", {})
    value, error = (float(x) if math.isfinite(x) else None for x in (llc.value, llc.standard_error))
    return {
        "llc": value,
        "llc_se": error,
        "multiplicity": llc.coordinates.get("multiplicity"),
        "multiplicity_posterior": {str(m): round(p, 4) for m, p in posterior.items()},
        "verdict": llc.verdict.name.lower(),
        "reasons": list(llc.reasons),
    }


def _tell(potential: str, found: PotentialExamination, seconds: float) -> None:
    from zeeman.subjects import Potential

    llc, content = found.llc, _content(found.llc)
    print(f"{potential}: λ = {llc.value:.4f} ± {llc.standard_error:.4f} [{content['verdict']}]")
    shares = ", ".join(f"m = {m}: {p:.1%}" for m, p in content["multiplicity_posterior"].items() if p >= 0.001)
    print(f"multiplicity {content['multiplicity']} ({shares})" if shares else "multiplicity not decided")
    for reason in (llc.verdict.value, *llc.reasons) if not llc.verdict.trusted else ():
        print(f"  {reason}")
    _tell_directions(found.directions, Potential.parse(potential).variables)
    if found.density is not None:
        _curve(found.density)
    print(f"{clock(seconds)}, n_beta up to {llc.health['coldest_n_beta']:.1e} on {llc.health['rungs']:.0f} rungs")


def _direction(reading: Reading) -> dict[str, Any]:
    return {
        "exponent": float(reading.value),
        "standard_error": float(reading.standard_error),
        "verdict": reading.verdict.name.lower(),
        "reasons": list(reading.reasons),
        "variance_exponent": reading.coordinates["variance_exponent"],
        "axis": reading.coordinates["axis"],
    }


def _tell_directions(directions: Sequence[Reading], variables: Sequence[str]) -> None:
    """Print how each direction shrinks with temperature, the widest first."""
    from zeeman.examination import exponent_sum

    for reading in directions:
        parts = sorted(zip(reading.coordinates["axis"], variables, strict=True), key=lambda part: -abs(part[0]))
        axis = " ".join(f"{share:+.2f} {name}" for share, name in parts[:SHOWN] if abs(share) >= 0.005)
        value = f"{reading.value:.3f} ± {reading.standard_error:.1g}"
        print(f"|{axis}| ~ T^α, α = {value} [{reading.verdict.name.lower()}]")
    if directions:
        total, error = exponent_sum(directions)
        print(f"sum of α {total:.3f} ± {error:.1g}, which is λ where weights exist")
    for reason in dict.fromkeys(reason for one in directions for reason in one.reasons):
        print(f"  {reason}")


def _curve(density: DensityOfStates) -> None:
    """Print λ(ε) at a dozen scales."""
    print("\n      ε        log V(ε)           λ(ε)")
    for k in range(len(density.epsilon) - 1, -1, -max(1, len(density.epsilon) // 12)):
        volume = f"{density.log_volume[k]:8.3f} ± {density.log_volume_se[k]:.3f}"
        print(f"  {density.epsilon[k]:8.1e}  {volume}   {density.exponent[k]:.3f} ± {density.exponent_se[k]:.3f}")
